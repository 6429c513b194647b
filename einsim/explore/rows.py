"""Rows of results: of one design, of many at once, and the finished table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from einsim.explore.point import Point
from einsim.explore.space import Space, baseline
from einsim.explore.sweepfile import TimeModel
from einsim.model.closed_form import Evaluation, evaluate
from einsim.model.cycle.evaluation import simulate_design
from einsim.model.cycle.result import cycle_metrics
from einsim.model.cycle.whole import simulate_whole, whole_metrics, whole_stalls
from einsim.model.result import METRICS, Record, metrics, plain, reason
from einsim.model.wholeresult import whole_record
from einsim.schedule.nest import Shortfall
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number
from einsim.units import INT64_MAX

if TYPE_CHECKING:
    import polars as pl

_EXACT_FLOAT: Final = float(1 << 53)  # whole numbers below are exact as floats


@dataclass(frozen=True, slots=True)
class _Cycles:
    """What the cycle model says of a point; `why_not` where it does not fit."""

    numbers: Record
    stalls: dict[str, dict[str, int]]
    why_not: str | None


def evaluate_point(point: Point) -> Record:
    """The row of one point, evaluated alone and exactly."""
    if point.lengths is not None:
        return _whole_row(point)
    design = point.design()
    evaluation = evaluate(design)
    row: Record = {"index": point.index, **dict(point.coordinates)}
    row |= {"feasible": bool(evaluation.feasible), "reason": reason(evaluation.schedule.shortfalls)}
    numbers = {name: plain(value) for name, value in _numbers(design, evaluation).items()}
    row |= numbers if evaluation.feasible else dict.fromkeys(numbers)
    if point.time_model is not TimeModel.CLOSED_FORM:
        simulation = simulate_design(design)
        stalls = simulation.stalls() if simulation.feasible else {}
        why_not = simulation.stuck or reason(simulation.shortfalls)
        row |= _simulated(_Cycles(cycle_metrics(simulation), stalls, why_not), row, point.time_model)
    return {**row, "command": point.command}


def _whole_row(point: Point) -> Record:
    """The row of a point of which more than the attention is run: the sums over its kernels."""
    whole = point.whole()
    found = whole_record(whole)
    row: Record = {"index": point.index, **dict(point.coordinates)}
    row |= {"feasible": found["feasible"], "reason": found["reason"]}
    row |= {name: found[name] for name in METRICS}
    held = [held_bytes(each.evaluation) for each in whole.kernels if each.evaluation is not None]
    row["held_bytes"] = max(held) if found["feasible"] else None
    row |= {f"energy_pj/{part}": energy for part, energy in found["energy_by_part_pj"].items()}
    if point.time_model is not TimeModel.CLOSED_FORM:
        simulated = simulate_whole(whole, Timing())
        cycles = _Cycles(whole_metrics(simulated), whole_stalls(simulated), simulated.why_not)
        row |= _simulated(cycles, row, point.time_model)
    return {**row, "command": point.command}


def _simulated(cycles: _Cycles, row: Record, model: TimeModel) -> Record:
    """What the cycle model says of a point, beside the closed form's numbers or instead of those of the same name."""
    numbers = cycles.numbers
    found: Record = {f"simulated/{name}": numbers[name] for name in ("cycles", "latency_s")}
    found |= {f"simulated/{name}": numbers[name] for name in ("util_2d", "util_1d") if name in row}
    for array, causes in cycles.stalls.items():
        found |= {f"stalls/{array}/{cause}": lost / numbers["cycles"] for cause, lost in causes.items()}
    found["simulated/reason"] = cycles.why_not
    if model is TimeModel.CYCLE:
        found |= {name: numbers[name] for name in ("latency_s", "util_2d", "util_1d") if name in row}
        if cycles.why_not is not None:
            found |= {"feasible": False, "reason": cycles.why_not} | {n: None for n in METRICS if n in row}
    return found


def held_bytes(evaluation: Evaluation) -> Number:
    """Bytes that a design keeps on chip at one time."""
    return sum(evaluation.schedule.occupancy.values(), start=0)


def table_of_rows(rows: Sequence[Record]) -> pl.DataFrame:
    """A table of rows; what a row has not is null."""
    import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables

    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame([_series(name, [row.get(name) for row in rows]) for name in names])


def tables_of_rows(rows: Iterable[Record]) -> list[pl.DataFrame]:
    """Tables of rows, one for each set of columns: what a row has not is no column. Rows are in order of `index`."""
    alike: dict[tuple[str, ...], list[Record]] = {}
    for row in sorted(rows, key=lambda row: row["index"]):
        alike.setdefault(tuple(row), []).append(row)
    return [table_of_rows(each) for each in alike.values()]


def table_of_many(
    lead: Sequence[pl.Series], command: pl.Series, shape: tuple[int, ...], design: Design, evaluation: Evaluation
) -> pl.DataFrame:
    """The rows of points that were evaluated at once, over a grid of some shape.

    `lead` are the columns before results (index and coordinates), `command` is the last.
    """
    import polars as pl  # noqa: PLC0415

    feasible = pl.Series("feasible", _wide(evaluation.feasible, shape))
    columns = [*lead, feasible, _reasons(evaluation, shape)]
    fits = bool(feasible.all())
    for name, values in _numbers(design, evaluation).items():
        wide = _wide(values, shape)
        kept = wide if _is_count(name) and wide.dtype.kind == "i" else wide.astype(np.float64)
        column = pl.Series(name, kept)
        columns.append(column if fits else column.set(~feasible, None))
    return pl.DataFrame([*columns, command])


