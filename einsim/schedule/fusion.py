"""Which loops Einsums share: the order in which the loops of a mapping run, as far as it follows from its names.

Loops of equal name and level are one loop while the nests agree from the outermost on. The Einsums inside a loop
run in the order of the text, in *turns*: each turn is one loop that some of them share, or one Einsum alone. An
Einsum joins the last turn of its own loop that comes after (or is) those of everything it needs, unless what
it needs is complete only when that loop is over; then, or if there is none, it opens a new turn. So every value
is there when it is read, and what must be kept meanwhile follows (`einsim.schedule.liveness`).

A fusion group may be cut into parts: then Einsums of different parts share the outer loops that all of the group
have, and nothing inside of them.

A loop that runs once is as good as absent. Which ones do is all that this needs to know about sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

from einsim.schedule.flow import Bar, Carried, Edge, Flow, Stay
from einsim.schedule.nest import EinsumSchedule, Loop

LoopName = tuple[str, str | None, int | None]
"""Loops of this name and level have the same rank and tile wherever they stand; those of a part are its own."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Of every Einsum, the number of its turn inside each loop around it, its fusion group first."""

    paths: dict[str, tuple[int, ...]]

    def shared(self, one: str, other: str) -> int:
        """How many loops two Einsums share, outermost first."""
        common = 0
        for a, b in zip(self.paths[one], self.paths[other], strict=False):
            if a != b:
                break
            common += 1
        return max(0, common - 1)


def is_barred(loop: Loop, bars: Iterable[Bar]) -> bool:
    """Whether what ends only with the bars' ranks ends only with this loop."""
    return any(loop.rank == rank and (loop.inner or not inner) for rank, inner in bars)


def take_turns(
    names: Sequence[str],
    loops: dict[str, tuple[Loop, ...]],
    flow: Flow,
    common: dict[str, int],
) -> Turns:
    """The turns of Einsums (in the order of the text) with their loops at shared memories.

    Fusion groups of the flow share nothing, and their parts the first `common` loops. Results of those in `late` are
    kept in registers only: they are made in the turn that uses them first, where that is possible.
    """
    into: dict[str, list[Edge]] = {name: [] for name in names}
    out: dict[str, list[Edge]] = {name: [] for name in names}
    for edge in flow.edges:
        if edge.source in into and edge.reader in into:
            into[edge.reader].append(edge)
            out[edge.source].append(edge)
    paths: dict[str, list[int]] = {name: [] for name in names}
    _Taking(loops, into, out, flow, common, paths).part(list(names), 0)
    return Turns({name: tuple(path) for name, path in paths.items()})


@dataclass(slots=True)
class _Taking:
    loops: dict[str, tuple[Loop, ...]]
    into: dict[str, list[Edge]]
    out: dict[str, list[Edge]]
    flow: Flow
    common: dict[str, int]
    paths: dict[str, list[int]]

    def part(self, names: list[str], depth: int) -> None:
        """Divides Einsums that share the first `depth` loops (counting the fusion group) into turns."""
        turns: list[LoopName | int | None] = []
        place: dict[str, int] = {}
        for name in names:
            own = self.key(name, depth)
            first = max((self.after(e, place[e.source], own, turns, depth) for e in self.into[name]
                         if e.source in place), default=0)  # fmt: skip
            same = [number for number in range(first, len(turns)) if own is not None and turns[number] == own]
            if not same:
                turns.append(own)
            place[name] = same[-1] if same else len(turns) - 1
        self.delay(names, place, turns, depth)
        members: dict[int, list[str]] = {}
        for name in names:
            members.setdefault(place[name], []).append(name)
            self.paths[name].append(place[name])
        for number, together in members.items():
            if turns[number] is not None:
                self.part(together, depth + 1)

    def key(self, name: str, depth: int) -> LoopName | int | None:
        """What an Einsum must have in common with those that share its turn; None when its loops are over."""
        if depth == 0:
            return self.flow.groups[name]
        loops = self.loops[name]
        part = self.flow.parts.get(name) if depth > self.common[name] else None
        return (loops[depth - 1].name, loops[depth - 1].level, part) if depth <= len(loops) else None

    def after(
        self, edge: Edge, turn: int, own: LoopName | int | None, turns: list[LoopName | int | None], depth: int
    ) -> int:
        """The first turn in which the reader of an edge may run when its source runs in `turn`."""
        if own is None or turns[turn] != own:
            return turn + 1
        return turn + (depth > 0 and is_barred(self.loops[edge.reader][depth - 1], edge.bars))

    def delay(self, names: list[str], place: dict[str, int], turns: list[LoopName | int | None], depth: int) -> None:
        """Moves what only registers keep to the turn of its first reader, if its loop has that turn."""
        for name in reversed(names):
            own = self.key(name, depth)
            readers = [edge for edge in self.out[name] if edge.reader in place]
            if name not in self.flow.late or own is None or not readers:
                continue
            last = min(place[e.reader] - self.after(e, 0, own, [turns[place[e.reader]]], depth) for e in readers)
            later = [number for number in range(place[name] + 1, last + 1) if turns[number] == own]
            if later:
                place[name] = later[-1]


