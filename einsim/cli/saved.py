"""Saved results of every command: read from files, standard input and tables, and made again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from einsim.cli.remade import (
    bind_again,
    bound_again,
    derived_again,
    hardware_again,
    map_again,
    passes_again,
    roofline_again,
    tensors_again,
)
from einsim.cli.replay import Traced, command_words, replayed
from einsim.cli.summaries import is_summary, search_again, summary_again, sweep_again
from einsim.errors import Location, SpecError
from einsim.explore import tables
from einsim.model.result import Record

_KINDS: Final[dict[str, Callable[[Record, Location], Traced]]] = {
    "run": replayed, "simulate": replayed, "roofline": roofline_again, "bound": bound_again, "map": map_again,
    "bind": bind_again, "rtl": hardware_again, "passes": passes_again, "derive": derived_again,
    "evaluate": tensors_again, "search": search_again, "sweep": sweep_again,
}  # fmt: skip
"""Command -> how its results are made again."""
NOTHING: Final = object()
"""What is at a path that a result has not."""
_NAMES: Final = ("kernel", "group", "name", "cascade", "access", "part", "tensor", "einsum")
"""Keys by which an item of a list may be called."""


def saved_result(result: str, at: Location) -> Record | None:
    """A saved result; None where `result` is none, but a configuration."""
    file, row = tables.file_and_row(result)
    if file == Path("-") or file.suffix == ".json":
        return _of_json(_read(file), row, at)
    is_table = row is not None or file.suffix in {".csv", ".parquet"} or (result and file.is_dir())
    return tables.read_row(file, row or "", at) if is_table else None


def traced(saved: Record, at: Location) -> Traced:
    """What explains a saved result. Raises SpecError for one that no command has made."""
    if is_summary(saved):
        return summary_again(saved, at)
    return _KINDS[command_words(saved, at, tuple(_KINDS))[1]](saved, at)


def _read(file: Path) -> bytes:
    if file == Path("-"):
        return sys.stdin.buffer.read() if sys.stdin is not None else b""
    try:
        return file.read_bytes()
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror or error}", at=Location(str(file))) from None


def _of_json(content: bytes, row: str | None, at: Location) -> Record:
    """A result, or one of several in a list."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"is no JSON: {error}", at=at) from None
    if isinstance(record, list) and record and all(isinstance(each, dict) for each in record):
        if row is None or not row.isdecimal() or int(row) >= len(record):
            raise SpecError(f"holds {len(record)} results", at=at, remedy="say which: FILE.json#0 for the first")
        return _checked(record[int(row)], at)
    if row is not None:
        raise SpecError("is no list of results", at=at, remedy="leave the # out")
    return _checked(record, at)


def _checked(record: Any, at: Location) -> Record:
    if not isinstance(record, dict):
        raise SpecError("is no result", at=at, remedy="give the output of `einsim run ... --json`")
    return record


def place_of(field: str, saved: Record) -> str:
    """The path of a field in a result, with positions instead of the names of items of lists (a kernel's, a group's).

    Raises SpecError where several items have the name; a path that leads nowhere stays as it is.
    """
    here: Any = saved
    path: list[str] = []
    rest = field.split("/")
    while rest:
        step = rest.pop(0)
        if isinstance(here, list) and not step.isdecimal():
            step = _position(here, step, "/".join(path))
        elif isinstance(here, dict) and step not in here:  # names with a slash in them
            while rest and step not in here:
                step = f"{step}/{rest.pop(0)}"
        path.append(step)
        here = _inside(here, step)
    return "/".join(path)


def _position(items: list[Any], name: str, path: str) -> str:
    there = [str(place) for place, each in enumerate(items)
             if isinstance(each, dict) and name in (each.get(key) for key in _NAMES)]  # fmt: skip
    if len(there) > 1:
        raise SpecError(f"{len(there)} of {path} are called {name!r}", at=Location("explain"),
                        remedy=f"say which: {', '.join(f'{path}/{place}' for place in there[:6])}")  # fmt: skip
    return there[0] if there else name


def _inside(here: Any, step: str) -> Any:
    if isinstance(here, dict):
        return here.get(step, NOTHING)
    if isinstance(here, list) and step.isdecimal() and int(step) < len(here):
        return here[int(step)]
    return NOTHING


def value_at(path: str, saved: Record) -> Any:
    """What a result has at a path of `place_of`; `NOTHING` where there is nothing."""
    if path in saved:  # rows are flat
        return saved[path]
    here: Any = saved
    rest = path.split("/")
    while rest and here is not NOTHING:
        step = rest.pop(0)
        while isinstance(here, dict) and step not in here and rest:
            step = f"{step}/{rest.pop(0)}"
        here = _inside(here, step)
    return here
