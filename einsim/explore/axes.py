"""Axes of a sweep: their values checked, spelt one way, and each with the line that it stands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from einsim.errors import Location, SpecError, suggest
from einsim.explore.sweepfile import Common
from einsim.spec.configuration import Accounting
from einsim.spec.family import Phase
from einsim.spec.modelrun import Causal, Layers, Scope, parse_contexts, write_contexts
from einsim.spec.models import model_name
from einsim.spec.overrides import Override, make_override
from einsim.spec.yamlfile import Document, write_value
from einsim.units import INT64_MAX, parse_bytes, parse_count

EXTENT: Final = ("scope", "phase", "context", "new_tokens")
"""What of a model is run, and in which phase."""
PLAIN: Final = ("configuration", "architecture", "accounting", *EXTENT, "layers", "causal", "model", "seq_len", "batch")
LENGTHS: Final = frozenset({"seq_len", "batch", "new_tokens"})
_OPTIONAL: Final = frozenset({"architecture", "phase", "context", "new_tokens"})


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of one field: what results show of it, where it stands, and what it changes."""

    field: str
    value: Any
    shown: Any
    at: Location
    change: Override | None = None


Step = tuple[Setting, ...]
"""Settings that are made together."""


def axes_of(file: Common, document: Document, lists: Sequence[str] = ("axes",)) -> tuple[tuple[Step, ...], ...]:
    """The axes of some lists of a file, outermost first. Raises SpecError for what is wrong in one, or there twice."""
    known = _set_already(file, document)
    axes = []
    every = [(name, number, entry) for name in lists for number, entry in enumerate(getattr(file, name))]
    for name, number, entry in every:
        columns = []
        for field, values in entry.items():
            place = (name, number, field)
            _note(field, "on an axis", known, document.locate(place))
            columns.append(settings(field, values, [document.locate((*place, i)) for i in range(len(values))]))
        steps = tuple(zip(*columns, strict=True))
        _refuse_twice(steps)
        axes.append(steps)
    if "batch" in file.model_fields_set and known.get(_key("batch"), ("", "batch"))[1] != "batch":
        _note("batch", "given", known, document.locate(("batch",)))
    return tuple(axes)


_Known = dict[tuple[str, ...], tuple[str, str]]
"""What a field changes -> where that is done already, and how it is spelt there."""


def _set_already(file: Common, document: Document) -> _Known:
    """What a file sets at every point."""
    known: _Known = {}
    for name in file.shape:
        _note(f"workload.{name}", "in shape", known, document.locate(("shape", name)))
    for path in file.set:
        at = document.locate(("set", path))
        make_override(path, None, at)
        _note(path, "in set", known, at)
    return known


def settings(field: str, values: Sequence[Any], places: Sequence[Location]) -> list[Setting]:
    """Values of one field, checked and spelt one way."""
    good = [spelt(field, value, at) for value, at in zip(values, places, strict=True)]
    changes = [
        make_override(field, value, at) if "." in field else None for value, at in zip(good, places, strict=True)
    ]
    rows = zip(good, _shown(good), places, changes, strict=True)
    return [Setting(field, value, shown, at, change) for value, shown, at, change in rows]


def baseline_of(
    baseline: Mapping[str, Any], axes: Sequence[tuple[Step, ...]], document: Document
) -> tuple[dict[int, int], dict[str, Any]]:
    """Axis -> the step that the baseline names, and the baseline's values as results show them."""
    if not baseline:
        raise SpecError("baseline names no value", at=document.locate(("baseline",)), remedy="name an axis's field")
    chosen: dict[int, list[int]] = {}
    shown: dict[str, Any] = {}
    for field, value in baseline.items():
        at = document.locate(("baseline", field))
        place = next(((n, p) for n, steps in enumerate(axes) for p, s in enumerate(steps[0]) if s.field == field), None)
        if place is None:
            fields = [setting.field for steps in axes for setting in steps[0]]
            raise SpecError(f"baseline: {field!r} is on no axis", at=at, remedy=suggest(field, fields))
        number, position = place
        column = [step[position] for step in axes[number]]
        wanted = identity(spelt(field, value, at))
        own = [i for i, setting in enumerate(column) if identity(setting.value) == wanted]
        if not own:
            raise SpecError(f"baseline: {field} never is {value!r}", at=at,
                            remedy=f"one of {', '.join(str(setting.shown) for setting in column[:20])}")  # fmt: skip
        shown[field] = column[own[0]].shown
        chosen[number] = [i for i in chosen.get(number, own) if i in own]
        if not chosen[number]:
            raise SpecError(f"baseline: no step of the axis has {field} {value!r} beside the others", at=at)
    for number, own in chosen.items():
        if len(own) > 1:
            raise SpecError("baseline: several steps of an axis are meant", at=document.locate(("baseline",)),
                            remedy=f"name {' and '.join(setting.field for setting in axes[number][0])}")  # fmt: skip
    return {number: own[0] for number, own in chosen.items()}, shown


