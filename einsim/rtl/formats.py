"""Number formats of the datapath, and the constants that follow from them.

Policies, the same for every unit (docs/arithmetic.md): round to nearest, ties to even; subnormal operands count as
zeros of their sign, and results below the least normal number become zeros of their sign; every NaN produced is the
one canonical NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from einsim.errors import SpecError, suggest

Patterns = NDArray[np.unsignedinteger[Any]]
"""Bit patterns of a format, in the unsigned type that is just wide enough (`Format.dtype`)."""

_WIDEST_EXPONENT: Final = 8
_WIDEST_MANTISSA: Final = 23
"""The golden model holds products in 64-bit integers and decodes exactly into float64: fp32 is the widest.

Besides, what cancellation leaves of a sum must have an exponent within `wide_exponent_bits`.
"""


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating-point format: from the top a sign, a biased exponent and a mantissa without its leading one.

    Raises `SpecError` where the golden model could not hold the format's numbers.
    """

    name: str
    exponent_bits: int
    mantissa_bits: int

    def __post_init__(self) -> None:
        longest = min(_WIDEST_MANTISSA, 1 << self.exponent_bits)
        if not 3 <= self.exponent_bits <= _WIDEST_EXPONENT or not 2 <= self.mantissa_bits <= longest:
            raise SpecError(
                f"format {self.name!r} has {self.exponent_bits} exponent and {self.mantissa_bits} mantissa bits",
                remedy=f"3 to {_WIDEST_EXPONENT} and 2 to {_WIDEST_MANTISSA} are possible, the mantissa's at most 2^"
                "(exponent bits)",
            )

    def __str__(self) -> str:
        return f"{self.name} (1 sign, {self.exponent_bits} exponent, {self.mantissa_bits} mantissa bits)"

    @property
    def width(self) -> int:
        """Bits of a pattern."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def precision(self) -> int:
        """Bits of a significand: the mantissa's and the leading one."""
        return self.mantissa_bits + 1

    @property
    def bias(self) -> int:
        """What the exponent field holds above the exponent; also the largest exponent of a finite number."""
        return (1 << (self.exponent_bits - 1)) - 1

    @property
    def wide_exponent_bits(self) -> int:
        """Bits of a signed, unbiased exponent that holds any number's, any product's and a zero's."""
        return self.exponent_bits + 2

    @property
    def zero_exponent(self) -> int:
        """The exponent that an unpacked zero carries, below that of every product, so that a sum ignores zeros."""
        return -(1 << (self.exponent_bits + 1))

    @property
    def infinity(self) -> int:
        """The pattern of plus infinity; its bits are also the mask of the exponent field."""
        return ((1 << self.exponent_bits) - 1) << self.mantissa_bits

    @property
    def nan(self) -> int:
        """The canonical NaN: positive and quiet, nothing in its payload."""
        return self.infinity | 1 << (self.mantissa_bits - 1)

    @property
    def negative_zero(self) -> int:
        """The pattern of minus zero; its bit is also the mask of the sign."""
        return 1 << (self.width - 1)

    @property
    def one(self) -> int:
        """The pattern of 1.0."""
        return self.bias << self.mantissa_bits

    @property
    def lowest(self) -> int:
        """The most negative finite number: where a running maximum starts."""
        return self.negative_zero | (self.infinity - 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy type of patterns."""
        return np.dtype(np.uint8 if self.width <= 8 else np.uint16 if self.width <= 16 else np.uint32)


BF16: Final = Format("bf16", 8, 7)
FP16: Final = Format("fp16", 5, 10)
FP32: Final = Format("fp32", 8, 23)


@dataclass(frozen=True, slots=True)
class Integer:
    """Integers in two's complement; sums wrap around."""

    name: str
    width: int

    def __post_init__(self) -> None:
        if self.width not in {8, 16, 32}:
            raise SpecError(f"integers {self.name!r} of {self.width} bits", remedy="8, 16 and 32 are possible")

    def __str__(self) -> str:
        return f"{self.name} ({self.width} bits, two's complement)"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy type of patterns."""
        return np.dtype(f"u{self.width // 8}")


NumberFormat = Format | Integer
"""Either kind."""

INT8: Final = Integer("int8", 8)
INT16: Final = Integer("int16", 16)
INT32: Final = Integer("int32", 32)

_NAMED: Final[dict[str, NumberFormat]] = {each.name: each for each in (BF16, FP16, FP32, INT8, INT16, INT32)}


def named(name: str) -> NumberFormat:
    """The format of that name; a SpecError lists the known ones."""
    if name not in _NAMED:
        raise SpecError(f"unknown number format {name!r}", remedy=suggest(name, _NAMED))
    return _NAMED[name]
