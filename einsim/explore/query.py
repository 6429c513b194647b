"""Questions to a result store: SQL, read-only, through DuckDB."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from einsim.errors import Location, SpecError, suggest
from einsim.explore.resultstore import FIRST_RESULT, ResultStore
from einsim.explore.segments import KEY_COLUMNS
from einsim.explore.store import remove
from einsim.extras import load

if TYPE_CHECKING:
    import polars as pl

Answer = TypeVar("Answer")

TABLE: Final = "results"
"""What the rows are called in SQL."""

FORMATS: Final = {
    ".csv": "FORMAT csv, HEADER true",
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
    ".json": "FORMAT json, ARRAY true",
    ".jsonl": "FORMAT json",
}
"""File name endings that an export may have, and what DuckDB calls the format."""

_HIDDEN: Final = frozenset(KEY_COLUMNS)


class Query:
    """A store opened to be asked. Nothing that is asked changes it."""

    def __init__(self, store: ResultStore) -> None:
        """Raises SpecError where the store has no rows, and ToolError where DuckDB is not installed."""
        self.duckdb = load("duckdb", "search", "einsim results")
        self.store = store
        self.connection = self.duckdb.connect(config={"autoinstall_known_extensions": "false"})
        self._steadily(self._open)

    def _open(self) -> None:
        """Makes the table of what there is now."""
        if not self.store.names:
            what = "all of its segments are damaged" if self.store.damaged else "it is empty"
            raise SpecError(f"nothing can be read: {what}", at=Location(str(self.store.folder.path)),
                            remedy="einsim sweep FILE --store PATH fills it")  # fmt: skip
        rows = self.connection.read_parquet(list(map(str, self._paths())), union_by_name=True)
        self.rows = int(rows.aggregate("count(*)").fetchall()[0][0])
        kept = ", ".join(quoted(name) for name in rows.columns if name not in _HIDDEN)
        known = len(self.store)
        once = "" if known == self.rows else f"DISTINCT ON ({', '.join(map(quoted, KEY_COLUMNS))}) "
        self.rows = known
        rows.create_view("segments")
        self.connection.execute(f"CREATE OR REPLACE VIEW {TABLE} AS SELECT {once}{kept} FROM segments")
        self.types: dict[str, str] = {
            name: str(kind) for name, kind in zip(rows.columns, rows.types, strict=True) if name not in _HIDDEN
        }

    def _paths(self) -> list[Path]:
        return [self.store.folder.place(name) for name in self.store.names]

    def _steadily(self, look: Callable[[], Answer]) -> Answer:
        """What somebody sees who looks at all segments; where some were merged meanwhile, who looks again."""
        while True:
            try:
                return look()
            except (self.duckdb.IOException, FileNotFoundError):
                if all(path.exists() for path in self._paths()):
                    raise
            self.store.refresh()
            if look != self._open:
                self._open()

    @property
    def results(self) -> list[str]:
        """Columns that say what came of it."""
        import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables

        found: dict[str, None] = {}
        for path in self._paths():
            columns = list(pl.read_parquet_schema(path))
            found |= dict.fromkeys(columns[columns.index(FIRST_RESULT) :])
        return list(found)

    def overview(self) -> dict[str, Any]:
        """How much is there, of what, and what each column holds. Ends of ranges are plain values."""
        return self._steadily(self._overview)

    def _overview(self) -> dict[str, Any]:
        ask = self.connection.execute
        feasible = ask(f"SELECT count(*) FILTER (feasible) FROM {TABLE}").fetchone()
        codes = ask(f"SELECT code, count(*) FROM {TABLE} GROUP BY code ORDER BY 2 DESC").fetchall()
        each = ask(f"SELECT configuration, count(*), count(*) FILTER (feasible) FROM {TABLE} GROUP BY ALL ORDER BY ALL")
        paths = self._paths()
        return {
            "store": str(self.store.folder.path),
            "points": self.rows,
            "feasible": int(feasible[0]) if feasible else 0,
            "segments": len(paths),
            "damaged": [str(damage.path) for damage in self.store.damaged],
            "bytes": sum(path.stat().st_size for path in paths),
            "code": self.store.code,
            "codes": dict(codes),
            "configurations": [list(row) for row in each.fetchall()],
            "columns": self._columns(),
        }

    def _columns(self) -> list[dict[str, Any]]:
        results = set(self.results)
        spans = ", ".join(f"approx_count_distinct({name}), min({name}), max({name})"
                          for name in map(quoted, self.types) if name != quoted("command"))  # fmt: skip
        values = iter(self.connection.execute(f"SELECT {spans} FROM {TABLE}").fetchone() or ())
        found = []
        for name, kind in self.types.items():
            if name == "command":
                continue
            different, least, most = next(values), next(values), next(values)
            holds = "result" if name in results else "about einsim" if name == "code" else "setting"
            found.append({"column": name, "holds": holds, "type": kind, "unit": unit_of(name),
                          "different": different, "least": least, "most": most})  # fmt: skip
        return found

    def filtered(self, where: Sequence[str], columns: str | None, sort: Sequence[str], limit: int | None) -> str:
        """SQL for rows that meet all conditions. Raises SpecError for a column that is not there."""
        wanted = [self._column(name, "--columns") for name in columns.split(",")] if columns is not None else ["*"]
        sql = f"SELECT {', '.join(wanted)} FROM {TABLE}"
        if where:
            sql += " WHERE " + " AND ".join(f"({condition})" for condition in map(self._dotted, where))
        if sort:
            names = [name for each in sort for name in each.split(",")]
            order = [(self._column(name.lstrip("-"), "--sort"), name.startswith("-")) for name in names]
            sql += " ORDER BY " + ", ".join(f"{name} DESC NULLS LAST" if down else f"{name} NULLS LAST"
                                            for name, down in order)  # fmt: skip
        return sql if limit is None else f"{sql} LIMIT {limit}"

    def _column(self, name: str, option: str) -> str:
        name = name.strip()
        if name not in self.types:
            raise SpecError(f"there is no column {name!r}", at=Location(option), remedy=suggest(name, self.types))
        return quoted(name)

    def _dotted(self, condition: str) -> str:
        """A condition with the names of columns that SQL would take apart (`arch.clock_hz`) in quotes."""
        odd = [name for name in self.types if not name.isidentifier()]
        for part in [condition] if odd else []:
            names = "|".join(re.escape(name) for name in sorted(odd, key=len, reverse=True))
            pattern = re.compile(rf"'[^']*'|\"[^\"]*\"|(?<![\w./])({names})(?![\w./])")
            return pattern.sub(lambda found: quoted(found[1]) if found[1] else found[0], part)
        return condition

    def checked(self, sql: str, option: str = "SQL") -> str:
        """The SQL, if it is one question; raises SpecError for anything else, or where it is wrong."""
        try:
            statements = self.connection.extract_statements(sql)
        except self.duckdb.Error as error:
            raise _wrong(error, option) from None
        kinds = self.duckdb.StatementType
        if len(statements) != 1:
            raise SpecError(f"{len(statements) or 'no'} statements", at=Location(option), remedy="ask one question")
        if statements[0].type not in {kinds.SELECT, kinds.EXPLAIN}:
            raise SpecError(f"{statements[0].type.name} is no question", at=Location(option),
                            remedy="a store is only read: write SELECT ... FROM results")  # fmt: skip
        return sql.strip().rstrip(";")

    def ask(self, sql: str, option: str = "SQL") -> pl.DataFrame:
        """The answer to one question. Raises SpecError where it is none, or wrong."""
        import polars as pl  # noqa: PLC0415

        sql = self.checked(sql, option)
        try:
            return self._steadily(lambda: pl.DataFrame(_as_table(self.connection.sql(sql), option)))
        except self.duckdb.Error as error:
            raise _wrong(error, option, self.types) from None

    def export(self, sql: str, path: Path, option: str = "SQL") -> int:
        """Writes the answer to a file, as its name says; returns how many rows there are.

        Raises SpecError as `ask` does, for an unknown ending, and on a disk error.
        """
        sql = self.checked(sql, option)
        if path.suffix not in FORMATS:
            raise SpecError(f"unknown kind of file {path.suffix!r}", at=Location("--export"),
                            remedy=f"end the name in {', '.join(FORMATS)}")  # fmt: skip
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        name = str(part).replace("'", "''")
        try:
            copy = f"COPY ({sql}) TO '{name}' ({FORMATS[path.suffix]})"
            rows = self._steadily(lambda: self.connection.execute(copy).fetchall())
            part.replace(path)
        except (self.duckdb.IOException, OSError) as error:
            reason = str(getattr(error, "strerror", None) or error).splitlines()[0].rpartition(": ")[2]
            raise SpecError(f"cannot be written: {reason}", at=Location(str(path)),
                            remedy="choose another file or make room") from None  # fmt: skip
        except self.duckdb.Error as error:
            raise _wrong(error, option, self.types) from None
        finally:
            remove(part)
        return int(rows[0][0])


_ODD: Final = re.compile(r"\b(INTERVAL|UNION|BIT|BLOB)\b")


def _as_table(answer: Any, option: str) -> Any:
    """An answer that a table can hold. Raises SpecError where columns share a name, or are what no table holds."""
    at = Location(option)
    for place, (name, kind) in enumerate(zip(answer.columns, answer.types, strict=True)):
        if name in answer.columns[:place]:
            raise SpecError(f"two columns are called {name!r}", at=at, remedy="call one otherwise, with AS")
        if odd := _ODD.search(str(kind)):
            raise SpecError(f"column {name!r} is of type {odd[0]}", at=at, remedy="cast it, with ::VARCHAR")
    return answer


def quoted(name: str) -> str:
    """A column's name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


