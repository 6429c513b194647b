"""`einsim simulate`: one design, cycle by cycle."""

from __future__ import annotations

import json as json_text
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import RenderableType

from einsim.cli.common import PLAIN, DesignOptions, JsonOption
from einsim.cli.output import print_json, show_result
from einsim.cli.whole import ALONE, WholeOptions
from einsim.errors import InfeasibleError, Location, SpecError
from einsim.model.cycle.evaluation import Simulation, simulate_design
from einsim.model.cycle.result import simulation_record
from einsim.model.cycle.whole import simulate_whole, simulated_record
from einsim.model.result import Record
from einsim.report.simulation import simulation_report
from einsim.report.whole import simulated_whole_report
from einsim.schedule.pipeline.timing import IDEAL, Timing
from einsim.spec.modelrun import LAYERS

LOGGED = 400_000
"""Issues that are written down for traces and pictures."""


def simulate(
    configuration: Annotated[str, Parameter(help="A mapping: a shipped name or a file")],
    *,
    design: DesignOptions = PLAIN,
    trace: Annotated[Path | None, Parameter(help="Write a Chrome/Perfetto trace of the first issues (JSON)")] = None,
    waterfall: Annotated[Path | None, Parameter(help="Write a picture of a few epochs (PNG, SVG, PDF)")] = None,
    occupancy: Annotated[Path | None, Parameter(help="Write a picture of what memories hold over time")] = None,
    skip: Annotated[bool, Parameter(negative="--no-skip", show_default=False,
                                    help="Skip what repeats itself (the numbers are the same)")] = True,
    ideal: Annotated[bool, Parameter(negative="", help="No fill, no drain, no latencies, no limits on ports")] = False,
    most: Annotated[int | None, Parameter(name="--max-issues", help="Give up after so many simulated issues")] = None,
    whole: WholeOptions = ALONE,
    json: JsonOption = False,
) -> int:  # fmt: skip
    """Run one design cycle by cycle, and say where every cycle goes.

    Example: einsim simulate fusemax --model BERT --seq-len 16K --waterfall waterfall.svg
    Example: einsim simulate fusemax --model Llama-3-70B --scope model --phase decode --context 8K --batch 512
    """
    if most is not None and most <= 0:
        raise SpecError(f"{most} is not positive", at=Location("--max-issues"))
    if whole.layers == "overlapped":
        raise SpecError("the cycle model runs kernels one after another; overlapped layers are a bound of `einsim run`",
                        at=LAYERS, remedy="choose sequential or fused")  # fmt: skip
    timing, flags = (IDEAL, ["--ideal"]) if ideal else (Timing(), [])
    if not whole.plain(design):
        if trace or waterfall or occupancy:
            raise SpecError("pictures and traces are of one kernel", at=Location("--scope"),
                            remedy="simulate one by --shape and --scope attention")  # fmt: skip
        run = simulate_whole(whole.evaluated(configuration, design), timing, skip=skip, most=most)
        record = simulated_record(run)
        record["command"] = design.command("simulate", configuration, *whole.flags(), *flags)
        return _show(record, simulated_whole_report, json)
    log = LOGGED if trace or waterfall or occupancy else 0
    simulation = simulate_design(design.load(configuration), timing, skip=skip, log=log, most=most)
    record = simulation_record(simulation) | {"command": design.command("simulate", configuration, *flags)}
    if simulation.feasible:
        _write(simulation, trace, waterfall, occupancy)
    return _show(record, simulation_report, json)


def _show(record: Record, report: Callable[[Record], RenderableType], json: bool) -> int:
    """Prints a record; the exit code says whether it is feasible."""
    if json:
        print_json(record)
    else:
        show_result(report(record))
    return 0 if record["feasible"] else InfeasibleError.exit_code


def _write(simulation: Simulation, trace: Path | None, waterfall: Path | None, occupancy: Path | None) -> None:
    """Writes what was asked for."""
    machine, runs = simulation.design.architecture, simulation.runs
    for path, option in ((trace, "--trace"), (waterfall, "--waterfall"), (occupancy, "--occupancy")):
        if path is not None and not path.parent.is_dir():
            raise SpecError(f"there is no folder {str(path.parent)!r}", at=Location(option), remedy="make it first")
    if trace is not None:
        from einsim.report import trace as traces  # noqa: PLC0415 - seldom asked for

        trace.write_text(json_text.dumps(traces.trace(runs, machine)))
    title = f"{simulation.design.mapping.name}: {simulation.design.cascade.name} on {machine.name}"
    if waterfall is None and occupancy is None:
        return
    from einsim.report.drawing import save_as  # noqa: PLC0415 - matplotlib takes long to import

    if waterfall is not None:
        from einsim.report import waterfall as waterfalls  # noqa: PLC0415 - matplotlib takes long to import

        save_as(waterfalls.waterfall(runs, machine, title=title), waterfall, "--waterfall")
    if occupancy is not None:
        from einsim.report import occupancy as occupancies  # noqa: PLC0415 - likewise

        save_as(occupancies.occupancy(runs, machine, title=title), occupancy, "--occupancy")
