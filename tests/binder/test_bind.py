"""Bindings of real cascades: what the binder finds, and what the cycle model makes of its files."""

import re

import pytest
import yaml

from einsim.binder.bind import bind
from einsim.binder.solver import Order
from einsim.binder.starts import from_cascade, from_mapping
from einsim.cascade import operations
from einsim.model.cycle.evaluation import simulate_design
from einsim.spec.configuration import load_design
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload
from tests.cli.commands import einsim, refused

ONE_PASS = "attention-1pass"
HALF_THE_LANES = {"lanes: 256": "lanes: 128"}
SLOW_MACS = {"mac: {cycles: 1}": "mac: {cycles: 1, latency: 2}"}


def machine(tmp_path, changes: dict[str, str]) -> str:
    """FuseMax's machine, changed."""
    from einsim.spec import library

    text = library.find("architecture", "fusemax").read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "machine.yaml"
    path.write_text(text)
    return str(path)


def steady(text: str, tmp_path, sizes: dict[str, int], *changes: str) -> float:
    """Cycles an epoch of a binding file, from two runs of which one is twice as long."""
    path = tmp_path / "bound.yaml"
    path.write_text(text)
    runs = []
    for times in (1, 2):
        longer = {**sizes, "M": times * sizes["M"]}
        overrides = [parse_override(change) for change in changes]
        simulation = simulate_design(load_design(str(path), Workload(tuple(longer.items())), overrides=overrides))
        assert simulation.feasible, simulation.shortfalls
        runs.append(simulation.runs[0])
    short, long = runs
    return (long.cycles - short.cycles) / (long.epochs - short.epochs)


def test_the_published_interval_from_the_cascade_and_the_machine_alone(tmp_path):
    found = bind(from_cascade(ONE_PASS, "fusemax", {"E": 64, "F": 64}, Order.INTERLEAVED), 6)
    assert (found.interval, found.least, found.proved) == (138, 138, True)
    assert (found.bounds.resource, found.bounds.recurrence) == (138, 65)
    published = from_mapping("fusemax", None, {"E": 64, "F": 64}, Order.INTERLEAVED).assignment
    assert found.assignment == published
    assert steady(found.text, tmp_path, {"E": 64, "F": 64, "M": 16384, "P": 16384}) == 138


def test_no_assignment_has_a_smaller_bound_than_138():
    """All of them, one by one: what moves to the 2D array makes that one the busiest."""
    found = bind(from_cascade(ONE_PASS, "fusemax", {"E": 64, "F": 64}, Order.INTERLEAVED), 1)
    slots = found.choices.slots
    free = [name for name, each in slots.items() if len(each) > 1]
    assert len(free) == 11
    for chosen in range(1 << len(free)):
        assignment = dict(found.assignment)
        assignment |= {name: sorted(slots[name])[chosen >> n & 1] for n, name in enumerate(free)}
        assert found.choices.bound(assignment) >= 138
    assert float(found.split) == 137.5


@pytest.mark.parametrize(("mapping", "cycles"), [("fusemax", 138), ("architecture", 202 + 256), ("cascade", 1157)])
def test_the_paper_s_three_steps_are_phases(mapping, cycles):
    """Published cycles a tile (Nayak et al., MICRO 2024): phases one after the other, drains as stated."""
    found = bind(from_mapping(mapping, None, {"E": 64, "F": 64}, Order.PHASES, ideal=True), 60)
    assert (found.interval, found.proved) == (cycles, True)
    assert "pipeline" not in yaml.safe_load(found.text)  # made for a machine without delays


