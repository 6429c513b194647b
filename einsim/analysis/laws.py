"""The algebraic laws that rewrites rest on, each with a check in symbols."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Law:
    """A law by name, its statement, and a proof obligation that sympy discharges on three elements."""

    name: str
    statement: str
    identity: Callable[[Any], list[Any]]
    """Given sympy, expressions that must simplify to 0."""

    def holds(self) -> bool:
        """Whether sympy proves the identity."""
        import sympy  # noqa: PLC0415 - slow to import, and needed for proofs only

        return all(sympy.simplify(difference) == 0 for difference in self.identity(sympy))


def _elements(sympy: Any, name: str, *, positive: bool = False) -> list[Any]:
    return list(sympy.symbols(f"{name}0:3", real=True, positive=positive or None))


def _distributivity(sympy: Any) -> list[Any]:
    x, y = _elements(sympy, "x"), _elements(sympy, "y")
    a, b, c = sympy.symbols("a b c", real=True)
    scaled = sum(a * u for u in x) - a * sum(x)
    divided = sum(u / c for u in x) - sum(x) / c
    spread = sum((a * u + b * v) for u, v in zip(x, y, strict=True)) - (a * sum(x) + b * sum(y))
    square = sum((u - a) ** 2 for u in x) - (sum(u * u for u in x) - 2 * a * sum(x) + 3 * a**2)
    return [scaled, divided, spread, square]


def _reassociation(sympy: Any) -> list[Any]:
    q = _elements(sympy, "q")
    rows = [_elements(sympy, f"k{i}_") for i in range(3)]
    v = _elements(sympy, "v")
    first = sum(sum(q[e] * rows[m][e] for e in range(3)) * v[m] for m in range(3))
    second = sum(q[e] * sum(rows[m][e] * v[m] for m in range(3)) for e in range(3))
    return [sympy.expand(first - second)]


def _rebasing(sympy: Any) -> list[Any]:
    x, g, h = sympy.symbols("x g h", real=True)
    return [sympy.exp(x - h) - sympy.exp(x - g) * sympy.exp(g - h)]


def _correction(sympy: Any) -> list[Any]:
    x = _elements(sympy, "x")
    old, new = sympy.symbols("r s", real=True)
    v = _elements(sympy, "v")
    moved = sum(sympy.exp(u - old) * w for u, w in zip(x, v, strict=True)) * sympy.exp(old - new)
    return [sum(sympy.exp(u - new) * w for u, w in zip(x, v, strict=True)) - moved]


def _choice(sympy: Any) -> list[Any]:
    x, y = _elements(sympy, "x"), _elements(sympy, "y")
    found = []
    for condition in (True, False):
        inside = sum(u if condition else v for u, v in zip(x, y, strict=True))
        found.append(inside - (sum(x) if condition else sum(y)))
    return found


DISTRIBUTIVITY: Final = Law(
    "distributivity",
    "sum over m: a(p)*x(m) + b(p)*y(m)  =  a(p) * sum over m: x(m)  +  b(p) * sum over m: y(m)",
    _distributivity,
)
CHOICE: Final = Law(
    "choice outside the sum",
    "sum over m: where(c(p), x(m), y(m))  =  where(c(p), sum over m: x(m), sum over m: y(m))",
    _choice,
)
REASSOCIATION: Final = Law(
    "reassociation",
    "sum over m: (sum over e: q(e)*k(e,m)) * v(m)  =  sum over e: q(e) * (sum over m: k(e,m)*v(m))",
    _reassociation,
)
REBASING: Final = Law(
    "rebasing",
    "exp(x(m) - h)  =  exp(x(m) - g) * exp(g - h), with g the maximum of these x alone",
    _rebasing,
)
CORRECTION: Final = Law(
    "running maximum",
    "sum over m: exp(x(m) - s) * v(m)  =  exp(r - s) * sum over m: exp(x(m) - r) * v(m): what was summed against an "
    "earlier maximum r is corrected by one factor, so that the maximum and the sums can be carried along together",
    _correction,
)
MERGE: Final = Law(
    "merging tiles",
    "sum over tiles t: exp(g(t) - g) * (sum over m in t: exp(x(m) - g(t)) * v(m))  =  sum over m: exp(x(m) - g) * "
    "v(m), with g the maximum of the tiles' own maxima g(t)",
    _correction,
)
LAWS: Final = (DISTRIBUTIVITY, CHOICE, REASSOCIATION, REBASING, CORRECTION, MERGE)
