"""Work divided between the arrays: which rank to cut, where, and what that gains.

A rank along the columns is cut tile by tile: an epoch has some tiles of one part and some of the other, each bound to
arrays by itself. A rank inside a tile is cut anywhere. Cuts are compared by their resource bound for the work of a
tile, from loop nests alone. How near a pipeline comes to that differs from cut to cut, so that those that promise more
than what is known are looked at in a few seconds each, ranks in turn, and neighbours of what is best before others.
What is fastest then has the time that is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from time import monotonic
from typing import Any, Final

from einsim.binder.bind import Bound, Start, bind, choices_of
from einsim.binder.pipeline import Budget
from einsim.binder.residency import Rebinding
from einsim.binder.starts import Tiled, guessed
from einsim.binder.structure import TILES, Structure, in_parts, mapping_of
from einsim.cascade import Division, known_ranks, known_sizes, size_of
from einsim.errors import SpecError
from einsim.spec.workload import Workload

MOST_TILES: Final = 4
"""Tiles of both parts together in an epoch: more of them balance the arrays better, and take a longer plan."""
STEPS: Final = 8
"""Cuts of a rank inside a tile that are compared at first; then those between the best of them and its neighbours."""
WHOLE: Final = 0.25
"""Share of the time for the undivided cascade."""
COMPARED: Final = 0.2
"""Share of the time that is left then in which cuts are compared."""
LOOKED: Final = 0.75
"""Share of the time after that in which cuts are looked at; the rest is for the best of them."""
LOOK: Final = 0.1
"""Share of the time that is left for a look at one cut, and its most, in seconds: the first cuts need most."""
LONGEST: Final = 3.0


@dataclass(frozen=True, slots=True)
class Cut:
    """A rank in parts of so many elements; `tiles` of the undivided cascade are the work of an epoch."""

    division: Division
    into: tuple[int, ...]
    tiles: int = 1

    def __str__(self) -> str:
        parts = " + ".join(map(str, self.into))
        return f"{self.division.rank} in {parts}"


@dataclass(frozen=True, slots=True)
class Promise:
    """A cut with where its search starts, and the least cycles that a tile's work takes by the busiest array."""

    cut: Cut
    start: Start
    least: Fraction


@dataclass(frozen=True, slots=True)
class Divided:
    """The binding that was found, `cut` where it is one of a divided cascade.

    `whole` is the best one of the undivided cascade, `promises` are the cuts that were compared, those with the least
    bound first; `tried` of them were bound. None of those that were compared takes fewer cycles than `least`, for the
    work of a tile of the undivided cascade.
    """

    best: Bound
    cut: Cut | None
    whole: Bound
    promises: tuple[Promise, ...]
    tried: int
    least: Fraction

    @property
    def proved(self) -> bool:
        """Whether no cut that was compared, nor none at all, is faster."""
        return pace(self.best, self.cut) <= self.least

    @property
    def gain(self) -> Fraction:
        """How many times faster than the undivided cascade a tile's work is done."""
        return pace(self.whole) / pace(self.best, self.cut)


def pace(found: Bound, cut: Cut | None = None) -> Fraction:
    """Cycles for the work of a tile of the undivided cascade: as simulated, or as planned where it was not."""
    assert found.interval is not None
    cycles = Fraction(found.interval) if found.measured is None else found.measured
    return cycles / (1 if cut is None else cut.tiles)


def bind_divided(tiled: Tiled, seconds: float) -> Divided:
    """The faster of the undivided cascade's binding and those of its cuts, in about so many seconds.

    No cut is looked at where dividing every Einsum in the best proportion would gain nothing.
    """
    budget = Budget.of(seconds)
    whole = bind(tiled.start(), seconds * WHOLE)
    if whole.split >= pace(whole):
        return Divided(whole, None, whole, (), 0, Fraction(whole.least))
    promises = sorted(compared(tiled, Budget.of(budget.left(COMPARED))), key=lambda each: each.least)
    return _Looks(whole, promises, budget).run()


