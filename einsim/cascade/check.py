"""Is the cascade well formed? Names, ranks, slices, filters and the order of its statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from einsim.cascade.bounds import outside
from einsim.cascade.declarations import check_declarations
from einsim.cascade.expression import Node, Number, Position, Size, guarded, ranks_of, walk
from einsim.cascade.index import Access, Index, Term
from einsim.cascade.ir import Cascade, Einsum, Init
from einsim.cascade.names import size_of
from einsim.cascade.order import check_order
from einsim.cascade.ranks import (
    iterative_rank,
    known_ranks,
    known_sizes,
    merge_splits,
    right_ranks,
    split_of,
    tensor_ranks,
    walks,
)
from einsim.errors import SpecError, suggest


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the statements may refer to."""

    cascade: Cascade
    dimensions: Mapping[str, tuple[str, ...]]  # of every tensor, the rank of each dimension
    iterative: Mapping[str, str]  # of every iterative tensor, the rank it iterates over
    ranks: tuple[str, ...]
    sizes: tuple[str, ...]


def check(cascade: Cascade) -> None:
    """Raise SpecError at the first thing that makes the cascade meaningless; return None for a good one."""
    check_declarations(cascade)
    scope = _scope(cascade)
    _check_scalars(scope)
    for einsum in cascade.einsums:
        _check_body(scope, einsum.body, filtered=einsum.when is not None)
        _check_left_ranks(einsum)
        _check_filter(scope, einsum)
    _check_inits(scope)
    _check_outputs(scope)
    check_order(cascade)


def _scope(cascade: Cascade) -> _Scope:
    dimensions = {tensor.name: tensor.ranks for tensor in (*cascade.inputs, *cascade.assembled)}
    iterative: dict[str, str] = {}
    ranks, sizes = known_ranks(cascade), known_sizes(cascade)
    for einsum in cascade.einsums:
        for index in einsum.output.indices:
            _check_symbols(ranks, sizes, index)
        dimensions[einsum.tensor] = tensor_ranks(cascade, einsum.tensor)
        rank = iterative_rank(einsum)
        if rank is not None:
            iterative[einsum.tensor] = rank
    scope = _Scope(cascade, dimensions, iterative, ranks, sizes)
    for einsum in cascade.einsums:
        _check_left(scope, einsum)
    return scope


# --- left sides -------------------------------------------------------------------------------------------


def _check_left(scope: _Scope, einsum: Einsum) -> None:
    if einsum.part:
        _check_access(scope, einsum.output, filtered=True, part=True)
        return
    written = [rank for index in einsum.output.indices for rank in index.ranks]
    for rank, times in Counter(written).items():
        if times > 1:
            raise SpecError(
                f"rank {rank!r} is on the left side of {einsum.name!r} more than once",
                at=einsum.at,
                remedy="give each dimension a rank of its own",
            )
    if sum(index.shift is not None and index.shift[1] == 1 for index in einsum.output.indices) > 1:
        raise SpecError(
            f"{einsum.name!r} iterates over two ranks", at=einsum.at, remedy="write only one index as 'r+1'"
        )


def _check_left_ranks(einsum: Einsum) -> None:
    right = right_ranks(einsum)
    if not right:
        return  # a constant fills the whole tensor, or slice
    for index in einsum.output.indices:
        readable = ", ".join(sorted(right))
        absent = [rank for rank in index.ranks if rank not in right and rank != einsum.selected]
        if absent:
            raise SpecError(
                f"rank {absent[0]!r} of {einsum.output} is absent on the right",
                at=index.at or einsum.at,
                remedy=f"drop it on the left or read a tensor that has it; on the right: {readable}",
            )


