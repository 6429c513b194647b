"""Who reads what from whom: every access of a mapped cascade with views resolved, and who keeps its words.

All of it follows from the text of the cascade and the names in the mapping; nothing here knows a size.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from einsim.cascade import (
    Cascade,
    Einsum,
    Index,
    iteration_ranks,
    iterative_rank,
    operands,
    reduced_ranks,
    tiled_split,
)
from einsim.errors import SpecError
from einsim.schedule.views import resolve
from einsim.spec.configuration import Design
from einsim.spec.mapping import Mapping

Bar = tuple[str, bool]
"""A rank whose loops must be over first: its base rank, and whether only those inside one tile of a split."""

Key = tuple[str, tuple[str, ...]]
"""Words of a tensor that are stored once: the tensor and its indices, all slices of an iteration alike."""


@dataclass(frozen=True, slots=True)
class Touch:
    """One access of an Einsum. `stored` is the tensor that holds its words, `indices` (None: too odd) are its."""

    einsum: str
    position: int
    label: str
    stored: str
    indices: tuple[Index, ...] | None
    path: tuple[str, ...]
    is_output: bool
    key: Key


@dataclass(frozen=True, slots=True)
class Edge:
    """The reader runs after the source: inside every loop that they share, except those over the `bars`."""

    source: str
    reader: str
    bars: frozenset[Bar]
    tensor: str


@dataclass(frozen=True, slots=True)
class Carried:
    """The reader takes the slice that the maker made one iteration ago, and so runs in the same loops over a rank."""

    maker: str
    reader: str
    over: Bar


@dataclass(frozen=True, slots=True)
class Slices:
    """Of an iterative tensor, what its iteration is over and the size symbol of one slice (None: one element).

    A reader of a `fixed` slice needs that one, however its loops stand to the maker's.
    """

    over: Bar
    grain: str | None
    fixed: bool


@dataclass(frozen=True, slots=True)
class Stay:
    """Words that a level keeps from the time the holder has them there until the reader has read them.

    Inside the loops that both share, except (`bars`) those over which partial results or the state of an
    iteration must survive; holder and reader are then the same Einsum. The two do not move together along the
    ranks that they are `apart` in.
    """

    level: str
    touch: Touch
    reader: str
    slices: Slices | None
    bars: frozenset[Bar] = frozenset()
    apart: frozenset[Bar] = frozenset()

    @property
    def holder(self) -> str:
        """The Einsum that has the words first."""
        return self.touch.einsum


@dataclass(frozen=True, slots=True)
class Lost:
    """An access whose path starts where nobody has kept the tensor, and the levels where somebody has."""

    touch: Touch
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Everything about who reads what from whom; Einsums in the order of the text.

    `keys` are what each access (Einsum, label, whether it is the result) stores; `groups` the fusion group of
    each Einsum; `parts` its part, numbered through all groups, of a group that has several; `late` the Einsums whose
    results only registers keep.
    """

    einsums: tuple[str, ...]
    touches: tuple[Touch, ...]
    keys: dict[tuple[str, str, bool], Key]
    groups: dict[str, int]
    late: frozenset[str]
    edges: tuple[Edge, ...]
    carried: tuple[Carried, ...]
    stays: tuple[Stay, ...]
    lost: tuple[Lost, ...]
    parts: dict[str, int] = field(default_factory=dict)


