"""An iteration space with sizes: what arrays are read, written and masked in.

Every value of a space is an array with one axis a rank, in the space's order, of length 1 along the ranks it
does not depend on: NumPy broadcasting then is the map of an Einsum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from einsim.cascade.index import Access, Atom, Extreme, Index, Quotient
from einsim.cascade.ir import Cascade
from einsim.cascade.names import size_of
from einsim.cascade.ranks import tile_bounds
from einsim.errors import SpecError

Array: TypeAlias = NDArray[np.float64]
Elements: TypeAlias = NDArray[Any]
"""Of tensors, whose elements are float64, or whatever else they are evaluated in."""
Places = NDArray[np.int64]
Mask = NDArray[np.bool_]

_FAR: Final = 2.0**40  # beyond every tensor, and a product with a size still fits 64 bits


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

    def at(self, coordinates: Mapping[str, int]) -> Space:
        """The part of the space at fixed coordinates of some of its ranks."""
        starts = tuple(coordinates.get(rank, start) for rank, start in zip(self.ranks, self.starts, strict=True))
        lengths = tuple(1 if rank in coordinates else n for rank, n in zip(self.ranks, self.lengths, strict=True))
        return Space(self.ranks, starts, lengths)

    @property
    def flat(self) -> tuple[int, ...]:
        """The shape of a value that depends on no rank."""
        return (1,) * len(self.ranks)

    def axes(self, ranks: Sequence[str]) -> tuple[int, ...]:
        """The axes of some of the ranks."""
        return tuple(self.ranks.index(rank) for rank in ranks)

    def line(self, rank: str) -> Places:
        """The coordinates of one rank, along its axis."""
        axis = self.ranks.index(rank)
        shape = list(self.flat)
        shape[axis] = self.lengths[axis]
        start = self.starts[axis]
        return np.arange(start, start + self.lengths[axis], dtype=np.int64).reshape(shape)

    def mask(self, cascade: Cascade, sizes: Mapping[str, int]) -> Mask | None:
        """Which points exist, where a partial tile leaves some out; None when all do."""
        found: Mask | None = None
        for bound in tile_bounds(cascade, self.ranks):
            places = np.zeros(self.flat, dtype=np.int64)
            for term in bound.index.terms:
                places = places + term.scale(sizes) * (self.line(term.rank) if term.rank else 1)
            inside = places < sizes[size_of(bound.rank)]
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


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads and writes tensors at the points of a space. `mask` tells which points exist; None: all."""

    space: Space
    sizes: Mapping[str, int]
    arrays: Mapping[str, Elements]
    mask: Mask | None = None

    def coordinates(self, index: Index) -> Places:
        """The value of an index at every point, of length 1 along ranks it does not depend on.

        Raises SpecError for an element of an index tensor that is no integer, or a division by zero.
        """
        total = np.zeros(self.space.flat, dtype=np.int64)
        for term in index.terms:
            value = np.full(self.space.flat, term.scale(self.sizes), dtype=np.int64)
            for atom in term.atoms:
                value = value * self._atom(atom, index)
            total = total + value
        return total

    def _atom(self, atom: Atom, index: Index) -> Places:
        match atom:
            case str():
                return self.space.line(atom)
            case Quotient(left, right, remainder):
                a, b = self.coordinates(left), self.coordinates(right)
                if not self._everywhere(b != 0):
                    raise SpecError(
                        f"index {str(index)!r} divides by zero",
                        at=index.at,
                        remedy="give a positive size, or filter such points ('when ...')",
                    )
                b = np.where(b == 0, 1, b)
                return a % b if remainder else a // b
            case Extreme(kind, of):
                values = [self.coordinates(each) for each in of]
                result = values[0]
                for value in values[1:]:
                    result = np.maximum(result, value) if kind == "max" else np.minimum(result, value)
                return result
            case Access():
                return self._gathered(atom, index)

    def _gathered(self, access: Access, index: Index) -> Places:
        """The elements of an index tensor as coordinates; where no point exists, 0."""
        values = self.read(access)
        whole = np.isfinite(values) & (values == np.floor(values))
        if not whole.all():
            if not self._everywhere(whole):
                raise SpecError(
                    f"index {str(index)!r}: {access.tensor} holds an element that is no integer",
                    at=index.at or access.at,
                    remedy="index with whole numbers: floor(...), argmax, topk or an index tensor",
                )
            values = np.where(whole, values, 0.0)
        return np.clip(values, -_FAR, _FAR).astype(np.int64)

    def _everywhere(self, condition: NDArray[np.bool_]) -> bool:
        """Whether a condition holds at every point that exists."""
        return bool(condition.all() if self.mask is None else (condition | ~self.mask).all())

    def read(self, access: Access, beyond: np.generic | None = None) -> Elements:
        """The operand at every point; points that do not exist read some element of the array.

        `beyond` stands for the number that the access has beyond the edge, where elements are no float64.
        Returns a view where the indices are plain ranks. Raises SpecError where a point reads outside the tensor
        and the access does not say what is there.
        """
        array = self.arrays[access.tensor]
        basic = self.space.slices(access.indices) if access.beyond is None else None
        if basic is not None and all(
            part.start >= 0 and part.stop <= extent for part, extent in zip(basic, array.shape, strict=True)
        ):
            axes = self.space.axes([rank for index in access.indices for rank in index.ranks])
            view = array[basic].transpose(np.argsort(axes))
            shape = [self.space.lengths[axis] if axis in axes else 1 for axis in range(len(self.space.ranks))]
            return view.reshape(shape)
        places = [self.coordinates(index) for index in access.indices]
        inside = self._inside(access, places, array)
        clipped = tuple(np.clip(place, 0, extent - 1) for place, extent in zip(places, array.shape, strict=True))
        value: Elements = array[clipped] if clipped else array.reshape(self.space.flat)
        if isinstance(access.beyond, str | None):
            return value
        return np.where(inside, value, access.beyond if beyond is None else beyond)

    def _inside(self, access: Access, places: list[Places], array: Elements) -> NDArray[np.bool_]:
        inside = np.ones(self.space.flat, dtype=np.bool_)
        for position, (place, extent) in enumerate(zip(places, array.shape, strict=True), start=1):
            own = (place >= 0) & (place < extent)
            if access.beyond is None and not own.all() and not self._everywhere(own):
                raise self._outside(access, position, place, own, extent)
            inside = inside & own
        return inside

    def _outside(self, access: Access, position: int, place: Places, own: NDArray[np.bool_], extent: int) -> SpecError:
        bad = ~own if self.mask is None else ~own & self.mask
        shape = np.broadcast_shapes(place.shape, bad.shape)
        reached = int(np.broadcast_to(place, shape)[np.broadcast_to(bad, shape)].flat[0])
        index = access.indices[position - 1]
        return SpecError(
            f"index {str(index)!r} of dimension {position} of {access.tensor!r} reaches {reached}; "
            f"it has elements 0 to {extent - 1}",
            at=index.at or access.at,
            remedy="change the sizes or the index, filter such points ('when ...'), or say what is beyond ('else 0')",
        )

    def write(self, output: Access, array: Elements, value: Elements) -> tuple[Places, ...] | None:
        """Store the value of every point that exists; returns the places written, None for a basic slice.

        value: shape of the space. Several ranks of one index (`m1*M0+m0`) may lead beyond a partial tile's
        end; those points do not exist and are left out. Raises SpecError for one that does and is outside.
        """
        basic = self.space.slices(output.indices)
        fits = basic is not None and all(
            part.start >= 0 and part.stop <= extent for part, extent in zip(basic, array.shape, strict=True)
        )
        if fits and self.mask is None and len(output.indices) == len(self.space.ranks):
            assert basic is not None
            axes = self.space.axes([rank for index in output.indices for rank in index.ranks])
            array[basic] = value.transpose(axes)
            return None
        places = [self.coordinates(index) for index in output.indices]
        self._inside(output, places, array)
        shape = np.broadcast_shapes(self.space.lengths, *(place.shape for place in places))
        keep = np.broadcast_to(True if self.mask is None else self.mask, shape)
        found = tuple(np.broadcast_to(place, shape)[keep] for place in places)
        array[found] = np.broadcast_to(value, shape)[keep]
        return found
