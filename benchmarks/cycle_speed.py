"""Speed of the cycle model: issues a second, against the event simulator and the closed form in the same run."""

from __future__ import annotations

import time
from dataclasses import dataclass

from einsim.model.closed_form import evaluate
from einsim.model.cycle.evaluation import simulate_design
from einsim.model.cycle.events import run_events
from einsim.model.cycle.simulate import simulate
from einsim.schedule.lower import lower
from einsim.schedule.pipeline.build import build
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.configuration import Design, load_design
from einsim.spec.library import load_models
from einsim.spec.workload import Workload, attention, find_model

SMALL = {"B": 1, "H": 1, "E": 64, "F": 64, "M": 1024, "P": 1024}
"""A size that the event simulator does in a second or so."""


@dataclass(frozen=True, slots=True)
class CycleSpeed:
    """Issues a second one by one, compiled and by the event simulator; seconds of long runs, skipping and not.

    `long_s`: BERT at 1M tokens, batch 64, compiled code loaded; `closed_s` its closed form.
    """

    compiled_per_s: float
    events_per_s: float
    long_s: float
    long_cycles: int
    closed_s: float
    same: bool

    @property
    def ratio(self) -> float:
        """How many times faster than the event simulator."""
        return self.compiled_per_s / self.events_per_s


def _bert(tokens: int) -> Design:
    return load_design("fusemax", attention(find_model(load_models(), "BERT"), tokens))


def measure(tokens: int = 4096) -> CycleSpeed:
    """Times FuseMax; `tokens` of the run in which every issue is simulated."""
    small = load_design("fusemax", Workload(tuple(SMALL.items())))
    built = build(small, lower(small), Timing())
    (program,) = built.programs
    machine = small.architecture
    fast = simulate(program, machine, built.timing)
    started = time.perf_counter()
    slow = run_events(program, machine, built.timing)
    events_s = time.perf_counter() - started
    design = _bert(tokens)
    whole = build(design, lower(design), Timing())
    started = time.perf_counter()
    every = simulate(whole.programs[0], design.architecture, whole.timing, skip=False)
    every_s = time.perf_counter() - started
    long = _bert(1 << 20)
    started = time.perf_counter()
    simulation = simulate_design(long)
    long_s = time.perf_counter() - started
    started = time.perf_counter()
    evaluate(long)
    closed_s = time.perf_counter() - started
    same = (fast.cycles, fast.busy, fast.stalls) == (slow.cycles, slow.busy, slow.stalls)
    return CycleSpeed(every.issued / every_s, fast.issued / events_s, long_s, simulation.cycles, closed_s, same)
