"""A sweep that keeps its results: what is known is read, the rest evaluated, written, and only then reported.

A point belongs to who has claimed it. Where another process evaluates a point, this one waits for its row; where that
process ends without it, the point is evaluated here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from einsim.explore.batches import Listed
from einsim.explore.identity import Identities, Keys, first_of_each
from einsim.explore.point import Point
from einsim.explore.resultstore import ResultStore
from einsim.explore.rows import table_of_rows
from einsim.explore.segments import Claim
from einsim.explore.work import Rows, Work
from einsim.model.result import Record

if TYPE_CHECKING:
    import polars as pl

Evaluate = Callable[[Iterator[Work]], Iterator[tuple[Work, Rows]]]
"""Evaluates work, in any order, a little of it at a time."""

_ROWS: Final = 1 << 17  # rows after which a segment is written
_FIRST_S: Final = 1.0  # how long rows wait to be written at first, and at least
_SHARE: Final = 0.02  # of a sweep's time that rows may wait
_LAST_S: Final = 60.0  # how long at most
_POLL_S: Final = 0.1


@dataclass(slots=True)
class _Claimed:
    """Work that is ours, and its keys."""

    work: Work
    keys: Keys
    claim: Claim


@dataclass(slots=True)
class Keeper:
    """Runs work with a store. `progress(n)` is called when n more rows are safe, and now and then with 0."""

    store: ResultStore
    identities: Identities
    progress: Callable[[int], None]
    evaluated: int = 0
    """Points that were evaluated here."""
    read: int = 0
    """Points that were known."""
    _claims: dict[int, _Claimed] = field(default_factory=dict)
    _done: list[tuple[_Claimed, Rows]] = field(default_factory=list)
    _ready: list[pl.DataFrame] = field(default_factory=list)
    _later: list[tuple[Work, Keys]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _written: float = field(default_factory=time.monotonic)

    def run(self, works: Iterable[Work], evaluate: Evaluate) -> Iterator[pl.DataFrame]:
        """Tables of the points of some work. Who stops the sweep still gets the rows that are finished."""
        self.store.take_up()
        left: list[tuple[Work, Keys]] = []
        for work in works:
            keys = work.keys(self.identities)
            places = self.store.find(keys)
            yield from self._known(work, places)
            unknown = np.flatnonzero(places < 0)
            if len(unknown) == len(work):
                left.append((work, keys))
            elif len(unknown):
                left.append((work.some(unknown), keys[unknown]))
        while left:
            first, again = _once(left)
            yield from self._evaluate(first, evaluate)
            left, self._later = [*self._later, *again], []
            self.store.take_up()
            if left:
                self._wait(left)

    def _known(self, work: Work, places: NDArray[np.int64]) -> Iterator[pl.DataFrame]:
        for table in self.store.known(work.source, work.box, places):
            self.read += len(table)
            yield table
            self.progress(len(table))

    def _evaluate(self, left: list[tuple[Work, Keys]], evaluate: Evaluate) -> Iterator[pl.DataFrame]:
        """Evaluates what nobody else does, and writes it."""
        try:
            for work, rows in evaluate(self._claimed(left)):
                self._done.append((self._claims.pop(id(work)), rows))
                if self._due():
                    yield from self._write()
                else:
                    self.progress(0)
                yield from self._read_meanwhile()
            yield from self._write()
            yield from self._read_meanwhile()
        except KeyboardInterrupt:
            yield from self._write(quietly=True)
            raise
        finally:
            for each in [*self._claims.values(), *(claimed for claimed, _ in self._done)]:
                each.claim.withdraw()
            self._claims.clear()
            self._done.clear()

    def _claimed(self, left: list[tuple[Work, Keys]]) -> Iterator[Work]:
        """Work that is ours, claimed as it is asked for; what somebody has done meanwhile is ready, the rest later."""
        for work, keys in left:
            places, ours, claim = self.store.claim(keys)
            if (places >= 0).any():
                self._ready += self.store.known(work.source, work.box, places)
            others = np.flatnonzero((places < 0) & ~ours)
            if len(others):
                self._later.append((work.some(others), keys[others]))
            if claim is None:
                continue
            own = np.flatnonzero(ours)
            part = work if len(own) == len(work) else work.some(own)
            self._claims[id(part)] = _Claimed(part, keys[own], claim)
            yield part

    def _read_meanwhile(self) -> Iterator[pl.DataFrame]:
        ready, self._ready = self._ready, []
        for table in ready:
            self.read += len(table)
            yield table
            self.progress(len(table))

    def _due(self) -> bool:
        now = time.monotonic()
        patience = min(_LAST_S, max(_FIRST_S, _SHARE * (now - self._started)))
        rows = sum(len(claimed.keys) for claimed, _ in self._done)
        return rows >= _ROWS or now - self._written >= patience

    def _write(self, *, quietly: bool = False) -> Iterator[pl.DataFrame]:
        """Writes what is done, one segment for each set of columns; then it is reported."""
        import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables

        done, self._done = self._done, []
        tables = []
        try:
            alike: dict[tuple[Any, ...], list[tuple[Keys, pl.DataFrame]]] = {}
            for keys, part, table in _united(done):
                stored = self.store.stored(keys, part.source, part.box, table)
                alike.setdefault(tuple(stored.schema.items()), []).append((keys, stored))
                tables.append(table)
            for parts in alike.values():
                frame = pl.concat([stored for _, stored in parts])
                self.store.append(np.concatenate([keys for keys, _ in parts]), frame)
        finally:
            for claimed, _ in done:
                claimed.claim.withdraw()
        self._written = time.monotonic()
        for table in tables:
            self.evaluated += len(table)
            yield table
            if not quietly:
                self.progress(len(table))

    def _wait(self, left: list[tuple[Work, Keys]]) -> None:
        """Waits until somebody else has done, or given up, some of what is left."""
        wanted = np.concatenate([keys for _, keys in left])
        while True:
            self.progress(0)
            claimed = self.store.folder.claimed()
            if not claimed:
                return
            theirs = np.concatenate(claimed)
            if len(np.intersect1d(theirs[:, 0], wanted[:, 0])) < len(np.unique(wanted[:, 0])):
                return
            time.sleep(_POLL_S)


def _once(works: list[tuple[Work, Keys]]) -> tuple[list[tuple[Work, Keys]], list[tuple[Work, Keys]]]:
    """Work with each key once, and what is left: points that only files of other names make two."""
    every = np.concatenate([keys for _, keys in works])
    first = first_of_each(every)
    if first.all():
        return works, []
    parts: tuple[list[tuple[Work, Keys]], list[tuple[Work, Keys]]] = ([], [])
    start = 0
    for work, keys in works:
        own = first[start : start + len(keys)]
        start += len(keys)
        for part, places in zip(parts, (np.flatnonzero(own), np.flatnonzero(~own)), strict=True):
            if len(places):
                part.append((work, keys) if len(places) == len(keys) else (work.some(places), keys[places]))
    return parts


def _united(done: list[tuple[_Claimed, Rows]]) -> Iterator[tuple[Keys, Work, pl.DataFrame]]:
    """Finished work as tables: those that were made together, and one for all single points with the same columns."""
    single: dict[tuple[str, ...], list[tuple[Keys, Point, Record]]] = {}
    for claimed, rows in done:
        work, first = claimed.work, 0
        if work.loaded is None:
            points = work.source.points(work.box)
            for key, point, row in zip(claimed.keys, points, cast("list[Record]", rows), strict=True):
                single.setdefault(tuple(row), []).append((key, point, row))
            continue
        for table in cast("list[pl.DataFrame]", rows):
            places = np.arange(first, first + len(table))
            first += len(table)
            yield claimed.keys[places], work if len(table) == len(work) else work.some(places), table
    for each in single.values():
        each.sort(key=lambda one: one[1].index)
        keys, alike, records = zip(*each, strict=True)
        yield np.array(keys), Work(Listed(alike), (slice(0, len(alike)),)), table_of_rows(records)