Chain = tuple[str, tuple[str, ...]]
"""A loop in time by its rank and the loops over that rank down to it, which decide whether it runs once."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """How many of the holder's loops the reader shares, how many of those sweep a stay's words, and whether the
    shared ones end every slice of an iteration (of an iterative tensor)."""

    shared: int
    swept: int
    in_step: bool


@dataclass(frozen=True, slots=True)
class Sharing:
    """The turns of Einsums, the prefix of every stay, and who takes a slice outside of its maker's loops.

    `running` are the places of each Einsum's loops that run more than once, `common` how many of these all parts of
    its fusion group share (0 where it has none).
    """

    turns: Turns
    prefixes: tuple[Prefix, ...]
    parted: tuple[Carried, ...]
    running: dict[str, list[int]]
    common: dict[str, int]


BareLoop = tuple[str, str, str | None, str | None, bool]
"""A loop without its tile: name, base rank, level, axis, whether it is inside a tile of a split."""

Nest = tuple[str, str, tuple[BareLoop, ...]]
"""An Einsum's name, its registers and its loops."""


def nest_of(einsum: EinsumSchedule) -> Nest:
    """What sharing depends on: names, which compare and hash where tiles may be arrays."""
    loops = tuple((loop.name, loop.rank, loop.level, loop.axis, loop.inner) for loop in einsum.loops)
    return einsum.name, einsum.registers, loops


@lru_cache(maxsize=256)
def shape_of(flow: Flow, nests: tuple[Nest, ...]) -> Shape:
    """The shape of some Einsums' nests; one for all designs that differ in numbers only."""
    return Shape(flow, nests)


