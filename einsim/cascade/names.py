"""Which words may name what: tensors, ranks (lower case) and their sizes (the rank in upper case)."""

from __future__ import annotations

import re
from typing import Final, Literal

from einsim.errors import Location, SpecError

ReductionOperator = Literal["sum", "max", "min", "prod", "argmax", "argmin", "topk"]
BinaryOperator = Literal["+", "-", "*", "/"]
ComparisonOperator = Literal["==", "!=", "<", "<=", ">", ">="]

REDUCTIONS: Final[tuple[ReductionOperator, ...]] = ("sum", "max", "min", "prod", "argmax", "argmin", "topk")
SELECTIONS: Final[tuple[ReductionOperator, ...]] = ("argmax", "argmin", "topk")
"""Reductions whose result is a coordinate of the reduced rank."""
FUNCTIONS: Final[dict[str, int]] = {
    "exp": 1,
    "log": 1,
    "sqrt": 1,
    "rsqrt": 1,
    "abs": 1,
    "sign": 1,
    "floor": 1,
    "ceil": 1,
    "round": 1,
    "sin": 1,
    "cos": 1,
    "sigmoid": 1,
    "tanh": 1,
    "relu": 1,
    "silu": 1,
    "gelu": 1,
    "softplus": 1,
    "elu": 1,
    "elu1": 1,
    "max": 2,
    "min": 2,
    "pow": 2,
}
"""Every function and how many arguments it takes."""

_KEYWORDS = (
    "cascade", "source", "input", "output", "rank", "size", "tensor", "sequence", "split", "into", "by", "like",
    "within", "init", "option", "case", "over", "when", "density", "else", "edge", "where", "and", "or", "not",
)  # fmt: skip
RESERVED: Final[frozenset[str]] = frozenset([*_KEYWORDS, "inf", *FUNCTIONS, *REDUCTIONS])
"""Words that may name neither a tensor nor a rank."""

_GOOD_RANKS: Final[set[str]] = set()
_MOST_REMEMBERED: Final = 4096
_RANK = re.compile(r"[a-z][a-z0-9_]*")
_SIZE = re.compile(r"[A-Z][A-Z0-9_]*")
_TENSOR = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_CASCADE = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_.][A-Za-z0-9]+)*")


def size_of(rank: str) -> str:
    """The size symbol of a rank: `m0` has size `M0`."""
    return rank.upper()


def is_rank_name(name: str) -> bool:
    """Whether the word is spelt as a rank: lower case."""
    return _RANK.fullmatch(name) is not None


def is_size_name(name: str) -> bool:
    """Whether the word is spelt as a size symbol: upper case."""
    return _SIZE.fullmatch(name) is not None


def require_rank(name: str, at: Location | None = None) -> None:
    """Raise SpecError unless the word may name a rank."""
    if name in _GOOD_RANKS:
        return
    if not is_rank_name(name):
        raise SpecError(
            f"'{name}' cannot name a rank",
            at=at,
            remedy=f"a rank is a lower-case word such as '{name.lower()}'" if name.isidentifier() else None,
        )
    _require_free(name, "rank", at)
    if len(_GOOD_RANKS) < _MOST_REMEMBERED:
        _GOOD_RANKS.add(str(name))


def require_size(name: str, at: Location | None = None) -> None:
    """Raise SpecError unless the word may be a size symbol."""
    if not is_size_name(name):
        raise SpecError(
            f"'{name}' is neither a rank nor a size",
            at=at,
            remedy="a rank is lower case (m0), its size the same word in upper case (M0)",
        )


def require_tensor(name: str, at: Location | None = None) -> None:
    """Raise SpecError unless the word may name a tensor."""
    if _TENSOR.fullmatch(name) is None:
        raise SpecError(f"'{name}' cannot name a tensor", at=at, remedy="use letters, digits and _, a letter first")
    _require_free(name, "tensor", at)


def require_cascade(name: str, at: Location | None = None) -> None:
    """Raise SpecError unless the word may name a cascade."""
    if _CASCADE.fullmatch(name) is None:
        raise SpecError(
            f"'{name}' cannot name a cascade",
            at=at,
            remedy="use words of letters and digits joined by '-', '_' or '.'",
        )


def _require_free(name: str, kind: str, at: Location | None) -> None:
    if name in RESERVED:
        raise SpecError(
            f"'{name}' is a word of the notation and cannot name a {kind}",
            at=at,
            remedy="choose another name",
        )
