"""Affine index expressions: integers and sizes times ranks, such as `m1*M0+m0`, `m1+1`, `M1`, `0`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod

from einsim.cascade.names import require_rank, require_size
from einsim.errors import Location


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of an index: `factor` times the product of `sizes` times `rank` (None: a constant)."""

    factor: int
    sizes: tuple[str, ...] = ()
    rank: str | None = None

    def __post_init__(self) -> None:
        """Sort the sizes; raise SpecError for a name that is not a size or a rank."""
        for size in self.sizes:
            require_size(size)
        if self.rank is not None:
            require_rank(self.rank)
        object.__setattr__(self, "sizes", tuple(sorted(self.sizes)))

    def scale(self, sizes: Mapping[str, int]) -> int:
        """The number that multiplies the rank (or is the constant), the sizes being known."""
        return self.factor * prod(sizes[size] for size in self.sizes)

    def magnitude(self) -> str:
        """The term's text without its sign."""
        words = [self.rank] if self.rank is not None else []
        words += self.sizes
        if abs(self.factor) != 1 or not words:
            words.insert(0, str(abs(self.factor)))
        return "*".join(words)


@dataclass(frozen=True, slots=True)
class Index:
    """An affine expression of ranks, kept in one canonical order so that equal expressions are equal.

    Ranks come first (those scaled by sizes before the others), then sizes, then the integer.
    """

    terms: tuple[Term, ...] = ()
    at: Location | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Merge like terms and sort."""
        merged: dict[tuple[str | None, tuple[str, ...]], int] = {}
        for term in self.terms:
            key = (term.rank, term.sizes)
            merged[key] = merged.get(key, 0) + term.factor
        terms = [Term(factor, sizes, rank) for (rank, sizes), factor in merged.items() if factor]
        terms.sort(key=lambda term: (term.rank is None, -len(term.sizes), term.rank or "", term.sizes))
        object.__setattr__(self, "terms", tuple(terms))

    @classmethod
    def of(cls, rank: str, offset: int = 0) -> Index:
        """The index `rank + offset`."""
        return cls((Term(1, (), rank), Term(offset)))

    @classmethod
    def constant(cls, value: int) -> Index:
        """The index of one fixed coordinate."""
        return cls((Term(value),))

    @property
    def ranks(self) -> tuple[str, ...]:
        """The ranks that the index depends on, in order."""
        return tuple(dict.fromkeys(term.rank for term in self.terms if term.rank is not None))

    @property
    def sizes(self) -> tuple[str, ...]:
        """The size symbols that the index names, in order."""
        return tuple(dict.fromkeys(size for term in self.terms for size in term.sizes))

    @property
    def is_constant(self) -> bool:
        """Whether the index depends on no rank: one coordinate, though a size may name it."""
        return not self.ranks

    @property
    def shift(self) -> tuple[str, int] | None:
        """(rank, offset) of an index `rank + offset` with an integer offset, else None."""
        match self.terms:
            case (Term(1, (), str(rank)),):
                return rank, 0
            case (Term(1, (), str(rank)), Term(offset, (), None)):
                return rank, offset
            case _:
                return None

    @property
    def rank(self) -> str | None:
        """The rank, when the index is that rank and nothing else."""
        shift = self.shift
        return shift[0] if shift is not None and shift[1] == 0 else None

    def plus(self, other: Index, factor: int = 1, sizes: Iterable[str] = ()) -> Index:
        """This index plus `factor` times the product of `sizes` times the other."""
        by = tuple(sizes)
        scaled = (Term(factor * term.factor, by + term.sizes, term.rank) for term in other.terms)
        return replace(self, terms=(*self.terms, *scaled))

    def value(self, coordinates: Mapping[str, int], sizes: Mapping[str, int]) -> int:
        """The coordinate at one point of the iteration space."""
        return sum(term.scale(sizes) * (1 if term.rank is None else coordinates[term.rank]) for term in self.terms)

    def __str__(self) -> str:
        """The notation, without spaces: `m1*M0+m0`."""
        if not self.terms:
            return "0"
        signed = "".join(("-" if term.factor < 0 else "+") + term.magnitude() for term in self.terms)
        return signed.removeprefix("+")
