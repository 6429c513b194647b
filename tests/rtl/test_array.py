"""The array, told what to do by a script instead of control: every result bit by bit, in the very cycle.

A script is a tile of scores, from operands at the edges to the results of lanes. What comes out of columns, what goes
back up to their heads, what is in the last element and lane, and what is on its way out is compared in every cycle.
Where a script is early, a cycle before a result is there, the operation finds what was there before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from einsim.rtl.generator.edges import control_words, north_choice, west_choice
from einsim.rtl.generator.hardware import Place
from einsim.rtl.generator.words import bits_for
from einsim.rtl.unpacked import encode

from .driven import Driven, packed
from .machine import converted, result_of
from .mutants import broken
from .operands import EXHAUSTIVE
from .test_element import part_of, subject_of

SIZES = [(4, 4), (3, 5), *([(2, 7), (6, 2), (8, 8)] if EXHAUSTIVE else [])]
SEEDS = 200 if EXHAUSTIVE else 30
CYCLES = 400


def opened(subject):
    """The array with ports for what comes out of columns, with which word, and what arrives at their heads."""
    part, columns = part_of(subject, "array"), subject.hardware.columns
    head = subject.hardware.at(Place.HEAD)[0]
    names = ("below", "arriving", "head", "head_at")
    ports = "".join(f"  output logic [{32 * columns - 1}:0] seen_{name},\n" for name in names)
    values = ("north[ROWS][c]", "32'(arriving[c])", f"{head.name}_back[31:0]", f"32'({head.name}_back >> 32)")
    taps = "".join(f"      assign seen_{name}[c*32 +: 32] = {value};\n"
                   for name, value in zip(names, values, strict=True))  # fmt: skip
    marks = "  output logic element_last,", "      always_ff @(posedge clk)\n        if (reset) arriving"
    assert all(part.text.count(mark) == 1 for mark in marks)
    text = part.text.replace(marks[0], ports + marks[0]).replace(marks[1], taps + marks[1])
    return replace(part, text=text)


class Script:
    """Inputs by cycle, and what is expected: events as (cycle, column, what, ...)."""

    def __init__(self, subject, driven: Driven, seed: int) -> None:
        self.hardware, self.random = subject.hardware, np.random.default_rng(seed)
        self.words = control_words(self.hardware)
        self.duties = {duty.name: duty for duty in self.hardware.duties}
        self.table = driven.blank(1, CYCLES)
        self.table["reset"][0, :2] = 1
        self.below, self.heads, self.last = set(), set(), {"element": set(), "lane": set()}
        self.out = np.zeros((CYCLES, self.hardware.columns), np.uint16)
        self.targets = list(dict.fromkeys(
            use.store for duty in self.hardware.on(self.hardware.grid) for use in duty.results
            if use.store.place is Place.LANE
        ))  # fmt: skip

    def numbers(self, *shape: int) -> np.ndarray:
        """Random operands."""
        values = self.random.normal(size=shape) * self.random.choice([0.25, 1, 3])
        return encode(self.hardware.operand, values).astype(np.uint16)

    def fill(self, cycle: int, tensor: str, address: int, values: np.ndarray) -> None:
        """A row of a tile into the stores at an edge."""
        store = next(s for s in self.hardware.stores if s.tensor == tensor and s.place in {Place.WEST, Place.NORTH})
        row = self.table[0][cycle]
        row[f"{store.name}_fill"], row[f"{store.name}_address"] = 1, address
        field = row[f"{store.name}_value"]
        if field.ndim:  # more than 64 bits: words of 32
            field[:] = np.pad(values, (0, -len(values) % 2)).view(np.uint32)
        else:
            row[f"{store.name}_value"] = int.from_bytes(values.tobytes(), "little")

    def element(self, cycle: int, name: str, rows: int | None = None, to: int = 0, **fields: int) -> None:
        """An operation that is in the first element in a cycle; only the first `rows` have a point."""
        hardware, duty = self.hardware, self.duties[name]
        number = hardware.on(hardware.grid).index(duty)
        mask = (hardware.rows if rows is None else rows) - 1
        own = {"valid": 1, "op": number, "mask_0": mask, **fields}
        self.put("element", cycle, own)
        self.put("north", cycle - 1, {"chosen": north_choice(hardware, duty), **fields})
        self.put("west", cycle - 1, {"chosen": west_choice(hardware, duty), **fields})
        if duty.results[0].store in self.targets:
            store = duty.results[0].store
            self.put("below", cycle, {"valid": 1, "to": self.targets.index(store), f"{store.name}_write": to})
        self.last["element"].add((cycle + hardware.rows + hardware.columns - 2, number))

    def lane(self, cycle: int, name: str, **fields: int) -> None:
        """An operation that is in the first lane in a cycle."""
        number = self.hardware.on(self.hardware.lanes).index(self.duties[name])
        self.put("lane", cycle - 1, {"valid": 1, "op": number, **fields})
        self.last["lane"].add((cycle + self.hardware.columns - 1, number))

    def put(self, word: str, cycle: int, fields: dict[str, int]) -> None:
        column = self.table[f"{word}_control"][0]
        assert not column[cycle] or word in {"north", "west"}
        column[cycle] = packed(self.words[word], fields)

    def arrives(self, cycle: int, name: str, to: int, values: np.ndarray) -> None:
        """What an operation in a cycle makes come out of the columns."""
        store = self.duties[name].results[0].store
        word = packed(self.words["below"], {"valid": 1, "to": self.targets.index(store), f"{store.name}_write": to})
        for c, value in enumerate(values):
            self.below.add((cycle + self.hardware.rows + c, c, int(word), int(value)))

    def compute(self, name: str, operands: dict[str, np.ndarray], before=None) -> np.ndarray:
        """An operation's results from operands by tensor, in the format of its first store."""
        duty = self.duties[name]
        stores = [duty.sources[position].use.store for position in duty.work.operands]
        given = [(operands[store.tensor], store.format) for store in stores]
        result = result_of(self.hardware, duty, given, before)
        return converted(result, self.hardware.accumulator, duty.results[0].store.format)

    def fold(self, cycle: int, name: str, rows: int, operands: dict[str, np.ndarray], to: int = 0, **fields: int):
        """An operation that is folded down the first rows of the columns, and what comes out of them."""
        self.element(cycle, name, rows, to, **fields)
        acc = self.hardware.accumulator
        begin = acc.negative_zero | acc.infinity if self.duties[name].work.reduction == "max" else 0
        total = np.full(self.hardware.columns, begin, acc.dtype)
        for r in range(rows):
            total = self.compute(name, {tensor: values[r] for tensor, values in operands.items()}, before=total)
        self.arrives(cycle, name, to, total)
        return total

    # The operations of a tile of scores.

    def fills(self, cycle: int, depth: int) -> int:
        """A tile of each tensor; the cycle in which its first row may be read."""
        rows, columns = self.hardware.rows, self.hardware.columns
        self.q, self.k, self.v = self.numbers(depth, columns), self.numbers(depth, rows), self.numbers(depth, rows)
        for e in range(depth):
            for tensor, tile in (("Q", self.q), ("K", self.k), ("V", self.v)):
                self.fill(cycle + e, tensor, e, tile[e])
        return cycle + 2

    def products(self, cycle: int, at: int) -> int:
        """BQK: a sum in every element, a point a slot, sometimes with gaps; the cycle after the last."""
        shape = self.hardware.rows, self.hardware.columns
        total = np.zeros(shape, self.hardware.accumulator.dtype)
        for e, (q, k) in enumerate(zip(self.q, self.k, strict=True)):
            self.element(cycle, "BQK", opens=int(e == 0), BQK_element_write=at, Q_north_read=e, BK_west_read=e)
            tiles = {"Q": np.broadcast_to(q, shape), "K": np.broadcast_to(k[:, None], shape)}
            total = self.compute("BQK", tiles, before=total)
            cycle += 1 + int(self.random.random() < 0.3)
        self.bqk = {"BQK": total}
        return cycle

    def maximum(self, cycle: int, largest: np.ndarray, at: int) -> dict[str, np.ndarray]:
        """RM of a first step in the lanes, and on its way up to the heads."""
        self.lane(cycle, "RM", fresh=1, RM_head_write=at, RM_state_write=at)
        first = np.full(self.hardware.columns, self.hardware.accumulator.lowest, np.uint32)
        result = self.compute("RM", {"RM": first, "LM": largest})
        for c, value in enumerate(result):
            self.heads.add((cycle + c + self.hardware.back - 1, c, at, int(value)))
        return {"RM": result}

    def numerators(self, cycle: int, at: int, maximum: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """SLN: an exponential in every element, a step a slot."""
        for step in range(self.duties["SLN"].work.slots):
            self.element(cycle + step, "SLN", step=step, BQK_element_read=at, RM_head_read=at, SLN_element_write=at)
        wide = {"RM": np.broadcast_to(maximum["RM"], self.bqk["BQK"].shape)}
        return {"SLN": self.compute("SLN", self.bqk | wide)}

    def quotients(self, cycle: int, denominators: np.ndarray, sums: list[np.ndarray], at: int) -> None:
        """What lanes do with the first tile's sums, from the first cycle in which there are denominators."""
        acc, columns, many = self.hardware.accumulator, self.hardware.columns, len(sums)
        zero = {tensor: np.zeros(columns, acc.dtype) for tensor in ("RD", "RNV", "PRM")}
        for step in range(7):  # of the lowest number less a maximum: zero
            self.lane(cycle - 8 + step, "PRM", step=step)
        self.lane(cycle - 1, "SPD", fresh=1)
        self.lane(cycle, "RD", RD_state_write=at)
        total = self.compute("RD", {"SPD": self.compute("SPD", zero), "SLD": denominators})
        self.address = self.random.integers(0, many, CYCLES)
        self.table["out_address"][0] = self.address
        for f, part in enumerate(sums):
            self.lane(cycle + 1 + 2 * f, "SPNV", fresh=1)
            self.lane(cycle + 2 + 2 * f, "RNV", SLNV_lane_read=f, RNV_state_write=f)
            whole = self.compute("RNV", {"SPNV": self.compute("SPNV", zero), "SLNV": part})
            done = cycle + 2 * many + 2 + f
            self.lane(done, "AV", RNV_state_read=f, RD_state_read=at, AV_out_write=f)
            for c, value in enumerate(self.compute("AV", {"RNV": whole, "RD": total})):
                now = np.arange(CYCLES)
                self.out[(now > done + c) & (self.address == f), c] = value


def tile(script: Script, depth: int = 8) -> bool:
    """Everything as early as it can be: a tile of scores from operands to quotients, with some rows or all."""
    hardware = script.hardware
    rings = [store.words for store in hardware.stores if store.name in {"BQK_element", "SLN_element", "RM_head"}]
    rows, at = hardware.rows, int(script.random.integers(0, min(rings)))
    cycle = script.products(script.fills(4, depth), at)
    for count in range(1, rows + 1):  # maxima of more and more rows tell what is in each
        largest = script.fold(cycle, "LM", count, script.bqk, BQK_element_read=at)
        cycle += 1
    begun = cycle + rows
    maximum = script.maximum(begun, largest, at)
    cycle = begun + hardware.back + 1
    found = script.numerators(cycle, at, maximum)
    cycle += script.duties["SLN"].work.slots
    some = int(script.random.integers(1, rows + 1))
    sums = []
    for f in range(min(depth, 3)):
        column = {"V": np.broadcast_to(script.v[f][:, None], found["SLN"].shape)}
        sums.append(script.fold(cycle, "SLNV", some, found | column, to=f, SLN_element_read=at, BV_west_read=f))
        cycle += 1
    denominators = script.fold(cycle, "SLD", some, found, SLN_element_read=at)
    script.quotients(cycle + rows + 1, denominators, sums, at)
    return True


def too_early(script: Script, depth: int = 8) -> bool:
    """A cycle earlier, lanes find the maxima, and heads the running maxima, that were there before; if they differ."""
    hardware = script.hardware
    rows, at = hardware.rows, 0
    cycle = script.products(script.fills(4, depth), at)
    whole = script.fold(cycle, "LM", rows, script.bqk, BQK_element_read=at)
    cycle += rows + hardware.columns
    first = script.fold(cycle, "LM", 1, script.bqk, BQK_element_read=at)
    before = script.maximum(cycle + rows, whole, at)
    cycle += rows + hardware.columns + hardware.back + 1
    script.maximum(cycle, first, at)
    cycle += hardware.back
    found = script.numerators(cycle, at, before)
    script.fold(cycle + 7, "SLD", rows, found, SLN_element_read=at)
    return bool((whole != first).any())


def compared(script: Script, driven: Driven) -> list[str]:
    """What was not as expected."""
    seen = driven.run(script.table)[0]
    columns = range(script.hardware.columns)
    arriving, below, back, head = (
        np.ascontiguousarray(seen[f"seen_{name}"]).view(np.uint32).reshape(CYCLES, -1)
        for name in ("arriving", "below", "head_at", "head")
    )
    address = bits_for(script.hardware.at(Place.HEAD)[0].words)
    found = {
        "below": {(t, c, int(arriving[t, c]), int(below[t, c]))
                  for t in range(CYCLES) for c in columns if arriving[t, c] & 1},
        "heads": {(t, c, int(back[t, c]) - (1 << address), int(head[t, c]))
                  for t in range(CYCLES) for c in columns if back[t, c] >> address},
        **{kind: {(t, int(seen[f"{kind}_last_op"][t])) for t in np.flatnonzero(seen[f"{kind}_last"]).tolist()}
           for kind in script.last},
    }  # fmt: skip
    wanted = {"below": script.below, "heads": script.heads, **script.last}
    faults = [f"{kind}: {sorted(found[kind] ^ wanted[kind])[:4]}" for kind in wanted if found[kind] != wanted[kind]]
    out = np.ascontiguousarray(seen["out"]).view(np.uint16).reshape(CYCLES, -1)[:, : len(columns)]
    wrong = np.argwhere(out != script.out)
    return faults + ([f"out: {wrong[0]}"] if wrong.size else [])


SCRIPTS = {"tile": tile, "too early": too_early}


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_every_result_in_its_cycle(size, name, builds):
    subject = subject_of(*size)
    driven = Driven(opened(subject), builds)
    telling = 0
    for seed in range(SEEDS):
        print(f"array {size}: seed {seed}")
        script = Script(subject, driven, seed)
        telling += SCRIPTS[name](script)
        assert compared(script, driven) == [], seed
    assert telling > SEEDS / 2


BROKEN = {
    "results come late": ("array", "CLOCKS(ROWS)) u_below", "CLOCKS(ROWS + 1)) u_below"),
    "maxima come late": ("array", "CLOCKS(1)) u_RM_head", "CLOCKS(2)) u_RM_head"),
    "a column is skipped": ("array", ".west(west[r][c])", ".west(west[r][0])"),
    "maxima come early": ("array", "CLOCKS(1)) u_RM_head", "CLOCKS(0)) u_RM_head"),
    "masks stand still": ("element", "mask_0 + 5'd31", "mask_0 + 5'd0"),
}


@pytest.mark.parametrize("name", list(BROKEN)[: None if EXHAUSTIVE else 3])
def test_broken_arrays_are_found_out(name, builds):
    subject = subject_of(2, 2)
    what, old, new = BROKEN[name]
    driven = Driven(broken(opened(subject), part_of(subject, what).name, old, new), builds)
    script = Script(subject, driven, 1)
    tile(script)
    assert compared(script, driven)
