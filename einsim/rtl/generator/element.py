"""The processing element of the 2D array and the lane: units, registers, and what they do for each operation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from einsim.rtl.generator.body import STEP, Body, operation_names, read, write
from einsim.rtl.generator.drain import chain_ports, chain_text, drains
from einsim.rtl.generator.epochs import mask_bits
from einsim.rtl.generator.hardware import Duty, Hardware, Place, Store, Use
from einsim.rtl.generator.words import Word, bits_for, vector
from einsim.rtl.verilog import Module, module


def operations_text(duties: Sequence[Duty]) -> str:
    """Names of operations as constants."""
    width = bits_for(len(duties))
    return "\n".join(
        f"  localparam logic {vector(width)} {name} = {width}'d{number};"
        for number, name in enumerate(operation_names(duties))
    )


def element_word(hardware: Hardware) -> Word:
    """What travels through the 2D array with an operation."""
    duties = hardware.on(hardware.grid)
    fields = [("valid", 1), ("op", bits_for(len(duties)))]
    if any(duty.work and duty.work.slots > 1 for duty in duties):
        fields.append(("step", STEP))
    if any(duty.opens for duty in duties):
        fields.append(("opens", 1))
    if drains(hardware):
        fields.append(("closes", 1))
    fields += [(f"mask_{n}", mask_bits(hardware)) for n, _ in enumerate(hardware.masks(hardware.grid))]
    fields += addresses(hardware.at(Place.ELEMENT), duties)
    return Word("element", tuple(fields))


def lane_word(hardware: Hardware) -> Word:
    """What travels along the lanes with an operation."""
    duties = hardware.on(hardware.lanes)
    fields = [("valid", 1), ("op", bits_for(len(duties)))]
    if any(duty.work and duty.work.slots > 1 for duty in duties):
        fields.append(("step", STEP))
    if any(duty.opens for duty in duties):
        fields.append(("opens", 1))
    if any(source.over is not None for duty in duties for source in duty.sources):
        fields.append(("fresh", 1))
    fields += [(f"mask_{n}", mask_bits(hardware)) for n, _ in enumerate(hardware.masks(hardware.lanes))]
    stores = [*hardware.at(Place.LANE), *hardware.at(Place.STATE), *hardware.at(Place.OUT), *hardware.at(Place.HEAD)]
    fields += addresses(stores, duties)
    return Word("lane", tuple(fields))


def below_word(hardware: Hardware) -> Word:
    """What accompanies a result down to the lanes."""
    duties = [duty for duty in hardware.on(hardware.grid) if below(duty)]
    stores = list(dict.fromkeys(use.store for duty in duties for use in below(duty)))
    fields = [("valid", 1), ("to", bits_for(len(stores)))]
    fields += [(write(store), bits_for(store.words)) for store in stores if store.words > 1]
    return Word("below", tuple(fields))


def below(duty: Duty) -> list[Use]:
    """Results of the 2D array that go to the lanes."""
    return [use for use in duty.results if use.store.place is Place.LANE]


def addresses(stores: Iterable[Store], duties: Sequence[Duty]) -> list[tuple[str, int]]:
    """Fields for the addresses at which some operations read and write some stores."""
    found = []
    for store in stores:
        if store.words < 2:
            continue
        if any(source.use.store == store for duty in duties for source in duty.sources):
            found.append((read(store), bits_for(store.words)))
        written = [use for duty in duties for use in (*duty.results, *(use for _, use in duty.kept))]
        if any(use.store == store for use in written):
            found.append((write(store), bits_for(store.words)))
    return found


def registers_text(stores: Iterable[Store]) -> str:
    """Declarations of stores."""
    return "\n".join(f"  logic [{store.words - 1}:0]{vector(store.format.width)} {store.name};" for store in stores)


_ELEMENT = """
module %name (
  input  logic clk,
  input  logic %word control,
  input  logic %operand west,
  input  logic %column north,%chain_ports
  output logic %word control_east,  // a cycle later, for the next element in the row
  output logic %word control_south,  // the same, for the next row
  output logic %operand east,
  output logic %column south
);
%names
%fields
%registers

