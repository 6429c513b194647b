"""Changes to documents before they are validated: `--set arch.buffer.capacity_bytes=8 MiB`, axes of a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from einsim.errors import Location, SpecError, suggest
from einsim.spec.yamlfile import Document, Path, Value, parse_value, write_value
from einsim.units import shorten


@dataclass(frozen=True, slots=True)
class Override:
    """One change: a dotted path below `arch`, `mapping` or `workload`, and its new value.

    `text` is what `parse_override` reads the same change from.
    """

    target: str
    path: tuple[str, ...]
    value: Value
    at: Location
    text: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", f"{self.name}={write_value(self.value)}")

    @property
    def name(self) -> str:
        """The whole dotted path."""
        return ".".join((self.target, *self.path))

    @property
    def key(self) -> tuple[str, ...]:
        """The field that it changes, however its path is spelt."""
        skipped = _SECTIONS[self.target] or ("choices",)
        return (self.target, *(part for part in self.path[:-1] if part not in skipped), self.path[-1])


_SECTIONS: Final = {"arch": ("memories", "arrays", "operations"), "mapping": (), "workload": ()}
"""Keys that a path may leave out, by what it changes."""


def parse_override(text: str) -> Override:
    """`arch.array2d.rows=128`; raises SpecError where it is not of that form."""
    path, equals, value = text.partition("=")
    at = Location(f"--set {shorten(text, 120)}")
    if not equals or not value.strip():
        raise SpecError("not of the form PATH=VALUE", at=at, remedy="write --set arch.buffer.capacity_bytes=8388608")
    return make_override(path.strip(), parse_value(value, at), at)


def make_override(path: str, value: Value, at: Location) -> Override:
    """A change from a dotted path; raises SpecError where the path starts wrongly."""
    target, *rest = path.split(".")
    if target not in {"arch", "mapping", "workload"} or not rest or not all(rest):
        raise SpecError(
            f"{path!r} is no field",
            at=at,
            remedy="a field starts with arch., mapping. or workload., such as arch.array2d.rows",
        )
    return Override(target, tuple(rest), value, at)


def apply(document: Document, overrides: Iterable[Override]) -> Document:
    """The document with changes made; a path may skip sections.

    `arch.buffer.x` means `memories.buffer.x` where `memories` is a section that holds `buffer`.
    """
    for change in overrides:
        sections = _SECTIONS[change.target]
        path = full_path(document, change)
        places = {place: at for place, at in document.places.items() if place[: len(path)] != path}
        places[path] = change.at
        if path == change.path:
            _check_start(document, change, sections)
        value = _replace(document.value, path, change)
        document = Document(document.source, value, places, (*document.changed, path))
    return document


def _check_start(document: Document, change: Override, sections: tuple[str, ...]) -> None:
    """Raises SpecError where a path of several parts starts at nothing, with the nearest part of any section."""
    root = document.value
    if len(change.path) == 1 or not isinstance(root, dict) or change.path[0] in root:
        return
    known = [*root, *(name for section in sections for name in _keys(root.get(section)))]
    raise SpecError(
        f"{change.name}: unknown part {change.path[0]!r}", at=change.at, remedy=suggest(change.path[0], known)
    )


def _keys(value: Value) -> list[str]:
    return list(value) if isinstance(value, dict) else []


def full_path(document: Document, change: Override) -> Path:
    """The path of a change with the sections that it skips."""
    sections = _SECTIONS[change.target]
    path: list[str] = []
    value: Value = document.value
    for part in change.path:
        for section in sections:
            if isinstance(value, dict) and part not in value and part in _keys(value.get(section)):
                path.append(section)
                value = value[section]
        path.append(part)
        value = value.get(part) if isinstance(value, dict) else None
    return tuple(path)


def _replace(value: Value, path: Path, change: Override) -> Value:
    if not path:
        return change.value
    head, *rest = path
    if isinstance(value, list) and str(head).isdigit() and int(head) < len(value):
        index = int(head)
        return [*value[:index], _replace(value[index], tuple(rest), change), *value[index + 1 :]]
    if not isinstance(value, dict):
        raise SpecError(f"{change.name}: there is nothing below {head!r}'s parent", at=change.at)
    if rest and head not in value:
        raise SpecError(f"{change.name}: unknown part {head!r}", at=change.at, remedy=suggest(str(head), value))
    return {**value, str(head): _replace(value.get(str(head)), tuple(rest), change)}


def merge(document: Document, changes: Document | None, below: Path = ()) -> Document:
    """Lays the mapping of `changes` over the document, key by key; lists and scalars are replaced whole.

    `below` is the path inside `changes` where the overlay starts.
    """
    if changes is None:
        return document
    overlay: Any = changes.value
    for part in below:
        overlay = overlay[part]
    places = dict(document.places)
    for place, at in changes.places.items():
        if place[: len(below)] == below and len(place) > len(below):
            places[place[len(below) :]] = at
    source = changes.source if not below else document.source
    return Document(source, _overlay(document.value, overlay), places, document.changed)


def _overlay(value: Value, changes: Value) -> Value:
    if isinstance(value, dict) and isinstance(changes, dict):
        merged = dict(value)
        for key, change in changes.items():
            merged[key] = _overlay(merged[key], change) if key in merged else change
        return merged
    return changes
