"""evaluate against the point-by-point oracle, and its answers to wrong inputs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsim.cascade import evaluate, parse
from einsim.cascade.contract import contract
from einsim.errors import SpecError

from .library import load
from .oracle import Oracle, RefusedError
from .programs import every_size, programs


def oracle_of(cascade, inputs, free):
    clean = dict(inputs)  # the oracle, too, takes tiles that lack elements as 0 there
    element = np.arange(inputs["T0"].size).reshape(inputs["T0"].shape)
    clean["T0"] = np.where(element < free["M"], inputs["T0"], 0.0)
    return Oracle(cascade, clean, every_size(free))


@settings(max_examples=600, deadline=None)
@given(programs())
def test_random_cascades_equal_the_oracle(program):
    text, inputs, free = program
    cascade = parse(text)
    found = evaluate(cascade, inputs, free)
    oracle, scale = oracle_of(cascade, inputs, free), 1.0
    for name, array in found.items():
        expected = oracle.tensor(name, array.shape)
        finite = np.isfinite(expected)
        np.testing.assert_array_equal(np.isfinite(array), finite, err_msg=f"{name} in\n{text}")
        if not np.array_equal(np.where(finite, 0, array), np.where(finite, 0, expected), equal_nan=True):
            return  # infinite or no number: what follows depends on the order of IEEE operations
        scale = max(scale, np.abs(expected[finite]).max(initial=0))
        np.testing.assert_allclose(
            array[finite], expected[finite], rtol=1e-9, atol=1e-9 * scale, err_msg=f"{name} in\n{text}"
        )


def refusal(work, kind):
    """The exception of that kind which a piece of work raises, or None."""
    try:
        work()
    except kind as error:
        return error
    return None


@settings(max_examples=300, deadline=None)
@given(programs(careless=True))
def test_what_reads_where_nothing_is_is_refused_and_nothing_else(program):
    text, inputs, free = program
    error = refusal(lambda: parse(text), SpecError)
    if error is not None:
        assert "of dimension" in error.message  # it leaves its tensor whatever the sizes
        return
    cascade = parse(text)
    error = refusal(lambda: evaluate(cascade, inputs, free), SpecError)
    if error is not None:
        assert error.at
        assert error.remedy
        if "of rank m, which has" in error.message:
            return  # an element that a partial tile lacks: the oracle reads 0 there
    oracle = oracle_of(cascade, inputs, free)
    expected = refusal(lambda: [oracle.tensor(name, oracle.extents(name)) for name in cascade.made], RefusedError)
    assert (error is None) == (expected is None), f"{error}; {expected} in\n{text}"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_contraction_equals_the_product_summed(data):
    lengths = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    axes = tuple(data.draw(st.sets(st.sampled_from(range(len(lengths))))))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    held = data.draw(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=4))
    factors = [random.normal(size=[n if has else 1 for n, has in zip(lengths, row, strict=False)]) for row in held]
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    np.testing.assert_allclose(contract(factors, axes), product.sum(axis=axes, keepdims=True), atol=1e-12)


def test_a_product_is_contracted_without_the_whole_iteration_space():
    # 3000 x 64 x 3000 doubles would be 4.6 GB
    cascade = parse("cascade c\ninput Q[e,p], K[e,m]\noutput Z\nZ[m,p] = Q[e,p] * K[e,m]")
    random = np.random.default_rng(0)
    q, k = random.normal(size=(64, 3000)), random.normal(size=(64, 3000))
    np.testing.assert_allclose(evaluate(cascade, {"Q": q, "K": k})["Z"], k.T @ q, rtol=1e-12, atol=1e-12)


def test_results_are_doubles_whatever_the_inputs():
    cascade = parse("cascade c\ninput A[k], B[k]\noutput Z\nZ = A[k] * B[k]")
    a = np.array([1.5, 2.5], dtype=np.float16)
    z = evaluate(cascade, {"A": a, "B": [2, 3]})["Z"]
    assert z.dtype == np.float64
    assert z == 10.5


def test_inputs_are_left_alone_and_results_are_their_own():
    cascade = parse("cascade c\ninput A[k]\noutput Z\nZ[k] = A[k]")
    a = np.array([1.0, 2.0])
    z = evaluate(cascade, {"A": a})["Z"]
    z[0] = 9
    assert a.tolist() == [1, 2]


def test_the_iterative_dimension_holds_the_first_slice():
    text = "cascade c\ninput A[k]\noutput S\ninit S[0] = 10\nS[k+1] = S[k] + A[k]"
    assert evaluate(parse(text), {"A": [1, 2, 3]})["S"].tolist() == [10, 11, 13, 16]


def test_an_iterative_tensor_need_not_read_itself():
    text = "cascade c\ninput A[k]\noutput Z\ninit S[0] = 7\nS[k+1] = A[k]\nZ[k] = S[k+1] - S[k]"
    assert evaluate(parse(text), {"A": [1, 2, 4]})["Z"].tolist() == [-6, 1, 2]


def test_a_first_slice_may_come_from_a_made_tensor():
    text = """
