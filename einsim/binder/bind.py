"""Bindings: of all assignments the one with the shortest pipeline, and the proof that there is no shorter one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from einsim.binder.assignment import Assignment, Choices, able, moves
from einsim.binder.bounds import Bounds
from einsim.binder.graph import TileGraph, graph_of, words_of
from einsim.binder.pipeline import Budget, Pipelined, Plan, fewest_words, least_interval
from einsim.binder.residency import Rebinding
from einsim.binder.solver import Order
from einsim.cascade import Cascade
from einsim.errors import SpecError
from einsim.schedule.lower import lower, nests_of
from einsim.schedule.nest import EinsumSchedule
from einsim.schedule.pipeline.build import orderings
from einsim.schedule.pipeline.epochs import Epochs
from einsim.schedule.pipeline.order import Ordering
from einsim.schedule.pipeline.strands import grains, slots_of
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.architecture import Architecture
from einsim.spec.configuration import Design
from einsim.spec.mappingfile import design_of, text_of
from einsim.spec.workload import Workload

TRIED: Final = 400
"""Assignments that are looked at in one search; what is left open beyond them is said."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is bound: a mapping file's data (a structure, or a mapping) for a cascade on a machine at some sizes.

    `assignment` is where the search starts, and stays where Einsums are not `free`.
    """

    cascade: Cascade
    machine: Architecture
    rebinding: Rebinding
    workload: Workload
    assignment: Assignment
    timing: Timing
    order: Order
    free: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """An assignment that cannot be, and why."""

    moved: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Bound:
    """What was found: the assignment and its pipeline, `text` of the mapping file that states both.

    `least`: no assignment that is legal has a smaller interval. `choices` are slots by Einsum and array; `optional`
    of all assignments, those whose busiest array alone takes longer than what was found were not looked at (`tried`).
    `heuristic` is the interval of the cycle model's own plan of the same assignment.
    """

    start: Start
    assignment: Assignment
    pipelined: Pipelined
    least: int
    choices: Choices
    split: Fraction
    tried: int
    refused: tuple[Refusal, ...]
    heuristic: int | None
    text: str

    @property
    def interval(self) -> int | None:
        """Cycles from epoch to epoch."""
        return None if self.pipelined.plan is None else self.pipelined.plan.interval

    @property
    def proved(self) -> bool:
        """Whether no legal assignment has a shorter one."""
        return self.interval == self.least

    @property
    def bounds(self) -> Bounds:
        """The bounds of the assignment that was found."""
        return self.pipelined.bounds


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An assignment with its design and its best pipeline."""

    assignment: Assignment
    data: dict[str, Any]
    ordering: Ordering
    pipelined: Pipelined
    heuristic: int | None


def bind(start: Start, seconds: float) -> Bound:
    """The binding with the least interval, in about so many seconds; of that interval, one that keeps few words.

    Assignments are looked at by their resource bound, so that the first whose bound is no less than the best interval
    ends the search with a proof. Raises SpecError where no assignment is legal.
    """
    budget = Budget.of(seconds)
    choices = choices_of(start)
    best: _Candidate | None = None
    refused: list[Refusal] = []
    open_from: list[int] = []
    tried = 0
    for assignment in choices.by_bound() if start.free else [dict(start.assignment)]:
        bound = choices.bound(assignment)
        known = best.pipelined.plan.interval if best and best.pipelined.plan else None
        if known is not None and (bound >= known or tried >= TRIED or budget.left() == 0):
            open_from.append(bound)
            break
        tried += 1
        found = _candidate(start, assignment, budget, first=best is None)
        if isinstance(found, Refusal):
            refused.append(found)
            continue
        open_from.append(found.pipelined.least)
        if found.pipelined.plan is not None and (known is None or found.pipelined.plan.interval < known):
            best = found
        if tried >= TRIED:
            break
    if best is None:
        why = refused[0].why if refused else "no plan was found in the time given"
        raise SpecError(f"no binding of {start.cascade.name} on {start.machine.name}: {why}",
                        remedy="give other tiles (--mapping FILE), or more time (--seconds)")  # fmt: skip
    return _finished(start, best, choices, min(open_from), tried, refused, budget)


