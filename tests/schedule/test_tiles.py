"""Tile counts computed from capacity: the largest divisor whose real bytes fit, for one design and for many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einsim.errors import SpecError
from einsim.model.closed_form import evaluate_many
from einsim.schedule.lower import lower
from einsim.schedule.tiles import divisors, divisors_around, next_divisor

from ..model.compare import examples
from .programs import OWN, program

ONE = "cascade d\ninput X[m,p]\noutput W\nW[m] = sum over p: exp(X[m,p])\n"
TWO = "cascade d\ninput X[m,p], Y[m,p]\noutput W, U\nW[m] = sum over p: exp(X[m,p])\nU[m] = sum over p: exp(Y[m,p])\n"
NEST = {"array": "array1d", "loops": {"dram": ["mx"], "buffer": ["m1", "p"]}, "spatial": {"lanes": "m0"}}
THROUGH, DRAM = ["dram", "buffer", OWN], ["dram", OWN]


def fitted(text, size, capacity, sizes, **more):
    """A design whose loop over m takes `size` elements, a function of the fitted tile T."""
    einsums = {"W": {"nest": "a", "keep": {"X": THROUGH, "W": DRAM}}}
    if "Y" in text:
        einsums["U"] = {"nest": "a", "keep": {"Y": THROUGH, "U": DRAM}}
    partition = {"m": {"mx": size, "m1": "4", "m0": "1"}}
    mapping = {"tiles": {"T": {"divides": "64", "fits": "buffer"}}, "nests": {"a": NEST}, "partition": partition,
               "einsums": einsums, **more}  # fmt: skip
    sweep = program(text, mapping, sizes, buffer=capacity)
    return sweep.design(sweep.points[0])


def feasible(made) -> bool:
    return not any(shortfall.where for shortfall in lower(made).shortfalls)


@pytest.mark.parametrize("size", ["T * 4", "max(16, T * 4)", "T * T", "4 * min(T, 5)", "4 * ceil(T / 3)"])
@pytest.mark.parametrize("capacity", [7, 95, 100, 400, 1535, 1536, 4000])
def test_the_largest_divisor_that_fits_is_taken_however_its_bytes_grow(size, capacity):
    partition = {"m": {"mx": "max(4, " + size + ")", "m1": "1", "m0": "1"}}
    made = fitted(ONE, size, capacity, {"M": 256, "P": 3}, partition=partition)
    found = lower(made)

    def bytes_of(tile: int) -> int:
        fixed = {"tiles": {"T": tile}, "partition": partition}
        return lower(fitted(ONE, size, 1 << 30, {"M": 256, "P": 3}, **fixed)).occupancy["buffer"]

    fits = [tile for tile in (1, 2, 4, 8, 16, 32, 64) if bytes_of(tile) <= capacity]
    assert found.tiles["T"] == max(fits, default=1)
    assert feasible(made) == bool(fits)


@examples(30)
@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 300), st.integers(1, 9)), min_size=1, max_size=6))
def test_a_sweep_of_capacities_equals_each_alone(points):
    def made(capacity, m, p):
        tiles = {"T": {"divides": "ceil(M / 4)", "fits": "buffer"}}
        return fitted(ONE, "max(16, T * 4)", capacity, {"M": m, "P": p}, tiles=tiles)

    columns = {"buffer.capacity_bytes": 0, "M": 1, "P": 2}
    many = evaluate_many(made(*points[0]), {name: np.array([p[i] for p in points]) for name, i in columns.items()})
    tiles = np.broadcast_to(many.schedule.tiles["T"], len(points))
    assert tiles.tolist() == [lower(made(*point)).tiles["T"] for point in points]
    fits = np.broadcast_to(many.feasible, len(points))
    assert fits.tolist() == [feasible(made(*point)) for point in points]


def test_groups_that_are_not_fused_each_have_the_memory():
    sizes = {"M": 256, "P": 4}
    assert lower(fitted(TWO, "T * 4", 1024, sizes)).tiles["T"] == 16
    assert lower(fitted(TWO, "T * 4", 1024, sizes, fusion=[["W"], ["U"]])).tiles["T"] == 32
    among = {"T": {"divides": "64", "fits": "buffer", "among": ["W"]}}
    assert lower(fitted(TWO, "T * 4", 1024, sizes, tiles=among, fusion=[["W"], ["U"]])).tiles["T"] == 32


@pytest.mark.parametrize(("m", "words"), [(10, 12), (12, 12), (13, 16), (1024, 1024), (2000, 1024)])
def test_a_tile_larger_than_its_rank_takes_the_whole_tiles_that_the_rank_needs(m, words):
    made = fitted(ONE, "1024", 1 << 20, {"M": m, "P": 3}, tiles={})
    assert lower(made).occupancy == {"buffer": 2 * 3 * words}


def test_a_tile_that_is_fitted_before_another_that_its_loops_need_is_refused():
    tiles = {name: {"divides": "16", "fits": "buffer"} for name in ("T", "S")}
    partition = {"m": {"mx": "T * 4", "m1": "4", "m0": "1"}, "p": {"px": "S", "p1": "1"}}
    nest = NEST | {"loops": {"dram": ["mx", "px"], "buffer": ["m1", "p1"]}}
    made = fitted(ONE, "", 256, {"M": 64, "P": 16}, tiles=tiles, partition=partition, nests={"a": nest})
    with pytest.raises(SpecError, match="loop 'px' needs tile 'S' before it has a size; put 'S' above the tile that"):
        lower(made)


@given(st.integers(1, 4000), st.integers(-1, 5000))
def test_divisors_around_a_bound(count, bound):
    known = divisors(count).tolist()
    low, high = divisors_around(count, bound)
    assert low == max((d for d in known if d <= bound), default=1)
    assert high == min((d for d in known if d > low), default=count)
    assert next_divisor(count, low) == high
    together = divisors_around(np.array([count, 12]), np.array([bound, 5]))
    assert [part.tolist() for part in together] == [[low, 4], [high, 6]]
