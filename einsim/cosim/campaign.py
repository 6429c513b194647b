"""Many runs of generated hardware, one after the other, with seeds of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from einsim.cosim.compare import Comparison, compare, run_once, stimulus
from einsim.cosim.subject import Subject
from einsim.rtl.generator.simulation import CocotbSimulation, Simulation

ENGINES: Final[Mapping[str, type[Simulation] | type[CocotbSimulation]]] = {"cpp": Simulation, "cocotb": CocotbSimulation}
"""What drives a simulation: a C++ loop, or cocotb with bus models."""


def run_campaign(
    subject: Subject, seeds: Iterable[int], folder: Path, engine: str = "cpp", *, pressure: bool = True
) -> list[Comparison]:
    """Runs of one hardware at one size, with inputs and back-pressure that follow from the seeds; `engine` as in ENGINES."""
    simulation = ENGINES[engine](subject.generated, folder)
    found = []
    for seed in seeds:
        given = stimulus(subject, seed, pressure=pressure)
        found.append(compare(subject, run_once(subject, simulation, given), given, seed))
    return found


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
