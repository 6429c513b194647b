"""What the commands share: options, output, and the workload they describe."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console, RenderableType

from einsim.errors import Location, SpecError
from einsim.explore.space import make_workload
from einsim.spec.configuration import Accounting
from einsim.spec.workload import Workload, parse_shape
from einsim.units import parse_count

ModelOption = Annotated[str | None, Parameter(name="--model", help="Model: BERT, TrXL, T5 or XLM")]
LengthOption = Annotated[str | None, Parameter(name="--seq-len", help="Sequence length: 1024, 16K, 1M")]
BatchOption = Annotated[str | None, Parameter(name="--batch", help="Sequences processed together [64]")]
ArchOption = Annotated[str | None, Parameter(name="--arch", help="Architecture: a shipped name or a file")]
ShapeOption = Annotated[
    str | None, Parameter(name="--shape", help="Sizes instead of a model, or on top of it: B=2,H=4,E=32,F=32,M=2K,P=2K")
]
SetOption = Annotated[
    list[str] | None,
    Parameter(
        name="--set", negative="", consume_multiple=False,
        help="Change a field: arch.buffer.capacity_bytes=8388608, mapping.P1=512; may be repeated",
    ),
]  # fmt: skip
AccountingOption = Annotated[
    Accounting,
    Parameter(name="--accounting", help="Energy of all register files (full), or of one of each array (published)"),
]
JsonOption = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON")]


def console(*, wide: int = 140) -> Console:
    """Standard output: a terminal's own width, `wide` columns where there is none."""
    return Console(width=None if sys.stdout.isatty() else wide, highlight=False, soft_wrap=False)


def show_result(renderable: RenderableType) -> None:
    """Prints for people."""
    console().print(renderable)


def print_json(value: Any) -> None:
    """Prints for scripts."""
    print(json.dumps(value, indent=2, allow_nan=False))


def workload(model: str | None, seq_len: str | None, batch: str | None, shape: str | None) -> Workload:
    """The workload that the options describe; raises SpecError where they do not."""
    sizes = tuple((parse_shape(shape) if shape else {}).items())
    return make_workload(model, _count("--seq-len", seq_len), _count("--batch", batch), sizes)


def _count(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        value = parse_count(text)
    except ValueError as error:
        raise SpecError(str(error), at=Location(option)) from None
    if value <= 0:
        raise SpecError(f"{text} is not positive", at=Location(option))
    return value
