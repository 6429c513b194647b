"""An element and a lane by themselves: random operations on random registers, by the units' own arithmetic.

Every operation meets every corner of its operands' formats at both ends of the stores that they come from.
"""

from __future__ import annotations

import numpy as np
import pytest

from einsim.cosim.subject import load_subject
from einsim.rtl.generator.edges import control_words
from einsim.rtl.generator.hardware import Place
from einsim.spec.overrides import parse_override

from .driven import Driven, packed, unpacked
from .machine import Golden, makers_of, some_patterns
from .mutants import broken
from .operands import EXHAUSTIVE

TRIALS, CYCLES = 384, 384


def subject_of(rows: int, columns: int):
    changes = [f"arch.array2d.rows={rows}", f"arch.array2d.columns={columns}", f"arch.array1d.lanes={columns}"]
    return load_subject("fusemax-small", {"E": 8, "F": 8}, overrides=[parse_override(change) for change in changes])


def part_of(subject, what: str):
    return next(part for part in subject.generated.modules if part.name == f"{subject.generated.name}_{what}")


def some_fields(word, duties, stores, random) -> dict[str, np.ndarray]:
    """Control words: any operation in any cycle; an exp goes on where it was, whatever comes between its steps."""
    shape = TRIALS, CYCLES
    words = {store.name: store.words for store in stores}
    fields = {"valid": (random.random(shape) < 0.9).astype(np.int64), "op": random.integers(0, len(duties), shape)}
    slow = next(n for n, duty in enumerate(duties) if duty.work.slots > 1)
    taken = (fields["op"] == slow) & (fields["valid"] == 1)
    fields["step"] = np.where(taken, np.cumsum(taken, axis=1) - 1, 0) % duties[slow].work.slots
    for name, width in word.fields:
        if name in fields:
            continue
        size = words.get(name.removesuffix("_read").removesuffix("_write"), 1 << width)
        end = random.choice([0, size - 1], shape)
        fields[name] = np.where(random.random(shape) < 0.6, end, random.integers(0, size, shape))
    return fields


def element_run(subject, driven: Driven, seed: int):
    """Table of inputs and outputs, what outputs should be and where they matter, and what was tried."""
    print(f"element: seed {seed}")
    random, hardware = np.random.default_rng(seed), subject.hardware
    word, duties = control_words(hardware)["element"], hardware.on(hardware.grid)
    fields = some_fields(word, duties, hardware.at(Place.ELEMENT), random)
    table = driven.blank(TRIALS, CYCLES)
    table["control"] = packed(word, fields)
    table["west"] = some_patterns(hardware.operand, random, table.shape)
    narrow = some_patterns(hardware.operand, random, table.shape) | random.integers(0, 1 << 16, table.shape) << 16
    either = random.random(table.shape) < 0.5
    table["north"] = np.where(either, narrow, some_patterns(hardware.accumulator, random, table.shape))
    golden = Golden(hardware, duties, hardware.at(Place.ELEMENT), TRIALS)
    wanted, matters = np.zeros(table.shape, driven.outputs), np.ones(table.shape, bool)
    folds = [duty.along is not None for duty in duties]
    mask = fields["mask_0"]
    for cycle in range(CYCLES - 1):
        now = {name: values[:, cycle] for name, values in fields.items()}
        west, north = (table[port][:, cycle] for port in ("west", "north"))
        outside = {store.name: west for store in hardware.at(Place.WEST)}
        outside |= {store.name: north.astype(store.format.dtype) for store in hardware.at(Place.NORTH)}
        outside |= {store.name: north for store in hardware.at(Place.HEAD)}
        result = golden.operate(now, outside, north)
        fold, works = np.take(folds, now["op"], mode="clip"), now["mask_0"] < 1 << (dict(word.fields)["mask_0"] - 1)
        wanted["south"][:, cycle + 1] = np.where(fold & works, result, north)
        matters[:, cycle + 1] = (now["valid"] == 1) | ~fold
    after = {"control_east": table["control"], "east": table["west"],
             "control_south": packed(word, fields | {"mask_0": mask - 1})}  # fmt: skip
    for port, values in after.items():
        wanted[port][:, 1:] = values[:, :-1]
    return driven.run(table), wanted, {"south": matters}, golden


