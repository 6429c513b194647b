"""Standard-cell libraries: what synthesis and its reports need to know of a file in Synopsys' Liberty format.

A Liberty file declares units of time, voltage and load, but none of area: by convention areas are in um^2, and that
is what is assumed here. No library is shipped; Debian has Oklahoma State University's of 0.18 um.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from einsim.errors import Location, SpecError, ToolError

DEFAULT: Final = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
"""The library that is taken where none is named: OSU's of 0.18 um, from Debian's package qflow-tech-osu018."""

_REMEDY: Final = "Debian: apt install qflow-tech-osu018; or name one with --liberty FILE"
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_LIBRARY: Final = re.compile(r'\blibrary\s*\(\s*"?([^")\s]+)"?\s*\)\s*\{')
_CELL: Final = re.compile(r'(?<![\w])cell\s*\(\s*"?([^")\s]+)"?\s*\)\s*\{')
_AREA: Final = re.compile(r"(?<![\w])area\s*:\s*\"?([-+.\deE]+)")
_STATE: Final = re.compile(r"(?<![\w])(ff|latch)(?:_bank)?\s*\(")
_FUNCTION: Final = re.compile(r"(?<![\w])function\s*:\s*\"([^\"]*)\"")
_INVERSE: Final = re.compile(r"\(?\s*(!\s*\(?\s*\w+\s*\)?|\w+\s*')\s*\)?")
_SAME: Final = re.compile(r"\(?\s*\w+\s*\)?")


@dataclass(frozen=True, slots=True)
class Cell:
    """One standard cell: its area, and whether it holds state."""

    name: str
    area_um2: float
    flip_flop: bool = False
    latch: bool = False
    inverter: bool = False
    buffer: bool = False


@dataclass(frozen=True, slots=True)
class Liberty:
    """A library: its own name, its cells, the text that tools read, and a digest of that text."""

    name: str
    cells: Mapping[str, Cell]
    text: str
    digest: str

    @property
    def inverter(self) -> Cell:
        """The smallest inverter: what is assumed to drive a module's inputs."""
        return min((cell for cell in self.cells.values() if cell.inverter), key=lambda cell: (cell.area_um2, cell.name))


def read_liberty(file: Path | None) -> Liberty:
    """A library from a file, plain or compressed by gzip; `DEFAULT` where none is named.

    Raises `ToolError` where there is none, or where the file is no library to synthesise with.
    """
    if file is None and not DEFAULT.exists():
        raise ToolError("synthesis needs a Liberty file of standard cells, and none is installed", remedy=_REMEDY)
    file = file or DEFAULT
    at = Location(str(file))
    try:
        data = file.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", "replace")
    except (OSError, EOFError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ToolError(f"cannot be read: {why}", at=at, remedy=_REMEDY) from None
    try:
        return parse_liberty(text)
    except SpecError as error:
        raise ToolError(error.message, at=at, remedy=_REMEDY) from None


@lru_cache(maxsize=4)
def parse_liberty(text: str) -> Liberty:
    """A library from its text. Raises `SpecError` where it is none, or lacks an inverter, a buffer or a cell's area."""
    plain = _COMMENT.sub(" ", text)
    head = _LIBRARY.search(plain)
    if head is None:
        raise SpecError("is no Liberty file: it has no library group")
    cells = {cell.name: cell for cell in _cells(plain)}
    for what in ("inverter", "buffer"):  # ABC dies without either
        if not any(getattr(cell, what) for cell in cells.values()):
            raise SpecError(f"library {head[1]} has no {what}")
    return Liberty(head[1], cells, text, hashlib.sha256(text.encode()).hexdigest()[:16])


def _cells(text: str) -> Iterator[Cell]:
    starts = list(_CELL.finditer(text))
    for start, end in zip(starts, [*(each.start() for each in starts[1:]), len(text)], strict=True):
        area = _AREA.search(text, start.end(), end)
        if area is None:
            raise SpecError(f"cell {start[1]} has no area")
        states = {match[1] for match in _STATE.finditer(text, start.end(), end)}
        functions = [match[1] for match in _FUNCTION.finditer(text, start.end(), end)]
        alone = functions[0] if not states and len(functions) == 1 else ""
        inverter, buffer = _INVERSE.fullmatch(alone) is not None, _SAME.fullmatch(alone) is not None
        yield Cell(start[1], float(area[1]), "ff" in states, "latch" in states, inverter, buffer)