def test_one_tile_at_a_time():
    """Down the columns (256), up (256), down (256) twice over, and what is done in between."""
    start = from_mapping("architecture", None, {"E": 64, "F": 64}, Order.SINGLE, free=False)
    found = bind(start, 60)
    graph = found.pipelined.graph
    assert found.proved
    assert found.interval == 946
    for need in graph.needs:
        assert need.distance or found.interval > need.delay
    assert all(0 <= at[0] <= at[-1] < found.interval for at in found.pipelined.plan.at)


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({}, {"E": 32, "F": 32}),
        ({}, {"E": 128, "F": 64}),
        ({}, {"E": 64, "F": 80}),
        (HALF_THE_LANES, {"E": 32, "F": 32}),
        (SLOW_MACS, {"E": 64, "F": 64}),
        ({"depth_words: 12": "depth_words: 6"}, {"E": 64, "F": 64}),
    ],
)
def test_the_cycle_model_keeps_up_with_the_plan(tmp_path, changes, sizes):
    arch = machine(tmp_path, changes)
    found = bind(from_cascade(ONE_PASS, arch, sizes, Order.INTERLEAVED), 5)
    whole = {**sizes, "M": 16384, "P": 16384}
    measured = steady(found.text, tmp_path, whole, "arch.dram.bandwidth_bytes_per_s=null")  # the arrays alone
    assert found.least <= found.interval
    epochs = 64 * 64  # more of them in the longer run; slots that run early may cost it less than one interval in all
    assert measured * epochs < (epochs + 1) * found.interval
    if found.proved and found.interval == found.bounds.least:
        assert measured == found.interval == steady(found.text, tmp_path, whole)
    assert {array: slots for array, slots in found.choices.loads(found.assignment).items() if slots} == (
        found.pipelined.graph.used
    )
    for name, array in found.assignment.items():
        einsum_of = found.start.cascade.einsum(name)
        assert {*operations(einsum_of)} <= {*found.start.machine.arrays[array].operations}


def test_an_assignment_that_the_paper_does_not_use(tmp_path):
    """Where a head's values are wider than its keys, the lanes are the bottleneck, and small Einsums move."""
    sizes = {"E": 64, "F": 80}
    fixed = bind(from_cascade(ONE_PASS, "fusemax", sizes, Order.INTERLEAVED, free=False), 4)
    free = bind(from_cascade(ONE_PASS, "fusemax", sizes, Order.INTERLEAVED), 15)
    assert fixed.interval >= 2 * 80 + 10 == fixed.bounds.resource
    assert free.interval < fixed.interval
    assert steady(free.text, tmp_path, {**sizes, "M": 16384, "P": 16384}) == free.interval


def test_better_than_the_heuristic(tmp_path):
    """+Cascade's lanes are full, and 16 words hold what is in flight: 1157, where the heuristic takes 1211."""
    found = bind(from_mapping("cascade", None, {"E": 64, "F": 64}, Order.INTERLEAVED, free=False), 60)
    assert (found.interval, found.proved, found.heuristic) == (1157, True, 1211)
    sizes = {"B": 1, "H": 1, "E": 64, "F": 64, "M": 16384, "P": 16384}
    assert steady(found.text, tmp_path, sizes) == 1157


def test_a_plan_that_waits_at_a_port_is_not_taken_at_its_word(tmp_path):
    """More rows are written a tile than a port takes in the heuristic's 138 cycles."""
    sizes = {"H": 64, "E": 64, "F": 64, "SINK": 64}
    found = bind(from_cascade("moa-online", "fusemax", sizes, Order.INTERLEAVED, free=False), 6)
    assert found.heuristic == 138 < found.bounds.resource <= found.least <= found.interval
    assert found.measured <= found.interval


# Files that say something else.


@pytest.fixture(scope="module")
def bound(tmp_path_factory):
    path = tmp_path_factory.mktemp("bound") / "bound.yaml"
    outcome = einsim("bind", ONE_PASS, "--arch", "fusemax", "--shape", "E=64,F=64", "--seconds", "5", "--json",
                     "--out", str(path))  # fmt: skip
    assert outcome.code == 0
    return outcome.json, path


def run(path, tmp_path, change, shape: str = "E=64,F=64,M=16K,P=16K"):
    data = yaml.safe_load(path.read_text())
    change(data)
    other = tmp_path / "changed.yaml"
    other.write_text(yaml.safe_dump(data, sort_keys=False))
    return ("simulate", str(other), "--shape", shape)


def test_the_record(bound):
    record, path = bound
    assert record["binding"] == path.read_text()
    assert {"initiation_interval": 138, "resource_bound": 138, "recurrence_bound": 65, "proved": True,
            "lower_bound": 138, "simulated_interval": 138, "split_bound": 137.5}.items() <= record.items()  # fmt: skip
    assert record["slots"] == {"array1d": 138, "array2d": 137}
    assert {name: len(at) for name, at in record["cycles"].items()} == {
        name: record["slots_by_array"][name][record["assignment"][name]] for name in record["cycles"]
    }


def test_as_it_is(bound, tmp_path):
    assert einsim(*run(bound[1], tmp_path, lambda data: None), "--json").json["feasible"]


