"""Whole layers as one cascade have the values of the layer written down with arrays."""

import numpy as np
import pytest

from einsim.cascade import evaluate
from einsim.spec import library

B, T, H, E, D, U = 2, 7, 3, 4, 5, 9


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def norm(x, gain, offset, eps):
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps) * gain[:, None] + offset[:, None]


def attention(q, k, v, hidden=None):
    """Softmax attention of (batch, features, tokens) by heads of E features; `hidden` scores count nothing."""
    heads = [x.reshape(B, -1, E, T) for x in (q, k, v)]
    scores = np.einsum("bhep,bhem->bhmp", heads[0], heads[1])
    if hidden is not None:
        scores = np.where(hidden, -np.inf, scores)
    weights = np.exp(scores - scores.max(2, keepdims=True))
    return np.einsum("bhmp,bhem->bhep", weights / weights.sum(2, keepdims=True), heads[2]).reshape(B, -1, T)


def inputs_of(shapes):
    rng = np.random.default_rng(5)
    return {name: rng.normal(size=shape) * 0.7 for name, shape in shapes.items()} | {"EPS": np.asarray(1e-5)}


@pytest.mark.parametrize("tile", [2, 3, 7])
def test_an_encoder_layer(tile):
    n = H * E
    made = inputs_of({
        "X": (B, D, T), "WQ": (n, D), "WK": (n, D), "WV": (n, D), "WO": (D, n), "G1": (D,), "B1": (D,),
        "WU": (U, D), "WD": (D, U), "G2": (D,), "B2": (D,),
    })  # fmt: skip
    found = evaluate(library.load_cascade("layer-encoder"), made, {"M0": tile, "E": E})["Y"]
    x = made["X"]
    mixed = attention(made["WQ"] @ x, made["WK"] @ x, made["WV"] @ x)
    first = norm(x + made["WO"] @ mixed, made["G1"], made["B1"], 1e-5)
    second = norm(first + made["WD"] @ gelu(made["WU"] @ first), made["G2"], made["B2"], 1e-5)
    np.testing.assert_allclose(found, second, rtol=1e-9, atol=1e-9)
