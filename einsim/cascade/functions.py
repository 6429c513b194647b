"""The functions and operators of the notation in NumPy, in double precision."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from einsim.cascade.names import BinaryOperator, ComparisonOperator

Array = NDArray[np.float64]


def _sigmoid(x: Array) -> Array:
    return np.exp(-np.logaddexp(0.0, -x))


def _gelu(x: Array) -> Array:
    """The tanh form (Hendrycks and Gimpel, arXiv 1606.08415, section 2)."""
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))


UNARY: Final[dict[str, Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "sin": np.sin,
    "cos": np.cos,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "silu": lambda x: x * _sigmoid(x),
    "gelu": _gelu,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "elu": _elu,
    "elu1": lambda x: np.where(x > 0, x + 1.0, np.exp(np.minimum(x, 0.0))),
}
PAIRWISE: Final[dict[str, Any]] = {"max": np.maximum, "min": np.minimum, "pow": np.power}
BINARY: Final[dict[BinaryOperator, np.ufunc]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
COMPARISON: Final[dict[ComparisonOperator, np.ufunc]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
FOLD: Final[dict[str, tuple[np.ufunc, float]]] = {
    "sum": (np.add, 0.0),
    "prod": (np.multiply, 1.0),
    "max": (np.maximum, -np.inf),
    "min": (np.minimum, np.inf),
}
"""Of every reduction to a value, the operator and its value over nothing."""


def call(function: str, arguments: list[Array]) -> Array:
    """A function of the notation at every point."""
    operator = UNARY[function] if len(arguments) == 1 else PAIRWISE[function]
    result: Array = operator(*arguments)
    return result
