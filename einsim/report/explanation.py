"""A number's chain of counts and costs, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from einsim.model.result import Record, plain
from einsim.model.steps import LEAVES, How, Step, same, walk

DEPTH: Final = 4
"""Levels of a chain that are shown."""
MOST: Final = 16
"""Parts of a sum that are shown."""
_SIGNS: Final = {How.SUM: " + ", How.PRODUCT: " x ", How.QUOTIENT: " / ", How.DIFFERENCE: " - "}
_FUNCTIONS: Final = {How.GREATEST: "max", How.LEAST: "min", How.MEAN: "geomean"}
_WORDS: Final = {How.QUOTIENT: "the first over the second of", How.DIFFERENCE: "the first less the second of"}
_INLINE: Final = 8
"""Numbers in a formula on one line."""
_FEW: Final = 4
"""Parts of a mean that are shown with all that they are of."""


def explanation_record(field: str, step: Step, about: Record) -> Record:
    """The whole tree, and every number in it that is given with its origin."""
    costs = {name: _cost_record(each) for name, each in _givens(step).items()}
    return {**about, "field": field, "value": plain(step.value), "unit": step.unit, "chain": _tree(step),
            "costs": costs}  # fmt: skip


def _tree(step: Step) -> Record:
    record: Record = {"name": step.name, "value": plain(step.value), "unit": step.unit, "how": str(step.how)}
    if step.note:
        record["note"] = step.note
    for name, steps in (("parts", step.parts), ("beside", step.beside)):
        if steps:
            record[name] = [_tree(each) for each in steps]
    return record


def _cost_record(step: Step) -> Record:
    origin = step.origin
    assert origin is not None
    return {
        "value": plain(step.value), "unit": step.unit, "table": origin.table, "file": origin.at.source,
        "line": origin.at.line, "technology_nm": origin.technology_nm, "source": origin.source, "date": origin.date,
        "how": origin.how,
    }  # fmt: skip


def explanation_report(
    field: str, step: Step, about: Record, depth: int = DEPTH, most: int = MOST
) -> RenderableType:  # fmt: skip
    """The chain line by line, `depth` levels and the `most` largest parts of a sum; below where givens come from.

    What is folded says how much it is, so that sums can be checked. Of what is the greatest of several, the one that is
    so is shown in full, the others with what they come to.
    """
    lines = [_line(level, text) for level, text in _Lines(depth, most).of(step, field, 0)]
    parts: list[RenderableType] = [Text(_head(about), style="bold"), *lines]
    givens = [each for each in _givens(step).values() if each.origin is not None]
    if givens:
        parts += [Text(), Text("Where each number that is given comes from", style="bold"), *_origins(givens)]
    told = any(each.how is How.FOUND or (each.origin is not None and each.origin.table) for each in walk(step))
    notes = about.get("cost_notes", ()) if told else ()
    return Group(*parts, *(Text(f"note: {note}", style="dim") for note in notes))


def _head(about: Record) -> str:
    sizes = ", ".join(f"{name}={size}" for name, size in about.get("sizes", {}).items())
    where = f" on {about['architecture']}" if about.get("architecture") else ""
    model = f", {about['model']}" if about.get("model") else ""
    return f"{about['configuration']}: {about['cascade']}{where}{model}" + (f" ({sizes})" if sizes else "")


def _line(level: int, text: str) -> RenderableType:
    """A line that goes on below its beginning where it is too long."""
    return Padding(Text(text, overflow="fold"), (0, 0, 0, 2 * level), expand=False)


def _origins(givens: list[Step]) -> Iterator[RenderableType]:
    """Where numbers are given, each on a line, and the sources that they name."""
    sources: dict[str, int] = {}
    for each in givens:
        origin = each.origin
        assert origin is not None
        place = f"{origin.at.source}:{origin.at.line}" if origin.at.line else origin.at.source
        node = f", {origin.technology_nm:g} nm" if origin.technology_nm else ""
        table = f" ({origin.table}{node})" if origin.table else ""
        text = f"{each.name} = {_number(each)} {each.unit}".rstrip() + f": {place}, {origin.how}{table}"
        if origin.source:
            source = f"{origin.source} ({origin.date})" if origin.date else origin.source
            text += f" [{sources.setdefault(source, len(sources) + 1)}]"
        yield _line(1, text)
    for source, number in sources.items():
        yield _line(1, f"[{number}] {source}")


class _Lines:
    """A chain as (level, text) of every line, `depth` levels deep, `most` parts of a sum."""

    def __init__(self, depth: int, most: int) -> None:
        self.depth = depth
        self.most = most

    def of(self, step: Step, name: str, level: int) -> Iterator[tuple[int, str]]:
        """A step's value with its formula on one line, or with its parts on lines of their own."""
        head = f"{name} = {_number(step)} {step.unit}".rstrip()
        whole, step = step, _bare(step)
        if whole.parts and not step.parts:
            yield level, f"{head} = {_formula(step)}" + (f": {step.note}" if step.note else "")
        elif not step.parts:
            yield level, head + (f": {step.note}" if step.note else "")
        elif level and _leaves(step) <= _INLINE:
            yield level, f"{head} = {_formula(step)}"
        elif level >= self.depth:
            yield level, f"{head}, {_in_words(step)} {len(step.parts)} (--depth {level + 1} shows them)"
        else:
            yield level, f"{head}, {_in_words(step)}"
            yield from self.parts(step, level + 1)
        for each in step.beside:
            yield from self.of(each, f"beside it: {each.name}", level + 1)

    def parts(self, step: Step, level: int) -> Iterator[tuple[int, str]]:
        """All parts, or the largest in their order and the others together."""
        shown = list(step.parts)
        if step.how in {How.SUM, How.GREATEST} and len(shown) > self.most:
            largest = sorted(range(len(shown)), key=lambda n: -abs(step.parts[n].value))[: self.most]
            shown = [step.parts[n] for n in sorted(largest)]
        if step.how is How.MEAN:
            yield from self.mean(step, level)
            return
        first = next((part for part in shown if same(part.value, step.value)), None)
        for part in shown:
            if step.how in _FUNCTIONS and part is not first and _leaves(part) > _INLINE:
                yield level, f"{part.name} = {_number(part)} {part.unit}".rstrip()
            else:
                yield from self.of(part, part.name, level)
        if len(shown) < len(step.parts):
            kept = {id(each) for each in shown}
            rest = [each for each in step.parts if id(each) not in kept]
            much = sum((each.value for each in rest), start=0) if step.how is How.SUM else max(r.value for r in rest)
            what = "together" if step.how is How.SUM else "none above"
            more = _number(Step("", much, "", How.COUNTED))
            yield level, f"and {len(rest)} more, {what} {more} {step.unit}".rstrip()

    def mean(self, step: Step, level: int) -> Iterator[tuple[int, str]]:
        """Parts of a mean: of more than a few, what they come to, as each can be explained by itself."""
        few = len(step.parts) <= _FEW
        for part in step.parts if few else step.parts[: self.most]:
            if few or _leaves(part) <= _INLINE:
                yield from self.of(part, part.name, level)
            else:
                yield level, f"{part.name} = {_number(part)} {part.unit}".rstrip()
        if not few and len(step.parts) > self.most:
            yield level, f"and {len(step.parts) - self.most} more (--most {len(step.parts)} shows them)"


