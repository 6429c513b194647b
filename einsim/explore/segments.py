"""Files of a result store: whole or not there, whatever ends the process or the machine, and however many write.

A segment is written under a temporary name, synced, moved to its place, and its folder synced: a crash at any instant
leaves the segments of before, and at most a temporary file that nobody reads. A segment's name holds a digest of its
content, so that a torn or changed one is found out. Nothing is ever changed in place.

Claims say which points somebody is evaluating now. Each is a file of keys that its owner keeps locked (flock); the
system unlocks it when the owner ends, however it ends, and a claim that is not locked counts no more.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn
from uuid import uuid4

import numpy as np

from einsim.errors import Location, SpecError
from einsim.explore.identity import Keys

if TYPE_CHECKING:
    import polars as pl

_FORMAT: Final = 1
_MARK: Final = "einsim-store.json"
_STALE_S: Final = 3600.0  # age from which a temporary file is nobody's


KEY_COLUMNS: Final = ("key_low", "key_high")
"""The columns of a segment with its rows' keys."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A segment that cannot be used, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}; its points are evaluated again (remove the file to silence this)"


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of a store."""

    path: Path

    @property
    def _mark(self) -> Path:
        return self.path / _MARK

    @property
    def _segments(self) -> Path:
        return self.path / "segments"

    @property
    def _claims(self) -> Path:
        return self.path / "claims"

    def create(self) -> None:
        """Makes the store where there is none; raises SpecError where that is impossible, or something else is."""
        if self.path.is_dir() and not self._mark.exists() and self._foreign():
            self.refuse("this folder is not empty and no result store", "name a new folder, or a store")
        with self._errors("make the store here"):
            for folder in (self._segments, self._claims):
                folder.mkdir(parents=True, exist_ok=True)
            if not self._mark.exists():
                self._write(self._mark, (json.dumps({"format": _FORMAT}) + "\n").encode())
            _sync(self.path)
        self.check()

    def _foreign(self) -> bool:
        """Whether there is something that is no part of a store which somebody is making this very moment."""
        own = {self._segments.name, self._claims.name, _MARK}
        return any(each.name not in own and each.suffix != ".part" for each in self.path.iterdir())

    def check(self) -> None:
        """Raises SpecError where there is no store that this version of einsim reads."""
        if not self.path.exists():
            self.refuse("there is no result store", "einsim sweep FILE --store PATH makes one")
        try:
            mark = json.loads(self._mark.read_text())
        except (OSError, ValueError):
            mark = None
        if not isinstance(mark, dict) or "format" not in mark:
            self.refuse(f"is no result store: there is no readable {_MARK} in it",
                         "name the folder that was given to --store")  # fmt: skip
        if mark["format"] != _FORMAT:
            self.refuse(f"has format {mark['format']}, and this version of einsim reads {_FORMAT}", "update einsim")

    def names(self) -> list[str]:
        """Names of all segments, oldest first.

        Looked for until they are the same twice: while a folder is listed, its files may be merged into one that is
        not in the list yet.
        """
        found = self._names()
        while (again := self._names()) != found:
            found = again
        return found

    def _names(self) -> list[str]:
        try:
            return sorted(each.name for each in self._segments.iterdir() if each.suffix == ".parquet")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise SpecError(f"cannot be read: {error.strerror or error}", at=Location(str(self._segments))) from None

    def place(self, name: str) -> Path:
        """Where a segment is."""
        return self._segments / name

    def content(self, name: str) -> bytes | Damage:
        """What was written of a segment, or what is wrong with it.

        Raises FileNotFoundError where it is gone: its rows are in another one by then.
        """
        path = self.place(name)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            return Damage(path, f"cannot be read: {error.strerror or error}")
        whole = name.rpartition("-")[2] == f"{hashlib.sha256(content).hexdigest()[:32]}.parquet"
        return content if whole else Damage(path, "is torn or was changed")

    def append(self, frame: pl.DataFrame, like: str | None = None) -> str:
        """Writes a segment, at the place in time of another one if that is named; returns its name.

        When this returns, the segment survives a crash. Raises SpecError on a disk error.
        """
        buffer = BytesIO()  # what polars makes of a full disk says little
        frame.write_parquet(buffer, compression="zstd", compression_level=1)
        content = buffer.getbuffer()
        stamp = f"{time.time_ns():020d}" if like is None else like.partition("-")[0]
        name = f"{stamp}-{hashlib.sha256(content).hexdigest()[:32]}.parquet"
        with self._errors("write results"):
            self._write(self._segments / name, content)
        return name

    def remove(self, names: Sequence[str]) -> None:
        """Removes segments whose rows are in others, while nobody claims points. Raises SpecError on a disk error."""
        if not names:
            return
        with self.alone(), self._errors("remove segments"):
            for name in names:
                self.place(name).unlink(missing_ok=True)
            _sync(self._segments)

    def _write(self, target: Path, content: bytes | memoryview) -> None:
        part = target.with_name(f".{uuid4().hex}.part")
        try:
            part.write_bytes(content)
            _sync(part)
            part.replace(target)
            _sync(target.parent)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Removes temporary files that a crash has left."""
        for part in self._segments.glob(".*.part"):
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > _STALE_S:
                    part.unlink()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside, nobody else is inside: for as long as it takes to look at segments and claims, and to claim."""
        with self._errors("lock the store"):
            descriptor = os.open(self._claims / "lock", os.O_CREAT | os.O_RDWR, 0o666)
        try:
            with suppress(OSError):  # a file system without locks: two sweeps at once may evaluate a point twice
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def compacting(self) -> Iterator[None]:
        """Inside, nobody else compacts. Raises SpecError where somebody does."""
        with self._errors("lock the store"):
            descriptor = os.open(self._claims / "compacting", os.O_CREAT | os.O_RDWR, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.refuse("is being compacted by somebody else", "wait for that to end")
            except OSError:  # a file system without locks: two at once write the same, and remove the same
                pass
            yield
        finally:
            os.close(descriptor)

    def claim(self, keys: Keys) -> Claim:
        """Says that these points are being evaluated here."""
        path = self._claims / f"{uuid4().hex}.keys"
        with self._errors("claim points"):
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
            try:
                with suppress(OSError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with os.fdopen(os.dup(descriptor), "wb") as file:
                    file.write(keys.tobytes())
            except BaseException:
                path.unlink(missing_ok=True)
                os.close(descriptor)
                raise
        return Claim(path, descriptor)

    def claimed(self) -> list[Keys]:
        """Keys of all claims that count; the others are removed."""
        found = []
        for path in self._claims.glob("*.keys"):
            try:
                with path.open("rb") as file:
                    if _unlocked(file.fileno()):
                        path.unlink(missing_ok=True)
                    else:
                        content = file.read()
                        found.append(np.frombuffer(content[: len(content) // 16 * 16], np.uint64).reshape(-1, 2))
            except OSError:  # withdrawn this very moment
                continue
        return found

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error).splitlines()[0]
            barred = error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}
            self.refuse(f"cannot {what}: {reason}", "name a store that may be written" if barred else
                        "make room, or choose another --store")  # fmt: skip

    def refuse(self, message: str, remedy: str) -> NoReturn:
        """Raises SpecError that says what is wrong with the store."""
        raise SpecError(message, at=Location(str(self.path)), remedy=remedy) from None


@dataclass(slots=True)
class Claim:
    """A claim of this process, until it is withdrawn."""

    path: Path
    descriptor: int = field(repr=False)

    def withdraw(self) -> None:
        """Ends the claim."""
        if self.descriptor >= 0:
            self.path.unlink(missing_ok=True)
            os.close(self.descriptor)
            self.descriptor = -1


def _unlocked(descriptor: int) -> bool:
    """Whether nobody holds a lock on a file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks here: nothing counts
        return True
    return True


def _sync(path: Path) -> None:
    """Asks the disk to hold a file, or a folder's entries."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
