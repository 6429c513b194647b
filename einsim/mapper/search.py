"""The search: good plans first, then better ones, until one is proved best or time is over.

It starts from plans that follow from the bounds (everything fused, every Einsum alone, and cuts between), improves the
best one choice at a time, and tells when a value meets its lower bound. A space that is small enough is then walked
whole, without the groups and arrays whose bound is no better than what was found: branch and bound. In a larger one,
what time is left goes to new beginnings.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf

from einsim.mapper.bounds import Bounds
from einsim.mapper.moves import arrays_of, choices, moves, regrouped
from einsim.mapper.objective import Objective
from einsim.mapper.plan import Plan
from einsim.mapper.space import Names, Space
from einsim.mapper.task import Task
from einsim.mapper.trial import Found, Trials

CLOSE = 1e-9
"""A value this close (relatively) to its bound meets it: both are sums of floating-point numbers."""

WALKED = 20_000
"""Plans up to which a space is walked whole."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is: seconds, designs looked at, the best value so far and the bound on it."""

    seconds: float
    designs: int
    value: float
    bound: float


@dataclass(frozen=True, slots=True)
class Result:
    """What a search found. `exhausted`: nothing is left in the space that might be better.

    `refused`: what is wrong with the first plan as a mapping file, where none was legal. `stopped`: what ended it.
    """

    best: Found | None
    bound: float
    exhausted: bool
    seconds: float
    designs: int
    plans: int
    stopped: KeyboardInterrupt | None
    refused: str | None = None

    @property
    def proved(self) -> bool:
        """Whether no mapping of the space is better."""
        return self.best is not None and (self.exhausted or meets(self.best.value, self.bound))

    @property
    def gap(self) -> float | None:
        """How much less than the value the bound is, relatively."""
        return None if self.best is None or self.best.value == 0 else max(0.0, 1.0 - self.bound / self.best.value)


def meets(value: float, bound: float) -> bool:
    """Whether a value is as good as its bound."""
    return value <= bound * (1 + CLOSE)


def search(
    task: Task,
    objective: Objective,
    seconds: float = 10.0,
    report: Callable[[Progress], None] | None = None,
) -> Result:
    """The best mapping of a task that is found in about so many seconds; Ctrl-C ends it with what there is."""
    return _Search(task, objective, seconds, report).run()


@dataclass
class _Search:
    task: Task
    objective: Objective
    seconds: float
    report: Callable[[Progress], None] | None
    best: Found | None = None
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.space = Space(self.task)
        self.trials = Trials(self.task, self.objective, over=self.over)
        self.bounds = Bounds(self.task, {size: self.trials.sizes_of(size) for size in self.task.unsized})
        self.bound = self.bounds.of(self.objective)
        self.seen: set[object] = set()

    def run(self) -> Result:
        exhausted, stopped = False, None
        try:
            exhausted = self.everything()
        except KeyboardInterrupt as error:
            stopped = error
        return Result(self.best, self.bound, exhausted, self.spent(), self.trials.points, self.trials.plans, stopped,
                      None if self.best is not None else self.trials.refused)  # fmt: skip

    def everything(self) -> bool:
        """All steps of the search; whether the space is exhausted."""
        if self.task.refused is not None:
            self.trials.refused = self.task.refused
            return False
        for plan in self.beginnings():
            if self.over():
                return False
            self.improve(self.tried(plan))
            if self.met():
                return False
        if self.space.size() <= WALKED:
            return self.walk()
        chance = random.Random(0)
        while self.best is not None and not self.over() and not self.met():
            self.improve(self.tried(self.shaken(self.best.plan, chance)))
        return False

    # Time and progress.

    def spent(self) -> float:
        return time.monotonic() - self.started

    def over(self) -> bool:
        return self.spent() >= self.seconds

    def met(self) -> bool:
        """Whether the best value is as good as its bound."""
        return self.best is not None and meets(self.best.value, self.bound)

    def note(self, found: Found | None) -> None:
        """Remembers the best, and tells about it."""
        if found is not None and (self.best is None or found.score < self.best.score):
            self.best = found
        if self.report is not None:
            value = inf if self.best is None else self.best.value
            self.report(Progress(self.spent(), self.trials.points, value, self.bound))

    def tried(self, plan: Plan) -> Found | None:
        """A plan with its best tile sizes."""
        found, _ = self.trials.best(plan)
        self.note(found)
        return found

    # Beginnings and improvements.

    def beginnings(self) -> Iterator[Plan]:
        """Everything fused and every Einsum alone, with the least busy arrays and with each Einsum's fastest."""
        balanced = self.bounds.assignment[1]
        fastest = {name: min(each, key=lambda a: each[a]) for name, each in self.bounds.work.cycles.items()}
        frugal = {name: min(each, key=lambda a: each[a]) for name, each in self.bounds.work.energy_pj.items()}
        for arrays in (balanced, fastest, frugal):
            for groups in ((self.space.names,), self.space.alone):
                plan = self.space.start(groups, arrays)
                in_turn = replace(plan, groups=tuple(replace(group, overlap=False) for group in plan.groups))
                for each in (plan, in_turn) if groups is not self.space.alone else (plan,):
                    if each.key() not in self.seen:
                        self.seen.add(each.key())
                        yield each

    def improve(self, start: Found | None) -> None:
        """Takes each move that makes the score better, until none does, first at the same tile sizes."""
        now = start
        while now is not None and not self.over():
            now = self.descended(now)
            better, _ = self.trials.best(now.plan)  # all sizes, now that other choices have changed
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
                    found = self.trials.at(plan, now.numbers)
                    if found is not None and found.score < now.score:
                        now, improved = found, True
                        self.note(now)
        return now

    def resized(self, now: Found) -> Found | None:
        """The first move that is better with tile sizes next to those of now, or with other groups."""
        for plan in self.fresh(moves(self.space, now.plan), now, set()):
            found, _ = self.trials.best(plan, near=now.numbers)
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

    def promising(self, plan: Plan, now: Found) -> bool:
        """Whether the bound of a plan's groups and arrays leaves room for something better."""
        groups = [group.einsums for group in plan.groups]
        overlap = [group.overlap for group in plan.groups]
        bound = self.bounds.of_arrays(self.objective, groups, arrays_of(plan), overlap)
        return bound <= now.value * (1 + CLOSE)

    def shaken(self, plan: Plan, chance: random.Random) -> Plan:
        """Another plan, some choices away."""
        if chance.random() < 0.3 and len(self.space.names) > 1:
            plan = regrouped(self.space, plan, self.cut(chance))
        for _ in range(chance.randint(2, 4)):
            near = list(moves(self.space, plan))
            if near:
                plan = chance.choice(near)
        return plan

    def cut(self, chance: random.Random) -> list[Names]:
        """A few cuts of the text, anywhere."""
        names, places = self.space.names, self.space.places
        cuts = sorted(chance.sample(places, chance.randint(0, min(3, len(places)))))
        ends = [0, *cuts, len(names)]
        return [names[a:b] for a, b in pairwise(ends)]

    # All of it.

    def walk(self) -> bool:
        """Branch and bound over all plans; whether it came to the end with all tile sizes."""
        limit = [inf if self.best is None else self.best.value]
        whole = True
        for plan in self.space.every(self.bounds, self.objective, limit):
            if self.over():
                return False
            found, complete = self.trials.best(plan)
            whole &= complete
            self.note(found)
            if self.best is not None:
                limit[0] = self.best.value
                if self.met():
                    return whole
        return whole
