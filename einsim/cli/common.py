"""What the commands share: options, and the workload they describe."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from einsim.cli.output import complain
from einsim.errors import Location, SpecError
from einsim.explore.identity import code_digest
from einsim.explore.point import make_workload
from einsim.explore.resultstore import ResultStore
from einsim.explore.sweep import Means
from einsim.spec.configuration import Accounting, Design, load_design
from einsim.spec.files import Files, held
from einsim.spec.overrides import Override, parse_override
from einsim.spec.workload import Workload, parse_shape
from einsim.units import parse_count


class ExecutorName(StrEnum):
    """Where points are evaluated."""

    LOCAL = "local"
    DASK = "dask"


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
StoreOption = Annotated[
    str | None,
    Parameter(name="--store", help="Keep results in this folder, and evaluate only what is not yet there"),
]
ExecutorOption = Annotated[
    ExecutorName, Parameter(name="--executor", help="Evaluate on this machine (local), or on a Dask cluster (dask)")
]
SchedulerOption = Annotated[
    str | None, Parameter(name="--scheduler", help="The scheduler of the Dask cluster: tcp://HOST:8786")
]
JsonOption = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class DesignOptions:
    """What the options say of a configuration's design and workload."""

    model: ModelOption = None
    seq_len: LengthOption = None
    batch: BatchOption = None
    shape: ShapeOption = None
    arch: ArchOption = None
    set_: SetOption = None
    accounting: AccountingOption = Accounting.FULL

    @property
    def overrides(self) -> list[Override]:
        """What they change; raises SpecError for what is no change."""
        return [parse_override(text) for text in self.set_ or ()]

    def load(self, configuration: str) -> Design:
        """Loads the design; raises SpecError for what is wrong in it."""
        load = workload(self.model, self.seq_len, self.batch, self.shape)
        return load_design(
            configuration, load, architecture=self.arch, overrides=self.overrides, accounting=self.accounting
        )

    def command(self, name: str, configuration: str, *flags: str) -> str:
        """The command line that asks for the same again."""
        given = {"--model": self.model, "--seq-len": self.seq_len, "--batch": self.batch, "--shape": self.shape,
                 "--arch": self.arch, "--set": self.set_, "--accounting": str(self.accounting)}  # fmt: skip
        return " ".join([command_line(name, [configuration], given), *map(shlex.quote, flags)])


PLAIN: Final = DesignOptions()
"""No option is given."""


def command_line(name: str, words: Sequence[str], options: Mapping[str, object]) -> str:
    """A command line: options that are not None, flags that are true, lists one by one."""
    said = ["einsim", *name.split(), *words]
    for option, value in options.items():
        if value is True:
            said.append(option)
        elif isinstance(value, (list, tuple)):
            said += [word for each in value for word in (option, str(each))]
        elif value is not None and value is not False:
            said += [option, str(value)]
    return shlex.join(said)


@contextmanager
def unchanging() -> Iterator[None]:
    """Inside, einsim's files and the user's are what they are when they are first read, and its code what it is now."""
    code_digest()
    with held(Files()):
        yield


@contextmanager
def means(store: str | None, executor: ExecutorName, scheduler: str | None) -> Iterator[Means]:
    """Where to evaluate, and where to keep results, as the options say; raises SpecError where that is impossible."""
    if executor is ExecutorName.DASK and not scheduler:
        raise SpecError("needs the address of a scheduler", at=Location("--executor dask"),
                        remedy="add --scheduler tcp://HOST:8786 ('dask scheduler' starts one)")  # fmt: skip
    if executor is not ExecutorName.DASK and scheduler is not None:
        raise SpecError("there is a scheduler, and points are evaluated here", at=Location("--scheduler"),
                        remedy="add --executor dask")  # fmt: skip
    kept = None if store is None else _opened(store)
    if scheduler is None:
        yield Means(store=kept)
        return
    from einsim.explore.cluster import Dask  # noqa: PLC0415 - few sweeps need it

    with closing(Dask(scheduler)) as cluster:
        yield Means(cluster, kept)


def _opened(store: str) -> ResultStore:
    if store == "":
        raise SpecError("names no folder", at=Location("--store"), remedy="write --store results/store")
    opened = ResultStore(Path(store))
    for damage in opened.damaged:
        complain(str(damage))
    return opened


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
