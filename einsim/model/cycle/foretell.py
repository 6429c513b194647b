"""What the cycle model says that hardware does, slot by slot: every issue on every resource, and its cycle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from einsim.model.cycle.events import PARTS, Events, Issue, drive, outcome
from einsim.model.cycle.simulate import simulate
from einsim.schedule.pipeline.program import Program, Strand
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.architecture import Architecture

Durations = Mapping[str, Sequence[int]]
"""Resource that moves data -> cycles of each of its transfers, in order."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """Cycles of a run, and its issues by resource: rows of (strand, slot of its instance, cycle), in order."""

    cycles: int
    issues: dict[str, NDArray[np.int64]]


@dataclass
class Given(Events):
    """A run whose transfers take as long as is said, and which writes down what it issues."""

    durations: dict[str, list[int]] = field(default_factory=dict)
    slots: dict[int, int] = field(default_factory=dict)
    rows: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)

    def parts(self, strand: Strand, kind: int) -> int:
        """Parts of a cycle of the next transfer (none once all have been)."""
        left = self.durations[strand.resource]
        return left.pop(0) * PARTS if left else 0

    def issue(self, issue: Issue, cycle: int) -> int:
        """Issues, and writes it down."""
        strand = self.program.strands[issue.strand]
        slot = 0 if issue.begins and issue.unit == 0 else self.slots[issue.strand]
        self.rows.setdefault(strand.resource, []).extend(
            (issue.strand, slot + n, cycle + n * strand.spacing) for n in range(issue.slots)
        )
        self.slots[issue.strand] = slot + issue.slots
        return super().issue(issue, cycle)


def foretell(program: Program, machine: Architecture, timing: Timing, durations: Durations | None = None) -> Foretold:
    """Every issue of a run. `durations` are cycles that transfers take (else what the channel's bandwidth says).

    With durations the event simulator runs, of which a program's epochs squared is the time; else the compiled one.
    """
    if durations is None:
        total = sum(max(strand.slots) * program.epochs.count for strand in program.strands)
        run = simulate(program, machine, timing, skip=False, log=total)
        found: dict[str, list[NDArray[np.int64]]] = {name: [] for name in program.resources}
        for number, strand in enumerate(program.strands):
            log = run.log[run.log[:, 0] == number]
            offsets = np.arange(int(log[:, 5].sum())) - np.repeat(np.cumsum(log[:, 5]) - log[:, 5], log[:, 5])
            slots, begun = np.repeat(log[:, 3], log[:, 5]) + offsets, np.repeat(log[:, 4], log[:, 5])
            rows = np.stack([np.full(len(slots), number), slots, begun + offsets * strand.spacing], axis=1)
            found[strand.resource].append(rows)
        every = {name: np.concatenate([np.empty((0, 3), np.int64), *rows]) for name, rows in found.items()}
        return Foretold(run.cycles, {name: rows[np.argsort(rows[:, 2], kind="stable")] for name, rows in every.items()})
    given = Given(program, machine, timing, durations={name: list(each) for name, each in durations.items()})
    cycles = outcome(given, drive(given)).cycles
    return Foretold(
        cycles, {name: np.array(given.rows.get(name, []), np.int64).reshape(-1, 3) for name in program.resources}
    )
