"""Ctrl-C and SIGTERM: the first one ends the run, at a good place; later ones change nothing."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SOON: Final = 0.01
"""Seconds until a signal counts again that came where nothing can be raised, in a weak reference's callback say."""


class Stopped(KeyboardInterrupt):
    """The user, or the system, wants the run to end."""

    def __init__(self, number: int) -> None:
        super().__init__("interrupted" if number == signal.SIGINT else "terminated")
        self.number = number
        self.exit_code = 128 + number


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, the first signal raises `Stopped`, so that what is half done is cleaned up undisturbed."""

    def stop(number: int, _frame: object) -> None:
        _handle(signal.SIG_IGN)
        raise Stopped(number)

    def once_more(lost: sys.UnraisableHookArgs) -> None:
        if isinstance(lost.exc_value, Stopped):
            stopped = lost.exc_value
            signal.signal(signal.SIGALRM, lambda _number, frame: stop(stopped.number, frame))
            signal.setitimer(signal.ITIMER_REAL, _SOON)
        else:
            hook(lost)

    before, hook = _handle(stop), sys.unraisablehook
    sys.unraisablehook = once_more
    try:
        yield
    finally:
        sys.unraisablehook = hook
        _handle(before)


@contextmanager
def deferred() -> Iterator[Callable[[], None]]:
    """Inside, signals wait for a call of what this yields, which raises `Stopped` if there was one."""
    seen: list[int] = []

    def check() -> None:
        if seen:
            raise Stopped(seen[0])

    before = _handle(lambda number, _frame: seen.append(number))
    try:
        yield check
    finally:
        _handle(signal.SIG_IGN if seen else before)


def _handle(handler: Any) -> dict[signal.Signals, Any]:
    """Sets one handler for all signals (or those that a dictionary has) and returns those of before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    handlers = handler if isinstance(handler, dict) else dict.fromkeys(SIGNALS, handler)
    return {number: signal.signal(number, each) for number, each in handlers.items()}
