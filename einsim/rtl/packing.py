"""The hardware side of `unpacked`: patterns taken apart, and results rounded and put together."""

from __future__ import annotations

from typing import Final

from einsim.rtl.formats import Format
from einsim.rtl.verilog import Module, module, signed

_UNPACK: Final = """
module %name (
  input  logic [%{top}:0] bits,
  output logic sign,
  output logic signed [%{exponent_top}:0] exponent,
  output logic [%{mantissa_bits}:0] significand,
  output logic infinite,
  output logic nan
);
  localparam logic signed [%{exponent_top}:0] BIAS = %{bias};
  // Below every exponent that a number or a product can have: sums ignore zeros.
  localparam logic signed [%{exponent_top}:0] ZERO_EXPONENT = %{zero_exponent};

  wire [%{field_top}:0] field = bits[%{size_top}:%{mantissa_bits}];
  wire [%{mantissa_top}:0] mantissa = bits[%{mantissa_top}:0];
  wire zero = field == '0;  // subnormals too
  wire special = field == '1;

  assign sign = bits[%{top}];
  assign exponent = zero ? ZERO_EXPONENT : $signed({2'b00, field}) - BIAS;
  assign significand = zero ? '0 : {1'b1, mantissa};
  assign infinite = special && mantissa == '0;
  assign nan = special && mantissa != '0;
endmodule
"""

_ROUND: Final = """
module %name (
  input  logic sign,
  input  logic signed [%{exponent_top}:0] exponent,
  input  logic [%{significand_top}:0] significand,  // the leading one at the top, or all zeros
  input  logic infinite,
  input  logic nan,
  output logic [%{top}:0] bits
);
  localparam logic signed [%{exponent_top}:0] BIAS = %{bias};
  localparam logic signed [%{exponent_top}:0] LAST_FIELD = %{last_field};
  localparam logic [%{size_top}:0] INFINITY = %{infinity};
  localparam logic [%{top}:0] NAN = %{nan};

  wire [%{padded_top}:0] padded = %{padded};
  wire [%{mantissa_top}:0] mantissa = padded[%{kept_top}:%{kept_low}];
  wire half = padded[%{half_at}];
  wire rest = |padded[%{rest_top}:0];
  wire up = half && (rest || mantissa[0]);

  // Rounding up may carry into the exponent; the mantissa is then all zeros, as it should be.
  wire signed [%{exponent_top}:0] biased = exponent + BIAS;
  wire [%{rounded_top}:0] rounded = {biased, mantissa} + {%{rounded_top}'b0, up};
  wire signed [%{exponent_top}:0] field = $signed(rounded[%{rounded_top}:%{mantissa_bits}]);

  always_comb
    if (nan) bits = NAN;
    else if (infinite) bits = {sign, INFINITY};
    else if (!padded[%{padded_top}] || field < 1) bits = {sign, %{top}'b0};
    else if (field > LAST_FIELD) bits = {sign, INFINITY};
    else bits = {sign, rounded[%{size_top}:0]};
endmodule
"""


def unpack_module(form: Format) -> Module:
    """`<format>_unpack`: sign, unbiased exponent and significand of a pattern."""
    return module(
        f"{form.name}_unpack",
        "a pattern taken apart; subnormals count as zeros.",
        [form],
        _UNPACK,
        top=form.width - 1,
        size_top=form.width - 2,
        mantissa_top=form.mantissa_bits - 1,
        exponent_top=form.wide_exponent_bits - 1,
        field_top=form.exponent_bits - 1,
        mantissa_bits=form.mantissa_bits,
        bias=signed(form.bias, form.wide_exponent_bits),
        zero_exponent=signed(form.zero_exponent, form.wide_exponent_bits),
    )


def round_module(form: Format, significand_bits: int, exponent_bits: int | None = None) -> Module:
    """`<format>_round_<significand>x<exponent>`: rounds a normalised significand of so many bits to the format.

    `exponent_bits` are those of the unbounded exponent, as many as the format's products need by default.
    """
    exponent_bits = max(exponent_bits or 0, form.wide_exponent_bits)
    # At least one bit for a half and one for the rest, so that one text does for narrowing and widening.
    missing = max(form.precision + 2 - significand_bits, 0)
    lead = significand_bits + missing - 1
    return module(
        f"{form.name}_round_{significand_bits}x{exponent_bits}",
        "rounds to nearest, ties to even; overflows to infinity, underflows to zero.",
        [form, f"a significand of {significand_bits} bits", f"an unbiased exponent of {exponent_bits} bits"],
        _ROUND,
        top=form.width - 1,
        size_top=form.width - 2,
        exponent_top=exponent_bits - 1,
        significand_top=significand_bits - 1,
        padded_top=lead,
        kept_top=lead - 1,
        kept_low=lead - form.mantissa_bits,
        half_at=lead - form.mantissa_bits - 1,
        rest_top=lead - form.mantissa_bits - 2,
        padded=f"{{significand, {missing}'b0}}" if missing else "significand",
        mantissa_bits=form.mantissa_bits,
        mantissa_top=form.mantissa_bits - 1,
        rounded_top=exponent_bits + form.mantissa_bits - 1,
        bias=signed(form.bias, exponent_bits),
        last_field=signed(2 * form.bias, exponent_bits),
        infinity=f"{form.width - 1}'h{form.infinity:x}",
        nan=f"{form.width}'h{form.nan:x}",
    )
