"""Passes: how often a sequence must be gone through, whatever the mapping, and why.

A pass over a fiber is one traversal of all its elements. Another is needed each time an element must be read again
after *every* element of that fiber has been read (Nayak et al., FuseMax, MICRO 2024, section III). Here, by
dependences alone:

* an Einsum that touches the whole sequence runs in a pass;
* what it makes element by element may be read in the same pass, at any place; what is complete only after all
  elements (a reduction over the sequence, the final slice of a running value, a selection) may not;
* who touches the sequence and reads something of the second kind, directly or through Einsums that do not
  touch it, runs in the next pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from einsim.analysis.streams import Stream, streams
from einsim.cascade import (
    Access,
    Cascade,
    Einsum,
    accesses,
    iteration_ranks,
    iterative_rank,
    operands,
    reads_earlier,
    size_of,
    steps,
)


@dataclass(frozen=True, slots=True)
class State:
    """When a value is there: made in pass `number` (0: before any), and only `after` all of it, or on the way.

    A `running` value on the way depends on the elements before its own; others on their own element alone, so that
    they can be had at any place as soon as the pass begins.
    """

    number: int = 0
    after: bool = False
    running: bool = False

    def next_pass(self) -> int:
        """The first pass in which an Einsum that touches the sequence may read it."""
        return self.number + self.after


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an Einsum runs in its pass: `einsum` reads `access`, which is complete only after pass `number`."""

    einsum: str
    access: Access
    number: int


@dataclass(frozen=True, slots=True)
class StreamPasses:
    """The passes over one stream.

    `per_iteration` more passes come with each further iteration over the ranks of `repeated` (greedy selections,
    say), so that the whole number is `first + per_iteration * (size - 1)`.
    """

    stream: Stream
    first: int
    per_iteration: int
    repeated: str | None
    states: dict[str, State]
    reasons: dict[str, Reason]

    @property
    def number(self) -> int | str:
        """The number of passes; an expression where it depends on a size."""
        if self.repeated is None or not self.per_iteration:
            return self.first
        base = self.first - self.per_iteration
        times = "" if self.per_iteration == 1 else f"{self.per_iteration}*"
        return f"{base}+{times}{size_of(self.repeated)}" if base else f"{times}{size_of(self.repeated)}"


def count_passes(cascade: Cascade, rank: str | None = None) -> tuple[StreamPasses, ...]:
    """The passes over each stream of a cascade (see `streams`). Raises SpecError for an unknown rank."""
    return tuple(_Counter(cascade, stream).count() for stream in streams(cascade, rank))


