"""Results that sum up rows: designs of a search, means of a sweep, its rows beside published ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from einsim.cli.replay import RATIOS, Traced, command_words, having, replayed
from einsim.errors import InfeasibleError, Location, SpecError
from einsim.explore import tables
from einsim.explore.searchfile import MEANS, MOST, scale_of
from einsim.model.result import METRICS, Record
from einsim.model.steps import Explain, Fields, How, Step, counted, found, made, named
from einsim.report.comparison import PLACE
from einsim.report.recorded import Recorded, as_counted, as_found
from einsim.spec.pricing import Origin

CHAINED: Final = 64
"""Rows of a mean that are made again; those of more are said where they are explained."""
_UNITS: Final = {"latency_s": "s", "energy_pj": "pJ", "traffic_bytes": "bytes", "area_um2": "um2",
                 "held_bytes": "bytes"}  # fmt: skip
_PICO: Final = 1e-12
_SIMULATED: Final = "simulated/"
_MEANS_OF_RATIOS: Final = frozenset(f"{ratio}_{mean}" for ratio in RATIOS for mean in ("geometric", "arithmetic"))
_LISTS: Final = ("front", "confirmed", "compared")


def is_summary(saved: Record) -> bool:
    """Whether a row stands for others: a design, or a published row with ours."""
    return PLACE in saved or ("design" in saved and "index" not in saved)


def summary_again(saved: Record, at: Location) -> Traced:
    """A row that stands for others, by these."""
    return _comparison(saved, at) if PLACE in saved else _design(saved, at)


@dataclass(frozen=True)
class _Rows:
    """Rows of one table: few are made again, of many each is a number to be explained by itself."""

    table: Path
    rows: Sequence[Record]

    def __post_init__(self) -> None:
        object.__setattr__(self, "traced", cache(self.traced))

    def traced(self, place: int) -> Traced:
        """A row made again."""
        row = self.rows[place]
        return replayed(row, self.at(row))

    def at(self, row: Record) -> Location:
        """Where a row is."""
        return Location(f"{self.table}#{row['index']}")

    def steps(self, name: str) -> list[Step]:
        """A column's number in every row that has it."""
        return [self.step(name, place) for place, row in enumerate(self.rows) if row.get(name) is not None]

    def step(self, name: str, place: int = 0) -> Step:
        """A column's number in one row."""
        row = self.rows[place]
        title = f"{name} of {self.table.name}#{row['index']}"
        if len(self.rows) > CHAINED:
            return found(title, row[name], _UNITS.get(name, ""), f"explained at {self.at(row)}")
        return named(self.traced(place).fields[name](), title)

    def derived(self, name: str, latency: str) -> list[Step]:
        """Power or energy-delay product of every row."""
        return [_product(name, *pair) for pair in zip(self.steps("energy_pj"), self.steps(latency), strict=True)]


def _product(name: str, energy: Step, latency: Step) -> Step:
    joules = made("energy", "J", How.PRODUCT, [energy, counted("J a pJ", _PICO)])
    if name == "power_w":
        return made("power", "W", How.QUOTIENT, [joules, latency])
    return made("energy-delay product", "J s", How.PRODUCT, [joules, latency])


# A design of a search: means and maxima over the points that it stands for.


def _design(saved: Record, at: Location) -> Traced:
    path = tables.file_and_row(at.source)[0]
    having(saved, at, design=int, feasible=bool)
    if not saved["feasible"]:
        raise InfeasibleError(f"infeasible, so that there is nothing to explain: {saved.get('reason')}")
    table, rows = tables.rows_behind(path, saved["design"])
    about = {"configuration": f"design {saved.get('name', saved['design'])} of {path}",
             "cascade": f"{len(rows)} points in {table}"}  # fmt: skip
    return Traced(Fields(_design_fields(saved, at, path, _Rows(table, rows))), about)


def _design_fields(saved: Record, at: Location, path: Path, rows: _Rows) -> dict[str, Explain]:
    of = _Columns(rows, simulated=path.stem == "confirmed")
    own: dict[str, Explain] = {}
    inputs = list(saved)[: list(saved).index("feasible")]
    for name, value in saved.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        if name == "design":
            own[name] = partial(counted, name, value, note="the design's number in its search")
        elif name in inputs:
            own[name] = partial(Step, name, value, "", How.GIVEN, origin=Origin(at, "the design's coordinate"))
        elif name == "violation":
            own[name] = partial(_violation, saved, at, path, own)
        elif name in {"closed_form_s", "simulated_s"}:
            own[name] = partial(of.mean, "latency_s", "" if name == "closed_form_s" else _SIMULATED, name)
        elif name == "difference":
            own[name] = partial(_difference, of)
        elif name in MEANS:
            own[name] = partial(of.mean, name)
        elif name in MOST:
            own[name] = partial(of.most, name)
    return own


