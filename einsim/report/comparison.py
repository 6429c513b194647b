"""Comparison of a sweep with published results."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from einsim.errors import Location, SpecError
from einsim.model.result import METRICS

if TYPE_CHECKING:
    import polars as pl


def read_published(content: bytes, source: str) -> pl.DataFrame:
    """A table of published results; raises SpecError where it is no CSV."""
    import polars as pl  # noqa: PLC0415

    try:
        return pl.read_csv(io.BytesIO(content), infer_schema_length=None, comment_prefix="#")
    except pl.exceptions.PolarsError as error:
        raise SpecError(f"no table: {error}", at=Location(source), remedy="write a CSV with a header") from None


def compare(
    frame: pl.DataFrame, published: pl.DataFrame, fields: Sequence[str], source: str
) -> tuple[pl.DataFrame, list[str], list[str]]:
    """Joins published rows with ours: `METRIC/published`, `METRIC/ours`, `METRIC/difference` (ours / published - 1).

    A published column is a metric's name, perhaps with a suffix (`energy_pj_no_overflow` compares with
    energy_pj). Returns the table, its key columns and its metrics. Raises SpecError where nothing matches.
    """
    import polars as pl  # noqa: PLC0415

    keys = [field for field in fields if field in published.columns]
    pairs = {
        column: next((name for name in METRICS if column == name or column.startswith(f"{name}_")), None)
        for column in published.columns
        if column not in keys
    }
    unknown = [column for column, name in pairs.items() if name is None]
    if unknown or not keys:
        raise SpecError(
            f"column {unknown[0]!r} is neither an axis nor a metric" if unknown else "no column is an axis",
            at=Location(source),
            remedy=f"axes: {', '.join(fields)}; metrics: {', '.join(METRICS)}",
        )
    ours = frame.select(*keys, *(name for name in METRICS if name in frame.columns), "index")
    typed = published.with_columns(pl.col(key).cast(frame.schema[key]) for key in keys)
    joined = typed.join(ours, on=keys, how="inner", suffix="/ours").sort("index")
    if joined.is_empty():
        raise SpecError("no published row is on this sweep", at=Location(source))
    columns = [pl.col(key) for key in keys]
    for column, name in pairs.items():
        own = pl.col(f"{name}/ours") if name in published.columns else pl.col(str(name))
        value = pl.col(column).cast(pl.Float64)
        columns += [
            value.alias(f"{column}/published"),
            own.alias(f"{column}/ours"),
            (own / value - 1).alias(f"{column}/difference"),
        ]
    return joined.select(columns), keys, list(pairs)
