"""How many words of a tensor a level must keep, from when they are there until they were last read.

What two Einsums pass on is swept away by the loops that they share (`einsim.schedule.fusion`): the tile that
those loops leave must live, all of the tensor where they share none. Partial results live while the loops that
reduce them run, and the state of an iteration from one turn of its loop to the next.

A loop that runs once is as good as absent, so which loops are shared depends on sizes. In a sweep the points are
divided by which loops run once; each division has its own turns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial, reduce
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from einsim.cascade import size_of
from einsim.schedule.flow import Bar, Carried, Flow, Key, Stay, flow_of
from einsim.schedule.fusion import Turns, is_barred, take_turns
from einsim.schedule.nest import AccessPlan, Dimension, EinsumSchedule, Loop, Shortfall
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number, ceil_div, is_formula, maximum, minimum, product, total

Chain = tuple[str, tuple[str, ...]]
"""A loop in time by its rank and the loops over that rank down to it, which decide whether it runs once."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """How many of the holder's loops the reader shares, how many of those sweep a stay's words, and whether the
    shared ones end every slice of an iteration (of an iterative tensor)."""

    shared: int
    swept: int
    in_step: bool


@dataclass(slots=True)
class Liveness:
    """What must live in some lowered Einsums of a design; numbers are computed once each."""

    design: Design
    einsums: dict[str, EinsumSchedule]
    env: dict[str, Number]
    flow: Flow = field(init=False)
    stays: tuple[Stay, ...] = field(init=False)
    parts: list[tuple[Number, Sharing]] = field(init=False)
    _loops: dict[str, tuple[Loop, ...]] = field(init=False)
    _numbers: dict[object, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.flow = flow_of(self.design)
        self.stays = tuple(s for s in self.flow.stays if s.holder in self.einsums and s.reader in self.einsums)
        self._loops = {name: loops_in_time(einsum) for name, einsum in self.einsums.items()}
        nests = tuple(map(nest_of, self.einsums.values()))
        self.parts = [(where, sharing(self.flow, nests, single)) for where, single in self.divisions()]

    # Which loops run once, and what is shared then.

    def divisions(self) -> Iterator[tuple[Number, frozenset[Chain]]]:
        """The loops that run once, and the points where it is just those (True: everywhere)."""
        always: set[Chain] = set()
        mixed: dict[Chain, NDArray[np.bool_]] = {}
        for loops in self._loops.values():
            for number, chain in enumerate(chains(loops)):
                if chain in always or chain in mixed:
                    continue
                once = self.runs_once(loops, number)
                if not np.any(once):
                    continue
                if np.all(once):
                    always.add(chain)
                else:
                    mixed[chain] = once
        if not mixed:
            yield True, frozenset(always)
            return
        columns = np.stack(np.broadcast_arrays(*mixed.values()))
        weights = [1 << number for number in range(len(mixed))]
        code = np.dot(np.array(weights), columns)
        for value in np.unique(code):
            here = code == value
            yield here, frozenset(always | {chain for chain, weight in zip(mixed, weights, strict=True)
                                            if value & weight})  # fmt: skip

    def runs_once(self, loops: tuple[Loop, ...], number: int) -> Number:
        """Whether one of some loops has one iteration; for formulas, never."""
        loop = loops[number]
        outside = [each.tile for each in loops[:number] if each.rank == loop.rank]
        extent = minimum(self.env[size_of(loop.rank)], *outside) if outside else self.env[size_of(loop.rank)]
        return False if is_formula(extent) or is_formula(loop.tile) else extent <= loop.tile

    # Words.

    def tile(self, name: str, rank: str, count: int) -> Number:
        """Elements of a rank that one iteration of the first loops of an Einsum covers.

        A tile larger than the rank is as large as the whole tiles inside it that the rank needs.
        """
        loops = self.einsums[name].loops
        over = [loop for loop in loops[:count] if loop.rank == rank]
        size = self.env[size_of(rank)]
        if not over:
            return size
        following = next((loop for loop in loops[count:] if loop.rank == rank), None)

        def compute() -> Number:
            tile = minimum(*(loop.tile for loop in over)) if len(over) > 1 else over[0].tile
            if following is None or is_formula(tile) or is_formula(size):
                return tile
            return minimum(tile, product(ceil_div(size, following.tile), following.tile))

        return self.once(("tile", *self.tile_key(name, rank, count)), compute)

    def tile_key(self, name: str, rank: str, count: int) -> tuple[object, ...]:
        """What a tile depends on: tiles of equal keys are equal, whatever the Einsum."""
        chain = [(loop.name, position < count) for position, loop in enumerate(self.einsums[name].loops)
                 if loop.rank == rank]  # fmt: skip
        inside = sum(above for _, above in chain)
        return rank, *(each for each, _ in chain[: inside + 1]), inside

    def once(self, key: object, compute: Callable[[], Number]) -> Number:
        """A number computed once."""
        if key not in self._numbers:
            self._numbers[key] = compute()
        return self._numbers[key]

    def words(self, name: str, dimensions: tuple[Dimension, ...], count: int) -> Number:
        """Words of a tensor's tile that the first loops of an Einsum leave, whole tiles even where the last is not."""
        key = [(each.coarse, *self.tile_key(name, each.rank, count)) for each in dimensions]

        def compute() -> Number:
            words: Number = 1
            for each in dimensions:
                words = product(words, each.words(self.tile(name, each.rank, count)))
            return words

        return self.once(("words", *key), compute)

    def in_parts(self, number: int, words: Callable[[Prefix], Number]) -> Number:
        """The words of a stay, with what is shared at each point."""
        found: dict[Prefix, Number] = {}
        for where, part in self.parts:
            prefix = part.prefixes[number]
            found[prefix] = found[prefix] | where if prefix in found else where
        (first, _), *others = found.items()
        value = words(first)
        for prefix, where in others:
            value = np.where(where, words(prefix), value)
        return value

    def extents(self, stay: Stay, prefix: Prefix) -> list[tuple[Dimension, Number, bool]]:
        """Each dimension of a stay's words, the elements of it that must live, and whether a slice more."""
        found = []
        for dimension in self.access(stay).stored:
            elements, more = self.tile(stay.holder, dimension.rank, prefix.swept), False
            if stay.slices is not None and dimension.rank == stay.slices.over[0]:
                if stay.slices.fixed or prefix.in_step:
                    elements = minimum(elements, self.env[stay.slices.grain] if stay.slices.grain else 1)
                else:
                    elements, more = self.tile(stay.holder, dimension.rank, prefix.shared), True
            found.append((dimension, elements, more))
        return found

    def live(self, number: int) -> Number:
        """Words of a stay that must live at one time."""
        stay = self.stays[number]

        def under(prefix: Prefix) -> Number:
            if stay.slices is None:
                return self.words(stay.holder, self.access(stay).stored, prefix.swept)
            words: Number = 1
            for dimension, elements, more in self.extents(stay, prefix):
                words = product(words, total(dimension.words(elements), more * self.slice_words(stay, dimension)))
            return words

        return self.in_parts(number, under)

    def slice_words(self, stay: Stay, dimension: Dimension) -> Number:
        """Words along the dimension of an iteration that one slice has."""
        grain = self.env[stay.slices.grain] if stay.slices and stay.slices.grain else 1
        return dimension.words(grain)

    def access(self, stay: Stay) -> AccessPlan:
        """The holder's access to what stays."""
        touch = stay.touch
        return next(a for a in self.einsums[touch.einsum].accesses
                    if (a.label, a.is_output) == (touch.label, touch.is_output))  # fmt: skip

    def bytes_held(self, level: str, names: Collection[str]) -> Number:
        """Bytes of a memory that some Einsums need at one time: of every tensor a tile, or what must live of it."""
        held: dict[Key, Number] = {}

        def hold(key: Key, words: Number) -> None:
            if key not in held or held[key] is not words:
                held[key] = maximum(held[key], words) if key in held else words

        outer = set(takewhile(lambda memory: memory != level, self.design.architecture.memories))
        for name in names:
            count = sum(loop.level in outer for loop in self._loops[name])
            for access in self.einsums[name].accesses:
                if level in access.path:
                    key = self.flow.keys[name, access.label, access.is_output]
                    hold(key, self.words(name, access.dimensions, count))
        for number, stay in enumerate(self.stays):
            across = self.flow.groups[stay.holder] != self.flow.groups[stay.reader]
            if stay.level == level and (across or stay.holder in names or stay.reader in names):
                hold(stay.touch.key, self.live(number))
        return product(reduce(total, held.values(), 0), self.env["word_bytes"])

    # Registers.

    def shortfalls(self) -> Iterator[Shortfall]:
        """Tensors of which a processing element's registers cannot hold what must live there."""
        for number, stay in enumerate(self.stays):
            assumed = self.design.mapping.assumed.get(stay.touch.stored, ())
            if stay.level in self.design.architecture.memories or stay.level in assumed:
                continue
            needed = self.in_parts(number, partial(self.words_an_element, stay))
            available = self.env[f"{stay.level}.depth_words"]
            between = f"between {stay.holder} and {stay.reader}" if stay.holder != stay.reader else "while it is made"
            what = f"{stay.level}: {stay.touch.stored} {between}"
            yield Shortfall(needed > available, what, needed, available, "words a processing element")

    def words_an_element(self, stay: Stay, prefix: Prefix) -> Number:
        """Words of a stay in the fullest processing element, laid out as the Einsum on its array lays them."""
        layout = next((e for e in (self.einsums[stay.holder], self.einsums[stay.reader])
                       if e.registers == stay.level), None)  # fmt: skip
        words: Number = 1
        for dimension, elements, more in self.extents(stay, prefix):
            own = share(layout, dimension, elements) if layout is not None else dimension.words(elements)
            words = product(words, total(own, more * self.slice_words(stay, dimension)))
        if layout is not None:
            return words
        arrays = self.design.architecture.arrays.items()
        name, array = next((name, array) for name, array in arrays if array.registers.name == stay.level)
        return ceil_div(words, reduce(product, (self.env[f"{name}.{axis}"] for axis in array.axes)))


