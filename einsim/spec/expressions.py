"""Size expressions of mapping files: `min(P0, array1d.lanes)`, `ceil(P / P0)`.

Integers stay integers: `/` is true division only where it has to be (inside `ceil` and `floor`, and in
proportions). The same expression is evaluated on Python integers (one design), on NumPy arrays (a
sweep) and on sympy symbols, so nothing here may branch on a value.
"""

from __future__ import annotations

import ast
import math
import operator
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

import numpy as np

from einsim.errors import Location, SpecError, suggest
from einsim.units import INT64_MAX

# int | Fraction for one design, NDArray for many, sympy.Expr for formulas; `Any` because the three
# share operators, not a type.
Number = Any


def is_formula(value: Number) -> bool:
    """Whether a value is a sympy expression; sympy is slow to import, and not asked before somebody used it."""
    basic = getattr(sys.modules.get("sympy"), "Basic", None)  # another thread may just import it
    return basic is not None and isinstance(value, basic)


def symbol(name: str) -> Number:
    """A symbol for a positive integer."""
    import sympy  # noqa: PLC0415 - see is_formula

    return sympy.Symbol(name, integer=True, positive=True)


def ceil_div(a: Number, b: Number) -> Number:
    """ceil(a / b) without leaving the integers."""
    if is_formula(a) or is_formula(b):
        return sys.modules["sympy"].ceiling(a / b)
    if isinstance(b, int) and b == 1:
        return a
    floor = -a // b
    return np.negative(floor, out=floor) if isinstance(floor, np.ndarray) else -floor


def minimum(*values: Number) -> Number:
    """Element-wise least of integers, arrays or symbols."""
    return _fold(values, np.minimum, min, "Min")


def maximum(*values: Number) -> Number:
    """Element-wise greatest of integers, arrays or symbols."""
    return _fold(values, np.maximum, max, "Max")


def negation(value: Number) -> Number:
    """Logical not of a truth value, an array of them or a relation between symbols."""
    if is_formula(value):
        return sys.modules["sympy"].Not(value)
    return ~value if isinstance(value, np.ndarray) else not value


def choose(condition: Number, one: Number, other: Number) -> Number:
    """One number where a condition holds, and the other where not, element by element."""
    if any(isinstance(each, np.ndarray) for each in (condition, one, other)):
        return np.where(condition, one, other)
    return one if condition else other


def everywhere(condition: Number) -> bool:
    """Whether a condition holds at every point."""
    return bool(condition.all() if isinstance(condition, np.ndarray) else condition)


def somewhere(condition: Number) -> bool:
    """Whether a condition holds (or a number is not zero) at any point."""
    return bool(condition.any() if isinstance(condition, np.ndarray) else condition)


def _fold(values: tuple[Number, ...], arrays: Any, numbers: Callable[..., Number], formula: str) -> Number:
    if any(is_formula(value) for value in values):
        return getattr(sys.modules["sympy"], formula)(*values)
    if any(isinstance(value, np.ndarray) for value in values):
        result = values[0]
        for value in values[1:]:
            result = arrays(result, value)
        return result
    return numbers(values)


def total(a: Number, b: Number) -> Number:
    """a + b; raises OverflowError where an int64 array might not hold it."""
    return _held(a + b, a, b, operator.add)


def product(a: Number, b: Number) -> Number:
    """a * b; raises OverflowError where an int64 array might not hold it."""
    return _held(a * b, a, b, operator.mul)


