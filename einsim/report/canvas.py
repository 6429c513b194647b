"""A sheet to draw blocks on: boxes, text that fits, arrows, dots. Lengths are in points, y goes down from the top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from einsim.report import style

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Paint:
    """What a block is filled and framed with."""

    face: str
    edge: str


BUFFER: Final = Paint("#DCEAF7", "#2B5C8A")
REGISTERS: Final = Paint("#FDEBD0", "#B35806")
UNITS: Final = Paint("#DDF1DC", "#1B7837")
CONTROLS: Final = Paint("#EFEFEF", "#777777")
PLAIN: Final = Paint("#FFFFFF", "#333333")


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle on the sheet."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower side."""
        return self.y + self.height

    @property
    def middle(self) -> Point:
        """Its middle."""
        return self.x + self.width / 2, self.y + self.height / 2


LINE: Final = "#555555"
_SURE: Final = 0.94  # of the room: small letters are drawn wider than they are


@dataclass
class Canvas:
    """One figure without axes to be seen."""

    width: float
    height: float
    figure: Figure = field(init=False)
    axes: Axes = field(init=False)

    def __post_init__(self) -> None:
        self.figure = Figure(figsize=(self.width / 72, self.height / 72), dpi=style.DPI, facecolor="white")
        self.axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self.axes.set_axis_off()
        self.axes.set_xlim(0.0, self.width)
        self.axes.set_ylim(self.height, 0.0)

    def box(self, area: Area, paint: Paint, line: float = 0.6, *, behind: bool = False) -> None:
        """A filled rectangle, in front of lines or behind them."""
        self.axes.add_patch(
            Rectangle((area.x, area.y), area.width, area.height, facecolor=paint.face, edgecolor=paint.edge,
                      linewidth=line, zorder=1.0 if behind else 2.0)
        )  # fmt: skip

    def text(
        self, at: Point, text: str, size: float = style.SMALL_PT, *, room: float | None = None, ha: str = "center",
        bold: bool = False, colour: str = style.INK,
    ) -> None:  # fmt: skip
        """One line of text, vertically in the middle of `at`; smaller, or cut short, where there is no room for it."""
        weight = "bold" if bold else "normal"
        if room is not None:
            text, size = fitted(text, size, room, weight)
        found = self.axes.text(*at, text, size=size, **(style.WRITTEN | {"ha": ha, "color": colour}), zorder=4)
        found.set_fontweight(weight)

    def lines(
        self, paths: Sequence[Sequence[Point]], colour: str = LINE, width: float = 0.6, *, dashed: bool = False
    ) -> None:
        """Lines through points."""
        style_ = (0, (3.0, 1.5)) if dashed else "solid"
        self.axes.add_collection(
            LineCollection(paths, colors=colour, linewidths=width, linestyles=[style_], zorder=1.5), autolim=False
        )

    def arrow(self, *points: Point, colour: str = LINE, width: float = 0.6, dashed: bool = False) -> None:
        """A line through points with a head at its end."""
        if len(points) > 2:
            self.lines([points[:-1]], colour, width, dashed=dashed)
        head = FancyArrowPatch(
            points[-2], points[-1], arrowstyle="-|>", mutation_scale=4.5, shrinkA=0.0, shrinkB=0.0,
            linewidth=width, color=colour, zorder=1.6, linestyle=(0, (3.0, 1.5)) if dashed else "solid",
        )  # fmt: skip
        self.axes.add_patch(head)

    def dots(self, at: Point, across: float, down: float) -> None:
        """Three dots: and so on."""
        x, y = at
        self.axes.plot(
            [x - across, x, x + across], [y - down, y, y + down], linestyle="none", marker="o", markersize=1.3,
            color=LINE, zorder=3,
        )  # fmt: skip


def fitted(text: str, size: float, room: float, weight: str = "normal") -> tuple[str, float]:
    """Text and size that fit: as small as can be read, then cut short."""
    room *= _SURE
    wide = style.text_width(text, size, weight)
    if wide <= room:
        return text, size
    size = max(style.SMALLEST_PT, size * room / wide)
    while len(text) > 1 and style.text_width(text, size, weight) > room:
        text = text.rstrip("…")[:-1] + "…"
    return text, size
