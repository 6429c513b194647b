"""Libraries that only some commands need: loaded when they do, and named in one line where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from einsim.errors import ToolError


def load(module: str, extra: str, what: str) -> Any:
    """A library of one of einsim's extras; raises ToolError where it is not installed, saying what needs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".", maxsplit=1)[0]:
            raise
        missing = module.split(".", maxsplit=1)[0]
        raise ToolError(f"{what} needs {missing}", remedy=f"pip install 'einsim[{extra}]'") from None
