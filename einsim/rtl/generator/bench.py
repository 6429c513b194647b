"""The cocotb side of a run: registers over AXI4-Lite, tiles over AXI4-Stream, every probe in every cycle.

The simulator imports this module, for `CocotbSimulation`. Whatever breaks a rule of AXI or of the registers fails.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cocotb
from cocotb.clock import Clock
from cocotb.task import Task
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamSink, AxiStreamSource

from einsim.rtl.generator.job import FOLDER, Job, load_job, save_seen

CONTROL: Final = "CONTROL"
"""The register that starts a run, and tells whether one is under way."""

_GARBAGE: Final = 0x5A5A5A5A


@dataclass(slots=True)
class Seen:
    """What a run did: rows of kind, what, slot, cycle."""

    cycles: int
    events: list[tuple[int, int, int, int]]
    out: list[bytes]
    sent: int


class Stall:
    """The rule of every channel: what is valid stays, as it is, until the other end is ready."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: Any = None

    def check(self, payload: Any, ready: Any) -> bool:
        """The payload in a cycle, None where it is not valid; whether it moves."""
        if self.waiting is not None and payload != self.waiting:
            raise AssertionError(f"{self.name}: {payload} instead of {self.waiting}, which nobody has taken")
        moves = payload is not None and bool(ready.value)
        self.waiting = None if moves else payload
        return moves


class Watcher:
    """Samples everything at every clock of a run; at the same time it plays both ends of streams, if it has to."""

    def __init__(self, dut: Any, job: Job) -> None:
        self.dut, self.job = dut, job
        self.issues = [tuple(getattr(dut, f"{kind}_{part}") for part in ("issues", "strand", "slot"))
                       for kind in job.kinds]  # fmt: skip
        self.rest = [
            (dut.load_done, None), (dut.store_done, None),
            *((getattr(dut, f"{kind}_last"), getattr(dut, f"{kind}_last_op")) for kind in job.last),
        ]  # fmt: skip
        self.beats = [int.from_bytes(beat.tobytes(), "little") for beat in job.beats]
        self.bytes = len(dut.m_axis_tdata) // 8
        self.patience = 1_000 + len(job.valid) + len(job.ready)  # a pause may be as long as a pattern
        self.cycle = -1

    async def run(self) -> Seen:
        """From the start to the end of a run."""
        edge, dut, exact = RisingEdge(self.dut.clk), self.dut, self.job.exact
        seen = Seen(0, [], [], 0)
        ends = self._ends(seen) if exact else itertools.repeat(None)
        self.cycle = -1
        # The clock at which a start is taken, and one more: then cycles of `valid` and `ready` are counted.
        while not self._starts():
            await edge
        await edge
        stall, quiet = Stall("m_axis"), 0
        for _ in range(self.job.most):
            next(ends)
            await edge
            going = bool(dut.going.value)
            if not going and self.cycle >= 0:
                break
            before = len(seen.events)
            if going:
                self.cycle += 1
                self._log(seen.events)
                self._streams(seen, stall)
            quiet = quiet + 1 if len(seen.events) == before else 0
            if quiet > self.patience:
                break
        assert self.cycle >= 0, "the run has not begun"
        assert not dut.going.value, (
            f"not over after {self.cycle} cycles, {quiet} of them quiet: {seen.sent} of {len(self.beats)} beats in, "
            f"{len(seen.out)} of {self.job.results} out"
        )
        seen.cycles = self.cycle + 1
        return seen

    def _starts(self) -> bool:
        dut = self.dut
        return bool(dut.s_axi_wvalid.value) and bool(dut.s_axi_wready.value) and not int(dut.s_axi_awaddr.value)

    def _log(self, events: list[tuple[int, int, int, int]]) -> None:
        for kind, (issues, strand, slot) in enumerate(self.issues):
            if issues.value:
                events.append((kind, int(strand.value), int(slot.value), self.cycle))
        for kind, (happens, what) in enumerate(self.rest, len(self.issues)):
            if happens.value:
                events.append((kind, 0 if what is None else int(what.value), 0, self.cycle))

    def _streams(self, seen: Seen, stall: Stall) -> None:
        """Beats that move."""
        dut = self.dut
        if dut.s_axis_tready.value and dut.s_axis_tvalid.value:
            seen.sent += 1
        valid = dut.m_axis_tvalid.value
        beat = (int(dut.m_axis_tdata.value), int(dut.m_axis_tlast.value)) if valid else None
        if stall.check(beat, dut.m_axis_tready) and beat:
            ends = len(seen.out) % self.job.tile == self.job.tile - 1
            assert beat[1] == ends, f"beat {len(seen.out)}: tlast is {beat[1]}, tiles have {self.job.tile} beats"
            seen.out.append(beat[0].to_bytes(self.bytes, "little"))

    def _ends(self, seen: Seen) -> Iterator[None]:
        """Both ends of the streams, a cycle at a time: what is offered stays until it is taken."""
        dut, valid, ready = self.dut, self.job.valid.tolist(), self.job.ready.tolist()
        sent, offering, taking = 0, -1, -1
        for at in itertools.count():
            held = offering == 1 and seen.sent == sent
            sent = seen.sent
            offers = int(held or (sent < len(self.beats) and valid[at % len(valid)]))
            if offers and not held:
                dut.s_axis_tdata.value = self.beats[sent]
            if offers != offering:
                dut.s_axis_tvalid.value = offering = offers
            takes = ready[at % len(ready)]
            if takes != taking:
                dut.m_axis_tready.value = taking = takes
            yield


