"""What stands right of `=`: closed unions of immutable nodes, values and conditions, that print as they parse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias, assert_never

from einsim.cascade.index import Access, Index, Quotient, show_number
from einsim.cascade.names import FUNCTIONS, BinaryOperator, ComparisonOperator, require_size
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
        return show_number(self.value)


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a rank, or a size of its own, used as a scalar."""

    symbol: str
    at: Location | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SpecError for a symbol that is not upper case."""
        require_size(self.symbol, self.at)

    def __str__(self) -> str:
        """The symbol."""
        return self.symbol


@dataclass(frozen=True, slots=True)
class Position:
    """The value of an index at each point of the iteration space, used as an operand."""

    index: Index
    at: Location | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SpecError for an index without ranks or quotients, or with more than those: it is another node."""
        if not self.index.atoms or not _is_plain(self.index) or not _is_exact(self.index):
            raise SpecError(f"{self.index} is no position", at=self.at, remedy="use Number, Size, Access or Call")

    def __str__(self) -> str:
        """The index's text."""
        return str(self.index)


@dataclass(frozen=True, slots=True)
class Negate:
    """Minus an expression that is not a literal or a position."""

    operand: Expr

    def __post_init__(self) -> None:
        """Raise SpecError for an operand that carries its sign itself."""
        if isinstance(self.operand, Number | Position):
            raise SpecError(f"Negate of {self.operand}", remedy="use `negated`")

    def __str__(self) -> str:
        """The notation, with parentheses around a product or a sum."""
        return f"-{_embed(self.operand, _NEGATE)}"


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`, grouped to the left when printed without parentheses."""

    operator: BinaryOperator
    left: Expr
    right: Expr

    def __post_init__(self) -> None:
        """Raise SpecError for a sum or product that is itself a position."""
        if _folded(self.operator, self.left, self.right) is not None:
            raise SpecError(f"'{self}' is one position", remedy="use `combined`")

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
            nested = " and nest calls for more" if self.function in {"max", "min"} else ""
            raise SpecError(
                f"{self.function!r} takes {arity} argument{'s' * (arity > 1)}, got {len(self.arguments)}",
                at=self.at,
                remedy=f"write {example}{nested}",
            )

    def __str__(self) -> str:
        """The notation: `max(a, b)`."""
        return f"{self.function}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Where:
    """One of two values, by a condition."""

    condition: Condition
    then: Expr
    otherwise: Expr

    def __str__(self) -> str:
        """The notation."""
        return f"where({self.condition}, {self.then}, {self.otherwise})"


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison of two values."""

    operator: ComparisonOperator
    left: Expr
    right: Expr

    def __str__(self) -> str:
        """The notation."""
        return f"{self.left} {self.operator} {self.right}"


@dataclass(frozen=True, slots=True)
class Junction:
    """All of some conditions ("and"), or any of them ("or")."""

    kind: Literal["and", "or"]
    parts: tuple[Condition, ...]

    def __post_init__(self) -> None:
        """Raise SpecError for fewer than two parts, or a part of the same kind: it is to be one flat list."""
        if len(self.parts) < 2 or any(isinstance(part, Junction) and part.kind == self.kind for part in self.parts):
            raise SpecError(f"'{self.kind}' takes two parts or more, none of them an '{self.kind}'")

    def __str__(self) -> str:
        """The notation: `and` binds tighter than `or`."""
        inside = (
            f"({part})" if isinstance(part, Junction) and self.kind == "and" else str(part) for part in self.parts
        )
        return f" {self.kind} ".join(inside)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    condition: Condition

    def __str__(self) -> str:
        """The notation."""
        return f"not ({self.condition})" if isinstance(self.condition, Junction) else f"not {self.condition}"


Expr: TypeAlias = Number | Size | Position | Access | Negate | Binary | Call | Where
Condition: TypeAlias = Compare | Junction | Not
Node: TypeAlias = Expr | Condition

_BINARY: Final[dict[BinaryOperator, int]] = {"+": 1, "-": 1, "*": 2, "/": 2}
_NEGATE: Final = 3
_EXACT: Final = 1 << 53  # integers below are exact in double precision
_ATOM: Final = 4


def _is_plain(index: Index) -> bool:
    """Whether an index is made of ranks, sizes and quotients only."""
    return all(
        isinstance(atom, str) or (isinstance(atom, Quotient) and _is_plain(atom.left) and _is_plain(atom.right))
        for atom in index.atoms
    )


def as_index(expression: Expr) -> Index | None:
    """The expression as an index: positions, sizes and whole numbers, added and multiplied; else None."""
    match expression:
        case Position(index):
            return index
        case Size(symbol, at):
            return replace(Index.size(symbol), at=at)
        case Number(value) if value.is_integer() and abs(value) < _EXACT:
            return Index.constant(int(value))
        case Negate(operand):
            inner = as_index(operand)
            return None if inner is None else Index((), inner.at).plus(inner, -1)
        case Binary("+" | "-" | "*" as operator, left, right):
            a, b = as_index(left), as_index(right)
            return None if a is None or b is None else _computed(operator, a, b)
        case _:
            return None


def _computed(operator: BinaryOperator, a: Index, b: Index) -> Index:
    index = a.times(b) if operator == "*" else a.plus(b, 1 if operator == "+" else -1)
    return replace(index, at=a.at or b.at)


def combined(operator: BinaryOperator, left: Expr, right: Expr) -> Expr:
    """`left operator right`; sums and products of positions are one position."""
    index = _folded(operator, left, right)
    return Binary(operator, left, right) if index is None else value_of(index)


def negated(operand: Expr) -> Expr:
    """Minus an expression; literals and positions carry their sign themselves."""
    match operand:
        case Number(value):
            return Number(-value)
        case Position(index):
            return value_of(Index((), index.at).plus(index, -1))
        case _:
            return Negate(operand)


def divided(left: Index, right: Index, *, remainder: bool) -> Position:
    """`left // right` or `left % right` as an operand."""
    return Position(replace(Index.of(Quotient(left, right, remainder)), at=left.at), left.at)


