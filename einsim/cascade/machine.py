"""Runs the Einsums of a cascade on arrays, whatever their elements are: an algebra computes with those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from einsim.cascade.binding import bind_inputs, check_tiles
from einsim.cascade.expression import Condition
from einsim.cascade.index import Access
from einsim.cascade.ir import Cascade, Einsum, Init
from einsim.cascade.names import size_of
from einsim.cascade.order import Step, keeps_slices, steps
from einsim.cascade.points import Points
from einsim.cascade.ranks import iteration_ranks, iterative_rank, reduced_ranks, tensor_ranks
from einsim.cascade.space import Elements, Mask, Places, Reader, Space
from einsim.errors import SpecError


class Algebra(Protocol):
    """What the elements of tensors are, and how the right side of a statement is computed.

    Values have one axis a rank of the space, of length 1 along ranks that they do not depend on.
    """

    def dtype(self, tensor: str) -> np.dtype[Any]:
        """The type of a tensor's elements; its zero is what no Einsum writes."""

    def first(self, init: Init, points: Points) -> Elements:
        """The first slice of an iterative tensor."""

    def mapped(self, einsum: Einsum, points: Points) -> Elements:
        """The values of an Einsum that reduces nothing."""

    def reduced(self, einsum: Einsum, points: Points) -> Elements:
        """The values of an Einsum with its reduced ranks, the last ones of the space, folded away.

        Points that do not exist are left out. The places of a topk are one axis more, the last.
        """


def run(
    cascade: Cascade, inputs: Mapping[str, ArrayLike], sizes: Mapping[str, int], algebra: Algebra
) -> dict[str, Elements]:
    """Every tensor that the cascade makes; see `evaluate` for shapes, sizes and errors."""
    bound = bind_inputs(cascade, inputs, sizes, algebra.dtype)
    check_tiles(cascade, bound.sizes)
    machine = _Machine(cascade, bound.sizes, algebra, dict(bound.arrays))
    with np.errstate(all="ignore"):
        for tensor in cascade.assembled:
            machine.clear(tensor.name, [bound.sizes[size_of(rank)] for rank in tensor.ranks])
        for step in steps(cascade):
            machine.run(step)
    return {tensor: machine.arrays[tensor] for tensor in cascade.made}


@dataclass(frozen=True, slots=True)
class _Machine:
    """The arrays so far. `arrays` grows by one tensor an Einsum, `written` marks the parts of assembled ones."""

    cascade: Cascade
    sizes: Mapping[str, int]
    algebra: Algebra
    arrays: dict[str, Elements]
    written: dict[str, Mask] = field(default_factory=dict)

    def clear(self, tensor: str, lengths: list[int]) -> None:
        """Make room for a tensor, all zeros."""
        self.arrays[tensor] = np.zeros(lengths, self.algebra.dtype(tensor))

    def run(self, step: Step) -> None:
        """Make the tensors of a step, slice by slice if it has a rank."""
        inits = {init.name: init for init in self.cascade.inits}
        for einsum in step.einsums:
            if not einsum.part:
                self._allocate(einsum, inits.get(einsum.tensor))
        if step.rank is None:
            self._make(step.einsums[0], {})
            return
        for coordinate in range(self.sizes[size_of(step.rank)]):
            for einsum in step.einsums:
                self._make(einsum, {step.rank: coordinate})

    def _allocate(self, einsum: Einsum, init: Init | None) -> None:
        over = iterative_rank(einsum)
        dimensions = tensor_ranks(self.cascade, einsum.tensor)
        self.clear(einsum.tensor, [self.sizes[size_of(rank)] + (rank == over) for rank in dimensions])
        if init is not None:
            points = self._points(init.output.ranks, {})
            first = np.broadcast_to(self.algebra.first(init, points), points.shape)
            points.reader.write(init.output, self.arrays[einsum.tensor], first)

    def _points(self, ranks: tuple[str, ...], fixed: Mapping[str, int], when: Condition | None = None) -> Points:
        """The points of some ranks that exist: that no partial tile and no filter leaves out."""
        space = Space.of(ranks, self.sizes, fixed)
        mask = space.mask(self.cascade, self.sizes)
        whole = Points(Reader(space, self.sizes, self.arrays, mask))
        return whole if when is None else whole.only(whole.truth(when))

    def _make(self, einsum: Einsum, fixed: Mapping[str, int]) -> None:
        points = self._points(iteration_ranks(einsum), fixed, einsum.when)
        reduced = reduced_ranks(einsum)
        left_ranks = tuple(rank for rank in points.space.ranks if rank not in reduced)
        value = self.algebra.reduced(einsum, points) if reduced else self.algebra.mapped(einsum, points)
        if einsum.selected is not None:
            left_ranks = (*left_ranks, einsum.selected)
        left = self._points(left_ranks, fixed)
        if einsum.when is not None and einsum.part:
            left = left.only(points.any_over(reduced))
        elif einsum.when is not None and not reduced:
            value = self._filtered(einsum, value, points, left)
        places = left.reader.write(einsum.output, self.arrays[einsum.tensor], np.broadcast_to(value, left.shape))
        if einsum.part:
            self._claim(einsum, left, places)

    def _filtered(self, einsum: Einsum, value: Elements, points: Points, left: Points) -> Elements:
        """What a filter without reduction leaves: 0 elsewhere, or the slice before of an iterative tensor."""
        assert points.mask is not None
        elsewhere: Elements = np.zeros((), value.dtype)
        if keeps_slices(einsum):
            before = [index.plus(index.constant(-1)) if index.shift and index.shift[1] == 1 else index
                      for index in einsum.output.indices]  # fmt: skip
            elsewhere = left.reader.read(Access(einsum.tensor, tuple(before)))
        return np.where(points.mask, value, elsewhere)

    def _claim(self, einsum: Einsum, left: Points, places: tuple[Places, ...] | None) -> None:
        """Marks a part as written; raises SpecError where another Einsum, or this one, wrote already."""
        array = self.arrays[einsum.tensor]
        mark = self.written.setdefault(einsum.tensor, np.zeros(array.shape, dtype=np.bool_))
        where = left.space.slices(einsum.output.indices) if places is None else places
        assert where is not None
        flat = np.ravel_multi_index(places, array.shape) if places else None
        if mark[where].any() or (flat is not None and len(np.unique(flat)) < flat.size):
            raise SpecError(
                f"{einsum.name!r} writes elements of {einsum.tensor!r} that are written already",
                at=einsum.at,
                remedy="parts of a tensor must not overlap",
            )
        mark[where] = True
