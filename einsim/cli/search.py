"""`einsim search`: the best designs of a space, by several objectives at once, confirmed cycle by cycle."""

from __future__ import annotations

import gc
import itertools
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console, Group
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
from einsim.cli.output import complain, print_json, show_result
from einsim.cli.signals import Stopped, deferred
from einsim.errors import Location, SpecError
from einsim.explore import store as outputs
from einsim.explore.designs import Designs, load_designs, numbers_of
from einsim.explore.front import front, hypervolume
from einsim.explore.grids import of_each_kind
from einsim.explore.point import Point
from einsim.explore.search import confirm, search
from einsim.explore.searchfile import Method
from einsim.explore.sweep import Means, run_points
from einsim.explore.sweepfile import TimeModel
from einsim.model.result import Record
from einsim.report.front import front_report
from einsim.spec import library

if TYPE_CHECKING:
    import polars as pl


def search_(
    file: Annotated[str, Parameter(help="A search file")],
    *,
    out: Annotated[str | None, Parameter(name="--out", help="Output folder [results/NAME]")] = None,
    figures: Annotated[bool, Parameter(name="--figures", help="Draw the front")] = True,
    store: StoreOption = None,
    executor: ExecutorOption = ExecutorName.LOCAL,
    scheduler: SchedulerOption = None,
    json: JsonOption = False,
) -> int:
    """Search a space of designs for its Pareto front; write designs, front, figures and the inputs.

    Every design runs on every workload of the file. The cycle model runs the designs of the front, and what it says
    otherwise than the closed form is shown. Ctrl-C ends the search; what is there then is the result.
    Example: einsim search experiments/iso_area/own_depth.yaml --out results/iso_area
    """
    with unchanging():
        designs = load_designs(library.find("experiment", file, at=Location("search")))
        name = designs.file.name
        if out == "":
            raise SpecError("names no folder", at=Location("--out"), remedy=f"write --out results/{name}")
        folder = Path(out) if out is not None else Path("results") / name
        rivals = [designs.rival(each).points([0]) for each in designs.file.compare]
        for point in itertools.chain(designs.points([0, len(designs) - 1]), *rivals):
            point.design()
        outputs.check_output(folder)
        with means(store, executor, scheduler) as where, outputs.output(folder) as stage:
            found = _Search(designs, where)
            found.run()
            if not found.numbers:
                raise found.stopped or Stopped(signal.SIGINT)
            files = found.write(stage, figures=figures)
        if json:
            command = command_line("search", [file], {"--out": out, "--store": store})
            files = [folder / each for each in files]
            print_json({**found.summary(), "folder": str(folder), "files": list(map(str, files)), "command": command})
        else:
            found.print(folder)
        if found.stopped is not None:
            complain(f"{found.stopped}: {len(found.table):,} of {len(designs):,} designs are in {folder}")
            return found.stopped.exit_code
        if found.refused is not None:
            complain(f"{found.refused}; the {len(found.table):,} designs before that are in {folder}")
            return found.refused.exit_code
        return 0


