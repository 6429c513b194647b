"""From names and options to one design: cascade + architecture + mapping + workload, all checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from einsim.cascade import Cascade, Division, divide
from einsim.errors import Location, SpecError
from einsim.spec import library
from einsim.spec.architecture import Architecture
from einsim.spec.choices import ABOUT, Choices, alternatives, as_integer, decide, offered, resolve, split_decisions
from einsim.spec.costtable import SramRows
from einsim.spec.fields import validate
from einsim.spec.inherit import MACHINE, inherit
from einsim.spec.machine import cost_sources, load_machine
from einsim.spec.mapping import Mapping
from einsim.spec.overrides import Override, apply, make_override
from einsim.spec.workload import Workload
from einsim.spec.yamlfile import Document, Identity, write_value
from einsim.units import INT64_MAX


class Accounting(StrEnum):
    """What energy charges: every register file, or one of each array as the published figures do."""

    FULL = "full"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Design:
    """Everything that an evaluation needs. `choices` are the decisions that the mapping left open.

    `cascade` is in the parts that the mapping divides it into.
    """

    cascade: Cascade
    architecture: Architecture
    mapping: Mapping
    workload: Workload
    accounting: Accounting
    choices: Choices
    mapping_document: Document
    architecture_document: Document


def load_design(
    configuration: str,
    workload: Workload,
    *,
    architecture: str | None = None,
    overrides: Sequence[Override] = (),
    accounting: Accounting = Accounting.FULL,
    at: Location | None = None,
    arch_at: Location | None = None,
) -> Design:
    """Loads a configuration, makes its choices for the workload, and applies the overrides.

    `at` and `arch_at` say where the configuration and the architecture are named. Raises SpecError for anything
    wrong in a file, a name or an override.
    """
    accounting = Accounting(accounting)
    document, path = load_mapping_file(configuration, at=at)
    decided, rest = split_decisions(document, [change for change in overrides if change.target == "mapping"])
    choices = decide(document, decided, workload)
    if rest:
        resolved, mapping = _settle(apply(document, rest), choices, accounting)
    else:
        resolved, mapping = _settle_once(Identity(document), choices, accounting)
    if architecture is None:
        architecture, arch_at = mapping.architecture, resolved.locate(("architecture",))
    arch_file, _ = load_machine_file(architecture, at=arch_at or Location("--arch"), beside=path.parent)
    arch_document = apply(arch_file, [o for o in overrides if o.target == "arch"])
    whole = _cascade(mapping, choices, resolved, path)
    mapping = _present_once(_Parts(whole, mapping, resolved)) if whole.forms.options else mapping
    cascade = _divided_once(_Parts(whole, mapping, resolved)) if mapping.divide else whole
    sized = _workload(workload, [o for o in overrides if o.target == "workload"])
    machine = _machine(arch_document)
    return Design(cascade, machine, mapping, sized, accounting, choices, resolved, arch_document)


def _cascade(mapping: Mapping, choices: Choices, document: Document, path: Path) -> Cascade:
    """The cascade of a mapping, in the form that the choices which are called as its options choose."""
    at = document.locate(("cascade",))
    whole = library.load_cascade(mapping.cascade, at=at, beside=path.parent)
    form = [(name, str(value)) for name, value in choices if name in dict(whole.forms.options)]
    return library.load_cascade(mapping.cascade, at=at, beside=path.parent, options=form) if form else whole


def find_machine(
    configuration: str,
    architecture: str | None = None,
    overrides: Sequence[Override] = (),
    *,
    at: Location | None = None,
    arch_at: Location | None = None,
) -> tuple[str, Architecture, Document]:
    """The machine that a configuration runs on: the name (or file) that it is known by, it, and where it is stated."""
    document, path = load_mapping_file(configuration, at=at)
    arch_at = arch_at or Location("--arch")
    if architecture is None:
        architecture = _settle(document, offered(document), Accounting.FULL)[1].architecture
        arch_at = document.locate(("architecture",))
    arch_file, arch_path = load_machine_file(architecture, at=arch_at, beside=path.parent)
    found = apply(arch_file, [each for each in overrides if each.target == "arch"])
    return str(arch_path), _machine(found), found


def open_alternatives(
    configuration: str, workload: Workload, overrides: Sequence[Override] = ()
) -> list[tuple[Override, ...]]:
    """Overrides that decide what a configuration leaves open, in every way that whole models try."""
    document, _ = load_mapping_file(configuration)
    decided, _ = split_decisions(document, [change for change in overrides if change.target == "mapping"])
    at = document.locate(("choices",))
    return [
        tuple(make_override(f"mapping.{name}", value, at) for name, value in each.items())
        for each in alternatives(document, decided, workload)
    ]


def _settle(document: Document, choices: Choices, accounting: Accounting) -> tuple[Document, Mapping]:
    """The mapping that a document is under some choices, with the places of its values."""
    resolved = resolve(document, choices, published=accounting is Accounting.PUBLISHED)
    return resolved, validate(Mapping, resolved, more=ABOUT)


@lru_cache(maxsize=256)
def _settle_once(key: Identity, choices: Choices, accounting: Accounting) -> tuple[Document, Mapping]:
    return _settle(key.document, choices, accounting)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a divided cascade follows from, as the key of a cache: the very objects, which the key keeps alive."""

    whole: Cascade
    mapping: Mapping
    document: Document

    def __hash__(self) -> int:
        return hash((id(self.whole), id(self.mapping)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Parts) and self.whole is other.whole and self.mapping is other.mapping


@lru_cache(maxsize=256)
def _present_once(parts: _Parts) -> Mapping:
    """The mapping without what is of other forms of its cascade."""
    return parts.mapping.without(parts.whole.forms)


@lru_cache(maxsize=256)
def _divided_once(parts: _Parts) -> Cascade:
    """The cascade in the parts that a mapping states; raises SpecError at the line of a rank that has none."""
    found = parts.whole
    for rank, stated in parts.mapping.divide.items():
        try:
            found = divide(found, Division(rank, tuple(stated.into), stated.groups))
        except SpecError as error:
            where = "" if error.at is None else f" ({error.at})"
            raise SpecError(f"{error.message}{where}", at=parts.document.locate(("divide", rank)),
                            remedy=error.remedy) from None  # fmt: skip
    return found


def _machine(document: Document) -> Architecture:
    return _machine_once(Identity(document), cost_sources(document))


@lru_cache(maxsize=256)
def _machine_once(key: Identity, sources: tuple[Identity | SramRows, ...]) -> Architecture:
    """The machine of a document, for as long as what its costs come from stays the same."""
    del sources
    return load_machine(key.document)


def load_mapping_file(name: str, *, at: Location | None = None) -> tuple[Document, Path]:
    """A mapping file with what it is based on, before choices are made, and where it is."""
    path = library.find("mapping", name, at=at or Location("configuration"))
    return inherit("mapping", library.load_document(path), path), path


def stand_ins(configuration: str, *, at: Location | None = None) -> dict[str, str]:
    """Mappings of a model's other kernels -> those that run instead, beside a configuration.

    Raises SpecError where there is no such mapping.
    """
    document, path = load_mapping_file(configuration, at=at)
    named = _settle(document, offered(document), Accounting.FULL)[1].beside
    found = {}
    for name, other in named.items():
        place = document.locate(("beside", name))
        library.find("mapping", name, at=place, beside=path.parent)
        own = library.find("mapping", other, at=place, beside=path.parent)
        found[name] = other if other in library.names("mapping") else str(own)
    return found


def load_machine_file(name: str, *, at: Location | None = None, beside: Path | None = None) -> tuple[Document, Path]:
    """An architecture file with what it is based on, and where it is."""
    path = library.find(MACHINE, name, at=at, beside=beside)
    return inherit(MACHINE, library.load_document(path), path), path


def load_mapping(name: str, workload: Workload | None = None) -> tuple[Mapping, Choices]:
    """A mapping to look at, with its choices made for the workload (without one: as first recorded, or offered)."""
    document, _ = load_mapping_file(name)
    choices = offered(document) if workload is None else decide(document, {}, workload)
    return _settle(document, choices, Accounting.FULL)[1], choices


def load_architecture(name: str) -> Architecture:
    """A shipped architecture, or one of the user's files."""
    return load_machine(load_machine_file(name)[0])


def _workload(workload: Workload, overrides: Iterable[Override]) -> Workload:
    changes: dict[str, int] = {}
    for change in overrides:
        size = as_integer(change.value) if len(change.path) == 1 else None
        if size is None or not 0 < size <= INT64_MAX:
            raise SpecError(f"{change.name} needs an integer from 1 to 2^63 - 1, not {write_value(change.value)}",
                            at=change.at, remedy="write workload.M=2048 or workload.M=2K")  # fmt: skip
        changes[change.path[0]] = size
    return workload.with_sizes(changes) if changes else workload
