"""What a run's log says: which strand issued when, merged into bars, and which cycles it covers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from einsim.errors import SpecError
from einsim.model.cycle.lowering import CHANNEL_UNIT, channel_time
from einsim.model.cycle.simulate import Run
from einsim.report.epochs import Walk
from einsim.schedule.pipeline.program import LOAD, STORE, Program, When
from einsim.spec.architecture import Architecture

STRAND, EPOCH, UNIT, SLOT, FIRST, SLOTS, END = range(7)
"""Columns of a timeline's rows: those of the log, and the cycle after the last."""

GAP: Final = 16
"""Slots of one instance that so many cycles part still make one bar: others take turns with them."""

Window = tuple[int, int]
"""The first cycle, and the one after the last."""


class Bar(NamedTuple):
    """Slots of one strand in one epoch that follow one another closely: `first` <= cycle < `end`."""

    strand: int
    epoch: int
    first: int
    end: int
    slots: int
    units: tuple[int, int]
    busy: int

    @property
    def density(self) -> float:
        """The share of its cycles in which it issues, or moves data."""
        return self.busy / (self.end - self.first)


@dataclass(frozen=True)
class Timeline:
    """The log of one run, in cycles of the whole: the run begins at cycle `begin`.

    `stretches` are the windows that the log covers without a break: it has none of the periods that were skipped,
    and may end before the run.
    """

    run: Run
    begin: int
    rows: NDArray[np.int64]
    stretches: tuple[Window, ...]

    @property
    def program(self) -> Program:
        """What was run."""
        return self.run.program

    @property
    def end(self) -> int:
        """The cycle after the run's last."""
        return self.begin + self.run.cycles

    @cached_property
    def walk(self) -> Walk:
        """The epochs."""
        return Walk(self.program, self.run.epochs)

    @cached_property
    def reference(self) -> int:
        """The strand with which epochs begin: the first by the plan of those that are in all of them."""
        return reference(self.program)

    @cached_property
    def starts(self) -> dict[int, int]:
        """Epoch -> the cycle in which it begins."""
        rows = self.rows[(self.rows[:, STRAND] == self.reference) & (self.rows[:, SLOT] == 0)]
        return dict(zip(rows[:, EPOCH].tolist(), rows[:, FIRST].tolist(), strict=True))

    @cached_property
    def period(self) -> int:
        """Cycles from one epoch to the next: the median where runs repeat themselves."""
        steps = np.diff(np.array([c for c in self.starts.values() if c < self.stretches[0][1]], np.int64))
        return max(1, int(np.median(steps))) if steps.size else max(1, self.run.cycles)

    def bars(self, window: Window | None = None, gap: int = GAP, fine: int = 0) -> Iterator[Bar]:
        """The bars that lie in a window, or reach into it, strand by strand.

        In one bar are slots up to `gap` cycles part, and transfers up to `fine`.
        """
        rows = self.inside(window)
        for strand in range(len(self.program.strands)):
            own = rows[rows[:, STRAND] == strand]
            if not len(own):
                continue
            most = gap if self.program.strands[strand].computes else min(gap, fine)
            apart = (np.diff(own[:, EPOCH]) != 0) | (own[1:, FIRST] - own[:-1, END] > most)
            firsts = np.flatnonzero(np.concatenate([[True], apart]))
            lasts = np.append(firsts[1:], len(own)) - 1
            slots = np.add.reduceat(own[:, SLOTS], firsts)
            moves = not self.program.strands[strand].computes
            busy = np.add.reduceat(own[:, END] - own[:, FIRST], firsts) if moves else slots
            for a, b, n, cycles in zip(firsts, lasts, slots.tolist(), busy.tolist(), strict=True):
                yield Bar(strand, int(own[a, EPOCH]), int(own[a, FIRST]), int(own[b, END]), n,
                          (int(own[a, UNIT]), int(own[b, UNIT])), cycles)  # fmt: skip

    def inside(self, window: Window | None) -> NDArray[np.int64]:
        """The rows that lie in a window, or reach into it."""
        if window is None:
            return self.rows
        rows = self.rows
        return kept(rows, (rows[:, FIRST] < window[1]) & (rows[:, END] > window[0]))

    def instance(self, strand: int, epoch: int) -> NDArray[np.int64]:
        """The rows of one strand in one epoch."""
        return kept(self.rows, (self.rows[:, STRAND] == strand) & (self.rows[:, EPOCH] == epoch))

    def steady(self, intervals: float) -> Window:
        """A window so many epochs long, from the start of one on, in which every strand is busy if there is one."""
        first, last = self.stretches[0]
        length = max(1, round(intervals * self.period))
        begun = [
            int(self.rows[self.rows[:, STRAND] == s][0, END])
            for s in self._always()
            if (self.rows[:, STRAND] == s).any()
        ]
        full = max(begun, default=first)
        starts = [cycle for cycle in self.starts.values() if first <= cycle <= last - length] or [first]
        start = next((cycle for cycle in starts if cycle >= full), starts[-1])
        return start, start + min(length, max(1, self.end - start))

    def whole_tile(self) -> Window:
        """The window from the start of an epoch to its end, when every strand is busy."""
        start, _ = self.steady(1)
        epoch = next((epoch for epoch, cycle in self.starts.items() if cycle == start), 0)
        own = self.rows[(self.rows[:, EPOCH] == epoch) & np.isin(self.rows[:, STRAND], self._always())]
        if not len(own):
            return self.steady(1)
        return int(own[:, FIRST].min()), int(own[:, END].max())

    def _always(self) -> list[int]:
        return [n for n, s in enumerate(self.program.strands) if s.computes and s.when.kind is When.ALWAYS]


