"""Epochs one by one, as plainly as docs/microarchitecture.md says it: for small runs, and for whoever feeds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from einsim.schedule.pipeline.epochs import Epochs
from einsim.schedule.pipeline.filters import Filters, Form
from einsim.schedule.pipeline.program import Flag, When


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch: its place in every loop, and the extent of each loop's tile."""

    indices: tuple[int, ...]
    extents: tuple[int, ...]


def epochs_of(epochs: Epochs, filters: Filters) -> list[Epoch]:
    """All epochs that have points, in order."""

    def inside(indices: tuple[int, ...], extents: tuple[int, ...]) -> Iterator[Epoch]:
        position = len(indices)
        if position == len(epochs.loops):
            yield Epoch(indices, extents)
            return
        loop, above = epochs.loops[position], epochs.parent(position)
        around = epochs.sizes[loop.rank] if above is None else extents[above]
        if above is not None and epochs.restarts(position):
            around = epochs.loops[above].tile
        for index, start in enumerate(range(0, around, loop.tile)):
            yield from inside((*indices, index), (*extents, min(loop.tile, around - start)))

    return [epoch for epoch in inside((), ()) if not filters or any(_may_hold(epochs, epoch, each) for each in filters)]


def _may_hold(epochs: Epochs, epoch: Epoch, forms: tuple[Form, ...]) -> bool:
    """Whether each of some conditions holds for some point of an epoch's tile."""
    ranges = ranges_of(epochs, epoch)
    return all(
        form.constant + sum(max(f * ranges[r][0], f * (ranges[r][1] - 1)) for r, f in form.factors) >= 0
        for form in forms
    )


def has(flag: Flag, epochs: list[Epoch], number: int) -> bool:
    """Whether an epoch is one of a flag's."""
    here = epochs[number].indices

    def like(others: tuple[int, ...], moving: tuple[int, ...]) -> bool:
        return all(a == b for p, (a, b) in enumerate(zip(here, others, strict=True)) if p not in moving)

    match flag.kind:
        case When.ALWAYS:
            return True
        case When.FIRST:
            return number == 0 or epochs[number - 1].indices[: flag.depth] != here[: flag.depth]
        case When.LAST:
            return number == len(epochs) - 1 or epochs[number + 1].indices[: flag.depth] != here[: flag.depth]
        case When.LEAVES:
            return not any(like(each.indices, flag.still) for each in epochs[number + 1 :])
    before = [each.indices for each in epochs[:number]]
    arrives = not any(like(each, flag.still) for each in before)
    if flag.kind is When.ARRIVES:
        return arrives
    return arrives and any(like(each, (*flag.still, *flag.again)) for each in before)


def ranges_of(epochs: Epochs, epoch: Epoch) -> dict[str, tuple[int, int]]:
    """Rank -> the first element of the epoch's tile and the one behind its last."""
    first = dict.fromkeys(epochs.sizes, 0)
    extent = dict(epochs.sizes)
    for position, loop in enumerate(epochs.loops):
        first[loop.rank] += epoch.indices[position] * int(loop.tile)
        extent[loop.rank] = epoch.extents[position]
    return {rank: (first[rank], first[rank] + extent[rank]) for rank in first}
