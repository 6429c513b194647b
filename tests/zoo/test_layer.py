"""The kernels of a layer beside attention have the values of the functions that they are named for."""

import math

import numpy as np
import pytest

from einsim.cascade import evaluate
from einsim.spec import library

RNG = np.random.default_rng(3)
X, U, R = (RNG.normal(size=(5, 7)) for _ in range(3))
G, B = RNG.normal(size=5), RNG.normal(size=5)
ERF = np.vectorize(math.erf)


def gelu(x):
    return x * 0.5 * (1.0 + ERF(x / math.sqrt(2.0)))


def silu(x):
    return x / (1.0 + np.exp(-x))


def softmax(x):
    return np.exp(x - x.max(0)) / np.exp(x - x.max(0)).sum(0)


def made(name, **inputs):
    cascade = library.load_cascade(f"layer-{name}")
    return evaluate(cascade, {key: np.asarray(value) for key, value in inputs.items()}, {})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gelu", gelu(X)), ("silu", silu(X)), ("relu", np.maximum(X, 0)), ("tanh", np.tanh(X)), ("exp", np.exp(X)),
        ("sigmoid", 1 / (1 + np.exp(-X))), ("softmax", softmax(X)), ("sum", X.sum(0)),
    ],
)  # fmt: skip
def test_functions(name, expected):
    np.testing.assert_allclose(made(name, X=X)["Y"], expected, rtol=2e-3, atol=2e-3)  # gelu may be its tanh form


@pytest.mark.parametrize(
    ("name", "inputs", "expected"),
    [
        ("add", {"X": X, "R": R}, X + R),
        ("multiply", {"X": X, "R": R}, X * R),
        ("divide", {"X": X, "R": R}, X / R),
        ("scale", {"X": X, "C": 3.0}, 3 * X),
        ("sqrt", {"X": X * X}, np.abs(X)),
        ("silu_gated", {"G": X, "U": U}, silu(X) * U),
        ("relu_gated", {"G": X, "U": U}, np.maximum(X, 0) * U),
        ("rmsnorm", {"X": X, "G": G, "EPS": 1e-5}, X / np.sqrt((X * X).mean(0) + 1e-5) * G[:, None]),
        (
            "layernorm",
            {"X": X, "G": G, "B": B, "EPS": 1e-5},
            (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-5) * G[:, None] + B[:, None],
        ),
        ("lookup", {"W": X, "I": np.array([3, 0, 3]), "C": 2.0}, 2 * X[[3, 0, 3]].T),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_kernels(name, inputs, expected):
    np.testing.assert_allclose(made(name, **inputs)["Y"], expected, rtol=1e-9, atol=1e-9)


def test_gated_gelu_is_a_gelu_times_another():
    np.testing.assert_allclose(made("gelu_gated", G=X, U=U)["Y"], made("gelu", X=X)["Y"] * U, rtol=1e-12)


def test_rotary_positions_keep_lengths():
    x, angle = RNG.normal(size=(2, 4, 7)), RNG.normal(size=(2, 7))
    partner = np.concatenate([-x[:, 2:], x[:, :2]], axis=1)
    turned = made("rotate", X=x, Z=partner, C=np.cos(np.tile(angle, (2, 1))), S=np.sin(np.tile(angle, (2, 1))))["Y"]
    np.testing.assert_allclose((turned**2).sum(1), (x**2).sum(1), rtol=1e-12)


def test_a_router_takes_the_best_experts():
    logits = RNG.normal(size=(6, 7))
    cascade = library.load_cascade("layer-router")
    found = evaluate(cascade, {"L": logits}, {"J": 2})
    order = np.argsort(-logits, axis=0)[:2]
    np.testing.assert_array_equal(found["I"], order)
    np.testing.assert_allclose(found["W"], softmax(np.take_along_axis(logits, order, 0)), rtol=1e-12)


def test_experts_are_weighed_and_added():
    parts, weights = RNG.normal(size=(2, 5, 7)), RNG.normal(size=(2, 7))
    expected = (parts * weights[:, None, :]).sum(0)
    np.testing.assert_allclose(made("combine", X=parts, W=weights)["Y"], expected, rtol=1e-12)
