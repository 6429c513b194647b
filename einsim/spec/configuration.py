"""From names and options to one design: cascade + architecture + mapping + workload, all checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import Field

from einsim.cascade import Cascade
from einsim.errors import Location, SpecError, suggest
from einsim.spec import library
from einsim.spec.architecture import Architecture
from einsim.spec.fields import Record, validate
from einsim.spec.mapping import Choice, Mapping, Recorded
from einsim.spec.overrides import Override, apply, merge
from einsim.spec.workload import Workload
from einsim.spec.yamlfile import Document, Path, Value

_ARCH_SECTIONS: Final = ("memories", "arrays")
_SETTLED: Final = ("choices", "recorded", "published")


class Accounting(StrEnum):
    """What energy charges: every register file, or one of each array as the published figures do."""

    FULL = "full"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Design:
    """Everything that an evaluation needs. `choices` are the decisions that the mapping left open."""

    cascade: Cascade
    architecture: Architecture
    mapping: Mapping
    workload: Workload
    accounting: Accounting
    choices: tuple[tuple[str, str | int], ...]
    mapping_document: Document
    architecture_document: Document


class _ChoiceTable(Record):
    choices: dict[str, Choice] = Field(default_factory=dict)
    recorded: list[Recorded] = Field(default_factory=list)


def load_design(
    configuration: str,
    workload: Workload,
    *,
    architecture: str | None = None,
    overrides: Sequence[Override] = (),
    accounting: Accounting = Accounting.FULL,
    at: Location | None = None,
) -> Design:
    """Loads a configuration, makes its choices for the workload, and applies the overrides.

    Raises SpecError for anything wrong in a file, a name or an override.
    """
    accounting = Accounting(accounting)
    path = library.find("mapping", configuration, at=at or Location("configuration"))
    document = _inherit(library.load_document(path), path)
    decided, rest = _split_decisions(document, [change for change in overrides if change.target == "mapping"])
    choices = _decide(document, decided, workload)
    if rest:
        resolved, mapping = _settle(apply(document, rest, ()), choices, accounting)
    else:
        resolved, mapping = _settle_once(_Identity(document), choices, accounting)
    arch_name = architecture or mapping.architecture
    arch_at = Location("--arch") if architecture else resolved.locate(("architecture",))
    arch_path = library.find("architecture", arch_name, at=arch_at, beside=path.parent)
    arch_document = apply(
        library.load_document(arch_path), [o for o in overrides if o.target == "arch"], _ARCH_SECTIONS
    )
    cascade = library.load_cascade(mapping.cascade, at=resolved.locate(("cascade",)), beside=path.parent)
    sized = _workload(workload, [o for o in overrides if o.target == "workload"])
    machine = _machine_once(_Identity(arch_document))
    return Design(cascade, machine, mapping, sized, accounting, choices, resolved, arch_document)


@dataclass(frozen=True, slots=True)
class _Identity:
    """A document as a key of a cache: the very object, which the key keeps alive."""

    document: Document

    def __hash__(self) -> int:
        return id(self.document)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.document is other.document


Choices = tuple[tuple[str, str | int], ...]


def _settle(document: Document, choices: Choices, accounting: Accounting) -> tuple[Document, Mapping]:
    """The mapping that a document is under some choices, with the places of its values."""
    resolved = _resolve(document, dict(choices), accounting)
    return resolved, validate(Mapping, resolved)


@lru_cache(maxsize=256)
def _settle_once(key: _Identity, choices: Choices, accounting: Accounting) -> tuple[Document, Mapping]:
    return _settle(key.document, choices, accounting)


@lru_cache(maxsize=256)
def _machine_once(key: _Identity) -> Architecture:
    return validate(Architecture, key.document)


@lru_cache(maxsize=256)
def _table_once(key: _Identity) -> _ChoiceTable:
    return _table(key.document)


def load_mapping(name: str, workload: Workload | None = None) -> tuple[Mapping, tuple[tuple[str, str | int], ...]]:
    """A mapping to look at, with its choices made for the workload (without one: as first recorded, or offered)."""
    path = library.find("mapping", name)
    document = _inherit(library.load_document(path), path)
    table = _table(document)
    if workload is not None:
        choices = _decide(document, {}, workload)
    else:
        recorded = table.recorded[0].choices if table.recorded else {}
        choices = tuple((key, recorded.get(key, _offered(choice))) for key, choice in table.choices.items())
    return validate(Mapping, _resolve(document, dict(choices), Accounting.FULL)), choices


def _offered(choice: Choice) -> str | int:
    """A value to show where nobody chose."""
    if choice.default is not None:
        return choice.default
    return choice.options[0] if choice.options else 1


def load_architecture(name: str) -> Architecture:
    """A shipped architecture, or one of the user's files."""
    return validate(Architecture, library.load_document(library.find("architecture", name)))


def _workload(workload: Workload, overrides: Iterable[Override]) -> Workload:
    changes: dict[str, int] = {}
    for change in overrides:
        if len(change.path) != 1 or not isinstance(change.value, int) or isinstance(change.value, bool):
            raise SpecError(f"{change.name} needs an integer", at=change.at, remedy="write workload.M=2048")
        changes[change.path[0]] = change.value
    return workload.with_sizes(changes) if changes else workload


