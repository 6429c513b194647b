"""Control words: named fields of one vector that travels from element to element, packed and unpacked by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from einsim.rtl.verilog import Module, module


def bits_for(values: int) -> int:
    """Bits that tell so many values apart, at least one."""
    return max(1, (values - 1).bit_length())


def vector(width: int) -> str:
    """The range of a vector, for a declaration."""
    return f"[{width - 1}:0]"


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
