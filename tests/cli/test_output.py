"""Standard output that is closed, full, narrow, ASCII or gone; and ends by signal."""

import os
import re
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from einsim.cli.signals import Stopped, stoppable

ROOT = Path(__file__).parents[2]
RUN = ("run", "flat", "--model", "BERT", "--seq-len", "256K")


def shell(command, **environment):
    return subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True, text=True, cwd=ROOT, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def words(*parts):
    return " ".join((sys.executable, "-m", "einsim", *parts))


@pytest.mark.parametrize("end", [">&-", ">/dev/full"])
def test_no_place_for_the_output(end):
    outcome = shell(f"{words(*RUN)} {end}")
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("einsim: ")
    assert outcome.stderr.count("\n") == 1


def test_no_place_for_messages():
    for end in ("2>&-", "2>/dev/full"):
        assert shell(f"{words('run', 'nothing')} {end}").returncode == 2


@pytest.mark.parametrize("command", [RUN, ("--help",), ("show", "fusemax", "--json")])
def test_reader_gone(command):
    outcome = shell(f"{words(*command)} | true")
    assert outcome.returncode == 0
    assert outcome.stderr == ""


def test_ascii():
    outcome = shell(words("show", "fusemax", "--kind", "architecture"), LC_ALL="C", PYTHONIOENCODING="ascii")
    assert outcome.returncode == 0, outcome.stderr
    assert "mm^2" in outcome.stdout


@pytest.mark.parametrize("command", [RUN, ("show", "fusemax", "--symbolic", "--model", "BERT", "--seq-len", "256K")])
def test_width_cuts_nothing(command):
    plain = shell(words(*command)).stdout
    for columns in ("0", "40"):
        assert shell(words(*command), COLUMNS=columns).stdout == plain


def test_narrow_terminal_cuts_nothing():
    outcome = shell(f"script -qec 'unset COLUMNS; stty cols 60; {words(*RUN)}' /dev/null")
    assert outcome.returncode == 0, outcome.stderr
    assert "…" not in outcome.stdout
    assert "elements used" in outcome.stdout


@pytest.mark.parametrize("command", ["taxonomy", "show moda"])
@pytest.mark.parametrize(("columns", "kind"), [(80, "xterm"), (100, "dumb")])
def test_long_cells_fold(command, columns, kind):
    outcome = shell(f"script -qec 'unset COLUMNS; stty cols {columns}; {words(*command.split())}' /dev/null", TERM=kind)
    assert outcome.returncode == 0, outcome.stderr
    plain = re.sub(r"\x1b\[[0-9;]*m", "", outcome.stdout)
    assert max(map(len, plain.splitlines())) == columns
    assert "…" not in outcome.stdout


LONG = """
name: long
configuration: fusemax
model: BERT
axes:
  - seq_len: [{}]
  - arch.array2d.rows: [64, 128]
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("delay", [0.05, 0.2, 1.0, 3.0])
def test_signals_end_everything_quietly(tmp_path, number, code, delay):
    path = tmp_path / "long.yaml"
    path.write_text(LONG.format(", ".join(str(1024 + 256 * i) for i in range(1500))))
    command = [sys.executable, "-m", "einsim", "sweep", str(path), "--out", str(tmp_path / "out"), "--engine", "exact"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    time.sleep(delay)
    for _ in range(2):  # to the whole group, as a terminal does; the second one while the first is dealt with
        os.killpg(process.pid, number)
        time.sleep(0.1)
        if process.poll() is not None:
            break
    _, stderr = process.communicate(timeout=60)
    if process.returncode == -number and delay < 0.1:
        return  # Python itself was not there yet
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    if (tmp_path / "out").exists():
        assert (tmp_path / "out" / "manifest.json").exists()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and group_lives(process.pid):
        time.sleep(0.05)
    assert not group_lives(process.pid), "workers are left"


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_signal_where_nothing_can_be_raised_comes_again():
    """Exceptions in callbacks of weak references are lost; the signal is not."""

    def callback(_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        for _each in range(1000):
            pass

    class Thing:
        pass

    with pytest.raises(Stopped) as stopped, stoppable():  # noqa: PT012
        thing = Thing()
        kept = weakref.ref(thing, callback)
        del thing
        assert kept() is None
        time.sleep(30)
    assert stopped.value.exit_code == 130
