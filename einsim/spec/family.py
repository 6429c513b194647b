"""Model families, as their files in `einsim/zoo/families` say: which kernels a layer has, and their sizes.

A family reads the fields of a config file (Hugging Face's `config.json`), derives others, and lists groups of kernels
with sizes that are expressions over fields and lengths (`sequences`, `tokens`, `keys` ...; see `docs/models.md`).
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from einsim.spec.fields import Count, Name, Record
from einsim.spec.mapping import Size

Phase = Literal["prefill", "decode"]
Part = Literal["attention", "linear", "layer", "other"]


class ConfigField(Record):
    """One fact that a family reads from a config file."""

    keys: list[str] = Field(min_length=1, description="What config files call it; the first that is there counts")
    kind: Literal["count", "whole", "flag", "choice", "length", "absent"] = Field(
        "count",
        description="A positive integer, one or 0, true or false, one of `options`, the length of a list or map, or "
        "nothing that counts (null, false, 0, empty): anything else is refused",
    )
    types: list[str] | None = Field(None, description="Read for these model types only; 0 for the others")
    default: Size | None = Field(
        None, description="An expression over the fields above, or an option; without one the field is needed"
    )
    options: dict[str, int] = Field(default_factory=dict, description="The values of a choice and what they stand for")
    about: str = Field("", description="What it is; for `absent`, why anything else is refused")


class Check(Record):
    """What must be so for the kernels' sizes to make sense."""

    zero: Size = Field(description="An expression that must be 0")
    field: Name = Field(description="The field that is to blame")
    says: str = Field(description="What must be so, in words")


class Picked(Record):
    """A choice of a mapping that follows from what a model is."""

    by: Size = Field(description="An expression over fields: which one, counted from 0")
    of: list[str] = Field(min_length=1, description="The values that the choice may have here")


class Kernel(Record):
    """One kernel: a cascade with sizes, and what maps it."""

    name: str = Field(min_length=1, description="Its name in results")
    attention: bool = Field(False, description="Mapped by the configuration that the command names")
    causal: bool = Field(False, description="Of attention: whether tokens see none behind them")
    mapping: str | None = Field(None, description="Or mapped by this mapping file, on the machine of the run")
    cascade: str | None = Field(None, description="Or this cascade, mapped by einsim itself")
    sizes: dict[str, Size] = Field(description="Sizes of its ranks")
    choices: dict[Name, Picked] = Field(
        default_factory=dict, description="Choices of its mapping that follow from what the model is"
    )
    instances: Size = Field("1", description="Independent instances one after another (of a cascade)")
    part: Part | None = Field(
        None, description="attention, linear or other: what --scope selects by; layer: all of one"
    )
    repeat: Size = Field("1", description="How often a layer runs it; 0: not at all")
    phase: Phase | None = Field(None, description="The phase it belongs to; both by default")
    weights: Size = Field("0", description="Parameters that it holds")
    active: Size | None = Field(None, description="Parameters of these that one token meets; all by default")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum((self.attention, self.mapping is not None, self.cascade is not None)) != 1:
            raise ValueError("a kernel has attention: true, or a mapping, or a cascade")
        return self

    @property
    def belongs(self) -> Part:
        """The part that the kernel counts as."""
        if self.part is not None:
            return self.part
        return "attention" if self.attention else "linear" if self.mapping is not None else "other"


class Need(Record):
    """What must be so for a fused form to be of the layer that a model has."""

    zero: Size = Field(description="An expression over fields and lengths that must be 0")
    says: str = Field(description="What must be so, in words")


class Fused(Record):
    """A fused form of a group of kernels: what runs in their place, with `--layers fused`."""

    configuration: Name = Field(description="The configuration whose attention it has")
    phase: Phase = Field("prefill", description="The phase that it is of")
    needs: list[Need] = Field(default_factory=list, description="What it takes for granted")
    kernels: list[Kernel] = Field(min_length=1, description="Its kernels, in order")


class Group(Record):
    """Kernels that run one after another, as often as a model has such a layer."""

    name: str = Field(description="Its name in results")
    facts: dict[Name, Size] = Field(default_factory=dict, description="What holds in this group only")
    repeat: Size = Field("1", description="How many there are; 0: none")
    layer: bool = Field(False, description="Whether it is a layer; embeddings and heads are none")
    phase: Phase | None = Field(None, description="The phase that runs it; both by default")
    cached: Size = Field("0", description="Words that each token leaves in the cache of one layer")
    kernels: list[Kernel] = Field(default_factory=list, description="Its kernels, in order")
    like: str | None = Field(None, description="Or those of another group")
    fused: list[Fused] = Field(default_factory=list, description="What may run in place of its kernels, fused")

    @model_validator(mode="after")
    def _kernels_once(self) -> Self:
        if bool(self.kernels) == (self.like is not None):
            raise ValueError("a group has kernels, or is like another group")
        if self.fused and not (self.layer and self.kernels):
            raise ValueError("fused forms are of layers, and stand beside their kernels")
        return self


class ModelType(Record):
    """One `model_type` of config files."""

    facts: dict[Name, int] = Field(default_factory=dict, description="What holds for all models of this type")
    architectures: dict[str, dict[Name, int]] = Field(
        min_length=1,
        description="`architectures` of its config files, and what each adds; the first where a file names none",
    )


class Family(Record):
    """A family of models."""

    name: Name = Field(description="Its name")
    description: str = Field("", description="One paragraph for the reader")
    source: str = Field("", description="Where its structure comes from")
    facts: dict[Name, int] = Field(default_factory=dict, description="What holds where a model type says nothing else")
    model_types: dict[str, ModelType] = Field(min_length=1, description="`model_type` of its config files")
    length: Size | None = Field(None, description="Tokens of every sequence, where the model itself says so")
    fields: dict[Name, ConfigField] = Field(description="What is read, in order")
    derived: dict[Name, Size] = Field(default_factory=dict, description="What follows from the fields, in order")
    checks: list[Check] = Field(default_factory=list, description="What must be so")
    ignored: list[str] = Field(default_factory=list, description="Fields of config files that change no count")
    left_out: dict[str, Size] = Field(
        default_factory=dict, description="What of the model is not counted -> an expression, where 0 says it has none"
    )
    groups: list[Group] = Field(min_length=1, description="Its kernels")

    @model_validator(mode="after")
    def _likes(self) -> Self:
        own = {group.name for group in self.groups if group.kernels}
        for group in self.groups:
            if group.like is not None and group.like not in own:
                raise ValueError(f"group {group.name!r} is like {group.like!r}, which has no kernels")
        return self

    def kernels_of(self, group: Group) -> list[Kernel]:
        """The kernels of a group, its own or those of the one that it is like."""
        return self._own(group).kernels

    def fused_of(self, group: Group) -> list[Fused]:
        """The fused forms of a group, its own or those of the one that it is like."""
        return self._own(group).fused

    def _own(self, group: Group) -> Group:
        return next(each for each in self.groups if each.name == (group.like or group.name))


class Published(Record):
    """A published model: what its config file says, with the source."""

    name: Name = Field(description="The model's name")
    also: list[Name] = Field(default_factory=list, description="Other names of it")
    source: str = Field(description="Where the facts come from")
    parameters: Count | None = Field(None, description="Its parameters as published, where exact")
    config: dict[str, Any] = Field(description="The fields of its config file that count")


class PublishedModels(Record):
    """The published models that ship with einsim."""

    models: list[Published]
