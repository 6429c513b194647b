"""Search files, as they are written."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from pydantic import Field, ValidationInfo, field_validator, model_validator

from einsim.errors import suggest
from einsim.explore.sweepfile import Axes, Common, check_lengths
from einsim.spec.fields import Count, Name, Record


class Method(StrEnum):
    """How designs are chosen."""

    EXHAUSTIVE = "exhaustive"
    RANDOM = "random"
    NSGA2 = "nsga2"
    TPE = "tpe"


MEANS: Final = ("latency_s", "energy_pj", "traffic_bytes", "edp_js", "util_2d", "util_1d")
"""Numbers of a design that are geometric means over its workloads."""
MOST: Final = ("area_um2", "power_w", "held_bytes")
"""Numbers of a design that are the largest over its workloads."""
HIGHER: Final = frozenset({"util_2d", "util_1d"})
"""Numbers of which more is better."""
_NOTHING: Final = 1e-100
_PARENTS: Final = 2


class Bound(Record):
    """What a number of a design has to keep."""

    at_most: float | None = Field(None, description="It is not above that")
    at_least: float | None = Field(None, description="It is not below that")

    @model_validator(mode="after")
    def _one(self) -> Bound:
        if self.at_most is None and self.at_least is None:
            raise ValueError("give at_most or at_least")
        return self


def scale_of(limit: float) -> float:
    """What a miss of a bound is relative to: the bound, or 1 where that is next to nothing."""
    return abs(limit) if abs(limit) > _NOTHING else 1.0


class Rival(Record):
    """A design to compare with: settings on top of the file's own."""

    configuration: str | None = Field(None, description="Its configuration, where not the file's")
    architecture: str | None = Field(None, description="Its architecture, where not the configuration's own")
    set: dict[str, Any] = Field(default_factory=dict, description="Fields set in it, by path, on top of the file's")


class SearchFile(Common):
    """A search: what designs there are, what they run, and what makes one better than another.

    Numbers of a design are taken over all of its workloads: geometric means of latency, energy, traffic, energy-delay
    product and utilisation, the largest area, power and bytes held on chip. A design is feasible if it is on all of
    them.
    """

    design: Axes = Field(description="What designs differ in: axes as in a sweep file")
    workloads: Axes = Field(description="What every design runs: axes as in a sweep file")
    objectives: list[str] = Field(
        default_factory=lambda: ["latency_s", "energy_pj"], min_length=1, description="Numbers to make small (or large)"
    )
    constraints: dict[str, Bound] = Field(default_factory=dict, description="Bounds on numbers of a design")
    method: Method = Field(Method.EXHAUSTIVE, description="exhaustive, random, nsga2 or tpe")
    evaluations: Count = Field(10_000, description="Designs to evaluate at most (all of them, if exhaustive)")
    population: Count = Field(64, description="Designs of a generation (nsga2, tpe), evaluated together")
    seed: int = Field(0, ge=0, lt=1 << 32, description="Seed of everything that is drawn")
    confirm: int = Field(
        20, ge=0, lt=1 << 63, description="Designs of the front, at most, that the cycle model runs as well"
    )
    compare: dict[Name, Rival] = Field(default_factory=dict, description="Designs to show beside the front, by name")

    @field_validator("design", "workloads")
    @classmethod
    def _equal_lengths(cls, axes: Axes) -> Axes:
        if not axes:
            raise ValueError("there is no axis")
        return check_lengths(axes)

    @field_validator("population")
    @classmethod
    def _can_breed(cls, population: int, known: ValidationInfo) -> int:
        if population < _PARENTS and known.data.get("method") is Method.NSGA2:
            raise ValueError(f"nsga2 needs at least {_PARENTS} designs of a generation")
        return population

    @field_validator("objectives")
    @classmethod
    def _objectives(cls, names: list[str]) -> list[str]:
        for place, name in enumerate(names):
            _known(name)
            if name in names[:place]:
                raise ValueError(f"{name} is there twice")
        return names

    @field_validator("constraints")
    @classmethod
    def _constraints(cls, bounds: dict[str, Bound]) -> dict[str, Bound]:
        for name in bounds:
            _known(name)
        return bounds


def _known(name: str) -> None:
    if name not in (*MEANS, *MOST):
        raise ValueError(f"unknown number {name!r}; {suggest(name, (*MEANS, *MOST))}")
