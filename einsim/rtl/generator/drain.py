"""Results that leave the 2D array: a chain of registers down every column, and the store at its foot.

An element whose sum is whole puts it into its register of the chain. When the last row of a column has done so, the
column is told to let go: everything moves down a row a cycle, the last row first. A row that has passed on what came
from above keeps the next tile's sum until it is told again, so that tiles may follow each other every ROWS cycles.
"""

from __future__ import annotations

from einsim.rtl.convert import Convert
from einsim.rtl.generator.hardware import Duty, Hardware, Place
from einsim.rtl.generator.units import floating
from einsim.rtl.generator.words import Word, bits_for, vector
from einsim.rtl.verilog import Module, fill, module


def drains(hardware: Hardware) -> list[Duty]:
    """Operations whose results leave the 2D array."""
    return [duty for duty in hardware.on(hardware.grid) if duty.drained]


def foot_word(hardware: Hardware) -> Word:
    """What tells columns that a tile is whole: where its rows are kept."""
    return Word("foot", (("valid", 1), ("base", bits_for(hardware.at(Place.FOOT)[0].words))))


_CHAIN_PORTS = """
  input  logic leave,  // the whole column is done
  input  logic full_above,
  input  logic %sum chain_above,
  output logic full,
  output logic %sum chain,"""

_CHAIN = """
  // A result on its way out waits until the column is done.
  always_ff @(posedge clk) begin
    full <= leave || full_above;
    if (valid && closes) chain <= result;
    else if (full) chain <= chain_above;
  end
"""


def chain_ports(hardware: Hardware) -> str:
    """Ports of an element for the chain that it is a part of, if there is one."""
    return fill(_CHAIN_PORTS, sum=vector(hardware.accumulator.width)) if drains(hardware) else ""


def chain_text(hardware: Hardware) -> str:
    """The element's register of the chain, if there is one."""
    return _CHAIN if drains(hardware) else ""


_FOOT = """
module %name (
  input  logic clk,
  input  logic %word control,  // the column above lets go
  input  logic full,
  input  logic %sum chain,
  input  logic %address out_address,
  output logic %value out
);
%fields
%registers
  logic %address at;
%rounded
  always_ff @(posedge clk) begin
    if (valid) at <= base;
    else if (full) at <= at + 1'b1;
    if (full) %store[%index] <= %taken;
  end
  assign out = %store[out_address];
endmodule
"""


def foot_module(hardware: Hardware, prefix: str) -> Module:
    """`<prefix>_foot`: rows of results at the foot of a column, rounded to their format, until they go out."""
    store, word, sums = hardware.at(Place.FOOT)[0], foot_word(hardware), hardware.accumulator
    uses, rounded, taken = [], "", "chain"
    if store.format != sums:
        convert = Convert(floating(sums, "conversions"), floating(store.format, "conversions")).module()
        uses.append(convert)
        rounded = (
            f"  logic {vector(store.format.width)} rounded;\n  {convert.name} u_rounded (.a(chain), .result(rounded));"
        )
        taken = "rounded"
    return module(
        f"{prefix}_foot",
        "results of a column of the 2D array on their way out.",
        [f"{store.words} words, {store.rows} of a tile", f"{store.format}"],
        _FOOT,
        uses,
        word=vector(word.width),
        sum=vector(sums.width),
        address=vector(bits_for(store.words)),
        value=vector(store.format.width),
        fields=word.unpacked("control"),
        registers=f"  logic [{store.words - 1}:0]{vector(store.format.width)} {store.name};",
        rounded=rounded,
        store=store.name,
        index="at",
        taken=taken,
    )


_COLUMN = """
      // Results leave down the column.
      assign full[0][c] = 1'b0;
      assign chain[0][c] = '0;
      always_ff @(posedge clk)
        if (reset) leaving[c+1] <= '0;
        else leaving[c+1] <= leaving[c];
      %foot u_foot (
        .clk(clk), .control(leaving[c]), .full(full[ROWS][c]), .chain(chain[ROWS][c]),
        .out_address(out_address), .out(out[c*%out_bits +: %out_bits])
      );"""

_WIRES = """
  // A tile is whole in the first column when its last row is, and a cycle later in each of the others.
  logic %word leaving [COLUMNS+1];
  logic full [ROWS+1][COLUMNS];
  logic %sum chain [ROWS+1][COLUMNS];
  einsim_delay #(.WIDTH(%bits), .CLOCKS(ROWS - 1)) u_leaving (
    .clk(clk), .reset(reset), .d(foot_control), .q(leaving[0])
  );
"""

_ELEMENT = """
          .leave(leaving[c][0]), .full_above(full[r][c]), .chain_above(chain[r][c]), .full(full[r+1][c]),
          .chain(chain[r+1][c]),"""


def wires_text(hardware: Hardware) -> str:
    """Chains of all columns, in the array."""
    word = foot_word(hardware)
    return fill(_WIRES, word=vector(word.width), bits=word.width, sum=vector(hardware.accumulator.width))


def column_text(foot: str, out: int) -> str:
    """What a column has for its chain, in the array; its results have so many bits."""
    return fill(_COLUMN, foot=foot, out_bits=out)


def connections() -> str:
    """Connections of an element to its column's chain."""
    return _ELEMENT
