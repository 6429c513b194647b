"""This machine's threads and worker processes: work on all cores, with clean ends."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver, get_context, parent_process, resource_tracker
from multiprocessing.connection import wait
from threading import Thread
from typing import Final

from einsim.errors import Location, SpecError
from einsim.explore.identity import code_digest
from einsim.explore.work import Rows, Work, evaluate_work
from einsim.model.blocks import on_all_cores
from einsim.spec.files import Files, held_files, hold

Progress = Callable[[int], None]
"""Called with the number of points just finished; may raise to end the sweep."""

_LEAST: Final = 400  # points from which worker processes pay
_CHUNK: Final = 25  # points handed over at once
_AHEAD: Final = 4  # parts of a core that wait
_POLL_S: Final = 0.1  # how long an interruption may wait


class Local:
    """This machine: points that are evaluated together in threads, others in processes, as many as there are cores."""

    def piece(self, total: int) -> int:
        """How many points to hand over at once, of so many that are evaluated one by one."""
        return _CHUNK if _pays(total) else 1

    def together(self, works: Iterator[Work], progress: Progress) -> Iterator[tuple[Work, Rows]]:
        """Rows of work that is evaluated together, in order."""
        del progress  # a part takes a moment
        yield from on_all_cores(lambda work: (work, evaluate_work(work)), works)

    def single(self, works: Iterator[Work], total: int, progress: Progress) -> Iterator[tuple[Work, Rows]]:
        """Rows of work that is evaluated point by point, in order; `progress(0)` now and then.

        An exception that `progress` raises ends the evaluation: workers finish the points at hand and are gone when
        it leaves here. Raises SpecError for a point that is wrong.
        """
        if not _pays(total):
            yield from ((work, evaluate_work(work)) for work in works)
            return
        yield from _in_processes(works, progress)


def _pays(total: int) -> bool:
    """Whether so many points are worth the start of worker processes."""
    return total >= _LEAST and (os.cpu_count() or 1) > 1


def _in_processes(works: Iterator[Work], progress: Progress) -> Iterator[tuple[Work, Rows]]:
    cores = os.cpu_count() or 1
    _start_deaf()
    context, files = get_context("forkserver"), held_files()
    with ProcessPoolExecutor(cores, context, initializer=_begin, initargs=(files,)) as pool:
        running: deque[tuple[Work, Future[Rows]]] = deque()
        try:
            while True:
                for work in works:
                    running.append((work, pool.submit(_evaluate_there, code_digest(), work)))
                    if len(running) >= _AHEAD * cores:
                        break
                if not running:
                    return
                work, future = running.popleft()
                yield work, _wait(future, progress)
        except (BrokenProcessPool, EOFError, ConnectionError):
            progress(0)  # who ends the workers may have wanted the end of us all
            raise SpecError("a worker process was ended from outside", remedy="is there enough memory?") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin(files: Files | None) -> None:
    """A worker process: its files are those of the sweep, and it ends when who started it ends, however that does."""
    hold(files)
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _evaluate_there(code: str, work: Work) -> Rows:
    """Evaluates work in a worker process. Raises SpecError where that has loaded other code than `code`."""
    if code_digest() != code:
        raise SpecError("the code of einsim has been changed since this began", at=Location("worker process"),
                        remedy="run it again: what is in the store stays")  # fmt: skip
    return evaluate_work(work)


def _wait(future: Future[Rows], progress: Progress) -> Rows:
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
