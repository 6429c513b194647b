"""How a simulated result comes about: cycles of its programs, words of its strands."""

from __future__ import annotations

from collections import Counter
from functools import partial

from einsim.model.cycle.evaluation import Simulation
from einsim.model.cycle.simulate import Run
from einsim.model.cycle.whole import SimulatedRun
from einsim.model.explain import How, Step, counted, made
from einsim.model.wholeexplain import Fields, summed
from einsim.spec.configuration import Design
from einsim.spec.origins import origins


def simulation_fields(simulation: Simulation) -> Fields:
    """Name -> explanation of the fields of a simulation."""
    runs, design = _alike(simulation), simulation.design

    def cycles() -> Step:
        parts = [
            _times(times, counted(f"{run.program.name}, {run.epochs} epochs", run.cycles, "cycles"))
            for run, times in runs
        ]
        return made("cycles", "cycles", How.SUM, parts)

    def traffic() -> Step:
        words = made("words", "words", How.SUM, [
            _times(times, counted(f"{run.program.name}: {strand.name}", run.moved(number), "words"))
            for run, times in runs for number, strand in enumerate(run.program.strands) if run.moved(number)
        ])  # fmt: skip
        word = _given(design, "word_bytes", design.architecture.word_bytes, "B")
        return made("traffic_bytes", "B", How.PRODUCT, [words, word])

    return {"cycles": cycles, "latency_s": lambda: _latency(cycles(), design), "traffic_bytes": traffic}


def whole_simulation_fields(simulated: SimulatedRun) -> Fields:
    """Name -> explanation of the totals of a whole model that fits."""
    explained = [
        (cost.kernel, simulation_fields(own))
        for cost, own in zip(simulated.whole.kernels, simulated.simulations, strict=True)
        if own is not None
    ]
    design = next(own.design for own in simulated.simulations if own is not None)

    def total(name: str, unit: str) -> Step:
        return summed(name, unit, [(kernel, fields[name]()) for kernel, fields in explained])

    return {
        "cycles": partial(total, "cycles", "cycles"),
        "latency_s": lambda: _latency(total("cycles", "cycles"), design),
        "traffic_bytes": partial(total, "traffic_bytes", "B"),
    }


def _alike(simulation: Simulation) -> list[tuple[Run, int]]:
    """The runs of a simulation, and how often each is there: instances of a kernel, blocks of a part of one."""
    times = Counter(map(id, simulation.runs))
    return [(run, run.program.times * times[id(run)]) for run in {id(run): run for run in simulation.runs}.values()]


def _times(times: int, step: Step) -> Step:
    if times == 1:
        return step
    return made(f"{step.name}, {times} times", step.unit, How.PRODUCT, [counted("instances", times), step])


def _latency(cycles: Step, design: Design) -> Step:
    clock = _given(design, "clock_hz", design.architecture.clock_hz, "Hz")
    return made("latency_s", "s", How.QUOTIENT, [cycles, clock])


def _given(design: Design, name: str, value: float, unit: str) -> Step:
    known = origins(design.architecture, design.architecture_document)
    return Step(name, value, unit, How.GIVEN, origin=known[name])
