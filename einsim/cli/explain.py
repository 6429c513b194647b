"""`einsim explain`: how a number of a result comes about."""

from __future__ import annotations

import json as json_text
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import CycloptsError, Parameter

from einsim.cli.app import application
from einsim.cli.common import (
    AccountingOption,
    ArchOption,
    Asked,
    BatchOption,
    JsonOption,
    LengthOption,
    ModelOption,
    SetOption,
    ShapeOption,
)
from einsim.cli.output import print_json, show_result
from einsim.cli.whole import WholeOptions, evaluated
from einsim.errors import InfeasibleError, Location, SpecError, suggest
from einsim.explore import store
from einsim.model.closed_form import evaluate
from einsim.model.cycle.evaluation import simulate_design
from einsim.model.cycle.explain import simulation_fields
from einsim.model.cycle.result import simulation_record
from einsim.model.explain import Explanation, Step
from einsim.model.result import Record, plain, to_record
from einsim.model.wholeexplain import whole_fields
from einsim.report.explanation import explanation_record, explanation_report
from einsim.schedule.pipeline.timing import IDEAL, Timing
from einsim.spec.configuration import Accounting
from einsim.spec.modelrun import Layers, Scope
from einsim.spec.overrides import parse_override

SHORT: Final = {"energy": "energy_pj", "area": "area_um2", "latency": "latency_s", "traffic": "traffic_bytes"}
"""Fields by shorter names."""

_SAME: Final = 1e-9  # relative: sweeps add up in another order
_ABOUT: Final = ("configuration", "cascade", "architecture", "model", "seq_len", "sizes", "accounting")


def explain(
    result: Annotated[str, Parameter(help="A file of --json, a sweep's row (results.parquet#12), or a configuration")],
    field: Annotated[str, Parameter(help="energy_pj, area_um2, latency_s, traffic_bytes, energy_pj/buffer, ...")],
    *,
    model: ModelOption = None,
    seq_len: LengthOption = None,
    batch: BatchOption = None,
    shape: ShapeOption = None,
    arch: ArchOption = None,
    set_: SetOption = None,
    accounting: AccountingOption = Accounting.FULL,
    json: JsonOption = False,
) -> int:
    """Print how a number of a result comes about: counts times costs, each cost with its file, line and source.

    A result is evaluated again from the command that it carries, and must come out the same.
    Examples: einsim explain results/attention/results.parquet#12 energy_pj,
    einsim explain fusemax area_um2 --model BERT --seq-len 16K
    """
    saved, command = _saved(result)
    asked = Asked(result, model, seq_len, batch, shape, arch, tuple(set_ or ()), accounting)
    if saved is not None:
        if asked != Asked(result):
            raise SpecError("a saved result takes no options of a design", at=Location(result), remedy="leave them out")
        fields, about = _again(command, Location(result))
    else:
        fields, about = _closed_form(asked)
    name = SHORT.get(field, field)
    if name not in fields:
        known = {*fields, *(short for short, long in SHORT.items() if long in fields)}
        near = suggest(field, known)
        more = "" if near.startswith("known") else f" (fields: {', '.join(fields)})"
        raise SpecError(f"no field {field!r} in this result", at=Location("explain"), remedy=near + more)
    step = fields[name]()
    if saved is not None:
        _check(name, step, saved, Location(result))
    if json:
        print_json(explanation_record(name, step, about))
    else:
        show_result(explanation_report(name, step, about))
    return 0


def _saved(result: str) -> tuple[Record | None, str]:
    """A saved result and its command; None where `result` is none, but a configuration."""
    at = Location(result)
    path, sharp, row = result.partition("#")
    if sharp or Path(path).is_dir():
        record = store.read_row(Path(path), row, at)
    elif Path(path).suffix == ".json":
        record = _read_json(Path(path))
    else:
        return None, ""
    command = record.get("command")
    if not isinstance(command, str):
        raise SpecError("carries no command", at=at, remedy="make it anew with `einsim run ... --json` or a sweep")
    return record, command


