"""The disk as it was: what is asked of it twice is answered as it was the first time.

A sweep takes a while, and files change. What it reads of them, in whichever thread, process or machine, is what they
held when it began, so that every row is of the same files as its key.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Files:
    """The disk as it was: what it answered when it was first asked. `home` is where relative paths start."""

    home: Path = field(default_factory=Path.cwd)
    answers: dict[tuple[Any, ...], Any] = field(default_factory=dict)


_HELD: ContextVar[Files | None] = ContextVar("_HELD", default=None)


@contextmanager
def held(files: Files) -> Iterator[None]:
    """Inside, the disk answers as `files` says, and what it is asked for the first time is noted there.

    So a file that is changed meanwhile is what it was, here and wherever `files` is taken.
    """
    token = _HELD.set(files)
    try:
        yield
    finally:
        _HELD.reset(token)


def hold(files: Files | None) -> None:
    """The same from now on, in a process that does nothing else."""
    _HELD.set(files)


def held_files() -> Files | None:
    """What is held now, if anything is."""
    return _HELD.get()


def steps_held(files: Files, steps: Iterator[Item]) -> Iterator[Item]:
    """What an iterator gives, each step of it made with these files held; in between, they are not."""
    try:
        while True:
            with held(files):
                try:
                    item = next(steps)
                except StopIteration:
                    return
            yield item
    finally:
        if isinstance(steps, Generator):
            with held(files):
                steps.close()


def ask(question: tuple[Any, ...], answer: Callable[[], Item]) -> Item:
    """An answer of the disk; where files are held, the first one to this question."""
    files = _HELD.get()
    if files is None:
        return answer()
    if question not in files.answers:
        files.answers.setdefault(question, answer())  # of two threads, one is first
    found: Item = files.answers[question]
    return found


def home() -> Path:
    """Where relative paths start."""
    files = _HELD.get()
    return Path.cwd() if files is None else files.home


def kind_of(path: Path) -> str | None:
    """What is at a path: "file", "folder", "other", or None for nothing that can be reached."""
    place = home() / path

    def look() -> str | None:
        try:
            if place.is_file():
                return "file"
            return "folder" if place.is_dir() else "other" if place.exists() else None
        except (OSError, ValueError):  # a name that no file can have
            return None

    return ask(("kind", place), look)