def _bare(step: Step) -> Step:
    """The one part that a step is, where it is the sum or the greatest of one, or once something."""
    while step.parts and not step.beside:
        parts = [each for each in step.parts if each.how is not How.COUNTED or each.value != 1]
        if len(step.parts) > 1 and (step.how is not How.PRODUCT or len(parts) != 1):
            break
        step = parts[0] if parts else step.parts[0]
    return step


def _in_words(step: Step) -> str:
    return _WORDS.get(step.how, f"the {step.how} of")


def _leaves(step: Step) -> int:
    return sum(map(_leaves, step.parts)) if step.parts else 1 if not step.beside else _INLINE + 1


def _formula(step: Step) -> str:
    """On one line; givens by their names, counts with what they count."""
    if not step.parts:
        return step.name if step.origin is not None else f"{_number(step)} {step.name}"
    if len(step.parts) == 1:
        return _formula(step.parts[0])
    if step.how in _FUNCTIONS:
        return f"{_FUNCTIONS[step.how]}({', '.join(map(_formula, step.parts))})"
    last = len(step.parts) - 1
    words = [_formula(part) if _binds(part, step.how, last=n == last) else f"({_formula(part)})"
             for n, part in enumerate(step.parts)]  # fmt: skip
    return _SIGNS[step.how].join(words)


def _binds(part: Step, outside: How, *, last: bool) -> bool:
    """Whether a part reads the same without parentheses."""
    if len(part.parts) == 1:
        return _binds(part.parts[0], outside, last=last)
    if part.how in LEAVES or part.how in _FUNCTIONS:
        return True
    tight = part.how in {How.PRODUCT, How.QUOTIENT}
    if outside in {How.SUM, How.DIFFERENCE}:
        return tight or (outside is How.SUM and part.how is How.SUM)
    return part.how is How.PRODUCT and not (outside is How.QUOTIENT and last)


def _number(step: Step) -> str:
    """Whole numbers with commas, others with every digit, so that sums can be checked."""
    value: Any = plain(step.value)
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer() and abs(value) < 1e15)
    return f"{int(value):,}" if whole else repr(value)


def _givens(step: Step) -> dict[str, Step]:
    """Every number in a chain that is given, once; those of one name and different places by their places too."""
    found: dict[str, Step] = {}
    for each in walk(step):
        if each.origin is not None:
            name = each.name
            if name in found and (found[name].value, found[name].origin) != (each.value, each.origin):
                name = f"{name} at {each.origin.at}: {each.origin.how}"
            found.setdefault(name, each)
    return found
