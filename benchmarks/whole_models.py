"""Speed of whole models: a large language model, all layers, on several machines, in both models of time."""

from __future__ import annotations

import time
from dataclasses import dataclass

from einsim.model.cycle.whole import simulate_whole, simulated_record
from einsim.model.whole import Setting, evaluate_whole
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.modelrun import Lengths, Scope, plan_run
from einsim.spec.models import model_facts

MACHINES = (("fusemax", None), ("flat", None), ("unfused", "tpu-like"))
RUNS = {
    "prefill, 128K": Lengths("prefill", 131072, ((1, 0),)),
    "decode, 512 x 8K": Lengths("decode", 1, ((512, 8192),)),
}


@dataclass(frozen=True, slots=True)
class WholeSpeed:
    """Seconds that a run takes in the closed form and cycle by cycle, and the seconds that it says."""

    configuration: str
    machine: str
    run: str
    closed_s: float
    cycles_s: float
    latency_s: float
    feasible: bool


def measure(model: str = "Llama-3-70B") -> list[WholeSpeed]:
    """Times every run on every machine, files read once before."""
    found = []
    for name, lengths in RUNS.items():
        for configuration, machine in MACHINES:
            run = plan_run(model_facts(model), lengths, Scope.MODEL)
            setting = Setting(configuration, machine)
            evaluate_whole(run, setting)
            started = time.perf_counter()
            whole = evaluate_whole(plan_run(model_facts(model), lengths, Scope.MODEL), setting)
            closed = time.perf_counter() - started
            simulate_whole(whole, Timing())
            started = time.perf_counter()
            record = simulated_record(simulate_whole(whole, Timing()))
            cycles = time.perf_counter() - started
            latency = sum(whole.latency_s(group) for group in whole.groups)
            found.append(
                WholeSpeed(configuration, whole.machine.name, name, closed, cycles, latency, bool(record["feasible"]))
            )
    return found
