"""The search: equal to enumeration where that is possible, never below its bounds, as good as published mappings."""

from itertools import islice, permutations
from math import ceil, inf, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einsim.errors import SpecError
from einsim.mapper.bounds import Bounds, assign
from einsim.mapper.moves import moves
from einsim.mapper.objective import Objective
from einsim.mapper.search import search
from einsim.mapper.space import Space
from einsim.mapper.task import Task
from einsim.mapper.text import Written
from einsim.mapper.trial import Trials
from einsim.model.closed_form import evaluate, evaluate_many
from einsim.spec import library
from einsim.spec.configuration import load_architecture
from einsim.spec.workload import Workload
from tests.model.compare import examples

from .tasks import bert, given_sizes, published, task

SMALL = [
    ("dot", {"K": 7}, {"grid": (2, 2)}),
    ("vector", {"K": 5, "M": 4}, {}),
    ("chain", {"M": 7}, {}),
    ("normed", {"M": 7}, {"capacity": 10}),
    ("tiled", {"M": 6}, {}),
]


def enumerated(small):
    """The least value of each objective over all plans at all tile sizes, without bounds; how many plans there are."""
    trials = Trials(small, Objective.LATENCY)
    least = dict.fromkeys(Objective, inf)
    plans = 0
    for plan in Space(small).every():
        plans += 1
        written = Written(small, plan)
        design = written.design()
        names = list(written.numbers)
        grid = np.meshgrid(*trials.all_sizes(written).values(), indexing="ij")
        try:
            evaluation = evaluate_many(design, {name: axis.ravel() for name, axis in zip(names, grid, strict=True)})
        except SpecError:
            continue
        fits = np.broadcast_to(evaluation.feasible, grid[0].size)
        for objective in Objective:
            values = np.broadcast_to(objective.of(evaluation), grid[0].size)[fits]
            least[objective] = min(least[objective], values.min(initial=inf))
    return least, plans


@pytest.mark.parametrize(("name", "sizes", "parts"), SMALL, ids=[each[0] for each in SMALL])
def test_a_search_equals_enumeration(name, sizes, parts):
    small = task(name, sizes, **parts)
    least, count = enumerated(small)
    assert count > 1
    for objective in Objective:
        result = search(small, objective, seconds=600)
        assert result.proved
        assert result.best.value == pytest.approx(least[objective], rel=1e-12)


WIDER = [
    "chain", "normed", "tiled", "vector", "product", "attention-3pass", "attention-1pass", "gqa-divmod", "softmax",
    "na2d-3pass", "rcmha-3pass", "swa_sink-merge", "tap-3pass", "agent-3pass", "decode-append", "grid-3pass",
    "grid-online", "maxvit_grid-3pass", "moba_topk-3pass", "ssd-chunked",
]  # fmt: skip


@examples(40)
@given(st.sampled_from(WIDER), st.sampled_from(Objective), st.integers(20, 400), st.booleans(), st.data())
def test_no_plan_is_below_its_bounds(name, objective, capacity, grid, data):
    sizes = {size: data.draw(st.integers(1, 9), size) for size in given_sizes(name)}
    small = task(name, sizes, lanes=2, grid=(2, 3) if grid else None, capacity=capacity)
    space = Space(small)
    trials = Trials(small, objective, grid=64)
    bounds = Bounds(small, {size: trials.sizes_of(size) for size in small.unsized})
    plan = space.start((space.names,) if data.draw(st.booleans(), "fused") else space.alone, bounds.assignment[1])
    for _ in range(2):
        near = [plan, *islice(moves(space, plan), 300)]
        plan = near[data.draw(st.integers(0, len(near) - 1), "move")]
    found, _ = trials.best(plan)
    if found is None:
        return
    evaluation = evaluate(Written(small, plan).design(found.numbers))
    assert evaluation.feasible
    assert float(objective.of(evaluation)) == pytest.approx(found.value, rel=1e-12)
    groups = [group.einsums for group in plan.groups]
    arrays = {each: layout.array for each, layout in plan.layouts.items()}
    least = bounds.of(objective)
    by_groups = bounds.of_groups(objective, groups)
    by_arrays = bounds.of_arrays(objective, groups, arrays, [group.overlap for group in plan.groups])
    assert least <= by_groups * (1 + 1e-12)
    assert by_groups <= by_arrays * (1 + 1e-12)
    assert by_arrays <= found.value * (1 + 1e-12)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=7))
