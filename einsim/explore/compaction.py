"""Compaction of a result store: many small segments become a few, and no answer changes.

Segments with the same columns are written together as a new one; when that is on the disk, they are removed. A crash in
between leaves rows twice, of which readers take one, and the next compaction removes what is twice. Who reads a segment
that is removed this very moment looks again, and finds its rows in the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from einsim.explore.identity import Keys, first_of_each
from einsim.explore.segments import KEY_COLUMNS, Damage, Folder

if TYPE_CHECKING:
    import polars as pl

_FULL: Final = 1 << 18  # rows of a new segment at most: what is in memory at one time
_SMALL: Final = _FULL // 2  # rows below which a segment is merged


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is in a store."""

    segments: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """A store before and after, and what in it cannot be read, and is left alone."""

    before: Size
    after: Size
    damaged: tuple[Damage, ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment's name, its columns with their types, the keys of its rows, and its bytes."""

    name: str
    schema: tuple[tuple[str, Any], ...]
    keys: Keys
    bytes: int


def compact(folder: Folder, progress: Callable[[], None]) -> Compacted:
    """Merges the small segments of a store; `progress` is called now and then, and may raise to end it.

    Raises SpecError where there is no store, where another compaction is at work, and on a disk error: then, as after
    a crash, all rows are there.
    """
    folder.check()
    with folder.compacting():
        folder.tidy()
        segments, damaged = _segments(folder, progress)
        alike: dict[tuple[tuple[str, Any], ...], list[_Segment]] = {}
        for each in segments:
            alike.setdefault(each.schema, []).append(each)
        kept: list[_Segment] = []
        for group in alike.values():
            needed, twice = _parted(group)
            folder.remove([each.name for each in twice])
            for run in _runs(needed):
                progress()
                kept.append(run[0] if len(run) == 1 else _merged(folder, run))
    return Compacted(_size(segments), _size(kept), tuple(damaged))


def _size(segments: Sequence[_Segment]) -> Size:
    return Size(len(segments), sum(len(each.keys) for each in segments), sum(each.bytes for each in segments))


def _segments(folder: Folder, progress: Callable[[], None]) -> tuple[list[_Segment], list[Damage]]:
    """All segments that are whole, oldest first, and the others."""
    found, damaged = [], []
    for name in folder.names():
        progress()
        content = folder.content(name)
        if isinstance(content, Damage):
            damaged.append(content)
            continue
        frame = _frame(content)
        found.append(_Segment(name, tuple(frame.schema.items()), _keys(frame), len(content)))
    return found, damaged


def _frame(content: bytes) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables

    return pl.read_parquet(BytesIO(content))


def _keys(frame: pl.DataFrame) -> Keys:
    return np.ascontiguousarray(frame.select(KEY_COLUMNS).to_numpy())


def _parted(group: Sequence[_Segment]) -> tuple[list[_Segment], list[_Segment]]:
    """Segments that have rows which no larger one has, and the others: what a crash has left, after all was copied."""
    largest = sorted(group, key=lambda each: -len(each.keys))
    first = first_of_each(np.concatenate([each.keys for each in largest]))
    ends = np.cumsum([len(each.keys) for each in largest])[:-1]
    own = {each.name for each, rows in zip(largest, np.split(first, ends), strict=True) if rows.any()}
    return [each for each in group if each.name in own], [each for each in group if each.name not in own]


def _runs(segments: Sequence[_Segment]) -> Iterator[list[_Segment]]:
    """Segments that become one, oldest first; a large one stays by itself."""
    run: list[_Segment] = []
    for each in segments:
        if len(each.keys) >= _SMALL:
            yield [each]
            continue
        if sum(len(one.keys) for one in run) + len(each.keys) > _FULL:
            yield run
            run = []
        run.append(each)
    if run:
        yield run


def _merged(folder: Folder, run: Sequence[_Segment]) -> _Segment:
    """Writes segments as one, in the place of the oldest, and removes them."""
    import polars as pl  # noqa: PLC0415

    frames = []
    for each in run:
        content = folder.content(each.name)
        if isinstance(content, Damage):  # since it was read: leave everything as it is
            folder.refuse(f"cannot be compacted: {content.path.name} {content.reason}", "run it again")
        frames.append(_frame(content))
    whole = pl.concat(frames)
    whole = whole.filter(pl.Series(first_of_each(_keys(whole))))
    name = folder.append(whole, like=run[0].name)
    folder.remove([each.name for each in run if each.name != name])
    return _Segment(name, run[0].schema, _keys(whole), folder.place(name).stat().st_size)
