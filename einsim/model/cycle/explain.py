"""How simulated results come about: busy slots and stalls that add up to cycles, words and points of strands.

Every number of a simulation's record has a chain, by its path there. What the cycle model finds by running a program
(cycles of one cause, what memories hold) is a leaf, with the closed form's number or a bound beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from einsim.model.cycle.evaluation import Simulation
from einsim.model.cycle.simulate import Run
from einsim.model.cycle.whole import SimulatedRun
from einsim.model.explain import Explanation
from einsim.model.steps import Explain, Fields, How, Step, counted, found, made, named, times
from einsim.model.wholeexplain import kernel_explanation, kernel_inputs, run_inputs, summed
from einsim.schedule.pipeline.program import Cause, Strand
from einsim.spec.modelrun import PlannedKernel

_RUN = "by the cycle model"
_WHY = {
    Cause.FILL: "before its first slot", Cause.OPERAND: "for an operand", Cause.LATENCY: "for its own last result",
    Cause.TRAVEL: "for what is on its way through an array", Cause.MEMORY: "for data of the outermost memory",
    Cause.FULL: "for room for its result", Cause.PORT: "for a port of the buffer", Cause.PHASE: "for the phase before",
    Cause.END: "after its last slot",
}  # fmt: skip
"""What an array waits for."""


def simulation_fields(simulation: Simulation, closed: Explanation | None = None) -> Fields:
    """Path in the record -> explanation, of a simulation that fits; `closed`: the closed form's chains of it."""
    return _Chains(simulation, closed or Explanation(simulation.design, simulation.closed_form)).fields()


