"""Plans for software-pipelined strands: an interval, and the cycle of every slot in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from einsim.schedule.pipeline.bounds import resource_bound
from einsim.schedule.pipeline.plan import (
    MOST_SLOTS,
    QUARTER,
    Cycles,
    Job,
    Need,
    Placing,
    longest,
    paced_interval,
    paces,
    spans,
)

STEPS: Final = 64
"""The interval of a plan that does not fit grows by a 64th, the next time by two, and so on."""

REACHES: Final = (None, 4, 2, 1)
"""How far strands are spread: over the interval; or, where that keeps too many words, over so many eighths more cycles
than they take together with those whose steps they share."""

PARTS: Final = (QUARTER, 16, 64)
"""Strands that take such a part of the interval are spread; where no plan fits, shorter and shorter ones, too."""

Fits = Callable[["Plan"], bool]
"""Whether what a plan keeps in registers and buffers at one time has room."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Interval and planned cycles of every slot of every job."""

    interval: int
    at: tuple[Cycles, ...]


def make_plan(jobs: Sequence[Job], needs: Sequence[Need], cost: Callable[[Plan], int], fits: Fits) -> Plan | None:
    """The plan with the least interval that fits, and among those the one that keeps the fewest words.

    None where even an interval in which tiles hardly overlap does not fit.
    """
    large = sum(job.slots for job in jobs) > MOST_SLOTS
    plans = (_shortest(jobs, needs, cost, fits, part) for part in (PARTS[:1] if large else PARTS))
    return next((plan for plan in plans if plan is not None), None)


def _shortest(
    jobs: Sequence[Job], needs: Sequence[Need], cost: Callable[[Plan], int], fits: Fits, part: int
) -> Plan | None:
    """The plan with the least interval that fits, of those that spread strands from a part of the interval on."""
    interval = max(resource_bound(jobs), paced_interval(jobs, needs))
    most = max(2 * interval, sum(need.delay for need in needs if need.distance == 0))
    for tries in range(1, STEPS * STEPS):
        if interval > most:
            break
        for reach in REACHES:
            best = best_plan(jobs, needs, interval, cost, reach, part)
            if best is not None and fits(best):
                return best
        interval += max(1, interval * tries // STEPS)
    return None


def best_plan(
    jobs: Sequence[Job], needs: Sequence[Need], interval: int, cost: Callable[[Plan], int], reach: int | None = None,
    part: int = QUARTER,
) -> Plan | None:  # fmt: skip
    """The cheapest of the placements that are tried in one interval; None where none is found."""
    if max(interval, sum(job.slots for job in jobs)) > MOST_SLOTS:
        starts = longest(jobs, with_slack(jobs, needs), interval) or longest(jobs, needs, interval)
        return None if starts is None else Plan(interval, tuple(spread_out(jobs, needs, starts, interval)))
    span = spans(jobs, needs, interval, reach, part)
    starts = longest(jobs, needs, interval, span)
    if starts is None:
        return None
    idle = waiting(jobs, needs, starts, interval)
    found: list[tuple[int, Placing]] = []
    for late in dict.fromkeys([idle, *(idle - {one} for one in sorted(idle)), frozenset[int]()]):
        placing = place(jobs, needs, interval, starts, late, span)
        if placing is not None:
            found.append((cost(Plan(interval, placing.planned())), placing))
    if not found:
        return None
    best = min(found, key=lambda each: each[0])[1]
    best.improve(lambda: cost(Plan(interval, best.planned())))
    return Plan(interval, best.planned())


def with_slack(jobs: Sequence[Job], needs: Sequence[Need]) -> list[Need]:
    """Needs with the time of a unit of every strand on the reader's resource: units issue at one go, and in turn."""
    turn: dict[str, int] = {}
    for job in jobs:
        turn[job.resource] = turn.get(job.resource, 0) + -(-job.slots // job.units)
    most = [turn[jobs[need.reader].resource] if need.steps > 1 else 0 for need in needs]
    return [replace(need, delay=need.delay + slack) for need, slack in zip(needs, most, strict=True)]


def spread_out(jobs: Sequence[Job], needs: Sequence[Need], starts: Sequence[int], interval: int) -> list[Cycles]:
    """Units at an even pace from the start of each strand, whatever else its resource has."""
    found = []
    for job, start, pace in zip(jobs, starts, paces(jobs, spans(jobs, needs, interval)), strict=True):
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
    span: Sequence[int],
) -> Placing | None:  # fmt: skip
    """Slots of all strands, those in `late` as late as possible; None where they do not find their places."""
    placing = Placing(jobs, needs, interval, starts, span)
    order = sorted(range(len(jobs)), key=lambda j: (starts[j], j))
    if not all(placing.place_early(job) for job in order if job not in late):
        return None
    if not all(placing.place_late(job) for job in reversed(order) if job in late):
        return None
    return placing if all(map(placing.keeps, needs)) else None
