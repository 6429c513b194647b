"""Cost tables: what actions and parts cost, each file with its technology node, source and date.

A table says what it knows: single units, DRAM by the bit, register files by depth and width, SRAM by rows that CACTI
computed. What it does not know is asked for, never made up.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache, reduce
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from einsim.errors import Location, SpecError, suggest
from einsim.spec import library
from einsim.spec.fields import Area, Count, Delay, Energy, Name, Power, Record, validate
from einsim.spec.inherit import inherit
from einsim.spec.yamlfile import Document, Identity

Node = Annotated[float, Field(gt=0, le=10_000)]
"""A technology node, nm."""
Nanoseconds = Annotated[float, Field(gt=0, le=1e9)]
Date = Annotated[str, BeforeValidator(str), Field(min_length=4)]
"""A year, a month or a day: 2024, 2024-11, 2024-11-03."""
Factor = Annotated[float, Field(gt=0, le=1e6)]


class UnitCosts(Record):
    """One functional unit."""

    energy_pj: Energy | None = Field(None, description="Energy of one operation, pJ; none means not measured")
    area_um2: Area | None = Field(None, description="Area of one unit, um^2; none means not measured")
    leak_mw: Power = Field(0.0, description="Leakage of one unit, mW")
    delay_ns: Nanoseconds | None = Field(None, description="From operands to result through the unit, ns")
    source: str = Field("", description="Where these figures come from, if not where the table's do")
    note: str = Field("", description="What a reader should know")


class DramCosts(Record):
    """The memory off the chip, by the bit."""

    read_energy_pj_per_bit: Energy = Field(description="Energy of reading one bit, pJ")
    write_energy_pj_per_bit: Energy = Field(description="Energy of writing one bit, pJ")
    source: str = Field("", description="Where these figures come from, if not where the table's do")


class AdderCosts(Record):
    """An adder that makes addresses: two stand beside each memory and register file, one works at each access."""

    energy_pj: Energy = Field(description="Energy of one addition whatever its width, pJ")
    energy_pj_per_bit: Energy = Field(description="Energy of one addition for each bit of an address, pJ")
    area_um2_per_bit: Area = Field(description="Area of one adder for each bit, um^2")
    leak_mw_per_bit: Power = Field(description="Leakage of one adder for each bit, mW")


class RowCosts(Record):
    """What each word of a register file costs, whatever its width."""

    area_um2: Area = Field(description="Area, um^2")
    energy_pj: Energy = Field(description="Energy in each access, pJ")
    leak_mw: Power = Field(description="Leakage, mW")


class BitCosts(Record):
    """What each bit costs."""

    area_um2: Area = Field(description="Area of each bit of each word, um^2")
    read_energy_pj: Energy = Field(description="Energy of each bit that is read, pJ")


class Clamp(Record):
    """The least register file that a model knows; smaller ones are taken for one of that size."""

    depth_words: Count = Field(description="Least words")
    width_bits: Count = Field(description="Least bits of a word")
    shares: bool = Field(description="Whether a smaller file is scaled back to its own size")
    depth_exponent: Factor = Field(1.0, description="Energies follow the share of the depth to this power")


class RegisterCosts(Record):
    """Register files: words of bits, and two address adders."""

    row: RowCosts = Field(description="Each word")
    bit: BitCosts = Field(description="Each bit")
    clamp: Clamp | None = Field(None, description="The least file that is modelled")
    source: str = Field("", description="Where these figures come from, if not where the table's do")


class SramCosts(Record):
    """On-chip memories: rows over capacity, width, ports and banks, or a program that is asked."""

    rows: str | None = Field(None, description="A CSV file beside the table")
    hwcomponents: str | None = Field(None, description="A component of the hwcomponents package instead, such as SRAM")
    source: str = Field("", description="Where these figures come from, if not where the table's do")
    date: Date | None = Field(None, description="Of the rows, if not the table's")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.rows is None) == (self.hwcomponents is None):
            raise ValueError("sram takes either rows (a CSV file) or hwcomponents (a component's name)")
        return self


class CostTable(Record):
    """What actions and parts cost at one technology node."""

    name: Name = Field(description="Its name in architecture files and results")
    description: str = Field("", description="One paragraph for the reader")
    technology_nm: Node = Field(description="Technology node, nm")
    source: str = Field(min_length=1, description="Where the figures come from")
    date: Date = Field(description="When they were made: 2024, 2024-11 or 2024-11-03")
    decimals: Delay | None = Field(None, description="Decimals that energies (pJ) and areas (um^2) are rounded to")
    operations: dict[Name, UnitCosts] = Field(default_factory=dict, description="Functional units by name")
    dram: DramCosts | None = Field(None, description="The outermost memory")
    adder: AdderCosts | None = Field(None, description="Adders of addresses; none means that they are not counted")
    registers: RegisterCosts | None = Field(None, description="Register files")
    sram: SramCosts | None = Field(None, description="On-chip memories")


Polynomial = Annotated[list[float], Field(min_length=1, max_length=8)]
"""Of the supply voltage in volts, highest power first."""


class ScalingFactors(Record):
    """One technology node relative to any fixed one; only ratios between nodes matter."""

    supply_v: Annotated[float, Field(gt=0, le=10)] | None = Field(None, description="Supply that polynomials take, V")
    energy: Factor | Polynomial = Field(description="Energy of an action: a factor, or a polynomial of the supply")
    area: Factor = Field(description="Area of a part")
    delay: Factor | Polynomial = Field(description="Delay: a factor, or a polynomial of the supply")
    leakage: Factor | Polynomial | None = Field(None, description="Leakage; none means that it is not known")

    @model_validator(mode="after")
    def _positive(self) -> Self:
        for name in ("energy", "delay", "leakage"):
            given = getattr(self, name)
            if isinstance(given, list) and self.supply_v is None:
                raise ValueError(f"{name} is a polynomial of supply_v, which is not given")
            value = self.factor(name)
            if value is not None and not 0 < value <= 1e6:
                raise ValueError(f"{name} is {value:g} at {self.supply_v:g} V; a factor is positive, and 1e6 at most")
        return self

    def factor(self, name: str) -> float | None:
        """The factor of energy, area, delay or leakage at the node's supply; None where it is not known."""
        given: float | list[float] | None = getattr(self, name)
        if not isinstance(given, list):
            return given
        return reduce(lambda value, coefficient: value * (self.supply_v or 0.0) + coefficient, given, 0.0)


