"""Whole layers as one cascade have the values of the layer written down with arrays, in every form."""

from itertools import product

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


def rms(x, gain, eps):
    return x / np.sqrt((x * x).mean(1, keepdims=True) + eps) * gain[:, None]


def silu(x):
    return x / (1 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0)


ACTIVATIONS = {"gelu": gelu, "relu": relu, "silu": silu}


def form(name: str, **options: str):
    return library.load_cascade(name, options=options.items())


def of_form(cascade, made):
    return {each.name: made[each.name] for each in cascade.inputs}


@pytest.mark.parametrize("tile", [2, 3, 7])
@pytest.mark.parametrize(
    ("norms", "network"), list(product(["behind", "before", "root"], ["gelu", "relu", "gated_gelu"]))
)
def test_an_encoder_layer(norms, network, tile):
    n = H * E
    shapes = {"X": (B, D, T), "WQ": (n, D), "WK": (n, D), "WV": (n, D), "WO": (D, n), "WU": (U, D), "WD": (D, U)}
    shapes |= {"WG": (U, D)} | {f"{kind}{place}": (D,) for kind in "GB" for place in range(3)}
    made = inputs_of(shapes)
    cascade = form("layer-encoder", norms=norms, network=network)
    found = evaluate(cascade, of_form(cascade, made), {"M0": tile, "E": E})["Y"]

    def normed(x, place):
        if norms == "root":
            return rms(x, made[f"G{place}"], 1e-5)
        return norm(x, made[f"G{place}"], made[f"B{place}"], 1e-5)

    x = made["X"]
    seen = x if norms == "behind" else normed(x, 0)
    z = x + made["WO"] @ attention(made["WQ"] @ seen, made["WK"] @ seen, made["WV"] @ seen)
    first = normed(z, 1)
    gate, up = made["WG"] @ first, made["WU"] @ first
    result = made["WD"] @ (gelu(gate) * up if network == "gated_gelu" else ACTIVATIONS[network](up))
    expected = normed(first + result, 2) if norms == "behind" else z + result
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tile", [2, 3, 7])
@pytest.mark.parametrize(
    ("heads", "results", "network"), list(product(["turned", "normed"], ["plain", "normed"], ["silu", "gelu", "relu"]))
)
def test_a_decoder_layer(heads, results, network, tile):
    """Written down with heads repeated, a mask over scores, and partners of features a half of their head away."""
    shared, n = 2, H * E
    made = inputs_of({
        "X": (B, D, T), "G1": (D,), "WQ": (shared, n, D), "WK": (n, D), "WV": (n, D), "WO": (D, shared, n),
        "G2": (D,), "WG": (U, D), "WU": (U, D), "WD": (D, U), "GO": (D,), "GF": (D,),
    })  # fmt: skip
    gains = inputs_of({"GQ": (E,), "GK": (E,)})
    angle = np.tile(np.outer(1.0 / 100 ** np.arange(E // 2), np.arange(T)), (2 * H, 1))
    sign = np.tile(np.repeat([-1.0, 1.0], E // 2), H)[:, None]
    made |= {
        "C": np.cos(angle),
        "S": np.sin(angle) * sign,
        "GQ": np.tile(gains["GQ"], H),
        "GK": np.tile(gains["GK"], H),
    }
    cascade = form("layer-decoder", heads=heads, results=results, network=network)
    found = evaluate(cascade, of_form(cascade, made), {"M0": tile, "E": E})["Y"]

    def turned(x, gain):
        if heads == "normed":
            x = rms(x.reshape(B * H, E, T), gain, 1e-5)
        halves = x.reshape(B, H, 2, E // 2, T)
        cos, sin = (f(angle).reshape(H, 2, E // 2, T)[:, 0] for f in (np.cos, np.sin))
        first, second = halves[:, :, 0], halves[:, :, 1]
        return np.stack([first * cos - second * sin, second * cos + first * sin], 2).reshape(B, n, T)

    def result(x, gain):
        return rms(x, gain, 1e-5) if results == "normed" else x

    x = made["X"]
    first = rms(x, made["G1"], 1e-5)
    keys, values = turned(made["WK"] @ first, gains["GK"]), made["WV"] @ first
    later = np.arange(T)[:, None] > np.arange(T)[None, :]
    mixed = sum(out @ attention(turned(weights @ first, gains["GQ"]), keys, values, later)
                for weights, out in zip(made["WQ"], made["WO"].swapaxes(0, 1), strict=True))  # fmt: skip
    z = x + result(mixed, made["GO"])
    second = rms(z, made["G2"], 1e-5)
    ffn = made["WD"] @ (ACTIVATIONS[network](made["WG"] @ second) * (made["WU"] @ second))
    np.testing.assert_allclose(found, z + result(ffn, made["GF"]), rtol=1e-9, atol=1e-9)
