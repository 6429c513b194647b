"""One element or lane enlarged: its words, its units, its operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from einsim.report import style
from einsim.report.canvas import BUFFER, PLAIN, REGISTERS, UNITS, Area, Canvas, Paint
from einsim.rtl.generator.drain import drains
from einsim.rtl.generator.hardware import Duty, Hardware, Place, Store
from einsim.rtl.generator.top import Generated
from einsim.rtl.generator.work import Kind
from einsim.rtl.verilog import Module

LINE_PT: Final = 8.2  # a line of text, or a store
_CELL: Final = 5.0
_MOST_CELLS: Final = 8
_NAMES: Final = 48.0  # names of stores


@dataclass(frozen=True, slots=True)
class Ring:
    """A row of words inside an element: one word or many, of some format."""

    name: str
    words: int
    format: str
    paint: Paint


@dataclass(frozen=True, slots=True)
class Inside:
    """What is inside an element or a lane: words, units, and operations as (slots, text)."""

    title: str
    about: str
    rings: tuple[Ring, ...]
    units: tuple[str, ...]
    operations: tuple[tuple[str, str], ...]

    @property
    def tall(self) -> int:
        """Rows of words and units beside one another."""
        return max(len(self.rings), len(self.units), 1)

    @property
    def height(self) -> float:
        """Points that it needs."""
        return 20.0 + LINE_PT * (self.tall + 1) + LINE_PT * len(self.operations) + 12.0


def counted(store: Store) -> str:
    """Words of a store, and their format."""
    return f"{store.words} × {store.format.name}"


def short(store: Store) -> str:
    """A store's name without its place."""
    return store.name.removesuffix(f"_{store.place.value}")


def slots_of(duty: Duty) -> str:
    """Slots of an instance; of a strand whose length depends on a run's sizes, of a step; beats of a transfer."""
    if duty.work is None:
        return f"{duty.beats} beats"
    return f"{duty.slots} a step" if duty.counted else str(duty.slots)


def insides(generated: Generated) -> list[Inside]:
    """The element and, where there is one, the lane."""
    hardware = generated.hardware
    built = {part.name: part for part in generated.modules}
    across = f"1 of {hardware.rows} × {hardware.columns}; west {hardware.operand.name}, north {hardware.column.name}"
    own = [_ring(store, REGISTERS) for store in hardware.at(Place.ELEMENT)]
    if drains(hardware):
        own.append(Ring("on its way out", 1, hardware.accumulator.name, REGISTERS))
    found = [_inside("Element", across, own, built[f"{generated.name}_element"], hardware.on(hardware.grid), hardware)]
    if hardware.lanes is None:
        return found
    kept = [_ring(store, REGISTERS) for store in hardware.at(Place.LANE)]
    kept += [_ring(store, BUFFER) for place in (Place.STATE, Place.OUT) for store in hardware.at(place)]
    lane = built[f"{generated.name}_lane"]
    under = f"1 of {hardware.columns}; from the column {hardware.column.name}"
    return [*found, _inside("Lane", under, kept, lane, hardware.on(hardware.lanes), hardware)]


def _ring(store: Store, paint: Paint) -> Ring:
    return Ring(short(store), store.words, store.format.name, paint)


def _inside(
    title: str, about: str, rings: list[Ring], part: Module, duties: Sequence[Duty], hardware: Hardware
) -> Inside:
    if any(duty.work and duty.work.kind is Kind.EXP for duty in duties):
        rings = [*rings, Ring("exp: sum, n, r", 3, "", REGISTERS)]
    units = tuple(dict.fromkeys(unit.name for unit in part.uses))
    cascade = hardware.design.cascade
    operations = tuple((slots_of(duty), str(cascade.einsum(duty.strand.einsum))) for duty in duties)
    return Inside(title, about, tuple(rings), units, operations)


def draw_inside(canvas: Canvas, inside: Inside, area: Area) -> None:
    """Words on the left, units on the right, operations below."""
    canvas.box(area, PLAIN, 0.8, behind=True)
    canvas.text((area.x + 5.0, area.y + 8.0), inside.title, style.LABEL_PT, ha="left", bold=True)
    named = style.text_width(inside.title, style.LABEL_PT, "bold")
    canvas.text((area.x + 9.0 + named, area.y + 8.0), inside.about, ha="left", room=area.width - named - 13.0)
    top = area.y + 16.0
    tall = LINE_PT * inside.tall + 4.0
    words = Area(area.x + 5.0, top, 112.0, tall)
    units = Area(words.right + 15.0, top, area.right - 5.0 - words.right - 15.0, tall)
    for number, ring in enumerate(inside.rings):
        _draw_ring(canvas, ring, Area(words.x, top + 2.0 + LINE_PT * number, words.width, LINE_PT))
    canvas.box(units, UNITS)
    for number, name in enumerate(inside.units):
        canvas.text((units.middle[0], top + 2.0 + LINE_PT * (number + 0.5)), name, room=units.width - 4.0)
    third = tall / 3
    canvas.arrow((words.right + 1.0, top + third), (units.x, top + third))
    canvas.arrow((units.x, top + 2 * third), (words.right + 1.0, top + 2 * third))
    y = top + tall + 9.0
    canvas.text((area.x + 32.0, y), "slots", ha="right", colour="#777777")
    canvas.text((area.x + 37.0, y), "operation", ha="left", colour="#777777")
    for slots, text in inside.operations:
        y += LINE_PT
        canvas.text((area.x + 32.0, y), slots, ha="right", room=28.0)
        canvas.text((area.x + 37.0, y), text, ha="left", room=area.width - 41.0)


def _draw_ring(canvas: Canvas, ring: Ring, area: Area) -> None:
    """Its name, its words as cells, their number and format."""
    y = area.middle[1]
    canvas.text((area.x, y), ring.name, ha="left", room=_NAMES - 2.0)
    cells = min(ring.words, _MOST_CELLS) if ring.words <= _MOST_CELLS else 3
    for number in range(cells):
        canvas.box(Area(area.x + _NAMES + _CELL * number, y - 2.8, _CELL, 5.6), ring.paint, 0.5)
    if cells < ring.words:
        canvas.dots((area.x + _NAMES + _CELL * (cells + 1), y), 2.5, 0.0)
        canvas.box(Area(area.x + _NAMES + _CELL * (cells + 2), y - 2.8, _CELL, 5.6), ring.paint, 0.5)
    begin = area.x + _NAMES + _CELL * min(ring.words, 6 if cells < ring.words else cells)
    if ring.format:
        canvas.text((area.right, y), f"{ring.words} × {ring.format}", ha="right", room=area.right - begin - 2.0)
