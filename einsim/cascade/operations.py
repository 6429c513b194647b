"""Which scalar operations an Einsum does at each point of its iteration space."""

from __future__ import annotations

from typing import Final, assert_never

from einsim.cascade.expression import Access, Binary, Call, Expr, Negate, Number, Size
from einsim.cascade.ir import Einsum
from einsim.cascade.names import BinaryOperator, ReductionOperator

_BINARY: Final[dict[BinaryOperator, str]] = {"+": "add", "-": "add", "*": "mac", "/": "divide"}
_REDUCTION: Final[dict[ReductionOperator, str]] = {"sum": "add", "max": "max", "min": "min", "prod": "mac"}


def operations(einsum: Einsum) -> tuple[str, ...]:
    """The operations at each point of the iteration space, operands first, the reduction last.

    A multiset of names: "mac", "add", "max", "min", "divide" or a function's own name. Signs and literals are
    free. The addition of a sum over products is part of the mac; a copy does nothing.
    """
    mapped = tuple(_mapped(einsum.body))
    if einsum.reduction is None or (einsum.reduction == "sum" and _ends_in_product(einsum.body)):
        return mapped
    return (*mapped, _REDUCTION[einsum.reduction])


def _mapped(expression: Expr) -> list[str]:
    match expression:
        case Number() | Size() | Access():
            return []
        case Negate(operand):
            return _mapped(operand)
        case Binary(operator, left, right):
            return [*_mapped(left), *_mapped(right), _BINARY[operator]]
        case Call(function, arguments):
            return [name for argument in arguments for name in _mapped(argument)] + [function]
        case _:
            assert_never(expression)


def _ends_in_product(expression: Expr) -> bool:
    match expression:
        case Negate(operand):
            return _ends_in_product(operand)
        case Binary(operator, _, _):
            return operator == "*"
        case Number() | Size() | Access() | Call():
            return False
        case _:
            assert_never(expression)
