"""Standard output and standard error, whatever they are: terminals of any width, pipes, files, nothing."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import shutil
import sys
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table

from einsim.report.tables import table_width

_UNLIMITED: Final = 100_000
_ASCII: Final = {"µ": "u", "²": "^2", "…": "...", "×": "x", "–": "-", "—": "-"}


def prepare() -> None:
    """Makes the streams take any text, and the terminal have a width; raises OSError where there is no output."""
    if sys.stderr is None:  # the lowest free descriptor is its own: no file of ours shall be taken for it
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lasts
    if sys.stdout is None:
        raise OSError("standard output is closed")
    codecs.register_error("einsim", _replace)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="einsim")
    for name in ("COLUMNS", "LINES"):
        if not os.environ.get(name, "1").isdecimal() or int(os.environ.get(name, "1")) <= 0:
            del os.environ[name]


def _replace(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding has not."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_ASCII.get(each, "?") for each in error.object[error.start : error.end]), error.end


def text_width() -> int:
    """Columns of text: the terminal's own, or as many as there are where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNLIMITED


def show_result(renderable: RenderableType) -> None:
    """Prints for people: text and long cells fold at the terminal's width, nothing is cut."""
    for part in _parts(renderable):
        width = table_width(part, text_width()) if isinstance(part, Table) else text_width()
        Console(width=width, height=1, highlight=False).print(part)


def _parts(renderable: RenderableType) -> list[RenderableType]:
    if not isinstance(renderable, Group):
        return [renderable]
    return [inner for part in renderable.renderables for inner in _parts(part)]


def print_json(value: Any) -> None:
    """Prints for scripts."""
    print(json.dumps(value, indent=2, allow_nan=False))


def complain(message: str) -> None:
    """Prints one message on standard error, if anybody is there."""
    try:
        print(f"einsim: {message}", file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


def finish_output() -> None:
    """Writes what is still to be written; raises OSError where that is impossible."""
    sys.stdout.flush()


def discard_output() -> None:
    """Forgets what could not be written, so that the interpreter does not try again."""
    _discard(sys.stdout)


def _discard(stream: Any) -> None:
    with contextlib.suppress(OSError, AttributeError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
