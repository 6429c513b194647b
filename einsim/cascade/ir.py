"""The cascade itself: immutable records, in the order of the text, that print the notation they came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from einsim.cascade.expression import Access, Expr, is_product_term, ranks_of
from einsim.cascade.names import (
    ReductionOperator,
    require_cascade,
    require_rank,
    require_size,
    require_tensor,
)
from einsim.errors import Location, SpecError


@dataclass(frozen=True, slots=True)
class TensorDecl:
    """An input tensor and the rank of each of its dimensions; a scalar has none."""

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
    """One extended Einsum: map `body` over the iteration space, reduce the ranks the left side lacks.

    `reduction` is None exactly when no rank is reduced; an implicit sum is the reduction "sum".
    """

    output: Access
    body: Expr
    reduction: ReductionOperator | None = None
    at: Location | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SpecError when a reduction is stated without a reduced rank, or the other way round."""
        reduced = _reduced(self)
        if bool(reduced) != (self.reduction is not None):
            found = f"reduces {', '.join(reduced)} by no operator" if reduced else "has no rank to reduce"
            raise SpecError(f"Einsum {self.name!r} {found}", at=self.at)

    @property
    def name(self) -> str:
        """The tensor it makes; no other Einsum makes it."""
        return self.output.tensor

    def __str__(self) -> str:
        """The notation; a sum is left implicit where the notation allows it."""
        if self.reduction is None or (self.reduction == "sum" and is_product_term(self.body)):
            return f"{self.output} = {self.body}"
        return f"{self.output} = {self.reduction} over {','.join(_reduced(self))}: {self.body}"


@dataclass(frozen=True, slots=True)
class Cascade:
    """A sequence of Einsums with their inputs, outputs, declared ranks, splits and first slices.

    `parse` gives checked cascades; one built by hand or by a rewrite goes through `check`.
    """

    name: str
    title: str = ""
    source: str = ""
    inputs: tuple[TensorDecl, ...] = ()
    outputs: tuple[str, ...] = ()
    splits: tuple[Split, ...] = ()
    inits: tuple[Init, ...] = ()
    einsums: tuple[Einsum, ...] = ()
    ranks: tuple[str, ...] = ()
    at: Location | None = field(default=None, compare=False, repr=False)
    outputs_at: tuple[Location, ...] = field(default=(), compare=False, repr=False)
    ranks_at: tuple[Location, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SpecError for a word that cannot name a cascade or a rank."""
        require_cascade(self.name, self.at)
        for rank in self.ranks:
            require_rank(rank, self.at)

    @property
    def tensors(self) -> tuple[TensorDecl | Einsum, ...]:
        """What gives each tensor: the inputs, then the Einsums."""
        return (*self.inputs, *self.einsums)

    @property
    def statements(self) -> tuple[Init | Einsum, ...]:
        """What has a right side: the first slices, then the Einsums."""
        return (*self.inits, *self.einsums)

    def einsum(self, name: str) -> Einsum:
        """The Einsum that makes the tensor; raise KeyError for an input or an unknown name."""
        for einsum in self.einsums:
            if einsum.name == name:
                return einsum
        raise KeyError(name)

    def __str__(self) -> str:
        """The whole text; parsing it gives an equal cascade."""
        return "\n".join(_lines(self)) + "\n"


def _reduced(einsum: Einsum) -> tuple[str, ...]:
    return tuple(rank for rank in ranks_of(einsum.body) if rank not in einsum.output.ranks)


def _lines(cascade: Cascade) -> Iterator[str]:
    yield f"cascade {cascade.name}"
    if cascade.title:
        yield json.dumps(cascade.title, ensure_ascii=False)
    if cascade.source:
        yield f"source {json.dumps(cascade.source, ensure_ascii=False)}"
    yield ""
    for keyword, words in (("input", cascade.inputs), ("output", cascade.outputs), ("rank", cascade.ranks)):
        if words:
            yield f"{keyword} {', '.join(map(str, words))}"
    yield from map(str, cascade.splits)
    yield ""
    yield from map(str, (*cascade.inits, *cascade.einsums))
