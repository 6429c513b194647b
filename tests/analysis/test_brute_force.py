"""The count of passes against all orders of traversal, on random cascades (`traversals`, `streamed`)."""

import pytest
from hypothesis import assume, given, settings

from einsim.analysis.passes import count_passes
from einsim.cascade import parse
from tests.analysis.streamed import SHAPES, streamed
from tests.analysis.traversals import least_traversals

DEEPEST = 4
"""Sequences of four visits tell up to four passes apart: the last visits of a pass may begin the next."""


@pytest.mark.parametrize("shape", SHAPES)
def test_no_order_needs_fewer_passes_and_one_needs_no_more(shape):
    @settings(max_examples=120, deadline=None)
    @given(streamed((shape,)))
    def equal(drawn):
        text, sizes = drawn
        cascade = parse(text)
        (passes,) = count_passes(cascade)
        assume(passes.first <= DEEPEST)
        assert passes.first == least_traversals(cascade, sizes)

    equal()


@settings(max_examples=60, deadline=None)
@given(streamed(("flat", "like"), prefix=True))
def test_with_filters_on_positions_there_may_be_better_orders(drawn):
    text, sizes = drawn
    cascade = parse(text)
    (passes,) = count_passes(cascade)
    assume(passes.first <= DEEPEST)
    assert passes.first >= least_traversals(cascade, sizes)


COPY = "rank q like m\nsequence m\n"
NEST = "split m into m1, m0 by M0\nsplit m0 into m3, m2 by M2\nsequence m\n"
HEAD = "cascade c\ninput X[m]\noutput Z\n"


@pytest.mark.parametrize(
    ("text", "sizes", "passes", "least"),
    [
        # the largest so far is there when its element is: the order of positions, which the analysis does not use
        ("rank p like m\nsequence m\nG[p] = max over m: X[m] when m <= p\nZ[m] = X[m] - G[m]", {"M": 4}, 2, 1),
        ("rank p like m\nsequence m\nG[p] = max over m: X[m] + X[p]\nZ[m] = X[m] - G[m]", {"M": 4}, 2, 2),
        ("sequence m\nG = max over m: X[m]\nS[m] = exp(X[m] - G)\nD = S[m]\nZ[m] = S[m] / D", {"M": 4}, 3, 3),
        ("sequence m\nS[m] = exp(X[m])\nD = S[m]\nZ[m] = S[m] / D", {"M": 4}, 2, 2),
        # a copy of what is made in the second pass, with something complete after the first: no third
        (f"{COPY}G = max over m: X[m]\nS[m] = X[m] - G\nC[q] = S[q] + G\nZ[m] = C[m] * X[m]", {"M": 4}, 2, 2),
        # a copy of what is on the way stays on the way, element by element; whole, it waits for the pass
        (f"{COPY}init R[0] = 0\nR[m+1] = R[m] + X[m]\nS[m] = R[m]\nC[q] = S[q]\nZ[m] = C[m] * X[m]", {"M": 4}, 1, 1),
        (f"{COPY}S[m] = exp(X[m])\nC[q] = S[q]\nT = C[q]\nZ[m] = X[m] * T", {"M": 4}, 2, 2),
        # within a tile of tiles, the maximum over the middle rank is complete when the tile is
        (
            f"{NEST}S[m1,m2] = max over m3: X[m1*M0+m3*M2+m2]\nZ[m1,m3,m2] = X[m1*M0+m3*M2+m2] - S[m1,m2]",
            {"M": 16, "M0": 4, "M2": 2},
            1,
            1,
        ),
    ],
)
def test_by_hand(text, sizes, passes, least):
    cascade = parse(HEAD + text)
    assert count_passes(cascade)[0].first == passes
    assert least_traversals(cascade, sizes) == least


@pytest.mark.parametrize(("picks", "least"), [(1, 1), (2, 2), (3, 3)])
def test_each_pick_is_a_pass(picks, least):
    text = "rank k\nsequence m\ninit B[0] = 0\nG[m,k] = X[m] - B[k]\nS[k] = max over m: G[m,k]\n"
    cascade = parse(HEAD + text + "B[k+1] = B[k] + S[k]\nZ = B[K]")
    (passes,) = count_passes(cascade)
    assert passes.number == "K"
    assert least_traversals(cascade, {"M": 4, "K": picks}) == least
