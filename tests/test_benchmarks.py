"""Benchmarks run, and their two sides agree; how fast they are is for `make bench` to say."""

import pytest

from benchmarks.model_speed import CONFIGURATIONS, measure


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_model_speed_counts_alike_together_and_alone(configuration):
    assert measure(configuration, 2500, sample=5).worst_difference < 1e-12