class ScalingTable(Record):
    """How costs change from node to node."""

    name: Name = Field(description="Its name in results")
    description: str = Field("", description="One paragraph for the reader")
    source: str = Field(min_length=1, description="Where the factors come from")
    date: Date = Field(description="When they were published")
    nodes: dict[str, ScalingFactors] = Field(description="Factors by node in nm, such as '45'")

    @field_validator("nodes")
    @classmethod
    def _numbers(cls, nodes: dict[str, ScalingFactors]) -> dict[str, ScalingFactors]:
        for name in nodes:
            try:
                good = 0 < float(name) <= 10_000
            except ValueError:
                good = False
            if not good:
                raise ValueError(f"nodes: {name!r} is no number of nanometres")
        return nodes

    def factors(self, node: float) -> ScalingFactors | None:
        """The factors of a node, if it is there."""
        return next((each for name, each in self.nodes.items() if float(name) == node), None)

    def ratios(self, before: ScalingFactors, after: ScalingFactors) -> dict[str, float]:
        """What energy, area, delay and leakage are multiplied with; without what is not known of both nodes."""
        pairs = {name: (before.factor(name), after.factor(name)) for name in ("energy", "area", "delay", "leakage")}
        return {name: new / old for name, (old, new) in pairs.items() if old is not None and new is not None}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A cost table with the lines of its values, and its file."""

    table: CostTable
    document: Document
    path: Path


def load_table(name: str, at: Location, beside: Path | None = None) -> Loaded:
    """A cost table by shipped name or file; raises SpecError where it is none."""
    path = library.find("cost table", name, at=at, beside=beside)
    return _load_once(Identity(inherit("cost table", library.load_document(path), path)), path)


@lru_cache(maxsize=64)
def _load_once(key: Identity, path: Path) -> Loaded:
    return Loaded(validate(CostTable, key.document, more=("based_on",)), key.document, path)


def load_scaling(name: str, at: Location, beside: Path | None = None) -> tuple[ScalingTable, Document]:
    """A scaling table by file; raises SpecError where it is none."""
    document = library.load_document(library.find("scaling table", name, at=at, beside=beside))
    return validate(ScalingTable, document), document


COLUMNS: Final = (
    "technology_nm", "capacity_bytes", "width_bits", "banks", "ports", "read_energy_pj", "write_energy_pj", "leak_mw",
    "area_um2", "access_ns", "cycle_ns",
)  # fmt: skip
"""Columns of a file of SRAM rows: energies of a whole row of `width_bits`; leakage and area of all banks together;
read-write ports of each bank; time of an access, and from one to the next in the same bank."""

_KEYS: Final = 5


@dataclass(frozen=True, slots=True)
class SramRow:
    """One memory that CACTI computed, and the line that it stands on."""

    capacity_bytes: int
    values: dict[str, float]
    line: int


Kind = tuple[float, int, int, int]
"""(technology_nm, width_bits, banks, ports)."""


@dataclass(frozen=True, slots=True, eq=False)
class SramKind:
    """Memories of one kind, ascending in capacity: as rows, and their numbers as columns."""

    rows: tuple[SramRow, ...]
    sizes: tuple[float, ...]
    columns: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class SramRows:
    """A file of SRAM rows by kind; `widths` are those of each (technology_nm, banks, ports), ascending."""

    file: str
    kinds: dict[Kind, SramKind]
    widths: dict[tuple[float, int, int], tuple[int, ...]]


def load_rows(loaded: Loaded) -> SramRows:
    """A table's SRAM rows; raises SpecError for a file that holds none."""
    assert loaded.table.sram is not None
    assert loaded.table.sram.rows is not None
    at = loaded.document.locate(("sram", "rows"))
    path = library.find("cost table", loaded.table.sram.rows, at=at, beside=Path(at.source).parent)
    return _rows_once(library.read(path), library.show(path))


