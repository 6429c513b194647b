"""A lower bound on traffic from what must be alive: words to and from memory against the size of the buffer.

Every input is read once and every output written once. At each pass boundary, a row's crossing tensors that the buffer
cannot hold (it holds at most its capacity of them) come back one way or the other: written and read again, two
words each, or made again from the inputs, of which all that the buffer does not hold are read once more. The
cheaper way bounds the traffic from below, whatever the mapping; that rows may share what they read is what
makes the second way a minimum over all rows together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from einsim.analysis.footprint import footprint
from einsim.analysis.passes import count_passes
from einsim.analysis.sizes import extent, number, words
from einsim.cascade import Cascade, operands


@dataclass(frozen=True, slots=True)
class Boundary:
    """What crosses one pass boundary: words a row, rows, and words of the inputs that would make it again."""

    per_row: int
    rows: int
    inputs: int

    def extra(self, capacity: int) -> int:
        """Words of traffic that a buffer of `capacity` words cannot avoid here."""
        spilled = 2 * self.rows * max(0, self.per_row - capacity)
        return min(spilled, max(0, self.inputs - capacity))


@dataclass(frozen=True, slots=True)
class TrafficBound:
    """Least traffic of a cascade at given sizes, in words, as a function of the buffer's capacity in words."""

    compulsory: int
    boundaries: tuple[Boundary, ...]

    def at(self, capacity: int) -> int:
        """Words to and from memory, at least, with a buffer of `capacity` words."""
        return self.compulsory + sum(boundary.extra(capacity) for boundary in self.boundaries)

    def curve(self, capacities: Iterable[int]) -> list[int]:
        """The bound at several capacities."""
        return [self.at(capacity) for capacity in capacities]


def traffic_bound(cascade: Cascade, sizes: Mapping[str, int], rank: str | None = None, batch: int = 1) -> TrafficBound:
    """The bound of a cascade at the sizes of all its ranks (`bind_sizes`), times a number of independent batches."""
    used = {access.tensor for einsum in cascade.einsums for access in operands(einsum)}
    inputs = [tensor for tensor in cascade.inputs if tensor.name in used]
    moved = [number(words(cascade, tensor.name), sizes) for tensor in inputs]
    moved += [number(words(cascade, output), sizes) for output in cascade.outputs]
    boundaries = []
    for passes in count_passes(cascade, rank):
        found = footprint(cascade, passes)
        along = [
            number(words(cascade, tensor.name), sizes) for tensor in inputs if set(tensor.ranks) & passes.stream.ranks
        ]
        for boundary in range(1, passes.first):
            crossing = [each for each in found.crossing if each.made <= boundary < max(each.read)]
            if crossing:
                shared = [rank for rank in crossing[0].rows if all(rank in each.rows for each in crossing)]
                rows = number(extent(cascade, shared), sizes)
                held = sum(number(each.total, sizes) for each in crossing) // rows
                boundaries.append(Boundary(held, rows * batch, sum(along) * batch))
    return TrafficBound(sum(moved) * batch, tuple(boundaries))
