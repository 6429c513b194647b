"""The processing element of the 2D array and the lane: units, registers, and what they do for each operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from einsim.rtl.convert import Convert
from einsim.rtl.divide import Divide
from einsim.rtl.formats import Format, NumberFormat
from einsim.rtl.generator.drain import chain_ports, chain_text, drains
from einsim.rtl.generator.epochs import mask_bits
from einsim.rtl.generator.hardware import Duty, Hardware, Place, Store, Use
from einsim.rtl.generator.units import accumulating_unit, floating, nothing
from einsim.rtl.generator.words import Word, bits_for, vector
from einsim.rtl.generator.work import Kind
from einsim.rtl.macro import Exponential
from einsim.rtl.order import Maximum
from einsim.rtl.verilog import Module, fill, module

STEP = 3
"""Bits of the number of an exp's step."""


def read(store: Store) -> str:
    """The field with the address that a store is read at."""
    return f"{store.name}_read"


def write(store: Store) -> str:
    """The field with the address that a store is written at."""
    return f"{store.name}_write"


def operation_names(duties: Sequence[Duty]) -> list[str]:
    """An identifier for each operation of an array."""
    return [f"OP_{duty.name.upper()}" for duty in duties]


@dataclass
class Body:
    """The inside of an element: for each operation, what units get and where results go.

    `own` stores are registers here; `operands` of others are signals that come from outside.
    """

    hardware: Hardware
    duties: Sequence[Duty]
    multiplicand: NumberFormat
    own: Sequence[Store]
    outside: dict[str, str]
    uses: list[Module] = field(default_factory=list)
    wide: dict[str, str] = field(default_factory=dict)
    declarations: list[str] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)

    @property
    def form(self) -> NumberFormat:
        """The accumulators'."""
        return self.hardware.accumulator

    @property
    def floats(self) -> Format:
        """The accumulators', of operations that integers do not have."""
        return floating(self.form, "comparisons, quotients and exponentials")

    def signal(self, duty: Duty, position: int) -> str:
        """An operand, in its own format."""
        assert duty.work is not None
        store = duty.sources[duty.work.operands[position]].use.store
        if store.name in self.outside:
            return self.outside[store.name]
        return f"{store.name}[{read(store)}]" if store.words > 1 else f"{store.name}[0]"

    def format(self, duty: Duty, position: int) -> NumberFormat:
        """An operand's format."""
        assert duty.work is not None
        return duty.sources[duty.work.operands[position]].use.store.format

    def operand(self, duty: Duty, position: int, wanted: NumberFormat) -> str:
        """An operand in some format."""
        own = self.format(duty, position)
        signal = self.signal(duty, position)
        assert duty.work is not None
        store = duty.sources[duty.work.operands[position]].use.store
        return signal if own == wanted else self.widened(signal, f"{store.name}_wide", own, wanted)

    def widened(self, signal: str, name: str, own: NumberFormat, wanted: NumberFormat) -> str:
        """A signal in another format."""
        if name not in self.wide:
            convert = Convert(floating(own, "conversions"), floating(wanted, "conversions")).module()
            self.uses.append(convert)
            self.declarations.append(f"  logic {vector(wanted.width)} {name};")
            self.instances.append(f"  {convert.name} u_{name} (.a({signal}), .result({name}));")
            self.wide[name] = signal
        return name

    # Text.

    def kinds(self) -> set[Kind]:
        """Operations that there are."""
        return {duty.work.kind for duty in self.duties if duty.work}

    def text(self) -> str:
        """Everything between the ports and the registers: `result`, and with exp the state of its steps."""
        sums = [self.mac_inputs(duty) for duty in self.duties]
        mac = [self.case(duty, inputs) for duty, inputs in zip(self.duties, sums, strict=True) if inputs]
        larger = [self.case(duty, self.larger_inputs(duty)) for duty in self.duties if self.larger_inputs(duty)]
        quotient = [self.case(duty, self.quotient_inputs(duty)) for duty in self.duties if self.quotient_inputs(duty)]
        blocks = [self.exp_text()] if Kind.EXP in self.kinds() else []
        if blocks:
            exp = Exponential(floating(self.hardware.operand, "exponentials"), self.floats)
            narrow = vector(self.hardware.operand.width)
            whole = vector(exp.steps.whole_bits)
            self.declarations += [
                f"  logic {vector(self.form.width)} exp_sum, exp_c, exp_result;", "  logic exp_adding;",
                f"  logic {narrow} exp_r, exp_narrow, exp_a, exp_b;", f"  logic signed {whole} exp_n, exp_new_n;",
            ]  # fmt: skip
        if mac:
            adds = any("mac_adding" in inputs for inputs in sums)
            unit = accumulating_unit(self.multiplicand, self.form, adds=adds)
            ports = {port.name: port.width for port in unit.signature.operands}
            self.declarations.append(f"  logic {vector(self.form.width)} mac_result;")
            blocks.append(self.unit_text("mac", unit.module(), mac, ports))
        if larger:
            both = {"a": self.form.width, "b": self.form.width}
            self.declarations.append(f"  logic {vector(self.form.width)} larger_result;")
            blocks.append(self.unit_text("larger", Maximum(self.floats).module(), larger, both))
        if quotient:
            both = {"a": self.form.width, "b": self.form.width}
            self.declarations.append(f"  logic {vector(self.form.width)} quotient_result;")
            blocks.append(self.unit_text("quotient", Divide(self.floats).module(), quotient, both))
        blocks.append(self.result_text(bool(larger), bool(quotient)))
        declared = "\n".join(dict.fromkeys(self.declarations))
        return "\n".join([declared, *self.instances, *blocks])

    def case(self, duty: Duty, inputs: dict[str, str]) -> str:
        """One branch."""
        lines = "".join(f"        {name} = {value};\n" for name, value in inputs.items())
        return f"      OP_{duty.name.upper()}: begin\n{lines}      end"

    def unit_text(self, name: str, unit: Module, cases: list[str], ports: Mapping[str, int]) -> str:
        """A unit with its operands by operation."""
        self.uses.append(unit)
        declared = "\n".join(
            f"  logic {vector(width) + ' ' if width > 1 else ''}{name}_{port};" for port, width in ports.items()
        )
        zeros = "".join(f"    {name}_{port} = '0;\n" for port in ports)
        clocked = "parameter int LATENCY" in unit.text
        clock = ".clk(clk), .enable(1'b1), " if clocked else ""
        connections = ", ".join(f".{port}({name}_{port})" for port in ports)
        return (
            f"{declared}\n"
            f"  always_comb begin\n{zeros}    case (op)\n"
            + "\n".join(cases)
            + "\n      default: ;\n    endcase\n  end\n"
            f"  {unit.name} u_{name} ({clock}{connections}, .result({name}_result));\n"
        )

    def mac_inputs(self, duty: Duty) -> dict[str, str]:
        """What the multiply-accumulate unit gets for an operation; nothing where it is not its."""
        work, m = duty.work, self.multiplicand
        assert work is not None
        match work.kind:
            case Kind.PRODUCT:
                c = f"{self.form.width}'h{nothing(self.form):x}"
                if duty.opens:
                    use = duty.results[0]
                    address = f"[{write(use.store)}]" if use.store.words > 1 else "[0]"
                    c = f"opens ? '0 : {use.store.name}{address}"
                elif duty.along:
                    c = "north"
                return {"mac_a": self.operand(duty, 0, m), "mac_b": self.operand(duty, 1, m), "mac_c": c}
            case Kind.COPY if work.reduction == "sum":
                c = "north" if duty.along else self.sum_so_far(duty)
                return {"mac_x": self.operand(duty, 0, self.form), "mac_c": c, "mac_adding": "1'b1"}
            case Kind.SUM:
                return {"mac_x": self.operand(duty, 0, self.form), "mac_c": self.operand(duty, 1, self.form),
                        "mac_adding": "1'b1"}  # fmt: skip
            case Kind.DIFFERENCE:
                sign = f"{{1'b1, {self.form.width - 1}'d0}}"
                return {"mac_x": self.operand(duty, 0, self.form),
                        "mac_c": f"{self.operand(duty, 1, self.form)} ^ {sign}", "mac_adding": "1'b1"}  # fmt: skip
            case Kind.EXP:
                a, b = "exp_a", "exp_b"
                if m != self.hardware.operand:
                    a, b = (self.widened(each, f"{each}_wide", self.hardware.operand, m) for each in (a, b))
                return {"mac_a": a, "mac_b": b, "mac_c": "exp_c", "mac_x": "exp_sum_in", "mac_adding": "exp_adding"}
            case _:
                return {}

    def sum_so_far(self, duty: Duty) -> str:
        """What a sum in time has come to."""
        use = duty.results[0]
        address = f"[{write(use.store)}]" if use.store.words > 1 else "[0]"
        return f"opens ? '0 : {use.store.name}{address}"

    def larger_inputs(self, duty: Duty) -> dict[str, str]:
        """What the comparator gets for an operation."""
        work = duty.work
        assert work is not None
        if work.kind is Kind.LARGER:
            return {"larger_a": self.operand(duty, 0, self.form), "larger_b": self.operand(duty, 1, self.form)}
        if work.kind is Kind.COPY and work.reduction == "max":
            before = "north" if duty.along else self.sum_so_far(duty).replace("'0", self.lowest)
            return {"larger_a": before, "larger_b": self.operand(duty, 0, self.form)}
        return {}

    @property
    def lowest(self) -> str:
        """Minus infinity, where a maximum begins."""
        return f"{self.form.width}'h{self.floats.negative_zero | self.floats.infinity:x}"

    def quotient_inputs(self, duty: Duty) -> dict[str, str]:
        """What the divider gets for an operation."""
        if duty.work is None or duty.work.kind is not Kind.QUOTIENT:
            return {}
        return {"quotient_a": self.operand(duty, 0, self.form), "quotient_b": self.operand(duty, 1, self.form)}

    def exp_text(self) -> str:
        """The wiring of exp's steps around the multiply-accumulate unit."""
        exp = Exponential(floating(self.hardware.operand, "exponentials"), self.floats)
        parts = exp.operands_module(), exp.whole_module(), exp.scale_module()
        self.uses += parts
        who = [duty for duty in self.duties if duty.work and duty.work.kind is Kind.EXP]
        cases = [self.case(duty, {"exp_minuend": self.operand(duty, 0, self.form),
                                  "exp_subtrahend": self.operand(duty, 1, self.form)}) for duty in who]  # fmt: skip
        return fill(
            _EXP,
            operands=parts[0].name,
            whole=parts[1].name,
            scale=parts[2].name,
            cases="\n".join(cases),
            acc=vector(self.form.width),
            whole_top=exp.steps.whole_bits - 1,
            top=self.form.width - 1,
            mantissa=self.floats.mantissa_bits,
            taken=" || ".join(f"op == OP_{duty.name.upper()}" for duty in who),
        )

    def result_text(self, larger: bool, quotient: bool) -> str:
        """The result by operation."""
        cases = []
        for duty in self.duties:
            assert duty.work is not None
            source = {Kind.LARGER: "larger_result", Kind.QUOTIENT: "quotient_result", Kind.EXP: "exp_result"}.get(
                duty.work.kind, "mac_result")  # fmt: skip
            if duty.work.kind is Kind.COPY and duty.work.reduction == "max":
                source = "larger_result"
            cases.append(f"      OP_{duty.name.upper()}: result = {source};")
        text = f"  logic {vector(self.form.width)} result;\n  always_comb\n    case (op)\n" + "\n".join(cases)
        text += "\n      default: result = '0;\n    endcase\n"
        if any(duty.narrow for duty in self.duties):
            convert = Convert(self.floats, floating(self.hardware.operand, "conversions")).module()
            self.uses.append(convert)
            text += f"  logic {vector(self.hardware.operand.width)} narrowed;\n"
            text += f"  {convert.name} u_narrowed (.a(result), .result(narrowed));\n"
        return text

    def writes(self, place: Iterable[Place]) -> str:
        """Registers that take results (and operands that are kept) at the end of the cycle."""
        places = set(place)
        lines = []
        for duty in self.duties:
            assert duty.work is not None
            finished = f" && step == {STEP}'d{duty.work.slots - 1}" if duty.work.slots > 1 else ""
            inside = []
            for use in duty.results:
                if use.store.place in places:
                    gate = "if (works) " if duty.forms and use.store.place is Place.STATE else ""
                    value = "narrowed" if use.store.format != self.form else "result"
                    inside.append(f"{gate}{target(use)} <= {value};")
            for position, use in duty.kept:
                store = duty.sources[position].use.store
                inside.append(f"{target(use)} <= {self.outside[store.name]};")
            if inside:
                body = "\n".join(f"        {line}" for line in inside)
                lines.append(f"      if (op == OP_{duty.name.upper()}{finished}) begin\n{body}\n      end")
        return "\n".join(lines)


