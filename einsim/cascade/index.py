"""Index expressions: polynomials of ranks and sizes, such as `m1*M0+m0`, `p//R`, `max(0,y-1)`, `IX[j]*N+n`.

A term is an integer times sizes times *atoms*: ranks, quotients, remainders, extremes, and elements of
tensors (gathers). Equal polynomials are equal records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import isnan, prod
from typing import Final, Literal, TypeAlias

from einsim.cascade.names import require_rank, require_size, require_tensor
from einsim.errors import Location, SpecError

MAX_TERMS: Final = 64
"""How many terms an index may have."""


@dataclass(frozen=True, slots=True)
class Quotient:
    """`left // right`, rounded down; `remainder` makes it `left % right`."""

    left: Index
    right: Index
    remainder: bool = False

    def __post_init__(self) -> None:
        """Raise SpecError for a division by the literal 0."""
        if not self.right.terms:
            raise SpecError(f"{self} divides by zero", at=self.left.at, remedy="divide by a positive size")

    def __str__(self) -> str:
        return f"{_word(self.left)}{'%' if self.remainder else '//'}{_word(self.right)}"


@dataclass(frozen=True, slots=True)
class Extreme:
    """The least or the greatest of some indices."""

    kind: Literal["min", "max"]
    of: tuple[Index, ...]

    def __post_init__(self) -> None:
        """Raise SpecError for fewer than two indices."""
        if len(self.of) < 2:
            raise SpecError(f"{self} needs two indices or more", at=self.of[0].at if self.of else None)

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.of))})"


@dataclass(frozen=True, slots=True)
class Access:
    """One element of a tensor at each point of the iteration space; a scalar has no indices.

    `beyond` is what stands outside the tensor: a number, the nearest element ("edge"), or None where no point
    may read there.
    """

    tensor: str
    indices: tuple[Index, ...] = ()
    beyond: float | Literal["edge"] | None = None
    at: Location | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SpecError for a word that cannot name a tensor, or for nan beyond the edge."""
        require_tensor(self.tensor, self.at)
        if isinstance(self.beyond, float) and isnan(self.beyond):
            raise SpecError("nan is not a literal of the notation", at=self.at, remedy="use a number, inf or -inf")

    @property
    def ranks(self) -> tuple[str, ...]:
        """The ranks of all indices, gathers included, each once, in order of appearance."""
        return tuple(dict.fromkeys(rank for index in self.indices for rank in index.ranks))

    def __str__(self) -> str:
        """The notation: `A[m1+1,p]`, `X[y+u-1] else 0`, or `A` for a scalar."""
        text = f"{self.tensor}[{','.join(map(str, self.indices))}]" if self.indices else self.tensor
        match self.beyond:
            case None:
                return text
            case "edge":
                return f"{text} else edge"
            case number:
                return f"{text} else {show_number(number)}"


Atom: TypeAlias = str | Quotient | Extreme | Access
"""What an index multiplies: a rank, a quotient or remainder, an extreme, an element of a tensor."""


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of an index: `factor` times the product of `sizes` times the product of `atoms`."""

    factor: int
    sizes: tuple[str, ...] = ()
    atoms: tuple[Atom, ...] = ()

    def __post_init__(self) -> None:
        """Sort sizes and atoms; raise SpecError for a name that is not a size or a rank."""
        for size in self.sizes:
            require_size(size)
        for atom in self.atoms:
            if isinstance(atom, str):
                require_rank(atom)
        if len(self.sizes) > 1:
            object.__setattr__(self, "sizes", tuple(sorted(self.sizes)))
        if len(self.atoms) > 1:
            object.__setattr__(self, "atoms", tuple(sorted(self.atoms, key=_place)))

    @property
    def rank(self) -> str | None:
        """The rank of a term that has one rank and no other atom."""
        return self.atoms[0] if len(self.atoms) == 1 and isinstance(self.atoms[0], str) else None

    def scale(self, sizes: Mapping[str, int]) -> int:
        """The number that multiplies the atoms (or is the constant), the sizes being known."""
        return self.factor * prod(sizes[size] for size in self.sizes)

    def magnitude(self) -> str:
        """The term's text without its sign."""
        words = [str(atom) for atom in self.atoms] + list(self.sizes)
        if abs(self.factor) != 1 or not words:
            words.insert(0, str(abs(self.factor)))
        if len(words) > 1 or self.factor < 0:
            divided = {str(atom) for atom in self.atoms if isinstance(atom, Quotient)}
            words = [f"({word})" if word in divided else word for word in words]
        return "*".join(words)


