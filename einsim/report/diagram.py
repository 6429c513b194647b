"""A generated design as blocks: streams, edges, elements, lanes, way back, control; an element and a lane enlarged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure

from einsim.report import style
from einsim.report.canvas import BUFFER, CONTROLS, PLAIN, REGISTERS, UNITS, Area, Canvas, Paint, Point
from einsim.report.inside import LINE_PT, counted, draw_inside, insides, short, slots_of
from einsim.rtl.generator.edges import control_words, stores_above
from einsim.rtl.generator.hardware import CONTROL, Hardware, Place, Store
from einsim.rtl.generator.top import Generated

BACK: Final = "#882255"  # the way back
STREAM: Final = "#2B5C8A"

MARGIN: Final = 8.0
_STRIP_ROW: Final = 12.0
_WEST: Final = 52.0  # stores beside a row
_COLUMN: Final = 50.0  # an element, and what stands above and below it
_GAP: Final = 17.0  # between columns
_ELEMENT: Final = 21.0
_PITCH: Final = 76.0  # between rows, at most
_DOTS: Final = 15.0  # in place of columns
_PANEL: Final = 214.0


def diagram(generated: Generated) -> Figure:
    """A design's blocks, drawn from what is built."""
    hardware = generated.hardware
    strip = strip_rows(hardware)
    panels = insides(generated)
    right = sum(panel.height for panel in panels) + 12.0 * (len(panels) - 1)
    top = 20.0 + 16.0 + _STRIP_ROW * len(strip) + 6.0
    picture = max(right, 215.0 + 2 * LINE_PT * len(hardware.at(Place.WEST)))
    canvas = Canvas(style.PAGE_PT, top + 10.0 + picture + 22.0)
    title = f"{hardware.name}: {hardware.rows} × {hardware.columns} elements"
    if hardware.lanes is not None:
        title += f" over {hardware.columns} lanes"
    canvas.text((canvas.width / 2, 10.0), title, style.TITLE_PT, bold=True)
    control = Area(MARGIN, 20.0, canvas.width - 2 * MARGIN, top - 20.0)
    draw_control(canvas, hardware, control, strip)
    array = Array(canvas, hardware, Area(MARGIN, top + 10.0, canvas.width - 3 * MARGIN - _PANEL, picture), control)
    array.draw()
    at = top + 10.0
    for panel, (near, far) in zip(panels, array.enlarged(), strict=True):
        area = Area(canvas.width - MARGIN - _PANEL, at, _PANEL, panel.height)
        canvas.lines([[near, (area.x, area.y)], [far, (area.x, area.bottom)]], "#AAAAAA", 0.5, dashed=True)
        draw_inside(canvas, panel, area)
        at += panel.height + 12.0
    legend(canvas, hardware)
    return canvas.figure


def strip_rows(hardware: Hardware) -> list[tuple[str, list[str]]]:
    """Resources with their strands, in as many rows as they need."""
    room = style.PAGE_PT - 2 * MARGIN - 46.0
    found: list[tuple[str, list[str]]] = []
    for resource in hardware.resources:
        name, row, taken = resource, list[str](), 0.0
        for duty in hardware.on(resource):
            text = f"{duty.strand.name.removeprefix(resource + ' ')} · {slots_of(duty)}"
            wide = style.text_width(text, style.SMALL_PT) + 12.0
            if row and taken + wide > room:
                found.append((name, row))
                name, row, taken = "", [], 0.0
            row.append(text)
            taken += wide
        found.append((name, row))
    return found


# Control.


def draw_control(canvas: Canvas, hardware: Hardware, area: Area, rows: Sequence[tuple[str, list[str]]]) -> None:
    """Strands by resource, and what starts a run."""
    canvas.box(area, CONTROLS, behind=True)
    program = hardware.program
    canvas.text((area.x + 5.0, area.y + 8.0), "Control", style.LABEL_PT, ha="left", bold=True)
    sizes = ", ".join(dict.fromkeys(loop.rank for loop in program.epochs.loops))
    about = (f"strands and their slots; {len(program.links)} links, {len(program.pools)} pools; "
             f"an epoch every {program.interval} cycles; registers: start, sizes of {sizes}, cycles")  # fmt: skip
    canvas.text((area.x + 46.0, area.y + 8.0), about, ha="left", room=area.width - 52.0)
    for number, (resource, strands) in enumerate(rows):
        y = area.y + 16.0 + _STRIP_ROW * (number + 0.5)
        canvas.text((area.x + 5.0, y), resource, ha="left", room=38.0)
        x = area.x + 46.0
        for text in strands:
            wide = style.text_width(text, style.SMALL_PT) + 8.0
            canvas.box(Area(x, y - 4.5, wide, 9.0), PLAIN, 0.4)
            canvas.text((x + wide / 2, y), text)
            x += wide + 4.0