@dataclass(frozen=True)
class _Columns:
    """Numbers of a design over its points, by one model's columns or the other's."""

    rows: _Rows
    simulated: bool

    def column(self, name: str, prefix: str | None = None) -> str:
        """The column of the points that a number is of."""
        prefix = (_SIMULATED if self.simulated else "") if prefix is None else prefix
        there = name in {"latency_s", "util_2d", "util_1d"} and prefix + name in self.rows.rows[0]
        return prefix + name if there else name

    def steps(self, name: str, prefix: str | None = None) -> list[Step]:
        """A number of every point."""
        if name in {"edp_js", "power_w"}:
            return self.rows.derived(name, self.column("latency_s"))
        return self.rows.steps(self.column(name, prefix))

    def mean(self, name: str, prefix: str | None = None, title: str | None = None) -> Step:
        """Over all points, geometrically."""
        steps = self.steps(name, prefix)
        return made(title or name, steps[0].unit, How.MEAN, steps)

    def most(self, name: str) -> Step:
        """The largest of all points."""
        steps = self.steps(name)
        return made(name, steps[0].unit, How.GREATEST, steps)


def _difference(of: _Columns) -> Step:
    """How much longer the cycle model takes than the closed form, relative."""
    both = [of.mean("latency_s", _SIMULATED, "latency in the cycle model"),
            of.mean("latency_s", "", "latency by the closed form")]  # fmt: skip
    return _relative("difference", *both)


def _relative(name: str, one: Step, other: Step) -> Step:
    return made(name, "", How.DIFFERENCE, [made("ratio", "", How.QUOTIENT, [one, other]), counted("the same", 1)])


def _violation(saved: Record, at: Location, path: Path, own: dict[str, Explain]) -> Step:
    """By how much the search's constraints are missed, relative to each."""
    known = tables.search_of(path)
    if known is None:
        note = "what it misses the search's constraints by, which its folder does not say any more"
        return found("violation", saved["violation"], "", note)
    file, document = known
    steps = []
    for name, bound in file.constraints.items():
        for side in ("at_most", "at_least"):
            limit = getattr(bound, side)
            if limit is None or name not in own:
                continue
            origin = Origin(document.locate(("constraints", name, side)), "a constraint of the search")
            given = Step(f"{name} {side.replace('_', ' ')}", limit, "", How.GIVEN, origin=origin)
            pair = [own[name](), given] if side == "at_most" else [given, own[name]()]
            size = given if limit == scale_of(limit) else counted("its size", scale_of(limit))
            missed = made(f"{name} beyond it", "", How.QUOTIENT, [made("missed", "", How.DIFFERENCE, pair), size])
            steps.append(made(f"{name}, {side.replace('_', ' ')}", "", How.GREATEST, [counted("kept", 0), missed]))
    return made("violation", "", How.SUM, steps) if steps else counted("violation", 0.0, note="there is no constraint")


# The record that a search prints with --json.


def search_again(saved: Record, at: Location) -> Traced:
    """What a search printed: its designs by the tables in its folder."""
    command_words(saved, at, ("search",))
    record = Recorded(having(saved, at, **dict.fromkeys(_LISTS, list)))
    folder = _folder(saved, at)
    inner: dict[str, Callable[[], Fields]] = {}
    for kind in _LISTS:
        for place, row in enumerate(saved[kind]):
            having(row, Location(f"{at}: {kind}/{place}"), design=int, feasible=bool)
            there = Location(f"{folder / kind}.parquet#{row['design']}")
            inner[f"{kind}/{place}"] = partial(_fields_of, row, there)
    own = record.fields({
        "designs": as_counted("", "all designs of the space"),
        "evaluated": as_counted("", f"rows of {folder / 'designs.parquet'}"),
        "feasible": as_counted("", f"rows of {folder / 'designs.parquet'} whose violation is 0"),
        "hypervolume": as_found("", "the share of the objectives' box, from the best to the worst of every "
                                    "design, that the front dominates"),
    }).own  # fmt: skip
    return Traced(Fields(own, inner), {"configuration": "search", "cascade": str(folder)})


