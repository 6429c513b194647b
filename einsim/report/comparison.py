"""Comparison of a sweep with published results."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from einsim.errors import Location, SpecError
from einsim.explore.axes import identity, spelt
from einsim.explore.space import Space
from einsim.model.result import METRICS
from einsim.units import shorten

if TYPE_CHECKING:
    import polars as pl


PLACE: Final = "published_at"
"""The column that says in which line of which file a published row is."""


@dataclass(frozen=True, slots=True)
class Published:
    """Published rows that are points of a sweep: values of `keys` as results show them, of `metrics`, and `PLACE`."""

    keys: tuple[str, ...]
    metrics: dict[str, str]
    rows: tuple[dict[str, Any], ...]


def read_published(content: bytes, source: str, space: Space[Any]) -> Published:
    """Published results from a CSV whose columns are axes and metrics.

    A metric's column is its name, perhaps with a suffix (`energy_pj_no_overflow` compares with energy_pj); lines
    that start with # are comments. Raises SpecError with the line of what is wrong, and where no row is a point.
    """
    lines = _lines(content, source)
    at, header = next(lines, (Location(source), []))
    keys = tuple(field for field in header if field in space.fields)
    metrics = {column: _metric(column, at, space) for column in header if column not in keys}
    if not keys or len(set(header)) != len(header):
        raise SpecError("no column is an axis" if not keys else "two columns have one name", at=at,
                        remedy=f"axes: {', '.join(space.fields)}; metrics: {', '.join(METRICS)}")  # fmt: skip
    shown = {
        setting.field: {identity(s.value): s.shown for s in (step[position] for step in steps)}
        for steps in space.axes
        for position, setting in enumerate(steps[0])
    }
    rows: dict[tuple[Any, ...], tuple[Location, dict[str, Any]]] = {}
    for place, cells in lines:
        if len(cells) != len(header):
            raise SpecError(f"{len(cells)} values in {len(header)} columns", at=place)
        row = dict(zip(header, cells, strict=True))
        key = tuple(identity(spelt(field, row[field], place)) for field in keys)
        if key in rows:
            raise SpecError(f"the row of {', '.join(row[field] for field in keys)} stands twice", at=place,
                            remedy=f"it is already at {rows[key][0]}")  # fmt: skip
        numbers = {column: _value(column, row[column], place) for column in metrics}
        rows[key] = (place, numbers)
    found = [
        {**{field: shown[field][part] for field, part in zip(keys, key, strict=True)}, **numbers, PLACE: str(place)}
        for key, (place, numbers) in rows.items()
        if all(part in shown[field] for field, part in zip(keys, key, strict=True))
    ]
    if not found:
        raise SpecError("no published row is on this sweep", at=Location(source))
    return Published(keys, metrics, tuple(found))


def _lines(content: bytes, source: str) -> Iterator[tuple[Location, list[str]]]:
    try:
        text = content.decode("utf-8-sig")
        reader = csv.reader(text.splitlines(), strict=True)
        for cells in reader:
            if cells and not cells[0].startswith("#"):
                yield Location(source, reader.line_num), [cell.strip() for cell in cells]
    except (UnicodeDecodeError, csv.Error) as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise SpecError(f"no table: {reason}", at=Location(source), remedy="write a CSV with a header") from None


def _metric(column: str, at: Location, space: Space[Any]) -> str:
    """The metric that a column compares with."""
    for name in METRICS:
        if column == name or column.startswith(f"{name}_"):
            return name
    raise SpecError(f"column {column!r} is neither an axis nor a metric", at=at,
                    remedy=f"axes: {', '.join(space.fields)}; metrics: {', '.join(METRICS)}")  # fmt: skip


def _value(column: str, text: str, at: Location) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SpecError(f"{column}: {shorten(repr(text))} is no number", at=at)
    return value


def compare(frame: pl.DataFrame, published: Published) -> pl.DataFrame:
    """Published rows with ours.

    Our row's `index`; `METRIC/published`, `METRIC/ours`, `METRIC/difference` (ours / published - 1); `PLACE`.
    """
    import polars as pl  # noqa: PLC0415

    keys = list(published.keys)
    kinds = (
        {key: frame.schema[key] for key in keys} | dict.fromkeys(published.metrics, pl.Float64()) | {PLACE: pl.String()}
    )
    theirs = pl.DataFrame(published.rows, schema=kinds)
    own = {name: name for name in METRICS if name in frame.columns}
    ours = frame.select(*keys, "index", **{f"{name}/ours": name for name in own})
    joined = theirs.join(ours, on=keys, how="inner").sort("index")
    columns = [pl.col(key) for key in keys]
    for column, name in published.metrics.items():
        mine = pl.col(f"{name}/ours") if name in own else pl.lit(None, pl.Float64)
        columns += [
            pl.col(column).alias(f"{column}/published"),
            mine.alias(f"{column}/ours"),
            (mine / pl.col(column) - 1).alias(f"{column}/difference"),
        ]
    return joined.select("index", *columns, PLACE)
