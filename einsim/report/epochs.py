"""Where each epoch of a program is among the loops, and which of its tiles come or go there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from einsim.schedule.pipeline.program import Flag, Program, When


class Place(NamedTuple):
    """An epoch's indices, one a loop, and the extents of its tiles."""

    indices: tuple[int, ...]
    extents: tuple[int, ...]


@dataclass(frozen=True)
class Walk:
    """The epochs of a program by number, of which there are `count`; those without points have no number.

    Where all tiles are whole a number says where it is; else epochs are walked one after another, as far as asked for.
    """

    program: Program
    count: int
    _walked: list[Place] = field(default_factory=list)

    def place(self, number: int) -> Place:
        """Indices and extents of an epoch."""
        epochs = self.program.epochs
        if not self.program.filters and all(len(extents) == 1 for extents in epochs.extents):
            indices = []
            for trips in reversed(epochs.trips):
                number, index = divmod(number, trips)
                indices.append(index)
            return Place(tuple(reversed(indices)), tuple(extents[0] for extents in epochs.extents))
        while len(self._walked) <= number:
            self._walk()
        return self._walked[number]

    def kind(self, number: int, depth: int) -> int:
        """Which of the combinations of extents that `depth` loops may leave (`Epochs.kinds`) an epoch has."""
        epochs, extents = self.program.epochs, self.place(number).extents
        kind = 0
        for position in epochs.innermost(depth).values():
            kind = kind * len(epochs.extents[position]) + epochs.extents[position].index(extents[position])
        return kind

    def holds(self, flag: Flag, number: int) -> bool:
        """Whether an epoch has a flag."""
        match flag.kind:
            case When.ALWAYS:
                return True
            case When.FIRST:
                return self._changed(number) < flag.depth
            case When.LAST:
                return self._changed(number + 1) < flag.depth
            case When.LEAVES:
                return all(self._at_edge(number, loop, 1) for loop in flag.still)
            case When.ARRIVES | When.RETURNS:
                again = flag.kind is When.ARRIVES or any(self.place(number).indices[loop] for loop in flag.again)
                return again and all(self._at_edge(number, loop, -1) for loop in flag.still)

    def name(self, number: int, loops: tuple[int, ...]) -> str:
        """The indices of some loops in words: `m 1, p 3`."""
        indices = self.place(number).indices
        return ", ".join(f"{self.program.epochs.loops[loop].rank} {indices[loop]}" for loop in loops)

    def _changed(self, number: int) -> int:
        """The outermost loop that an epoch changes; -1 for the first one and behind the last."""
        if number <= 0 or number >= self.count:
            return -1
        before, here = self.place(number - 1).indices, self.place(number).indices
        return next(loop for loop, (one, other) in enumerate(zip(before, here, strict=True)) if one != other)

    def _at_edge(self, number: int, loop: int, by: int) -> bool:
        """Whether nothing with points is one iteration of a loop away."""
        indices = list(self.place(number).indices)
        indices[loop] += by
        if indices[loop] < 0:
            return True
        trips, extents = self._settle(indices)
        inside = all(index < most for index, most in zip(indices, trips, strict=True))
        return not inside or self._is_empty(indices, extents)

    def _settle(self, indices: list[int]) -> tuple[list[int], list[int]]:
        """Trips and extents of the loops at some indices."""
        epochs = self.program.epochs
        trips: list[int] = []
        extents: list[int] = []
        for position, loop in enumerate(epochs.loops):
            parent = epochs.parent(position)
            if parent is None:
                around = epochs.sizes[loop.rank]
            else:
                around = epochs.loops[parent].tile if epochs.restarts(position) else extents[parent]
            trips.append(-(-around // loop.tile))
            extents.append(min(loop.tile, around - indices[position] * loop.tile))
        return trips, extents

    def _is_empty(self, indices: list[int], extents: list[int]) -> bool:
        """Whether filters leave no point of a tile to any Einsum."""
        loops = self.program.epochs.loops
        last = self.program.epochs.innermost(len(loops))
        for forms in self.program.filters:
            for form in forms:
                best = form.constant
                for rank, factor in form.factors:
                    at = sum(indices[j] * loop.tile for j, loop in enumerate(loops) if loop.rank == rank)
                    size = extents[last[rank]] if rank in last else self.program.epochs.sizes[rank]
                    best += factor * at + max(0, factor) * (size - 1)
                if best < 0:
                    break
            else:
                return False
        return bool(self.program.filters)

    def _walk(self) -> None:
        """Adds the next epoch that has points."""
        count = len(self.program.epochs.loops)
        indices = list(self._walked[-1].indices) if self._walked else [0] * count
        first = not self._walked
        while True:
            trips, extents = self._settle(indices)
            if first and not self._is_empty(indices, extents):
                self._walked.append(Place(tuple(indices), tuple(extents)))
                return
            first = True
            loop = count - 1
            while loop >= 0 and indices[loop] + 1 >= trips[loop]:
                indices[loop] = 0
                loop -= 1
            if loop < 0:
                raise IndexError(f"{self.program.name} has {len(self._walked)} epochs")
            indices[loop] += 1
