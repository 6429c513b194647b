"""Architectures: memories, arrays of processing elements, and what each action costs.

A machine is a chain of memories, outermost first (DRAM, then on-chip buffers), feeding at most one
two-dimensional array (rows x columns) and one one-dimensional array (lanes). Each array has its own
register file per processing element and a set of operations. Energies are per action, areas per instance.
"""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, PrivateAttr, model_validator

from einsim.cascade import FUNCTIONS
from einsim.errors import suggest
from einsim.spec.expressions import Number
from einsim.spec.fields import PLACE, Area, Bytes, Count, Delay, Energy, Frequency, Name, Power, Record
from einsim.spec.pricing import CostsUsed, Pricing

OPERATIONS: Final = (
    "mac", "add", "max", "min", "divide", "compare", "select",
    *(name for name, arguments in FUNCTIONS.items() if arguments == 1), "pow",
)  # fmt: skip
"""What an Einsum may ask of an array."""


RELATED: Final = frozenset({"word_bytes", "access_bytes"})
"""Numbers whose combinations a machine may refuse; every other number is right or wrong alone."""


class Memory(Record):
    """A memory shared by the whole chip: DRAM or an on-chip buffer."""

    capacity_bytes: Bytes | None = Field(
        None,
        description="Bytes it holds; of the outermost one (DRAM), where given, what weights and cache of a whole model "
        "must fit in",
    )
    bandwidth_bytes_per_s: Bytes | None = Field(
        None, description="Bytes a second in and out of it, whatever the other side; none means never a limit"
    )
    duplex: bool = Field(
        False,
        description="Whether reads and writes have a channel of that bandwidth each (an AXI bus, say) and do not share "
        "one; of the outermost memory only",
    )
    access_bytes: Bytes = Field(description="Bytes moved by one access: a DRAM line, a buffer row")
    read_energy_pj: Energy = Field(description="Energy of reading one line or row, pJ; from the cost table if not here")
    write_energy_pj: Energy = Field(description="Energy of writing one line or row, pJ; likewise")
    area_um2: Area = Field(0.0, description="Area of the whole memory, um^2; likewise")
    leak_mw: Power = Field(0.0, description="Leakage of the whole memory, mW; likewise")
    costs: str | CostsUsed | None = Field(None, description="Its cost table, where not the machine's")
    banks: Count = Field(1, description="Banks, as the cost table means them")
    ports: Count = Field(1, description="Read-write ports of each bank, as the cost table means them")
    latency_cycles: Delay = Field(0, description="Cycles from a request to its data, in the cycle model")
    read_ports: Count | None = Field(
        None, description="Rows (of access_bytes) that arrays may read in a cycle; none means never a limit"
    )
    write_ports: Count | None = Field(
        None, description="Rows that arrays may write in a cycle; none means never a limit"
    )
    prefetch_tiles: Delay = Field(
        1,
        description="Tiles of a tensor that may arrive beside those in use, where there is room; 1 is double buffering "
        "(more where tiles are small, see docs/microarchitecture.md)",
    )


class Registers(Record):
    """The register file of one processing element."""

    name: Name = Field(description="The level's name in mappings and results")
    depth_words: Count = Field(description="Words one register file holds")
    width_bits: Count | None = Field(None, description="Bits of a word in the cost table; word_bytes where not given")
    read_energy_pj: Energy = Field(description="Energy of reading one word, pJ; from the cost table if not here")
    write_energy_pj: Energy = Field(description="Energy of writing one word, pJ; likewise")
    area_um2: Area = Field(0.0, description="Area of one register file, um^2; likewise")
    leak_mw: Power = Field(0.0, description="Leakage of one register file, mW; likewise")
    costs: str | CostsUsed | None = Field(None, description="Its cost table, where not the machine's")


