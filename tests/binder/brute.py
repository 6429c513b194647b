"""Pipelines by trying everything: every cell of every slot, in every interval from 1 on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise, product

from einsim.schedule.pipeline.plan import Job, Need


def least_interval(jobs: Sequence[Job], needs: Sequence[Need], most: int) -> int | None:
    """The least interval up to `most` in which some placement of all slots keeps all needs."""
    return next((interval for interval in range(1, most + 1) if exists(jobs, needs, interval)), None)


def exists(jobs: Sequence[Job], needs: Sequence[Need], interval: int) -> bool:
    """Whether there is a plan: the cells of every job's slots decide all but the epochs."""
    options = [list(instances(job, interval)) for job in jobs]
    for chosen in product(*options):
        taken = [(job.resource, cycle % interval) for job, cycles in zip(jobs, chosen, strict=True) for cycle in cycles]
        if len(set(taken)) == len(taken) and epochs_exist(jobs, needs, chosen, interval):
            return True
    return False


def instances(job: Job, interval: int):
    """All shapes of an instance: its first slot in any cell, the others later, less than an interval after it."""
    for first in range(interval):
        for others in combinations(range(first + 1, first + interval), job.slots - 1):
            cycles = (first, *others)
            if all(after - before >= job.spacing for before, after in pairwise(cycles)):
                yield cycles


def epochs_exist(jobs, needs, chosen, interval: int) -> bool:
    """Whether whole intervals may be added to the jobs so that needs hold (longest paths without end, or not)."""
    shift = [0] * len(jobs)
    for _ in range(len(jobs) + 1):
        moved = False
        for need in needs:
            source, reader = jobs[need.source], jobs[need.reader]
            for step in range(need.steps):
                made = chosen[need.source][source.last(step, need.steps)] + interval * shift[need.source]
                used = chosen[need.reader][min(reader.first(step, need.steps), reader.slots - 1)]
                ready = made + need.delay - need.distance * interval
                least = -(-(ready - used) // interval)
                if least > shift[need.reader]:
                    shift[need.reader], moved = least, True
        if not moved:
            return True
    return False
