"""`einsim map`: the best mapping of a cascade on a machine that a search finds, or a simple one at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from einsim.cascade import bind_sizes
from einsim.cli.common import JsonOption, LengthOption, ModelOption, ShapeOption, command_line, workload
from einsim.cli.output import complain, print_json, show_result
from einsim.cli.signals import Stopped, stoppable
from einsim.cli.zoo import CascadeArgument
from einsim.errors import InfeasibleError, Location, SpecError
from einsim.explore import store
from einsim.mapper.objective import Objective
from einsim.mapper.record import map_record
from einsim.mapper.search import Progress as Step
from einsim.mapper.search import search
from einsim.mapper.task import Task
from einsim.model.auto import auto_design, evaluate_auto
from einsim.model.cycle.evaluation import simulate_auto
from einsim.model.cycle.result import simulation_record
from einsim.model.result import to_record
from einsim.report.mapping import mapping_report
from einsim.report.simulation import simulation_report
from einsim.report.tables import run_report
from einsim.spec import library
from einsim.spec.configuration import load_architecture
from einsim.spec.workload import parse_shape


def map_(
    cascade: CascadeArgument,
    *,
    arch: Annotated[str, Parameter(name="--arch", help="Architecture: a shipped name or a file")],
    model: ModelOption = None,
    seq_len: LengthOption = None,
    shape: ShapeOption = None,
    batch: Annotated[
        str | None, Parameter(name="--batch", help="Sequences of a model [64], or independent instances of sizes [1]")
    ] = None,
    objective: Annotated[
        Objective | None, Parameter(name="--objective", help="What to make small [latency]; --sizes alone searches not")
    ] = None,
    time_model: Annotated[
        Literal["cycle", "closed-form"],
        Parameter(name="--time-model", help="The best that the cycle model runs, or the best by the closed form alone"),
    ] = "cycle",
    time_limit: Annotated[float, Parameter(name="--time-limit", help="Seconds to search, at most")] = 10.0,
    out: Annotated[Path | None, Parameter(name="--out", help="Write the mapping file (YAML)")] = None,
    sizes: Annotated[
        str | None,
        Parameter(name="--sizes", help="No search: one Einsum after another, at sizes E=64,F=64,M=16K,P=16K,M0=256"),
    ] = None,
    cycles: Annotated[
        bool, Parameter(negative="", help="With --sizes: run it cycle by cycle and say where the cycles go")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Find the mapping of a cascade on a machine that takes the least latency, energy, product of both, or traffic.

    Prints a mapping file that `einsim run` and `einsim simulate` take, its cost in both models, and a lower bound on
    that of any mapping. Ctrl-C gives the best so far. With --sizes and no objective: any cascade as it is, one Einsum
    after another, without a search.
    Example: einsim map attention-1pass --arch fusemax --model BERT --seq-len 16K --objective energy --out best.yaml
    """
    options = {"--arch": arch, "--model": model, "--seq-len": seq_len, "--shape": shape, "--batch": batch,
               "--sizes": sizes, "--objective": objective}  # fmt: skip
    if sizes is not None and objective is None:
        command = command_line("map", [cascade], {**options, "--cycles": cycles})
        return _simple(cascade, arch, sizes, instances_of(batch), command, cycles=cycles, json=json)
    if cycles:
        raise SpecError("--cycles goes with --sizes and no --objective", at=Location("--cycles"),
                        remedy="write the mapping with --out, then: einsim simulate FILE")  # fmt: skip
    if not 0 < time_limit <= 1e6:
        raise SpecError(f"{time_limit} seconds", at=Location("--time-limit"), remedy="a number of seconds above 0")
    if out is not None and not out.parent.is_dir():
        raise SpecError(f"there is no folder {str(out.parent)!r}", at=Location("--out"), remedy="make it first")
    command = command_line("map", [cascade], {**options, "--time-model": time_model, "--time-limit": time_limit})
    task = asked_task(cascade, arch, model, seq_len, shape, batch, sizes)
    record, stopped = _searched(task, objective or Objective.LATENCY, time_limit, cycles=time_model == "cycle")
    record["command"] = command
    if out is not None and record["mapping"] is not None:
        store.write_text(out, record["mapping"])
    if json:
        print_json(record)
    else:
        show_result(mapping_report(record))
    if stopped is not None:
        complain(f"{stopped}: this is the best so far")
        return stopped.exit_code
    return 0 if record["feasible"] else InfeasibleError.exit_code


def asked_task(
    cascade: str, arch: str, model: str | None = None, seq_len: str | None = None, shape: str | None = None,
    batch: str | None = None, sizes: str | None = None,
) -> Task:  # fmt: skip
    """What the options of a search ask to be mapped; raises SpecError where they say too little or are wrong."""
    found = library.load_cascade(cascade, at=Location("map"))
    if sizes is not None:
        shape = f"{sizes},B={instances_of(batch)}" if batch is not None else sizes
        batch = None
    if model is None and shape is None:
        raise SpecError("map needs --model and --seq-len, or --shape", at=Location("map"),
                        remedy="einsim map CASCADE --arch MACHINE --model BERT --seq-len 16K")  # fmt: skip
    return Task(found, load_architecture(arch), workload(model, seq_len, batch, shape), cascade, arch)


def _searched(
    task: Task, objective: Objective, seconds: float, *, cycles: bool
) -> tuple[dict[str, Any], Stopped | None]:
    """The record of a search, and what ended it early."""
    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty(),
    )  # fmt: skip
    with stoppable(), bar:
        line = bar.add_task(f"least {objective}", total=None)

        def report(step: Step) -> None:
            model = "cycle model" if step.cycles else "closed form"
            bar.update(line, description=f"least {objective} ({model}): {step.value:.6g} {objective.unit} so far, "
                       f"no less than {step.bound:.6g}; {step.designs:,} designs")  # fmt: skip

        result = search(task, objective, seconds, report, cycles=cycles)
    if result.stopped is not None and result.best is None:
        raise result.stopped
    stopped = result.stopped if isinstance(result.stopped, Stopped) else None
    return map_record(task, objective, result, cycles=cycles), stopped


def instances_of(batch: str | None) -> int:
    """Independent instances that --batch gives; raises SpecError where it is no number of them."""
    if batch is not None and (not batch.isdecimal() or int(batch) < 1):
        raise SpecError(f"{batch} is not a positive number", at=Location("--batch"))
    return int(batch or 1)


def _simple(cascade: str, arch: str, sizes: str, batch: int, command: str, *, cycles: bool, json: bool) -> int:
    """One Einsum after another, with a mapping made at once."""
    found = library.load_cascade(cascade, at=Location("map"))
    bound = bind_sizes(found, parse_shape(sizes, "--sizes"))
    machine = load_architecture(arch)
    if cycles:
        record = simulation_record(simulate_auto(found, machine, bound, batch)) | {"command": command}
        if json:
            print_json(record)
        else:
            show_result(simulation_report(record))
        return 0 if record["feasible"] else InfeasibleError.exit_code
    evaluation = evaluate_auto(found, machine, bound, batch)
    record = to_record(auto_design(found, machine, bound), evaluation) | {"command": command}
    if json:
        print_json(record)
    else:
        show_result(run_report(record))
    return 0 if record["feasible"] else InfeasibleError.exit_code
