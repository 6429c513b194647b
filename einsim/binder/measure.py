"""How fast the cycle model runs a plan in its steady state.

The machine issues every slot as soon as it may, not when it is planned. That is no slower where arrays do not meet; of
two that want one port of the buffer the second waits, which may cost a cycle that the plan has not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from einsim.cascade import Cascade, size_of
from einsim.errors import InfeasibleError, SpecError
from einsim.model.cycle.simulate import simulate
from einsim.schedule.lower import lower
from einsim.schedule.pipeline.build import build
from einsim.schedule.pipeline.plan import Cycles
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.architecture import Architecture
from einsim.spec.mappingfile import design_of, with_plan
from einsim.spec.workload import Workload

LEAST = 48
"""Tiles along the iterated rank in the shorter of two runs, so that both reach their steady state."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What plans are run on: `rank` is the base rank of the iteration over tiles, `tile` its elements in one."""

    cascade: Cascade
    machine: Architecture
    workload: Workload
    rank: str
    tile: int
    _known: dict[object, Fraction | None] = field(default_factory=dict)

    def interval(self, data: dict[str, Any], interval: int, cycles: Mapping[str, Cycles]) -> Fraction | None:
        """Cycles an epoch, from two runs of which one is twice as long; None where the machine cannot run it.

        The outermost memory is as fast as can be, so that the arrays alone decide.
        """
        key = id(data), interval, tuple((name, at.tobytes()) for name, at in cycles.items())
        if key not in self._known:
            self._known[key] = self._measured(with_plan(data, interval, cycles), cycles)
        return self._known[key]

    def _measured(self, data: dict[str, Any], cycles: Mapping[str, Cycles]) -> Fraction | None:
        outer = self.machine.memories[self.machine.outermost].model_copy(update={"bandwidth_bytes_per_s": None})
        machine = self.machine.model_copy(update={"memories": {**self.machine.memories, self.machine.outermost: outer}})
        runs = []
        for tiles in (LEAST, 2 * LEAST):
            workload = self.workload.with_sizes({size_of(self.rank): tiles * self.tile})
            try:
                design = design_of(data, self.cascade, machine, workload)
                programs = build(design, lower(design), Timing()).programs
                program = next(p for p in programs if {*cycles} <= {strand.einsum for strand in p.strands})
                runs.append(simulate(program, machine, Timing()))
            except (SpecError, InfeasibleError):
                return None
        short, long = runs
        return Fraction(long.cycles - short.cycles, long.epochs - short.epochs)
