"""Whole models in the cycle model: each kernel by itself.

A kernel has the mapping that the closed form found best; of several that it holds to be equally fast, the one that
takes the fewest cycles.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from einsim.model.cycle.evaluation import Simulation, simulate_auto, simulate_design, simulate_rows
from einsim.model.cycle.result import CYCLE_METRICS, cycle_metrics
from einsim.model.result import Record, plain
from einsim.model.result import reason as shortfall
from einsim.model.whole import KernelCost, WholeRun, kernel_cascade
from einsim.model.wholeresult import kernel_facts, run_facts
from einsim.schedule.pipeline.timing import Timing


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """A run of a model with the simulation of each of its kernels (none of those that do not fit)."""

    whole: WholeRun
    simulations: tuple[Simulation | None, ...]

    @property
    def kernels(self) -> list[tuple[int, Simulation]]:
        """How often each kernel runs, and its simulation; of those that have one."""
        rows = zip(self.whole.kernels, self.simulations, strict=True)
        return [(cost.kernel.times, own) for cost, own in rows if own is not None]

    @property
    def why_not(self) -> str | None:
        """Why the run does not fit its machine."""
        if self.whole.why_not is not None:
            return self.whole.why_not
        for cost, own in zip(self.whole.kernels, self.simulations, strict=True):
            if own is not None and not own.feasible:
                return f"{cost.kernel.name}: {own.stuck or shortfall(own.shortfalls)}"
        return None


def simulate_whole(whole: WholeRun, timing: Timing, *, skip: bool = True, most: int | None = None) -> SimulatedRun:
    """Simulates every kernel of a run that fits; kernels that are alike once."""
    known: dict[tuple[object, ...], Simulation | None] = {}
    found = []
    for cost in whole.kernels:
        kernel = cost.kernel
        key = kernel.key
        if key not in known:
            known[key] = _simulation(cost, whole, timing, skip, most)
        found.append(known[key])
    return SimulatedRun(whole, tuple(found))


def _simulation(cost: KernelCost, whole: WholeRun, timing: Timing, skip: bool, most: int | None) -> Simulation | None:
    kernel = cost.kernel
    if cost.design is None or not cost.feasible:
        return None
    if kernel.cascade is None:
        found = [simulate_design(each, timing, skip=skip, most=most) for each in cost.alike]
        return min(found, key=lambda own: (not own.feasible, own.cycles))
    cascade, sizes = kernel_cascade(kernel, whole.run)
    simulated = simulate_auto if kernel.part == "attention" else simulate_rows
    return simulated(cascade, whole.machine, sizes, kernel.instances, timing)


def simulated_record(simulated: SimulatedRun) -> Record:
    """One run: what it is, its cycles beside those of the closed form, and its kernels one after another."""
    whole, why_not = simulated.whole, simulated.why_not
    totals = whole_metrics(simulated)
    seconds, lengths = totals["latency_s"], whole.run.lengths
    record: Record = {
        "configuration": whole.setting.configuration,
        "architecture": whole.machine.name,
        **run_facts(whole.run),
        "feasible": why_not is None,
        "reason": why_not,
        **totals,
        "tokens_per_s": lengths.batch * lengths.new / seconds if seconds else None,
        "stalls": whole_stalls(simulated),
    }
    rows = zip(whole.kernels, simulated.simulations, strict=True)
    return {**record, "kernels": [_row(cost, own) for cost, own in rows]}


def whole_metrics(simulated: SimulatedRun) -> Record:
    """The numbers of `CYCLE_METRICS`, of kernels one after another; None where the run does not fit."""
    if simulated.why_not is not None:
        return dict.fromkeys(CYCLE_METRICS)
    kernels, machine = simulated.kernels, simulated.whole.machine
    cycles = sum(times * own.cycles for times, own in kernels)
    shares = {}
    for name, array in machine.arrays.items():
        busy = sum(times * own.cycles * own.utilisation(name) for times, own in kernels)
        shares[array.is_grid] = busy / cycles if cycles else 0.0
    return {
        "cycles": cycles,
        "latency_s": cycles / machine.clock_hz,
        "util_2d": shares.get(True),
        "util_1d": shares.get(False),
        "traffic_bytes": plain(sum(times * own.traffic_bytes for times, own in kernels)),
        "cycles_closed_form": sum(times * own.cycles_closed_form for times, own in kernels),
    }


def whole_stalls(simulated: SimulatedRun) -> dict[str, dict[str, int]]:
    """Array -> cause -> cycles in which it did not issue, of all kernels; none where the run does not fit."""
    if simulated.why_not is not None:
        return {}
    found: dict[str, Counter[str]] = {array: Counter() for array in simulated.whole.machine.arrays}
    for times, own in simulated.kernels:
        for array, causes in own.stalls().items():
            for cause, cycles in causes.items():
                found[array][cause] += times * cycles
    return {array: dict(causes.most_common()) for array, causes in found.items()}


def _row(cost: KernelCost, own: Simulation | None) -> Record:
    record = kernel_facts(cost)
    if own is None:
        return record
    return {
        **record,
        "choices": dict(own.design.choices),
        "feasible": own.feasible,
        "reason": own.stuck or shortfall(own.shortfalls),
        **cycle_metrics(own),
        "stalls": own.stalls() if own.feasible else {},
    }
