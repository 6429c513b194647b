"""The plan of one tile graph with the least interval: bounds from below, plans from above, until they meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

from einsim.binder.bounds import Bounds, bounds_of
from einsim.binder.graph import TileGraph, words_of
from einsim.binder.pieces import EXACT, FORMS
from einsim.binder.solver import Answer, Order, Question, Status, ask
from einsim.schedule.pipeline.plan import Cycles

LARGEST: Final = 3000
"""Slots of an epoch up to which the solver is asked; larger ones keep the heuristic's plan, with its bounds."""


PACED: Final = tuple(form for form in FORMS if form.paced)
OTHERS: Final = tuple(form for form in FORMS if not form.paced)


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
    def slots(self) -> int:
        """Slots of an epoch on all arrays."""
        return sum(job.slots for job in self.graph.jobs)

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


def unsearched(graph: TileGraph, order: Order, known: Plan | None = None) -> Pipelined:
    """A tile graph with its bounds, and a plan to improve."""
    bounds = bounds_of(graph)
    return Pipelined(graph, bounds, max(bounds.least, phase_bound(graph)) if order is Order.PHASES else bounds.least,
                     known)  # fmt: skip


def quick_look(found: Pipelined, order: Order, budget: Budget, judge: Judge | None) -> Pipelined:
    """The same with a plan as short as the bounds, where one of the quick forms has it."""
    if found.proved or order is Order.SINGLE or found.slots > LARGEST:
        return found
    question = Question(found.graph, found.least, order, EXACT, 0)
    for form, share in (*((form, 0.35) for form in PACED), (EXACT, 1.0)):
        answer = ask(replace(question, form=form, seconds=budget.left(share)))
        if answer.status is Status.FOUND and sound(question, answer, judge):
            return replace(found, plan=_plan(found.graph, answer))
        if form.exact and answer.status is Status.NONE:
            return replace(found, least=found.least + 1)
    return found


def least_interval(
    found: Pipelined, order: Order, budget: Budget, *, judge: Judge | None = None, below: int | None = None
) -> Pipelined:
    """The least interval of a tile graph, with a plan that has it; plans not shorter than `below` are not looked for.

    Intervals are tried from the bounds upwards: the first that has a plan is the least if those before it were proved
    to have none. Where time ends, the last proof stands beside the best plan.
    """
    graph = found.graph
    if found.slots > LARGEST:
        return found
    if order is Order.SINGLE:
        return one_at_a_time(found, budget)
    interval = found.least
    highest = min(below or most_of(graph), most_of(graph), found.plan.interval if found.plan else most_of(graph))
    while interval < highest and budget.left() > 0:
        answer = at_interval(Question(graph, interval, order, EXACT, 0), budget, judge)
        if answer.status is Status.FOUND:
            found, highest = replace(found, plan=_plan(graph, answer)), interval
        elif answer.status is Status.NONE and interval == found.least:
            found = replace(found, least=interval + 1)
            interval += 1
        else:
            interval += max(1, (highest - interval) // 2)
    return found


def one_at_a_time(found: Pipelined, budget: Budget) -> Pipelined:
    """The shortest epoch that is over before the next one begins."""
    question = Question(found.graph, most_of(found.graph), Order.SINGLE, FORMS[0], 0)
    best = Answer(Status.OPEN)
    for form, share in (*((form, 0.15) for form in FORMS[::2]), (EXACT, 1.0)):
        answer = ask(replace(question, form=form, seconds=budget.left(share), hint=best.at or None))
        if answer.status is Status.FOUND and (best.status is not Status.FOUND or answer.interval < best.interval):
            best = answer
        if form.exact:
            found = replace(found, least=max(found.least, answer.bound))
    return replace(found, plan=_plan(found.graph, best) if best.status is Status.FOUND else None)


def _plan(graph: TileGraph, answer: Answer) -> Plan:
    return Plan(answer.interval, answer.at, words_of(graph, answer.at, answer.interval))


def most_of(graph: TileGraph) -> int:
    """An interval in which a whole epoch has time."""
    return (
        1
        + sum(graph.stalls)
        + sum(max(0, need.delay) for need in graph.needs)
        + sum(job.slots * job.spacing for job in graph.jobs)
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


def at_interval(question: Question, budget: Budget, judge: Judge | None) -> Answer:
    """A plan with one interval: quick forms first, then slot by slot, which may also prove that there is none."""
    for form, share in (
        *((form, 0.1) for form in PACED),
        (EXACT, 0.05),
        *((form, 0.1) for form in OTHERS),
        (EXACT, 0.5),
    ):
        answer = ask(replace(question, form=form, seconds=budget.left(share)))
        if answer.status is Status.FOUND and sound(question, answer, judge):
            return answer
        if form.exact and answer.status is Status.NONE:
            return answer
    return Answer(Status.OPEN)


def sound(question: Question, answer: Answer, judge: Judge | None) -> bool:
    """Whether a plan keeps all needs and fits, by accounts that the solver has no part in."""
    graph, interval = question.graph, question.interval
    if graph.contradicts(answer.at, interval) is not None:
        return False
    return judge is None or judge(Plan(interval, answer.at, words_of(graph, answer.at, interval)))


def fewest_words(found: Pipelined, budget: Budget, judge: Judge | None) -> Pipelined:
    """The same interval with as few words in registers as can be."""
    for form, share in (*((form, 0.1) for form in PACED), (EXACT, 0.95)):
        assert found.plan is not None
        plan = found.plan
        hint = None if form.paced else plan.at
        question = Question(found.graph, plan.interval, Order.INTERLEAVED, form, budget.left(share), hint, fewest=True)
        answer = ask(question)
        if answer.status is Status.FOUND and sound(question, answer, judge):
            better = _plan(found.graph, answer)
            best = better if better.words < plan.words else plan
            found = replace(found, plan=best, fewest=form.exact and answer.best)
    return found
