"""The critical path of synthesised hardware, by static timing analysis with OpenSTA where it is installed.

Cells' delays are the library's, for the loads that they drive; wires have none, since nothing is placed. Inputs are
there at the clock's edge and outputs are wanted at the next.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Final

from einsim.errors import ToolError
from einsim.rtl import yosys
from einsim.rtl.builds import locked
from einsim.rtl.synthesis import Synthesis

ABSENT: Final = "no timing: OpenSTA is not installed (Debian: apt install opensta)"
"""What a report says where there is no analyser."""

_SIGNED: Final = re.compile(r"^(\s*(?:input|output|inout|wire|reg)) signed\b", re.MULTILINE)
_FOUND: Final = {
    "start": re.compile(r"^Startpoint: (\S+)", re.MULTILINE),
    "end": re.compile(r"^Endpoint: (\S+)", re.MULTILINE),
    "slack": re.compile(r"^\s*([-+.\deE]+)\s+slack \(", re.MULTILINE),
}
_TROUBLE: Final = re.compile(r"^(?:Error\b.*|.*black box.*)$", re.MULTILINE)

_SCRIPT: Final = """read_liberty {{{library}}}
set_cmd_units -time ns
read_verilog {{{netlist}}}
link_design {top}
create_clock -name clock -period {clock_ns} {clock}
set_input_delay 0 -clock clock [all_inputs]
set_output_delay 0 -clock clock [all_outputs]
report_checks -path_delay max -digits 6
"""


@dataclass(frozen=True, slots=True)
class Timing:
    """The longest path of a design at a clock of `clock_ns`: from where to where, and the least period it allows.

    `critical_ns` has a flip-flop's setup time in it where the path ends at one; `slack_ns` is what is left.
    """

    start: str
    end: str
    critical_ns: float
    clock_ns: float

    @property
    def slack_ns(self) -> float:
        """What the clock's period leaves; negative where the path is too long."""
        return self.clock_ns - self.critical_ns


def critical_path(design: Synthesis, *, clock_ns: float, clock: str = "clk") -> Timing | None:
    """The design's longest path at a clock on the port of that name, which a combinational design need not have.

    None where OpenSTA is not installed (`ABSENT`). Raises `ToolError` where it does not accept the netlist, or where
    the design has no path at all.
    """
    program = shutil.which("sta")
    if program is None:
        return None
    # OpenSTA 2.0 knows no signed nets, and goes on after errors.
    netlist = design.netlist.with_name("timed.v")
    script = design.netlist.with_name("timing.tcl")
    with locked(netlist.parent):
        netlist.write_text(_SIGNED.sub(r"\1", design.netlist.read_text()))
        library = yosys.library_file(design.liberty, netlist.parent.parent)
        port = f"[get_ports {clock}]" if clock in design.ports else ""
        filled = _SCRIPT.format(library=library, netlist=netlist, top=design.top, clock_ns=clock_ns, clock=port)
        script.write_text(filled)
        done = subprocess.run(
            [program, "-no_init", "-no_splash", "-exit", str(script)],
            text=True, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    return _read(done.stdout, design.top, clock_ns)


def _read(printed: str, top: str, clock_ns: float) -> Timing:
    trouble = _TROUBLE.search(printed)
    if trouble is not None:
        raise ToolError(f"OpenSTA rejects the netlist of {top}: {trouble[0].strip()}")
    found = {name: pattern.search(printed) for name, pattern in _FOUND.items()}
    if not (found["start"] and found["end"] and found["slack"]):
        raise ToolError(f"OpenSTA finds no path in {top}")
    return Timing(found["start"][1], found["end"][1], round(clock_ns - float(found["slack"][1]), 6), clock_ns)
