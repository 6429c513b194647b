"""Control words: named fields of one vector that travels from element to element, packed and unpacked by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from einsim.rtl.verilog import Module, module


def bits_for(values: int) -> int:
    """Bits that tell so many values apart, at least one."""
    return max(1, (values - 1).bit_length())


def vector(width: int) -> str:
    """The range of a vector, for a declaration."""
    return f"[{width - 1}:0]"


TRUE: Final = "1'b1"
"""A condition that always holds."""


def both(*conditions: str) -> str:
    """The conjunction of some conditions, without those that always hold."""
    return " && ".join(each for each in conditions if each != TRUE) or TRUE


def where(condition: str, value: str) -> str:
    """A value where a condition holds, else zero."""
    return value if condition == TRUE else f"({condition} ? {value} : '0)"


def times(value: str, factor: int, width: int) -> str:
    """A value times a constant."""
    return value if factor == 1 else f"{value} * {width}'d{factor}"


@dataclass(frozen=True, slots=True)
class Definition:
    """A piece of a module's text. With a name it is left out where nothing else mentions that."""

    text: str
    name: str = ""


def needed(definitions: Sequence[Definition]) -> str:
    """The text of those definitions that have no name, and of those that they need."""
    kept = {n for n, each in enumerate(definitions) if not each.name}
    while True:
        words = {word for n in kept for word in re.findall(r"\w+", definitions[n].text)}
        more = {n for n, each in enumerate(definitions) if n not in kept and each.name in words}
        if not more:
            return "\n".join(each.text for n, each in enumerate(definitions) if n in kept)
        kept |= more


def cast(signal: str, own: int, wanted: int) -> str:
    """A signal in another width; as it is where that is its own."""
    return signal if own == wanted else f"{wanted}'({signal})"


def table(name: str, values: Sequence[int], index: str, width: int) -> str:
    """A wire whose value depends on an index: a constant, the index itself, or a case for each value but zero."""
    declared = f"  logic {vector(width)} {name};\n"
    if len(set(values)) == 1:
        return declared + f"  assign {name} = {width}'d{values[0]};"
    if list(values) == list(range(len(values))):
        return declared + f"  assign {name} = {cast(index, bits_for(len(values)), width)};"
    bits = bits_for(len(values))
    cases = "\n".join(f"      {bits}'d{n}: {name} = {width}'d{value};" for n, value in enumerate(values) if value)
    return declared + f"  always_comb\n    case ({index})\n{cases}\n      default: {name} = '0;\n    endcase"


@dataclass(frozen=True, slots=True)
class Word:
    """A control word: fields and their widths, the first one lowest."""

    name: str
    fields: tuple[tuple[str, int], ...]

    @property
    def width(self) -> int:
        """Bits of the whole word."""
        return sum(width for _, width in self.fields)

    def unpacked(self, signal: str, wanted: Iterable[str] | None = None) -> str:
        """Wires for the fields of a signal."""
        chosen = {name for name, _ in self.fields} if wanted is None else set(wanted)
        lines, low = [], 0
        for name, width in self.fields:
            if name in chosen:
                lines.append(f"  wire {vector(width)} {name} = {signal}[{low + width - 1}:{low}];")
            low += width
        return "\n".join(lines)

    def packed(self, values: dict[str, str]) -> str:
        """The word as a concatenation; fields that have no value are zero."""
        parts = [values.get(name, f"{width}'d0") for name, width in reversed(self.fields)]
        return "{" + ", ".join(parts) + "}"


_DELAY = """
module %name #(
  parameter int WIDTH = 1,
  parameter int CLOCKS = 1
) (
  input  logic             clk,
  input  logic             reset,
  input  logic [WIDTH-1:0] d,
  output logic [WIDTH-1:0] q
);
  generate
    if (CLOCKS == 0) begin : g_wire
      wire unused = &{1'b0, clk, reset};
      assign q = d;
    end else begin : g_registers
      logic [WIDTH-1:0] stages[CLOCKS];
      always_ff @(posedge clk) begin
        stages[0] <= reset ? '0 : d;
        for (int i = 1; i < CLOCKS; i++) stages[i] <= reset ? '0 : stages[i-1];
      end
      assign q = stages[CLOCKS-1];
    end
  endgenerate
endmodule
"""

DELAY: Module = module("einsim_delay", "d delayed by CLOCKS clocks; zero after reset.", ["any width"], _DELAY)