def value_of(index: Index) -> Expr:
    """An index as an expression: a position, or numbers and sizes where it has no atoms."""
    if index.atoms:
        return Position(index, index.at)
    total: Expr | None = None
    for term in index.terms:
        part: Expr | None = None
        for symbol in term.sizes:
            part = Size(symbol) if part is None else Binary("*", part, Size(symbol))
        if part is None or term.factor != 1:
            part = Number(term.factor) if part is None else Binary("*", Number(term.factor), part)
        total = part if total is None else Binary("+", total, part)
    return Number(0) if total is None else total


def _folded(operator: BinaryOperator, left: Expr, right: Expr) -> Index | None:
    """The position that an operation is, where an operand is one and the other could be part of it."""
    if operator == "/" or not (isinstance(left, Position) or isinstance(right, Position)):
        return None
    a, b = as_index(left), as_index(right)
    index = None if a is None or b is None else _computed(operator, a, b)
    return index if index is not None and _is_exact(index) else None


def _is_exact(index: Index) -> bool:
    """Whether the integers of an index are exact as numbers too."""
    return all(abs(term.factor) < _EXACT for term in index.terms)


def children(node: Node) -> tuple[Node, ...]:
    """The direct operands of a node, left to right; of an access or a position, the gathers in its indices."""
    match node:
        case Number() | Size():
            return ()
        case Position(index):
            return index.gathers
        case Access(_, indices):
            return tuple(gather for index in indices for gather in index.gathers)
        case Negate(operand):
            return (operand,)
        case Binary(_, left, right) | Compare(_, left, right):
            return (left, right)
        case Call(_, arguments):
            return arguments
        case Where(condition, then, otherwise):
            return (condition, then, otherwise)
        case Junction(_, parts):
            return parts
        case Not(condition):
            return (condition,)
        case _:
            assert_never(node)


def walk(node: Node) -> Iterator[Node]:
    """The node and all its parts, left to right; needs no recursion, however deep it nests."""
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(reversed(children(top)))


def guarded(node: Node) -> Iterator[tuple[Node, bool]]:
    """The node and all its parts, each with whether a condition decides that it is looked at.

    The branches of a `where` are such parts, and what stands right of an `and` or `or`.
    """
    stack = [(node, False)]
    while stack:
        top, guard = stack.pop()
        yield top, guard
        free = {Where: 1, Junction: 1}.get(type(top), len(children(top)))
        stack.extend((part, guard or place >= free) for place, part in reversed([*enumerate(children(top))]))


def accesses(node: Node) -> tuple[Access, ...]:
    """Every operand in order of appearance, gathers included, an identical access once."""
    return tuple(dict.fromkeys(part for part in walk(node) if isinstance(part, Access)))


def indices_of(node: Node) -> tuple[Index, ...]:
    """The indices of all operands and positions, in order of appearance."""
    found: list[Index] = []
    for part in walk(node):
        if isinstance(part, Access):
            found.extend(part.indices)
        elif isinstance(part, Position):
            found.append(part.index)
    return tuple(found)


def ranks_of(node: Node) -> tuple[str, ...]:
    """Every rank that an operand's index or a position names, in order of appearance."""
    return tuple(dict.fromkeys(rank for index in indices_of(node) for rank in index.ranks))


def is_product_term(expression: Expr) -> bool:
    """Whether no `+` or `-` stands outside a function: what an implicit sum may run over."""
    match expression:
        case Number() | Size() | Position() | Access() | Call() | Where():
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
        case Position(index):
            return _index_binding(index)
        case Size() | Access() | Call() | Where():
            return _ATOM
        case _:
            assert_never(expression)


def _index_binding(index: Index) -> int:
    """How tightly the text of a position holds together."""
    if len(index.terms) != 1:
        return _BINARY["+"]
    term = index.terms[0]
    words = len(term.atoms) + len(term.sizes) + (abs(term.factor) != 1)
    if words > 1 or isinstance(term.atoms[0], Quotient):
        return _BINARY["*"]
    return _NEGATE if term.factor < 0 else _ATOM


def _embed(expression: Expr, binding: int) -> str:
    return str(expression) if _binding(expression) >= binding else f"({expression})"
