"""Mappings that einsim makes: counts walked one by one, filters counted, the whole zoo costed."""

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einsim.analysis.bound import traffic_bound
from einsim.analysis.share import share
from einsim.cascade import Einsum, bind_sizes, evaluate, iteration_ranks, parse, size_of, size_parameters
from einsim.errors import InfeasibleError
from einsim.model.auto import evaluate_auto
from einsim.model.counts import count
from einsim.model.tables import as_numbers
from einsim.schedule.auto import auto_schedule, unmappable
from einsim.spec import library
from einsim.spec.configuration import load_architecture

from .compare import examples
from .walk import walk

SMALL = {"rows": 3, "columns": 4}


def machine(capacity: int = 400):
    whole = load_architecture("fusemax")
    grid = whole.arrays["array2d"].model_copy(update=SMALL)
    line = whole.arrays["array1d"].model_copy(update={"lanes": 4})
    buffer = whole.memories["buffer"].model_copy(update={"capacity_bytes": capacity})
    return whole.model_copy(
        update={
            "arrays": {"array2d": grid, "array1d": line},
            "memories": {**whole.memories, "buffer": buffer},
        }
    )


@examples(25)
@given(
    st.sampled_from(["attention-3pass", "attention-1pass", "linattn-quadratic", "gqa-divmod", "l2vit_lcm-1pass"]),
    st.integers(40, 2000),
    st.data(),
)
def test_counts_equal_a_walk_of_the_loops(name, capacity, data):
    cascade = library.load_cascade(name)
    sizes = bind_sizes(cascade, {symbol: data.draw(st.integers(1, 6), symbol) for symbol in size_parameters(cascade)})
    schedule = auto_schedule(cascade, machine(capacity), sizes)
    memories = ["dram", "buffer"]
    counts = count(schedule, memories, as_numbers)
    rows = iter(counts.levels)
    for einsum in schedule.einsums:
        walked = walk(einsum, schedule.sizes, memories)
        work = counts.einsums[einsum.name]
        assert (work.points, work.steps, work.elements) == (walked.points, walked.steps, walked.elements)
        for label, level, *numbers in walked.rows:
            row = next(rows)
            assert (row.label, row.level, row.reads, row.fills, row.updates) == (label, level, *numbers)


FILTERS = [
    "m <= p",
    "p - m < 2",
    "m < 3 or m == p",
    "not m > p and p - m < 2",
    "m//2 == p%3",
    "min(m, p) < 2",
    "2*m < 5",
]


@pytest.mark.parametrize("when", FILTERS)
@pytest.mark.parametrize(("m", "p"), [(1, 1), (5, 7), (8, 3)])
def test_shares_equal_the_points_that_a_run_visits(when, m, p):
    cascade = parse(f"cascade c\ninput A[m], B[p]\noutput Z\nZ[m,p] = A[m] * B[p] when {when}")
    made = evaluate(cascade, {"A": np.ones(m), "B": np.ones(p)})["Z"]
    assert share(cascade, cascade.einsums[0], {"M": m, "P": p}) == made.sum() / (m * p)


def test_partial_tiles_leave_their_share():
    cascade = parse(
        "cascade c\ninput A[m]\noutput Z\nsplit m into m1, m0 by M0\nBA[m1,m0] = A[m1*M0+m0]\nZ = BA[m1,m0]"
    )
    sizes = bind_sizes(cascade, {"M": 7, "M0": 3})
    einsum: Einsum = cascade.einsums[1]
    assert share(cascade, einsum, sizes) * prod(sizes[size_of(r)] for r in iteration_ranks(einsum)) == 7


@pytest.mark.parametrize("length", [4096, 1 << 20])
def test_causal_work_is_about_half(length):
    sizes = {"E": 64, "F": 64, "M": length, "P": length}
    plain = evaluate_auto(library.load_cascade("attn-3pass"), load_architecture("fusemax"), sizes)
    causal = evaluate_auto(library.load_cascade("attn_causal-3pass"), load_architecture("fusemax"), sizes)
    for name in ("QK", "SN", "AV"):
        ratio = causal.counts.einsums[name].points / plain.counts.einsums[name].points
        assert ratio == pytest.approx(0.5, rel=2e-3)
    assert causal.traffic_bytes / plain.traffic_bytes == pytest.approx(0.5, rel=0.1)


def test_density_stands_for_what_tensors_decide():
    text = "cascade c\ninput A[m], S[m]\noutput Z\nZ[m] = A[m] * 2 when S[m] > 0{}"
    for density, expected in (("", 1.0), (" density 0.25", 0.25), (" density 1/M", 0.125)):
        cascade = parse(text.format(density))
        assert share(cascade, cascade.einsums[0], {"M": 8}) == expected


def test_operations_that_no_array_has_are_named():
    plain = load_architecture("matmul-small")
    cascade = library.load_cascade("acmil-direct")
    assert "which no array of matmul-small can do" in (unmappable(cascade, plain) or "")
    with pytest.raises(InfeasibleError, match="tanh"):
        evaluate_auto(cascade, plain, bind_sizes(cascade, dict.fromkeys(size_parameters(cascade), 4)))


def test_a_buffer_too_small_for_one_block_is_infeasible():
    cascade = library.load_cascade("attention-3pass")
    found = evaluate_auto(cascade, machine(8), {"E": 64, "F": 64, "M": 64, "P": 64})
    assert not found.feasible


PUBLISHED = [
    (system.cascade_name(variant), sizes)
    for system in library.load_systems()
    for variant in dict.fromkeys((system.straightforward, system.best))
    for sizes in system.sizes[:1]
]


@pytest.mark.parametrize(("name", "published"), PUBLISHED, ids=[name for name, _ in PUBLISHED])
def test_the_zoo_runs_on_the_paper_machine(name, published):
    cascade = library.load_cascade(name)
    free = size_parameters(cascade)
    given_sizes = {symbol: value for symbol, value in published.sizes.items() if symbol in free}
    sizes = bind_sizes(cascade, {**dict.fromkeys(free, 16), **given_sizes})
    found = evaluate_auto(cascade, load_architecture("fusemax"), sizes)
    assert found.feasible
    assert found.latency_s > 0
    assert found.energy_pj > 0
    assert all(0 <= used <= 1 for used in found.utilisation.values())


@pytest.mark.parametrize("name", ["attn-3pass", "attn-defer2", "attn-fusemax", "linattn-kv"])
@pytest.mark.parametrize("capacity", [1 << 14, 1 << 24])
def test_kernels_never_move_less_than_the_bound(name, capacity):
    cascade = library.load_cascade(name)
    sizes = bind_sizes(cascade, {s: {"E": 64, "F": 64, "M0": 256}.get(s, 4096) for s in size_parameters(cascade)})
    whole = load_architecture("fusemax")
    buffer = whole.memories["buffer"].model_copy(update={"capacity_bytes": capacity})
    small = whole.model_copy(update={"memories": {**whole.memories, "buffer": buffer}})
    found = evaluate_auto(cascade, small, sizes)
    assert found.traffic_bytes >= 2 * traffic_bound(cascade, sizes).at(capacity // 2)
