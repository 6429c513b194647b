"""A whole cascade in the datapath's arithmetic, on bit patterns: what generated hardware must compute, bit by bit.

It follows from the cascade's text and the rules in docs/arithmetic.md, "Cascades", alone, from no schedule.

    golden = evaluate_patterns(cascade, {"A": a, "B": b}, arithmetic=Arithmetic(narrow=frozenset({"Z"})))
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from einsim.cascade import (
    Access,
    Binary,
    Call,
    Cascade,
    Einsum,
    Expr,
    Init,
    Negate,
    Node,
    Where,
    accesses,
    children,
    iteration_ranks,
    iterative_rank,
    negated,
    reduced_ranks,
    size_of,
)
from einsim.cascade.machine import run
from einsim.cascade.points import Points
from einsim.errors import SpecError, suggest
from einsim.rtl.add import Add
from einsim.rtl.convert import Convert
from einsim.rtl.divide import Divide
from einsim.rtl.formats import BF16, FP32, Format, Patterns
from einsim.rtl.mac import Mac
from einsim.rtl.macro import Exponential
from einsim.rtl.multiply import Multiply
from einsim.rtl.order import Maximum
from einsim.rtl.unit import Unit
from einsim.rtl.unpacked import decode, encode

_REMEDIES: Final = {
    "min": "write -max(-a, -b), or take the maximum of the negative",
    "relu": "write max(x, 0)",
    "where": "filter by positions ('when ...')",
}
_OUTSIDE: Final = "compute it elsewhere and give the result as an input"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The formats and the choices that a datapath's numbers depend on.

    Inputs have the operands' format and what is computed the accumulator's, but for the tensors of `narrow`, which are
    rounded to the operands' format when made. `exp` computes exp(a - b) of accumulators; None is
    `Exponential(operand, accumulator)`. Raises `SpecError` for formats whose products cannot be summed, or a unit of
    other ports.
    """

    operand: Format = BF16
    accumulator: Format = FP32
    narrow: frozenset[str] = frozenset()
    exp: Unit | None = None

    def __post_init__(self) -> None:
        Mac(self.operand, self.accumulator)
        if self.exp is not None:
            signature = self.exp.signature
            ports = [port.format for port in (*signature.operands, signature.result)]
            if ports != [self.accumulator] * 3:
                raise SpecError(
                    f"{self.exp.name} is no exp of {self.accumulator}",
                    remedy="give a unit of two operands of the accumulator's format, with a result of it",
                )

    @property
    def exponential(self) -> Unit:
        """The unit of exp(a - b). Raises `SpecError` where there is none of these formats."""
        return Exponential(self.operand, self.accumulator) if self.exp is None else self.exp


def evaluate_patterns(
    cascade: Cascade,
    inputs: Mapping[str, ArrayLike],
    sizes: Mapping[str, int] | None = None,
    *,
    arithmetic: Arithmetic,
    orders: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, Patterns]:
    """Patterns of every tensor that the cascade makes, each in its format (`formats`).

    inputs: patterns of the operands' format, of shape (size of each rank, ...); shapes and `sizes` as `evaluate` has
    them. What no point makes is pattern 0. `orders` gives, by an Einsum's name, its ranks from the outermost loop to
    the innermost: it folds its reduced ranks in that order. By default that is their order of appearance.

    Raises `SpecError` for what `evaluate` refuses, for an operation that the datapath lacks (naming the Einsum), for
    inputs that are no patterns, and for names in `narrow` or `orders` that the cascade does not have.
    """
    folds = _folds(cascade, orders or {})
    algebra = _Patterns(arithmetic, formats(cascade, arithmetic), folds)
    for statement in cascade.statements:
        _check(statement, algebra)
    for tensor in cascade.inputs:
        if tensor.name in inputs:
            _check_patterns(tensor.name, np.asarray(inputs[tensor.name]), arithmetic.operand)
    return run(cascade, inputs, sizes or {}, algebra)


def formats(cascade: Cascade, arithmetic: Arithmetic) -> dict[str, Format]:
    """The format of every tensor: the operands' for inputs, narrow tensors and what merely copies such, or the
    accumulator's.

    Parts of a tensor, and a filter, copy too if their right side is one operand; an iterative tensor is no copy.
    Raises `SpecError` for a narrow tensor that the cascade does not make.
    """
    for name in sorted(arithmetic.narrow.difference(cascade.made)):
        raise SpecError(f"cascade {cascade.name!r} makes no tensor {name!r}", remedy=suggest(name, cascade.made))
    found = {tensor.name: arithmetic.operand for tensor in cascade.inputs}
    for tensor in cascade.made:
        narrow = tensor in arithmetic.narrow or all(
            isinstance(maker.body, Access)
            and maker.reduction is None
            and iterative_rank(maker) is None
            and found.get(maker.body.tensor) == arithmetic.operand
            for maker in cascade.makers(tensor)
        )
        found[tensor] = arithmetic.operand if narrow else arithmetic.accumulator
    return found


