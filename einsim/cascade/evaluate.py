"""The reference value of a cascade in NumPy, in double precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike

from einsim.cascade.binding import bind_inputs, check_tiles
from einsim.cascade.contract import contract
from einsim.cascade.expression import (
    Binary,
    Call,
    Compare,
    Condition,
    Expr,
    Junction,
    Negate,
    Not,
    Number,
    Position,
    Size,
    Where,
    is_product_term,
)
from einsim.cascade.functions import BINARY, COMPARISON, FOLD, call
from einsim.cascade.index import Access
from einsim.cascade.ir import Cascade, Einsum, Init
from einsim.cascade.names import SELECTIONS, size_of
from einsim.cascade.order import Step, keeps_slices, steps
from einsim.cascade.ranks import iteration_ranks, iterative_rank, reduced_ranks, tensor_ranks
from einsim.cascade.space import Array, Mask, Reader, Space
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
    bound = bind_inputs(cascade, inputs, sizes or {})
    check_tiles(cascade, bound.sizes)
    machine = _Machine(cascade, bound.sizes, dict(bound.arrays))
    with np.errstate(all="ignore"):
        for tensor in cascade.assembled:
            machine.arrays[tensor.name] = np.zeros([bound.sizes[size_of(rank)] for rank in tensor.ranks])
        for step in steps(cascade):
            machine.run(step)
    return {tensor: machine.arrays[tensor] for tensor in cascade.made}


@dataclass(frozen=True, slots=True)
class _Machine:
    """The arrays so far. `arrays` grows by one tensor an Einsum, `written` marks the parts of assembled ones."""

    cascade: Cascade
    sizes: Mapping[str, int]
    arrays: dict[str, Array]
    written: dict[str, Mask] = field(default_factory=dict)

    def run(self, step: Step) -> None:
        inits = {init.name: init for init in self.cascade.inits}
        for einsum in step.einsums:
            if not einsum.part:
                self._allocate(einsum, inits.get(einsum.tensor))
        if step.rank is None:
            self._make(step.einsums[0], {})
            return
        for coordinate in range(self.sizes[size_of(step.rank)]):
            for einsum in step.einsums:
                self._make(einsum, {step.rank: coordinate})

    def _allocate(self, einsum: Einsum, init: Init | None) -> None:
        over = iterative_rank(einsum)
        dimensions = tensor_ranks(self.cascade, einsum.tensor)
        array = np.zeros([self.sizes[size_of(rank)] + (rank == over) for rank in dimensions])
        self.arrays[einsum.tensor] = array
        if init is not None:
            points = self._points(init.output.ranks, {})
            first = points.value(init.body)
            points.reader.write(init.output, array, np.broadcast_to(first, points.space.lengths))

    def _points(self, ranks: tuple[str, ...], fixed: Mapping[str, int], when: Condition | None = None) -> _Points:
        """The points of some ranks that exist: that no partial tile and no filter leaves out."""
        space = Space.of(ranks, self.sizes, fixed)
        mask = space.mask(self.cascade, self.sizes)
        whole = _Points(space, self.sizes, Reader(space, self.sizes, self.arrays, mask), mask)
        if when is None:
            return whole
        kept = whole.truth(when) if mask is None else whole.truth(when) & mask
        return _Points(space, self.sizes, Reader(space, self.sizes, self.arrays, kept), kept)

    def _make(self, einsum: Einsum, fixed: Mapping[str, int]) -> None:
        points = self._points(iteration_ranks(einsum), fixed, einsum.when)
        reduced = reduced_ranks(einsum)
        left_ranks = tuple(rank for rank in points.space.ranks if rank not in reduced)
        value = self._reduced(einsum, points, reduced, len(left_ranks))
        if einsum.selected is not None:
            left_ranks = (*left_ranks, einsum.selected)
        left = self._points(left_ranks, fixed)
        if einsum.when is not None and einsum.part:
            left = left.only(points.any_over(reduced))
        elif einsum.when is not None and not reduced:
            value = self._filtered(einsum, value, points, left)
        places = left.reader.write(einsum.output, self.arrays[einsum.tensor], np.broadcast_to(value, left.shape))
        if einsum.part:
            self._claim(einsum, left, places)

    def _filtered(self, einsum: Einsum, value: Array, points: _Points, left: _Points) -> Array:
        """What a filter without reduction leaves: 0 elsewhere, or the slice before of an iterative tensor."""
        assert points.mask is not None
        elsewhere: Array | float = 0.0
        if keeps_slices(einsum):
            before = [index.plus(index.constant(-1)) if index.shift and index.shift[1] == 1 else index
                      for index in einsum.output.indices]  # fmt: skip
            elsewhere = left.reader.read(Access(einsum.tensor, tuple(before)))
        return np.where(points.mask, value, elsewhere)

    def _claim(self, einsum: Einsum, left: _Points, places: tuple[np.ndarray, ...] | None) -> None:
        """Marks a part as written; raises SpecError where another Einsum, or this one, wrote already."""
        array = self.arrays[einsum.tensor]
        mark = self.written.setdefault(einsum.tensor, np.zeros(array.shape, dtype=np.bool_))
        where = left.space.slices(einsum.output.indices) if places is None else places
        assert where is not None
        flat = np.ravel_multi_index(places, array.shape) if places else None
        if mark[where].any() or (flat is not None and len(np.unique(flat)) < flat.size):
            raise SpecError(
                f"{einsum.name!r} writes elements of {einsum.tensor!r} that are written already",
                at=einsum.at,
                remedy="parts of a tensor must not overlap",
            )
        mark[where] = True

    def _reduced(self, einsum: Einsum, points: _Points, reduced: tuple[str, ...], kept: int) -> Array:
        """The mapped values with the reduced ranks folded away: one axis a kept rank (and one of a topk)."""
        if einsum.reduction is None:
            return points.value(einsum.body)
        axes = points.space.axes(reduced)
        if einsum.reduction in SELECTIONS:
            return self._selected(einsum, points, axes[0])
        if einsum.reduction == "sum" and is_product_term(einsum.body):
            summed = points.sum_of_product(einsum.body, axes)
            if summed is not None:
                return summed.reshape(summed.shape[:kept])
        operator, nothing = FOLD[einsum.reduction]
        value = points.value(einsum.body)
        if points.mask is not None:
            value = np.where(points.mask, value, nothing)
        shape = tuple(points.space.lengths[axis] if axis in axes else n for axis, n in enumerate(value.shape))
        folded: Array = operator.reduce(np.broadcast_to(value, shape), axis=axes, keepdims=True)
        return folded.reshape(folded.shape[:kept])

    def _selected(self, einsum: Einsum, points: _Points, axis: int) -> Array:
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
        places = self.sizes[size_of(einsum.selected)]
        if places > value.shape[-1]:
            raise SpecError(
                f"{einsum.name!r} selects {places} of {value.shape[-1]} elements",
                at=einsum.at,
                remedy=f"give a smaller {size_of(einsum.selected)}",
            )
        return np.argsort(-value, axis=-1, kind="stable")[..., :places].astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Points:
    """Expressions evaluated at the points of a space; `mask` tells which exist, None: all."""

    space: Space
    sizes: Mapping[str, int]
    reader: Reader
    mask: Mask | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the space."""
        return self.space.lengths

    def sum_of_product(self, body: Expr, axes: tuple[int, ...]) -> Array | None:
        """A sum of one product by contraction, or None where only the plain way is right.

        A divisor that is constant along the sum divides afterwards. Masked-out points are multiplied by 0,
        which hides finite values only; a sum over none of them must be 0 whatever the divisor.
        """
        numerators, divisors = _factors(body, divide=False)
        above = [self.value(factor) for factor in numerators]
        below = [self.value(factor) for factor in divisors]
        if any(divisor.shape[axis] != 1 for divisor in below for axis in axes):
            return None
        if self.mask is not None:
            if not all(np.isfinite(factor).all() for factor in (*above, *below)) or not all(d.all() for d in below):
                return None
            above.append(self.mask.astype(np.float64))
        if any(all(f.shape[a] == 1 for f in above) and self.space.lengths[a] > 1 for a in axes):
            return None
        total = contract(above, axes)
        for divisor in below:
            total = total / divisor
        return total

    def value(self, expression: Expr) -> Array:
        """The expression at every point, of length 1 along ranks it does not depend on."""
        match expression:
            case Number(number):
                return np.full(self.space.flat, number)
            case Size(symbol):
                return np.full(self.space.flat, float(self.sizes[symbol]))
            case Position(index):
                return self.reader.coordinates(index).astype(np.float64)
            case Access():
                return self.reader.read(expression)
            case Negate(operand):
                return -self.value(operand)
            case Binary(operator, left, right):
                pair: Array = BINARY[operator](self.value(left), self.value(right))
                return pair
            case Call(function, arguments):
                return call(function, [self.value(argument) for argument in arguments])
            case Where(condition, then, otherwise):
                truth = self.truth(condition)
                return np.where(truth, self.only(truth).value(then), self.only(~truth).value(otherwise))
            case _:
                assert_never(expression)

    def any_over(self, ranks: tuple[str, ...]) -> Mask:
        """At which points of the other ranks, in their order, any point exists."""
        assert self.mask is not None
        kept: Mask = np.logical_or.reduce(np.broadcast_to(self.mask, self.shape), self.space.axes(ranks), keepdims=True)
        return kept.reshape([self.shape[axis] for axis, rank in enumerate(self.space.ranks) if rank not in ranks])

    def only(self, truth: Mask) -> _Points:
        """These points, but only where a condition holds."""
        mask = truth if self.mask is None else truth & self.mask
        return _Points(self.space, self.sizes, Reader(self.space, self.sizes, self.reader.arrays, mask), mask)

    def truth(self, condition: Condition) -> Mask:
        """The condition at every point, of length 1 along ranks it does not depend on."""
        match condition:
            case Compare(operator, left, right):
                found: Mask = COMPARISON[operator](self.value(left), self.value(right))
                return found
            case Junction(kind, parts):
                result = self.truth(parts[0])
                for part in parts[1:]:  # each is asked only where those before it leave the matter open
                    points = self.only(result if kind == "and" else ~result)
                    result = result & points.truth(part) if kind == "and" else result | points.truth(part)
                return result
            case Not(inner):
                return ~self.truth(inner)
            case _:
                assert_never(condition)


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
