"""Runs the command line in this process, as the shell would."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
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


def interrupted(*words: str, out: Path, after_s: float) -> None:
    """Runs a command in a process of its own, and interrupts it some time after its output folder is there.

    Asserts that it ends with the signal's code and says so, without a traceback.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "einsim", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, (stdout, stderr)
    assert "Traceback" not in stderr
    assert "interrupted" in stderr


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
