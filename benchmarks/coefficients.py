"""The search for exp's coefficients: `python -m benchmarks.coefficients` (a quarter of a minute).

Of a grid of coefficients, those with the least root mean square error among those whose worst error is below 2e-3, over
x from -12 to 0: where softmax's weights are worth something. All roundings of bf16 operands are included.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from einsim.rtl.exponential import POLYNOMIAL, ExpSteps
from einsim.rtl.formats import BF16, FP32
from einsim.rtl.unpacked import decode, encode

CUBIC = (0.166, 0.167, 0.168, 0.169, 0.17, 0.171)
SQUARE = tuple(round(0.4975 + 0.0006 * k, 4) for k in range(15))
LINEAR = tuple(round(0.999 + 0.0003 * k, 4) for k in range(8))
WORST = 2e-3
SAMPLES = 8000


def errors(polynomial: tuple[float, float, float, float]) -> tuple[float, float]:
    """Root mean square and worst relative error of exp before it is rounded to bf16."""
    x = np.random.default_rng(1).uniform(-12, 0, SAMPLES).astype(np.float32).astype(np.float64)
    got = ExpSteps(BF16, FP32, polynomial).compute(encode(FP32, x), np.zeros(SAMPLES, np.uint32))
    relative = decode(FP32, got) / np.exp(x) - 1
    return float(np.sqrt((relative**2).mean())), float(np.abs(relative).max())


def main() -> None:
    """Prints the best five, the one in use marked."""
    grid = [(1.0, linear, square, cubic) for cubic, square, linear in product(CUBIC, SQUARE, LINEAR)]
    found = [(*errors(polynomial), polynomial) for polynomial in grid]
    for rms, worst, polynomial in sorted(each for each in found if each[1] < WORST)[:5]:
        mark = "  <- in use" if polynomial == POLYNOMIAL else ""
        print(f"rms {rms:.6f}  worst {worst:.6f}  {polynomial}{mark}")


if __name__ == "__main__":
    main()
