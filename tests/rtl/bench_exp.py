"""cocotb tests of clocked units, run in the simulator by test_bench.py: protocol, latencies, stalls and resets."""

import random
from collections import Counter, deque

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from einsim.rtl import library
from einsim.rtl.exponential import STEPS
from einsim.rtl.formats import FP32
from einsim.rtl.unpacked import encode

EXP, MAC, DIVIDE = (library.unit(name) for name in ("bf16_exp_fp32", "bf16_mac_fp32", "fp32_div"))
MAC_LATENCY, DIVIDE_LATENCY = 2, 3

KINDS = {
    "equal": lambda: (1.5, 1.5),
    "subnormal": lambda: (1e-40, 2e-41),
    "below": lambda: (random.uniform(-20, 0), random.uniform(0, 5)),
    "above": lambda: (random.uniform(0, 40), random.uniform(-40, 0)),
    "underflow": lambda: (random.uniform(-127, -100), 0.0),
    "overflow": lambda: (100.0, random.uniform(-27, 0)),
    "far below": lambda: (-random.uniform(200, 1e30), 0.0),
    "far above": lambda: (random.uniform(200, 1e30), 0.0),
    "nothing yet": lambda: (-np.inf, random.uniform(-5, 5)),
    "infinite": lambda: (np.inf, random.uniform(-5, 5)),
    "no number": lambda: (np.inf, np.inf),
}
SITUATIONS = ("after a gap", "back to back", "stalled", "after a reset")


def pattern(value) -> int:
    """fp32, with subnormals as they are."""
    return int(np.float32(value).view(np.uint32))


def golden(unit, *patterns) -> int:
    return int(unit.compute(*(np.array([each], np.uint32) for each in patterns))[0])


async def begin(dut):
    """Clock on, everything still, reset over; time stands at a falling edge, where inputs are set and outputs read."""
    Clock(dut.clk, 2, unit="ns").start()
    dut.reset.value, dut.enable.value, dut.start.value = 1, 1, 0
    for name in "abc":
        getattr(dut, name).value = 0
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.reset.value = 0


async def one_exp(dut, kind, situation) -> None:
    """One macro-operation; checks its protocol, its seven clocks and its result."""
    a, b = (pattern(value) for value in KINDS[kind]())
    if situation == "after a gap":
        for _ in range(random.randint(1, 4)):
            await FallingEdge(dut.clk)
    if situation == "after a reset":
        dut.start.value = 1
        for _ in range(random.randint(1, STEPS)):
            await FallingEdge(dut.clk)
        dut.reset.value = 1
        await FallingEdge(dut.clk)
        dut.reset.value = 0
        assert dut.done.value == 0
    assert dut.ready.value == 1
    dut.a.value, dut.b.value, dut.start.value = a, b, 1
    clocks = 0
    while clocks < STEPS:
        dut.enable.value = enabled = int(situation != "stalled" or random.random() < 0.5)
        await FallingEdge(dut.clk)
        clocks += enabled
        if clocks:
            # Operands and start are taken on the first clock; then they may change.
            dut.a.value, dut.b.value = random.getrandbits(32), random.getrandbits(32)
            dut.start.value = random.randint(0, 1) if clocks < STEPS else 0
        assert clocks == 0 or dut.done.value == dut.ready.value == (clocks == STEPS)
    dut.enable.value = 1
    assert int(dut.macro_result.value) == golden(EXP, a, b), (kind, situation, hex(a), hex(b))


@cocotb.test()
async def macro_operation(dut):
    """One addition and six multiply-accumulates: seven clocks whatever happens, and every kind in every situation."""
    await begin(dut)
    covered = Counter()
    bins = [(kind, situation) for kind in KINDS for situation in SITUATIONS] * 6
    random.shuffle(bins)
    for kind, situation in bins:
        await one_exp(dut, kind, situation)
        covered[kind, situation] += 1
    assert set(covered) == {(kind, situation) for kind in KINDS for situation in SITUATIONS}


@cocotb.test()
async def pipeline(dut):
    """One exp a clock; the result comes out seven clocks later, not counting stalls."""
    await begin(dut)
    under_way, seen = deque(), Counter()
    for _ in range(1500):
        kind = random.choice(list(KINDS))
        a, b = (pattern(value) for value in KINDS[kind]())
        dut.a.value, dut.b.value = a, b
        dut.enable.value = enabled = int(random.random() < 0.8)
        await FallingEdge(dut.clk)
        if enabled:
            under_way.append((kind, golden(EXP, a, b)))
        if len(under_way) > STEPS - 1:
            assert int(dut.piped_result.value) == under_way[-STEPS][1], under_way[-STEPS]
            seen[under_way[-STEPS][0], enabled] += 1
    assert set(seen) == {(kind, enabled) for kind in KINDS for enabled in (0, 1)}


@cocotb.test()
async def latencies(dut):
    """LATENCY register stages behind a result hold it back by as many clocks, and stand still without enable."""
    await begin(dut)
    products, quotients = deque(), deque()
    for _ in range(600):
        a, b, c = (random.getrandbits(32) if random.random() < 0.5 else int(encode(FP32, random.gauss(0, 2)))
                   for _ in range(3))  # fmt: skip
        dut.a.value, dut.b.value, dut.c.value = a, b, c
        dut.enable.value = enabled = random.randint(0, 1)
        await FallingEdge(dut.clk)
        if enabled:
            products.append(golden(MAC, a & 0xFFFF, b & 0xFFFF, c))
            quotients.append(golden(DIVIDE, a, b))
        if len(products) >= MAC_LATENCY:
            assert int(dut.mac_result.value) == products[-MAC_LATENCY]
        if len(quotients) >= DIVIDE_LATENCY:
            assert int(dut.divide_result.value) == quotients[-DIVIDE_LATENCY]
