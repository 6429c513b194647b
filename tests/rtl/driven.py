"""Any clocked module with inputs given, and outputs seen, in every cycle: rows of a table, a field for each port."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from einsim.rtl import verilator
from einsim.rtl.generator.words import Word
from einsim.rtl.verilog import Module, closure, fill

LOOP = """\
// Drives %name: every trial begins with a new one, whose registers are zero.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include "V%name.h"
#include "verilated.h"

extern "C" void run(size_t trials, size_t cycles, const uint8_t* in, uint8_t* out) {
    for (size_t trial = 0; trial < trials; ++trial) {
        VerilatedContext context;
        V%name top{&context};
        for (size_t cycle = 0; cycle < cycles; ++cycle, in += %in_bytes, out += %out_bytes) {
%loads
            top.clk = 0;
            top.eval();
%stores
            top.clk = 1;
            top.eval();
        }
    }
}
"""


class Driven:
    """A module built for simulation. Ports of more than 64 bits have fields of 32-bit words, the lowest first."""

    def __init__(self, part: Module, folder: Path) -> None:
        header = part.text[: part.text.index(");")]
        ports: dict[str, dict[str, int]] = {"input": {}, "output": {}}
        for direction, ranges, name in re.findall(r"(input|output)\s+logic\s*((?:\[\d+:0\])*)\s*(\w+)", header):
            ports[direction][name] = int(np.prod([int(top) + 1 for top in re.findall(r"\[(\d+):0\]", ranges)]))
        del ports["input"]["clk"]
        self.inputs, self.outputs = (_record(ports[direction]) for direction in ("input", "output"))
        self.widths = ports["input"] | ports["output"]
        loads, stores = (
            "\n".join(f"            std::memcpy({fill(order, name=name, at=offset)}, sizeof(top.{name}));"
                      for name, (_, offset, *_) in record.fields.items())
            for record, order in ((self.inputs, "&top.%name, in + %at"), (self.outputs, "out + %at, &top.%name"))
        )  # fmt: skip
        loop = fill(LOOP, name=part.name, in_bytes=self.inputs.itemsize, out_bytes=self.outputs.itemsize, loads=loads,
                    stores=stores)  # fmt: skip
        library = verilator.build_library(closure([part]), loop, folder)
        self._run = ctypes.CDLL(str(library)).run
        self._run.restype = None

    def blank(self, trials: int, cycles: int) -> NDArray:
        """A table of inputs, all zero."""
        return np.zeros((trials, cycles), self.inputs)

    def run(self, table: NDArray) -> NDArray:
        """The table of outputs, each as it is in the cycle whose inputs are in the same row."""
        table = np.ascontiguousarray(table)
        seen = np.zeros(table.shape, self.outputs)
        addresses = (each.ctypes.data_as(ctypes.c_void_p) for each in (table, seen))
        self._run(*(ctypes.c_size_t(size) for size in table.shape), *addresses)
        return seen


def _record(ports: dict[str, int]) -> np.dtype:
    """Fields as wide as Verilator makes them."""
    kinds = []
    for name, width in ports.items():
        if width > 64:
            kinds.append((name, np.uint32, (-(-width // 32),)))
        else:
            kinds.append((name, next(kind for bits, kind in SIZES if width <= bits)))
    return np.dtype(kinds)


SIZES = ((8, np.uint8), (16, np.uint16), (32, np.uint32), (64, np.uint64))


def packed(word: Word, values) -> NDArray:
    """Control words from arrays of their fields; the others are zero."""
    total, low = np.uint64(0), 0
    for name, width in word.fields:
        if name in values:
            value = np.asarray(values[name]).astype(np.int64) & ((1 << width) - 1)
            total = total | value.astype(np.uint64) << np.uint64(low)
        low += width
    assert low <= 64
    return total


def unpacked(word: Word, words: NDArray) -> dict[str, NDArray]:
    """Fields of control words."""
    found, low = {}, 0
    for name, width in word.fields:
        found[name] = (words.astype(np.uint64) >> np.uint64(low) & np.uint64((1 << width) - 1)).astype(np.int64)
        low += width
    return found
