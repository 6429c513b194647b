"""From an architecture's document to a machine whose costs are all known: stated there, or taken from tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

from einsim.errors import Location, SpecError, suggest
from einsim.spec import library
from einsim.spec.architecture import Architecture, machine_fields
from einsim.spec.components import Component, Dram, Flat, RegisterFile, Sram
from einsim.spec.costtable import CostTable, Loaded, SramRows, load_rows, load_scaling, load_table
from einsim.spec.expressions import Number
from einsim.spec.fields import validate
from einsim.spec.hwcomponents import from_hwcomponents
from einsim.spec.pricing import CostsUsed, Priced, Pricing, bits_of
from einsim.spec.yamlfile import Document, Identity, Path, Value
from einsim.units import show_bytes

_AREA: Final = ("area_um2",)
_ACCESS: Final = ("read_energy_pj", "write_energy_pj", "leak_mw")
_WORK: Final = ("energy_pj", "leak_mw")
_FACTOR: Final = {"read_energy_pj": "energy", "write_energy_pj": "energy", "energy_pj": "energy",
                  "leak_mw": "leakage", "area_um2": "area", "delay_ns": "delay"}  # fmt: skip


def load_machine(document: Document) -> Architecture:
    """The machine of a document; raises SpecError for what is wrong in it, or in a table, or in none."""
    parts = list(_parts(document.value))
    if not any(part.costs is not None for part in parts):
        return validate(Architecture, document)
    machine = validate(Architecture, _filled(document, parts))
    desk = _Desk(machine, document)
    for part in parts:
        if part.costs is not None:
            desk.price(part)
    return desk.machine()


def cost_sources(document: Document) -> tuple[Identity | SramRows, ...]:
    """All that a machine's costs may be taken from: tables, their rows, and factors, as its document names them.

    What cannot be loaded is left out: it is an error of the machine, if that asks for it.
    """
    found: dict[Identity | SramRows, None] = {}
    for path in dict.fromkeys(part.costs for part in _parts(document.value) if part.costs is not None):
        at = document.locate(path)
        named = _named(document.value, path)
        for field_name in ("table", "energy", "area", "scaling"):
            if isinstance(name := named.get(field_name), str):
                with suppress(SpecError):
                    found |= dict.fromkeys(_sources(name, at, scaling=field_name == "scaling"))
    return tuple(found)


def _named(value: Any, path: Path) -> dict[str, Any]:
    """The `costs` at a path, with the table by its field."""
    for key in path:
        value = value[key]
    return value if isinstance(value, dict) else {"table": value}


def _sources(name: str, at: Location, *, scaling: bool) -> Iterator[Identity | SramRows]:
    beside = FilePath(at.source).parent
    if scaling:
        yield Identity(load_scaling(name, at, beside)[1])
        return
    loaded = load_table(name, at, beside)
    yield Identity(loaded.document)
    if loaded.table.sram is not None and loaded.table.sram.rows is not None:
        yield load_rows(loaded)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a document that has costs: where its costs are named, and those that it does not state."""

    path: Path
    costs: Path | None
    missing: tuple[str, ...]


def _parts(root: Value) -> Iterator[_Part]:
    """Memories, register files and operations that are no macros, of a document that may hold anything."""
    whole = ("costs",) if isinstance(root, dict) and root.get("costs") is not None else None
    for name, memory in _maps(root, "memories"):
        yield _part(memory, ("memories", name), whole, (*_ACCESS, *_AREA))
    for name, array in _maps(root, "arrays"):
        registers = array.get("registers")
        if isinstance(registers, dict):
            yield _part(registers, ("arrays", name, "registers"), whole, (*_ACCESS, *_AREA))
        for operation, unit in _maps(array, "operations"):
            if unit.get("macro") is None:
                yield _part(unit, ("arrays", name, "operations", operation), whole, (*_WORK, *_AREA))


