"""One interval, one question to the solver: is there a plan, and which keeps the fewest words?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from einsim.binder.graph import Keep, TileGraph
from einsim.binder.pieces import Form, Train, trains_of
from einsim.extras import load
from einsim.schedule.pipeline.plan import Cycles

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import CpModel, IntVar

WORKERS: Final = 8
"""Search strategies side by side; they share two cores well."""


class Order(StrEnum):
    """What of different epochs may overlap."""

    INTERLEAVED = "interleaved"  # everything
    PHASES = "phases"  # the mapping's phases follow each other, each a stretch of the interval
    SINGLE = "single"  # one tile at a time: an epoch is over before the next begins


class Status(StrEnum):
    """How a question to the solver ended."""

    FOUND = "found"
    NONE = "none"  # proved: there is no plan
    OPEN = "open"  # time was over


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for: a plan in an interval (SINGLE: in the least one up to it).

    `hint`: a plan to start from; `seconds` to answer; `fewest`: the plan with the fewest words in registers.
    """

    graph: TileGraph
    interval: int
    order: Order
    form: Form
    seconds: float
    hint: Sequence[Cycles] | None = None
    fewest: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A plan or none. `best`: whether none is better, where the question has an objective; `bound`: on that."""

    status: Status
    interval: int = 0
    at: tuple[Cycles, ...] = ()
    best: bool = False
    bound: int = 0


def ask(question: Question) -> Answer:
    """Asks the solver; raises SpecError where it is not installed."""
    cp = solver_module()
    if question.seconds <= 0:
        return Answer(Status.OPEN)
    made = _Model(question, cp.CpModel())
    made.build()
    solver = cp.CpSolver()
    solver.parameters.max_time_in_seconds = question.seconds
    solver.parameters.num_workers = WORKERS
    status = solver.solve(made.model)
    if status in {cp.OPTIMAL, cp.FEASIBLE}:
        at = tuple(np.array([solver.value(made.at(n, slot)) for slot in range(job.slots)], np.int64)
                   for n, job in enumerate(question.graph.jobs))  # fmt: skip
        interval = int(solver.value(made.interval)) if question.order is Order.SINGLE else question.interval
        shift = min(int(each[0]) for each in at) // interval * interval
        bound = int(solver.best_objective_bound) if made.model.has_objective() else 0
        return Answer(Status.FOUND, interval, tuple(each - shift for each in at), status == cp.OPTIMAL, bound)
    return Answer(Status.NONE if status == cp.INFEASIBLE else Status.OPEN)


def solver_module() -> Any:
    """OR-tools' constraint solver; raises ToolError where it is not installed."""
    return load("ortools.sat.python.cp_model", "search", "a binding")


@dataclass(frozen=True, slots=True)
class Gap:
    """A slot (job, number), so many epochs later, at least so many cycles behind another one."""

    slot: tuple[int, int]
    behind: tuple[int, int]
    cycles: int
    epochs: int


