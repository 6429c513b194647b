"""The search: good plans first, then better ones, until one is proved best or time is over.

It starts from plans that follow from the bounds (everything fused, every Einsum alone, and cuts between), improves the
best one choice at a time, and tells when a value meets its lower bound. A space that is small enough is then walked
whole, without the groups and arrays whose bound is no better than what was found: branch and bound. In a larger one,
what time is left goes to new beginnings.

All that is the closed form's. Where the cycle model shall run the mapping, the best are then run, and the best of them
improved in the same way by what the cycle model says.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf
from typing import Final

from einsim.mapper.bounds import Bounds
from einsim.mapper.descent import Descent, Judge
from einsim.mapper.moves import arrays_of, moves, regrouped
from einsim.mapper.objective import Objective
from einsim.mapper.plan import Plan
from einsim.mapper.running import Running
from einsim.mapper.space import Names, Space
from einsim.mapper.task import Task
from einsim.mapper.trial import Found, Trials

CLOSE: Final = 1e-9
"""A value this close (relatively) to its bound meets it: both are sums of floating-point numbers."""

WALKED: Final = 20_000
"""Plans up to which a space is walked whole."""

FRUGAL: Final = 0.1
"""Share of the time that may go on after a proof, for the same value with less energy."""

LOOKED: Final = 0.7
"""Share of the time after which beginnings are run as they are, at whatever tile sizes."""

CLOSED: Final = 0.4
"""Share of the time for the closed form where the cycle model comes after it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is: seconds, designs looked at, the best value so far (the cycle model's?) and its bound."""

    seconds: float
    designs: int
    value: float
    bound: float
    cycles: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a search found. `exhausted`: nothing is left in the space that might be better in the closed form.

    `ran` is the best that the cycle model runs, with its score there, where that was asked for, `ran_all`: that there
    is none better, and `runs` how many designs were run. `refused`: what is wrong with the first plan as a mapping
    file, where none was legal. `stopped`: what ended it.
    """

    best: Found | None
    bound: float
    exhausted: bool
    seconds: float
    designs: int
    plans: int
    stopped: KeyboardInterrupt | None
    refused: str | None = None
    ran: Found | None = None
    ran_all: bool = False
    runs: int = 0

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
    *,
    cycles: bool = False,
    starts: Sequence[Plan] = (),
) -> Result:
    """The best mapping of a task that is found in about so many seconds; Ctrl-C ends it with what there is.

    `cycles`: also the best that the cycle model runs, by what it says. `starts`: plans to look at first.
    """
    return _Search(task, objective, seconds, report, cycles, starts).run()


@dataclass
class _Search:
    task: Task
    objective: Objective
    seconds: float
    report: Callable[[Progress], None] | None
    cycles: bool = False
    starts: Sequence[Plan] = ()
    best: Found | None = None
    ran: Found | None = None
    ran_all: bool = False
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.space = Space(self.task)
        self.trials = Trials(self.task, self.objective, over=self.over)
        self.running = Running(self.trials)
        self.bounds = Bounds(self.task, {size: self.trials.sizes_of(size) for size in self.task.unsized})
        self.bound = self.bounds.of(self.objective)
        self.trail: list[Found] = []
        self.known: dict[object, Found | None] = {}
        self.until = self.seconds * (CLOSED if self.cycles else 1.0)

    def run(self) -> Result:
        exhausted, stopped = False, None
        try:
            exhausted = self.everything()
            if self.cycles and self.best is not None:
                self.until = self.seconds
                self.ran_all = self.in_cycles()
        except KeyboardInterrupt as error:
            stopped = error
        refused = None if self.best is not None else self.trials.refused
        return Result(self.best, self.bound, exhausted, self.spent(), self.trials.points, self.trials.plans, stopped,
                      refused, self.ran, self.ran_all, self.running.runs)  # fmt: skip

    def everything(self) -> bool:
        """All steps of the search in the closed form; whether the space is exhausted."""
        descent = self.descent(self.trials, self.note)
        plans = self.plans()
        for plan in plans:  # something at once, before any has all of its sizes looked at
            if self.best is None and not self.over():
                self.note(self.trials.glance(plan))
        for plan in plans:
            if self.over():
                return False
            descent.improve(self.tried(plan))
            if self.met():
                return False
        if self.space.size() <= WALKED:
            return self.walk()
        chance = random.Random(0)
        while self.best is not None and not self.over() and not self.met():
            descent.improve(self.tried(self.shaken(self.best.plan, chance)))
        return False

    def descent(self, judge: Judge, note: Callable[[Found | None], None]) -> Descent:
        """The descent of one model."""
        return Descent(self.space, judge, self.over, note, self.promising)

    # Time and progress.

    def spent(self) -> float:
        return time.monotonic() - self.started

    def over(self) -> bool:
        return self.spent() >= self.until

    def met(self) -> bool:
        """Whether the best value is as good as its bound."""
        return self.best is not None and meets(self.best.value, self.bound)

    def note(self, found: Found | None) -> None:
        """Remembers the best, and tells about it."""
        if found is not None and (self.best is None or found.score < self.best.score):
            proved = self.met()
            self.best = found
            self.trail.append(found)
            if self.met() and not proved:
                self.until = min(self.until, self.spent() + FRUGAL * self.seconds)
        self.tell(self.best, cycles=False)

    def tell(self, best: Found | None, *, cycles: bool) -> None:
        """Says how far it is."""
        if self.report is not None:
            value = inf if best is None else best.value
            self.report(Progress(self.spent(), self.trials.points, value, self.bound, cycles))

    def tried(self, plan: Plan) -> Found | None:
        """A plan with its best tile sizes."""
        found, _ = self.trials.best(plan)
        if not self.over():
            self.known[plan.key()] = found
        self.note(found)
        return found

    # Beginnings and improvements.

    def plans(self) -> list[Plan]:
        """Plans to begin with, those that were given first."""
        return [*self.starts, *(plan for _, plan in self.beginnings())]

    def beginnings(self) -> Iterator[tuple[bool, Plan]]:
        """Everything fused and every Einsum alone, with the least busy arrays and with each Einsum's fastest.

        With each plan, whether it hands tensors on in registers.
        """
        balanced = self.bounds.assignment[1]
        fastest = {name: min(each, key=lambda a: each[a]) for name, each in self.bounds.work.cycles.items()}
        frugal = {name: min(each, key=lambda a: each[a]) for name, each in self.bounds.work.energy_pj.items()}
        seen: set[object] = set()
        for arrays in (balanced, fastest, frugal):
            for groups in dict.fromkeys(((self.space.names,), self.space.alone)):
                for handed in (False, True):
                    plan = self.space.start(groups, arrays, handed=handed)
                    in_turn = replace(plan, groups=tuple(replace(group, overlap=False) for group in plan.groups))
                    for each in (plan, in_turn) if groups != self.space.alone else (plan,):
                        if each.key() not in seen:
                            seen.add(each.key())
                            yield handed, each

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
        whole = True
        limit = [inf if self.best is None else self.best.value]
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

    # In the cycle model.

    def in_cycles(self) -> bool:
        """What the cycle model makes of what the closed form found; whether nothing in the space is better there."""
        descent = self.descent(self.running, self.note_run)
        beginnings = self.run_first()
        if not beginnings:
            return False
        for number, ran in enumerate(beginnings):
            if not self.over() and (number == 0 or self.space.size() > WALKED):
                better = self.running.again(ran)
                self.note_run(better)
                descent.improve(better)
        if self.space.size() <= WALKED:
            return self.walk_in_cycles()
        chance = random.Random(0)
        while not self.over():
            now = self.ran or beginnings[0]
            found, _ = self.running.best(self.shaken(now.plan, chance), now.numbers)
            self.note_run(found)
            descent.improve(found)
        return False

    def run_first(self) -> list[Found]:
        """What there is to begin with as it runs, the best first; where time is over, until something does."""
        runs: list[Found] = []
        for found in self.firsts():
            if runs and (self.over() or (self.ran is not None and found.score >= self.ran.score)):
                continue
            runs.append(self.running.run(found))
            self.note_run(runs[-1])
        for plan in self.plans():
            if self.ran is None and (glance := self.trials.glance(plan)) is not None:
                runs.append(self.running.run(glance))
                self.note_run(runs[-1])
        return sorted(runs, key=lambda each: each.score)

    def firsts(self) -> list[Found]:
        """Designs to run first: the beginnings, the best by the closed form first, and the best that it found."""
        plans = self.plans()
        found = [each for plan in plans for each in (self.first(plan), self.trials.glance(plan)) if each is not None]
        return [*sorted(found, key=lambda each: each.score), *self.trail[-1:]]

    def first(self, plan: Plan) -> Found | None:
        """A beginning with its best tile sizes, as far as there is time to look for them."""
        if plan.key() not in self.known:
            late = self.spent() > LOOKED * self.seconds
            self.known[plan.key()] = self.trials.glance(plan) if late else self.trials.best(plan)[0]
        return self.known[plan.key()]

    def note_run(self, found: Found | None) -> None:
        """Remembers the best that runs, and tells about it."""
        if found is not None and found.value < inf and (self.ran is None or found.score < self.ran.score):
            self.ran = found
        self.tell(self.ran, cycles=True)

    def walk_in_cycles(self) -> bool:
        """Branch and bound over all plans in the cycle model; whether it came to the end with all tile sizes."""
        whole = True
        limit = [inf if self.ran is None else self.ran.value]
        for plan in self.space.every(self.bounds, self.objective, limit):
            if self.over():
                return False
            found, complete = self.running.best(plan)
            whole &= complete
            self.note_run(found)
            limit[0] = inf if self.ran is None else self.ran.value
        return whole
