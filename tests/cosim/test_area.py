"""Generated accelerators can be synthesised, and the areas of their elements become an architecture's."""

import pytest

from einsim.rtl.builds import write_modules
from einsim.rtl.synthesis import as_overrides, synthesise

from ..rtl.test_synthesis import TINY
from ..rtl.test_verilog import in_another_process
from .test_attention import HARDWARE, subject_of

READ = """
import sys
from pathlib import Path
from pyosys import libyosys
design = libyosys.Design()
files = " ".join(str(path) for path in sorted(Path(sys.argv[1]).iterdir()))
for step in ["read_verilog -sv " + files, "hierarchy -check -top " + sys.argv[2], "proc", "check -assert",
             "select -assert-none t:$dlatch t:$adlatch t:$sr"]:
    libyosys.run_pass("tee -q " + step, design)
Path(sys.argv[1], "read").touch()  # Yosys has its own idea of standard output
"""


@pytest.mark.parametrize("name", HARDWARE)
def test_yosys_reads_every_design_and_finds_no_latch(name, tmp_path):
    generated = subject_of(name, 16, 16).generated
    write_modules(generated.modules, tmp_path)
    in_another_process(READ, str(tmp_path), generated.name)
    assert (tmp_path / "read").exists()


def test_an_element_becomes_an_architecture(builds):
    subject = subject_of("2x2", 16, 16)
    element = synthesise(subject.generated.modules, "fusemax_small_element", liberty=TINY, folder=builds / "synthesis")
    array = subject.hardware.design.architecture.arrays["array2d"]
    made = as_overrides(element, "array2d", array, {"mac": "bf16_macadd_fp32", "max": "fp32_max"})["arrays"]["array2d"]
    areas = {name: fields["area_um2"] for name, fields in made["operations"].items()}
    assert areas == {"mac": element.area("bf16_macadd_fp32"), "add": 0, "max": element.area("fp32_max")}
    assert made["registers"]["area_um2"] + sum(areas.values()) == pytest.approx(element.area())
    assert made["registers"]["area_um2"] > 10 * element.flip_flops()
