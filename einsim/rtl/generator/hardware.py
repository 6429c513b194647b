"""What is to be built: stores, what every strand does in every slot, and what it waits for, from a mapped design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from einsim.rtl.formats import NumberFormat
from einsim.rtl.generator.work import Work
from einsim.schedule.pipeline.build import Assembly
from einsim.schedule.pipeline.filters import Form
from einsim.schedule.pipeline.program import Program, Start, Strand
from einsim.spec.configuration import Design

CONTROL: Final = 2
"""The architecture's control_cycles: there is a register before the edges, and one more before elements."""


class Place(Enum):
    """Where words are kept."""

    ELEMENT = "element"  # registers of every processing element of the 2D array
    LANE = "lane"  # registers of every lane
    HEAD = "head"  # registers above every column, for what lanes hand to the array
    STATE = "state"  # a part of the buffer at every lane: what iterations carry on
    WEST = "west"  # a part of the buffer at every row, filled from outside
    NORTH = "north"  # a part of the buffer at every column, filled from outside
    OUT = "out"  # results of every lane on their way out
    FOOT = "foot"  # results of every column of the 2D array on their way out


@dataclass(frozen=True, slots=True)
class Store:
    """Words of one tensor at one place, `words` for each element or lane there; tiles of `rows` where it has tiles."""

    name: str
    place: Place
    tensor: str
    format: NumberFormat
    words: int
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Use:
    """How a strand walks over a store: `offsets` from slot to slot.

    In a ring (ELEMENT, LANE, HEAD, OUT, FOOT) they are modulo its words, and the next instance goes on `step` later.
    Of a state, the offset of each slot, plus counters of loops (positions of the epoch's, or None for the strand's
    units) times `terms`. Of tiles (WEST, NORTH), rows of the tile; the next tile comes with epochs that move loops
    other than those in `still`.
    """

    store: Store
    offsets: tuple[int, ...]
    step: int = 0
    terms: tuple[tuple[int | None, int], ...] = ()
    still: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """An operand: where it is read, and - of what an iteration carries on - the pattern that stands for the first.

    `over` is the epoch's loop whose first iteration has the pattern instead.
    """

    use: Use
    first: int | None = None
    over: int | None = None


@dataclass(frozen=True, slots=True)
class Mask:
    """A number that goes with an operation, and changes from element to element: no point where it is negative."""

    down: int
    right: int


@dataclass(frozen=True, slots=True)
class Duty:
    """What a strand does: its number in the program, the work of a point, and where operands and results are.

    `slots` of an instance or, where the number of units depends on the run's sizes (`counted`), of each unit.
    `opens` (of sums that are formed in time) are the slots that begin one. `along` is the axis that is folded.
    `kept` stores get an operand, by position, as it is read: others find it there later. `forms` are the filter's
    conditions on coordinates.
    """

    number: int
    strand: Strand
    start: Start
    slots: int
    units: int
    counted: bool
    work: Work | None = None
    sources: tuple[Source, ...] = ()
    results: tuple[Use, ...] = ()
    kept: tuple[tuple[int, Use], ...] = ()
    opens: tuple[bool, ...] = ()
    along: str | None = None
    narrow: bool = False
    forms: tuple[Form, ...] = ()

    @property
    def name(self) -> str:
        """For identifiers."""
        return "_".join(part for part in "".join(c if c.isalnum() else " " for c in self.strand.name).split())

    @property
    def drained(self) -> Use | None:
        """Where results go that leave the 2D array, and the chip."""
        return next((use for use in self.results if use.store.place is Place.FOOT), None)

    @property
    def beats(self) -> int:
        """Rows of a tile, of a transfer."""
        use = (self.results or [source.use for source in self.sources])[0]
        return use.store.rows