_UNITS: Final = {
    "_s": "seconds", "_pj": "picojoules", "_um2": "square micrometres", "_bytes": "bytes", "_hz": "hertz",
    "_per_s": "per second", "_bytes_per_s": "bytes per second",
}  # fmt: skip


def unit_of(name: str) -> str:
    """The unit of a column, which its name says."""
    if name.startswith("energy_pj/"):
        return "picojoules"
    if name.startswith("cycles/") or name == "simulated/cycles":
        return "cycles"
    if name.startswith("stalls/") or "util_" in name:
        return "fraction (1 is all)"
    if name in {"seq_len", "context", "new_tokens"}:
        return "tokens"
    for end in sorted(_UNITS, key=len, reverse=True):
        if name.endswith(end):
            return _UNITS[end]
    return ""


_KIND: Final = re.compile(r"^[A-Z][A-Za-z ]*Error: ")


def _wrong(error: Any, option: str, columns: Sequence[str] | dict[str, str] = ()) -> SpecError:
    """What DuckDB says is wrong, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    message = _KIND.sub("", lines[0]) if lines else type(error).__name__
    missing = re.search(r'Referenced column "([^"]+)" not found|Referenced table "([^"]+)" not found', message)
    if missing and columns:
        name = missing[1] or missing[2]
        alike = [each for each in columns if each.startswith((f"{name}.", f"{name}/"))]
        if alike:
            remedy = f"a name with dots or slashes stands in double quotes, such as {quoted(alike[0])}"
        else:
            remedy = suggest(name, [*columns, TABLE])
        return SpecError(f"there is no column or table {name!r}", at=Location(option), remedy=remedy)
    if "does not exist" in message and "Table" in message:
        return SpecError(message.rstrip("!"), at=Location(option), remedy=f"the table is called {TABLE}")
    return SpecError(message, at=Location(option), remedy="see https://duckdb.org/docs/sql/introduction")
