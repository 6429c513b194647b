"""Descent: a plan is made better choice by choice, until no choice helps, in whatever model it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from einsim.mapper.moves import choices, moves
from einsim.mapper.plan import Plan
from einsim.mapper.space import Space
from einsim.mapper.trial import Found, Score


class Judge(Protocol):
    """What plans are worth at some or all tile sizes."""

    def at(self, plan: Plan, numbers: Mapping[str, int], below: Score = ...) -> Found | None:
        """A plan at given tile sizes, if it is legal; None too if it surely is not below a score."""

    def best(self, plan: Plan, near: Mapping[str, int] | None = None) -> tuple[Found | None, bool]:
        """The best tile sizes of a plan (near some), and whether these are all."""

    def again(self, now: Found) -> Found | None:
        """A plan with other tile sizes, now that its choices have changed."""


@dataclass(frozen=True, slots=True)
class Descent:
    """Improves plans of a space as a judge sees them.

    `over` ends it, `note` hears of what is found, `promising` says whether a plan might be better than a design.
    """

    space: Space
    judge: Judge
    over: Callable[[], bool]
    note: Callable[[Found | None], None]
    promising: Callable[[Plan, Found], bool]

    def improve(self, start: Found | None) -> None:
        """Takes each move that makes the score better, until none does, first at the same tile sizes."""
        now = start
        while now is not None and not self.over():
            now = self.descended(now)
            better = self.judge.again(now)  # all sizes, now that other choices have changed
            if better is None or better.score >= now.score:
                better = self.resized(now)
            self.note(better)
            now = better

    def descended(self, now: Found) -> Found:
        """Goes through the choices at the same tile sizes, and takes what is better at once, until nothing is."""
        tried: set[object] = set()
        improved = True
        while improved and not self.over():
            improved = False
            for move in choices(self.space, now.plan):
                for plan in self.fresh(move(now.plan), now, tried):
                    found = self.judge.at(plan, now.numbers, now.score)
                    if found is not None and found.score < now.score:
                        now, improved = found, True
                        self.note(now)
        return now

    def resized(self, now: Found) -> Found | None:
        """The first move that is better with tile sizes next to those of now, or with other groups."""
        for plan in self.fresh(moves(self.space, now.plan), now, set()):
            found, _ = self.judge.best(plan, now.numbers)
            if found is not None and found.score < now.score:
                return found
        return None

    def fresh(self, plans: Iterator[Plan], now: Found, tried: set[object]) -> Iterator[Plan]:
        """Plans that were not tried yet, and that bounds leave room for; none when time is over."""
        for plan in plans:
            if self.over():
                return
            key = plan.key()
            if key not in tried and self.promising(plan, now):
                tried.add(key)
                yield plan
