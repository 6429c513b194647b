"""Is what a cascade declares consistent? Unique names, known ranks, splits, walks and sizes."""

from __future__ import annotations

from collections.abc import Iterator

from einsim.cascade.ir import Cascade
from einsim.cascade.names import size_of
from einsim.cascade.ranks import known_ranks, known_sizes
from einsim.errors import Location, SpecError, suggest


def check_declarations(cascade: Cascade) -> None:
    """Raise SpecError at the first declaration that contradicts another, or refers to nothing."""
    _check_tensors(cascade)
    _check_ranks(cascade)
    _check_splits(cascade)
    _check_derived(cascade)
    _check_sizes(cascade)
    for sequence in cascade.sequences:
        for rank in (rank for ranks in sequence.walks for rank in ranks):
            if rank not in known_ranks(cascade):
                raise SpecError(
                    f"sequence over the unknown rank {rank!r}",
                    at=sequence.at,
                    remedy=suggest(rank, known_ranks(cascade)),
                )


def _tensors(cascade: Cascade) -> Iterator[tuple[str, Location | None]]:
    """The name of everything that makes or declares a whole tensor, with its place."""
    yield from ((tensor.name, tensor.at) for tensor in (*cascade.inputs, *cascade.assembled))
    yield from ((einsum.tensor, einsum.at) for einsum in cascade.einsums if not einsum.part)


def _check_tensors(cascade: Cascade) -> None:
    seen: dict[str, Location | None] = {}
    for name, at in _tensors(cascade):
        if name in seen:
            first = seen[name]
            where = f" (first at line {first.line})" if first is not None else ""
            raise SpecError(
                f"tensor {name!r} is made twice{where}",
                at=at,
                remedy="give each Einsum a tensor of its own, an iterative one a single update; "
                "or declare 'tensor NAME[ranks]' and write its parts",
            )
        seen[name] = at
    for tensor in cascade.assembled:
        if tensor.name not in cascade.made:
            raise SpecError(f"no Einsum writes a part of tensor {tensor.name!r}", at=tensor.at, remedy="remove it")


def _check_ranks(cascade: Cascade) -> None:
    named: set[str] = set()
    for declared in cascade.ranks:
        if declared.name in named:
            raise SpecError(f"rank {declared.name!r} is declared twice", at=declared.at, remedy="declare it once")
        named.add(declared.name)
        for other in (declared.like, declared.within):
            if other is not None and other not in known_ranks(cascade):
                raise SpecError(
                    f"rank {declared.name!r} refers to the unknown rank {other!r}",
                    at=declared.at,
                    remedy=suggest(other, known_ranks(cascade)),
                )
            if other is not None and _circular(cascade, declared.name):
                raise SpecError(
                    f"rank {declared.name!r} walks itself", at=declared.at, remedy="break the circle of like and within"
                )
        if declared.size is not None:
            for symbol in declared.size.sizes:
                if symbol not in known_sizes(cascade) or symbol == size_of(declared.name):
                    raise SpecError(
                        f"unknown size {symbol!r} in the size of rank {declared.name!r}",
                        at=declared.size.at or declared.at,
                        remedy=suggest(symbol, set(known_sizes(cascade)) - {size_of(declared.name)}),
                    )


def _circular(cascade: Cascade, rank: str) -> bool:
    """Whether the chain of what a rank walks comes back to it."""
    walked = {each.name: each.like or each.within for each in cascade.ranks}
    current = walked.get(rank)
    for _ in walked:
        if current is None:
            return False
        if current == rank:
            return True
        current = walked.get(current)
    return current is not None


def _check_splits(cascade: Cascade) -> None:
    own = {rank for tensor in (*cascade.inputs, *cascade.assembled) for rank in tensor.ranks}
    own |= {rank.name for rank in cascade.ranks}
    parts: set[str] = set()
    done: set[str] = set()
    for split in cascade.splits:
        if split.rank not in own | parts:
            raise SpecError(
                f"split of the unknown rank {split.rank!r}",
                at=split.at,
                remedy=suggest(split.rank, own | parts),
            )
        if split.rank in done:
            raise SpecError(f"rank {split.rank!r} is split twice", at=split.at, remedy="split one of its parts instead")
        declared = {rank.name for rank in cascade.ranks}
        for part in (split.outer, split.inner):
            if part in parts or part in done or part in declared or split.rank == part or split.outer == split.inner:
                raise SpecError(
                    f"rank {part!r} has another meaning already",
                    at=split.at,
                    remedy="give the part a new name",
                )
        if split.size != size_of(split.inner):
            raise SpecError(
                f"the tiles of rank {split.inner!r} have size {size_of(split.inner)}, not {split.size}",
                at=split.at,
                remedy=f"write 'by {size_of(split.inner)}'",
            )
        done.add(split.rank)
        parts |= {split.outer, split.inner}


def _check_derived(cascade: Cascade) -> None:
    """No size may follow from itself."""
    needs: dict[str, tuple[str, ...]] = {size_of(s.outer): (size_of(s.rank), s.size) for s in cascade.splits}
    at = {size_of(split.outer): split.at for split in cascade.splits}
    for rank in cascade.ranks:
        if rank.like is not None or rank.size is not None:
            needs[size_of(rank.name)] = rank.size.sizes if rank.size is not None else (size_of(rank.like or ""),)
            at[size_of(rank.name)] = rank.at
    for symbol, direct in needs.items():
        reached, found = set(direct), list(direct)
        while found:
            more = [need for need in needs.get(found.pop(), ()) if need not in reached]
            reached.update(more)
            found.extend(more)
        if symbol in reached:
            raise SpecError(
                f"size {symbol} follows from itself", at=at[symbol], remedy="let one of the sizes in the circle be free"
            )


def _check_sizes(cascade: Cascade) -> None:
    of_ranks = {size_of(rank) for rank in known_ranks(cascade)}
    for position, symbol in enumerate(cascade.sizes):
        at = cascade.sizes_at[position] if position < len(cascade.sizes_at) else cascade.at
        if symbol in of_ranks:
            raise SpecError(
                f"{symbol} is the size of rank {symbol.lower()!r} already", at=at, remedy="choose another name"
            )
        if symbol in cascade.sizes[:position]:
            raise SpecError(f"size {symbol} is declared twice", at=at, remedy="declare it once")
