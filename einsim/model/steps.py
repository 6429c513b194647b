"""How a number comes about, as a tree of steps: a value, the operation that gives it, and the steps that it is of.

A step has parts, whose values its operation combines in order; or it is a leaf: a count, a number that is given (with
its origin), or one that was found by running something, where no arithmetic leads to it. `faults` checks a tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, reduce
from math import exp, fsum, log
from typing import Final

from einsim.spec.expressions import Number
from einsim.spec.pricing import Origin


class How(StrEnum):
    """How a step's value follows from its parts, or why it has none."""

    COUNTED = "counted"
    GIVEN = "given"
    FOUND = "found"
    SUM = "sum"
    PRODUCT = "product"
    QUOTIENT = "quotient"
    DIFFERENCE = "difference"
    GREATEST = "greatest"
    LEAST = "least"
    MEAN = "geometric mean"


LEAVES: Final = frozenset({How.COUNTED, How.GIVEN, How.FOUND})
"""Steps without parts."""
_SAME: Final = 1e-9  # relative: floats may be added up in another order


@dataclass(frozen=True, slots=True)
class Step:
    """A value with its unit, and the steps that it follows from; what is given has its origin.

    note: what a leaf is, where its name does not say it. beside: steps to compare it with, which it is not made of.
    """

    name: str
    value: Number
    unit: str
    how: How
    parts: tuple[Step, ...] = ()
    origin: Origin | None = None
    note: str = ""
    beside: tuple[Step, ...] = ()


def combine(how: How, values: list[Number]) -> Number:
    """What values give, taken in order."""
    match how:
        case How.SUM:
            return reduce(lambda a, b: a + b, values, 0)  # sum() rounds otherwise from Python 3.12 on
        case How.PRODUCT:
            return reduce(lambda a, b: a * b, values)
        case How.QUOTIENT:
            return values[0] / values[1]
        case How.DIFFERENCE:
            return values[0] - values[1]
        case How.GREATEST:
            return max(values)
        case How.LEAST:
            return min(values)
        case How.MEAN:
            return exp(fsum(log(value) for value in values) / len(values)) if all(values) else 0.0
        case How.COUNTED | How.GIVEN | How.FOUND:
            raise ValueError(f"{how} follows from nothing")


def made(name: str, unit: str, how: How, parts: Iterable[Step]) -> Step:
    """A step that follows from others; the sum of none is 0."""
    steps = tuple(parts)
    if not steps:
        return Step(name, 0, unit, How.COUNTED, note="there is none")
    return Step(name, combine(how, [step.value for step in steps]), unit, how, steps)


def counted(name: str, value: Number, unit: str = "", note: str = "") -> Step:
    """A count of the model."""
    return Step(name, value, unit, How.COUNTED, note=note)


def found(name: str, value: Number, unit: str, note: str, *beside: Step) -> Step:
    """A number without arithmetic: what a run, a search or a tool says; `note` says of what."""
    return Step(name, value, unit, How.FOUND, note=note, beside=beside)


def times(step: Step, often: int, what: str = "times") -> Step:
    """A step as often as something happens; the step itself where that is once."""
    if often == 1:
        return step
    return made(f"{step.name}, {often:,} times", step.unit, How.PRODUCT, (counted(what, often), step))


def named(step: Step, name: str) -> Step:
    """The same step by another name."""
    return replace(step, name=name)


def walk(step: Step) -> Iterator[Step]:
    """A step and all below it, those beside it too."""
    yield step
    for part in (*step.parts, *step.beside):
        yield from walk(part)


def same(one: Number, other: Number) -> bool:
    """Whether two numbers are the same: integers exactly, floats but for the order of their sums."""
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    return bool(one == other or abs(one - other) <= _SAME * min(abs(one), abs(other)))


def faults(step: Step) -> list[str]:
    """What is wrong in a tree: steps whose parts do not give their value, leaves with parts, gifts from nowhere."""
    wrong = []
    for each in walk(step):
        if each.how in LEAVES:
            if each.parts:
                wrong.append(f"{each.name}: {each.how}, with parts")
            if each.how is How.GIVEN and each.origin is None:
                wrong.append(f"{each.name}: given by nobody")
            if each.how is How.FOUND and not each.note:
                wrong.append(f"{each.name}: found by nobody")
        elif not each.parts:
            wrong.append(f"{each.name}: {each.how} of nothing")
        elif not same(combine(each.how, [part.value for part in each.parts]), each.value):
            wrong.append(f"{each.name}: its parts do not give {each.value}")
    return wrong


Explain = Callable[[], Step]
"""Makes an explanation when it is asked for."""


@dataclass(frozen=True)
class Fields(Mapping[str, Explain]):
    """The numbers of a result by their paths in it (`energy_by_part_pj/buffer`), each with what explains it.

    `own` are its numbers; `inner` the parts of it, by the first words of their paths, made when they are asked for.
    """

    own: Mapping[str, Explain]
    inner: Mapping[str, Callable[[], Fields]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inner", {prefix: cache(inner) for prefix, inner in self.inner.items()})

    def __getitem__(self, path: str) -> Explain:
        """What explains the number at a path; raises KeyError where there is none."""
        if path in self.own:
            return self.own[path]
        for prefix, inner in self.inner.items():
            if path.startswith(f"{prefix}/"):
                return inner()[path.removeprefix(f"{prefix}/")]
        raise KeyError(path)

    def __iter__(self) -> Iterator[str]:
        """All paths."""
        yield from self.own
        for prefix, inner in self.inner.items():
            for path in inner():
                yield f"{prefix}/{path}"

    def __len__(self) -> int:
        """How many numbers there are."""
        return sum(1 for _ in self)
