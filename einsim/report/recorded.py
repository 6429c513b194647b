"""How the numbers of results come about that a search, a solver, a tool or given data decide.

Such results are not made again: what was found is a leaf, with the command that finds it; what follows from it by
arithmetic has its chain. Every kind of result has its rules, by the paths of its numbers (`*`: any word).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from einsim.errors import Location, SpecError
from einsim.model.result import Record
from einsim.model.steps import Explain, Fields, How, Step, counted, found, same
from einsim.spec.pricing import Origin

Rule = Callable[["Recorded", list[str], Any], Step]
"""Explains the number at a path."""


class Recorded:
    """A record with the command that made it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.command = str(record["command"])

    def fields(self, rules: dict[str, Rule]) -> Fields:
        """Every number that a rule is about."""
        own: dict[str, Explain] = {}
        split = [(pattern.split("/"), rule) for pattern, rule in rules.items()]
        for path, value in numbers(self.record):
            rule = next((rule for pattern, rule in split if _matches(pattern, path)), None)
            if rule is not None:
                own["/".join(path)] = partial(rule, self, path, value)
        return Fields(own)

    def at(self, *path: str | int) -> Any:
        """What the record has at a path; raises SpecError where it has nothing there."""
        here: Any = self.record
        try:
            for step in path:
                here = here[int(step) if isinstance(here, list) else step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise SpecError(f"the result has no {'/'.join(map(str, path))}", at=Location("explain"),
                            remedy="another version of einsim made it: make it anew") from None  # fmt: skip
        return here

    def step(self, name: str, value: Any, unit: str, what: str, *beside: Step) -> Step:
        """A number that the command found."""
        return found(name, value, unit, f"{what}; {self.command}", *beside)

    def or_found(self, step: Step, value: Any, what: str) -> Step:
        """A chain where it gives the value; else what was found, beside it."""
        return step if same(step.value, value) else self.step(step.name, value, step.unit, what, step)


def numbers(record: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[list[str], Any]]:
    """Every number of a record, nested, with its path."""
    if isinstance(record, bool):
        return
    if isinstance(record, (int, float)):
        yield list(path), record
    elif isinstance(record, (dict, list)):
        items: Iterable[tuple[Any, Any]] = record.items() if isinstance(record, dict) else enumerate(record)
        for key, value in items:
            yield from numbers(value, (*path, str(key)))


def _matches(pattern: list[str], path: list[str]) -> bool:
    return len(pattern) == len(path) and all(a in {"*", b} for a, b in zip(pattern, path, strict=True))


def as_found(unit: str, what: str) -> Rule:
    """A rule for what was found."""
    return lambda of, path, value: of.step("/".join(path), value, unit, what)


def as_given(option: str, what: str) -> Rule:
    """A rule for what an option gives."""

    def rule(_: Recorded, path: list[str], value: Any) -> Step:
        return Step(path[-1], value, "", How.GIVEN, origin=Origin(Location(option), what))

    return rule


def as_counted(unit: str, note: str) -> Rule:
    """A rule for a plain count."""
    return lambda _, path, value: counted("/".join(path), value, unit, note)
