"""Figures as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from einsim.errors import Location, SpecError
from einsim.explore.store import write_file
from einsim.report.figures import FigureKind, draw
from einsim.report.frontplot import draw_latency_front
from einsim.report.style import METADATA, saving

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

FORMATS: Final = ("png", "svg")
DPI: Final = 150


def draw_files(
    kinds: Sequence[str], frame: pl.DataFrame, fields: tuple[str, ...], baseline: Mapping[str, Any] | None, folder: Path
) -> list[Path]:
    """Draws figures and writes each as PNG and SVG; returns the files. Raises SpecError on a disk error."""
    files: list[Path] = []
    for kind in kinds:
        if kind in set(FigureKind):
            files += save_figure(draw(FigureKind(kind), frame, axes=fields, baseline=baseline), kind, folder)
        else:
            files += save_figure(draw_latency_front(frame), kind, folder)
    return files


def save_figure(figure: Figure, name: str, folder: Path) -> list[Path]:
    """Writes a figure as PNG and SVG; returns the files. Raises SpecError on a disk error."""
    return [write_file(folder / f"{name}.{suffix}", partial(_save, figure, suffix)) for suffix in FORMATS]


def save_as(figure: Figure, path: Path, option: str) -> None:
    """Writes a figure in the format that its file's name says; raises SpecError, naming the option, for another."""
    _save(figure, format_of(path, option), path)


def format_of(path: Path, option: str) -> str:
    """The format that a figure's file is named for; raises SpecError, naming the option, where there is none."""
    suffix = path.suffix.lstrip(".").lower()
    if suffix not in METADATA:
        raise SpecError(f"no format {path.suffix!r}", at=Location(option), remedy="end the name in .svg, .png or .pdf")
    return suffix


def _save(figure: Figure, suffix: str, target: Path) -> None:
    with saving():
        figure.savefig(target, format=suffix, dpi=DPI, metadata=METADATA[suffix])
