"""The hardware of exp's steps, as a macro-operation of one multiply-accumulate unit and as a pipeline of seven."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from numpy.typing import ArrayLike

from einsim.rtl.convert import from_integer_module
from einsim.rtl.exponential import STEPS, ExpSteps
from einsim.rtl.formats import Format, Patterns
from einsim.rtl.unit import Port, Signature, Unit
from einsim.rtl.unpacked import decode
from einsim.rtl.verilog import PIPE, Module, fill, module, signed

_OPERANDS: Final = """
module %name (
  input  logic [2:0] step,
  input  logic [%{top}:0] sum,  // a, d, d, x, x, y, y: what the step before has left in the accumulator
  input  logic [%{top}:0] subtrahend,  // b, for step 0
  input  logic [%{operand_top}:0] r,  // what step 4 has kept
  input  logic signed [%{whole_top}:0] whole,  // what step 1 has kept
  output logic [%{operand_top}:0] narrow,  // the accumulator as a multiplicand: step 4 keeps it as r
  output logic adding,  // the accumulator, instead of a product, to c
  output logic [%{operand_top}:0] a,
  output logic [%{operand_top}:0] b,
  output logic [%{top}:0] c
);
  localparam logic [%{operand_top}:0] LOG2E = %{log2e}
  localparam logic [%{operand_top}:0] MINUS_LN2_HIGH = %{minus_ln2_high}
  localparam logic [%{operand_top}:0] MINUS_LN2_LOW = %{minus_ln2_low}
  localparam logic [%{operand_top}:0] C3 = %{c3}
  localparam logic [%{top}:0] SHIFTER = %{shifter}
  localparam logic [%{top}:0] C2 = %{c2}
  localparam logic [%{top}:0] C1 = %{c1}
  localparam logic [%{top}:0] C0 = %{c0}

  logic [%{operand_top}:0] multiple;
  %to_operand narrowed (.a(sum), .result(narrow));
  %from_integer integer_part (.a(whole), .result(multiple));

  assign adding = step == 3'd0;
  always_comb
    case (step)
      3'd0: {a, b, c} = {narrow, narrow, ~subtrahend[%{top}], subtrahend[%{size_top}:0]};
      3'd1: {a, b, c} = {narrow, LOG2E, SHIFTER};
      3'd2: {a, b, c} = {multiple, MINUS_LN2_HIGH, sum};
      3'd3: {a, b, c} = {multiple, MINUS_LN2_LOW, sum};
      3'd4: {a, b, c} = {narrow, C3, C2};
      3'd5: {a, b, c} = {r, narrow, C1};
      default: {a, b, c} = {r, narrow, C0};
    endcase
endmodule
"""

_WHOLE: Final = """
module %name (
  input  logic [%{whole_top}:0] last_bits,  // of step 1's sum
  input  logic [%{top}:%{mantissa_bits}] d,  // sign and exponent field
  output logic signed [%{whole_top}:0] whole
);
  localparam logic [%{field_top}:0] FAR = %{far};
  localparam logic signed [%{whole_top}:0] OVERFLOW = %{overflow};
  localparam logic signed [%{whole_top}:0] UNDERFLOW = %{underflow};

  wire far = d[%{size_top}:%{mantissa_bits}] >= FAR;
  assign whole = !far ? $signed(last_bits) : d[%{top}] ? UNDERFLOW : OVERFLOW;