def loops_in_time(einsum: EinsumSchedule) -> tuple[Loop, ...]:
    """The loops in time outside of registers, which Einsums may share; they stand before all others."""
    return tuple(loop for loop in einsum.temporal if loop.level != einsum.registers)


def chains(loops: tuple[Loop, ...]) -> list[Chain]:
    """Of each loop, the loops over its rank down to it."""
    return [
        (loop.rank, tuple(each.name for each in loops[: number + 1] if each.rank == loop.rank))
        for number, loop in enumerate(loops)
    ]


def share(einsum: EinsumSchedule, dimension: Dimension, elements: Number) -> Number:
    """Words along a dimension that the fullest processing element has of some elements of its rank."""
    pieces: Number = 1
    left = elements
    for loop in einsum.loops:
        if loop.rank == dimension.rank and not (loop.inner and dimension.coarse):
            tile = minimum(left, loop.tile)
            if loop.axis is not None:
                return minimum(product(pieces, dimension.words(tile)), dimension.words(elements))
            pieces, left = product(pieces, ceil_div(left, tile)), tile
    return dimension.words(elements)


# What is shared follows from names alone once it is known which loops run once.


@dataclass(frozen=True, slots=True)
class Sharing:
    """The turns of Einsums, the prefix of every stay, and who takes a slice outside of its maker's loops."""

    turns: Turns
    prefixes: tuple[Prefix, ...]
    parted: tuple[Carried, ...]


