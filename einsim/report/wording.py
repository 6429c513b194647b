"""Axes, values and numbers in words, as figures and tables show them."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import Final

from einsim.units import show_bytes, show_count, show_si

_UNITS: Final = {"_bytes_per_s": "", "_bytes": "", "_hz": "", "_pj": " (pJ)", "_um2": " (µm²)", "_s": " (s)"}
_TOKENS: Final = {
    "seq_len": "Sequence length (tokens)", "context": "Cached tokens", "new_tokens": "New tokens",
}  # fmt: skip


def is_number(value: object) -> bool:
    """Whether a value of an axis is a quantity (True and False are not)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def axis_label(axis: str) -> str:
    """An axis in words, `arch.array2d.rows` -> `array2d rows`, with the unit unless values show it."""
    if axis in _TOKENS:
        return _TOKENS[axis]
    words = " ".join(axis.split(".")[-2:]) if axis.count(".") > 1 else axis.rpartition(".")[2]
    words = words.capitalize() if words == axis.lower() else words
    for suffix, unit in _UNITS.items():
        if words.endswith(suffix):
            words = words.removesuffix(suffix) + unit
            break
    return words.replace("_", " ")


def show_value(axis: str, value: object) -> str:
    """A value of an axis: 4096 tokens -> `4K`, 16777216 of `capacity_bytes` -> `16 MiB`; names cut short."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if axis.endswith("_bytes"):
            return show_bytes(value)
        if axis.endswith("_bytes_per_s"):
            return f"{show_bytes(value)}/s"
        if axis.endswith("_hz"):
            return show_si(value, "Hz")
        return show_count(value) if isinstance(value, int) and value < 2**40 else show_number(value)
    text = " ".join(str(value).split()) if value is not None else "none"
    if axis in {"configuration", "architecture"}:
        text = PurePath(text).stem
    return text if len(text) <= 24 else f"…{text[-23:]}"


def show_named(axis: str, value: object) -> str:
    """A value where nothing else says of which axis: names as they are, `array2d rows = 256` (one word)."""
    shown = show_value(axis, value)
    if axis == "seq_len":
        return f"{shown}\u00a0tokens"
    if is_number(value) or "." in axis or axis in {"accounting", "architecture"}:
        return f"{axis_label(axis)}\u00a0=\u00a0{shown}"
    return shown


def show_number(value: float) -> str:
    """A number for a tick, at most three digits, or a whole one of five: 0.25, 1500, 2×10⁻⁷."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    digits, _, power = f"{value:.2e}".partition("e")
    digits = digits.rstrip("0").rstrip(".")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if digits == "1" else f"{digits}×10{raised}"


def show_ratio(value: float) -> str:
    """A ratio beside a bar: 6.7×, 0.82×, 1.04×, 15×."""
    if not math.isfinite(value):
        return ""
    if value < 0.1 or value >= 1e4:
        return f"{show_number(float(f'{value:.2g}'))}×"
    return f"{value:.{0 if value >= 9.95 else 1 if value >= 1.995 else 2}f}×"


def show_joules(value: float) -> str:
    """An energy above a bar, in two digits: 1.9 J, 54 kJ."""
    return show_si(float(f"{value:.2g}"), "J")
