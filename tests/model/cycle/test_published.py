"""Cycles of a tile where nothing but operations takes time: the arithmetic of the published evaluation."""

import pytest

from einsim.model.cycle.simulate import simulate
from einsim.schedule.pipeline.timing import IDEAL, Timing

from .small import built, design_of

STALLS = Timing(travel=False, latency=False, memory=False, stalls=True)
TILE = 256


def cycles_of(configuration: str, timing: Timing, keys: int) -> int:
    """Cycles of four tiles of queries with some tiles of keys."""
    sizes = {"B": 1, "H": 1, "E": 64, "F": 64, "M": keys * TILE, "P": 4 * TILE}
    design = design_of(configuration, sizes, [])
    (program,) = built(design, timing).programs
    return simulate(program, design.architecture, timing).cycles


@pytest.mark.parametrize(
    ("configuration", "timing", "cycles"),
    [("fusemax", IDEAL, 138), ("architecture", IDEAL, 202), ("architecture", STALLS, 458)],
)
def test_a_tile_takes_the_published_cycles(configuration, timing, cycles):
    assert cycles_of(configuration, timing, 48) - cycles_of(configuration, timing, 16) == 32 * 4 * cycles


def test_the_division_takes_its_share():
    # AV's 64 divisions of every query tile come once, after its last tile of keys.
    few, many = cycles_of("fusemax", IDEAL, 16), cycles_of("fusemax", IDEAL, 32)
    assert few >= 4 * (16 * 138 + 64)
    assert many - few == 4 * 16 * 138
