"""The user's arrays against the declarations: shapes give sizes, and partial tiles must not be read through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from einsim.cascade.bounds import numeric_reach
from einsim.cascade.expression import guarded
from einsim.cascade.index import Access, Index
from einsim.cascade.ir import Cascade, TensorDecl
from einsim.cascade.names import size_of
from einsim.cascade.ranks import alike, bind_sizes, iterative_rank, tensor_ranks, tile_bounds
from einsim.cascade.space import Elements, Space
from einsim.errors import SpecError, suggest


@dataclass(frozen=True, slots=True)
class Bound:
    """Inputs with absent elements set to 0, and every size of the cascade."""

    arrays: Mapping[str, Elements]
    sizes: Mapping[str, int]


def bind_inputs(
    cascade: Cascade,
    inputs: Mapping[str, ArrayLike],
    sizes: Mapping[str, int],
    dtype: Callable[[str], np.dtype[Any]],
) -> Bound:
    """Check the arrays, convert each to the type of its tensor's elements, and infer the sizes.

    Raises SpecError naming tensor, dimension, expected and got.
    """
    declared = {tensor.name: tensor for tensor in cascade.inputs}
    for name in inputs:
        if name not in declared:
            raise SpecError(f"cascade {cascade.name!r} has no input {name!r}", remedy=suggest(name, declared))
    arrays: dict[str, Elements] = {}
    inferred: dict[str, int] = {}
    origin: dict[str, str] = {}
    for symbol, value in sizes.items():
        inferred[symbol] = value
        origin[symbol] = "the sizes given"
    for tensor in cascade.inputs:
        if tensor.name not in inputs:
            raise SpecError(f"input {tensor} is missing", remedy=f"give an array of shape {_shape(tensor)}")
        arrays[tensor.name] = _array(tensor, inputs[tensor.name]).astype(dtype(tensor.name))
        _infer(tensor, arrays[tensor.name], inferred, origin)
    bound = bind_sizes(cascade, inferred)
    return Bound({name: _clean(cascade, declared[name], array, bound) for name, array in arrays.items()}, bound)


def _shape(tensor: TensorDecl) -> str:
    return f"({', '.join(map(size_of, tensor.ranks))})"


def _array(tensor: TensorDecl, given: ArrayLike) -> Elements:
    array = np.asarray(given)
    if array.dtype.kind not in "fiub":
        raise SpecError(f"input {tensor.name!r} holds {array.dtype}", remedy="give real numbers")
    if array.ndim != len(tensor.ranks):
        raise SpecError(
            f"input {tensor} has {len(tensor.ranks)} dimensions, got an array of shape {array.shape}",
            remedy=f"give an array of shape {_shape(tensor)}",
        )
    return array


def _infer(tensor: TensorDecl, array: Elements, inferred: dict[str, int], origin: dict[str, str]) -> None:
    for position, (rank, length) in enumerate(zip(tensor.ranks, array.shape, strict=True), start=1):
        symbol = size_of(rank)
        where = f"dimension {position} (rank {rank}) of input {tensor.name!r}"
        if length == 0:
            raise SpecError(f"{where} is empty", remedy=f"size {symbol} must be at least 1")
        expected = inferred.setdefault(symbol, length)
        if expected != length:
            raise SpecError(
                f"{where}: expected {symbol} = {expected} from {origin[symbol]}, got {length}",
                remedy=f"give arrays that agree on {symbol}",
            )
        origin.setdefault(symbol, f"input {tensor.name!r}")


def _clean(cascade: Cascade, tensor: TensorDecl, array: Elements, sizes: Mapping[str, int]) -> Elements:
    """The array with 0 where an input given in tiles has elements beyond the rank's end."""
    if len(set(tensor.ranks)) != len(tensor.ranks):
        return array
    mask = Space.of(tensor.ranks, sizes, {}).mask(cascade, sizes)
    return array if mask is None else np.where(mask, array, np.zeros((), array.dtype))


def check_tiles(cascade: Cascade, sizes: Mapping[str, int]) -> None:
    """Raise SpecError for an access to a tensor in tiles that reads what the partial last tile lacks.

    Only the tensor's own ranks walk round such elements. Reads under a condition, and those that say what is
    beyond, are left to the reader.
    """
    iterative = {einsum.tensor: iterative_rank(einsum) for einsum in cascade.einsums}
    for statement in cascade.statements:
        if getattr(statement, "when", None) is not None:
            continue
        for read, guard in guarded(statement.body):
            if not isinstance(read, Access) or guard or read.beyond is not None:
                continue
            if all(index.is_affine for index in read.indices):
                _check_access(cascade, read, iterative.get(read.tensor), sizes)


def _check_access(cascade: Cascade, access: Access, over: str | None, sizes: Mapping[str, int]) -> None:
    dimensions = tensor_ranks(cascade, access.tensor)
    for bound in tile_bounds(cascade, dimensions):
        read = Index()
        for term in bound.index.terms:
            position = dimensions.index(term.rank or "")
            index = access.indices[position].plus(Index.constant(-int(term.rank == over)))
            read = read.plus(index, term.factor, term.sizes)
        names = {rank: alike(cascade, rank) for rank in (*read.ranks, *bound.index.ranks)}
        if read.renamed(names) == bound.index.renamed(names):
            continue
        size = sizes[size_of(bound.rank)]
        greatest = numeric_reach(cascade, read, sizes)[1]
        if greatest >= size:
            raise SpecError(
                f"{access} reads element {greatest} of rank {bound.rank}, which has {size}",
                at=access.at,
                remedy="the last tile is partial: give sizes that fill it, or read at the ranks of the tiles",
            )
