"""Work divided: a rank in parts, and with it every tensor that has it and every Einsum that makes one.

Elements of a rank that no other element of it reads are independent: queries, heads, the width of values. Such a rank
may be cut anywhere, and every part be computed by itself, on an array of its own. What is reduced over the rank is
reduced over each part, and the parts are put together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import cast

from einsim.cascade.check import check
from einsim.cascade.expression import Call, Expr, Node, Position, Size, combined, walk
from einsim.cascade.index import Access, Index
from einsim.cascade.ir import Cascade, Einsum, Init, RankDecl, TensorDecl
from einsim.cascade.names import SELECTIONS, ReductionOperator, require_rank, size_of
from einsim.cascade.ranks import iterative_rank, known_ranks, known_sizes, tensor_ranks
from einsim.cascade.substitute import rewritten, rewritten_condition
from einsim.errors import Location, SpecError, suggest


@dataclass(frozen=True, slots=True)
class Division:
    """Rank `rank` in `parts`, in order. With `groups`, groups of its elements are: rank `groups` counts them.

    Element `i` of part k is element `(parts before it) + i` of the rank, or of its group where there are groups.
    """

    rank: str
    parts: tuple[str, ...]
    groups: str | None = None

    def __post_init__(self) -> None:
        """Raise SpecError for fewer than two parts, or names that are not different ranks."""
        for name in self.added:
            require_rank(name)
        if len(self.parts) < 2 or len(set(self.added)) != len(self.added):
            raise SpecError(f"rank {self.rank!r} needs two parts or more, of different names",
                            remedy=f"write into: {{{self.rank}a: ..., {self.rank}b: ...}}")  # fmt: skip

    @property
    def added(self) -> tuple[str, ...]:
        """The ranks that take the rank's place."""
        return (*([] if self.groups is None else [self.groups]), *self.parts)


def divide(cascade: Cascade, division: Division) -> Cascade:
    """The cascade with a rank divided; tensor T with the rank becomes `T_part` for each part.

    Raises SpecError where parts cannot be computed by themselves, or a name is taken.
    """
    _require_divisible(cascade, division)
    divider = _Divider(cascade, division)
    result = replace(
        cascade,
        name=f"{cascade.name}-{division.rank}-divided",
        inputs=tuple(part for tensor in cascade.inputs for part in divider.declared(tensor)),
        assembled=tuple(part for tensor in cascade.assembled for part in divider.declared(tensor)),
        outputs=tuple(name for output in cascade.outputs for name in divider.names(output)),
        outputs_at=(),
        ranks=tuple(rank for declared in cascade.ranks for rank in divider.ranks(declared)),
        inits=tuple(part for init in cascade.inits for part in divider.init(init)),
        einsums=tuple(part for einsum in cascade.einsums for part in divider.einsum(einsum)),
    )
    check(result)
    return result


@dataclass(frozen=True, slots=True)
class _Divider:
    cascade: Cascade
    division: Division

    @property
    def rank(self) -> str:
        return self.division.rank

    def carries(self, tensor: str) -> bool:
        return self.rank in tensor_ranks(self.cascade, tensor)

    def names(self, tensor: str) -> tuple[str, ...]:
        if not self.carries(tensor):
            return (tensor,)
        return tuple(f"{tensor}_{part}" for part in self.division.parts)

    def declared(self, tensor: TensorDecl) -> Iterator[TensorDecl]:
        if not self.carries(tensor.name):
            yield tensor
            return
        for part, name in zip(self.division.parts, self.names(tensor.name), strict=True):
            ranks = [new for rank in tensor.ranks for new in (self.instead(part) if rank == self.rank else [rank])]
            yield replace(tensor, name=name, ranks=tuple(ranks))

    def ranks(self, declared: RankDecl) -> Iterator[RankDecl]:
        if declared.name != self.rank:
            yield declared
        else:
            yield from (RankDecl(name, at=declared.at) for name in self.division.added)

    def instead(self, part: str) -> tuple[str, ...]:
        """The ranks that stand for the rank in a part."""
        return (part,) if self.division.groups is None else (self.division.groups, part)

    def access(self, access: Access, part: str) -> Access:
        """The part of what is accessed; of a tensor without the rank, what it was."""
        if not self.carries(access.tensor):
            return access
        indices: list[Index] = []
        for index in access.indices:
            indices += [Index.of(name) for name in self.instead(part)] if index.rank == self.rank else [index]
        return replace(access, tensor=f"{access.tensor}_{part}", indices=tuple(indices))

    def body(self, body: Expr, part: str) -> Expr:
        return rewritten(body, {}, lambda access: self.access(access, part))

    def init(self, init: Init) -> Iterator[Init]:
        if not self.carries(init.name):
            yield init
            return
        for part in self.division.parts:
            yield replace(init, output=self.access(init.output, part), body=self.body(init.body, part))

    def einsum(self, einsum: Einsum) -> Iterator[Einsum]:
        """An Einsum as it is, in parts, or in parts that are put together."""
        if self.carries(einsum.tensor):
            for part in self.division.parts:
                yield self.in_part(einsum, self.access(einsum.output, part), part)
        elif self.rank in einsum.reduced:
            outputs = [replace(einsum.output, tensor=f"{einsum.tensor}_{part}") for part in self.division.parts]
            for part, output in zip(self.division.parts, outputs, strict=True):
                yield self.in_part(einsum, output, part)
            operator = einsum.reduction
            whole = reduce(lambda one, other: _together(operator, one, other), outputs[1:], cast(Expr, outputs[0]))
            yield Einsum(einsum.output, whole, at=einsum.at)
        else:
            yield einsum

    def in_part(self, einsum: Einsum, output: Access, part: str) -> Einsum:
        when = einsum.when
        if when is not None:
            when = rewritten_condition(when, {}, lambda access: self.access(access, part))
        density = None if einsum.density is None else self.body(einsum.density, part)
        return replace(einsum, output=output, body=self.body(einsum.body, part), when=when, density=density)


