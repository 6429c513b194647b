"""What the cycle model says of a design, beside the closed form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from einsim.cascade import Cascade
from einsim.errors import InfeasibleError
from einsim.model.auto import auto_design, evaluate_auto, evaluate_rows
from einsim.model.closed_form import Evaluation, evaluate
from einsim.model.cycle.simulate import Run, simulate
from einsim.schedule.auto import auto_schedule, row_blocks
from einsim.schedule.nest import Shortfall
from einsim.schedule.pipeline.build import build
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.architecture import Architecture
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number


@dataclass(frozen=True, slots=True)
class Simulation:
    """A design run cycle by cycle: `runs` follow one another, each as often as its program says.

    `closed_form` is the arithmetic of the same schedule; `shortfalls` say why the design does not fit; `stuck` why a
    run could not go on. Of an infeasible design there are no runs.
    """

    design: Design
    timing: Timing
    closed_form: Evaluation
    runs: tuple[Run, ...]
    shortfalls: tuple[Shortfall, ...]
    stuck: str | None = None

    @property
    def feasible(self) -> bool:
        """Whether the design fits its machine."""
        return self.stuck is None and not any(shortfall.where for shortfall in self.shortfalls)

    @property
    def cycles(self) -> int:
        """Cycles from the first to the last."""
        return sum(run.program.times * run.cycles for run in self.runs)

    @property
    def latency_s(self) -> float:
        """Seconds from the first cycle to the last."""
        return self.cycles / self.design.architecture.clock_hz

    @property
    def cycles_closed_form(self) -> float:
        """What the closed form says."""
        return float(self.closed_form.latency_s) * self.design.architecture.clock_hz

    @property
    def traffic_bytes(self) -> Number:
        """Bytes to and from the outermost memory."""
        words = sum((run.program.times * run.moved(n) for run in self.runs
                     for n in range(len(run.program.strands))), start=0)  # fmt: skip
        total = words * self.design.architecture.word_bytes
        return int(total) if total == int(total) else total

    def utilisation(self, array: str) -> float:
        """Busy processing-element cycles of an array over all of them; points that exist, not whole tiles."""
        elements = prod(self.design.architecture.arrays[array].axes.values())
        costs = {einsum.name: int(einsum.cycles_per_point) for einsum in self.closed_form.schedule.einsums}
        busy = sum(run.program.times * run.points(n) * costs[strand.einsum] for run in self.runs
                   for n, strand in enumerate(run.program.strands) if strand.resource == array)  # fmt: skip
        return busy / (elements * self.cycles) if self.cycles else 0.0

    def stalls(self) -> dict[str, dict[str, int]]:
        """Array -> cause -> cycles in which it did not issue; causes of another kernel's time count as its end."""
        found: dict[str, Counter[str]] = {array: Counter() for array in self.design.architecture.arrays}
        for run in self.runs:
            for array, causes in run.stalls.items():
                for cause, cycles in causes.items():
                    found[array][cause.name.lower()] += run.program.times * cycles
        return {array: dict(causes.most_common()) for array, causes in found.items()}

    def high_water_bytes(self) -> dict[str, int]:
        """Most bytes in each on-chip memory at one time."""
        machine = self.design.architecture
        return {level: max((run.high_water[level] for run in self.runs), default=0) * machine.word_bytes
                for level in list(machine.memories)[1:]}  # fmt: skip

    def register_words(self) -> dict[str, int]:
        """Most words in one register file of each kind by the plans, each tensor counted once."""
        found: dict[str, int] = {}
        for run in self.runs:
            for level, words in run.program.registers.items():
                found[level] = max(found.get(level, 0), words)
        return found


def simulate_auto(
    cascade: Cascade, machine: Architecture, sizes: Mapping[str, int], batch: int = 1, timing: Timing | None = None,
    *, most: int | None = None,
) -> Simulation:  # fmt: skip
    """Runs a cascade with the mapping that einsim makes by itself: kernels one after another, `batch` times over.

    Filters leave out tiles that they leave empty. `most`: see `einsim.model.cycle.simulate.simulate`. Raises
    InfeasibleError where no array can do what an Einsum needs.
    """
    timing = timing or Timing()
    closed = evaluate_auto(cascade, machine, sizes, batch)
    design = auto_design(cascade, machine, sizes)
    built = build(design, closed.schedule, timing, mapped=False)
    shortfalls = (*closed.schedule.shortfalls, *built.shortfalls)
    if any(shortfall.where for shortfall in shortfalls):
        return Simulation(design, built.timing, closed, (), shortfalls)
    try:
        runs = [simulate(program, machine, built.timing, most=most) for program in built.programs]
    except InfeasibleError as error:
        return Simulation(design, built.timing, closed, (), shortfalls, str(error))
    return Simulation(design, built.timing, closed, tuple(runs) * batch, shortfalls)


def simulate_rows(
    cascade: Cascade, machine: Architecture, sizes: Mapping[str, int], batch: int = 1, timing: Timing | None = None
) -> Simulation:
    """Runs a cascade as `evaluate_rows` counts it: block by block where rows are by themselves, each Einsum in turn.

    Raises InfeasibleError where no array can do what an Einsum needs.
    """
    timing = timing or Timing()
    closed = evaluate_rows(cascade, machine, sizes, batch)
    blocks = row_blocks(cascade, machine, sizes)
    if not blocks:
        return simulate_auto(cascade, machine, sizes, batch, timing)
    runs: list[Run] = []
    shortfalls = closed.schedule.shortfalls
    for times, own in blocks:
        design = auto_design(cascade, machine, own)
        built = build(design, auto_schedule(cascade, machine, own, together=True), timing, mapped=False)
        shortfalls += built.shortfalls
        if any(shortfall.where for shortfall in shortfalls):
            return Simulation(design, built.timing, closed, (), shortfalls)
        found = [simulate(program, machine, built.timing) for program in built.programs]
        runs += [replace(run, program=replace(run.program, times=run.program.times * times * batch)) for run in found]
    return Simulation(auto_design(cascade, machine, sizes), built.timing, closed, tuple(runs), shortfalls)


def simulate_design(
    design: Design, timing: Timing | None = None, *, skip: bool = True, log: int = 0, most: int | None = None
) -> Simulation:
    """Runs a design cycle by cycle on a machine with some delays (all of them by default).

    skip, log, most: see `einsim.model.cycle.simulate.simulate`. Raises SpecError where its files are wrong.
    """
    timing = timing or Timing()
    closed = evaluate(design)
    built = build(design, closed.schedule, timing)
    shortfalls = (*closed.schedule.shortfalls, *built.shortfalls)
    if any(shortfall.where for shortfall in shortfalls):
        return Simulation(design, built.timing, closed, (), shortfalls)
    try:
        runs = tuple(
            simulate(p, design.architecture, built.timing, skip=skip, log=log, most=most) for p in built.programs
        )
    except InfeasibleError as error:
        return Simulation(design, built.timing, closed, (), shortfalls, str(error))
    return Simulation(design, built.timing, closed, runs, shortfalls)
