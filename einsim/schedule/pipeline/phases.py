"""Phases one after the other: the order that a mapping states, without overlap of its phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from einsim.errors import SpecError
from einsim.schedule.nest import Schedule
from einsim.schedule.pipeline.links import Linker
from einsim.schedule.pipeline.modulo import Plan
from einsim.schedule.pipeline.plan import Cycles, Job
from einsim.schedule.pipeline.program import Cause, Link
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.configuration import Design
from einsim.spec.expressions import ceil_div


@dataclass(frozen=True, slots=True)
class Phased:
    """The phases of a mapping as an order of strands."""

    design: Design
    schedule: Schedule
    timing: Timing
    linker: Linker
    links: tuple[Link, ...]

    def phases(self) -> list[tuple[int, list[list[int]]]]:
        """Of each phase, cycles that it stalls before it begins, and its strands, array by array."""
        found: list[tuple[int, list[list[int]]]] = []
        stall = 0
        for phase in self.schedule.phases:
            if phase.stall_each is not None:
                stall += int(phase.stall_cycles) if self.timing.stalls else 0
                continue
            sides = [[self.linker.index[name] for name in names if name in self.linker.index] for _, names in phase.run]
            found.append((stall, [side for side in sides if side]))
            stall = 0
        return found

    def place(self) -> dict[int, int]:
        """Strand -> its phase."""
        return {strand: number for number, (_, sides) in enumerate(self.phases()) for side in sides for strand in side}

    def lags(self) -> dict[int, int]:
        """Strand -> how many epochs after its own it runs: one more whenever it needs a later phase.

        Raises SpecError where phases need each other in a circle.
        """
        place = self.place()
        lags = dict.fromkeys(place, 0)
        for _ in range(len(place) + 1):
            moved = False
            for link in self.links:
                if link.room is None and link.over is None and link.source in lags and link.reader in lags:
                    if link.source == link.reader:
                        continue
                    early = place[link.reader] < place[link.source] or (
                        place[link.reader] == place[link.source] and self.behind(link)
                    )
                    least = lags[link.source] + int(early) - link.back
                    if least > lags[link.reader]:
                        lags[link.reader], moved = least, True
            if not moved:
                return lags
        raise SpecError("the phases need each other in a circle", at=self.design.mapping_document.locate(("phases",)),
                        remedy="run what makes a value in an earlier phase than what needs it")  # fmt: skip

    def behind(self, link: Link) -> bool:
        """Whether the reader stands before the source on their array, and takes whole instances."""
        for _, sides in self.phases():
            for side in sides:
                if link.source in side and link.reader in side:
                    return side.index(link.reader) < side.index(link.source)
        return False

    def plan(self, jobs: Sequence[Job], repeated: Sequence[int]) -> Plan:
        """Slots in the order of phases; strands that share steps take turns on their array."""
        number = {strand: n for n, strand in enumerate(repeated)}
        at: list[Cycles] = [np.zeros(job.slots, np.int64) for job in jobs]
        lags = self.lags()
        base = 0
        for stall, sides in self.phases():
            base += stall
            lengths = [0]
            for side in sides:
                lengths.append(self.side([strand for strand in side if strand in number], number, jobs, at, base))
            base += max(lengths)
        for strand, n in number.items():
            at[n] = at[n] + lags[strand] * base
        return Plan(max(1, base), tuple(at))

    def side(
        self, strands: Sequence[int], number: dict[int, int], jobs: Sequence[Job], at: list[Cycles], base: int
    ) -> int:
        """Places the strands of one array in one phase; returns how long they take."""
        cycle = base
        left = list(strands)
        while left:
            strands = [left.pop(0)]
            while left and self.alternate(strands, left[0]):
                strands.append(left.pop(0))
            together = [number[strand] for strand in strands]
            units = jobs[together[0]].units if len(together) > 1 else 1
            for unit in range(units):
                for n in together:
                    first, last = (ceil_div(each * jobs[n].slots, units) for each in (unit, unit + 1))
                    at[n][first:last] = cycle + np.arange(last - first) * jobs[n].spacing
                    cycle += max(0, (last - first - 1) * jobs[n].spacing + 1)
        return cycle - base

    def alternate(self, before: Sequence[int], strand: int) -> bool:
        """Whether a strand takes turns with some before it, unit by unit: none needs a whole instance of another."""
        units = max(self.linker.strands[strand].units)
        if units == 1 or any(max(self.linker.strands[each].units) != units for each in before):
            return False
        between = [link for link in self.links if link.room is None and link.over is None and link.back == 0
                   and link.reader == strand and link.source in before]  # fmt: skip
        return all(max(link.shares) == units for link in between)

    def barriers(self) -> tuple[Link, ...]:
        """Links that keep each phase behind the one before."""
        phases, lags = self.phases(), self.lags()
        groups = [[strand for side in sides for strand in side] for _, sides in phases]
        found = []
        for number, readers in enumerate(groups):
            before, wrap = (number - 1, 0) if number else (len(groups) - 1, 1)
            for reader in readers:
                for source in groups[before]:
                    back = lags[source] - lags[reader] + wrap if len(groups) > 1 or wrap else 0
                    shares = (1,) * len(self.linker.strands[reader].slots)
                    found.append(Link(source, reader, shares, 1 + phases[number][0], 0, Cause.PHASE, back=back))
        return tuple(found)
