"""What the units of an element are: that follows from the formats of operands and sums."""

from __future__ import annotations

from einsim.errors import SpecError
from einsim.rtl.formats import Format, Integer, NumberFormat
from einsim.rtl.integer import IntegerMac
from einsim.rtl.mac import Mac, MacAdd


def floating(form: NumberFormat, what: str) -> Format:
    """A floating-point format. Raises SpecError for integers, which are multiplied and added up, and no more."""
    if isinstance(form, Format):
        return form
    raise SpecError(f"the generator cannot build {what} of {form}", remedy="take a floating-point format, such as bf16")


def accumulating_unit(operand: NumberFormat, accumulator: NumberFormat, *, adds: bool) -> Mac | MacAdd | IntegerMac:
    """The multiply-accumulate unit of operands and sums; `adds` where it also adds two sums.

    Raises SpecError for formats that do not go together.
    """
    if isinstance(operand, Integer) and isinstance(accumulator, Integer):
        if adds:
            floating(accumulator, "additions")
        return IntegerMac(operand, accumulator)
    wanted = "sums of integers are integers, and of floating-point numbers floating-point numbers"
    if isinstance(operand, Integer) or isinstance(accumulator, Integer):
        raise SpecError(f"products of {operand} are not added up in {accumulator}", remedy=wanted)
    return MacAdd(operand, accumulator) if adds else Mac(operand, accumulator)


def nothing(form: NumberFormat) -> int:
    """The pattern that, added, leaves every number as it is."""
    return form.negative_zero if isinstance(form, Format) else 0
