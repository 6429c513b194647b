"""What must hold of the counts whatever the numbers: monotony, scaling, exactness beyond 64 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einsim.model.closed_form import evaluate, evaluate_many
from einsim.spec.configuration import load_design
from einsim.spec.workload import Workload

from .compare import examples

ONE_CHOICE = ("fusemax", "architecture", "cascade", "unfused")  # flat leaves choices open
SIZES = st.fixed_dictionaries(
    {
        "B": st.integers(1, 64),
        "H": st.integers(1, 16),
        "E": st.integers(1, 128),
        "F": st.integers(1, 128),
        "M": st.integers(1, 1 << 17),
        "P": st.integers(1, 1 << 17),
    }
)
CAPACITIES = st.lists(st.integers(1, 1 << 26), min_size=2, max_size=8).map(sorted)


def design(configuration: str, sizes: dict[str, int]):
    return load_design(configuration, Workload(tuple(sizes.items())))


@pytest.mark.parametrize("configuration", ["fusemax", "architecture", "cascade", "unfused"])
def test_a_larger_buffer_never_adds_traffic(configuration):
    @examples(15)
    @given(SIZES, CAPACITIES)
    def check(sizes, capacities):
        found = evaluate_many(design(configuration, sizes), {"buffer.capacity_bytes": np.array(capacities)})
        assert (np.diff(np.broadcast_to(found.traffic_bytes, len(capacities))) <= 0).all()

    check()


@pytest.mark.parametrize("configuration", ONE_CHOICE)
def test_counts_grow_in_proportion_to_the_batch(configuration):
    @examples(8)
    @given(SIZES, st.integers(2, 1 << 40))
    def check(sizes, batch):
        one = evaluate(design(configuration, sizes | {"B": 1})).counts
        many = evaluate(design(configuration, sizes | {"B": batch})).counts
        for single, row in zip(one.levels, many.levels, strict=True):
            together = (row.reads, row.fills, row.updates)
            assert together == (single.reads * batch, single.fills * batch, single.updates * batch)
        for name, single in one.einsums.items():
            work = many.einsums[name]
            assert (work.points, work.steps) == (single.points * batch, single.steps * batch)
            assert work.elements == single.elements

    check()


HUGE = {"B": 1 << 20, "H": 12, "E": 64, "F": 64, "M": 1 << 31, "P": 1 << 31}


def test_one_design_is_exact_beyond_64_bits():
    found = evaluate(design("fusemax", HUGE))
    heads, length = HUGE["B"] * HUGE["H"], 1 << 31
    assert found.counts.einsums["BQK"].points == heads * 64 * length * length
    assert found.counts.einsums["BQK"].steps == heads * 64 * (length // 256) ** 2
    queries = found.schedule.tiles["P1"] * 256
    assert found.traffic_bytes == 2 * heads * 64 * length * (2 + 2 * (length // queries))
    assert found.counts.einsums["BQK"].points > np.iinfo(np.int64).max


@pytest.mark.parametrize("configuration", ONE_CHOICE)
def test_a_sweep_refuses_what_64_bits_cannot_hold(configuration):
    small = HUGE | {"B": 1, "M": 256, "P": 256}
    columns = {name: np.array([small[name], HUGE[name]]) for name in ("B", "M", "P")}
    with pytest.raises(OverflowError, match="64 bits"):
        evaluate_many(design(configuration, small), columns)


def test_a_sweep_just_inside_64_bits_is_exact():
    sizes = {"B": 1 << 7, "H": 12, "E": 64, "F": 64, "M": 1 << 20, "P": 1 << 20}
    many = evaluate_many(design("fusemax", sizes), {"M": np.array([1 << 20, 1 << 19])})
    one = evaluate(design("fusemax", sizes))
    for single, row in zip(one.counts.levels, many.counts.levels, strict=True):
        assert [np.broadcast_to(n, 2)[0] for n in (row.reads, row.fills, row.updates)] == [
            single.reads,
            single.fills,
            single.updates,
        ]


@pytest.mark.parametrize("configuration", ONE_CHOICE)
def test_what_64_bits_cannot_hold_is_refused_and_all_else_is_exact(configuration):
    """Sizes of every magnitude, so that tiles, counts, sums in bytes and cycles all reach the limit somewhere."""
    large = st.integers(0, 44).flatmap(lambda bits: st.integers(1 << bits, 2 << bits))
    sizes = st.fixed_dictionaries(dict.fromkeys(("B", "H", "E", "F", "M", "P"), large))
    outcomes = set()

    @examples(40)
    @given(sizes)
    def check(sizes):
        exact = evaluate(design(configuration, sizes))
        try:
            many = evaluate_many(design(configuration, sizes), {"M": np.array([sizes["M"]])})
        except OverflowError:
            outcomes.add("refused")
            return
        outcomes.add("counted")
        for one, row in zip(exact.counts.levels, many.counts.levels, strict=True):
            same = [int(np.ravel(n)[0]) for n in (row.reads, row.fills, row.updates)]
            assert same == [one.reads, one.fills, one.updates]
        assert {name: int(np.ravel(n)[0]) for name, n in many.cycles.items()} == exact.cycles
        assert float(np.ravel(many.latency_s)[0]) == pytest.approx(float(exact.latency_s), rel=1e-12)
        assert float(np.ravel(many.energy_pj)[0]) == pytest.approx(float(exact.energy_pj), rel=1e-12)
        assert bool(np.ravel(many.feasible)[0]) == bool(exact.feasible)

    check()
    assert outcomes == {"refused", "counted"}


def test_the_published_range_of_sizes_is_never_refused():
    """Batch 64 at 1M tokens on the least array that anyone sweeps."""
    rows = {name: np.array([16, 512]) for name in ("array2d.rows", "array2d.columns", "array1d.lanes")}
    sizes = {"B": 64, "H": 16, "E": 128, "F": 128, "M": 1 << 20, "P": 1 << 20}
    for configuration in ONE_CHOICE:
        evaluate_many(design(configuration, sizes), rows)
