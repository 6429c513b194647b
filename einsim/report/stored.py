"""What a result store holds, and answers to questions, as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.report.tables import table
from einsim.units import shorten, show_bytes

if TYPE_CHECKING:
    import polars as pl

_CELL: Final = 40  # characters of a value


def summary_lines(overview: dict[str, Any]) -> list[RenderableType]:
    """How much there is, of what."""
    codes = overview["codes"]
    lines = [
        f"{overview['points']:,} points, {overview['feasible']:,} of them feasible, in {overview['segments']:,} "
        f"segments ({show_bytes(overview['bytes'])})",
    ]
    if codes.keys() != {overview["code"]}:
        now = codes.get(overview["code"], 0)
        lines.append(f"{now:,} of them by this version of einsim's code ({overview['code'][:12]}), the rest by others: "
                     f"{len(codes) - (overview['code'] in codes)} (--where \"code = '...'\")")  # fmt: skip
    rows = [(name or "-", f"{count:,}", f"{fits:,}") for name, count, fits in overview["configurations"]]
    return [Text("\n".join(lines)), Text(), table("", ("configuration", "points", "feasible"), rows), Text()]


def columns_table(columns: list[dict[str, Any]]) -> RenderableType:
    """Columns with units and ranges."""
    rows = [(each["column"], each["holds"], each["unit"], f"{each['different']:,}", _span(each)) for each in columns]
    made = table("", ("column", "holds", "unit", "different", "from ... to"), rows, left=3, fold=("from ... to",))
    hint = (
        "Ask with SQL, such as SELECT configuration, min(latency_s) FROM results GROUP BY configuration. "
        'Names with dots or slashes stand in double quotes in SQL: "cycles/array2d".'
    )
    return Group(made, Text(), Text(hint))


def _span(column: dict[str, Any]) -> str:
    if column["least"] is None:
        return "-"
    least, most = (shorten(show(column[end]), _CELL) for end in ("least", "most"))
    return least if least == most else f"{least} ... {most}"


def answer_table(answer: pl.DataFrame, most: int) -> RenderableType:
    """Rows of an answer, the first ones where there are many."""
    numbers = [kind.is_numeric() for kind in answer.dtypes]
    rows = [tuple(map(show, row)) for row in answer.head(most).iter_rows()]
    made = table("", answer.columns, rows, left=len(answer.columns))
    for column, numeric in zip(made.columns, numbers, strict=True):
        column.justify = "right" if numeric else "left"
    if len(answer) <= most:
        return made
    return Group(made, Text(f"... and {len(answer) - most:,} more rows: --export FILE.csv writes all"))


def show(value: Any) -> str:
    """A value of a cell."""
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