def test_a_wrong_interval(bound, tmp_path):
    def shorter(data):
        data["pipeline"][0]["interval"] = 137

    message = refused(*run(bound[1], tmp_path, shorter), parts=("pipeline", "137"))
    assert re.search(r"\w+ in cycle \d+ and \w+ in cycle \d+ meet on array\dd|\w+ in cycle \d+ needs \w+", message)


def test_a_reader_before_its_source(bound, tmp_path):
    def early(data):
        data["pipeline"][0]["cycles"]["RM"] = [data["pipeline"][0]["cycles"]["RM"][0] - 138]

    message = refused(*run(bound[1], tmp_path, early), parts=("changed.yaml:",))
    assert re.search(r"RM in cycle \d+ needs LM of cycle \d+, which is there from cycle \d+ on", message)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda data: data["pipeline"][0]["cycles"].pop("RM"), ("no cycles of RM",)),
        (lambda data: data["pipeline"][0]["cycles"].update(XX=[1]), ("unknown Einsum 'XX'",)),
        (lambda data: data["pipeline"][0]["cycles"].update(LM=[136, 137]), ("2 cycles of LM", "takes 1")),
        (lambda data: data["pipeline"][0]["cycles"].update(SLN=["900..660"]), ("0 cycles of SLN",)),
        (lambda data: data["pipeline"][0]["cycles"].update(LM=["1-2"]), ("pipeline.0.cycles.LM",)),
        (lambda data: data["pipeline"][0]["cycles"].update(AV=[1]), ("AV is not in every epoch",)),
        (lambda data: data["pipeline"][0]["cycles"].update(SLN=["650..1250 by 100"]), ("longer than the interval",)),
        (lambda data: data.update(timing="phases"), ("two orders",)),
        (lambda data: data["pipeline"].append(data["pipeline"][0]), ("in two pipelines",)),
    ],
)
def test_wrong_files(bound, tmp_path, change, parts):
    refused(*run(bound[1], tmp_path, change), parts=parts)


def test_other_sizes_and_machines(bound, tmp_path):
    refused(
        *run(bound[1], tmp_path, lambda data: None, "E=32,F=64,M=16K,P=16K"), parts=("64 cycles of BQK", "takes 32")
    )
    slower = (*run(bound[1], tmp_path, lambda data: None), "--set", "arch.array2d.operations.mac.latency=3")
    refused(*slower, parts=("pipeline",))


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("bind", "--shape", "E=64"), ("--mapping",)),
        (("bind", "nowhere", "--arch", "fusemax", "--shape", "E=64,F=64"), ("unknown cascade 'nowhere'",)),
        (("bind", ONE_PASS, "--arch", "nowhere", "--shape", "E=64,F=64"), ("unknown architecture",)),
        (("bind", ONE_PASS, "--arch", "fusemax", "--shape", "E=64"), ("no size for F",)),
        (("bind", ONE_PASS, "--arch", "fusemax", "--shape", "E=64,F=0"), ("F",)),
        (("bind", ONE_PASS, "--arch", "fusemax", "--shape", "E=64,F=64", "--seconds", "-1"), ("--seconds",)),
        (("bind", ONE_PASS, "--arch", "fusemax", "--shape", "E=64,F=64", "--order", "phases"), ("no phases",)),
        (("bind", ONE_PASS, "--arch", "fusemax", "--shape", "E=64,F=64", "--out", "no/such/file"), ("no folder",)),
        (("bind", "attention-3pass", "--arch", "fusemax", "--shape", "E=64,F=64"), ("what a tile is",)),
        (("bind", "attention-3pass", "--mapping", "fusemax", "--shape", "E=64,F=64"), ("maps attention-1pass",)),
        (("bind", "--mapping", "unfused", "--shape", "E=64,F=64"), ("one after another",)),
    ],
)
def test_bad_input(words, parts):
    refused(*words, parts=parts)


def test_for_people(bound):
    outcome = einsim("bind", ONE_PASS, "--arch", "fusemax", "--shape", "E=64,F=64", "--seconds", "3")
    assert outcome.code == 0
    assert "a tile every 138 cycles (interleaved); proved: no legal assignment is faster" in outcome.out
    assert re.search(r"SLNV +array2d +16,384 +64", outcome.out)


def test_without_the_solver(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ortools.sat.python.cp_model", None)
    refused("bind", ONE_PASS, "--arch", "fusemax", "--shape", "E=64,F=64", parts=("einsim[search]",))