def settled(duty: Duty, stores: Mapping[tuple[Place, str], Store]) -> Duty:
    """A duty with stores as large as they have become."""

    def use(each: Use) -> Use:
        return replace(each, store=stores[each.store.place, each.store.name])

    return replace(
        duty,
        sources=tuple(replace(source, use=use(source.use)) for source in duty.sources),
        results=tuple(use(each) for each in duty.results),
        kept=tuple((position, use(each)) for position, each in duty.kept),
    )


@dataclass(frozen=True)
class Hardware:
    """Everything that the generator prints."""

    name: str
    design: Design
    assembly: Assembly
    operand: NumberFormat
    accumulator: NumberFormat
    stores: tuple[Store, ...]
    duties: tuple[Duty, ...]
    narrow: frozenset[str]
    rows: int = field(init=False)
    columns: int = field(init=False)
    back: int = field(init=False)

    def __post_init__(self) -> None:
        grid = self.design.architecture.arrays[self.grid]
        object.__setattr__(self, "rows", grid.axes["rows"])
        object.__setattr__(self, "columns", grid.axes["columns"])
        object.__setattr__(self, "back", grid.axes["rows"] if grid.return_cycles is None else grid.return_cycles)

    @property
    def program(self) -> Program:
        """The schedule."""
        return self.assembly.program

    @property
    def grid(self) -> str:
        """The 2D array's name."""
        return next(name for name, array in self.design.architecture.arrays.items() if array.is_grid)

    @property
    def lanes(self) -> str | None:
        """The 1D array's name; None where nothing runs on one."""
        return next((name for name, array in self.design.architecture.arrays.items()
                     if not array.is_grid and self.on(name)), None)  # fmt: skip

    @property
    def arrays(self) -> list[str]:
        """The arrays that are built: the 2D array, then the lanes."""
        return [self.grid] if self.lanes is None else [self.grid, self.lanes]

    @property
    def leaving(self) -> Store:
        """Where results are that leave the chip, on their way out."""
        return (*self.at(Place.OUT), *self.at(Place.FOOT))[0]

    @property
    def column(self) -> NumberFormat:
        """The format of what goes down a column: sums, unless there are only operands."""
        duties = self.on(self.grid)
        sums = self.at(Place.HEAD) or any(duty.along for duty in duties)
        return self.accumulator if sums else self.operand

    def on(self, resource: str | None) -> list[Duty]:
        """Duties on a resource; none on one that there is not."""
        return [duty for duty in self.duties if duty.strand.resource == resource]

    def at(self, place: Place) -> list[Store]:
        """Stores at a place."""
        return [store for store in self.stores if store.place is place]

    @property
    def filters(self) -> tuple[tuple[Form, ...], ...]:
        """Conditions that leave out epochs: one has points where all of some group's may hold."""
        return tuple(dict.fromkeys(self.program.filters))

    def masks(self, resource: str | None) -> tuple[Mask, ...]:
        """What tells elements of an array whether they have a point."""
        return tuple(dict.fromkeys(mask for duty in self.on(resource) for mask in self.masks_of(duty)))

    def masks_of(self, duty: Duty) -> dict[Mask, Form]:
        """Masks of an operation, each with the condition that the first element's value comes from.

        Elements beyond the end of a partial tile have no point, nor those that the filter leaves out.
        """
        if duty.work is None:
            return {}
        body = self.assembly.group.body(duty.strand.einsum)
        axes = {loop.axis: loop.rank for loop in body.einsum.spatial}
        found = {}
        for form in duty.forms:
            factors = dict(form.factors)
            down, right = factors.get(axes.get("rows", ""), 0), factors.get(
                axes.get("columns", axes.get("lanes", "")), 0)  # fmt: skip
            found[Mask(down, right)] = form
        if duty.along is not None:
            found[Mask(-1, 0)] = Form(((axes[duty.along], 0),), 0)
        return found

    @property
    def resources(self) -> tuple[str, ...]:
        """Arrays and channels that have something to do, in the order in which they issue."""
        return tuple(resource for resource in self.program.resources if self.on(resource))

    @property
    def beat(self) -> int:
        """Words of a beat of the streams."""
        return max(self.rows, self.columns)
