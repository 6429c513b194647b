"""What a run under cocotb is to do, and what was seen of it: files between einsim and the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

FOLDER: Final = "EINSIM_BENCH"
"""The environment variable that names the folder of both files."""

_JOB, _SEEN = "job.npz", "seen.npz"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done.

    Bytes of each beat of the stream in, beats that come out and how many of them are a tile; `valid` and `ready`, over
    and over from the start on: exactly in these cycles, or (`exact` is false) pauses of bus models. `kinds` are
    prefixes of resources' probes, `last` those of their last elements'. With `again`, one that a
    reset ends comes first, and a second run follows at once.
    """

    sizes: dict[str, int]
    registers: dict[str, int]
    kinds: tuple[str, ...]
    beats: NDArray[np.uint8]
    results: int
    tile: int
    valid: NDArray[np.uint8]
    ready: NDArray[np.uint8]
    exact: bool
    again: bool
    most: int
    last: tuple[str, ...] = ()


def save_job(folder: Path, job: Job) -> None:
    """Writes a job for the simulator."""
    np.savez(
        folder / _JOB, beats=job.beats, valid=job.valid, ready=job.ready, kinds=np.array(job.kinds),
        last=np.array(job.last),
        sizes=_table(job.sizes), registers=_table(job.registers),
        numbers=np.array([job.results, job.tile, job.exact, job.again, job.most], np.int64),
    )  # fmt: skip


def load_job(folder: Path) -> Job:
    """The job in a folder."""
    with np.load(folder / _JOB) as file:
        results, tile, exact, again, most = (int(each) for each in file["numbers"])
        sizes, registers = ({str(name): int(value) for name, value in file[key]} for key in ("sizes", "registers"))
        kinds = tuple(str(each) for each in file["kinds"])
        last = tuple(str(each) for each in file["last"])
        return Job(sizes, registers, kinds, file["beats"], results, tile, file["valid"], file["ready"],
                   bool(exact), bool(again), most, last)  # fmt: skip


def save_seen(folder: Path, cycles: int, out: Sequence[bytes], events: Sequence[tuple[int, ...]]) -> None:
    """Writes what was seen: cycles in which the run was going, beats out, and rows of kind, what, slot, cycle."""
    beats = np.frombuffer(b"".join(out), np.uint8).reshape(len(out), -1)
    np.savez(folder / _SEEN, cycles=cycles, out=beats, events=np.array(events, np.int32).reshape(-1, 4))


def load_seen(folder: Path) -> tuple[int, NDArray[np.uint8], NDArray[np.int32]]:
    """Cycles, bytes of beats, and events."""
    with np.load(folder / _SEEN) as file:
        return int(file["cycles"]), file["out"], file["events"]


def _table(values: dict[str, int]) -> NDArray[np.str_]:
    return np.array([[name, str(value)] for name, value in values.items()], np.str_).reshape(-1, 2)
