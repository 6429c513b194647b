"""Ranks and sizes: what an Einsum walks and reduces, what a tensor's dimensions are, which sizes are free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import index as as_integer

from einsim.cascade.index import Access, Index, Term
from einsim.cascade.ir import Cascade, Einsum, RankDecl, Split, all_indices
from einsim.cascade.names import is_rank_name, size_of
from einsim.errors import SpecError, suggest


@dataclass(frozen=True, slots=True)
class TileBound:
    """A point of an iteration space exists only where `index` is below the size of `rank` (partial tiles)."""

    index: Index
    rank: str


# --- what an Einsum walks ---------------------------------------------------------------------------------


def iteration_ranks(einsum: Einsum) -> tuple[str, ...]:
    """Every rank of the iteration space: those of the left side, then the reduced ones.

    The places of a topk are no rank of the space: each point is looked at once.
    """
    return tuple(rank for rank in einsum.output.ranks if rank != einsum.selected) + reduced_ranks(einsum)


def reduced_ranks(einsum: Einsum) -> tuple[str, ...]:
    """The ranks on the right only, in order of appearance."""
    return einsum.reduced


def right_ranks(einsum: Einsum) -> frozenset[str]:
    """The ranks that the right side and the filter name."""
    return frozenset(rank for index in all_indices(einsum) for rank in index.ranks)


def operands(einsum: Einsum) -> tuple[Access, ...]:
    """Every operand in order of appearance, of the filter and of gathers too, an identical access once."""
    return einsum.reads


def is_copy(einsum: Einsum) -> bool:
    """Whether the Einsum only renames or re-indexes one operand: a view, no operation."""
    return isinstance(einsum.body, Access) and einsum.reduction is None and einsum.when is None and not einsum.part


def iterative_rank(einsum: Einsum) -> str | None:
    """The rank r over which the Einsum iterates (it writes slice r+1), or None."""
    if einsum.part:
        return None
    for index in einsum.output.indices:
        shift = index.shift
        if shift is not None and shift[1] == 1:
            return shift[0]
    return None


# --- how ranks are related --------------------------------------------------------------------------------


def known_ranks(cascade: Cascade) -> tuple[str, ...]:
    """Every rank the cascade declares: of its inputs and assembled tensors, by `rank`, by its splits."""
    named = [rank for tensor in (*cascade.inputs, *cascade.assembled) for rank in tensor.ranks]
    named += [rank.name for rank in cascade.ranks]
    named += [rank for split in cascade.splits for rank in (split.rank, split.outer, split.inner)]
    return tuple(dict.fromkeys(named))


def declaration(cascade: Cascade, rank: str) -> RankDecl | None:
    """What a `rank` line says of a rank, if there is one."""
    return next((declared for declared in cascade.ranks if declared.name == rank), None)


def alike(cascade: Cascade, rank: str) -> str:
    """The rank whose elements a rank walks: the end of its chain of `like`."""
    declared = declaration(cascade, rank)
    while declared is not None and declared.like is not None:
        rank = declared.like
        declared = declaration(cascade, rank)
    return rank


def walks(cascade: Cascade, rank: str, dimension: str) -> bool:
    """Whether a bare rank may index a dimension: its own, one like it, or one that it walks within."""
    target = alike(cascade, dimension)
    current: str | None = alike(cascade, rank)
    while current is not None:
        if current == target:
            return True
        declared = declaration(cascade, current)
        current = None if declared is None or declared.within is None else alike(cascade, declared.within)
    return False


def split_of(cascade: Cascade, rank: str) -> Split | None:
    """The split that made the rank, or a rank that it is like; None for a rank of its own."""
    target = alike(cascade, rank)
    return next((split for split in cascade.splits if target in (split.outer, split.inner)), None)


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
    for declared in (*cascade.inputs, *cascade.assembled):
        if declared.name == tensor:
            return declared.ranks
    for einsum in cascade.einsums:
        if einsum.tensor == tensor:
            return tuple(written_rank(cascade, index) for index in einsum.output.indices)
    known = [*(each.name for each in cascade.inputs), *cascade.made]
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
            remedy="write at a rank (r), at the next slice of an iterative rank (r+1), at both ranks of a split "
            "(r1*R0+r0), or declare the tensor ('tensor K[e,m]') and write its parts anywhere",
        )
    return shift[0]


def merge_splits(cascade: Cascade, index: Index, splits: tuple[Split, ...] | None = None) -> Index:
    """The index with both parts of a split (of all, or of some) put back together: `m1*M0+m0` becomes `m`.

    A rank like a part stands for it: with `rank p0 like m0`, `m1*M0+p0` becomes `m` too.
    """
    for split in reversed(cascade.splits if splits is None else splits):
        for term in index.terms:
            if term.rank is None or alike(cascade, term.rank) != alike(cascade, split.inner):
                continue
            outer = next((t for t in index.terms if _is_outer(cascade, split, term, t)), None)
            if outer is not None:
                whole = Index((Term(term.factor, term.sizes, (split.rank,)),))
                index = index.plus(Index((term, outer)), -1).plus(whole)
    return index


def _is_outer(cascade: Cascade, split: Split, inner: Term, term: Term) -> bool:
    """Whether a term is the outer part that goes with an inner one."""
    if term.rank is None or alike(cascade, term.rank) != alike(cascade, split.outer):
        return False
    return term == Term(inner.factor, (*inner.sizes, split.size), (term.rank,))


def tile_bounds(cascade: Cascade, ranks: tuple[str, ...]) -> tuple[TileBound, ...]:
    """What a point of the space of these ranks must satisfy to exist, where a split's last tile is partial.

    A split binds only a space that holds ranks of both its sides. A rank that is absent counts as 0: the
    point exists if any element below it does.
    """
    bounds = []
    joined: set[str] = set()  # parts of splits that bind this space
    for split in cascade.splits:
        outers = _positions(cascade, split.outer, ranks)
        inners = _positions(cascade, split.inner, ranks)
        both = bool(outers) and bool(inners)
        if not both and (alike(cascade, split.rank) not in joined or split.rank in ranks):
            continue
        joined |= {split.outer, split.inner}
        for outer, inner in _pairs(outers or [Index()], inners):  # an outer part alone keeps within its own size
            bounds.append(TileBound(inner.plus(outer, 1, [split.size]), split.rank))
    return tuple(bounds)


def _pairs(outers: list[Index], inners: list[Index]) -> list[tuple[Index, Index]]:
    """Which walks of an outer part go with which of the inner one: one with all, or several as declared."""
    if len(outers) == len(inners):
        return list(zip(outers, inners, strict=True))
    return [(outer, inner) for outer in outers for inner in inners]


def _positions(cascade: Cascade, rank: str, ranks: tuple[str, ...]) -> list[Index]:
    """Coordinates in `rank` of a point of the space: the rank itself first, walks of it, its parts put together."""
    declared = [each.name for each in cascade.ranks]
    like = sorted((r for r in ranks if r in declared and r != rank), key=declared.index)
    own = [Index.of(rank)] if rank in ranks else []
    own += [Index.of(r) for r in like if alike(cascade, r) == alike(cascade, rank)]
    for split in cascade.splits:
        if alike(cascade, split.rank) == alike(cascade, rank) and split.rank not in ranks:
            outers = _positions(cascade, split.outer, ranks)
            inners = _positions(cascade, split.inner, ranks)
            if outers or inners:
                own += [
                    inner.plus(outer, 1, [split.size])
                    for outer, inner in _pairs(outers or [Index()], inners or [Index()])
                ]
    return own


# --- sizes ------------------------------------------------------------------------------------------------


def size_parameters(cascade: Cascade) -> tuple[str, ...]:
    """The size symbols that the user gives; those that follow from others are left out."""
    derived = {split.outer for split in cascade.splits}
    derived |= {rank.name for rank in cascade.ranks if rank.like is not None or rank.size is not None}
    return (*(size_of(rank) for rank in known_ranks(cascade) if rank not in derived), *cascade.sizes)


def known_sizes(cascade: Cascade) -> tuple[str, ...]:
    """Every size symbol: of each rank, and the sizes of their own."""
    return (*map(size_of, known_ranks(cascade)), *cascade.sizes)


def bind_sizes(cascade: Cascade, sizes: Mapping[str, int]) -> dict[str, int]:
    """Every size of the cascade from the free ones: a split's outer size is ceil(rank / tile).

    A size that follows from others may be given too if it agrees; of ranks that are alike, any one's size is
    enough. Raises SpecError for a size that is missing, unknown, not an integer, too small or in disagreement.
    """
    known = known_sizes(cascade)
    bound: dict[str, int] = {}
    for symbol, value in sizes.items():
        if symbol not in known:
            raise SpecError(f"cascade {cascade.name!r} has no size {symbol!r}", remedy=_size_remedy(symbol, known))
        bound[symbol] = _whole(symbol, value, least=0 if symbol in cascade.sizes else 1)
    for rank in reversed(cascade.ranks):
        if rank.like is not None and size_of(rank.name) in bound:
            bound.setdefault(size_of(rank.like), bound[size_of(rank.name)])
    _derive(cascade, bound)
    missing = [symbol for symbol in size_parameters(cascade) if symbol not in bound]
    if missing:
        raise SpecError(
            f"cascade {cascade.name!r} needs the size{'s' * (len(missing) > 1)} {', '.join(missing)}",
            remedy=f"give {', '.join(f'{symbol}=...' for symbol in missing)}",
        )
    for rank in cascade.ranks:
        if rank.within is not None and bound[size_of(rank.name)] > bound[size_of(rank.within)]:
            raise SpecError(
                f"rank {rank.name!r} walks within {rank.within!r}, but {size_of(rank.name)} = "
                f"{bound[size_of(rank.name)]} exceeds {size_of(rank.within)} = {bound[size_of(rank.within)]}",
                remedy="give a smaller size",
            )
    return {symbol: bound[symbol] for symbol in known}


def _derive(cascade: Cascade, bound: dict[str, int]) -> None:
    """Adds the sizes that follow from those bound, in any order of declaration."""
    rules: list[tuple[str, tuple[str, ...], Split | RankDecl]] = [
        (size_of(split.outer), (size_of(split.rank), split.size), split) for split in cascade.splits
    ]
    for rank in cascade.ranks:
        if rank.like is not None:
            rules.append((size_of(rank.name), (size_of(rank.like),), rank))
        elif rank.size is not None:
            rules.append((size_of(rank.name), rank.size.sizes, rank))
    while ready := [rule for rule in rules if all(symbol in bound for symbol in rule[1])]:
        for symbol, needs, rule in ready:
            value, text = _derived(rule, [bound[need] for need in needs], bound)
            if value < 1:
                raise SpecError(f"size {symbol} is {text} = {value}", at=rule.at, remedy="give sizes that leave some")
            if bound.setdefault(symbol, value) != value:
                raise SpecError(f"size {symbol} is {text} = {value}, not {bound[symbol]}", remedy=f"leave {symbol} out")
            rules.remove((symbol, needs, rule))


def _derived(rule: Split | RankDecl, needs: list[int], bound: Mapping[str, int]) -> tuple[int, str]:
    """The value of a derived size, and how it comes about."""
    if isinstance(rule, Split):
        return -(-needs[0] // needs[1]), f"ceil({size_of(rule.rank)}/{rule.size})"
    if rule.size is None:
        return needs[0], size_of(rule.like or "")
    return rule.size.value({}, bound), str(rule.size)


def _size_remedy(symbol: str, known: tuple[str, ...]) -> str:
    if is_rank_name(symbol) and size_of(symbol) in known:
        return f"the size of rank {symbol} is {size_of(symbol)}"
    return suggest(symbol, known)


def _whole(symbol: str, value: object, *, least: int) -> int:
    try:
        number = None if isinstance(value, bool) else as_integer(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or number < least:
        raise SpecError(f"size {symbol} is {value!r}", remedy=f"give an integer of at least {least}")
    return number
