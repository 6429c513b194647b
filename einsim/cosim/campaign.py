"""Many runs of generated hardware, one after the other, with seeds of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from einsim.cosim.compare import Comparison, compare, run_once, stimulus
from einsim.cosim.subject import Subject
from einsim.rtl.generator.simulation import CocotbSimulation, Simulation, Watched


def run_campaign(
    subject: Subject, seeds: Iterable[int], folder: Path, engine: str = "cpp", *, pressure: bool = True
) -> list[Comparison]:
    """Runs of one hardware, under `cpp` (a loop) or `cocotb`; inputs and back-pressure follow from seeds."""
    simulation = (CocotbSimulation if engine == "cocotb" else Simulation)(subject.generated, folder)
    found = []
    for seed in seeds:
        given = stimulus(subject, seed, pressure=pressure)
        found.append(compare(subject, run_once(subject, simulation, given), given, seed))
    return found


def watch(subject: Subject, seed: int, folder: Path, *, pressure: bool = True) -> Watched:
    """The run of one seed as a campaign makes it, its streams written down in every cycle."""
    given = stimulus(subject, seed, pressure=pressure)
    return run_once(subject, Simulation(subject.generated, folder), given, streams=True)


def campaign_record(subject: Subject, comparisons: Sequence[Comparison], engine: str) -> dict[str, Any]:
    """All of it for --json: totals, and the runs."""
    hardware = subject.hardware
    totals = {
        name: sum(getattr(each, name) for each in comparisons)
        for name in (
            "bits_compared", "bit_mismatches", "cycles_rtl", "cycles_model", "events_compared", "event_mismatches",
        )
    }  # fmt: skip
    return {
        "configuration": hardware.name,
        "digest": subject.generated.digest,
        "engine": engine,
        "rows": hardware.rows,
        "columns": hardware.columns,
        "sizes": dict(subject.sizes),
        "equal": all(each.equal for each in comparisons),
        **totals,
        "util_2d": sum(each.util_2d for each in comparisons) / len(comparisons),
        "util_1d": sum(each.util_1d for each in comparisons) / len(comparisons),
        "runs": [each.record() for each in comparisons],
    }
