"""How a result comes about: counts times costs, each cost with its file and source, as a tree of steps.

Every step's value is what its parts give, combined in order as floats; the last one is the result, to the last bit.
The tree is written from counts and costs alone, beside the model's own sums: who reads it checks them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce

from einsim.model.closed_form import Evaluation
from einsim.model.costs import LEAKAGE, MJ, Costs, as_float
from einsim.model.counts import EinsumCount, LevelCount
from einsim.schedule.nest import EinsumSchedule, PhaseSchedule
from einsim.spec.configuration import Accounting, Design
from einsim.spec.expressions import Number
from einsim.spec.origins import origins
from einsim.spec.pricing import Origin


class How(StrEnum):
    """How a step's value follows from its parts."""

    COUNTED = "counted"
    GIVEN = "given"
    SUM = "sum"
    PRODUCT = "product"
    QUOTIENT = "quotient"
    GREATEST = "greatest"


@dataclass(frozen=True, slots=True)
class Step:
    """A value with its unit, and the steps that it follows from; a cost has its origin."""

    name: str
    value: Number
    unit: str
    how: How
    parts: tuple[Step, ...] = ()
    origin: Origin | None = None


def combine(how: How, values: list[Number]) -> Number:
    """What values give, taken in order."""
    match how:
        case How.SUM:
            return sum(values, start=0)
        case How.PRODUCT:
            return reduce(lambda a, b: a * b, values)
        case How.QUOTIENT:
            return values[0] / values[1]
        case How.GREATEST:
            return max(values)
        case How.COUNTED | How.GIVEN:
            raise ValueError(f"{how} follows from nothing")


def made(name: str, unit: str, how: How, parts: Iterable[Step]) -> Step:
    """A step that follows from others."""
    steps = tuple(parts)
    return Step(name, combine(how, [step.value for step in steps]) if steps else 0, unit, how, steps)


def counted(name: str, value: Number, unit: str = "") -> Step:
    """A count of the model."""
    return Step(name, value, unit, How.COUNTED)


