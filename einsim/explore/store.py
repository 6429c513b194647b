"""What a sweep leaves behind: its table, its inputs, its figures, and a manifest that ties them together.

Files are written to a hidden folder inside the output folder and moved to their places when all are there, the
manifest last, so that nobody sees half of a result; where something fails, nothing is left of the attempt.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from einsim import __version__
from einsim.errors import Location, SpecError
from einsim.explore.point import Point
from einsim.explore.space import Space
from einsim.spec import library
from einsim.spec.configuration import stand_ins
from einsim.spec.inherit import ancestry
from einsim.spec.yamlfile import Document

if TYPE_CHECKING:
    import polars as pl

_HIDDEN: Final = ".einsim-"
MANIFEST: Final = "manifest.json"
"""The file that says what is there."""
POINTS: Final = "points"
"""The table of a search's points, and how those of points behind other tables end."""


@contextmanager
def output(folder: Path) -> Iterator[Path]:
    """A hidden folder to write into; what is in it at the end takes its place in `folder`, after an error nothing does.

    Files that the manifest of an earlier sweep lists there are removed. Raises SpecError where the folder cannot
    be written.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stage = Path(tempfile.mkdtemp(prefix=_HIDDEN, dir=folder))
        except OSError as error:
            raise _unwritable(folder, error) from None
        try:
            yield stage
            _commit(stage, folder)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except BaseException:
        for each in missing:
            if each.is_dir() and not any(each.iterdir()):
                each.rmdir()
        raise


def check_output(folder: Path) -> None:
    """Raises SpecError where something is in the way of results."""
    for each in (folder, folder / "inputs"):
        if each.exists() and not each.is_dir():
            raise SpecError("cannot write there: it is a file", at=Location(str(each)), remedy="choose another --out")


def _commit(stage: Path, folder: Path) -> None:
    """Moves all files to their places, the manifest last, and removes those of an earlier sweep."""
    names = sorted((path.relative_to(stage) for path in stage.rglob("*") if path.is_file()),
                   key=lambda name: name == Path(MANIFEST))  # fmt: skip
    stale = _listed(folder) - set(names)
    try:
        for name in names:
            if (folder / name).is_dir():
                raise IsADirectoryError(None, f"{name} is a folder")
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (stage / name).replace(folder / name)
        for name in stale:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _listed(folder: Path) -> set[Path]:
    """Files of an earlier sweep, as its manifest lists them."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        names = {Path(name) for name in [*manifest["files"], *manifest["inputs"].values()]}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return set()
    return {name for name in names if not name.is_absolute() and ".." not in name.parts and (folder / name).is_file()}


def _unwritable(path: Path, error: OSError) -> SpecError:
    return SpecError(f"cannot write there: {error.strerror or error}", at=Location(str(path)),
                     remedy="choose another --out or make room")  # fmt: skip


def write_file(path: Path, write: Callable[[Path], None]) -> Path:
    """Writes a file through `write(path)`; raises SpecError on a disk error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
    except OSError as error:
        shown = Path(*(part for part in path.parts if not part.startswith(_HIDDEN)))
        raise _unwritable(shown, error) from None
    return path


def remove(path: Path) -> None:
    """Removes a file that may be there."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


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


def write_points(folder: Path, stem: str, frame: pl.DataFrame, workloads: int) -> list[Path]:
    """Writes the points that a table's rows of designs are means of, each with its design."""
    import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables

    numbered = frame.select("index", (pl.col("index") // workloads).alias("design"), pl.exclude("index"))
    return write_table(folder, f"{stem}_{POINTS}" if stem else POINTS, numbered)


def write_inputs(folder: Path, space: Space[Any], frame: pl.DataFrame) -> dict[str, str]:
    """Copies every file that the sweep read into `inputs/`, named by content; returns name -> file.

    With a row's coordinates and its `command`, these are the exact inputs of the row.
    """
    copies: dict[str, str] = {"sweep": _copy(folder, "sweep", _source(space.document))}
    structural = [
        field
        for field in frame.columns
        if field in {"configuration", "architecture"} or (field.startswith("arch.") and ".costs" in field)
    ]
    rows = (
        frame.select(*structural, "index").group_by(structural).min()["index"].sort()
        if structural
        else frame["index"].head(1)
    )
    for point in (space.point(index) for index in rows):
        for kind, name, content in _files(point.design(), point.configuration.value, point.architecture.value):
            copies[f"{kind} {name}"] = _copy(folder, f"{kind}-{name}", content)
        for mapping in _mappings(point):
            for kind, name, content in _files(point.design(), mapping, point.architecture.value):
                if kind == "mapping":
                    copies[f"{kind} {name}"] = _copy(folder, f"{kind}-{name}", content)
    return copies


def _mappings(point: Point) -> list[str]:
    """Mappings of a whole model's kernels beside attention."""
    if point.lengths is None:
        return []
    instead = stand_ins(point.configuration.value)
    named = dict.fromkeys(kernel.mapping for kernel in point.plan().kernels if kernel.mapping is not None)
    return [instead.get(name, name) for name in named]


def _files(design: Any, configuration: str, architecture: str | None) -> Iterable[tuple[str, str, bytes]]:
    mapping_path = library.find("mapping", configuration)
    arch_path = library.find("architecture", architecture or design.mapping.architecture, beside=mapping_path.parent)
    for kind, first in (("mapping", mapping_path), ("architecture", arch_path)):
        for path in ancestry(kind, first):
            yield kind, path.stem, library.read(path)
    for name in design.architecture.pricing.files:
        yield "costs", Path(name).name, library.read(Path(name))
    yield "cascade", design.cascade.name, str(design.cascade).encode()


def _source(document: Document) -> bytes:
    return library.read(Path(document.source))


def _copy(folder: Path, stem: str, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()[:12]
    suffix = ".cascade" if stem.startswith("cascade-") else Path(stem).suffix or ".yaml"
    relative = Path("inputs") / f"{stem.removesuffix(suffix)}-{digest}{suffix}"
    write_bytes(folder / relative, content)
    return str(relative)


def write_manifest(
    folder: Path, space: Space[Any], *, rows: int, inputs: dict[str, str], files: list[Path], seconds: float
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
    return write_text(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")
