"""Searches: designs chosen, evaluated on all their workloads, and the front confirmed by the cycle model.

Designs are chosen all (exhaustive), at random, or by a sampler of Optuna's: NSGA-II (Deb et al., IEEE Trans. Evol.
Comput. 2002) or TPE (Bergstra et al., NeurIPS 2011), a generation at a time, so that a generation is evaluated
together. No design is evaluated twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from einsim.explore.axes import Step
from einsim.explore.designs import Designs, numbers_of
from einsim.explore.front import costs
from einsim.explore.point import Point
from einsim.explore.searchfile import Method, SearchFile
from einsim.extras import load

if TYPE_CHECKING:
    import polars as pl

Evaluate = Callable[[Sequence[Point]], "Iterator[pl.DataFrame]"]
"""Tables of points, in any order (column `index` says which)."""

_BATCH: Final = 4096
"""Points that are evaluated together, where nothing waits for their results."""
_STALE: Final = 20
"""Generations without a new design after which a sampler is thought to be at its end."""


class Chooser(Protocol):
    """Who says which designs are next, and may learn what came of them."""

    def ask(self) -> list[int]:
        """The next designs; none at the end."""

    def tell(self, numbers: pl.DataFrame) -> None:
        """What came of them: rows of `numbers_of`."""


def search(designs: Designs, evaluate: Evaluate) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Runs a search; yields, part by part, rows of points and rows of the designs that they belong to.

    Designs come in the order in which they were chosen. Who stops it still gets those of which all points are there.
    Raises SpecError for a point that is wrong.
    """
    chooser = make_chooser(designs)
    while chosen := chooser.ask():
        tables: list[pl.DataFrame] = []
        stopped: KeyboardInterrupt | None = None
        try:
            for table in evaluate(designs.points(chosen)):
                tables.append(table)
        except KeyboardInterrupt as error:
            stopped = error
        points = _of_whole_designs(tables, designs)
        if len(points):
            order = {design: place for place, design in enumerate(chosen)}
            numbers = numbers_of(points, designs)
            numbers = numbers.sort(numbers["design"].replace_strict(order))
            if stopped is None:
                chooser.tell(numbers)
            yield points, numbers
        if stopped is not None:
            raise stopped


