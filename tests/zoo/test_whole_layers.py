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


def rms(x, gain, eps):
    return x / np.sqrt((x * x).mean(1, keepdims=True) + eps) * gain[:, None]


@pytest.mark.parametrize("tile", [2, 3, 7])
def test_a_decoder_layer(tile):
    """Written down with heads repeated, a mask over scores, and partners of features a half of their head away."""
    shared, n = 2, H * E
    made = inputs_of({
        "X": (B, D, T), "G1": (D,), "WQ": (shared, n, D), "WK": (n, D), "WV": (n, D), "WO": (D, shared, n),
        "G2": (D,), "WG": (U, D), "WU": (U, D), "WD": (D, U),
    })  # fmt: skip
    angle = np.tile(np.outer(1.0 / 100 ** np.arange(E // 2), np.arange(T)), (2 * H, 1))
    sign = np.tile(np.repeat([-1.0, 1.0], E // 2), H)[:, None]
    made |= {"C": np.cos(angle), "S": np.sin(angle) * sign}
    found = evaluate(library.load_cascade("layer-decoder"), made, {"M0": tile, "E": E})["Y"]

    def turned(x):
        heads = x.reshape(B, H, 2, E // 2, T)
        cos, sin = (f(angle).reshape(H, 2, E // 2, T)[:, 0] for f in (np.cos, np.sin))
        first, second = heads[:, :, 0], heads[:, :, 1]
        return np.stack([first * cos - second * sin, second * cos + first * sin], 2).reshape(B, n, T)

    x = made["X"]
    first = rms(x, made["G1"], 1e-5)
    keys, values = turned(made["WK"] @ first), made["WV"] @ first
    later = np.arange(T)[:, None] > np.arange(T)[None, :]
    z = x
    for weights, out in zip(made["WQ"], made["WO"].swapaxes(0, 1), strict=True):
        z = z + out @ attention(turned(weights @ first), keys, values, later)
    second = rms(z, made["G2"], 1e-5)
    gate = made["WG"] @ second
    expected = z + made["WD"] @ (gate / (1 + np.exp(-gate)) * (made["WU"] @ second))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
