"""What a maximum over the sequence governs: the exponentials against it and the sums of them.

Everything proportional to exp(-g) changes by one known factor when the maximum g changes. That is what lets a maximum
be carried along (`running`) or taken tile by tile and merged (`tiles`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from einsim.analysis.linear import Polynomial, TooLargeError, linear_form
from einsim.analysis.passes import StreamPasses
from einsim.analysis.spread import exponential_of, is_pointwise
from einsim.analysis.streams import Walk
from einsim.cascade import Access, Cascade, Einsum, Expr, accesses, iteration_ranks, iterative_rank, reads_earlier


@dataclass(frozen=True, slots=True)
class Plan:
    """A maximum, the walk that it reduces, and what hangs on it.

    exponentials: Einsums proportional to exp(-maximum), element by element; sums: complete sums of such; late:
    Einsums of the sequence that need the final maximum, or final exponentials, and stay in a later pass.
    """

    maximum: Einsum
    walk: Walk
    exponentials: tuple[Einsum, ...]
    sums: tuple[Einsum, ...]
    late: tuple[Einsum, ...]


def plans(cascade: Cascade, passes: StreamPasses) -> Iterator[Plan]:
    """Every maximum over the sequence on which a sum hangs that would otherwise be made in a later pass."""
    for einsum in cascade.einsums:
        if einsum.reduction == "max" and not einsum.part and iterative_rank(einsum) is None:
            walk = next(
                (w for w in passes.stream.walked(iteration_ranks(einsum)) if set(w) <= set(einsum.reduced)), None
            )
            plain = all(index.rank is not None for index in einsum.output.indices)
            if walk is not None and plain:
                plan = _Planner(cascade, passes, einsum, walk).plan()
                if plan.sums:
                    yield plan


@dataclass(slots=True)
class _Planner:
    cascade: Cascade
    passes: StreamPasses
    maximum: Einsum
    walk: Walk

    def plan(self) -> Plan:
        exponentials: list[Einsum] = []
        sums: list[Einsum] = []
        late: list[Einsum] = []
        for einsum in self.cascade.einsums:
            if einsum is self.maximum or not self.passes.stream.touches(einsum):
                continue
            governed = {self.maximum.tensor, *(each.tensor for each in exponentials)}
            if not any(access.tensor in governed for access in einsum.reads):
                continue
            if not self.is_homogeneous(einsum, exponentials):
                late.append(einsum)
            elif einsum.reduction is None and is_pointwise(self.cascade, einsum):
                exponentials.append(einsum)
            elif self.is_complete_sum(einsum):
                sums.append(einsum)
            else:
                late.append(einsum)
        return Plan(self.maximum, self.walk, tuple(exponentials), tuple(sums), tuple(late))

    def is_complete_sum(self, einsum: Einsum) -> bool:
        """Whether an Einsum sums over the whole walk, into a tensor at plain ranks."""
        plain = all(index.rank is not None for index in einsum.output.indices)
        alone = not einsum.part and iterative_rank(einsum) is None
        return einsum.reduction == "sum" and set(self.walk) <= set(einsum.reduced) and plain and alone

    def is_homogeneous(self, einsum: Einsum, exponentials: list[Einsum]) -> bool:
        """Whether an Einsum is a product with one factor proportional to exp(-maximum), all else being there."""
        try:
            form = linear_form(einsum.body, frozenset(self.walk), lambda _: None)
        except TooLargeError:
            return False
        if not isinstance(form, Polynomial) or len(form.terms) != 1:
            return False
        (term,) = form.terms
        own = [factor for factor in term.above if self.is_proportional(factor, exponentials)]
        rest = [*(factor for factor in term.above if factor not in own), *term.below]
        governed = {self.maximum.tensor, *(each.tensor for each in exponentials)}
        others = [access for factor in rest for access in accesses(factor)]
        if einsum.when is not None:
            others += accesses(einsum.when)
        return len(own) == 1 and all(
            access.tensor not in governed and self.is_there(access, einsum) for access in others
        )

    def is_proportional(self, factor: Expr, exponentials: list[Einsum]) -> bool:
        found = exponential_of(factor)
        if found is not None:
            x, base = found
            free = all(read.tensor != self.maximum.tensor for read in accesses(x))
            return (
                base == self.maximum.output and free and all(self.is_there(read, self.maximum) for read in accesses(x))
            )
        return isinstance(factor, Access) and any(factor == each.output for each in exponentials)

    def is_there(self, access: Access, reader: Einsum) -> bool:
        """Whether an operand can be had in the pass of the maximum."""
        makers = self.cascade.makers(access.tensor)
        state = max(
            (self.passes.states[maker.name] for maker in makers),
            key=lambda each: (each.number, each.after),
            default=None,
        )
        if state is None:
            return True
        earlier = any(reads_earlier(self.cascade, reader, access, rank) for rank in reader.output.ranks)
        return not earlier and state.next_pass() <= self.passes.states[self.maximum.name].number
