"""Sizes as people write them (`16K`, `16 MiB`) and as people read them."""

from __future__ import annotations

import math
import re
from typing import Final

_BINARY: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_COUNT: Final = re.compile(r"\s*(\d{1,400})\s*([KMGT]?)\s*", re.IGNORECASE)
_BYTES: Final = re.compile(r"\s*(\d{1,400}(?:\.\d+)?)\s*(?:([KMGT])iB|B)?\s*", re.IGNORECASE)

INT64_MAX: Final = (1 << 63) - 1


def parse_count(text: str | int) -> int:
    """A count such as a sequence length: `1K` is 1024, `1M` 1 048 576; plain integers are themselves.

    Raises ValueError where the text is neither.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = _COUNT.fullmatch(str(text))
    if not match:
        raise ValueError(f"{shorten(repr(text))} is not a count; write an integer or one with K, M or G, such as 16K")
    return int(match[1]) * _BINARY[match[2].upper()]


def parse_bytes(text: str | float) -> int:
    """A number of bytes: `16 MiB`, `400 GiB`, `512 B` or a plain integer.

    Raises ValueError where the text is neither, or is no whole number of bytes.
    """
    if isinstance(text, bool):
        raise ValueError(f"{text!r} is not a number of bytes")  # noqa: TRY004 - a wrong value in a file
    if isinstance(text, int):
        return text
    match = _BYTES.fullmatch(str(text)) if isinstance(text, str) else None
    value = float(text) if isinstance(text, float) else None
    if match:
        scale = _BINARY[(match[2] or "").upper()]
        value = int(match[1]) * scale if match[1].isdigit() else float(match[1]) * scale
    if value is None or value != value // 1 or value in (float("inf"), float("-inf")):
        raise ValueError(
            f"{shorten(repr(text))} is not a number of bytes; write an integer or KiB, MiB, GiB, such as 16 MiB"
        )
    return int(value)


def shorten(text: str, length: int = 60) -> str:
    """Text of a message, its middle left out where it is long."""
    return text if len(text) <= length else f"{text[: length - 20]}...{text[-17:]}"


def show_count(value: int) -> str:
    """The shortest way to write a sequence length: 16384 -> `16K`."""
    for suffix in ("M", "K"):
        scale = _BINARY[suffix]
        if value >= scale and value % scale == 0:
            return f"{value // scale}{suffix}"
    return str(value)


def show_bytes(value: float) -> str:
    """Bytes with a binary prefix and at most four digits."""
    for suffix in ("T", "G", "M", "K"):
        scale = _BINARY[suffix]
        if value >= scale:
            return f"{value / scale:.4g} {suffix}iB"
    return f"{value:.4g} B"


def show_si(value: float, unit: str) -> str:
    """A quantity with an SI prefix: `show_si(0.00201, "s")` -> `2.01 ms`."""
    if value == 0 or math.isnan(value):
        return f"{value:g} {unit}"
    prefixes = {1e18: "E", 1e15: "P", 1e12: "T", 1e9: "G", 1e6: "M", 1e3: "k", 1.0: "", 1e-3: "m", 1e-6: "µ"}
    for scale, prefix in prefixes.items():
        if abs(value) >= scale:
            return f"{value / scale:.4g} {prefix}{unit}"
    return f"{value / 1e-9:.4g} n{unit}"
