"""The cycle model: programs run slot by slot, and what the run says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from einsim.errors import InfeasibleError
from einsim.model.cycle import kernel, layout, repeat, strands, walk
from einsim.model.cycle import layout as at
from einsim.model.cycle.lowering import CHANNEL_UNIT, PICTURES, Lowered, lower_program
from einsim.model.cycle.native import native
from einsim.schedule.pipeline.program import LOAD, STORE, Cause, Program
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.architecture import Architecture
from einsim.spec.expressions import Number

KERNELS: Final = (layout, walk, strands, repeat, kernel)
ENTRIES: Final = ("begin", "run")
FEW_PICTURES: Final = 1 << 16
"""Numbers that pictures may take in an interpreted run, whose memory is a list."""
CHUNK: Final = 1 << 24
"""Issues between two looks at whether the user wants to stop."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one program did, in cycles.

    `busy` and `stalls` (by cause) of arrays add up to `cycles`; `channel_busy` is the time that the outermost memory
    moved data (of two channels the sum). `instances` of every strand by its kind; `high_water`: most words in each
    memory at one time; `issued` slots were issued, in `simulated` issues one by one and the rest by repetition;
    `log`: the first issues (strand, epoch, unit, slot, cycle, slots).
    """

    program: Program
    cycles: int
    busy: dict[str, int]
    stalls: dict[str, dict[Cause, int]]
    channel_busy: float
    instances: tuple[tuple[int, ...], ...]
    high_water: dict[str, int]
    issued: int
    simulated: int
    epochs: int
    log: NDArray[np.int64]

    def points(self, number: int) -> int:
        """Points of its Einsum's iteration space that a strand has done."""
        strand = self.program.strands[number]
        return sum(n * each for n, each in zip(self.instances[number], strand.points, strict=False))

    def moved(self, number: int) -> Number:
        """Words that a strand has moved to or from the outermost memory."""
        strand = self.program.strands[number]
        return sum((n * each for n, each in zip(self.instances[number], strand.moved, strict=False)), start=0)

    def slots(self, number: int) -> int:
        """Slots that a strand has issued."""
        strand = self.program.strands[number]
        return sum(n * each for n, each in zip(self.instances[number], strand.slots, strict=False))


def simulate(
    program: Program, machine: Architecture, timing: Timing, *, skip: bool = True, log: int = 0,
    interpreted: bool = False, most: int | None = None,
) -> Run:  # fmt: skip
    """Runs a program from its first cycle to its last.

    skip: move on by whole periods where the run repeats itself (the numbers are the same); log: issues to write down;
    most: slots that may be simulated one by one. Raises InfeasibleError where resources wait for each other in a
    circle, or where `most` is not enough; SpecError where 64 bits are not.
    """
    pictures = FEW_PICTURES if interpreted else PICTURES
    lowered = lower_program(program, machine, timing, skip=skip, log=log, pictures=pictures)
    run: Any = kernel if interpreted else native(KERNELS, ENTRIES)
    memory: Any = lowered.memory.tolist() if interpreted else lowered.memory
    run.begin(memory)
    left = most if most is not None else at.NEVER
    outcome = at.MORE
    while outcome == at.MORE and left > 0:
        outcome = run.run(memory, min(CHUNK, left))
        left -= CHUNK
    lowered = replace(lowered, memory=np.asarray(memory, np.int64))
    if outcome == at.STUCK:
        raise InfeasibleError(f"{program.name}: {_deadlock(lowered, program)}")
    if outcome == at.MORE:
        raise InfeasibleError(f"{program.name}: not over after {most} issues; raise the bound, or let it skip")
    return _result(lowered, program, machine, timing)


def _deadlock(lowered: Lowered, program: Program) -> str:
    """Who waits for whom."""
    memory = lowered.memory
    waits = []
    for r, name in enumerate(program.resources):
        resource = lowered.resource(r)
        strand = int(memory[resource + at.STRAND])
        if strand == 0 or memory[resource + at.READY] < at.NEVER:
            continue
        waiting = f"{name} ({_name(lowered, program, strand)}, epoch {memory[strand + at.K]}) waits for"
        blocker = int(memory[resource + at.BLOCKER])
        if blocker == 0:
            waits.append(f"{waiting} room in a memory")
            continue
        row = (blocker - lowered.header(at.STRANDS)) // at.STRAND_SIZE
        waits.append(f"{waiting} {program.strands[lowered.order[row]].resource} ({_name(lowered, program, blocker)})")
    return "resources wait for each other: " + "; ".join(waits)


def _name(lowered: Lowered, program: Program, strand: int) -> str:
    return program.strands[lowered.order[(strand - lowered.header(at.STRANDS)) // at.STRAND_SIZE]].name


def _result(lowered: Lowered, program: Program, machine: Architecture, timing: Timing) -> Run:
    memory = lowered.memory
    instances: list[tuple[int, ...]] = [()] * len(program.strands)
    cycles = 0
    for row, number in enumerate(lowered.order):
        strand, record = program.strands[number], lowered.strand(row)
        counts = int(memory[record + at.COUNTS])
        instances[number] = tuple(int(n) for n in memory[counts : counts + len(strand.slots)])
        if memory[record + at.ENDED] > at.LONG_AGO:
            array = machine.arrays.get(strand.resource)
            after = 0 if array is None else timing.control(machine) + timing.skew(array) + strand.tail
            cycles = max(cycles, int(memory[record + at.ENDED]) + after)
    busy, stalls, channel = {}, {}, 0
    for r, name in enumerate(program.resources):
        record = lowered.resource(r)
        if name in {LOAD, STORE}:
            channel += int(memory[record + at.BUSY])
            continue
        busy[name] = int(memory[record + at.BUSY])
        causes = {cause: int(memory[record + at.STALLS + cause]) for cause in Cause}
        causes[Cause.END] += cycles - int(memory[record + at.FREE])
        stalls[name] = {cause: count for cause, count in causes.items() if count}
    levels = lowered.header(at.LEVELS)
    water = {level: program.fixed.get(level, 0) + int(memory[levels + 2 * n + at.HIGHEST])
             for n, level in enumerate(lowered.levels) if n}  # fmt: skip
    issued = sum(int(memory[lowered.resource(r) + at.ISSUED]) for r in range(len(program.resources)))
    log = memory[lowered.header(at.LOG) :][: lowered.header(at.LOGGED) * at.LOG_ROW].reshape(-1, at.LOG_ROW).copy()
    log[:, 0] = [lowered.order[int(row)] for row in log[:, 0]]
    return Run(program, cycles, busy, stalls, channel / CHANNEL_UNIT, tuple(instances), water, issued,
               lowered.header(at.ISSUES), lowered.header(at.TOTAL), log)  # fmt: skip