class Explanation:
    """The fields of one design's evaluation, each explained when asked for."""

    def __init__(self, design: Design, evaluation: Evaluation) -> None:
        self.design = design
        self.evaluation = evaluation
        self.costs = Costs(design, {})
        self.origins = origins(design.architecture, design.architecture_document)
        self.einsums = {einsum.name: einsum for einsum in evaluation.schedule.einsums}

    def fields(self) -> dict[str, Callable[[], Step]]:
        """Name -> its explanation, in the order of tables."""
        machine = self.design.architecture
        shares = {("util_2d" if array.is_grid else "util_1d"): name for name, array in machine.arrays.items()}
        return {
            "traffic_bytes": self.traffic, "latency_s": self.latency, "compute_s": self.compute,
            "memory_s": lambda: self._longest("memory time", list(self.einsums)),
            "energy_pj": self.energy,
            **{field: lambda name=name: self.utilisation(name) for field, name in shares.items()},  # type: ignore[misc]
            "area_um2": lambda: self._whole("area_um2", "um^2"),
            **{f"energy_pj/{part}": lambda part=part: self._energies()[part]  # type: ignore[misc]
               for part in self.evaluation.energy_by_part_pj},
            **{f"area_um2/{part}": lambda part=part: self._areas("area_um2", "um^2")[part]  # type: ignore[misc]
               for part in (*machine.memories, *machine.arrays)},
            **{f"cycles/{array}": lambda array=array: self._cycles(array, self.einsums)  # type: ignore[misc]
               for array in self.evaluation.cycles_by_array},
        }  # fmt: skip

    def cost(self, name: str, unit: str) -> Step:
        """A number of the machine with its origin."""
        return Step(name, self.costs[name], unit, How.GIVEN, origin=self.origins.get(name))

    # Energy

    def energy(self) -> Step:
        """Energy of everything: parts, each the sum of its charges."""
        return made("energy_pj", "pJ", How.SUM, self._energies().values())

    def _energies(self) -> dict[str, Step]:
        charges: dict[str, list[Step]] = {}
        for row in self.evaluation.counts.levels:
            if row.charged:
                charges.setdefault(row.level, []).append(self._access(row))
        for einsum in self.einsums.values():
            points = as_float(self.evaluation.counts.einsums[einsum.name].points)
            for operation, times in einsum.charged:
                part = f"{einsum.array}.{operation}"
                steps = [counted(f"points of {einsum.name}", points), counted(f"{operation}s a point", times),
                         self.cost(f"{part}.energy_pj", "pJ")]  # fmt: skip
                charges.setdefault(part, []).append(made(einsum.name, "pJ", How.PRODUCT, steps))
        found = {part: made(part, "pJ", How.SUM, steps) for part, steps in charges.items()}
        if LEAKAGE in self.evaluation.energy_by_part_pj:
            power = self._whole("leak_mw", "mW")
            found[LEAKAGE] = made(LEAKAGE, "pJ", How.PRODUCT, [power, self.latency(), counted("pJ a mJ", MJ)])
        return found

    def _access(self, row: LevelCount) -> Step:
        """Energy of one access at one level, as `Energy` charges it; sides that move nothing are left out."""
        sides: list[Step] = []
        for kind, words in (("read", row.reads), ("write", row.fills + row.updates)):
            if words or (kind == "write" and not sides):
                steps = [counted(f"words {kind}", as_float(words)), self.cost(f"{row.level}.{kind}_energy_pj", "pJ")]
                sides.append(made(f"{kind}s", "pJ", How.PRODUCT, steps))
        name, share = f"{row.einsum}: {row.label}", self._share(row)
        if share is None:
            return made(name, "pJ", How.SUM, sides)
        both = sides[0] if len(sides) == 1 else made("reads and writes", "pJ", How.SUM, sides)
        return made(name, "pJ", How.QUOTIENT, [both, share])

    def _share(self, row: LevelCount) -> Step | None:
        """Words of one access of a memory; or the register files that share what is charged once."""
        einsum = self.einsums[row.einsum]
        if row.level in self.design.architecture.memories:
            parts = [self.cost(f"{row.level}.access_bytes", "B"), self.cost("word_bytes", "B")]
            return made("words an access", "", How.QUOTIENT, parts)
        if self.design.accounting is Accounting.PUBLISHED and row.level == einsum.registers:
            elements = as_float(self.evaluation.counts.einsums[row.einsum].elements)
            return counted("elements in use, one of which is charged", elements)
        return None

    # Area and leakage

    def _whole(self, quantity: str, unit: str) -> Step:
        """A quantity of the whole machine."""
        return made(quantity, unit, How.SUM, self._areas(quantity, unit).values())

    def _areas(self, quantity: str, unit: str) -> dict[str, Step]:
        machine = self.design.architecture
        found = {name: self.cost(f"{name}.{quantity}", unit) for name in machine.memories}
        for name, array in machine.arrays.items():
            units = [f"{name}.{each}" for each, operation in array.operations.items() if operation.macro is None]
            parts = [self.cost(f"{part}.{quantity}", unit) for part in (array.registers.name, *units)]
            element = made("one element", unit, How.SUM, parts)
            axes = [self.cost(f"{name}.{axis}", "") for axis in array.axes]
            found[name] = made(name, unit, How.PRODUCT, [element, *axes])
        return found

    # Traffic and time

    def traffic(self) -> Step:
        """Bytes to and from the outermost memory."""
        outermost = self.design.architecture.outermost
        rows = [counted(f"{row.einsum}: {row.label}", row.reads + row.updates, "words")
                for row in self.evaluation.counts.levels if row.level == outermost]  # fmt: skip
        words = made("words", "words", How.SUM, rows)
        return made("traffic_bytes", "B", How.PRODUCT, [words, self.cost("word_bytes", "B")])

    def compute(self) -> Step:
        """Phases one after another."""
        return made("compute_s", "s", How.SUM, [self._busy(number) for number in range(len(self._phases()))])

    def latency(self) -> Step:
        """Memory time hides behind the whole run, or behind its phase."""
        if not self.evaluation.schedule.per_phase_memory:
            memory = self._longest("memory time", list(self.einsums))
            return made("latency_s", "s", How.GREATEST, [self.compute(), memory])
        phases = []
        for number, phase in enumerate(self._phases()):
            names = [name for _, side in phase.run for name in side]
            parts = [self._busy(number), self._longest("memory time", names)]
            phases.append(made(f"phase {number + 1}", "s", How.GREATEST, parts))
        return made("latency_s", "s", How.SUM, phases)

    def utilisation(self, array: str) -> Step:
        """Busy cycles of all elements over all cycles of all elements."""
        busy = [
            made(einsum.name, "cycles", How.PRODUCT, [counted("points", as_float(self._work(einsum).points)),
                                                      counted("cycles a point", einsum.cycles_per_point)])
            for einsum in self.einsums.values() if einsum.array == array
        ]  # fmt: skip
        axes = self.design.architecture.arrays[array].axes
        elements = made("elements", "", How.PRODUCT, [self.cost(f"{array}.{axis}", "") for axis in axes])
        there = made("cycles of all elements", "cycles", How.PRODUCT,
                     [elements, self.latency(), self.cost("clock_hz", "Hz")])  # fmt: skip
        return made(array, "", How.QUOTIENT, [made("busy", "cycles", How.SUM, busy), there])

    def _phases(self) -> tuple[PhaseSchedule, ...]:
        return self.evaluation.schedule.phases

    def _work(self, einsum: EinsumSchedule) -> EinsumCount:
        return self.evaluation.counts.einsums[einsum.name]

    def _cycles(self, array: str, names: Iterable[str]) -> Step:
        einsums = [self.einsums[name] for name in names if self.einsums[name].array == array]
        parts = [
            made(einsum.name, "cycles", How.PRODUCT,
                 [counted("steps", self._work(einsum).steps), counted("cycles a point", einsum.cycles_per_point)])
            for einsum in einsums
        ]  # fmt: skip
        return made(array, "cycles", How.SUM, parts)

    def _busy(self, number: int) -> Step:
        """Seconds of the arrays of a phase, side by side."""
        phase = self.evaluation.schedule.phases[number]
        sides = [self._cycles(array, names) for array, names in phase.run]
        cycles = made("the slower array", "cycles", How.GREATEST, sides) if sides else counted("no array", 0, "cycles")
        if phase.stall_each is not None:
            steps = self.evaluation.counts.einsums[phase.stall_each].steps
            parts = [counted(f"steps of {phase.stall_each}", steps), counted("cycles a step", phase.stall_cycles)]
            cycles = made("with stalls", "cycles", How.SUM, [cycles, made("stalls", "cycles", How.PRODUCT, parts)])
        return made(f"phase {number + 1} on the arrays", "s", How.QUOTIENT, [cycles, self.cost("clock_hz", "Hz")])

    def _longest(self, name: str, names: list[str]) -> Step:
        """Seconds of the slowest channel of the memories over some Einsums."""
        channels = []
        for memory, record in self.design.architecture.memories.items():
            if record.bandwidth_bytes_per_s is None:
                continue
            kinds = (("reads",), ("fills", "updates")) if record.duplex else (("reads", "fills", "updates"),)
            for each in kinds:
                channels.append(self._channel(memory, each, names))
        return made(name, "s", How.GREATEST, channels) if channels else counted("no memory limits time", 0.0, "s")

    def _channel(self, memory: str, kinds: tuple[str, ...], names: list[str]) -> Step:
        rate = made("seconds a word", "s", How.QUOTIENT,
                    [self.cost("word_bytes", "B"), self.cost(f"{memory}.bandwidth_bytes_per_s", "B/s")])  # fmt: skip
        parts = []
        for einsum in names:
            rows = [
                made(row.label, "s", How.PRODUCT, [counted("words", as_float(_words(row, kinds))), rate])
                for row in self.evaluation.counts.levels if row.level == memory and row.einsum == einsum
            ]  # fmt: skip
            if rows:
                parts.append(made(einsum, "s", How.SUM, rows))
        return made(f"{memory}, {' and '.join(kinds)}", "s", How.SUM, parts)


def _words(row: LevelCount, kinds: tuple[str, ...]) -> Number:
    return sum((getattr(row, kind) for kind in kinds), start=0)
