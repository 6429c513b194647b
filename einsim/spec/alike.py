"""Equal arrays as one array, so that what is computed of the same numbers is computed once.

In a sweep many numbers are equal at all points: the sides of an array, a tile and what is left of its rank, what two
Einsums keep. Told apart by identity, they would be computed again and again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from einsim.spec.expressions import Number, largest, maximum, minimum, product, total
from einsim.units import INT64_MAX

_SAMPLES: Final = 64  # values by which arrays are told apart before all are compared
_UNCHECKED: Final[dict[Any, Callable[[Any, Any], Any]]] = {product: operator.mul, total: operator.add}
_UNITS: Final[dict[Any, int]] = {product: 1, operator.mul: 1, total: 0, operator.add: 0}
_EXTREMES: Final[dict[Any, Any]] = {minimum: np.less_equal, maximum: np.greater_equal}


class Alike:
    """Numbers of one lowering, or of one count: every array once, and results by the identities of their operands."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[Any, ...], list[Any]] = {}
        self._known: dict[int, tuple[Any, Any]] = {}  # by identity, which keeping the array keeps its own
        self._results: dict[tuple[Any, ...], tuple[tuple[Number, ...], Any]] = {}
        self._bounds: dict[int, int] = {}

    def one_of(self, values: Number) -> Number:
        """The equal array that was there before, or the array itself; other numbers as they are."""
        if not isinstance(values, np.ndarray):
            return values
        known = self._known.get(id(values))
        if known is None:
            known = self._known[id(values)] = values, self._first_of(values)
        return known[1]

    def same(self, function: Callable[..., Any], *numbers: Number) -> Any:
        """`function(*numbers)`, computed once for the same numbers; an array only where one of them is."""
        for number in numbers:
            if isinstance(number, np.ndarray):
                break
        else:
            return function(*numbers)
        key = (function, *map(id, numbers))
        found = self._results.get(key)
        if found is None:
            found = self._results[key] = numbers, self._made(function, *map(self.one_of, numbers))
        return found[1]

    def _made(self, function: Callable[..., Any], *numbers: Number) -> Any:
        key = (function, *map(id, numbers))
        if key not in self._results:
            made = _one_of_two(function, numbers)
            if made is None:
                made = self._evaluated(function, numbers)
            self._results[key] = numbers, self._first_of(made) if isinstance(made, np.ndarray) else made
        return self._results[key][1]

    def _evaluated(self, function: Callable[..., Any], numbers: tuple[Number, ...]) -> Any:
        unchecked = _UNCHECKED.get(function)
        if unchecked is None:
            return function(*numbers)
        one, other = numbers
        bound = unchecked(self._bound(one), self._bound(other))
        made = self._first_of(unchecked(one, other) if bound < INT64_MAX else function(one, other))
        self._bounds.setdefault(id(made), bound)
        return made

    def _bound(self, value: Number) -> int:
        """What the magnitude of an integer, or of an array from `one_of`, does not exceed."""
        if not isinstance(value, np.ndarray):
            return largest(value)
        if id(value) not in self._bounds:
            self._bounds[id(value)] = largest(value)
        return self._bounds[id(value)]

    def _first_of(self, values: Any) -> Any:
        if not values.size:
            return values
        if id(values) in self._known:
            return self._known[id(values)][1]
        step = max(1, values.size // _SAMPLES) | 1  # odd: columns may alternate
        key = (values.shape, values.dtype.char, values.reshape(-1)[::step].tobytes())
        others = self._arrays.setdefault(key, [])
        for other in others:
            if (other == values).all():
                return other
        others.append(values)
        self._known[id(values)] = values, values
        return values


def _one_of_two(function: Any, numbers: tuple[Number, ...]) -> Number | None:
    """The integers that a sum, a product or an extreme of two is, where it is one of them at all points."""
    extreme = _EXTREMES.get(function)
    if (extreme is None and function not in _UNITS) or not all(map(_is_whole, numbers)):
        return None
    one, other = numbers
    if extreme is None:
        unit = _UNITS[function]
        return (
            other if isinstance(one, int) and one == unit else one if isinstance(other, int) and other == unit else None
        )
    first = extreme(one, other)
    return one if first.all() else None if first.any() else other


def _is_whole(number: Number) -> bool:
    return type(number) is int or (isinstance(number, np.ndarray) and number.dtype == np.int64)
