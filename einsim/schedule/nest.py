"""The schedule of a design: loop nests with their tile sizes, and where every tensor lives.

Sizes are Python integers for one design and int64 arrays for many (`einsim.spec.expressions.Number`).
A rank that the cascade splits (m into m1 and m0) is one *base rank* here: the loop over m1 covers M0
elements of m at a time, and a tensor that has m1 but not m0 has one word per M0 elements (its *grain*).
"""

from __future__ import annotations

from dataclasses import dataclass

from einsim.spec.expressions import Number, ceil_div


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop: each iteration covers `tile` elements of a base rank.

    `level` is the memory whose tiles it walks over; a spatial loop has the `axis` of its array instead.
    `inner` marks a loop inside one element of a split's outer rank (over m0).
    """

    name: str
    rank: str
    tile: Number
    level: str | None = None
    axis: str | None = None
    inner: bool = False


@dataclass(frozen=True, slots=True)
class Dimension:
    """A base rank of a tensor or of an iteration space, with one word per `grain` elements."""

    rank: str
    grain: Number = 1
    coarse: bool = False

    def words(self, elements: Number) -> Number:
        """Words along this dimension that `elements` of the rank need."""
        return ceil_div(elements, self.grain) if self.coarse else elements


@dataclass(frozen=True, slots=True)
class AccessPlan:
    """One operand or the result of an Einsum, and the levels it passes through, home first.

    `dimensions` are those that are counted, `stored` also those that the mapping sums in place.
    """

    tensor: str
    label: str
    is_output: bool
    dimensions: tuple[Dimension, ...]
    path: tuple[str, ...]
    free_levels: frozenset[str] = frozenset()
    stored: tuple[Dimension, ...] = ()

    def concerns(self, loop: Loop) -> bool:
        """Whether different iterations of a loop need different words of the tensor."""
        return any(each.rank == loop.rank and not (each.coarse and loop.inner) for each in self.dimensions)


@dataclass(frozen=True, slots=True)
class EinsumSchedule:
    """One Einsum on one array.

    `operations` are scalar operations per point after macro-operations are taken apart;
    `cycles_per_point` is what one point costs one processing element.
    """

    name: str
    array: str
    registers: str
    loops: tuple[Loop, ...]
    dimensions: tuple[Dimension, ...]
    accesses: tuple[AccessPlan, ...]
    operations: tuple[tuple[str, int], ...]
    charged: tuple[tuple[str, int], ...]
    cycles_per_point: Number

    @property
    def temporal(self) -> tuple[Loop, ...]:
        """Loops in time, outermost first."""
        return tuple(loop for loop in self.loops if loop.axis is None)

    @property
    def spatial(self) -> tuple[Loop, ...]:
        """Loops laid out over processing elements."""
        return tuple(loop for loop in self.loops if loop.axis is not None)

    def dimension(self, rank: str) -> Dimension:
        """The dimension of the iteration space over a base rank."""
        return next(dimension for dimension in self.dimensions if dimension.rank == rank)


@dataclass(frozen=True, slots=True)
class SpillRule:
    """A proportion of some tensors' traffic at a level that goes to the outermost memory."""

    level: str
    tensors: frozenset[str]
    proportion: Number


@dataclass(frozen=True, slots=True)
class PhaseSchedule:
    """Einsums side by side, array by array; or a stall of some cycles at every step of an Einsum."""

    run: tuple[tuple[str, tuple[str, ...]], ...]
    stall_cycles: Number = 0
    stall_each: str | None = None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why a design does not fit. `where` is true (or, in a sweep, true at the points) where it does not."""

    where: Number
    what: str
    needed: Number
    available: Number
    unit: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """A lowered design: everything that the models count."""

    sizes: dict[str, Number]
    einsums: tuple[EinsumSchedule, ...]
    phases: tuple[PhaseSchedule, ...]
    spills: tuple[SpillRule, ...]
    per_phase_memory: bool
    tiles: dict[str, Number]
    occupancy: dict[str, Number]
    shortfalls: tuple[Shortfall, ...]