def identity(value: Any) -> Any:
    """What makes two spellings one value: `1K`, 1024 and `1 KiB` are the same."""
    if isinstance(value, str):
        for parse in (parse_count, parse_bytes, float):
            try:
                return parse(value)
            except ValueError:
                continue
    return ("", write_value(value)) if isinstance(value, (bool, list, dict)) else value


def length(value: Any) -> int:
    """A sequence length or a batch; raises ValueError for what is none."""
    count = parse_count(value) if isinstance(value, (int, str)) else 0
    if not 0 < count <= INT64_MAX:
        raise ValueError(f"{write_value(value)} is no positive count")
    return count


def _key(path: str) -> tuple[str, ...]:
    """What a field changes, however it is spelt."""
    if path == "batch":
        return ("workload", "B")
    return make_override(path, None, Location("")).key if _is_path(path) else (path,)


def _is_path(field: str) -> bool:
    target, *rest = field.split(".")
    return target in {"arch", "mapping", "workload"} and bool(rest) and all(rest)


def _note(field: str, where: str, known: _Known, at: Location) -> None:
    """Notes that a field is set; raises SpecError where there is no such field, or something sets it already."""
    if field not in PLAIN and not _is_path(field):
        if "." in field:
            make_override(field, None, at)
        raise SpecError(f"unknown field {field!r}", at=at, remedy=suggest(field, PLAIN))
    key = _key(field)
    if key in known:
        place, spelling = known[key]
        twice = "on two axes" if place == where else f"{where} and {place}"
        also = f" (there it is {spelling})" if spelling != field else ""
        raise SpecError(f"field {field} is {twice}{also}", at=at, remedy="keep one of them")
    known[key] = (where, field)


def _refuse_twice(steps: Sequence[Step]) -> None:
    seen: dict[tuple[Any, ...], Step] = {}
    for step in steps:
        key = tuple(identity(setting.value) for setting in step)
        if key in seen:
            shown = ", ".join(f"{setting.field} {setting.shown}" for setting in step)
            raise SpecError(f"{shown} is on the axis twice", at=step[0].at,
                            remedy=f"it is already at {seen[key][0].at}")  # fmt: skip
        seen[key] = step


def spelt(field: str, value: Any, at: Location) -> Any:
    """The value of a plain field as einsim spells it; values of paths are checked by what they change."""
    if field not in PLAIN or (field in _OPTIONAL and value is None):
        return value
    if field in LENGTHS:
        try:
            return length(value)
        except ValueError as error:
            raise SpecError(f"{field}: {error}", at=at) from None
    if field == "context":
        return _context(value, at)
    if not isinstance(value, str) or not value:
        raise SpecError(f"{field}: {write_value(value)} is no name", at=at)
    if field == "model":
        return model_name(value, at)
    kind = {"accounting": Accounting, "scope": Scope, "layers": Layers, "causal": Causal}.get(field)
    known: Sequence[str] = get_args(Phase) if field == "phase" else list(kind or ())
    if known and value not in known:
        raise SpecError(f"unknown {field} {value!r}", at=at, remedy=suggest(value, known))
    return kind(value) if kind else value


def _context(value: Any, at: Location) -> int | str:
    """Tokens in the cache: a count, or the text of several lengths."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise SpecError(f"context: {write_value(value)} is no length", at=at, remedy="write 8K, or 300x4K,212x32K")
    cached = parse_contexts(str(value), None, 1, at)
    return write_contexts(cached) if "x" in str(value) else cached[0][1]


def _shown(values: Sequence[Any]) -> list[Any]:
    """Values as a column of one type: all integers, all numbers, all true or false, or all text."""
    kinds = {type(value) for value in values}
    if kinds == {bool} or (kinds == {int} and all(abs(value) <= INT64_MAX for value in values)):
        return list(values)
    if float in kinds and kinds <= {int, float}:
        return [float(value) for value in values]
    return [str(value) if isinstance(value, str) else write_value(value) for value in values]
