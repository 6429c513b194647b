"""Calling Yosys, from the package `pyosys`: all that is known of it is known here only.

Yosys ends its process at the first error, so that it runs in one of its own; ABC, which maps logic to cells, is a
child of that. Both read a copy of the library in the build folder, and write their temporary files there.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from einsim.errors import ToolError
from einsim.rtl.builds import locked, telling, write_modules
from einsim.rtl.liberty import Liberty
from einsim.rtl.verilog import Module

_MISSING: Final = "synthesis is done by Yosys, which is missing: no package 'pyosys'"
_REMEDY: Final = "pip install 'einsim[synthesis]'"
_RUN: Final = "from pyosys import libyosys; libyosys.run_pass('script synthesis.ys', libyosys.Design())"

_OPTIMISE: Final = """strash
&get -n
&fraig -x -C 1000
&put
scorr
dc2
dretime
strash
&get -n
&dch -f
&nf
&put
"""
"""Yosys' own sequence for ABC, but for one number: -C bounds the search for equal nodes. Without it (10^6 conflicts at
a node) a divider takes longer than three minutes; with it, seconds, and the other units come out the same."""

_SIZE: Final = "buffer\nupsize\ndnsize\nstime -p\n"
"""Buffers behind nets of many loads, and stronger cells where they shorten the longest path."""

_LOAD_FF: Final = 10
"""Load on a module's outputs, fF: about two gates' inputs."""

_SCRIPT: Final = """read_verilog -sv {files}
synth -booth -noabc -top {top}
abc -script optimise.abc
opt -fast
rename -wire -suffix _reg t:$_*DFF*
dfflibmap -liberty {library}
abc -liberty {library} {unused} -constr constraints.txt -script map.abc
opt_clean -purge
write_verilog -noattr -simple-lhs netlist.v
write_json made.json
"""
"""Modules stay apart (no flattening): each is synthesised once, whatever the number of its instances."""

_UNUSED: Final = ("*__lpflow_*",)
"""Cells never to take: SkyWater's isolation cells, which compute like gates but are meant for power domains."""


def version() -> str:
    """Yosys' version; raises `ToolError` where it is missing."""
    if importlib.util.find_spec("pyosys") is None:
        raise ToolError(_MISSING, remedy=_REMEDY)
    return importlib.metadata.version("pyosys")


def recipe() -> str:
    """Everything here that decides what comes out, for digests."""
    return "\n".join([version(), _SCRIPT, _OPTIMISE, _SIZE, str(_LOAD_FF), *_UNUSED])


def map_to_cells(modules: Sequence[Module], top: str, liberty: Liberty, folder: Path) -> dict[str, Any]:
    """The netlist of a design in Yosys' JSON form; beside it in the folder is `netlist.v`, the same as Verilog.

    It is made once in each folder; several processes may ask for it at a time. Raises `ToolError` where Yosys is
    missing or rejects the design.
    """
    with locked(folder):
        netlist = folder / "netlist.json"
        if not netlist.exists():
            library = library_file(liberty, folder.parent)
            files = write_modules(modules, folder)
            unused = " ".join(f"-dont_use {pattern}" for pattern in _UNUSED)
            script = _SCRIPT.format(files=" ".join(files), top=top, library=f"../{library.name}", unused=unused)
            constraints = f"set_driving_cell {liberty.inverter.name}\nset_load {_LOAD_FF}\n"
            (folder / "synthesis.ys").write_text(script)
            (folder / "optimise.abc").write_text(_OPTIMISE)
            (folder / "map.abc").write_text(_OPTIMISE + _SIZE)
            (folder / "constraints.txt").write_text(constraints)
            _run(folder, top)
            (folder / "made.json").rename(netlist)
        made: dict[str, Any] = json.loads(netlist.read_text())
    return made


def library_file(liberty: Liberty, folder: Path) -> Path:
    """A copy of the library, uncompressed, in a folder."""
    file = folder / f"library-{liberty.digest}.lib"
    with locked(folder):
        if not file.exists():
            (folder / "library.part").write_text(liberty.text)
            (folder / "library.part").rename(file)
    return file


def _run(folder: Path, top: str) -> None:
    """Runs the script; whatever ends the wait ends ABC too."""
    with (folder / "yosys.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN], cwd=folder, env=os.environ | {"TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if code != 0 or not (folder / "made.json").exists():
        printed = (folder / "yosys.log").read_text(errors="replace")
        reason = _reason(printed) or f"exit code {code}"
        if "latch" in reason.lower():
            raise latch(top, reason)
        raise ToolError(f"Yosys rejects {top}: {reason}")


def latch(name: str, where: str) -> ToolError:
    """What is said of a design that keeps a value without a clock."""
    remedy = "assign the signal whatever the conditions, or on a clock"
    return ToolError(f"{name} holds a latch: {where}", remedy=remedy)


def _reason(printed: str) -> str:
    """Yosys' error, without the word."""
    lines = [line for line in printed.splitlines() if "ERROR:" in line]
    return telling(lines[-1] if lines else printed).replace("ERROR: ", "")
