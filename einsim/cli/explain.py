"""`einsim explain`: how a number of a result comes about."""

from __future__ import annotations

import json as json_text
from typing import Annotated, Any, Final

from cyclopts import Parameter

from einsim.cli.common import PLAIN, DesignOptions, JsonOption
from einsim.cli.output import print_json, show_result
from einsim.cli.replay import Traced, closed_form, long_name
from einsim.cli.saved import NOTHING, place_of, saved_result, traced, value_at
from einsim.errors import Location, SpecError, suggest
from einsim.model.result import Record, plain
from einsim.model.steps import Step, faults, same
from einsim.report.explanation import DEPTH, MOST, explanation_record, explanation_report
from einsim.units import shorten

SHORT: Final = {"energy": "energy_pj", "area": "area_um2", "latency": "latency_s", "traffic": "traffic_bytes"}
"""Fields by shorter names."""
_LISTED: Final = 60  # fields that an error lists


def explain(
    result: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="A file of --json (- reads it from the input), a row (results.parquet#12), or a configuration",
        ),
    ],
    field: Annotated[
        str,
        Parameter(help="Any number in it: energy_pj, energy_pj/buffer, kernels/head/latency_s, stalls/array2d/full"),
    ],
    *,
    options: DesignOptions = PLAIN,
    depth: Annotated[int, Parameter(name="--depth", help="Levels of the chain to show; --json has all of it")] = DEPTH,
    most: Annotated[int, Parameter(name="--most", help="Parts of a sum to show, the largest")] = MOST,
    json: JsonOption = False,
) -> int:
    """Print how a number of a result comes about: counts times costs, each cost with its file, line and source.

    A result is made again from the command that it carries, and must come out the same.
    Examples: einsim explain results/attention/results.parquet#12 energy_pj,
    einsim explain fusemax area_um2 --model BERT --seq-len 16K
    """
    if result.startswith("-") and result.partition("#")[0] != "-":
        raise SpecError(f"unknown option {shorten(result)}", at=Location("explain"), remedy="see einsim explain --help")
    for option, value in (("--depth", depth), ("--most", most)):
        if value < 1:
            raise SpecError(f"{value} is not positive", at=Location(option))
    at = Location(result)
    saved = saved_result(result, at)
    if saved is not None and options != PLAIN:
        raise SpecError("a saved result takes no options of a design", at=at, remedy="leave them out")
    found = traced(saved, at) if saved is not None else closed_form(result, options)
    name = _path(field, found, saved or {})
    step = found.fields[name]()
    _check(name, step, saved or {}, at)
    changed = _changed(found, saved or {})
    if json:
        print_json({**explanation_record(name, step, found.about), "changed": changed})
        return 0
    show_result(explanation_report(name, step, found.about, depth, most))
    for other, (before, now) in changed.items():
        show_result(f"note: {other} is {before} in this result, and {now} now: files or einsim have changed since")
    return 0


def _path(field: str, found: Traced, saved: Record) -> str:
    """The path of a field by any of its names; raises SpecError that lists what there is where it is none."""
    for name in (field, SHORT.get(field, field), long_name(field)):
        for path in (name, place_of(name, saved)):
            if path in found.fields:
                return path
    value = value_at(place_of(field, saved), saved)
    if field and value is not NOTHING and not isinstance(value, (dict, list)):
        raise SpecError(f"{field} is no number that comes about: {shorten(json_text.dumps(value))}",
                        at=Location("explain"), remedy=_known(field, found))  # fmt: skip
    raise SpecError(f"no field {shorten(field)!r} in this result", at=Location("explain"), remedy=_known(field, found))


def _known(field: str, found: Traced) -> str:
    """The nearest fields, and those that there are."""
    inside = [name for name in found.fields if field and name.startswith(f"{field}/")]
    if inside:
        return f"it has {len(inside):,} fields, such as {', '.join(inside[:_LISTED])}"
    names = dict.fromkeys([*(short for short, long in SHORT.items() if long in found.fields), *found.fields])
    near = suggest(field, names) if field else ""
    shown = [name for name in names if name.count("/") < 2][:_LISTED]
    more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    lead = f"{near}; " if near.startswith("did you mean") else ""
    return f"{lead}fields: {', '.join(shown)}{more}"


def _changed(found: Traced, saved: Record) -> dict[str, tuple[Any, Any]]:
    """Totals that are not as they were saved, as (before, now)."""
    rows = [(name, saved[name], plain(now)) for name, now in found.totals.items() if name in saved]
    numbers = [(name, before, now) for name, before, now in rows if before is not None and now is not None]
    return {name: (before, now) for name, before, now in numbers if not same(before, now)}


def _check(name: str, step: Step, saved: Record, at: Location) -> None:
    """Raises SpecError where a saved result says something else than its command gives now."""
    before: Any = value_at(name, saved)
    now = plain(step.value)
    if before is not NOTHING and not (isinstance(before, (int, float)) and same(before, now)):
        raise SpecError(f"{name} is {json_text.dumps(before)} there, and {now} now", at=at,
                        remedy="files or einsim have changed since: make the result anew")  # fmt: skip
    wrong = faults(step)
    assert not wrong, wrong[:3]