def _wide(values: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """A number at every point of a grid, one after another."""
    return np.broadcast_to(np.asarray(values), shape).reshape(-1)


def _is_count(name: str) -> bool:
    """Whether a number is a count: exact in the table while 64 bits hold it."""
    return name in {"traffic_bytes", "held_bytes", "simulated/cycles"} or name.startswith("cycles/")


def _series(name: str, values: list[Any]) -> pl.Series:
    import polars as pl  # noqa: PLC0415

    if name in {"reason", "simulated/reason"}:
        return pl.Series(name, values, pl.String)
    if _is_count(name):
        whole = all(value is None or (isinstance(value, int) and value <= INT64_MAX) for value in values)
        kind = pl.Int64() if whole else pl.Float64()
        return pl.Series(name, values if whole else [None if v is None else float(v) for v in values], kind)
    if name in METRICS or name.startswith(("energy_pj/", "simulated/", "stalls/")):
        return pl.Series(name, [None if value is None else float(value) for value in values], pl.Float64)
    return pl.Series(name, values)


def _reasons(evaluation: Evaluation, shape: tuple[int, ...]) -> pl.Series:
    """Why points do not fit (the first shortfall of each), as `reason` says it."""
    import polars as pl  # noqa: PLC0415

    left = np.ones(prod(shape), np.bool_)
    parts = []
    for shortfall in evaluation.schedule.shortfalls:
        if not np.any(shortfall.where):
            continue
        here = np.flatnonzero(_wide(shortfall.where, shape) & left)
        left[here] = False
        both = {name: _wide(getattr(shortfall, name), shape)[here] for name in ("needed", "available")}
        pairs = pl.DataFrame({"place": here, **both}, schema_overrides={"place": pl.Int64})
        parts.append(pairs.select("place", reason=_reason(shortfall, pairs["needed"], pairs["available"])))
    rest = np.flatnonzero(left)
    parts.append(pl.DataFrame({"place": rest, "reason": pl.repeat(None, len(rest), dtype=pl.String, eager=True)}))
    return pl.concat(parts).sort("place")["reason"]


def _reason(shortfall: Shortfall, needed: pl.Series, available: pl.Series) -> pl.Series:
    """Reasons that differ in numbers only: each pair is said once."""
    import polars as pl  # noqa: PLC0415

    pairs = pl.DataFrame({"needed": needed, "available": available})
    different = pairs.unique()
    said = [reason((replace(shortfall, where=True, needed=a, available=b),)) for a, b in different.iter_rows()]
    texts = different.with_columns(reason=pl.Series(said, dtype=pl.String))
    return pairs.join(texts, on=["needed", "available"], how="left", maintain_order="left")["reason"]


def _numbers(design: Design, evaluation: Evaluation) -> Record:
    """Metrics, energy by part and busy cycles by array, flat."""
    numbers = {name: value for name, value in metrics(design, evaluation).items() if value is not None}
    numbers["held_bytes"] = held_bytes(evaluation)
    numbers |= {f"energy_pj/{part}": value for part, value in evaluation.energy_by_part_pj.items()}
    return numbers | {f"cycles/{array}": value for array, value in evaluation.cycles_by_array.items()}


def finish(space: Space[Any], tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """One table in the order of the space, with `speedup` and `energy_ratio` against the baseline.

    speedup is the baseline's latency over the point's, energy_ratio the point's energy over the
    baseline's, for the same coordinates on all other axes; null where either is infeasible. Traffic and cycles
    are integers where 64 bits hold all of a column, and floats where not.
    """
    import polars as pl  # noqa: PLC0415

    ordered = sorted(tables, key=lambda table: table["index"][0])  # in whichever order they came, columns are the same
    frame = pl.concat(ordered, how="diagonal_relaxed")
    if not frame["index"].is_sorted():
        frame = _in_order(frame)
    lead = ["index", *space.fields, "feasible", "reason", *(name for name in METRICS if name in frame.columns)]
    parts = [name for name in frame.columns if name not in lead and name != "command"]
    frame = frame.select(*lead, *(_exact(frame[name]) for name in parts), "command")
    frame = frame.with_columns(_exact(frame["traffic_bytes"]))
    if not space.base:
        return frame.with_columns(speedup=pl.lit(None, pl.Float64), energy_ratio=pl.lit(None, pl.Float64))
    base = _baselines(space, frame["index"].to_numpy())
    return frame.with_columns(
        speedup=frame["latency_s"].gather(base) / frame["latency_s"],
        energy_ratio=frame["energy_pj"] / frame["energy_pj"].gather(base),
    )


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows by index, column by column: twice the table would be too much."""
    import polars as pl  # noqa: PLC0415

    order = frame["index"].arg_sort()
    columns = []
    for name in frame.columns:
        columns.append(frame[name].gather(order))
        frame = frame.drop(name)
    return pl.DataFrame(columns)


def _baselines(space: Space[Any], index: NDArray[np.int64]) -> pl.Series:
    """For each of some points in order, the row that has its baseline; null where there is none."""
    import polars as pl  # noqa: PLC0415

    base = baseline(space, index)
    rows = np.minimum(index.searchsorted(base), len(index) - 1)
    return pl.Series(rows).set(pl.Series(index[rows] != base), None)


def _exact(column: pl.Series) -> pl.Series:
    """A column of counts as integers, where floats have lost nothing."""
    import polars as pl  # noqa: PLC0415

    if not _is_count(column.name) or column.dtype != pl.Float64:
        return column
    whole = ((column == column.floor()) & (column < _EXACT_FLOAT)).all()
    return column.cast(pl.Int64) if whole else column
