"""Runs the command line in this process, as the shell would."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

from einsim.cli.app import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def einsim(*words: str) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with patch.object(sys, "argv", ["einsim", *words]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code or 0
    return Outcome(code, out.getvalue(), err.getvalue())


def refused(*words: str, parts: tuple[str, ...] = (), code: int = 2) -> str:
    """Asserts one clear message: the exit code, a single line, no traceback, nothing on standard output."""
    outcome = einsim(*words)
    assert outcome.code == code, (outcome.code, outcome.err)
    assert outcome.err.startswith("einsim: ")
    assert outcome.err.count("\n") == 1, outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    for part in parts:
        assert part in outcome.err, outcome.err
    return outcome.err
