"""Work divided between the arrays: which rank to cut, where, and what that gains.

A rank along the columns is cut tile by tile: an epoch has some tiles of one part and some of the other, each bound to
arrays by itself. A rank inside a tile is cut anywhere. Cuts are compared by their resource bound for the work of a
tile, from loop nests alone; those that promise more than what is known are bound, the most promising first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
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
BOUND: Final = 3
"""Cuts that are bound at most, one a rank, beside the undivided cascade."""


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
    bound first; of them `tried` were bound.
    """

    best: Bound
    cut: Cut | None
    whole: Bound
    promises: tuple[Promise, ...]
    tried: int

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
    """The faster of the undivided cascade's binding and those of some of its cuts, in about so many seconds.

    Every cut has a second at least, be time over or not: the cycle model's own plan takes no longer, and is often good.
    No cut is looked at where dividing every Einsum in the best proportion would gain nothing.
    """
    budget = Budget.of(seconds)
    whole = bind(tiled.start(), seconds / 3)
    if whole.split >= pace(whole):
        return Divided(whole, None, whole, (), 0)
    promises = sorted(compared(tiled), key=lambda each: each.least)
    best, chosen, tried = whole, None, 0
    for each in foremost(promises):
        if each.least >= pace(best, chosen) or tried >= BOUND:
            break
        share = Fraction(1, BOUND - tried)
        tried += 1
        try:
            found = bind(each.start, max(budget.left(float(share)), 1.0))
        except SpecError:  # no assignment of these parts is legal
            continue
        if pace(found, each.cut) < pace(best, chosen):
            best, chosen = found, each.cut
    return Divided(best, chosen, whole, tuple(promises), tried)


def foremost(promises: Iterable[Promise]) -> list[Promise]:
    """Of each rank the cut with the least bound: where that is not reached, its neighbours seldom are."""
    best: dict[str, Promise] = {}
    for each in promises:
        best.setdefault(each.cut.division.rank, each)
    return list(best.values())


def compared(tiled: Tiled) -> list[Promise]:
    """Cuts of every rank that may be divided, with their bounds."""
    structure = tiled.structure
    found = [each for each in (promise(tiled, cut) for cut in tile_cuts(tiled)) if each is not None]
    for rank in structure.inner:
        size = tiled.sizes.get(size_of(rank), 1)
        step = max(1, size // STEPS)
        known: dict[int, Promise] = {}
        places = list(range(step, size, step))
        while places:
            for place in places:
                each = promise(tiled, Cut(_division(structure, rank), (place, size - place)))
                if each is not None:
                    known[place] = each
            if not known or step == 1:
                break
            step = max(1, step // 2)
            best = min(known, key=lambda place: known[place].least)
            places = [place for place in (best - step, best + step) if 0 < place < size and place not in known]
        found += known.values()
    return found


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
