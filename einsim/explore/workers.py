"""Worker processes: points evaluated one by one on all cores, with clean ends."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver, get_context, resource_tracker
from typing import Final

from einsim.errors import SpecError
from einsim.explore.rows import evaluate_point
from einsim.explore.space import Point
from einsim.model.result import Record

_LEAST: Final = 400  # points from which worker processes pay
_CHUNK: Final = 25  # points handed over at once
_POLL_S: Final = 0.1  # how long an interruption may wait


def evaluate_rows(points: Sequence[Point], progress: Callable[[int], None]) -> Iterator[list[Record]]:
    """Rows of points in order, in parts; `progress(n)` after n more, and now and then `progress(0)`.

    An exception that `progress` raises ends the evaluation: workers finish the points at hand and are gone when
    it leaves here. Raises SpecError for a point that is wrong.
    """
    cores = os.cpu_count() or 1
    if len(points) < _LEAST or cores == 1:
        for point in points:
            yield [evaluate_point(point)]
            progress(1)
        return
    _start_deaf()
    with ProcessPoolExecutor(cores, mp_context=get_context("forkserver")) as pool:
        parts = iter([points[i : i + _CHUNK] for i in range(0, len(points), _CHUNK)])
        running: deque[Future[list[Record]]] = deque()
        try:
            while True:
                for part in parts:
                    running.append(pool.submit(_evaluate, part))
                    if len(running) >= 4 * cores:
                        break
                if not running:
                    return
                rows = _wait(running.popleft(), progress)
                yield rows
                progress(len(rows))
        except (BrokenProcessPool, EOFError, ConnectionError):
            progress(0)  # who ends the workers may have wanted the end of us all
            raise SpecError("a worker process was ended from outside", remedy="is there enough memory?") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _wait(future: Future[list[Record]], progress: Callable[[int], None]) -> list[Record]:
    while True:
        try:
            return future.result(_POLL_S)
        except StillRunning:
            progress(0)


def _start_deaf() -> None:
    """Starts the process that workers are forked from so that it and they never see Ctrl-C, which is for us."""
    resource_tracker.ensure_running()  # which would unblock signals again
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.set_forkserver_preload([__name__])
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _evaluate(points: Sequence[Point]) -> list[Record]:
    return [evaluate_point(point) for point in points]
