"""Sums of two unpacked numbers, rounded once, and the adder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from einsim.rtl.formats import Format, Patterns
from einsim.rtl.packing import round_module, unpack_module
from einsim.rtl.unit import Port, Signature, Unit
from einsim.rtl.unpacked import Unpacked, normalise, pack, unpack
from einsim.rtl.verilog import PIPE, Module, module

GUARD: Final = 3
"""Places kept below the larger number: what rounding needs after one place of cancellation, and a sticky bit."""


def add(form: Format, a: Unpacked, b: Unpacked) -> Patterns:
    """a + b, rounded once to the format; both significands are as long as the format's."""
    swap = (a.exponent < b.exponent) | ((a.exponent == b.exponent) & (a.significand < b.significand))
    large, small = np.where(swap, b.significand, a.significand), np.where(swap, a.significand, b.significand)
    exponent = np.maximum(a.exponent, b.exponent)
    # Further away, the smaller number is all sticky bit.
    distance = np.minimum(np.abs(a.exponent - b.exponent), form.precision + GUARD)
    wide = small << GUARD
    aligned = wide >> distance
    aligned = aligned | (aligned << distance != wide)
    opposite = a.sign ^ b.sign
    total = (large << GUARD) + np.where(opposite, -aligned, aligned)
    significand, exponent = normalise(total, exponent + 1, form.mantissa_bits + GUARD + 1)
    # An exact zero is positive unless both numbers are negative.
    sign = np.where(total == 0, a.sign & b.sign, np.where(swap, b.sign, a.sign))
    infinite = a.infinite | b.infinite
    return pack(
        form,
        Unpacked(
            sign=np.where(infinite, np.where(a.infinite, a.sign, b.sign), sign),
            exponent=exponent,
            significand=significand,
            infinite=infinite,
            nan=a.nan | b.nan | (a.infinite & b.infinite & opposite),
            fraction=form.mantissa_bits + GUARD + 1,
        ),
    )


_SUM: Final = """
module %name (
  input  logic a_sign,
  input  logic signed [%{exponent_top}:0] a_exponent,
  input  logic [%{mantissa_bits}:0] a_significand,
  input  logic a_infinite,
  input  logic a_nan,
  input  logic b_sign,
  input  logic signed [%{exponent_top}:0] b_exponent,
  input  logic [%{mantissa_bits}:0] b_significand,
  input  logic b_infinite,
  input  logic b_nan,
  output logic [%{top}:0] bits
);
  // The number with the larger magnitude first.
  wire swap = a_exponent < b_exponent || (a_exponent == b_exponent && a_significand < b_significand);
  wire signed [%{exponent_top}:0] exponent = swap ? b_exponent : a_exponent;
  wire signed [%{exponent_top}:0] lower = swap ? a_exponent : b_exponent;
  wire [%{mantissa_bits}:0] larger = swap ? b_significand : a_significand;
  wire [%{mantissa_bits}:0] smaller = swap ? a_significand : b_significand;

  // The other is shifted under it; whatever falls off the end is remembered in the last bit.
  wire [%{exponent_top}:0] distance = $unsigned(exponent - lower);
  wire [%{wide_top}:0] wide = {smaller, %{guard}'b0};
  wire [%{wide_top}:0] shifted = wide >> distance;
  wire lost = |(wide & ~({%{wide_bits}{1'b1}} << distance));
  wire [%{wide_top}:0] aligned = {shifted[%{wide_top}:1], shifted[0] | lost};

  wire opposite = a_sign ^ b_sign;
  wire [%{wide_bits}:0] minuend = {1'b0, larger, %{guard}'b0};
  wire [%{wide_bits}:0] total = opposite ? minuend - {1'b0, aligned} : minuend + {1'b0, aligned};

  logic [%{count_top}:0] zeros;  // above the leading one
  always_comb begin
    zeros = '0;
    for (int i = 0; i <= %{wide_bits}; i++) if (total[i]) zeros = $unsigned(%{count_bits}'(%{wide_bits} - i));
  end

  wire infinite = a_infinite || b_infinite;
  wire zero_sign = a_sign && b_sign;
  wire sign = infinite ? (a_infinite ? a_sign : b_sign) : total == '0 ? zero_sign : swap ? b_sign : a_sign;
  %round rounding (
    .sign(sign),
    .exponent(exponent + %{one} - $signed(%{exponent_bits}'(zeros))),
    .significand(total << zeros),
    .infinite(infinite),
    .nan(a_nan || b_nan || (a_infinite && b_infinite && opposite)),
    .bits(bits)
  );
endmodule
"""


def sum_module(form: Format) -> Module:
    """`<format>_sum`: the rounded sum of two unpacked numbers with the exponents of products."""
    wide = form.precision + GUARD
    rounded = round_module(form, wide + 1)
    return module(
        f"{form.name}_sum",
        "the sum of two unpacked numbers, rounded once to nearest even.",
        [form, f"{GUARD} guard bits"],
        _SUM,
        [rounded],
        round=rounded.name,
        top=form.width - 1,
        exponent_bits=form.wide_exponent_bits,
        exponent_top=form.wide_exponent_bits - 1,
        one=f"{form.wide_exponent_bits}'sd1",
        mantissa_bits=form.mantissa_bits,
        guard=GUARD,
        wide_bits=wide,
        wide_top=wide - 1,
        count_bits=wide.bit_length(),
        count_top=wide.bit_length() - 1,
    )


_ADD: Final = """
module %name #(
  parameter int LATENCY = 0
) (
  input  logic clk,
  input  logic enable,
  input  logic [%{top}:0] a,
  input  logic [%{top}:0] b,
  output logic [%{top}:0] result
);
  logic a_sign, b_sign, a_infinite, b_infinite, a_nan, b_nan;
  logic signed [%{exponent_top}:0] a_exponent, b_exponent;
  logic [%{mantissa_bits}:0] a_significand, b_significand;
  %unpack a_parts (
    .bits(a), .sign(a_sign), .exponent(a_exponent), .significand(a_significand),
    .infinite(a_infinite), .nan(a_nan)
  );
  %unpack b_parts (
    .bits(b), .sign(b_sign), .exponent(b_exponent), .significand(b_significand),
    .infinite(b_infinite), .nan(b_nan)
  );

  logic [%{top}:0] bits;
  %sum sum (.*);
  %pipe #(.WIDTH(%{width}), .LATENCY(LATENCY)) delay (.clk(clk), .enable(enable), .d(bits), .q(result));
endmodule
"""


@dataclass(frozen=True, slots=True)
class Add(Unit):
    """a + b, rounded once."""

    format: Format

    @property
    def signature(self) -> Signature:
        """The module's name, operands and result."""
        operands = Port("a", self.format), Port("b", self.format)
        return Signature(f"{self.format.name}_add", operands, Port("result", self.format))

    def compute(self, *patterns: ArrayLike) -> Patterns:
        """Rounded sums."""
        a, b = (unpack(self.format, each) for each in patterns)
        return add(self.format, a, b)

    def module(self) -> Module:
        """`<format>_add`."""
        parts, total = unpack_module(self.format), sum_module(self.format)
        return module(
            self.name,
            "a + b, rounded once to nearest even.",
            [self.format],
            _ADD,
            [parts, total, PIPE],
            unpack=parts.name,
            sum=total.name,
            pipe=PIPE.name,
            width=self.format.width,
            top=self.format.width - 1,
            exponent_top=self.format.wide_exponent_bits - 1,
            mantissa_bits=self.format.mantissa_bits,
        )
