"""One cascade a feature, its values worked out by hand; and one a message of evaluate."""

import math

import numpy as np
import pytest

from einsim.cascade import bind_sizes, evaluate, parse
from einsim.errors import SpecError

A = np.array([3.0, -1.0, 4.0, 1.0, -5.0])
B = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
SPLIT = "split m into m1, m0 by M0\n"
INF = math.inf


def value(text, inputs, **sizes):
    """The tensor Z of a cascade given without its head."""
    return evaluate(parse(f"cascade c\noutput Z\n{text}", "c.cascade"), inputs, sizes)["Z"].tolist()


VALUES = [
    # filters: a point that is left out does nothing
    ("input A[m]\nZ[m] = A[m] when A[m] > 0", {"A": A}, {}, [3, 0, 4, 1, 0]),
    ("input B[p,m]\nrank q like p\nZ[p] = B[p,m] when m <= p", {"B": B}, {}, [1, 9]),
    ("input A[m]\nrank p like m\nZ[p] = max over m: A[m] when m < p", {"A": A}, {}, [-INF, 3, 3, 4, 4]),
    ("input A[m]\nrank p like m\nZ[p] = min over m: A[m] when m < p", {"A": A}, {}, [INF, 3, -1, -1, -1]),
    ("input A[m]\nrank p like m\nZ[p] = prod over m: A[m] when m < p", {"A": A}, {}, [1, 3, -3, -12, -12]),
    ("input A[m]\nZ = A[m] when not (A[m] < 0 or m == 2) density 0.5", {"A": A}, {}, 4),
    ("input A[m], s\nZ[m] = 1 when A[m] >= s and m != 0 density s", {"A": A, "s": 1}, {}, [0, 0, 1, 1, 0]),
    ("input B[p,m]\nZ[p] = sum over m: 1 when B[p,m] > 2", {"B": B}, {}, [1, 3]),
    # a sum over nothing is 0, whatever the divisor
    ("input B[p,m], D[p]\nZ[p] = B[p,m] / D[p] when D[p] != 0", {"B": B, "D": [0, 5]}, {}, [0, 3]),
    # an iterative tensor keeps the slice before, though it does not read itself
    ("input A[m]\ninit Z[0] = 7\nZ[m+1] = A[m] when A[m] > 0", {"A": A}, {}, [7, 3, 3, 4, 1, 1]),
    ("input A[m]\ninit Z[0] = 0\nZ[m+1] = Z[m] + A[m] when m % 2 == 0", {"A": A}, {}, [0, 3, 3, 7, 7, 2]),
    # conditions guard what stands to their right
    ("input A[m]\nrank p like m\nZ[p] = A[p-m] when m <= p and A[p-m] > 0", {"A": A}, {}, [3, 3, 7, 8, 8]),
    ("input A[m]\nZ[m] = 1 when m == 0 or A[m-1] > 3", {"A": A}, {}, [1, 0, 0, 1, 0]),
    ("input A[m]\nZ[m] = where(m > 0, A[m-1], -9)", {"A": A}, {}, [-9, 3, -1, 4, 1]),
    ("input A[m]\nZ[m] = where(m > 0 and A[m-1] < 0, 1, 0)", {"A": A}, {}, [0, 0, 1, 0, 0]),
    ("input A[m]\nZ[m] = A[4//m] when m > 0", {"A": A}, {}, [0, -5, 4, -1, -1]),
    (f"input A[m]\n{SPLIT}T[m1,m0] = A[m1*M0+m0]\nZ[m1] = where(m1*M0+1 < M, T[m1,1], -9)", {"A": A}, {"M0": 2},
     [-1, 1, -9]),
    # reads beyond the edge
    ("input A[m]\nrank w\nZ[m,w] = A[m+w-1] else 0", {"A": A[:3]}, {"W": 3}, [[0, 3, -1], [3, -1, 4], [-1, 4, 0]]),
    ("input A[m]\nZ[m] = A[m-2] else -inf", {"A": A[:3]}, {}, [-INF, -INF, 3]),
    ("input A[m]\nZ[m] = A[2*m-1] else edge", {"A": A[:3]}, {}, [3, -1, 4]),
    ("input B[p,m]\nZ[p,m] = B[p+1,m-1] else edge", {"B": B}, {}, [[4, 4, 5], [4, 4, 5]]),
    ("input A[m]\nZ[m] = 2 * A[m+1] else 1 + 1", {"A": A[:3]}, {}, [-1, 9, 3]),  # 2 * (A else 1) + 1
    # indices
    ("input A[m]\nsize N\nZ[m] = A[(m+N)%M]", {"A": A}, {"N": 3}, [1, -5, 3, -1, 4]),
    ("input A[m]\nZ[m] = A[m//2]", {"A": A}, {}, [3, 3, -1, -1, 4]),
    ("input A[m]\nZ[m] = A[max(0, min(m-1, M-3))]", {"A": A}, {}, [3, 3, -1, 4, 4]),
    ("input A[m]\nrank i, j\nZ[i,j] = A[i*j]", {"A": A}, {"I": 2, "J": 3}, [[3, 3, 3], [3, -1, 4]]),
    ("input A[m], IX[j]\nZ[j] = A[IX[j]]", {"A": A, "IX": [2, 0, 2]}, {}, [4, 3, 4]),
    ("input A[m], IX[j]\nrank n\nZ[j,n] = A[IX[j]*N+n]", {"A": A, "IX": [1, 0]}, {"N": 2}, [[4, 1], [3, -1]]),
    ("input A[m], i\nZ = A[i+1]", {"A": A, "i": 1}, {}, 4),
    ("input A[m], IX[j], KX[j]\nZ[j] = A[IX[KX[j]]]", {"A": A, "IX": [4, 2], "KX": [1, 1]}, {}, [4, 4]),
    ("input A[m], IX[j]\nZ[j] = A[IX[j]] else edge", {"A": A, "IX": [-1e300, 1e300]}, {}, [3, -5]),
    # positions and sizes as operands
    ("input S[h], D[m]\nrank p like m\nZ[h,p] = S[h] * (m - p) when m < p", {"S": [2.0], "D": A}, {},
     [[0, -2, -6, -12, -20]]),
    ("input A[m]\nZ[m] = (m%2) / 2 + A[m] * 0 + M", {"A": A}, {}, [5, 5.5, 5, 5.5, 5]),
    ("input A[m]\nsize N\nZ[m] = m // N", {"A": A}, {"N": 2}, [0, 0, 1, 1, 2]),
    ("input A[m]\nZ[m] = pow(2, m)", {"A": A}, {}, [1, 2, 4, 8, 16]),
    # selections
    ("input B[p,m]\nZ[p] = argmax over m: B[p,m] * (1 - m)", {"B": B}, {}, [0, 0]),
    ("input A[m]\nZ = argmin over m: A[m]", {"A": A}, {}, 4),
    ("input A[m]\nZ = argmax over m: abs(A[m] - 1.5)", {"A": [0, 3, 1.5]}, {}, 0),  # of equals the first
    ("input A[m]\nrank j\nZ[j] = topk over m: A[m]", {"A": [1, 4, 1, 4]}, {"J": 3}, [1, 3, 0]),
    ("input B[p,m]\nrank j\nZ[p,j] = topk over m: -B[p,m] when m > 0", {"B": B}, {"J": 3}, [[1, 2, 0], [1, 2, 0]]),
    ("input A[m]\nZ = argmax over m: A[m] when m > 4", {"A": A}, {}, 0),  # of nothing the first
    (f"input A[m]\n{SPLIT}Z[m1] = argmax over m0: -abs(A[m1*M0+m0] + 1)", {"A": A}, {"M0": 3}, [1, 0]),
    # other walks over the same elements, or over some first of them
    ("input A[m]\nrank p like m\nZ[m,p] = A[m] - A[p]", {"A": A[:2]}, {}, [[0, 4], [-4, 0]]),
    ("input A[m]\nrank p like m\nT[p] = A[p] * 2\nZ[m] = T[m] + A[m]", {"A": A[:2]}, {}, [9, -3]),
    ("input A[m]\nrank s within m\nZ = max over s: A[s]", {"A": A}, {"S": 2}, 3),
    (f"input A[m]\n{SPLIT}rank p0 like m0\nZ[m1,p0] = A[m1*M0+m0] * A[m1*M0+p0] when m0 < p0", {"A": A}, {"M0": 2},
     [[0, -3], [0, 4], [0, 0]]),
    (f"input A[m]\n{SPLIT}rank p0 like m0\nZ[m1*M0+p0] = A[m1*M0+m0] when m0 <= p0", {"A": A}, {"M0": 2},
     [3, 2, 4, 5, -5]),
    (f"input A[m]\n{SPLIT}rank a1 like m1, b1 like m1, a0 like m0, b0 like m0\n"
     "Z[b1,a1] = A[a1*M0+a0] * A[b1*M0+b0]", {"A": A[:3]}, {"M0": 2}, [[4, 8], [8, 16]]),
    (f"input A[m]\n{SPLIT}rank q0 like m0\nsplit q0 into q3, q2 by Q2\nZ[m1,q3] = A[m1*M0+q3*Q2+q2]", {"A": A},
     {"M0": 3, "Q2": 2}, [[2, 4], [-4, 0]]),
    # a space that holds a rank and a part of it treats them as independent
    (f"input A[m]\n{SPLIT}Z[m1] = sum over m: A[m]  + m1", {"A": A}, {"M0": 4}, [2, 7]),
    # sizes
    ("input A[m], D[t]\nrank c = T+M\nZ = sum over c: c", {"A": A, "D": [1]}, {}, 15),
    ("input A[m]\nrank c = 2*M-1\nZ[c] = A[c-M+1] else 0", {"A": A[:2]}, {}, [0, 3, -1]),
    ("input A[m]\nsize W, SINK\nrank p like m\nZ[p] = A[m] when m <= p and (p - m < W or m < SINK)", {"A": A},
     {"W": 1, "SINK": 1}, [3, 2, 7, 4, -2]),
    # tensors in parts
    ("input A[m], D[t]\nrank c = T+M\ntensor Z[c]\nZ[t] = D[t]\nZ[T+m] = A[m]", {"A": A[:2], "D": [8, 9]}, {},
     [8, 9, 3, -1]),
    ("input A[m]\nrank c = 2*M\ntensor Z[c]\nZ[2*m+1] = A[m]", {"A": A[:2]}, {}, [0, 3, 0, -1]),
    ("input B[p,m]\ntensor Z[p,m]\nZ[p,0] = 7\nZ[p,m] = B[p,m] when m > 0", {"B": B}, {}, [[7, 2, 3], [7, 5, 6]]),
    ("input A[m], IX[j]\ntensor Z[m]\nZ[IX[j]] = j + 1", {"A": A, "IX": [3, 0]}, {}, [2, 0, 0, 1, 0]),
    ("input A[m]\ntensor Z[m]\nrank p like m\nZ[m] = A[m] when m < 2\nZ[p] = max over m: A[m] when p >= 2 and m < p",
     {"A": A}, {}, [3, -1, 3, 4, 4]),
    ("input A[m]\ntensor Z\nZ = A[m]", {"A": A}, {}, 2),
    # constants fill
    ("input A[m]\nsize N\nZ[m] = N", {"A": A[:2]}, {"N": 4}, [4, 4]),
    # all earlier elements of a tensor that is being made
    ("input A[m]\nrank i like m\nS[i] = Z[m] when m < i\nZ[i] = A[i] + S[i]", {"A": [1, 1, 2, 0]}, {}, [1, 2, 5, 8]),
    # a rank like another as the iterative one
    ("input A[m]\nrank p like m\ninit R[m,0] = 0\nR[m,p+1] = R[m,p] + A[p] when p <= m\nZ[m] = R[m,M]", {"A": A[:3]},
     {}, [3, 2, 6]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "inputs", "sizes", "expected"), VALUES)
