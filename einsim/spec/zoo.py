"""The zoo's systems: what each algorithm is, where it comes from, and which cascades spell it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from einsim.spec.fields import Count, Name, Record


class PublishedSizes(Record):
    """Sizes at which somebody published the system."""

    name: str = Field(description="Model or setting, such as BERT 1K")
    sizes: dict[str, Count] = Field(description="Size symbol -> value; sizes of ranks around the cascade too (B, H)")


class System(Record):
    """One system of the zoo, a folder with a cascade a variant."""

    name: Name = Field(description="Key; also the folder's name")
    title: str = Field(description="What people call it")
    description: str = Field(description="One paragraph: what it computes, what matters for hardware")
    source: str = Field(description="Paper or code that the cascades follow")
    confidence: Literal["read", "executed", "recalled", "abstract"] = Field(
        description="How sure the source is: read, compared with running code, recalled, or from the abstract alone"
    )
    seed: list[int] = Field(default_factory=list, description="Rows of the list of surveyed systems that it stands for")
    kind: Literal["A", "B", "I", "canon"] = Field(
        alias="class",
        description="A: changes attention; B: changes its use; I: an instance of a canonical form; canon: a classic",
    )
    sizes: list[PublishedSizes] = Field(default_factory=list, description="Published sizes")
    straightforward: str = Field(description="The variant as written down")
    best: str = Field(description="The variant with the fewest passes")
    variants: list[str] = Field(min_length=1, description="All variants: files NAME.cascade in the folder")
    rewrites: str = Field("", description="How the best form comes from the straightforward one")
    resists: str = Field("", description="What cannot be expressed, or not be costed exactly, and why")

    @model_validator(mode="after")
    def _known(self) -> Self:
        for field in ("straightforward", "best"):
            if getattr(self, field) not in self.variants:
                raise ValueError(f"{field} {getattr(self, field)!r} is none of the variants")
        return self

    def cascade_name(self, variant: str) -> str:
        """The name under which the library finds a variant's cascade."""
        return f"{self.name}-{variant}"
