"""Rooflines: against the closed form's own numbers, and by hand."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsim.model.closed_form import evaluate
from einsim.model.roofline import Roof, roofline
from einsim.spec.configuration import load_design
from einsim.spec.library import load_models
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload, attention, find_model


def design(name, seq_len=16384, *changes):
    workload = attention(find_model(load_models(), "BERT"), seq_len)
    return load_design(name, workload, overrides=[parse_override(change) for change in changes])


@pytest.mark.parametrize("name", ["unfused", "flat", "cascade", "architecture", "fusemax"])
@pytest.mark.parametrize("seq_len", [1024, 16384])
def test_a_design_is_under_its_roofs_as_the_closed_form_says(name, seq_len):
    made = design(name, seq_len)
    evaluation = evaluate(made)
    found = roofline(made, evaluation)
    assert found.whole.traffic_bytes == pytest.approx(float(evaluation.traffic_bytes), rel=1e-12)
    for roof in found.roofs:
        attained = found.whole.attained(roof.array)
        share = attained / roof.peak_per_s
        assert share == pytest.approx(float(evaluation.utilisation[roof.array]), rel=1e-12)
        assert attained <= roof.at(found.whole.intensity(roof.array)) * (1 + 1e-12)
        assert found.whole.intensity(roof.array) <= found.most_intense(roof.array) * (1 + 1e-12)
    for kind in (found.groups, found.einsums):
        assert sum(load.traffic_bytes for load in kind) == pytest.approx(found.whole.traffic_bytes, rel=1e-12)
        for roof in found.roofs:
            assert sum(load.operations[roof.array] for load in kind) == found.whole.operations[roof.array]


def test_kernels_are_groups_and_fused_einsums_are_one():
    one, other = (design(name) for name in ("fusemax", "unfused"))
    assert len(roofline(one, evaluate(one)).groups) == 1
    kernels = roofline(other, evaluate(other))
    assert [load.name for load in kernels.groups] == ["QK", "GM..A", "AV"]
    assert sum(load.seconds for load in kernels.groups) == pytest.approx(kernels.whole.seconds, rel=1e-12)


def test_the_published_machine_by_hand():
    made = design("fusemax")
    found = roofline(made, evaluate(made))
    grid, lanes = sorted(found.roofs, key=lambda roof: not roof.is_grid)
    assert grid.peak_per_s == 256 * 256 * 940e6
    assert lanes.ridge == 256 * 940e6 / (400 * 2**30)
    pairs = 64 * 12 * 16384 * 16384
    assert found.whole.operations[grid.array] == pairs * (64 + 1 + 7 + 1 + 64)
    assert found.whole.traffic_bytes == 64 * 12 * 16384 * 64 * 2 * 4 == found.least_traffic_bytes


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 64), st.integers(64, 8192), st.integers(1, 400))
def test_roofs_are_met_at_the_ridge(lanes, seq_len, gigabytes):
    roof = Roof("a", False, lanes * 1e9, gigabytes * 2.0**30)
    assert roof.at(roof.ridge) == pytest.approx(roof.peak_per_s, rel=1e-12)
    assert roof.at(roof.ridge / 2) == pytest.approx(roof.peak_per_s / 2, rel=1e-12)
    assert roof.at(inf) == roof.peak_per_s
    made = load_design("fusemax", Workload((("B", 1), ("H", 2), ("E", 64), ("F", 64), ("M", seq_len), ("P", seq_len))),
                       overrides=[parse_override(f"arch.dram.bandwidth_bytes_per_s={gigabytes << 30}")])  # fmt: skip
    found = roofline(made, evaluate(made))
    for roof in found.roofs:
        assert found.whole.attained(roof.array) <= roof.at(found.whole.intensity(roof.array)) * (1 + 1e-9)


def test_a_memory_without_a_limit_has_no_ridge():
    made = design("fusemax", 1024, "arch.dram.bandwidth_bytes_per_s=null")
    found = roofline(made, evaluate(made))
    assert all(roof.ridge == 0.0 for roof in found.roofs)
