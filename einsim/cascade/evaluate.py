"""The reference value of a cascade in NumPy, in double precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from einsim.cascade.contract import contract
from einsim.cascade.expression import Binary, Expr, Negate, Number, is_product_term
from einsim.cascade.functions import FOLD
from einsim.cascade.ir import Cascade, Einsum, Init
from einsim.cascade.machine import run
from einsim.cascade.names import SELECTIONS, size_of
from einsim.cascade.points import Points
from einsim.cascade.space import Array
from einsim.errors import SpecError


def evaluate(
    cascade: Cascade, inputs: Mapping[str, ArrayLike], sizes: Mapping[str, int] | None = None
) -> dict[str, Array]:
    """Every tensor that the cascade makes, computed in float64.

    inputs: one array a declared input, of shape (size of each rank, ...); sizes are inferred from the shapes
    and completed by `sizes` (tile sizes, say). The iterative dimension of a tensor has one slice more than
    its rank, the first being its init. Elements that a partial tile or a filter leaves out are 0 in the result
    and enter no computation. Infinities and nan follow IEEE 754, without warnings.

    Raises SpecError for inputs or sizes that are missing, unknown or in disagreement, for an index that
    leaves its tensor at a point that exists, and for parts of a tensor that overlap.
    """
    return run(cascade, inputs, sizes or {}, _Double())


class _Double:
    """Elements are float64; sums and products may be taken in any order."""

    def dtype(self, tensor: str) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def first(self, init: Init, points: Points) -> Array:
        return points.value(init.body)

    def mapped(self, einsum: Einsum, points: Points) -> Array:
        return points.value(einsum.body)

    def reduced(self, einsum: Einsum, points: Points) -> Array:
        axes = points.space.axes(einsum.reduced)
        kept = len(points.shape) - len(axes)
        assert einsum.reduction is not None
        if einsum.reduction in SELECTIONS:
            return _selected(einsum, points, axes[0])
        if einsum.reduction == "sum" and is_product_term(einsum.body):
            summed = _sum_of_product(einsum.body, points, axes)
            if summed is not None:
                return summed.reshape(summed.shape[:kept])
        operator, nothing = FOLD[einsum.reduction]
        value = points.value(einsum.body)
        if points.mask is not None:
            value = np.where(points.mask, value, nothing)
        shape = tuple(points.space.lengths[axis] if axis in axes else n for axis, n in enumerate(value.shape))
        folded: Array = operator.reduce(np.broadcast_to(value, shape), axis=axes, keepdims=True)
        return folded.reshape(folded.shape[:kept])


def _selected(einsum: Einsum, points: Points, axis: int) -> Array:
    """Coordinates of the largest (smallest) elements, ties by the lower coordinate."""
    value = np.broadcast_to(points.value(einsum.body), points.space.lengths)
    if einsum.reduction == "argmin":
        value = -value
    if points.mask is not None:
        value = np.where(points.mask, value, -np.inf)
    value = np.moveaxis(value, axis, -1)
    if einsum.reduction != "topk":
        return np.asarray(value.argmax(axis=-1), dtype=np.float64)
    assert einsum.selected is not None
    places = points.sizes[size_of(einsum.selected)]
    if places > value.shape[-1]:
        raise SpecError(
            f"{einsum.name!r} selects {places} of {value.shape[-1]} elements",
            at=einsum.at,
            remedy=f"give a smaller {size_of(einsum.selected)}",
        )
    return np.argsort(-value, axis=-1, kind="stable")[..., :places].astype(np.float64)


def _sum_of_product(body: Expr, points: Points, axes: tuple[int, ...]) -> Array | None:
    """A sum of one product by contraction, or None where only the plain way is right.

    A divisor that is constant along the sum divides afterwards. Masked-out points are multiplied by 0,
    which hides finite values only; a sum over none of them must be 0 whatever the divisor.
    """
    numerators, divisors = _factors(body, divide=False)
    above = [points.value(factor) for factor in numerators]
    below = [points.value(factor) for factor in divisors]
    if any(divisor.shape[axis] != 1 for divisor in below for axis in axes):
        return None
    if points.mask is not None:
        if not all(np.isfinite(factor).all() for factor in (*above, *below)) or not all(d.all() for d in below):
            return None
        above.append(points.mask.astype(np.float64))
    if any(all(f.shape[a] == 1 for f in above) and points.space.lengths[a] > 1 for a in axes):
        return None
    total = contract(above, axes)
    for divisor in below:
        total = total / divisor
    return total


def _factors(body: Expr, *, divide: bool) -> tuple[list[Expr], list[Expr]]:
    """The factors above and below the line of one product term; a sign is a factor of -1."""
    match body:
        case Binary("*" | "/" as operator, left, right):
            above, below = _factors(left, divide=divide)
            more_above, more_below = _factors(right, divide=divide != (operator == "/"))
            return above + more_above, below + more_below
        case Negate(operand):
            above, below = _factors(operand, divide=divide)
            return [*above, Number(-1.0)], below
        case _:
            return ([], [body]) if divide else ([body], [])
