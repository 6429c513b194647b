"""The paper's figures 10 to 12: attention with its linear layers, and the latency-area front."""

import csv
import math
from pathlib import Path

import polars as pl
import pytest

from einsim.explore.rows import finish
from einsim.explore.space import load_space
from einsim.explore.sweep import run_sweep
from einsim.report.comparison import compare, read_published

FOLDER = Path(__file__).parents[2] / "experiments" / "fusemax"


def swept(name):
    space = load_space(FOLDER / f"{name}.yaml")
    return space, finish(space, list(run_sweep(space, lambda done: None)))


@pytest.fixture(scope="module")
def frame():
    return swept("end_to_end")[1]


def of(frame, configuration):
    return frame.filter(pl.col("configuration") == configuration)


def test_speedups_of_the_paper(frame):
    """5.302x over FLAT (geometric 4.605x) and 7.60x over unfused: means over four models and six lengths."""
    rows = of(frame, "fusemax")
    assert len(rows) == 24
    assert rows["speedup"].mean() == pytest.approx(5.302, abs=5e-4)
    assert math.exp(rows["speedup"].log().mean()) == pytest.approx(4.605, abs=5e-4)
    over_unfused = of(frame, "unfused")["latency_s"].to_numpy() / rows["latency_s"].to_numpy()
    assert over_unfused.mean() == pytest.approx(7.60, abs=5e-3)


def printed(key):
    """Printed energies of attention with its linear layers, by configuration, model and length."""
    attention, linear = (
        list(csv.DictReader((FOLDER / name).read_text().splitlines()))
        for name in ("published.csv", "published_linear.csv")
    )
    layers = {(r["architecture"], r["model"], r["seq_len"]): float(r["energy_pj"]) for r in linear}
    found = {}
    for row in attention:
        machine = "fusemax" if row["configuration"] in {"fusemax", "architecture"} else "flat"
        place = row["model"], row["seq_len"]
        found[row["configuration"], *place] = float(row[key]) + layers[machine, *place]
    return found


def test_energies_of_the_paper(frame):
    """The printed means 0.833 and 0.821 contain an overflow, all of which is in the rivals' attention.

    Without it the rows that are published in full are met to 1e-3 (unfused) and 2e-5 (FLAT); with it, over FLAT, they
    are 0.006 lower, which is the distance of our mean from the printed one.
    """
    exact, overflown = printed("energy_pj_no_overflow"), printed("energy_pj")
    for configuration, off in (
        ("fusemax", 1e-9),
        ("architecture", 1e-9),
        ("cascade", 1e-9),
        ("flat", 2e-5),
        ("unfused", 1e-3),
    ):
        rows = of(frame, configuration).filter(pl.col("model").is_in(["BERT", "T5"]))
        for row in rows.iter_rows(named=True):
            place = configuration, row["model"], str(row["seq_len"])
            assert row["energy_pj"] == pytest.approx(exact[place], rel=off)
    mean = of(frame, "fusemax")["energy_ratio"].mean()
    places = [place[1:] for place in exact if place[0] == "fusemax"]
    shift = [
        sum(energies["fusemax", *place] / energies["flat", *place] for place in places) / len(places)
        for energies in (exact, overflown)
    ]
    assert mean + shift[1] - shift[0] == pytest.approx(0.833, abs=2e-3)


def test_the_front_of_the_paper():
    space, frame = swept("pareto")
    published = FOLDER / "published_pareto.csv"
    comparison = compare(frame, read_published(published.read_bytes(), str(published), space))
    assert len(comparison) == 6
    for metric in ("latency_s", "traffic_bytes"):
        assert comparison[f"{metric}/difference"].abs().max() < 1e-14
    assert comparison["area_um2/difference"].abs().max() < 1e-5
    assert frame.sort("area_um2")["latency_s"].is_sorted(descending=True)
