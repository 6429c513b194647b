"""Which loops Einsums share: the order in which the loops of a mapping run, as far as it follows from its names.

Loops of equal name and level are one loop while the nests agree from the outermost on. The Einsums inside a loop
run in the order of the text, in *turns*: each turn is one loop that some of them share, or one Einsum alone. An
Einsum joins the last turn of its own loop that comes after (or is) those of everything it needs, unless what
it needs is complete only when that loop is over; then, or if there is none, it opens a new turn. So every value
is there when it is read, and what must be kept meanwhile follows (`einsim.schedule.liveness`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from einsim.schedule.flow import Bar, Edge
from einsim.schedule.nest import Loop

LoopName = tuple[str, str | None]
"""Loops of this name and level have the same rank and tile wherever they stand."""


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
    edges: Iterable[Edge],
    groups: dict[str, int],
    late: frozenset[str],
) -> Turns:
    """The turns of Einsums (in the order of the text) with their loops at shared memories.

    `groups` are their fusion groups, which share nothing. Results of those in `late` are kept in registers only:
    they are made in the turn that uses them first, where that is possible.
    """
    into: dict[str, list[Edge]] = {name: [] for name in names}
    out: dict[str, list[Edge]] = {name: [] for name in names}
    for edge in edges:
        if edge.source in into and edge.reader in into:
            into[edge.reader].append(edge)
            out[edge.source].append(edge)
    paths: dict[str, list[int]] = {name: [] for name in names}
    _Taking(loops, into, out, groups, late, paths).part(list(names), 0)
    return Turns({name: tuple(path) for name, path in paths.items()})


@dataclass(slots=True)
class _Taking:
    loops: dict[str, tuple[Loop, ...]]
    into: dict[str, list[Edge]]
    out: dict[str, list[Edge]]
    groups: dict[str, int]
    late: frozenset[str]
    paths: dict[str, list[int]]
    turns: list[LoopName | int | None] = field(default_factory=list)

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
            return self.groups[name]
        loops = self.loops[name]
        return (loops[depth - 1].name, loops[depth - 1].level) if depth <= len(loops) else None

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
            if name not in self.late or own is None or not readers:
                continue
            last = min(place[e.reader] - self.after(e, 0, own, [turns[place[e.reader]]], depth) for e in readers)
            later = [number for number in range(place[name] + 1, last + 1) if turns[number] == own]
            if later:
                place[name] = later[-1]
