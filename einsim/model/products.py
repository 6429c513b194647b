"""Sums of products of factors, each product computed once: what the ranks of a nest have in common.

Numbers are Python integers or arrays of int64 over the points of a sweep. A sum is kept as its terms, each some arrays
multiplied together, with an integer coefficient, until it is whole: terms that cancel are never computed, and what does
not vary is one multiplication by a Python integer. Arrays may have axes of length 1 along which they do not vary.
Sums and products of 64 bits wrap round, so that a sum that 64 bits hold is right whatever its terms are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from einsim.spec.alike import Alike
from einsim.spec.expressions import Number

Term = tuple[int, ...]
"""Numbers of the arrays that are multiplied, in order."""


class Products:
    """Sums of products; equal arrays are one array, equal sums one number."""

    def __init__(self, alike: Alike | None = None) -> None:
        self._alike = alike or Alike()
        self._arrays: list[Any] = []
        self._numbers: dict[int, int] = {}  # of the arrays above, by identity
        self._known: dict[int, Number] = {}
        self._products: dict[Term, Any] = {}
        self._sums: dict[frozenset[tuple[Term, int]], Number] = {}

    def one_of(self, values: Number) -> Number:
        """The equal array that was there before, the array itself, or an integer where it is the same all over."""
        if not isinstance(values, np.ndarray):
            return int(values)
        values = self._alike.one_of(values)
        if id(values) not in self._known:
            self._known[id(values)] = self._as_integer(values)
        return self._known[id(values)]

    def _as_integer(self, values: Any) -> Number:
        first = values.flat[0]
        if values.flat[-1] == first and (values == first).all():
            return int(first)
        self._numbers[id(values)] = len(self._arrays)
        self._arrays.append(values)
        return values

    def sum(self, terms: Iterable[tuple[int, Sequence[Number]]]) -> Number:
        """The sum of sign times product of factors, each from `one_of`."""
        found: Counter[Term] = Counter()
        for sign, factors in terms:
            coefficient, term = sign, []
            for factor in factors:
                if isinstance(factor, np.ndarray):
                    term.append(self._numbers[id(factor)])
                else:
                    coefficient *= factor
            found[tuple(sorted(term))] += coefficient
        key = frozenset((term, coefficient) for term, coefficient in found.items() if coefficient)
        if key not in self._sums:
            self._sums[key] = self._total(sorted(key))
        return self._sums[key]

    def product(self, factors: Iterable[Number]) -> Number:
        """The product of factors."""
        return self.sum([(1, list(factors))])

    def _total(self, terms: list[tuple[Term, int]]) -> Number:
        result: Number = 0
        for term, coefficient in terms:
            value = coefficient if not term else self._product(term)
            if term and coefficient not in {1, -1}:
                value = value * coefficient
            if coefficient == -1 and term:
                result = result - value
            else:
                result = value if isinstance(result, int) and result == 0 else result + value
        return result

    def _product(self, term: Term) -> Any:
        if len(term) == 1:
            return self._arrays[term[0]]
        if term not in self._products:
            self._products[term] = self._product(term[:-1]) * self._arrays[term[-1]]
        return self._products[term]
