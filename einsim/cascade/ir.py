"""The cascade itself: immutable records, in the order of the text, that print the notation they came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from einsim.cascade.expression import Condition, Expr, accesses, indices_of, is_product_term, ranks_of
from einsim.cascade.index import Access, Index
from einsim.cascade.names import (
    SELECTIONS,
    ReductionOperator,
    require_cascade,
    require_rank,
    require_size,
    require_tensor,
)
from einsim.cascade.options import Forms
from einsim.errors import Location, SpecError


@dataclass(frozen=True, slots=True)
class TensorDecl:
    """An input or assembled tensor and the rank of each of its dimensions; a scalar has none."""

    name: str
    ranks: tuple[str, ...] = ()
    at: Location | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SpecError for a word that cannot name a tensor or a rank."""
        require_tensor(self.name, self.at)
        for rank in self.ranks:
            require_rank(rank, self.at)

    def __str__(self) -> str:
        """The notation: `A[m,p]`, or `a` for a scalar."""
        return f"{self.name}[{','.join(self.ranks)}]" if self.ranks else self.name


@dataclass(frozen=True, slots=True)
class RankDecl:
    """A rank that no input brings along.

    `like` another it walks the same elements, `within` another some first of them; with `size` its size follows
    from others. At most one of the three is given.
    """

    name: str
    like: str | None = None
    within: str | None = None
    size: Index | None = None
    at: Location | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SpecError for a word that cannot name a rank, or a size that is no expression of sizes."""
        for rank in (self.name, self.like, self.within):
            if rank is not None:
                require_rank(rank, self.at)
        if self.size is not None and not self.size.is_constant:
            raise SpecError(
                f"the size of rank {self.name!r} cannot be {str(self.size)!r}",
                at=self.size.at or self.at,
                remedy="use sizes and integers, such as 'rank c = T+M'",
            )

    def __str__(self) -> str:
        """The notation without the keyword."""
        if self.like is not None:
            return f"{self.name} like {self.like}"
        if self.within is not None:
            return f"{self.name} within {self.within}"
        return self.name if self.size is None else f"{self.name} = {self.size}"


@dataclass(frozen=True, slots=True)
class Split:
    """Rank `rank` in tiles of `size`: element `outer * size + inner`; the last tile may be partial."""

    rank: str
    outer: str
    inner: str
    size: str
    at: Location | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SpecError for a word that cannot name a rank or a size."""
        for rank in (self.rank, self.outer, self.inner):
            require_rank(rank, self.at)
        require_size(self.size, self.at)

    def __str__(self) -> str:
        """The notation."""
        return f"split {self.rank} into {self.outer}, {self.inner} by {self.size}"


@dataclass(frozen=True, slots=True)
class Sequence:
    """A stream whose passes are counted: each of `walks` is a product of ranks that goes through all of it."""

    walks: tuple[tuple[str, ...], ...]
    at: Location | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """The notation."""
        return f"sequence {' | '.join(','.join(ranks) for ranks in self.walks)}"


@dataclass(frozen=True, slots=True)
class Init:
    """The first slice of an iterative tensor; ranks absent on the right are filled alike."""

    output: Access
    body: Expr
    at: Location | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The tensor whose first slice this is."""
        return self.output.tensor

    def __str__(self) -> str:
        """The notation."""
        return f"init {self.output} = {self.body}"


@dataclass(frozen=True, slots=True)
class Einsum:
    """One extended Einsum: map `body` over the points where `when` holds, reduce the ranks the left side lacks.

    `reduction` is None exactly when no rank is reduced; an implicit sum is the reduction "sum". `density` is the
    share of points that `when` leaves, where data decide. `part` numbers the Einsums that assemble one
    tensor, from 1; 0 is an Einsum that makes its tensor alone.
    """

    output: Access
    body: Expr
    reduction: ReductionOperator | None = None
    when: Condition | None = None
    density: Expr | None = None
    part: int = 0
    at: Location | None = field(default=None, compare=False, repr=False)
    reduced: tuple[str, ...] = field(default=(), init=False, compare=False, repr=False)
    """The ranks of the right side and the filter that the left side lacks, in order of appearance."""
    reads: tuple[Access, ...] = field(default=(), init=False, compare=False, repr=False)
    """Every operand in order of appearance, of the filter and of gathers too, an identical access once."""

    def __post_init__(self) -> None:
        """Raise SpecError when a reduction is stated without a reduced rank, or the other way round."""
        reduced = reduced_in(self.output, self.body, self.when)
        object.__setattr__(self, "reduced", reduced)
        object.__setattr__(self, "reads", tuple(dict.fromkeys(self._operands())))
        if bool(reduced) != (self.reduction is not None):
            found = f"reduces {', '.join(reduced)} by no operator" if reduced else "has no rank to reduce"
            raise SpecError(f"Einsum {self.name!r} {found}", at=self.at)
        if self.reduction in SELECTIONS and len(reduced) != 1:
            raise SpecError(
                f"{self.reduction} over {len(reduced)} ranks", at=self.at, remedy="select along one rank at a time"
            )
        if (self.reduction == "topk") != (self.selected is not None):
            raise SpecError(
                f"{self.output} needs exactly one rank that is not on the right: it counts the places of topk",
                at=self.at,
                remedy="write 'IX[j,p] = topk over m: S[m,p]'",
            )

    @property
    def tensor(self) -> str:
        """The tensor that it makes, or a part of."""
        return self.output.tensor

    @property
    def name(self) -> str:
        """Its own name: the tensor's, or `K-1`, `K-2`, ... where several Einsums assemble it."""
        return f"{self.tensor}-{self.part}" if self.part else self.tensor

    def _operands(self) -> Iterator[Access]:
        yield from accesses(self.body)
        if self.when is not None:
            yield from accesses(self.when)
        for index in self.output.indices:
            for gather in index.gathers:
                yield from accesses(gather)

    @property
    def selected(self) -> str | None:
        """The left-side rank that counts the places of a topk."""
        if self.reduction != "topk":
            return None
        right = {rank for index in all_indices(self) for rank in index.ranks}
        lone = [rank for rank in self.output.ranks if rank not in right]
        return lone[0] if len(lone) == 1 else None

    @property
    def _is_implicit(self) -> bool:
        """Whether the reduction is a sum that the notation leaves out."""
        return self.reduction == "sum" and is_product_term(self.body) and set(self.reduced) <= set(ranks_of(self.body))

    def __str__(self) -> str:
        """The notation; a sum is left implicit where the notation allows it."""
        text = f"{self.output} = {self.body}"
        if self.reduction is not None and not self._is_implicit:
            text = f"{self.output} = {self.reduction} over {','.join(self.reduced)}: {self.body}"
        if self.when is not None:
            text += f" when {self.when}"
        return text if self.density is None else f"{text} density {self.density}"


