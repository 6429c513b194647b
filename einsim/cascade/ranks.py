"""Ranks and sizes: what an Einsum walks and reduces, what a tensor's dimensions are, which sizes are free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import index as as_integer

from einsim.cascade.expression import Access, accesses, ranks_of
from einsim.cascade.index import Index, Term
from einsim.cascade.ir import Cascade, Einsum, Split
from einsim.cascade.names import is_rank_name, size_of
from einsim.errors import SpecError, suggest


@dataclass(frozen=True, slots=True)
class TileBound:
    """A point of an iteration space exists only where `index` is below the size of `rank` (partial tiles)."""

    index: Index
    rank: str


def iteration_ranks(einsum: Einsum) -> tuple[str, ...]:
    """Every rank of the iteration space: those of the left side, then the reduced ones."""
    return einsum.output.ranks + reduced_ranks(einsum)


def reduced_ranks(einsum: Einsum) -> tuple[str, ...]:
    """The ranks on the right only, in order of appearance."""
    return tuple(rank for rank in ranks_of(einsum.body) if rank not in einsum.output.ranks)


def operands(einsum: Einsum) -> tuple[Access, ...]:
    """Every operand in order of appearance, an identical access once."""
    return accesses(einsum.body)


def is_copy(einsum: Einsum) -> bool:
    """Whether the Einsum only renames or re-indexes one operand: a view, no operation."""
    return isinstance(einsum.body, Access) and einsum.reduction is None


def iterative_rank(einsum: Einsum) -> str | None:
    """The rank r over which the Einsum iterates (it writes slice r+1), or None."""
    for index in einsum.output.indices:
        shift = index.shift
        if shift is not None and shift[1] == 1:
            return shift[0]
    return None


def known_ranks(cascade: Cascade) -> tuple[str, ...]:
    """Every rank the cascade declares: of its inputs, by `rank`, by its splits."""
    named = [rank for tensor in cascade.inputs for rank in tensor.ranks] + list(cascade.ranks)
    named += [rank for split in cascade.splits for rank in (split.rank, split.outer, split.inner)]
    return tuple(dict.fromkeys(named))


def split_of(cascade: Cascade, rank: str) -> Split | None:
    """The split that made the rank, or None for a rank of its own."""
    return next((split for split in cascade.splits if rank in (split.outer, split.inner)), None)


def base_rank(cascade: Cascade, rank: str) -> str:
    """The rank that was split, perhaps repeatedly, to give this one; itself when it was not split off.

    Raises SpecError for a rank the cascade does not have.
    """
    if rank not in known_ranks(cascade):
        raise SpecError(f"cascade {cascade.name!r} has no rank {rank!r}", remedy=suggest(rank, known_ranks(cascade)))
    split = split_of(cascade, rank)
    return rank if split is None else base_rank(cascade, split.rank)


def tensor_ranks(cascade: Cascade, tensor: str) -> tuple[str, ...]:
    """The rank of each dimension; an iterative dimension (R+1 slices) has the rank it iterates over.

    Raises SpecError for a tensor the cascade neither takes nor makes.
    """
    for declared in cascade.inputs:
        if declared.name == tensor:
            return declared.ranks
    for einsum in cascade.einsums:
        if einsum.name == tensor:
            return tuple(written_rank(cascade, index) for index in einsum.output.indices)
    known = [each.name for each in cascade.tensors]
    raise SpecError(f"cascade {cascade.name!r} has no tensor {tensor!r}", remedy=suggest(tensor, known))


def written_rank(cascade: Cascade, index: Index) -> str:
    """The rank of the dimension that a left-side index writes: r of `r` and `r+1`, m of `m1*M0+m0`.

    Raises SpecError for any other index.
    """
    shift = merge_splits(cascade, index).shift
    if shift is None or shift[1] not in (0, 1) or (shift[1] == 1 and index.shift is None):
        raise SpecError(
            f"the left side cannot be written at {str(index)!r}",
            at=index.at,
            remedy="write at a rank (r), at the next slice of an iterative rank (r+1) "
            "or at both ranks of a split (r1*R0+r0)",
        )
    return shift[0]


def merge_splits(cascade: Cascade, index: Index) -> Index:
    """The index with both parts of a split put back together: `m1*M0+m0` becomes `m`."""
    for split in reversed(cascade.splits):
        for term in index.terms:
            outer = Term(term.factor, (*term.sizes, split.size), split.outer)
            if term.rank == split.inner and outer in index.terms:
                whole = Index((Term(term.factor, term.sizes, split.rank),))
                index = index.plus(Index((term, outer)), -1).plus(whole)
    return index


def tile_bounds(cascade: Cascade, ranks: tuple[str, ...]) -> tuple[TileBound, ...]:
    """What a point of the space of these ranks must satisfy to exist, where a split's last tile is partial.

    A split binds only a space that holds ranks of both its sides. A rank that is absent counts as 0: the
    point exists if any element below it does.
    """
    bounds = []
    joined: set[str] = set()  # parts of splits that bind this space
    for split in cascade.splits:
        outer, inner = _position(cascade, split.outer, ranks), _position(cascade, split.inner, ranks)
        both = outer is not None and inner is not None
        if not both and (split.rank not in joined or split.rank in ranks):
            continue
        joined |= {split.outer, split.inner}
        if inner is not None:  # an outer part alone keeps within its own size
            bounds.append(TileBound(inner.plus(outer or Index(), 1, [split.size]), split.rank))
    return tuple(bounds)


def _position(cascade: Cascade, rank: str, ranks: tuple[str, ...]) -> Index | None:
    """Coordinate in `rank` of a point of the space, by the parts of it that the space holds."""
    if rank in ranks:
        return Index.of(rank)
    for split in cascade.splits:
        if split.rank == rank:
            outer, inner = _position(cascade, split.outer, ranks), _position(cascade, split.inner, ranks)
            if outer is not None or inner is not None:
                return (inner or Index()).plus(outer or Index(), 1, [split.size])
    return None


def size_parameters(cascade: Cascade) -> tuple[str, ...]:
    """The size symbols that the user gives; those of the outer ranks of splits are derived."""
    derived = {split.outer for split in cascade.splits}
    return tuple(size_of(rank) for rank in known_ranks(cascade) if rank not in derived)


def bind_sizes(cascade: Cascade, sizes: Mapping[str, int]) -> dict[str, int]:
    """Every size of the cascade from the free ones: a split's outer size is ceil(rank / tile).

    A derived size may be given too if it agrees. Raises SpecError for a size that is missing, unknown, not
    an integer, less than 1 or in disagreement.
    """
    free = size_parameters(cascade)
    known = [size_of(rank) for rank in known_ranks(cascade)]
    bound: dict[str, int] = {}
    for symbol, value in sizes.items():
        if symbol not in known:
            raise SpecError(f"cascade {cascade.name!r} has no size {symbol!r}", remedy=_size_remedy(symbol, known))
        bound[symbol] = _positive(symbol, value)
    missing = [symbol for symbol in free if symbol not in bound]
    if missing:
        raise SpecError(
            f"cascade {cascade.name!r} needs the size{'s' * (len(missing) > 1)} {', '.join(missing)}",
            remedy=f"give {', '.join(f'{symbol}=...' for symbol in missing)}",
        )
    for split in cascade.splits:
        symbol = size_of(split.outer)
        derived = -(-bound[size_of(split.rank)] // bound[split.size])
        if bound.setdefault(symbol, derived) != derived:
            raise SpecError(
                f"size {symbol} is ceil({size_of(split.rank)}/{split.size}) = {derived}, not {bound[symbol]}",
                remedy=f"leave {symbol} out",
            )
    return {symbol: bound[symbol] for symbol in known}


def _size_remedy(symbol: str, known: list[str]) -> str:
    if is_rank_name(symbol) and size_of(symbol) in known:
        return f"the size of rank {symbol} is {size_of(symbol)}"
    return suggest(symbol, known)


def _positive(symbol: str, value: object) -> int:
    try:
        number = None if isinstance(value, bool) else as_integer(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or number < 1:
        raise SpecError(f"size {symbol} is {value!r}", remedy="give an integer of at least 1")
    return number
