"""A channel for loads and one for stores: the time of the slower one, in the closed form and cycle by cycle."""

import pytest

from einsim.model.closed_form import evaluate
from einsim.model.cycle.evaluation import simulate_design

from .small import design_of

SIZES = {"B": 1, "H": 8, "E": 16, "F": 16, "M": 16, "P": 16}
"""Heads that bring and take as much, and do little."""
ARRAYS = ("arch.array2d.rows=8", "arch.array2d.columns=8", "arch.array1d.lanes=8")
BANDWIDTH = 2 * 10**8


def design(duplex: bool):
    own = [f"arch.dram.bandwidth_bytes_per_s={BANDWIDTH}", f"arch.dram.duplex={str(duplex).lower()}"]
    return design_of("fusemax", SIZES, [*own, *ARRAYS])


def traffic(evaluated, design) -> tuple[int, int]:
    """Bytes loaded and stored."""
    rows = [row for row in evaluated.counts.levels if row.level == "dram"]
    word = design.architecture.word_bytes
    return sum(row.reads for row in rows) * word, sum(row.fills + row.updates for row in rows) * word


def test_closed_form_takes_the_slower_direction():
    shared, split = design(False), design(True)
    one, two = evaluate(shared), evaluate(split)
    loads, stores = traffic(two, split)
    assert min(loads, stores) > 0
    assert one.memory_s == pytest.approx((loads + stores) / BANDWIDTH)
    assert two.memory_s == pytest.approx(max(loads, stores) / BANDWIDTH)
    assert one.traffic_bytes == two.traffic_bytes == loads + stores


def test_loads_do_not_wait_for_stores():
    shared, split = (simulate_design(design(each)) for each in (False, True))
    loads, stores = traffic(split.closed_form, split.design)
    assert max(loads, stores) / BANDWIDTH <= split.latency_s
    assert (loads + stores) / BANDWIDTH <= shared.latency_s
    assert split.latency_s < shared.latency_s - min(loads, stores) / BANDWIDTH / 2
    assert split.runs[0].channel_busy == shared.runs[0].channel_busy
