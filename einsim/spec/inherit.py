"""Files that are based on others of their kind: `based_on: NAME`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from einsim.errors import SpecError
from einsim.spec import library
from einsim.spec.overrides import merge
from einsim.spec.yamlfile import Document, Identity


def inherit(kind: str, document: Document, path: Path, seen: tuple[str, ...] = ()) -> Document:
    """The document laid over the one that it is `based_on`, if any; top-level keys replace whole sections.

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
    return _lay_once(Identity(document), Identity(parent))


@lru_cache(maxsize=64)
def _lay_once(child: Identity, parent: Identity) -> Document:
    """A document over its parent's sections that it has not."""
    above, below = child.document, parent.document
    assert isinstance(above.value, dict)
    assert isinstance(below.value, dict)
    own = {key: value for key, value in above.value.items() if key != "based_on"}
    kept = {key: value for key, value in below.value.items() if key not in own}
    base = Document(below.source, kept, {p: a for p, a in below.places.items() if not p or p[0] in kept})
    return merge(base, Document(above.source, own, above.places))
