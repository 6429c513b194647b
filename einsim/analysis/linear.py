"""Sums over a sequence as linear forms: coefficients that do not depend on it times plain sums of products.

`sum over m: (a(p)*x(m) + b(p)*y(m)) * z(m)` is `a(p) * sum(x*z) + b(p) * sum(y*z)`; a choice whose condition does not
depend on m is a choice between two such forms, one whose condition does is two sums with filters. What depends on
values that are complete only after a pass thereby leaves the sum, and the sum can be made in that pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from einsim.cascade import (
    Access,
    Binary,
    Condition,
    Expr,
    Negate,
    Not,
    Number,
    Where,
    accesses,
    combined,
    ranks_of,
)

MOST_TERMS: Final = 24
"""Forms with more terms are not looked at."""


@dataclass(frozen=True, slots=True)
class Monomial:
    """A product: a number, factors above and below the line, and the filters of what was put in place."""

    number: float = 1.0
    above: tuple[Expr, ...] = ()
    below: tuple[Expr, ...] = ()
    when: tuple[Condition, ...] = ()

    def times(self, other: Monomial) -> Monomial:
        """The product of two monomials."""
        filters = tuple(dict.fromkeys((*self.when, *other.when)))
        return Monomial(self.number * other.number, self.above + other.above, self.below + other.below, filters)


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A sum of monomials."""

    terms: tuple[Monomial, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of two forms, by a condition that is the same for the whole sum."""

    condition: Condition
    then: Form
    otherwise: Form


Form = Polynomial | Choice


class TooLargeError(Exception):
    """A form has too many terms to be worth it."""


Inline = Callable[[Access], Form | None]
"""What an operand is made of, as a form, or None to keep it as a factor."""


def linear_form(expression: Expr, reduced: frozenset[str], inline: Inline) -> Form:
    """An expression as a linear form with respect to some ranks. Raises TooLargeError."""
    match expression:
        case Number(value):
            return Polynomial((Monomial(value),))
        case Negate(operand):
            return _times(Polynomial((Monomial(-1.0),)), linear_form(operand, reduced, inline))
        case Binary("+" | "-" as operator, left, right):
            second = linear_form(right, reduced, inline)
            if operator == "-":
                second = _times(Polynomial((Monomial(-1.0),)), second)
            return _plus(linear_form(left, reduced, inline), second)
        case Binary("*", left, right):
            return _times(linear_form(left, reduced, inline), linear_form(right, reduced, inline))
        case Binary("/", left, right):
            return _times(linear_form(left, reduced, inline), Polynomial((Monomial(below=(right,)),)))
        case Where(condition, then, otherwise) if not set(ranks_of(condition)) & reduced:
            return Choice(condition, linear_form(then, reduced, inline), linear_form(otherwise, reduced, inline))
        case Where(condition, then, otherwise) if any(not set(a.ranks) & reduced for a in accesses(expression)):
            sides = linear_form(then, reduced, inline), linear_form(otherwise, reduced, inline)
            return _plus(filtered(sides[0], (condition,)), filtered(sides[1], (Not(condition),)))
        case Access():
            found = inline(expression)
            return Polynomial((Monomial(above=(expression,)),)) if found is None else found
        case _:
            return Polynomial((Monomial(above=(expression,)),))


def _times(left: Form, right: Form) -> Form:
    match left, right:
        case Choice(condition, then, otherwise), _:
            return Choice(condition, _times(then, right), _times(otherwise, right))
        case _, Choice(condition, then, otherwise):
            return Choice(condition, _times(left, then), _times(left, otherwise))
        case Polynomial(a), Polynomial(b):
            if len(a) * len(b) > MOST_TERMS:
                raise TooLargeError
            return _collected(tuple(x.times(y) for x in a for y in b))
    raise AssertionError


def _plus(left: Form, right: Form) -> Form:
    match left, right:
        case Choice(condition, then, otherwise), _:
            return Choice(condition, _plus(then, right), _plus(otherwise, right))
        case _, Choice(condition, then, otherwise):
            return Choice(condition, _plus(left, then), _plus(left, otherwise))
        case Polynomial(a), Polynomial(b):
            if len(a) + len(b) > MOST_TERMS:
                raise TooLargeError
            return _collected(a + b)
    raise AssertionError


def _collected(terms: tuple[Monomial, ...]) -> Polynomial:
    """Like terms added up."""
    totals: dict[tuple[tuple[str, ...], tuple[str, ...], tuple[Condition, ...]], Monomial] = {}
    for term in terms:
        key = (tuple(sorted(map(str, term.above))), tuple(sorted(map(str, term.below))), term.when)
        known = totals.get(key)
        number = term.number + (known.number if known is not None else 0.0)
        totals[key] = Monomial(number, term.above, term.below, term.when)
    return Polynomial(tuple(term for term in totals.values() if term.number))


def filtered(form: Form, when: tuple[Condition, ...]) -> Form:
    """A form that counts only where some conditions hold."""
    if isinstance(form, Choice):
        return Choice(form.condition, filtered(form.then, when), filtered(form.otherwise, when))
    return Polynomial(tuple(Monomial(t.number, t.above, t.below, (*t.when, *when)) for t in form.terms))


def product_of(number: float, above: tuple[Expr, ...], below: tuple[Expr, ...]) -> Expr:
    """A product as an expression."""
    result: Expr | None = None if number == 1.0 and above else Number(number)
    for factor in above:
        result = factor if result is None else combined("*", result, factor)
    assert result is not None
    for factor in below:
        result = combined("/", result, factor)
    return result