def _maps(value: Value, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    inside = value.get(key) if isinstance(value, dict) else None
    if isinstance(inside, dict):
        yield from ((name, each) for name, each in inside.items() if isinstance(each, dict))


def _part(value: dict[str, Any], path: Path, whole: Path | None, fields: Sequence[str]) -> _Part:
    own = (*path, "costs") if value.get("costs") is not None and "operations" not in path else whole
    return _Part(path, own, tuple(name for name in fields if value.get(name) is None))


def _filled(document: Document, parts: list[_Part]) -> Document:
    """The document with zeros for the costs that tables will say."""
    value: Any = document.value
    places = dict(document.places)
    for part in parts:
        if part.costs is not None:
            zeros = dict.fromkeys(part.missing, 0.0)
            value = _laid(value, part.path, zeros)
            places |= dict.fromkeys(((*part.path, name) for name in zeros), document.locate(part.costs))
    return Document(document.source, value, places, document.changed)


def _laid(value: Any, path: Path, more: dict[str, float]) -> Any:
    if not path:
        return {**value, **more}
    return {**value, path[0]: _laid(value[path[0]], path[1:], more)}


@dataclass(slots=True)
class _Desk:
    """Prices the parts of a validated machine."""

    bare: Architecture
    document: Document
    parts: list[Priced] = field(default_factory=list)
    files: dict[str, None] = field(default_factory=dict)
    loaded: dict[tuple[str, str], Loaded] = field(default_factory=dict)
    used: dict[Path, CostsUsed] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def price(self, part: _Part) -> None:
        """Adds what a part does not state; one that states all its energies and areas takes no leakage either."""
        assert part.costs is not None
        used, at = self._used(part.costs), self.document.locate(part.costs)
        areas = tuple(name for name in part.missing if name in _AREA)
        energies = tuple(name for name in part.missing if name not in _AREA)
        tables = {quantities: used.table if own is None else own
                  for quantities, own in ((energies, used.energy), (areas, used.area)) if quantities}  # fmt: skip
        if len(set(tables.values())) == 1:
            tables = {part.missing: next(iter(tables.values()))}
        loads = {quantities: self._load(name, at) for quantities, name in tables.items() if quantities != ("leak_mw",)}
        units = {name for loaded in loads.values() for name in loaded.table.operations}
        for quantities, loaded in loads.items():
            self._from(part, quantities, loaded, used, units)

    def _load(self, name: str, at: Location) -> Loaded:
        """A table, read once."""
        key = (name, at.source)
        if key not in self.loaded:
            self.loaded[key] = load_table(name, at, FilePath(at.source).parent)
            self.files |= dict.fromkeys(place.source for place in self.loaded[key].document.places.values())
        return self.loaded[key]

    def _used(self, path: Path) -> CostsUsed:
        """The `costs` of the machine or of a part."""
        if path not in self.used:
            record: Any = self.bare
            for name in path:
                record = record[name] if isinstance(record, dict) else getattr(record, str(name))
            made = record if isinstance(record, CostsUsed) else CostsUsed.model_validate({"table": record})
            self.used[path] = made
        return self.used[path]

    def _from(self, part: _Part, quantities: tuple[str, ...], loaded: Loaded, used: CostsUsed, units: set[str]) -> None:
        """Adds some quantities of a part from a table; `units` are those of all its tables."""
        assert part.costs is not None
        table, at = loaded.table, self.document.locate(part.costs)
        if "operations" in part.path:
            component, parameters, section = self._unit(part, loaded, units)
        else:
            component, parameters, section = self._component(part, quantities, loaded)
        known = component.costs([1] * len(parameters)) if isinstance(component, Flat) else dict.fromkeys(quantities)
        for quantity in quantities:
            if quantity not in known and quantity != "leak_mw":
                raise SpecError(f"the cost table {table.name} has no {quantity} of {_dotted(part.path)}", at=at,
                                remedy=f"state {quantity} there, or name another table")  # fmt: skip
        fields = tuple((quantity, self._name(part.path, quantity)) for quantity in quantities if quantity in known)
        factors, scaled = ((), "") if isinstance(component, Dram) else self._scaling(used, table, at)
        if factors and known.get("leak_mw", 0.0) != 0.0 and "leak_mw" not in dict(factors):
            self._note(
                f"leakage is that of {table.name}, {table.technology_nm:g} nm: {used.scaling} has no factor of it"
            )
        self.parts.append(Priced(
            component, parameters, fields, table.name, table.technology_nm,
            getattr(section, "source", "") or table.source, getattr(section, "date", None) or table.date,
            table.decimals, factors, scaled,
        ))  # fmt: skip
        if isinstance(component, Sram) and "read_energy_pj" in quantities:
            self._note_cycle(part, component, dict(factors).get("delay_ns", 1.0))
        self._note_delay(part, component, dict(factors).get("delay_ns", 1.0))

    def _component(
        self, part: _Part, quantities: tuple[str, ...], loaded: Loaded
    ) -> tuple[Component, tuple[str | int, ...], Any]:
        """What a part is in a table, its parameters, and the table's section."""
        table, locate = loaded.table, loaded.document.locate
        if part.path[-1] == "registers":
            registers = self.bare.arrays[str(part.path[1])].registers
            self._need(table.registers, loaded, "register files", part, quantities)
            width = bits_of("word_bytes") if registers.width_bits is None else registers.width_bits
            made = RegisterFile(table.registers, table.adder, locate(("registers",)))  # type: ignore[arg-type]
            return made, (f"{registers.name}.depth_words", width), table.registers
        name = str(part.path[1])
        if name == self.bare.outermost:
            if table.dram is None and not set(quantities) & {"read_energy_pj", "write_energy_pj"}:
                return Flat(dict.fromkeys(quantities, 0.0), locate(()), "off the chip: none"), (), None
            self._need(table.dram, loaded, "memory off the chip", part, quantities)
            return Dram(table.dram, locate(("dram",))), (f"{name}.access_bytes",), table.dram  # type: ignore[arg-type]
        self._need(table.sram, loaded, "memories", part, quantities)
        return self._sram(name, loaded)

    def _sram(self, name: str, loaded: Loaded) -> tuple[Component, tuple[str | int, ...], Any]:
        table, memory = loaded.table, self.bare.memories[name]
        assert table.sram is not None
        if table.sram.hwcomponents is not None:
            at = loaded.document.locate(("sram", "hwcomponents"))
            made = from_hwcomponents(name, table.sram.hwcomponents, table.technology_nm, memory.banks, memory.ports, at)
            return made, (f"{name}.capacity_bytes", bits_of(f"{name}.access_bytes")), table.sram
        rows = load_rows(loaded)
        self.files[rows.file] = None
        sram = Sram(name, rows, table.technology_nm, memory.banks, memory.ports, table.adder)
        if not sram.widths():
            ways = sorted(f"{banks} x {ports}" for node, banks, ports in rows.widths if node == table.technology_nm)
            raise SpecError(
                f"{name}: the cost table {table.name} has no rows of {memory.banks} banks with {memory.ports} ports",
                at=self.document.blame(("memories", name)),
                remedy=f"it has banks x ports of {', '.join(ways)}" if ways else
                f"{rows.file} has no rows at {table.technology_nm:g} nm",
            )  # fmt: skip
        return sram, (f"{name}.capacity_bytes", bits_of(f"{name}.access_bytes")), table.sram

    def _unit(self, part: _Part, loaded: Loaded, units: set[str]) -> tuple[Component, tuple[str | int, ...], Any]:
        """A functional unit: the one that is named, unless only another of the tables has it; else the operation's."""
        operation = str(part.path[-1])
        name = self.bare.arrays[str(part.path[1])].operations[operation].unit or operation
        if name in units and name not in loaded.table.operations:
            name = operation
        unit = loaded.table.operations.get(name)
        if unit is None:
            raise SpecError(
                f"the cost table {loaded.table.name} has no unit {name!r}, which {_dotted(part.path)} needs",
                at=self.document.blame(part.path),
                remedy=f"{suggest(name, loaded.table.operations)}; or state its energy_pj and area_um2",
            )
        values = {quantity: getattr(unit, quantity) for quantity in (*_WORK, *_AREA)}
        at = loaded.document.locate(("operations", name))
        known = {key: value for key, value in values.items() if value is not None}
        return Flat(known, at, unit.note, unit.delay_ns), (), unit

    def _need(self, section: Any, loaded: Loaded, what: str, part: _Part, quantities: tuple[str, ...]) -> None:
        if section is None:
            assert part.costs is not None
            raise SpecError(
                f"the cost table {loaded.table.name} has no {what}, which {_dotted(part.path)} needs",
                at=self.document.locate(part.costs),
                remedy=f"state its {', '.join(quantities)}, or name a table that has them in its `costs`",
            )  # fmt: skip

    def _name(self, path: Path, quantity: str) -> str:
        """The models' name of a cost: `buffer.area_um2`, `registers2d.area_um2`, `array2d.mac.energy_pj`."""
        if path[-1] == "registers":
            return f"{self.bare.arrays[str(path[1])].registers.name}.{quantity}"
        return ".".join(str(part) for part in (path[1], *path[3:], quantity))

    def _scaling(self, used: CostsUsed, table: CostTable, at: Location) -> tuple[tuple[tuple[str, float], ...], str]:
        """Factors by quantity to the node that is asked for."""
        if used.scaled_to_nm is None and used.scaling is None:
            return (), ""
        if used.scaled_to_nm is None or used.scaling is None:
            raise SpecError("costs: scaled_to_nm and scaling (a file of factors) belong together", at=at,
                            remedy="einsim ships {}; docs/costs.md shows such a file".format(
                                ", ".join(library.names("scaling table"))))  # fmt: skip
        scaling, document = load_scaling(used.scaling, at, FilePath(at.source).parent)
        self.files[document.source] = None
        ends = [scaling.factors(node) for node in (table.technology_nm, used.scaled_to_nm)]
        for node, each in zip((table.technology_nm, used.scaled_to_nm), ends, strict=True):
            if each is None:
                raise SpecError(f"{scaling.name} has no factors of {node:g} nm", at=document.locate(("nodes",)),
                                remedy=f"it has {', '.join(scaling.nodes)}")  # fmt: skip
        ratios = scaling.ratios(*(each for each in ends if each is not None))
        way = f"from {table.technology_nm:g} to {used.scaled_to_nm:g} nm"
        words = f"; scaled {way} by {scaling.name} ({document.locate(('nodes',))})"
        return tuple((quantity, ratios[kind]) for quantity, kind in _FACTOR.items() if kind in ratios), words

    def _note(self, text: str) -> None:
        """Adds what is to be known of all parts, once."""
        if text not in self.notes:
            self.notes.append(text)

    def _note_cycle(self, part: _Part, sram: Sram, slower: float) -> None:
        """Notes where a memory's banks cannot be accessed as often as the clock ticks."""
        memory = self.bare.memories[str(part.path[1])]
        capacity, width = memory.capacity_bytes or 0, memory.access_bytes * 8
        if any(misfit.where for misfit in sram.misfits((capacity, width))):
            return
        cycle, period = sram.cycle_ns(capacity, width) * slower, 1e9 / self.bare.clock_hz
        rows = memory.banks * memory.ports * period / cycle
        wanted = (memory.read_ports or 0) + (memory.write_ports or 0) or 1
        if rows < wanted:
            banks = f"{memory.banks} bank{'s' * (memory.banks > 1)}"
            ports = f"{memory.ports} port{'s' * (memory.ports > 1)}"
            self.notes.append(
                f"{part.path[1]}: {show_bytes(capacity)} in {banks} of {ports}: a bank cycles in {cycle:.4g} ns, which "
                f"gives {rows:.3g} rows a clock ({period:.4g} ns), where up to {wanted} are counted on"
            )

    def _note_delay(self, part: _Part, component: Component, slower: float) -> None:
        """Notes where a unit's path is longer than the cycles that its operation takes."""
        if not isinstance(component, Flat) or component.delay_ns is None:
            return
        operation = self.bare.arrays[str(part.path[1])].operations[str(part.path[-1])]
        delay, period = component.delay_ns * slower, operation.result_cycles * 1e9 / self.bare.clock_hz
        if delay > period:
            self.notes.append(
                f"{part.path[1]}.{part.path[-1]}: the unit's path of {delay:.4g} ns is longer than the {period:.4g} ns "
                "that its result may take; pipeline it, or lower the clock"
            )

    def machine(self) -> Architecture:
        """The machine with its costs."""
        numbers = machine_fields(self.bare)
        costs = {name: value for part in self.parts for name, value in part.values(numbers).items()}
        memories = {name: _with(memory, costs, name) for name, memory in self.bare.memories.items()}
        arrays = {}
        for name, array in self.bare.arrays.items():
            units = {each: _with(unit, costs, f"{name}.{each}") for each, unit in array.operations.items()}
            registers = _with(array.registers, costs, array.registers.name)
            arrays[name] = array.model_copy(update={"registers": registers, "operations": units})
        pricing = Pricing(tuple(self.parts), tuple(self.files), tuple(self.notes))
        return self.bare.priced(pricing, memories, arrays)


def _with(record: Any, costs: dict[str, Number], name: str) -> Any:
    """A record with the costs of its name."""
    own = {quantity: costs[key] for quantity in _FACTOR if (key := f"{name}.{quantity}") in costs}
    return record.model_copy(update=own) if own else record


def _dotted(path: Path) -> str:
    """A part as `--set` names it."""
    return ".".join(str(part) for part in path if part not in {"memories", "arrays", "operations"})
