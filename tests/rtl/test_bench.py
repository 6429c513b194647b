"""Clocked units under cocotb: bench_exp.py, in one small simulation."""

from einsim.rtl.macro import Exponential
from einsim.rtl.verilator import run_bench
from einsim.rtl.verilog import closure, module

from .bench_exp import DIVIDE, DIVIDE_LATENCY, EXP, MAC, MAC_LATENCY
from .mutants import broken
from .operands import EXHAUSTIVE

TOP = """
module %name (
  input  logic clk,
  input  logic reset,
  input  logic enable,
  input  logic start,
  input  logic [31:0] a,
  input  logic [31:0] b,
  input  logic [31:0] c,
  output logic ready,
  output logic done,
  output logic [31:0] macro_result,
  output logic [31:0] piped_result,
  output logic [31:0] mac_result,
  output logic [31:0] divide_result
);
  %exp_macro macro (.*, .result(macro_result));
  %exp #(.LATENCY(1)) piped (.*, .result(piped_result));
  %mac #(.LATENCY(%{mac_latency})) mac (.*, .a(a[15:0]), .b(b[15:0]), .result(mac_result));
  %divide #(.LATENCY(%{divide_latency})) divide (.*, .result(divide_result));
endmodule
"""


def bench_top():
    assert isinstance(EXP, Exponential)
    parts = [EXP.macro_module(), EXP.module(), MAC.module(), DIVIDE.module()]
    names = dict(zip(("exp_macro", "exp", "mac", "divide"), (part.name for part in parts), strict=True))
    return module(
        "exp_bench", "clocked units side by side.", [], TOP, parts,
        mac_latency=MAC_LATENCY, divide_latency=DIVIDE_LATENCY, **names,
    )  # fmt: skip


def test_protocol(builds):
    """Seeds are printed; a failing one is reproduced by writing it here."""
    for seed in range(1, 21 if EXHAUSTIVE else 2):
        result = run_bench(closure([bench_top()]), "tests.rtl.bench_exp", builds / "bench", seed=seed)
        assert (result.tests, result.failures) == (3, 0), f"seed {seed}\n{result.log}"


def test_broken_sequence_is_caught(builds):
    """A macro-operation that ends a step early fails one test, register stages that are skipped another."""
    top = broken(bench_top(), "bf16_exp_fp32_macro", "done <= step == 3'd6", "done <= step == 3'd5")
    top = broken(top, "einsim_pipe", "stages[i] <= stages[i-1]", "stages[i] <= d")
    result = run_bench(closure([top]), "tests.rtl.bench_exp", builds / "broken", seed=1)
    assert (result.tests, result.failures) == (3, 2), result.log
    assert [name for name in ("macro_operation", "pipeline", "latencies") if f"{name} failed" in result.log] == [
        "macro_operation", "latencies",
    ]  # fmt: skip
