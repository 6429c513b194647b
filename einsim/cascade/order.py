"""Which Einsum needs which, and the steps that make every tensor: whole, or slice by slice round a cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx

from einsim.cascade.expression import Access, accesses
from einsim.cascade.ir import Cascade, Einsum, Init
from einsim.cascade.ranks import iterative_rank, operands, written_rank
from einsim.errors import SpecError


@dataclass(frozen=True, slots=True)
class Step:
    """Einsums evaluated together: one alone (`rank` None), or some in turn for each slice of `rank`."""

    einsums: tuple[Einsum, ...]
    rank: str | None


def dependences(cascade: Cascade) -> nx.DiGraph[str]:
    """Producer -> consumer over the tensors that Einsums make; an init counts as part of its tensor."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(einsum.name for einsum in cascade.einsums)
    for statement in cascade.statements:
        for access in accesses(statement.body):
            if access.tensor in graph:
                graph.add_edge(access.tensor, statement.name)
    return graph


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
        over = next(filter(None, map(iterative_rank, einsums)), None) if cyclic else None
        found.append(Step(einsums, over))
    return tuple(found)


def check_order(cascade: Cascade) -> None:
    """Raise SpecError when a tensor is read before it is made or Einsums feed each other in one slice."""
    graph = dependences(cascade)
    place = {einsum.name: position for position, einsum in enumerate(cascade.einsums)}
    for einsum in cascade.einsums:
        for access in operands(einsum):
            if access.tensor in place and place[access.tensor] >= place[einsum.name]:
                _check_early_read(cascade, graph, einsum, access)
    for step in steps(cascade):
        if len(step.einsums) > 1 or graph.has_edge(step.einsums[0].name, step.einsums[0].name):
            _check_cycle(cascade, step.einsums)


def _check_early_read(cascade: Cascade, graph: nx.DiGraph[str], reader: Einsum, access: Access) -> None:
    """A read above the line that makes the tensor is right only for the slice made one iteration ago."""
    producer = cascade.einsum(access.tensor)
    over = iterative_rank(producer)
    if over is not None and _index_along(cascade, access, over) == (over, 0):
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
    producer = cascade.einsum(access.tensor)
    for written, read in zip(producer.output.indices, access.indices, strict=True):
        if written_rank(cascade, written) == rank:
            return read.shift
    return None


def _check_cycle(cascade: Cascade, einsums: tuple[Einsum, ...]) -> None:
    """Einsums of a cycle must all advance along one iterative rank."""
    over = {rank: einsum for einsum in einsums if (rank := iterative_rank(einsum)) is not None}
    (rank, first), *others = over.items()
    names = {einsum.name for einsum in einsums}
    if others:
        raise SpecError(
            f"{first.name!r} iterates over {rank!r} and feeds {others[0][1].name!r}, which iterates over "
            f"{others[0][0]!r} and feeds it back",
            at=others[0][1].at,
            remedy="iterate over one rank only in a cycle of Einsums",
        )
    inits: Mapping[str, Init] = {init.name: init for init in cascade.inits if init.name in names}
    for init in inits.values():
        for access in accesses(init.body):
            if access.tensor in names:
                raise SpecError(
                    f"the first slice of {init.name!r} needs {str(access)!r}, which is made from it",
                    at=access.at,
                    remedy="begin from an input or a literal",
                )
    for einsum in einsums:
        for access in operands(einsum):
            if access.tensor in names and not _in_step(cascade, einsum, access, rank):
                raise SpecError(
                    f"cyclic use: {einsum.name!r} needs {str(access)!r} across the slices of {rank!r} that "
                    "it helps to make",
                    at=access.at,
                    remedy=f"every Einsum of the cycle must have rank {rank!r} on its left side, "
                    f"and read the others at {rank!r} or '{rank}+1'",
                )


def _in_step(cascade: Cascade, reader: Einsum, access: Access, rank: str) -> bool:
    """Whether reader and operand both move along the rank, at this slice or the one just made."""
    return any(index.shift in ((rank, 0), (rank, 1)) for index in reader.output.indices) and (
        _index_along(cascade, access, rank) in ((rank, 0), (rank, 1))
    )
