"""Arithmetic that shares nothing with einsim's golden model: float64, NumPy's and ml_dtypes' types, fractions.

Values are float64. Results are exact, or exact up to a sticky last bit (round to odd), before they are rounded once.
"""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np

from einsim.rtl.formats import BF16, FP16, FP32, Format

from .operands import E4M3, TF19

LIBRARY = {BF16: ml_dtypes.bfloat16, FP16: np.float16, FP32: np.float32, E4M3: ml_dtypes.float8_e4m3}
TF19_DROPPED = 13
"""Bits that a 19-bit format lacks below float32's."""


def library(form: Format, patterns) -> np.ndarray:
    """Patterns as the library's numbers, subnormals as they are."""
    if form == TF19:
        return (np.asarray(patterns, np.uint32) << TF19_DROPPED).view(np.float32)
    return np.asarray(patterns, form.dtype).view(LIBRARY[form])


def tiny(form: Format) -> float:
    return 2.0 ** (2 - 2 ** (form.exponent_bits - 1))


def values(form: Format, patterns) -> np.ndarray:
    """float64 values, subnormals as zeros."""
    with np.errstate(all="ignore"):
        number = library(form, patterns).astype(np.float64)
        return np.where(np.abs(number) < tiny(form), np.copysign(0.0, number), number)


def patterns(form: Format, numbers) -> np.ndarray:
    """Patterns of numbers that the format has; every NaN is the canonical one."""
    with np.errstate(all="ignore"):
        if form == TF19:
            bits = np.asarray(numbers, np.float32).view(np.uint32) >> TF19_DROPPED
        else:
            bits = np.asarray(numbers, np.float32).astype(LIBRARY[form]).view(form.dtype)
    all_ones, quiet = (1 << form.exponent_bits) - 1, 1 << (form.mantissa_bits - 1)
    return np.where(np.isnan(numbers), all_ones << form.mantissa_bits | quiet, bits).astype(form.dtype)


def rounded(form: Format, exact) -> np.ndarray:
    """To the nearest number of the format, ties to even; no subnormals."""
    fraction, exponent = np.frexp(exact)
    with np.errstate(invalid="ignore", over="ignore"):
        nearest = np.ldexp(np.rint(np.ldexp(fraction, form.precision)), exponent - form.precision)
    nearest = np.where(np.abs(nearest) < tiny(form), np.copysign(0.0, exact), nearest)
    largest = (2 - 2.0**-form.mantissa_bits) * 2.0**form.bias
    return np.where(np.abs(nearest) > largest, np.copysign(np.inf, exact), nearest)


def odd_sum(a, b) -> np.ndarray:
    """a + b; where it is not exact, of the two float64 neighbours the one whose last bit is set."""
    with np.errstate(invalid="ignore", over="ignore"):
        total = a + b
        part = total - a
        error = (a - (total - part)) + (b - part)
    lost = np.isfinite(total) & (error != 0)
    even = total.view(np.int64) & 1 == 0
    outward = (error > 0) == (total > 0)
    return np.where(lost & even, (total.view(np.int64) + np.where(outward, 1, -1)).view(np.float64), total)


def multiply(form: Format, a, b):
    with np.errstate(invalid="ignore"):
        return rounded(form, a * b)


def add(form: Format, a, b):
    return rounded(form, odd_sum(a, b))


def mac(form: Format, a, b, c, *, fused: bool):
    with np.errstate(invalid="ignore"):
        product = a * b  # 48 bits at most: exact
    return add(form, product if fused else rounded(form, product), c)


def divide(form: Format, a, b):
    """float64 has more than twice the precision and two bits: rounding its quotient again changes nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return rounded(form, a / b)


def exactly_rounded(form: Format, number: Fraction) -> float:
    """The referee: a fraction rounded by its definition. Zero's sign is not known here."""
    if number == 0:
        return 0.0
    size, exponent = abs(number), 0
    while size >= 2:
        size, exponent = size / 2, exponent + 1
    while size < 1:
        size, exponent = size * 2, exponent - 1
    digits = round(size * 2**form.mantissa_bits)  # ties to even
    value = Fraction(digits, 2**form.mantissa_bits) * Fraction(2) ** exponent
    if value < Fraction(2) ** (1 - form.bias):
        value = Fraction(0)
    if value >= Fraction(2) ** (form.bias + 1):
        return float("inf") if number > 0 else float("-inf")
    return float(value if number > 0 else -value)


def exponential(operand: Format, form: Format, a, b) -> np.ndarray:
    """The seven steps of docs/arithmetic.md in float64 values of a and b, with constants worked out here."""

    def narrow(x):
        return rounded(operand, x)

    def step(x, y, z):
        return mac(form, *np.broadcast_arrays(x, y, z), fused=True)

    ln2 = np.log(2)
    high = narrow(ln2)
    d = add(form, a, -b)
    shifter = 1.5 * 2.0**form.mantissa_bits
    with np.errstate(invalid="ignore"):
        n = step(narrow(d), narrow(1 / ln2), shifter) - shifter
    far = np.abs(d) >= 128
    n = np.where(far, np.where(d > 0, 255.0, -256.0), n)
    x = step(n, -narrow(ln2 - high), step(n, -high, d))
    r = narrow(x)
    y = step(r, narrow(0.17), rounded(form, 0.5047))
    y = step(r, narrow(y), rounded(form, 0.9999))
    p = step(r, narrow(y), 1.0)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        result = np.where(far, np.where(d > 0, np.inf, 0.0), np.abs(p) * 2.0**n)
    result = np.where(result < tiny(form), 0.0, np.where(result >= 2.0 ** (form.bias + 1), np.inf, result))
    return np.where(np.isnan(d), np.nan, result)
