"""Room: what registers and buffers hold between strands, and how many tiles of each tensor fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from einsim.schedule.flow import Flow, Stay
from einsim.schedule.liveness import Liveness
from einsim.schedule.nest import Shortfall
from einsim.schedule.pipeline.links import Linker, brings
from einsim.schedule.pipeline.plan import Cycles, Job, overlap
from einsim.schedule.pipeline.program import LOAD, STORE, Cause, Flag, Held, Link, Pool, When
from einsim.schedule.pipeline.routes import leave, travel
from einsim.schedule.pipeline.timing import Timing
from einsim.schedule.pipeline.transfers import Transfer
from einsim.spec.configuration import Design

Slots = dict[int, Cycles]
"""Strand -> planned cycle of each slot of a whole instance."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What one strand hands another through registers or a buffer, step by step: `words` of each step.

    Of registers, in each processing element. From its source a step takes `arrives` cycles until it is there (0: it
    is made there), and it is gone `leaves` cycles before its reader's slot (when the reader is on another array).
    """

    stay: Stay
    source: int
    reader: int
    steps: tuple[int, ...]
    words: int
    arrives: int
    leaves: int


@dataclass(frozen=True, slots=True)
class Shared:
    """A load whose tiles (of `words`) several strands take from a memory, in any order: `stays` of all but one."""

    transfer: int
    takers: tuple[int, ...]
    stays: tuple[Stay, ...]
    words: int


@dataclass
class Rooms:
    """The room of a group's tensors, and what of it a plan takes."""

    design: Design
    timing: Timing
    linker: Linker
    flow: Flow
    live: Liveness | None
    moves: Sequence[tuple[int, Transfer]]
    fixed: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.fixed = {level: self._fixed(level) for level in list(self.design.architecture.memories)[1:]}

    @cached_property
    def handed(self) -> list[Handed]:
        """Everything that stays on chip from one strand of the epoch to another."""
        found = []
        for number, stay in enumerate(self.live.stays if self.live else ()):
            names = (self.holder(stay), stay.reader)
            full = {*names} <= self.linker.index.keys() and all(self.linker.full(name) for name in names)
            if not full or stay.holder == stay.reader or (stay.slices and stay.level in self.memories):
                continue
            if any(stay in load.stays for load in self.shared):
                continue
            found.append(self._handed(number, stay))
        return found

    @cached_property
    def shared(self) -> list[Shared]:
        """Loads of tiles that more than one Einsum of every epoch finds in a memory."""
        found = []
        for at, transfer in self.moves:
            if transfer.strand.resource != LOAD or not self._keeps(transfer):
                continue
            stays = [stay for stay in self.linker.finding(self.flow, transfer)
                     if stay.level == transfer.level and self.linker.full(stay.reader)]  # fmt: skip
            takers = [self.linker.index[name] for name in (transfer.strand.einsum, *(stay.reader for stay in stays))]
            if stays and self.linker.full(transfer.strand.einsum):
                found.append(Shared(at, tuple(dict.fromkeys(takers)), tuple(stays), max(transfer.tile.words)))
        return found

    def holder(self, stay: Stay) -> str:
        """Who has a stay's words at its level first: their maker, or the reader that brings them there."""
        made = stay.touch.stored
        return stay.holder if stay.touch.is_output or brings(stay) or made not in self.linker.index else made

    @property
    def memories(self) -> list[str]:
        """On-chip memories."""
        return list(self.design.architecture.memories)[1:]

    def _handed(self, number: int, stay: Stay) -> Handed:
        assert self.live is not None
        live, machine, holder = self.live, self.design.architecture, self.holder(stay)
        source, reader = self.linker.group.body(holder), self.linker.group.body(stay.reader)
        steps = self.linker.shares(source, stay.reader)
        at, to = self.linker.index[holder], self.linker.index[stay.reader]
        if stay.level in machine.memories:
            return Handed(stay, at, to, steps, int(live.live(number)), 0, 0)
        words = self._words_an_element(number, stay)
        keys = self.flow.keys
        access = next(a for a in reader.einsum.accesses
                      if not a.is_output and keys[stay.reader, a.label, False][0] == stay.touch.stored)  # fmt: skip
        owner = machine.registers[stay.level]
        out = leave(machine, self.timing, source) if source.einsum.array != owner else 0
        arrives = self.linker.strands[at].tail + out if source.einsum.array != owner else 0
        leaves = travel(machine, self.timing, source, reader, access) - out if reader.einsum.array != owner else 0
        return Handed(stay, at, to, steps, words, arrives, leaves)

    def held(self, jobs: Sequence[Job], slots: Slots, interval: int) -> list[Held]:
        """What registers hold at one time by a plan."""
        found = []
        for each in self.handed:
            first, last = self._span(each, jobs, slots)
            if each.arrives:
                first = self._ends(each, jobs, slots) + each.arrives
            copies = overlap(first, last - each.leaves, interval)
            source = self.linker.strands[each.source].name
            found.append(Held(each.stay.level, each.stay.touch.stored, source, each.stay.reader, copies, each.words))
        for load in self.shared:
            stay, final = load.stays[0], max(load.takers, key=lambda n: int(slots[n][-1]))
            begin = np.array([min(int(slots[n][0]) for n in load.takers)])
            source, reader = (self.linker.strands[n].name for n in (load.transfer, final))
            copies = overlap(begin, slots[final][-1:], interval)
            found.append(Held(stay.level, stay.touch.stored, source, reader, copies, load.words))
        return found

    def limits(self, jobs: Sequence[Job], slots: Slots, interval: int) -> list[Link]:
        """Links that keep strands from making more than there is room for: as much as the plan has under way."""
        found = []
        for each in self.handed:
            first, last = self._span(each, jobs, slots)
            room = max(1, overlap(first, last, interval))
            found.append(Link(each.reader, each.source, each.steps, 1, 0, Cause.FULL, room=room,
                              tensor=each.stay.touch.stored))  # fmt: skip
        return found

    def _span(self, each: Handed, jobs: Sequence[Job], slots: Slots) -> tuple[Cycles, Cycles]:
        """From the first slot that makes each step to the last that reads it."""
        steps = each.steps[0]
        source, reader = jobs[each.source], jobs[each.reader]
        first = [slots[each.source][min(source.first(s, steps), source.slots - 1)] for s in range(steps)]
        last = [slots[each.reader][reader.last(s, steps)] for s in range(steps)]
        return np.array(first, np.int64), np.array(last, np.int64)

    def _ends(self, each: Handed, jobs: Sequence[Job], slots: Slots) -> Cycles:
        steps, source = each.steps[0], jobs[each.source]
        return np.array([slots[each.source][source.last(s, steps)] for s in range(steps)], np.int64)

    def registers(self, held: Sequence[Held]) -> dict[str, int]:
        """Words in each register file at one time: what is handed on, each tensor once, and a word to work with.

        What strands outside of the epoch's loops read or make waits there beside the epochs under way.
        """
        most, waiting = dict(self.standing[0]), self.standing[1]
        for each in held:
            if each.level in self.design.architecture.registers:
                if each.level in self.design.mapping.assumed.get(each.tensor, ()):
                    continue
                key = (each.level, each.tensor)
                most[key] = max(most.get(key, 0), each.copies * each.words)
        totals: dict[str, int] = dict.fromkeys(self.design.architecture.registers, 0)
        for part in (most, waiting):
            for (level, _), words in part.items():
                totals[level] += words
        return {level: words + self.scratch(level) for level, words in totals.items()}

    @cached_property
    def standing(self) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
        """Words of each tensor at each register level that no plan changes: while it is made, and outside of epochs."""
        made: dict[tuple[str, str], int] = {}
        outside: dict[tuple[str, str], int] = {}
        for number, stay in enumerate(self.live.stays if self.live else ()):
            tensor, names = stay.touch.stored, {stay.holder, stay.reader}
            there = stay.level in self.design.architecture.registers and names <= self.linker.index.keys()
            if not there or stay.level in self.design.mapping.assumed.get(tensor, ()):
                continue
            found = made if len(names) == 1 else outside
            if found is made or not all(map(self.linker.full, names)):
                words = self._words_an_element(number, stay)
                found[stay.level, tensor] = max(found.get((stay.level, tensor), 0), words)
        return made, outside

    def _words_an_element(self, number: int, stay: Stay) -> int:
        assert self.live is not None
        live = self.live
        return int(live.in_parts(number, lambda prefix: live.words_an_element(stay, prefix)))

    def scratch(self, level: str) -> int:
        """A word for the steps of operations that take several."""
        array = self.design.architecture.registers[level]
        return int(any(body.einsum.array == array and body.einsum.cycles_per_point > 1
                       for body in self.linker.group.bodies))  # fmt: skip

    def shortfalls(self, held: Sequence[Held]) -> list[Shortfall]:
        """Register files that are too small for a plan."""
        found = []
        for level, words in self.registers(held).items():
            depth = self.design.architecture.arrays[self.design.architecture.registers[level]].registers.depth_words
            if words > depth:
                found.append(Shortfall(True, f"{level}: tiles in flight", words, depth, "words a processing element"))
        return found

    # Memories.

    def pools(self, held: Sequence[Held]) -> list[Pool]:
        """Room for tiles in memories: what the mapping needs, and more where there is some left."""
        brought = {at: self._pool(at, transfer) for at, transfer in self.moves if self._keeps(transfer)}
        kept: dict[tuple[str, str], Pool] = {}
        for each, handed in zip(held, self.handed, strict=False):  # of no plan, nothing is held
            if each.level not in self.memories:
                continue
            last = kept.get((each.level, each.tensor))
            words = max(each.words, *(last.words if last else (0,)))  # what the first of its readers needs may be more
            copies = max(1, each.copies, last.limit if last else 1)
            kept[each.level, each.tensor] = Pool(
                each.tensor, each.level, handed.source, Flag(), handed.reader, Flag(), 1, copies,
                (words,) * len(self.linker.strands[handed.source].slots),
            )  # fmt: skip
        for each, load in zip(held[len(self.handed) :], self.shared, strict=False):
            pool = brought[load.transfer]
            closer = next(n for n in load.takers if self.linker.strands[n].name == each.reader)
            brought[load.transfer] = replace(pool, closer=closer, limit=max(pool.limit, each.copies))
        pools = self._extended([*brought.values(), *kept.values()])
        if not held:
            return pools
        for load in self.shared:  # a tile stays until all are done; its words count until the last by plan is
            whole = next(pool for pool in pools if pool.opener == load.transfer)
            none = (0,) * len(whole.words)
            pools += [replace(whole, closer=n, words=none) for n in load.takers if n != whole.closer]
        return pools

    def _keeps(self, transfer: Transfer) -> bool:
        return transfer.level in self.memories and not transfer.tile.streams and "spilled" not in transfer.strand.name \
            and not (transfer.access.is_output and transfer.strand.resource == LOAD)  # fmt: skip

    def _pool(self, at: int, transfer: Transfer) -> Pool:
        owner = self.linker.index[transfer.strand.einsum]
        words = tuple(int(each) for each in transfer.tile.words)
        tile, name = transfer.tile, transfer.access.tensor
        always = transfer.strand.when
        if transfer.strand.resource == STORE:
            opens = tile.flag(When.ARRIVES)
            return Pool(name, transfer.level, owner, opens, at, always, tile.pieces, tile.pieces, words)
        # What is outside of epoch loops brings its tiles anew each time, and so gives them back each time.
        closes = Flag() if always.kind in {When.FIRST, When.LAST} else tile.flag(When.LEAVES)
        return Pool(name, transfer.level, at, always, owner, closes, tile.pieces, tile.pieces, words)

    def _extended(self, pools: list[Pool]) -> list[Pool]:
        """Pools with room for tiles that arrive early, the smallest first, as far as memories have room."""
        machine = self.design.architecture
        left = {level: self.capacity(level) - sum(p.limit * max(p.words) for p in pools if p.level == level)
                for level in self.memories}  # fmt: skip
        for number in sorted(range(len(pools)), key=lambda n: max(pools[n].words)):
            pool = pools[number]
            moves = max(pool.opener, pool.closer) >= len(self.linker.index)
            more = machine.memories[pool.level].prefetch_tiles if moves else 0
            if more:
                more = max(more, -(-self.timing.words_under_way(machine) // max(1, *pool.words)))
            more = max(0, min(more, left[pool.level] // max(1, *pool.words)))
            left[pool.level] -= more * max(pool.words)
            pools[number] = replace(pool, limit=pool.limit + more)
        return pools

    def capacity(self, level: str) -> int:
        """Words of a memory that tiles may use."""
        machine = self.design.architecture
        return (machine.memories[level].capacity_bytes or 0) // machine.word_bytes - self.fixed[level]

    def fits_memories(self, held: Sequence[Held]) -> bool:
        """Whether the tiles that a plan has in flight in memories fit; one of each counts as fitting."""
        for level in self.memories:
            made = [each for each in held[: len(self.handed)] if each.level == level]
            more = sum((each.copies - 1) * each.words for each in held if each.level == level)
            streams = sum(p.least * max(p.words) for p in self.pools([]) if p.level == level) if more else 0
            if more and more + sum(each.words for each in made) + streams > self.capacity(level):
                return False
        return True

    def _fixed(self, level: str) -> int:
        """Words of a memory that are there all the time: state, and whatever does not come and go by tiles."""
        if self.live is None:
            return 0
        names = list(self.linker.index)
        words = self.live.held(level, names)
        moving = {self.flow.keys[t.strand.einsum, t.access.label, t.access.is_output]
                  for _, t in self.moves if self._keeps(t) and t.level == level}  # fmt: skip
        moving |= {each.stay.touch.key for each in self.handed if each.stay.level == level}
        return int(sum(amount for key, amount in words.items() if key not in moving))
