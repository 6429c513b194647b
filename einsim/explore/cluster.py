"""Past one machine: work evaluated by the workers of a Dask cluster, which somebody else has started.

The client cuts a sweep into work, sends it with the contents of all files that it needs, and writes what comes back:
workers need einsim, and no files. What a lost worker had is given to another.
"""

from __future__ import annotations

import logging
import pickle
import platform
import re
import time
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

from einsim import __version__
from einsim.errors import Location, SpecError
from einsim.explore.identity import code_digest
from einsim.explore.work import Picked, Rows, Work, evaluate_work
from einsim.explore.workers import Progress
from einsim.extras import load
from einsim.spec.files import Files, held, held_files

CONNECT_S: Final = 5.0
"""How long to wait for an answer of the scheduler."""
WORKERS_S: Final = 30.0
"""How long to wait for the first worker."""
_POLL_S: Final = 0.1
_AHEAD: Final = 3  # parts of a worker's thread that wait
_PIECES: Final = 8  # parts of a worker's thread, at least, that points are cut into
_CHUNK: Final = 25  # points handed over at once, at most
_ADDRESS: Final = re.compile(r"(?:(?:tcp|tls|ucx|wss?)://)?(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}")
_LIBRARIES: Final = ("numpy", "polars")  # what makes numbers, or carries them


class Dask:
    """The workers of a Dask cluster; to be closed."""

    def __init__(self, scheduler: str) -> None:
        """Connects. Raises SpecError where there is no scheduler, no worker, or one with other code."""
        at = Location(f"--scheduler {scheduler}")
        if not _ADDRESS.fullmatch(scheduler):
            raise SpecError("is no address of a scheduler", at=at, remedy="write tcp://HOST:8786")
        self.distributed = load("distributed", "cluster", "--executor dask")
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what goes wrong is said once, by us
        self.at = at
        try:
            with warnings.catch_warnings():  # our own comparison follows
                warnings.simplefilter("ignore", self.distributed.versions.VersionMismatchWarning)
                self.client = self.distributed.Client(
                    scheduler, timeout=CONNECT_S, set_as_default=False, name="einsim", direct_to_workers=False
                )
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise SpecError(f"no Dask scheduler answers there: {reason}", at=at,
                            remedy="start one: dask scheduler, and name its tcp://HOST:PORT") from None  # fmt: skip
        try:
            self._check()
        except BaseException:
            self.close()
            raise
        self._none = Files()
        self._shared: dict[int, tuple[Any, Any]] = {}

    def close(self) -> None:
        """Leaves the cluster as it was."""
        self.client.close(timeout=CONNECT_S)

    def _check(self) -> None:
        """Raises SpecError where there is no worker, or one whose results might be others."""
        try:
            self.client.wait_for_workers(1, timeout=WORKERS_S)
        except TimeoutError:
            raise SpecError(f"the scheduler has no worker, {WORKERS_S:.0f} s on", at=self.at,
                            remedy="start some with 'dask worker tcp://HOST:PORT'") from None  # fmt: skip
        try:
            found = self.client.run(about_here)
        except Exception as error:  # whatever a worker without einsim, or with another one, makes of it
            raise SpecError(f"a worker cannot run einsim: {type(error).__name__}: {error}", at=self.at,
                            remedy=f"install einsim {__version__} where workers start") from None  # fmt: skip
        for worker, about in sorted(found.items()):
            compare_about(about, worker)

    def piece(self, total: int) -> int:
        """How many points to hand over at once, of so many that are evaluated one by one."""
        return max(1, min(_CHUNK, total // (_PIECES * self._threads())))

    def _threads(self) -> int:
        return max(1, sum(map(int, self.client.nthreads().values())))

    def together(self, works: Iterator[Work], progress: Progress) -> Iterator[tuple[Work, Rows]]:
        """Rows of work, in the order in which it is done; `progress(0)` now and then.

        Raises SpecError for a point that is wrong, and where the cluster is gone.
        """
        running: dict[Any, Work] = {}
        try:
            yield from self._run(works, running, progress)
        except (OSError, self.distributed.CancelledError) as error:
            progress(0)
            raise SpecError(f"the cluster is gone: {type(error).__name__}", at=self.at,
                            remedy="with --store, the same command goes on where this ended") from None  # fmt: skip
        except self.distributed.KilledWorker:
            raise SpecError("several workers ended on the same points", at=self.at,
                            remedy="is there enough memory for each?") from None  # fmt: skip
        finally:
            self._shared.clear()
            if running and self.client.status == "running":
                self.client.cancel(list(running), force=True)

    def single(self, works: Iterator[Work], total: int, progress: Progress) -> Iterator[tuple[Work, Rows]]:
        """The same for work that is evaluated point by point."""
        del total
        yield from self.together(works, progress)

    def _run(self, works: Iterator[Work], running: dict[Any, Work], progress: Progress) -> Iterator[tuple[Work, Rows]]:
        most, asked = _AHEAD * self._threads(), time.monotonic()
        while True:
            for work in works:
                running[self._submit(work)] = work
                if len(running) >= most:
                    break
            if not running:
                return
            try:
                with self.client.as_current():
                    done = self.distributed.wait(list(running), timeout=_POLL_S, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                done = set()
                if self.client.status != "running":
                    raise OSError from None
            for future in done:
                rows: Rows = future.result()
                yield running.pop(future), rows
            progress(0)
            if time.monotonic() - asked > 1.0:  # workers come and go
                most, asked = _AHEAD * self._threads(), time.monotonic()

    def _submit(self, work: Work) -> Any:
        """Hands work over; what many parts have in common goes once."""
        common = None if work.loaded is None or isinstance(work.source, Picked) else self._share(work.loaded)
        own = work if common is None else work.box
        files = self._share(held_files() or self._none)
        return self.client.submit(evaluate_there, code_digest(), files, common, pickle.dumps(own), pure=False)

    def _share(self, value: Any) -> Any:
        """A value on the cluster, which can be made again there if a worker is lost."""
        if id(value) not in self._shared:
            made = self.client.submit(pickle.loads, pickle.dumps(value), pure=False)
            self._shared[id(value)] = (value, made)  # the value, too, so that its id is its own
        return self._shared[id(value)][1]


def about_here() -> dict[str, str]:
    """What must be the same on both sides."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"einsim": __version__, "code": code_digest(), "python": python} | {n: version(n) for n in _LIBRARIES}


def compare_about(about: dict[str, str], worker: str) -> None:
    """Raises SpecError where a worker is not as we are."""
    here = about_here()
    for name, ours in here.items():
        theirs = about.get(name, "none")
        if theirs != ours:
            what = "the code of einsim" if name == "code" else name
            remedy = f"install the same there (einsim {__version__}), and start the workers again"
            raise SpecError(f"{what} is {theirs[:12]}, and here it is {ours[:12]}", at=Location(f"worker {worker}"),
                            remedy=remedy)  # fmt: skip


def evaluate_there(code: str, files: Files, common: Any, own: bytes) -> Rows:
    """Evaluates work on a worker. Raises SpecError where its code is not `code`: it may have come later."""
    if code_digest() != code:
        worker = load("distributed", "cluster", "a worker").get_worker().address
        raise SpecError(f"the code of einsim is {code_digest()[:12]}, not {code[:12]}", at=Location(f"worker {worker}"),
                        remedy="install the same there, and start the worker again")  # fmt: skip
    work = pickle.loads(own)
    if common is not None:
        work = Work(common.source, work, common)
    with held(files):
        return evaluate_work(work)