class Operation(Record):
    """A functional unit of every processing element, or a macro-operation on other units."""

    cycles: Count = Field(1, description="Cycles from one operation to the next on one processing element")
    latency: Count | None = Field(
        None, description="Cycles from an operation's operands to its result; `cycles` where not given"
    )
    feedback: Count | None = Field(
        None,
        description="Cycles from one accumulation to the next into the same register (less than the latency where "
        "the unit forwards); `latency` where not given",
    )
    energy_pj: Energy = Field(0.0, description="Energy of one operation, pJ; from the cost table if not here")
    area_um2: Area = Field(0.0, description="Area of one unit, um^2; likewise")
    leak_mw: Power = Field(0.0, description="Leakage of one unit, mW; likewise")
    unit: Name | None = Field(
        None, description="Its unit in the cost table (such as fp32_max); of the operation's own name where not given"
    )
    macro: dict[Name, Count] | None = Field(
        None, description="Operations it is made of instead (exp: {mac: 6}); cycles and energy are then theirs"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        extra = self.model_fields_set - {"macro"}
        if self.macro is not None and extra:
            raise ValueError(
                f"a macro-operation takes no {', '.join(sorted(extra))} of its own; give the whole operation, such as "
                f"--set 'arch.{PLACE}={{cycles: 2, energy_pj: 50}}'"
            )
        if self.macro is not None and not self.macro:
            raise ValueError("a macro-operation needs at least one operation")
        for name, most in (("latency", None), ("feedback", self.result_cycles)):
            value = getattr(self, name)
            if value is not None and (value < self.cycles or (most is not None and value > most)):
                above = f", and at most its latency ({most})" if most is not None else ""
                raise ValueError(f"{name} {value} of {PLACE}: at least its cycles ({self.cycles}){above}")
        return self

    @property
    def result_cycles(self) -> int:
        """Cycles from operands to result."""
        return self.cycles if self.latency is None else self.latency

    @property
    def accumulate_cycles(self) -> int:
        """Cycles from one accumulation to the next into one register."""
        return self.result_cycles if self.feedback is None else self.feedback


class Array(Record):
    """An array of processing elements: two-dimensional (rows, columns) or one-dimensional (lanes)."""

    rows: Count | None = Field(None, description="Rows of a 2D array")
    columns: Count | None = Field(None, description="Columns of a 2D array")
    lanes: Count | None = Field(None, description="Lanes of a 1D array")
    hop_cycles: Delay = Field(1, description="Cycles from one processing element to the next along either axis")
    return_cycles: Delay | None = Field(
        None, description="Cycles for a value of the lanes to reach the 2D array's first row; rows times hop_cycles "
        "where not given (a link of registers up each column)"
    )  # fmt: skip
    registers: Registers = Field(description="The register file of each processing element")
    operations: dict[Name, Operation] = Field(description="What each processing element can do")

    @model_validator(mode="after")
    def _shape(self) -> Self:
        grid = self.rows is not None and self.columns is not None and self.lanes is None
        line = self.lanes is not None and self.rows is None and self.columns is None
        if not grid and not line:
            raise ValueError("an array has rows and columns (2D), or lanes (1D)")
        for name, operation in self.operations.items():
            if name not in OPERATIONS:
                raise ValueError(f"unknown operation {name!r}; {suggest(name, OPERATIONS)}")
            for part in operation.macro or ():
                if part not in self.operations or self.operations[part].macro is not None:
                    raise ValueError(f"macro {name!r} needs {part!r} as a plain operation of the same array")
        return self

    @property
    def axes(self) -> dict[str, int]:
        """Processing elements along each axis."""
        if self.lanes is not None:
            return {"lanes": self.lanes}
        return {"columns": self.columns or 0, "rows": self.rows or 0}

    @property
    def is_grid(self) -> bool:
        """Whether the array has two dimensions."""
        return self.lanes is None


class Architecture(Record):
    """A machine."""

    name: Name = Field(description="Its name on the command line and in results")
    description: str = Field("", description="One paragraph for the reader")
    source: str = Field("", description="Where the figures come from")
    clock_hz: Frequency = Field(description="Clock of all arrays, Hz")
    word_bytes: Count = Field(description="Bytes of one word (of every tensor element)")
    memories: dict[Name, Memory] = Field(min_length=1, description="Shared memories, outermost first")
    arrays: dict[Name, Array] = Field(min_length=1, description="Arrays of processing elements")
    control_cycles: Delay = Field(
        0, description="Cycles from the decision to issue an operation until it is in its array's first element"
    )
    costs: str | CostsUsed | None = Field(
        None, description="The cost table of all that states no figures of its own (docs/costs.md)"
    )
    _pricing: Pricing = PrivateAttr(default_factory=Pricing)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [*self.memories, *self.arrays, *(array.registers.name for array in self.arrays.values())]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name!r} names two parts of the machine")
        grids = sum(array.is_grid for array in self.arrays.values())
        if grids > 1 or len(self.arrays) - grids > 1:
            raise ValueError("a machine has at most one 2D and one 1D array")
        for name, memory in self.memories.items():
            if memory.access_bytes % self.word_bytes:
                raise ValueError(f"{name}: access_bytes must be a multiple of word_bytes")
        for name in list(self.memories)[1:]:
            if self.memories[name].capacity_bytes is None:
                raise ValueError(f"{name}: an on-chip memory needs capacity_bytes")
            if self.memories[name].duplex:
                raise ValueError(f"{name}: only the outermost memory ({self.outermost}) may be duplex")
        return self

    @property
    def pricing(self) -> Pricing:
        """Which costs come from tables, and how."""
        return self._pricing

    def priced(self, pricing: Pricing, memories: dict[str, Memory], arrays: dict[str, Array]) -> Architecture:
        """The machine with costs from tables."""
        made = self.model_copy(update={"memories": memories, "arrays": arrays})
        object.__setattr__(made, "__pydantic_private__", {"_pricing": pricing})
        return made

    @property
    def registers(self) -> dict[str, str]:
        """Register level -> the array it belongs to."""
        return {array.registers.name: name for name, array in self.arrays.items()}

    @property
    def outermost(self) -> str:
        """The memory where inputs come from and outputs go."""
        return next(iter(self.memories))


def machine_fields(machine: Architecture) -> dict[str, Number]:
    """Every integer field of a machine by its dotted name."""
    fields: dict[str, Number] = {"word_bytes": machine.word_bytes}
    for name, memory in machine.memories.items():
        fields[f"{name}.access_bytes"] = memory.access_bytes
        if memory.capacity_bytes is not None:
            fields[f"{name}.capacity_bytes"] = memory.capacity_bytes
    for name, array in machine.arrays.items():
        for axis, count in array.axes.items():
            fields[f"{name}.{axis}"] = count
        fields[f"{array.registers.name}.depth_words"] = array.registers.depth_words
    return fields
