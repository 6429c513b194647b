"""Operand patterns for units: the corners of a format in every combination, and random ones that meet often."""

from __future__ import annotations

import os
from math import prod

import numpy as np

from einsim.rtl import library
from einsim.rtl.add import Add
from einsim.rtl.convert import Convert
from einsim.rtl.divide import Divide
from einsim.rtl.formats import BF16, FP16, FP32, Format, Integer
from einsim.rtl.mac import Mac, MacAdd
from einsim.rtl.multiply import Multiply
from einsim.rtl.order import Compare, Maximum
from einsim.rtl.unit import Unit

E4M3 = Format("e4m3", 4, 3)
TF19 = Format("tf19", 8, 10)
# Formats that einsim does not ship: the units must hold for any.
OTHERS = (
    Multiply(E4M3, E4M3), Add(E4M3), Mac(E4M3, BF16), Mac(E4M3, E4M3), MacAdd(E4M3, FP16), Maximum(E4M3), Compare(E4M3),
    Divide(E4M3), Convert(E4M3, FP32), Convert(FP16, E4M3), Convert(BF16, FP16), Mac(TF19, FP32), Mac(BF16, TF19),
    Add(TF19), Divide(TF19), Convert(FP32, TF19),
)  # fmt: skip
UNITS = (*library.UNITS, *OTHERS)

EXHAUSTIVE = os.environ.get("EINSIM_EXHAUSTIVE") == "1"
RANDOM = 1 << 19
FEW = 1 << 16
"""Random operand tuples a kind of operands and round, which several units share; and those of formats not shipped."""
COMBINED = (1 << 19) if EXHAUSTIVE else 1 << 17
"""Combinations of corners, at most: more than all pairs, but not all triples."""
ROUNDS = 100 if EXHAUSTIVE else 1


def corners(form: Format | Integer | int) -> np.ndarray:
    """Patterns of both signs around everything that is special in a format; all of a few plain bits."""
    if isinstance(form, int):
        return np.arange(1 << form, dtype=np.uint32)
    if isinstance(form, Integer):
        top = 1 << (form.width - 1)
        values = [0, 1, 2, 3, top - 2, top - 1, top, top + 1, top // 2, 2 * top - 2, 2 * top - 1]
        return np.array(values, np.uint32)
    mantissa, one = 1 << form.mantissa_bits, form.one
    least, infinity = mantissa, form.infinity
    near_one = [one + step for step in (-2, -1, 0, 1, 2, mantissa // 2, mantissa - 1, mantissa, mantissa + 1)]
    # Halves of a narrower format's last place, just below, at and just above; all of the mantissa; one bit of it.
    drop = form.mantissa_bits // 2
    ties = [one + (1 << drop) + extra for extra in (-1, 0, 1)] + [
        one + (3 << drop),
        one | 0x5 << (form.mantissa_bits - 3),
    ]
    small = [0, 1, mantissa - 1, least, least + 1, 2 * least - 1, 2 * least]
    square_roots = [(form.bias // 2 + 1 << form.mantissa_bits) + extra for extra in (-1, 0, 1)]
    large = [infinity - mantissa, infinity - mantissa - 1, infinity - 2, infinity - 1]
    special = [infinity, infinity + 1, form.nan, form.nan + 1, form.negative_zero - 1]
    # What exp's range reduction looks at: around 88 and 128, and the multiples of ln(2) / 2 nearby.
    reduced = [one + (6 * mantissa) + (3 * mantissa >> 3), one + 7 * mantissa - 1, one + 7 * mantissa]
    both = (
        np.array([*small, *near_one, *ties, *square_roots, *large, *special, *reduced], np.int64) % form.negative_zero
    )
    return np.unique(np.concatenate([both, both | form.negative_zero])).astype(np.uint32)


def corner_operands(unit: Unit) -> tuple[np.ndarray, ...]:
    """Every combination of the operands' corners, or `COMBINED` of them where there are more."""
    columns = [corners(port.format) for port in unit.signature.operands]
    total = prod(len(column) for column in columns)
    chosen = np.arange(total) if total <= COMBINED else np.random.default_rng(1).integers(0, total, COMBINED)
    places = np.unravel_index(chosen, [len(column) for column in columns])
    return tuple(column[place] for column, place in zip(columns, places, strict=True))


def random_operands(unit: Unit, seed: int, size: int | None = None) -> tuple[np.ndarray, ...]:
    """A third is uniform over patterns, a third close to the first operand, a third of ordinary size."""
    size = size or (FEW if unit in OTHERS else RANDOM)
    random = np.random.default_rng([seed, *(port.width for port in unit.signature.operands)])
    formats = [port.format for port in unit.signature.operands]
    columns = [random.integers(0, 1 << port.width, size, dtype=np.uint64) for port in unit.signature.operands]
    if isinstance(formats[0], Integer):
        return tuple(column.astype(np.uint32) for column in columns)
    third = size // 3
    formats = [form for form in formats if isinstance(form, Format)]
    for column, form in zip(columns, formats, strict=False):
        field = form.bias + random.integers(-form.precision - 2, 8, third).clip(1 - form.bias, form.bias)
        low = (1 << form.mantissa_bits) - 1
        column[:third] = column[:third] & (form.negative_zero | low) | field.astype(np.uint64) << form.mantissa_bits
    _bring_close(columns[: len(formats)], formats, random, slice(third, 2 * third))
    return tuple(column.astype(np.uint32) for column in columns)


def _bring_close(columns, formats, random, part):
    """Gives the last operand an exponent near that of the first one, or of the product of the first two."""
    if len(columns) == 1:
        return
    last = formats[-1]
    fields = [
        (column[part] >> form.mantissa_bits & ((1 << form.exponent_bits) - 1)).astype(np.int64) - form.bias
        for column, form in zip(columns[:-1], formats[:-1], strict=True)
    ]
    wanted = sum(fields) + random.integers(-3, 4, fields[0].size) + last.bias
    field = wanted.clip(0, 2 * last.bias + 1).astype(np.uint64)
    low = (1 << last.mantissa_bits) - 1
    # Every fourth mantissa is all zeros or all ones but a few bits, so that sums cancel and round at the edge.
    mantissa = columns[-1][part] & low
    mantissa[::4] &= 3
    mantissa[1::4] |= low - 3
    columns[-1][part] = columns[-1][part] & last.negative_zero | field << last.mantissa_bits | mantissa


def typed(unit: Unit, columns) -> list[np.ndarray]:
    """The operands as `compute` takes them: low bits, in the type of their format."""
    return [
        (column & ((1 << port.width) - 1)).astype(port.format.dtype if port.width > 1 else np.uint8)
        for column, port in zip(columns, unit.signature.operands, strict=False)
    ]
