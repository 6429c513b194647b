"""Designs of a search: each a point of its own space, run on every workload."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from einsim.errors import SpecError
from einsim.explore.axes import axes_of
from einsim.explore.point import Point
from einsim.explore.searchfile import MEANS, MOST, Method, Rival, SearchFile, scale_of
from einsim.explore.space import MAX_POINTS, Space
from einsim.explore.sweepfile import TimeModel
from einsim.spec import library
from einsim.spec.fields import validate
from einsim.spec.yamlfile import Document

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Designs:
    """The designs of a search file. Points are numbered by design, then by workload."""

    space: Space[SearchFile]
    workloads: int
    """Points of each design."""

    @property
    def file(self) -> SearchFile:
        """What the search asks for."""
        return self.space.file

    @property
    def axes(self) -> int:
        """How many of the space's axes are the designs'."""
        return len(self.file.design)

    @property
    def lengths(self) -> list[int]:
        """Steps of each axis of the designs."""
        return [len(steps) for steps in self.space.axes[: self.axes]]

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields in which designs differ."""
        return tuple(setting.field for steps in self.space.axes[: self.axes] for setting in steps[0])

    def __len__(self) -> int:
        """How many designs there are."""
        return prod(self.lengths)

    def number(self, steps: Sequence[int]) -> int:
        """A design by its steps on all axes."""
        found = 0
        for step, length in zip(steps, self.lengths, strict=True):
            found = found * length + step
        return found

    def points(self, designs: Iterable[int]) -> list[Point]:
        """The points of some designs."""
        return [
            self.space.point(design * self.workloads + each) for design in designs for each in range(self.workloads)
        ]

    def rival(self, name: str) -> Designs:
        """A single design to compare with, on the same workloads. Raises SpecError where it says too little."""
        file, document = self.file, _moved(self.space.document, ("compare", name))
        rival: Rival = file.compare[name]
        changes = {"set": {**file.set, **rival.set}, "design": []}
        for field in ("configuration", "architecture"):
            if (value := getattr(rival, field)) is not None:
                changes[field] = value
        own = file.model_copy(update=changes)
        space = Space(
            own, document, self.space.folder, axes_of(own, document, ("workloads",)), {}, None, file.time_model
        )
        return Designs(space, self.workloads)

    def simulated(self) -> Designs:
        """The same designs, as the cycle model sees them."""
        return replace(self, space=replace(self.space, time_model=TimeModel.BOTH))


def _moved(document: Document, inside: tuple[str, ...]) -> Document:
    """A document in which what stands in one of its parts stands at its root."""
    moved = {path[len(inside) :]: at for path, at in document.places.items() if path[: len(inside)] == inside}
    return replace(document, places={**document.places, **moved})


def load_designs(path: Path) -> Designs:
    """Reads and validates a search file; raises SpecError with its line."""
    document = library.load_document(path)
    file = validate(SearchFile, document)
    axes = axes_of(file, document, ("design", "workloads"))
    workloads = prod(len(steps) for steps in axes[len(file.design) :])
    space = Space(file, document, path.parent, axes, {}, None, file.time_model)
    designs = Designs(space, workloads)
    asked = len(designs) if file.method is Method.EXHAUSTIVE else min(file.evaluations, len(designs))
    if asked * workloads > MAX_POINTS:
        raise SpecError(
            f"{asked} designs on {workloads} workloads are more than the {MAX_POINTS} points that a search may have",
            at=document.locate(("design",)),
            remedy="choose another method: or fewer evaluations:"
            if file.method is Method.EXHAUSTIVE
            else "ask for fewer",
        )
    return designs


def numbers_of(frame: pl.DataFrame, designs: Designs) -> pl.DataFrame:
    """A row for each design of a table of points: its coordinates, whether it is feasible, and its numbers.

    Geometric means and maxima over workloads as `SearchFile` says; `violation` is by how much it misses its
    constraints, relative to them (0: it keeps all).
    """
    import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables

    fits = pl.col("feasible")
    power = pl.col("energy_pj") * 1e-12 / pl.col("latency_s")
    product = pl.col("energy_pj") * 1e-12 * pl.col("latency_s")
    given = frame.with_columns(power_w=power, edp_js=product)
    means = [
        pl.col(name).log().mean().exp().alias(name) if name in given.columns else pl.lit(None, pl.Float64).alias(name)
        for name in MEANS
    ]
    table = (
        given.with_columns(design=pl.col("index") // designs.workloads)
        .group_by("design", maintain_order=True)
        .agg(
            *(pl.col(field).first() for field in designs.fields),
            fits.all().alias("feasible"),
            pl.col("reason").drop_nulls().first().alias("reason"),
            *means,
            *(pl.col(name).max() for name in MOST),
            pl.col("command").first(),
        )
    )
    numbers = [name for name in table.columns if name in (*MEANS, *MOST)]
    table = table.with_columns(pl.when("feasible").then(pl.col(name)).alias(name) for name in numbers)
    return table.with_columns(violation=_violation(designs.file))


def _violation(file: SearchFile) -> pl.Expr:
    import polars as pl  # noqa: PLC0415

    total = pl.when("feasible").then(0.0).otherwise(float("inf"))
    for name, bound in file.constraints.items():
        value = pl.col(name)
        if bound.at_most is not None:
            total += ((value - bound.at_most) / scale_of(bound.at_most)).clip(0.0, None).fill_null(0.0)
        if bound.at_least is not None:
            total += ((bound.at_least - value) / scale_of(bound.at_least)).clip(0.0, None).fill_null(0.0)
    return total
