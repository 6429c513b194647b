"""`einsim sweep`: many designs, a table, pictures, and a comparison with published results."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from einsim.cli.common import JsonOption, console, print_json
from einsim.errors import Location
from einsim.explore import store
from einsim.explore.rows import finish
from einsim.explore.space import Space, load_space
from einsim.explore.sweep import Engine, run_sweep
from einsim.report.comparison import compare, read_published
from einsim.report.tables import comparison_tables, sweep_summary, worst_table
from einsim.spec import library

if TYPE_CHECKING:
    import polars as pl


def sweep(
    file: Annotated[str, Parameter(help="A sweep file")],
    *,
    out: Annotated[Path | None, Parameter(name="--out", help="Output folder [results/NAME]")] = None,
    engine: Annotated[
        Engine, Parameter(name="--engine", help="One by one and exact, all together and compiled, or as suits")
    ] = Engine.AUTO,
    figures: Annotated[bool, Parameter(name="--figures", help="Draw the figures")] = True,
    json: JsonOption = False,
) -> int:
    """Evaluate every point of a sweep file; write tables, figures and the inputs of every row.

    Example: einsim sweep experiments/fusemax/attention.yaml --out results/attention
    """
    space = load_space(library.find("experiment", file, at=Location("sweep")))
    published = _published(space)
    folder = store.prepare(out or Path("results") / space.file.name)
    started = time.perf_counter()
    tables, interrupted = _evaluate(space, engine)
    seconds = time.perf_counter() - started
    if not tables:
        raise KeyboardInterrupt
    frame = finish(space, tables)
    files = store.write_table(folder, "results", frame)
    if figures and not interrupted:
        files += _draw(space, frame, folder)
    report = _Report(space, frame, published)
    if report.comparison is not None:
        files += store.write_table(folder, "comparison", report.comparison)
    inputs = store.write_inputs(folder, space, frame)
    files.append(store.write_manifest(folder, space, rows=len(frame), inputs=inputs, files=files, seconds=seconds))
    if json:
        print_json({"folder": str(folder), "rows": len(frame), "files": [str(path) for path in files],
                    "summary": report.summary()})  # fmt: skip
    else:
        report.print(folder, seconds)
    if interrupted:
        print(f"einsim: interrupted: {len(frame)} of {len(space)} points are in {folder}", file=sys.stderr)
        return 130
    return 0


def _evaluate(space: Space, engine: Engine) -> tuple[list[pl.DataFrame], bool]:
    """Finished tables, and whether Ctrl-C cut the sweep short."""
    tables: list[pl.DataFrame] = []
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty(),
    )  # fmt: skip
    try:
        with bar:
            task = bar.add_task(space.file.name, total=len(space))
            for part in run_sweep(space, lambda done: bar.advance(task, done), engine):
                tables.append(part)
    except KeyboardInterrupt:
        return tables, True
    return tables, False


def _draw(space: Space, frame: pl.DataFrame, folder: Path) -> list[Path]:
    from einsim.report.drawing import draw_files  # noqa: PLC0415 - matplotlib is slow to import

    gc.freeze()  # see einsim.cli.app
    return draw_files(space.file.figures, frame, space.fields, space.file.baseline, folder)


def _published(space: Space) -> tuple[pl.DataFrame, str] | None:
    """The published results that the sweep file names, and their file."""
    if space.file.published is None:
        return None
    at = space.document.locate(("published",))
    path = library.find("experiment", space.file.published, at=at, beside=space.folder)
    return read_published(library.read(path), str(path)), str(path)


class _Report:
    """What is printed at the end."""

    def __init__(self, space: Space, frame: pl.DataFrame, published: tuple[pl.DataFrame, str] | None) -> None:
        self.space = space
        self.frame = frame
        self.comparison: pl.DataFrame | None = None
        if published is not None:
            self.comparison, self.keys, self.metrics = compare(frame, published[0], space.fields, published[1])

    def summary(self) -> list[dict[str, object]]:
        """Means by value of the first axis, for scripts."""
        import polars as pl  # noqa: PLC0415

        first = self.space.fields[0]
        fits = self.frame.filter("feasible")
        means = fits.group_by(first, maintain_order=True).agg(
            pl.len().alias("points"),
            pl.col("speedup").mean().alias("speedup_arithmetic"),
            pl.col("speedup").log().mean().exp().alias("speedup_geometric"),
            pl.col("energy_ratio").mean().alias("energy_ratio_arithmetic"),
            pl.col("energy_ratio").log().mean().exp().alias("energy_ratio_geometric"),
        )
        return means.to_dicts()

    def print(self, folder: Path, seconds: float) -> None:
        """The summary, the comparison row by row, and where everything is."""
        out = console()
        if self.comparison is not None:
            for part in comparison_tables(self.comparison, self.keys, self.metrics, width=out.width):
                out.print(part)
                out.print()
            out.print(worst_table(self.comparison, self.keys[0], self.metrics))
            out.print()
        out.print(sweep_summary(self.frame, self.space.fields, self.space.file.baseline))
        reasons = self.frame.filter(~self.frame["feasible"])["reason"].unique().to_list()
        for text in reasons[:5]:
            out.print(f"infeasible: {text}")
        out.print(f"\n{len(self.frame)} points in {seconds:.2f} s; tables, figures and inputs are in {folder}")
