"""How exact the arithmetic is, against float64: `python -m benchmarks.accuracy` prints docs/arithmetic.md's tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from einsim.rtl.convert import Convert
from einsim.rtl.formats import BF16, FP16, FP32, Format
from einsim.rtl.macro import Exponential
from einsim.rtl.row import RowArithmetic
from einsim.rtl.unpacked import decode, encode

RANGES = {
    BF16: ((-1.0, 0.0), (-8.0, 0.0), (-20.0, 0.0), (-87.0, 0.0), (0.0, 88.0)),
    FP16: ((-1.0, 0.0), (-9.0, 0.0), (0.0, 11.0)),
}
"""Of x, as far as results are normal numbers of the operands' format."""
LENGTHS = (64, 256, 1024, 4096)
FLOATS = 1 << 20


@dataclass(frozen=True, slots=True)
class Errors:
    """Of exp rounded to the operands' format, in units of its last place; of the accumulator's result, relative."""

    worst_ulp: float
    worst_input: float
    mean_ulp: float
    correctly_rounded: float
    worst_relative: float


def exp_errors(operand: Format, x: NDArray[np.float64]) -> Errors:
    """Errors of exp(x - 0) for accumulators x."""
    wide = Exponential(operand, FP32).compute(encode(FP32, x), np.zeros(x.size, np.uint32))
    exact = np.exp(x)
    narrow = decode(operand, Convert(FP32, operand).compute(wide))
    ulp = 2.0 ** (np.floor(np.log2(exact)) - operand.mantissa_bits)
    error = np.abs(narrow - exact) / ulp
    worst = int(np.argmax(error))
    return Errors(
        float(error[worst]),
        float(x[worst]),
        float(error.mean()),
        float((error <= 0.5).mean()),
        float(np.abs(decode(FP32, wide) / exact - 1).max()),
    )


def bf16_inputs(low: float, high: float) -> NDArray[np.float64]:
    """Every bf16 number in a range."""
    numbers = decode(BF16, np.arange(1 << 16))
    return numbers[(numbers >= low) & (numbers <= high)]


def fp32_inputs(low: float, high: float) -> NDArray[np.float64]:
    """A million fp32 numbers, spread evenly over a range."""
    numbers = np.random.default_rng(0).uniform(low, high, FLOATS)
    return numbers.astype(np.float32).astype(np.float64)


def exp_line(operand: Format, low: float, high: float, inputs: str) -> str:
    """One line of Markdown: errors of exp for every bf16 number in a range of x, or for many fp32 numbers."""
    x = bf16_inputs(low, high) if inputs == BF16.name else fp32_inputs(low, high)
    e = exp_errors(operand, x)
    return (
        f"| {low:g} to {high:g} | {inputs} | {e.worst_ulp:.3f} | {e.worst_input:.9g} | {e.mean_ulp:.3f} "
        f"| {100 * e.correctly_rounded:.1f} % | {e.worst_relative:.2e} |"
    )


def exp_table(operand: Format) -> list[str]:
    """Markdown: errors of exp in ranges of x."""
    lines = ["| x | inputs | worst, ulp | at | mean, ulp | correctly rounded | worst relative, unrounded |"]
    lines += ["|---|---|---|---|---|---|---|"]
    return lines + [exp_line(operand, *bounds, form.name) for bounds in RANGES[operand] for form in (BF16, FP32)]


@dataclass(frozen=True, slots=True)
class RowErrors:
    """Of a row of attention, relative to the row's largest result."""

    worst: float
    root_mean_square: float


def row_errors(length: int, spread: float, *, tile: int = 16, rows: int = 16, width: int = 64) -> RowErrors:
    """Attention of 16 random rows over so many keys, E = F = 64; scores have the standard deviation `spread`."""
    random = np.random.default_rng([length, int(10 * spread)])
    shapes = ((rows, width), (length, width), (length, width))
    q, k, v = (encode(BF16, random.normal(size=shape) * scale)
               for shape, scale in zip(shapes, (spread / np.sqrt(width), 1, 1), strict=True))  # fmt: skip
    got = decode(FP32, RowArithmetic().compute(q, k, v, tile=tile))
    scores = decode(BF16, q) @ decode(BF16, k).T
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    exact = weights @ decode(BF16, v) / weights.sum(axis=1, keepdims=True)
    relative = (got - exact) / np.abs(exact).max(axis=1, keepdims=True)
    return RowErrors(float(np.abs(relative).max()), float(np.sqrt((relative**2).mean())))


def row_line(length: int, spread: float) -> str:
    """One line of Markdown: errors of attention over so many keys."""
    e = row_errors(length, spread)
    return f"| {length} | {spread:g} | {e.worst:.2e} | {e.root_mean_square:.2e} |"


def row_table() -> list[str]:
    """Markdown: errors of attention by length, for even and for sharp distributions."""
    lines = ["| keys | spread of scores | worst | root mean square |", "|---|---|---|---|"]
    return lines + [row_line(length, spread) for length in LENGTHS for spread in (1.0, 4.0)]


if __name__ == "__main__":
    for form in (BF16, FP16):
        print(f"exp, operands {form.name}, sums fp32\n", *exp_table(form), "", sep="\n")
    print("attention, operands bf16, sums fp32, not yet rounded to bf16\n", *row_table(), sep="\n")
