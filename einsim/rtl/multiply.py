"""Products: exact ones of unpacked numbers, and the multiplier that rounds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from einsim.rtl.formats import Format, Patterns
from einsim.rtl.packing import round_module, unpack_module
from einsim.rtl.unit import Port, Signature, Unit
from einsim.rtl.unpacked import Unpacked, pack, unpack
from einsim.rtl.verilog import PIPE, Module, module, signed


def product(a: Unpacked, b: Unpacked, target: Format) -> Unpacked:
    """The exact product of numbers of one format, its significand twice as long; zeros carry the target's exponent."""
    fraction = 2 * a.fraction + 1
    raw = a.significand * b.significand
    top = raw >> fraction
    zero = raw == 0
    return Unpacked(
        sign=a.sign ^ b.sign,
        exponent=np.where(zero, target.zero_exponent, a.exponent + b.exponent + top),
        significand=np.where(top == 1, raw, raw << 1),
        infinite=a.infinite | b.infinite,
        nan=a.nan | b.nan | (a.infinite & b.zero) | (a.zero & b.infinite),
        fraction=fraction,
    )


_PRODUCT: Final = """
module %name (
  input  logic [%{top}:0] a,
  input  logic [%{top}:0] b,
  output logic sign,
  output logic signed [%{exponent_top}:0] exponent,
  output logic [%{product_top}:0] significand,  // the leading one at the top, or all zeros
  output logic infinite,
  output logic nan
);
  localparam logic signed [%{exponent_top}:0] ZERO_EXPONENT = %{zero_exponent};

  logic a_sign, b_sign, a_infinite, b_infinite, a_nan, b_nan;
  logic signed [%{operand_exponent_top}:0] a_exponent, b_exponent;
  logic [%{mantissa_bits}:0] a_significand, b_significand;
  %unpack a_parts (
    .bits(a), .sign(a_sign), .exponent(a_exponent), .significand(a_significand),
    .infinite(a_infinite), .nan(a_nan)
  );
  %unpack b_parts (
    .bits(b), .sign(b_sign), .exponent(b_exponent), .significand(b_significand),
    .infinite(b_infinite), .nan(b_nan)
  );

  // Both significands are in [1, 2), so the product's leading one is in one of two places.
  wire [%{product_top}:0] raw = {%{zeros}, a_significand} * {%{zeros}, b_significand};
  wire top = raw[%{product_top}];
  wire zero = a_significand == '0 || b_significand == '0;
  wire signed [%{exponent_top}:0] sum = %{sum};

  assign sign = a_sign ^ b_sign;
  assign exponent = zero ? ZERO_EXPONENT : sum + $signed({%{exponent_top}'b0, top});
  assign significand = top ? raw : raw << 1;
  assign infinite = a_infinite || b_infinite;
  assign nan = a_nan || b_nan || (infinite && zero);
endmodule
"""


def product_module(operand: Format, target: Format) -> Module:
    """`<operand>_product_<target>`: the exact product of two patterns, with an exponent as wide as the target's."""
    unpack_operand = unpack_module(operand)
    bits = target.wide_exponent_bits
    wider = bits > operand.wide_exponent_bits
    total = f"{bits}'(a_exponent) + {bits}'(b_exponent)" if wider else "a_exponent + b_exponent"
    return module(
        f"{operand.name}_product_{target.name}",
        "a x b, exact, not yet rounded.",
        [f"operands {operand}", f"exponent of {target.wide_exponent_bits} bits, for {target.name}"],
        _PRODUCT,
        [unpack_operand],
        unpack=unpack_operand.name,
        top=operand.width - 1,
        sum=total,
        exponent_top=target.wide_exponent_bits - 1,
        operand_exponent_top=operand.wide_exponent_bits - 1,
        mantissa_bits=operand.mantissa_bits,
        product_top=2 * operand.precision - 1,
        zeros=f"{operand.precision}'b0",
        zero_exponent=signed(target.zero_exponent, target.wide_exponent_bits),
    )


_MULTIPLY: Final = """
module %name #(
  parameter int LATENCY = 0
) (
  input  logic clk,
  input  logic enable,
  input  logic [%{top}:0] a,
  input  logic [%{top}:0] b,
  output logic [%{result_top}:0] result
);
  logic sign, infinite, nan;
  logic signed [%{exponent_top}:0] exponent;
  logic [%{product_top}:0] significand;
  %product exact (
    .a(a), .b(b), .sign(sign), .exponent(exponent), .significand(significand),
    .infinite(infinite), .nan(nan)
  );

  logic [%{result_top}:0] bits;
  %round rounding (
    .sign(sign), .exponent(exponent), .significand(significand),
    .infinite(infinite), .nan(nan), .bits(bits)
  );
  %pipe #(.WIDTH(%{result_width}), .LATENCY(LATENCY)) delay (.clk(clk), .enable(enable), .d(bits), .q(result));
endmodule
"""


@dataclass(frozen=True, slots=True)
class Multiply(Unit):
    """a x b, rounded once to the target; exact, within its range, if the target is twice as precise as the operands."""

    operand: Format
    target: Format

    @property
    def signature(self) -> Signature:
        """The module's name, operands and result."""
        operands = Port("a", self.operand), Port("b", self.operand)
        return Signature(f"{self.operand.name}_mul_{self.target.name}", operands, Port("result", self.target))

    def compute(self, *patterns: ArrayLike) -> Patterns:
        """Rounded products."""
        a, b = (unpack(self.operand, each) for each in patterns)
        return pack(self.target, product(a, b, self.target))

    def module(self) -> Module:
        """`<operand>_mul_<target>`."""
        exact = product_module(self.operand, self.target)
        rounded = round_module(self.target, 2 * self.operand.precision)
        return module(
            self.name,
            "a x b, rounded once to nearest even.",
            [f"operands {self.operand}", f"result {self.target}"],
            _MULTIPLY,
            [exact, rounded, PIPE],
            product=exact.name,
            round=rounded.name,
            pipe=PIPE.name,
            top=self.operand.width - 1,
            result_width=self.target.width,
            result_top=self.target.width - 1,
            exponent_top=self.target.wide_exponent_bits - 1,
            product_top=2 * self.operand.precision - 1,
        )
