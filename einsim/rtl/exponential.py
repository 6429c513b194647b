"""exp(a - b) as one addition and six multiply-accumulates of a processing element, and some wiring.

    0   d = a - b                      the element's adder
    1   v = d' x log2(e) + 1.5 x 2^m   m mantissa bits: the last bits of the sum are n, the integer nearest d log2(e)
    2   x = n x -high + d              high + low = ln(2); what is left of d is about ln(2) / 2 at most ...
    3   x = n x -low + x               ... and nearly as precise as the accumulator, for here d is not rounded
    4   y = r x C3 + C2                r = x'
    5   y = r x y' + C1
    6   p = r x y' + 1
        p x 2^n                        n is added to the exponent field

A dash marks a rounding to the operands' format, in which multiplicands are; the rest has the accumulator's.
docs/arithmetic.md tells what this costs in accuracy. `einsim.rtl.macro` has the hardware of the steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from einsim.errors import SpecError
from einsim.rtl.add import Add
from einsim.rtl.convert import Convert
from einsim.rtl.formats import Format, Patterns
from einsim.rtl.mac import MacAdd
from einsim.rtl.unpacked import Ints, decode, encode

POLYNOMIAL: Final = (1.0, 0.9999, 0.5047, 0.17)
"""exp(r), the lowest power first, where |r| is up to about 0.4: what `python -m benchmarks.coefficients` found best for
bf16 operands, all roundings included. The constant is exactly 1, so that exp(0) is."""

STEPS: Final = 7
"""One addition and six multiply-accumulates."""


@dataclass(frozen=True, slots=True)
class Constants:
    """Patterns: multiplicands in the operands' format, addends in the accumulator's."""

    log2e: int
    shifter: int
    minus_ln2_high: int
    minus_ln2_low: int
    c3: int
    c2: int
    c1: int
    c0: int


@dataclass(frozen=True, slots=True)
class ExpSteps:
    """The seven steps for operands of one format and an accumulator of another.

    Raises `SpecError` where n would not be exact as an operand or products are not exact in the accumulator.
    """

    operand: Format
    accumulator: Format
    polynomial: tuple[float, float, float, float] = POLYNOMIAL

    def __post_init__(self) -> None:
        if self.operand.precision < self.accumulator.exponent_bits or not self.unit.mac.fused:
            raise SpecError(
                f"exp cannot be computed with operands of {self.operand} and sums of {self.accumulator}",
                remedy="operands need as many significant bits as the accumulator has exponent bits, and products "
                "that fit its significand: bf16 or fp16 with fp32",
            )

    @property
    def unit(self) -> MacAdd:
        """The one unit that all steps run on."""
        return MacAdd(self.operand, self.accumulator)

    @property
    def narrow(self) -> Convert:
        """The rounding between an accumulator and a multiplicand."""
        return Convert(self.accumulator, self.operand)

    @property
    def whole_bits(self) -> int:
        """Bits of n, in two's complement."""
        return self.accumulator.exponent_bits + 1

    @property
    def overflow(self) -> int:
        """The n that makes the result infinite; no d below `far` reaches it."""
        return (1 << (self.whole_bits - 1)) - 1

    @property
    def underflow(self) -> int:
        """The n that makes the result zero."""
        return -(1 << (self.whole_bits - 1))

    @property
    def far(self) -> int:
        """The least exponent field of a d whose exp is certainly infinite or zero: |d| of 2^(exponent bits - 1)."""
        return self.accumulator.bias + self.accumulator.exponent_bits - 1

    @property
    def constants(self) -> Constants:
        """The numbers of the steps; ln(2) is split into two operands, the second one being the first one's error."""
        c0, c1, c2, c3 = self.polynomial
        high = float(decode(self.operand, encode(self.operand, -math.log(2))))
        return Constants(
            log2e=_pattern(self.operand, 1 / math.log(2)),
            shifter=_pattern(self.accumulator, 1.5 * 2.0**self.accumulator.mantissa_bits),
            minus_ln2_high=_pattern(self.operand, high),
            minus_ln2_low=_pattern(self.operand, -math.log(2) - high),
            c3=_pattern(self.operand, c3),
            c2=_pattern(self.accumulator, c2),
            c1=_pattern(self.accumulator, c1),
            c0=_pattern(self.accumulator, c0),
        )

    def compute(self, a: ArrayLike, b: ArrayLike) -> Patterns:
        """exp(a - b) in the accumulator's format, for arrays of its patterns."""
        k, narrow = self.constants, self.narrow.compute
        minus_b = np.asarray(b, self.accumulator.dtype) ^ self.accumulator.dtype.type(self.accumulator.negative_zero)
        d = Add(self.accumulator).compute(a, minus_b)
        n = self.whole(self._mac(narrow(d), k.log2e, k.shifter), d)
        multiple = encode(self.operand, n.astype(np.float64))
        x = self._mac(multiple, k.minus_ln2_high, d)
        x = self._mac(multiple, k.minus_ln2_low, x)
        r = narrow(x)
        y = self._mac(r, k.c3, k.c2)
        y = self._mac(r, narrow(y), k.c1)
        p = self._mac(r, narrow(y), k.c0)
        return self.scale(p, n)

    def _mac(self, a: Patterns, b: Patterns | int, c: Patterns | int) -> Patterns:
        return self.unit.mac.compute(*np.broadcast_arrays(a, b, c))

    def whole(self, v: Patterns, d: Patterns) -> Ints:
        """n, from the last bits of v; where d is far from zero, the n that overflows or underflows."""
        low = v.astype(np.int64) & ((1 << self.whole_bits) - 1)
        near = np.where(low > self.overflow, low - (1 << self.whole_bits), low)
        size = d.astype(np.int64) & (self.accumulator.negative_zero - 1)
        far = size >> self.accumulator.mantissa_bits >= self.far
        return np.where(far, np.where(d == size, self.overflow, self.underflow), near)

    def scale(self, p: Patterns, n: Ints) -> Patterns:
        """p x 2^n by its exponent field. A p that is no number stays so; otherwise the signs of p are positive."""
        form = self.accumulator
        size = p.astype(np.int64) & (form.negative_zero - 1)
        field = (size >> form.mantissa_bits) + n
        bits = field << form.mantissa_bits | size & ((1 << form.mantissa_bits) - 1)
        bits = np.where((field < 1) | (n == self.underflow), 0, bits)
        bits = np.where((field > 2 * form.bias) | (n == self.overflow), form.infinity, bits)
        return np.where(size > form.infinity, form.nan, bits).astype(form.dtype)


def _pattern(form: Format, value: float) -> int:
    return int(encode(form, value))
