"""Plans that a mapping file states (`pipeline:`): read, and refused where they contradict what strands need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from einsim.errors import SpecError
from einsim.schedule.pipeline.modulo import Plan
from einsim.schedule.pipeline.plan import Cycles, Job, Need
from einsim.spec.configuration import Design
from einsim.spec.mapping import cycles_of_run
from einsim.spec.yamlfile import Path


def stated_plan(design: Design, names: Sequence[str], jobs: Sequence[Job], needs: Sequence[Need]) -> Plan | None:
    """The plan that the design's mapping states for some Einsums that share epochs; None where it states none.

    Raises SpecError where it leaves out some of them, or is no plan: with the pair and the cycle.
    """
    for number, stated in enumerate(design.mapping.pipeline):
        if not {*stated.cycles} & {*names}:
            continue
        place: Path = ("pipeline", number)
        missing = [name for name in names if name not in stated.cycles]
        others = [name for name in stated.cycles if name not in names]
        if missing or others:
            what = f"no cycles of {', '.join(missing)}" if missing else f"{', '.join(others)} is not in every epoch"
            raise _wrong(design, place, f"pipeline: {what}", "bind again: einsim bind")
        at = [_listed(design, (*place, "cycles", name), name, job, stated.cycles[name], stated.interval)
              for name, job in zip(names, jobs, strict=True)]  # fmt: skip
        problem = contradiction(names, jobs, needs, at, stated.interval)
        if problem:
            raise _wrong(design, place, f"pipeline: {problem}", "a longer interval or other cycles; einsim bind finds")
        return Plan(stated.interval, tuple(at))
    return None


def _wrong(design: Design, place: Path, message: str, remedy: str) -> SpecError:
    return SpecError(message, at=design.mapping_document.locate(place), remedy=remedy)


def _listed(design: Design, place: Path, name: str, job: Job, runs: Sequence[str], interval: int) -> Cycles:
    """The cycles of an Einsum's slots: as many as it takes, and in order."""
    ranges = [cycles_of_run(run) for run in runs]
    slots = sum(map(len, ranges))
    if slots != job.slots:
        remedy = "a pipeline holds for the sizes and the machine that it was found for; einsim bind again"
        raise _wrong(design, place, f"pipeline: {slots} cycles of {name}, which takes {job.slots} here", remedy)
    at = np.array([cycle for each in ranges for cycle in each], np.int64)
    apart = np.diff(at)
    if apart.size and int(apart.min()) < job.spacing:
        slot = int(apart.argmin())
        message = f"pipeline: {name}: cycle {at[slot + 1]} follows {at[slot]}, and its slots are {job.spacing} apart"
        raise _wrong(design, place, message, "list the cycles in order")
    if int(at[-1]) - int(at[0]) >= interval:
        message = f"pipeline: {name} takes from cycle {at[0]} to {at[-1]}, longer than the interval ({interval})"
        raise _wrong(design, place, message, "an instance of an Einsum is over before its next one begins")
    return at


def contradiction(
    names: Sequence[str], jobs: Sequence[Job], needs: Sequence[Need], at: Sequence[Cycles], interval: int
) -> str | None:
    """The first pair of slots that cannot be where a plan has them, with their cycles; None of a plan that is sound."""
    taken: dict[tuple[str, int], tuple[str, int]] = {}
    for name, job, cycles in zip(names, jobs, at, strict=True):
        for cycle in map(int, cycles):
            other = taken.setdefault((job.resource, cycle % interval), (name, cycle))
            if other != (name, cycle):
                return (f"{other[0]} in cycle {other[1]} and {name} in cycle {cycle} meet on {job.resource} "
                        f"(cycle {cycle % interval} of the interval of {interval})")  # fmt: skip
    for need in needs:
        source, reader = jobs[need.source], jobs[need.reader]
        for step in range(need.steps):
            made = int(at[need.source][source.last(step, need.steps)])
            ready = made + need.delay - need.distance * interval
            used = int(at[need.reader][min(reader.first(step, need.steps), reader.slots - 1)])
            if used < ready:
                epochs = f", {need.distance} epochs of {interval} cycles before" if need.distance else ""
                return (f"{names[need.reader]} in cycle {used} needs {names[need.source]} of cycle {made}{epochs}, "
                        f"which is there from cycle {ready} on")  # fmt: skip
    return None
