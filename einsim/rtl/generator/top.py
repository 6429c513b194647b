"""The whole of a design: control and arrays behind AXI4-Stream in and out, and registers for a run's sizes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from einsim.rtl.generator.control import ControlText
from einsim.rtl.generator.drain import drains, foot_module
from einsim.rtl.generator.edges import array_module, control_words, last_ports, north_module, west_module
from einsim.rtl.generator.element import element_module, lane_module
from einsim.rtl.generator.epochs import COUNT
from einsim.rtl.generator.hardware import Hardware
from einsim.rtl.generator.words import bits_for, vector
from einsim.rtl.verilog import Module, closure, module
from einsim.spec.yamlfile import write_value

_TOP = """
module %name (
  input  logic clk,
  input  logic reset,

  // AXI4-Lite: registers, see docs/rtl.md.
  input  logic [7:0] s_axi_awaddr,
  input  logic s_axi_awvalid,
  output logic s_axi_awready,
  input  logic [31:0] s_axi_wdata,
  input  logic [3:0] s_axi_wstrb,
  input  logic s_axi_wvalid,
  output logic s_axi_wready,
  output logic [1:0] s_axi_bresp,
  output logic s_axi_bvalid,
  input  logic s_axi_bready,
  input  logic [7:0] s_axi_araddr,
  input  logic s_axi_arvalid,
  output logic s_axi_arready,
  output logic [31:0] s_axi_rdata,
  output logic [1:0] s_axi_rresp,
  output logic s_axi_rvalid,
  input  logic s_axi_rready,

  // AXI4-Stream: tiles in, in the order of the schedule, a row a beat; results out.
  input  logic [%beat_top:0] s_axis_tdata,
  input  logic s_axis_tvalid,
  output logic s_axis_tready,
  output logic [%out_top:0] m_axis_tdata,
  output logic m_axis_tlast,
  output logic m_axis_tvalid,
  input  logic m_axis_tready,

  // For whoever watches.
  output logic going,
%probe_ports
);
  // Registers: writes take address and data together.
  logic start, busy;
  logic [31:0] cycles;
%busy_wires
%size_registers
  wire write = s_axi_awvalid && s_axi_wvalid && !s_axi_bvalid;
  assign s_axi_awready = write;
  assign s_axi_wready = write;
  assign s_axi_bresp = 2'b00;
  assign s_axi_rresp = 2'b00;
  assign s_axi_arready = !s_axi_rvalid;
  assign start = write && s_axi_awaddr[7:2] == 6'd0 && s_axi_wstrb[0] && s_axi_wdata[0];
  always_ff @(posedge clk)
    if (reset) begin
      s_axi_bvalid <= 1'b0;
      s_axi_rvalid <= 1'b0;
      s_axi_rdata <= '0;
%size_reset
    end else begin
      if (write) s_axi_bvalid <= 1'b1;
      else if (s_axi_bready) s_axi_bvalid <= 1'b0;
      if (write && !busy)
        case (s_axi_awaddr[7:2])
%size_writes
          default: ;
        endcase
      if (s_axi_arvalid && s_axi_arready) begin
        s_axi_rvalid <= 1'b1;
        case (s_axi_araddr[7:2])
          6'd0: s_axi_rdata <= {31'd0, busy};
%reads
          default: s_axi_rdata <= '0;
        endcase
      end else if (s_axi_rready) s_axi_rvalid <= 1'b0;
    end

