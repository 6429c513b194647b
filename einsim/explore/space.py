"""Spaces of designs: what a sweep file says, and the points it stands for."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from einsim.errors import Location, SpecError, suggest
from einsim.spec import library
from einsim.spec.configuration import Accounting, Design, load_design
from einsim.spec.fields import Count, Name, Record, validate
from einsim.spec.overrides import Override, make_override
from einsim.spec.workload import DEFAULT_BATCH, Workload, attention, find_model
from einsim.spec.yamlfile import Document
from einsim.units import parse_count

PLAIN_AXES = ("configuration", "architecture", "accounting", "model", "seq_len", "batch")


class FigureName(StrEnum):
    """Figures that a sweep can draw."""

    SPEEDUP = "speedup"
    ENERGY = "energy"
    UTILISATION = "utilisation"
    BREAKDOWN = "breakdown"


class SweepFile(Record):
    """A sweep: fixed settings, axes, and what to make of the results.

    Each entry of `axes` is a mapping of fields to lists of values; the entries are crossed with each
    other, the fields of one entry advance together. A field is one of configuration, architecture,
    accounting, model, seq_len, batch, or a path such as arch.array2d.rows, mapping.P1 or workload.M.
    """

    name: Name = Field(description="Names the output folder")
    description: str = Field("", description="One paragraph for the reader")
    configuration: str | None = Field(None, description="The configuration, where no axis names it")
    architecture: str | None = Field(None, description="The architecture, where not the configuration's own")
    accounting: Accounting = Field(Accounting.FULL, description="full or published")
    model: str | None = Field(None, description="The model, where no axis names it")
    seq_len: Count | None = Field(None, description="The sequence length, where no axis names it")
    batch: Count = Field(DEFAULT_BATCH, description="Sequences processed together, B")
    shape: dict[str, Count] = Field(default_factory=dict, description="Sizes on top of, or instead of, a model's")
    set: dict[str, Any] = Field(default_factory=dict, description="Fields set at every point, by path")
    axes: list[dict[str, list[Any]]] = Field(description="What varies")
    baseline: dict[str, Any] | None = Field(None, description="Axis values of the points that others compare with")
    published: str | None = Field(None, description="A CSV of published results to compare with, beside this file")
    figures: list[FigureName] = Field(
        default_factory=lambda: list(FigureName), description="speedup, energy, utilisation, breakdown; all by default"
    )

    @field_validator("axes")
    @classmethod
    def _equal_lengths(cls, axes: list[dict[str, list[Any]]]) -> list[dict[str, list[Any]]]:
        seen: set[str] = set()
        for entry in axes:
            if not entry:
                raise ValueError("an axis names no field")
            lengths = {field: len(values) for field, values in entry.items()}
            if len(set(lengths.values())) != 1:
                shown = ", ".join(f"{field} has {length}" for field, length in lengths.items())
                raise ValueError(f"fields that advance together need equally many values: {shown}")
            if 0 in lengths.values():
                raise ValueError(f"{next(iter(entry))} has no values")
            for field in entry:
                if field in seen:
                    raise ValueError(f"field {field} is on two axes")
                seen.add(field)
        return axes


@dataclass(frozen=True, slots=True)
class Point:
    """One design to evaluate: its coordinates on the axes and what they resolve to."""

    index: int
    coordinates: tuple[tuple[str, Any], ...]
    configuration: str
    architecture: str | None
    accounting: Accounting
    workload: Workload
    overrides: tuple[Override, ...]

    def design(self) -> Design:
        """Loads the design; raises SpecError for what is wrong in it."""
        return load_design(
            self.configuration,
            self.workload,
            architecture=self.architecture,
            overrides=self.overrides,
            accounting=self.accounting,
        )

    @property
    def command(self) -> str:
        """The command line that evaluates this point alone."""
        words = ["einsim", "run", self.configuration]
        if self.workload.model:
            words += ["--model", self.workload.model, "--seq-len", str(self.workload.seq_len)]
            words += ["--batch", str(dict(self.workload.sizes)["B"])]
        else:
            words += ["--shape", ",".join(f"{name}={size}" for name, size in self.workload.sizes)]
        if self.architecture:
            words += ["--arch", self.architecture]
        words += [word for change in self.overrides for word in ("--set", f"{change.name}={change.value}")]
        return shlex.join([*words, "--accounting", str(self.accounting)])


@dataclass(frozen=True, slots=True)
class Space:
    """A sweep file with its place: the points are made on demand."""

    file: SweepFile
    document: Document
    folder: Path

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields on axes, outermost first."""
        return tuple(field for entry in self.file.axes for field in entry)

    def __len__(self) -> int:
        """How many points there are."""
        total = 1
        for entry in self.file.axes:
            total *= len(next(iter(entry.values())))
        return total

    def points(self) -> Iterator[Point]:
        """All points, the last axis fastest. Raises SpecError at the first bad coordinate."""
        per_axis = [
            [tuple(zip(entry, together, strict=True)) for together in zip(*entry.values(), strict=True)]
            for entry in self.file.axes
        ]
        fixed = tuple(self._override(path, value, ("set", path)) for path, value in self.file.set.items())
        for index, choice in enumerate(itertools.product(*per_axis)):
            yield self._point(index, tuple(itertools.chain.from_iterable(choice)), fixed)

    def _override(self, path: str, value: Any, place: tuple[str | int, ...]) -> Override:
        return make_override(path, value, self.document.locate(place))

    def _place(self, field: str) -> Location:
        axis = next((i for i, entry in enumerate(self.file.axes) if field in entry), None)
        return self.document.locate((field,) if axis is None else ("axes", axis, field))

    def _point(self, index: int, coordinates: tuple[tuple[str, Any], ...], fixed: tuple[Override, ...]) -> Point:
        values = {name: getattr(self.file, name) for name in PLAIN_AXES}
        overrides = list(fixed)
        for field, value in coordinates:
            if field in values:
                values[field] = value
            elif "." in field:
                overrides.append(make_override(field, value, self._place(field)))
            else:
                raise SpecError(f"unknown field {field!r}", at=self._place(field), remedy=suggest(field, PLAIN_AXES))
        if not isinstance(values["configuration"], str):
            raise SpecError("no configuration is named", at=self.document.locate(()), remedy="add configuration:")
        workload = self._workload(values["model"], values["seq_len"], values["batch"])
        return Point(
            index, _shown(coordinates), values["configuration"], values["architecture"],
            self._accounting(values["accounting"]), workload, tuple(overrides),
        )  # fmt: skip

    def _accounting(self, value: Any) -> Accounting:
        try:
            return Accounting(value)
        except ValueError:
            raise SpecError(f"unknown accounting {value!r}", at=self._place("accounting"),
                            remedy=suggest(str(value), Accounting)) from None  # fmt: skip

    def _workload(self, model: Any, seq_len: Any, batch: Any) -> Workload:
        lengths = []
        for field, value in (("seq_len", seq_len), ("batch", batch)):
            try:
                lengths.append(None if value is None else _length(value))
            except ValueError as error:
                raise SpecError(f"{field}: {error}", at=self._place(field)) from None
        shape = tuple(self.file.shape.items())
        return make_workload(model, lengths[0], lengths[1], shape)


