"""How many words of a tensor a level must keep, from when they are there until they were last read.

What two Einsums pass on is swept away by the loops that they share (`einsim.schedule.fusion`): the tile that
those loops leave must live, all of the tensor where they share none. Partial results live while the loops that
reduce them run, and the state of an iteration from one turn of its loop to the next.

A loop that runs once is as good as absent, so which loops are shared depends on sizes. In a sweep the points are
divided by which loops run once; each division has its own turns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from itertools import compress, takewhile
from operator import gt, le, or_
from typing import Final

import numpy as np
from numpy.typing import NDArray

from einsim.cascade import size_of
from einsim.schedule.flow import Flow, Key, Stay, flow_of
from einsim.schedule.fusion import Chain, Prefix, Shape, Sharing, nest_of, shape_of
from einsim.schedule.meanwhile import Meanwhile
from einsim.schedule.nest import AccessPlan, Dimension, EinsumSchedule, Shortfall
from einsim.spec.alike import Alike
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number, ceil_div, is_formula, maximum, minimum, product, total

_BITS: Final = 30  # loops that are told apart before their codes are numbered anew
_FEW: Final = 16  # loops that run once at some points of which all combinations are counted


@dataclass(slots=True)
class Liveness:
    """What must live in some lowered Einsums of a design; numbers are computed once each.

    `computed` may be shared with other trials of the same design: what does not depend on the tile that is tried
    is computed once for all of them.
    """

    design: Design
    einsums: dict[str, EinsumSchedule]
    env: dict[str, Number]
    flow: Flow = field(init=False)
    shape: Shape = field(init=False)
    stays: tuple[Stay, ...] = field(init=False)
    parts: list[tuple[Number, Sharing]] = field(init=False)
    computed: Alike = field(default_factory=Alike)
    same: Callable[..., Number] = field(init=False)
    _numbers: dict[object, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.same = self.computed.same
        self.flow = flow_of(self.design)
        self.shape = shape_of(self.flow, tuple(map(nest_of, self.einsums.values())))
        self.stays = self.shape.stays
        self.parts = [(where, self.shape.sharing(single)) for where, single in self.divisions()]

    # Which loops run once, and what is shared then.

    def divisions(self) -> Iterator[tuple[Number, frozenset[Chain]]]:
        """The loops that run once, and the points where it is just those (True: everywhere)."""
        always: set[Chain] = set()
        mixed: dict[Chain, NDArray[np.bool_]] = {}
        for chain, (name, positions) in self.shape.chains.items():
            once = self.runs_once(name, positions)
            if not isinstance(once, np.ndarray):
                once = np.True_ if once else np.False_
            if once.all():
                always.add(chain)
            elif once.any():
                mixed[chain] = once
        if not mixed:
            yield True, frozenset(always)
            return
        for where, single in self.same(_divided, *mixed.values()):
            yield where, frozenset(always).union(compress(mixed, single))

    def runs_once(self, name: str, positions: tuple[int, ...]) -> Number:
        """Whether the last of some loops of an Einsum over one rank has one iteration; for formulas, never."""
        *outside, loop = (self.einsums[name].loops[position] for position in positions)
        extent = self.env[size_of(loop.rank)]
        for each in outside:
            extent = self.same(minimum, extent, each.tile)
        return False if is_formula(extent) or is_formula(loop.tile) else self.same(le, extent, loop.tile)

    # Words.

    def tile(self, name: str, rank: str, count: int) -> Number:
        """Elements of a rank that one iteration of the first loops of an Einsum covers.

        A tile larger than the rank is as large as the whole tiles inside it that the rank needs.
        """
        key, over, following = self.shape.tile(name, rank, count)
        size = self.env[size_of(rank)]
        if not over:
            return size

        def compute() -> Number:
            loops = self.einsums[name].loops
            tiles = [loops[position].tile for position in over]
            tile = reduce(partial(self.same, minimum), tiles)
            if following is None or is_formula(tile) or is_formula(size):
                return tile
            inside = loops[following].tile
            return self.same(minimum, tile, self.same(product, self.same(ceil_div, size, inside), inside))

        return self.once(key, compute)

    def once(self, key: object, compute: Callable[[], Number]) -> Number:
        """A number computed once."""
        if key not in self._numbers:
            self._numbers[key] = compute()
        return self._numbers[key]

    def along(self, dimension: Dimension, elements: Number) -> Number:
        """Words along a dimension that some elements of its rank need."""
        return self.same(ceil_div, elements, dimension.grain) if dimension.coarse else elements

    def words(self, name: str, dimensions: tuple[Dimension, ...], count: int) -> Number:
        """Words of a tensor's tile that the first loops of an Einsum leave, whole tiles even where the last is not."""
        key = tuple((each.coarse, self.shape.tile(name, each.rank, count)[0]) for each in dimensions)

        def compute() -> Number:
            words: Number = 1
            for each in dimensions:
                words = self.same(product, words, self.along(each, self.tile(name, each.rank, count)))
            return words

        return self.once(key, compute)

    def in_parts(self, number: int, words: Callable[[Prefix], Number]) -> Number:
        """The words of a stay, with what is shared at each point."""
        found: dict[Prefix, Number] = {}
        for where, part in self.parts:
            prefix = part.prefixes[number]
            found[prefix] = self.same(or_, found[prefix], where) if prefix in found else where
        (first, _), *others = found.items()
        value = words(first)
        for prefix, where in others:
            value = self.same(np.where, where, words(prefix), value)
        return value

    def extents(self, stay: Stay, prefix: Prefix) -> list[tuple[Dimension, Number, bool]]:
        """Each dimension of a stay's words, the elements of it that must live, and whether a slice more."""
        found = []
        for dimension in self.access(stay).stored:
            elements, more = self.tile(stay.holder, dimension.rank, prefix.swept), False
            if stay.slices is not None and dimension.rank == stay.slices.over[0]:
                if stay.slices.fixed or prefix.in_step:
                    elements = self.same(minimum, elements, self.env[stay.slices.grain] if stay.slices.grain else 1)
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
                own = self.and_slice(stay, dimension, self.along(dimension, elements), more=more)
                words = self.same(product, words, own)
            return words

        return self.in_parts(number, under)

    def and_slice(self, stay: Stay, dimension: Dimension, words: Number, *, more: bool) -> Number:
        """Words along the dimension of an iteration, with those of a slice more where there is one."""
        grain = self.env[stay.slices.grain] if stay.slices and stay.slices.grain else 1
        return self.same(total, words, self.along(dimension, grain)) if more else words

    def access(self, stay: Stay) -> AccessPlan:
        """The holder's access to what stays."""
        touch = stay.touch
        return next(a for a in self.einsums[touch.einsum].accesses
                    if (a.label, a.is_output) == (touch.label, touch.is_output))  # fmt: skip

    def held(self, level: str, names: Collection[str]) -> dict[Key, Number]:
        """Words of every tensor that a memory needs at one time for some Einsums: a tile, or all that must live."""
        found: dict[Key, Number] = {}

        def hold(key: Key, words: Number) -> None:
            if found.get(key) is not words:
                found[key] = self.same(maximum, found[key], words) if key in found else words

        outer = set(takewhile(lambda memory: memory != level, self.design.architecture.memories))
        meanwhile = Meanwhile(self.flow, self.shape, [part for _, part in self.parts], names)
        for name in {**dict.fromkeys(names), **dict.fromkeys(meanwhile.others)}:
            count = sum(loop.level in outer for loop in self.shape.loops[name])
            for access in self.einsums[name].accesses:
                if level in access.path:
                    key = self.flow.keys[name, access.label, access.is_output]
                    where = True if name in names else self.points(meanwhile.waits(name, access, count))
                    hold(key, self.where(where, self.words(name, access.stored, count)))
        for number, stay in enumerate(self.stays):
            if stay.level == level:
                hold(stay.touch.key, self.where(self.points(meanwhile.lives(stay)), self.live(number)))
        return found

    def points(self, divisions: Sequence[bool]) -> Number:
        """The points of some divisions, as `divisions` says them; True for all, False for none."""
        if all(divisions) or not any(divisions):
            return all(divisions)
        wanted = (where for (where, _), each in zip(self.parts, divisions, strict=True) if each)
        return reduce(partial(self.same, or_), wanted)

    def where(self, points: Number, words: Number) -> Number:
        """Words at some points, 0 elsewhere."""
        return words if points is True else 0 if points is False else self.same(np.where, points, words, 0)

    def bytes_held(self, level: str, names: Collection[str]) -> Number:
        """Bytes of a memory that some Einsums need at one time."""
        held = self.held(level, names).values()
        return self.same(product, reduce(partial(self.same, total), held, 0), self.env["word_bytes"])

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
            yield Shortfall(self.same(gt, needed, available), what, needed, available, "words a processing element")

    def words_an_element(self, stay: Stay, prefix: Prefix) -> Number:
        """Words of a stay in the fullest processing element, laid out as the Einsum on its array lays them."""
        layout = next((e for e in (self.einsums[stay.holder], self.einsums[stay.reader])
                       if e.registers == stay.level), None)  # fmt: skip
        words: Number = 1
        for dimension, elements, more in self.extents(stay, prefix):
            own = self.along(dimension, elements) if layout is None else self.share(layout, dimension, elements)
            words = self.same(product, words, self.and_slice(stay, dimension, own, more=more))
        if layout is not None:
            return words
        arrays = self.design.architecture.arrays.items()
        name, array = next((name, array) for name, array in arrays if array.registers.name == stay.level)
        axes = (self.env[f"{name}.{axis}"] for axis in array.axes)
        return self.same(ceil_div, words, reduce(partial(self.same, product), axes))

    def share(self, einsum: EinsumSchedule, dimension: Dimension, elements: Number) -> Number:
        """Words along a dimension that the fullest processing element has of some elements of its rank."""
        pieces: Number = 1
        left = elements
        for loop in einsum.loops:
            if loop.rank == dimension.rank and not (loop.inner and dimension.coarse):
                tile = self.same(minimum, left, loop.tile)
                if loop.axis is not None:
                    pieces = self.same(product, pieces, self.along(dimension, tile))
                    return self.same(minimum, pieces, self.along(dimension, elements))
                pieces, left = self.same(product, pieces, self.same(ceil_div, left, tile)), tile
        return self.along(dimension, elements)


def _divided(*conditions: NDArray[np.bool_]) -> list[tuple[NDArray[np.bool_], list[int]]]:
    """The combinations of some conditions that there are: the points of each, and which conditions hold there."""
    code = np.zeros((), dtype=np.int64)
    for number, holds in enumerate(conditions):
        if number and number % _BITS == 0:  # as many codes as there are, and no more bits than these need
            code = np.unique(code, return_inverse=True)[1].reshape(code.shape)
        code = code << 1 | holds
    if len(conditions) < _FEW:
        there = np.flatnonzero(np.bincount(np.ravel(code))).tolist()
        which = [[value >> (len(conditions) - 1 - number) & 1 for number in range(len(conditions))] for value in there]
    else:
        values, first = np.unique(code, return_index=True)
        there = values.tolist()
        which = [[np.broadcast_to(holds, code.shape).flat[at] for holds in conditions] for at in first]
    return [(code == value, holds) for value, holds in zip(there, which, strict=True)]
