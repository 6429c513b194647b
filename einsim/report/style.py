"""How figures look: colours, tick values, sizes, and the settings to save them with.

Lengths are in points (1/72 inch), as in print. Colours are safe for colour-blind readers (Paul Tol's muted
scheme, ColorBrewer's PuOr) and told apart in grey by lightness or hatching.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import matplotlib as mpl
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from einsim.model.costs import LEAKAGE
from einsim.report import wording

COLUMN_PT: Final = 252.0  # one column of a two-column page
PAGE_PT: Final = 516.0  # both
TITLE_PT: Final = 8.0
LABEL_PT: Final = 7.0
TICK_PT: Final = 6.3
SMALL_PT: Final = 5.2
DPI: Final = 150
LEGEND_ROW_PT: Final = 9.6
HEADING_ROW_PT: Final = 10.5
FACET_ROW_PT: Final = 9.0
TEXT_ROW_PT: Final = 8.5
LOG_FROM: Final = 20.0  # ratio of the largest to the smallest number from which an axis is logarithmic
SMALLEST_PT: Final = 4.2  # what can still be read
HATCH_PT: Final = 0.5
INK: Final = "#222222"
GRID: Final = "#DCDCDC"
WRITTEN: Final[dict[str, Any]] = {"ha": "center", "va": "center", "color": INK, "parse_math": False}
"""How text stands; names of files must not be read as formulas."""

METADATA: Final[Mapping[str, Mapping[str, str | None]]] = {
    "svg": {"Creator": "einsim", "Date": None},
    "png": {"Software": "einsim"},
    "pdf": {"Creator": "einsim", "CreationDate": None},
}
"""What to pass to `savefig(metadata=...)` by format, so that equal figures are equal files."""

_RC: Final[dict[Any, Any]] = {
    "svg.hashsalt": "einsim",
    "svg.fonttype": "none",
    "savefig.bbox": None,
    "savefig.dpi": "figure",
}
_RC_LOCK: Final = threading.Lock()


@contextmanager
def saving() -> Iterator[None]:
    """The settings under which to call `savefig`: equal figures give equal bytes, SVG text stays text.

    The settings are global to the process, so that one thread at a time saves.
    """
    with _RC_LOCK, mpl.rc_context(_RC):
        yield


@dataclass(frozen=True, slots=True)
class Look:
    """How one series or one part of a stack is drawn."""

    colour: str
    hatch: str = ""
    marker: str = "o"

    @property
    def hatch_colour(self) -> str:
        """Light on dark colours, dark on light ones."""
        return "#FFFFFF" if _lightness(self.colour) < 0.5 else "#444444"

    @property
    def line_colour(self) -> str:
        """The colour, darker where a thin line of it would be faint."""
        red, green, blue = mpl.colors.to_rgb(self.colour)
        shade = 0.75 if _lightness(self.colour) > 0.65 else 1.0
        return str(mpl.colors.to_hex((red * shade, green * shade, blue * shade)))


_SERIES: Final = (
    Look("#332288", "", "o"),
    Look("#88CCEE", "///////", "s"),
    Look("#CC6677", "", "^"),
    Look("#DDCC77", "", "D"),
    Look("#117733", "\\\\\\\\\\\\\\", "v"),
    Look("#44AA99", "......", "P"),
    Look("#882255", "xxxxxx", "X"),
    Look("#AA4499", "-------", "<"),
)
_BLUES: Final[tuple[str, ...]] = ("#2B5C8A", "#8FC1EA", "#4F8FC6", "#CFE3F5")
_GREYS: Final[tuple[str, ...]] = ("#6E6E6E", "#CFCFCF", "#9A9A9A", "#4A4A4A")
_REDS: Final[tuple[str, ...]] = ("#C0392B",)
_ARRAYS: Final[tuple[tuple[str, ...], ...]] = (
    ("#F1A340", "#B35806", "#FEE0B6", "#7F3B08", "#D98A2B"),
    ("#542788", "#B2ABD2", "#8073AC", "#DDDAEE", "#3A1A60"),
    ("#1B7837", "#A6DBA0", "#5AAE61", "#D9F0D3", "#0B4A20"),
)
_ARRAY_HATCH: Final = ("", "///////", "......")


def series_looks(values: Sequence[object]) -> tuple[Look, ...]:
    """One look a series: categories in the order given, quantities (all numbers) from dark to light."""
    if len(values) > 1 and all(wording.is_number(value) for value in values):
        ramp = mpl.colormaps["viridis"]
        shades = [mpl.colors.to_hex(ramp(0.92 * i / (len(values) - 1))) for i in range(len(values))]
        return tuple(Look(shade, "", _SERIES[i % len(_SERIES)].marker) for i, shade in enumerate(shades))
    again = len(_SERIES)
    return tuple(
        Look(look.colour, look.hatch if i < again else "ooo" if i < 2 * again else "***", look.marker)
        for i, look in ((i, _SERIES[i % again]) for i in range(len(values)))
    )


def part_groups(parts: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Parts of a machine by kind, bottom of the stack first: memories, register files, operations by array, leakage.

    An operation is written `array.operation`; of the other parts, those called reg... are register files.
    """
    plain = [part for part in parts if "." not in part and part != LEAKAGE]
    groups = {
        "Memories": [part for part in plain if not part.lower().startswith("reg")],
        "Register files": [part for part in plain if part.lower().startswith("reg")],
    }
    for part in parts:
        if "." in part:
            groups.setdefault(part.partition(".")[0], []).append(part)
    groups["Static"] = [part for part in parts if part == LEAKAGE]
    return [(title, members) for title, members in groups.items() if members]


def part_looks(groups: Sequence[tuple[str, Sequence[str]]]) -> dict[str, Look]:
    """One look a part: a family of colours and a hatching for each group of `part_groups`."""
    looks: dict[str, Look] = {}
    arrays = 0
    for _, members in groups:
        ramp, hatch = (_GREYS if members[0].lower().startswith("reg") else _BLUES), ""
        if "." in members[0]:
            ramp, hatch = _ARRAYS[arrays % len(_ARRAYS)], _ARRAY_HATCH[arrays % len(_ARRAYS)]
            arrays += 1
        elif members[0] == LEAKAGE:
            ramp = _REDS
        for i, part in enumerate(members):
            looks[part] = Look(ramp[i % len(ramp)], hatch if i < len(ramp) else "ooo")
    return looks


def _lightness(colour: str) -> float:
    red, green, blue = mpl.colors.to_rgb(colour)
    return float(0.299 * red + 0.587 * green + 0.114 * blue)


def linear_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """At most `most` round values between two limits, 1, 2, 2.5 or 5 times a power of ten apart."""
    rough = max(high - low, 1e-300) / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10, 20) if power * factor >= rough * 0.9999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """At most `most` values between two positive limits: 1, 2 and 5 times powers of ten, or fewer of them."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        every = [factor * 10.0**decade for decade in decades for factor in factors]
        ticks = [tick for tick in every if low * 0.9999 <= tick <= high * 1.0001]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """The width of one line of text, in points."""
    font = FontProperties(size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0])


def wrap(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """Text broken at plain spaces into lines at most `width` points wide (longer words stay whole)."""
    lines: list[str] = []
    for word in filter(None, text.split(" ")):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
