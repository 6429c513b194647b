"""`einsim results`: what a result store knows."""

from __future__ import annotations

import time
from dataclasses import asdict
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter
from rich.console import Group

from einsim.cli.common import JsonOption
from einsim.cli.output import complain, print_json, show_result
from einsim.cli.signals import deferred
from einsim.errors import Location, SpecError
from einsim.explore.compaction import compact as merge
from einsim.explore.query import FORMATS, Query
from einsim.explore.resultstore import ResultStore
from einsim.explore.segments import Folder
from einsim.report.stored import answer_table, columns_table, summary_lines
from einsim.units import show_bytes

if TYPE_CHECKING:
    import polars as pl

_SHOWN: Final = 40


def results(
    store: Annotated[str, Parameter(help="The folder that was given to --store")],
    sql: Annotated[str | None, Parameter(help="A question in SQL; the table is called results")] = None,
    *,
    where: Annotated[
        list[str] | None,
        Parameter(
            name="--where",
            negative="",
            consume_multiple=False,
            help="Keep rows for which this holds, such as 'seq_len >= 4096'; may be repeated",
        ),
    ] = None,
    columns: Annotated[str | None, Parameter(name="--columns", help="Columns to show: configuration,latency_s")] = None,
    sort: Annotated[
        list[str] | None,
        Parameter(
            name="--sort",
            negative="",
            consume_multiple=False,
            allow_leading_hyphen=True,
            help="Order by these columns: latency_s, or -latency_s for the largest first",
        ),
    ] = None,
    limit: Annotated[int | None, Parameter(name="--limit", help="How many rows at most")] = None,
    export: Annotated[
        str | None, Parameter(name="--export", help=f"Write the rows to a file: {', '.join(FORMATS)}")
    ] = None,
    compact: Annotated[
        bool, Parameter(name="--compact", negative="", help="Merge its many small files into a few; no answer changes")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Ask a result store, in SQL or with options; alone, it says what is there. No result is ever changed.

    Example: einsim results results/store "SELECT configuration, min(latency_s) FROM results GROUP BY ALL"
    """  # fmt: skip
    options = {"--where": where, "--columns": columns, "--sort": sort, "--limit": limit}
    given = [name for name, value in options.items() if value is not None]
    if compact and (sql is not None or given or export is not None):
        raise SpecError("is given beside a question", at=Location("--compact"), remedy="compact first, then ask")
    if sql is not None and given:
        raise SpecError("is given beside SQL", at=Location(given[0]), remedy="say it in the SQL")
    if limit is not None and limit < 0:
        raise SpecError(f"{limit} is no number of rows", at=Location("--limit"))
    if store == "":
        raise SpecError("no store is named", at=Location("results"), remedy="name the folder given to --store")
    if compact:
        _compact(Path(store), json=json)
        return 0
    opened = ResultStore(Path(store), create=False)
    for damage in opened.damaged:
        complain(str(damage))
    query = Query(opened)
    if sql is None and not given and export is None:
        _summarise(query, json=json)
        return 0
    option = "SQL" if sql is not None else "--where"
    question = sql if sql is not None else query.filtered(where or [], columns, sort or [], limit)
    if export is not None:
        count = query.export(question, Path(export), option)
        if json:
            print_json({"file": export, "rows": count})
        else:
            show_result(f"{count:,} rows are in {export}")
        return 0
    answer = query.ask(question, option)
    if json:
        print_json(_records(answer))
    else:
        show_result(answer_table(answer, _SHOWN))
    return 0


def _compact(path: Path, *, json: bool) -> None:
    """Merges a store's small segments."""
    started = time.perf_counter()
    with deferred() as check:
        done = merge(Folder(path), check)
    for damage in done.damaged:
        complain(f"{damage.path}: {damage.reason}; it is left alone")
    sizes = {"before": asdict(done.before), "after": asdict(done.after)}
    if json:
        print_json({"store": str(path), **sizes})
        return
    before, after = (f"{size.segments:,} segment{'s' * (size.segments != 1)} ({show_bytes(size.bytes)})"
                     for size in (done.before, done.after))  # fmt: skip
    seconds = time.perf_counter() - started
    show_result(f"{done.after.rows:,} rows: {before} are now {after}, {seconds:.1f} s" if before != after else
                f"{done.after.rows:,} rows in {before}: nothing to merge")  # fmt: skip


def _summarise(query: Query, *, json: bool) -> None:
    """What is in the store."""
    overview = query.overview()
    if json:
        print_json(overview)
    else:
        show_result(Group(*summary_lines(overview), columns_table(overview["columns"])))


def _records(answer: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON takes them: what is no finite number is null, other types are text."""
    import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables
    import polars.selectors as cs  # noqa: PLC0415

    nested = [name for name, kind in answer.schema.items() if kind.is_nested()]
    plain = (cs.numeric() - cs.decimal()) | cs.boolean() | cs.string() | cs.by_name(nested)
    finite = answer.with_columns(cs.decimal().cast(pl.Float64)).with_columns(
        pl.when(cs.float().is_finite()).then(cs.float()), (~plain).cast(pl.String)
    )
    return [{**row, **{name: _plain(row[name]) for name in nested}} for row in finite.to_dicts()]


def _plain(value: Any) -> Any:
    """A value of a list or a structure, likewise."""
    match value:
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case float():
            return value if isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Decimal():
            return float(value)
        case _:
            return str(value)
