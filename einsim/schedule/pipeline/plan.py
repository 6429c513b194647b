"""The plan of an epoch: in which cycle every slot of every strand is meant to issue (modulo scheduling).

The interval is at least the slots that the busiest array has in an epoch, and what recurrences take. Slots are
placed one by one into the cycles of the interval that their array has free, each after what it needs; strands with
time to spare are placed as late as their readers allow, where that keeps fewer words in registers. Long strands
are spread over the whole interval, so that tiles of different Einsums interleave cycle by cycle and results are used
as they come. A plan that cannot be made is tried again with a longer interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

MOST_SLOTS: Final = 20_000
"""Slots of an epoch up to which every slot is placed; larger strands are spread evenly."""
QUARTER: Final = 4
"""Strands that take so large a part of an interval are long."""
TRIES: Final = 64
"""How often the edge of a strand is moved to find it a place."""

Cycles = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Job:
    """A strand to place: its slots in a whole instance, their units, and least cycles between them."""

    resource: str
    slots: int
    units: int
    spacing: int

    def first(self, step: int, steps: int) -> int:
        """The first slot of one of the shared steps of an instance."""
        unit = -(-step * self.units // steps)
        return -(-unit * self.slots // self.units)

    def last(self, step: int, steps: int) -> int:
        """The last slot of one of the shared steps."""
        unit = -(-(step + 1) * self.units // steps)
        return max(0, -(-unit * self.slots // self.units) - 1)


@dataclass(frozen=True, slots=True)
class Need:
    """A link as the plan sees it: `distance` epochs from the source's instance to the reader's."""

    source: int
    reader: int
    steps: int
    delay: int
    distance: int


@dataclass(slots=True)
class Placing:
    """One attempt with one interval: the cycles that each resource has left, and where slots are.

    `starts` are the earliest starts that are tried, `span` the cycles that each strand is spread over.
    """

    jobs: Sequence[Job]
    needs: Sequence[Need]
    interval: int
    starts: Sequence[int]
    span: Sequence[int]
    free: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    at: dict[int, Cycles] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for job in self.jobs:
            self.free.setdefault(job.resource, np.ones(self.interval, np.bool_))

    def earliest(self, number: int) -> Cycles:
        """The earliest cycle of each slot, from sources that are placed."""
        job = self.jobs[number]
        bounds = np.zeros(job.slots, np.int64)
        for need in self.needs:
            if need.reader == number and need.source in self.at and need.source != number:
                source = self.jobs[need.source]
                for step in range(need.steps):
                    ready = self.at[need.source][source.last(step, need.steps)] + need.delay
                    first = min(job.first(step, need.steps), job.slots - 1)
                    bounds[first] = max(bounds[first], ready - need.distance * self.interval)
        return np.maximum.accumulate(bounds)

    def latest(self, number: int) -> Cycles:
        """The latest cycle of each slot, from readers that are placed."""
        job = self.jobs[number]
        bounds = np.full(job.slots, np.iinfo(np.int64).max // 4)
        for need in self.needs:
            if need.source == number and need.reader in self.at and need.reader != number:
                reader = self.jobs[need.reader]
                for step in range(need.steps):
                    first = min(reader.first(step, need.steps), reader.slots - 1)
                    due = self.at[need.reader][first] - need.delay + need.distance * self.interval
                    last = job.last(step, need.steps)
                    bounds[last] = min(bounds[last], due)
        return np.minimum.accumulate(bounds[::-1])[::-1]

    def place_early(self, number: int) -> bool:
        """Places a strand as early as possible; whether that keeps what placed readers need."""
        bounds = np.maximum(self.earliest(number), self.starts[number])
        at = self.settle(number, bounds, 1)
        return at is not None and bool((at <= self.latest(number)).all())

    def place_late(self, number: int) -> bool:
        """Places a strand as late as its readers allow; whether that keeps what its sources need."""
        at = self.settle(number, self.latest(number), -1)
        return at is not None and bool((at >= self.earliest(number)).all())

    def settle(self, number: int, bounds: Cycles, step: int) -> Cycles | None:
        """Takes free cycles for all slots of a strand, on the right side of their bounds, in less than an interval.

        A strand that goes along with one that is placed keeps close to it; a long one by itself is spread out.
        """
        at = self.alongside(number, bounds, step) if self.has_company(number) else None
        if at is None:
            at = self.by_itself(number, bounds, step)
        if at is not None:
            self.free[self.jobs[number].resource][at % self.interval] = False
            self.at[number] = at
        return at

    def improve(self, cost: Callable[[], int]) -> None:
        """Moves strands as late as their readers allow, the last first, where that costs less."""
        least = cost()
        for number in sorted(self.at, key=lambda n: -int(self.at[n][0])):
            if not any(need.source == number and need.reader != number for need in self.needs):
                continue
            before = self.at.pop(number)
            free = self.free[self.jobs[number].resource]
            free[before % self.interval] = True
            moved = self.place_late(number)
            now = cost() if moved and all(self.keeps(need) for need in self.needs) else least
            if now < least:
                least = now
                continue
            if number in self.at:
                free[self.at[number] % self.interval] = True
            self.at[number] = before
            free[before % self.interval] = False

    def keeps(self, need: Need) -> bool:
        """Whether planned slots keep a need."""
        source, reader = self.jobs[need.source], self.jobs[need.reader]
        for step in range(need.steps):
            ready = self.at[need.source][source.last(step, need.steps)] + need.delay - need.distance * self.interval
            if self.at[need.reader][min(reader.first(step, need.steps), reader.slots - 1)] < ready:
                return False
        return True

    def planned(self) -> tuple[Cycles, ...]:
        """Slots of all strands; the first of them in the first interval."""
        shift = min(int(at[0]) for at in self.at.values()) // self.interval * self.interval
        return tuple(self.at[number] - shift for number in range(len(self.jobs)))

    def has_company(self, number: int) -> bool:
        """Whether a strand shares steps with one that is placed."""
        pairs = [(need.source, need.reader) for need in self.needs if need.steps > 1 and need.distance == 0]
        return any(number in pair and self.at.keys() & ({*pair} - {number}) for pair in pairs)

    def waiting_beside(self, number: int) -> int:
        """Strands on the same resource that share steps with one, and have no place yet."""
        pairs = [{need.source, need.reader} for need in self.needs if need.steps > 1 and need.distance == 0]
        others = {one for pair in pairs if number in pair for one in pair - {number} if one not in self.at}
        return sum(self.jobs[one].resource == self.jobs[number].resource for one in others)

    def alongside(self, number: int, bounds: Cycles, step: int) -> Cycles | None:
        """Free cycles as near to the bounds as there are, and as many left between them as others will need."""
        job, between = self.jobs[number], self.waiting_beside(number)
        at = np.zeros(job.slots, np.int64)
        order = range(job.slots) if step > 0 else range(job.slots - 1, -1, -1)
        cycle = int(bounds[0] if step > 0 else bounds[-1]) - step * job.spacing
        for slot in order:
            cycle += step * job.spacing
            cycle = max(cycle, int(bounds[slot])) if step > 0 else min(cycle, int(bounds[slot]))
            free = self.next_free(job.resource, cycle, step)
            for _ in range(between if slot != order[0] else 0):
                free = None if free is None else self.next_free(job.resource, free + step, step)
            if free is None:
                return None
            at[slot] = cycle = free
        return at if at[-1] - at[0] < self.interval - 1 or job.slots == self.interval else None

    def by_itself(self, number: int, bounds: Cycles, step: int) -> Cycles | None:
        """Free cycles from an edge on, which moves until all of them keep their bounds."""
        edge = int(bounds[0] if step > 0 else bounds[-1])
        for _ in range(TRIES):
            at = self.cycles_from(self.jobs[number], edge, step, self.span[number])
            beyond = 0 if at is None else int(np.max((bounds - at) * step))
            if beyond <= 0:
                return at
            edge += beyond * step
        return None

    def cycles_from(self, job: Job, edge: int, step: int, span: int) -> Cycles | None:
        """Free cycles of a resource for all slots, from an edge onwards (or back), spread over so many free ones."""
        free = self.free[job.resource]
        window = edge + step * np.arange(self.interval)
        cells = window[free[window % self.interval]]
        if len(cells) < job.slots:
            return None
        if job.spacing == 1:
            chosen = cells[np.arange(job.slots) * min(len(cells), max(span, job.slots)) // job.slots]
            return chosen[::step]
        found = [int(cells[0])]
        for each in cells[1:]:
            if len(found) < job.slots and abs(int(each) - found[-1]) >= job.spacing:
                found.append(int(each))
        return np.array(found[::step], np.int64) if len(found) == job.slots else None

    def next_free(self, resource: str, cycle: int, step: int) -> int | None:
        """The first cycle from one on, forwards or backwards, that a resource has free."""
        free = self.free[resource]
        for _ in range(self.interval):
            if free[cycle % self.interval]:
                return cycle
            cycle += step
        return None


def long_ones(jobs: Sequence[Job], needs: Sequence[Need], interval: int, part: int) -> frozenset[int]:
    """Strands that take a part (a quarter: 4) of an interval or more, and those that share steps with them.

    Not those whose instances must keep a distance: they keep together.
    """
    apart = {need.source for need in needs if need.source == need.reader and need.steps == 1 and need.delay > 2}
    found = {number for number, job in enumerate(jobs) if part * job.slots >= interval and number not in apart}
    while True:
        more = {one for need in needs if need.steps > 1 and need.distance == 0
                for one, other in ((need.source, need.reader), (need.reader, need.source))
                if other in found and one not in found | apart}  # fmt: skip
        if not more:
            return frozenset(found)
        found |= more


def spans(
    jobs: Sequence[Job], needs: Sequence[Need], interval: int, reach: int | None = None, part: int = QUARTER
) -> list[int]:
    """Cycles that each strand's slots are spread over: of long ones, the interval; with a reach, less than that."""
    long = long_ones(jobs, needs, interval, part)
    wide = [interval] * len(jobs)
    if reach is not None:
        wide = [min(interval, (8 + reach) * together // 8) for together in company(jobs, needs)]
    own = [job.slots * job.spacing for job in jobs]
    return [max(wide[n], own[n]) if n in long else own[n] for n in range(len(jobs))]


def company(jobs: Sequence[Job], needs: Sequence[Need]) -> list[int]:
    """Slots of each strand and of all that share steps with it, on the array that has most of them."""
    groups = [{n} for n in range(len(jobs))]
    for need in needs:
        if need.steps > 1 and need.distance == 0 and groups[need.source] is not groups[need.reader]:
            groups[need.source] |= groups[need.reader]
            for n in groups[need.source]:
                groups[n] = groups[need.source]
    found = []
    for group in groups:
        used: dict[str, int] = {}
        for n in group:
            used[jobs[n].resource] = used.get(jobs[n].resource, 0) + jobs[n].slots
        found.append(max(used.values()))
    return found


def paces(jobs: Sequence[Job], span: Sequence[int]) -> list[int]:
    """Cycles from slot to slot of each strand, if it had its resource to itself."""
    return [max(job.spacing, cycles // job.slots) for job, cycles in zip(jobs, span, strict=True)]


def paced_interval(jobs: Sequence[Job], needs: Sequence[Need]) -> int:
    """The least interval in which strands start so that, each spread over its span, they keep their needs.

    Where plans are looked for; other plans may be shorter.
    """
    low, high = 1, max(1, sum(need.delay for need in needs) + sum(job.slots * job.spacing for job in jobs))
    while low < high:
        middle = (low + high) // 2
        if longest(jobs, needs, middle) is None:
            low = middle + 1
        else:
            high = middle
    return low


def longest(
    jobs: Sequence[Job], needs: Sequence[Need], interval: int, span: Sequence[int] | None = None
) -> list[int] | None:
    """The earliest start of every strand on resources without end; None where a recurrence takes longer."""
    start, pace = [0] * len(jobs), paces(jobs, span or spans(jobs, needs, interval))
    for _ in range(len(jobs) + 1):
        moved = False
        for need in needs:
            source, reader = jobs[need.source], jobs[need.reader]
            for step in (0, need.steps - 1):
                ready = start[need.source] + source.last(step, need.steps) * pace[need.source] + need.delay
                first = min(reader.first(step, need.steps), reader.slots - 1) * pace[need.reader]
                due = ready - need.distance * interval - first
                if due > start[need.reader]:
                    start[need.reader], moved = due, True
        if not moved:
            return start
    return None


def overlap(first: Cycles, last: Cycles, interval: int) -> int:
    """How many of the spans from `first` to `last` (inclusive), repeated every `interval`, are open at one time."""
    length = np.maximum(last - first + 1, 0)
    rest = length % interval
    begin = first[rest > 0] % interval
    end = begin + rest[rest > 0]
    over = end > interval  # those go on from the start of the interval
    opens = np.sort(np.concatenate((begin, np.zeros(int(over.sum()), np.int64))))
    closes = np.sort(np.concatenate((np.where(over, interval, end), end[over] - interval)))
    counts = np.arange(1, len(opens) + 1) - np.searchsorted(closes, opens, side="right")
    return int((length // interval).sum()) + int(counts.max(initial=0))
