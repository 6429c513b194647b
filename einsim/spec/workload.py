"""Workloads: the sizes of the ranks that a model's attention needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

from pydantic import Field

from einsim.errors import Location, SpecError, suggest
from einsim.spec.fields import Count, Name, Record
from einsim.units import INT64_MAX, parse_count, shorten

DEFAULT_BATCH: Final = 64
WORKLOAD: Final = Location("workload")
_MODEL: Final = Location("--model")


class ModelShape(Record):
    """The shape of one model's attention."""

    name: Name = Field(description="The model's name")
    source: str = Field("", description="Where the shape comes from")
    heads: Count = Field(description="Attention heads, H")
    model_width: Count = Field(description="Width of the model, D")
    head_width: Count = Field(description="Width of one head, E = F")
    ffn_width: Count = Field(description="Hidden width of the feed-forward network, S")


class ModelLibrary(Record):
    """The shapes that ship with einsim."""

    models: list[ModelShape]


@dataclass(frozen=True, slots=True)
class Workload:
    """Rank sizes, by upper-case rank: B, H, E, F, M, P. `at` is where they are given.

    `model` and `seq_len` say where they come from, when they come from a model at a length.
    """

    sizes: tuple[tuple[str, int], ...]
    model: str | None = None
    seq_len: int | None = None
    at: Location = field(default=WORKLOAD, compare=False)

    def __post_init__(self) -> None:
        for name, size in self.sizes:
            if not 0 < size <= INT64_MAX:
                raise SpecError(f"size {name}={shorten(str(size))} is not between 1 and 2^63 - 1", at=self.at)

    @property
    def label(self) -> str:
        """How the workload is named in tables."""
        return self.model or "custom"

    def with_sizes(self, changes: dict[str, int]) -> Workload:
        """The workload with some sizes changed; it is the model's no more if a sequence or head size differs."""
        sizes = dict(self.sizes)
        same = all(sizes.get(name) == size for name, size in changes.items() if name not in {"B", "H"})
        merged = tuple({**sizes, **changes}.items())
        return Workload(merged, self.model if same else None, self.seq_len if same else None, self.at)


def attention(shape: ModelShape, seq_len: int, batch: int = DEFAULT_BATCH, at: Location = WORKLOAD) -> Workload:
    """Self-attention of a model over `seq_len` tokens: M = P = seq_len."""
    sizes = (
        ("B", batch),
        ("H", shape.heads),
        ("E", shape.head_width),
        ("F", shape.head_width),
        ("M", seq_len),
        ("P", seq_len),
    )
    return Workload(sizes, shape.name, seq_len, at)


def find_model(library: ModelLibrary, name: str, at: Location = _MODEL) -> ModelShape:
    """The shape called `name`, whatever its capitals; raises SpecError with the nearest name."""
    for shape in library.models:
        if shape.name.lower() == name.lower():
            return shape
    known = [shape.name for shape in library.models]
    looks_like_file = PurePath(name).suffix in {".json", ".onnx", ".yaml"}
    remedy = f"files are for `einsim run`; known: {', '.join(known)}" if looks_like_file else suggest(name, known)
    raise SpecError(f"unknown model {name!r}", at=at, remedy=remedy)


def parse_shape(text: str, option: str = "--shape") -> dict[str, int]:
    """Sizes from `B=2,H=4,E=32`; raises SpecError naming the option and the part that is wrong."""
    sizes: dict[str, int] = {}
    at = Location(option)
    for part in text.split(","):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier() or not name[0].isupper():
            raise SpecError(f"{part!r} is no size", at=at, remedy="write B=2,H=4,E=32,F=32,M=2K,P=2K")
        if name in sizes:
            raise SpecError(f"size {name} stands twice", at=at)
        try:
            sizes[name] = parse_count(value.strip())
        except ValueError as error:
            raise SpecError(f"{name}: {error}", at=at) from None
    return sizes
