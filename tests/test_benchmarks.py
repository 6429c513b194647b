"""Benchmarks run, and their two sides agree; how fast they are is for `make bench` to say."""

import pytest

from benchmarks import cycle_speed, sweep_speed, whole_models
from benchmarks.model_speed import AXES, CONFIGURATIONS, measure


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_model_speed_counts_alike_together_and_alone(configuration, axes):
    assert measure(configuration, axes, 2500, sample=5).worst_difference < 1e-12


def test_sweep_speed_has_a_row_for_every_point():
    speed = sweep_speed.run(3000)
    assert speed.points >= 3000
    assert speed.rows == speed.points
    assert speed.peak_mib > 0


def test_cycle_speed_simulates_alike_fast_and_slowly(monkeypatch):
    monkeypatch.setattr(cycle_speed, "SMALL", {"B": 1, "H": 1, "E": 4, "F": 4, "M": 512, "P": 512})
    assert cycle_speed.measure(1024).same


def test_whole_models_run_on_every_machine():
    found = whole_models.measure("Llama-3-8B")
    assert len(found) == 6
    assert all(each.feasible for each in found)
