"""Epochs and logs: compared with what runs count."""

import itertools
from collections import Counter

import numpy as np
import pytest

from einsim.errors import SpecError
from einsim.report.epochs import Walk
from einsim.report.page import gaps
from einsim.report.timeline import END, FIRST, SLOTS, STRAND, timelines
from einsim.schedule.pipeline.filters import Form
from tests.report.runs import CONFIGURATIONS, ODD, machine, runs

CAUSAL = ((Form((("p", 1), ("m", -1)), 0),),)


def line_of(configuration, **how):
    return timelines(runs(configuration, **how), machine(configuration))[0]


# Epochs.


def test_places_of_whole_tiles_are_in_the_order_of_loops():
    run = runs("fusemax")[0]
    walk = Walk(run.program, run.epochs)
    expected = itertools.product(*map(range, run.program.epochs.trips))
    assert [walk.place(number).indices for number in range(run.epochs)] == list(expected)


# Nothing records FLAT's choices for shapes, and its epochs have no tiles to filter; unfused's softmax has none either.
CASES = [
    (configuration, shape, filters)
    for configuration in CONFIGURATIONS
    for shape in (None, ODD)
    for filters in ((), CAUSAL)
    if not (configuration == "flat" and (shape or filters)) and not (configuration == "unfused" and filters)
]


@pytest.mark.parametrize(("configuration", "shape", "filters"), CASES)
def test_strands_have_as_many_instances_of_each_kind_as_epochs_say(configuration, shape, filters):
    for run in runs(configuration, shape, filters=filters):
        if run.epochs > 20_000:
            continue
        walk = Walk(run.program, run.epochs)
        for number, strand in enumerate(run.program.strands):
            found = Counter(walk.kind(e, strand.depth) for e in range(run.epochs) if walk.holds(strand.when, e))
            assert [found[kind] for kind in range(len(strand.slots))] == list(run.instances[number]), strand.name


def test_a_walk_ends_behind_the_last_epoch():
    run = runs("fusemax", ODD)[0]
    walk = Walk(run.program, run.epochs)
    walk.place(run.epochs - 1)
    with pytest.raises(IndexError, match=f"has {run.epochs} epochs"):
        walk.place(run.epochs)


# Timelines.


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_bars_hold_every_slot_once(configuration):
    for line in timelines(runs(configuration), machine(configuration)):
        if len(line.run.log) < line.run.simulated:
            continue
        slots = Counter()
        for bar in line.bars():
            slots[bar.strand] += bar.slots
            assert line.begin <= bar.first < bar.end
            assert 0 < bar.density <= 1
        assert slots == {n: line.run.slots(n) for n in range(len(line.program.strands))}
        assert line.stretches == ((line.begin, line.end),)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_arrays_are_busy_as_often_as_the_run_says_and_no_two_slots_meet(configuration):
    for line in timelines(runs(configuration), machine(configuration)):
        if len(line.run.log) < line.run.simulated:
            continue
        for resource in line.program.resources:
            own = [n for n, strand in enumerate(line.program.strands) if strand.resource == resource]
            rows = line.rows[np.isin(line.rows[:, STRAND], own)]
            rows = rows[np.argsort(rows[:, FIRST], kind="stable")]
            if resource in line.run.busy:
                assert rows[:, SLOTS].sum() == line.run.busy[resource]
                assert (rows[1:, FIRST] >= rows[:-1, END]).all()


@pytest.mark.parametrize("configuration", ["fusemax", "architecture", "cascade"])
def test_a_log_with_gaps_is_part_of_the_whole_log(configuration):
    whole, parts = line_of(configuration), line_of(configuration, skip=True)
    assert len(parts.stretches) > 1
    assert parts.stretches[-1][1] == parts.end == whole.end
    rows = set(map(tuple, whole.run.log.tolist()))
    for first, end in parts.stretches:
        inside = (parts.run.log[:, 4] >= first) & (parts.run.log[:, 4] < end)
        assert inside.any()
    assert set(map(tuple, parts.run.log.tolist())) <= rows


def test_runs_follow_one_another():
    lines = timelines(runs("unfused"), machine("unfused"))
    assert [line.begin for line in lines] == [0, *np.cumsum([run.cycles for run in runs("unfused")])[:-1]]
    assert all(line.begin <= line.rows[:, FIRST].min() for line in lines)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_steady_windows_are_in_the_log_and_as_long_as_asked(configuration):
    for line in timelines(runs(configuration), machine(configuration)):
        first, end = line.steady(2)
        assert line.begin <= first < end <= line.end
        assert end - first <= 2 * line.period
        assert first in line.starts.values()


def test_a_whole_tile_goes_from_the_first_slot_of_an_epoch_to_the_last():
    line = line_of("fusemax")
    first, end = line.whole_tile()
    epoch = next(epoch for epoch, cycle in line.starts.items() if cycle == first)
    assert end == max(bar.end for bar in line.bars() if bar.epoch == epoch)


def test_an_empty_log_is_refused():
    with pytest.raises(SpecError, match="nothing in its log"):
        timelines(runs("fusemax", skip=True, log=0), machine("fusemax"))


def test_gaps_are_what_stretches_leave():
    assert gaps((0, 10), [(0, 4), (6, 10)]) == [(4, 6)]
    assert gaps((5, 20), [(0, 4), (6, 10), (30, 40)]) == [(5, 6), (10, 20)]
    assert gaps((2, 3), [(0, 10)]) == []
