"""`einsim explain`: how a number of a result comes about."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

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
from einsim.cli.replay import closed_form, replayed
from einsim.errors import Location, SpecError, suggest
from einsim.explore import store
from einsim.model.explain import Step
from einsim.model.result import Record, plain
from einsim.report.explanation import explanation_record, explanation_report
from einsim.spec.configuration import Accounting

SHORT: Final = {"energy": "energy_pj", "area": "area_um2", "latency": "latency_s", "traffic": "traffic_bytes"}
"""Fields by shorter names."""

_SAME: Final = 1e-9  # relative: sweeps add up in another order


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
    saved = _saved(result)
    asked = Asked(result, model, seq_len, batch, shape, arch, tuple(set_ or ()), accounting)
    if saved is not None:
        if asked != Asked(result):
            raise SpecError("a saved result takes no options of a design", at=Location(result), remedy="leave them out")
        fields, about = replayed(saved, Location(result))
    else:
        fields, about = closed_form(asked)
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


def _saved(result: str) -> Record | None:
    """A saved result; None where `result` is none, but a configuration."""
    path, sharp, row = result.partition("#")
    if sharp or Path(path).is_dir():
        return store.read_row(Path(path), row, Location(result))
    return _read_json(Path(path)) if Path(path).suffix == ".json" else None


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
