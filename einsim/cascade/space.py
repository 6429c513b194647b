"""An iteration space with sizes: what arrays are read, written and masked in.

Every value of a space is an array with one axis a rank, in the space's order, of length 1 along the ranks it
does not depend on: NumPy broadcasting then is the map of an Einsum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from einsim.cascade.index import Index
from einsim.cascade.ir import Cascade
from einsim.cascade.names import size_of
from einsim.cascade.ranks import tile_bounds

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Space:
    """The points `starts[i] <= rank i < starts[i] + lengths[i]`."""

    ranks: tuple[str, ...]
    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, ranks: tuple[str, ...], sizes: Mapping[str, int], fixed: Mapping[str, int]) -> Space:
        """The whole space of the ranks, but for those fixed at one coordinate."""
        starts = tuple(fixed.get(rank, 0) for rank in ranks)
        lengths = tuple(1 if rank in fixed else sizes[size_of(rank)] for rank in ranks)
        return cls(ranks, starts, lengths)

    def axes(self, ranks: Sequence[str]) -> tuple[int, ...]:
        """The axes of some of the ranks."""
        return tuple(self.ranks.index(rank) for rank in ranks)

    def without(self, ranks: Sequence[str]) -> Space:
        """The space of the other ranks."""
        kept = [axis for axis, rank in enumerate(self.ranks) if rank not in ranks]
        return Space(
            tuple(self.ranks[axis] for axis in kept),
            tuple(self.starts[axis] for axis in kept),
            tuple(self.lengths[axis] for axis in kept),
        )

    def coordinates(self, index: Index, sizes: Mapping[str, int]) -> NDArray[np.int64]:
        """The value of an index at every point, of length 1 along ranks it does not name."""
        total = np.zeros((1,) * len(self.ranks), dtype=np.int64)
        for term in index.terms:
            scale = term.scale(sizes)
            if term.rank is None:
                total = total + scale
                continue
            axis = self.ranks.index(term.rank)
            shape = [1] * len(self.ranks)
            shape[axis] = self.lengths[axis]
            line = np.arange(self.starts[axis], self.starts[axis] + self.lengths[axis], dtype=np.int64)
            total = total + scale * line.reshape(shape)
        return total

    def mask(self, cascade: Cascade, sizes: Mapping[str, int]) -> NDArray[np.bool_] | None:
        """Which points exist, where a partial tile leaves some out; None when all do."""
        found: NDArray[np.bool_] | None = None
        for bound in tile_bounds(cascade, self.ranks):
            inside = self.coordinates(bound.index, sizes) < sizes[size_of(bound.rank)]
            if not inside.all():
                found = inside if found is None else found & inside
        return found

    def slices(self, indices: tuple[Index, ...]) -> tuple[slice, ...] | None:
        """Basic slices for indices `rank + offset` of ranks that differ, or None for other indices."""
        found = []
        for index in indices:
            shift = index.shift
            if shift is None:
                return None
            axis = self.ranks.index(shift[0])
            start = self.starts[axis] + shift[1]
            found.append(slice(start, start + self.lengths[axis]))
        distinct = len({index.ranks for index in indices}) == len(indices)
        return tuple(found) if distinct else None

    def read(self, array: Array, indices: tuple[Index, ...], sizes: Mapping[str, int]) -> Array:
        """The operand at every point; points that do not exist read some element of the array.

        array: one axis an index. Returns a view where the indices are plain ranks.
        """
        basic = self.slices(indices)
        if basic is None:
            places = (self.coordinates(index, sizes) for index in indices)
            bounds = zip(places, array.shape, strict=True)
            return array[tuple(np.clip(place, 0, extent - 1) for place, extent in bounds)]
        axes = self.axes([rank for index in indices for rank in index.ranks])
        view = array[basic].transpose(np.argsort(axes))
        shape = [self.lengths[axis] if axis in axes else 1 for axis in range(len(self.ranks))]
        return view.reshape(shape)

    def write(self, array: Array, indices: tuple[Index, ...], value: Array, sizes: Mapping[str, int]) -> None:
        """Store the value of every point that the array has room for.

        value: shape of the space. Several ranks of one index (`m1*M0+m0`) may lead beyond a partial tile's
        end; those points do not exist and are left out.
        """
        basic = self.slices(indices)
        if basic is not None:
            axes = self.axes([rank for index in indices for rank in index.ranks])
            array[basic] = value.transpose(axes)
            return
        places = np.broadcast_arrays(*(self.coordinates(index, sizes) for index in indices), value)
        *found, value = places
        inside = np.logical_and.reduce([f < extent for f, extent in zip(found, array.shape, strict=True)])
        array[tuple(place[inside] for place in found)] = value[inside]
