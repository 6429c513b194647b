"""`einsim sweep`: many designs, a table, pictures, and a comparison with published results."""

from __future__ import annotations

import gc
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from einsim.cli.common import (
    ExecutorName,
    ExecutorOption,
    JsonOption,
    SchedulerOption,
    StoreOption,
    command_line,
    means,
    unchanging,
)
from einsim.cli.output import complain, print_json, show_result, text_width
from einsim.cli.signals import Stopped, deferred
from einsim.errors import Location, SpecError
from einsim.explore import store as outputs
from einsim.explore.rows import finish
from einsim.explore.space import Space, load_space
from einsim.explore.sweep import Engine, Means, check_points, run_sweep
from einsim.explore.sweepfile import SweepFile
from einsim.report.comparison import Published, compare, read_published
from einsim.report.tables import comparison_tables, sweep_summary, worst_table
from einsim.spec import library

if TYPE_CHECKING:
    import polars as pl

_WIDE: Final = 140  # columns of a comparison where there is no terminal
_REASONS: Final = 5  # reasons shown


def sweep(
    file: Annotated[str, Parameter(help="A sweep file")],
    *,
    out: Annotated[str | None, Parameter(name="--out", help="Output folder [results/NAME]")] = None,
    engine: Annotated[
        Engine, Parameter(name="--engine", help="One by one, many at once as arrays, or as suits; rows are the same")
    ] = Engine.AUTO,
    figures: Annotated[bool, Parameter(name="--figures", help="Draw the figures")] = True,
    store: StoreOption = None,
    executor: ExecutorOption = ExecutorName.LOCAL,
    scheduler: SchedulerOption = None,
    json: JsonOption = False,
) -> int:
    """Evaluate every point of a sweep file; write tables, figures and the inputs of every row.

    Example: einsim sweep experiments/fusemax/attention.yaml --out results/attention
    """
    with unchanging():
        space = load_space(library.find("experiment", file, at=Location("sweep")))
        if out == "":
            raise SpecError("names no folder", at=Location("--out"), remedy=f"write --out results/{space.file.name}")
        folder = Path(out) if out is not None else Path("results") / space.file.name
        published = _published(space)
        check_points(space)
        outputs.check_output(folder)
        with means(store, executor, scheduler) as where, outputs.output(folder) as stage:
            started = time.perf_counter()
            tables, stopped = _evaluate(space, engine, where)
            seconds = time.perf_counter() - started
            if not tables:
                raise stopped or Stopped(signal.SIGINT)
            frame = finish(space, (tables.pop(0) for _ in range(len(tables))))  # which nobody else holds
            report = _Report(space, frame, published)
            stopped = _write(space, report, stage, figures=figures, seconds=seconds, stopped=stopped)
        if json:
            files = [str(folder / name) for name in report.files]
            command = command_line("sweep", [file], {"--out": out, "--engine": str(engine), "--store": store})
            print_json({"folder": str(folder), "rows": len(frame), "files": files, "summary": report.summary(),
                        "command": command})  # fmt: skip
        else:
            report.print(folder, seconds)
        if stopped is not None:
            complain(f"{stopped}: {len(frame)} of {len(space)} points are in {folder}")
            return stopped.exit_code
        return 0


def _evaluate(space: Space[SweepFile], engine: Engine, where: Means) -> tuple[list[pl.DataFrame], Stopped | None]:
    """Finished tables, and what cut the sweep short, if anything did."""
    tables: list[pl.DataFrame] = []
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty(),
    )  # fmt: skip
    with deferred() as check, bar:
        task = bar.add_task(space.file.name, total=len(space))

        def progress(done: int) -> None:
            bar.advance(task, done)
            check()

        try:
            for part in run_sweep(space, progress, engine, where):
                tables.append(part)
        except Stopped as error:
            return tables, error
    return tables, None


def _write(
    space: Space[SweepFile], report: _Report, stage: Path, *, figures: bool, seconds: float, stopped: Stopped | None
) -> Stopped | None:
    """Writes everything, figures last; who stops the run now has all but the figures."""
    with deferred() as check:
        files = outputs.write_table(stage, "results", report.frame)
        if report.comparison is not None:
            files += outputs.write_table(stage, "comparison", report.comparison)
        inputs = outputs.write_inputs(stage, space, report.frame)
        try:
            if figures and stopped is None:
                files += _draw(space, report.frame, stage, check)
        except Stopped as error:
            stopped = error
        files.append(
            outputs.write_manifest(stage, space, rows=len(report.frame), inputs=inputs, files=files, seconds=seconds)
        )
        report.files = [path.relative_to(stage) for path in files]
    return stopped


def _draw(space: Space[SweepFile], frame: pl.DataFrame, stage: Path, check: Callable[[], None]) -> list[Path]:
    from einsim.report.drawing import draw_files  # noqa: PLC0415 - matplotlib is slow to import

    gc.freeze()  # see einsim.cli.app
    files: list[Path] = []
    for name in space.file.figures:
        check()
        files += draw_files([name], frame, space.fields, space.baseline, stage)
    return files


def _published(space: Space[SweepFile]) -> Published | None:
    """The published results that the sweep file names."""
    if space.file.published is None:
        return None
    at = space.document.locate(("published",))
    path = library.find("experiment", space.file.published, at=at, beside=space.folder)
    return read_published(library.read(path), str(path), space)


class _Report:
    """What is printed at the end, of which files."""

    def __init__(self, space: Space[SweepFile], frame: pl.DataFrame, published: Published | None) -> None:
        self.space = space
        self.frame = frame
        self.published = published
        self.comparison = None if published is None else compare(frame, published)
        self.files: list[Path] = []

    def summary(self) -> list[dict[str, object]]:
        """Means by value of the first axis, for scripts."""
        import polars as pl  # noqa: PLC0415

        fits = pl.col("feasible")
        ratios = {"speedup": pl.col("speedup").filter(fits), "energy_ratio": pl.col("energy_ratio").filter(fits)}
        means = self.frame.group_by(self.space.fields[0], maintain_order=True).agg(
            fits.sum().alias("points"),
            (~fits).sum().alias("infeasible"),
            *(ratio.mean().alias(f"{name}_arithmetic") for name, ratio in ratios.items()),
            *(ratio.log().mean().exp().alias(f"{name}_geometric") for name, ratio in ratios.items()),
        )
        return means.to_dicts()

    def print(self, folder: Path, seconds: float) -> None:
        """The summary, the comparison row by row, and where everything is."""
        parts: list[RenderableType] = []
        if self.comparison is not None and self.published is not None:
            keys, metrics = self.published.keys, tuple(self.published.metrics)
            for part in comparison_tables(self.comparison, keys, metrics, width=min(text_width(), _WIDE)):
                parts += [part, ""]
            parts += [worst_table(self.comparison, keys[0], metrics), ""]
        parts.append(sweep_summary(self.frame, self.space.fields, self.space.baseline))
        reasons = self.frame.filter(~self.frame["feasible"])["reason"].value_counts(sort=True)
        parts += [f"infeasible: {text} ({count} points)" for text, count in reasons.head(_REASONS).iter_rows()]
        if len(reasons) > _REASONS:
            parts.append(f"infeasible: and {len(reasons) - _REASONS} more reasons")
        parts.append(f"\n{len(self.frame)} points in {seconds:.2f} s; tables, figures and inputs are in {folder}")
        show_result(Group(*parts))
