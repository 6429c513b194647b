"""A schedule as an object: strands of work on resources, the links between them, and the plan of one epoch.

The loops that most Einsums of a fusion group share cut the run into *epochs*, numbered in order. A *strand* is
what one Einsum does (or one tensor's transfers do) on one resource: one *instance* in each epoch that has it. An
instance takes *slots*, cycles in which it issues on its resource, divided into *units* between which strands wait
for each other. Every resource issues the slots of its strands in the order of the *plan*, each as soon as its
links let it. docs/microarchitecture.md defines all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from einsim.schedule.pipeline.epochs import Epochs
from einsim.schedule.pipeline.filters import Filters
from einsim.spec.expressions import Number

LOAD, STORE = "load", "store"
"""The resources that move data between the outermost memory and the chip, over one channel or one each."""


class When(IntEnum):
    """Kinds of epochs."""

    ALWAYS = 0  # all
    FIRST = 1  # the first of those that the loops outside leave
    LAST = 2  # the last of them
    ARRIVES = 3  # a tile is needed that is not there yet
    LEAVES = 4  # a tile is used for the last time before another takes its place
    RETURNS = 5  # a tile is needed that is not there any more, but was


@dataclass(frozen=True, slots=True)
class Flag:
    """Some epochs. FIRST and LAST: of those inside the first `depth` loops.

    The others are about a tile that the loops in `still` leave where it is; it comes back for those in `again`.
    """

    kind: When = When.ALWAYS
    depth: int = 0
    still: tuple[int, ...] = ()
    again: tuple[int, ...] = ()


class Cause(IntEnum):
    """Why a resource does not issue in a cycle."""

    FILL = 0  # it has not begun yet
    OPERAND = 1  # what it needs is not issued yet, or in a functional unit
    LATENCY = 2  # the next step of a point or an accumulation needs the last one's result
    TRAVEL = 3  # an operand is on its way through an array: fill and drain
    MEMORY = 4  # data are on their way from the outermost memory
    FULL = 5  # there is no room for its result
    PORT = 6  # the ports of a buffer are taken
    PHASE = 7  # the phase before is not over
    END = 8  # its work is done, the run is not


@dataclass(frozen=True, slots=True)
class Strand:
    """What one Einsum does on its array, or the transfers of one access.

    `depth`: how many of the epoch's loops it is inside; `when`: the epochs that have an instance. `slots`, `units`,
    `points` (of iteration spaces) and `moved` (words to or from the outermost memory, fractions of them where a
    proportion of a tensor spills) have one value for each combination of tile extents (`Epochs.kinds(depth)`).
    `spacing`: cycles between its slots; `tail`: cycles from the start of its last slot to the result. `reads` and
    `writes`: rows of the buffer in each slot.
    """

    name: str
    einsum: str
    resource: str
    depth: int
    slots: tuple[int, ...]
    units: tuple[int, ...]
    points: tuple[int, ...]
    moved: tuple[Number, ...] = ()
    when: Flag = Flag()
    spacing: int = 1
    tail: int = 1
    reads: int = 0
    writes: int = 0

    @property
    def computes(self) -> bool:
        """Whether it runs on an array."""
        return self.resource not in {LOAD, STORE}


@dataclass(frozen=True, slots=True)
class Link:
    """The reader's slots wait for the source's: by index of both strands.

    Of each instance they share `shares` steps (by the reader's extents; 1: the whole instance). The reader's step
    needs the source's same step `back` epochs before (negative: after), or that of the iteration before of the
    epoch's loop `over`, or - of a limit on `room` - the source's step that many shared steps before.
    `delay` counts from the source's last slot of the step; the last `travel` cycles of it are on the way.
    """

    source: int
    reader: int
    shares: tuple[int, ...]
    delay: int
    travel: int = 0
    cause: Cause = Cause.OPERAND
    back: int = 0
    over: int | None = None
    room: int | None = None
    tensor: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """When a strand's slots are planned, from the start of their epoch: slot by slot, or unit by unit (`in_units`).

    The slots of a unit are then all planned together and issue one after another. `at` is of a whole tile: a list, or
    one number and a `pace` (a fraction) from one to the next. A partial tile has some of its slots (or units), in the
    same cycles: `places` are their numbers in the whole tile, by kind of tile, from 0 on (empty: the first ones).
    """

    at: tuple[int, ...]
    pace: tuple[int, int] = (0, 1)
    in_units: bool = False
    places: tuple[tuple[int, ...], ...] = ()

    def planned(self, number: int, kind: int = 0) -> int:
        """Planned cycle of a slot (or unit) of a kind of tile."""
        if kind < len(self.places) and self.places[kind]:
            number = self.places[kind][number]
        if number < len(self.at):
            return self.at[number]
        return self.at[0] + number * self.pace[0] // self.pace[1]


@dataclass(frozen=True, slots=True)
class Pool:
    """Room for some tiles of a tensor in a memory.

    The `opener`'s instances in epochs of the flag `opens` take the room of a tile, of `words` by its extents; the
    `closer`'s in epochs of `closes` give one back when they end. `limit` tiles fit; `least` is what one tile of the
    mapping needs, as the closed form counts.
    """

    tensor: str
    level: str
    opener: int
    opens: Flag
    closer: int
    closes: Flag
    least: int
    limit: int
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """Words of a tensor that registers hold between two strands: `copies` steps of `words`, in each element."""

    level: str
    tensor: str
    source: str
    reader: str
    copies: int
    words: int


@dataclass(frozen=True, slots=True)
class Program:
    """The schedule of one fusion group: what is simulated. `interval` is the plan's cycles from epoch to epoch.

    `fixed` are words that a memory holds all the time, `registers` those that a register file of each kind holds at
    one time by the plan. The bounds are the least intervals that the busiest array and
    the iterations allow. It runs `times` times, one after another: once for each block, of a part of a fusion group.
    """

    name: str
    epochs: Epochs
    strands: tuple[Strand, ...]
    links: tuple[Link, ...]
    pools: tuple[Pool, ...]
    fixed: dict[str, int]
    interval: int
    starts: tuple[Start, ...]
    held: tuple[Held, ...]
    registers: dict[str, int]
    resources: tuple[str, ...]
    filters: Filters
    resource_bound: int
    recurrence_bound: int
    times: int = 1
