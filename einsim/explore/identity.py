"""What a point is, as 128 bits: the same for the same code, files, settings and sizes, however named or spelt.

A point's key is the sum of random-looking numbers, two lanes of 64 bits each: one for einsim's code and the contents of
the point's files, one for its workload, and one for each field that is changed. A sum does not depend on the order of
its terms, and along the axes of a grid it is taken for all points at once (incremental hashing, Bellare and Micciancio,
EUROCRYPT 1997). Keys guard against accidents, not against somebody who wants two points to be taken for one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from einsim.errors import Location, SpecError
from einsim.explore.axes import identity
from einsim.explore.point import Point
from einsim.spec import library
from einsim.spec.configuration import load_machine_file, load_mapping_file, stand_ins
from einsim.spec.machine import load_machine
from einsim.spec.modelrun import Layers
from einsim.spec.overrides import Override, apply, full_path
from einsim.spec.yamlfile import Document

Key = tuple[int, int]
"""128 bits, as two lanes."""

Keys = NDArray[np.uint64]
"""Keys of points, shape (points, 2)."""

_MASK: Final = (1 << 64) - 1
_FOR_READERS: Final = ("description", "source")
_NAMES: Final = ("architecture", "cascade")
# What shows results, or makes hardware, changes none: the layers' imports point down.
_ABOVE: Final = ("cli", "report", "cosim", "rtl", "zoo", "share")


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest of the code that decides results: all of einsim's but what only shows them."""
    return library.package_digest(_ABOVE)


def term(*parts: Any) -> Key:
    """A number that stands for some parts, 128 bits of BLAKE2b."""
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def total(terms: Iterable[Key]) -> Key:
    """The sum, lane by lane."""
    low = high = 0
    for first, second in terms:
        low += first
        high += second
    return low & _MASK, high & _MASK


def as_keys(keys: Sequence[Key]) -> Keys:
    """Keys as an array."""
    return np.array(keys, np.uint64).reshape(-1, 2)


def first_of_each(keys: Keys) -> NDArray[np.bool_]:
    """Which keys have no equal before them."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    alike = np.zeros(len(keys), np.bool_)
    alike[1:] = (keys[order[1:]] == keys[order[:-1]]).all(axis=1)
    first = np.ones(len(keys), np.bool_)
    first[order[alike]] = False
    return first


def canonical(value: Any) -> Any:
    """A value of a file or a change, however it is spelt: `1K` and 1024 and 1024.0 are one.

    Keys of a map keep their order, which may mean something (the tiles of a partition).
    """
    if isinstance(value, dict):
        return ["map", [[str(key), canonical(part)] for key, part in value.items()]]
    if isinstance(value, list):
        return ["list", [canonical(part) for part in value]]
    if isinstance(value, bool) or value is None:
        return value
    plain = identity(value)
    if isinstance(plain, float):
        return int(plain) if plain.is_integer() else repr(plain)
    return plain if isinstance(plain, int) else ["text", str(plain)]


class Identities:
    """Digests of points. Every file is read once: a change to it while this lives is not seen."""

    def __init__(self, code: str | None = None) -> None:
        self.code = code_digest() if code is None else code
        self._specs: dict[tuple[Any, ...], tuple[Key, Document]] = {}
        self._changes: dict[tuple[Any, ...], Key] = {}
        self._workloads: dict[tuple[Any, ...], Key] = {}

    def spec(self, point: Point) -> Key:
        """Code, contents of all files, accounting and time model of a point."""
        return self._spec(point)[0]

    def changes(self, point: Point, changes: Iterable[Override]) -> Key:
        """What some of a point's changes add to its key."""
        machine = self._spec(point)[1]
        return total(self._change(change, machine) for change in changes)

    def order(self, point: Point) -> Key:
        """What the order of a point's changes adds: something, where one changes a part of what another sets."""
        machine = self._spec(point)[1]
        paths = [_path(change, machine) for change in point.overrides]
        inside = any(a is not b and a == b[: len(a)] for a in paths for b in paths)
        return term("order", paths) if inside else (0, 0)

    def workload(self, point: Point) -> Key:
        """What a workload adds to a key, and the phase and the lengths of a run of a whole model."""
        own, lengths = point.workload, point.lengths
        key = (own.model, own.seq_len, own.sizes, lengths)
        if key not in self._workloads:
            run = [] if lengths is None else [lengths.phase, lengths.new, lengths.cached]
            self._workloads[key] = term("workload", own.model, own.seq_len, sorted(own.sizes), *run)
        return self._workloads[key]

    def keys(self, points: Sequence[Point]) -> Keys:
        """Keys of points, one by one."""
        orders: dict[tuple[str, ...], Key] = {}
        found = []
        for point in points:
            names = tuple(change.name for change in point.overrides)
            if names not in orders:
                orders[names] = self.order(point)
            spec, machine = self._spec(point)
            parts = [spec, self.workload(point), orders[names]]
            found.append(total([*parts, *(self._change(change, machine) for change in point.overrides)]))
        return as_keys(found)

    def _spec(self, point: Point) -> tuple[Key, Document]:
        named = tuple(change.text for change in point.overrides if _names_files(change))
        key = (point.configuration.value, point.architecture.value, point.accounting, point.time_model, point.scope,
               point.layers, point.lengths is None, named)  # fmt: skip
        if key not in self._specs:
            contents, machine = _contents(point)
            about = [self.code, str(point.accounting), str(point.time_model), *_scope(point)]
            self._specs[key] = (term("spec", *about, contents), machine)
        return self._specs[key]

    def _change(self, change: Override, machine: Document) -> Key:
        key = (change.text, id(machine))
        if key not in self._changes:
            self._changes[key] = term("change", _path(change, machine), canonical(change.value))
        return self._changes[key]


