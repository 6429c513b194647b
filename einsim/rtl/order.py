"""Maximum and comparison. Both order patterns as integers: no subtraction, so they cost next to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from einsim.rtl.formats import Format, Patterns
from einsim.rtl.unit import Port, Signature, Unit
from einsim.rtl.unpacked import Bools, Ints, flush
from einsim.rtl.verilog import Module, fill, module

_KEYS: Final = """\
  localparam logic [%{size_top}:0] INFINITY = %{infinity};

  // Subnormals are zeros of their sign; negative magnitudes count backwards, minus zero just below zero.
  wire [%{size_top}:0] a_size = a[%{size_top}:%{mantissa_bits}] == '0 ? '0 : a[%{size_top}:0];
  wire [%{size_top}:0] b_size = b[%{size_top}:%{mantissa_bits}] == '0 ? '0 : b[%{size_top}:0];
  wire signed [%{top}:0] a_key = $signed({a[%{top}], a_size ^ {%{top}{a[%{top}]}}});
  wire signed [%{top}:0] b_key = $signed({b[%{top}], b_size ^ {%{top}{b[%{top}]}}});
  wire unordered = a_size > INFINITY || b_size > INFINITY;
"""

_MAXIMUM: Final = """
module %name (
  input  logic [%{top}:0] a,
  input  logic [%{top}:0] b,
  output logic [%{top}:0] result
);
  localparam logic [%{top}:0] NAN = %{nan};
%{keys}
  always_comb
    if (unordered) result = NAN;
    else if (a_key > b_key) result = {a[%{top}], a_size};
    else result = {b[%{top}], b_size};
endmodule
"""

_COMPARE: Final = """
module %name (
  input  logic [%{top}:0] a,
  input  logic [%{top}:0] b,
  output logic [2:0] result  // {greater, equal, less}; none of them where one is no number
);
%{keys}
  wire zeros = a_size == '0 && b_size == '0;
  always_comb
    if (unordered) result = 3'b000;
    else if (zeros || a_key == b_key) result = 3'b010;
    else result = {a_key > b_key, 1'b0, a_key < b_key};
endmodule
"""


def _keys(form: Format, patterns: ArrayLike) -> tuple[Ints, Bools]:
    """Integers in the order of the numbers, minus zero just below zero, and where there is no number."""
    bits = flush(form, patterns).astype(np.int64)
    size = bits & (form.negative_zero - 1)
    return np.where(bits == size, size, ~size), size > form.infinity


def _keys_text(form: Format) -> str:
    literal = f"{form.width - 1}'h{form.infinity:x}"
    return fill(_KEYS, top=form.width - 1, size_top=form.width - 2, mantissa_bits=form.mantissa_bits, infinity=literal)


@dataclass(frozen=True, slots=True)
class Maximum(Unit):
    """The larger one of a and b; +0 is larger than -0; no number if either is none (IEEE 754-2019 `maximum`)."""

    format: Format

    @property
    def signature(self) -> Signature:
        """The module's name, operands and result."""
        operands = Port("a", self.format), Port("b", self.format)
        return Signature(f"{self.format.name}_max", operands, Port("result", self.format), clocked=False)

    def compute(self, *patterns: ArrayLike) -> Patterns:
        """The larger patterns."""
        a, b = patterns
        (a_key, a_nan), (b_key, b_nan) = _keys(self.format, a), _keys(self.format, b)
        larger = np.where(a_key > b_key, flush(self.format, a), flush(self.format, b))
        return np.where(a_nan | b_nan, self.format.nan, larger).astype(self.format.dtype)

    def module(self) -> Module:
        """`<format>_max`."""
        return module(
            self.name,
            "the larger one of a and b; no number if either is none.",
            [self.format],
            _MAXIMUM,
            top=self.format.width - 1,
            keys=_keys_text(self.format),
            nan=f"{self.format.width}'h{self.format.nan:x}",
        )


@dataclass(frozen=True, slots=True)
class Compare(Unit):
    """Three bits, from the top: a > b, a = b, a < b; zeros are equal; none is set if either is no number."""

    format: Format

    @property
    def signature(self) -> Signature:
        """The module's name, operands and result."""
        operands = Port("a", self.format), Port("b", self.format)
        return Signature(f"{self.format.name}_compare", operands, Port("result", 3), clocked=False)

    def compute(self, *patterns: ArrayLike) -> Patterns:
        """Codes of three bits."""
        (a, a_nan), (b, b_nan) = (_keys(self.format, each) for each in patterns)
        zero = (a == 0) | (a == -1), (b == 0) | (b == -1)
        equal = (a == b) | (zero[0] & zero[1])
        code = np.where(equal, 2, np.where(a > b, 4, 1))
        return np.where(a_nan | b_nan, 0, code).astype(np.uint8)

    def module(self) -> Module:
        """`<format>_compare`."""
        keys, top = _keys_text(self.format), self.format.width - 1
        return module(self.name, "how a and b are ordered.", [self.format], _COMPARE, top=top, keys=keys)