def lane_run(subject, driven: Driven, seed: int):
    """The same of lanes: operations are done a cycle after they come; states are read as they come."""
    print(f"lane: seed {seed}")
    random, hardware = np.random.default_rng(seed), subject.hardware
    words, duties = control_words(hardware), hardware.on(hardware.lanes)
    states, outs, heads = (hardware.at(place) for place in (Place.STATE, Place.OUT, Place.HEAD))
    stores = [*hardware.at(Place.LANE), *states, *outs]
    fields = some_fields(words["lane"], duties, [*stores, *heads], random)
    fields["fresh"] = (random.random((TRIALS, CYCLES)) < 0.2).astype(np.int64)
    table = driven.blank(TRIALS, CYCLES)
    table["control"] = packed(words["lane"], fields)
    table["below"] = some_patterns(hardware.accumulator, random, table.shape)
    targets = [s for s in stores if any(s == u.store for d in hardware.on(hardware.grid) for u in d.results)]
    under = {name: random.integers(0, 1 << width, table.shape) for name, width in words["below"].fields}
    under["to"] = random.integers(0, len(targets), table.shape)
    for store in targets:
        if store.words > 1:
            under[f"{store.name}_write"] = random.integers(0, store.words, table.shape)
    table["below_control"] = packed(words["below"], under)
    table["out_address"] = random.integers(0, outs[0].words, table.shape)
    firsts = {source.use.store.name: source.first for duty in duties for source in duty.sources
              if source.first is not None}  # fmt: skip
    golden = Golden(hardware, duties, stores, TRIALS)
    wanted, matters = np.zeros(table.shape, driven.outputs), np.zeros(table.shape, bool)
    now = {name: np.zeros(TRIALS, np.int64) for name in fields}
    ahead = {store.name: golden.registers.words[store.name][:, 0].copy() for store in states}
    every, head = np.arange(TRIALS), heads[0]
    makes_head = [any(use.store == head for use in duty.results) for duty in duties]
    for cycle in range(CYCLES):
        wanted["out"][:, cycle] = golden.registers.words[outs[0].name][every, table["out_address"][:, cycle]]
        coming = {name: values[:, cycle] for name, values in fields.items()}
        reading = {
            store.name: np.where(coming["fresh"] == 1, store.format.dtype.type(firsts[store.name]),
                                 golden.registers.read(store, every, coming))
            for store in states
        }  # fmt: skip
        result = golden.operate(now, ahead)
        for number, store in enumerate(targets):
            who = np.flatnonzero((under["valid"][:, cycle] == 1) & (under["to"][:, cycle] == number))
            at = {name: values[:, cycle] for name, values in under.items()}
            to = golden.registers.address(store, who, at, "write")
            golden.registers.words[store.name][who, to] = table["below"][who, cycle]
        gives = (now["valid"] == 1) & np.take(makes_head, now["op"], mode="clip")
        wanted[f"{head.name}_valid"][:, cycle], matters[:, cycle] = gives, gives
        wanted[f"{head.name}_address"][:, cycle] = now[f"{head.name}_write"]
        wanted[f"{head.name}_value"][:, cycle] = result
        wanted["control_east"][:, cycle] = packed(words["lane"], now)
        now, ahead = coming, reading
    return driven.run(table), wanted, {f"{head.name}_value": matters}, golden


RUNS = {"element": element_run, "lane": lane_run}


def differences(seen, wanted, matters) -> list[str]:
    """Ports that are not as they should be, and where first: trial and cycle."""
    found = []
    for port in seen.dtype.names:
        wrong = (seen[port] != wanted[port]) & matters.get(port, True)
        if wrong.any():
            at = tuple(int(each) for each in np.argwhere(wrong)[0])
            found.append(f"{port}{list(at)}: {int(seen[port][at]):#x} instead of {int(wanted[port][at]):#x}")
    return found


@pytest.mark.parametrize("what", RUNS)
@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (3, 5)])
def test_every_operation_on_every_corner(what, rows, columns, builds):
    subject = subject_of(rows, columns)
    hardware = subject.hardware
    seen, wanted, matters, golden = RUNS[what](subject, Driven(part_of(subject, what), builds), seed=rows)
    assert differences(seen, wanted, matters) == []
    places = {"element": (Place.WEST, Place.NORTH, Place.HEAD), "lane": (Place.LANE,)}[what]
    outside = {store.name for place in places for store in hardware.at(place)}
    if what == "lane":  # only what comes from the 2D array
        outside &= {use.store.name for duty in hardware.on(hardware.grid) for use in duty.results}
    assert golden.missing(makers_of(hardware, outside)) == []


def test_masks_and_fields_come_apart():
    word = control_words(subject_of(4, 4).hardware)["lane"]
    random = np.random.default_rng(1)
    fields = {name: random.integers(0, 1 << width, (3, 5)) for name, width in word.fields}
    again = unpacked(word, packed(word, fields))
    assert all((again[name] == values).all() for name, values in fields.items())


BROKEN = {
    "a fold beyond the tile": ("element", "&& works ? result : north", "? result : north"),
    "an exp that forgets": ("element", "if (step == 3'd4) exp_r", "if (step == 3'd3) exp_r"),
    "a state a cycle late": ("lane", "RNV_state_ahead <= control", "RNV_state_ahead <= now"),
    "a sum that begins late": ("element", "opens ? '0 :", "!opens ? '0 :"),
    "another register": ("lane", "SPNV_lane[0] <= result", "SPD_lane[0] <= result"),
}


@pytest.mark.parametrize("name", list(BROKEN)[: None if EXHAUSTIVE else 3])
def test_broken_ones_are_found_out(name, builds):
    subject = subject_of(4, 4)
    what, old, new = BROKEN[name]
    part = part_of(subject, what)
    driven = Driven(broken(part, part.name, old, new), builds)
    seen, wanted, matters, _ = RUNS[what](subject, driven, seed=2)
    assert differences(seen, wanted, matters)