def _inherit(document: Document, path: FilePath, seen: tuple[str, ...] = ()) -> Document:
    """The document laid over the one that it is `based_on`, if any; top-level keys replace whole sections."""
    if not isinstance(document.value, dict) or "based_on" not in document.value:
        return document
    at = document.locate(("based_on",))
    parent_name = str(document.value["based_on"])
    if parent_name in seen:
        raise SpecError(f"{parent_name!r} is based on itself", at=at, remedy="break the circle")
    parent_path = library.find("mapping", parent_name, at=at, beside=path.parent)
    parent = _inherit(library.load_document(parent_path), parent_path, (*seen, parent_name))
    if not isinstance(parent.value, dict):
        raise SpecError(f"{parent_name!r} is no mapping", at=at)
    return _lay_once(_Identity(document), _Identity(parent))


@lru_cache(maxsize=64)
def _lay_once(child: _Identity, parent: _Identity) -> Document:
    """A document over its parent's sections that it has not."""
    above, below = child.document, parent.document
    assert isinstance(above.value, dict)
    assert isinstance(below.value, dict)
    own = {key: value for key, value in above.value.items() if key != "based_on"}
    kept = {key: value for key, value in below.value.items() if key not in own}
    base = Document(below.source, kept, {p: a for p, a in below.places.items() if not p or p[0] in kept})
    return merge(base, Document(above.source, own, above.places))


def _table(document: Document) -> _ChoiceTable:
    """The open choices of a mapping document and their recorded answers."""
    root = document.value if isinstance(document.value, dict) else {}
    only: Value = {key: root[key] for key in ("choices", "recorded") if key in root}
    return validate(_ChoiceTable, Document(document.source, only, document.places))


def _split_decisions(document: Document, changes: list[Override]) -> tuple[dict[str, Override], list[Override]]:
    """Overrides that decide a choice (`mapping.NAME` or `mapping.choices.NAME`), and the others."""
    names = _table_once(_Identity(document)).choices
    decided: dict[str, Override] = {}
    rest: list[Override] = []
    for change in changes:
        name = change.path[-1]
        if name in names and change.path in {(name,), ("choices", name)}:
            decided[name] = change
        elif change.path[0] == "choices":
            raise SpecError(f"unknown choice {name!r}", at=change.at, remedy=suggest(name, names))
        else:
            rest.append(change)
    return decided, rest


def _decide(document: Document, decided: dict[str, Override], workload: Workload) -> tuple[tuple[str, str | int], ...]:
    """Each choice's value: the user's, else the recorded one for the model and length, else the default."""
    table = _table_once(_Identity(document))
    recorded: dict[str, str | int] = {}
    for entry in table.recorded:
        if workload.model in entry.models and workload.seq_len == entry.seq_len:
            recorded = entry.choices
    values: dict[str, str | int] = {}
    open_choices: list[str] = []
    for name, choice in table.choices.items():
        if name in decided:
            values[name] = _check_choice(name, choice, decided[name].value, decided[name].at)
        elif name in recorded:
            values[name] = _check_choice(name, choice, recorded[name], document.locate(("recorded",)))
        elif choice.default is not None:
            values[name] = choice.default
        else:
            open_choices.append(f"mapping.{name}={'|'.join(choice.options or ['N'])}")
    if open_choices:
        raise SpecError(
            f"this mapping leaves choices open that nothing records for {_describe(workload)}: "
            + ", ".join(open_choices),
            at=document.locate(("choices",)),
            remedy="decide each with --set, such as --set " + open_choices[0].split("|")[0],
        )
    return tuple(values.items())


def _describe(workload: Workload) -> str:
    if workload.model is None:
        return "this shape"
    return f"{workload.model} at {workload.seq_len} tokens"


def _check_choice(name: str, choice: Choice, value: Value, at: Location) -> str | int:
    if choice.options is not None:
        if value not in choice.options:
            raise SpecError(f"{name} cannot be {value!r}", at=at, remedy=f"choose {' or '.join(choice.options)}")
        return str(value)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise SpecError(f"{name} must be a positive integer, not {value!r}", at=at)
    return value


def _resolve(document: Document, choices: dict[str, str | int], accounting: Accounting) -> Document:
    """The document with every `select` replaced by the chosen case, and the accounting's changes laid on."""
    if accounting is Accounting.PUBLISHED and isinstance(document.value, dict) and document.value.get("published"):
        if not isinstance(document.value["published"], dict):
            raise SpecError("published: must be a mapping", at=document.locate(("published",)))
        document = merge(document, document, ("published",))
    places: dict[Path, Location] = {}
    root = document.value
    if isinstance(root, dict):
        root = {key: part for key, part in root.items() if key not in _SETTLED}
    value = _select(document, root, (), (), choices, places)
    return Document(document.source, value, places)


def _select(
    document: Document, value: Any, old: Path, new: Path, choices: dict[str, str | int], places: dict[Path, Location]
) -> Any:
    places[new] = document.locate(old)
    if isinstance(value, list):
        return [_select(document, v, (*old, i), (*new, i), choices, places) for i, v in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if "select" not in value:
        return {k: _select(document, v, (*old, k), (*new, k), choices, places) for k, v in value.items()}
    name = value["select"]
    at = document.locate((*old, "select"))
    if name not in choices:
        raise SpecError(f"select: unknown choice {name!r}", at=at, remedy=suggest(str(name), choices))
    case = str(choices[name])
    if case not in value:
        raise SpecError(f"select {name}: there is no case {case!r}", at=at, remedy=f"add a key {case}:")
    return _select(document, value[case], (*old, case), new, choices, places)
