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
from contextlib import suppress
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
from einsim.spec.configuration import Accounting, load_machine_file, load_mapping_file, stand_ins
from einsim.spec.costtable import SramRows
from einsim.spec.files import Files, held, held_files
from einsim.spec.hwcomponents import package_version
from einsim.spec.machine import cost_sources
from einsim.spec.modelrun import Scope
from einsim.spec.overrides import Override, apply, full_path
from einsim.spec.yamlfile import Document

Key = tuple[int, int]
"""128 bits, as two lanes."""

Keys = NDArray[np.uint64]
"""Keys of points, shape (points, 2)."""

_MASK: Final = (1 << 64) - 1
_FOR_READERS: Final = ("description", "source")
_NAMES: Final = ("architecture", "cascade")
_ELSEWHERE: Final = (*_NAMES, "published", "beside")
# What shows results, or makes hardware, changes none: the layers' imports point down.
_ABOVE: Final = ("cli", "report", "cosim", "rtl", "zoo", "share")


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest of the code that decides results: all of einsim's but what only shows them.

    It is taken once a process, which is to ask as soon as it has begun: what is loaded by then is what it will run.
    """
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
    """Digests of points, and the files that they are of: as they are when they are first read, whatever comes later.

    What is evaluated under `held(files)` is of the same files as its key.
    """

    def __init__(self, code: str | None = None) -> None:
        self.code = code_digest() if code is None else code
        self.files = held_files() or Files()
        self._specs: dict[tuple[Any, ...], tuple[Key, Document]] = {}
        self._changes: dict[tuple[Any, ...], Key] = {}
        self._workloads: dict[tuple[Any, ...], Key] = {}
        self._kernels: dict[tuple[str, ...], Key] = {}
        self._taken: set[tuple[Any, ...]] = set()

    def spec(self, point: Point) -> Key:
        """Code, contents of all files, accounting and time model of a point."""
        with held(self.files):
            return self._spec(point)[0]

    def changes(self, point: Point, changes: Iterable[Override]) -> Key:
        """What some of a point's changes add to its key."""
        machine = self._machine(point)
        return total(self._change(change, machine) for change in changes)

    def order(self, point: Point) -> Key:
        """What the order of a point's changes adds: something, where one changes a part of what another sets."""
        machine = self._machine(point)
        paths = [_path(change, machine) for change in point.overrides]
        inside = any(a is not b and a == b[: len(a)] for a in paths for b in paths)
        return term("order", paths) if inside else (0, 0)

    def workload(self, point: Point) -> Key:
        """What a workload adds to a key; of a run of a whole model, its kernels and what their files say."""
        own, lengths = point.workload, point.lengths
        if lengths is None:
            key: tuple[Any, ...] = (own.model, own.seq_len, own.sizes)
        else:
            key = (own.model, lengths, point.scope, point.layers.value, point.causal.value, point.configuration.value)
        if key not in self._workloads:
            with held(self.files):
                about = [own.model, own.seq_len, sorted(own.sizes)] if lengths is None else _run(point, self._kernels)
            self._workloads[key] = term("workload", *about)
        return self._workloads[key]

    def take(self, points: Iterable[Point]) -> None:
        """Reads all files that some points are of. What is wrong in one is said where it is evaluated."""
        for point in points:
            kind = self._kind(point)
            if kind not in self._taken:
                self._taken.add(kind)
                with held(self.files):
                    for look in (self.spec, self.workload, Point.load):
                        with suppress(SpecError):
                            look(point)

    def keys(self, points: Sequence[Point]) -> Keys:
        """Keys of points, one by one."""
        with held(self.files):
            return self._keys(points)

    def _keys(self, points: Sequence[Point]) -> Keys:
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

    def _machine(self, point: Point) -> Document:
        with held(self.files):
            return self._spec(point)[1]

    def _kind(self, point: Point) -> tuple[Any, ...]:
        """What decides which files a point is of."""
        named = tuple(change.text for change in point.overrides if names_files(change))
        run = () if point.lengths is None else (point.workload.model, point.lengths)
        return (point.configuration.value, point.architecture.value, point.accounting, point.time_model, point.scope,
                point.layers.value, point.causal.value, named, *run)  # fmt: skip

    def _spec(self, point: Point) -> tuple[Key, Document]:
        key = self._kind(point)[:8]
        if key not in self._specs:
            contents, machine = _contents(point)
            how = (point.accounting, point.time_model, point.scope, point.layers.value, point.causal.value)
            about = [self.code, *map(str, how)]
            self._specs[key] = (term("spec", *about, contents), machine)
        return self._specs[key]

    def _change(self, change: Override, machine: Document) -> Key:
        key = (change.text, id(machine))
        if key not in self._changes:
            self._changes[key] = term("change", _path(change, machine), canonical(change.value))
        return self._changes[key]


def names_files(change: Override) -> bool:
    """Whether a change may name another file."""
    if change.target == "mapping":
        return change.path[0] in _NAMES
    return change.target == "arch" and ("costs" in change.path or _mentions(change.value, "costs"))


def _mentions(value: Any, key: str) -> bool:
    return isinstance(value, dict) and (key in value or any(_mentions(part, key) for part in value.values()))


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
    named = _Named(mapping, path, point)
    contents = named.contents(point.accounting)
    changed = {each.path: each.value for each in point.overrides if each.target == "mapping"}
    contents += [[*path, named.value(path[0], value)] for path, value in sorted(changed.items()) if path[0] in _NAMES]
    if point.architecture.value is not None:
        contents.append(named.machine(point.architecture.value))
    return contents, (named.machines[0] if named.machines else mapping)