endmodule
"""

_SCALE: Final = """
module %name (
  input  logic [%{top}:0] p,
  input  logic signed [%{whole_top}:0] whole,
  output logic [%{top}:0] result
);
  localparam logic signed [%{whole_top}:0] OVERFLOW = %{overflow};
  localparam logic signed [%{whole_top}:0] UNDERFLOW = %{underflow};
  localparam logic signed [%{exponent_top}:0] LAST_FIELD = %{last_field};
  localparam logic [%{size_top}:0] INFINITY = %{infinity};
  localparam logic [%{top}:0] NAN = %{nan};

  wire unused = &{1'b0, p[%{top}]};
  wire [%{mantissa_top}:0] mantissa = p[%{mantissa_top}:0];
  wire signed [%{exponent_top}:0] field = $signed({2'b00, p[%{size_top}:%{mantissa_bits}]}) + %{exponent_bits}'(whole);

  always_comb
    if (p[%{size_top}:0] > INFINITY) result = NAN;
    else if (field > LAST_FIELD || whole == OVERFLOW) result = {1'b0, INFINITY};
    else if (field < 1 || whole == UNDERFLOW) result = '0;
    else result = {1'b0, field[%{field_top}:0], mantissa};
endmodule
"""

_STEP: Final = """
module %name #(
  parameter int LATENCY = 0
) (
  input  logic clk,
  input  logic enable,
  input  logic [2:0] step,  // a constant where LATENCY is not 0
  input  logic [%{top}:0] sum,
  input  logic [%{top}:0] subtrahend,
  input  logic [%{operand_top}:0] r,
  input  logic signed [%{whole_top}:0] whole,
  output logic [%{top}:0] next_sum,
  output logic [%{operand_top}:0] next_r,
  output logic signed [%{whole_top}:0] next_whole
);
  logic [%{operand_top}:0] narrow, a, b;
  logic adding;
  logic [%{top}:0] c, total, held;
  %operands operands (.*);
  %unit #(.LATENCY(LATENCY)) unit (.*, .x(sum), .result(total));

  wire [%{operand_top}:0] kept_r = step == 3'd4 ? narrow : r;
  logic signed [%{whole_top}:0] kept_whole, new_whole;
  %pipe #(.WIDTH(%{state_bits}), .LATENCY(LATENCY)) state (
    .clk(clk), .enable(enable), .d({sum, kept_r, whole}), .q({held, next_r, kept_whole})
  );

  // Step 1 finds n and leaves the accumulator as it was.
  %whole integer_part (.last_bits(total[%{whole_top}:0]), .d(held[%{top}:%{mantissa_bits}]), .whole(new_whole));
  assign next_sum = step == 3'd1 ? held : total;
  assign next_whole = step == 3'd1 ? new_whole : kept_whole;
endmodule
"""

_MACRO: Final = """
module %name (
  input  logic clk,
  input  logic reset,
  input  logic enable,
  input  logic start,  // taken while ready
  input  logic [%{top}:0] a,
  input  logic [%{top}:0] b,
  output logic ready,
  output logic done,  // the result is there, until the next start is taken
  output logic [%{top}:0] result
);
  logic [2:0] step;  // 0: waiting, or the subtraction
  logic [%{top}:0] sum, next_sum;
  logic [%{operand_top}:0] r, next_r;
  logic signed [%{whole_top}:0] whole, next_whole;
  %step operation (.*, .sum(ready ? a : sum), .subtrahend(b));
  %scale scaled (.p(sum), .whole(whole), .result(result));

  assign ready = step == 3'd0;
  always_ff @(posedge clk)
    if (reset) begin
      step <= 3'd0;
      done <= 1'b0;
    end else if (enable && (start || !ready)) begin
      step <= step == 3'd%{last} ? 3'd0 : step + 3'd1;
      done <= step == 3'd%{last};
      {sum, r, whole} <= {next_sum, next_r, next_whole};
    end
endmodule
"""

_PIPELINE: Final = """
module %name #(
  parameter int LATENCY = 0  // register stages behind each of the %{steps} steps
) (
  input  logic clk,
  input  logic enable,
  input  logic [%{top}:0] a,
  input  logic [%{top}:0] b,
  output logic [%{top}:0] result
);
%{wires}
  assign sum0 = a;
  assign r0 = '0;
  assign whole0 = '0;
%{chain}
  %scale scaled (.p(sum%{steps}), .whole(whole%{steps}), .result(result));
  wire unused = &{1'b0, r%{steps}};
endmodule
"""

_CHAIN: Final = """\
  %step #(.LATENCY(LATENCY)) step%{this} (
    .clk(clk), .enable(enable), .step(3'd%{this}), .sum(sum%{this}), .subtrahend(%{subtrahend}),
    .r(r%{this}), .whole(whole%{this}), .next_sum(sum%{next}), .next_r(r%{next}),
    .next_whole(whole%{next})
  );"""


@dataclass(frozen=True, slots=True)
class Exponential(Unit):
    """exp(a - b) of accumulators: the macro-operation's steps as a pipeline, with the very same bits.

    With a LATENCY of L a result takes 7 L clocks, and one may start on every clock.
    """

    operand: Format
    accumulator: Format

    def __post_init__(self) -> None:
        self.steps  # noqa: B018 - raises where the formats do not suit

    @property
    def steps(self) -> ExpSteps:
        """What is computed."""
        return ExpSteps(self.operand, self.accumulator)

    @property
    def signature(self) -> Signature:
        """The module's name, operands and result."""
        operands = Port("a", self.accumulator), Port("b", self.accumulator)
        return Signature(f"{self.operand.name}_exp_{self.accumulator.name}", operands, Port("result", self.accumulator))

    def compute(self, *patterns: ArrayLike) -> Patterns:
        """exp(a - b) in the accumulator's format."""
        a, b = patterns
        return self.steps.compute(a, b)

    def module(self) -> Module:
        """`<operand>_exp_<accumulator>`: seven steps' units in a row."""
        step, scale = self._step_module(), self.scale_module()
        wires = "\n".join(
            f"  logic {kind}[{bits - 1}:0] {', '.join(f'{name}{k}' for k in range(STEPS + 1))};"
            for name, kind, bits in (
                ("sum", "", self.accumulator.width),
                ("r", "", self.operand.width),
                ("whole", "signed ", self.steps.whole_bits),
            )
        )
        chain = [fill(_CHAIN, step=step.name, this=k, next=k + 1, subtrahend="'0" if k else "b") for k in range(STEPS)]
        return self._module(
            "", "exp(a - b) as a pipeline.", _PIPELINE, [step, scale],
            step=step.name, scale=scale.name, steps=STEPS, wires=wires, chain="\n".join(chain),
        )  # fmt: skip

    def macro_module(self) -> Module:
        """`<name>_macro`: the seven steps one after another on one unit."""
        step, scale = self._step_module(), self.scale_module()
        return self._module(
            "_macro", "exp(a - b) in seven steps on one multiply-accumulate unit.", _MACRO, [step, scale],
            step=step.name, scale=scale.name, last=STEPS - 1,
        )  # fmt: skip

    def operands_module(self) -> Module:
        """`<name>_operands`: what an element's multiply-accumulate unit is given in each step."""
        narrow = self.steps.narrow.module()
        convert = from_integer_module(self.steps.whole_bits, self.operand)
        wide = ("shifter", "c2", "c1", "c0")
        literals = {
            name: _literal(self.accumulator if name in wide else self.operand, pattern)
            for name, pattern in asdict(self.steps.constants).items()
        }
        return self._module(
            "_operands", "what the multiply-accumulate unit is given in each step.", _OPERANDS, [narrow, convert],
            to_operand=narrow.name, from_integer=convert.name, **literals,
        )  # fmt: skip

    def whole_module(self) -> Module:
        """`<name>_whole`: n from the sum of step 1."""
        far = f"{self.accumulator.exponent_bits}'d{self.steps.far}"
        return self._module("_whole", "the integer part n, or that the result is out of range.", _WHOLE, [], far=far)

    def scale_module(self) -> Module:
        """`<name>_scale`: p x 2^n."""
        form = self.accumulator
        return self._module(
            "_scale", "p x 2^n by its exponent field.", _SCALE, [],
            exponent_bits=form.wide_exponent_bits,
            exponent_top=form.wide_exponent_bits - 1,
            last_field=signed(2 * form.bias, form.wide_exponent_bits),
            infinity=f"{form.width - 1}'h{form.infinity:x}",
            nan=f"{form.width}'h{form.nan:x}",
        )  # fmt: skip

    def _step_module(self) -> Module:
        operands, whole, unit = self.operands_module(), self.whole_module(), self.steps.unit.module()
        return self._module(
            "_step", "one step: a multiply-accumulate and what it leaves.", _STEP, [operands, whole, unit, PIPE],
            operands=operands.name, whole=whole.name, unit=unit.name, pipe=PIPE.name,
            state_bits=self.accumulator.width + self.operand.width + self.steps.whole_bits,
        )  # fmt: skip

    def _module(self, suffix: str, about: str, template: str, uses: list[Module], **values: object) -> Module:
        """A module with the ports that all of exp's share."""
        bits = self.steps.whole_bits
        return module(
            self.name + suffix,
            about,
            [f"multiplicands {self.operand}", f"accumulator {self.accumulator}"],
            template,
            uses,
            top=self.accumulator.width - 1,
            size_top=self.accumulator.width - 2,
            mantissa_top=self.accumulator.mantissa_bits - 1,
            operand_top=self.operand.width - 1,
            mantissa_bits=self.accumulator.mantissa_bits,
            field_top=self.accumulator.exponent_bits - 1,
            whole_top=bits - 1,
            overflow=signed(self.steps.overflow, bits),
            underflow=signed(self.steps.underflow, bits),
            **values,
        )


def _literal(form: Format, pattern: int) -> str:
    """A constant's pattern and, beside it, its value."""
    return f"{form.width}'h{pattern:x};  // {float(decode(form, pattern)):.10g}"
