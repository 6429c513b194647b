"""The main job: the shipped sweep equals the published evaluation, row by row."""

import math
from pathlib import Path

import polars as pl
import pytest

from einsim.explore.rows import finish
from einsim.explore.space import load_space
from einsim.explore.sweep import run_sweep
from einsim.report.comparison import compare, read_published

FOLDER = Path(__file__).parents[2] / "experiments" / "fusemax"
EXACT = ("cascade", "architecture", "fusemax")


@pytest.fixture(scope="module")
def frame():
    space = load_space(FOLDER / "attention.yaml")
    return finish(space, list(run_sweep(space, lambda done: None)))


@pytest.fixture(scope="module")
def comparison(frame):
    published = FOLDER / "published.csv"
    table = read_published(published.read_bytes(), str(published), load_space(FOLDER / "attention.yaml"))
    assert table.keys == ("configuration", "model", "seq_len")
    assert len(table.metrics) == 6
    return compare(frame, table)


def worst(comparison, configurations, metric):
    rows = comparison.filter(pl.col("configuration").is_in(configurations))
    assert len(rows) == 12 * len(configurations)
    return rows[f"{metric}/difference"].abs().max()


@pytest.mark.parametrize("metric", ["traffic_bytes", "latency_s", "util_2d", "util_1d", "energy_pj_no_overflow"])
def test_one_pass_configurations(comparison, metric):
    assert worst(comparison, EXACT, metric) < 1e-14


@pytest.mark.parametrize("metric", ["traffic_bytes", "latency_s", "util_2d", "util_1d"])
def test_flat(comparison, metric):
    assert worst(comparison, ["flat"], metric) < 1e-14


def test_flat_energy(comparison):
    assert worst(comparison, ["flat"], "energy_pj_no_overflow") < 2e-5


@pytest.mark.parametrize("metric", ["traffic_bytes", "latency_s", "util_2d", "util_1d", "energy_pj_no_overflow"])
def test_unfused(comparison, metric):
    assert worst(comparison, ["unfused"], metric) < 1e-3


def test_means_of_the_paper(frame):
    """Arithmetic means 6.723x over FLAT (geometric 6.462x), over four models and six lengths."""
    rows = frame.filter(pl.col("configuration") == "fusemax")
    assert len(rows) == 24
    assert rows["speedup"].mean() == pytest.approx(6.723, abs=5e-4)
    assert math.exp(rows["speedup"].log().mean()) == pytest.approx(6.462, abs=5e-4)
    unfused = frame.filter(pl.col("configuration") == "unfused")
    over_unfused = unfused["latency_s"].to_numpy() / rows["latency_s"].to_numpy()
    assert over_unfused.mean() == pytest.approx(10.05, rel=1e-3)
