"""The inside of an element or a lane: units, and what they are given for each operation, as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from einsim.rtl.convert import Convert
from einsim.rtl.divide import Divide
from einsim.rtl.formats import Format, NumberFormat
from einsim.rtl.generator.hardware import Duty, Hardware, Place, Store, Use
from einsim.rtl.generator.units import accumulating_unit, floating, nothing
from einsim.rtl.generator.words import vector
from einsim.rtl.generator.work import Kind
from einsim.rtl.macro import Exponential
from einsim.rtl.order import Maximum
from einsim.rtl.verilog import Module, fill

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
            case Kind.EXP if work.apart:
                sign = f"{{1'b1, {self.form.width - 1}'d0}}"
                return {"mac_x": "exp_minuend", "mac_c": f"exp_subtrahend ^ {sign}", "mac_adding": "1'b1"}
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
        """What exp needs around the multiply-accumulate unit: wiring for its steps, or a unit behind it."""
        exp, acc = Exponential(floating(self.hardware.operand, "exponentials"), self.floats), vector(self.form.width)
        who = [duty for duty in self.duties if duty.work and duty.work.kind is Kind.EXP]
        cases = [self.case(duty, {"exp_minuend": self.operand(duty, 0, self.form),
                                  "exp_subtrahend": self.operand(duty, 1, self.form)}) for duty in who]  # fmt: skip
        taken = " || ".join(f"op == OP_{duty.name.upper()}" for duty in who)
        operands = fill(_EXP_OPERANDS, acc=acc, cases="\n".join(cases))
        self.declarations.append(f"  logic {acc} exp_sum, exp_result;")
        if any(duty.work and duty.work.apart for duty in who):
            unit = exp.module()
            self.uses.append(unit)
            return operands + fill(_EXP_UNIT, unit=unit.name, taken=taken)
        parts = exp.operands_module(), exp.whole_module(), exp.scale_module()
        self.uses += parts
        narrow, whole = vector(self.hardware.operand.width), vector(exp.steps.whole_bits)
        self.declarations += [
            f"  logic {acc} exp_c;", "  logic exp_adding;",
            f"  logic {narrow} exp_r, exp_narrow, exp_a, exp_b;", f"  logic signed {whole} exp_n, exp_new_n;",
        ]  # fmt: skip
        return operands + fill(
            _EXP,
            operands=parts[0].name,
            whole=parts[1].name,
            scale=parts[2].name,
            acc=acc,
            whole_top=exp.steps.whole_bits - 1,
            top=self.form.width - 1,
            mantissa=self.floats.mantissa_bits,
            taken=taken,
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


_EXP_OPERANDS = """
  // exp(minuend - subtrahend), a step a slot.
  logic %acc exp_minuend, exp_subtrahend;
  always_comb begin
    exp_minuend = '0;
    exp_subtrahend = '0;
    case (op)
%cases
      default: ;
    endcase
  end
"""


_EXP_UNIT = """
  // The subtraction on the multiply-accumulate unit, then a unit of its own.
  %unit u_exp (.clk(clk), .enable(1'b1), .a(exp_sum), .b('0), .result(exp_result));
  always_ff @(posedge clk) if (valid && (%taken) && step == 3'd0) exp_sum <= mac_result;
"""


_EXP = """
  // All steps on the multiply-accumulate unit.
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