class _Named:
    """A mapping with what the files say that it names, in the place of their names.

    Of a kernel that runs on another mapping's machine there is no point.
    """

    def __init__(self, mapping: Document, path: Path, point: Point | None = None) -> None:
        self.mapping = mapping
        self.path = path
        self.point = point
        self.machines: list[Document] = []

    def contents(self, accounting: Accounting) -> list[Any]:
        """What the mapping says, and what it changes for published figures where they are asked for."""
        root: dict[str, Any] = self.mapping.value if isinstance(self.mapping.value, dict) else {}
        published = root.get("published") if accounting is Accounting.PUBLISHED else None
        parts = [(root, _ELSEWHERE)] + ([(published, _NAMES)] if isinstance(published, dict) else [])
        return [[_root(part, without), self.section(part)] for part, without in parts]

    def section(self, value: dict[str, Any]) -> list[Any]:
        """The machines and the cascades of a mapping, or of a section that replaces some of it."""
        return [[kind, self.value(kind, value[kind])] for kind in _NAMES if kind in value]

    def value(self, kind: str, value: Any) -> Any:
        """The file of a name, or of each case of what is chosen."""
        if isinstance(value, dict):
            return [[key, part if key == "select" else self.value(kind, part)] for key, part in value.items()]
        if not isinstance(value, str):
            return canonical(value)
        if kind == "cascade":
            return self.cascade(value)
        chosen = None if self.point is None else self.point.architecture.value
        return None if self.point is None or chosen is not None else self.machine(value)

    def cascade(self, name: str) -> list[str] | None:
        """The texts of a cascade's forms; None: nothing that is evaluated, or wrong there too."""
        at = self.mapping.locate(("cascade",))
        try:
            return _forms(name, at, self.path.parent)
        except SpecError:
            return None

    def machine(self, name: str) -> Any:
        """What a machine's file says, and the cost tables that it asks."""
        assert self.point is not None
        at = self.point.architecture.at if self.point.architecture.value else self.mapping.locate(("architecture",))
        try:
            found = load_machine_file(name, at=at, beside=self.path.parent)[0]
        except SpecError:
            return None
        self.machines.append(found)
        return [_root(found.value), _costs(found, self.point.overrides)]


def _costs(machine: Document, changes: Iterable[Override]) -> list[Any]:
    """What the cost tables say that a machine asks; nothing where its changes are wrong."""
    asked = [change for change in changes if change.target == "arch" and names_files(change)]
    try:
        sources = cost_sources(apply(machine, asked))
    except SpecError:  # what is wrong is said where it is evaluated
        return []
    return [_rows(each) if isinstance(each, SramRows) else _table(each.document.value) for each in sources]


def _table(value: Any) -> Any:
    """What a cost table says; whose memories are another package's, those are of its version."""
    sram = value.get("sram") if isinstance(value, dict) else None
    asks = isinstance(sram, dict) and sram.get("hwcomponents") is not None
    return [_root(value), *([package_version()] if asks else [])]


def _rows(rows: SramRows) -> list[Any]:
    """The rows of a file of memories."""
    return [[*kind, [[row.capacity_bytes, sorted(row.values.items())] for row in own.rows]]
            for kind, own in sorted(rows.kinds.items())]  # fmt: skip


def _run(point: Point, known: dict[tuple[str, ...], Key]) -> list[Any]:
    """What a run of a whole model is of; `known` keeps what files of mappings and cascades say."""
    run = point.plan()
    instead = stand_ins(point.configuration.value, at=point.configuration.at)
    about: list[Any] = [run.model, run.family, run.lengths.phase, run.lengths.new, run.lengths.cached]
    if run.scope is Scope.MODEL:  # whose weights and cache may be too many
        about += [run.parameters, run.cache_words]
    for kernel in run.kernels:
        name, of = instead.get(kernel.mapping or "", kernel.mapping), None
        if name is not None or kernel.cascade is not None:
            key = (name or "", kernel.cascade or "", point.accounting)
            if key not in known:
                known[key] = term(_kernel(name, kernel.cascade, point.accounting))
            of = known[key]
        about.append([kernel.name, kernel.group, kernel.part, kernel.sizes, kernel.instances, kernel.times,
                      kernel.choices, of])  # fmt: skip
    return about


def _kernel(mapping: str | None, cascade: str | None, accounting: Accounting) -> Any:
    """What the mapping of a model's kernel says, or the cascade that einsim maps."""
    if cascade is not None:
        return _forms(cascade)
    assert mapping is not None
    return _Named(*load_mapping_file(mapping)).contents(accounting)


def _forms(name: str, at: Location | None = None, beside: Path | None = None) -> list[str]:
    """The texts of a cascade, one for every form that its options give it."""
    options = library.load_cascade(name, at=at, beside=beside).forms.options
    chosen = product(*([(option, value) for value in values] for option, values in options))
    return [str(library.load_cascade(name, at=at, beside=beside, options=form)) for form in chosen]


def _root(value: Any, without: Iterable[str] = ()) -> Any:
    """A file's sections in one order, without what is for readers only."""
    if not isinstance(value, dict):
        return canonical(value)
    return {key: canonical(part) for key, part in sorted(value.items()) if key not in {*_FOR_READERS, *without}}
