"""What the commands share: options, and the workload they describe."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from einsim.errors import Location, SpecError
from einsim.explore.space import make_workload
from einsim.spec.configuration import Accounting, Design, load_design
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload, parse_shape
from einsim.units import parse_count

ModelOption = Annotated[
    str | None,
    Parameter(name="--model", help="Model: a published name (BERT, Llama-3-8B), a config.json or an .onnx file"),
]
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
        help="Change a field: arch.buffer.capacity_bytes=8388608, mapping.tiles.P1=8; may be repeated",
    ),
]  # fmt: skip
AccountingOption = Annotated[
    Accounting,
    Parameter(name="--accounting", help="Energy of all register files (full), or of one of each array (published)"),
]
JsonOption = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON")]


@dataclass(frozen=True, slots=True)
class Asked:
    """One design as the command line asks for it."""

    configuration: str
    model: str | None = None
    seq_len: str | None = None
    batch: str | None = None
    shape: str | None = None
    arch: str | None = None
    sets: Sequence[str] = ()
    accounting: Accounting = Accounting.FULL

    def design(self) -> Design:
        """Loads it; raises SpecError for what is wrong in it."""
        return load_design(
            self.configuration,
            workload(self.model, self.seq_len, self.batch, self.shape),
            architecture=self.arch,
            overrides=[parse_override(text) for text in self.sets],
            accounting=self.accounting,
        )

    def command(self, name: str, *flags: str) -> str:
        """The command line that asks for the same again."""
        given = {"--model": self.model, "--seq-len": self.seq_len, "--batch": self.batch, "--shape": self.shape,
                 "--arch": self.arch}  # fmt: skip
        options = [word for option, value in given.items() if value is not None for word in (option, value)]
        sets = [word for text in self.sets for word in ("--set", text)]
        words = ["einsim", name, self.configuration, *options, *sets, "--accounting", str(self.accounting), *flags]
        return shlex.join(words)


def workload(model: str | None, seq_len: str | None, batch: str | None, shape: str | None) -> Workload:
    """The workload that the options describe; raises SpecError where they do not."""
    sizes = tuple(({} if shape is None else parse_shape(shape)).items())
    return make_workload(model, count_option("--seq-len", seq_len), count_option("--batch", batch), sizes)


def count_option(option: str, text: str | None) -> int | None:
    """The positive count that an option gives, if it is given; raises SpecError where it is none."""
    if text is None:
        return None
    try:
        value = parse_count(text)
    except ValueError as error:
        raise SpecError(str(error), at=Location(option)) from None
    if value <= 0:
        raise SpecError(f"{text} is not positive", at=Location(option))
    return value