def _check_filter(scope: _Scope, einsum: Einsum) -> None:
    """The ranks of a filter are ranks of the space; its density is a share."""
    if einsum.when is None:
        if einsum.density is not None:
            raise SpecError(f"{einsum.name!r} has a density but no filter", at=einsum.at, remedy="add 'when ...'")
        return
    _check_body(scope, einsum.when, filtered=True)
    if einsum.density is None:
        return
    _check_body(scope, einsum.density, filtered=False)
    share = einsum.density.value if isinstance(einsum.density, Number) else 1.0
    if ranks_of(einsum.density) or not 0 < share <= 1:
        raise SpecError(
            f"density {einsum.density} of {einsum.name!r} is no share of the points",
            at=einsum.at,
            remedy="give a number above 0 and up to 1, or an expression of sizes and scalars",
        )


# --- right sides ------------------------------------------------------------------------------------------


def _check_scalars(scope: _Scope) -> None:
    at = {tensor.name: tensor.at for tensor in (*scope.cascade.inputs, *scope.cascade.assembled)}
    at |= {einsum.tensor: einsum.at for einsum in scope.cascade.einsums}
    for name, dimensions in scope.dimensions.items():
        if not dimensions and name in scope.sizes:
            owner = f"the size of rank {name.lower()!r}" if name.lower() in scope.ranks else "a size"
            raise SpecError(
                f"scalar {name!r} has the name of {owner}", at=at[name], remedy="give the scalar another name"
            )


def _check_body(scope: _Scope, body: Node, *, filtered: bool) -> None:
    for node, guard in guarded(body):
        if isinstance(node, Size):
            _check_size(scope, node)
        elif isinstance(node, Position):
            _check_symbols(scope.ranks, scope.sizes, node.index)
        elif isinstance(node, Access):
            _check_access(scope, node, filtered=filtered or guard)


def _check_size(scope: _Scope, size: Size) -> None:
    if size.symbol in scope.sizes:
        return
    if size.symbol in scope.dimensions:
        written = f"{size.symbol}[{','.join(scope.dimensions[size.symbol])}]"
        raise SpecError(f"tensor {size.symbol!r} is read without its indices", at=size.at, remedy=f"write {written}")
    raise SpecError(
        f"unknown name {size.symbol!r}: no tensor, scalar or size",
        at=size.at,
        remedy=suggest(size.symbol, {*scope.dimensions, *scope.sizes}),
    )


def _check_access(scope: _Scope, access: Access, *, filtered: bool, part: bool = False) -> None:
    if access.tensor not in scope.dimensions:
        raise SpecError(
            f"unknown tensor {access.tensor!r}",
            at=access.at,
            remedy=suggest(access.tensor, {*scope.dimensions, *scope.ranks}),
        )
    dimensions = scope.dimensions[access.tensor]
    if len(access.indices) != len(dimensions):
        expected, found = _counted(len(dimensions)), _counted(len(access.indices))
        raise SpecError(
            f"tensor {access.tensor!r} has {expected}, read with {found}",
            at=access.at,
            remedy=f"write {access.tensor}" + (f"[{','.join(dimensions)}]" if dimensions else ""),
        )
    for position, (index, dimension) in enumerate(zip(access.indices, dimensions, strict=True), start=1):
        _check_symbols(scope.ranks, scope.sizes, index)
        if not part:
            _check_index(scope, access, position, dimension, filtered=filtered)


def _counted(number: int) -> str:
    return f"{number} {'index' if number == 1 else 'indices'}"


def _check_symbols(ranks: Iterable[str], sizes: Iterable[str], index: Index) -> None:
    for kind, names, known in (("rank", index.ranks, ranks), ("size", index.sizes, sizes)):
        for name in names:
            if name not in known:
                raise SpecError(
                    f"unknown {kind} {name!r} in the index {str(index)!r}",
                    at=index.at,
                    remedy=suggest(name, known),
                )


