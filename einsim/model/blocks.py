"""Many designs, block by block on all cores: memory stays bounded.

Columns may be arrays that broadcast, as NumPy says it: a column that varies along one axis of a grid only has length 1
along the others, and what depends on it alone is computed once a value.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from einsim.model.closed_form import evaluate_many, grid_shape
from einsim.model.result import metrics
from einsim.schedule.environment import Columns
from einsim.spec.configuration import Design

BLOCK: Final = 1 << 17
"""Designs of a block at most: so many that Python's share is small, so few that memory is bounded (1 MB an array)."""

_TRIM, _MMAP, _ARENAS = -1, -3, -8  # glibc's M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_ARENA_MAX
_KEPT: Final = 1 << 29  # bytes that stay

Box = tuple[slice, ...]
"""A part of a grid."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def boxes(shape: tuple[int, ...], most: int = BLOCK) -> Iterator[Box]:
    """Parts of a grid, in order, each of at most `most` points that follow one another."""
    axes: list[list[slice]] = []
    for length in reversed(shape):
        step = max(1, min(length, most))
        axes.insert(0, [slice(start, min(start + step, length)) for start in range(0, length, step)])
        most = most // length if most >= length else 0
    yield from itertools.product(*axes)


def part(values: NDArray[Any], box: Box) -> NDArray[Any]:
    """The part of an array that broadcasts over a grid."""
    own = box[len(box) - values.ndim :]
    return values[tuple(slice(None) if length == 1 else each for length, each in zip(values.shape, own, strict=True))]


def on_all_cores(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work` of every item, in order, a few ahead, in threads with our context: NumPy and polars release the lock."""
    _keep_memory()
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        ahead: deque[Future[Result]] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(copy_context().run, work, item))
                if len(ahead) > cores:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def evaluate_metrics(design: Design, columns: Columns, most: int = BLOCK) -> dict[str, NDArray[Any]]:
    """`feasible` and every number of METRICS that the machine has, over the grid of the columns.

    Columns are as for `evaluate_many`, whose errors these are; `most` points are evaluated together at most. What an
    infeasible point would take is there too.
    """
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    shape = grid_shape(arrays.values())
    found: dict[str, NDArray[Any]] = {}

    def numbers(box: Box) -> tuple[Box, dict[str, Any]]:
        evaluation = evaluate_many(design, {name: part(values, box) for name, values in arrays.items()})
        return box, {"feasible": evaluation.feasible} | metrics(design, evaluation)

    for box, block in on_all_cores(numbers, boxes(shape, most)):
        for name, values in block.items():
            if values is not None:
                kind = np.result_type(values if isinstance(values, (np.ndarray, bool, int)) else np.float64)
                if name not in found:
                    found[name] = np.empty(shape, kind)
                elif not np.can_cast(kind, found[name].dtype):  # whole words so far, and now parts of words
                    found[name] = found[name].astype(kind)
                found[name][box] = values
    return found


@lru_cache(maxsize=1)
def _keep_memory() -> None:
    """Asks the C library to keep memory that is freed: what a block leaves, the next takes, without new pages."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # no glibc: slower by a half
        return
    mallopt(_TRIM, _KEPT)
    mallopt(_MMAP, 1 << 25)  # the most that it takes
    mallopt(_ARENAS, 1)  # others are given back block by block