class _Chains:
    """The chains of one simulation."""

    def __init__(self, simulation: Simulation, closed: Explanation) -> None:
        self.simulation = simulation
        self.closed = closed
        self.machine = simulation.design.architecture
        often = Counter(map(id, simulation.runs))
        self.runs = [(run, run.program.times * often[id(run)]) for run in {id(r): r for r in simulation.runs}.values()]

    def fields(self) -> Fields:
        simulation, machine, closed = self.simulation, self.machine, self.closed.fields()
        own: dict[str, Explain] = {
            "cycles": lambda: replace(self.cycles(), beside=(self.closed_cycles(),)),
            "latency_s": self.latency, "traffic_bytes": self.traffic, "cycles_closed_form": self.closed_cycles,
        }  # fmt: skip
        own |= {("util_2d" if array.is_grid else "util_1d"): partial(self.utilisation, name)
                for name, array in machine.arrays.items()}  # fmt: skip
        for array, causes in simulation.stalls().items():
            own |= {f"stalls/{array}/{cause}": partial(self.stalled, array, Cause[cause.upper()]) for cause in causes}
        own |= {f"high_water/{level}": partial(self.water, level) for level in simulation.high_water_bytes()}
        own |= {f"registers_words/{level}": partial(self.registers, level) for level in simulation.register_words()}
        own |= {f"registers_depth/{each.registers.name}":
                partial(self.closed.cost, f"{each.registers.name}.depth_words", "words")
                for each in machine.arrays.values()}  # fmt: skip
        kept = ("seq_len", "sizes/", "choices/", "capacity_bytes/", "spills/")
        own |= {name: explain for name, explain in closed.own.items() if name.startswith(kept)}
        programs = {f"programs/{number}": partial(self.program, run) for number, run in enumerate(simulation.runs)}
        return Fields(own, programs)

    def clock(self) -> Step:
        """The machine's clock."""
        return self.closed.cost("clock_hz", "Hz")

    # The whole simulation

    def closed_cycles(self) -> Step:
        """What the closed form says."""
        return made("cycles_closed_form", "cycles", How.PRODUCT, [self.closed.latency(), self.clock()])

    def cycles(self) -> Step:
        """Programs one after another."""
        return made("cycles", "cycles", How.SUM, [times(self.run_cycles(run), n, "instances") for run, n in self.runs])

    def latency(self) -> Step:
        """Cycles over the clock."""
        return made("latency_s", "s", How.QUOTIENT, [self.cycles(), self.clock()])

    def traffic(self) -> Step:
        """Words that strands moved to and from the outermost memory."""
        rows = [
            times(self.moved(run, number, strand), often, "instances")
            for run, often in self.runs for number, strand in enumerate(run.program.strands) if run.moved(number)
        ]  # fmt: skip
        words = made("words", "words", How.SUM, rows)
        return made("traffic_bytes", "B", How.PRODUCT, [words, self.closed.cost("word_bytes", "B")])

    def utilisation(self, array: str) -> Step:
        """Busy cycles of all elements over all of them; points that exist, not whole tiles."""
        costs = self.closed.einsums
        busy = []
        for run, often in self.runs:
            for number, strand in enumerate(run.program.strands):
                if strand.resource == array:
                    points = self.tally(f"points of {strand.einsum}", "", run, number, strand.points)
                    parts = [points, counted("cycles a point", int(costs[strand.einsum].cycles_per_point))]
                    step = made(f"{run.program.name}: {strand.name}", "cycles", How.PRODUCT, parts)
                    busy.append(times(step, often, "instances"))
        axes = [self.closed.cost(f"{array}.{axis}", "") for axis in self.machine.arrays[array].axes]
        there = made("cycles of all elements", "cycles", How.PRODUCT, [*axes, self.cycles()])
        return made(array, "", How.QUOTIENT, [made("busy", "cycles", How.SUM, busy), there])

    def stalled(self, array: str, cause: Cause) -> Step:
        """Cycles in which an array did not issue for one reason."""
        name = f"{array} waits {_WHY[cause]}"
        rows = [times(self.stall(run, array, cause), often, "instances") for run, often in self.runs
                if run.stalls[array].get(cause, 0)]  # fmt: skip
        return made(name, "cycles", How.SUM, rows)

    def water(self, level: str) -> Step:
        """The most bytes that a memory holds at one time."""
        rows = [found(run.program.name, run.high_water[level], "words", f"the most at one time, {_RUN}")
                for run, _ in self.runs]  # fmt: skip
        words = made("most of any program", "words", How.GREATEST, rows)
        return made(level, "B", How.PRODUCT, [words, self.closed.cost("word_bytes", "B")])

    def registers(self, level: str) -> Step:
        """The most words that one register file holds by the plans."""
        rows = [found(run.program.name, run.program.registers[level], "words", "the most at one time, by the plan")
                for run, _ in self.runs if level in run.program.registers]  # fmt: skip
        return made(level, "words", How.GREATEST, rows)

    # One program

    def program(self, run: Run) -> Fields:
        """The numbers of one program's run."""
        program = run.program
        own: dict[str, Explain] = {
            "times": partial(counted, "times", program.times, "", "blocks of a part of a fusion group"),
            "epochs": partial(self.epochs, run), "cycles": partial(self.run_cycles, run),
            "interval": partial(found, "interval", program.interval, "cycles", "between epochs, by the plan",
                                *self.bounds(run)),
            "resource_bound": lambda: self.bounds(run)[0], "recurrence_bound": lambda: self.bounds(run)[1],
            "channel_busy": partial(found, "channel busy", run.channel_busy, "cycles", f"off chip, {_RUN}"),
            "issued": lambda: made("issued", "slots", How.SUM, [self.slots(run, number)
                                                                for number in range(len(program.strands))]),
            "simulated": partial(found, "simulated", run.simulated, "slots", "issued one by one; others repeat"),
        }  # fmt: skip
        loops = zip(program.epochs.loops, program.epochs.trips, strict=True)
        own |= {f"loops/{loop.name}": partial(self.trips, loop.name, loop.rank, trips) for loop, trips in loops}
        for array in run.busy:
            own[f"busy/{array}"] = partial(self.busy, run, array)
            own |= {f"stalls/{array}/{cause.name.lower()}": partial(self.stall, run, array, cause)
                    for cause in run.stalls[array]}  # fmt: skip
        for number, strand in enumerate(program.strands):
            own |= {f"strands/{number}/{name}": explain for name, explain in self.strand(run, number, strand).items()}
        return Fields(own)

    def run_cycles(self, run: Run) -> Step:
        """Of the array that is busy longest, its slots and why it waits: they add up to the cycles of the program."""
        array = max(run.busy, key=lambda name: run.busy[name])
        waits = [self.stall(run, array, cause) for cause in run.stalls[array]]
        name = f"{run.program.name}, {run.epochs:,} epochs"
        return made(name, "cycles", How.SUM, [self.busy(run, array), *waits])

    def busy(self, run: Run, array: str) -> Step:
        """Slots that an array issues, strand by strand."""
        rows = [self.slots(run, number) for number, strand in enumerate(run.program.strands)
                if strand.resource == array]  # fmt: skip
        return made(f"{array} issues", "cycles", How.SUM, rows)

    def slots(self, run: Run, number: int) -> Step:
        """Slots of a strand: instances times slots of each, by the extents of their tiles."""
        return self.tally(run.program.strands[number].name, "cycles", run, number, run.program.strands[number].slots)

    def moved(self, run: Run, number: int, strand: Strand) -> Step:
        """Words of a strand."""
        return self.tally(f"{run.program.name}: {strand.name}", "words", run, number, strand.moved)

    def tally(self, name: str, unit: str, run: Run, number: int, each: tuple[object, ...]) -> Step:
        """Instances of a strand, by the extents of their tiles, times what each does."""
        kinds = [
            made(f"instances of kind {kind}", unit, How.PRODUCT, [counted("instances", often), counted("each", size)])
            for kind, (often, size) in enumerate(zip(run.instances[number], each, strict=False)) if often
        ]  # fmt: skip
        return named(kinds[0], name) if len(kinds) == 1 else made(name, unit, How.SUM, kinds)

    def stall(self, run: Run, array: str, cause: Cause) -> Step:
        """Cycles of one cause."""
        return found(f"waits {_WHY[cause]}", run.stalls[array][cause], "cycles", f"{array}, {_RUN}")

    def epochs(self, run: Run) -> Step:
        """Turns of the shared loops; filters may leave out some."""
        epochs = run.program.epochs
        loops = zip(epochs.loops, epochs.trips, strict=True)
        every = made("epochs", "", How.PRODUCT, [self.trips(loop.name, loop.rank, n) for loop, n in loops])
        if every.value == run.epochs or not epochs.trips:
            return every if epochs.trips else counted("epochs", run.epochs, note="no loop is shared")
        return found("epochs", run.epochs, "", f"those that filters leave, {_RUN}", every)

    def trips(self, name: str, rank: str, trips: int) -> Step:
        """Turns of one loop."""
        return counted(f"turns of {name}", trips, note=f"over tiles of {rank}")

    def bounds(self, run: Run) -> tuple[Step, Step]:
        """The least intervals that the busiest array and the iterations allow."""
        program = run.program
        loads = [
            made(array, "cycles", How.SUM, [counted(strand.name, strand.slots[0], "slots") for strand in program.strands
                                            if strand.resource == array])
            for array in run.busy
        ]  # fmt: skip
        most = made("resource_bound", "cycles", How.GREATEST, [*loads, counted("at least", 1)])
        if most.value != program.resource_bound:
            most = found(
                "resource_bound",
                program.resource_bound,
                "cycles",
                "of the busiest array, or of the longest instance",
                most,
            )
        note = "the slowest circle of dependences over its epochs"
        return most, found("recurrence_bound", program.recurrence_bound, "cycles", note)

    def strand(self, run: Run, number: int, strand: Strand) -> dict[str, Explain]:
        """The numbers of one strand: what an instance takes, and when it is planned."""
        start, interval = run.program.starts[number].at[0], run.program.interval
        planned = partial(found, "planned", start, "cycles", "cycle of its epoch's first slot, by the plan")
        return {
            "planned": planned,
            "lag": lambda: found("lag", start // interval, "epochs", "whole intervals in the planned cycle", planned()),
            "slots": partial(counted, "slots", strand.slots[0], "slots", "of an instance of whole tiles"),
            "units": partial(counted, "units", strand.units[0], "", "between which strands wait for each other"),
        }


def whole_simulation_fields(simulated: SimulatedRun) -> Fields:
    """Path in the record -> explanation, of a whole model that fits."""
    return _Whole(simulated).fields()


class _Whole:
    """The chains of a whole model's simulation, kernel by kernel."""

    def __init__(self, simulated: SimulatedRun) -> None:
        self.simulated = simulated
        self.whole = simulated.whole
        self.rows: list[tuple[PlannedKernel, _Chains]] = []
        self.places: dict[int, int] = {}
        for place, (cost, own) in enumerate(zip(self.whole.kernels, simulated.simulations, strict=True)):
            if own is not None and own.feasible:
                closed = kernel_explanation(cost, self.whole, own.design, own.closed_form)
                self.places[place] = len(self.rows)
                self.rows.append((cost.kernel, _Chains(own, closed)))

    def fields(self) -> Fields:
        own: dict[str, Explain] = {
            "cycles": lambda: replace(self.total("cycles", "cycles"), beside=(self.closed_cycles(),)),
            "latency_s": self.latency,
            "traffic_bytes": partial(self.total, "traffic_bytes", "B"),
            "cycles_closed_form": self.closed_cycles,
            "tokens_per_s": self.rate, **run_inputs(self.whole.run),
        }  # fmt: skip
        own |= {("util_2d" if array.is_grid else "util_1d"): partial(self.utilisation, name)
                for name, array in self.whole.machine.arrays.items()}  # fmt: skip
        for array in self.whole.machine.arrays:
            causes = dict.fromkeys(cause for _, each in self.rows for cause in each.simulation.stalls()[array])
            own |= {f"stalls/{array}/{cause}": partial(self.stalled, array, cause) for cause in causes}
        inner: dict[str, Callable[[], Fields]] = {
            f"kernels/{place}": partial(self.kernel, place) for place in range(len(self.whole.kernels))
        }
        return Fields(own, inner)

    def closed_cycles(self) -> Step:
        """What the closed form says."""
        return self.total("cycles_closed_form", "cycles")

    def total(self, name: str, unit: str) -> Step:
        """A sum over kernels."""
        alone = {
            "cycles": _Chains.cycles,
            "traffic_bytes": _Chains.traffic,
            "cycles_closed_form": _Chains.closed_cycles,
        }
        return summed(name, unit, [(kernel, alone[name](own)) for kernel, own in self.rows])

    def latency(self) -> Step:
        """Cycles over the clock."""
        return made("latency_s", "s", How.QUOTIENT, [self.total("cycles", "cycles"), self.rows[0][1].clock()])

    def rate(self) -> Step:
        """Tokens a second."""
        inputs = run_inputs(self.whole.run)
        tokens = made("tokens", "", How.PRODUCT, [inputs["batch"](), inputs["new_tokens"]()])
        return made("tokens_per_s", "1/s", How.QUOTIENT, [tokens, self.latency()])

    def utilisation(self, array: str) -> Step:
        """Cycles in which elements are busy, kernel by kernel, over all that there are."""
        busy = [(kernel, own.utilisation(array).parts[0]) for kernel, own in self.rows]
        first = self.rows[0][1]
        axes = [first.closed.cost(f"{array}.{axis}", "") for axis in self.whole.machine.arrays[array].axes]
        there = made("cycles of all elements", "cycles", How.PRODUCT, [*axes, self.total("cycles", "cycles")])
        return made(array, "", How.QUOTIENT, [summed("busy", "cycles", busy), there])

    def stalled(self, array: str, cause: str) -> Step:
        """Cycles in which an array did not issue for one reason, kernel by kernel."""
        rows = [(kernel, own.stalled(array, Cause[cause.upper()])) for kernel, own in self.rows
                if cause in own.simulation.stalls()[array]]  # fmt: skip
        return summed(f"{array}: {cause}", "cycles", rows)

    def kernel(self, place: int) -> Fields:
        """The numbers of one kernel, of one run of it."""
        own = kernel_inputs(self.whole.kernels[place], self.whole.run)
        if place not in self.places:  # one that does not fit
            return Fields(own)
        fields = self.rows[self.places[place]][1].fields().own
        kept = ("choices/", "stalls/")
        return Fields(own | {n: each for n, each in fields.items() if "/" not in n or n.startswith(kept)})
