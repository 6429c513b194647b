"""Plans for software-pipelined strands: an interval, and the cycle of every slot in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from einsim.schedule.pipeline.plan import MOST_SLOTS, Cycles, Job, Need, Placing, bounds_of, long_ones, longest, paces

Fits = Callable[["Plan"], bool]
"""Whether what a plan keeps in registers and buffers at one time has room."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Interval and planned cycles of every slot of every job; `pace` where slots are too many to be listed.

    `resource_bound` and `recurrence_bound` are the least intervals that the busiest array and iterations allow.
    """

    interval: int
    at: tuple[Cycles, ...]
    resource_bound: int
    recurrence_bound: int


def make_plan(jobs: Sequence[Job], needs: Sequence[Need], cost: Callable[[Plan], int], fits: Fits) -> Plan | None:
    """The plan with the least interval that fits, and among those the one that keeps the fewest words.

    None where even one epoch after another does not fit.
    """
    resources, recurrence = bounds_of(jobs, needs)
    interval = max(resources, recurrence)
    longest_way = sum(need.delay for need in needs if need.distance == 0) + 2 * sum(j.slots * j.spacing for j in jobs)
    while interval <= max(longest_way, 2 * max(resources, recurrence)):
        best: Plan | None = None
        for at in attempts(jobs, needs, interval):
            plan = Plan(interval, tuple(at), resources, recurrence)
            if fits(plan) and (best is None or cost(plan) < cost(best)):
                best = plan
        if best is not None:
            return best
        interval += max(1, interval // 64)
    return None


def attempts(jobs: Sequence[Job], needs: Sequence[Need], interval: int) -> Iterable[list[Cycles]]:
    """Placements to choose from: with all strands early, all that can wait late, and one of these early each time."""
    starts = longest(jobs, needs, interval)
    if starts is None:
        return
    if sum(job.slots for job in jobs) > MOST_SLOTS:
        yield spread_out(jobs, needs, starts, interval)
        return
    idle = waiting(jobs, needs, starts, interval)
    seen: set[frozenset[int]] = set()
    for late in (idle, *(idle - {one} for one in sorted(idle)), frozenset[int]()):
        if late not in seen:
            seen.add(late)
            for compact in (False, True):
                placed = place(jobs, needs, interval, starts, late, compact=compact)
                if placed is not None:
                    yield placed


def spread_out(jobs: Sequence[Job], needs: Sequence[Need], starts: Sequence[int], interval: int) -> list[Cycles]:
    """Units at an even pace from the start of each strand, whatever else its resource has."""
    found = []
    for job, start, pace in zip(jobs, starts, paces(jobs, needs, interval), strict=True):
        unit = np.arange(job.slots, dtype=np.int64) * job.units // job.slots
        first = -(-unit * job.slots // job.units)
        found.append(start + first * pace + (np.arange(job.slots) - first) * job.spacing)
    return found


def waiting(jobs: Sequence[Job], needs: Sequence[Need], starts: Sequence[int], interval: int) -> frozenset[int]:
    """Strands that could start later than they might without delaying a reader."""
    due = [start if not any(n.source == j and n.distance == 0 for n in needs) else None
           for j, start in enumerate(starts)]  # fmt: skip
    order = sorted(range(len(jobs)), key=lambda j: (-starts[j], -j))
    for job in order:
        for need in needs:
            if need.source == job and need.distance == 0 and due[need.reader] is not None:
                slack = starts[need.reader] - starts[job]
                least = _distance(jobs, need, interval)
                bound = (due[need.reader] or 0) - least if least <= slack else starts[job]
                known = due[job]
                due[job] = bound if known is None else min(known, bound)
    return frozenset(j for j, latest in enumerate(due) if latest is not None and latest > starts[j])


def _distance(jobs: Sequence[Job], need: Need, interval: int) -> int:
    """Least cycles from the start of a need's source to that of its reader."""
    pair = [jobs[need.source], jobs[need.reader]]
    return longest(pair, [Need(0, 1, need.steps, need.delay, 0)], interval)[1]  # type: ignore[index]


def place(
    jobs: Sequence[Job], needs: Sequence[Need], interval: int, starts: Sequence[int], late: frozenset[int],
    *, compact: bool,
) -> list[Cycles] | None:  # fmt: skip
    """Slots of all strands, those in `late` as late as possible; None where they do not find their places.

    `compact`: afterwards, every strand is moved as near to its readers as it can.
    """
    placing = Placing(jobs, needs, interval, starts, long_ones(jobs, needs, interval))
    order = sorted(range(len(jobs)), key=lambda j: (starts[j], j))
    if not all(placing.place_early(job) for job in order if job not in late):
        return None
    if not all(placing.place_late(job) for job in reversed(order) if job in late):
        return None
    if not all(kept(need, jobs, placing.at, interval) for need in needs):
        return None
    if compact:
        placing.compact(order[::-1])
    shift = min(int(at[0]) for at in placing.at.values()) // interval * interval
    return [placing.at[job] - shift for job in range(len(jobs))]


def kept(need: Need, jobs: Sequence[Job], at: dict[int, Cycles], interval: int) -> bool:
    """Whether planned slots keep a need."""
    source, reader = jobs[need.source], jobs[need.reader]
    for step in range(need.steps):
        ready = at[need.source][source.last(step, need.steps)] + need.delay - need.distance * interval
        if at[need.reader][min(reader.first(step, need.steps), reader.slots - 1)] < ready:
            return False
    return True