class Shape:
    """The nests of some Einsums by their names: `loops` in time outside of registers, which they may share; `others`.

    `chains` are the loops in time by rank and names, each with an Einsum and the places of its loops over the rank.
    """

    def __init__(self, flow: Flow, nests: tuple[Nest, ...]) -> None:
        self.flow = flow
        self.every = {
            name: [Loop(loop, rank, 0, level, axis, inner) for loop, rank, level, axis, inner in loops]
            for name, _, loops in nests
        }
        self.loops: dict[str, list[Loop]] = {}
        for name, registers, _ in nests:
            self.loops[name] = [loop for loop in self.every[name] if loop.level not in {None, registers}]
        self.stays = tuple(s for s in flow.stays if s.holder in self.loops and s.reader in self.loops)
        self.carried = tuple(c for c in flow.carried if c.maker in self.loops and c.reader in self.loops)
        self.chains: dict[Chain, tuple[str, tuple[int, ...]]] = {}
        for name in self.loops:
            for position, chain in enumerate(self.chains_of(name)):
                over = tuple(p for p in range(position + 1) if self.loops[name][p].rank == chain[0])
                self.chains.setdefault(chain, (name, over))
        self._tiles: dict[tuple[str, str, int], tuple[object, tuple[int, ...], int | None]] = {}
        self._sharing: dict[frozenset[Chain], Sharing] = {}

    def chains_of(self, name: str) -> list[Chain]:
        """Of each loop in time of an Einsum, its rank and the names of the loops over the rank down to it."""
        loops = self.loops[name]
        return [
            (loop.rank, tuple(each.name for each in loops[: number + 1] if each.rank == loop.rank))
            for number, loop in enumerate(loops)
        ]

    def tile(self, name: str, rank: str, count: int) -> tuple[object, tuple[int, ...], int | None]:
        """What the tile of a rank under an Einsum's first loops depends on: a key, those loops, the next inside."""
        if (name, rank, count) not in self._tiles:
            over = [(position, loop.name) for position, loop in enumerate(self.every[name]) if loop.rank == rank]
            above = tuple(position for position, _ in over if position < count)
            following = over[len(above)][0] if len(over) > len(above) else None
            key = (rank, *(loop for _, loop in over[: len(above) + 1]), len(above))
            self._tiles[name, rank, count] = key, above, following
        return self._tiles[name, rank, count]

    def sharing(self, single: frozenset[Chain]) -> Sharing:
        """What the Einsums share when the `single` loops run once."""
        if single not in self._sharing:
            many = {
                name: [position for position, chain in enumerate(self.chains_of(name)) if chain not in single]
                for name in self.loops
            }
            running = {name: tuple(self.loops[name][position] for position in many[name]) for name in self.loops}
            order = [name for name in self.flow.einsums if name in self.loops]
            common = self.common(running)
            turns = take_turns(order, running, self.flow, common)
            prefixes = tuple(self.prefix(stay, turns, many[stay.holder]) for stay in self.stays)
            parted = tuple(each for each in self.carried if self.is_parted(each, turns, many))
            self._sharing[single] = Sharing(turns, prefixes, parted, many, common)
        return self._sharing[single]

    def common(self, running: dict[str, tuple[Loop, ...]]) -> dict[str, int]:
        """How many outer loops all Einsums of a fusion group with parts have, Einsum by Einsum."""
        found = dict.fromkeys(running, 0)
        for group in {self.flow.groups[name] for name in self.flow.parts}:
            members = [name for name in running if self.flow.groups[name] == group]
            levels = zip(*([(loop.name, loop.level) for loop in running[name]] for name in members), strict=False)
            shared = sum(1 for _ in takewhile(lambda each: len({*each}) == 1, levels))
            found |= dict.fromkeys(members, shared)
        return found

    def prefix(self, stay: Stay, turns: Turns, many: list[int]) -> Prefix:
        """The shared loops of a stay; `many` are the places of the holder's loops that run more than once."""
        loops = self.loops[stay.holder]
        count = len(many) if stay.reader == stay.holder else turns.shared(stay.holder, stay.reader)
        shared = many[count] if count < len(many) else len(loops)
        swept = next((p for p in many[:count] if is_barred(loops[p], stay.bars)), shared)
        in_step = stay.slices is None or not self.walks(stay.holder, many[count:], stay.slices.over)
        return Prefix(shared, swept, in_step)

    def is_parted(self, each: Carried, turns: Turns, many: dict[str, list[int]]) -> bool:
        """Whether the reader of a carried slice walks the iteration apart from its maker."""
        count = turns.shared(each.maker, each.reader)
        return any(self.walks(name, many[name][count:], each.over) for name in (each.maker, each.reader))

    def walks(self, name: str, positions: list[int], over: Bar) -> bool:
        """Whether some of an Einsum's loops, or those in space and registers, are over the rank of an iteration."""
        rank, inner = over
        loops = [self.loops[name][position] for position in positions] + self.every[name][len(self.loops[name]) :]
        return any(loop.rank == rank and (inner or not loop.inner) for loop in loops)