def _read_json(path: Path) -> Record:
    try:
        record = json_text.loads(path.read_bytes())
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror or error}", at=Location(str(path))) from None
    except ValueError as error:
        raise SpecError(f"is no JSON: {error}", at=Location(str(path))) from None
    if not isinstance(record, dict):
        raise SpecError("is no result", at=Location(str(path)), remedy="give the output of `einsim run ... --json`")
    return record


Fields = dict[str, Callable[[], Step]]


def _again(command: str, at: Location) -> tuple[Fields, Record]:
    """The fields of the design that a command asks for."""
    if not command.startswith(("einsim run ", "einsim simulate ")):
        raise SpecError("carries no command of einsim run or simulate", at=at)
    try:
        words = shlex.split(command)
        _, bound, _ = application(words[1:]).parse_args(words[1:], exit_on_error=False, print_error=False)
    except (ValueError, CycloptsError) as error:
        raise SpecError(f"carries a command that cannot be read: {error}", at=at) from None
    options: dict[str, Any] = dict(bound.arguments)
    sets = tuple(options.pop("set_", None) or ())
    kept = {name: value for name, value in options.items() if name in Asked.__dataclass_fields__}
    asked = Asked(**kept, sets=sets)
    names = ("model", "seq_len", "batch", "shape", "phase", "context", "new_tokens")
    given: dict[str, Any] = {name: options.get(name) for name in names}
    scope, skips = Scope(options.get("scope", Scope.ATTENTION)), bool(options.get("allow_skip"))
    layers = Layers(options.get("layers", Layers.SEQUENTIAL))
    whole = WholeOptions(scope=scope, allow_skip=skips, layers=layers, **given)
    if not whole.plain or options.get("attention"):
        return _whole(asked, whole, options, at)
    if words[1] == "run":
        return _closed_form(asked)
    simulation = simulate_design(asked.design(), IDEAL if options.get("ideal") else Timing())
    record = simulation_record(simulation)
    if not record["feasible"]:
        raise InfeasibleError(f"infeasible, so that there is nothing to explain: {record['reason']}")
    notes = {"accounting": str(asked.accounting), "cost_notes": list(simulation.design.architecture.pricing.notes)}
    return simulation_fields(simulation), {name: record[name] for name in _ABOUT if name in record} | notes


def _whole(asked: Asked, options: WholeOptions, given: dict[str, Any], at: Location) -> tuple[Fields, Record]:
    """The totals of a whole model."""
    overrides = [parse_override(text) for text in asked.sets]
    whole = evaluated(options, asked.configuration, asked.arch, overrides, asked.accounting,
                      given.get("attention"))  # fmt: skip
    if whole.why_not is not None:
        raise InfeasibleError(f"infeasible, so that there is nothing to explain: {whole.why_not}")
    if "ideal" in given or "skip" in given:
        raise SpecError("simulations of whole models are not explained", at=at, remedy="use `einsim run`")
    about = {"configuration": asked.configuration, "cascade": str(options.scope), "model": whole.run.model,
             "architecture": whole.machine.name, "seq_len": whole.run.lengths.new, "sizes": {},
             "accounting": str(asked.accounting), "cost_notes": list(whole.machine.pricing.notes)}  # fmt: skip
    return whole_fields(whole), about


def _closed_form(asked: Asked) -> tuple[Fields, Record]:
    design = asked.design()
    evaluation = evaluate(design)
    record = to_record(design, evaluation)
    if not record["feasible"]:
        raise InfeasibleError(f"infeasible, so that there is nothing to explain: {record['reason']}")
    return Explanation(design, evaluation).fields(), {name: record[name] for name in (*_ABOUT, "cost_notes")}


def _check(name: str, step: Step, saved: Record, at: Location) -> None:
    """Raises SpecError where a saved result says something else than its command gives now."""
    head, _, part = name.partition("/")
    nested = {"energy_pj": "energy_by_part_pj", "cycles": "cycles_by_array"}.get(head, "")
    inside = saved.get(nested)
    before = saved.get(name, inside.get(part) if isinstance(inside, dict) else None)
    now = plain(step.value)
    if isinstance(before, (int, float)) and abs(before - now) > _SAME * abs(now):
        raise SpecError(f"{name} is {before} there, and {now} now", at=at,
                        remedy="files or einsim have changed since: make the result anew")  # fmt: skip
