"""Figures of a sweep, as files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from einsim.explore.store import write_file
from einsim.report.figures import FigureKind, draw
from einsim.report.style import METADATA, saving

if TYPE_CHECKING:
    import polars as pl

FORMATS: Final = ("png", "svg")
DPI: Final = 200


def draw_files(
    kinds: Sequence[str], frame: pl.DataFrame, fields: tuple[str, ...], baseline: Mapping[str, Any] | None, folder: Path
) -> list[Path]:
    """Draws figures and writes each as PNG and SVG; returns the files. Raises SpecError on a disk error."""
    files: list[Path] = []
    for kind in kinds:
        figure = draw(FigureKind(kind), frame, axes=fields, baseline=baseline)
        for suffix in FORMATS:

            def save(target: Path, suffix: str = suffix) -> None:
                with saving(), target.open("wb") as handle:
                    figure.savefig(handle, format=suffix, dpi=DPI, metadata=METADATA[suffix])
                    handle.flush()
                    os.fsync(handle.fileno())

            files.append(write_file(folder / f"{kind}.{suffix}", save))
    return files
