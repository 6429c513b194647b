"""How a simulated result comes about: cycles of its programs, words of its strands."""

from __future__ import annotations

from collections.abc import Callable

from einsim.model.cycle.evaluation import Simulation
from einsim.model.explain import How, Step, counted, made
from einsim.spec.origins import origins


def simulation_fields(simulation: Simulation) -> dict[str, Callable[[], Step]]:
    """Name -> explanation of the fields of a simulation."""
    design = simulation.design
    known = origins(design.architecture, design.architecture_document)

    def cycles() -> Step:
        parts = [counted(f"{run.program.name}, {run.epochs} epochs", run.cycles, "cycles") for run in simulation.runs]
        return made("cycles", "cycles", How.SUM, parts)

    def latency() -> Step:
        clock = Step("clock_hz", design.architecture.clock_hz, "Hz", How.GIVEN, origin=known["clock_hz"])
        return made("latency_s", "s", How.QUOTIENT, [cycles(), clock])

    def traffic() -> Step:
        words = made("words", "words", How.SUM, [
            counted(f"{run.program.name}: {strand.name}", run.moved(number), "words")
            for run in simulation.runs for number, strand in enumerate(run.program.strands) if run.moved(number)
        ])  # fmt: skip
        word = Step("word_bytes", design.architecture.word_bytes, "B", How.GIVEN, origin=known["word_bytes"])
        return made("traffic_bytes", "B", How.PRODUCT, [words, word])

    return {"cycles": cycles, "latency_s": latency, "traffic_bytes": traffic}
