"""Maxima carried along, or taken tile by tile and merged: sums of exponentials in the pass of their maximum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import inf

from einsim.analysis.laws import CORRECTION, MERGE
from einsim.analysis.passes import StreamPasses
from einsim.analysis.plan import Plan, plans
from einsim.analysis.spread import Rewrite
from einsim.analysis.tiling import Tiling
from einsim.cascade import (
    Access,
    Binary,
    Call,
    Cascade,
    Compare,
    Einsum,
    Expr,
    Index,
    Init,
    Number,
    Where,
    size_of,
    walk,
)
from einsim.cascade.substitute import fresh, rewritten, swapped, without_dead


def online(cascade: Cascade, passes: StreamPasses) -> Iterator[Rewrite]:
    """For each maximum: a running one, with what was summed corrected; and tiles merged at the end."""
    for plan in plans(cascade, passes):
        for running in (True, False):
            yield _Rewriter(cascade, passes, plan, running=running).rewrite()


@dataclass(slots=True)
class _Rewriter:
    """One plan carried out."""

    cascade: Cascade
    passes: StreamPasses
    plan: Plan
    running: bool
    taken: set[str] = field(default_factory=set)
    inits: list[Init] = field(default_factory=list)
    finals: dict[str, Access] = field(default_factory=dict)
    tiles: dict[str, Access] = field(default_factory=dict)

    def rewrite(self) -> Rewrite:
        tiling = Tiling(self.cascade, self.passes, self.plan, self.taken)
        new = [*self.maximum(tiling), *self.exponentials(tiling), *self.sums(tiling)]
        new = [*tiling.made.values(), *new]
        gone = {self.plan.maximum.name, *(each.name for each in self.plan.sums)}
        kept = [swapped(einsum, self.final) for einsum in self.cascade.einsums if einsum.name not in gone]
        outputs = [
            Einsum(einsum.output, self.finals[einsum.tensor])
            for einsum in (self.plan.maximum, *self.plan.sums)
            if einsum.tensor in self.cascade.outputs
        ]
        inits = [replace(init, body=rewritten(init.body, {}, self.final)) for init in self.cascade.inits]
        splits = self.cascade.splits if tiling.split is None else (*self.cascade.splits, tiling.split)
        result = replace(
            self.cascade,
            splits=splits,
            inits=(*inits, *self.inits),
            einsums=ordered((*kept, *new, *outputs)),
        )
        name = self.plan.maximum.tensor
        law, how = (CORRECTION, "is carried along") if self.running else (MERGE, "is taken tile by tile and merged")
        return Rewrite(without_dead(result), (law,), f"{name} {how}")

    def final(self, access: Access) -> Access:
        """The final value of what is now iterative, or the operand itself."""
        found = self.finals.get(access.tensor)
        if found is None:
            return access
        at = iter(access.indices)
        over = self.over
        indices = tuple(index if index == over else next(at) for index in found.indices)
        return replace(found, indices=indices)

    over: Index | None = None
    """The index of the last slice."""

    # --- the maximum --------------------------------------------------------------------------------------

    def maximum(self, tiling: Tiling) -> Iterator[Einsum]:
        """The maximum of each tile, and the maximum so far (or of all tiles)."""
        einsum = self.plan.maximum
        self.over = Index.size(size_of(tiling.outer))
        at = self.with_outer(einsum, einsum.output.indices, tiling)
        local = Access(fresh(self.cascade, f"L{einsum.tensor}", self.taken), at)
        yield Einsum(
            local, tiling.finish(tiling.expression(einsum.body)), "max", tiling.condition(einsum.when), einsum.density
        )
        if not self.running:
            yield Einsum(replace(einsum.output, tensor=einsum.tensor), local, "max")
            self.finals[einsum.tensor] = einsum.output
            self.tiles[einsum.tensor] = local
            yield self.correction(local, einsum.output, tiling)
            return
        after = self.iterative(einsum, at, tiling, -inf)
        yield Einsum(after, Call("max", (self.before(after), local)))
        self.tiles[einsum.tensor] = after
        yield self.correction(self.before(after), after, tiling)

    def correction(self, old: Access, new: Access, tiling: Tiling) -> Einsum:
        """The factor from one maximum to another; 0 where there was nothing yet."""
        factor: Expr = Call("exp", (Binary("-", old, new),))
        if self.may_be_empty():
            factor = Where(Compare(">", old, Number(-inf)), factor, Number(0))
        name = fresh(self.cascade, f"P{self.plan.maximum.tensor}", self.taken)
        einsum = Einsum(
            Access(name, self.with_outer(self.plan.maximum, self.plan.maximum.output.indices, tiling)), factor
        )
        self.tiles["correction"] = einsum.output
        return einsum

    def may_be_empty(self) -> bool:
        """Whether a tile may have no element, or only some that are minus infinity."""
        involved = (self.plan.maximum, *self.plan.exponentials, *self.plan.sums)
        if any(einsum.when is not None for einsum in involved):
            return True
        return any(
            (isinstance(node, Number) and node.value == -inf) or (isinstance(node, Access) and node.beyond == -inf)
            for einsum in self.cascade.einsums
            for node in walk(einsum.body)
        ) or any(einsum.when is not None for einsum in self.cascade.einsums if self.feeds_scores(einsum))

    def feeds_scores(self, einsum: Einsum) -> bool:
        return any(access.tensor == einsum.tensor for access in self.plan.maximum.reads)

    # --- exponentials and their sums ----------------------------------------------------------------------

    def exponentials(self, tiling: Tiling) -> Iterator[Einsum]:
        """What is proportional to exp(-maximum), against the tile's maximum."""
        for einsum in self.plan.exponentials:
            output = Access(fresh(self.cascade, f"L{einsum.tensor}", self.taken), tiling.indices(einsum.output.indices))
            yield replace(
                einsum,
                output=output,
                body=tiling.finish(tiling.expression(einsum.body, self.tiled)),
                when=tiling.condition(einsum.when),
            )
            self.tiles[einsum.tensor] = output

    def tiled(self, access: Access) -> Access:
        """The tile's own value of the maximum or an exponential."""
        return self.tiles.get(access.tensor, access)

    def sums(self, tiling: Tiling) -> Iterator[Einsum]:
        """The sum of each tile, and the sum so far (or of all tiles), corrected."""
        for einsum in self.plan.sums:
            at = self.with_outer(einsum, einsum.output.indices, tiling)
            local = Access(fresh(self.cascade, f"L{einsum.tensor}", self.taken), at)
            body = tiling.finish(tiling.expression(einsum.body, self.tiled))
            yield replace(einsum, output=local, body=body, when=tiling.condition(einsum.when))
            factor = self.tiles["correction"]
            if not self.running:
                yield Einsum(einsum.output, Binary("*", local, factor), "sum")
                self.finals[einsum.tensor] = einsum.output
                continue
            after = self.iterative(einsum, at, tiling, 0.0)
            old = Access(fresh(self.cascade, f"S{einsum.tensor}", self.taken), at)
            yield Einsum(old, Binary("*", self.before(after), factor))
            yield Einsum(after, Binary("+", local, old))

    def iterative(self, einsum: Einsum, at: tuple[Index, ...], tiling: Tiling, first: float) -> Access:
        """A running value: its next slice; its first slice and its final value are noted."""
        outer = Index.of(tiling.outer)
        name = fresh(self.cascade, f"R{einsum.tensor}", self.taken)
        self.inits.append(Init(Access(name, tuple(Index() if i == outer else i for i in at)), Number(first)))
        assert self.over is not None
        self.finals[einsum.tensor] = Access(name, tuple(self.over if i == outer else i for i in at))
        return Access(name, tuple(i.plus(Index.constant(1)) if i == outer else i for i in at))

    def before(self, after: Access) -> Access:
        """The slice before: what is written at r+1 is read at r."""
        return replace(after, indices=tuple(
            i.plus(Index.constant(-1)) if i.shift is not None and i.shift[1] == 1 else i for i in after.indices
        ))  # fmt: skip

    def with_outer(self, einsum: Einsum, indices: tuple[Index, ...], tiling: Tiling) -> tuple[Index, ...]:
        """The indices with the rank of the tiles where the walk stood: before the ranks that follow it."""
        first = self.plan.walk[0]
        order = next((access.ranks for access in self.plan.maximum.reads if first in access.ranks), ())
        after = set(order[order.index(first) + 1 :]) if first in order else set()
        place = next((n for n, index in enumerate(indices) if set(index.ranks) & after), len(indices))
        return (*indices[:place], Index.of(tiling.outer), *indices[place:])


def ordered(einsums: tuple[Einsum, ...]) -> tuple[Einsum, ...]:
    """Einsums with every maker above its readers, as near to the given order as that allows.

    Reads of the slice before (written at r+1, read at r) do not count.
    """
    left = list(einsums)
    found: list[Einsum] = []
    while left:
        waiting = {einsum.tensor: einsum for einsum in left}
        ready = next(
            (e for e in left if not any(_needs(access, waiting.get(access.tensor), e) for access in e.reads)), left[0]
        )
        left.remove(ready)
        found.append(ready)
    return tuple(found)


def _needs(access: Access, maker: Einsum | None, reader: Einsum) -> bool:
    if maker is None or maker is reader:
        return False
    for written, read in zip(maker.output.indices, access.indices, strict=True):
        if written.shift is not None and written.shift[1] == 1 and read.shift == (written.shift[0], 0):
            return False
    return True