%body
  // Elements beyond the end of a partial tile, or left out by a filter, let pass what comes from above as it is.
  wire works = %works;
  always_ff @(posedge clk) begin
    control_east <= %east_word;
    control_south <= %south_word;
    east <= west;
    south <= %south;
    if (valid) begin
%writes
    end
  end
%chain
%unused
endmodule
"""


def element_module(hardware: Hardware, prefix: str) -> Module:
    """`<prefix>_element`: a processing element of the 2D array."""
    duties, word = hardware.on(hardware.grid), element_word(hardware)
    own = hardware.at(Place.ELEMENT)
    outside = {store.name: "west" for store in hardware.at(Place.WEST)}
    acc, operand, column = hardware.accumulator, hardware.operand, hardware.column
    for store in (*hardware.at(Place.NORTH), *hardware.at(Place.HEAD)):
        outside[store.name] = "north" if store.format == column else f"north{vector(operand.width)}"
    body = Body(hardware, duties, operand, own, outside)
    text = body.text()
    names = {name for name, _ in word.fields}
    folding = [f"op == OP_{duty.name.upper()}" for duty in duties if duty.along]
    masks = hardware.masks(hardware.grid)
    return module(
        f"{prefix}_element",
        "a processing element of the 2D array.",
        [f"operands {operand}", f"sums {acc}", *(str(duty.strand.name) for duty in duties)],
        _ELEMENT,
        body.uses,
        word=vector(word.width),
        operand=vector(operand.width),
        column=vector(column.width),
        chain_ports=chain_ports(hardware),
        chain=chain_text(hardware),
        names=operations_text(duties),
        fields=word.unpacked("control"),
        registers=registers_text(own),
        body=text,
        south=f"({' || '.join(folding)}) && works ? result : north" if folding else "north",
        works=works_text(hardware, len(masks)),
        east_word=word.packed({name: name for name in names} | moved(hardware, [mask.right for mask in masks])),
        south_word=word.packed({name: name for name in names} | moved(hardware, [mask.down for mask in masks])),
        writes=body.writes([Place.ELEMENT]),
        unused="  wire unused = &{1'b0, valid, op, north, works};",
    )


def works_text(hardware: Hardware, masks: int) -> str:
    """Whether an element has a point: no mask is negative."""
    return " && ".join(f"!mask_{n}[{mask_bits(hardware) - 1}]" for n in range(masks)) or "1'b1"


def moved(hardware: Hardware, changes: Sequence[int]) -> dict[str, str]:
    """Masks for the next element."""
    bits = mask_bits(hardware)
    return {f"mask_{n}": f"mask_{n} + {bits}'d{change % (1 << bits)}" if change else f"mask_{n}"
            for n, change in enumerate(changes)}  # fmt: skip


_LANE = """
module %name (
  input  logic clk,
  input  logic %word control,  // a cycle before the operation
  input  logic %below_word below_control,  // of the result that comes out of the column
  input  logic %acc below,
  output logic %word control_east,
%head_ports
  input  logic %out_address out_address,
  output logic %operand out
);
%names
%below_names
  logic %word now;
  always_ff @(posedge clk) now <= control;
%fields
  assign control_east = %east_word;
  wire works = %works;
%below_fields
%registers

  // Words of the buffer are read a cycle ahead.
%ahead

%body
  always_ff @(posedge clk) begin
    if (valid) begin
%writes
    end
    if (below_valid) begin
%below_writes
    end
  end