class Bench:
    """A design under test with all its buses."""

    def __init__(self, dut: Any, job: Job) -> None:
        self.dut, self.job = dut, job
        self.random = random.Random(cocotb.RANDOM_SEED)
        self.watcher = Watcher(dut, job)

    async def reset(self) -> None:
        """Everything as in the beginning."""
        self.dut.reset.value = 1
        await ClockCycles(self.dut.clk, 4)
        self.dut.reset.value = 0
        await RisingEdge(self.dut.clk)

    async def interrupted(self) -> None:
        """A run of which a reset leaves nothing: some beats are there, and it may wait in the middle of a tile."""
        dut, beats = self.dut, self.random.randrange(1, len(self.job.beats) + 1)
        for name, value in self.job.sizes.items():
            await self.write(name, value)
        await self.write(CONTROL, 1)
        dut.s_axis_tdata.value, dut.s_axis_tvalid.value = self.watcher.beats[0], 1
        if self.job.exact:
            dut.m_axis_tready.value = 1
        while beats:
            await RisingEdge(dut.clk)
            beats -= int(bool(dut.s_axis_tready.value) and bool(dut.s_axis_tvalid.value))
        dut.s_axis_tvalid.value = 0
        await ClockCycles(dut.clk, self.random.randrange(1, 50))
        await self.reset()
        if not self.job.exact:
            self.sink.clear()

    async def begin(self) -> None:
        """Clock on, buses connected, reset over."""
        dut = self.dut
        Clock(dut.clk, 2, unit="ns").start()
        dut.s_axis_tvalid.value = dut.m_axis_tready.value = 0
        self.registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.reset)
        if not self.job.exact:
            self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.reset)
            self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.reset)
        for name in ("s_axi_aw", "s_axi_w", "s_axi_b", "s_axi_ar", "s_axi_r", "s_axis", "m_axis"):
            dut._log.manager.getLogger(f"cocotb.{dut._name}.{name}").setLevel("WARNING")
        await self.reset()
        cocotb.start_soon(self._answers())

    async def _answers(self) -> None:
        """Rules of the channels on which the registers answer."""
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        written, read = Stall("s_axi_b"), Stall("s_axi_r")
        while True:
            await edge
            written.check(int(dut.s_axi_bresp.value) if dut.s_axi_bvalid.value else None, dut.s_axi_bready)
            read.check(int(dut.s_axi_rdata.value) if dut.s_axi_rvalid.value else None, dut.s_axi_rready)

    def hesitate(self, *, much: bool) -> None:
        """Pauses of the registers' master at all five channels, or none."""
        write, read = self.registers.write_if, self.registers.read_if
        for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
            if much:
                channel.set_pause_generator(iter(lambda: self.random.random() < 0.5, None))
            else:
                channel.clear_pause_generator()
                channel.pause = False

    async def write(self, register: str, value: int) -> None:
        """Writes a register."""
        await self.registers.write_dword(self.job.registers[register], value)

    async def read(self, register: str) -> int:
        """Reads a register."""
        return int(await self.registers.read_dword(self.job.registers[register]))

    async def expect(self, wanted: dict[str, int]) -> None:
        """Reads registers and compares."""
        found = {register: await self.read(register) for register in wanted}
        assert found == wanted, f"registers: {found} instead of {wanted}"

    async def run(self, since: int = 0) -> Seen:
        """A run, disturbed: while it is busy its sizes cannot be changed, and a start does nothing."""
        watching = cocotb.start_soon(self.watcher.run())
        if not self.job.exact:
            self._connect()
        await self.write(CONTROL, 1)
        self.hesitate(much=False)
        disturbing: Task[None] = cocotb.start_soon(self._disturb(since))
        seen: Seen = await watching
        assert disturbing.done(), "the run was over before it could be disturbed"
        job = self.job
        assert (seen.sent, len(seen.out)) == (len(job.beats), job.results), (
            f"{seen.sent} of {len(job.beats)} beats went in, {len(seen.out)} instead of {job.results} came out"
        )
        if not job.exact:
            self._disconnect(seen)
        return seen

    async def _disturb(self, since: int) -> None:
        """Registers during a run, from some cycle of it on."""
        while self.watcher.cycle < since:
            await RisingEdge(self.dut.clk)
        for name in self.job.sizes:
            await self.write(name, _GARBAGE)
        await self.write(CONTROL, 1)
        await self.expect({CONTROL: 1, **self.job.sizes})

    def _connect(self) -> None:
        self.source.send_nowait(self.job.beats.tobytes())
        self.source.set_pause_generator(itertools.cycle([not each for each in self.job.valid]))
        self.sink.set_pause_generator(itertools.cycle([not each for each in self.job.ready]))

    def _disconnect(self, seen: Seen) -> None:
        """The bus model has received the same, in tiles."""
        self.source.clear_pause_generator()
        self.sink.clear_pause_generator()
        self.source.pause = self.sink.pause = False
        frames = []
        while not self.sink.empty():
            frames.append(bytes(self.sink.recv_nowait().tdata))
        rows = self.job.tile
        assert frames == [b"".join(seen.out[at : at + rows]) for at in range(0, len(seen.out), rows)]

    async def finish(self, seen: Seen) -> None:
        """Registers after a run."""
        issues = [sum(event[0] == kind for event in seen.events) for kind in range(len(self.job.kinds))]
        busy = {f"{kind.upper()}_BUSY": count for kind, count in zip(self.job.kinds, issues, strict=True)}
        counters = {name: count for name, count in busy.items() if name in self.job.registers}
        self.hesitate(much=True)
        await self.expect({CONTROL: 0, **self.job.sizes, "CYCLES": seen.cycles - 1, **counters})


@cocotb.test()
async def whole_run(dut: Any) -> None:
    """Everything that a job asks for."""
    folder = Path(os.environ[FOLDER])
    job = load_job(folder)
    bench = Bench(dut, job)
    await bench.begin()
    if job.again:
        await bench.interrupted()
    bench.hesitate(much=True)
    await bench.expect({CONTROL: 0, **dict.fromkeys(job.sizes, 1)})
    for name, value in job.sizes.items():
        await bench.write(name, value)
    await bench.expect(job.sizes)
    seen = last = await bench.run()
    if job.again:
        last = await bench.run(since=bench.random.randrange(max(1, seen.cycles - 128)))
        assert last.out == seen.out, "a second run has other results"
        assert not job.exact or last == seen, "a second run does other things"
    await bench.finish(last)
    save_seen(folder, seen.cycles, seen.out, seen.events)
