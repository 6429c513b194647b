"""The register of the references: what each system computes, and random draws of what it computes it from."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CASES = {}
"""Key of a system -> its case."""


@dataclass(frozen=True)
class Case:
    """A system's `formula`, and how its sizes and tensors are drawn.

    sizes: name -> a number, (least, greatest), [choices], or a function of the sizes before it. tensors: what is
    drawn from the standard normal distribution, `Q[e,p] EPS`. `fill` draws the rest and adds it to both.
    """

    key: str
    formula: Callable[..., dict]
    tensors: str
    sizes: dict
    fill: Callable[..., None] | None

    def draw(self, rng):
        """(sizes, inputs): all that any variant takes, free sizes and tensors, in float64."""
        sizes, inputs = {}, {}
        for name, rule in self.sizes.items():
            sizes[name] = int(drawn(rng, rule, sizes))
        for name, ranks in re.findall(r"(\w+)(?:\[([^]]*)\])?", self.tensors):
            inputs[name] = rng.normal(size=[sizes[rank.upper()] for rank in ranks.split(",") if rank])
        if self.fill is not None:
            self.fill(rng, sizes, inputs)
        return sizes, {name: np.asarray(array, dtype=np.float64) for name, array in inputs.items()}

    def outputs(self, sizes, inputs):
        """Every output that any variant makes. A formula takes tensors and sizes by name, or all sizes as `n`."""
        known = {**sizes, **inputs, "n": sizes}
        return self.formula(**{name: known[name] for name in inspect.signature(self.formula).parameters})


def drawn(rng, rule, sizes):
    """One size by its rule."""
    if callable(rule):
        return rule(sizes)
    if isinstance(rule, tuple):
        return rng.integers(rule[0], rule[1] + 1)
    return rng.choice(rule) if isinstance(rule, list) else rule


def system(tensors, fill=None, **sizes):
    """Register the decorated formula under its own name."""

    def register(formula):
        key = formula.__name__
        assert key not in CASES, key
        CASES[key] = Case(key, formula, tensors, sizes, fill)
        return formula

    return register


def add(**values):
    """A fill of fixed numbers."""
    return lambda rng, n, t: t.update(values)


def both(*fills):
    """Several fills, one after the other."""

    def fill(rng, n, t):
        for each in fills:
            each(rng, n, t)

    return fill
