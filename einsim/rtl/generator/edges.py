"""What stands at the edges of the 2D array: parts of the buffer at every row and column, and heads of columns."""

from __future__ import annotations

from collections.abc import Sequence

from einsim.rtl.generator.body import read
from einsim.rtl.generator.drain import column_text, connections, drains, foot_word, wires_text
from einsim.rtl.generator.element import addresses, below_word, element_word, lane_word, registers_text
from einsim.rtl.generator.hardware import Duty, Hardware, Place, Store
from einsim.rtl.generator.units import floating
from einsim.rtl.generator.words import DELAY, Word, bits_for, vector
from einsim.rtl.verilog import Module, fill, module

ZERO, LOWEST = 0, 1
"""What a column begins with where nothing comes from above: nothing to add, nothing to compare."""


def stores_above(hardware: Hardware) -> list[Store]:
    """Stores at the head of every column."""
    return [*hardware.at(Place.NORTH), *hardware.at(Place.HEAD)]


def north_word(hardware: Hardware) -> Word:
    """What goes along the heads of columns with an operation: which store, and where in it."""
    stores = stores_above(hardware)
    fields = [("chosen", bits_for(len(stores) + 2)), *addresses(stores, hardware.on(hardware.grid))]
    return Word("north", tuple(fields))


def west_word(hardware: Hardware) -> Word:
    """What goes down the rows with an operation."""
    stores = hardware.at(Place.WEST)
    fields = [("chosen", bits_for(max(1, len(stores)))), *addresses(stores, hardware.on(hardware.grid))]
    return Word("west", tuple(fields))


def north_choice(hardware: Hardware, duty: Duty) -> int:
    """What enters columns from above for an operation."""
    stores = stores_above(hardware)
    for source in duty.sources:
        if source.use.store in stores:
            return stores.index(source.use.store) + 2
    return LOWEST if duty.work is not None and duty.work.reduction == "max" else ZERO


def west_choice(hardware: Hardware, duty: Duty) -> int:
    """What enters rows from the west for an operation."""
    stores = hardware.at(Place.WEST)
    found = [stores.index(source.use.store) for source in duty.sources if source.use.store in stores]
    return found[0] if found else 0


_EDGE = """
module %name (
  input  logic clk,
  input  logic %word control,  // a cycle before the operation
%ports
  output logic %word control_next,
  output logic %value value
);
%fields
%registers
  always_ff @(posedge clk) begin
    control_next <= control;
    case (chosen)
%cases
    endcase
%fills
  end
endmodule
"""


def _edge(
    hardware: Hardware, name: str, about: str, word: Word, width: int, stores: Sequence[Store], cases: list[str]
) -> Module:
    ports, fills = [], []
    for store in stores:
        address = vector(bits_for(store.words))
        ports += [
            f"  input  logic {store.name}_fill,",
            f"  input  logic {address} {store.name}_address,",
            f"  input  logic {vector(store.format.width)} {store.name}_value,",
        ]
        index = f"{store.name}_address" if store.words > 1 else "0"
        fills.append(f"    if ({store.name}_fill) {store.name}[{index}] <= {store.name}_value;")
        if store.words == 1:
            fills.append("")
    unused = ", ".join(f"{store.name}_address" for store in stores if store.words == 1)
    text = module(
        name, about, [str(store.tensor) for store in stores], _EDGE,
        word=vector(word.width), value=vector(width), ports="\n".join(ports), fields=word.unpacked("control"),
        registers=registers_text(stores), cases="\n".join(cases), fills="\n".join(fills),
    )  # fmt: skip
    if not unused:
        return text
    line = f"  wire unused = &{{1'b0, {unused}}};\nendmodule"
    return Module(text.name, text.about, text.parameters, text.text.rstrip().removesuffix("endmodule") + line)


def north_module(hardware: Hardware, prefix: str) -> Module:
    """`<prefix>_head`: what enters a column of the 2D array from above."""
    word, stores, column = north_word(hardware), stores_above(hardware), hardware.column
    chosen = bits_for(len(stores) + 2)
    cases = []
    for number, store in enumerate(stores):
        value = f"{store.name}[{read(store) if store.words > 1 else 0}]"
        if store.format != column:
            value = f"{{{column.width - store.format.width}'d0, {value}}}"
        cases.append(f"      {chosen}'d{number + 2}: value <= {value};")
    if any(north_choice(hardware, duty) == LOWEST for duty in hardware.on(hardware.grid)):
        least = floating(column, "maxima")
        cases.append(f"      {chosen}'d{LOWEST}: value <= {least.width}'h{least.negative_zero | least.infinity:x};")
    cases.append("      default: value <= '0;")
    about = "what enters a column of the 2D array from above."
    return _edge(hardware, f"{prefix}_head", about, word, column.width, stores, cases)


