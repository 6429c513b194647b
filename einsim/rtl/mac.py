"""Multiply-accumulate, the operation of every processing element."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from einsim.errors import SpecError
from einsim.rtl.add import add, sum_module
from einsim.rtl.formats import Format, Integer, Patterns
from einsim.rtl.multiply import product, product_module
from einsim.rtl.packing import round_module, unpack_module
from einsim.rtl.unit import Port, Signature, Unit
from einsim.rtl.unpacked import Ints, Unpacked, pack, unpack
from einsim.rtl.verilog import PIPE, Module, fill, module

_MAC: Final = """
module %name #(
  parameter int LATENCY = 0
) (
  input  logic clk,
  input  logic enable,
  input  logic [%{operand_top}:0] a,
  input  logic [%{operand_top}:0] b,
  input  logic [%{top}:0] c,
  output logic [%{top}:0] result
);
  logic product_sign, product_infinite, product_nan;
  logic signed [%{exponent_top}:0] product_exponent;
  logic [%{product_top}:0] product_significand;
  %product exact (
    .a(a), .b(b), .sign(product_sign), .exponent(product_exponent), .significand(product_significand),
    .infinite(product_infinite), .nan(product_nan)
  );

  logic a_sign, b_sign, a_infinite, b_infinite, a_nan, b_nan;
  logic signed [%{exponent_top}:0] a_exponent, b_exponent;
  logic [%{mantissa_bits}:0] a_significand, b_significand;
%{addend}
  %unpack c_parts (
    .bits(c), .sign(b_sign), .exponent(b_exponent), .significand(b_significand),
    .infinite(b_infinite), .nan(b_nan)
  );

  logic [%{top}:0] bits;
  %sum sum (.*);
  %pipe #(.WIDTH(%{width}), .LATENCY(LATENCY)) delay (.clk(clk), .enable(enable), .d(bits), .q(result));
endmodule
"""

_FUSED: Final = """\
  // The product fits the accumulator's significand: it is added as it is.
  assign a_sign = product_sign;
  assign a_exponent = product_exponent;
  assign a_significand = {product_significand%{padding}};
  assign a_infinite = product_infinite;
  assign a_nan = product_nan;"""

_ROUNDED: Final = """\
  // The product is longer than the accumulator's significand: it is rounded before it is added.
  logic [%{top}:0] rounded;
  %round product_rounded (
    .sign(product_sign), .exponent(product_exponent), .significand(product_significand),
    .infinite(product_infinite), .nan(product_nan), .bits(rounded)
  );
  %unpack product_parts (
    .bits(rounded), .sign(a_sign), .exponent(a_exponent), .significand(a_significand),
    .infinite(a_infinite), .nan(a_nan)
  );"""


@dataclass(frozen=True, slots=True)
class Mac(Unit):
    """a x b + c. Fused, with one rounding of the sum, where the product fits the accumulator's significand.

    An unrounded product cannot overflow or underflow by itself. Where it does not fit (fp32 operands), it is
    rounded like any result and then added: two roundings. Raises `SpecError` where the accumulator is narrower
    than the operands.
    """

    operand: Format
    accumulator: Format

    def __post_init__(self) -> None:
        if (
            self.operand.exponent_bits > self.accumulator.exponent_bits
            or self.operand.mantissa_bits > self.accumulator.mantissa_bits
        ):
            raise SpecError(
                f"products of {self.operand} cannot be summed in {self.accumulator}",
                remedy="take an accumulator with at least the operands' exponent and mantissa bits",
            )

    @property
    def fused(self) -> bool:
        """Whether the product is exact."""
        return 2 * self.operand.precision <= self.accumulator.precision

    @property
    def signature(self) -> Signature:
        """The module's name, operands and result."""
        operands = Port("a", self.operand), Port("b", self.operand), Port("c", self.accumulator)
        name = f"{self.operand.name}_mac_{self.accumulator.name}"
        return Signature(name, operands, Port("result", self.accumulator))

    def compute(self, *patterns: ArrayLike) -> Patterns:
        """Rounded sums of c and the products."""
        a, b = (unpack(self.operand, each) for each in patterns[:2])
        return add(self.accumulator, self._product(a, b), unpack(self.accumulator, patterns[2]))

    def _product(self, a: Unpacked, b: Unpacked) -> Unpacked:
        exact = product(a, b, self.accumulator)
        if not self.fused:
            return unpack(self.accumulator, pack(self.accumulator, exact))
        fraction = self.accumulator.mantissa_bits
        return replace(exact, significand=exact.significand << (fraction - exact.fraction), fraction=fraction)

    def module(self) -> Module:
        """`<operand>_mac_<accumulator>`."""
        form = self.accumulator
        exact, parts, total = product_module(self.operand, form), unpack_module(form), sum_module(form)
        rounded = round_module(form, 2 * self.operand.precision)
        padding = form.precision - 2 * self.operand.precision
        addend = fill(
            _FUSED if self.fused else _ROUNDED,
            padding=f", {padding}'b0" if padding else "",
            round=rounded.name,
            unpack=parts.name,
            top=form.width - 1,
        )
        return module(
            self.name,
            "a x b + c, " + ("fused: one rounding." if self.fused else "product rounded, then sum rounded."),
            [f"operands {self.operand}", f"accumulator {form}"],
            _MAC,
            [exact, parts, total, *([] if self.fused else [rounded]), PIPE],
            addend=addend,
            unpack=parts.name,
            top=form.width - 1,
            product=exact.name,
            sum=total.name,
            pipe=PIPE.name,
            operand_top=self.operand.width - 1,
            width=form.width,
            exponent_top=form.wide_exponent_bits - 1,
            product_top=2 * self.operand.precision - 1,
            mantissa_bits=form.mantissa_bits,
        )


_INTEGER: Final = """
module %name #(
  parameter int LATENCY = 0
) (
  input  logic clk,
  input  logic enable,
  input  logic signed [%{operand_top}:0] a,
  input  logic signed [%{operand_top}:0] b,
  input  logic signed [%{top}:0] c,
  output logic signed [%{top}:0] result
);
  wire signed [%{top}:0] sum = %{width}'(a) * %{width}'(b) + c;
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
