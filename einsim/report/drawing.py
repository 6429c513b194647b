"""Figures of a sweep, as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from einsim.explore.store import write_file

if TYPE_CHECKING:
    import polars as pl

FORMATS: Final = ("png", "svg")


def draw_files(
    kinds: Sequence[str], frame: pl.DataFrame, fields: tuple[str, ...], baseline: Mapping[str, Any] | None, folder: Path
) -> list[Path]:
    """Draws figures and writes each as PNG and SVG; returns the files. Raises SpecError on a disk error."""
    raise SystemExit
