"""The reference value of a cascade in NumPy, in double precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

import numpy as np
from numpy.typing import ArrayLike

from einsim.cascade.binding import bind_inputs, check_reads
from einsim.cascade.contract import contract
from einsim.cascade.expression import Access, Binary, Call, Expr, Negate, Number, Size, is_product_term
from einsim.cascade.ir import Cascade, Einsum, Init
from einsim.cascade.names import BinaryOperator, ReductionOperator, size_of
from einsim.cascade.order import Step, steps
from einsim.cascade.ranks import iteration_ranks, iterative_rank, reduced_ranks, tensor_ranks
from einsim.cascade.space import Array, Space

_UNARY: Final[dict[str, Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "abs": np.abs,
    "sigmoid": lambda x: np.exp(-np.logaddexp(0.0, -x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
}
_PAIRWISE: Final[dict[str, np.ufunc]] = {"max": np.maximum, "min": np.minimum}
_BINARY: Final[dict[BinaryOperator, np.ufunc]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
_REDUCTION: Final[dict[ReductionOperator, tuple[np.ufunc, float]]] = {
    "sum": (np.add, 0.0),
    "prod": (np.multiply, 1.0),
    "max": (np.maximum, -np.inf),
    "min": (np.minimum, np.inf),
}
"""Of every reduction, the operator and its value over nothing."""


def evaluate(
    cascade: Cascade, inputs: Mapping[str, ArrayLike], sizes: Mapping[str, int] | None = None
) -> dict[str, Array]:
    """Every tensor that the cascade makes, computed in float64.

    inputs: one array a declared input, of shape (size of each rank, ...); sizes are inferred from the shapes
    and completed by `sizes` (tile sizes, say). The iterative dimension of a tensor has one slice more than
    its rank, the first being its init. Elements that a partial tile lacks are 0 in the result and enter no
    computation. Infinities and nan follow IEEE 754, without warnings.

    Raises SpecError for inputs or sizes that are missing, unknown or in disagreement, and for an index that
    leaves its tensor at these sizes.
    """
    bound = bind_inputs(cascade, inputs, sizes or {})
    check_reads(cascade, bound.sizes)
    machine = _Machine(cascade, bound.sizes, dict(bound.arrays))
    with np.errstate(all="ignore"):
        for step in steps(cascade):
            machine.run(step)
    return {einsum.name: machine.arrays[einsum.name] for einsum in cascade.einsums}


@dataclass(frozen=True, slots=True)
class _Machine:
    """The arrays so far. `arrays` grows by one tensor an Einsum; nothing else changes."""

    cascade: Cascade
    sizes: Mapping[str, int]
    arrays: dict[str, Array]

    def run(self, step: Step) -> None:
        inits = {init.name: init for init in self.cascade.inits}
        for einsum in step.einsums:
            self._allocate(einsum, inits.get(einsum.name))
        if step.rank is None:
            self._make(step.einsums[0], {})
            return
        for coordinate in range(self.sizes[size_of(step.rank)]):
            for einsum in step.einsums:
                self._make(einsum, {step.rank: coordinate})

    def _allocate(self, einsum: Einsum, init: Init | None) -> None:
        over = iterative_rank(einsum)
        dimensions = tensor_ranks(self.cascade, einsum.name)
        array = np.zeros([self.sizes[size_of(rank)] + (rank == over) for rank in dimensions])
        self.arrays[einsum.name] = array
        if init is not None:
            space = Space.of(init.output.ranks, self.sizes, {})
            first = self._value(init.body, space)
            space.write(array, init.output.indices, self._present(first, space), self.sizes)

    def _make(self, einsum: Einsum, fixed: Mapping[str, int]) -> None:
        reduced = reduced_ranks(einsum)
        space = Space.of(iteration_ranks(einsum), self.sizes, fixed)
        value = self._reduce(einsum, space, reduced)
        left = space.without(reduced)
        value = self._present(value.reshape(value.shape[: len(left.ranks)]), left)
        left.write(self.arrays[einsum.name], einsum.output.indices, value, self.sizes)

    def _present(self, value: Array, space: Space) -> Array:
        """The value at full shape, 0 where the point does not exist."""
        mask = space.mask(self.cascade, self.sizes)
        full = np.broadcast_to(value, space.lengths)
        return full if mask is None else np.where(mask, full, 0.0)

    def _reduce(self, einsum: Einsum, space: Space, reduced: tuple[str, ...]) -> Array:
        """The mapped values reduced: shape of the space with length 1 along the reduced ranks."""
        if einsum.reduction is None:
            return self._value(einsum.body, space)
        axes = space.axes(reduced)
        mask = space.mask(self.cascade, self.sizes)
        if einsum.reduction == "sum" and is_product_term(einsum.body):
            summed = self._sum_of_product(einsum.body, space, axes, mask)
            if summed is not None:
                return summed
        operator, nothing = _REDUCTION[einsum.reduction]
        value = self._value(einsum.body, space)
        if mask is not None:
            value = np.where(mask, value, nothing)
        shape = tuple(space.lengths[axis] if axis in axes else value.shape[axis] for axis in range(value.ndim))
        reduced_value: Array = operator.reduce(np.broadcast_to(value, shape), axis=axes, keepdims=True)
        return reduced_value

    def _sum_of_product(
        self, body: Expr, space: Space, axes: tuple[int, ...], mask: np.ndarray[Any, Any] | None
    ) -> Array | None:
        """A sum of one product by contraction, or None where only the plain way is right.

        A divisor that is constant along the sum divides afterwards. Masked-out points are multiplied by 0,
        which hides finite values only.
        """
        numerators, divisors = _factors(body, divide=False)
        above = [self._value(factor, space) for factor in numerators]
        below = [self._value(factor, space) for factor in divisors]
        if any(divisor.shape[axis] != 1 for divisor in below for axis in axes):
            return None
        if mask is not None:
            if not all(np.isfinite(factor).all() for factor in above):
                return None
            above.append(mask.astype(np.float64))
        total = contract(above, axes)
        for divisor in below:
            total = total / divisor
        return total

    def _value(self, expression: Expr, space: Space) -> Array:
        """The expression at every point, of length 1 along ranks it does not depend on."""
        match expression:
            case Number(value):
                return np.full((1,) * len(space.ranks), value)
            case Size(symbol):
                return np.full((1,) * len(space.ranks), float(self.sizes[symbol]))
            case Access(tensor, indices):
                return space.read(self.arrays[tensor], indices, self.sizes)
            case Negate(operand):
                return -self._value(operand, space)
            case Binary(operator, left, right):
                pair: Array = _BINARY[operator](self._value(left, space), self._value(right, space))
                return pair
            case Call(function, arguments):
                return _call(function, [self._value(argument, space) for argument in arguments])
            case _:
                assert_never(expression)


def _call(function: str, arguments: list[Array]) -> Array:
    operator = _UNARY[function] if len(arguments) == 1 else _PAIRWISE[function]
    result: Array = operator(*arguments)
    return result


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
