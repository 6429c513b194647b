"""Is the cascade well formed? Names, ranks, slices and the order of its statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from einsim.cascade.bounds import outside
from einsim.cascade.expression import Access, Expr, Size, accesses, walk
from einsim.cascade.index import Index, Term
from einsim.cascade.ir import Cascade, Einsum, Init
from einsim.cascade.names import size_of
from einsim.cascade.order import check_order
from einsim.cascade.ranks import iterative_rank, known_ranks, merge_splits, split_of, written_rank
from einsim.errors import Location, SpecError, suggest


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
    _check_unique(cascade)
    _check_splits(cascade)
    scope = _scope(cascade)
    _check_scalars(scope)
    for einsum in cascade.einsums:
        _check_body(scope, einsum.body)
        _check_left_ranks(einsum)
    _check_inits(scope)
    _check_outputs(scope)
    check_order(cascade)


def _check_unique(cascade: Cascade) -> None:
    seen: dict[str, Location | None] = {}
    for tensor in cascade.tensors:
        if tensor.name in seen:
            first = seen[tensor.name]
            where = f" (first at line {first.line})" if first is not None else ""
            raise SpecError(
                f"tensor {tensor.name!r} is made twice{where}",
                at=tensor.at,
                remedy="give each Einsum a tensor of its own; an iterative one has a single update",
            )
        seen[tensor.name] = tensor.at
    for position, rank in enumerate(cascade.ranks):
        if rank in cascade.ranks[:position]:
            at = cascade.ranks_at[position] if position < len(cascade.ranks_at) else None
            raise SpecError(f"rank {rank!r} is declared twice", at=at, remedy="declare it once")


def _check_splits(cascade: Cascade) -> None:
    own = {rank for tensor in cascade.inputs for rank in tensor.ranks} | set(cascade.ranks)
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
        for part in (split.outer, split.inner):
            if part in parts or part in done or part == split.rank or split.outer == split.inner:
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


def _scope(cascade: Cascade) -> _Scope:
    dimensions = {tensor.name: tensor.ranks for tensor in cascade.inputs}
    iterative: dict[str, str] = {}
    for einsum in cascade.einsums:
        dimensions[einsum.name] = tuple(written_rank(cascade, index) for index in einsum.output.indices)
        rank = iterative_rank(einsum)
        if rank is not None:
            iterative[einsum.name] = rank
    ranks = known_ranks(cascade)
    scope = _Scope(cascade, dimensions, iterative, ranks, tuple(map(size_of, ranks)))
    for einsum in cascade.einsums:
        _check_left(scope, einsum)
    return scope


def _check_left(scope: _Scope, einsum: Einsum) -> None:
    for index in einsum.output.indices:
        _check_symbols(scope, index)
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
    right = {rank for access in accesses(einsum.body) for rank in access.ranks}
    for index in einsum.output.indices:
        readable = ", ".join(sorted(right)) or "no rank"
        absent = [rank for rank in index.ranks if rank not in right]
        if absent:
            raise SpecError(
                f"rank {absent[0]!r} of {einsum.output} is absent on the right",
                at=index.at or einsum.at,
                remedy=f"drop it on the left or read a tensor that has it; on the right: {readable}",
            )


def _check_scalars(scope: _Scope) -> None:
    for tensor in scope.cascade.tensors:
        if not scope.dimensions[tensor.name] and tensor.name in scope.sizes:
            raise SpecError(
                f"scalar {tensor.name!r} has the name of the size of rank {tensor.name.lower()!r}",
                at=tensor.at,
                remedy="give the scalar another name",
            )


def _check_body(scope: _Scope, body: Expr) -> None:
    for node in walk(body):
        if isinstance(node, Size):
            _check_size(scope, node)
        elif isinstance(node, Access):
            _check_access(scope, node)


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


def _check_access(scope: _Scope, access: Access) -> None:
    if access.tensor not in scope.dimensions:
        raise SpecError(
            f"unknown tensor {access.tensor!r}",
            at=access.at,
            remedy=suggest(access.tensor, scope.dimensions),
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
        _check_symbols(scope, index)
        _check_index(scope, access, position, index, dimension)


def _counted(number: int) -> str:
    return f"{number} {'index' if number == 1 else 'indices'}"


def _check_symbols(scope: _Scope, index: Index) -> None:
    for kind, names, known in (("rank", index.ranks, scope.ranks), ("size", index.sizes, scope.sizes)):
        for name in names:
            if name not in known:
                raise SpecError(
                    f"unknown {kind} {name!r} in the index {str(index)!r}",
                    at=index.at,
                    remedy=suggest(name, known),
                )


def _check_index(scope: _Scope, access: Access, position: int, index: Index, dimension: str) -> None:
    where = f"dimension {position} of {access.tensor!r}"
    iterates = scope.iterative.get(access.tensor) == dimension
    merged = merge_splits(scope.cascade, index)
    shift = merged.shift
    if shift is not None and shift[0] != dimension and (iterates or shift[1] == 0):
        raise SpecError(
            f"{where} has rank {dimension!r}, read with {str(index)!r}",
            at=index.at,
            remedy=_rank_remedy(scope, dimension, shift[0]),
        )
    extent = Index((Term(1, (size_of(dimension),)), Term(int(iterates))))
    reason = outside(scope.cascade, merged, extent)
    if reason is not None:
        remedy = f"elements go from 0 to {extent.plus(Index.constant(-1))}"
        if shift is not None and shift[1] > 0 and not iterates:
            remedy += f"; only an iterative tensor, written at '{dimension}+1', has one more"
        raise SpecError(f"index {str(index)!r} of {where} {reason}", at=index.at, remedy=remedy)


def _rank_remedy(scope: _Scope, dimension: str, found: str) -> str:
    """How to read a dimension of one rank where another rank was written."""
    split = split_of(scope.cascade, found)
    if split is not None and split.rank == dimension:
        return f"write '{split.outer}*{split.size}+{split.inner}'"
    return f"write {dimension!r}, or declare a tensor whose rank is {found!r}"


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
        _check_body(scope, init.body)
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
    for access in accesses(init.body):
        extra = [rank for rank in access.ranks if rank not in expected.ranks]
        if extra:
            raise SpecError(
                f"rank {extra[0]!r} is not a rank of the first slice {expected}",
                at=access.at,
                remedy="an init reduces nothing: reduce in an Einsum and read its tensor here",
            )


def _check_outputs(scope: _Scope) -> None:
    cascade = scope.cascade
    made = [einsum.name for einsum in cascade.einsums]
    if not cascade.outputs:
        raise SpecError("the cascade has no output", at=cascade.at, remedy="write 'output NAME'")
    for position, name in enumerate(cascade.outputs):
        at = cascade.outputs_at[position] if position < len(cascade.outputs_at) else None
        if name not in made:
            raise SpecError(f"output {name!r} is never made", at=at, remedy=suggest(name, made))
        if name in cascade.outputs[:position]:
            raise SpecError(f"output {name!r} is listed twice", at=at, remedy="list it once")