@lru_cache(maxsize=16)
def _rows_once(content: bytes, source: str) -> SramRows:
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise SpecError("not a text file (not UTF-8)", at=Location(source)) from None
    names = [name.strip() for name in (lines[0].split(",") if lines else [])]
    for name in COLUMNS:
        if name not in names:
            raise SpecError(f"column {name!r} is missing", at=Location(source, 1), remedy=suggest(name, names))
    kinds: dict[Kind, dict[int, SramRow]] = {}
    for number, cells in enumerate(csv.reader(lines[1:]), start=2):
        if cells:
            node, capacity, width, banks, ports, *rest = _numbers(names, cells, Location(source, number))
            values = dict(zip(COLUMNS[_KEYS:], rest, strict=True))
            rows = kinds.setdefault((node, int(width), int(banks), int(ports)), {})
            if int(capacity) in rows:
                raise SpecError("the same memory stands twice", at=Location(source, number),
                                remedy=f"it is already on line {rows[int(capacity)].line}")  # fmt: skip
            rows[int(capacity)] = SramRow(int(capacity), values, number)
    widths: dict[tuple[float, int, int], list[int]] = {}
    for node, width, banks, ports in sorted(kinds):
        widths.setdefault((node, banks, ports), []).append(width)
    made = {kind: _kind(tuple(rows[size] for size in sorted(rows))) for kind, rows in kinds.items()}
    return SramRows(source, made, {ways: tuple(each) for ways, each in widths.items()})


def _kind(rows: tuple[SramRow, ...]) -> SramKind:
    columns = {name: tuple(row.values[name] for row in rows) for name in COLUMNS[_KEYS:]}
    return SramKind(rows, tuple(float(row.capacity_bytes) for row in rows), columns)


def _numbers(names: list[str], cells: list[str], at: Location) -> list[float]:
    """The numbers of a line in the order of `COLUMNS`."""
    row: dict[str, Any] = dict(zip(names, cells, strict=False))
    found = []
    for name in COLUMNS:
        try:
            value = float(row[name])
        except (KeyError, ValueError):
            raise SpecError(f"{name}: {row.get(name)!r} is no number", at=at) from None
        whole = name in COLUMNS[1:_KEYS]
        if not 0 <= value < float("inf") or (whole and (value != int(value) or not value)):
            raise SpecError(f"{name}: {row[name]} is out of range", at=at)
        found.append(value)
    return found