def test_values(text, inputs, sizes, expected):
    np.testing.assert_allclose(value(text, inputs, **sizes), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        ("sign", [-2, 0, 3], [-1, 0, 1]),
        ("floor", [-1.5, 2], [-2, 2]),
        ("ceil", [-1.5, 2], [-1, 2]),
        ("round", [0.5, 1.5, -1.2], [0, 2, -1]),  # halves to the even neighbour
        ("sin", [0, math.pi / 2], [0, 1]),
        ("cos", [0, math.pi], [1, -1]),
        ("silu", [0, 2, -800], [0, 2 / (1 + math.exp(-2)), 0]),
        ("gelu", [0, 1, -1], [0, 0.8411919906082768, -0.15880800939172324]),
        ("softplus", [0, 800, -800], [math.log(2), 800, 0]),
        ("elu", [2, -1], [2, math.exp(-1) - 1]),
        ("elu1", [2, -1], [3, math.exp(-1)]),
    ],
)
def test_functions(function, x, expected):
    found = value(f"input X[k]\nZ[k] = {function}(X[k])", {"X": np.array(x, dtype=float)})
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


# In each text § stands right before the place to report.
MESSAGES = [
    (
        "input A[m], IX[j]\nZ[j] = A[§IX[j]]",
        {"A": A, "IX": [0, 0.5]},
        {},
        "index 'IX[j]': IX holds an element that is no integer",
        "floor",
    ),
    (
        "input A[m], IX[j]\nZ[j] = A[§IX[j]]",
        {"A": A, "IX": [0, np.nan]},
        {},
        "IX holds an element that is no integer",
        "argmax, topk",
    ),
    (
        "input A[m], IX[j]\nZ[j] = A[§IX[j]+1]",
        {"A": A, "IX": [0, 4]},
        {},
        "index 'IX[j]+1' of dimension 1 of 'A' reaches 5; it has elements 0 to 4",
        "filter such points ('when ...')",
    ),
    (
        "input A[m]\nrank p like m\nZ[m,p] = A[§p-m] when m < p + 2",
        {"A": A},
        {},
        "index '-m+p' of dimension 1 of 'A' reaches -1",
        "'else 0'",
    ),
    (
        "input A[m]\nsize N\nZ[m] = A[§m%N]",
        {"A": A},
        {"N": 0},
        "index 'm%N' divides by zero",
        "a positive size",
    ),
    (
        "input A[m]\nrank c = 2*M\ntensor Z[c]\nZ[m] = A[m]\n§Z[2*m] = A[m]",
        {"A": A},
        {},
        "'Z-2' writes elements of 'Z' that are written already",
        "must not overlap",
    ),
    (
        "input A[m], IX[j]\ntensor Z[m]\n§Z[IX[j]] = j",
        {"A": A, "IX": [1, 1]},
        {},
        "'Z-1' writes elements of 'Z' that are written already",
        "must not overlap",
    ),
    (
        "input A[m]\ntensor Z[m]\nZ[§m+1] = A[m]",
        {"A": A},
        {},
        "index 'm+1' of dimension 1 of 'Z' reaches 5; it has elements 0 to 4",
        "filter such points",
    ),
    (
        "input A[m]\nrank j\n§Z[j] = topk over m: A[m]",
        {"A": A},
        {"J": 6},
        "'Z' selects 6 of 5 elements",
        "a smaller J",
    ),
]


