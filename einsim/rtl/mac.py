"""Multiply-accumulate, the operation of every processing element, and the unit that also adds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from einsim.errors import SpecError
from einsim.rtl.add import add, sum_module
from einsim.rtl.formats import Format, Patterns
from einsim.rtl.multiply import product, product_module
from einsim.rtl.packing import round_module, unpack_module
from einsim.rtl.unit import Port, Signature, Unit
from einsim.rtl.unpacked import Unpacked, pack, unpack
from einsim.rtl.verilog import PIPE, Module, fill, module

_ADDEND: Final = """
module %name (
  input  logic [%{operand_top}:0] a,
  input  logic [%{operand_top}:0] b,
  output logic sign,
  output logic signed [%{exponent_top}:0] exponent,
  output logic [%{mantissa_bits}:0] significand,
  output logic infinite,
  output logic nan
);
%{body}
endmodule
"""

_FUSED: Final = """\
  // The product fits the accumulator's significand: it is added as it is.
  logic [%{product_top}:0] product;
  %product exact (.*, .significand(product));
  assign significand = {product%{padding}};"""

_ROUNDED: Final = """\
  // The product is longer than the accumulator's significand: it is rounded before it is added.
  logic product_sign, product_infinite, product_nan;
  logic signed [%{exponent_top}:0] product_exponent;
  logic [%{product_top}:0] product_significand;
  %product exact (
    .a(a), .b(b), .sign(product_sign), .exponent(product_exponent), .significand(product_significand),
    .infinite(product_infinite), .nan(product_nan)
  );
  logic [%{top}:0] bits;
  %round rounding (
    .sign(product_sign), .exponent(product_exponent), .significand(product_significand),
    .infinite(product_infinite), .nan(product_nan), .bits(bits)
  );
  %unpack parts (.*);"""

_MAC: Final = """
module %name #(
  parameter int LATENCY = 0
) (
  input  logic clk,
  input  logic enable,
%{mode}  input  logic [%{operand_top}:0] a,
  input  logic [%{operand_top}:0] b,
  input  logic [%{top}:0] c,
  output logic [%{top}:0] result
);
  logic a_sign, b_sign, a_infinite, b_infinite, a_nan, b_nan;
  logic signed [%{exponent_top}:0] a_exponent, b_exponent;
  logic [%{mantissa_bits}:0] a_significand, b_significand;
%{first}
  %unpack c_parts (
    .bits(c), .sign(b_sign), .exponent(b_exponent), .significand(b_significand),
    .infinite(b_infinite), .nan(b_nan)
  );

  logic [%{top}:0] bits;
  %sum sum (.*);
  %pipe #(.WIDTH(%{width}), .LATENCY(LATENCY)) delay (.clk(clk), .enable(enable), .d(bits), .q(result));
