"""Spaces of designs: the points that a sweep file stands for."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from einsim.errors import Location, SpecError
from einsim.explore.axes import PLAIN, Setting, Step, axes_of, baseline_of, settings
from einsim.explore.sweepfile import Common, SweepFile, TimeModel
from einsim.model.whole import Setting as WholeSetting
from einsim.model.whole import WholeRun, evaluate_whole, refuse_workload_changes
from einsim.spec import library
from einsim.spec.configuration import Accounting, Design, load_design, open_alternatives
from einsim.spec.fields import validate
from einsim.spec.modelrun import Layers, Lengths, ModelRun, Scope, plan_run
from einsim.spec.models import model_attention, model_facts
from einsim.spec.overrides import Override, make_override
from einsim.spec.workload import DEFAULT_BATCH, WORKLOAD, Workload
from einsim.spec.yamlfile import Document

MAX_POINTS: Final = 1_000_000
"""Points of a sweep at most: its table stays in memory."""


@dataclass(frozen=True, slots=True)
class Point:
    """One design to evaluate: its coordinates on the axes and what they resolve to."""

    index: int
    coordinates: tuple[tuple[str, Any], ...]
    configuration: Setting
    architecture: Setting
    accounting: Accounting
    workload: Workload
    overrides: tuple[Override, ...]
    time_model: TimeModel = TimeModel.CLOSED_FORM
    scope: Scope = Scope.ATTENTION
    layers: Layers = Layers.SEQUENTIAL

    def plan(self) -> ModelRun:
        """The kernels of the point's model, where its scope is more than attention."""
        at = self.workload.at
        sizes = dict(self.workload.sizes)
        if self.workload.model is None or self.workload.seq_len is None:
            raise SpecError(f"scope {self.scope} needs a model and a sequence length", at=at, remedy="add model:")
        if self.time_model is not TimeModel.CLOSED_FORM:
            raise SpecError(
                f"sweeps of scope {self.scope} are of the closed form", at=at, remedy="leave time_model: out"
            )
        refuse_workload_changes(self.overrides)
        return plan_run(
            model_facts(self.workload.model, at),
            Lengths("prefill", self.workload.seq_len, ((sizes["B"], 0),)),
            self.scope,
            self.layers,
            self.configuration.value,
        )

    def whole(self) -> WholeRun:
        """Evaluates all kernels of `plan`."""
        named, machine = self.configuration, self.architecture.value
        return evaluate_whole(
            self.plan(), WholeSetting(named.value, machine, self.overrides, self.accounting, at=named.at)
        )

    def design(self) -> Design:
        """Loads the design (of more than attention, the first of its attention); raises SpecError for what is wrong."""
        tried: tuple[Override, ...] = ()
        if self.scope is not Scope.ATTENTION:
            tried = open_alternatives(self.configuration.value, self.workload, self.overrides)[0]
        return load_design(
            self.configuration.value,
            self.workload,
            architecture=self.architecture.value,
            overrides=(*self.overrides, *tried),
            accounting=self.accounting,
            at=self.configuration.at,
            arch_at=self.architecture.at,
        )

    @property
    def command(self) -> str:
        """The command line that evaluates this point alone."""
        return "".join([self.start, *map(changed, self.overrides), self.end])

    @property
    def start(self) -> str:
        """The command line before what is changed."""
        command = "simulate" if self.time_model is TimeModel.CYCLE else "run"
        return _command(command, self.configuration.value, self.architecture.value, self.workload)

    @property
    def end(self) -> str:
        """The command line after what is changed."""
        scope = "" if self.scope is Scope.ATTENTION else f" --scope {self.scope}"
        layers = "" if self.layers is Layers.SEQUENTIAL else f" --layers {self.layers}"
        return f" --accounting {self.accounting}{scope}{layers}"


def changed(change: Override) -> str:
    """A change as part of a command line."""
    return f" --set {shlex.quote(change.text)}"


@lru_cache(maxsize=4096)
def _command(command: str, configuration: str, architecture: str | None, workload: Workload) -> str:
    words = ["einsim", command, configuration]
    sizes = dict(workload.sizes)
    if workload.model is not None and workload.seq_len is not None:
        words += ["--model", workload.model, "--seq-len", str(workload.seq_len), "--batch", str(sizes["B"])]
        own = dict(model_attention(workload.model, workload.seq_len, sizes["B"], alone=False).sizes)
        sizes = {name: size for name, size in sizes.items() if own.get(name) != size}
    if sizes:
        words += ["--shape", ",".join(f"{name}={size}" for name, size in sizes.items())]
    return shlex.join([*words, *(["--arch", architecture] if architecture else [])])


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
        model, seq_len, batch = (plain[field].value for field in ("model", "seq_len", "batch"))
        shape = tuple(self.file.shape.items())
        if "B" in self.file.shape:
            batch = None
        alone, layers = plain["scope"].value is Scope.ATTENTION, plain["layers"]
        if alone and layers.value is not Layers.SEQUENTIAL:
            raise SpecError(f"attention alone is no layer that could be {layers.value}", at=layers.at,
                            remedy="add scope: layer")  # fmt: skip
        workload = make_workload(model, seq_len, batch, shape, plain["model"].at, alone)
        configuration, architecture = (self._beside(plain[field]) for field in ("configuration", "architecture"))
        return Point(
            index, tuple(coordinates), configuration, architecture, plain["accounting"].value,
            workload, tuple(overrides), self.time_model, plain["scope"].value, layers.value,
        )  # fmt: skip

    def _beside(self, named: Setting) -> Setting:
        """A file that is named as it lies beside the sweep's, where it is not found as it is named."""
        if not isinstance(named.value, str) or "/" not in named.value:
            return named
        return replace(named, value=_found(named.value, self.folder))


@lru_cache(maxsize=256)
def _found(name: str, folder: Path) -> str:
    beside = folder / name
    return str(beside) if not Path(name).exists() and beside.exists() else name


@lru_cache(maxsize=4096)
def make_workload(
    model: str | None,
    seq_len: int | None,
    batch: int | None,
    shape: tuple[tuple[str, int], ...],
    at: Location = WORKLOAD,
    alone: bool = True,
) -> Workload:
    """A model's attention at a length, with sizes of `shape` on top; or the shape alone.

    alone: whether it is all that is run of the model. Raises SpecError where neither says enough, or both say the
    batch.
    """
    sizes = dict(shape)
    option = at == WORKLOAD
    if batch is not None and "B" in sizes:
        raise SpecError("both --batch and a size B are given", at=at, remedy="they are one size: give one")
    if model is None:
        if seq_len is not None:
            raise SpecError("a sequence length needs a model", at=at, remedy="add --model" if option else "add model:")
        if not sizes:
            remedy = "give --model and --seq-len, or --shape B=2,H=4,E=32,F=32,M=2K,P=2K"
            raise SpecError("nothing says what to run", at=at, remedy=remedy if option else "add model: and seq_len:")
        return Workload(tuple({**({"B": batch} if batch is not None else {}), **sizes}.items()), at=at)
    if seq_len is None:
        remedy = "add --seq-len 16K" if option else "add seq_len: 16K"
        raise SpecError(f"no sequence length for {model}", at=at, remedy=remedy)
    batch = batch or DEFAULT_BATCH
    workload = replace(
        model_attention(model, seq_len, batch, Location("--model") if option else at, alone=alone), at=at
    )
    return workload.with_sizes(sizes) if sizes else workload


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