@pytest.mark.parametrize(("marked", "inputs", "sizes", "message", "remedy"), MESSAGES)
def test_what_the_values_or_sizes_show_to_be_wrong_is_refused(marked, inputs, sizes, message, remedy):
    before, after = marked.split("§")
    with pytest.raises(SpecError) as caught:
        value(before + after, inputs, **sizes)
    line, column = before.count("\n") + 3, len(before) - (before.rfind("\n") + 1) + 1
    assert str(caught.value.at) == f"c.cascade:{line}:{column}", str(caught.value)
    assert message in caught.value.message
    assert remedy in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("text", "inputs", "sizes"),
    [
        ("input A[m], IX[j]\nZ[j] = A[IX[j]] when j > 0", {"A": A, "IX": [0.5, 1]}, {}),
        ("input A[m], IX[j]\nZ[j] = A[IX[j]] when IX[j] < 5", {"A": A, "IX": [9, 1]}, {}),
        ("input A[m], IX[j]\nZ[j] = where(IX[j] < 5, A[IX[j]], 0)", {"A": A, "IX": [9, 1]}, {}),
        ("input A[m], IX[j]\nZ[j] = A[IX[j]] else 0", {"A": A, "IX": [9, 1]}, {}),
        ("input A[m], IX[j]\nZ[j] = A[5//IX[j]%5] * IX[j] when IX[j] != 0 and j > 0", {"A": A, "IX": [0, -5]}, {}),
    ],
)
def test_the_same_at_points_that_are_left_out_is_not(text, inputs, sizes):
    assert value(text, inputs, **sizes)[0] == 0