endmodule
"""

_PRODUCT_FIRST: Final = """\
  %addend product_parts (
    .a(a), .b(b), .sign(a_sign), .exponent(a_exponent), .significand(a_significand),
    .infinite(a_infinite), .nan(a_nan)
  );"""

_EITHER_FIRST: Final = """\
  logic product_sign, x_sign, product_infinite, x_infinite, product_nan, x_nan;
  logic signed [%{exponent_top}:0] product_exponent, x_exponent;
  logic [%{mantissa_bits}:0] product_significand, x_significand;
  %addend product_parts (
    .a(a), .b(b), .sign(product_sign), .exponent(product_exponent), .significand(product_significand),
    .infinite(product_infinite), .nan(product_nan)
  );
  %unpack x_parts (
    .bits(x), .sign(x_sign), .exponent(x_exponent), .significand(x_significand),
    .infinite(x_infinite), .nan(x_nan)
  );
  assign a_sign = adding ? x_sign : product_sign;
  assign a_exponent = adding ? x_exponent : product_exponent;
  assign a_significand = adding ? x_significand : product_significand;
  assign a_infinite = adding ? x_infinite : product_infinite;
  assign a_nan = adding ? x_nan : product_nan;"""


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
        a, b, c = patterns
        return add(self.accumulator, self.addend(a, b), unpack(self.accumulator, c))

    def addend(self, a: ArrayLike, b: ArrayLike) -> Unpacked:
        """The products as numbers with the accumulator's precision, exact or rounded."""
        exact = product(unpack(self.operand, a), unpack(self.operand, b), self.accumulator)
        if not self.fused:
            return unpack(self.accumulator, pack(self.accumulator, exact))
        fraction = self.accumulator.mantissa_bits
        return replace(exact, significand=exact.significand << (fraction - exact.fraction), fraction=fraction)

    def module(self) -> Module:
        """`<operand>_mac_<accumulator>`."""
        about = "a x b + c, " + ("fused: one rounding." if self.fused else "product rounded, then sum rounded.")
        return _mac_module(self.name, about, self, "", _PRODUCT_FIRST)

    def addend_module(self) -> Module:
        """`<operand>_addend_<accumulator>`: the product as an unpacked number of the accumulator's format."""
        form = self.accumulator
        exact, parts = product_module(self.operand, form), unpack_module(form)
        rounded = round_module(form, 2 * self.operand.precision)
        padding = form.precision - 2 * self.operand.precision
        ports = {"exponent_top": form.wide_exponent_bits - 1, "mantissa_bits": form.mantissa_bits}
        body = fill(
            _FUSED if self.fused else _ROUNDED,
            product=exact.name,
            round=rounded.name,
            unpack=parts.name,
            product_top=2 * self.operand.precision - 1,
            padding=f", {padding}'b0" if padding else "",
            top=form.width - 1,
            **ports,
        )
        return module(
            f"{self.operand.name}_addend_{form.name}",
            "a x b, unpacked, " + ("exact." if self.fused else "rounded."),
            [f"operands {self.operand}", f"accumulator {form}"],
            _ADDEND,
            [exact] if self.fused else [exact, rounded, parts],
            operand_top=self.operand.width - 1,
            body=body,
            **ports,
        )


@dataclass(frozen=True, slots=True)
class MacAdd(Unit):
    """x + c where `adding`, otherwise a x b + c: an element's one adder does both."""

    operand: Format
    accumulator: Format

    @property
    def mac(self) -> Mac:
        """The multiply-accumulate operation."""
        return Mac(self.operand, self.accumulator)

    @property
    def signature(self) -> Signature:
        """The module's name, operands and result."""
        operands = (*self.mac.signature.operands, Port("x", self.accumulator), Port("adding", 1))
        name = f"{self.operand.name}_macadd_{self.accumulator.name}"
        return Signature(name, operands, Port("result", self.accumulator))

    def compute(self, *patterns: ArrayLike) -> Patterns:
        """Rounded sums of c and either x or the products."""
        a, b, c, x, adding = patterns
        form = self.accumulator
        sums = add(form, unpack(form, x), unpack(form, c))
        return np.where(np.asarray(adding) != 0, sums, self.mac.compute(a, b, c))

    def module(self) -> Module:
        """`<operand>_macadd_<accumulator>`."""
        mode = fill("  input  logic adding,\n  input  logic [%{top}:0] x,\n", top=self.accumulator.width - 1)
        about = "x + c where adding, otherwise a x b + c."
        return _mac_module(self.name, about, self.mac, mode, _EITHER_FIRST)


def _mac_module(name: str, about: str, mac: Mac, mode: str, first: str) -> Module:
    """A module around one adder; `mode` are ports and `first` is text that provides the adder's first operand."""
    form = mac.accumulator
    addend, parts, total = mac.addend_module(), unpack_module(form), sum_module(form)
    ports = {"exponent_top": form.wide_exponent_bits - 1, "mantissa_bits": form.mantissa_bits}
    return module(
        name,
        about,
        [f"operands {mac.operand}", f"accumulator {form}"],
        _MAC,
        [addend, parts, total, PIPE],
        mode=mode,
        first=fill(first, addend=addend.name, unpack=parts.name, **ports),
        unpack=parts.name,
        sum=total.name,
        pipe=PIPE.name,
        operand_top=mac.operand.width - 1,
        width=form.width,
        top=form.width - 1,
        **ports,
    )