def timelines(runs: Sequence[Run], machine: Architecture) -> list[Timeline]:
    """The logs of runs that follow one another. Raises SpecError where one of them is empty."""
    found = []
    begin = 0
    for run in runs:
        if not len(run.log):
            raise SpecError(f"{run.program.name}: nothing in its log", remedy="simulate with log=200000")
        rows = _rows(run, machine)
        stretches = _stretches(run, rows)
        rows[:, [FIRST, END]] += begin
        shifted = tuple((first + begin, end + begin) for first, end in stretches)
        found.append(Timeline(run, begin, rows, shifted))
        begin += run.cycles
    return found


def kept(rows: NDArray[np.int64], which: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Some of the rows."""
    found: NDArray[np.int64] = rows[which]
    return found


def nothing_in(window: Window | None) -> SpecError:
    """What to raise where a window has no cycle of any run."""
    return SpecError(f"no run in the window {window}", remedy="give its first cycle and the one after its last")


def reference(program: Program) -> int:
    """The strand with which epochs begin."""
    full = len(program.epochs.loops)
    whole = [n for n, strand in enumerate(program.strands) if strand.computes and strand.depth == full]
    return min(whole, key=lambda n: program.starts[n].at[0], default=0)


def _rows(run: Run, machine: Architecture) -> NDArray[np.int64]:
    """The log with the end of each issue; a transfer's is its time on the channel, in whole cycles, one at least."""
    strands = run.program.strands
    spacing = np.array([strand.spacing for strand in strands])
    ends = run.log[:, FIRST] + (run.log[:, SLOTS] - 1) * spacing[run.log[:, STRAND]] + 1
    rows = np.concatenate([run.log, ends[:, None]], axis=1)
    moving = [n for n, strand in enumerate(strands) if strand.resource in {LOAD, STORE}]
    walk = Walk(run.program, run.epochs)
    taken: dict[tuple[int, int], int] = {}
    channel = 0
    last = {LOAD: 0, STORE: 0}
    for at in np.flatnonzero(np.isin(rows[:, STRAND], moving)):
        number, cycle = int(rows[at, STRAND]), int(rows[at, FIRST])
        kind = walk.kind(int(rows[at, EPOCH]), strands[number].depth)
        if (number, kind) not in taken:
            words = strands[number].moved[kind] / max(1, strands[number].units[kind]) if strands[number].moved else 0
            taken[number, kind] = channel_time(machine, words)
        begins = max(channel, cycle * CHANNEL_UNIT)
        channel = begins + taken[number, kind]
        resource = strands[number].resource
        rows[at, FIRST] = max(begins // CHANNEL_UNIT, last[resource])
        rows[at, END] = last[resource] = max(rows[at, FIRST] + 1, channel // CHANNEL_UNIT)
    return rows


def _stretches(run: Run, rows: NDArray[np.int64]) -> list[Window]:
    """Where the log has no break. Runs are moved on just after the reference has begun an epoch."""
    at = np.flatnonzero(rows[:, STRAND] == reference(run.program))
    epoch, slot, slots = rows[at, EPOCH], rows[at, SLOT], rows[at, SLOTS]
    goes_on = (np.diff(epoch) == 0) & (slot[1:] == slot[:-1] + slots[:-1])
    follows = (np.diff(epoch) == 1) & (slot[1:] == 0)
    breaks = at[:-1][~(goes_on | follows)] + 1
    firsts = [0, *(int(run.log[n, FIRST]) for n in breaks)]
    ends = [*(int(run.log[n - 1, FIRST]) + 1 for n in breaks)]
    simulated = len(run.log) >= run.simulated
    ends.append(run.cycles if simulated else int(run.log[-1, FIRST]) + 1)
    return list(zip(firsts, ends, strict=True))
