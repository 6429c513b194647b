"""What stands at the edges of the 2D array: parts of the buffer at every row and column, and heads of columns."""

from __future__ import annotations

from collections.abc import Sequence

from einsim.rtl.generator.element import addresses, read, registers_text
from einsim.rtl.generator.hardware import Duty, Hardware, Place, Store
from einsim.rtl.generator.words import Word, bits_for, vector
from einsim.rtl.verilog import Module, module

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
    word, stores, acc = north_word(hardware), stores_above(hardware), hardware.accumulator
    chosen = bits_for(len(stores) + 2)
    cases = []
    for number, store in enumerate(stores):
        value = f"{store.name}[{read(store) if store.words > 1 else 0}]"
        if store.format != acc:
            value = f"{{{acc.width - store.format.width}'d0, {value}}}"
        cases.append(f"      {chosen}'d{number + 2}: value <= {value};")
    lowest = f"{acc.width}'h{acc.negative_zero | acc.infinity:x}"
    cases += [f"      {chosen}'d{LOWEST}: value <= {lowest};", "      default: value <= '0;"]
    about = "what enters a column of the 2D array from above."
    return _edge(hardware, f"{prefix}_head", about, word, acc.width, stores, cases)


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
  input  logic %element_word element_control,  // two cycles after it was decided
  input  logic %north_word north_control,  // one cycle after
  input  logic %west_word west_control,
  input  logic %below_word below_control,  // two cycles after
  input  logic %lane_word lane_control,  // one cycle after
%fill_ports
  input  logic %out_address out_address,
  output logic [%columns_top:0]%operand out,
  output logic element_last,  // an operation is in the last element of the array
  output logic [%element_op_top:0] element_last_op,
  output logic lane_last,
  output logic [%lane_op_top:0] lane_last_op
);
  localparam int ROWS = %rows;
  localparam int COLUMNS = %columns;

  // Operands: into rows from the west, into columns from above; operations: down and to the right, an element a cycle.
  logic %west_word side_control [ROWS+1];
  logic %operand west [ROWS][COLUMNS+1];
  logic %north_word head_control [COLUMNS+1];
  logic %acc north [ROWS+1][COLUMNS];
  logic %element_word across [ROWS][COLUMNS+1];
  logic %element_word down [ROWS+1][COLUMNS];
  assign side_control[0] = west_control;
  assign head_control[0] = north_control;
  assign across[0][0] = element_control;

  // What goes with results to the lanes, and what lanes do.
  logic %below_word arriving [COLUMNS+1];
  einsim_delay #(.WIDTH(%below_bits), .CLOCKS(ROWS)) u_below (
    .clk(clk), .reset(reset), .d(below_control), .q(arriving[0])
  );
  logic %lane_word lane_word [COLUMNS+1];
  assign lane_word[0] = lane_control;

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
          .clk(clk), .control(across[r][c]), .west(west[r][c]), .north(north[r][c]),
          .control_east(across[r][c+1]), .control_south(down[r+1][c]), .east(west[r][c+1]), .south(north[r+1][c])
        );
      end
%back_wires
      %head u_head (
        .clk(clk), .control(head_control[c]),
%head_fills
        .control_next(head_control[c+1]), .value(north[0][c])
      );
      always_ff @(posedge clk)
        if (reset) arriving[c+1] <= '0;
        else arriving[c+1] <= arriving[c];
      %lane u_lane (
        .clk(clk), .control(lane_word[c]), .below_control(arriving[c]), .below(north[ROWS][c]),
        .control_east(lane_word[c+1]),
%lane_heads
        .out_address(out_address), .out(out[c])
      );
    end
  endgenerate

  // For whoever watches.
%last_fields
endmodule
"""


def array_module(hardware: Hardware, prefix: str, parts: dict[str, Module], words: dict[str, Word]) -> Module:
    """`<prefix>_array`: elements, what feeds them, and the lanes."""
    from einsim.rtl.generator.words import DELAY

    fill_ports, side_fills, head_fills = [], [], []
    for place, index, fills, extent in (
        (Place.WEST, "r", side_fills, hardware.rows), (Place.NORTH, "c", head_fills, hardware.columns),
    ):  # fmt: skip
        for store in hardware.at(place):
            width = vector(store.format.width)
            fill_ports += [
                f"  input  logic {store.name}_fill,",
                f"  input  logic {vector(bits_for(store.words))} {store.name}_address,",
                f"  input  logic [{extent - 1}:0]{width} {store.name}_value,",
            ]
            fills.append(
                f"        .{store.name}_fill({store.name}_fill), .{store.name}_address({store.name}_address), "
                f".{store.name}_value({store.name}_value[{index}]),"
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
    outs = hardware.at(Place.OUT)
    element, lane = words["element"], words["lane"]
    watch = [
        element.unpacked("across[ROWS-1][COLUMNS-1]", ["valid", "op"]).replace(" valid =", " element_valid =").replace(
            " op =", " element_op ="),
        lane.unpacked("lane_word[COLUMNS]", ["valid", "op"]).replace(" valid =", " lane_valid =").replace(
            " op =", " lane_op ="),
        "  assign {element_last, element_last_op} = {element_valid, element_op};",
        "  assign {lane_last, lane_last_op} = {lane_valid, lane_op};",
        "  wire unused = &{1'b0, side_control[ROWS], head_control[COLUMNS], arriving[COLUMNS], lane_word[COLUMNS]};",
    ]  # fmt: skip
    return module(
        f"{prefix}_array",
        f"{hardware.rows} x {hardware.columns} elements over {hardware.columns} lanes, and what feeds them.",
        [f"{hardware.rows} rows", f"{hardware.columns} columns", f"{hardware.back} cycles from lanes to heads"],
        _ARRAY,
        [*(parts[name] for name in ("element", "head", "side", "lane")), DELAY],
        element_word=vector(element.width), north_word=vector(words["north"].width),
        west_word=vector(words["west"].width), below_word=vector(words["below"].width),
        below_bits=words["below"].width, lane_word=vector(lane.width), rows=hardware.rows, columns=hardware.columns,
        columns_top=hardware.columns - 1, operand=vector(hardware.operand.width),
        acc=vector(hardware.accumulator.width), fill_ports="\n".join(fill_ports),
        out_address=vector(max([1, *(bits_for(store.words) for store in outs)])),
        element_op_top=dict(element.fields)["op"] - 1, lane_op_top=dict(lane.fields)["op"] - 1,
        side=parts["side"].name, side_fills="\n".join(side_fills), element=parts["element"].name,
        head=parts["head"].name, head_fills="\n".join(head_fills), back_wires="\n".join(back),
        lane=parts["lane"].name, lane_heads="\n".join(heads), last_fields="\n".join(watch),
    )  # fmt: skip
