"""Sweeps: every point of a space evaluated, on all cores, into one table.

Points of one configuration that differ only in numbers are evaluated together by the compiled model
when there are many of them; the others one by one, exactly. Both give the same rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from einsim.errors import SpecError
from einsim.explore.space import Point, Space
from einsim.model.closed_form import Evaluation, evaluate, evaluate_many
from einsim.model.costs import cost_fields
from einsim.model.result import METRICS, Record, metrics, plain, reason
from einsim.schedule.environment import machine_fields
from einsim.schedule.nest import Shortfall
from einsim.spec.architecture import Architecture
from einsim.spec.configuration import Design
from einsim.spec.overrides import Override
from einsim.units import parse_bytes

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[int], None]
"""Called with the number of points just finished."""

_TOGETHER: Final = 2000  # points from which compiling the kernels (or loading them) pays
_POOL: Final = 400  # points from which worker processes pay
_CHUNK: Final = 16384  # points evaluated together at most: bounds memory


class Engine(StrEnum):
    """How points are evaluated: one by one with exact integers, many at once compiled, or as suits."""

    AUTO = "auto"
    EXACT = "exact"
    COMPILED = "compiled"


@dataclass(frozen=True, slots=True)
class Batch:
    """Points that share a structure, and the numbers in which they differ."""

    points: tuple[Point, ...]
    varying: tuple[str, ...]


def run_sweep(space: Space, progress: Progress, engine: Engine = Engine.AUTO) -> Iterator[pl.DataFrame]:
    """Evaluates a space; yields tables of finished points (column `index` says which).

    Raises SpecError for a point that is wrong (one that does not fit is a row with its reason).
    """
    single: list[Point] = []
    least = {Engine.EXACT: len(space) + 1, Engine.COMPILED: 1, Engine.AUTO: _TOGETHER}[engine]
    batches = group(space.points()) if len(space) >= least else [Batch(tuple(space.points()), ())]
    for batch in batches:
        if len(batch.points) < least:
            single.extend(batch.points)
            continue
        for start in range(0, len(batch.points), _CHUNK):
            part = Batch(batch.points[start : start + _CHUNK], batch.varying)
            yield _evaluate_batch(part)
            progress(len(part.points))
    for rows in _evaluate_single(single, progress):
        yield _frame(rows)


def group(points: Iterable[Point]) -> list[Batch]:
    """Batches of points with the same files, the same non-numeric settings and the same recorded choices."""
    groups: dict[tuple[Any, ...], list[Point]] = {}
    for point in points:
        structure = tuple((change.name, str(change.value)) for change in point.overrides if not _is_number(change))
        numeric = tuple(change.name for change in point.overrides if _is_number(change))
        model = (point.workload.model is None, point.workload.model, point.workload.seq_len)
        key = (point.configuration, point.architecture, point.accounting, structure, numeric, model)
        groups.setdefault(key, []).append(point)
    return _merge_lengths([Batch(tuple(members), key[4]) for key, members in groups.items()])


def _merge_lengths(batches: list[Batch]) -> list[Batch]:
    """Batches of one configuration that differ in model and length only, where the choices agree."""
    merged: dict[tuple[Any, ...], list[Point]] = {}
    for batch in batches:
        first = batch.points[0]
        structure = tuple((change.name, str(change.value)) for change in first.overrides if not _is_number(change))
        design = first.design()
        key = (
            first.configuration, first.architecture, first.accounting, structure, batch.varying, design.choices,
            tuple(name for name, _ in first.workload.sizes),
        )  # fmt: skip
        merged.setdefault(key, []).extend(batch.points)
    return [Batch(tuple(points), key[4]) for key, points in merged.items()]


def _is_number(change: Override) -> bool:
    """Whether an override can be a column of the compiled model."""
    if change.target == "mapping" or isinstance(change.value, bool):
        return False
    return isinstance(change.value, (int, float)) or _as_bytes(change.value) is not None


def _as_bytes(value: Any) -> int | None:
    try:
        return parse_bytes(value) if isinstance(value, str) else None
    except ValueError:
        return None


def column_name(change: Override, machine: Architecture) -> str:
    """The model's name of an overridden number: `arch.array2d.operations.mac.energy_pj` -> `array2d.mac.energy_pj`.

    Raises SpecError where the path names no number of the machine.
    """
    if change.target == "workload":
        return change.path[0]
    parts = [part for part in change.path if part not in {"memories", "arrays", "operations"}]
    if len(parts) > 2 and parts[1] == "registers" and parts[0] in machine.arrays:
        parts = [machine.arrays[parts[0]].registers.name, *parts[2:]]
    name = ".".join(parts)
    if name not in machine_fields(machine) and name not in cost_fields(machine):
        raise SpecError(f"{change.name} is no number of {machine.name!r}", at=change.at)
    return name


def _evaluate_batch(batch: Batch) -> pl.DataFrame:
    """One table for points that share a structure; falls back to exact counts where 64 bits are too few."""
    points = batch.points
    design = points[0].design()
    columns = {name: np.array([dict(p.workload.sizes)[name] for p in points]) for name, _ in points[0].workload.sizes}
    for position, change in enumerate(points[0].overrides):
        if _is_number(change):
            name = column_name(change, design.architecture)
            values = [_number(point.overrides[position]) for point in points]
            columns[name] = np.array(values)
    try:
        evaluation = evaluate_many(design, columns)
    except OverflowError:
        return _frame([_evaluate_point(point) for point in points])
    return _table(points, design, evaluation)


def _number(change: Override) -> int | float:
    value = change.value
    as_bytes = _as_bytes(value)
    return as_bytes if as_bytes is not None else value  # type: ignore[return-value]


def _table(points: Sequence[Point], design: Design, evaluation: Evaluation) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables

    total = len(points)
    feasible = np.broadcast_to(evaluation.feasible, total)
    columns: dict[str, Any] = {"index": np.array([point.index for point in points])}
    for position, (field, _) in enumerate(points[0].coordinates):
        columns[field] = [point.coordinates[position][1] for point in points]
    columns["feasible"] = feasible
    columns["reason"] = _reasons(evaluation, total)
    for name, values in _numbers(design, evaluation).items():
        wide = np.broadcast_to(np.asarray(values, float), total)
        columns[name] = pl.Series(wide).set(pl.Series(~feasible), None)
    columns["command"] = [point.command for point in points]
    return pl.DataFrame(columns, strict=False)


def _reasons(evaluation: Evaluation, total: int) -> list[str | None]:
    reasons: list[str | None] = [None] * total
    for shortfall in reversed(evaluation.schedule.shortfalls):
        wide = [np.broadcast_to(part, total) for part in (shortfall.where, shortfall.needed, shortfall.available)]
        for i in np.flatnonzero(wide[0]):
            one = Shortfall(True, shortfall.what, int(wide[1][i]), int(wide[2][i]), shortfall.unit)
            reasons[i] = reason((one,))
    return reasons


def _numbers(design: Design, evaluation: Evaluation) -> Record:
    """Metrics, energy by part and busy cycles by array, flat."""
    numbers = {name: value for name, value in metrics(design, evaluation).items() if value is not None}
    numbers |= {f"energy_pj/{part}": value for part, value in evaluation.energy_by_part_pj.items()}
    return numbers | {f"cycles/{array}": value for array, value in evaluation.cycles_by_array.items()}


def _evaluate_point(point: Point) -> Record:
    design = point.design()
    evaluation = evaluate(design)
    row: Record = {"index": point.index, **dict(point.coordinates)}
    row |= {"feasible": bool(evaluation.feasible), "reason": reason(evaluation.schedule.shortfalls)}
    numbers = {name: float(plain(value)) for name, value in _numbers(design, evaluation).items()}
    row |= numbers if evaluation.feasible else dict.fromkeys(numbers)
    row["command"] = point.command
    return row


def _evaluate_single(points: list[Point], progress: Progress) -> Iterator[list[Record]]:
    cores = os.cpu_count() or 1
    if len(points) < _POOL or cores == 1:
        for point in points:
            yield [_evaluate_point(point)]
            progress(1)
        return
    with ProcessPoolExecutor(cores, mp_context=get_context("forkserver")) as pool:
        try:
            chunks = [points[i : i + 25] for i in range(0, len(points), 25)]
            for rows in pool.map(_evaluate_points, chunks):
                yield rows
                progress(len(rows))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _evaluate_points(points: list[Point]) -> list[Record]:
    return [_evaluate_point(point) for point in points]


def _frame(rows: list[Record]) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415

    return pl.DataFrame(rows, infer_schema_length=None, strict=False)


def finish(space: Space, tables: list[pl.DataFrame]) -> pl.DataFrame:
    """One table in the order of the space, with `speedup` and `energy_ratio` against the baseline.

    speedup is the baseline's latency over the point's, energy_ratio the point's energy over the
    baseline's, for the same coordinates on all other axes; null where either is infeasible.
    """
    import polars as pl  # noqa: PLC0415

    frame = pl.concat(tables, how="diagonal_relaxed").sort("index")
    lead = ["index", *space.fields, "feasible", "reason", *(name for name in METRICS if name in frame.columns)]
    parts = [name for name in frame.columns if name not in lead and name != "command"]
    frame = frame.select(*lead, *parts, "command")
    baseline = space.file.baseline
    if baseline is None:
        return frame.with_columns(speedup=pl.lit(None, pl.Float64), energy_ratio=pl.lit(None, pl.Float64))
    shown = {field: _shown_value(field, value) for field, value in baseline.items()}
    others = [field for field in space.fields if field not in shown]
    base = frame.filter([pl.col(field) == value for field, value in shown.items()])
    base = base.select(*others, base_latency="latency_s", base_energy="energy_pj")
    joined = frame.join(base, on=others, how="left") if others else frame.join(base, how="cross")
    joined = joined.with_columns(
        speedup=pl.col("base_latency") / pl.col("latency_s"), energy_ratio=pl.col("energy_pj") / pl.col("base_energy")
    )
    return joined.drop("base_latency", "base_energy").sort("index")


def _shown_value(field: str, value: Any) -> Any:
    from einsim.units import parse_count  # noqa: PLC0415

    return parse_count(value) if field in {"seq_len", "batch"} else value