def _check_index(scope: _Scope, access: Access, position: int, dimension: str, *, filtered: bool) -> None:
    index = access.indices[position - 1]
    if index.rank == dimension:
        return
    where = f"dimension {position} of {access.tensor!r}"
    iterates = scope.iterative.get(access.tensor) == dimension
    merged = merge_splits(scope.cascade, index)
    shift = merged.shift
    if shift is not None and not walks(scope.cascade, shift[0], dimension) and (iterates or shift[1] == 0):
        raise SpecError(
            f"{where} has rank {dimension!r}, read with {str(index)!r}",
            at=index.at,
            remedy=_rank_remedy(scope, dimension, shift[0]),
        )
    decided = merged.is_affine and not filtered and access.beyond is None
    if not decided or set(merged.sizes) & set(scope.cascade.sizes):
        return
    extent = Index((Term(1, (size_of(dimension),)), Term(int(iterates))))
    reason = outside(scope.cascade, merged, extent)
    if reason is not None:
        remedy = f"elements go from 0 to {extent.plus(Index.constant(-1))}; or say what is beyond: '... else 0'"
        if shift is not None and shift[1] > 0 and not iterates:
            remedy += f"; only an iterative tensor, written at '{dimension}+1', has one more"
        raise SpecError(f"index {str(index)!r} of {where} {reason}", at=index.at, remedy=remedy)


def _rank_remedy(scope: _Scope, dimension: str, found: str) -> str:
    """How to read a dimension of one rank where another rank was written."""
    split = split_of(scope.cascade, found)
    if split is not None and split.rank == dimension:
        return f"write '{split.outer}*{split.size}+{split.inner}'"
    return f"write {dimension!r}, or declare 'rank {found} like {dimension}' if both walk the same elements"


# --- first slices and outputs -----------------------------------------------------------------------------


def _check_inits(scope: _Scope) -> None:
    seen: set[str] = set()
    for init in scope.cascade.inits:
        if init.name not in scope.iterative:
            known = init.name in scope.dimensions
            raise SpecError(
                f"init of {init.name!r}, which is not iterative" if known else f"init of unknown {init.name!r}",
                at=init.at,
                remedy="write its Einsum at the next slice ('r+1')" if known else suggest(init.name, scope.iterative),
            )
        if init.name in seen:
            raise SpecError(f"{init.name!r} has two first slices", at=init.at, remedy="keep one init")
        seen.add(init.name)
        _check_first_slice(scope, init)
        _check_body(scope, init.body, filtered=False)
    for einsum in scope.cascade.einsums:
        if einsum.name in scope.iterative and einsum.name not in seen:
            raise SpecError(
                f"iterative tensor {einsum.name!r} has no first slice",
                at=einsum.at,
                remedy=f"write 'init {_first_slice(scope, einsum.name)} = ...'",
            )


def _first_slice(scope: _Scope, tensor: str) -> Access:
    over = scope.iterative[tensor]
    indices = (Index() if rank == over else Index.of(rank) for rank in scope.dimensions[tensor])
    return Access(tensor, tuple(indices))


def _check_first_slice(scope: _Scope, init: Init) -> None:
    expected = _first_slice(scope, init.name)
    if init.output != expected:
        raise SpecError(
            f"{init.output} is not the first slice of {init.name!r}",
            at=init.at,
            remedy=f"write 'init {expected}'",
        )
    for node in walk(init.body):
        extra = [rank for rank in ranks_of(node) if rank not in expected.ranks]
        if extra and isinstance(node, Access | Position):
            raise SpecError(
                f"rank {extra[0]!r} is not a rank of the first slice {expected}",
                at=node.at or init.at,
                remedy="an init reduces nothing: reduce in an Einsum and read its tensor here",
            )


def _check_outputs(scope: _Scope) -> None:
    cascade = scope.cascade
    if not cascade.outputs:
        raise SpecError("the cascade has no output", at=cascade.at, remedy="write 'output NAME'")
    for position, name in enumerate(cascade.outputs):
        at = cascade.outputs_at[position] if position < len(cascade.outputs_at) else None
        if name not in cascade.made:
            raise SpecError(f"output {name!r} is never made", at=at, remedy=suggest(name, cascade.made))
        if name in cascade.outputs[:position]:
            raise SpecError(f"output {name!r} is listed twice", at=at, remedy="list it once")
