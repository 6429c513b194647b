"""Arrays of numbers taken apart, and the one place where results are rounded and put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from einsim.rtl.formats import Format, Patterns

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

_DOUBLE_MANTISSA = 52


@dataclass(frozen=True, slots=True)
class Unpacked:
    """(-1)^sign x significand x 2^(exponent - fraction), or an infinity of that sign, or no number.

    All arrays have one shape. A significand is 0 (a zero) or has its leading one at bit `fraction`; where
    `infinite` or `nan` holds, exponent and significand mean nothing.
    """

    sign: Bools
    exponent: Ints
    significand: Ints
    infinite: Bools
    nan: Bools
    fraction: int

    @property
    def zero(self) -> Bools:
        """Where the number is a zero of either sign."""
        return np.asarray((self.significand == 0) & ~self.infinite & ~self.nan)


def unpack(form: Format, patterns: ArrayLike) -> Unpacked:
    """Takes patterns apart; subnormals are zeros from here on."""
    bits = np.asarray(patterns).astype(np.int64)
    field = (bits >> form.mantissa_bits) & ((1 << form.exponent_bits) - 1)
    mantissa = bits & ((1 << form.mantissa_bits) - 1)
    special = field == (1 << form.exponent_bits) - 1
    return Unpacked(
        sign=bits >> (form.width - 1) & 1 == 1,
        exponent=np.where(field == 0, form.zero_exponent, field - form.bias),
        significand=np.where(field == 0, 0, mantissa | 1 << form.mantissa_bits),
        infinite=special & (mantissa == 0),
        nan=special & (mantissa != 0),
        fraction=form.mantissa_bits,
    )


def pack(form: Format, number: Unpacked) -> Patterns:
    """Rounds to nearest even with an unbounded exponent; what is then too large is infinite, too small zero."""
    dropped = max(number.fraction - form.mantissa_bits, 0)
    kept = number.significand << max(form.mantissa_bits - number.fraction, 0) >> dropped
    rest = number.significand & ((1 << dropped) - 1)
    half = 1 << dropped >> 1
    kept = kept + ((rest > half) | ((rest == half) & (kept & 1 == 1)) if dropped else 0)
    # Rounding up may carry into the next exponent; the mantissa is then all zeros.
    carry = kept >> form.precision
    field = number.exponent + form.bias + carry
    magnitude = field << form.mantissa_bits | kept & ((1 << form.mantissa_bits) - 1)
    magnitude = np.where((number.significand == 0) | (field < 1), 0, magnitude)
    magnitude = np.where(number.infinite | (field > 2 * form.bias) & (magnitude != 0), form.infinity, magnitude)
    bits = np.where(number.nan, form.nan, magnitude | number.sign.astype(np.int64) << (form.width - 1))
    return bits.astype(form.dtype)


def flush(form: Format, patterns: ArrayLike) -> Patterns:
    """The patterns as units see them: subnormals as zeros of their sign, NaNs as the canonical one."""
    return pack(form, unpack(form, patterns))


def normalise(significand: Ints, exponent: Ints, fraction: int) -> tuple[Ints, Ints]:
    """Shifts leading ones up to bit `fraction` (from at most there); exponents follow. Zeros stay."""
    # frexp is exact below 2^53: the exponent it finds is the number of bits.
    shift = fraction + 1 - np.frexp(significand.astype(np.float64))[1].astype(np.int64)
    shift = np.where(significand == 0, 0, shift)
    return significand << shift, exponent - shift


def encode(form: Format, values: ArrayLike) -> Patterns:
    """Patterns of float64 values, rounded once."""
    bits = np.asarray(values, np.float64).view(np.int64)
    field = bits >> _DOUBLE_MANTISSA & 0x7FF
    mantissa = bits & ((1 << _DOUBLE_MANTISSA) - 1)
    return pack(
        form,
        Unpacked(
            sign=bits < 0,
            exponent=field - 1023,
            significand=np.where(field == 0, 0, mantissa | 1 << _DOUBLE_MANTISSA),
            infinite=(field == 0x7FF) & (mantissa == 0),
            nan=(field == 0x7FF) & (mantissa != 0),
            fraction=_DOUBLE_MANTISSA,
        ),
    )


def decode(form: Format, patterns: ArrayLike) -> NDArray[np.float64]:
    """The values of patterns in float64, which holds them all; subnormals are zeros."""
    number = unpack(form, patterns)
    finite = np.ldexp(number.significand.astype(np.float64), (number.exponent - number.fraction).astype(np.int32))
    size = np.where(number.nan, np.nan, np.where(number.infinite, np.inf, finite))
    return np.where(number.sign, -size, size)
