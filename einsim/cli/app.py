"""The command line."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from importlib import import_module
from typing import Final

from cyclopts import App, CycloptsError

from einsim import __version__
from einsim.cli.output import complain, discard_output, finish_output, prepare
from einsim.cli.signals import Stopped, stoppable
from einsim.errors import EinsimError

COMMANDS: Final = {
    "run": "einsim.cli.run:run",
    "simulate": "einsim.cli.simulate:simulate",
    "search": "einsim.cli.search:search_",
    "sweep": "einsim.cli.sweep:sweep",
    "explain": "einsim.cli.explain:explain",
    "show": "einsim.cli.show:show",
    "zoo": "einsim.cli.zoo:zoo",
    "taxonomy": "einsim.cli.zoo:taxonomy",
    "passes": "einsim.cli.zoo:passes",
    "bound": "einsim.cli.bound:bound",
    "roofline": "einsim.cli.roofline:roofline_",
    "evaluate": "einsim.cli.zoo:evaluate",
    "derive": "einsim.cli.derive:derive",
    "map": "einsim.cli.map:map_",
    "bind": "einsim.cli.bind:bind",
    "rtl": "einsim.cli.rtl:app",
}
"""Where each command is: its module is loaded when the command is used, and not before."""


def application(words: list[str]) -> App:
    """The command line for some words; commands carry their descriptions where all of them are to be listed."""
    app = App(
        name="einsim",
        version=__version__,
        help="Which attention algorithm, mapped how, on which spatial array, is fastest and cheapest?",
        help_format="plaintext",
        suppress_keyboard_interrupt=False,
    )
    for name, place in COMMANDS.items():
        if words and words[0] in COMMANDS:
            app.command(place, name=name)
        else:
            module, _, function = place.partition(":")
            app.command(getattr(import_module(module), function), name=name)
    app.register_install_completion_command()
    return app


def main() -> None:
    """Runs the command line and exits.

    0 done, 1 a bug of einsim's, 2 bad input or no place for the output, 3 infeasible, 130 interrupted, 143 terminated.
    """
    gc.freeze()  # what the imports made stays: collections need not walk it again and again
    gc.set_threshold(50_000, 20, 20)  # records of results are many, and in no cycles
    try:
        with stoppable():
            code = _run(sys.argv[1:])
    except Stopped as error:  # between the last thing done and the end
        code = error.exit_code
    sys.exit(code)


def _run(words: list[str]) -> int:
    """Runs one command; every end is a code and at most one message."""
    try:
        prepare()
        code = application(words)(words, exit_on_error=False, print_error=False, result_action="return_value")
        finish_output()
    except CycloptsError as error:
        return _fail(str(error) or type(error).__name__, 2)
    except EinsimError as error:
        return _fail(str(error), error.exit_code)
    except Stopped as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:  # the reader has seen enough
        discard_output()
        return 0
    except SystemExit as error:  # rich's way to say the same
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        return 0
    except OSError as error:
        discard_output()
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", 2)
    except Exception as error:  # the last line of defence: a bug, too, ends in one message
        if os.environ.get("EINSIM_DEBUG"):
            traceback.print_exc()
        return _fail(f"bug in einsim: {type(error).__name__}: {error} (EINSIM_DEBUG=1 shows where)", 1)
    return code or 0


def _fail(message: str, code: int) -> int:
    complain(message)
    return code