@dataclass
class _Search:
    """A search and what has come of it so far."""

    designs: Designs
    means: Means
    points: list[pl.DataFrame] = field(default_factory=list)
    numbers: list[pl.DataFrame] = field(default_factory=list)
    confirmed: pl.DataFrame | None = None
    rivals: pl.DataFrame | None = None
    behind: dict[str, pl.DataFrame] = field(default_factory=dict)
    """The points of designs that were confirmed or compared, by the table of these."""
    stopped: Stopped | None = None
    refused: SpecError | None = None
    """What is wrong with a design, found when others were done."""
    seconds: float = 0.0

    def run(self) -> None:
        """Searches, confirms the front and evaluates what is compared; a signal ends it where it is."""
        started = time.perf_counter()
        file, designs = self.designs.file, self.designs
        self.means.identities.take(of_each_kind(designs.space))
        total = len(designs) if file.method is Method.EXHAUSTIVE else min(file.evaluations, len(designs))
        bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty(),
        )  # fmt: skip
        with deferred() as check, bar:
            task = bar.add_task(file.name, total=total)
            try:
                for points, numbers in search(designs, lambda each: self._evaluate(each, check)):
                    self.points.append(points)
                    self.numbers.append(numbers)
                    bar.advance(task, len(numbers))
                if self.confirming:
                    bar.update(task, description=f"{file.name}: cycle model", total=None)
                self._compare(check)
                if self.confirming and len(self.front):
                    self.behind["confirmed"], self.confirmed = confirm(
                        designs, self.front, lambda each: self._evaluate(each, check)
                    )
            except SpecError as error:  # what the closed form takes, and the cycle model does not
                if not self.numbers:
                    raise
                self.refused = error
            except Stopped as error:
                self.stopped = error
        self.seconds = time.perf_counter() - started

    def _evaluate(self, points: Sequence[Point], check: Callable[[], None]) -> Iterator[pl.DataFrame]:
        return run_points(points, lambda _: check(), self.means)

    def _compare(self, check: Callable[[], None]) -> None:
        """What the designs to compare with reach, by both models."""
        import polars as pl  # noqa: PLC0415

        rows, behind = [], []
        for place, name in enumerate(self.designs.file.compare):
            rival = self.designs.rival(name)
            points = pl.concat(self._evaluate(rival.points([0]), check), how="diagonal_relaxed").sort("index")
            numbers = numbers_of(points, rival).with_columns(name=pl.lit(name))
            if self.confirming:
                points, more = confirm(rival, numbers, lambda each: self._evaluate(each, check))
                columns = more.select("closed_form_s", "difference", simulated_s="latency_s")
                numbers = pl.concat([numbers, columns], how="horizontal")
            rows.append(numbers.with_columns(design=pl.lit(place, numbers.schema["design"])))
            behind.append(points.with_columns(pl.col("index") + place * rival.workloads))
        if rows:
            self.rivals = pl.concat(rows, how="diagonal_relaxed")
            self.behind["compared"] = pl.concat(behind, how="diagonal_relaxed")

    @property
    def confirming(self) -> bool:
        """Whether the cycle model is asked about what the closed form has found."""
        file = self.designs.file
        return file.confirm > 0 and file.time_model is TimeModel.CLOSED_FORM

    @property
    def table(self) -> pl.DataFrame:
        """All designs so far, in the order in which they were chosen."""
        import polars as pl  # noqa: PLC0415

        return pl.concat(self.numbers, how="diagonal_relaxed")

    @property
    def front(self) -> pl.DataFrame:
        """The front so far."""
        return front(self.table, self.designs.file.objectives)

    def write(self, stage: Path, *, figures: bool) -> list[Path]:
        """Writes everything; returns the files, relative to the folder."""
        import polars as pl  # noqa: PLC0415

        points = pl.concat(self.points, how="diagonal_relaxed").sort("index")
        files = outputs.write_points(stage, "", points, self.designs.workloads)
        files += outputs.write_table(stage, "designs", self.table)
        files += outputs.write_table(stage, "front", self.front)
        for name, frame in (("confirmed", self.confirmed), ("compared", self.rivals)):
            if frame is not None:
                files += outputs.write_table(stage, name, frame)
                files += outputs.write_points(stage, name, self.behind[name], self.designs.workloads)
        if figures and self.stopped is None and len(self.designs.file.objectives) > 1 and len(self.front):
            files += self._draw(stage)
        inputs = outputs.write_inputs(stage, self.designs.space, points)
        files.append(
            outputs.write_manifest(
                stage, self.designs.space, rows=len(points), inputs=inputs, files=files, seconds=self.seconds
            )
        )
        return [path.relative_to(stage) for path in files]

    def _draw(self, stage: Path) -> list[Path]:
        from einsim.report.drawing import save_figure  # noqa: PLC0415 - matplotlib is slow to import
        from einsim.report.frontplot import draw_front  # noqa: PLC0415

        gc.freeze()  # see einsim.cli.app
        file = self.designs.file
        figure = draw_front(
            self.table, self.front, file.objectives, rivals=self.rivals, confirmed=self.confirmed,
            growth=hypervolume(self.table, file.objectives), title=file.name,
        )  # fmt: skip
        return save_figure(figure, "front", stage)

    def summary(self) -> dict[str, Any]:
        """For scripts."""
        growth = hypervolume(self.table, self.designs.file.objectives)
        return {
            "designs": len(self.designs),
            "evaluated": len(self.table),
            "feasible": int((self.table["violation"] == 0.0).sum()),
            "hypervolume": growth[-1][1] if growth else 0.0,
            "front": _records(self.front),
            "confirmed": _records(self.confirmed),
            "compared": _records(self.rivals),
        }

    def print(self, folder: Path) -> None:
        """The front, and where everything is."""
        file, table = self.designs.file, self.table
        kept = int((table["violation"] == 0.0).sum())
        report = front_report(
            self.front, self.designs.fields, file.objectives, confirmed=self.confirmed, rivals=self.rivals
        )
        where = (f"\n{len(table):,} of {len(self.designs):,} designs on {self.designs.workloads} workloads in "
                 f"{self.seconds:.2f} s, {kept:,} keep all constraints; everything is in {folder}")  # fmt: skip
        show_result(Group(report, where))


def _records(frame: pl.DataFrame | None) -> list[Record]:
    """Rows for scripts: how far an infeasible design is from its constraints is no number."""
    import polars as pl  # noqa: PLC0415

    if frame is None:
        return []
    return frame.with_columns(pl.when(pl.col("violation").is_finite()).then("violation")).to_dicts()