def test_assignments_are_the_best(cycles):
    table = {str(n): {"a": float(one), "b": float(other)} for n, (one, other) in enumerate(cycles)}
    least = min(
        max(sum(pair[side] for pair, bit in zip(cycles, range(7), strict=False) if (code >> bit & 1) == side)
            for side in (0, 1))
        for code in range(1 << len(cycles))
    )  # fmt: skip
    value, chosen = assign(table)
    assert value == least
    loads = [sum(table[name][side] for name in table if chosen[name] == side) for side in ("a", "b")]
    assert max(loads) == least


def until(value):
    """A report that ends a search when it has found something as good."""

    def report(progress):
        if progress.value <= value:
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize("seq_len", [1024, 16384])
@pytest.mark.parametrize("objective", Objective)
@pytest.mark.parametrize(
    ("name", "architecture", "configuration"),
    [
        ("attention-1pass", "fusemax", "fusemax"),
        ("attention-1pass", "flat", "cascade"),
        ("attention-3pass", "flat", "flat"),
        ("attention-3pass", "flat", "unfused"),
    ],
)
def test_published_mappings_are_reached(name, architecture, configuration, objective, seq_len):
    attention = bert(name, architecture, seq_len)
    known = float(objective.of(published(configuration, attention)))
    result = search(attention, objective, 200, until(known))
    assert result.best.value <= known
    assert result.bound <= result.best.value * (1 + 1e-12)


@pytest.mark.parametrize("seq_len", [1024, 16384])
@pytest.mark.parametrize("name", ["attention-1pass", "attention-3pass"])
@pytest.mark.parametrize("objective", [Objective.LATENCY, Objective.TRAFFIC])
def test_the_least_is_proved(name, objective, seq_len):
    attention = bert(name, "fusemax", seq_len)
    trials = Trials(attention, objective)
    bound = Bounds(attention, {size: trials.sizes_of(size) for size in attention.unsized}).of(objective)
    result = search(attention, objective, 200, until(bound * (1 + 1e-9)))
    assert result.proved


def least_traffic(sizes, capacity):
    """Words of a product A[k,m] * B[k,n] = Z[m,n] with the best tiles in a buffer: every order and every tile count."""
    tensors = {"A": ("k", "m"), "B": ("k", "n"), "Z": ("m", "n")}
    counts = {rank: np.arange(1, size + 1) for rank, size in sizes.items()}
    m, n, k = np.meshgrid(counts["m"], counts["n"], counts["k"], indexing="ij", sparse=True)
    trips = {"m": m, "n": n, "k": k}
    tiles = {rank: -(-sizes[rank] // count) for rank, count in trips.items()}
    trips = {rank: -(-sizes[rank] // tile) for rank, tile in tiles.items()}
    held = sum(prod(tiles[rank] for rank in ranks) for ranks in tensors.values())
    best = inf
    for order in permutations("mnk"):
        words = 0
        for name, ranks in tensors.items():
            visits = 1  # loops that bring the tensor again: those outside of its innermost one that runs
            for place, rank in enumerate(order):
                inside = [trips[each] > 1 for each in order[place + 1 :] if each in ranks]
                again = inside[0] | inside[1] if len(inside) == 2 else inside[0] if inside else False
                if rank not in ranks:
                    visits = visits * np.where(again, trips[rank], 1)
            size = prod(sizes[rank] for rank in ranks)
            words = words + size * (2 * visits - 1 if name == "Z" else visits)
        best = min(best, int(np.min(np.where(held <= capacity, words, np.iinfo(np.int64).max))))
    return best


@pytest.mark.parametrize(
    ("m", "n", "k", "capacity"), [(96, 64, 48, 1500), (128, 128, 128, 4000), (50, 70, 30, 600), (200, 40, 64, 3000)]
)
def test_products_move_no_more_than_the_best_tiles(m, n, k, capacity):
    small = task("product", {"M": m, "N": n, "K": k}, lanes=8, grid=(8, 8), capacity=2 * capacity)
    known = 2 * least_traffic({"m": m, "n": n, "k": k}, capacity)
    result = search(small, Objective.TRAFFIC, 100, until(known))
    assert result.best.value <= known
    assert result.best.value >= result.bound


@pytest.mark.parametrize("tokens", [1 << 10, 1 << 16, 1 << 20])
@pytest.mark.parametrize("width", [768, 8192])
def test_projections_of_real_sizes_are_as_fast_as_the_array(tokens, width):
    workload = Workload((("M", tokens), ("N", width), ("K", width)))
    layer = Task(library.load_cascade("matmul"), load_architecture("fusemax"), workload, "matmul", "fusemax")
    cycles = ceil(tokens * width * width / 65536)
    result = search(layer, Objective.LATENCY, 60, until(cycles / layer.machine.clock_hz * (1 + 1e-9)))
    assert result.proved