@dataclass(frozen=True, slots=True)
class _Value:
    """Patterns at the points of a space, and their format."""

    bits: Patterns
    format: Format


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Elements are patterns of their tensor's format; sums are taken one after another."""

    arithmetic: Arithmetic
    formats: Mapping[str, Format]
    folds: Mapping[str, tuple[str, ...]]
    """Of every Einsum its reduced ranks, the outermost first."""

    @property
    def wide(self) -> Format:
        """The accumulator's format."""
        return self.arithmetic.accumulator

    def dtype(self, tensor: str) -> np.dtype[Any]:
        """The type of the tensor's patterns."""
        return self.formats[tensor].dtype

    def first(self, init: Init, points: Points) -> Patterns:
        """The first slice. Minus infinity counts as the lowest number: of two infinities there is no difference."""
        bits = self._stored(init.name, self._value(init.body, points))
        if accesses(init.body):
            return bits
        form = self.formats[init.name]
        return np.where(points.value(init.body) == -np.inf, form.dtype.type(form.lowest), bits)

    def mapped(self, einsum: Einsum, points: Points) -> Patterns:
        """The right side at every point."""
        return self._stored(einsum.tensor, self._value(einsum.body, points))

    def reduced(self, einsum: Einsum, points: Points) -> Patterns:
        """The right side folded point after point, each with all elements of the kept ranks at once."""
        identity = 0 if einsum.reduction == "sum" else self.wide.infinity | self.wide.negative_zero
        total = np.full(points.space.flat, identity, self.wide.dtype)
        for here in self._in_order(einsum, points):
            if einsum.reduction == "sum":
                after = self._plus(einsum.body, total, here)
            else:
                after = Maximum(self.wide).compute(total, self._wide(einsum.body, here))
            total = after if here.mask is None else np.where(here.mask, after, total)
        kept = len(points.shape) - len(einsum.reduced)
        return self._stored(einsum.tensor, _Value(total, self.wide)).reshape(total.shape[:kept])

    def _in_order(self, einsum: Einsum, points: Points) -> Iterator[Points]:
        """The points at each coordinate of the reduced ranks at which there are any."""
        ranks = self.folds[einsum.name]
        for place in itertools.product(*(range(points.sizes[size_of(rank)]) for rank in ranks)):
            here = points.at(dict(zip(ranks, place, strict=True)))
            if here.mask is None or here.mask.any():
                yield here

    def _stored(self, tensor: str, value: _Value) -> Patterns:
        """The value in the tensor's format."""
        return _converted(value, self.formats[tensor])

    def _wide(self, expression: Expr, points: Points) -> Patterns:
        """The expression in the accumulator's format."""
        return _converted(self._value(expression, points), self.wide)

    def _value(self, expression: Expr, points: Points) -> _Value:
        """The expression at every point: a constant, an operand and minus it in its own format, all else wide."""
        if not accesses(expression):
            return _Value(encode(self.wide, points.value(expression)), self.wide)
        match expression:
            case Access(tensor):
                form = self.formats[tensor]
                return _Value(points.reader.read(expression, _beyond(form, expression)), form)
            case Negate(operand):
                value = self._value(operand, points)
                return _Value(_flipped(value.format, value.bits), value.format)
            case _:
                return _Value(self._computed(expression, points), self.wide)

    def _computed(self, expression: Expr, points: Points) -> Patterns:
        """What a unit makes of its operands."""
        match expression:
            case Binary("*", left, right):
                a, b, form = self._factors(left, right, points)
                return Multiply(form, self.wide).compute(a, b)
            case Binary("/", left, right):
                return Divide(self.wide).compute(self._wide(left, points), self._wide(right, points))
            case Binary(operator, left, right):
                right = negated(right) if operator == "-" else right
                if _product(left) is None:
                    left, right = right, left
                return self._plus(left, self._wide(right, points), points)
            case Call("exp", (Binary("-", left, right),)):
                return self.arithmetic.exponential.compute(self._wide(left, points), self._wide(right, points))
            case Call("exp", (argument,)):
                return self.arithmetic.exponential.compute(self._wide(argument, points), 0)
            case Call("max", (left, right)):
                return Maximum(self.wide).compute(self._wide(left, points), self._wide(right, points))
            case _:
                raise AssertionError(expression)  # refused by _check

    def _plus(self, expression: Expr, addend: Patterns, points: Points) -> Patterns:
        """The addend, which is wide, plus the expression: a product is multiplied and accumulated."""
        product = _product(expression)
        if product is None:
            return Add(self.wide).compute(self._wide(expression, points), addend)
        a, b, form = self._factors(*product, points)
        return Mac(form, self.wide).compute(a, b, addend)

    def _factors(self, left: Expr, right: Expr, points: Points) -> tuple[Patterns, Patterns, Format]:
        """Two factors in one format: their own if both are operands, else the accumulator's."""
        values = self._value(left, points), self._value(right, points)
        narrow = all(value.format == self.arithmetic.operand for value in values)
        form = self.arithmetic.operand if narrow else self.wide
        a, b = (_converted(value, form) for value in values)
        return a, b, form