Nest = tuple[str, tuple[Loop, ...], tuple[Loop, ...]]
"""An Einsum's name, its loops in time outside of registers and all its others, without their tiles."""


def nest_of(einsum: EinsumSchedule) -> Nest:
    """What sharing depends on: names, which compare where tiles may be arrays."""
    bare = tuple(replace(loop, tile=0) for loop in einsum.loops)
    count = len(loops_in_time(einsum))
    return einsum.name, bare[:count], bare[count:]


@lru_cache(maxsize=4096)
def sharing(flow: Flow, nests: tuple[Nest, ...], single: frozenset[Chain]) -> Sharing:
    """What some Einsums share when the `single` loops run once."""
    loops = {name: shared for name, shared, _ in nests}
    others = {name: rest for name, _, rest in nests}
    many = {
        name: [position for position, chain in enumerate(chains(own)) if chain not in single]
        for name, own in loops.items()
    }
    running = {name: tuple(loops[name][position] for position in many[name]) for name in loops}
    turns = take_turns([name for name in flow.einsums if name in loops], running, flow.edges, flow.groups, flow.late)

    def steps_over(name: str, count: int, over: Bar) -> bool:
        """Whether an Einsum walks an iteration's rank inside its first loops."""
        rank, inner = over
        rest = (*running[name][count:], *others[name])
        return any(loop.rank == rank and (inner or not loop.inner) for loop in rest)

    def prefix(stay: Stay) -> Prefix:
        name, positions = stay.holder, many[stay.holder]
        count = len(positions) if stay.reader == name else turns.shared(name, stay.reader)
        shared = positions[count] if count < len(positions) else len(loops[name])
        swept = next((p for p in positions[:count] if is_barred(loops[name][p], stay.bars)), shared)
        in_step = stay.slices is None or not steps_over(name, count, stay.slices.over)
        return Prefix(shared, swept, in_step)

    def parted(each: Carried) -> bool:
        count = turns.shared(each.maker, each.reader)
        return steps_over(each.maker, count, each.over) or steps_over(each.reader, count, each.over)

    known = [stay for stay in flow.stays if stay.holder in loops and stay.reader in loops]
    pairs = [each for each in flow.carried if each.maker in loops and each.reader in loops]
    return Sharing(turns, tuple(map(prefix, known)), tuple(filter(parted, pairs)))
