"""Tables for the terminal: one result, a sweep's summary, a comparison with published figures."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from einsim.units import show_bytes, show_count, show_si

if TYPE_CHECKING:
    import polars as pl

Record = dict[str, Any]

_ROUNDING: Final = 1e-14  # relative differences below are of floating-point sums taken in another order


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1, fold: Collection[str] = ()
) -> Table:
    """A plain table; the first `left` columns are text, the others numbers. Cells of `fold` may take several lines."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    cells = list(rows)
    for position, name in enumerate(columns):
        justify: Literal["left", "right"] = "left" if position < left else "right"
        if name in fold:
            made.add_column(name, justify=justify, overflow="fold")
        else:
            width = max(cell_len(each) for each in (name, *(row[position] for row in cells)))
            made.add_column(name, justify=justify, no_wrap=True, min_width=width)
    for row in cells:
        made.add_row(*map(Text, row))  # never markup: brackets are indices here
    return made


def table_width(made: Table, wanted: int) -> int:
    """The columns that a table takes where `wanted` are there: more, if its cells would be cut otherwise."""
    console = Console(width=max(wanted, 100_000), height=1)  # without a height, rich has its own idea of the width
    return max(wanted, Measurement.get(console, console.options, made).minimum)


def run_report(record: Record) -> RenderableType:
    """Everything about one result: headline, Einsums, energy by part, words moved."""
    head = _headline(record)
    if not record["feasible"]:
        return Group(head, Text(f"infeasible: {record['reason']}", style="bold red"))
    return Group(head, Text(), _einsum_table(record), Text(), _energy_table(record), Text(), _movement_table(record))


def _headline(record: Record) -> RenderableType:
    sizes = ", ".join(f"{name}={show_count(size)}" for name, size in record["sizes"].items())
    where = f"{record['configuration']}: {record['cascade']} on {record['architecture']}"
    what = f"{record['model']} at {show_count(record['seq_len'])} tokens" if record["model"] else "custom shape"
    lines = [Text(f"{where}, {what} ({sizes}), {record['accounting']} accounting", style="bold")]
    if record["feasible"]:
        utilisation = ", ".join(
            f"{name} array {share:.1%}"
            for name, share in (("2D", record["util_2d"]), ("1D", record["util_1d"]))
            if share is not None
        )
        tiles = ", ".join(f"{name}={_tile(value)}" for name, value in record["tiles"].items())
        rows = [
            ("latency", f"{show_si(record['latency_s'], 's')} ({record['bound_by']}-bound)"),
            ("compute, memory", f"{show_si(record['compute_s'], 's')}, {show_si(record['memory_s'], 's')}"),
            ("energy", show_si(record["energy_pj"] * 1e-12, "J")),
            ("off-chip traffic", show_bytes(record["traffic_bytes"])),
            ("utilisation", utilisation),
            ("area", f"{record['area_um2'] / 1e6:.4g} mm²"),
            ("tiles", tiles or "-"),
            *(
                (f"held in {level}", show_held(record, level, record["occupancy_bytes"][level]))
                for level in record["occupancy_bytes"]
            ),
            *(
                ("assumed", f"{tensor} stays in {', '.join(levels)}, whether it fits or not")
                for tensor, levels in record["assumed"].items()
            ),
            *_dense(record),
            *(("note", note) for note in record["cost_notes"]),
        ]
        grid = Table.grid(padding=(0, 2))
        for name, value in rows:
            grid.add_row(Text(name, style="dim"), value)
        return Group(*lines, grid)
    return Group(*lines)


def _dense(record: Record) -> list[tuple[str, str]]:
    """That filters are not counted, where there are any."""
    if not record["counted_dense"]:
        return []
    names = ", ".join(record["counted_dense"])
    return [
        ("counted dense", f"{names}: points that `when` leaves out are counted; `einsim simulate` skips such tiles")
    ]


def show_held(record: Record, level: str, held_bytes: int) -> str:
    """What a memory holds, of how much, and what does not fit."""
    capacity = record["capacity_bytes"].get(level)
    held = f"{show_bytes(held_bytes)} of {show_bytes(capacity)}" if capacity else show_bytes(held_bytes)
    spilt = [f"{rule['proportion']:.1%} of {', '.join(rule['tensors'])}" for rule in record["spills"]
             if rule["level"] == level]  # fmt: skip
    return f"{held}; {' and '.join(spilt)} spills" if spilt else held