def _converted(value: _Value, form: Format) -> Patterns:
    return value.bits if value.format == form else Convert(value.format, form).compute(value.bits)


def _flipped(form: Format, bits: Patterns) -> Patterns:
    """Minus the numbers: nothing but the sign changes."""
    flipped: Patterns = bits ^ form.dtype.type(form.negative_zero)
    return flipped


def _product(expression: Expr) -> tuple[Expr, Expr] | None:
    """The factors of a product that is not known before the run; its sign goes to the first one."""
    if not accesses(expression):
        return None
    match expression:
        case Binary("*", left, right):
            return left, right
        case Negate(operand):
            inner = _product(operand)
            return None if inner is None else (negated(inner[0]), inner[1])
        case _:
            return None


def _beyond(form: Format, access: Access) -> np.generic | None:
    """The pattern of what an access has beyond the edge, if that is a number."""
    number = access.beyond
    return None if isinstance(number, str | None) else form.dtype.type(encode(form, number))


# --- what is refused ------------------------------------------------------------------------------------------


def _folds(cascade: Cascade, orders: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The reduced ranks of every Einsum in the order in which it folds them."""
    found = {einsum.name: reduced_ranks(einsum) for einsum in cascade.einsums}
    for name, order in orders.items():
        if name not in found:
            raise SpecError(f"cascade {cascade.name!r} has no Einsum {name!r}", remedy=suggest(name, found))
        ranks = iteration_ranks(cascade.einsum(name))
        reduced = tuple(rank for rank in order if rank in found[name])
        if set(order) - set(ranks) or sorted(reduced) != sorted(found[name]):
            raise SpecError(
                f"the order {', '.join(order) or 'of no rank'} is none of {name!r}",
                remedy=f"name each of {', '.join(ranks)} once; those that are not reduced may be left out",
            )
        found[name] = reduced
    return found


def _check_patterns(tensor: str, given: Patterns, form: Format) -> None:
    """Raise SpecError for an input that holds no patterns of the format."""
    if given.dtype.kind not in "ui" or (given.size and not 0 <= given.min() <= given.max() < 1 << form.width):
        raise SpecError(
            f"input {tensor!r} holds no patterns of {form}",
            remedy=f"give unsigned integers of {form.width} bits (einsim.rtl.unpacked.encode makes them)",
        )


def _check(statement: Init | Einsum, algebra: _Patterns) -> None:
    """Raise SpecError for the first thing of a statement that no unit computes."""
    for operation, remedy in _refused(statement, algebra):
        raise SpecError(f"{statement.name!r}: {operation}", at=statement.at, remedy=remedy)


def _refused(statement: Init | Einsum, algebra: _Patterns) -> Iterator[tuple[str, str]]:
    """What no unit computes, and what to do instead."""
    if isinstance(statement, Einsum):
        if statement.when is not None and accesses(statement.when):
            yield "no unit decides 'when' by the data", "filter by ranks and sizes alone"
        if statement.reduction not in {None, "sum", "max"}:
            yield _without_unit(str(statement.reduction))
    if any(index.gathers for index in statement.output.indices):
        yield "no unit computes addresses from data", _OUTSIDE
    yield from _unsupported(statement.body, algebra)


def _unsupported(node: Node, algebra: _Patterns) -> Iterator[tuple[str, str]]:
    if not accesses(node):
        return  # known before the run
    match node:
        case Access(tensor, indices, beyond):
            form = algebra.formats[tensor]
            if any(index.gathers for index in indices):
                yield "no unit computes addresses from data", _OUTSIDE
            if isinstance(beyond, float) and decode(form, encode(form, beyond)) != beyond:
                yield f"{beyond} beyond the edge of {tensor!r} is no number of {form}", "take one that the format has"
        case Where():
            yield _without_unit("where")
        case Call(function) if function not in {"exp", "max"}:
            yield _without_unit(function)
        case Call("exp"):
            try:
                _ = algebra.arithmetic.exponential
            except SpecError as error:
                yield error.message, error.remedy or ""
    for child in children(node):
        yield from _unsupported(child, algebra)


def _without_unit(operation: str) -> tuple[str, str]:
    return f"there is no unit for {operation!r}", _REMEDIES.get(operation, _OUTSIDE)
