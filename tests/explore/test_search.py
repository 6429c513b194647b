"""Searches: fronts against brute force, samplers against exhaustion, files with mistakes."""

import math

import moocore
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsim.errors import SpecError
from einsim.explore.designs import load_designs, numbers_of
from einsim.explore.front import front, hypervolume
from einsim.explore.search import confirm, drawn, make_chooser, search
from einsim.explore.sweep import run_points

SPACE = """
name: small
configuration: fusemax
accounting: full
design:
  - arch.array2d.rows: [64, 128, 256]
  - arch.array2d.columns: [64, 256]
    arch.array1d.lanes: [64, 256]
  - arch.dram.bandwidth_bytes_per_s: [50 GiB, 400 GiB]
workloads:
  - model: [BERT, XLM]
  - seq_len: [1K, 4K]
objectives: [latency_s, area_um2]
"""


def load(tmp_path, text=SPACE, **changes):
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return load_designs(path)


def evaluate(points):
    return run_points(points, lambda _: None)


def found(designs):
    parts = list(search(designs, evaluate))
    return pl.concat([points for points, _ in parts]), pl.concat([numbers for _, numbers in parts])


def dominates(one, other):
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


def test_designs_are_points_over_all_workloads(tmp_path):
    designs = load(tmp_path)
    points, numbers = found(designs)
    assert len(designs) == 12
    assert designs.workloads == 4
    assert len(points) == 48
    for row in numbers.iter_rows(named=True):
        own = points.filter(pl.col("index") // 4 == row["design"])
        assert row["latency_s"] == pytest.approx(math.prod(own["latency_s"]) ** (1 / 4), rel=1e-12)
        assert row["area_um2"] == own["area_um2"].max()
        assert row["power_w"] == pytest.approx((own["energy_pj"] * 1e-12 / own["latency_s"]).max(), rel=1e-12)
        alone = designs.points([row["design"]])[0].design()
        assert alone.architecture.arrays["array2d"].rows == row["arch.array2d.rows"]
        assert alone.architecture.arrays["array1d"].lanes == row["arch.array2d.columns"]


def test_the_front_is_what_nothing_dominates(tmp_path):
    _, numbers = found(load(tmp_path))
    best = front(numbers, ["latency_s", "area_um2"])
    rows = list(zip(numbers["latency_s"], numbers["area_um2"], strict=True))
    expected = {n for n, row in enumerate(rows) if not any(dominates(other, row) for other in rows)}
    kept = {tuple(rows[n]) for n in expected}
    assert {tuple(row) for row in best.select("latency_s", "area_um2").iter_rows()} == kept
    assert best["latency_s"].is_sorted()


def test_constraints_leave_designs_out(tmp_path):
    designs = load(tmp_path, SPACE + "constraints: {area_um2: {at_most: 5.0e+8}, util_2d: {at_least: 0.5}}\n")
    _, numbers = found(designs)
    for row in numbers.iter_rows(named=True):
        assert (row["violation"] == 0.0) == (row["area_um2"] <= 5e8 and row["util_2d"] >= 0.5)
    assert front(numbers, ["latency_s", "area_um2"])["area_um2"].max() <= 5e8


def test_what_does_not_fit_is_a_design_with_its_reason(tmp_path):
    text = SPACE.replace("  - arch.dram", "  - arch.buffer.capacity_bytes: [4 KiB, 16 MiB]\n  - arch.dram")
    _, numbers = found(load(tmp_path, text))
    out = numbers.filter(~pl.col("feasible"))
    assert len(out) == 12
    assert out["latency_s"].null_count() == len(out)
    assert out["reason"].str.contains("buffer").all()
    assert len(front(numbers, ["latency_s", "area_um2"]).filter(~pl.col("feasible"))) == 0


def test_a_stopped_search_has_the_designs_of_which_all_points_are_there(tmp_path):
    def stopped_after_five(points):
        yield from run_points(points[:5], lambda _: None)
        raise KeyboardInterrupt

    parts = search(load(tmp_path), stopped_after_five)
    points, numbers = next(parts)
    assert points["index"].to_list() == [0, 1, 2, 3]
    assert numbers["design"].to_list() == [0]
    with pytest.raises(KeyboardInterrupt):
        next(parts)


def test_what_misses_a_bound_of_nothing_misses_it_by_its_own_size(tmp_path):
    designs = load(tmp_path, text=SPACE + "constraints: {area_um2: {at_most: 0}}\n")
    _, numbers = found(designs)
    assert numbers["violation"].to_list() == numbers["area_um2"].to_list()


@pytest.mark.parametrize("method", ["random", "nsga2", "tpe"])
def test_samplers_are_reproducible_repeat_nothing_and_come_to_an_end(tmp_path, method):
    designs = load(tmp_path, SPACE + f"method: {method}\nevaluations: 12\npopulation: 4\nseed: 7\n")
    _, once = found(designs)
    _, again = found(designs)
    assert once.equals(again)
    assert once["design"].n_unique() == len(once)
    assert len(once) == 12 or method != "random"
    _, every = found(load(tmp_path))
    every = {row["design"]: row["latency_s"] for row in every.iter_rows(named=True)}
    assert all(every[row["design"]] == row["latency_s"] for row in once.iter_rows(named=True))


def test_nsga2_comes_close_to_the_whole_front(tmp_path):
    text = SPACE.replace("[64, 128, 256]", str([*range(16, 257, 16)])).replace(
        "[50 GiB, 400 GiB]", "[50 GiB, 100 GiB, 400 GiB]"
    )
    objectives = ["latency_s", "area_um2"]
    _, every = found(load(tmp_path, text))
    _, some = found(load(tmp_path, text + "method: nsga2\nevaluations: 60\npopulation: 12\nseed: 1\n"))
    both = pl.concat([every, some]).select(objectives)
    low, high = (np.log(both.min().to_numpy()[0]), np.log(both.max().to_numpy()[0]))
    scaled = [
        (np.log(front(each, objectives).select(objectives).to_numpy()) - low) / (high - low) for each in (every, some)
    ]
    whole, part = (moocore.hypervolume(each, ref=[1.0, 1.0]) for each in scaled)
    assert len(every) == 96
    assert part > 0.95 * whole


def test_a_chooser_asks_for_no_more_than_it_may(tmp_path):
    designs = load(tmp_path, SPACE + "method: nsga2\nevaluations: 5\npopulation: 4\n")
    chooser, asked = make_chooser(designs), []
    while chosen := chooser.ask():
        asked += chosen
        chooser.tell(numbers_of(pl.concat(evaluate(designs.points(chosen))).sort("index"), designs))
    assert len(asked) == len(set(asked)) <= 5


def test_the_front_is_confirmed_by_the_cycle_model(tmp_path):
    designs = load(tmp_path, SPACE.replace("[BERT, XLM]", "[BERT]").replace("[1K, 4K]", "[1K]") + "confirm: 2\n")
    _, numbers = found(designs)
    best = front(numbers, ["latency_s", "area_um2"])
    _, confirmed = confirm(designs, best, evaluate)
    assert confirmed["design"].to_list() == best["design"].head(2).to_list()
    assert confirmed["closed_form_s"].to_list() == pytest.approx(best["latency_s"].head(2).to_list(), rel=1e-12)
    assert (confirmed["latency_s"] > confirmed["closed_form_s"]).all()


@given(st.lists(st.tuples(st.floats(0.1, 10.0), st.floats(0.1, 10.0)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_hypervolume_is_the_area_that_the_front_dominates(values):
    table = pl.DataFrame({"design": range(len(values)), "a": [a for a, _ in values], "b": [b for _, b in values],
                          "violation": [0.0] * len(values)})  # fmt: skip
    scaled = []
    for column in zip(*values, strict=True):
        logs = np.log(column)
        scaled.append((logs - logs.min()) / (logs.max() - logs.min() or 1.0))
    area, last = 0.0, 1.0
    for x, y in sorted(zip(*scaled, strict=True)):
        if y < last:
            area += (1.0 - x) * (last - y)
            last = y
    growth = hypervolume(table, ["a", "b"])
    assert growth[-1] == (len(values), pytest.approx(area, abs=1e-9))
    assert [v for _, v in growth] == sorted(v for _, v in growth)


@given(st.integers(1, 60), st.integers(0, 5), st.data())
@settings(max_examples=50, deadline=None)
def test_random_numbers_are_different_and_in_range(total, seed, data):
    count = data.draw(st.integers(0, total))
    numbers = list(drawn(total, count, seed))
    assert len(set(numbers)) == len(numbers) == count
    assert all(0 <= number < total for number in numbers)
    assert numbers == list(drawn(total, count, seed))


@pytest.mark.parametrize(("before", "after", "message"), [
    ("objectives:", "method: nsga2\npopulation: 1\nobjectives:", "nsga2 needs at least 2 designs"),
    ("objectives:", "confirm: 9223372036854775808\nobjectives:", "confirm must be"),
    ("objectives:", "seed: -1\nobjectives:", "seed must be"),
    ("objectives:", "seed: 4294967296\nobjectives:", "seed must be"),
    ("objectives: [latency_s, area_um2]", "objectives: [latency, area_um2]", "latency_s"),
    ("objectives: [latency_s, area_um2]", "objectives: [latency_s, latency_s]", "twice"),
    ("[64, 256]\n    arch.array1d.lanes: [64, 256]", "[64, 256]\n    arch.array1d.lanes: [64]", "equally many"),
    ("name: small", "name: small\nmethod: best", "exhaustive"),
    ("name: small", "name: small\nconstraints: {area_um2: {}}", "at_most"),
    ("name: small", "name: small\nconstraints: {area: {at_most: 1}}", "area_um2"),
    ("name: small", "name: small\nset: {arch.array2d.rows: 3}", "arch.array2d.rows"),
    ("  - seq_len: [1K, 4K]", "  - arch.array2d.rows: [4]", "two axes|on an axis"),
    ("  - seq_len: [1K, 4K]", "  - seq_length: [1K, 4K]", "seq_len"),
])  # fmt: skip
def test_mistakes_in_a_file_are_one_error_with_its_line(tmp_path, before, after, message):
    assert before in SPACE
    with pytest.raises(SpecError, match=message) as caught:
        load(tmp_path, SPACE.replace(before, after))
    assert "space.yaml:" in str(caught.value)


def test_a_space_too_large_to_exhaust_says_so(tmp_path):
    text = SPACE.replace("[64, 128, 256]", str([*range(1, 2001)])).replace(
        "[50 GiB, 400 GiB]", str([*range(1000, 2000)])
    )
    with pytest.raises(SpecError, match="1000000 points") as caught:
        load(tmp_path, text)
    assert "method" in str(caught.value)
    assert len(load(tmp_path, text + "method: random\nevaluations: 100\n")) == 4_000_000
