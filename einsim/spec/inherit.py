"""Files that are based on others of their kind: `based_on: NAME`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from einsim.errors import SpecError
from einsim.spec import library
from einsim.spec.overrides import merge
from einsim.spec.yamlfile import Document, Identity, Value

MACHINE: Final = "architecture"
"""The kind of file that lays its fields over another's one by one."""


def inherit(kind: str, document: Document, path: Path, seen: tuple[str, ...] = ()) -> Document:
    """The document laid over the one that it is `based_on`, if any.

    Top-level keys replace whole sections; of a machine, each field replaces one, and an operation all of the other's.
    Raises SpecError for a file that is based on itself, or on none.
    """
    if not isinstance(document.value, dict) or "based_on" not in document.value:
        return document
    at = document.locate(("based_on",))
    parent_name = str(document.value["based_on"])
    if parent_name in seen:
        raise SpecError(f"{parent_name!r} is based on itself", at=at, remedy="break the circle")
    parent_path = library.find(kind, parent_name, at=at, beside=path.parent)
    parent = inherit(kind, library.load_document(parent_path), parent_path, (*seen, parent_name))
    if not isinstance(parent.value, dict):
        raise SpecError(f"{parent_name!r} is no {kind}", at=at)
    return _lay_once(Identity(document), Identity(parent), field_by_field=kind == MACHINE)


def ancestry(kind: str, path: Path) -> list[Path]:
    """A file, the one that it is based on, and so on."""
    paths = [path]
    while True:
        value = library.load_document(paths[-1]).value
        parent = value.get("based_on") if isinstance(value, dict) else None
        if parent is None:
            return paths
        paths.append(library.find(kind, str(parent), beside=paths[-1].parent))


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
