"""Results of the cycle model as plain records: what `einsim simulate --json` prints and what a sweep stores."""

from __future__ import annotations

from einsim.model.cycle.evaluation import Simulation
from einsim.model.cycle.simulate import Run
from einsim.model.result import Record, counted_dense, plain, reason, spills

CYCLE_METRICS = ("cycles", "latency_s", "util_2d", "util_1d", "traffic_bytes", "cycles_closed_form")
"""Numbers of every simulation, in the order of tables."""


def simulation_record(simulation: Simulation) -> Record:
    """One simulation. An infeasible one has its reason and no numbers."""
    design = simulation.design
    feasible = simulation.feasible
    machine = design.architecture
    record: Record = {
        "configuration": design.mapping.name,
        "cascade": design.cascade.name,
        "architecture": machine.name,
        "model": design.workload.model,
        "seq_len": design.workload.seq_len,
        "sizes": dict(design.workload.sizes),
        "choices": dict(design.choices),
        "timing": {
            "travel": simulation.timing.travel, "latency": simulation.timing.latency,
            "memory": simulation.timing.memory, "stalls": simulation.timing.stalls,
        },
        "counted_dense": counted_dense(simulation.design),
        "feasible": feasible,
        "reason": simulation.stuck or reason(simulation.shortfalls),
        **cycle_metrics(simulation),
        "registers_depth": {a.registers.name: a.registers.depth_words for a in machine.arrays.values()},
        "capacity_bytes": {name: memory.capacity_bytes for name, memory in machine.memories.items()
                           if memory.capacity_bytes},
        "spills": spills(simulation.closed_form),
    }  # fmt: skip
    if not feasible:
        return {**record, "stalls": {}, "high_water": {}, "registers_words": {}, "programs": []}
    return {
        **record,
        "stalls": simulation.stalls(),
        "high_water": simulation.high_water_bytes(),
        "registers_words": simulation.register_words(),
        "programs": [_program(run) for run in simulation.runs],
    }


def cycle_metrics(simulation: Simulation) -> Record:
    """The numbers of `CYCLE_METRICS`; None where the design does not fit, or the machine has no such array."""
    if not simulation.feasible:
        return dict.fromkeys(CYCLE_METRICS)
    arrays = simulation.design.architecture.arrays
    shares = {array.is_grid: simulation.utilisation(name) for name, array in arrays.items()}
    return {
        "cycles": simulation.cycles,
        "latency_s": simulation.latency_s,
        "util_2d": shares.get(True),
        "util_1d": shares.get(False),
        "traffic_bytes": plain(simulation.traffic_bytes),
        "cycles_closed_form": simulation.cycles_closed_form,
    }


def _program(run: Run) -> Record:
    program = run.program
    return {
        "name": program.name,
        "times": program.times,
        "epochs": run.epochs,
        "loops": {loop.name: trips for loop, trips in zip(program.epochs.loops, program.epochs.trips, strict=True)},
        "cycles": run.cycles,
        "interval": program.interval,
        "resource_bound": program.resource_bound,
        "recurrence_bound": program.recurrence_bound,
        "busy": run.busy,
        "stalls": {array: {cause.name.lower(): n for cause, n in causes.items()}
                   for array, causes in run.stalls.items()},
        "channel_busy": run.channel_busy,
        "issued": run.issued,
        "simulated": run.simulated,
        "strands": [
            {
                "name": strand.name, "resource": strand.resource, "planned": start.at[0],
                "lag": start.at[0] // program.interval, "slots": strand.slots[0], "units": strand.units[0],
            }
            for strand, start in zip(program.strands, program.starts, strict=True)
        ],
    }  # fmt: skip
