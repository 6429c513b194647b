"""Mappings: how a cascade is cut into tiles, ordered, kept in memories and bound to arrays.

A mapping file names its cascade and its default architecture; together they are a *configuration*.
See `docs/files.md` for a walk through one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self, TypeGuard

from pydantic import BeforeValidator, Field, model_validator

from einsim.cascade import Forms
from einsim.spec.fields import Count, Name, Record


def _text(value: Any) -> Any:
    """A number as an expression's text."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Size = Annotated[str, BeforeValidator(_text), Field(min_length=1)]
"""A size expression over ranks' sizes, tiles and architecture fields: `min(P0, array1d.lanes)`."""


class Fitted(Record):
    """A tile count computed from capacity: the largest divisor whose tiles fit a memory."""

    divides: Size = Field(description="The count it must divide, such as ceil(P / P0)")
    fits: Name = Field(description="The memory whose capacity bounds it")
    among: list[Name] | None = Field(
        None, description="Einsums whose tiles share the memory; those of the fullest fusion group by default"
    )
    within_bytes: Size | None = Field(None, description="Bytes it may fill, when less than the capacity")

    def among_some(self, left: Callable[[list[str]], list[str]]) -> Fitted:
        """The same among what is left of its Einsums."""
        return self if self.among is None else self.model_copy(update={"among": left(self.among)})


class Divided(Record):
    """A rank in parts, so that each may run on an array of its own."""

    into: dict[Name, Size] = Field(
        min_length=2, description="The ranks that it becomes -> elements of each, in order; of every group, with groups"
    )
    groups: Name | None = Field(
        None, description="The rank that counts groups of its elements, each divided alike; all are one group without"
    )


class Nest(Record):
    """A loop nest, shared by every Einsum that names it; an Einsum skips the ranks it does not have."""

    array: Name = Field(description="The array that runs it")
    loops: dict[Name, list[Name]] = Field(
        description="Memory (or register) level -> the loops that walk over tiles held there, outermost first"
    )
    spatial: dict[Name, Name] = Field(
        default_factory=dict, description="Axis of the array -> the loop laid out along it"
    )


class EinsumPlan(Record):
    """How one Einsum runs."""

    nest: Name = Field(description="The loop nest it runs in")
    keep: dict[str, list[Name]] = Field(
        description="Tensor -> the levels it passes through, from its home to the array's registers"
    )
    pipelined: bool = Field(
        False, description="Its operations overlap: a point costs its slowest operation, not their sum"
    )
    uncharged_operations: list[Name] = Field(default_factory=list, description="Operations that cost no energy")
    uncharged_levels: dict[str, list[Name]] = Field(
        default_factory=dict, description="Tensor -> levels where its accesses cost no energy"
    )
    accumulate: list[Name] = Field(
        default_factory=list, description="Ranks of the output that are summed in place instead of kept apart"
    )

    def without(self, name: str, forms: Forms) -> EinsumPlan:
        """The plan of an Einsum without the tensors that it touches in other forms of its cascade only."""
        return self.model_copy(update={
            "keep": {tensor: path for tensor, path in self.keep.items() if (name, tensor) not in forms.untouched}
        })  # fmt: skip


class Stall(Record):
    """Cycles in which nothing runs."""

    cycles: Size = Field(description="Cycles of one stall")
    each: Name = Field(description="The Einsum each of whose steps pays it")


class Phase(Record):
    """A stretch of time: Einsums side by side on the arrays, lasting as long as the busiest array."""

    run: dict[Name, list[Name]] = Field(default_factory=dict, description="Array -> Einsums, one after another")
    stall: Stall | None = Field(None, description="Or nothing at all, for a number of cycles")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.run) == (self.stall is not None):
            raise ValueError("a phase has either run or stall")
        return self


class Spill(Record):
    """Tensors that overflow a memory: a proportion of their traffic goes to the outermost memory instead."""

    level: Name = Field(description="The memory that overflows")
    tensors: list[Name] = Field(description="Tensors that share the overflow")
    proportion: Size = Field(description="The proportion that does not fit, between 0 and 1; held to these bounds")


class Choice(Record):
    """A decision left to the user or to the record of a search."""

    description: str = ""
    options: list[str] | None = Field(None, description="The values it may take; none means a positive integer")
    default: str | int | None = Field(None, description="Its value where nobody decides")
    tried: list[str | int] | None = Field(
        None, description="The values that whole models try where nobody decides; all options by default"
    )


class Recorded(Record):
    """Choices that were made for published models, with their lengths."""

    models: list[str]
    seq_len: Count
    choices: dict[Name, str | int]


