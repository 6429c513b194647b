"""Sweep files, as they are written."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from pydantic import Field, field_validator

from einsim.spec.configuration import Accounting
from einsim.spec.family import Phase
from einsim.spec.fields import Count, Name, Record
from einsim.spec.modelrun import Causal, Layers, Scope
from einsim.spec.workload import DEFAULT_BATCH


class FigureName(StrEnum):
    """Figures that a sweep can draw."""

    SPEEDUP = "speedup"
    ENERGY = "energy"
    UTILISATION = "utilisation"
    BREAKDOWN = "breakdown"
    FRONT = "front"


_BY_DEFAULT: Final[tuple[FigureName, ...]] = tuple(name for name in FigureName if name is not FigureName.FRONT)


class TimeModel(StrEnum):
    """What says how long a point takes."""

    CLOSED_FORM = "closed-form"
    CYCLE = "cycle"
    BOTH = "both"


Axes = list[dict[str, list[Any]]]
"""Each entry is a mapping of fields to lists of values; the entries are crossed with each other, the fields of one
entry advance together. A field is one of configuration, architecture, accounting, scope, layers, causal, phase,
context, new_tokens, model, seq_len, batch, or a path such as arch.array2d.rows, mapping.P1 or workload.M."""


class Common(Record):
    """What holds for all points of a sweep or a search, where no axis says otherwise."""

    name: Name = Field(description="Names the output folder")
    description: str = Field("", description="One paragraph for the reader")
    configuration: str | None = Field(None, description="The configuration, where no axis names it")
    architecture: str | None = Field(None, description="The architecture, where not the configuration's own")
    accounting: Accounting = Field(Accounting.FULL, description="full or published")
    time_model: TimeModel = Field(
        TimeModel.CLOSED_FORM,
        description="closed-form, cycle (latency and utilisation are those of the cycle model), or both side by side",
    )
    scope: Scope = Field(
        Scope.ATTENTION, description="attention, linear, attention+linear, layer or model: what of the model is run"
    )
    layers: Layers = Field(
        Layers.SEQUENTIAL,
        description="sequential, overlapped or fused: how the kernels of a layer run (of scopes with layers)",
    )
    causal: Causal = Field(
        Causal.COUNT, description="count or skip: scores that causal attention hides in a prefill (docs/models.md)"
    )
    phase: Phase | None = Field(None, description="prefill or decode of the model (docs/models.md)")
    context: int | str | None = Field(
        None, description="Tokens in the cache: 8K, or of several lengths: 300x4K,212x32K"
    )
    new_tokens: Count | None = Field(None, description="Tokens that are added to each sequence")
    model: str | None = Field(None, description="The model, where no axis names it")
    seq_len: Count | None = Field(None, description="The sequence length, where no axis names it")
    batch: Count = Field(DEFAULT_BATCH, description="Sequences processed together, B")
    shape: dict[str, Count] = Field(default_factory=dict, description="Sizes on top of, or instead of, a model's")
    set: dict[str, Any] = Field(default_factory=dict, description="Fields set at every point, by path")


class SweepFile(Common):
    """A sweep: fixed settings, axes, and what to make of the results."""

    axes: Axes = Field(description="What varies")
    baseline: dict[str, Any] | None = Field(None, description="Axis values of the points that others compare with")
    published: str | None = Field(None, description="A CSV of published results to compare with, beside this file")
    figures: list[FigureName] = Field(
        default_factory=lambda: list(_BY_DEFAULT),
        description="speedup, energy, utilisation, breakdown: all by default; and front: latency against area",
    )

    @field_validator("axes")
    @classmethod
    def _equal_lengths(cls, axes: Axes) -> Axes:
        return check_lengths(axes)


def check_lengths(axes: Axes) -> Axes:
    """Raises ValueError where an axis has no values, or its fields not equally many."""
    for entry in axes:
        if not entry:
            raise ValueError("an axis names no field")
        lengths = {field: len(values) for field, values in entry.items()}
        if len(set(lengths.values())) != 1:
            shown = ", ".join(f"{field} has {length}" for field, length in lengths.items())
            raise ValueError(f"fields that advance together need equally many values: {shown}")
        if 0 in lengths.values():
            raise ValueError(f"{next(iter(entry))} has no values")
    return axes
