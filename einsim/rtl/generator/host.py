"""What the other end of the streams does: tiles in the order in which control asks for them, results put together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from einsim.errors import SpecError
from einsim.rtl.formats import Patterns
from einsim.rtl.generator.hardware import Duty, Hardware, Place, Store
from einsim.schedule.pipeline.epochs import Epochs
from einsim.schedule.pipeline.listing import Epoch, epochs_of, has, ranges_of
from einsim.schedule.pipeline.program import LOAD, STORE


@dataclass(frozen=True, slots=True)
class Piece:
    """One transfer: its strand, and where its tile begins and ends along every base rank that loops walk over."""

    strand: int
    ranges: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Host:
    """The streams of runs of some sizes."""

    hardware: Hardware
    sizes: Mapping[str, int]

    def epochs(self) -> list[tuple[tuple[int, ...], dict[str, tuple[int, int]]]]:
        """Every epoch: indices of its loops, and the range of each rank in it."""
        return [(each.indices, ranges_of(self._epochs, each)) for each in self._listed]

    @property
    def _epochs(self) -> Epochs:
        known = self.hardware.program.epochs
        return Epochs(known.loops, {rank: self.sizes[rank] for rank in known.sizes})

    @property
    def _listed(self) -> list[Epoch]:
        return epochs_of(self._epochs, self.hardware.filters)

    def instances(self, duty: Duty) -> list[int]:
        """Numbers of the epochs in which a strand has an instance."""
        every = self._listed
        return [n for n in range(len(every)) if has(duty.strand.when, every, n)]

    def loads(self) -> list[Piece]:
        """Tiles in the order of the stream in."""
        return self._pieces(LOAD)

    def stores(self) -> list[Piece]:
        """Tiles in the order of the stream out."""
        return self._pieces(STORE)

    def steps(self, duty: Duty) -> list[tuple[int, int, dict[str, tuple[int, int]]]]:
        """A strand's instances or, of a counted one, their units: epoch, unit, and the range of each rank."""
        epochs = self.epochs()
        found = []
        for n in self.instances(duty):
            indices, ranges = epochs[n]
            around = [ranges]
            if duty.counted:  # its units are the iterations of the loops inside its own
                depth, own = duty.strand.depth, set(self.own_ranks(duty))
                inside = [{r: each for r, each in some.items() if r in own} for i, some in epochs
                          if i[:depth] == indices[:depth]]  # fmt: skip
                around = [some for k, some in enumerate(inside) if some not in inside[:k]]
            found += [(n, unit, each) for unit, each in enumerate(around)]
        return found

    def own_ranks(self, duty: Duty) -> tuple[str, ...]:
        """Base ranks that a strand's Einsum has."""
        body = self.hardware.assembly.group.body(duty.strand.einsum)
        return tuple(dimension.rank for dimension in body.einsum.dimensions)

    def elements(self, duty: Duty) -> list[int]:
        """Processing elements with a point of work in each of a strand's steps."""
        body = self.hardware.assembly.group.body(duty.strand.einsum)
        ranks = [loop.rank for loop in body.einsum.spatial]
        whole = {rank: (0, size) for rank, size in self.sizes.items()}
        spans = [{**whole, **ranges} for _, _, ranges in self.steps(duty)]
        return [math.prod(span[rank][1] - span[rank][0] for rank in ranks) for span in spans]

    def _pieces(self, resource: str) -> list[Piece]:
        interval = self.hardware.program.interval
        found = [
            (n * interval + duty.start.planned(unit), duty.number, n, unit, Piece(duty.number, ranges))
            for duty in self.hardware.on(resource)
            for n, unit, ranges in self.steps(duty)
        ]
        return [piece for *_, piece in sorted(found, key=lambda each: each[:4])]

    def ranks(self, store: Store) -> tuple[str, ...]:
        """Base ranks of a tensor, in the order of its declaration."""
        cascade = self.hardware.design.cascade
        declared = next((each.ranks for each in cascade.inputs if each.name == store.tensor), None)
        return declared if declared is not None else cascade.einsum(store.tensor).output.ranks

    def axis(self, store: Store) -> str:
        """The rank that lies along the axis at which a store stands."""
        name = {Place.WEST: "rows", Place.NORTH: "columns", Place.OUT: "lanes", Place.FOOT: "columns"}[store.place]
        return self._along(store, name)

    def _along(self, store: Store, axis: str) -> str:
        """The rank that a store's tensor has along an axis of the array."""
        mine = store.name.removesuffix(f"_{store.place.value}")
        return next(
            loop.rank for body in self.hardware.assembly.group.bodies for access in body.einsum.accesses
            for loop in body.einsum.spatial if access.tensor == mine and loop.axis == axis
        )  # fmt: skip

    def beats(self, inputs: Mapping[str, Patterns]) -> Patterns:
        """The stream in: (beats, words of a beat). Inputs have the shapes that the cascade declares."""
        operand, width = self.hardware.operand, self.hardware.beat
        tiles = []
        for piece in self.loads():
            store = self.hardware.duties[piece.strand].results[0].store
            axis, ranks = self.axis(store), self.ranks(store)
            if store.tensor not in inputs:
                raise SpecError(f"input {store.tensor!r} is missing")
            array = np.asarray(inputs[store.tensor], operand.dtype)
            wanted = tuple(self.sizes[rank] for rank in ranks)
            if array.shape != wanted:
                raise SpecError(f"input {store.tensor!r} has the shape {array.shape}", remedy=f"it must have {wanted}")
            tile = np.moveaxis(array[self._part(piece, ranks)], ranks.index(axis), -1)
            tile = tile.reshape(-1, tile.shape[-1])
            tiles.append(np.pad(tile, ((0, 0), (0, width - tile.shape[1]))))
        return np.concatenate(tiles)

    def _part(self, piece: Piece, ranks: Sequence[str]) -> tuple[slice, ...]:
        """Where a tile is in its tensor."""
        return tuple(slice(*piece.ranges.get(rank, (0, self.sizes[rank]))) for rank in ranks)

    def results(self, beats: Patterns) -> dict[str, Patterns]:
        """The tensor that came out, from (beats, columns).

        Tiles that leave the 2D array come with their last row first, a whole tile's even where it has fewer.
        """
        store = self.hardware.leaving
        axis, ranks = self.axis(store), self.ranks(store)
        array = np.zeros([self.sizes[rank] for rank in ranks], store.format.dtype)
        for number, piece in enumerate(self.stores()):
            tile = beats[number * store.rows : (number + 1) * store.rows]
            place = np.moveaxis(array[self._part(piece, ranks)], ranks.index(axis), -1)
            if store.place is Place.FOOT:
                tile = tile[::-1][
                    : piece.ranges[self._along(store, "rows")][1] - piece.ranges[self._along(store, "rows")][0]
                ]
            place[...] = tile[:, : place.shape[-1]].reshape(place.shape)
        return {store.tensor: array}

    def durations(self, resource: str) -> list[int]:
        """Beats of every transfer of a stream, in order."""
        return [self.hardware.duties[piece.strand].beats for piece in self._pieces(resource)]