@dataclass
class _Looks:
    """The search among cuts: what is fastest so far, and what is known of each that was bound."""

    whole: Bound
    promises: list[Promise]
    budget: Budget
    best: Bound = field(init=False)
    chosen: Promise | None = None
    found: dict[Cut, Fraction] = field(default_factory=dict)  # no assignment of a cut is faster
    failed: set[str] = field(default_factory=set)
    longest: float = 0.0

    def __post_init__(self) -> None:
        self.best = self.whole

    @property
    def pace(self) -> Fraction:
        return pace(self.best, None if self.chosen is None else self.chosen.cut)

    def run(self) -> Divided:
        looking = Budget.of(self.budget.left(LOOKED))
        while (each := self.next()) is not None and looking.left() > self.longest:
            self.look(each, min(LONGEST, self.budget.left(LOOK)))
        if self.chosen is not None and self.budget.left() > self.longest and not self.best.proved:
            self.look(self.chosen, self.budget.left() - self.longest)
        unknown = [self.found.get(each.cut, each.least) for each in self.promises]
        least = min([self.pace, Fraction(self.whole.least), *unknown])
        cut = None if self.chosen is None else self.chosen.cut
        return Divided(self.best, cut, self.whole, tuple(self.promises), len(self.found), least)

    def next(self) -> Promise | None:
        """The cut to look at next: neighbours of what is fastest, else of the rank that promises most for its looks.

        A rank of which a look failed has no other: where one cut has no legal assignment, or an epoch too large for the
        time, others have too.
        """
        left = [each for each in self.promises if each.cut not in self.found and each.least < self.pace
                and each.cut.division.rank not in self.failed]  # fmt: skip
        near = [each for each in self.beside() if each in left]
        if near or not left:
            return near[0] if near else None
        rank = max({each.cut.division.rank: self.worth(each) for each in reversed(left)}.items(), key=lambda e: e[1])[0]
        return min((each for each in left if each.cut.division.rank == rank), key=self.turn)

    def looks(self, rank: str) -> list[int]:
        """Where a rank was cut to look at it."""
        return [cut.into[0] for cut in self.found if cut.division.rank == rank]

    def worth(self, best: Promise) -> Fraction:
        """What the best cut of a rank that is left promises, shared by the looks that it would be."""
        return (self.pace - best.least) / (len(self.looks(best.cut.division.rank)) + 1)

    def turn(self, each: Promise) -> tuple[int, Fraction]:
        """What decides among the cuts of a rank: the least bound, and every other time how far it is from all looks."""
        places = self.looks(each.cut.division.rank)
        far = min((abs(each.cut.into[0] - place) for place in places), default=0) if len(places) % 2 else 0
        return -far, each.least

    def beside(self) -> list[Promise]:
        """Cuts of the rank of what is fastest on both sides of it, the nearest first."""
        if self.chosen is None:
            return []
        rank, place = self.chosen.cut.division.rank, self.chosen.cut.into[0]
        same = [each for each in self.promises if each.cut.division.rank == rank and each.cut.tiles == 1]
        below = [each for each in same if each.cut.into[0] < place]
        above = [each for each in same if each.cut.into[0] > place]
        ends = (max(below, key=lambda e: e.cut.into[0], default=None),
                min(above, key=lambda e: e.cut.into[0], default=None))  # fmt: skip
        return sorted((each for each in ends if each is not None), key=lambda each: each.least)

    def look(self, each: Promise, seconds: float) -> None:
        """Binds a cut, and keeps it if it is faster."""
        began = monotonic()
        try:
            made = bind(each.start, seconds)
        except SpecError:  # no assignment of these parts is legal, or none was found in time
            self.found.setdefault(each.cut, each.least)
            self.failed.add(each.cut.division.rank)
            return
        finally:
            self.longest = max(self.longest, monotonic() - began - seconds)
        least = Fraction(made.least, each.cut.tiles)
        self.found[each.cut] = max(self.found.get(each.cut, each.least), least)
        if pace(made, each.cut) < self.pace:
            self.best, self.chosen = made, each


