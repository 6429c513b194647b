"""Which Einsum needs which, and the steps that make every tensor: whole, or slice by slice round a cycle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import networkx as nx

from einsim.cascade.expression import Compare, Condition, Junction, Position, accesses
from einsim.cascade.index import Access, Index
from einsim.cascade.ir import Cascade, Einsum, Init
from einsim.cascade.ranks import alike, iterative_rank, operands, tensor_ranks
from einsim.errors import SpecError


@dataclass(frozen=True, slots=True)
class Step:
    """Einsums evaluated together: one alone (`rank` None), or some in turn for each slice of `rank`."""

    einsums: tuple[Einsum, ...]
    rank: str | None


def dependences(cascade: Cascade) -> nx.DiGraph[str]:
    """Producer -> consumer over the Einsums' names; an init counts as part of its Einsum.

    Who reads an assembled tensor depends on all the Einsums that write its parts; an iterative tensor under a
    filter depends on itself.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(einsum.name for einsum in cascade.einsums)
    for init in cascade.inits:
        for access in accesses(init.body):
            graph.add_edges_from((maker.name, init.name) for maker in cascade.makers(access.tensor))
    for einsum in cascade.einsums:
        for access in operands(einsum):
            graph.add_edges_from((maker.name, einsum.name) for maker in cascade.makers(access.tensor))
        if keeps_slices(einsum):
            graph.add_edge(einsum.name, einsum.name)
    return graph


def keeps_slices(einsum: Einsum) -> bool:
    """Whether an iterative tensor keeps elements of the slice before: where its filter leaves points out."""
    return einsum.when is not None and einsum.reduction is None and iterative_rank(einsum) is not None


def steps(cascade: Cascade) -> tuple[Step, ...]:
    """The cascade's Einsums in an order that makes every tensor before it is read, cycles grouped.

    Einsums that feed each other through an iterative rank are one step over that rank, in the order of the
    text. The cascade must have passed `check`.
    """
    graph = dependences(cascade)
    place = {einsum.name: position for position, einsum in enumerate(cascade.einsums)}
    groups = nx.condensation(graph)
    members = {group: sorted(groups.nodes[group]["members"], key=place.__getitem__) for group in groups}
    found = []
    for group in nx.lexicographical_topological_sort(groups, key=lambda group: place[members[group][0]]):
        names = members[group]
        einsums = tuple(cascade.einsums[place[name]] for name in names)
        cyclic = len(names) > 1 or graph.has_edge(names[0], names[0])
        found.append(Step(einsums, cycle_rank(cascade, einsums) if cyclic else None))
    return tuple(found)


def cycle_rank(cascade: Cascade, einsums: tuple[Einsum, ...]) -> str | None:
    """The rank round which Einsums feed each other: an iterative one, or one whose earlier slices are read."""
    for einsum in einsums:
        if iterative_rank(einsum) is not None:
            return iterative_rank(einsum)
    for einsum in einsums:
        for access in operands(einsum):
            for rank in einsum.output.ranks if access.tensor in {each.tensor for each in einsums} else ():
                if reads_earlier(cascade, einsum, access, rank):
                    return rank
    return None


def reads_earlier(cascade: Cascade, reader: Einsum, access: Access, rank: str) -> bool:
    """Whether a read is of slices before `rank` only: at a rank q like it, under `when q < rank`."""
    if iterative_rank(reader) is not None:
        return False
    walkers = [index.rank for index in access.indices if index.rank is not None and index.rank != rank]
    return any(
        alike(cascade, walker) == alike(cascade, rank) and walker in _below(reader.when, rank) for walker in walkers
    )


def _below(condition: Condition | None, rank: str) -> Iterator[str]:
    """Ranks that a condition keeps strictly below another."""
    match condition:
        case Junction("and", parts):
            for part in parts:
                yield from _below(part, rank)
        case Compare("<", Position(Index() as less), Position(Index() as more)) | Compare(
            ">", Position(Index() as more), Position(Index() as less)
        ):
            if less.rank is not None and more.rank == rank:
                yield less.rank


