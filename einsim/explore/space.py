"""Spaces of designs: the points that a sweep file stands for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from einsim.errors import SpecError
from einsim.explore.axes import EXTENT, PLAIN, Setting, Step, axes_of, baseline_of, settings
from einsim.explore.point import Extent, Point, make_lengths, make_workload
from einsim.explore.sweepfile import Common, SweepFile, TimeModel
from einsim.spec import library
from einsim.spec.fields import validate
from einsim.spec.modelrun import Causal, Layers, Lengths
from einsim.spec.overrides import Override, make_override
from einsim.spec.workload import Workload
from einsim.spec.yamlfile import Document

MAX_POINTS: Final = 1_000_000
"""Points of a sweep at most: its table stays in memory."""
_LENGTHS: Final = ("context", "new_tokens", "seq_len")


F = TypeVar("F", bound=Common)


@dataclass(frozen=True, slots=True)
class Space(Generic[F]):
    """A file of a sweep, or of a search, with its place: the points are made on demand.

    `base` has the step of each axis that the baseline names, `baseline` the values there.
    """

    file: F
    document: Document
    folder: Path
    axes: tuple[tuple[Step, ...], ...]
    base: dict[int, int]
    baseline: dict[str, Any] | None
    time_model: TimeModel = TimeModel.CLOSED_FORM

    @property
    def whole(self) -> bool:
        """Whether some points are of more than the attention of one layer."""
        own = Extent(*(getattr(self.file, field) for field in EXTENT))
        return not own.alone or any(field in self.fields for field in EXTENT)

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields on axes, outermost first."""
        return tuple(setting.field for steps in self.axes for setting in steps[0])

    def __len__(self) -> int:
        """How many points there are."""
        return prod(len(steps) for steps in self.axes)

    @property
    def strides(self) -> tuple[int, ...]:
        """By how much a point's index grows with a step of each axis."""
        lengths = [len(steps) for steps in self.axes]
        return tuple(prod(lengths[number + 1 :]) for number in range(len(lengths)))

    def points(self) -> Iterator[Point]:
        """All points, the last axis fastest. Raises SpecError at the first that says too little."""
        fixed, changes = self._fixed(), self._changes()
        for index, choice in enumerate(itertools.product(*self.axes)):
            yield self._point(index, choice, fixed, changes)

    def point(self, index: int) -> Point:
        """One point."""
        steps = [index // stride % len(axis) for axis, stride in zip(self.axes, self.strides, strict=True)]
        choice = tuple(axis[step] for axis, step in zip(self.axes, steps, strict=True))
        return self._point(index, choice, self._fixed(), self._changes())

    def _changes(self) -> list[Override]:
        """What the file sets at every point."""
        at = self.document.locate
        return [make_override(path, value, at(("set", path))) for path, value in self.file.set.items()]

    def _fixed(self) -> dict[str, Setting]:
        """The plain settings of the file, where no axis makes them."""
        made = {}
        for field in PLAIN:
            value = getattr(self.file, field)
            at = self.document.locate((field,))
            if value is not None and field not in self.fields:
                made[field] = settings(field, [value], [at])[0]
            else:
                made[field] = Setting(field, value, value, at)
        return made

    def _point(self, index: int, choice: tuple[Step, ...], fixed: dict[str, Setting], changes: list[Override]) -> Point:
        plain = dict(fixed)
        overrides = list(changes)
        coordinates = []
        for setting in itertools.chain.from_iterable(choice):
            coordinates.append((setting.field, setting.shown))
            if setting.change is not None:
                overrides.append(setting.change)
            else:
                plain[setting.field] = setting
        if plain["configuration"].value is None:
            raise SpecError("no configuration is named", at=self.document.locate(()), remedy="add configuration:")
        workload, lengths = self._workload(plain)
        configuration, architecture = (self._beside(plain[field]) for field in ("configuration", "architecture"))
        return Point(
            index, tuple(coordinates), configuration, architecture, plain["accounting"].value,
            workload, tuple(overrides), self.time_model, plain["scope"].value, lengths, plain["layers"],
            plain["causal"],
        )  # fmt: skip

    def _beside(self, named: Setting) -> Setting:
        """A file that is named as it lies beside the sweep's, where it is not found as it is named."""
        if not isinstance(named.value, str) or "/" not in named.value:
            return named
        return replace(named, value=_found(named.value, self.folder))

    def _workload(self, plain: dict[str, Setting]) -> tuple[Workload, Lengths | None]:
        """What a point runs, and the lengths of its batch where that is more than the attention of one layer."""
        extent = Extent(*(plain[field].value for field in EXTENT))
        model, seq_len, batch = (plain[field].value for field in ("model", "seq_len", "batch"))
        if extent.alone and plain["causal"].value is Causal.COUNT:
            layers = plain["layers"]
            if layers.value is not Layers.SEQUENTIAL:
                raise SpecError(f"attention alone is no layer that could be {layers.value}", at=layers.at,
                                remedy="add scope: layer")  # fmt: skip
            shape = tuple(self.file.shape.items())
            own = None if "B" in self.file.shape else batch
            return make_workload(model, seq_len, own, shape, plain["model"].at), None
        if self.file.shape:
            raise SpecError("shape says nothing about whole models", at=self.document.locate(("shape",)),
                            remedy="give model:, seq_len: and batch:")  # fmt: skip
        if "batch" not in self.fields and "batch" not in self.file.model_fields_set:
            batch = None
        at = next((plain[field].at for field in _LENGTHS if plain[field].value is not None), plain["model"].at)
        return make_lengths(model, seq_len, batch, extent, at)


Indices = TypeVar("Indices", int, NDArray[np.int64])
"""One index of a space, or many."""


def baseline(space: Space[Any], index: Indices) -> Indices:
    """The index of the baseline of a point: the same coordinates on all axes that the baseline leaves open."""
    base = index
    for axis, step in space.base.items():
        stride = space.strides[axis]
        base = base + (step - index // stride % len(space.axes[axis])) * stride
    return base


@lru_cache(maxsize=256)
def _found(name: str, folder: Path) -> str:
    beside = folder / name
    return str(beside) if not Path(name).exists() and beside.exists() else name


def load_space(path: Path) -> Space[SweepFile]:
    """Reads and validates a sweep file; raises SpecError with its line."""
    document = library.load_document(path)
    file = validate(SweepFile, document)
    axes = axes_of(file, document)
    base, baseline = ({}, None) if file.baseline is None else baseline_of(file.baseline, axes, document)
    if not axes:
        raise SpecError("axes: there is none", at=document.locate(("axes",)), remedy="add one, such as - model: [BERT]")
    space = Space(file, document, path.parent, axes, base, baseline, file.time_model)
    total = prod(len(steps) for steps in axes)
    if total > MAX_POINTS:
        raise SpecError(f"axes: {total} points are more than the {MAX_POINTS} that a sweep may have",
                        at=document.locate(("axes",)), remedy="shorten or split it")  # fmt: skip
    return space