# The array.


def shown(count: int) -> list[int | None]:
    """Rows or columns that are drawn; None stands for those that are left out."""
    return list(range(count)) if count <= 3 else [0, 1, None, count - 1]


class Array:
    """The left part: what stands where."""

    def __init__(self, canvas: Canvas, hardware: Hardware, area: Area, control: Area) -> None:
        self.canvas, self.hardware, self.area, self.control = canvas, hardware, area, control
        self.rows, self.columns = shown(hardware.rows), shown(hardware.columns)
        self.west = hardware.at(Place.WEST)
        self.above = stores_above(hardware)
        self.out = hardware.at(Place.OUT)
        self.feet = hardware.at(Place.FOOT)
        self.north_y = area.y + 16.0
        self.head = max(len(self.above) * LINE_PT, 22.0)
        below = (LINE_PT * 2 + 10.0 if hardware.lanes is not None else 0.0) + (LINE_PT + 10.0) * bool(self.feet)
        self.first = self.north_y + self.head + 12.0
        last = area.bottom - 48.0 - below
        left = len([row for row in self.rows if row is not None]) * 1.0 + 0.6 * self.rows.count(None)
        self.pitch = min(_PITCH, (last - self.first) / left)
        dots = _DOTS if None in self.columns else 0.0
        count = sum(column is not None for column in self.columns)
        begin = area.x + 8.0 + _WEST + _GAP
        self.gap = min(_GAP, (area.right - 10.0 - begin - dots - count * _COLUMN) / count)
        self.left = begin

    def x(self, place: int) -> float:
        """The left side of a column among those that are drawn."""
        before = self.columns[:place]
        drawn = sum(each is not None for each in before)
        return self.left + drawn * (_COLUMN + self.gap) + _DOTS * before.count(None)

    def y(self, place: int) -> float:
        """The upper side of a row."""
        before = self.rows[:place]
        return self.first + self.pitch * (sum(each is not None for each in before) + 0.6 * before.count(None))

    @property
    def bottom(self) -> float:
        """The lower side of the last row."""
        return self.y(len(self.rows) - 1) + _ELEMENT

    def element(self, row: int, column: int) -> Area:
        """Where an element is drawn."""
        return Area(self.x(column), self.y(row), _COLUMN, _ELEMENT)

    def lane(self, column: int) -> Area:
        """Where a lane is drawn."""
        return Area(self.x(column), self.bottom + 12.0, _COLUMN, LINE_PT * 2)

    @property
    def foot_y(self) -> float:
        """The upper side of what stands at the feet of columns."""
        lanes = self.hardware.lanes is not None
        return self.bottom + 12.0 + (LINE_PT * 2 + 10.0 if lanes else 0.0)

    def enlarged(self) -> list[tuple[Point, Point]]:
        """The right sides of the element and the lane that are drawn enlarged."""
        last = len(self.columns) - 1
        areas = [self.element(0, last)]
        if self.hardware.lanes is not None:
            areas.append(self.lane(last))
        return [((area.right, area.y), (area.right, area.bottom)) for area in areas]

    def draw(self) -> None:
        """All of it."""
        self.streams()
        self.words()
        for row, number in enumerate(self.rows):
            if number is not None:
                self.side(row, number)
        for column, label in enumerate(self.columns):
            if label is None:
                self.between(column)
            else:
                self.over(column, label)
                self.down(column, label)
                self.under(column, label)

    def streams(self) -> None:
        """The stream in along rows and columns, the stream out below."""
        canvas, hardware = self.canvas, self.hardware
        x, y, end = self.area.x, self.area.y + 6.0, self.x(len(self.columns) - 1) + _COLUMN / 2
        last = len(self.rows) - 1
        canvas.lines([[(x, self.y(last) + _ELEMENT / 2), (x, y), (end, y)]], STREAM, 1.0)
        said = f"stream in: {hardware.beat} × {hardware.operand.name} a beat"
        canvas.text((self.left, y - 5.0), said, ha="left", colour=STREAM, room=end - self.left)
        y = (self.foot_y + LINE_PT if self.feet else self.lane(0).bottom) + 16.0
        begin = self.x(0) + _COLUMN / 2
        canvas.arrow((end, y), (x + 46.0, y), colour=STREAM, width=1.0)
        canvas.text((x + 44.0, y), "stream out:", ha="right", colour=STREAM)
        said = f"{hardware.columns} × {hardware.leaving.format.name} a beat"
        canvas.text((x + 44.0, y + 7.0), said, ha="right", colour=STREAM, room=50.0)
        said = f"Operations are in (0, 0) {CONTROL} cycles after they are decided, then move right and down."
        for number, line in enumerate(style.wrap(said, end - x + 10.0, style.SMALL_PT)):
            canvas.text((x, y + 20.0 + 7.0 * number), line, ha="left")
        for column, label in enumerate(self.columns):
            if label is not None and begin <= self.x(column) + _COLUMN / 2:
                middle = self.x(column) + _COLUMN / 2
                canvas.arrow((middle, y - 16.0), (middle, y), colour=STREAM)

    def words(self) -> None:
        """What control tells the arrays, in the corner where it enters."""
        canvas, words = self.canvas, control_words(self.hardware)
        area = Area(self.area.x + 8.0, self.north_y - 4.0, _WEST, self.first - self.north_y - 2.0)
        canvas.box(area, CONTROLS)
        canvas.text((area.middle[0], area.y + 5.0), "control words, bits", room=area.width - 4.0)
        said = ", ".join(f"{name}\u00a0{word.width}" for name, word in words.items())
        lines = style.wrap(said, area.width - 6.0, style.SMALLEST_PT)
        for number, line in enumerate(lines[: int((area.height - 9.0) / 5.0)]):
            canvas.text((area.middle[0], area.y + 11.0 + 5.0 * number), line, style.SMALLEST_PT, room=area.width - 3.0)
        edge = CONTROLS.edge
        canvas.arrow((area.middle[0], self.control.bottom), (area.middle[0], area.y), colour=edge)
        y = self.north_y + self.head - LINE_PT * len(self.above) / 2
        canvas.arrow((area.right, y), (self.left, y), colour=edge)
        canvas.arrow((area.middle[0], area.bottom), (area.middle[0], self.y(0) - 1.0), colour=edge)
        canvas.arrow((area.right, area.bottom - 1.0), (self.left, self.y(0)), colour=edge)
        if self.hardware.lanes is not None:
            x, lane = area.right + self.gap * 0.28, self.lane(0)
            canvas.arrow((area.right, area.bottom - 4.0), (x, area.bottom - 4.0), (x, lane.middle[1]),
                         (lane.x, lane.middle[1]), colour=edge)  # fmt: skip

    def side(self, row: int, number: int) -> None:
        """Stores beside a row, and its elements."""
        canvas, y = self.canvas, self.y(row)
        height = max(_ELEMENT, LINE_PT * len(self.west))
        area = Area(self.area.x + 8.0, y + _ELEMENT / 2 - height / 2, _WEST, height)
        self.stack(self.west, area)
        canvas.arrow((self.area.x, area.middle[1]), (area.x, area.middle[1]), colour=STREAM)
        canvas.arrow((area.right, area.middle[1]), (self.left, area.middle[1]))
        for column, label in enumerate(self.columns):
            if label is None:
                continue
            element = self.element(row, column)
            canvas.box(element, UNITS, 0.8)
            canvas.text(element.middle, f"({number}, {label})")
            if column + 1 < len(self.columns):
                canvas.arrow((element.right, element.middle[1]),
                             (element.right + self.gap, element.middle[1]))  # fmt: skip

    def stack(self, stores: Sequence[Store], area: Area) -> None:
        """Stores on top of each other."""
        each = area.height / max(1, len(stores))
        for number, store in enumerate(stores):
            part = Area(area.x, area.y + number * each, area.width, each)
            self.canvas.box(part, REGISTERS if store.place is Place.HEAD else BUFFER)
            self.canvas.text(part.middle, f"{short(store)}  {counted(store)}", room=part.width - 3.0)

    def over(self, column: int, label: int) -> None:
        """What stands above a column."""
        x = self.x(column)
        tall = LINE_PT * len(self.above)
        area = Area(x, self.north_y + self.head - tall, _COLUMN, tall)
        self.stack(self.above, area)
        self.canvas.arrow((x + _COLUMN / 2, self.area.y + 6.0), (x + _COLUMN / 2, area.y), colour=STREAM)
        self.canvas.arrow((x + _COLUMN / 2, area.bottom), (x + _COLUMN / 2, self.first))
        if self.hardware.at(Place.HEAD):
            self.back(column)

    def back(self, column: int) -> None:
        """From the lane up to the head, through registers beside the column."""
        x = self.x(column) + _COLUMN
        lane, beside = self.lane(column), x + self.gap * 0.45
        head = self.north_y + self.head - LINE_PT / 2
        self.canvas.arrow((x, lane.y + 4.0), (beside, lane.y + 4.0), (beside, head), (x, head), colour=BACK)
        for row, number in enumerate(self.rows):
            if number is not None:
                self.canvas.box(Area(beside - 1.8, self.y(row) - 6.8, 3.6, 3.6), Paint("#FFFFFF", BACK), 0.5)

    def down(self, column: int, label: int) -> None:
        """Between elements of a column."""
        middle = self.x(column) + _COLUMN / 2
        for row, number in enumerate(self.rows):
            if number is None:
                self.canvas.dots((middle, self.y(row) + 0.3 * self.pitch - (self.pitch - _ELEMENT) / 2), 0.0, 3.5)
            elif row + 1 < len(self.rows) and self.rows[row + 1] is not None:
                self.canvas.arrow((middle, self.y(row) + _ELEMENT), (middle, self.y(row + 1)))

    def under(self, column: int, label: int) -> None:
        """The lane, and what is kept at the foot of a column."""
        canvas, middle = self.canvas, self.x(column) + _COLUMN / 2
        y = self.bottom
        if self.hardware.lanes is not None:
            lane = self.lane(column)
            canvas.arrow((middle, y), (middle, lane.y))
            canvas.box(lane, UNITS, 0.8)
            canvas.text(lane.middle, f"lane {label}")
            if column + 1 < len(self.columns):
                canvas.arrow((lane.right, lane.middle[1] + 3.0), (lane.right + self.gap, lane.middle[1] + 3.0))
            y = lane.bottom
        if self.feet:
            canvas.arrow((middle, y), (middle, self.foot_y))
            self.stack(self.feet, Area(self.x(column), self.foot_y, _COLUMN, LINE_PT))

    def between(self, column: int) -> None:
        """Dots in place of columns."""
        x = self.x(column) + 6.5
        for row, number in enumerate(self.rows):
            if number is not None:
                self.canvas.dots((x, self.y(row) + _ELEMENT / 2), 3.0, 0.0)
        if self.hardware.lanes is not None:
            self.canvas.dots((x, self.lane(0).middle[1]), 3.0, 0.0)


def legend(canvas: Canvas, hardware: Hardware) -> None:
    """What colours mean."""
    y, x = canvas.height - 13.0, MARGIN + 2.0
    entries = [(BUFFER, "a part of the buffer"), (REGISTERS, "registers"), (UNITS, "units"), (CONTROLS, "control")]
    for paint, text in entries:
        canvas.box(Area(x, y - 3.0, 8.0, 6.0), paint)
        canvas.text((x + 11.0, y), text, ha="left")
        x += 20.0 + style.text_width(text, style.SMALL_PT)
    if hardware.at(Place.HEAD):
        canvas.lines([[(x, y), (x + 10.0, y)]], BACK, 0.8)
        text = f"way back, {hardware.back} cycles"
        canvas.text((x + 13.0, y), text, ha="left")