def _finished(
    start: Start, best: _Candidate, choices: Choices, least: int, tried: int, refused: Sequence[Refusal], budget: Budget
) -> Bound:
    pipelined = best.pipelined
    if start.order is Order.INTERLEAVED and pipelined.graph.keeps:
        pipelined = fewest_words(pipelined, budget, best.ordering.fits)
    plan = pipelined.plan
    assert plan is not None
    data = {key: value for key, value in best.data.items() if key not in {"pipeline", "timing"}}
    cycles = dict(zip(pipelined.graph.names, plan.at, strict=True)) if start.timing == Timing() else None
    text = text_of(data, plan.interval, cycles)
    return Bound(start, best.assignment, pipelined, min(least, plan.interval), choices, choices.split_bound(), tried,
                 tuple(refused), best.heuristic, text)  # fmt: skip


def _candidate(start: Start, assignment: Assignment, budget: Budget, *, first: bool) -> _Candidate | Refusal:
    """The best pipeline of an assignment; or why there is none."""
    moved = tuple(moves(start.assignment, assignment))
    data = start.rebinding.bound(assignment)
    try:
        design = design_of(data, start.cascade, start.machine, start.workload)
        schedule = lower(design)
        if short := [each for each in schedule.shortfalls if each.where]:
            return Refusal(moved, f"{short[0].what}: {short[0].needed} {short[0].unit}, {short[0].available} there")
        ordering = _main(orderings(design, schedule, start.timing))
        graph = graph_of(ordering) if start.timing == Timing() else replace(graph_of(ordering), keeps=())
        known, heuristic = _known(ordering, graph, start.order)
    except SpecError as error:
        return Refusal(moved, error.message)
    share = Budget.of(budget.left(0.7 if first else 0.4))
    judge = ordering.fits if graph.keeps else None
    pipelined = least_interval(graph, start.order, share, known=known, judge=judge)
    return _Candidate(assignment, data, ordering, pipelined, heuristic)


def _main(every: Any) -> Ordering:
    """The program with the most work in an epoch."""
    return max(every, key=lambda each: sum(job.slots for job in each.repeated_jobs) if each.repeated else 0)


def _known(ordering: Ordering, graph: TileGraph, order: Order) -> tuple[Plan | None, int | None]:
    """The plan of the cycle model's own heuristic, where it is one of the kind that is asked for."""
    if order is not Order.INTERLEAVED or not graph.keeps:
        return None, None
    try:
        made = ordering.interleaved()
    except SpecError:
        return None, None
    plan = Plan(made.interval, made.at, words_of(graph, made.at, made.interval))
    sound = ordering.fits(plan) and not graph.contradicts(plan.at, plan.interval)
    return (plan if sound else None), made.interval


def choices_of(start: Start) -> Choices:
    """What every Einsum of an epoch takes on every array that can run it.

    From loop nests alone, so that it bounds assignments that are not legal as well.
    """
    design, _ = _nests(start, start.assignment)
    ordering = _main(orderings(design, lower(design), start.timing))
    epochs = ordering.linker.group.epochs
    names = ordering.names
    slots: dict[str, dict[str, int]] = {}
    tables = {array: _nests(start, {name: array if array in able(start.cascade.einsum(name), start.machine) else own
                                    for name, own in start.assignment.items()})[1]
              for array in start.machine.arrays}  # fmt: skip
    for name in names:
        options = able(start.cascade.einsum(name), start.machine) if start.free else [start.assignment[name]]
        slots[name] = {array: _slots(epochs, tables[array][name]) for array in options}
    others = {name: array for name, array in start.assignment.items() if name not in names}
    return Choices({**slots, **{name: {array: 0} for name, array in others.items()}}, dict(start.assignment))


def _nests(start: Start, assignment: Assignment) -> tuple[Design, dict[str, EinsumSchedule]]:
    design = design_of(start.rebinding.bound(assignment), start.cascade, start.machine, start.workload)
    return design, {einsum.name: einsum for einsum in nests_of(design)}


def _slots(epochs: Epochs, einsum: EinsumSchedule) -> int:
    """Slots of an Einsum's instance in a whole epoch."""
    inside = tuple(loop for loop in einsum.loops if loop not in epochs.loops)
    depth = len(epochs.loops)
    return slots_of(einsum, inside, epochs.kinds(depth)[0], grains(epochs, depth))
