"""Least intervals that no placement can be below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from einsim.binder.graph import TileGraph
from einsim.schedule.pipeline.plan import Cycles, Job, Need


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least intervals: `resource` by the busiest array (or port), `recurrence` by values that go round in circles."""

    resource: int
    recurrence: int

    @property
    def least(self) -> int:
        """The larger of them."""
        return max(self.resource, self.recurrence)


def bounds_of(graph: TileGraph) -> Bounds:
    """The bounds of a tile graph."""
    return Bounds(resource_bound(graph), recurrence_bound(graph.jobs, graph.needs))


def resource_bound(graph: TileGraph) -> int:
    """Slots of the busiest array, rows over the ports of the busiest port, or the longest instance."""
    longest = max((job.slots - 1) * job.spacing + 1 for job in graph.jobs)
    rows = [-(-sum(job.slots * each for job, each in zip(graph.jobs, ports.rows, strict=True)) // ports.limit)
            for ports in graph.ports]  # fmt: skip
    return max(longest, *graph.used.values(), *rows)


def recurrence_bound(jobs: Sequence[Job], needs: Sequence[Need]) -> int:
    """The least interval in which all needs can be kept on resources without end."""
    low, high = 1, 1 + sum(abs(need.delay) for need in needs) + sum(job.slots * job.spacing for job in jobs)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if earliest(jobs, needs, middle) is None else (low, middle)
    return low


def earliest(jobs: Sequence[Job], needs: Sequence[Need], interval: int) -> list[Cycles] | None:
    """The earliest cycle of every slot where no two slots are in each other's way; None where circles take longer.

    Longest paths: slots of a job are `spacing` apart and within an interval, needs hold step by step. Where a slot
    moves beyond all that a path without a circle may add up, there is a circle that never comes to rest.
    """
    at = [np.arange(job.slots, dtype=np.int64) * job.spacing for job in jobs]
    beyond = sum((job.slots - 1) * job.spacing + 1 for job in jobs)
    beyond += sum(max([0, *(need.delay for need in needs if need.reader == n)]) for n in range(len(jobs)))
    ends = [_ends(jobs, need) for need in needs]
    if any((job.slots - 1) * job.spacing >= interval for job in jobs):
        return None
    moved = True
    while moved:
        moved = False
        for need, (last, first) in zip(needs, ends, strict=True):
            reader = at[need.reader]
            due = at[need.source][last] + need.delay - need.distance * interval
            if (due <= reader[first]).all():
                continue
            moved = True
            np.maximum.at(reader, first, due)
            at[need.reader] = _in_order(reader, jobs[need.reader], interval)
            if at[need.reader][-1] > beyond:
                return None
    return at


def _ends(jobs: Sequence[Job], need: Need) -> tuple[Cycles, Cycles]:
    """Of each step, the source's last slot and the reader's first."""
    source, reader = jobs[need.source], jobs[need.reader]
    steps = range(need.steps)
    last = [source.last(step, need.steps) for step in steps]
    first = [min(reader.first(step, need.steps), reader.slots - 1) for step in steps]
    return np.array(last, np.int64), np.array(first, np.int64)


def _in_order(at: Cycles, job: Job, interval: int) -> Cycles:
    """The earliest slots from some cycles on, `spacing` apart and all within an interval."""
    apart = np.arange(job.slots, dtype=np.int64) * job.spacing
    at = np.maximum.accumulate(at - apart) + apart
    first = int(at[-1]) - interval + 1
    return at if first <= int(at[0]) else np.maximum(at, first + apart)
