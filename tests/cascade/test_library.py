"""Every cascade of the library is softmax attention (or softmax): checked against plain NumPy."""

import numpy as np
import pytest

from einsim.cascade import evaluate, iteration_ranks

from .library import TEXTS, load

ATTENTION = [name for name in TEXTS if name.startswith("attention")]
SOFTMAX = [name for name in TEXTS if name.startswith("softmax")]
SIZES = [  # E, F, P, M, M0: full tiles, a partial one, one element, M < M0, M0 = 1
    (4, 3, 2, 12, 4),
    (4, 3, 5, 10, 4),
    (1, 1, 1, 1, 1),
    (2, 3, 4, 3, 8),
    (3, 2, 2, 7, 1),
    (8, 8, 6, 64, 16),
]


def softmax(scores):
    weights = np.exp(scores - scores.max(axis=0))
    return weights / weights.sum(axis=0)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def tile(cascade, m0):
    return {"M0": m0} if cascade.splits else {}


def test_the_library_holds_what_it_should():
    kinds = [name.removeprefix("attention-") for name in ATTENTION]
    assert kinds == ["1pass", "2pass", "3pass", "deferred", "flash", "unstable"]
    assert SOFTMAX == ["softmax", "softmax-2pass", "softmax-unstable"]


@pytest.mark.parametrize("name", TEXTS)
def test_every_cascade_says_what_it_is_and_where_it_comes_from(name):
    cascade = load(name)
    assert cascade.name == name
    assert cascade.title
    assert cascade.source


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", ATTENTION)
def test_attention(name, sizes):
    e, f, p, m, m0 = sizes
    random = np.random.default_rng(m)
    inputs = {
        "Q": random.normal(size=(e, p)),
        "K": random.normal(size=(e, m)),
        "V": random.normal(size=(f, m)),
    }
    cascade = load(name)
    found = evaluate(cascade, inputs, tile(cascade, m0))["AV"]
    close(found, inputs["V"] @ softmax(inputs["K"].T @ inputs["Q"]))


@pytest.mark.parametrize("magnitude", [1e-3, 1e3])
@pytest.mark.parametrize("name", [name for name in ATTENTION if "unstable" not in name])
def test_stable_forms_stand_large_scores(name, magnitude):
    random = np.random.default_rng(7)
    e, f, p, m = 4, 3, 5, 23
    scale = np.sqrt(magnitude)
    inputs = {
        "Q": random.normal(size=(e, p)) * scale,
        "K": random.normal(size=(e, m)) * scale,
        "V": random.normal(size=(f, m)),
    }
    scores = np.einsum("em,ep->mp", inputs["K"], inputs["Q"])
    cascade = load(name)
    found = evaluate(cascade, inputs, tile(cascade, 5))["AV"]
    np.testing.assert_allclose(found, inputs["V"] @ softmax(scores), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ["attention-unstable", "softmax-unstable"])
def test_unstable_forms_do_overflow(name):
    cascade = load(name)
    inputs = {"Q": [[1e3]], "K": [[1.0, 2.0]], "V": [[1.0, 2.0]]} if "attention" in name else {"I": [[1e3], [2e3]]}
    assert np.isnan(evaluate(cascade, inputs)[cascade.outputs[0]]).any()


@pytest.mark.parametrize("m", [1, 4, 9])
@pytest.mark.parametrize("name", SOFTMAX)
def test_softmax(name, m):
    scores = np.random.default_rng(m).normal(size=(m, 3))
    cascade = load(name)
    close(evaluate(cascade, {"I": scores}, tile(cascade, 4))["A"], softmax(scores))


def test_float32_inputs_are_computed_in_double():
    random = np.random.default_rng(0)
    shapes = {"Q": (4, 3), "K": (4, 9), "V": (2, 9)}
    inputs = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    q, k, v = (inputs[name].astype(np.float64) for name in "QKV")
    close(evaluate(load("attention-1pass"), inputs, {"M0": 4})["AV"], v @ softmax(k.T @ q))


def test_intermediate_values_of_the_one_pass_form():
    random = np.random.default_rng(0)
    inputs = {
        "Q": random.normal(size=(4, 3)),
        "K": random.normal(size=(4, 10)),
        "V": random.normal(size=(2, 10)),
    }
    found = evaluate(load("attention-1pass"), inputs, {"M0": 4})
    scores = inputs["K"].T @ inputs["Q"]
    assert found["RM"].shape == (4, 3)
    assert np.isneginf(found["RM"][0]).all()
    close(found["RM"][1:], [scores[:4].max(axis=0), scores[:8].max(axis=0), scores.max(axis=0)])
    close(found["RD"][3], np.exp(scores - scores.max(axis=0)).sum(axis=0))
    assert found["BQK"].shape == (3, 4, 3)
    assert not found["BQK"][2, 2:].any()


def test_the_einsums_that_mappings_and_bindings_name():
    assert [einsum.name for einsum in load("attention-3pass").einsums] == ["QK", "GM", "SN", "SD", "A", "AV"]
    one_pass = {einsum.name: iteration_ranks(einsum) for einsum in load("attention-1pass").einsums}
    assert one_pass == {
        "BK": ("e", "m1", "m0"),
        "BV": ("f", "m1", "m0"),
        "BQK": ("m1", "m0", "p", "e"),
        "LM": ("m1", "p", "m0"),
        "RM": ("m1", "p"),
        "SLN": ("m1", "m0", "p"),
        "SLD": ("m1", "p", "m0"),
        "SLNV": ("f", "m1", "p", "m0"),
        "PRM": ("m1", "p"),
        "SPD": ("m1", "p"),
        "RD": ("m1", "p"),
        "SPNV": ("f", "m1", "p"),
        "RNV": ("f", "m1", "p"),
        "AV": ("f", "p"),
    }
