"""The units that einsim ships."""

from __future__ import annotations

from typing import Final

from einsim.errors import SpecError, suggest
from einsim.rtl.add import Add
from einsim.rtl.convert import Convert
from einsim.rtl.divide import Divide
from einsim.rtl.formats import BF16, FP16, FP32, INT8, INT16, INT32
from einsim.rtl.integer import IntegerMac
from einsim.rtl.mac import Mac, MacAdd
from einsim.rtl.macro import Exponential
from einsim.rtl.multiply import Multiply
from einsim.rtl.order import Compare, Maximum
from einsim.rtl.unit import Unit
from einsim.rtl.verilog import Module, closure

UNITS: Final[tuple[Unit, ...]] = (
    *(Multiply(operand, target) for operand in (BF16, FP16) for target in (operand, FP32)),
    Multiply(FP32, FP32),
    *(Add(form) for form in (BF16, FP16, FP32)),
    *(Mac(operand, FP32) for operand in (BF16, FP16, FP32)),
    *(MacAdd(operand, FP32) for operand in (BF16, FP16)),
    *(IntegerMac(operand, INT32) for operand in (INT8, INT16)),
    *(Maximum(form) for form in (BF16, FP16, FP32)),
    *(Compare(form) for form in (BF16, FP16, FP32)),
    *(Divide(form) for form in (BF16, FP16, FP32)),
    *(Convert(form, FP32) for form in (BF16, FP16)),
    *(Convert(FP32, form) for form in (BF16, FP16)),
    *(Exponential(operand, FP32) for operand in (BF16, FP16)),
)


def unit(name: str) -> Unit:
    """The unit of that name; a SpecError lists those there are."""
    known = {each.name: each for each in UNITS}
    if name not in known:
        raise SpecError(f"unknown unit {name!r}", remedy=suggest(name, known))
    return known[name]


def modules() -> tuple[Module, ...]:
    """All hardware, each module after what it uses: the units, and exp as a macro-operation."""
    macros = [each.macro_module() for each in UNITS if isinstance(each, Exponential)]
    return closure([*(each.module() for each in UNITS), *macros])
