"""A field's chain of counts and costs, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.model.explain import How, Step
from einsim.model.result import Record, plain
from einsim.report.tables import table
from einsim.spec.pricing import Origin

_SIGNS: Final = {How.SUM: " + ", How.PRODUCT: " x ", How.QUOTIENT: " / ", How.GREATEST: ", "}
_INLINE: Final = 8
"""Numbers in a formula on one line."""


def explanation_record(field: str, step: Step, about: Record) -> Record:
    """The whole tree, and every cost in it with its origin."""
    costs = {name: _cost_record(each) for name, each in _costs(step).items()}
    return {**about, "field": field, "value": plain(step.value), "unit": step.unit, "chain": _tree(step),
            "costs": costs}  # fmt: skip


def _tree(step: Step) -> Record:
    record: Record = {"name": step.name, "value": plain(step.value), "unit": step.unit, "how": str(step.how)}
    return record | ({"parts": [_tree(part) for part in step.parts]} if step.parts else {})


def _cost_record(step: Step) -> Record:
    origin = step.origin
    assert origin is not None
    return {
        "value": plain(step.value), "unit": step.unit, "table": origin.table, "file": origin.at.source,
        "line": origin.at.line, "technology_nm": origin.technology_nm, "source": origin.source, "date": origin.date,
        "how": origin.how,
    }  # fmt: skip


def explanation_report(field: str, step: Step, about: Record) -> RenderableType:
    """The chain, line by line, and below it where each cost comes from."""
    sizes = ", ".join(f"{name}={size}" for name, size in about["sizes"].items())
    head = f"{about['configuration']}: {about['cascade']} on {about['architecture']} ({sizes})"
    lines = [Text(line) for line in _lines(step, field, 0)]
    costs = [
        (name, f"{_number(each)} {each.unit}".rstrip(), *_where(each.origin))
        for name, each in _costs(step).items() if each.origin is not None
    ]  # fmt: skip
    columns = ("cost", "value", "table", "where", "how", "source")
    parts: list[RenderableType] = [Text(head, style="bold"), *lines]
    if costs:
        fold = ("where", "how", "source")
        parts += [Text(), table("Where each number of the machine comes from", columns, costs, left=6, fold=fold)]
    return Group(*parts, *(Text(f"note: {note}", style="dim") for note in about["cost_notes"]))


def _where(origin: Origin) -> tuple[str, str, str, str]:
    node = f", {origin.technology_nm:g} nm" if origin.technology_nm else ""
    place = f"{origin.at.source}:{origin.at.line}" if origin.at.line else origin.at.source
    return (f"{origin.table}{node}" if origin.table else "-", place, origin.how,
            f"{origin.source} ({origin.date})" if origin.date else origin.source)  # fmt: skip


def _lines(step: Step, name: str, depth: int) -> Iterator[str]:
    """A step's value with its formula on one line, or with its parts on lines of their own."""
    head = f"{'  ' * depth}{name} = {_number(step)} {step.unit}".rstrip()
    if not step.parts:
        yield head
        return
    if depth and _leaves(step) <= _INLINE:
        yield f"{head} = {_formula(step)}"
        return
    yield f"{head}, {_in_words(step)}"
    for part in step.parts:
        yield from _lines(part, part.name, depth + 1)


def _in_words(step: Step) -> str:
    match step.how:
        case How.QUOTIENT:
            return "the first over the second of"
        case How.GREATEST:
            return "the greatest of"
    return f"the {step.how} of"


def _leaves(step: Step) -> int:
    return sum(map(_leaves, step.parts)) if step.parts else 1


def _formula(step: Step) -> str:
    """On one line; costs by their names, counts with what they count."""
    if not step.parts:
        return step.name if step.origin is not None else f"{_number(step)} {step.name}"
    if len(step.parts) == 1:
        return _formula(step.parts[0])
    words = [_formula(part) if _binds(part, step.how) else f"({_formula(part)})" for part in step.parts]
    text = _SIGNS[step.how].join(words)
    return f"max({text})" if step.how is How.GREATEST else text


def _binds(part: Step, outside: How) -> bool:
    """Whether a part reads the same without parentheses."""
    if len(part.parts) == 1:
        return _binds(part.parts[0], outside)
    loose = outside in {How.SUM, How.GREATEST} and part.how in {How.PRODUCT, How.QUOTIENT}
    return not part.parts or part.how is How.GREATEST or loose or outside is How.GREATEST


def _number(step: Step) -> str:
    """Whole numbers with commas, others with every digit, so that sums can be checked."""
    value: Any = plain(step.value)
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer() and abs(value) < 1e15)
    return f"{int(value):,}" if whole else repr(value)


def _costs(step: Step) -> dict[str, Step]:
    """Every number of the machine in a chain, once."""
    found = {step.name: step} if step.origin is not None else {}
    for part in step.parts:
        found |= _costs(part)
    return found
