"""What waits for what: links between strands that follow from the cascade and the mapping, never from names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from einsim.cascade import Cascade, iterative_rank, tiled_split
from einsim.schedule.flow import Bar, Flow, Stay, Touch
from einsim.schedule.fusion import is_barred
from einsim.schedule.nest import AccessPlan, Loop
from einsim.schedule.pipeline.program import LOAD, STORE, Cause, Link, Strand
from einsim.schedule.pipeline.routes import behind, leave, shifted, travel
from einsim.schedule.pipeline.strands import Body, Group, grains, steps_of, unit_loops
from einsim.schedule.pipeline.timing import Timing
from einsim.schedule.pipeline.transfers import Transfer
from einsim.spec.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Linker:
    """What links are made from: a group's bodies with their strands (`strands` in order, `index` by Einsum)."""

    cascade: Cascade
    machine: Architecture
    timing: Timing
    group: Group
    running: dict[str, tuple[Loop, ...]]
    strands: tuple[Strand, ...]
    index: dict[str, int]

    def shares(self, body: Body, other: str) -> tuple[int, ...]:
        """Steps of each of a body's instances that it shares with another Einsum, by its extents."""
        full = len(self.group.epochs.loops)
        kinds = self.group.epochs.kinds(body.depth)
        extra = min(self.group.shared[body.einsum.name, other] - full, body.unit)
        if extra <= 0 or body.depth < full:
            return (1,) * len(kinds)
        loops = unit_loops(body, self.running[body.einsum.name], extra)
        whole = grains(self.group.epochs, body.depth)
        units = self.strands[self.index[body.einsum.name]].units
        return tuple(min(units[n], steps_of(loops, extents, whole)) for n, extents in enumerate(kinds))

    def value(self, source: str, reader: str, access: AccessPlan, over: int | None = None) -> Link:
        """The reader needs what the source makes: in the same epoch, or an iteration of a loop before."""
        one, other = self.group.body(source), self.group.body(reader)
        way = travel(self.machine, self.timing, one, other, access)
        tail = self.strands[self.index[source]].tail
        return Link(self.index[source], self.index[reader], self.shares(other, source), tail + way, way, over=over,
                    tensor=access.tensor)  # fmt: skip

    def iteration(self, bar: Bar) -> int | None:
        """The epoch's loop over whose iterations a value is carried; None where it is inside an epoch."""
        found = [p for p, loop in enumerate(self.group.epochs.loops) if is_barred(loop, [bar])]
        return found[-1] if found else None

    def values(self, flow: Flow) -> Iterator[Link]:
        """Links for every value that an Einsum of the group takes from another, or from its own last iteration."""
        accesses = {(t.einsum, t.stored): self.access(t) for t in flow.touches if not t.is_output}
        for edge in flow.edges:
            access = accesses.get((edge.reader, edge.tensor))
            if edge.source == edge.tensor and edge.source in self.index and access is not None:
                yield self.value(edge.source, edge.reader, access)
        for stay in flow.stays:
            there = stay.touch.stored in self.index or stay.level in self.machine.registers
            if brings(stay) and there and {stay.holder, stay.reader} <= self.index.keys():
                reader = self.group.body(stay.reader)
                yield Link(self.index[stay.holder], self.index[stay.reader], self.shares(reader, stay.holder), 1,
                           tensor=stay.touch.stored)  # fmt: skip
        for carried in flow.carried:
            if {carried.maker, carried.reader} <= self.index.keys():
                yield from self.carried(carried.maker, carried.reader, carried.over, accesses)
        for stay in flow.stays:
            if stay.holder == stay.reader and stay.slices is not None and stay.holder in self.index:
                yield from self.carried(stay.holder, stay.holder, stay.slices.over, accesses)

    def carried(
        self, maker: str, reader: str, over: Bar, accesses: dict[tuple[str, str], AccessPlan | None]
    ) -> Iterator[Link]:
        """What the reader takes from the maker's last iteration, where the epoch's loops iterate."""
        position = self.iteration(over)
        access = accesses.get((reader, maker))
        if position is not None and access is not None and self.full(maker) and self.full(reader):
            yield self.value(maker, reader, access, position)

    def full(self, name: str) -> bool:
        """Whether an Einsum is inside all loops of the epoch."""
        return self.group.body(name).depth == len(self.group.epochs.loops)

    def access(self, touch: Touch) -> AccessPlan | None:
        """The access of a touch, if its Einsum is in the group."""
        if touch.einsum not in self.index:
            return None
        return next(a for a in self.group.body(touch.einsum).einsum.accesses
                    if (a.label, a.is_output) == (touch.label, touch.is_output))  # fmt: skip

    def edges_of_array(self) -> Iterator[Link]:
        """Tiles shifted into or out of the 2D array keep its edge busy: each waits until the last one is through.

        Tiles change from unit to unit where the loops of units concern them, else from instance to instance.
        """
        for body in self.group.bodies:
            array = self.machine.arrays[body.einsum.array]
            at = self.index[body.einsum.name]
            strand = self.strands[at]
            leaving = [a for a in body.einsum.accesses if a.is_output and a.path[0] != body.einsum.registers]
            for access in shifted(body, leaving):
                units = self.running[body.einsum.name][body.depth : body.depth + body.unit]
                often = any(access.concerns(loop) for loop in units)
                shares = strand.units if often else (1,) * len(strand.units)
                each = max(strand.slots) // max(1, *shares)
                cycles = self.timing.across(array, "rows") if array.is_grid else 0
                if cycles > each:
                    yield Link(at, at, shares, cycles - each + 1, cycles - each, Cause.TRAVEL, room=1)

    def served(self, flow: Flow, transfer: Transfer) -> list[str]:
        """Einsums that take what a transfer brings: its own, and those that find it where that one keeps it."""
        return list(dict.fromkeys([transfer.strand.einsum, *(stay.reader for stay in self.finding(flow, transfer))]))

    def finding(self, flow: Flow, transfer: Transfer) -> list[Stay]:
        """What of a transfer's words stays for Einsums other than its own, or for others after those."""
        own, found = transfer.strand.einsum, list[Stay]()
        for stay in flow.stays:  # of each Einsum after those of earlier ones
            before = {each.reader for each in found if each.level == stay.level}
            first = brings(stay) and stay.holder == own and stay.touch.label == transfer.access.label
            after = not stay.touch.is_output and stay.holder in before and stay.touch.stored == found[0].touch.stored
            if (first or after) and stay.reader in self.index:
                found.append(stay)
        return found

    def moves(self, flow: Flow, transfers: Iterable[tuple[int, Transfer]]) -> Iterator[Link]:
        """Links between transfers and the Einsums that they serve."""
        transfers = list(transfers)
        for at, transfer in transfers:
            strand, owner = transfer.strand, self.index[transfer.strand.einsum]
            shares = strand.units
            if strand.resource == LOAD:
                for name in self.served(flow, transfer):
                    each = self.strands[self.index[name]].units if transfer.tile.streams else (1,) * len(
                        self.strands[self.index[name]].slots)  # fmt: skip
                    yield Link(at, self.index[name], each, 0, 0, Cause.MEMORY, tensor=transfer.access.tensor)
                for other, stored in transfers:
                    if stored.strand.resource != STORE or stored.access.tensor != transfer.access.tensor:
                        continue
                    if stored.strand.einsum == strand.einsum:
                        yield from self.stored_before(other, at)
                    else:
                        steps = self.shares(self.group.body(strand.einsum), stored.strand.einsum)
                        steps = tuple(min(pair) for pair in zip(steps, strand.units, strict=True))
                        yield Link(other, at, steps, 0, 0, Cause.MEMORY, tensor=stored.access.tensor)
                if transfer.tile.streams:
                    unit = max(1, *strand.moved) / max(1, *strand.units)
                    room = 1 + max(1, ceil(self.timing.words_under_way(self.machine) / unit))
                    yield Link(owner, at, shares, 1, 0, Cause.FULL, room=room, tensor=transfer.access.tensor)
                continue
            body = self.group.body(strand.einsum)
            way = self.way_out(body, transfer.access)
            yield Link(owner, at, shares, self.strands[owner].tail + way, way, tensor=transfer.access.tensor)
            if transfer.tile.streams or transfer.level == body.einsum.registers:
                room = self.leaving(body, transfer.access, way)
                yield Link(at, owner, shares, 0, 0, Cause.FULL, room=room, tensor=transfer.access.tensor)

    def way_out(self, body: Body, access: AccessPlan) -> int:
        """Cycles from a result until a store may take it: the last column or lane has it, and control decides ahead."""
        inside = leave(self.machine, self.timing, body) + behind(self.machine, self.timing, body, access)
        return self.timing.control(self.machine) + inside

    def leaving(self, body: Body, access: AccessPlan, way: int) -> int:
        """Units of a result that are under way at a time: one in the making, one going out, and those in between.

        Those are as many as are made while one travels: how far it is to the outermost memory costs time once.
        """
        strand, array = self.strands[self.index[body.einsum.name]], self.machine.arrays[body.einsum.array]
        each = max(strand.slots) // max(1, *strand.units)
        if shifted(body, [access]):
            each = max(each, self.timing.across(array, "rows"))
        return 2 + ceil(way / max(1, each))

    def detours(self, transfers: Sequence[tuple[int, Transfer]]) -> Iterator[Link]:
        """Values that go out to the outermost memory and come back in the same epoch: how long that takes at least.

        For the plan only; the transfers have links of their own.
        """
        memory = self.machine.memories[self.machine.outermost]
        wait = self.timing.response(self.machine, self.machine.outermost)
        for _, stored in transfers:
            for _, loaded in transfers:
                source, reader = stored.strand.einsum, loaded.strand.einsum
                same = stored.access.tensor == loaded.access.tensor and source != reader
                if not same or stored.strand.resource != STORE or loaded.strand.resource != LOAD:
                    continue
                words = sum(max(t.strand.moved) / max(1, *t.strand.units) for t in (stored, loaded))
                cycles = 0
                if memory.bandwidth_bytes_per_s is not None:
                    rate = memory.bandwidth_bytes_per_s / self.machine.clock_hz
                    cycles = ceil(words * self.machine.word_bytes / rate)
                tail = self.strands[self.index[source]].tail
                way = self.way_out(self.group.body(source), stored.access)
                yield Link(self.index[source], self.index[reader], self.shares(self.group.body(reader), source),
                           tail + way + cycles + wait + 2, tensor=stored.access.tensor)  # fmt: skip

    def stored_before(self, store: int, load: int) -> Iterator[Link]:
        """The state of an iteration that is kept in the outermost memory is stored before it is loaded again."""
        rank = iterative_rank(self.cascade.einsum(self.strands[load].einsum))
        if rank is None:
            return
        split = tiled_split(self.cascade, rank)
        bars = [(rank, False), *([(split.rank, rank == split.inner)] if split is not None else [])]
        position = next((found for bar in bars if (found := self.iteration(bar)) is not None), None)
        if position is not None:
            yield Link(store, load, (1,) * len(self.strands[load].slots), 0, 0, Cause.MEMORY, over=position)

    def outside(self, flow: Flow) -> Iterator[Link]:
        """What is read (or made) outside of the epoch's loops is read before it is overwritten there."""
        for stay in flow.stays:
            if stay.holder == stay.reader or not {stay.holder, stay.reader} <= self.index.keys():
                continue
            if self.full(stay.holder) != self.full(stay.reader):
                source, reader = self.index[stay.reader], self.index[stay.holder]
                shares = (1,) * len(self.strands[reader].slots)
                yield Link(source, reader, shares, 1, 0, Cause.FULL, back=1, tensor=stay.touch.stored)


def brings(stay: Stay) -> bool:
    """Whether a reader takes what another reader brought to a level for itself."""
    return not stay.touch.is_output and stay.touch.path[0] != stay.level