%head
%out
%unused
endmodule
"""


def lane_module(hardware: Hardware, prefix: str) -> Module:
    """`<prefix>_lane`: a lane of the 1D array, with the registers and the part of the buffer that it works on."""
    duties, word = hardware.on(hardware.lanes), lane_word(hardware)
    under = below_word(hardware)
    masks = hardware.masks(hardware.lanes)
    acc, operand = hardware.accumulator, hardware.operand
    states, outs, heads = (hardware.at(place) for place in (Place.STATE, Place.OUT, Place.HEAD))
    own = [*hardware.at(Place.LANE), *states, *outs]
    outside = {store.name: f"{store.name}_ahead" for store in states}
    body = Body(hardware, duties, acc, own, outside)
    text = body.text()
    fields = {name for name, _ in word.fields}
    targets = list(dict.fromkeys(use.store for duty in hardware.on(hardware.grid) for use in below(duty)))
    to = bits_for(len(targets))
    below_cases = "\n".join(
        f"      if (below_to == {to}'d{number}) "
        f"{store.name}[{'below_' + write(store) if store.words > 1 else '0'}] <= below;"
        for number, store in enumerate(targets)
    )
    return module(
        f"{prefix}_lane",
        "a lane of the 1D array.",
        [f"operands {operand}", f"sums {acc}", *(str(duty.strand.name) for duty in duties)],
        _LANE,
        body.uses,
        word=vector(word.width),
        below_word=vector(under.width),
        acc=vector(acc.width),
        operand=vector(operand.width),
        names=operations_text(duties),
        below_names="",
        east_word=word.packed({name: name for name in fields} | moved(hardware, [mask.right for mask in masks])),
        works=works_text(hardware, len(masks)),
        fields=word.unpacked("now"),
        below_fields=under.unpacked("below_control").replace("wire ", "wire ").replace("] ", "] below_"),
        registers=registers_text(own),
        ahead="\n".join(_ahead(hardware, store, duties, word) for store in states),
        body=text,
        writes=body.writes([Place.LANE, Place.STATE, Place.OUT]),
        below_writes=below_cases,
        head_ports=_head_ports(hardware, heads),
        head=_head(hardware, heads, duties),
        out_address=vector(max([1, *(bits_for(store.words) for store in outs)])),
        out=f"  assign out = {outs[0].name}[out_address];" if outs else "  assign out = '0;",
        unused="  wire unused = &{1'b0, valid, op, now, works, out_address};",
    )


def _ahead(hardware: Hardware, store: Store, duties: Sequence[Duty], word: Word) -> str:
    """The register that a state is read into, or what stands for it in an iteration's first step."""
    fields = {name for name, _ in word.fields}
    low = {}
    at = 0
    for name, width in word.fields:
        low[name] = (at, width)
        at += width

    def part(name: str) -> str:
        return f"control[{low[name][0] + low[name][1] - 1}:{low[name][0]}]"

    address = part(read(store)) if read(store) in fields else "0"
    firsts = {source.first for duty in duties for source in duty.sources
              if source.use.store == store and source.first is not None}  # fmt: skip
    value = f"{store.name}[{address}]"
    if firsts:
        (first,) = firsts
        value = f"{part('fresh')} ? {store.format.width}'h{first:x} : {value}"
    return (
        f"  logic {vector(store.format.width)} {store.name}_ahead;\n"
        f"  always_ff @(posedge clk) {store.name}_ahead <= {value};"
    )


def _head_ports(hardware: Hardware, heads: Sequence[Store]) -> str:
    lines = []
    for store in heads:
        lines += [
            f"  output logic {store.name}_valid,",
            f"  output logic {vector(bits_for(store.words))} {store.name}_address,",
            f"  output logic {vector(store.format.width)} {store.name}_value,",
        ]
    return "\n".join(lines)


def _head(hardware: Hardware, heads: Sequence[Store], duties: Sequence[Duty]) -> str:
    """What is handed back up to the head of the column, registered."""
    lines = []
    for store in heads:
        makers = [duty for duty in duties if any(use.store == store for use in duty.results)]
        who = " || ".join(
            f"(op == OP_{duty.name.upper()}"
            + (f" && step == {STEP}'d{duty.work.slots - 1})" if duty.work and duty.work.slots > 1 else ")")
            for duty in makers
        )
        value = "result" if store.format == hardware.accumulator else "narrowed"
        lines.append(
            f"  assign {store.name}_valid = valid && ({who});\n"
            f"  assign {store.name}_address = {write(store) if store.words > 1 else chr(39) + '0'};\n"
            f"  assign {store.name}_value = {value};"
        )
    return "\n".join(lines)
