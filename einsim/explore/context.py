"""What points are, in full: the columns by which a result store is asked, whatever a sweep varied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from einsim.explore.axes import identity
from einsim.explore.point import Point
from einsim.spec.overrides import Override
from einsim.spec.yamlfile import write_value
from einsim.units import INT64_MAX

if TYPE_CHECKING:
    import polars as pl


def context_of(points: Sequence[Point]) -> list[pl.Series]:
    """Columns of points with the same fields: settings, sizes of ranks (`workload.M`) and changed fields by path."""
    settings: dict[str, list[Any]] = {
        "configuration": [point.configuration.value for point in points],
        "architecture": [point.architecture.value for point in points],
        "accounting": [str(point.accounting) for point in points],
        "time_model": [str(point.time_model) for point in points],
        "scope": [str(point.scope) for point in points],
        "phase": [None if point.lengths is None else point.lengths.phase for point in points],
        "context": [None if point.lengths is None else identity(point.lengths.context) for point in points],
        "new_tokens": [None if point.lengths is None else point.lengths.new for point in points],
        "model": [point.workload.model for point in points],
        "seq_len": [point.workload.seq_len for point in points],
    }
    sizes = [dict(point.workload.sizes) for point in points]
    settings |= {f"workload.{name}": [own.get(name) for own in sizes]
                 for name in dict.fromkeys(name for own in sizes for name in own)}  # fmt: skip
    changed = {each.name: each for each in changes_of([point.overrides for point in points])}
    return [*(_column(name, values) for name, values in settings.items() if name not in changed), *changed.values()]


def changes_of(changes: Sequence[Sequence[Override]]) -> list[pl.Series]:
    """A column for each changed field, by its path."""
    rows = [{change.name: plain(change.value) for change in own} for own in changes]
    return [_column(name, [row.get(name) for row in rows]) for name in dict.fromkeys(n for row in rows for n in row)]


def plain(value: Any) -> Any:
    """A value as results show it: a number, if it is one however it is spelt (`1 MiB`), else text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (list, dict)):
        return write_value(value)
    return identity(value)


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    """Values as a column of one type, which does not depend on which of them happen to be there together."""
    import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pl.Series(name, values, pl.Boolean)
    if kinds == {int} and all(value is None or abs(value) <= INT64_MAX for value in values):
        return pl.Series(name, values, pl.Int64)
    if kinds and kinds <= {int, float}:
        return pl.Series(name, [None if value is None else float(value) for value in values], pl.Float64)
    texts = [value if value is None or isinstance(value, str) else write_value(value) for value in values]
    return pl.Series(name, texts, pl.String)