def _names_files(change: Override) -> bool:
    """Whether a change may name another file."""
    return (change.target == "mapping" and change.path[0] in _NAMES) or "costs" in change.path


def _scope(point: Point) -> list[str]:
    """What a point is of, and if of more than one kernel, all data that ships: mappings and families are among it."""
    layers = [] if point.layers is Layers.SEQUENTIAL else [str(point.layers)]
    return [str(point.scope), *layers] + ([] if point.lengths is None else [library.data_digest()])


def _tables(machine: Document, changes: Iterable[Override]) -> list[str]:
    """Digests of the cost tables that a machine asks; none where it cannot be loaded."""
    asked = [change for change in changes if change.target == "arch" and _names_files(change)]
    try:
        files = load_machine(apply(machine, asked)).pricing.files
    except SpecError:  # what is wrong is said where it is evaluated
        return []
    return [hashlib.sha256(library.read(Path(file))).hexdigest() for file in sorted(files)]


def _path(change: Override, machine: Document) -> list[str]:
    """The field that a change sets, whatever its path leaves out."""
    if change.target == "arch":
        return ["arch", *map(str, full_path(machine, change))]
    return [change.target, *(change.path[1:] if change.path[0] == "choices" else change.path)]


def _contents(point: Point) -> tuple[Any, Document]:
    """What the files of a point say, and the document of its machine before changes.

    A mapping may name several machines and cascades, and choose one: all count.
    """
    mapping, path = load_mapping_file(point.configuration.value, at=point.configuration.at)
    root: dict[str, Any] = mapping.value if isinstance(mapping.value, dict) else {}
    changed = {change.path[0]: change.value for change in point.overrides if change.target == "mapping"}
    named = [root, root.get("published"), changed]
    names = {kind: [name for part in named if isinstance(part, dict) for name in _leaves(part.get(kind))]
             for kind in _NAMES}  # fmt: skip
    if point.architecture.value is not None:
        names["architecture"] = [point.architecture.value]
    machines = []
    for name in names["architecture"]:
        at = point.architecture.at if point.architecture.value is not None else mapping.locate(("architecture",))
        try:
            machines.append(load_machine_file(name, at=at, beside=path.parent)[0])
        except SpecError:  # nothing that is evaluated, or it is wrong there too
            continue
    contents: list[Any] = [_root(root, _NAMES), [_root(machine.value) for machine in machines],
                           _cascades(names["cascade"], mapping, path)]  # fmt: skip
    contents.append([_tables(machine, point.overrides) for machine in machines])
    if point.lengths is not None:
        contents.append([_stand_in(name) for name in stand_ins(point.configuration.value).values()])
    return contents, (machines[0] if machines else mapping)


def _cascades(names: Iterable[str], mapping: Document, path: Path) -> list[str]:
    """The texts of the cascades that a mapping may name."""
    found = []
    for name in names:
        try:
            found += _forms(name, mapping.locate(("cascade",)), path.parent)
        except SpecError:  # nothing that is evaluated, or it is wrong there too
            continue
    return found


def _forms(name: str, at: Location, beside: Path) -> list[str]:
    """The texts of a cascade, one for every form that its options give it."""
    options = library.load_cascade(name, at=at, beside=beside).forms.options
    chosen = product(*([(option, value) for value in values] for option, values in options))
    return [str(library.load_cascade(name, at=at, beside=beside, options=form)) for form in chosen]


def _stand_in(name: str) -> list[Any]:
    """What a mapping of a model's other kernels says."""
    mapping, path = load_mapping_file(name)
    root: dict[str, Any] = mapping.value if isinstance(mapping.value, dict) else {}
    return [_root(root, _NAMES), _cascades(_leaves(root.get("cascade")), mapping, path)]


def _root(value: Any, without: Iterable[str] = ()) -> Any:
    """A file's sections in one order, without what is for readers only."""
    if not isinstance(value, dict):
        return canonical(value)
    return {key: canonical(part) for key, part in sorted(value.items()) if key not in {*_FOR_READERS, *without}}


def _leaves(value: Any) -> list[str]:
    """The names that a value may stand for: itself, or any case of what is chosen."""
    if isinstance(value, dict):
        return [name for key, part in value.items() if key != "select" for name in _leaves(part)]
    return [value] if isinstance(value, str) else []