def _of_whole_designs(tables: Sequence[pl.DataFrame], designs: Designs) -> pl.DataFrame:
    """The points of those designs of which every workload is there, by their index."""
    import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables

    if not tables:
        return pl.DataFrame()
    points = pl.concat(tables, how="diagonal_relaxed").sort("index")
    return points.filter(pl.len().over(pl.col("index") // designs.workloads) == designs.workloads)


def make_chooser(designs: Designs) -> Chooser:
    """The chooser that a search file asks for."""
    file, total = designs.file, len(designs)
    most = total if file.method is Method.EXHAUSTIVE else min(file.evaluations, total)
    batch = max(1, _BATCH // designs.workloads)
    match file.method:
        case Method.EXHAUSTIVE:
            return Listed(iter(range(total)), batch)
        case Method.RANDOM:
            return Listed(drawn(total, most, file.seed), batch)
        case Method.NSGA2 | Method.TPE:
            return Sampled(designs, most)


def drawn(total: int, count: int, seed: int) -> Iterator[int]:
    """Different numbers below `total`, at random."""
    rng = np.random.default_rng(seed)
    if 2 * count >= total:
        yield from map(int, rng.permutation(total)[:count])
        return
    seen: set[int] = set()
    while len(seen) < count:
        number = int(rng.integers(total))
        if number not in seen:
            seen.add(number)
            yield number


class Listed:
    """Designs in an order that is known beforehand."""

    def __init__(self, order: Iterator[int], batch: int) -> None:
        self.order = order
        self.batch = batch

    def ask(self) -> list[int]:
        """The next ones."""
        return [number for _, number in zip(range(self.batch), self.order, strict=False)]

    def tell(self, numbers: pl.DataFrame) -> None:
        """Changes nothing."""


class Sampled:
    """Designs that a sampler of Optuna's chooses, a generation at a time."""

    def __init__(self, designs: Designs, most: int) -> None:
        self.designs = designs
        self.left = most
        file = designs.file
        self.optuna = load("optuna", "search", f"method: {file.method}")
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)
        self.study = self.optuna.create_study(
            directions=["minimize"] * len(file.objectives), sampler=self._sampler(file)
        )
        self.known: dict[int, tuple[list[float], float]] = {}
        self.trials: list[tuple[Any, int]] = []
        self.distributions = {
            str(axis): self._distribution(steps) for axis, steps in enumerate(designs.space.axes[: designs.axes])
        }

    def _sampler(self, file: SearchFile) -> Any:
        samplers = self.optuna.samplers
        if file.method is Method.TPE:
            return samplers.TPESampler(multivariate=True, constant_liar=True, seed=file.seed)
        return samplers.NSGAIISampler(population_size=file.population, seed=file.seed)

    def _distribution(self, steps: Sequence[Step]) -> Any:
        """Steps in an order, where they have one; else alternatives."""
        kinds = self.optuna.distributions
        values = [[setting.shown for setting in step] for step in steps]
        ordered = all(
            all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in column)
            and list(column) == sorted(column)
            for column in zip(*values, strict=True)
        )
        last = len(steps) - 1
        return kinds.IntDistribution(0, last) if ordered else kinds.CategoricalDistribution(range(last + 1))

    def ask(self) -> list[int]:
        """A generation's designs that are new; those that are known are told at once."""
        for _ in range(_STALE):
            self.trials = []
            for _ in range(self.designs.file.population):
                trial = self.study.ask(self.distributions)
                steps = [int(trial.params[name]) for name in self.distributions]
                self.trials.append((trial, self.designs.number(steps)))
            new = [number for number in dict.fromkeys(number for _, number in self.trials) if number not in self.known]
            if new or self.left <= 0:
                new = new[: self.left]
                self.left -= len(new)
                return new
            self._tell()
        return []

    def tell(self, numbers: pl.DataFrame) -> None:
        """Gives the sampler the numbers of its trials."""
        values = costs(numbers, self.designs.file.objectives)
        for row, design, violation in zip(values, numbers["design"], numbers["violation"], strict=True):
            worst = np.nan_to_num(row, nan=1e300, posinf=1e300).tolist()
            self.known[design] = (worst, float(min(violation, 1e300)))
        self._tell()

    def _tell(self) -> None:
        state = self.optuna.trial.TrialState
        for trial, number in self.trials:
            if number not in self.known:  # beyond what was asked for
                self.study.tell(trial, state=state.FAIL)
                continue
            values, violation = self.known[number]
            trial.set_constraint("violation", violation)
            self.study.tell(trial, values)


def confirm(designs: Designs, front: pl.DataFrame, evaluate: Evaluate) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The points of the first designs of a front with both models' numbers, and what the cycle model says of these.

    The latter is as `numbers_of`, with the cycle model's latencies.

    Columns `closed_form_s` and `difference` (of the cycle model's latency from it, relative) are beside them;
    `simulated/reason` says why a design does not run there.
    """
    import polars as pl  # noqa: PLC0415

    few = [int(design) for design in front["design"].head(designs.file.confirm)]
    both = pl.concat(evaluate(designs.simulated().points(few)), how="diagonal_relaxed").sort("index")
    runs = pl.col("feasible") & pl.col("simulated/reason").is_null()
    points = both.with_columns(
        closed_form_s="latency_s", latency_s=pl.when(runs).then("simulated/latency_s"), feasible=runs,
        reason=pl.coalesce("simulated/reason", "reason"),
    )  # fmt: skip
    for name in ("util_2d", "util_1d"):
        if f"simulated/{name}" in points.columns:
            points = points.with_columns(pl.col(f"simulated/{name}").alias(name))
    closed = points.group_by(pl.col("index") // designs.workloads).agg(pl.col("closed_form_s").log().mean().exp())
    table = numbers_of(points, designs).join(closed.rename({"index": "design"}), on="design", maintain_order="left")
    order = {design: place for place, design in enumerate(few)}
    table = table.with_columns(difference=pl.col("latency_s") / pl.col("closed_form_s") - 1.0)
    return both, table.sort(table["design"].replace_strict(order))
