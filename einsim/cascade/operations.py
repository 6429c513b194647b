"""Which scalar operations an Einsum does at each point of its iteration space."""

from __future__ import annotations

from typing import Final, assert_never

from einsim.cascade.expression import (
    Binary,
    Call,
    Compare,
    Junction,
    Negate,
    Node,
    Not,
    Number,
    Position,
    Size,
    Where,
    accesses,
)
from einsim.cascade.index import Access
from einsim.cascade.ir import Einsum
from einsim.cascade.names import BinaryOperator, ReductionOperator

_BINARY: Final[dict[BinaryOperator, str]] = {"+": "add", "-": "add", "*": "mac", "/": "divide"}
_REDUCTION: Final[dict[ReductionOperator, str]] = {
    "sum": "add", "max": "max", "min": "min", "prod": "mac", "argmax": "max", "argmin": "min", "topk": "max",
}  # fmt: skip


def operations(einsum: Einsum) -> tuple[str, ...]:
    """The operations at each point of the iteration space, operands first, the reduction last.

    A multiset of names: "mac", "add", "max", "min", "divide", "compare", "select" or a function's own name. Signs
    are free, and so is what depends on no tensor (literals, sizes, positions): it is known before the run. The
    addition of a sum over products is part of the mac; a copy does nothing. A filter decides which points there
    are and costs nothing itself.
    """
    mapped = tuple(_mapped(einsum.body))
    if einsum.reduction is None or (einsum.reduction == "sum" and _ends_in_product(einsum.body)):
        return mapped
    return (*mapped, _REDUCTION[einsum.reduction])


def _mapped(node: Node) -> list[str]:
    if not accesses(node):
        return []
    match node:
        case Number() | Size() | Position() | Access():
            return []
        case Negate(inner) | Not(inner):
            return _mapped(inner)
        case Binary(operator, left, right):
            return [*_mapped(left), *_mapped(right), _BINARY[operator]]
        case Call(function, arguments):
            return [name for argument in arguments for name in _mapped(argument)] + [function]
        case Where(condition, then, otherwise):
            return [*_mapped(condition), *_mapped(then), *_mapped(otherwise), "select"]
        case Compare(_, left, right):
            return [*_mapped(left), *_mapped(right), "compare"]
        case Junction(_, parts):
            return [name for part in parts for name in _mapped(part)]
        case _:
            assert_never(node)


def _ends_in_product(node: Node) -> bool:
    match node:
        case Negate(operand):
            return _ends_in_product(operand)
        case Binary(operator, _, _):
            return operator == "*"
        case _:
            return False