def target(use: Use) -> str:
    """Where a result is written."""
    return f"{use.store.name}[{write(use.store) if use.store.words > 1 else '0'}]"


_EXP = """
  // exp(minuend - subtrahend), a step a slot, on the multiply-accumulate unit.
  logic %acc exp_minuend, exp_subtrahend;
  always_comb begin
    exp_minuend = '0;
    exp_subtrahend = '0;
    case (op)
%cases
      default: ;
    endcase
  end
  wire %acc exp_sum_in = step == 3'd0 ? exp_minuend : exp_sum;
  %operands u_exp_operands (
    .step(step), .sum(exp_sum_in), .subtrahend(exp_subtrahend), .r(exp_r), .whole(exp_n), .narrow(exp_narrow),
    .adding(exp_adding), .a(exp_a), .b(exp_b), .c(exp_c)
  );
  %whole u_exp_whole (.last_bits(mac_result[%whole_top:0]), .d(exp_sum_in[%top:%mantissa]), .whole(exp_new_n));
  %scale u_exp_scale (.p(mac_result), .whole(exp_n), .result(exp_result));
  always_ff @(posedge clk)
    if (valid && (%taken)) begin
      if (step != 3'd1) exp_sum <= mac_result;
      if (step == 3'd1) exp_n <= exp_new_n;
      if (step == 3'd4) exp_r <= exp_narrow;
    end
"""


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
    grid_narrow = [store for store in targets if store.format != acc]
    assert not grid_narrow, "results of the 2D array that the lanes take are sums"
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