def check_order(cascade: Cascade) -> None:
    """Raise SpecError when a tensor is read before it is made or Einsums feed each other in one slice."""
    graph = dependences(cascade)
    place = {einsum.name: position for position, einsum in enumerate(cascade.einsums)}
    for einsum in cascade.einsums:
        for access in operands(einsum):
            for maker in cascade.makers(access.tensor):
                if place[maker.name] >= place[einsum.name]:
                    _check_early_read(cascade, graph, einsum, access, maker)
    for component in nx.strongly_connected_components(graph):
        names = sorted(component, key=place.__getitem__)
        if len(names) > 1 or graph.has_edge(names[0], names[0]):
            _check_cycle(cascade, tuple(cascade.einsums[place[name]] for name in names))


def _check_early_read(
    cascade: Cascade, graph: nx.DiGraph[str], reader: Einsum, access: Access, producer: Einsum
) -> None:
    """A read above the line that makes the tensor is right only for slices made in earlier iterations."""
    over = iterative_rank(producer)
    if over is not None and _index_along(cascade, access, over) == (over, 0):
        return
    if any(reads_earlier(cascade, reader, access, rank) for rank in reader.output.ranks):
        return
    if nx.has_path(graph, reader.name, producer.name):
        path = nx.shortest_path(graph, reader.name, producer.name)
        chain = " -> ".join([*path, reader.name])
        raise SpecError(
            f"cyclic use: {reader.name!r} needs {str(access)!r}, which is made from it ({chain})",
            at=access.at,
            remedy="read the slice before: write the tensor at 'r+1', read it at 'r'",
        )
    where = f" at line {producer.at.line}" if producer.at is not None else ""
    raise SpecError(
        f"tensor {access.tensor!r} is used before it is made{where}",
        at=access.at,
        remedy=f"move the Einsum of {access.tensor!r} up",
    )


def _index_along(cascade: Cascade, access: Access, rank: str) -> tuple[str, int] | None:
    """The shift at which an access reads the tensor's dimension of the rank; None where it has none."""
    dimensions = tensor_ranks(cascade, access.tensor)
    if rank in dimensions:
        return access.indices[dimensions.index(rank)].shift
    found = (i for d, i in zip(dimensions, access.indices, strict=True) if alike(cascade, d) == alike(cascade, rank))
    return next((index.shift for index in found), None)


def _check_cycle(cascade: Cascade, einsums: tuple[Einsum, ...]) -> None:
    """Einsums of a cycle must all advance along one iterative rank."""
    over = {rank: einsum for einsum in einsums if (rank := iterative_rank(einsum)) is not None}
    if len(over) > 1:
        (rank, first), (other, second), *_ = over.items()
        raise SpecError(
            f"{first.name!r} iterates over {rank!r} and feeds {second.name!r}, which iterates over "
            f"{other!r} and feeds it back",
            at=second.at,
            remedy="iterate over one rank only in a cycle of Einsums",
        )
    rank = cycle_rank(cascade, einsums) or ""
    tensors = {einsum.tensor for einsum in einsums}
    _check_cycle_inits([init for init in cascade.inits if init.name in tensors], tensors)
    for einsum in einsums:
        for access in operands(einsum):
            if access.tensor in tensors and not _in_step(cascade, einsum, access, rank):
                raise SpecError(
                    f"cyclic use: {einsum.name!r} needs {str(access)!r} across the slices of {rank!r} that "
                    "it helps to make",
                    at=access.at,
                    remedy=f"every Einsum of the cycle must have rank {rank!r} on its left side, "
                    f"and read the others at {rank!r} or '{rank}+1'",
                )


def _check_cycle_inits(inits: list[Init], tensors: set[str]) -> None:
    for init in inits:
        for access in accesses(init.body):
            if access.tensor in tensors:
                raise SpecError(
                    f"the first slice of {init.name!r} needs {str(access)!r}, which is made from it",
                    at=access.at,
                    remedy="begin from an input or a literal",
                )


def _in_step(cascade: Cascade, reader: Einsum, access: Access, rank: str) -> bool:
    """Whether reader and operand both move along the rank, at this slice, the one just made or earlier ones."""
    if not any(index.shift in ((rank, 0), (rank, 1)) for index in reader.output.indices):
        return False
    return _index_along(cascade, access, rank) in ((rank, 0), (rank, 1)) or reads_earlier(cascade, reader, access, rank)
