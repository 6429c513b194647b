"""What loops over one rank bring, against tiles cut one by one; arrays against integers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from einsim.model.chains import Rank, View
from einsim.model.products import Products
from einsim.model.queries import SPATIAL, TEMPORAL, WITHIN, LoopRef

from .compare import examples

TILES = st.lists(st.integers(1, 40), min_size=0, max_size=4)
TERMS = st.lists(st.tuples(st.sampled_from([1, -1]), st.lists(st.integers(0, 5), max_size=4)), max_size=6)


def loops(kinds):
    return tuple(LoopRef(0, slot, kind, False) for slot, kind in enumerate(kinds))


def pieces(extent, tiles):
    """All tiles that some loops cut an extent into, one by one."""
    parts = [extent]
    for tile in tiles:
        parts = [min(tile, part - start) for part in parts for start in range(0, part, tile)]
    return parts


@examples(200)
@given(st.integers(1, 100), TILES)
def test_the_two_largest_tiles(extent, tiles):
    found = sorted(pieces(extent, tiles), reverse=True)
    rank = Rank(extent, 1, tiles)
    assert rank.two_largest(extent, loops([TEMPORAL] * len(tiles))) == (found[0], found[1] if len(found) > 1 else 0)


@examples(100)
@given(st.integers(1, 100), TILES)
def test_tiles_and_steps(size, tiles):
    chain = loops([TEMPORAL] * len(tiles))
    rank = Rank(size, 1, tiles)
    counts = [len(pieces(size, tiles[:depth])) for depth in range(len(tiles) + 1)]
    assert rank.brought(chain, View.ABSENT_ONE) == counts
    assert rank.steps(chain) == counts[-1]


@examples(60)
@given(st.lists(st.tuples(st.integers(1, 300), st.tuples(*[st.integers(1, 60)] * 4)), min_size=2, max_size=6),
       st.integers(0, 3), st.sampled_from([View.ABSENT_ALL, View.ABSENT_ONE, View.FULL]))  # fmt: skip
def test_arrays_bring_what_integers_do(points, spatial, view):
    kinds = [SPATIAL if n == spatial else TEMPORAL if n < spatial else WITHIN for n in range(4)]
    chain = loops(kinds)
    sizes = np.array([size for size, _ in points])
    tiles = [np.array([each[slot] for _, each in points]) for slot in range(4)]
    many = Rank(sizes, 1, tiles)
    for n, (size, own) in enumerate(points):
        one = Rank(size, 1, list(own))
        for together, alone in (
            (many.brought(chain, view), one.brought(chain, view)),
            ([many.distinct(chain, view), many.steps(chain)], [one.distinct(chain, view), one.steps(chain)]),
        ):
            assert [int(np.broadcast_to(number, len(points))[n]) for number in together] == alone


@examples(100)
@given(TERMS, st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=6, max_size=6))
def test_sums_of_products(terms, columns):
    products = Products()
    numbers = [products.one_of(np.array(column)) for column in columns]
    found = products.sum([(sign, [numbers[number] for number in factors]) for sign, factors in terms])
    for n in range(3):
        expected = sum(sign * int(np.prod([columns[number][n] for number in factors])) for sign, factors in terms)
        assert int(np.broadcast_to(found, 3)[n]) == expected


def test_equal_arrays_are_one_and_constant_ones_integers():
    products = Products()
    one = products.one_of(np.array([1, 2, 3]))
    assert products.one_of(np.array([1, 2, 3])) is one
    assert products.one_of(np.array([1, 2, 4])) is not one
    assert products.one_of(np.array([7, 7])) == 7
    assert products.sum([(1, [one, 2]), (-2, [one])]) == 0
