"""The share of an iteration space that a filter leaves.

What compares positions and sizes is counted: exactly up to some million points, on a regular grid beyond. What
reads tensors cannot be known before the run: a filter's `density` stands for it, and without one all points stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Final, assert_never

import numpy as np

from einsim.cascade import (
    Access,
    Binary,
    Call,
    Cascade,
    Compare,
    Condition,
    Einsum,
    Expr,
    Extreme,
    Index,
    Junction,
    Negate,
    Not,
    Number,
    Position,
    Quotient,
    Size,
    Where,
    accesses,
    iteration_ranks,
    ranks_of,
    size_of,
    tile_bounds,
)
from einsim.cascade.functions import BINARY, COMPARISON, call

MOST_POINTS: Final = 1 << 22
"""Points that are looked at; larger spaces are looked at on a grid."""


def share(cascade: Cascade, einsum: Einsum, sizes: Mapping[str, int]) -> float:
    """The share of an Einsum's points, taken as a product of its ranks, that partial tiles and its filter leave."""
    parts = [_bound(bound.index, bound.rank) for bound in tile_bounds(cascade, iteration_ranks(einsum))]
    density = 1.0
    if einsum.when is not None:
        known, asks = _known(einsum.when)
        parts += known
        density = _density(einsum, sizes) if asks else 1.0
    ranks = list(dict.fromkeys(rank for part in parts for rank in ranks_of(part)))
    if not ranks:
        return density
    line = max(1, int(MOST_POINTS ** (1 / len(ranks))))
    places: dict[str, Any] = {}
    for axis, rank in enumerate(ranks):
        extent = sizes[size_of(rank)]
        if prod(sizes[size_of(each)] for each in ranks) <= MOST_POINTS or extent <= line:
            coordinates = np.arange(extent, dtype=np.float64)
        else:
            coordinates = np.floor((np.arange(line) + 0.5) * extent / line)
        places[rank] = coordinates.reshape([-1 if each == axis else 1 for each in range(len(ranks))])
    kept = np.ones([places[rank].size for rank in ranks], dtype=np.bool_)
    for part in parts:
        kept &= _truth(part, places, sizes)
    return float(kept.mean()) * density


def _bound(index: Index, rank: str) -> Condition:
    return Compare("<", Position(index), Size(size_of(rank)))


def _known(condition: Condition) -> tuple[list[Condition], bool]:
    """The conjuncts that no tensor decides, and whether there are others."""
    conjuncts = condition.parts if isinstance(condition, Junction) and condition.kind == "and" else (condition,)
    known = [part for part in conjuncts if not accesses(part)]
    return known, len(known) < len(conjuncts)


def _density(einsum: Einsum, sizes: Mapping[str, int]) -> float:
    """The declared share of what tensors decide; 1 where none is declared or only a run could tell."""
    if einsum.density is None or accesses(einsum.density):
        return 1.0
    return float(_value(einsum.density, {}, sizes))


def _truth(condition: Condition, places: Mapping[str, Any], sizes: Mapping[str, int]) -> Any:
    match condition:
        case Compare(operator, left, right):
            return COMPARISON[operator](_value(left, places, sizes), _value(right, places, sizes))
        case Junction(kind, parts):
            truths = [_truth(part, places, sizes) for part in parts]
            result = truths[0]
            for truth in truths[1:]:
                result = result & truth if kind == "and" else result | truth
            return result
        case Not(inner):
            return np.logical_not(_truth(inner, places, sizes))
        case _:
            assert_never(condition)


def _value(expression: Expr, places: Mapping[str, Any], sizes: Mapping[str, int]) -> Any:
    match expression:
        case Number(number):
            return number
        case Size(symbol):
            return float(sizes[symbol])
        case Position(index):
            return _coordinate(index, places, sizes)
        case Negate(operand):
            return -_value(operand, places, sizes)
        case Binary(operator, left, right):
            return BINARY[operator](_value(left, places, sizes), _value(right, places, sizes))
        case Call(function, arguments):
            return call(function, [np.asarray(_value(argument, places, sizes)) for argument in arguments])
        case Where(condition, then, otherwise):
            pair = _value(then, places, sizes), _value(otherwise, places, sizes)
            return np.where(_truth(condition, places, sizes), *pair)
        case Access(tensor):
            raise KeyError(tensor)
        case _:
            assert_never(expression)


def _coordinate(index: Index, places: Mapping[str, Any], sizes: Mapping[str, int]) -> Any:
    total: Any = 0.0
    for term in index.terms:
        value: Any = float(term.scale(sizes))
        for atom in term.atoms:
            match atom:
                case str():
                    value = value * places[atom]
                case Quotient(left, right, remainder):
                    a, b = _coordinate(left, places, sizes), _coordinate(right, places, sizes)
                    value = value * (a % b if remainder else np.floor_divide(a, b))
                case Extreme(kind, of):
                    values = [_coordinate(each, places, sizes) for each in of]
                    result = values[0]
                    for other in values[1:]:
                        result = np.maximum(result, other) if kind == "max" else np.minimum(result, other)
                    value = value * result
                case Access(tensor):
                    raise KeyError(tensor)
        total = total + value
    return total