@dataclass(slots=True)
class _Counter:
    """One walk over the Einsums in order of dependence. An assembled tensor is there when all its parts are."""

    cascade: Cascade
    stream: Stream
    states: dict[str, State] = field(default_factory=dict)
    tensors: dict[str, State] = field(default_factory=dict)
    reasons: dict[str, Reason] = field(default_factory=dict)
    along: dict[str, set[int]] = field(default_factory=dict)

    def count(self) -> StreamPasses:
        per_iteration, repeated = 0, None
        for step in steps(self.cascade):
            for einsum in step.einsums:
                self._settle(einsum, self._inside(step.einsums, step.rank), running=step.rank in self.stream.ranks)
            if step.rank is not None and step.rank not in self.stream.ranks:
                gain = self._gain(step.einsums)
                if gain:
                    per_iteration, repeated = gain, step.rank
            elif step.rank is not None and not any(map(iterative_rank, step.einsums)):
                for einsum in step.einsums:  # solved slice by slice: whole only at the end
                    self._store(einsum, State(self.states[einsum.name].number, after=True))
        first = max((state.number for state in self.states.values()), default=0)
        return StreamPasses(self.stream, first, per_iteration, repeated, self.states, self.reasons)

    def _inside(self, einsums: tuple[Einsum, ...], rank: str | None) -> frozenset[str]:
        """Tensors of a cycle: slices of an earlier iteration are there when the next begins."""
        return frozenset(einsum.tensor for einsum in einsums) if rank is not None else frozenset()

    def _gain(self, einsums: tuple[Einsum, ...]) -> int:
        """Passes that one more iteration of a cycle adds: the cycle settled again on its own results."""
        before = max(self.states[einsum.name].number for einsum in einsums)
        reasons = dict(self.reasons)
        for einsum in einsums:
            self._settle(einsum, frozenset(), running=False)
        gain = max(self.states[einsum.name].number for einsum in einsums) - before
        self.reasons = reasons
        for einsum in einsums if gain else ():
            self._store(einsum, replace(self.states[einsum.name], number=self.states[einsum.name].number - gain))
        return gain

    def _settle(self, einsum: Einsum, cycle: frozenset[str], *, running: bool) -> None:
        touches = self.stream.touches(einsum)
        number, after = int(touches), False
        for access, reader in self._reads(einsum):
            if access.tensor in cycle and access.tensor not in self.tensors:
                continue  # made later in the cycle: a slice of an earlier iteration
            state = self._state(access, reader)
            needed = state.next_pass() if touches else state.number
            waits = touches and state.after and needed >= max(number, 1)
            if waits and (needed > number or einsum.name not in self.reasons):
                self.reasons[einsum.name] = Reason(einsum.name, access, state.number)
            number, after = max((number, after), (needed, state.after and not touches))
            running = running or state.running
        if not touches and after:
            self._explain(einsum, number)
        complete = self.stream.completes(einsum) and number > 0
        self._follow(einsum)
        self._store(einsum, State(number, after or complete, running))

    def _explain(self, einsum: Einsum, number: int) -> None:
        """An Einsum beside the sequence waits for whichever operand is complete last."""
        for access, reader in self._reads(einsum):
            state = self._state(access, reader)
            if state.after and state.number == number:
                self.reasons[einsum.name] = Reason(einsum.name, access, number)
                return

    def _reads(self, einsum: Einsum) -> Iterator[tuple[Access, Einsum]]:
        yield from ((access, einsum) for access in operands(einsum))
        for init in self.cascade.inits:
            if init.name == einsum.tensor:
                yield from ((access, einsum) for access in accesses(init.body))

    def _store(self, einsum: Einsum, state: State) -> None:
        self.states[einsum.name] = state
        makers = [maker.name for maker in self.cascade.makers(einsum.tensor)]
        known = [self.states[name] for name in makers if name in self.states]
        self.tensors[einsum.tensor] = max(known, key=lambda each: (each.number, each.after))

    def _state(self, access: Access, reader: Einsum) -> State:
        """When the element that an access reads is there."""
        state = self.tensors.get(access.tensor, State())
        if state.after or not state.number or reads_earlier_any(self.cascade, reader, access):
            return state
        along = [access.indices[position] for position in sorted(self.along.get(access.tensor, ()))]
        own = set(iteration_ranks(reader)) & self.stream.ranks
        if all(set(index.ranks) & own and not index.gathers for index in along):
            return replace(state, running=state.running and bool(along))  # moves along with the sequence
        everywhere = any(rank in reader.reduced and rank not in own for index in along for rank in index.ranks)
        copied = not own and all(index.ranks and not index.gathers for index in along)
        if copied and not everywhere:
            return state  # the same elements under another rank
        return replace(state, after=state.running or everywhere, running=False)

    def _follow(self, einsum: Einsum) -> None:
        """Notes the dimensions of a made tensor in which its elements follow the sequence, of copies (p) as well."""
        ranks = set(iteration_ranks(einsum)) & self.stream.ranks
        for access in operands(einsum) if not ranks else ():
            ranks.update(rank for place in self.along.get(access.tensor, ()) for rank in access.indices[place].ranks)
        found = self.along.setdefault(einsum.tensor, set())
        found.update(place for place, index in enumerate(einsum.output.indices) if ranks.intersection(index.ranks))


def reads_earlier_any(cascade: Cascade, reader: Einsum, access: Access) -> bool:
    """Whether a read is of earlier slices only, along any rank of the reader."""
    return any(reads_earlier(cascade, reader, access, rank) for rank in reader.output.ranks)
