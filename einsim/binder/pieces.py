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

    `turns`: jobs of one array that share all their steps take turns, a step each. `paced`: jobs that share steps go
    at the pace of the slowest of them, without a break; `filled`: and what fills the gaps beside them at that pace.
    """

    turns: bool = False
    paced: bool = False
    filled: bool = False
    pieces: int = 0

    @property
    def exact(self) -> bool:
        """Whether every plan can be written in this form."""
        return self == EXACT


EXACT: Final = Form()
FORMS: Final = (Form(turns=True, paced=True, pieces=PIECES[0]), Form(turns=True, paced=True, filled=True),
                Form(turns=True, paced=True),
                *(Form(turns=turns, pieces=pieces) for pieces in PIECES for turns in (True, False)),
                Form(turns=True))  # fmt: skip
"""Forms that a solver is quick with: a plan of theirs is a plan, that they have none says nothing."""


@dataclass(frozen=True, slots=True)
class Train:
    """Jobs whose slots follow each other in a fixed order: of slot n, `order[n]` is (job, its slot).

    Cut into pieces of `grain` slots, which follow each other every `pace` cycles.
    """

    order: tuple[tuple[int, int], ...]
    grain: int
    pace: int
    spacing: int
    resource: str

    def length(self, piece: int) -> int:
        """Cycles from the first to the last slot of a piece, both included."""
        return (self.slots(piece) - 1) * self.pace + 1

    def slots(self, piece: int) -> int:
        """Slots of a piece."""
        return min(self.grain, len(self.order) - piece * self.grain)

    @property
    def pieces(self) -> int:
        """How many there are."""
        return -(-len(self.order) // self.grain)


def trains_of(
    jobs: Sequence[Job], needs: Sequence[Need], form: Form, phases: Sequence[int] | None = None
) -> list[Train]:
    """The jobs of a tile graph, alone or in turns, and how long their pieces are; apart where `phases` differ."""
    if phases is not None:
        needs = [need for need in needs if phases[need.source] == phases[need.reader]]
    groups = _turns(jobs, needs) if form.turns else [[number] for number in range(len(jobs))]
    total: dict[str, int] = {}
    for job in jobs:
        total[job.resource] = total.get(job.resource, 0) + job.slots
    paces = _paces(jobs, needs, groups, filled=form.filled) if form.paced else {}
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
        grain, pace = 1, 1
        if group[0] in paces:
            grain, pace = len(order), paces[group[0]]
        elif form.pieces and lead.spacing == 1:
            wanted = max(1, total[lead.resource] // form.pieces)
            grain = min(len(order), max(turn, wanted // turn * turn))
        found.append(Train(order, grain, pace, lead.spacing, lead.resource))
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


def _paces(jobs: Sequence[Job], needs: Sequence[Need], groups: list[list[int]], *, filled: bool) -> dict[int, int]:
    """Lead of each group that shares steps with others -> cycles from slot to slot, so that all keep step."""
    lead = {number: group[0] for group in groups for number in group}
    linked: dict[int, set[int]] = {}
    for need in needs:
        if need.steps > 1 and need.distance == 0 and jobs[need.source].units == jobs[need.reader].units == need.steps:
            one, other = lead[need.source], lead[need.reader]
            together = linked.get(one, {one}) | linked.get(other, {other})
            linked |= dict.fromkeys(together, together)
    found = {}
    for group in groups:
        if group[0] in linked:
            turn = {each: sum(jobs[n].slots * jobs[n].spacing for n in lead if lead[n] == each) // jobs[each].units
                    for each in linked[group[0]]}  # fmt: skip
            found[group[0]] = max(jobs[group[0]].spacing, max(turn.values()) // max(1, turn[group[0]]))
    for group in groups if filled else ():  # what shares an array with them fills the gaps between their slots
        beside = [each for each in found if jobs[each].resource == jobs[group[0]].resource and found[each] > 1]
        if len(group) == 1 and group[0] not in linked and beside:
            longest = max(beside, key=lambda each: jobs[each].slots)
            if 2 * jobs[group[0]].slots >= jobs[longest].slots >= jobs[group[0]].slots:
                found[group[0]] = found[longest]
    return found
