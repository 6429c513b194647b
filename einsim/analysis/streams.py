"""Streams: which ranks go through a sequence, and which part of it each Einsum touches.

A stream is a set of *walks*; a walk is a tuple of ranks, outermost first, whose product visits every element
once: `(m,)`, or `(m1, m0)` after a split, or `(u, v)` for a window.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from einsim.cascade import Cascade, Einsum, iteration_ranks, known_ranks, split_of
from einsim.errors import Location, SpecError, suggest

Walk = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """The walks through one sequence; `name` is the rank, or ranks, that it is known by."""

    name: str
    walks: tuple[Walk, ...]

    @property
    def ranks(self) -> frozenset[str]:
        """Every rank of any walk."""
        return frozenset(rank for walk in self.walks for rank in walk)

    def walked(self, ranks: Iterable[str]) -> tuple[Walk, ...]:
        """The walks that a set of ranks completes."""
        have = set(ranks)
        return tuple(walk for walk in self.walks if have.issuperset(walk))

    def touches(self, einsum: Einsum) -> bool:
        """Whether an Einsum visits every element of the sequence."""
        return bool(self.walked(iteration_ranks(einsum)))

    def completes(self, einsum: Einsum) -> bool:
        """Whether the result of an Einsum is complete only after the whole sequence.

        It reduces the outermost rank of a walk: a maximum over the elements of each tile (m0) is complete tile by
        tile, whatever ranks are between them; one over the tiles (m1) is not.
        """
        space = iteration_ranks(einsum)
        kept = set(einsum.output.ranks) - ({einsum.selected} if einsum.selected else set())
        return any(walk[0] in space and walk[0] not in kept for walk in self.walked(space) or self.walks)


def streams(cascade: Cascade, rank: str | None = None) -> tuple[Stream, ...]:
    """The streams of a cascade: of one rank, or all that its `sequence` lines declare.

    A rank that a `sequence` line names stands for that whole line; any other rank is a stream of its own, with the
    parts that it is split into. The part of a split (m1, m0) is counted at its own level. Raises SpecError for
    an unknown rank, or where nothing says which rank is meant.
    """
    if rank is None:
        if not cascade.sequences:
            raise SpecError(
                f"cascade {cascade.name!r} names no sequence",
                at=cascade.at,
                remedy="add a line 'sequence m' to it, or give the rank (--rank m)",
            )
        return tuple(_declared(cascade, sequence.walks) for sequence in cascade.sequences)
    lower = rank.lower()
    if lower not in known_ranks(cascade):
        raise SpecError(
            f"cascade {cascade.name!r} has no rank {lower!r}",
            at=Location("--rank"),
            remedy=suggest(lower, known_ranks(cascade)),
        )
    for sequence in cascade.sequences:
        if any(lower in walk for walk in sequence.walks):
            return (_declared(cascade, sequence.walks),)
    split = split_of(cascade, lower)
    whole: list[Walk] = []
    while split is not None:  # who walks the whole rank walks each of its levels
        whole.append((split.rank,))
        split = split_of(cascade, split.rank)
    return (Stream(lower, (*_expanded(cascade, [(lower,)]), *whole)),)


def _declared(cascade: Cascade, walks: tuple[Walk, ...]) -> Stream:
    return Stream(" | ".join(",".join(walk) for walk in walks), _expanded(cascade, walks))


def _expanded(cascade: Cascade, walks: Iterable[Walk]) -> tuple[Walk, ...]:
    """The walks, and those with split ranks taken apart."""
    found = list(walks)
    for walk in found:
        for place, rank in enumerate(walk):
            for split in cascade.splits:
                if split.rank == rank:
                    apart = (*walk[:place], split.outer, split.inner, *walk[place + 1 :])
                    if apart not in found:
                        found.append(apart)
    return tuple(found)
