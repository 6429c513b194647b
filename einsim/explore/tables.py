"""Rows of the tables that sweeps, searches and stores leave, read again, with the rows behind those that are means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from einsim.errors import Location, SpecError
from einsim.explore.searchfile import SearchFile
from einsim.explore.space import baseline, load_space
from einsim.explore.store import MANIFEST, POINTS
from einsim.model.result import Record
from einsim.spec import library
from einsim.spec.fields import validate
from einsim.spec.yamlfile import Document

if TYPE_CHECKING:
    import polars as pl

_BEHIND: Final = {"designs": POINTS, "front": POINTS, "confirmed": f"confirmed_{POINTS}",
                  "compared": f"compared_{POINTS}"}  # fmt: skip
"""A search's tables of designs -> the tables of their points."""
_TABLES: Final = "name a Parquet or CSV file, or the folder of a sweep or search"


def file_and_row(result: str) -> tuple[Path, str | None]:
    """What FILE#ROW names; the file's own name, or its folder's, may have a # in it."""
    if "#" not in result or Path(result).exists():
        return Path(result), None
    file, _, row = result.rpartition("#")
    return Path(file), row


def read_row(path: Path, word: str, at: Location) -> Record:
    """One row of a table (a Parquet or CSV file, or the folder of a sweep or search).

    A row is named by its `index`; a design of a search by its number, or its name where it has one; where rows have
    neither (what a store exports) by its place, from 0. Raises SpecError where there is none.
    """
    file = table_of(path)
    frame = read_table(file)
    if not word:
        raise SpecError("no row is named", at=at, remedy=f"write {path}#{_first(frame)} for the first")
    rows = _named(frame, word)
    if not len(rows):
        first = f", the first is #{_first(frame)}" if len(frame) else ""
        raise SpecError(f"there is no row {word}", at=at, remedy=f"the table has {len(frame)} rows{first}")
    return rows.to_dicts()[0]


def read_table(file: Path) -> pl.DataFrame:
    """A table; raises SpecError for a file that is none."""
    import polars as pl  # noqa: PLC0415 - slow to import

    if not file.is_file():
        raise SpecError("there is no such table", at=Location(str(file)), remedy=_TABLES)
    try:
        return pl.read_csv(file) if file.suffix == ".csv" else pl.read_parquet(file)
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror or error}", at=Location(str(file))) from None
    except (pl.exceptions.PolarsError, OverflowError) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SpecError(f"is no table: {message}", at=Location(str(file)), remedy=_TABLES) from None


def table_of(path: Path) -> Path:
    """The table of results that a path means: in a folder, the sweep's, or the points of a search."""
    if not path.is_dir():
        return path
    points = path / f"{POINTS}.parquet"
    return points if points.is_file() and not (path / "results.parquet").exists() else path / "results.parquet"


def _first(frame: pl.DataFrame) -> Any:
    """What names the first row."""
    key = next((name for name in ("index", "design") if name in frame.columns), None)
    return frame[key][0] if key and len(frame) else 0


def _named(frame: pl.DataFrame, word: str) -> pl.DataFrame:
    """The rows that a word names: one, or none."""
    import polars as pl  # noqa: PLC0415 - slow to import

    if "name" in frame.columns and "index" not in frame.columns and word in frame["name"].cast(pl.String).to_list():
        return frame.filter(pl.col("name").cast(pl.String) == word)
    if not word.isdecimal() or int(word) >= 1 << 63:
        return frame.clear()
    number = int(word)
    for key in ("index", "design"):
        if key in frame.columns:
            return frame.filter(pl.col(key).cast(pl.Int64, strict=False) == number)
    return frame.with_row_index("index").filter(pl.col("index") == number)


def rows_behind(path: Path, design: int) -> tuple[Path, list[Record]]:
    """The points that a design in one of a search's tables stands for, and their own table.

    Raises SpecError where the search's folder does not have them.
    """
    stem = _BEHIND.get(path.stem)
    missing = SpecError("has designs, each over several workloads, and no table of their points beside it",
                        at=Location(str(path)), remedy="name a row in a search's folder, or search anew")  # fmt: skip
    if stem is None:
        raise missing
    table = path.with_name(f"{stem}.parquet")
    if not table.is_file():
        raise missing
    return table, rows_where(table, {"design": design})


def rows_where(table: Path, values: Record) -> list[Record]:
    """The rows of a table that have some values, by their `index`. Raises SpecError where there is none."""
    import polars as pl  # noqa: PLC0415 - slow to import

    frame = read_table(table)
    absent = [name for name in ("index", *values) if name not in frame.columns]
    if not absent:
        conditions = [pl.col(name).eq_missing(pl.lit(value)) for name, value in values.items()]
        if rows := frame.filter(conditions).sort("index").to_dicts():
            return rows
    said = ", ".join(f"{name} = {value}" for name, value in values.items())
    raise SpecError(f"has no column {absent[0]}" if absent else f"has no row of {said}", at=Location(str(table)),
                    remedy="make it anew with this version of einsim")  # fmt: skip


def baseline_row(path: Path, index: Any) -> tuple[int, Record] | None:
    """The row that a sweep's row is compared with, and its index; None where its folder does not say any more."""
    try:
        place = baseline(load_space(_input(table_of(path).parent)), int(index))
        return place, read_row(path, str(place), Location(str(path)))
    except (OSError, ValueError, TypeError, KeyError, SpecError):
        return None


def search_of(path: Path) -> tuple[SearchFile, Document] | None:
    """The search that left a table; None where its folder does not say any more."""
    try:
        document = library.load_document(_input(table_of(path).parent))
        return validate(SearchFile, document), document
    except (OSError, ValueError, TypeError, KeyError, SpecError):
        return None


def _input(folder: Path) -> Path:
    """The copy of the file that a sweep or search was asked by."""
    manifest: Any = json.loads((folder / MANIFEST).read_text())
    return folder / str(manifest["inputs"]["sweep"])
