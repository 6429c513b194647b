"""How jobs are cut into pieces that a solver places: single slots, or longer runs of one job or of jobs in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from einsim.schedule.pipeline.plan import Job, Need

PIECES: Final = (12, 48)
"""About how many pieces each array's slots are cut into, in the attempts before slot by slot."""


@dataclass(frozen=True, slots=True)
class Form:
    """A way to cut jobs. `pieces` of each array (0: slot by slot, so that nothing is lost).

    `turns`: jobs of one array that share all their steps take turns, a step each.
    """

    turns: bool
    pieces: int

    @property
    def exact(self) -> bool:
        """Whether every plan can be written in this form."""
        return not self.turns and self.pieces == 0


EXACT: Final = Form(turns=False, pieces=0)
FORMS: Final = (*(Form(turns=turns, pieces=pieces) for pieces in PIECES for turns in (True, False)),
                Form(turns=True, pieces=0))  # fmt: skip
"""Coarse forms first: a plan of theirs is a plan, that they have none says nothing."""


@dataclass(frozen=True, slots=True)
class Train:
    """Jobs whose slots follow each other in a fixed order: of slot n, `order[n]` is (job, its slot).

    Cut into pieces of `grain` slots, which are in consecutive cycles.
    """

    order: tuple[tuple[int, int], ...]
    grain: int
    spacing: int
    resource: str


def trains_of(jobs: Sequence[Job], needs: Sequence[Need], form: Form) -> list[Train]:
    """The jobs of a tile graph, alone or in turns, and how long their pieces are."""
    groups = _turns(jobs, needs) if form.turns else [[number] for number in range(len(jobs))]
    total: dict[str, int] = {}
    for job in jobs:
        total[job.resource] = total.get(job.resource, 0) + job.slots
    found = []
    for group in groups:
        lead = jobs[group[0]]
        units = lead.units if len(group) > 1 else 1
        order = tuple(
            (number, slot)
            for unit in range(units)
            for number in group
            for slot in range(unit * jobs[number].slots // units, (unit + 1) * jobs[number].slots // units)
        )
        turn = len(order) // units if len(group) > 1 else max(1, lead.slots // lead.units if lead.units > 1 else 1)
        grain = 1
        if form.pieces and lead.spacing == 1:
            wanted = max(1, total[lead.resource] // form.pieces)
            grain = min(len(order), max(turn, wanted // turn * turn))
        found.append(Train(order, grain, lead.spacing, lead.resource))
    return found


def _turns(jobs: Sequence[Job], needs: Sequence[Need]) -> list[list[int]]:
    """Jobs that hand each other step by step on one array, in the order of their needs."""
    groups = [[number] for number in range(len(jobs))]
    for need in needs:
        source, reader = jobs[need.source], jobs[need.reader]
        alike = source.resource == reader.resource and source.units == reader.units == need.steps > 1
        even = all(job.spacing == 1 and job.slots % job.units == 0 for job in (source, reader))
        if not (alike and even) or need.distance or need.source == need.reader:
            continue
        one = next(group for group in groups if need.source in group)
        other = next(group for group in groups if need.reader in group)
        if one is not other:
            one.extend(other)
            groups.remove(other)
    return groups