@dataclass(frozen=True, slots=True)
class Index:
    """A sum of terms, kept in one canonical order so that equal expressions are equal.

    Terms with atoms come first (those scaled by sizes before the others), then sizes, then the integer.
    """

    terms: tuple[Term, ...] = ()
    at: Location | None = field(default=None, compare=False, repr=False)
    ranks: tuple[str, ...] = field(default=(), init=False, compare=False, repr=False)
    """The ranks that the index depends on, gathers included, in order."""
    gathers: tuple[Access, ...] = field(default=(), init=False, compare=False, repr=False)
    """The elements of tensors that the index is made of, the outermost of nested ones only."""

    def __post_init__(self) -> None:
        """Merge like terms and sort; raise SpecError for more terms than any index has."""
        if len(self.terms) != 1 or not self.terms[0].factor:
            object.__setattr__(self, "terms", _merged(self.terms))
        if len(self.terms) > MAX_TERMS:
            raise SpecError(f"an index of more than {MAX_TERMS} terms", at=self.at, remedy="use a simpler index")
        atoms = self.atoms
        if len(atoms) == 1 and isinstance(atoms[0], str):
            object.__setattr__(self, "ranks", (atoms[0],))
        elif atoms:
            object.__setattr__(self, "ranks", tuple(dict.fromkeys(r for atom in atoms for r in _ranks_in(atom))))
            found = (access for atom in atoms if not isinstance(atom, str) for access in _gathers_in(atom))
            object.__setattr__(self, "gathers", tuple(dict.fromkeys(found)))

    @classmethod
    def of(cls, rank: Atom, offset: int = 0) -> Index:
        """The index `rank + offset`."""
        return cls((Term(1, (), (rank,)), Term(offset)) if offset else (Term(1, (), (rank,)),))

    @classmethod
    def constant(cls, value: int) -> Index:
        """The index of one fixed coordinate."""
        return cls((Term(value),))

    @classmethod
    def size(cls, symbol: str) -> Index:
        """A size as an index."""
        return cls((Term(1, (symbol,)),))

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The atoms of all terms, each once, in order."""
        if len(self.terms) == 1:
            return tuple(dict.fromkeys(self.terms[0].atoms))
        return tuple(dict.fromkeys(atom for term in self.terms for atom in term.atoms))

    @property
    def sizes(self) -> tuple[str, ...]:
        """The size symbols that the index names, in order."""
        own = (size for term in self.terms for size in term.sizes)
        inner = (size for atom in self.atoms for index in parts(atom) for size in index.sizes)
        return tuple(dict.fromkeys((*own, *inner)))

    @property
    def is_constant(self) -> bool:
        """Whether the index depends on no rank and no tensor: one coordinate, though a size may name it."""
        return not self.ranks and not self.gathers

    @property
    def is_affine(self) -> bool:
        """Whether the index is a sum of ranks times sizes, and constants."""
        return all(term.rank is not None or not term.atoms for term in self.terms)

    @property
    def shift(self) -> tuple[str, int] | None:
        """(rank, offset) of an index `rank + offset` with an integer offset, else None."""
        if not 1 <= len(self.terms) <= 2:
            return None
        first, last = self.terms[0], self.terms[-1]
        if first.factor != 1 or first.sizes or first.rank is None:
            return None
        if first is last:
            return first.rank, 0
        return None if last.sizes or last.atoms else (first.rank, last.factor)

    @property
    def rank(self) -> str | None:
        """The rank, when the index is that rank and nothing else."""
        shift = self.shift
        return shift[0] if shift is not None and shift[1] == 0 else None

    def plus(self, other: Index, factor: int = 1, sizes: Iterable[str] = ()) -> Index:
        """This index plus `factor` times the product of `sizes` times the other."""
        by = tuple(sizes)
        scaled = (Term(factor * term.factor, by + term.sizes, term.atoms) for term in other.terms)
        return replace(self, terms=(*self.terms, *scaled))

    def times(self, other: Index) -> Index:
        """The product of two indices."""
        pairs = (
            Term(a.factor * b.factor, a.sizes + b.sizes, a.atoms + b.atoms) for a in self.terms for b in other.terms
        )
        return replace(self, terms=tuple(pairs))

    def renamed(self, names: Mapping[str, str]) -> Index:
        """The index with ranks renamed, gathers included."""
        return replace(
            self, terms=tuple(replace(t, atoms=tuple(_renamed(a, names) for a in t.atoms)) for t in self.terms)
        )

    def value(self, coordinates: Mapping[str, int], sizes: Mapping[str, int]) -> int:
        """The coordinate at one point of the iteration space; an index with gathers has none (KeyError)."""
        return sum(
            term.scale(sizes) * prod(_atom_value(atom, coordinates, sizes) for atom in term.atoms)
            for term in self.terms
        )

    def __str__(self) -> str:
        """The notation, without spaces: `m1*M0+m0`."""
        if not self.terms:
            return "0"
        signed = "".join(("-" if term.factor < 0 else "+") + term.magnitude() for term in self.terms)
        return signed.removeprefix("+")


def parts(atom: Atom) -> tuple[Index, ...]:
    """The indices inside an atom."""
    match atom:
        case str():
            return ()
        case Quotient(left, right):
            return left, right
        case Extreme(_, of):
            return of
        case Access(_, indices):
            return indices


def _merged(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """The sum of some terms in canonical order, like ones added up."""
    merged: dict[tuple[tuple[Atom, ...], tuple[str, ...]], int] = {}
    for term in terms:
        key = (term.atoms, term.sizes)
        merged[key] = merged.get(key, 0) + term.factor
    left = [Term(factor, sizes, atoms) for (atoms, sizes), factor in merged.items() if factor]
    left.sort(key=lambda term: (not term.atoms, -len(term.sizes), [_place(a) for a in term.atoms], term.sizes))
    return tuple(left)


def show_number(value: float) -> str:
    """The shortest text that reads back as the same number."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def _place(atom: Atom) -> tuple[bool, str]:
    """Ranks first, then the rest, by their text."""
    return not isinstance(atom, str), str(atom)


