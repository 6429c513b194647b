"""`einsim` and `python -m einsim`: imports the command line, which takes a moment, and runs it."""

from __future__ import annotations

import gc
import os
import signal


def main() -> None:
    """Runs the command line; Ctrl-C and SIGTERM end it quietly, also before it is there, and change nothing after."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    gc.set_threshold(50_000, 20, 100)  # trees of many small nodes: collecting at every 700th takes a fifth of the time
    from einsim.cli.app import main as run  # noqa: PLC0415 - the handlers come first

    try:
        run()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # the last moments belong to the interpreter


def _leave(number: int, _frame: object) -> None:
    """Ends the process at once: there is nothing to clean up."""
    if number == signal.SIGINT:
        os.write(2, b"einsim: interrupted\n")
    os._exit(128 + number)


if __name__ == "__main__":
    main()
