"""Sums of products without the product: pairs of factors meet in matrix products, as small as possible."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def contract(factors: Sequence[Array], axes: tuple[int, ...]) -> Array:
    """The product of all factors, summed over some axes (kept with length 1).

    factors: arrays of one number of axes that broadcast together. An axis to be summed along which no factor
    extends must have length 1 in truth. No array larger than a pair's product less the axes that end with it
    is made.
    """
    first, *rest = factors
    while rest:
        second, *rest = rest
        ending = tuple(axis for axis in axes if all(factor.shape[axis] == 1 for factor in rest))
        first = _pair(first, second, ending)
    return first.sum(axis=axes, keepdims=True) if axes else first


def _pair(left: Array, right: Array, axes: tuple[int, ...]) -> Array:
    """The product of two factors, summed over the axes; one matrix product a batch of shared axes."""
    lone = tuple(axis for axis in axes if right.shape[axis] == 1)
    left = left.sum(axis=lone, keepdims=True)
    lone = tuple(axis for axis in axes if left.shape[axis] == 1)
    right = right.sum(axis=lone, keepdims=True)
    every = range(left.ndim)
    inner = [axis for axis in axes if left.shape[axis] > 1]
    if not inner:
        return np.multiply(left, right)
    batch = [a for a in every if a not in inner and left.shape[a] > 1 and right.shape[a] > 1]
    own = [a for a in every if a not in inner and left.shape[a] > 1 and a not in batch]
    other = [a for a in every if a not in inner and right.shape[a] > 1 and a not in batch]
    trivial = [a for a in every if a not in (*inner, *batch, *own, *other)]
    product = np.matmul(_matrices(left, batch, own, inner), _matrices(right, batch, inner, other))
    order = (*batch, *own, *other, *trivial, *inner)
    lengths = [max(left.shape[a], right.shape[a]) for a in (*batch, *own, *other)]
    shaped: Array = product.reshape(*lengths, *(1 for _ in (*trivial, *inner)))
    return shaped.transpose(np.argsort(order))


def _matrices(array: Array, batch: list[int], rows: list[int], columns: list[int]) -> Array:
    """(batch, rows, columns) of an array whose other axes have length 1."""
    rest = [axis for axis in range(array.ndim) if axis not in (*batch, *rows, *columns)]
    moved = array.transpose(*batch, *rows, *columns, *rest)
    return moved.reshape(tuple(prod(array.shape[axis] for axis in group) for group in (batch, rows, columns)))
