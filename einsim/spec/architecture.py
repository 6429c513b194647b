"""Architectures: memories, arrays of processing elements, and what each action costs.

A machine is a chain of memories, outermost first (DRAM, then on-chip buffers), feeding at most one
two-dimensional array (rows x columns) and one one-dimensional array (lanes). Each array has its own
register file per processing element and a set of operations. Energies are per action, areas per instance.
"""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, model_validator

from einsim.cascade import FUNCTIONS
from einsim.errors import suggest
from einsim.spec.fields import PLACE, Area, Bytes, Count, Delay, Energy, Frequency, Name, Record

OPERATIONS: Final = (
    "mac", "add", "max", "min", "divide", "compare", "select",
    *(name for name, arguments in FUNCTIONS.items() if arguments == 1), "pow",
)  # fmt: skip
"""What an Einsum may ask of an array."""


RELATED: Final = frozenset({"word_bytes", "access_bytes"})
"""Numbers whose combinations a machine may refuse; every other number is right or wrong alone."""


class Memory(Record):
    """A memory shared by the whole chip: DRAM or an on-chip buffer."""

    capacity_bytes: Bytes | None = Field(None, description="Bytes it holds; none means unlimited (DRAM)")
    bandwidth_bytes_per_s: Bytes | None = Field(
        None, description="Bytes a second in and out of it, whatever the other side; none means never a limit"
    )
    duplex: bool = Field(
        False,
        description="Whether reads and writes have a channel of that bandwidth each (an AXI bus, say) and do not share "
        "one; of the outermost memory only",
    )
    access_bytes: Bytes = Field(description="Bytes moved by one access: a DRAM line, a buffer row")
    read_energy_pj: Energy = Field(description="Energy of reading one line or row, pJ")
    write_energy_pj: Energy = Field(description="Energy of writing one line or row, pJ")
    area_um2: Area = Field(0.0, description="Area of the whole memory, um^2")
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
    read_energy_pj: Energy = Field(description="Energy of reading one word, pJ")
    write_energy_pj: Energy = Field(description="Energy of writing one word, pJ")
    area_um2: Area = Field(0.0, description="Area of one register file, um^2")


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
    energy_pj: Energy = Field(0.0, description="Energy of one operation, pJ")
    area_um2: Area = Field(0.0, description="Area of one unit, um^2")
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
        outermost = next(iter(self.memories))
        if self.memories[outermost].capacity_bytes is not None:
            raise ValueError(f"{outermost}: the outermost memory holds everything and takes no capacity_bytes")
        for name in list(self.memories)[1:]:
            if self.memories[name].capacity_bytes is None:
                raise ValueError(f"{name}: an on-chip memory needs capacity_bytes")
            if self.memories[name].duplex:
                raise ValueError(f"{name}: only the outermost memory ({outermost}) may be duplex")
        return self

    @property
    def registers(self) -> dict[str, str]:
        """Register level -> the array it belongs to."""
        return {array.registers.name: name for name, array in self.arrays.items()}

    @property
    def outermost(self) -> str:
        """The memory where inputs come from and outputs go."""
        return next(iter(self.memories))
