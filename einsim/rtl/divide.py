"""Division, digit by digit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from einsim.rtl.formats import Format, Patterns
from einsim.rtl.packing import round_module, unpack_module
from einsim.rtl.unit import Port, Signature, Unit
from einsim.rtl.unpacked import Unpacked, pack, unpack
from einsim.rtl.verilog import PIPE, Module, module

_DIVIDE: Final = """
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

  // A restoring division: each digit takes the divisor away from the remainder, if it is there.
  logic [%{precision}:0] remainder;
  logic [%{quotient_top}:0] quotient;
  always_comb begin
    remainder = {1'b0, a_significand};
    for (int i = %{quotient_top}; i >= 0; i--) begin
      quotient[i] = remainder >= {1'b0, b_significand};
      if (quotient[i]) remainder = remainder - {1'b0, b_significand};
      remainder = remainder << 1;
    end
  end

  // Both significands are in [1, 2): the quotient's leading one is in one of two places.
  wire [%{quotient_bits}:0] digits = {quotient, remainder != '0};
  wire a_zero = a_significand == '0;
  wire b_zero = b_significand == '0;
  logic [%{top}:0] bits;
  %round rounding (
    .sign(a_sign ^ b_sign),
    .exponent(a_exponent - b_exponent - $signed({%{exponent_top}'b0, !quotient[%{quotient_top}]})),
    .significand(b_infinite ? '0 : quotient[%{quotient_top}] ? digits : digits << 1),
    .infinite(a_infinite || b_zero),
    .nan(a_nan || b_nan || (a_infinite && b_infinite) || (a_zero && b_zero)),
    .bits(bits)
  );
  %pipe #(.WIDTH(%{width}), .LATENCY(LATENCY)) delay (.clk(clk), .enable(enable), .d(bits), .q(result));
endmodule
"""


@dataclass(frozen=True, slots=True)
class Divide(Unit):
    """a / b, correctly rounded. A number over zero is infinite; 0/0 and infinity over infinity are no numbers."""

    format: Format

    @property
    def quotient_bits(self) -> int:
        """Digits computed: one more than the precision for the half, one more because the first may be zero."""
        return self.format.precision + 2

    @property
    def signature(self) -> Signature:
        """The module's name, operands and result."""
        operands = Port("a", self.format), Port("b", self.format)
        return Signature(f"{self.format.name}_div", operands, Port("result", self.format))

    def compute(self, *patterns: ArrayLike) -> Patterns:
        """Rounded quotients."""
        a, b = (unpack(self.format, each) for each in patterns)
        fraction = self.quotient_bits
        divisor = np.where(b.significand == 0, 1, b.significand)
        quotient, remainder = np.divmod(a.significand << (self.quotient_bits - 1), divisor)
        digits = quotient << 1 | (remainder != 0)  # the last digit is sticky
        short = digits >> fraction == 0
        return pack(
            self.format,
            Unpacked(
                sign=a.sign ^ b.sign,
                exponent=a.exponent - b.exponent - short,
                significand=np.where(b.infinite, 0, np.where(short, digits << 1, digits)),
                infinite=a.infinite | b.zero,
                nan=a.nan | b.nan | (a.infinite & b.infinite) | (a.zero & b.zero),
                fraction=fraction,
            ),
        )

    def module(self) -> Module:
        """`<format>_div`."""
        parts, rounded = unpack_module(self.format), round_module(self.format, self.quotient_bits + 1)
        return module(
            self.name,
            "a / b, rounded once to nearest even.",
            [self.format, f"{self.quotient_bits} digits and a sticky bit"],
            _DIVIDE,
            [parts, rounded, PIPE],
            unpack=parts.name,
            round=rounded.name,
            pipe=PIPE.name,
            width=self.format.width,
            top=self.format.width - 1,
            exponent_top=self.format.wide_exponent_bits - 1,
            mantissa_bits=self.format.mantissa_bits,
            precision=self.format.precision,
            quotient_bits=self.quotient_bits,
            quotient_top=self.quotient_bits - 1,
        )