def _ranks_in(atom: Atom) -> Iterator[str]:
    if isinstance(atom, str):
        yield atom
    else:
        for index in parts(atom):
            yield from index.ranks


def _gathers_in(atom: Atom) -> Iterator[Access]:
    if isinstance(atom, Access):
        yield atom
    else:
        for index in parts(atom):
            yield from index.gathers


def _renamed(atom: Atom, names: Mapping[str, str]) -> Atom:
    match atom:
        case str():
            return names.get(atom, atom)
        case Quotient(left, right, remainder):
            return Quotient(left.renamed(names), right.renamed(names), remainder)
        case Extreme(kind, of):
            return Extreme(kind, tuple(index.renamed(names) for index in of))
        case Access():
            return replace(atom, indices=tuple(index.renamed(names) for index in atom.indices))


def _atom_value(atom: Atom, coordinates: Mapping[str, int], sizes: Mapping[str, int]) -> int:
    match atom:
        case str():
            return coordinates[atom]
        case Quotient(left, right, remainder):
            pair = left.value(coordinates, sizes), right.value(coordinates, sizes)
            return pair[0] % pair[1] if remainder else pair[0] // pair[1]
        case Extreme(kind, of):
            values = [index.value(coordinates, sizes) for index in of]
            return max(values) if kind == "max" else min(values)
        case Access(tensor):
            raise KeyError(tensor)


def _word(index: Index) -> str:
    """An index as an operand of // and %."""
    text = str(index)
    lone = len(index.terms) <= 1 and (not index.terms or index.terms[0].factor >= 0)
    words = len(index.terms[0].atoms) + len(index.terms[0].sizes) if index.terms else 0
    divided = any(isinstance(atom, Quotient) for atom in index.atoms)
    plain = lone and not divided and (words == 0 or (words == 1 and index.terms[0].factor == 1))
    return text if plain else f"({text})"
