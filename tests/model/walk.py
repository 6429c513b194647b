"""The obvious walk of a loop nest: every step, processing element and point in turn, counting what moves.

Nothing here is a formula and nothing is shared with `einsim.model`: tiles are cut, boxes of words are
held, and a box that differs from the one held is fetched. This is the meaning of the counts; the kernels
of the closed form must arrive at the same numbers. Only for shapes of a few elements.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

Span = tuple[int, int]
"""Elements start..stop-1 of a rank."""
Spans = dict[str, Span]
Word = tuple[int, ...]


def pieces(span: Span, tile: int) -> list[Span]:
    """The span in tiles, the last one perhaps partial."""
    start, stop = span
    return [(at, min(at + tile, stop)) for at in range(start, stop, tile)]


def cut(loops, spans: Spans):
    """Every iteration of some loops, outermost first, as the spans that are left."""
    if not loops:
        yield spans
        return
    first, *rest = loops
    for piece in pieces(spans[first.rank], first.tile):
        yield from cut(rest, spans | {first.rank: piece})


def elements(loops, spans: Spans) -> dict[tuple[int, ...], Spans]:
    """What spatial loops hand to each processing element that gets anything, by its coordinates."""
    shares = {(): spans}
    for loop in loops:
        shares = {
            (*at, index): own | {loop.rank: piece}
            for at, own in shares.items()
            for index, piece in enumerate(pieces(own[loop.rank], loop.tile))
        }
    return shares


def box(dimensions, spans: Spans) -> tuple[Span, ...]:
    """The words of a tensor that some spans need: a coarse dimension has one word per grain of elements."""
    grains = [(spans[dimension.rank], dimension.grain if dimension.coarse else 1) for dimension in dimensions]
    return tuple((start // grain, (stop - 1) // grain + 1) for (start, stop), grain in grains)


def words(region: tuple[Span, ...]) -> set[Word]:
    """Every word of a box."""
    return set(product(*(range(*span) for span in region)))


@dataclass
class Store:
    """One level on the way of one access: what each of its instances holds now and has ever held."""

    shared: bool
    outer: list  # the shared loops that decide what it holds
    holds: dict[tuple[int, ...], tuple[Span, ...]] = field(default_factory=dict)
    seen: dict[tuple[int, ...], set[Word]] = field(default_factory=dict)
    fetched: int = 0  # words that came to it, all instances
    asked: int = 0  # words that its parent moved for it: one for all instances that want it at the same step

    def step(self, wanted: dict[tuple[int, ...], tuple[Span, ...]]) -> None:
        """What every instance holds now; instances that are not named keep what they have."""
        moved: set[Word] = set()
        for instance, region in wanted.items():
            if self.holds.get(instance) == region:
                continue
            self.holds[instance] = region
            new = words(region)
            self.fetched += len(new)
            self.seen.setdefault(instance, set()).update(new)
            moved |= new
        self.asked += len(moved)

    @property
    def distinct(self) -> int:
        """Different words that it ever held, summed over its instances."""
        return sum(map(len, self.seen.values()))


@dataclass
class Walk:
    """What a walk saw of one Einsum; `rows` of label, level, reads, fills, updates, access by access."""

    points: int
    steps: int
    elements: int
    rows: list[tuple[str, str, int, int, int]]


def walk(einsum, sizes: dict[str, int], memories: list[str]) -> Walk:
    """Walks one Einsum of a schedule over ranks of some sizes."""
    shared = [loop for loop in einsum.loops if loop.axis is None and loop.level != einsum.registers]
    spatial = [loop for loop in einsum.loops if loop.axis is not None]
    within = [loop for loop in einsum.loops if loop.axis is None and loop.level == einsum.registers]
    whole = {dimension.rank: (0, sizes[dimension.rank]) for dimension in einsum.dimensions}

    stores = [
        [Store(level != einsum.registers, loops_above(level, shared, memories)) for level in access.path]
        for access in einsum.accesses
    ]
    points: set[Word] = set()
    leaves = 0
    used: set[tuple[int, ...]] = set()
    for spans in cut(shared, whole):
        shares = elements(spatial, spans)
        used |= set(shares)
        for access, levels in zip(einsum.accesses, stores, strict=True):
            for store in levels:
                if store.shared:
                    store.step({(): box(access.dimensions, tile_of(store.outer, spans, whole))})
                else:
                    store.step({at: box(access.dimensions, own) for at, own in shares.items()})
        for own in shares.values():
            for leaf in cut(within, own):
                (point,) = words(box(einsum.dimensions, leaf))
                points.add(point)
                leaves += 1
    assert leaves == len(points), "a point was visited twice"

    rows = []
    for access, levels in zip(einsum.accesses, stores, strict=True):
        for depth, level in enumerate(access.path):
            own = levels[depth]
            passed = levels[depth + 1].asked if depth + 1 < len(levels) else leaves
            if access.is_output:
                again = own.fetched - own.distinct if depth else 0
                rows.append((access.label, level, passed - own.distinct, again, passed))
            else:
                rows.append((access.label, level, passed, own.fetched if depth else 0, 0))
    return Walk(len(points), steps(shared, spatial, within, einsum, sizes), len(used), rows)


def loops_above(level: str, shared: list, memories: list[str]) -> list:
    """Shared loops over memories outside a level; registers of any array are inside all of them."""
    outer = memories[: memories.index(level)] if level in memories else memories
    return [loop for loop in shared if loop.level in outer]


def tile_of(outer: list, spans: Spans, whole: Spans) -> Spans:
    """What some outer loops alone leave at a step where all of them leave `spans`."""
    held = dict(whole)
    for loop in outer:
        start, _ = spans[loop.rank]
        held[loop.rank] = next(p for p in pieces(held[loop.rank], loop.tile) if p[0] <= start < p[1])
    return held


def steps(shared: list, spatial: list, within: list, einsum, sizes: dict[str, int]) -> int:
    """Steps in time: each step of the shared loops lasts as long as its busiest processing element.

    Where a rank is walked in a cascade's own tiles, the last tile takes as long as a whole one.
    """
    whole = {dimension.rank: (0, sizes[dimension.rank]) for dimension in einsum.dimensions}
    for loop in einsum.loops:
        if loop.inner:
            grain = grain_of(einsum, loop.rank)
            whole[loop.rank] = (0, -(-sizes[loop.rank] // grain) * grain)
    total = 0
    for spans in cut(shared, whole):
        total += max(sum(1 for _ in cut(within, own)) for own in elements(spatial, spans).values())
    return total


def grain_of(einsum, rank: str) -> int:
    """Elements of one tile of a split rank: what the last loop outside the tiles leaves."""
    return [loop.tile for loop in einsum.loops if loop.rank == rank and not loop.inner][-1]