def _folder(saved: Record, at: Location) -> Path:
    """Where the tables of a sweep or search are. Raises SpecError where they are not."""
    folder = Path(having(saved, at, folder=str)["folder"])
    if not folder.is_dir():
        raise SpecError(f"its tables were written to {folder}, which is not there", at=at,
                        remedy="go to where it was made, or make it anew")  # fmt: skip
    return folder


def _fields_of(row: Record, at: Location) -> Fields:
    path = tables.file_and_row(at.source)[0]
    return Fields(_design_fields(row, at, path, _Rows(*tables.rows_behind(path, row["design"]))))


# A sweep: means of its rows, and its rows beside published ones.


def sweep_again(saved: Record, at: Location) -> Traced:
    """What a sweep printed: means over rows of its table."""
    command_words(saved, at, ("sweep",))
    having(saved, at, rows=int, summary=list)
    table = _folder(saved, at) / "results.parquet"
    own: dict[str, Explain] = {"rows": partial(counted, "rows", saved["rows"], "", f"of {table}")}
    for place, mean in enumerate(saved["summary"]):
        having(mean, Location(f"{at}: summary/{place}"), points=int, infeasible=int)
        field, value = next(iter(mean.items()))
        rows = cache(partial(_summed, table, field, value))
        for name, number in mean.items():
            path = f"summary/{place}/{name}"
            if name in {"points", "infeasible"}:
                what = "feasible" if name == "points" else "infeasible"
                own[path] = partial(counted, name, number, "", f"{what} rows of {field} = {value}")
            elif number is not None and name in _MEANS_OF_RATIOS:
                own[path] = partial(_mean, name, rows)
            elif name == field and isinstance(number, (int, float)):
                own[path] = partial(counted, name, number, "", "the value of the sweep's first axis")
    return Traced(Fields(own), {"configuration": "sweep", "cascade": str(table)})


def _summed(table: Path, field: str, value: Any) -> _Rows:
    return _Rows(table, tables.rows_where(table, {field: value, "feasible": True}))


def _mean(name: str, rows: Callable[[], _Rows]) -> Step:
    """`speedup_geometric` or `speedup_arithmetic`, of the rows' own."""
    column, _, kind = name.rpartition("_")
    steps = rows().steps(column)
    if kind == "geometric":
        return made(name, "", How.MEAN, steps)
    return made(name, "", How.QUOTIENT, [made("sum", "", How.SUM, steps), counted("rows", len(steps))])


def _comparison(saved: Record, at: Location) -> Traced:
    """A published row with the row of the sweep that is the same point."""
    having(saved, at, index=int, **{PLACE: str})
    path = tables.file_and_row(at.source)[0]
    keys = {name: value for name, value in saved.items() if "/" not in name and name not in {PLACE, "index"}}
    table = path.with_name("results.parquet")
    rows = cache(lambda: _Rows(table, tables.rows_where(table, {"index": saved["index"]})))
    source, _, line = saved[PLACE].rpartition(":")
    own: dict[str, Explain] = {"index": partial(counted, "index", saved["index"], "", f"the row's number in {table}")}
    for name, value in saved.items():
        if name in keys and isinstance(value, (int, float)) and not isinstance(value, bool):
            own[name] = partial(Step, name, value, "", How.GIVEN, origin=Origin(at, "the row's coordinate"))
    columns = dict.fromkeys(name.rpartition("/")[0] for name in saved if "/" in name)
    for column in columns:
        metric = next((each for each in METRICS if column == each or column.startswith(f"{each}_")), None)
        if metric is None:
            continue
        unit = _UNITS.get(metric, "")
        there = Origin(Location(source, int(line) if line.isdecimal() else None), "published")
        theirs = partial(Step, f"{column}, published", saved.get(f"{column}/published"), unit, How.GIVEN, origin=there)
        mine = partial(lambda metric: rows().step(metric), metric)
        more: dict[str, Explain] = {
            "published": theirs, "ours": mine,
            "difference": partial(lambda mine, theirs: _relative("difference", mine(), theirs()), mine, theirs),
        }  # fmt: skip
        own |= {f"{column}/{kind}": explain for kind, explain in more.items()
                if isinstance(saved.get(f"{column}/{kind}"), (int, float))}  # fmt: skip
    about = {"configuration": f"row of {path}", "cascade": ", ".join(map(str, keys.values()))}
    return Traced(Fields(own), about)
