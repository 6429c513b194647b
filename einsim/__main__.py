"""`einsim` and `python -m einsim`: imports the command line, which takes a moment, and runs it."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Runs the command line; Ctrl-C and SIGTERM end it quietly, also before it is there, and change nothing after."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
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