@dataclass
class _Model:
    """Of each train's piece the cycle in which it begins, as cell of the interval and number of intervals before."""

    question: Question
    model: CpModel
    starts: list[list[IntVar]] = field(default_factory=list)
    cells: list[list[IntVar]] = field(default_factory=list)
    place: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    trains: list[Train] = field(default_factory=list)
    interval: Any = 0

    def build(self) -> None:
        graph, question = self.question.graph, self.question
        self.interval = question.interval
        if question.order is Order.SINGLE:  # nothing goes round: the interval may be as short as an epoch takes
            self.interval = self.model.new_int_var(1, question.interval, "")
        phases = graph.phases if question.order is Order.PHASES else None
        self.trains = trains_of(graph.jobs, graph.needs, question.form, phases)
        for number, train in enumerate(self.trains):
            self.place |= {each: (number, slot) for slot, each in enumerate(train.order)}
            self.pieces(train)
        self.resources()
        self.instances()
        self.needs()
        if question.order is Order.PHASES:
            self.phases()
        words = self.rooms()
        if question.order is Order.SINGLE:
            self.model.minimize(self.interval)
        elif question.fewest:
            self.model.minimize(sum(words))
        if question.hint is not None:
            self.hint(question.hint)

    def pieces(self, train: Train) -> None:
        """Variables of a train's pieces. None of them crosses the end of the interval."""
        interval, most = self.question.interval, self.epochs()
        starts, cells = [], []
        for piece in range(train.pieces):
            cell = self.model.new_int_var(0, max(0, interval - train.length(piece)), "")
            self.model.add(cell + train.length(piece) <= self.interval)
            if self.question.order is Order.SINGLE:
                starts.append(cell)
            else:
                before = self.model.new_int_var(0, most, "")
                start = self.model.new_int_var(0, interval * (1 + most), "")
                self.model.add(start == cell + interval * before)
                starts.append(start)
            cells.append(cell)
        self.starts.append(starts)
        self.cells.append(cells)

    def epochs(self) -> int:
        """Epochs that one may be spread over at most, in the earliest of the plans with the same cells.

        With cells given, the jobs' first intervals are a system of differences, whose least solution is a longest path:
        every job on it adds the delay before it, and two intervals because slots of either end may be one later.
        """
        graph, interval = self.question.graph, self.question.interval
        delays = [1] * len(graph.jobs)  # what waits for room waits a cycle
        for need in graph.needs:
            delays[need.reader] = max(delays[need.reader], -(-need.delay // interval))
        return 1 + sum(2 + each for each in delays)

    def at(self, job: int, slot: int) -> Any:
        """The cycle of a slot, as an expression."""
        train, piece, offset = self.where((job, slot))
        return self.starts[train][piece] + offset

    def resources(self) -> None:
        """One slot a cycle on every array, and no more rows than ports."""
        graph = self.question.graph
        on: dict[str, list[Any]] = {}
        rows: list[tuple[list[Any], list[int]]] = [([], []) for _ in graph.ports]
        for train, cells in zip(self.trains, self.cells, strict=True):
            for piece, cell in enumerate(cells):
                for begin, slots in self.runs(train, piece):
                    interval = self.model.new_fixed_size_interval_var(cell + begin * train.pace, slots, "")
                    on.setdefault(train.resource, []).append(interval)
                    job, _ = train.order[piece * train.grain + begin]
                    for ports, (intervals, demands) in zip(graph.ports, rows, strict=True):
                        if ports.rows[job]:
                            intervals.append(interval)
                            demands.append(ports.rows[job])
        for intervals in on.values():
            self.model.add_no_overlap(intervals)
        for ports, (intervals, demands) in zip(graph.ports, rows, strict=True):
            self.model.add_cumulative(intervals, demands, ports.limit)

    def runs(self, train: Train, piece: int) -> list[tuple[int, int]]:
        """Slots of a piece in consecutive cycles that need as many rows: the first of them, and how many."""
        slots = train.slots(piece)
        if train.pace > 1:
            return [(slot, 1) for slot in range(slots)]
        jobs = [job for job, _ in train.order[piece * train.grain : piece * train.grain + slots]]
        needed = [[ports.rows[job] for ports in self.question.graph.ports] for job in jobs]
        begins = [slot for slot in range(slots) if not slot or needed[slot] != needed[slot - 1]]
        return [(begin, end - begin) for begin, end in zip(begins, [*begins[1:], slots], strict=True)]

    def instances(self) -> None:
        """Slots of a train in order, those of a job within an interval."""
        for train, starts in zip(self.trains, self.starts, strict=True):
            apart = max(train.spacing, train.grain * train.pace)
            for before, after in pairwise(starts):
                self.model.add(after >= before + apart)
        for number, job in enumerate(self.question.graph.jobs):
            self.model.add(self.at(number, job.slots - 1) <= self.at(number, 0) + self.interval - 1)

    def needs(self) -> None:
        """Every step after what it needs."""
        jobs = self.question.graph.jobs
        for need in self.question.graph.needs:
            source, reader = jobs[need.source], jobs[need.reader]
            self.after(
                Gap((need.reader, min(reader.first(step, need.steps), reader.slots - 1)),
                    (need.source, source.last(step, need.steps)), need.delay, need.distance)
                for step in range(need.steps)
            )  # fmt: skip

    def after(self, gaps: Iterable[Gap], literal: IntVar | None = None) -> None:
        """Slots that keep their distance (if a literal holds); of each pair of pieces, the largest one says all."""
        largest: dict[tuple[int, int, int, int, int], int] = {}
        for gap in gaps:
            (train, piece, inside), (other, before, offset) = self.where(gap.slot), self.where(gap.behind)
            key = (train, piece, other, before, gap.epochs)
            largest[key] = max(largest.get(key, -(1 << 60)), gap.cycles + offset - inside)
        for (train, piece, other, before, epochs), cycles in largest.items():
            later = self.starts[train][piece] + epochs * self.interval
            kept = self.model.add(later >= self.starts[other][before] + cycles)
            if literal is not None:
                kept.only_enforce_if(literal)

    def where(self, slot: tuple[int, int]) -> tuple[int, int, int]:
        """The train and the piece of a job's slot, and its cycles from the piece's start."""
        train, position = self.place[slot]
        piece, inside = divmod(position, self.trains[train].grain)
        return train, piece, inside * self.trains[train].pace

    def phases(self) -> None:
        """Each phase takes a stretch of the interval; stalls lie before them."""
        graph = self.question.graph
        ends = [self.model.new_int_var(0, self.question.interval, "") for _ in graph.stalls]
        for train, cells in zip(self.trains, self.cells, strict=True):
            phase = graph.phases[train.order[0][0]]
            begin = (ends[phase - 1] if phase else 0) + graph.stalls[phase]
            for piece, cell in enumerate(cells):
                self.model.add(cell >= begin)
                self.model.add(cell + train.length(piece) <= ends[phase])
        for before, after, stall in zip(ends, ends[1:], graph.stalls[1:], strict=False):
            self.model.add(after >= before + stall)

    # Room.

    def rooms(self) -> list[IntVar]:
        """What is kept fits; the words of registers, tensor by tensor."""
        graph = self.question.graph
        registers: dict[str, dict[str, Any]] = {level: {} for level, _ in graph.registers}
        memories: dict[str, list[tuple[Any, int]]] = {level: [] for level, _, _ in graph.memories}
        depth = dict(graph.registers)
        for keep in graph.keeps:
            if keep.free:
                continue
            if keep.level in depth:
                copies = self.copies(keep, max(0, depth[keep.level] // max(1, keep.words)))
                words = registers[keep.level].setdefault(
                    keep.tensor, self.model.new_int_var(0, max(0, depth[keep.level]), "")
                )
                self.model.add(words >= copies * keep.words)
            else:
                room = next(words for level, words, _ in graph.memories if level == keep.level)
                most = max(1, room // max(1, keep.words))
                memories[keep.level].append((self.copies(keep, min(most, 2 + self.epochs())), keep.words))
        for level, words in depth.items():
            self.model.add(sum(registers[level].values()) <= words)
        for level, words, streams in graph.memories:
            self.memory(memories[level], words, streams)
        return [words for level in registers.values() for words in level.values()]

    def memory(self, tiles: list[tuple[Any, int]], words: int, streams: int) -> None:
        """More than a tile of each only where all of them fit (`Rooms.fits_memories`)."""
        if not tiles:
            return
        more = self.model.new_bool_var("")
        self.model.add(sum((copies - 1) * size for copies, size in tiles) == 0).only_enforce_if(more.negated())
        total = sum(copies * size for copies, size in tiles) + streams
        self.model.add(total <= words).only_enforce_if(more)

    def copies(self, keep: Keep, most: int) -> Any:
        """How many steps of what is kept are there at one time: as many as must come before one is gone again.

        Steps come and go in order. So no more than n are there at once where every step comes after the one that is n
        before it is gone; a step more is an epoch later behind the last of an instance.
        """
        chosen = [self.model.new_bool_var("") for _ in range(most + 1)]
        self.model.add_exactly_one(chosen)
        for number, literal in enumerate(chosen):
            self.after((self.one_behind(keep, step, number) for step in range(keep.steps)), literal)
        return sum(number * literal for number, literal in enumerate(chosen))

    def one_behind(self, keep: Keep, step: int, number: int) -> Gap:
        """The step that many behind one comes after that one is gone: made whole and on its way, or begun."""
        jobs = self.question.graph.jobs
        source, reader = jobs[keep.source], jobs[keep.reader]
        later, around = (step + number) % keep.steps, (step + number) // keep.steps
        comes = (
            source.last(later, keep.steps) if keep.arrives else min(source.first(later, keep.steps), source.slots - 1)
        )
        return Gap(
            (keep.source, comes), (keep.reader, reader.last(step, keep.steps)), 1 - keep.leaves - keep.arrives, around
        )

    def hint(self, at: Sequence[Cycles]) -> None:
        """A plan to start from: where each piece begins in it."""
        interval = self.question.interval
        for train, starts, cells in zip(self.trains, self.starts, self.cells, strict=True):
            for piece, (start, cell) in enumerate(zip(starts, cells, strict=True)):
                job, slot = train.order[piece * train.grain]
                cycle = int(at[job][slot])
                self.model.add_hint(cell, cycle % interval)
                if start is not cell:
                    self.model.add_hint(start, cycle)