def _held(value: Number, a: Number, b: Number, combine: Callable[[Any, Any], Any]) -> Number:
    """The value, unless it is an array of integers that its operands' magnitudes show to be too narrow."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "i" or not value.size:
        return value
    if combine(largest(a), largest(b)) >= INT64_MAX and np.any(combine(_magnitude(a), _magnitude(b)) >= INT64_MAX):
        raise OverflowError("sizes may exceed 64 bits; evaluate such points one by one")
    return value


def largest(value: Number) -> int:
    """The largest magnitude of an integer or of an array of them."""
    if isinstance(value, np.ndarray):
        return max(-int(value.min(initial=0)), int(value.max(initial=0)))
    return abs(int(value))


def _magnitude(value: Number) -> Any:
    return np.abs(np.asarray(value, np.float64))


def _divide(a: Number, b: Number) -> Number:
    if isinstance(a, (int, Fraction)) and isinstance(b, (int, Fraction)):
        return Fraction(a) / b
    return a / b


_OPERATORS: Final[dict[type[ast.operator], Callable[[Number, Number], Number]]] = {
    ast.Add: total,
    ast.Sub: lambda a, b: total(a, -b),
    ast.Mult: product,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Div: _divide,
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed size expression; `str()` is its text.

    `names` are the sizes and architecture fields that it reads, dotted paths included.
    """

    text: str
    at: Location

    def __str__(self) -> str:
        return self.text

    @property
    def names(self) -> frozenset[str]:
        """Every name the expression reads."""
        _parse(self.text, self.at)
        return _names(self.text)

    def evaluate(self, env: Mapping[str, Number]) -> Number:
        """The value under `env`; raises SpecError for an unknown name or a division by zero."""
        evaluator = _Evaluator(env, self)
        try:
            with np.errstate(divide="raise", invalid="raise", over="raise"):
                return evaluator.visit(_parse(self.text, self.at))
        except (ZeroDivisionError, FloatingPointError):
            raise evaluator.fail("division by zero") from None


class _Evaluator:
    def __init__(self, env: Mapping[str, Number], expression: Expression) -> None:
        self.env = env
        self.expression = expression

    def fail(self, message: str, remedy: str | None = None) -> SpecError:
        return SpecError(f"in {self.expression.text!r}: {message}", at=self.expression.at, remedy=remedy)

    def visit(self, node: ast.expr) -> Number:
        match node:
            case ast.Constant(value=bool()) | ast.Constant(value=str()):
                raise self.fail(f"{node.value!r} is no number")
            case ast.Constant(value=int() as value):
                return value
            case ast.Constant(value=float() as number):
                if not math.isfinite(number):
                    raise self.fail("a number is too large")
                return Fraction(str(number))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.visit(operand)
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
                return _OPERATORS[type(operator)](self.visit(left), self.visit(right))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self.call(name, arguments)
        path = _dotted(node)
        if path is None:
            raise self.fail("only + - * / // %, ceil, floor, min and max are understood")
        if path not in self.env:
            raise self.fail(f"unknown name {path!r}", suggest(path, self.env))
        return self.env[path]

    def call(self, name: str, arguments: list[ast.expr]) -> Number:
        match name, arguments:
            case "ceil", [ast.BinOp(left=left, op=ast.Div(), right=right)]:
                return ceil_div(self.visit(left), self.visit(right))
            case "floor", [ast.BinOp(left=left, op=ast.Div(), right=right)]:
                return self.visit(left) // self.visit(right)
            case (("ceil" | "floor"), [_]):
                raise self.fail(f"{name} takes one division", f"write {name}(a / b)")
            case "min", [_, _, *_]:
                return minimum(*(self.visit(argument) for argument in arguments))
            case "max", [_, _, *_]:
                return maximum(*(self.visit(argument) for argument in arguments))
        raise self.fail(f"unknown function {name!r} of {len(arguments)} arguments", "known: ceil, floor, min, max")


def expression(text: str | int, at: Location) -> Expression:
    """Parses `text`; raises SpecError where it is no size expression."""
    parsed = Expression(str(text), at)
    _parse(parsed.text, at)
    return parsed


@lru_cache(maxsize=1024)
def _tree(text: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Python finds odd in `1is 2` is refused in words of ours
        return ast.parse(text.strip(), mode="eval").body


@lru_cache(maxsize=1024)
def _names(text: str) -> frozenset[str]:
    tree = _tree(text)
    return frozenset(name for node in ast.walk(tree) if (name := _dotted(node)) and not _is_part(node, tree))


def _parse(text: str, at: Location) -> ast.expr:
    if len(text) > 500:
        raise SpecError("expression longer than 500 characters", at=at)
    try:
        return _tree(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SpecError(f"{text!r} is no size expression", at=at, remedy="write something like ceil(P / P0)") from None


def _dotted(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=name) if (outer := _dotted(inner)) is not None:
            return f"{outer}.{name}"
    return None


def _is_part(node: ast.AST, tree: ast.expr) -> bool:
    """Whether a name is the head of a dotted name or of a call, and so no name of its own."""
    return any(
        (isinstance(parent, ast.Attribute) and parent.value is node)
        or (isinstance(parent, ast.Call) and parent.func is node)
        for parent in ast.walk(tree)
    )
