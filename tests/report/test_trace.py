"""Traces: what the format asks for, and what runs did."""

import json
from collections import defaultdict
from functools import lru_cache
from itertools import pairwise

import pytest

from einsim.report.trace import MACHINE, MEMORIES, STRANDS, trace
from tests.report.runs import CONFIGURATIONS, machine, runs


@lru_cache
def read(configuration):
    """The trace as a reader of the file has it."""
    return json.loads(json.dumps(trace(runs(configuration), machine(configuration)), allow_nan=False))


def tracks(events):
    found = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            found[event["pid"], event["tid"]].append(event)
    return found


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_events_follow_the_format(configuration):
    document = read(configuration)
    assert set(document) == {"traceEvents", "displayTimeUnit", "otherData"}
    assert document["displayTimeUnit"] in {"ms", "ns"}
    for event in document["traceEvents"]:
        assert event["ph"] in {"X", "M", "C"}
        assert isinstance(event["name"], str)
        assert event["name"]
        assert all(isinstance(event[key], int) for key in ("pid", "tid", "ts"))
        assert event["ts"] >= 0
        assert isinstance(event["args"], dict)
        match event["ph"]:
            case "X":
                assert isinstance(event["dur"], int)
                assert event["dur"] > 0
            case "M":
                assert event["name"] in {"process_name", "process_sort_index", "thread_name", "thread_sort_index"}
            case "C":
                assert all(isinstance(value, int) and value >= 0 for value in event["args"].values())


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_slices_of_a_track_do_not_meet_and_every_track_has_a_name(configuration):
    events = read(configuration)["traceEvents"]
    named = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    for track, slices in tracks(events).items():
        assert track in named
        slices.sort(key=lambda event: event["ts"])
        assert all(one["ts"] + one["dur"] <= other["ts"] for one, other in pairwise(slices))


def test_a_track_for_each_resource_named_for_it():
    events = read("fusemax")["traceEvents"]
    names = [e["args"]["name"] for e in events if e["name"] == "thread_name" and e["pid"] == MACHINE]
    assert names == list(runs("fusemax")[0].program.resources)


@pytest.mark.parametrize("configuration", ["fusemax", "architecture", "unfused"])
def test_slices_of_strands_hold_every_slot(configuration):
    slots = defaultdict(int)
    for (process, _), slices in tracks(read(configuration)["traceEvents"]).items():
        for event in slices if process == STRANDS else ():
            slots[event["args"]["program"]] += event["args"]["slots"]
    for run in runs(configuration):
        if len(run.log) >= run.simulated:
            assert slots[run.program.name] == sum(run.slots(n) for n in range(len(run.program.strands)))


def test_slices_say_where_they_are():
    run = runs("fusemax")[0]
    trips = run.program.epochs.trips
    for (process, _), slices in tracks(read("fusemax")["traceEvents"]).items():
        for event in slices if process == STRANDS else ():
            what = event["args"]
            indices = [what[loop.rank] for loop in run.program.epochs.loops if loop.rank in what]
            number = 0
            for place, index in enumerate(indices):
                number = number * trips[place] + index
            inner = run.epochs
            for trip in trips[: len(indices)]:
                inner //= trip
            assert what["epoch"] // inner == number


def test_counters_say_what_the_buffer_holds():
    counts = [e for e in read("fusemax")["traceEvents"] if e["ph"] == "C"]
    assert {event["pid"] for event in counts} == {MEMORIES}
    assert max(sum(event["args"].values()) for event in counts) == runs("fusemax")[0].high_water["buffer"]


def test_the_clock_is_stated_and_time_is_in_cycles():
    document = read("unfused")
    assert document["otherData"]["clock_hz"] == machine("unfused").clock_hz
    end = max(event["ts"] + event["dur"] for event in document["traceEvents"] if event["ph"] == "X")
    assert end <= document["otherData"]["cycles"] == sum(run.cycles for run in runs("unfused"))


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_traces_stay_small(configuration):
    rows = sum(len(run.log) for run in runs(configuration))
    events = read(configuration)["traceEvents"]
    samples = sum(event["ph"] == "C" for event in events)
    assert len(events) - samples < 2000 + rows
    assert samples < 1000 + rows / 2