cascade c
input A[k], B[j]
output S
init S[0,j] = Z[j] / K
Z[j] = B[j] * B[j]
S[k+1,j] = S[k,j] * A[k]
"""
    found = evaluate(parse(text), {"A": [2, 3], "B": [1, 4]})["S"]
    assert found.tolist() == [[0.5, 8], [1, 16], [3, 48]]


def test_absent_elements_are_zero_and_count_for_nothing():
    text = """
cascade c
input A[m]
output MX, MN, PR, MEAN
split m into m1, m0 by M0
T[m1,m0] = exp(A[m1*M0+m0])
MX[m1] = max over m0: A[m1*M0+m0]
MN[m1] = min over m0: T[m1,m0]
PR[m1] = prod over m0: T[m1,m0]
MEAN = sum over m1,m0: (T[m1,m0] + 1) / M
"""
    a = np.array([-3.0, -1.0, -2.0, -5.0, -4.0])
    found = evaluate(parse(text), {"A": a}, {"M0": 3})
    assert found["T"][1, 2] == 0
    assert found["MX"].tolist() == [-1, -4]
    np.testing.assert_allclose(found["MN"], np.exp([-3, -5]))
    np.testing.assert_allclose(found["PR"], np.exp([-6, -9]))
    np.testing.assert_allclose(found["MEAN"], (np.exp(a) + 1).mean())


def test_garbage_in_the_absent_part_of_an_input_in_tiles_is_ignored():
    text = "cascade c\ninput A[m1,m0], B[m]\noutput Z\nsplit m into m1, m0 by M0\nZ = A[m1,m0] * B[m1*M0+m0]"
    a = np.array([[1.0, 2.0], [3.0, np.nan]])
    assert evaluate(parse(text), {"A": a, "B": [1, 1, 1]})["Z"] == 6


def test_a_sum_over_infinite_elements_of_a_partial_tile():
    text = "cascade c\ninput A[m], B[m0]\noutput Z\nsplit m into m1, m0 by M0\nZ[m1] = A[m1*M0+m0] * B[m0]"
    found = evaluate(parse(text), {"A": [1, 1, 1], "B": [1, np.inf]})["Z"]
    assert found.tolist() == [np.inf, 1]


def test_a_divisor_along_the_sum_divides_inside_it():
    text = "cascade c\ninput A[m], B[m]\noutput Z\nZ = A[m] / B[m] / M"
    assert evaluate(parse(text), {"A": [1, 9], "B": [2, 3]})["Z"] == 1.75


def test_a_divisor_of_a_divisor_multiplies():
    text = "cascade c\ninput A[m], b, c, d\noutput Z\nZ = -(A[m] / (b / c) / d)"
    found = evaluate(parse(text), {"A": [1, 2], "b": 4, "c": 8, "d": 3})["Z"]
    np.testing.assert_allclose(found, -2)


def test_a_diagonal_and_a_trace():
    a = np.arange(9.0).reshape(3, 3)
    found = evaluate(parse("cascade c\ninput A[k,k]\noutput D, T\nD[k] = A[k,k]\nT = A[k,k]"), {"A": a})
    assert found["D"].tolist() == [0, 4, 8]
    assert found["T"] == 12


@pytest.mark.parametrize("x", [-1e4, -30.0, 0.0, 2.0, 1e4])
def test_functions(x):
    text = """