def _run(value: Any) -> Any:
    """A number as the text of a run."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Run = Annotated[str, BeforeValidator(_run), Field(pattern=r"^\d{1,9}(\.\.\d{1,9}( by [1-9]\d{0,8})?)?$")]
"""Cycles at an even pace: `3`, `0..63`, `0..126 by 2`; the last one is part of it."""


def cycles_of_run(text: str) -> range:
    """The cycles that a run means."""
    span, _, pace = text.partition(" by ")
    first, _, last = span.partition("..")
    return range(int(first), int(last or first) + 1, int(pace or 1))


class Pipeline(Record):
    """The plan of the epochs of one fusion group: what `einsim bind` finds."""

    interval: Count = Field(description="Cycles from the start of one epoch to that of the next")
    cycles: dict[Name, list[Run]] = Field(
        min_length=1,
        description="Einsum -> the cycles of its slots in order, counted from the start of their epoch: 3, "
        '"0..63" or "0..126 by 2"',
    )


class Mapping(Record):
    """A mapping with its binding, after choices are made."""

    name: Name = Field(description="Its name on the command line and in results")
    description: str = Field("", description="One paragraph for the reader")
    source: str = Field("", description="Where the mapping comes from")
    cascade: str = Field(description="The cascade it maps: a library name or a file")
    architecture: str = Field(description="The architecture it runs on by default: a shipped name or a file")
    batch: list[Name] = Field(default_factory=list, description="Ranks that every tensor has besides its own")
    divide: dict[Name, Divided] = Field(
        default_factory=dict,
        description="Rank of the cascade -> its parts; what has the rank is then there once a part: X is X_part",
    )
    sizes: dict[str, Size] = Field(
        default_factory=dict, description="Sizes that the cascade leaves open, such as M0: array2d.rows"
    )
    tiles: dict[Name, Size | Fitted] = Field(default_factory=dict, description="Named tile sizes, in order")
    partition: dict[Name, dict[Name, Size]] = Field(
        default_factory=dict,
        description="Rank -> its loops, outermost first, each with the elements of the rank that one iteration covers",
    )
    nests: dict[Name, Nest] = Field(min_length=1, description="Loop nests by name")
    views: list[Name] = Field(default_factory=list, description="Copies that move nothing: tensors seen re-indexed")
    einsums: dict[Name, EinsumPlan] = Field(
        min_length=1, description="How each Einsum of the cascade runs; views are left out"
    )
    fusion: list[list[Name] | list[list[Name]]] | None = Field(
        None,
        description="Groups of Einsums whose tiles share the buffers at one time; one group of all by default. A group "
        "may be a list of parts, which follow each other inside the outer loops that all of them share",
    )
    assumed: dict[str, list[Name]] = Field(
        default_factory=dict,
        description="Residencies taken for granted although the registers are too small for them (tensor -> levels), "
        "as published figures may do",
    )
    spill: list[Spill] = Field(default_factory=list, description="What happens to tiles that exceed a memory")
    phases: list[Phase] = Field(min_length=1, description="The binding: what runs beside what, in order")
    timing: Literal["interleaved", "phases"] = Field(
        "interleaved",
        description="In the cycle model: tiles of different Einsums interleaved, or one phase after the other",
    )
    pipeline: list[Pipeline] = Field(
        default_factory=list,
        description="In the cycle model: the planned cycles of a fusion group's Einsums, instead of a plan of its own",
    )
    beside: dict[Name, str] = Field(
        default_factory=dict,
        description="In whole models: a mapping that a family names for its other kernels -> the one that runs instead",
    )
    memory_time: Literal["overall", "per-phase"] = Field(
        "overall", description="Whether DRAM time hides behind the whole run or behind its own phase"
    )

    def without(self, forms: Forms) -> Mapping:
        """The mapping without what the form of its cascade at hand lacks: Einsums, tensors, and tensors of Einsums."""

        def left(names: list[str]) -> list[str]:
            return [name for name in names if name not in forms.absent]

        plans = {name: plan.without(name, forms) for name, plan in self.einsums.items() if name not in forms.absent}
        parts = [[kept for part in group if (kept := left(part))] for group in self.parted]
        runs = [{array: kept for array, run in each.run.items() if (kept := left(run))} for each in self.phases]
        phases = [each.model_copy(update={"run": run}) for each, run in zip(self.phases, runs, strict=True)]
        tiles = {name: tile.among_some(left) if isinstance(tile, Fitted) else tile for name, tile in self.tiles.items()}
        return self.model_copy(update={
            "einsums": plans,
            "tiles": tiles,
            "views": left(self.views),
            "fusion": None if self.fusion is None else [group for group in parts if group],
            "phases": [each for each in phases if each.stall is not None or each.run],
        })  # fmt: skip

    @property
    def parted(self) -> list[list[list[str]]]:
        """The fusion groups, each as its parts; one part where a group has none."""
        if self.fusion is None:
            return [[list(self.einsums)]]
        return [[[*filter(_is_name, group)]] if all(map(_is_name, group)) else [list(part) for part in group]
                for group in self.fusion]  # fmt: skip


def _is_name(each: str | list[str]) -> TypeGuard[str]:
    return isinstance(each, str)
