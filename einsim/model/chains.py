"""Exact counts along one rank of a loop nest.

Numbers are Python integers (one design; no width, so no overflow) or arrays of int64 over the points of a sweep, and
nothing here branches on the value of one. What ranks have in common is in `einsim.model.products`, the theory in
docs/counting.md.

A nest visits tiles of a tensor at a level, and fetches one again whenever it changes from one step to
the next: loops that do not concern the tensor are free while they are inside the innermost loop that
does, and multiply otherwise. Ranks are independent, so the count is a sum, over the loops k that
concern the tensor, of products of one factor a rank:

    visits = sum over k of (X_r(k) - X_r(k-1)) * product over the other ranks q of X_q(k)

For a rank that the tensor has, X_r(k) is the number of its words in tiles for which no loop after k
changes the rank any more; for a rank that it has not, the number of iterations up to k. A *chain* is the
loops over one rank above a level; what it brings at every depth is computed here, once for all queries. Ragged
tiles are carried exactly: `Extents` are the different extents of the tiles at a depth and how many there are of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum, auto
from functools import partial, reduce
from operator import add, floordiv, le, mul, sub
from typing import Any, TypeVar

from einsim.model.queries import SPATIAL, LoopRef
from einsim.spec.alike import Alike
from einsim.spec.expressions import Number, ceil_div, choose, everywhere, maximum, minimum, somewhere

Loops = tuple[LoopRef, ...]
Extents = tuple[tuple[Number, Number], ...]
"""(extent, how many tiles have it) of all tiles; where there are none, the extent means nothing."""

T = TypeVar("T")


class View(IntEnum):
    """How a tensor sees a rank: not at all, word by word, or one word a grain.

    ALL: by all processing elements together; ONE: by their parent, which serves those with the same data once.
    """

    ABSENT_ALL = auto()
    ABSENT_ONE = auto()
    FULL = auto()
    COARSE_ALL = auto()
    COARSE_ONE = auto()


@dataclass(slots=True)
class Rank:
    """A rank with its size, that of its grain, and the tile of every loop by its slot; numbers are computed once.

    `alike` may be shared by ranks: of equal numbers they then compute the same once.
    """

    size: Number
    grain: Number
    tiles: list[Number]
    alike: Alike = field(default_factory=Alike)
    same: Callable[..., Number] = field(init=False)
    _known: dict[object, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.same = self.alike.same

    def once(self, key: object, compute: Callable[[], T]) -> T:
        """A value computed once."""
        if key not in self._known:
            self._known[key] = compute()
        known: T = self._known[key]
        return known

    def brought(self, loops: Loops, view: View) -> list[Number]:
        """What a chain brings before its first loop in time and after each."""
        places = [0, *(number + 1 for number, loop in enumerate(loops) if loop.in_time)]
        return [self.once((view, loops, place), partial(self._at, loops, view, place)) for place in places]

    def _at(self, loops: Loops, view: View, place: int) -> Number:
        extents, left = self.extents(loops[:place]), loops[place:]
        inside = place > 0 and loops[place - 1].inner
        outer, inner = self.spread(loops, inner=False), self.spread(loops, inner=True)
        both = inner if outer is None else outer
        match view:
            case View.ABSENT_ONE:
                return self.tiles_in(extents)
            case View.ABSENT_ALL:
                return self.active(extents, left, both)
            case View.FULL:
                return self.settled(extents, left, 1, both, outer_only=False)
            case View.COARSE_ONE if inside:
                return self.tiles_in(extents)
            case View.COARSE_ALL if inside:
                return self.active(extents, left, both)
            case View.COARSE_ALL if inner is not None:
                return self.settled_inside(extents, left, inner, self.least(_inner(loops)))
        return self.settled(extents, left, self.grain, outer, outer_only=True)

    def distinct(self, loops: Loops, view: View) -> Number:
        """Different words of the rank that the level, or its parent on its behalf, ever sees."""
        return self.once((view, loops), lambda: self._distinct(loops, view))

    def _distinct(self, loops: Loops, view: View) -> Number:
        outer, inner = self.spread(loops, inner=False), self.spread(loops, inner=True)
        match view:
            case View.ABSENT_ONE:
                return 1
            case View.FULL:
                return self.size
            case View.COARSE_ONE:
                return self.same(ceil_div, self.size, self.grain)
            case View.ABSENT_ALL:
                spread = outer if inner is None else inner
                return 1 if spread is None else self.same(ceil_div, self.clip(self.size, self.least(loops)), spread)
            case View.COARSE_ALL:
                return self.active(self.cut(((self.size, 1),), self.grain), _inner(loops), inner)

    def steps(self, loops: Loops) -> Number:
        """Steps in time: a grain that loops walk inside counts whole, other partial tiles as they are."""
        return self.once(("steps", loops), lambda: self._steps(loops))

    def _steps(self, loops: Loops) -> Number:
        extents: Extents = ((self.size, 1),)
        last, inside = self.size, False
        for loop in loops:
            if loop.inner and not inside:
                extents, inside = ((last, self.tiles_in(extents)),), True
            last = self.tiles[loop.slot]
            if loop.kind == SPATIAL:  # the first processing element has the first part
                extents = tuple((self.same(minimum, extent, last), count) for extent, count in extents)
            else:
                extents = self.cut(extents, last)
        return self.tiles_in(extents)

    def extents(self, loops: Loops) -> Extents:
        """The tiles that the loops in time among some cut the rank into."""
        if not loops:
            return ((self.size, 1),)
        outside, last = loops[:-1], loops[-1]
        if not last.in_time:
            return self.extents(outside)
        return self.once(loops, lambda: self.cut(self.extents(outside), self.tiles[last.slot]))

    def spread(self, loops: Loops, *, inner: bool) -> Number | None:
        """Elements per processing element of the loop laid along an axis, outside or inside the grain."""
        return next((self.tiles[loop.slot] for loop in loops if loop.kind == SPATIAL and loop.inner == inner), None)

    def least(self, loops: Iterable[LoopRef]) -> Number | None:
        """The least tile among loops in time."""
        slots = tuple(sorted({loop.slot for loop in loops if loop.in_time}))
        if not slots:
            return None
        return self.once(slots, lambda: reduce(partial(self.same, minimum), (self.tiles[slot] for slot in slots)))

    def active(self, extents: Extents, left: Loops, spread: Number | None) -> Number:
        """Iterations over tiles, summed over the processing elements that take part in each.

        `left` are the loops that are still to come; without `spread` there is one element.
        """
        if spread is None:
            return self.tiles_in(extents)
        least = self.least(left)
        return self.sum(
            self.times(count, self.same(ceil_div, self.clip(extent, least), spread)) for extent, count in extents
        )

    def settled(
        self, extents: Extents, left: Loops, grain: Number, spread: Number | None, *, outer_only: bool
    ) -> Number:
        """Words of the rank, over tiles in which the loops that are left (`outer_only`: no inner) change it no more.

        With `spread` the rank lies along an axis of the array, that many elements a processing element, and
        their words are summed: one that only the first of several tiles reaches counts that tile as settled.
        """
        cutting = tuple(loop for loop in left if loop.in_time and not (outer_only and loop.inner))
        least = self.least(cutting)
        if least is None and isinstance(grain, int) and grain == 1:
            return self.size
        words: list[Number] = []
        for extent, count in extents:
            done = True if least is None else self.same(le, extent, least)
            found = self.times(count, self.same(ceil_div, extent, grain)) if somewhere(done) else 0
            if not everywhere(done):
                reached = self.same(ceil_div, self._reached(extent, cutting, spread), grain)
                found = self.same(choose, done, found, self.times(count, reached))
            words.append(found)
        return self.sum(words)

    def _reached(self, extent: Number, cutting: Loops, spread: Number | None) -> Number:
        """Elements of a tile that only the largest of the tiles inside it reaches, in whole processing elements."""
        if spread is None:
            return 0
        largest, second = self.two_largest(extent, cutting)
        taken = self.times(self.same(ceil_div, second, spread), spread)
        return self.same(maximum, self.same(sub, largest, taken), 0)

    def settled_inside(self, extents: Extents, left: Loops, spread: Number, least: Number | None) -> Number:
        """Processing elements, along an axis inside the grain, for which what is left changes the grain no more.

        `least` is the tile that loops in time inside the grain leave.
        """
        cutting = tuple(loop for loop in left if loop.in_time and not loop.inner)
        found: list[Number] = []
        for extent, count in extents:
            largest, second = (self.clip(part, least) for part in self.two_largest(extent, cutting))
            elements = self.same(sub, self.same(ceil_div, largest, spread), self.same(ceil_div, second, spread))
            found.append(self.times(count, elements))
        return self.sum(found)

    def two_largest(self, extent: Number, cutting: Loops) -> tuple[Number, Number]:
        """The largest and the second-largest of the tiles that loops cut an extent into (0 where there is no second).

        The first tile is whole at every depth, and so the largest. The second is the largest of what some loop leaves
        outside its first tile, of all that is in the first tiles of the loops around it.
        """
        second: Number = 0
        for number, loop in enumerate(cutting):
            tile = self.tiles[loop.slot]
            left = self.same(maximum, self.same(sub, extent, tile), 0)
            second = self.same(maximum, second, self.clip(left, self.least(cutting[number:])))
            extent = self.same(minimum, extent, tile)
        return extent, second

    def cut(self, extents: Extents, tile: Number) -> Extents:
        """Cuts every tile into tiles of `tile` and what is left; leaves out what is nowhere."""
        parts = []
        full: list[Number] = []
        for extent, count in extents:
            whole = self.same(floordiv, extent, tile)
            rest = self.same(_left, extent, whole, tile)
            full.append(self.times(count, whole))
            if somewhere(rest):
                parts.append((rest, self.times(self.same(minimum, rest, 1), count)))
        whole = self.sum(full)
        return (*parts, (tile, whole)) if somewhere(whole) else tuple(parts)

    def tiles_in(self, extents: Extents) -> Number:
        """How many tiles there are."""
        return self.sum(count for _, count in extents)

    def clip(self, extent: Number, least: Number | None) -> Number:
        """What is left of an extent after loops in time whose least tile is `least` (None: there are none)."""
        return extent if least is None else self.same(minimum, extent, least)

    def times(self, one: Number, other: Number) -> Number:
        """The product, where ones change nothing."""
        if isinstance(one, int) and one == 1:
            return other
        return one if isinstance(other, int) and other == 1 else self.same(mul, one, other)

    def sum(self, numbers: Iterable[Number]) -> Number:
        """The sum, without adding zeros."""
        total: Number = 0
        for number in numbers:
            if isinstance(total, int) and total == 0:
                total = number
            elif not (isinstance(number, int) and number == 0):
                total = self.same(add, total, number)
        return total


def _inner(loops: Loops) -> Loops:
    return tuple(loop for loop in loops if loop.inner)


def _left(extent: Number, whole: Number, tile: Number) -> Number:
    """What whole tiles leave of an extent."""
    return extent - whole * tile
