"""Synthesis into a library of seven cells whose areas are easy to add up (tiny.lib), so that sums are known by hand."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from einsim.errors import SpecError, ToolError
from einsim.report.area import area_record, area_report
from einsim.rtl import liberty, library, timing, yosys
from einsim.rtl.liberty import parse_liberty, read_liberty
from einsim.rtl.synthesis import as_overrides, synthesise
from einsim.rtl.timing import ABSENT, Timing, critical_path
from einsim.rtl.verilog import PIPE, module
from einsim.spec.architecture import Array

TINY = Path(__file__).with_name("tiny.lib")  # INV 1, NAND2 2, NOR2 3, BUF 4, XOR2 5, MUX2 7, DFF 10

FLIP = module("flip", "a exclusive or b.", [], "module %name (input logic a, b, output logic y);\n"
              "  assign y = a ^ b;\nendmodule")  # fmt: skip
HOLD = module("hold", "a bit, kept.", [], "module %name #(parameter int WIDTH = 1) (input logic clk,\n"
              "  input logic [WIDTH-1:0] d, output logic [WIDTH-1:0] q);\n"
              "  always_ff @(posedge clk) q <= d;\nendmodule")  # fmt: skip
LANE = module("lane", "two flips, and three bits kept.", [], "module %name (input logic clk, input logic [3:0] a,\n"
              "  output logic [2:0] q);\n  logic [1:0] y;\n"
              "  flip low (.a(a[0]), .b(a[1]), .y(y[0]));\n  flip high (.a(a[2]), .b(a[3]), .y(y[1]));\n"
              "  hold #(.WIDTH(3)) kept (.clk, .d({~a[0], y}), .q);\nendmodule", [FLIP, HOLD])  # fmt: skip
ROW = module("row", "four lanes, and a flip.", [], "module %name (input logic clk, input logic [3:0][3:0] a,\n"
             "  output logic [3:0][2:0] q, output logic odd);\n"
             "  for (genvar i = 0; i < 4; i++) begin : g_lanes\n"
             "    lane each (.clk, .a(a[i]), .q(q[i]));\n  end\n"
             "  flip both (.a(q[0][0]), .b(q[3][0]), .y(odd));\nendmodule", [FLIP, LANE])  # fmt: skip
LANE_AREA = 1 + 2 * 5 + 3 * 10
ROW_AREA = 4 * LANE_AREA + 5

# What OpenSTA 2.0.17 prints for a clocked and a combinational design.
STA = """Startpoint: kept/q[2]_reg
            (rising edge-triggered flip-flop clocked by clock)
Endpoint: odd (output port clocked by clock)
Path Group: clock
            data required time
            -0.200000   data arrival time
---------------------------------------------------------
              1.800000   slack (MET)
