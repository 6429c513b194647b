"""The backward pass of attention against NumPy, and against finite differences of the forward pass."""

import numpy as np
import pytest

from einsim.analysis.passes import count_passes
from einsim.cascade import evaluate
from einsim.spec import library

E, F, M, P = 5, 3, 7, 6


def forward(q, k, v):
    """Attention's output, and the logarithm of each query's sum of exponentials."""
    scores = np.einsum("ep,em->mp", q, k)
    sums = np.log(np.exp(scores).sum(0))
    return np.einsum("mp,fm->fp", np.exp(scores - sums), v), sums


def inputs(seed):
    rng = np.random.default_rng(seed)
    q, k, v, g = (rng.normal(size=shape) for shape in ((E, P), (E, M), (F, M), (F, P)))
    out, sums = forward(q, k, v)
    return {"Q": q, "K": k, "V": v, "G": g, "L": sums, "R": (out * g).sum(0)}


@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_those_of_the_textbook(seed):
    given = inputs(seed)
    found = evaluate(library.load_cascade("gradients"), given, {})
    weights = np.exp(np.einsum("ep,em->mp", given["Q"], given["K"]) - given["L"])
    by_scores = weights * (np.einsum("fp,fm->mp", given["G"], given["V"]) - given["R"])
    np.testing.assert_allclose(found["DV"], np.einsum("mp,fp->fm", weights, given["G"]))
    np.testing.assert_allclose(found["DQ"], np.einsum("mp,em->ep", by_scores, given["K"]))
    np.testing.assert_allclose(found["DK"], np.einsum("mp,ep->em", by_scores, given["Q"]))


@pytest.mark.parametrize(("name", "gradient"), [("Q", "DQ"), ("K", "DK"), ("V", "DV")])
def test_gradients_are_those_of_small_steps(name, gradient):
    given = inputs(7)
    found = evaluate(library.load_cascade("gradients"), given, {})[gradient]
    step = 1e-6
    for place in np.ndindex(given[name].shape):
        ends = []
        for sign in (1, -1):
            moved = {each: given[each].copy() for each in ("Q", "K", "V")}
            moved[name][place] += sign * step
            out, _ = forward(moved["Q"], moved["K"], moved["V"])
            ends.append((out * given["G"]).sum())
        assert found[place] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-8)


def test_one_pass_is_enough_once_the_sums_are_known():
    (passes,) = count_passes(library.load_cascade("gradients"))
    assert passes.number == 1