cascade c
input x
output Z
S = sigmoid(x)
T = tanh(x)
U = relu(x)
W = rsqrt(abs(x))
Y = log(abs(x))
Z = sqrt(abs(x)) + min(x, 1) - max(x, 1) - -x
"""
    found = evaluate(parse(text), {"x": x})
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(found["S"], 1 / (1 + np.exp(-x)), atol=1e-300)
        np.testing.assert_allclose(found["T"], np.tanh(x))
        np.testing.assert_allclose(found["U"], max(x, 0))
        np.testing.assert_allclose(found["W"], 1 / np.sqrt(np.abs(x)))
        np.testing.assert_allclose(found["Y"], np.log(np.abs(x)))
    np.testing.assert_allclose(found["Z"], np.sqrt(abs(x)) + min(x, 1) - max(x, 1) + x)


def test_windows_and_strides():
    text = "cascade c\ninput A[m], D[w]\noutput Z\nrank p\nZ[p] = A[2*p+w] * D[w]"
    a, d = np.arange(9.0), np.array([1.0, 10.0, 100.0])
    found = evaluate(parse(text), {"A": a, "D": d}, {"P": 4})["Z"]
    np.testing.assert_allclose(found, [d @ a[2 * p : 2 * p + 3] for p in range(4)])


WRONG = [
    ({"Q": (4, 3), "K": (4, 5)}, {}, "input V[f,m] is missing", "(F, M)"),
    (
        {"Q": (4, 3), "K": (4, 5), "V": (2, 6)},
        {},
        "dimension 2 (rank m) of input 'V': expected M = 5 from",
        "M",
    ),
    ({"Q": (4, 3), "K": (5, 5), "V": (2, 5)}, {}, "input 'K': expected E = 4 from input 'Q', got 5", "E"),
    (
        {"Q": (4, 3, 1), "K": (4, 5), "V": (2, 5)},
        {},
        "has 2 dimensions, got an array of shape (4, 3, 1)",
        "(E, P)",
    ),
    ({"Q": (4, 0), "K": (4, 5), "V": (2, 5)}, {}, "dimension 2 (rank p) of input 'Q' is empty", "at least 1"),
    ({"Q": (4, 3), "K": (4, 5), "V": (2, 5), "W": (1,)}, {}, "no input 'W'", "known: K, Q, V"),
    (
        {"Q": (4, 3), "K": (4, 5), "V": (2, 5)},
        {"M": 6},
        "expected M = 6 from the sizes given, got 5",
        "agree on M",
    ),
    ({"Q": (4, 3), "K": (4, 5), "V": (2, 5)}, {"M0": 2}, "has no size 'M0'", "did you mean 'M'?"),
    ({"Q": (4, 3), "K": (4, 5), "V": (2, 5)}, {"m": 5}, "has no size 'm'", "the size of rank m is M"),
]


@pytest.mark.parametrize(("shapes", "sizes", "message", "remedy"), WRONG)
def test_wrong_inputs_are_refused(shapes, sizes, message, remedy):
    with pytest.raises(SpecError) as caught:
        evaluate(load("attention-3pass"), {name: np.ones(shape) for name, shape in shapes.items()}, sizes)
    assert message in caught.value.message
    assert remedy in (caught.value.remedy or "")


def test_complex_inputs_are_refused():
    with pytest.raises(SpecError, match="holds complex128; give real numbers"):
        evaluate(load("softmax"), {"I": np.ones((2, 2), dtype=complex)})


def test_an_index_that_leaves_its_tensor_at_these_sizes_is_refused():
    cascade = parse("cascade c\ninput A[m], D[w]\noutput Z\nrank p\nZ[p] = A[p+w] * D[w]", "c.cascade")
    inputs = {"A": np.ones(5), "D": np.ones(3)}
    assert evaluate(cascade, inputs, {"P": 3})["Z"].tolist() == [3, 3, 3]
    with pytest.raises(SpecError, match="reaches 5; it has elements 0 to 4") as caught:
        evaluate(cascade, inputs, {"P": 4})
    assert (caught.value.at.line, caught.value.at.column) == (5, 10)


def test_a_fixed_place_of_a_partial_tile_is_refused_and_of_a_full_one_read():
    text = """
cascade c
input A[m]
output Z
split m into m1, m0 by M0
T[m1,m0] = A[m1*M0+m0]
Z[m1] = T[m1,M0-1]
"""
    assert evaluate(parse(text), {"A": np.arange(6)}, {"M0": 3})["Z"].tolist() == [2, 5]
    with pytest.raises(SpecError, match="reads element 5 of rank m, which has 5; the last tile is partial"):
        evaluate(parse(text), {"A": np.arange(5)}, {"M0": 3})


def test_an_index_below_zero_at_these_sizes_is_refused():
    cascade = parse("cascade c\ninput A[m], D[w]\noutput Z\nrank p\nZ[p] = A[p-w] * D[w]")
    assert evaluate(cascade, {"A": [1, 2], "D": [3]}, {"P": 2})["Z"].tolist() == [3, 6]
    with pytest.raises(SpecError, match="index 'p-w' of dimension 1 of 'A' reaches -1"):
        evaluate(cascade, {"A": [1, 2], "D": [3, 4]}, {"P": 2})


def test_the_last_slice_of_a_sum_over_tiles():
    text = """
cascade c
input A[m]
output Z
split m into m1, m0 by M0
init S[0,m0] = 0
S[m1+1,m0] = S[m1,m0] + A[m1*M0+m0]
Z[m0] = S[M1,m0]
"""
    assert evaluate(parse(text), {"A": np.arange(6)}, {"M0": 3})["Z"].tolist() == [3, 5, 7]
    with pytest.raises(SpecError, match=r"S\[M1,m0\] reads element 5 of rank m, which has 5"):
        evaluate(parse(text), {"A": np.arange(5)}, {"M0": 3})
