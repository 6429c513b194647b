"""Least intervals that no plan can be below: slots of the busiest resource, and values that go round in circles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from einsim.errors import SpecError
from einsim.schedule.pipeline.plan import Cycles, Job, Need

STEPS: Final = 64
"""Steps that two jobs share up to which all are looked at. Of more, the first and the last: a bound, a little lower."""


def resource_bound(jobs: Sequence[Job]) -> int:
    """Slots of the busiest resource, or the longest instance."""
    used: dict[str, int] = {}
    for job in jobs:
        used[job.resource] = used.get(job.resource, 0) + job.slots
    return max([1, *used.values(), *((job.slots - 1) * job.spacing + 1 for job in jobs)])


def recurrence_bound(jobs: Sequence[Job], needs: Sequence[Need]) -> int:
    """The least interval in which all needs can be kept on resources without end.

    A circle of waits takes at least its delays in as many epochs as it spans; the bound is that of the slowest one.
    Slots of a job are `spacing` apart, and its first one follows the last one an epoch before. Raises SpecError for
    needs in a circle within an epoch, which no interval keeps.
    """
    waits, interval = _waits(jobs, needs), 1
    while (circle := waits.longer(interval)) is not None:
        delay, distance = circle
        if distance < 1:
            raise SpecError("what an epoch does waits for itself", remedy="let a value of an epoch before be read")
        interval = -(-delay // distance)
    return interval


@dataclass(frozen=True, slots=True)
class _Waits:
    """Edges between slots: the reader is `delay` cycles or more after the source, `distance` epochs before."""

    slots: int
    source: Cycles
    reader: Cycles
    delay: Cycles
    distance: Cycles

    def longer(self, interval: int) -> tuple[int, int] | None:
        """Delay and distance of a circle that takes longer than its epochs last; None where none does.

        Longest paths: where the edges over which slots were last moved close, the circle that they make does not
        come to rest.
        """
        at, last = np.zeros(self.slots, np.int64), np.full(self.slots, -1)
        weight = self.delay - self.distance * interval
        while True:
            due = at[self.source] + weight
            moving = np.flatnonzero(due > at[self.reader])
            if not moving.size:
                return None
            moving = moving[np.argsort(due[moving], kind="stable")]  # of several, the latest is written last
            at[self.reader[moving]] = due[moving]
            last[self.reader[moving]] = moving
            inside = self.in_circle(last)
            if inside is not None:
                return self.along(last, inside)

    def in_circle(self, last: Cycles) -> int | None:
        """A slot of a circle of edges, one into each slot (-1: none); None where there is no circle."""
        before = np.where(last < 0, np.arange(self.slots), self.source[last])
        for _ in range(self.slots.bit_length()):
            before = before[before]
        found = before[last[before] >= 0]
        return int(found[0]) if found.size else None

    def along(self, last: Cycles, start: int) -> tuple[int, int]:
        """Delay and distance of the circle through a slot."""
        delay = distance = 0
        slot = start
        while True:
            edge = last[slot]
            delay, distance = delay + int(self.delay[edge]), distance + int(self.distance[edge])
            slot = int(self.source[edge])
            if slot == start:
                return delay, distance


def _waits(jobs: Sequence[Job], needs: Sequence[Need]) -> _Waits:
    """The waits between slots at the ends of steps, and the first and last of each job."""
    rows: list[tuple[tuple[int, int], tuple[int, int], int, int]] = []
    for need in needs:
        source, reader = jobs[need.source], jobs[need.reader]
        for step in range(need.steps) if need.steps <= STEPS else (0, need.steps - 1):
            ends = source.last(step, need.steps), min(reader.first(step, need.steps), reader.slots - 1)
            rows.append(((need.source, ends[0]), (need.reader, ends[1]), need.delay, need.distance))
    ends_of = {(n, slot) for n, job in enumerate(jobs) for slot in (0, job.slots - 1)}
    ordered = sorted(ends_of | {end for row in rows for end in row[:2]})
    for one, other in pairwise(ordered):
        if one[0] == other[0]:
            rows.append((one, other, (other[1] - one[1]) * jobs[one[0]].spacing, 0))
    rows += [((n, job.slots - 1), (n, 0), 1, 1) for n, job in enumerate(jobs)]
    number = {end: n for n, end in enumerate(ordered)}
    numbers = [(number[source], number[reader], delay, distance) for source, reader, delay, distance in rows]
    return _Waits(len(ordered), *np.array(numbers, np.int64).reshape(-1, 4).T)
