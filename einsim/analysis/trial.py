"""Two cascades compared on random tensors: small and ragged sizes, ordinary values and extreme ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from einsim.cascade import Access, Cascade, Index, bind_sizes, evaluate, size_of, size_parameters, tensor_ranks, walk
from einsim.errors import SpecError

Arrays = dict[str, NDArray[np.float64]]

_SCALES = (1.0, 1.0, 300.0)
"""Of the inputs: ordinary ones, and such that scores are in the hundred thousands."""
_ATTEMPTS = 6  # for each draw that is wanted: sizes may contradict each other


@dataclass(frozen=True, slots=True)
class Comparison:
    """The largest difference found, relative to the largest output; and over how many draws.

    `other` is the number of elements that are finite in the original and not in the other cascade.
    """

    draws: int
    difference: float
    other: int

    @property
    def agrees(self) -> bool:
        """Whether the two mean the same as far as double precision tells."""
        return self.draws > 0 and self.other == 0 and self.difference < 1e-9


def compare(original: Cascade, other: Cascade, draws: int = 16, seed: int = 0) -> Comparison:
    """Evaluates both cascades on random inputs and compares every output of the original."""
    random = np.random.default_rng(seed)
    done, worst, lost = 0, 0.0, 0
    for attempt in range(_ATTEMPTS * draws):
        if done == draws:
            break
        drawn = _draw(original, other, random, _SCALES[attempt % len(_SCALES)])
        if drawn is None:
            continue
        sizes, inputs = drawn
        try:
            first = evaluate(original, inputs, _only(original, sizes))
        except SpecError:
            continue  # sizes at which the original itself has no meaning
        done += 1
        try:
            second = evaluate(other, inputs, _only(other, sizes))
        except SpecError:
            lost += 1  # the original has a meaning there, the other has none
            continue
        for name in original.outputs:
            finite = np.isfinite(first[name])
            lost += int((finite & ~np.isfinite(second[name])).sum())
            both = finite & np.isfinite(second[name])
            if both.any():
                scale = max(1e-30, float(np.abs(first[name][both]).max()))
                worst = max(worst, float(np.abs(first[name][both] - second[name][both]).max()) / scale)
    return Comparison(done, worst, lost)


def _only(cascade: Cascade, sizes: Mapping[str, int]) -> dict[str, int]:
    known = size_parameters(cascade)
    return {symbol: value for symbol, value in sizes.items() if symbol in known}


def _draw(
    original: Cascade, other: Cascade, random: np.random.Generator, scale: float
) -> tuple[dict[str, int], Arrays] | None:
    """Sizes for both cascades and inputs for the first; None where the sizes contradict each other."""
    sizes = {symbol: int(random.integers(1, 4)) for symbol in original.sizes}
    for symbol in (*size_parameters(original), *size_parameters(other)):
        sizes.setdefault(symbol, int(random.integers(2, 7)))
    for rank in original.ranks:
        if rank.within is not None:
            sizes[size_of(rank.name)] = int(random.integers(1, sizes.get(size_of(rank.within), 1) + 1))
    for symbol in _places(original):
        sizes[symbol] = int(random.integers(1, 3))
    try:
        bound = bind_sizes(original, _only(original, sizes))
        bind_sizes(other, _only(other, sizes))
    except SpecError:
        return None
    inputs: Arrays = {}
    limits = _index_limits(original, bound)
    for tensor in original.inputs:
        shape = [bound[size_of(rank)] for rank in tensor.ranks]
        if tensor.name in limits:
            inputs[tensor.name] = random.integers(0, limits[tensor.name], size=shape).astype(np.float64)
        elif not shape:
            inputs[tensor.name] = np.array(random.uniform(0.1, 0.9))
        else:
            values = random.normal(size=shape) * scale
            inputs[tensor.name] = np.where(random.random(shape) < 0.5, values, np.abs(values))
    return sizes, inputs


def _places(cascade: Cascade) -> set[str]:
    """Sizes of ranks that count the places of a selection: small, so that there is enough to select from."""
    return {size_of(einsum.selected) for einsum in cascade.einsums if einsum.selected is not None}


def _index_limits(cascade: Cascade, sizes: Mapping[str, int]) -> dict[str, int]:
    """Inputs that are used as indices, and the least extent that they index."""
    limits: dict[str, int] = {}
    declared = {tensor.name for tensor in cascade.inputs}
    for einsum in cascade.einsums:
        for node in (part for body in (einsum.body, einsum.when) if body is not None for part in walk(body)):
            if isinstance(node, Access):
                for rank, index in zip(tensor_ranks(cascade, node.tensor), node.indices, strict=True):
                    for gather in _all_gathers(index):
                        if gather.tensor in declared:
                            limit = sizes[size_of(rank)]
                            limits[gather.tensor] = min(limits.get(gather.tensor, limit), limit)
    return limits


def _all_gathers(index: Index) -> list[Access]:
    found = list(index.gathers)
    for gather in index.gathers:
        for inner in gather.indices:
            found += _all_gathers(inner)
    return found
