"""Bindings: of all assignments the one with the shortest pipeline, and the proof that there is no shorter one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from math import ceil
from time import monotonic
from typing import Any, Final

from einsim.binder.assignment import Assignment, Choices, able, moves
from einsim.binder.bounds import Bounds
from einsim.binder.graph import TileGraph, graph_of, words_of
from einsim.binder.measure import Bench
from einsim.binder.pipeline import (
    Budget,
    Judge,
    Pipelined,
    Plan,
    fewest_words,
    least_interval,
    quick_look,
    unsearched,
)
from einsim.binder.residency import Rebinding
from einsim.binder.solver import Order
from einsim.cascade import Cascade
from einsim.errors import SpecError
from einsim.schedule.lower import lower, nests_of
from einsim.schedule.nest import EinsumSchedule, Schedule
from einsim.schedule.pipeline.build import orderings
from einsim.schedule.pipeline.epochs import Epochs
from einsim.schedule.pipeline.order import Ordering
from einsim.schedule.pipeline.strands import grains, slots_of
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.architecture import Architecture
from einsim.spec.configuration import Design
from einsim.spec.mappingfile import design_of, text_of, with_plan
from einsim.spec.workload import Workload

TRIED: Final = 400
"""Assignments that are looked at in one search; what is left open beyond them is said."""
QUICK: Final = 8.0
"""Seconds for the quick look at an assignment."""
NEVER: Final = 1 << 60


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

    `least`: no assignment that is legal has a smaller interval. `choices` are slots by Einsum and array, `split` the
    least of them where Einsums may be divided; of all assignments `tried` were looked at, the others have more to do.
    `heuristic` is the interval of the cycle model's own plan of the same assignment, `measured` that at which it runs
    this one: no longer, and shorter where slots need not wait until they are planned.
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
    measured: Fraction | None
    text: str

    @property
    def interval(self) -> int | None:
        """Cycles from epoch to epoch: as planned, or more where the machine waits at a port."""
        plan = self.pipelined.plan
        return None if plan is None else max(plan.interval, ceil(self.measured or 0))

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
    """An assignment with its design and its best pipeline.

    `fallback`: the cycle model's own plan, which fits, even if it is not kept up at a port.
    """

    assignment: Assignment
    data: dict[str, Any]
    ordering: Ordering
    pipelined: Pipelined
    heuristic: int | None
    bench: Bench | None
    fallback: Plan | None = None

    @property
    def interval(self) -> int:
        """Of its best plan; a very long one where it has none."""
        return NEVER if self.pipelined.plan is None else self.pipelined.plan.interval

    @property
    def judge(self) -> Judge | None:
        """Whether a plan fits, and is kept up where arrays may be in each other's way at a port."""
        return self.holds if self.pipelined.graph.keeps else None

    def holds(self, plan: Plan) -> bool:
        """Whether a plan fits, and the machine runs it at its interval."""
        if not self.ordering.fits(plan):
            return False
        if not self.pipelined.graph.ports:
            return True
        measured = self.measured(plan)
        return measured is None or measured <= plan.interval

    def measured(self, plan: Plan) -> Fraction | None:
        """The interval at which the cycle model runs a plan; None where it cannot, or nothing is iterated over."""
        if self.bench is None or not self.pipelined.graph.keeps:
            return None
        cycles = dict(zip(self.pipelined.graph.names, plan.at, strict=True))
        return self.bench.interval(self.data, plan.interval, cycles)

    @property
    def pace(self) -> Fraction:
        """Cycles from epoch to epoch: of its plan, or those that the machine takes if it is not kept up."""
        plan = self.pipelined.plan
        if plan is None or plan is not self.fallback:
            return Fraction(self.interval)
        return max(Fraction(plan.interval), self.measured(plan) or Fraction(0))

    def kept_up(self) -> _Candidate:
        """With the cycle model's own plan, where that comes to less."""
        if self.fallback is None or self.fallback.interval >= self.interval:
            return self
        own = replace(self, pipelined=replace(self.pipelined, plan=self.fallback))
        return own if own.pace < self.pace else self

    def looked_at(self, order: Order, budget: Budget) -> _Candidate:
        """After a quick look for a plan at its bounds."""
        return replace(self, pipelined=quick_look(self.pipelined, order, budget, self.judge))

    def searched(self, order: Order, budget: Budget, below: int) -> _Candidate:
        """After a search for plans shorter than some interval."""
        return replace(self, pipelined=least_interval(self.pipelined, order, budget, judge=self.judge, below=below))


