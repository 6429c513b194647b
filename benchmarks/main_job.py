"""The main job from a cold start: wall time and memory of the command that a newcomer types."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PUBLISHED_S = 9 * 3600.0  # the artifact's own figure for its whole evaluation


@dataclass(frozen=True, slots=True)
class JobTime:
    """Seconds of wall time and peak memory of one run."""

    label: str
    seconds: float
    peak_mib: float


def run(label: str, *, cold: bool) -> JobTime:
    """Runs the sweep in a new process; `cold` with empty byte-code and font caches."""
    with tempfile.TemporaryDirectory() as scratch:
        env = dict(os.environ)
        if cold:
            env |= {"PYTHONPYCACHEPREFIX": f"{scratch}/pycache", "MPLCONFIGDIR": f"{scratch}/mpl"}
        words = [
            sys.executable,
            "-m",
            "einsim",
            "sweep",
            "experiments/fusemax/attention.yaml",
            "--out",
            f"{scratch}/out",
        ]
        started = time.perf_counter()
        subprocess.run(words, check=True, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return JobTime(label, seconds, peak)