def _tile(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _einsum_table(record: Record) -> Table:
    total = sum(entry["energy_pj"] for entry in record["einsums"].values()) or 1.0
    rows = (
        (
            name,
            entry["array"],
            f"{entry['operations']:,}",
            f"{entry['cycles_per_point']}",
            f"{entry['elements']:,}",
            f"{entry['cycles']:,}",
            show_si(entry["energy_pj"] * 1e-12, "J"),
            f"{entry['energy_pj'] / total:.1%}",
        )
        for name, entry in record["einsums"].items()
    )
    columns = ("Einsum", "array", "points", "cycles/point", "elements used", "cycles", "energy", "share")
    return table("Einsums", columns, rows, left=2)


def _energy_table(record: Record) -> Table:
    parts = record["energy_by_part_pj"]
    total = sum(parts.values()) or 1.0
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    rows = ((name, show_si(energy * 1e-12, "J"), f"{energy / total:.1%}") for name, energy in ordered)
    return table("Energy by part", ("part", "energy", "share"), rows)


def _movement_table(record: Record) -> Table:
    rows = (
        (name, level, tensor, *(f"{moved[kind]:,.0f}" for kind in ("reads", "fills", "updates")))
        for name, entry in record["einsums"].items()
        for level, tensors in entry["levels"].items()
        for tensor, moved in tensors.items()
    )
    title = "Words moved (all instances)"
    return table(title, ("Einsum", "level", "tensor", "reads", "fills", "updates"), rows, left=3)


def sweep_summary(frame: pl.DataFrame, fields: Sequence[str], baseline: Record | None) -> RenderableType:
    """Per value of the first axis: points, speed-up and energy against the baseline, utilisation."""
    import polars as pl  # noqa: PLC0415

    first = fields[0]
    rows = []
    for value in frame[first].unique(maintain_order=True):
        group = frame.filter(pl.col(first) == value)
        fits = group.filter("feasible")
        row = [_cell(first, value), str(len(group)), str(len(group) - len(fits))]
        if baseline is not None:
            row += [_means(fits["speedup"], "x"), _means(fits["energy_ratio"], "")]
        for name in ("util_2d", "util_1d"):
            known: list[float] = fits[name].drop_nulls().to_list() if name in fits.columns else []
            row.append(f"{_mean(known):.1%}" if known else "-")
        rows.append(row)
    columns = [first, "points", "infeasible"]
    if baseline is not None:
        columns += ["speed-up, arith. / geom. mean", "energy ratio, arith. / geom. mean"]
    title = "Summary"
    if baseline is not None:
        title += " against " + ", ".join(f"{field} {value}" for field, value in baseline.items())
    return table(title, [*columns, "2D util.", "1D util."], rows)


def _cell(field: str, value: Any) -> str:
    return show_count(value) if field in {"seq_len", "batch"} else str(value)


def _means(values: pl.Series, unit: str) -> str:
    known = [value for value in values.to_list() if value is not None]
    if not known:
        return "-"
    return f"{_mean(known):.3f}{unit} / {math.exp(_mean([math.log(v) for v in known])):.3f}{unit}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def comparison_tables(
    comparison: pl.DataFrame, keys: Sequence[str], metrics: Sequence[str], *, width: int
) -> list[Table]:
    """Published, ours and relative difference, a row a point; as many metrics side by side as fit `width`."""
    several = max(1, (width - 14 * len(keys)) // 40)
    return [
        _comparison_table(comparison, keys, metrics[first : first + several])
        for first in range(0, len(metrics), several)
    ]


def _comparison_table(comparison: pl.DataFrame, keys: Sequence[str], metrics: Sequence[str]) -> Table:
    columns = [*keys]
    for metric in metrics:
        columns += [metric, "ours", "diff."]
    rows = []
    for entry in comparison.iter_rows(named=True):
        row = [_cell(key, entry[key]) for key in keys]
        for metric in metrics:
            published, ours, difference = (entry[f"{metric}/{part}"] for part in ("published", "ours", "difference"))
            row += [_number(published), _number(ours), _difference(difference)]
        rows.append(row)
    return table("Published, ours, and relative difference", columns, rows, left=len(keys))


def worst_table(comparison: pl.DataFrame, key: str, metrics: Sequence[str]) -> Table:
    """The largest relative difference of every metric, by value of one key."""
    import polars as pl  # noqa: PLC0415

    rows = []
    for value in comparison[key].unique(maintain_order=True):
        group = comparison.filter(pl.col(key) == value)
        worst = [group[f"{metric}/difference"].abs().max() for metric in metrics]
        rows.append([_cell(key, value), str(len(group)), *(_difference(w) for w in worst)])
    return table("Largest relative difference from the published rows", [key, "rows", *metrics], rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.7g}"


def _difference(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:+.1e}" if abs(value) >= _ROUNDING else "0" if value == 0 else "rounding"
