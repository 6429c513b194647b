"""Multiply-accumulate on integers, for the plain array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from einsim.errors import SpecError
from einsim.rtl.formats import Integer, Patterns
from einsim.rtl.unit import Port, Signature, Unit
from einsim.rtl.unpacked import Ints
from einsim.rtl.verilog import PIPE, Module, module

_INTEGER: Final = """
module %name #(
  parameter int LATENCY = 0
) (
  input  logic clk,
  input  logic enable,
  input  logic signed [%{operand_top}:0] a,
  input  logic signed [%{operand_top}:0] b,
  input  logic signed [%{top}:0] c,
  output logic [%{top}:0] result
);
  wire [%{top}:0] sum = $unsigned(%{width}'(a) * %{width}'(b) + c);
  %pipe #(.WIDTH(%{width}), .LATENCY(LATENCY)) delay (.clk(clk), .enable(enable), .d(sum), .q(result));
endmodule
"""


@dataclass(frozen=True, slots=True)
class IntegerMac(Unit):
    """a x b + c on integers, modulo the accumulator's range. Raises `SpecError` where a product might not fit."""

    operand: Integer
    accumulator: Integer

    def __post_init__(self) -> None:
        if 2 * self.operand.width > self.accumulator.width:
            raise SpecError(
                f"products of {self.operand} do not fit {self.accumulator}",
                remedy="take an accumulator of twice as many bits",
            )

    @property
    def signature(self) -> Signature:
        """The module's name, operands and result."""
        operands = Port("a", self.operand), Port("b", self.operand), Port("c", self.accumulator)
        name = f"{self.operand.name}_mac_{self.accumulator.name}"
        return Signature(name, operands, Port("result", self.accumulator))

    def compute(self, *patterns: ArrayLike) -> Patterns:
        """Sums of c and the products, modulo 2^bits."""
        formats = (self.operand, self.operand, self.accumulator)
        a, b, c = (_signed(form, each) for form, each in zip(formats, patterns, strict=True))
        return (a * b + c).astype(self.accumulator.dtype)

    def module(self) -> Module:
        """`<operand>_mac_<accumulator>`."""
        return module(
            self.name,
            "a x b + c, wrapping around.",
            [f"operands {self.operand}", f"accumulator {self.accumulator}"],
            _INTEGER,
            [PIPE],
            pipe=PIPE.name,
            operand_top=self.operand.width - 1,
            width=self.accumulator.width,
            top=self.accumulator.width - 1,
        )


def _signed(form: Integer, patterns: ArrayLike) -> Ints:
    bits = np.asarray(patterns).astype(form.dtype)
    return bits.view(f"i{form.width // 8}").astype(np.int64)
