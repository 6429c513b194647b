"""`einsim simulate`: what it prints, writes, and refuses."""

import json

import pytest

from tests.cli.commands import einsim, refused

SMALL = ["--shape", "B=1,H=2,E=8,F=8,M=64,P=64", "--set", "arch.array2d.rows=8", "--set", "arch.array2d.columns=8",
         "--set", "arch.array1d.lanes=8"]  # fmt: skip


def simulated(*more: str) -> dict:
    outcome = einsim("simulate", "fusemax", *SMALL, "--json", *more)
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_json_has_what_scripts_rely_on():
    record = simulated()
    keys = ("cycles", "latency_s", "util_2d", "util_1d", "traffic_bytes", "stalls", "high_water", "cycles_closed_form")
    assert set(keys) <= set(record)
    assert record["cycles"] > record["cycles_closed_form"]
    assert record["traffic_bytes"] == 2 * 2 * (64 * 8 * 4)  # Q, K, V, AV once each
    for array, stalls in record["stalls"].items():
        assert sum(stalls.values()) <= record["cycles"], array


def test_not_skipping_changes_nothing():
    one, other = simulated(), simulated("--no-skip")
    for record in (one, other):
        for program in record["programs"]:
            program.pop("simulated")
    assert one == other


def test_ideal_is_faster():
    assert simulated("--ideal")["cycles"] < simulated()["cycles"]


def test_the_table_says_where_cycles_go():
    outcome = einsim("simulate", "fusemax", *SMALL)
    for words in ("cycles", "closed form", "utilisation", "busy", "epochs behind", "BQK"):
        assert words in outcome.out


def test_pictures_and_trace_are_written(tmp_path):
    trace, waterfall, occupancy = (tmp_path / name for name in ("t.json", "w.svg", "o.png"))
    outcome = einsim("simulate", "fusemax", *SMALL, "--trace", str(trace), "--waterfall", str(waterfall),
                     "--occupancy", str(occupancy))  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert json.loads(trace.read_text())["traceEvents"]
    assert waterfall.read_text().startswith("<?xml")
    assert occupancy.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--set", "arch.array2d.mac={cycles: 1, latency: -1}"], 2, "latency must be greater than 0"),
        (["--set", "arch.array2d.mac={cycles: 0}"], 2, "cycles must be greater than 0"),
        (["--set", "arch.array2d.mac={cycles: 4, latency: 2}"], 2, "at least its cycles"),
        (["--set", "arch.array2d.mac={cycles: 1, latency: 2, feedback: 3}"], 2, "at most its latency"),
        (["--set", "arch.buffer.duplex=true"], 2, "buffer: only the outermost memory (dram) may be duplex"),
        (["--set", "arch.dram.duplex=7"], 2, "duplex"),
        (["--set", "arch.dram.bandwidth_bytes_per_s=0"], 2, "bandwidth_bytes_per_s must be greater than 0"),
        (["--set", "arch.dram.latency_cycles=-1"], 2, "latency_cycles must be at least 0"),
        (["--set", "arch.buffer.capacity_bytes=512"], 3, "infeasible: buffer"),
        (["--set", "arch.array2d.registers.depth_words=1"], 3, "infeasible: registers2d"),
        (["--max-issues", "10"], 3, "not over after 10 issues"),
        (["--max-issues", "0"], 2, "not positive"),
        (["--waterfall", "/nowhere/w.svg"], 2, "no folder"),
        (["--waterfall", "w.doc"], 2, "--waterfall"),
    ],
)
def test_bad_input_gets_one_message(more, code, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = einsim("simulate", "fusemax", *SMALL, *more)
    assert outcome.code == code
    assert words in outcome.out + outcome.err
    assert "Traceback" not in outcome.err


def test_more_slots_than_a_plan_lists_are_refused():
    shape = ("--shape", "B=1,H=1,E=100000000000,F=64,M=1024,P=1024")
    depth = ("--set", "arch.array2d.registers.depth_words=1000")
    refused("simulate", "fusemax", *shape, *depth, parts=("BQK takes 100,000,000,000 slots", "smaller tiles"))