def _shown(coordinates: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    """Coordinates as results show them: lengths as integers."""
    return tuple((field, _length(value) if field in {"seq_len", "batch"} else value) for field, value in coordinates)


def _length(value: Any) -> int:
    count = parse_count(value) if isinstance(value, (int, str)) else 0
    if count <= 0:
        raise ValueError(f"{value!r} is no positive count")
    return count


@lru_cache(maxsize=4096)
def make_workload(
    model: str | None, seq_len: int | None, batch: int | None, shape: tuple[tuple[str, int], ...]
) -> Workload:
    """A model's attention at a length, with sizes of `shape` on top; or the shape alone.

    Raises SpecError where neither says enough.
    """
    sizes = dict(shape)
    if model is None:
        if seq_len is not None:
            raise SpecError("a sequence length needs a model", at=Location("workload"), remedy="add --model")
        if not sizes:
            raise SpecError("nothing says what to run", at=Location("workload"),
                            remedy="give --model and --seq-len, or --shape B=2,H=4,E=32,F=32,M=2K,P=2K")  # fmt: skip
        return Workload(tuple({**({"B": batch} if batch is not None else {}), **sizes}.items()))
    if seq_len is None:
        raise SpecError(f"no sequence length for {model}", at=Location("workload"), remedy="add --seq-len 16K")
    workload = attention(find_model(library.load_models(), model), seq_len, batch or DEFAULT_BATCH)
    return workload.with_sizes(sizes) if sizes else workload


def load_space(path: Path) -> Space:
    """Reads and validates a sweep file; raises SpecError with its line."""
    document = library.load_document(path)
    space = Space(validate(SweepFile, document), document, path.parent)
    if space.file.baseline is not None:
        for field, value in space.file.baseline.items():
            entry = next((entry for entry in space.file.axes if field in entry), None)
            at = document.locate(("baseline", field))
            if entry is None:
                raise SpecError(f"baseline: {field!r} is on no axis", at=at, remedy=suggest(field, space.fields))
            if value not in entry[field]:
                raise SpecError(f"baseline: {field} never is {value!r}", at=at, remedy=f"one of {entry[field]}")
    return space
