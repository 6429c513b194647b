"""A store of results: rows of points by their keys, so that no point is evaluated twice, by whichever sweep.

Rows are written in segments (`segments.py`); the keys of all of them are in memory, 16 bytes and a place each, sorted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from einsim.errors import Location, SpecError
from einsim.explore.batches import Listed
from einsim.explore.identity import Identities, Keys, code_digest, first_of_each
from einsim.explore.point import Point
from einsim.explore.segments import KEY_COLUMNS, Claim, Damage, Folder
from einsim.explore.work import Source

if TYPE_CHECKING:
    import polars as pl

    from einsim.model.blocks import Box

FIRST_RESULT: Final = "feasible"
"""The column at which results start; what a point is stands before it."""
_SHOWN: Final = 1 << 22  # rows of segments that stay in memory


class _Index:
    """Keys in order, with the segment and the row of each."""

    def __init__(self) -> None:
        self.keys: Keys = np.empty((0, 2), np.uint64)
        self.segments: NDArray[np.int32] = np.empty(0, np.int32)
        self.rows: NDArray[np.int32] = np.empty(0, np.int32)

    def add(self, segment: int, keys: Keys) -> None:
        """Takes a segment's keys up."""
        self.add_all([(segment, keys)])

    def add_all(self, parts: Iterable[tuple[int, Keys]]) -> None:
        """Takes up the keys of several segments; of keys that are there twice, either row will do."""
        parts = list(parts)
        keys = np.concatenate([self.keys, *(own for _, own in parts)])
        segments = np.concatenate([self.segments, *(np.full(len(own), n, np.int32) for n, own in parts)])
        rows = np.concatenate([self.rows, *(np.arange(len(own), dtype=np.int32) for _, own in parts)])
        order = np.argsort(keys[:, 0], kind="stable")
        self.keys, self.segments, self.rows = keys[order], segments[order], rows[order]

    def drop(self, segments: Sequence[int]) -> None:
        """Forgets the rows of some segments."""
        kept = ~np.isin(self.segments, segments)
        self.keys, self.segments, self.rows = self.keys[kept], self.segments[kept], self.rows[kept]

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """The place of each key, or -1."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        low = self.keys[:, 0]
        place = np.searchsorted(low, keys[:, 0])
        found = np.full(len(keys), -1)
        left = np.arange(len(keys))
        while len(left):  # once, but where the first halves of two keys are equal
            here = place[left]
            alike = here < len(low)
            alike[alike] = low[here[alike]] == keys[left[alike], 0]
            left, here = left[alike], here[alike]
            equal = self.keys[here, 1] == keys[left, 1]
            found[left[equal]] = here[equal]
            left = left[~equal]
            place[left] += 1
        return found


class ResultStore:
    """The results in a folder, which any number of processes may use at once."""

    def __init__(self, path: Path, *, create: bool = True, code: str | None = None) -> None:
        """Opens a store, and makes it where there is none. Raises SpecError where there can be none.

        `code` is the digest of what evaluates: einsim's own, unless it is said.
        """
        self.folder = Folder(path)
        self.code = code_digest() if code is None else code
        if create:
            self.folder.create()
            self.folder.tidy()
        else:
            self.folder.check()
        self.damaged: list[Damage] = []
        self._segments: dict[int, str] = {}
        self._next = 0
        self.unread: list[tuple[str, Keys]] = []  # written here, not yet in the index
        self._index = _Index()
        self._seen: set[str] = set()
        self._frames: OrderedDict[int, pl.DataFrame] = OrderedDict()
        self.refresh()

    @property
    def names(self) -> list[str]:
        """Segments that are known, oldest first."""
        return sorted(self._segments.values())

    def __len__(self) -> int:
        """How many different points are known."""
        self.take_up()
        return int(first_of_each(self._index.keys).sum())

    def refresh(self) -> None:
        """Takes up segments that were written since, here or elsewhere, and forgets those that are gone."""
        found: dict[str, Keys] = {}
        while True:
            names = self.folder.names()
            new = [name for name in names if name not in self._seen]
            looked = {name: self._keys(name) for name in new if name not in found}
            found |= {name: keys for name, keys in looked.items() if keys is not None}
            if found.keys() >= set(new):
                break
        self._seen.update(new)
        self.take_up([(name, found[name]) for name in new if len(found[name])])
        here = set(names)
        self.unread = [(name, keys) for name, keys in self.unread if name in here]
        gone = [number for number, name in self._segments.items() if name not in here]
        if gone:
            self._index.drop(gone)
            for number in gone:
                del self._segments[number]
                self._frames.pop(number, None)

    def _keys(self, name: str) -> Keys | None:
        """The keys of a segment, none of a damaged one; None where it has just been merged into another."""
        import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables

        nothing: Keys = np.empty((0, 2), np.uint64)
        try:
            content = self.folder.content(name)
        except FileNotFoundError:
            return None
        if isinstance(content, Damage):
            self.damaged.append(content)
            return nothing
        try:
            return np.ascontiguousarray(pl.read_parquet(BytesIO(content), columns=list(KEY_COLUMNS)).to_numpy())
        except pl.exceptions.PolarsError as error:
            self.damaged.append(Damage(self.folder.place(name), f"cannot be read: {str(error).splitlines()[0]}"))
            return nothing

    def take_up(self, more: Sequence[tuple[str, Keys]] = ()) -> None:
        """Takes what was written here, and more, into the index: sorting it again takes a while."""
        new = [*self.unread, *more]
        self.unread = []
        if new:
            numbers = range(self._next, self._next + len(new))
            self._next += len(new)
            self._segments |= dict(zip(numbers, (name for name, _ in new), strict=True))
            self._index.add_all(zip(numbers, (keys for _, keys in new), strict=True))

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """Where the row of each key is, or -1; for `rows`."""
        return self._index.find(keys)

    def find_own(self, keys: Keys) -> NDArray[np.int64]:
        """The same, with what was written by this very process."""
        self.take_up()
        return self._index.find(keys)

    def rows(self, places: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], pl.DataFrame]]:
        """Results at some places that `find` gave, segment by segment: which of them, and their results.

        Raises SpecError where a segment cannot be read any more.
        """
        keys = self._index.keys[places]
        while True:
            try:
                return self._rows(places)
            except FileNotFoundError:  # merged into another one since
                self.refresh()
                places = self.find(keys)
                if (places < 0).any():
                    self._unreadable(self.folder.path, "segments are gone")

    def _rows(self, places: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], pl.DataFrame]]:
        parts = []
        segments = self._index.segments[places]
        for number in np.unique(segments):
            own = np.flatnonzero(segments == number)
            parts.append((own, self._frame(int(number))[self._index.rows[places[own]]]))
        return parts

    def _frame(self, number: int) -> pl.DataFrame:
        """The results of a segment. Raises FileNotFoundError where it is gone."""
        import polars as pl  # noqa: PLC0415

        if number not in self._frames:
            path = self.folder.place(self._segments[number])
            try:
                names = list(pl.read_parquet_schema(path))
                self._frames[number] = pl.read_parquet(path, columns=names[names.index(FIRST_RESULT) :])
            except FileNotFoundError:
                raise
            except (pl.exceptions.PolarsError, OSError, ValueError) as error:
                self._unreadable(path, str(error).splitlines()[0])
            while len(self._frames) > 1 and sum(map(len, self._frames.values())) > _SHOWN:
                self._frames.popitem(last=False)
        self._frames.move_to_end(number)
        return self._frames[number]

    def _unreadable(self, path: Path, reason: str) -> NoReturn:
        raise SpecError(f"cannot be read: {reason}", at=Location(str(path)),
                        remedy="run it again: what is missing is evaluated") from None  # fmt: skip

    def lookup(self, points: Sequence[Point]) -> pl.DataFrame | None:
        """Rows of those of some points that are known, as a sweep has them (`index` says which); None for none.

        The points are what their files say now.
        """
        import polars as pl  # noqa: PLC0415

        self.refresh()
        if not points:
            return None
        whole = (slice(0, len(points)),)
        source = Listed(tuple(points))
        tables = self.known(source, whole, self.find_own(source.keys(whole, Identities(self.code))))
        return pl.concat(tables, how="diagonal_relaxed").sort("index") if tables else None

    def known(self, source: Source, box: Box, places: NDArray[np.int64]) -> list[pl.DataFrame]:
        """Tables of the points of a box whose results are at some places (-1: none)."""
        here = np.flatnonzero(places >= 0)
        if not len(here):
            return []
        import polars as pl  # noqa: PLC0415

        lead, command = source.lead(box), source.command(box)
        return [
            pl.DataFrame([*(each.gather(here[own]) for each in lead), *results.get_columns(),
                          command.gather(here[own])])
            for own, results in self.rows(places[here])
        ]  # fmt: skip

    def add(self, points: Sequence[Point], rows: pl.DataFrame) -> None:
        """Keeps the rows of some points, as a sweep makes them; when this returns, they survive a crash.

        The rows are of the points' files as they are now: `run_points` with this store is right whatever files do.
        Raises SpecError on a disk error; then none of the rows is in the store, or all are.
        """
        by_index = {point.index: point for point in points}
        chosen = Listed(tuple(by_index[index] for index in rows["index"]))
        whole = (slice(0, len(chosen.listed)),)
        keys = chosen.keys(whole, Identities(self.code))
        self.append(keys, self.stored(keys, chosen, whole, rows))

    def stored(self, keys: Keys, source: Source, box: Box, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of the points of a box as a segment has them: keys, what they are, results."""
        import polars as pl  # noqa: PLC0415

        results = rows.get_columns()[rows.columns.index(FIRST_RESULT) :]
        about = [each for each in source.context(box) if each.null_count() < len(each)]
        code = pl.repeat(self.code, len(keys), eager=True).alias("code")
        kept = [each for each in results if each.name != "command"]
        return pl.DataFrame([*(pl.Series(name, keys[:, lane]) for lane, name in enumerate(KEY_COLUMNS)),
                             code, *about, source.command(box), *kept])  # fmt: skip

    def append(self, keys: Keys, frame: pl.DataFrame) -> None:
        """Writes a segment of rows that `stored` made. Raises SpecError on a disk error."""
        name = self.folder.append(frame)
        self._seen.add(name)
        self.unread.append((name, keys))

    def claim(self, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_], Claim | None]:
        """Claims what nobody knows or evaluates: places of what is known, which points are ours, and the claim."""
        with self.folder.alone():
            others = self.folder.claimed()  # before segments: who commits writes first, and withdraws then
            self.refresh()
            places = self.find(keys)
            ours = places < 0
            if others:
                taken = _Index()
                taken.add_all([(0, each) for each in others])
                ours &= taken.find(keys) < 0
            own = np.flatnonzero(ours)
            ours[own] = first_of_each(keys[own])
            return places, ours, self.folder.claim(keys[ours]) if ours.any() else None