def foremost(promises: Iterable[Promise]) -> list[Promise]:
    """Of each rank the cut with the least bound: where that is not reached, its neighbours seldom are."""
    best: dict[str, Promise] = {}
    for each in promises:
        best.setdefault(each.cut.division.rank, each)
    return list(best.values())


def compared(tiled: Tiled, budget: Budget | None = None) -> list[Promise]:
    """Cuts of every rank that may be divided, with their bounds; as many as there is time for, few of each first."""
    structure = tiled.structure

    def promises(cuts: Iterable[Cut]) -> Iterator[Promise]:
        for cut in cuts:
            each = promise(tiled, cut) if budget is None or budget.left() > 0 else None
            if each is not None:
                yield each

    def inside(rank: str, places: Iterable[int]) -> dict[int, Promise]:
        cuts = [Cut(_division(structure, rank), (place, sizes[rank] - place)) for place in places]
        return {each.cut.into[0]: each for each in promises(cuts)}

    sizes = {rank: tiled.sizes.get(size_of(rank), 1) for rank in structure.inner}
    steps = {rank: max(1, size // STEPS) for rank, size in sizes.items()}
    known = {rank: inside(rank, range(step, sizes[rank], step)) for rank, step in steps.items()}
    found = list(promises(tile_cuts(tiled)))
    for rank, own in known.items():
        step = steps[rank]
        near = list(own)
        while near and own and step > 1:
            step //= 2
            best = min(own, key=lambda place: own[place].least)
            near = [place for place in (best - step, best + step) if 0 < place < sizes[rank] and place not in own]
            own.update(inside(rank, near))
    return [*found, *(each for places in known.values() for each in places.values())]


def tile_cuts(tiled: Tiled) -> Iterator[Cut]:
    """Whole tiles of the columns' rank for each part."""
    structure = tiled.structure
    (rank,) = structure.columns
    for together in range(2, MOST_TILES + 1):
        for first in range(1, together):
            into = (first * structure.width, (together - first) * structure.width)
            given = tiled.given.get(size_of(rank))
            if given is None or given % sum(into) == 0:
                yield Cut(_division(structure, rank, grouped=True), into, together)


def _division(structure: Structure, rank: str, *, grouped: bool = False) -> Division:
    """A rank in two parts, of names that are free."""
    taken = {*known_ranks(structure.cascade), *(name.lower() for name in known_sizes(structure.cascade))}
    mark = rank
    while {f"{mark}{letter}" for letter in "abg"} & taken:
        mark += "_"
    return Division(rank, (f"{mark}a", f"{mark}b"), f"{mark}g" if grouped else None)


def promise(tiled: Tiled, cut: Cut) -> Promise | None:
    """A cut with its bound; None where the rank cannot be divided, or its tiles have no nests."""
    try:
        start = start_of(tiled, cut)
        choices = choices_of(start)
        least = next(choices.by_bound())
    except SpecError:
        return None
    return Promise(cut, start, Fraction(choices.bound(least), cut.tiles))


def start_of(tiled: Tiled, cut: Cut) -> Start:
    """Where the search for a divided cascade's binding starts: the last part of a cut tile is on the lanes."""
    whole, division = tiled.structure, cut.division
    structure = in_parts(whole, division)
    stated: dict[str, Any] = {"into": dict(zip(division.parts, cut.into, strict=True))}
    sizes = dict(tiled.sizes)
    if division.groups is not None:
        stated["groups"] = division.groups
        if size_of(division.rank) not in tiled.given:
            sizes[size_of(division.rank)] = TILES * sum(cut.into)
    data = mapping_of(structure, tiled.architecture, tiled.cascade)
    data = {**data, "divide": {division.rank: stated}}
    undivided = tiled.start()
    rebinding = Rebinding(structure.cascade, tiled.machine, data, whole.split.outer)
    last = division.parts[-1] if division.groups is not None else None
    guess = guessed(structure, last)
    return replace(undivided, cascade=structure.cascade, rebinding=rebinding, assignment=guess,
                   workload=Workload(tuple(sizes.items()), at=undivided.workload.at))  # fmt: skip
