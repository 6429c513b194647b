"""The command line."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from typing import Final

from cyclopts import App, CycloptsError

from einsim import __version__
from einsim.cli.bound import bound
from einsim.cli.derive import derive
from einsim.cli.map import map_
from einsim.cli.run import run
from einsim.cli.show import show
from einsim.cli.sweep import sweep
from einsim.cli.zoo import evaluate, passes, taxonomy, zoo
from einsim.errors import EinsimError

INTERRUPTED: Final = 130

app = App(
    name="einsim",
    version=__version__,
    help="Which attention algorithm, mapped how, on which spatial array, is fastest and cheapest?",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
app.command(run)
app.command(sweep)
app.command(show)
app.command(zoo)
app.command(taxonomy)
app.command(passes)
app.command(bound)
app.command(evaluate)
app.command(derive)
app.command(map_, name="map")
app.register_install_completion_command()


def main() -> None:
    """Runs the command line and exits: 0 done, 1 a bug of einsim's, 2 bad input, 3 infeasible, 130 interrupted."""
    gc.freeze()  # what the imports made stays: collections need not walk it again and again
    gc.set_threshold(50_000, 20, 20)  # records of results are many, and in no cycles
    try:
        code = app(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        code = fail(str(error) or type(error).__name__, 2)
    except EinsimError as error:
        code = fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        code = fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:  # the last line of defence: a bug, too, ends in one message
        if os.environ.get("EINSIM_DEBUG"):
            traceback.print_exc()
        code = fail(f"bug in einsim: {type(error).__name__}: {error} (EINSIM_DEBUG=1 shows where)", 1)
    sys.exit(code or 0)


def fail(message: str, code: int) -> int:
    """Prints one message on standard error."""
    print(f"einsim: {message}", file=sys.stderr)
    return code