@dataclass(frozen=True, slots=True)
class Cascade:
    """A sequence of Einsums with inputs, outputs, declarations and first slices.

    `parse` gives checked cascades; one built by hand or by a rewrite goes through `check`. Of a text with options this
    is one form; `forms` tells of the others.
    """

    name: str
    title: str = ""
    source: str = ""
    inputs: tuple[TensorDecl, ...] = ()
    outputs: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    ranks: tuple[RankDecl, ...] = ()
    splits: tuple[Split, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    assembled: tuple[TensorDecl, ...] = ()
    inits: tuple[Init, ...] = ()
    einsums: tuple[Einsum, ...] = ()
    forms: Forms = field(default=Forms(), compare=False, repr=False)
    at: Location | None = field(default=None, compare=False, repr=False)
    outputs_at: tuple[Location, ...] = field(default=(), compare=False, repr=False)
    sizes_at: tuple[Location, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SpecError for a word that cannot name a cascade or a size."""
        require_cascade(self.name, self.at)
        for size in self.sizes:
            require_size(size, self.at)

    @property
    def statements(self) -> tuple[Init | Einsum, ...]:
        """What has a right side: the first slices, then the Einsums."""
        return (*self.inits, *self.einsums)

    @property
    def made(self) -> tuple[str, ...]:
        """The tensors that Einsums make, each once, in order."""
        return tuple(dict.fromkeys(einsum.tensor for einsum in self.einsums))

    def einsum(self, name: str) -> Einsum:
        """The Einsum of that name; raise KeyError for an input or an unknown name."""
        for einsum in self.einsums:
            if einsum.name == name:
                return einsum
        raise KeyError(name)

    def makers(self, tensor: str) -> tuple[Einsum, ...]:
        """The Einsums that make a tensor or parts of it; none for an input."""
        return tuple(einsum for einsum in self.einsums if einsum.tensor == tensor)

    def __str__(self) -> str:
        """The whole text; parsing it gives an equal cascade."""
        return "\n".join(_lines(self)) + "\n"


def reduced_in(output: Access, body: Expr, when: Condition | None = None) -> tuple[str, ...]:
    """The ranks of an expression, and of a filter, that the left side lacks, in order of appearance."""
    ranks = ranks_of(body) if when is None else ranks_of(body) + ranks_of(when)
    return tuple(rank for rank in dict.fromkeys(ranks) if rank not in output.ranks)


def all_indices(einsum: Einsum) -> tuple[Index, ...]:
    """The indices of an Einsum's right side and filter."""
    nodes = [node for node in (einsum.body, einsum.when) if node is not None]
    return tuple(index for node in nodes for index in indices_of(node))


def _lines(cascade: Cascade) -> Iterator[str]:
    yield f"cascade {cascade.name}"
    if cascade.title:
        yield json.dumps(cascade.title, ensure_ascii=False)
    if cascade.source:
        yield f"source {json.dumps(cascade.source, ensure_ascii=False)}"
    yield ""
    for keyword, words in (("input", cascade.inputs), ("output", cascade.outputs), ("size", cascade.sizes)):
        if words:
            yield f"{keyword} {', '.join(map(str, words))}"
    for plain, group in groupby(cascade.ranks, lambda rank: str(rank) == rank.name):
        ranks = list(map(str, group))
        yield from [f"rank {', '.join(ranks)}"] if plain else [f"rank {rank}" for rank in ranks]
    yield from map(str, cascade.splits)
    yield from map(str, cascade.sequences)
    yield from (f"tensor {tensor}" for tensor in cascade.assembled)
    yield ""
    yield from map(str, (*cascade.inits, *cascade.einsums))