"""


@pytest.fixture(scope="module")
def folder(builds):
    return builds / "synthesis"


@pytest.fixture(scope="module")
def row(folder):
    return synthesise([ROW], "row", liberty=TINY, folder=folder)


def complaint(action, kind=ToolError) -> str:
    with pytest.raises(kind) as error:
        action()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_parts_hold_what_is_their_own(row):
    assert {name: (dict(part.cells), dict(part.children)) for name, part in row.parts.items()} == {
        "flip": ({"XOR2": 1}, {}),
        "hold #(WIDTH=3)": ({"DFF": 3}, {}),
        "lane": ({"INV": 1}, {"flip": 2, "hold #(WIDTH=3)": 1}),
        "row": ({}, {"flip": 1, "lane": 4}),
    }
    assert {name: part.area_um2 for name, part in row.parts.items()} == {
        "flip": 5, "hold #(WIDTH=3)": 30, "lane": 1, "row": 0,
    }  # fmt: skip
    assert row.parts["hold #(WIDTH=3)"].module == "hold"


def test_roll_up(row):
    assert row.instances() == {"row": 1, "lane": 4, "flip": 9, "hold #(WIDTH=3)": 4}
    assert row.area() == ROW_AREA
    assert row.area("lane") == LANE_AREA
    assert (row.flip_flops(), row.flip_flops("lane"), row.flip_flops("flip")) == (12, 3, 0)


def test_scaling(row):
    areas = row.scaled({"lane": 256, "flip": 65536})
    assert areas == {"lane": 256, "flip": (512 + 65536) * 5, "hold #(WIDTH=3)": 256 * 30}
    assert sum(areas.values()) == 256 * LANE_AREA + 65536 * 5


def test_unknown_part(row):
    assert complaint(lambda: row.area("lan"), SpecError) == "row has no part 'lan'; did you mean 'lane'?"


def test_unknown_top(folder):
    action = lambda: synthesise([ROW], "rows", liberty=TINY, folder=folder)  # noqa: E731
    assert complaint(action, SpecError) == "no module 'rows' to synthesise; did you mean 'row'?"


@pytest.mark.parametrize(
    "name",
    ["int8_mac_int32", "bf16_exp_fp32_macro", "bf16_exp_fp32", "bf16_div", "fp16_macadd_fp32", "fp32_compare",
     "fp32_max", "fp32_to_fp16", "einsim_pipe"],
)  # fmt: skip
def test_library_synthesises_without_latches(name, folder):
    """Modules that have every construct of the generated text between them."""
    made = synthesise(library.modules(), name, liberty=TINY, folder=folder)
    assert (made.area() > 0) == (name != "einsim_pipe")
    assert (made.flip_flops() > 0) == (name == "bf16_exp_fp32_macro")


def test_registers_of_a_pipe(folder):
    text = "module %name (input logic clk, enable, input logic [7:0] d, output logic [7:0] q);\n"
    text += "  einsim_pipe #(.WIDTH(8), .LATENCY(3)) delay (.*);\nendmodule"
    made = synthesise([module("delayed", "d, later.", [], text, [PIPE])], "delayed", liberty=TINY, folder=folder)
    assert made.parts["einsim_pipe #(LATENCY=3, WIDTH=8)"].flip_flops == 24
    assert 24 * (10 + 7) <= made.area() <= 24 * (10 + 7) + 60  # enables are multiplexers, in whatever cells


@pytest.mark.parametrize("block", ["always_comb if (a) q = 1'b1;", "always @* if (a) q = b;"])
def test_latches_are_refused(block, folder):
    part = module(
        "latched", "a latch.", [], "module %name (input logic a, b, output logic q);\n  " + block + "\nendmodule"
    )
    words = complaint(lambda: synthesise([part], "latched", liberty=TINY, folder=folder))
    assert words.startswith("latched holds a latch: ")
    assert words.endswith("; assign the signal whatever the conditions, or on a clock")


def test_latches_are_refused_where_the_library_has_one(folder, tmp_path):
    cell = """cell (HELD) { area : 9; latch (IQ, IQN) { enable : "G"; data_in : "D"; }
      pin (G) { direction : input; } pin (D) { direction : input; }
      pin (Q) { direction : output; function : "IQ"; } }"""
    other = tmp_path / "other.lib"
    other.write_text(TINY.read_text().rstrip().removesuffix("}") + cell + "\n}\n")
    text = "module %name (input logic a, b, output logic q);\n  always @* if (a) q = b;\nendmodule"
    held = module("held", "a latch.", [], text)
    words = complaint(lambda: synthesise([held], "held", liberty=other, folder=folder))
    assert words == "held holds a latch: cell HELD; assign the signal whatever the conditions, or on a clock"


def test_rejected_design(folder):
    part = module("broken", "nothing.", [], "module %name (input logic a);\n  assign nowhere = a +;\nendmodule")
    words = complaint(lambda: synthesise([part], "broken", liberty=TINY, folder=folder))
    assert words.startswith("Yosys rejects broken: broken.sv:4: ")


def test_cell_that_the_library_lacks(folder):
    text = "module %name (input logic clk, reset, d, output logic q);\n  always_ff @(posedge clk, posedge reset)\n"
    text += "    if (reset) q <= 1'b0; else q <= d;\nendmodule"
    late = module("late", "a bit that resets at once.", [], text)
    assert "_DFF_" in complaint(lambda: synthesise([late], "late", liberty=TINY, folder=folder))


def test_second_call_starts_nothing(row, folder, monkeypatch):
    monkeypatch.setattr(yosys.subprocess, "Popen", None)
    assert synthesise([ROW], "row", liberty=TINY, folder=folder) == row


def test_another_library_is_another_result(row, folder, tmp_path):
    other = tmp_path / "other.lib.gz"
    other.write_bytes(gzip.compress(TINY.read_bytes().replace(b"area : 10;", b"area : 20;")))
    assert synthesise([ROW], "row", liberty=other, folder=folder).area() == ROW_AREA + 12 * 10
    assert synthesise([ROW], "row", liberty=TINY, folder=folder).area() == ROW_AREA


def test_several_processes_at_a_time(tmp_path):
    script = (
        "import sys; from pathlib import Path; from tests.rtl.test_synthesis import ROW, TINY, synthesise;"
        "print(synthesise([ROW], 'row', liberty=TINY, folder=Path(sys.argv[1])).area())"
    )
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [float(each.communicate(timeout=120)[0]) for each in started] == [ROW_AREA] * 3
    assert len(list(tmp_path.glob("row-*"))) == 1


def test_interruption_ends_yosys_too(tmp_path, monkeypatch):
    monkeypatch.setattr(yosys, "_RUN", "import time, os; print(os.getpid(), flush=True); time.sleep(600)")
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    with pytest.raises(KeyboardInterrupt):
        synthesise([FLIP], "flip", liberty=TINY, folder=tmp_path)
    process = int(next(tmp_path.glob("flip-*/yosys.log")).read_text())
    time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_missing_yosys(tmp_path, monkeypatch):
    monkeypatch.setattr(yosys.importlib.util, "find_spec", lambda _: None)
    assert complaint(lambda: synthesise([FLIP], "flip", liberty=TINY, folder=tmp_path)) == (
        "synthesis is done by Yosys, which is missing: no package 'pyosys'; pip install 'einsim[synthesis]'"
    )


def test_no_library(tmp_path, monkeypatch):
    monkeypatch.setattr(liberty, "DEFAULT", tmp_path / "none.lib")
    assert complaint(lambda: synthesise([FLIP], "flip", folder=tmp_path)) == (
        "synthesis needs a Liberty file of standard cells, and none is installed; Debian: apt install "
        "qflow-tech-osu018; or name one with --liberty FILE"
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"module a; endmodule", "is no Liberty file: it has no library group"),
        (b"\x1f\x8bnot gzip", "cannot be read: "),
        (b"library (l) { cell (A) { pin (Y) { } } }", "cell A has no area"),
        (b"library (l) { cell (A) { area : 1; pin (Y) { function : \"A\"; } } }", "library l has no inverter"),
        (b"library (l) { cell (A) { area : 1; pin (Y) { function : \"!A\"; } } }", "library l has no buffer"),
    ],
)  # fmt: skip
def test_no_liberty_file(data, words, tmp_path):
    file = tmp_path / "some.lib"
    if data is not None:
        file.write_bytes(data)
    assert complaint(lambda: read_liberty(file)).startswith(f"{file}: {words}")


def test_reading_liberty():
    read = parse_liberty(TINY.read_text())
    assert read.name == "tiny"
    assert {name: cell.area_um2 for name, cell in read.cells.items()} == {
        "INV": 1, "NAND2": 2, "NOR2": 3, "BUF": 4, "XOR2": 5, "MUX2": 7, "DFF": 10,
    }  # fmt: skip
    assert [name for name, cell in read.cells.items() if cell.flip_flop] == ["DFF"]
    assert read.inverter.name == "INV"


def test_quotes_and_comments_in_liberty():
    text = """library ("a.b") { wire_load("W") { area : 99; } /* cell (OLD) { area : 1; } */
      cell ("N") { area : 2.5e+0; pin(Y) { function : "(A)'"; } } cell("B") { area:"3"; pin(Y) { function : "A"; } }
      cell (I) { area : 1; pin(Y) { function : "(!A)"; } }
      cell (L) { area : 4; latch (IQ,IQN) { enable : "G"; } pin (Q) { function : "IQ"; } } }"""
    read = parse_liberty(text)
    assert (read.name, read.inverter.name) == ("a.b", "I")
    assert {name: cell.area_um2 for name, cell in read.cells.items()} == {"N": 2.5, "B": 3, "I": 1, "L": 4}
    assert [name for name, cell in read.cells.items() if cell.latch] == ["L"]


ARRAY = Array.model_validate(
    {
        "lanes": 4,
        "registers": {"name": "r", "depth_words": 1, "read_energy_pj": 1, "write_energy_pj": 1, "area_um2": 1e6},
        "operations": {"mac": {"area_um2": 1e6}, "add": {"area_um2": 1e6}, "max": {}, "exp": {"macro": {"mac": 6}}},
    }
)


def test_overrides_share_out_an_element(row):
    made = as_overrides(row, "array1d", ARRAY, {"mac": "lane", "add": "lane", "max": "flip"})
    assert made == {
        "arrays": {
            "array1d": {
                "registers": {"area_um2": 0},
                "operations": {
                    "mac": {"area_um2": 4 * LANE_AREA}, "add": {"area_um2": 0}, "max": {"area_um2": 5},
                },
            }
        }
    }  # fmt: skip
    assert yaml.safe_load(yaml.safe_dump(made)) == made


def test_overrides_find_units_of_any_parameters(row):
    operations = as_overrides(row, "a", ARRAY, {"max": "hold"})["arrays"]["a"]
    assert operations["operations"] == {"mac": {"area_um2": 0}, "add": {"area_um2": 0}, "max": {"area_um2": 120}}
    assert operations["registers"] == {"area_um2": ROW_AREA - 120}


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ({"exp": "lane"}, "a has no unit for 'exp'; known: add, mac, max"),
        ({"mac": "flap"}, "row has no 'flap' for mac, or only inside another unit; did you mean 'flip'?"),
        (
            {"mac": "lane", "max": "hold"},
            "row has no 'hold' for max, or only inside another unit; known: flip, lane, row",
        ),
    ],
)
def test_overrides_refuse(row, units, words):
    assert complaint(lambda: as_overrides(row, "a", ARRAY, units), SpecError) == words


def fake_sta(tmp_path, monkeypatch, printed):
    """An OpenSTA that prints this."""
    program = tmp_path / "sta"
    (tmp_path / "printed").write_text(printed)
    program.write_text(f"#!/bin/sh\n/bin/cat {tmp_path / 'printed'}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_timing_is_read(row, tmp_path, monkeypatch):
    fake_sta(tmp_path, monkeypatch, STA)
    assert critical_path(row, clock_ns=2.0) == Timing("kept/q[2]_reg", "odd", 0.2, 2.0)
    script = row.netlist.with_name("timing.tcl").read_text()
    assert "create_clock -name clock -period 2.0 [get_ports clk]\n" in script
    assert "link_design row\n" in script


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ("Error: timed.v, line 3 syntax error, unexpected ID.\n" + STA,
         "OpenSTA rejects the netlist of row: Error: timed.v, line 3 syntax error, unexpected ID."),
        ("Warning: timed.v, module X not found.  Creating black box for _1_.\n" + STA,
         "OpenSTA rejects the netlist of row: Warning: timed.v, module X not found.  Creating black box for _1_."),
        ("No paths found.\n", "OpenSTA finds no path in row"),
    ],
)  # fmt: skip
def test_timing_goes_on_after_no_error(row, printed, words, tmp_path, monkeypatch):
    fake_sta(tmp_path, monkeypatch, printed)
    assert complaint(lambda: critical_path(row, clock_ns=2.0)) == words


def test_timing_needs_opensta(row, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert critical_path(row, clock_ns=2.0) is None


def test_nothing_is_signed_for_timing():
    assert timing._SIGNED.sub(r"\1", "  input signed [8:0] whole;\n  wire signed a;\n  X signed_one (signed);\n") == (
        "  input [8:0] whole;\n  wire a;\n  X signed_one (signed);\n"
    )


def test_timing_by_opensta(row, folder):
    """A flip-flop, a gate: 0.1 ns each; an input, a gate, and the setup time, 0.05 ns. Of no OpenSTA, nothing."""
    whole = critical_path(row, clock_ns=2.0)
    if shutil.which("sta") is None:
        assert whole is None
        return
    assert whole.start in {"g_lanes[0].each/kept/q[0]_reg", "g_lanes[3].each/kept/q[0]_reg"}
    assert (whole.end, whole.critical_ns, whole.slack_ns) == ("odd", 0.2, 1.8)
    lane = critical_path(synthesise([ROW], "lane", liberty=TINY, folder=folder), clock_ns=0.1)
    assert (lane.critical_ns, round(lane.slack_ns, 9)) == (0.15, -0.05)
    assert lane.end in {"kept/q[0]_reg", "kept/q[1]_reg", "kept/q[2]_reg"}
    signed_ports = synthesise(library.modules(), "int8_mac_int32", liberty=TINY, folder=folder)
    assert critical_path(signed_ports, clock_ns=2.0).critical_ns > 1


def test_the_default_library(folder):
    """OSU018, or how to get it."""
    if not liberty.DEFAULT.exists():
        assert "apt install qflow-tech-osu018" in complaint(
            lambda: synthesise(library.modules(), "int8_mac_int32", folder=folder)
        )
        return
    made = synthesise(library.modules(), "int8_mac_int32", folder=folder)
    assert made.liberty.name == "osu018_stdcells"
    assert 10_000 < made.area() < 20_000


def shown(renderable) -> str:
    console = Console(width=140, height=1, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(renderable)
        return console.export_text()


def test_report(row):
    assert [line.rstrip() for line in shown(area_report(row, Timing("a", "b", 0.2, 2.0))).splitlines()] == [
        "row: 169.0 µm² of standard cells (tiny)",
        "module           instances  own area, µm²  flip-flops  total, µm²  share",
        "hold #(WIDTH=3)          4           30.0           3       120.0  71.0%",
        "flip                     9            5.0           0        45.0  26.6%",
        "lane                     4            1.0           0         4.0   2.4%",
        "",
        "critical path 0.2 ns (5 GHz), from a to b: 1.8 ns left of the clock's 2 ns",
    ]


def test_report_of_a_machine_without_timing(row):
    words = shown(area_report(row, None, {"lane": 1000}))
    assert words.startswith("1,000 lane: 41,000.0 µm² of standard cells (tiny)")
    assert words.rstrip().endswith(ABSENT)
    assert "0.3 ns longer than the clock's 0.1 ns" in shown(area_report(row, Timing("a", "b", 0.4, 0.1)))


def test_record(row):
    record = json.loads(json.dumps(area_record(row, Timing("a", "b", 0.25, 2.0))))
    assert record["area_um2"] == ROW_AREA == sum(part["total_um2"] for part in record["parts"])
    assert record["flip_flops"] == 12
    assert sum(part["share"] for part in record["parts"]) == pytest.approx(1)
    assert record["parts"][1] == {
        "part": "flip", "instances": 9, "own_area_um2": 5, "total_um2": 45, "share": 45 / ROW_AREA, "flip_flops": 0,
        "cells": {"XOR2": 1},
    }  # fmt: skip
    assert record["timing"] == {"critical_ns": 0.25, "start": "a", "end": "b", "clock_ns": 2.0, "slack_ns": 1.75}
    assert area_record(row, None)["timing"] is None
