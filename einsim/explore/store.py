"""What a sweep leaves behind: its table, its inputs, its figures, and a manifest that ties them together.

Every file is written beside its place and moved into it, so that a reader never sees half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from einsim import __version__
from einsim.errors import Location, SpecError
from einsim.explore.space import Space
from einsim.spec import library
from einsim.spec.yamlfile import Document

if TYPE_CHECKING:
    import polars as pl


def prepare(folder: Path) -> Path:
    """Makes the output folder; raises SpecError where that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SpecError(
            f"cannot write there: {error.strerror or error}", at=Location(str(folder)), remedy="choose another --out"
        ) from None
    return folder


def write_file(path: Path, write: Callable[[Path], None]) -> Path:
    """Writes a file through `write(temporary path)` and moves it into place; raises SpecError on a disk error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise SpecError(f"cannot be written: {error.strerror or error}", at=Location(str(path))) from None
    finally:
        with suppress(OSError):
            temporary.unlink()
    return path


def write_text(path: Path, text: str) -> Path:
    """Writes a text file."""
    return write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> Path:
    """Writes a file of any kind."""

    def write(target: Path) -> None:
        target.write_bytes(content)

    return write_file(path, write)


def write_table(folder: Path, stem: str, frame: pl.DataFrame) -> list[Path]:
    """Writes a table as Parquet and as CSV."""
    return [
        write_file(folder / f"{stem}.parquet", frame.write_parquet),
        write_file(folder / f"{stem}.csv", frame.write_csv),
    ]


def write_inputs(folder: Path, space: Space, frame: pl.DataFrame) -> dict[str, str]:
    """Copies every file that the sweep read into `inputs/`, named by content; returns name -> file.

    With a row's coordinates and its `command`, these are the exact inputs of the row.
    """
    copies: dict[str, str] = {"sweep": _copy(folder, "sweep", _source(space.document))}
    first: dict[tuple[Any, ...], Any] = {}
    structural = [field for field in ("configuration", "architecture") if field in frame.columns]
    wanted = {tuple(row) for row in frame.select(structural).unique().iter_rows()} if structural else {()}
    for point in space.points():
        key = tuple(dict(point.coordinates)[field] for field in structural)
        if key in wanted and key not in first:
            first[key] = point
        if len(first) == len(wanted):
            break
    for point in first.values():
        for kind, name, content in _files(point.design(), point.configuration, point.architecture):
            copies[f"{kind} {name}"] = _copy(folder, f"{kind}-{name}", content)
    return copies


def _files(design: Any, configuration: str, architecture: str | None) -> Iterable[tuple[str, str, bytes]]:
    mapping_path = library.find("mapping", configuration)
    while True:
        document = library.load_document(mapping_path)
        yield "mapping", mapping_path.stem, library.read(mapping_path)
        parent = document.value.get("based_on") if isinstance(document.value, dict) else None
        if not isinstance(parent, str):
            break
        mapping_path = library.find("mapping", parent, beside=mapping_path.parent)
    arch_path = library.find("architecture", architecture or design.mapping.architecture, beside=mapping_path.parent)
    yield "architecture", arch_path.stem, library.read(arch_path)
    yield "cascade", design.cascade.name, str(design.cascade).encode()


def _source(document: Document) -> bytes:
    return library.read(Path(document.source))


def _copy(folder: Path, stem: str, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()[:12]
    suffix = "cascade" if stem.startswith("cascade-") else "yaml"
    relative = Path("inputs") / f"{stem}-{digest}.{suffix}"
    write_bytes(folder / relative, content)
    return str(relative)


def write_manifest(
    folder: Path, space: Space, *, rows: int, inputs: dict[str, str], files: list[Path], seconds: float
) -> Path:
    """Writes `manifest.json`: what was asked, with which version, what is there and whether it is all."""
    manifest = {
        "sweep": space.file.name,
        "einsim": __version__,
        "points": len(space),
        "rows": rows,
        "complete": rows == len(space),
        "evaluation_s": round(seconds, 3),
        "inputs": inputs,
        "files": sorted(str(path.relative_to(folder)) for path in files),
    }
    return write_text(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")
