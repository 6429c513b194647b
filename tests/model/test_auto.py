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
from einsim.model.auto import evaluate_auto, evaluate_rows
from einsim.model.counts import count
from einsim.model.cycle.evaluation import simulate_rows
from einsim.model.tables import as_numbers
from einsim.schedule.auto import auto_schedule, row_blocks, row_rank, unmappable, words_of_all
from einsim.spec import library
from einsim.spec.configuration import find_machine, load_architecture
from einsim.spec.overrides import parse_override

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


def stated(capacity: int):
    """A small machine that asks no table of costs about its buffer."""
    fields = {"capacity_bytes": capacity, "read_energy_pj": 2.0, "write_energy_pj": 3.0, "area_um2": 1.0}
    changes = [f"buffer.{name}={value}" for name, value in fields.items()]
    changes += ["array2d.rows=3", "array2d.columns=4", "array1d.lanes=4"]
    return find_machine("fusemax", overrides=[parse_override(f"arch.{change}") for change in changes])[1]


ROWS = [name for name in library.names("cascade") if name.startswith("layer-") and row_rank(library.load_cascade(name))]


def test_norms_and_the_like_have_rows_by_themselves():
    assert {"layer-rmsnorm", "layer-layernorm", "layer-softmax"} <= set(ROWS)
    for name in ("layer-add", "layer-encoder", "layer-decoder", "attention-1pass", "attn_causal-3pass"):
        assert row_rank(library.load_cascade(name)) is None  # one Einsum; tokens see each other


@pytest.mark.parametrize("name", ROWS)
def test_blocks_of_rows_have_the_values_of_all(name):
    cascade = library.load_cascade(name)
    sizes = dict.fromkeys(size_parameters(cascade), 5) | {"J": 2}
    sizes = bind_sizes(cascade, {symbol: sizes[symbol] for symbol in size_parameters(cascade)})
    rank, rng = row_rank(cascade), np.random.default_rng(1)
    inputs = {
        each.name: rng.uniform(0.5, 2.0, [sizes[size_of(rank)] for rank in each.ranks]) for each in cascade.inputs
    }
    whole = evaluate(cascade, inputs)
    at = {each.name: each.ranks.index(rank) for each in cascade.inputs if rank in each.ranks}
    blocks = [evaluate(cascade, {key: np.split(value, [2], at[key])[part] if key in at else value
                                 for key, value in inputs.items()}) for part in (0, 1)]  # fmt: skip
    for output in cascade.outputs:
        axis = next(each.output for each in cascade.einsums if each.tensor == output).ranks.index(rank)
        np.testing.assert_allclose(np.concatenate([block[output] for block in blocks], axis), whole[output])


@pytest.mark.parametrize("name", ["layer-rmsnorm", "layer-layernorm", "layer-softmax"])
@pytest.mark.parametrize(
    ("rows", "width", "capacity"), [(7, 5, 400), (64, 6, 300), (61, 6, 500), (9, 3, 10**6), (3, 200, 900)]
)
def test_a_row_that_waits_in_the_buffer_passes_dram_once(name, rows, width, capacity):
    cascade, own = library.load_cascade(name), stated(capacity)
    sizes = bind_sizes(cascade, {"D": width, "P": rows})
    blocks = row_blocks(cascade, own, sizes)
    found, apart = evaluate_rows(cascade, own, sizes), evaluate_auto(cascade, own, sizes)
    run = simulate_rows(cascade, own, sizes)
    assert run.feasible
    assert run.traffic_bytes == found.traffic_bytes
    assert run.cycles >= max(found.cycles_by_array.values())
    points = {key: each.points for key, each in apart.counts.einsums.items()}
    assert {key: each.points for key, each in found.counts.einsums.items()} == points
    if not blocks:  # fewer rows fit than would fill the lanes
        assert width == 200
        assert found.traffic_bytes == apart.traffic_bytes
        return
    assert sum(times * block["P"] for times, block in blocks) == rows
    assert all(words_of_all(cascade, block) * 2 <= capacity for _, block in blocks)
    weights = sum(prod(sizes[size_of(rank)] for rank in each.ranks) for each in cascade.inputs if "p" not in each.ranks)
    loads = sum(times for times, _ in blocks)
    assert found.traffic_bytes == 2 * (2 * rows * width + loads * weights)
    assert found.traffic_bytes < apart.traffic_bytes
    for _, block in blocks:
        schedule = auto_schedule(cascade, own, block, together=True)
        rows_of = iter(count(schedule, ["dram", "buffer"], as_numbers).levels)
        for einsum in schedule.einsums:
            for label, level, *numbers in walk(einsum, schedule.sizes, ["dram", "buffer"]).rows:
                row = next(rows_of)
                assert (row.label, row.level, row.reads, row.fills, row.updates) == (label, level, *numbers)