def _together(operator: ReductionOperator | None, left: Expr, right: Expr) -> Expr:
    """Two parts of what is reduced, put together."""
    match operator:
        case "sum":
            return combined("+", left, right)
        case "prod":
            return combined("*", left, right)
        case "max" | "min":
            return Call(operator, (left, right))
        case _:
            raise AssertionError(operator)


def _require_divisible(cascade: Cascade, division: Division) -> None:
    """Raise SpecError for a rank whose parts depend on each other, or are not ranks of their own yet."""
    rank = division.rank
    if rank not in known_ranks(cascade):
        raise SpecError(f"the cascade has no rank {rank!r}", remedy=suggest(rank, known_ranks(cascade)))
    _require_unrelated(cascade, rank)
    for statement in cascade.statements:
        nodes: list[Node] = [statement.output, statement.body]
        if isinstance(statement, Einsum):
            nodes += [node for node in (statement.when, statement.density) if node is not None]
            _require_parts(statement, rank)
        for node in (part for whole in nodes for part in walk(whole)):
            _require_plain(cascade, statement, node, rank)
    known = {*known_ranks(cascade), *known_sizes(cascade), *cascade.made, *(each.name for each in cascade.inputs)}
    made = [*cascade.made, *(each.name for each in cascade.inputs)]
    new = {
        *division.added,
        *map(size_of, division.added),
        *(f"{name}_{part}" for name in made for part in division.parts),
    }
    for name in sorted(new & known):
        raise SpecError(f"{name!r} is in the cascade already", remedy="give the parts other names")


def _require_unrelated(cascade: Cascade, rank: str) -> None:
    """No other rank follows from the rank, nor is it walked in a way of its own."""
    for split in cascade.splits:
        if rank in (split.rank, split.outer, split.inner) or split.size == size_of(rank):
            raise _undividable(rank, f"it is cut into tiles ('{split}')", split.at)
    for declared in cascade.ranks:
        if rank in (declared.like, declared.within) or (declared.name == rank and str(declared) != rank):
            raise _undividable(rank, f"ranks depend on it ('rank {declared}')", declared.at)
        if declared.size is not None and size_of(rank) in declared.size.sizes:
            raise _undividable(rank, f"the size of {declared.name!r} depends on it", declared.at)
    for sequence in cascade.sequences:
        if any(rank in walk for walk in sequence.walks):
            raise _undividable(rank, "it is the stream whose passes are counted", sequence.at)


def _require_parts(einsum: Einsum, rank: str) -> None:
    """What an Einsum reduces over the rank can be put together from parts."""
    if einsum.selected == rank:
        raise _undividable(rank, f"{einsum.name} ranks elements along it", einsum.at)
    if rank in einsum.reduced:
        if einsum.reduction in SELECTIONS:
            raise _undividable(rank, f"{einsum.name} selects along it ({einsum.reduction})", einsum.at)
        if iterative_rank(einsum) is not None or einsum.part:
            how = "iterates" if iterative_rank(einsum) is not None else "is assembled from parts"
            raise _undividable(rank, f"{einsum.name} is reduced over it and {how}", einsum.at)


def _require_plain(cascade: Cascade, statement: Einsum | Init, node: Node, rank: str) -> None:
    """Operands have the rank as an index of its own, where it is their dimension, and nothing else uses it."""
    match node:
        case Size(symbol) if symbol == size_of(rank):
            raise _undividable(rank, f"{statement.name} computes with its size", statement.at)
        case Position(index) if rank in index.ranks or size_of(rank) in index.sizes:
            raise _undividable(rank, f"{statement.name} computes with {str(index)!r}", statement.at)
        case Access(tensor, indices):
            for dimension, index in zip(tensor_ranks(cascade, tensor), indices, strict=True):
                plain = index.rank == rank == dimension
                if not plain and (rank in (dimension, *index.ranks) or size_of(rank) in index.sizes):
                    raise _undividable(rank, f"{statement.name} needs other elements of it ('{node}')", statement.at)
        case _:
            pass


def _undividable(rank: str, why: str, at: Location | None) -> SpecError:
    return SpecError(f"rank {rank!r} cannot be divided: {why}", at=at, remedy="divide another rank")