%wires
  %control u_control (
    .clk(clk), .reset(reset), .in_data(s_axis_tdata), .in_valid(s_axis_tvalid), .in_ready(s_axis_tready),
    .out_valid(m_axis_tvalid), .out_last(m_axis_tlast), .out_ready(m_axis_tready), .*
  );
  %array u_array (.out(m_axis_tdata), .*);
  wire unused = &{1'b0, s_axi_awaddr[1:0], s_axi_araddr[1:0], s_axi_wstrb};
endmodule
"""


@dataclass(frozen=True, slots=True)
class Generated:
    """A design's modules, the top last, and the registers of its top: name -> byte address."""

    hardware: Hardware
    name: str
    modules: tuple[Module, ...]
    registers: dict[str, int]
    digest: str
    ahead: int

    @property
    def top(self) -> Module:
        """The module that stands for all."""
        return self.modules[-1]


def digest_of(modules: Iterable[Module]) -> str:
    """A number for everything that was generated."""
    text = "\n".join(module.source for module in modules)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def generate(hardware: Hardware, ahead: int, prefix: str | None = None) -> Generated:
    """All modules of a design. `ahead` is how many epochs control keeps track of at a time (the cycle model's)."""
    name = prefix or "".join(c if c.isalnum() else "_" for c in hardware.name)
    words = control_words(hardware)
    parts = {"element": element_module(hardware, name), "head": north_module(hardware, name),
             "side": west_module(hardware, name)}  # fmt: skip
    if drains(hardware):
        parts["foot"] = foot_module(hardware, name)
    if hardware.lanes is not None:
        parts["lane"] = lane_module(hardware, name)
    array = array_module(hardware, name, parts, words)
    text = ControlText(hardware, name, ahead)
    control = text.module()
    arrays = hardware.arrays
    registers = {"CONTROL": 0}
    writes, reads, resets, sizes = [], [], [], []
    for rank in text.ranks:
        at = len(registers)
        registers[f"SIZE_{rank.upper()}"] = 4 * at
        sizes.append(f"  logic {vector(COUNT)} size_{rank};")
        resets.append(f"      size_{rank} <= 32'd1;")
        writes.append(f"          6'd{at}: size_{rank} <= s_axi_wdata;")
        reads.append(f"          6'd{at}: s_axi_rdata <= size_{rank};")
    for counter in ("cycles", *(f"{array}_busy" for array in arrays)):
        at = len(registers)
        registers[counter.upper()] = 4 * at
        reads.append(f"          6'd{at}: s_axi_rdata <= {counter};")
    wires = [f"  logic {vector(words[each].width)} {each}_control;" for each in words]
    wires += [f"  logic {kind}{signal};" for kind, signal in text.fills()]
    out = hardware.leaving
    wires.append(f"  logic {vector(bits_for(out.words))} out_address;")
    probes = ",\n".join(
        f"  output logic {vector(width) + ' ' if width > 1 else ''}{each}"
        for width, each in [*last_ports(hardware, words), *text.probes()]
    )
    lines = [
        f"{hardware.rows} rows, {hardware.columns} columns",
        f"operands {hardware.operand}", f"sums {hardware.accumulator}",
        *(f"{rank} = {size}" for rank, size in hardware.program.epochs.sizes.items() if rank not in text.ranks),
        *(f"tiles of {int(loop.tile)} of {loop.rank}" for loop in hardware.program.epochs.loops),
        *(f"{store.name}: {store.words} words" for store in hardware.stores),
    ]  # fmt: skip
    about = f"{write_value(hardware.design.mapping.name)} as hardware."
    blanks = {
        "beat_top": hardware.beat * hardware.operand.width - 1,
        "out_top": hardware.columns * out.format.width - 1,
        "probe_ports": probes, "busy_wires": "\n".join(f"  logic [31:0] {each}_busy;" for each in arrays),
        "size_registers": "\n".join(sizes), "size_reset": "\n".join(resets), "size_writes": "\n".join(writes),
        "reads": "\n".join(reads), "wires": "\n".join(wires), "control": control.name, "array": array.name,
    }  # fmt: skip

    def top(*more: str) -> tuple[Module, ...]:
        return closure([module(name, about, [*more, *lines], _TOP, [array, control], **blanks)])

    digest = digest_of(top())
    return Generated(hardware, name, top(f"digest {digest}"), registers, digest, ahead)