def west_module(hardware: Hardware, prefix: str) -> Module:
    """`<prefix>_side`: what enters a row of the 2D array from the west."""
    word, stores = west_word(hardware), hardware.at(Place.WEST)
    chosen = bits_for(max(1, len(stores)))
    cases = [
        f"      {chosen}'d{number}: value <= {store.name}[{read(store) if store.words > 1 else 0}];"
        for number, store in enumerate(stores)
    ]
    cases.append("      default: value <= '0;")
    about = "what enters a row of the 2D array from the west."
    return _edge(hardware, f"{prefix}_side", about, word, hardware.operand.width, stores, cases)


_ARRAY = """
module %name (
  input  logic clk,
  input  logic reset,
%control_ports
%fill_ports
  input  logic %out_address out_address,
  output logic %out out,
%last_ports
);
  localparam int ROWS = %rows;
  localparam int COLUMNS = %columns;

  // Operands: into rows from the west, into columns from above; operations: down and to the right, an element a cycle.
  logic %west_word side_control [ROWS+1];
  logic %operand west [ROWS][COLUMNS+1];
  logic %north_word head_control [COLUMNS+1];
  logic %column north [ROWS+1][COLUMNS];
  logic %element_word across [ROWS][COLUMNS+1];
  logic %element_word down [ROWS+1][COLUMNS];
  assign side_control[0] = west_control;
  assign head_control[0] = north_control;
  assign across[0][0] = element_control;
%wires

  generate
    for (genvar r = 0; r < ROWS; r++) begin : g_side
      %side u_side (
        .clk(clk), .control(side_control[r]),
%side_fills
        .control_next(side_control[r+1]), .value(west[r][0])
      );
      if (r > 0) begin : g_down
        assign across[r][0] = down[r][0];
      end
    end
    for (genvar c = 0; c < COLUMNS; c++) begin : g_column
      for (genvar r = 0; r < ROWS; r++) begin : g_row
        %element u_element (
          .clk(clk), .control(across[r][c]), .west(west[r][c]), .north(north[r][c]),%chain
          .control_east(across[r][c+1]), .control_south(down[r+1][c]), .east(west[r][c+1]), .south(north[r+1][c])
        );
      end
%back_wires
      %head u_head (
        .clk(clk), .control(head_control[c]),
%head_fills
        .control_next(head_control[c+1]), .value(north[0][c])
      );
%under
    end
  endgenerate

  // For whoever watches.
%last_fields
endmodule
"""


_LANE_WIRES = """
  // What goes with results to the lanes, and what lanes do.
  logic %below_word arriving [COLUMNS+1];
  einsim_delay #(.WIDTH(%below_bits), .CLOCKS(ROWS)) u_below (
    .clk(clk), .reset(reset), .d(below_control), .q(arriving[0])
  );
  logic %lane_word lane_word [COLUMNS+1];
  assign lane_word[0] = lane_control;
"""

_LANE = """
      always_ff @(posedge clk)
        if (reset) arriving[c+1] <= '0;
        else arriving[c+1] <= arriving[c];
      %lane u_lane (
        .clk(clk), .control(lane_word[c]), .below_control(arriving[c]), .below(north[ROWS][c]),
        .control_east(lane_word[c+1]),
%lane_heads
        %out
      );"""


def control_words(hardware: Hardware) -> dict[str, Word]:
    """What control tells the arrays, by what it is for."""
    words = [element_word(hardware), north_word(hardware), west_word(hardware)]
    if drains(hardware):
        words.append(foot_word(hardware))
    if hardware.lanes is not None:
        words += [below_word(hardware), lane_word(hardware)]
    return {word.name: word for word in words}


def word_ports(words: dict[str, Word], direction: str) -> list[str]:
    """Ports for control words. Those for elements and what results meet later are a cycle later than the others."""
    return [f"  {direction.ljust(6)} logic {vector(word.width)} {name}_control," for name, word in words.items()]


def last_ports(hardware: Hardware, words: dict[str, Word]) -> list[tuple[int, str]]:
    """Widths and names of ports that show what is in the last element of the 2D array, and in the last lane."""
    kinds = ["element"] if hardware.lanes is None else ["element", "lane"]
    found = []
    for kind in kinds:
        found += [(1, f"{kind}_last"), (dict(words[kind].fields)["op"], f"{kind}_last_op")]
    return found


