"""What all calls of outside programs share: folders that one process holds at a time, sources in files, and the line
of a program's output that tells why it failed."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from einsim.rtl.verilog import Module


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder that is made if need be; another process waits."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_modules(modules: Iterable[Module], folder: Path) -> list[str]:
    """Writes each module into a file of its own; the files' names, in the modules' order."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for part in modules:
        (folder / f"{part.name}.sv").write_text(part.source)
        files.append(f"{part.name}.sv")
    return files


def telling(printed: str) -> str:
    """The one line that tells why a program failed: the first that has an error in it, or the last."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")
