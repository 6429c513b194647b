"""The points of an iteration space that exist, and the values of expressions and conditions there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np

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
)
from einsim.cascade.functions import BINARY, COMPARISON, call
from einsim.cascade.index import Access
from einsim.cascade.space import Array, Mask, Reader, Space


@dataclass(frozen=True, slots=True)
class Points:
    """The points that a reader reads at, and expressions evaluated there."""

    reader: Reader

    @property
    def space(self) -> Space:
        """The space; its ranks are the axes of values."""
        return self.reader.space

    @property
    def sizes(self) -> Mapping[str, int]:
        """Every size of the cascade."""
        return self.reader.sizes

    @property
    def mask(self) -> Mask | None:
        """Which points of the space exist, of length 1 along ranks that do not matter; None: all."""
        return self.reader.mask

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the space."""
        return self.space.lengths

    def value(self, expression: Expr) -> Array:
        """The expression at every point in double precision, of length 1 along ranks it does not depend on."""
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

    def only(self, truth: Mask) -> Points:
        """These points, but only where a condition holds."""
        return Points(replace(self.reader, mask=truth if self.mask is None else truth & self.mask))

    def at(self, coordinates: Mapping[str, int]) -> Points:
        """These points, but only those at fixed coordinates of some ranks, which keep an axis of length 1."""
        space = self.space.at(coordinates)
        mask = self.mask
        if mask is not None:
            places = zip(space.starts, self.space.starts, space.lengths, mask.shape, strict=True)
            mask = mask[tuple(slice(a - b, a - b + n) if held > 1 else slice(None) for a, b, n, held in places)]
        return Points(replace(self.reader, space=space, mask=None if mask is None or mask.all() else mask))

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
