"""Files that are based on others of their kind: `based_on: NAME`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from einsim.errors import SpecError, suggest
from einsim.spec import library
from einsim.spec.overrides import merge
from einsim.spec.yamlfile import Document, Identity, Value

MACHINE: Final = "architecture"
"""The kind of file that lays its fields over another's one by one."""


def ancestry(kind: str, path: Path) -> list[Path]:
    """A file, the one that it is based on, and so on. Raises SpecError for what `inherit` refuses."""
    paths = [path]
    while (parent := _parent(kind, library.load_document(paths[-1]), paths)) is not None:
        paths.append(parent)
    return paths


def _parent(kind: str, document: Document, seen: Sequence[Path]) -> Path | None:
    """The file that the last of some files is based on, if any."""
    if not isinstance(document.value, dict) or "based_on" not in document.value:
        return None
    at, name = document.locate(("based_on",)), document.value["based_on"]
    if not isinstance(name, str):
        raise SpecError(f"based_on must name another {kind}, or a file", at=at, remedy=suggest("", library.names(kind)))
    path = library.find(kind, name, at=at, beside=seen[-1].parent)
    if path.resolve() in {each.resolve() for each in seen}:
        raise SpecError(f"{name!r} is based on itself", at=at, remedy="break the circle")
    return path


def inherit(kind: str, document: Document, path: Path, seen: tuple[Path, ...] = ()) -> Document:
    """The document laid over the one that it is `based_on`, if any.

    Top-level keys replace whole sections; of a machine, each field replaces one, and an operation all of the other's.
    Raises SpecError for a file that is based on itself, or on none.
    """
    parent_path = _parent(kind, document, (*seen, path))
    if parent_path is None:
        return document
    parent = inherit(kind, library.load_document(parent_path), parent_path, (*seen, path))
    if not isinstance(parent.value, dict):
        raise SpecError(f"{parent_path.name!r} is no {kind}", at=document.locate(("based_on",)))
    return _lay_once(Identity(document), Identity(parent), field_by_field=kind == MACHINE)


@lru_cache(maxsize=64)
def _lay_once(child: Identity, parent: Identity, field_by_field: bool) -> Document:
    """A document over what its parent has and it has not."""
    above, below = child.document, parent.document
    assert isinstance(above.value, dict)
    own = {key: value for key, value in above.value.items() if key != "based_on"}
    replaced = _operations(own) if field_by_field else [(key,) for key in own]
    for path in replaced:
        below = _without(below, path)
    return merge(below, Document(above.source, own, above.places))


def _operations(machine: Value) -> list[tuple[str, ...]]:
    """The paths of the operations that a machine's document states."""
    arrays = _section(machine, "arrays")
    return [
        ("arrays", name, "operations", operation)
        for name, array in arrays.items()
        for operation in _section(array, "operations")
    ]


def _section(value: Value, key: str) -> dict[str, Value]:
    """A section of a document; none where it is missing or no section, which the machine's checks will say."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _without(document: Document, path: tuple[str, ...]) -> Document:
    """A document without what stands at a path, if anything does."""
    places = {place: at for place, at in document.places.items() if place[: len(path)] != path}
    return Document(document.source, _pruned(document.value, path), places, document.changed)


def _pruned(value: Value, path: tuple[str, ...]) -> Value:
    head, *rest = path
    if not isinstance(value, dict) or head not in value:
        return value
    if not rest:
        return {key: part for key, part in value.items() if key != head}
    return {**value, head: _pruned(value[head], tuple(rest))}
