"""Fewer passes by rewriting: a search over laws that keep the meaning of a cascade.

From a cascade, every rewrite that a law allows is a step; steps are followed breadth first, and what is found is
kept if nothing else is better in passes, operations and footprint at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from einsim.analysis.footprint import footprint
from einsim.analysis.laws import Law
from einsim.analysis.online import online
from einsim.analysis.passes import StreamPasses, count_passes
from einsim.analysis.sizes import number, total, work
from einsim.analysis.spread import Rewrite, deferrals, reassociations, rebasings
from einsim.analysis.trial import Comparison, compare
from einsim.cascade import Cascade, Split, check, known_ranks, size_of
from einsim.errors import SpecError

MOST_STATES: Final = 150
"""Cascades looked at before a search ends."""
_TYPICAL: Final = 4096
_TILE: Final = 256


@dataclass(frozen=True, slots=True)
class Found:
    """One cascade that a search reached: how, and what it costs.

    passes: over the stream that needs most; every: over all streams together; operations and held: scalar
    operations, and elements alive across passes, at typical sizes, for comparison only.
    """

    cascade: Cascade
    steps: tuple[Rewrite, ...]
    passes: int
    every: int
    operations: int
    held: int

    def dominates(self, other: Found) -> bool:
        """Whether this is as good in all respects, and better in one."""
        mine, theirs = (self.passes, self.operations, self.held), (other.passes, other.operations, other.held)
        return mine != theirs and all(a <= b for a, b in zip(mine, theirs, strict=True))

    @property
    def laws(self) -> tuple[Law, ...]:
        """The laws that its steps rest on, each once."""
        return tuple(dict.fromkeys(law for step in self.steps for law in step.laws))


@dataclass(frozen=True, slots=True)
class Derivation:
    """What a search found: the original, all that is worth keeping, fewest passes first, and the proof of each."""

    original: Found
    pareto: tuple[Found, ...]
    comparisons: tuple[Comparison, ...]
    looked_at: int

    @property
    def best(self) -> Found:
        """The cascade with the fewest passes (and of those the one that keeps least alive)."""
        return self.pareto[0]


def derive(cascade: Cascade, rank: str | None = None, most: int = MOST_STATES) -> Derivation:
    """Searches rewrites of a cascade that need fewer passes over a sequence, and checks each against the original.

    What disagrees with the original on random tensors is left out. Raises SpecError for an unknown rank.
    """
    original = _found(cascade, (), rank)
    seen = {str(cascade)}
    queue, states = [original], [original]
    while queue and len(states) < most:
        current = queue.pop(0)
        for rewrite in rewrites(current.cascade, rank):
            text = str(rewrite.cascade)
            if text in seen:
                continue
            seen.add(text)
            found = _found(rewrite.cascade, (*current.steps, rewrite), rank)
            states.append(found)
            if (found.passes, found.every) <= (current.passes, current.every):
                queue.append(found)
        queue.sort(key=lambda each: (each.passes, each.every, len(each.steps)))
    kept: list[Found] = []
    comparisons: list[Comparison] = []
    order = sorted(states, key=lambda each: (each.passes, each.held, each.operations, len(each.steps)))
    for found in order:
        if any(better.dominates(found) or _alike(better, found) for better in kept):
            continue
        comparison = compare(cascade, found.cascade)
        if comparison.agrees:
            kept.append(found)
            comparisons.append(comparison)
    return Derivation(original, tuple(kept), tuple(comparisons), len(states))


def _alike(one: Found, other: Found) -> bool:
    return (one.passes, one.operations, one.held) == (other.passes, other.operations, other.held)


def rewrites(cascade: Cascade, rank: str | None) -> Iterator[Rewrite]:
    """Every rewrite of a cascade by one law, checked to be well formed."""
    for passes in count_passes(cascade, rank):
        for make in (_deferred, online, rebasings, reassociations):
            for rewrite in make(cascade, passes):
                try:
                    check(rewrite.cascade)
                except SpecError:
                    continue  # a form that the notation cannot say, such as a gather through a view
                yield rewrite


def _deferred(cascade: Cascade, passes: StreamPasses) -> Iterator[Rewrite]:
    """Factors out of sums, guarded against empty ones only where it matters."""
    for plain in deferrals(cascade, passes):
        filters = any(einsum.when is not None for einsum in cascade.einsums)
        if not filters or compare(cascade, plain.cascade, draws=6).agrees:
            yield plain
        else:
            yield from deferrals(cascade, passes, guarded=True)


def _found(cascade: Cascade, steps: tuple[Rewrite, ...], rank: str | None) -> Found:
    every = count_passes(cascade, rank)
    sizes = _typical(cascade)
    operations = number(total(work(cascade, einsum) for einsum in cascade.einsums), sizes)
    held = sum(number(each.total, sizes) for passes in every for each in footprint(cascade, passes).crossing)
    numbers = [_number(passes) for passes in every]
    return Found(cascade, steps, max(numbers), sum(numbers), operations, held)


def _number(passes: StreamPasses) -> int:
    """Passes for comparison: where they depend on a size, those of a few iterations."""
    return passes.first + 3 * passes.per_iteration


def _typical(cascade: Cascade) -> dict[str, int]:
    """Sizes at which costs are compared: long sequences, short widths and tiles."""
    along = {rank for sequence in cascade.sequences for walk in sequence.walks for rank in walk}
    sizes = {size_of(rank): (_TYPICAL if rank in along else 64) for rank in known_ranks(cascade)}
    sizes |= dict.fromkeys(cascade.sizes, 8)
    for split in cascade.splits:
        sizes |= _parts(split, sizes)
    return sizes


def _parts(split: Split, sizes: dict[str, int]) -> dict[str, int]:
    whole = sizes[size_of(split.rank)]
    tile = min(_TILE, whole)
    return {split.size: tile, size_of(split.outer): -(-whole // tile)}


def renamed(found: Found, name: str) -> Cascade:
    """The cascade of a result under a name of its own."""
    return replace(found.cascade, name=name, title="", source="")