def array_module(hardware: Hardware, prefix: str, parts: dict[str, Module], words: dict[str, Word]) -> Module:
    """`<prefix>_array`: elements, what feeds them, the lanes, and feet of columns."""
    fill_ports: list[str] = []
    side_fills: list[str] = []
    head_fills: list[str] = []
    for place, index, fills, extent in (
        (Place.WEST, "r", side_fills, hardware.rows), (Place.NORTH, "c", head_fills, hardware.columns),
    ):  # fmt: skip
        for store in hardware.at(place):
            fill_ports += [
                f"  input  logic {store.name}_fill,",
                f"  input  logic {vector(bits_for(store.words))} {store.name}_address,",
                f"  input  logic {vector(extent * store.format.width)} {store.name}_value,",
            ]
            fills.append(
                f"        .{store.name}_fill({store.name}_fill), .{store.name}_address({store.name}_address), "
                f".{store.name}_value({store.name}_value[{index}*{store.format.width} +: {store.format.width}]),"
            )
    back, heads = [], []
    for store in hardware.at(Place.HEAD):
        bits = 1 + bits_for(store.words) + store.format.width
        back.append(
            f"      logic {store.name}_valid;\n"
            f"      logic {vector(bits_for(store.words))} {store.name}_at;\n"
            f"      logic {vector(store.format.width)} {store.name}_value;\n"
            f"      logic [{bits - 1}:0] {store.name}_back;  // up a chain of registers beside the column\n"
            f"      einsim_delay #(.WIDTH({bits}), .CLOCKS({hardware.back - 1})) u_{store.name} (\n"
            f"        .clk(clk), .reset(reset), .d({{{store.name}_valid, {store.name}_at, {store.name}_value}}),\n"
            f"        .q({store.name}_back)\n      );"
        )
        low = store.format.width
        head_fills.append(
            f"        .{store.name}_fill({store.name}_back[{bits - 1}]), "
            f".{store.name}_address({store.name}_back[{bits - 2}:{low}]), "
            f".{store.name}_value({store.name}_back[{low - 1}:0]),"
        )
        heads.append(
            f"        .{store.name}_valid({store.name}_valid), .{store.name}_address({store.name}_at), "
            f".{store.name}_value({store.name}_value),"
        )
    out, lanes, feet = hardware.leaving, hardware.lanes is not None, bool(drains(hardware))
    gone = ["side_control[ROWS]", "head_control[COLUMNS]", "down[ROWS][0]"]
    watch, wires, under = [_last(words["element"], "element", "across[ROWS-1][COLUMNS-1]")], [], []
    if feet:
        wires.append(wires_text(hardware))
        under.append(column_text(parts["foot"].name, out.format.width))
        gone.append("leaving[COLUMNS]")
    if lanes:
        wires.append(fill(_LANE_WIRES, below_word=vector(words["below"].width), below_bits=words["below"].width,
                          lane_word=vector(words["lane"].width)))  # fmt: skip
        word = f"out[c*{out.format.width} +: {out.format.width}]"
        taken = f".out_address(out_address), .out({word})" if out.place is Place.OUT else ".out_address('0), .out()"
        under.append(fill(_LANE, lane=parts["lane"].name, lane_heads="\n".join(heads), out=taken))
        watch.append(_last(words["lane"], "lane", "lane_word[COLUMNS]"))
        gone += ["arriving[COLUMNS]", "lane_word[COLUMNS]"]
    watch.append(f"  wire unused = &{{1'b0, {', '.join(gone)}}};")
    return module(
        f"{prefix}_array",
        f"{hardware.rows} x {hardware.columns} elements{f' over {hardware.columns} lanes' if lanes else ''}, "
        "and what feeds them.",
        [f"{hardware.rows} rows", f"{hardware.columns} columns",
         *([f"{hardware.back} cycles from lanes to heads"] if heads else [])],
        _ARRAY,
        [*parts.values(), DELAY],
        **{f"{name}_word": vector(word.width) for name, word in words.items() if name in {"element", "north", "west"}},
        control_ports="\n".join(word_ports(words, "input")), rows=hardware.rows, columns=hardware.columns,
        operand=vector(hardware.operand.width), out=vector(hardware.columns * out.format.width),
        column=vector(hardware.column.width), fill_ports="\n".join(fill_ports),
        out_address=vector(bits_for(out.words)), wires="\n".join(wires), under="\n".join(under),
        last_ports=",\n".join(f"  output logic {vector(width) + ' ' if width > 1 else ''}{name}"
                              for width, name in last_ports(hardware, words)),
        side=parts["side"].name, side_fills="\n".join(side_fills), element=parts["element"].name,
        chain=connections() if feet else "", head=parts["head"].name, head_fills="\n".join(head_fills),
        back_wires="\n".join(back), last_fields="\n".join(watch),
    )  # fmt: skip


def _last(word: Word, kind: str, signal: str) -> str:
    """Whether there is an operation in the last element or lane, and which."""
    text = (
        word.unpacked(signal, ["valid", "op"]).replace(" valid =", f" {kind}_valid =").replace(" op =", f" {kind}_op =")
    )
    return f"{text}\n  assign {{{kind}_last, {kind}_last_op}} = {{{kind}_valid, {kind}_op}};"
