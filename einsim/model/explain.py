"""How the numbers of one design come about: counts times costs, each cost with its file and source.

Every number of its record (`einsim.model.result.to_record`) has a chain, by its path there; areas of parts, which the
record has not, are `area_um2/PART`. The last step of a chain is the number, to the last bit. Chains are written from
counts and costs alone, beside the model's own sums: who reads them checks them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial

from einsim.errors import Location
from einsim.model.closed_form import Evaluation
from einsim.model.costs import LEAKAGE, MJ, Costs, as_float
from einsim.model.countexplain import KINDS, CountChains
from einsim.model.counts import EinsumCount, LevelCount
from einsim.model.steps import Explain, Fields, How, Step, counted, made, named
from einsim.schedule.nest import EinsumSchedule, PhaseSchedule
from einsim.schedule.tiles import words_held
from einsim.spec.configuration import Accounting, Design
from einsim.spec.expressions import Number
from einsim.spec.mapping import Fitted
from einsim.spec.origins import origins, size_origins
from einsim.spec.pricing import Origin
from einsim.spec.yamlfile import Document


class Explanation:
    """The numbers of one design's evaluation, each explained when asked for.

    given: origins of the sizes, where they are not the design's own workload; instances: how often everything is there
    (of mappings that einsim makes); document: the machine's, of a design that does not carry it.
    """

    def __init__(
        self, design: Design, evaluation: Evaluation, given: Mapping[str, Origin] | None = None, instances: int = 1,
        document: Document | None = None,
    ) -> None:  # fmt: skip
        self.design = design
        self.evaluation = evaluation
        self.costs = Costs(design, {})
        self.origins = origins(design.architecture, document or design.architecture_document)
        self.sizes = size_origins(design) | dict(given or {})
        self.instances = instances
        self.einsums = {einsum.name: einsum for einsum in evaluation.schedule.einsums}

    @cached_property
    def chains(self) -> CountChains:
        """The chains of counts."""
        return CountChains(self.design, self.evaluation, self.sizes, self.instances)

    def fields(self) -> Fields:
        """Path in the record -> explanation, and those of areas by part."""
        machine = self.design.architecture
        shares = {("util_2d" if array.is_grid else "util_1d"): name for name, array in machine.arrays.items()}
        own: dict[str, Explain] = {
            "traffic_bytes": self.traffic, "latency_s": self.latency, "compute_s": self.compute,
            "memory_s": lambda: self._longest("memory time", list(self.einsums)),
            "energy_pj": self.energy,
            **{field: partial(self.utilisation, name) for field, name in shares.items()},
            "area_um2": lambda: self._whole("area_um2", "um^2"),
        }  # fmt: skip
        parts: dict[str, Callable[[], Fields]] = {
            "energy_by_part_pj": _each(self.evaluation.energy_by_part_pj, lambda part: self._energies()[part]),
            "area_um2": _each((*machine.memories, *machine.arrays), lambda part: self._areas("area_um2", "um^2")[part]),
            "cycles_by_array": _each(
                self.evaluation.cycles_by_array, lambda name: self.array_cycles(name, self.einsums)
            ),
            **{f"einsums/{name}": partial(self._einsum, name) for name in self.einsums},
        }
        return Fields({**own, **self._inputs(), **self._held()}, parts)

    def cost(self, name: str, unit: str) -> Step:
        """A number of the machine with its origin."""
        return Step(name, self.costs[name], unit, How.GIVEN, origin=self.origins.get(name))

    def size(self, name: str, value: Number) -> Step:
        """A size or choice with its origin."""
        if name in self.sizes:
            return Step(name, value, "", How.GIVEN, origin=self.sizes[name])
        return counted(name, value, note="follows from the other sizes")

    # What goes in, and what the mapping makes of it

    def _inputs(self) -> dict[str, Explain]:
        workload, machine = self.design.workload, self.design.architecture
        own: dict[str, Explain] = {f"sizes/{n}": partial(self.size, n, size) for n, size in workload.sizes}
        own |= {f"choices/{n}": partial(self.size, n, value) for n, value in self.design.choices
                if isinstance(value, int)}  # fmt: skip
        if workload.seq_len is not None:
            origin = Origin(Location("--seq-len"), "tokens of a sequence")
            own["seq_len"] = lambda: Step("seq_len", workload.seq_len, "tokens", How.GIVEN, origin=origin)
        return own | {f"capacity_bytes/{name}": partial(self.cost, f"{name}.capacity_bytes", "B")
                      for name, memory in machine.memories.items() if memory.capacity_bytes}  # fmt: skip

    def _held(self) -> dict[str, Explain]:
        """Tiles and what is kept on chip."""
        schedule = self.evaluation.schedule
        own: dict[str, Explain] = {f"tiles/{n}": partial(self._tile, n, value) for n, value in schedule.tiles.items()}
        own |= {f"occupancy_bytes/{level}": partial(self._occupancy, level, held)
                for level, held in schedule.occupancy.items()}  # fmt: skip
        own["held_bytes"] = lambda: made("held_bytes", "B", How.SUM, [own[f"occupancy_bytes/{level}"]()
                                                                      for level in schedule.occupancy])  # fmt: skip
        rules = [rule for rule in schedule.spills if rule.tensors and rule.proportion]
        return own | {f"spills/{number}/proportion": partial(self._proportion, schedule.spills.index(rule))
                      for number, rule in enumerate(rules)}  # fmt: skip

    def _proportion(self, number: int) -> Step:
        at = self.design.mapping_document.locate(("spill", number, "proportion"))
        rule = self.design.mapping.spill[number]
        value = self.evaluation.schedule.spills[number].proportion
        return Step("proportion", value, "", How.GIVEN, origin=Origin(at, f"proportion: {rule.proportion}"))

    def _tile(self, name: str, value: Number) -> Step:
        tile = self.design.mapping.tiles[name]
        at = self.design.mapping_document.locate(("tiles", name))
        fitted = (
            f"the largest divisor of {tile.divides} whose tiles fit {tile.fits}" if isinstance(tile, Fitted) else ""
        )
        return Step(name, value, "", How.GIVEN, origin=Origin(at, fitted or f"{name}: {tile}"))

    def _occupancy(self, level: str, held: Number) -> Step:
        """Of the fusion group that holds most, words tensor by tensor."""
        name = f"occupancy of {level}"
        if not self.design.mapping_document.value:
            return counted(name, held, "B", "blocks of the Einsum that needs the most room")
        groups = words_held(self.design, self.evaluation.schedule, level)
        words = [
            made(f"fusion group {number + 1}", "words", How.SUM, [counted(f"most of {each}", amount, "words")
                                                                  for each, amount in tensors.items()])
            for number, tensors in enumerate(groups)
        ]  # fmt: skip
        most = made("the fullest fusion group", "words", How.GREATEST, words)
        return made(name, "B", How.PRODUCT, [most, self.cost("word_bytes", "B")])

    # One Einsum

    def _einsum(self, name: str) -> Fields:
        einsum, rows = self.einsums[name], [row for row in self.evaluation.counts.levels if row.einsum == name]
        own: dict[str, Explain] = {
            "cycles": lambda: named(self._einsum_cycles(einsum), f"cycles of {name}"),
            "operations": lambda: self.chains.points(name),
            "cycles_per_point": lambda: self._cycles_a_point(einsum),
            "elements": lambda: self.chains.elements(name),
            "energy_pj": lambda: self._energy_of(name),
        }
        for operation, often in einsum.operations:
            own[f"unit_operations/{operation}"] = partial(self._unit_operations, name, operation, often)
        own |= {f"accesses/{number}/{kind}": partial(self.chains.words, row, kind)
                for number, row in enumerate(rows) for kind in KINDS}  # fmt: skip
        for level, tensor in dict.fromkeys((row.level, row.tensor) for row in rows):
            mine = [row for row in rows if (row.level, row.tensor) == (level, tensor)]
            own |= {f"levels/{level}/{tensor}/{kind}": partial(self._moved, mine, kind) for kind in KINDS}
        return Fields(own)

    def _moved(self, rows: list[LevelCount], kind: str) -> Step:
        each = [self.chains.words(row, kind) for row in rows]
        return each[0] if len(each) == 1 else made(f"{kind} of all accesses", "words", How.SUM, each)

    def _unit_operations(self, name: str, operation: str, often: int) -> Step:
        parts = [self.chains.points(name), counted(f"{operation}s a point", often, note=f"what {name} computes")]
        return made(f"{operation}s of {name}", "", How.PRODUCT, parts)

    def _cycles_a_point(self, einsum: EinsumSchedule) -> Step:
        """Operations one after another, or the slowest where they are pipelined."""
        units = self.design.architecture.arrays[einsum.array].operations
        parts = [
            made(f"{name}s", "cycles", How.PRODUCT,
                 [counted(f"{name}s a point", often, note=f"what {einsum.name} computes"),
                  self._given(f"{einsum.array}.{name}.cycles", units[name].cycles, "cycles")])
            for name, often in einsum.operations
        ]  # fmt: skip
        step = made("cycles a point", "cycles", How.SUM, parts)
        if step.value == einsum.cycles_per_point:
            return step
        note = "its slowest operation, pipelined" if parts else "no operation: a cycle to move a point"
        return counted("cycles a point", einsum.cycles_per_point, "cycles", note)

    def _given(self, name: str, value: Number, unit: str) -> Step:
        return Step(name, value, unit, How.GIVEN, origin=self.origins[name])

    def _energy_of(self, name: str) -> Step:
        """The charges of one Einsum, part by part."""
        charges = [named(step, f"{part}: {step.name}") for part, steps in self._charges().items() for of, step in steps
                   if of == name]  # fmt: skip
        return made(f"energy of {name}", "pJ", How.SUM, charges)

    # Energy

    def energy(self) -> Step:
        """Energy of everything: parts, each the sum of its charges."""
        return made("energy_pj", "pJ", How.SUM, self._energies().values())

    def _charges(self) -> dict[str, list[tuple[str, Step]]]:
        """Part of the machine -> what is charged there, each with its Einsum."""
        charges: dict[str, list[tuple[str, Step]]] = {}
        for row in self.evaluation.counts.levels:
            if row.charged:
                charges.setdefault(row.level, []).append((row.einsum, self._access(row)))
        for einsum in self.einsums.values():
            points = as_float(self._work(einsum).points)
            for operation, often in einsum.charged:
                part = f"{einsum.array}.{operation}"
                steps = [counted(f"points of {einsum.name}", points), counted(f"{operation}s a point", often),
                         self.cost(f"{part}.energy_pj", "pJ")]  # fmt: skip
                step = made(einsum.name, "pJ", How.PRODUCT, steps)
                charges.setdefault(part, []).append((einsum.name, step))
        return charges

    def _energies(self) -> dict[str, Step]:
        charges = self._charges().items()
        found = {part: made(part, "pJ", How.SUM, [step for _, step in steps]) for part, steps in charges}
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

    def array_cycles(self, array: str, names: Iterable[str]) -> Step:
        """Cycles of some Einsums on one array."""
        einsums = [self.einsums[name] for name in names if self.einsums[name].array == array]
        return made(array, "cycles", How.SUM, map(self._einsum_cycles, einsums))

    def _einsum_cycles(self, einsum: EinsumSchedule) -> Step:
        parts = [counted("steps", self._work(einsum).steps), counted("cycles a point", einsum.cycles_per_point)]
        return made(einsum.name, "cycles", How.PRODUCT, parts)

    def _busy(self, number: int) -> Step:
        """Seconds of the arrays of a phase, side by side."""
        phase = self.evaluation.schedule.phases[number]
        sides = [self.array_cycles(array, names) for array, names in phase.run]
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


def _each(names: Iterable[str], explain: Callable[[str], Step]) -> Callable[[], Fields]:
    """The fields of some names, each explained in the same way."""
    return lambda: Fields({name: partial(explain, name) for name in names})
