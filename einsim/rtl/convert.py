"""From one format into another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from numpy.typing import ArrayLike

from einsim.rtl.formats import Format, Patterns
from einsim.rtl.packing import round_module, unpack_module
from einsim.rtl.unit import Port, Signature, Unit
from einsim.rtl.unpacked import pack, unpack
from einsim.rtl.verilog import Module, module

_CONVERT: Final = """
module %name (
  input  logic [%{source_top}:0] a,
  output logic [%{top}:0] result
);
  logic sign, infinite, nan;
  logic signed [%{exponent_top}:0] exponent;
  logic [%{mantissa_bits}:0] significand;
  %unpack parts (
    .bits(a), .sign(sign), .exponent(exponent), .significand(significand),
    .infinite(infinite), .nan(nan)
  );
  %round rounding (
    .sign(sign), .exponent(%{exponent}), .significand(significand),
    .infinite(infinite), .nan(nan), .bits(result)
  );
endmodule
"""


@dataclass(frozen=True, slots=True)
class Convert(Unit):
    """The number in the target format, rounded once."""

    source: Format
    target: Format

    @property
    def signature(self) -> Signature:
        """The module's name, operands and result."""
        operands = (Port("a", self.source),)
        return Signature(
            f"{self.source.name}_to_{self.target.name}", operands, Port("result", self.target), clocked=False
        )

    def compute(self, *patterns: ArrayLike) -> Patterns:
        """The numbers as patterns of the target."""
        return pack(self.target, unpack(self.source, patterns[0]))

    def module(self) -> Module:
        """`<source>_to_<target>`."""
        exponent_bits = max(self.source.wide_exponent_bits, self.target.wide_exponent_bits)
        wider = exponent_bits > self.source.wide_exponent_bits
        parts, rounded = unpack_module(self.source), round_module(self.target, self.source.precision, exponent_bits)
        return module(
            self.name,
            "the number in another format, rounded once to nearest even.",
            [f"from {self.source}", f"into {self.target}"],
            _CONVERT,
            [parts, rounded],
            unpack=parts.name,
            round=rounded.name,
            source_top=self.source.width - 1,
            top=self.target.width - 1,
            exponent_top=self.source.wide_exponent_bits - 1,
            mantissa_bits=self.source.mantissa_bits,
            exponent=f"{exponent_bits}'(exponent)" if wider else "exponent",
        )


_FROM_INTEGER: Final = """
module %name (
  input  logic signed [%{whole_top}:0] a,
  output logic [%{top}:0] result
);
  wire [%{whole_top}:0] size = $unsigned(a[%{whole_top}] ? -a : a);

  logic [%{field_top}:0] field;
  logic [%{whole_top}:0] shifted;  // the leading one at the top
  always_comb begin
    field = '0;
    shifted = '0;
    for (int i = 0; i <= %{whole_top}; i++)
      if (size[i]) begin
        field = $unsigned(%{field_bits}'(%{bias} + i));
        shifted = size << (%{whole_top} - i);
      end
  end

  wire unused = &{1'b0, shifted};  // the leading one; and below the mantissa, zeros
  assign result = {a[%{whole_top}], field, %{mantissa}};
endmodule
"""


def from_integer_module(bits: int, target: Format) -> Module:
    """`<target>_from_int<bits>`: an integer in two's complement, cut off below the target's last place.

    Exact for magnitudes of up to the target's precision and for powers of two.
    """
    spare = bits - 1 - target.mantissa_bits
    mantissa = f"shifted[{bits - 2}:{max(spare, 0)}]"
    return module(
        f"{target.name}_from_int{bits}",
        "an integer as a number, exact up to the number's precision.",
        [f"{bits} bits", f"into {target}"],
        _FROM_INTEGER,
        whole_top=bits - 1,
        top=target.width - 1,
        field_bits=target.exponent_bits,
        field_top=target.exponent_bits - 1,
        bias=target.bias,
        mantissa=mantissa if spare >= 0 else f"{{{mantissa}, {-spare}'b0}}",
    )