def bind(start: Start, seconds: float) -> Bound:
    """The binding with the least interval, in about so many seconds; of that interval, one that keeps few words.

    Assignments are looked at by their resource bound, so that the first whose bound is no less than the best interval
    ends the search with a proof. First each has a quick look at its bounds; what that leaves open has the time that is
    left, the most promising first. Raises SpecError where no assignment is legal.
    """
    budget = Budget.of(seconds)
    choices = choices_of(start)
    candidates: list[_Candidate] = []
    refused: list[Refusal] = []
    ahead: list[int] = []
    cost = 0.0  # seconds that one assignment takes at most
    first = dict(start.assignment)  # so that nothing worse than the start is found
    for assignment in chain([first], (each for each in choices.by_bound() if each != first) if start.free else ()):
        tried = len(candidates) + len(refused)
        done = candidates and choices.bound(assignment) >= _shortest(candidates)
        if done or (tried and (tried >= TRIED or budget.left() <= cost)):
            ahead.append(choices.bound(assignment))
            break
        began = monotonic()
        found = _candidate(start, assignment)
        if isinstance(found, Refusal):
            refused.append(found)
        else:
            candidates.append(found.looked_at(start.order, Budget.of(min(QUICK, budget.left(0.3)))))
            _ = candidates[-1].kept_up()  # measures, so that its time is known
        cost = max(cost, monotonic() - began)
    budget = Budget(budget.ends - cost)  # what is found is measured again
    for number in sorted(range(len(candidates)), key=lambda n: candidates[n].pipelined.least):
        if candidates[number].pipelined.least < _shortest(candidates) and budget.left() > 0:
            below = min(_shortest(candidates), NEVER)
            candidates[number] = candidates[number].searched(start.order, Budget.of(budget.left(0.7)), below)
    # Rather a plan that waits at a port now and then than one that is longer than what comes of it.
    candidates = [each.kept_up() for each in candidates]
    best = min(candidates, key=lambda each: each.pace, default=None)
    if best is None or best.pipelined.plan is None:
        why = refused[0].why if refused and not candidates else "no plan was found in the time given"
        raise SpecError(f"no binding of {start.cascade.name} on {start.machine.name}: {why}",
                        remedy="give other tiles (--mapping FILE), or more time (--seconds)")  # fmt: skip
    least = min([*ahead, *(each.pipelined.least for each in candidates)])
    return _finished(start, best, choices, least, len(candidates) + len(refused), refused, budget)


def _shortest(candidates: Sequence[_Candidate]) -> int:
    return min(each.interval for each in candidates)


def _finished(
    start: Start, best: _Candidate, choices: Choices, least: int, tried: int, refused: Sequence[Refusal], budget: Budget
) -> Bound:
    pipelined = best.pipelined
    if start.order is Order.INTERLEAVED and pipelined.graph.keeps and _plan_kept(best):
        pipelined = fewest_words(pipelined, budget, best.judge)
    plan = pipelined.plan
    assert plan is not None
    data = {key: value for key, value in best.data.items() if key not in {"pipeline", "timing"}}
    cycles = dict(zip(pipelined.graph.names, plan.at, strict=True)) if start.timing == Timing() else None
    text = text_of(data if cycles is None else with_plan(data, plan.interval, cycles))
    measured = best.measured(plan) if start.order is Order.INTERLEAVED else None  # the machine overlaps what it may
    return Bound(start, best.assignment, pipelined, min(least, ceil(best.pace)), choices, choices.split_bound(), tried,
                 tuple(refused), best.heuristic, measured, text)  # fmt: skip


def _plan_kept(best: _Candidate) -> bool:
    """Whether the machine runs a plan at its interval, so that it is worth refining."""
    return best.pace == best.interval


def _candidate(start: Start, assignment: Assignment) -> _Candidate | Refusal:
    """An assignment with the plan that the cycle model makes of it; or why it cannot be."""
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
    bench = _bench(start, schedule)
    candidate = _Candidate(assignment, data, ordering, unsearched(graph, start.order), heuristic, bench)
    if known is None or not ordering.fits(known):
        return candidate
    if candidate.holds(known):
        candidate = replace(candidate, pipelined=unsearched(graph, start.order, known))
    return replace(candidate, fallback=known)


def _bench(start: Start, schedule: Schedule) -> Bench | None:
    """What plans are run on, where a cascade iterates over tiles of a rank."""
    split = next((s for s in start.cascade.splits if s.outer == start.rebinding.iterated), None)
    if split is None:
        return None
    tiles = [int(loop.tile) for einsum in schedule.einsums for loop in einsum.loops
             if loop.rank == split.rank and loop.axis is None and not loop.inner]  # fmt: skip
    return Bench(start.cascade, start.machine, start.workload, split.rank, min(tiles)) if tiles else None


def _main(every: Iterable[Ordering]) -> Ordering:
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
    sound = not graph.contradicts(plan.at, plan.interval)
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