LIKE = "cascade c\ninput A[m]\noutput Z\nrank p like m, q like p\nrank s within q\nrank c = P+S\nsize N\nZ = A[m]"
SPLIT_IN_TWO = f"cascade c\ninput A[m]\noutput Z\n{SPLIT}rank n = M1+1\nZ = A[m]"


def test_the_size_of_ranks_that_are_alike_is_given_for_any_of_them():
    expected = {"M": 5, "P": 5, "Q": 5, "S": 2, "C": 7, "N": 0}
    for symbol in "MPQ":
        assert bind_sizes(parse(LIKE), {symbol: 5, "S": 2, "N": 0}) == expected
    assert bind_sizes(parse(SPLIT_IN_TWO), {"M": 5, "M0": 2}) == {"M": 5, "M1": 3, "M0": 2, "N": 4}


@pytest.mark.parametrize(
    ("text", "sizes", "message", "remedy"),
    [
        (LIKE, {"M": 5, "S": 6, "N": 0}, "rank 's' walks within 'q', but S = 6 exceeds Q = 5", "smaller"),
        (LIKE, {"M": 5, "S": 2, "C": 8, "N": 0}, "size C is P+S = 7, not 8", "leave C out"),
        (LIKE, {"M": 5, "P": 4, "S": 2, "N": 0}, "size P is M = 5, not 4", "leave P out"),
        (LIKE, {"M": 5, "S": 2}, "needs the size N", "N=..."),
        (LIKE, {"S": 2}, "needs the sizes M, N", "M=..., N=..."),
        (LIKE, {"M": 5, "S": 2, "N": -1}, "size N is -1", "at least 0"),
        (LIKE, {"M": 5, "S": 0, "N": 0}, "size S is 0", "at least 1"),
        (SPLIT_IN_TWO, {"M": 5, "M0": 2, "M1": 2}, "size M1 is ceil(M/M0) = 3, not 2", "leave M1 out"),
        (LIKE.replace("P+S", "P-S"), {"M": 2, "S": 2, "N": 0}, "size C is P-S = 0", "sizes that leave some"),
    ],
)
def test_sizes_that_disagree_are_refused(text, sizes, message, remedy):
    with pytest.raises(SpecError) as caught:
        bind_sizes(parse(text), sizes)
    assert message in caught.value.message
    assert remedy in (caught.value.remedy or "")


def test_sizes_of_walks_and_of_inputs_must_agree():
    cascade = parse("cascade c\ninput A[m], B[p]\noutput Z\nrank p like m\nZ[m,p] = A[m] * B[p]")
    assert evaluate(cascade, {"A": [1, 2], "B": [3, 4]})["Z"].tolist() == [[3, 4], [6, 8]]
    with pytest.raises(SpecError, match="size P is M = 2, not 3"):
        evaluate(cascade, {"A": [1, 2], "B": [3, 4, 5]})
