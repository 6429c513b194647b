"""Every way einsim says no, drawn as one tree.

    EinsimError            a failure einsim foresaw; carries the process's exit code
    +-- SpecError          bad input: a file, an option or an argument (exit code 2)
    |   +-- ToolError      a program that einsim calls is missing or does not work
    +-- InfeasibleError    a single run whose design does not fit its machine (exit code 3)

Anything else that escapes is a bug of einsim (exit code 1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Location:
    """A place in an input: a file (or `--option`) and, where known, 1-based line and column."""

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.source, self.line, self.column) if part is not None)


class EinsimError(Exception):
    """Base of every foreseen failure."""

    exit_code: ClassVar[int] = 1


class SpecError(EinsimError):
    """Bad input: says where it is, what is wrong and what to do about it."""

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, at: Location | None = None, remedy: str | None = None) -> None:
        self.message = message
        self.at = at
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f"{self.at}: " if self.at else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{where}{self.message}{remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.at, self.remedy))


class InfeasibleError(EinsimError):
    """The one design that was asked for does not fit its machine; the message is the reason."""

    exit_code: ClassVar[int] = 3


class ToolError(SpecError):
    """A program that einsim calls (a simulator, a compiler) is missing or does not work."""


def _rebuild(kind: type[SpecError], message: str, at: Location | None, remedy: str | None) -> SpecError:
    return kind(message, at=at, remedy=remedy)


_LISTED = 40
"""How many names a message can hold."""


def suggest(word: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known one, or the list of them, as far as one can read it."""
    names = sorted(str(name) for name in known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    if len(names) > _LISTED:
        for start in filter(None, (word.partition("-")[0], word[:1])):
            alike = [name for name in names if name.startswith(start)]
            if 0 < len(alike) <= _LISTED:
                return f"known are {len(names)} names, of these {', '.join(alike)} ('einsim show' lists them all)"
        return f"{len(names)} names are known: 'einsim show' lists them"
    return f"known: {', '.join(names)}" if names else "none is declared"
