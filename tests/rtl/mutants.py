"""Units with one thing broken in their generated SystemVerilog."""

from __future__ import annotations

from dataclasses import replace

from einsim.rtl import library
from einsim.rtl.harness import Placed
from einsim.rtl.verilog import Module, renamed

# Unit, module, what stands there, what stands there instead: rounding, special numbers, alignment, constants of exp.
MUTATIONS = (
    ("bf16_mul_fp32", "bf16_product_fp32", "top ? raw : raw << 1", "raw"),
    ("bf16_mul_bf16", "bf16_round_16x10", "(rest || mantissa[0])", "mantissa[0]"),
    ("fp32_mul_fp32", "fp32_round_48x10", "(rest || mantissa[0])", "rest"),
    ("fp32_mul_fp32", "fp32_round_48x10", "field < 1", "field < 0"),
    ("fp16_mul_fp16", "fp16_round_22x7", "field > LAST_FIELD", "field > LAST_FIELD + 7'sd1"),
    ("bf16_mul_fp32", "bf16_product_fp32", "(infinite && zero)", "1'b0"),
    ("fp32_add", "fp32_sum", "shifted[0] | lost", "shifted[0]"),
    ("fp32_add", "fp32_sum", "a_significand < b_significand", "a_significand > b_significand"),
    ("fp32_add", "fp32_sum", "zero_sign = a_sign && b_sign", "zero_sign = a_sign || b_sign"),
    ("fp32_add", "fp32_unpack", "zero ? '0 : {1'b1, mantissa}", "{!zero, mantissa}"),
    ("bf16_mac_fp32", "fp32_sum", "exponent + 10'sd1", "exponent + 10'sd2"),
    ("bf16_mac_fp32", "fp32_sum", "a_infinite && b_infinite && opposite", "a_infinite && b_infinite"),
    ("fp16_mac_fp32", "fp16_product_fp32", "10'sh200", "-10'sd64"),
    ("bf16_macadd_fp32", "bf16_macadd_fp32", "adding ? x_infinite : product_infinite", "product_infinite"),
    ("int8_mac_int32", "int8_mac_int32", "+ c", "- c"),
    ("bf16_max", "bf16_max", "a_key > b_key", "a_size > b_size"),
    ("fp16_compare", "fp16_compare", "zeros ||", "1'b0 ||"),
    ("fp32_div", "fp32_div", "remainder != '0", "1'b0"),
    ("fp32_div", "fp32_div", "b_infinite ? '0 :", "1'b0 ? '0 :"),
    ("fp32_to_bf16", "bf16_round_24x10", "half && (", "half || ("),
    ("fp16_to_fp32", "fp32_round_11x10", "10'sd127", "10'sd126"),
    ("bf16_exp_fp32", "bf16_exp_fp32_operands", "C2 = 32'h3f013405", "C2 = 32'h3f013505"),
    ("bf16_exp_fp32", "bf16_exp_fp32_whole", "FAR = 8'd134", "FAR = 8'd135"),
    ("fp16_exp_fp32", "fp16_exp_fp32_scale", "field < 1", "field < 2"),
)


def mutants() -> list[Placed]:
    """One unit a mutation, each with copies of all its modules, so that they fit beside the sound ones."""
    return [_mutant(number, *mutation) for number, mutation in enumerate(MUTATIONS)]


def _mutant(number: int, unit_name: str, module_name: str, old: str, new: str) -> Placed:
    unit = library.unit(unit_name)
    name = f"{unit_name}_mutant{number}"
    return Placed(name, unit, renamed(broken(unit.module(), module_name, old, new), f"_mutant{number}"))


def broken(top: Module, module_name: str, old: str, new: str) -> Module:
    """A design in which one module has other words."""
    changed = _changed(top, module_name, old, new)
    assert changed != top, f"{old!r} is not in {module_name}"
    return changed


def _changed(part: Module, module_name: str, old: str, new: str) -> Module:
    text = part.text.replace(old, new) if part.name == module_name else part.text
    return replace(part, text=text, uses=tuple(_changed(used, module_name, old, new) for used in part.uses))