def flow_of(design: Design) -> Flow:
    """The flow of a design; designs that share a cascade and a mapping share it."""
    return _once(_Parts(design.cascade, design.mapping, tuple(design.architecture.memories)))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a flow depends on, as the key of a cache: the very objects, which the key keeps alive."""

    cascade: Cascade
    mapping: Mapping
    memories: tuple[str, ...]

    def __hash__(self) -> int:
        return hash((id(self.cascade), id(self.mapping), self.memories))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Parts) and (
            self.cascade is other.cascade and self.mapping is other.mapping and self.memories == other.memories
        )


@lru_cache(maxsize=256)
def _once(parts: _Parts) -> Flow:
    return _Finder(parts.cascade, parts.mapping, parts.memories).find()


class _Finder:
    """The search for edges and stays, Einsum by Einsum in the order of the text."""

    def __init__(self, cascade: Cascade, mapping: Mapping, memories: tuple[str, ...]) -> None:
        self.cascade, self.mapping, self.outermost = cascade, mapping, memories[0]
        self.memories = set(memories)
        self.made = {einsum.name: einsum for einsum in cascade.einsums}
        self.mapped = [einsum for einsum in cascade.einsums if einsum.name in mapping.einsums]
        self.position = {einsum.name: number for number, einsum in enumerate(self.mapped)}
        self.touches = [touch for einsum in self.mapped for touch in self.touches_of(einsum)]
        self.edges: list[Edge] = []
        self.carried: list[Carried] = []
        self.stays: list[Stay] = []
        self.lost: list[Lost] = []

    def find(self) -> Flow:
        for einsum in self.mapped:
            for touch in self.touches:
                if touch.einsum == einsum.name and not touch.is_output:
                    self.follow(touch)
            self.own(einsum)
        fusion = self.mapping.parted
        several = [part for group in fusion if len(group) > 1 for part in group]
        return Flow(
            einsums=tuple(self.position),
            touches=tuple(self.touches),
            keys={(touch.einsum, touch.label, touch.is_output): touch.key for touch in self.touches},
            groups={name: number for number, group in enumerate(fusion) for part in group for name in part},
            late=frozenset(t.einsum for t in self.touches if t.is_output and not self.memories & {*t.path}),
            edges=tuple(dict.fromkeys(self.edges)),
            carried=tuple(self.carried),
            stays=tuple(dict.fromkeys(self.stays)),
            lost=tuple(self.lost),
            parts={name: number for number, part in enumerate(several) for name in part},
        )

    def touches_of(self, einsum: Einsum) -> Iterable[Touch]:
        for access in (*operands(einsum), einsum.output):
            label = str(access)
            keep = self.mapping.einsums[einsum.name].keep
            path = tuple(keep.get(label, keep.get(access.tensor, ())))
            stored, indices = resolve(self.cascade, self.mapping.views, access)
            is_output = access is einsum.output
            key = self.key(stored, indices, f"{einsum.name}: {label}")
            yield Touch(einsum.name, self.position[einsum.name], label, stored, indices, path, is_output, key)

    def key(self, stored: str, indices: tuple[Index, ...] | None, otherwise: str) -> Key:
        if indices is None:
            return stored, (otherwise,)
        along = self.iterative_dimension(stored)
        return stored, tuple("*" if number == along else str(index) for number, index in enumerate(indices))

    def iterative_dimension(self, tensor: str) -> int | None:
        """Which dimension of a tensor an iteration writes slice by slice."""
        if tensor not in self.made or iterative_rank(self.made[tensor]) is None:
            return None
        indices = self.made[tensor].output.indices
        return next(number for number, index in enumerate(indices) if index.shift and index.shift[1] == 1)

    def offset(self, touch: Touch) -> int | None:
        """Which slice an access of an iterative tensor is at: this iteration's (0), the next (1), or a fixed one."""
        along = self.iterative_dimension(touch.stored)
        shift = touch.indices[along].shift if along is not None and touch.indices is not None else None
        return shift[1] if shift and shift[0] == iterative_rank(self.made[touch.stored]) else None

    def follow(self, touch: Touch) -> None:
        """What an operand depends on: its maker, or the copy that it takes."""
        maker = self.made.get(touch.stored)
        if maker is not None and maker.name != touch.einsum:
            if self.position[maker.name] < touch.position:
                bars = self.bars(reduced_ranks(maker)) | self.apart(self.output(maker.name), touch)
                self.edges.append(Edge(maker.name, touch.einsum, bars, touch.stored))
            else:
                rank = iterative_rank(maker)
                if rank is None:
                    raise SpecError(
                        f"{touch.einsum} stands above {maker.name}, which it reads: they take turns element by element,"
                        " and no loop of a mapping hands on what one element needs of all before it",
                        at=maker.at, remedy="write each Einsum below those that it reads, or as an iteration (U[i+1])",
                    )  # fmt: skip
                self.carried.append(Carried(maker.name, touch.einsum, self.bar(rank)))
        for part in self.parts(touch.stored):
            if self.position[part.name] < touch.position:
                both = (*iteration_ranks(part), *iteration_ranks(self.made[touch.einsum]))
                self.edges.append(Edge(part.name, touch.einsum, self.bars(both), touch.stored))
        if touch.path and touch.path[0] != self.outermost:
            self.stay(touch)
        elif touch.path and not self.is_stored_outside(touch):
            self.lost.append(Lost(touch, self.known(touch)))

    def parts(self, tensor: str) -> list[Einsum]:
        """The Einsums that each make a part of a tensor."""
        return [einsum for einsum in self.mapped if einsum.tensor == tensor != einsum.name]

    def is_stored_outside(self, touch: Touch) -> bool:
        """Whether the outermost memory has a tensor: an input, or a result that goes there."""
        return touch.stored not in self.made or self.output(touch.stored).path[:1] in {(), (self.outermost,)}

    def stay(self, touch: Touch) -> None:
        """Who keeps the words of an operand that is taken from a level on chip."""
        level = touch.path[0]
        before = [each for each in self.touches if each.stored == touch.stored and level in each.path]
        holders = [each for each in before if each.position < touch.position and self.covers(each, touch)]
        if holders:
            holder = holders[-1]
            if not holder.is_output:
                self.edges.append(Edge(holder.einsum, touch.einsum, self.apart(holder, touch), touch.stored))
            apart = self.apart(holder, touch)
            self.stays.append(Stay(level, holder, touch.einsum, self.slices(touch), apart=apart))
        elif any(each.einsum == touch.einsum and each.key == touch.key for each in before[: before.index(touch)]):
            pass  # another operand of the same Einsum brings the same words, by another name
        elif self.offset(touch) == 0 and level in self.output(touch.stored).path:
            self.state(touch.stored, level, touch.einsum)
        else:
            self.lost.append(Lost(touch, self.known(touch)))

    def known(self, touch: Touch) -> tuple[str, ...]:
        """Levels where a tensor is before an Einsum."""
        paths = [each.path for each in self.touches if each.stored == touch.stored and each.position < touch.position]
        inputs = set() if touch.stored in self.made else {self.outermost}
        return tuple(sorted(inputs.union(*paths) - {touch.path[0]}))

    def covers(self, holder: Touch, touch: Touch) -> bool:
        """Whether what an earlier access brings to a level is all that a later one needs there."""
        if holder.is_output and holder.einsum != holder.stored:
            return False  # a part
        if holder.key == touch.key and self.iterative_dimension(touch.stored) is None:
            return True
        along = self.iterative_dimension(touch.stored)
        if along is not None and self.offset(holder) != self.offset(touch):
            return holder.is_output and self.offset(touch) is None
        if holder.is_output:
            return True
        if holder.indices is None or touch.indices is None:
            return False
        pairs = list(zip(holder.indices, touch.indices, strict=True))
        return all(a == b or (number != along and a.rank is not None) for number, (a, b) in enumerate(pairs))

    def own(self, einsum: Einsum) -> None:
        """What an Einsum itself must keep at its result's home on chip: partial results, and its iteration's state."""
        touch = self.output(einsum.name)
        if not touch.path or touch.path[0] == self.outermost:
            return
        reduced = self.bars(reduced_ranks(einsum))
        if reduced:
            slices = None if iterative_rank(einsum) is None else self.slices(touch)
            self.stays.append(Stay(touch.path[0], touch, einsum.name, slices, reduced))
        if iterative_rank(einsum) is not None:
            self.state(einsum.name, touch.path[0], einsum.name)

    def state(self, tensor: str, level: str, reader: str) -> None:
        """The slice that an iteration hands to the next one, and every slice that a reader outside of it needs."""
        rank = iterative_rank(self.made[tensor])
        assert rank is not None
        touch = self.output(tensor)
        slices = self.slices(touch)
        self.stays.append(Stay(level, touch, tensor, slices, self.bars([rank])))
        if self.position[reader] > self.position[tensor]:
            self.stays.append(Stay(level, touch, reader, slices))

    def slices(self, touch: Touch) -> Slices | None:
        along = self.iterative_dimension(touch.stored)
        if along is None:
            return None
        rank = iterative_rank(self.made[touch.stored])
        assert rank is not None
        split = tiled_split(self.cascade, rank)
        grain = split.size if split is not None and rank == split.outer else None
        over = self.bar(rank)
        fixed = touch.indices is not None and touch.indices[along].is_constant and not over[1]
        return Slices(over, grain, fixed)

    def output(self, name: str) -> Touch:
        return next(touch for touch in self.touches if touch.einsum == name and touch.is_output)

    def apart(self, source: Touch, touch: Touch) -> frozenset[Bar]:
        """Ranks along which two accesses of one tensor do not move together."""
        if source.indices is None or touch.indices is None:
            both = (self.made[source.einsum], self.made[touch.einsum])
            return self.bars(rank for einsum in both for rank in iteration_ranks(einsum))
        along = self.iterative_dimension(touch.stored)
        found: set[Bar] = set()
        for number, (one, other) in enumerate(zip(source.indices, touch.indices, strict=True)):
            moving = number == along and None not in (self.offset(source), self.offset(touch))
            if one != other and not moving:
                found |= self.bars([*one.ranks, *other.ranks])
        return frozenset(found)

    def bars(self, ranks: Iterable[str]) -> frozenset[Bar]:
        return frozenset(self.bar(rank) for rank in ranks)

    def bar(self, rank: str) -> Bar:
        split = tiled_split(self.cascade, rank)
        return (rank, False) if split is None else (split.rank, rank == split.inner)
