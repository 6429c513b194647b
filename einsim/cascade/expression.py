"""What stands right of `=`: a closed union of immutable expression nodes that print as they parse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias, assert_never

from einsim.cascade.index import Index
from einsim.cascade.names import FUNCTIONS, BinaryOperator, require_size, require_tensor
from einsim.errors import Location, SpecError, suggest


@dataclass(frozen=True, slots=True)
class Number:
    """A literal; infinite values are allowed, not-a-number is not."""

    value: float

    def __post_init__(self) -> None:
        """Keep a float; raise SpecError for nan."""
        object.__setattr__(self, "value", float(self.value))
        if math.isnan(self.value):
            raise SpecError("nan is not a literal of the notation", remedy="use a finite number, inf or -inf")

    def __str__(self) -> str:
        """The shortest text that reads back as the same number."""
        if self.value.is_integer() and abs(self.value) < 1e15:
            return str(int(self.value))
        return repr(self.value)


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a rank, used as a scalar."""

    symbol: str
    at: Location | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SpecError for a symbol that is not upper case."""
        require_size(self.symbol, self.at)

    def __str__(self) -> str:
        """The symbol."""
        return self.symbol


@dataclass(frozen=True, slots=True)
class Access:
    """One element of a tensor at each point of the iteration space; a scalar has no indices."""

    tensor: str
    indices: tuple[Index, ...] = ()
    at: Location | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SpecError for a word that cannot name a tensor."""
        require_tensor(self.tensor, self.at)

    @property
    def ranks(self) -> tuple[str, ...]:
        """The ranks of all indices, each once, in order of appearance."""
        return tuple(dict.fromkeys(rank for index in self.indices for rank in index.ranks))

    def __str__(self) -> str:
        """The notation: `A[m1+1,p]`, or `A` for a scalar."""
        return f"{self.tensor}[{','.join(map(str, self.indices))}]" if self.indices else self.tensor


@dataclass(frozen=True, slots=True)
class Negate:
    """Minus an expression that is not a literal."""

    operand: Expr

    def __post_init__(self) -> None:
        """Raise SpecError for a literal operand: its sign belongs to the Number."""
        if isinstance(self.operand, Number):
            raise SpecError(f"Negate of the literal {self.operand}", remedy="use a negative Number")

    def __str__(self) -> str:
        """The notation, with parentheses around a product or a sum."""
        return f"-{_embed(self.operand, _NEGATE)}"


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`, grouped to the left when printed without parentheses."""

    operator: BinaryOperator
    left: Expr
    right: Expr

    def __str__(self) -> str:
        """The notation, with the fewest parentheses that keep the grouping."""
        own = _BINARY[self.operator]
        return f"{_embed(self.left, own)} {self.operator} {_embed(self.right, own + 1)}"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of one or two arguments."""

    function: str
    arguments: tuple[Expr, ...]
    at: Location | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SpecError for an unknown function or a wrong number of arguments."""
        arity = FUNCTIONS.get(self.function)
        if arity is None:
            raise SpecError(f"unknown function {self.function!r}", at=self.at, remedy=suggest(self.function, FUNCTIONS))
        if len(self.arguments) != arity:
            example = f"{self.function}({', '.join('ab'[:arity])})"
            raise SpecError(
                f"{self.function!r} takes {arity} argument{'s' * (arity > 1)}, got {len(self.arguments)}",
                at=self.at,
                remedy=f"write {example}" + (" and nest calls for more" if arity > 1 else ""),
            )

    def __str__(self) -> str:
        """The notation: `max(a, b)`."""
        return f"{self.function}({', '.join(map(str, self.arguments))})"


Expr: TypeAlias = Number | Size | Access | Negate | Binary | Call

_BINARY: Final[dict[BinaryOperator, int]] = {"+": 1, "-": 1, "*": 2, "/": 2}
_NEGATE: Final = 3
_ATOM: Final = 4


def children(expression: Expr) -> tuple[Expr, ...]:
    """The direct operands of an expression, left to right."""
    match expression:
        case Number() | Size() | Access():
            return ()
        case Negate(operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Call(_, arguments):
            return arguments
        case _:
            assert_never(expression)


def walk(expression: Expr) -> Iterator[Expr]:
    """The expression and all its parts, left to right; needs no recursion, however deep it nests."""
    stack = [expression]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(children(node)))


def accesses(expression: Expr) -> tuple[Access, ...]:
    """Every operand in order of appearance, an identical access once."""
    return tuple(dict.fromkeys(node for node in walk(expression) if isinstance(node, Access)))


def ranks_of(expression: Expr) -> tuple[str, ...]:
    """Every rank that an operand's index names, in order of appearance."""
    return tuple(dict.fromkeys(rank for access in accesses(expression) for rank in access.ranks))


def is_product_term(expression: Expr) -> bool:
    """Whether no `+` or `-` stands outside a function: what an implicit sum may run over."""
    match expression:
        case Number() | Size() | Access() | Call():
            return True
        case Negate(operand):
            return is_product_term(operand)
        case Binary("*" | "/", left, right):
            return is_product_term(left) and is_product_term(right)
        case Binary():
            return False
        case _:
            assert_never(expression)


def _binding(expression: Expr) -> int:
    match expression:
        case Binary(operator, _, _):
            return _BINARY[operator]
        case Negate():
            return _NEGATE
        case Number(value):
            return _NEGATE if math.copysign(1.0, value) < 0 else _ATOM
        case Size() | Access() | Call():
            return _ATOM
        case _:
            assert_never(expression)


def _embed(expression: Expr, binding: int) -> str:
    return str(expression) if _binding(expression) >= binding else f"({expression})"
