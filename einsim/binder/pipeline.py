"""The plan of one tile graph with the least interval: bounds from below, plans from above, until they meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

from einsim.binder.bounds import Bounds, bounds_of
from einsim.binder.graph import TileGraph, words_of
from einsim.binder.pieces import EXACT, FORMS
from einsim.binder.solver import Answer, Order, Question, Status, ask
from einsim.schedule.pipeline.plan import Cycles
from einsim.schedule.pipeline.stated import contradiction

LARGEST: Final = 3000
"""Slots of an epoch up to which the solver is asked; larger ones keep the heuristic's plan, with its bounds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Slots at some cycles of an interval, and the words of registers that they keep."""

    interval: int
    at: tuple[Cycles, ...]
    words: int


@dataclass(frozen=True, slots=True)
class Pipelined:
    """The best plan that was found (None: there is none, or none was found), and what is known about better ones.

    `least`: no plan has a smaller interval than this; `fewest`: whether none of the same interval keeps fewer words.
    """

    graph: TileGraph
    bounds: Bounds
    least: int
    plan: Plan | None
    fewest: bool = False

    @property
    def proved(self) -> bool:
        """Whether no plan is shorter."""
        return self.plan is not None and self.plan.interval == self.least


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop: a moment of the monotonic clock."""

    ends: float

    @classmethod
    def of(cls, seconds: float) -> Budget:
        """So many seconds from now."""
        return cls(monotonic() + seconds)

    def left(self, share: float = 1.0) -> float:
        """Seconds that are left, or a share of them."""
        return max(0.0, (self.ends - monotonic()) * share)


Judge = Callable[[Plan], bool]
"""Whether a plan fits in all that the machine has, by the schedule's own account."""


def least_interval(
    graph: TileGraph, order: Order, budget: Budget, *, known: Plan | None = None, judge: Judge | None = None,
    below: int | None = None,
) -> Pipelined:  # fmt: skip
    """The least interval of a tile graph, with a plan that has it.

    known: a plan to improve; below: intervals from which on nobody is interested. Intervals are tried from the bounds
    upwards: the first that has a plan is the least if those before it were proved to have none. Where time ends, the
    last proof stands beside the best plan.
    """
    bounds = bounds_of(graph)
    least = max(bounds.least, phase_bound(graph)) if order is Order.PHASES else bounds.least
    best = known
    interval, proving = least, True
    highest = min(below or most_of(graph), best.interval if best else most_of(graph))
    if sum(job.slots for job in graph.jobs) > LARGEST:
        return Pipelined(graph, bounds, least, best)
    while interval < highest and budget.left() > 0:
        answer = at_interval(Question(graph, interval, order, EXACT, 0), budget, judge, hard=proving)
        if answer.status is Status.FOUND:
            best = Plan(interval, answer.at, words_of(graph, answer.at, interval))
            highest = interval
            break
        proving = proving and answer.status is Status.NONE
        if proving:
            least = interval + 1
        interval += 1 if proving else max(1, (highest - interval) // 2)
    if best is not None and best.interval == highest and order is Order.INTERLEAVED and not below:
        return fewest_words(Pipelined(graph, bounds, least, best), budget, judge)
    return Pipelined(graph, bounds, least, best)


def most_of(graph: TileGraph) -> int:
    """An interval in which a whole epoch has time."""
    return 1 + sum(graph.stalls) + sum(max(0, need.delay) for need in graph.needs) + sum(
        job.slots * job.spacing for job in graph.jobs
    )


def phase_bound(graph: TileGraph) -> int:
    """The least interval in which phases follow each other: the busiest array of each, and the stalls."""
    total = sum(graph.stalls)
    for phase in range(len(graph.stalls)):
        used: dict[str, int] = {}
        for job, own in zip(graph.jobs, graph.phases, strict=True):
            if own == phase:
                used[job.resource] = used.get(job.resource, 0) + job.slots
        total += max(used.values(), default=0)
    return total


def at_interval(question: Question, budget: Budget, judge: Judge | None, *, hard: bool) -> Answer:
    """A plan with one interval: coarse forms first, then slot by slot, which may also prove that there is none.

    hard: spend what is left on it, because nothing shorter is open.
    """
    seen: set[tuple[tuple[int, ...], ...]] = set()
    for form in (*FORMS, EXACT):
        share = (0.6 if hard else 0.3) if form.exact else 0.12
        answer = ask(replace(question, form=form, seconds=budget.left(share)))
        if answer.status is Status.FOUND and sound(question, answer, judge):
            return answer
        if form.exact and answer.status is not Status.FOUND:
            return answer
        seen.add(tuple(tuple(map(int, each)) for each in answer.at))
    return Answer(Status.OPEN)


def sound(question: Question, answer: Answer, judge: Judge | None) -> bool:
    """Whether a plan keeps all needs and fits, by accounts that the solver has no part in."""
    graph, interval = question.graph, question.interval
    if contradiction(graph.names, graph.jobs, graph.needs, answer.at, interval) is not None:
        return False
    return judge is None or judge(Plan(interval, answer.at, words_of(graph, answer.at, interval)))


def fewest_words(found: Pipelined, budget: Budget, judge: Judge | None) -> Pipelined:
    """The same interval with as few words in registers as can be."""
    assert found.plan is not None
    plan = found.plan
    question = Question(found.graph, plan.interval, Order.INTERLEAVED, EXACT, budget.left(0.9), plan.at, fewest=True)
    answer = ask(question)
    if answer.status is not Status.FOUND or not sound(question, answer, judge):
        return found
    words = words_of(found.graph, answer.at, plan.interval)
    better = Plan(plan.interval, answer.at, words) if words < plan.words else plan
    return replace(found, plan=better, fewest=answer.best)


def cells(at: Sequence[Cycles], interval: int) -> list[list[int]]:
    """Where slots stand within the interval."""
    return [[int(cycle) % interval for cycle in each] for each in at]
