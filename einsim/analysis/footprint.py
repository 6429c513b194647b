"""Live footprints: what must be held from one pass to the next, and what it costs not to hold it.

A tensor that follows the sequence and is read in a later pass than it is made in crosses a pass boundary: a whole
fiber of it is alive. It can be buffered, spilled and reloaded, or computed again.
"""

from __future__ import annotations

from dataclasses import dataclass

from einsim.analysis.passes import StreamPasses
from einsim.analysis.sizes import NOTHING, Amount, extent, total, words, work
from einsim.cascade import Cascade, Einsum, iterative_rank, operands, tensor_ranks


@dataclass(frozen=True, slots=True)
class Crossing:
    """A tensor that crosses pass boundaries: made in pass `made`, read again in passes `read`.

    Where `made` is in `read` too, it is read when that pass ends (partial results of tiles that are merged, say).

    rows: the ranks that tell its fibers apart as far as what ends the pass is concerned; per_row: elements of one
    row; total: elements of all; spill: words written and read to keep it elsewhere; recompute: scalar
    operations to make it again for each later pass.
    """

    tensor: str
    rows: tuple[str, ...]
    made: int
    read: tuple[int, ...]
    per_row: Amount
    total: Amount
    spill: Amount
    recompute: Amount


@dataclass(frozen=True, slots=True)
class Footprint:
    """What is alive across passes (`crossing`) and along one (`running`, elements), and what inputs are read again."""

    crossing: tuple[Crossing, ...]
    running: dict[str, Amount]
    reread: dict[str, tuple[int, ...]]


def footprint(cascade: Cascade, passes: StreamPasses) -> Footprint:
    """The live footprint of a cascade over a stream."""
    reads = _reading_passes(cascade, passes)
    crossing = [
        found for tensor in cascade.made if (found := _crossing(cascade, passes, tensor, reads.get(tensor, [])))
    ]
    running = {
        einsum.tensor: extent(cascade, _own(cascade, passes, einsum.tensor))
        for einsum in cascade.einsums
        if iterative_rank(einsum) in passes.stream.ranks
    }
    reread = {each.name: tuple(reads[each.name]) for each in cascade.inputs if len(reads.get(each.name, ())) > 1}
    return Footprint(tuple(crossing), running, reread)


def _own(cascade: Cascade, passes: StreamPasses, tensor: str) -> list[str]:
    """The ranks of a tensor beside the sequence."""
    return [rank for rank in tensor_ranks(cascade, tensor) if rank not in passes.stream.ranks]


def _row_ranks(cascade: Cascade, passes: StreamPasses, tensor: str) -> tuple[str, ...]:
    """The ranks of a tensor beside the sequence that all its complete reductions over the sequence keep."""
    rows = _own(cascade, passes, tensor)
    for einsum in cascade.einsums:
        reads = any(access.tensor == tensor for access in operands(einsum))
        if reads and passes.stream.completes(einsum):
            rows = [rank for rank in rows if rank in einsum.output.ranks]
    return tuple(rows)


def _crossing(cascade: Cascade, passes: StreamPasses, tensor: str, reads: list[int]) -> Crossing | None:
    makers = cascade.makers(tensor)
    made = max(passes.states[maker.name].number for maker in makers)
    along = [rank for rank in tensor_ranks(cascade, tensor) if rank in passes.stream.ranks]
    if not along or not made or any(passes.states[maker.name].after for maker in makers):
        return None
    later = [number for number in reads if number > made]
    if _read_at_end(cascade, passes, tensor):
        later.insert(0, made)
    if not later:
        return None
    every = words(cascade, tensor)
    rows = _row_ranks(cascade, passes, tensor)
    row = extent(cascade, [rank for rank in tensor_ranks(cascade, tensor) if rank not in rows])
    spill = every
    for _ in later:
        spill = spill.plus(every)
    again = total(work(cascade, einsum) for einsum in _remake(cascade, passes, tensor))
    recompute = NOTHING
    for _ in later:
        recompute = recompute.plus(again)
    return Crossing(tensor, rows, made, tuple(later), row, every, spill, recompute)


def _read_at_end(cascade: Cascade, passes: StreamPasses, tensor: str) -> bool:
    """Whether something reads a tensor along the sequence together with what is complete only after its pass."""
    for einsum in cascade.einsums:
        if passes.stream.touches(einsum):
            continue
        along = any(a.tensor == tensor and not passes.stream.ranks.isdisjoint(a.ranks) for a in einsum.reads)
        others = [maker for access in einsum.reads for maker in cascade.makers(access.tensor)]
        if along and any(passes.states[maker.name].after for maker in others):
            return True
    return False


def _reading_passes(cascade: Cascade, passes: StreamPasses) -> dict[str, list[int]]:
    """Tensor -> the passes in which Einsums that touch the sequence read it along the sequence, in order."""
    found: dict[str, set[int]] = {}
    for einsum in cascade.einsums:
        if passes.stream.touches(einsum):
            for access in operands(einsum):
                if not passes.stream.ranks.isdisjoint(access.ranks):
                    found.setdefault(access.tensor, set()).add(passes.states[einsum.name].number)
    return {tensor: sorted(numbers) for tensor, numbers in found.items()}


def _remake(cascade: Cascade, passes: StreamPasses, tensor: str) -> list[Einsum]:
    """The Einsums that make a tensor again from inputs and from what is complete already."""
    found: list[Einsum] = []
    waiting = list(cascade.makers(tensor))
    while waiting:
        einsum = waiting.pop()
        if einsum in found or passes.states[einsum.name].after:
            continue
        found.append(einsum)
        for access in operands(einsum):
            waiting.extend(maker for maker in cascade.makers(access.tensor) if passes.states[maker.name].number)
    return found
