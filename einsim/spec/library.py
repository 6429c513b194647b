"""Where the files are: shipped architectures, mappings, cascades and models, and the user's own.

This is the only module below the command line that reads files.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path, PurePath
from typing import Final

from einsim.cascade import Cascade, parse
from einsim.errors import Location, SpecError, suggest
from einsim.spec.fields import validate
from einsim.spec.workload import ModelLibrary
from einsim.spec.yamlfile import MAX_BYTES, Document, parse_yaml
from einsim.units import shorten

_PACKAGE: Final = Path(str(resources.files("einsim")))
_SUFFIX: Final = {"cascade": ".cascade", "architecture": ".yaml", "mapping": ".yaml", "experiment": ".yaml"}
_FOLDER: Final = {"architecture": "arch", "mapping": "mappings", "experiment": "experiments"}


def folder(kind: str) -> Path:
    """The folder of the shipped files of a kind: inside the wheel, or in the checkout around the package."""
    if kind == "cascade":
        return _PACKAGE / "zoo"
    shipped = _PACKAGE / "share" / _FOLDER[kind]
    return shipped if shipped.is_dir() else _PACKAGE.parent / _FOLDER[kind]


def names(kind: str) -> list[str]:
    """The shipped names of a kind, sorted."""
    return sorted(path.stem for path in folder(kind).glob(f"*{_SUFFIX[kind]}"))


def find(kind: str, name: str, *, at: Location | None = None, beside: Path | None = None) -> Path:
    """The file that `name` means: a path (as given, or beside another file), or a shipped name.

    Raises SpecError with the nearest shipped name where there is no such file.
    """
    at = at or Location(kind)
    if not name or "\0" in name:
        raise SpecError(f"{name!r} names no {kind}", at=at, remedy=f"known: {', '.join(names(kind))}")
    is_path = "/" in name or PurePath(name).suffix != ""
    if not is_path:
        if name in names(kind):
            return folder(kind) / f"{name}{_SUFFIX[kind]}"
        raise SpecError(
            f"unknown {kind} {shorten(name)!r}", at=at, remedy=f"{suggest(name, names(kind))} or give a file"
        )
    candidates = [Path(name)]
    if beside is not None:
        candidates.append(beside / name)
    if kind in _FOLDER:
        candidates.append(folder(kind).parent / name)
    odd = None
    for candidate in candidates:
        try:
            if candidate.is_file():
                return candidate
            if candidate.exists():
                odd = "a folder" if candidate.is_dir() else "neither a file nor a folder"
        except OSError:  # a name that no file can have
            continue
    if odd is not None:
        raise SpecError(f"{name!r} is {odd}", at=at, remedy=f"name a file that holds the {kind}")
    shipped = names(kind)
    raise SpecError(
        f"there is no file {shorten(name)!r}", at=at, remedy=f"or name one of {', '.join(shipped)}" if shipped else None
    )


def read(path: Path) -> bytes:
    """The bytes of a file; raises SpecError where it cannot be read or is absurdly large."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpecError(f"larger than {MAX_BYTES} bytes", at=Location(str(path)), remedy="is this the right file?")
        return path.read_bytes()
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror or error}", at=Location(str(path))) from None


def load_document(path: Path) -> Document:
    """A YAML file with the lines of its values; parsed once per content."""
    return _parse_once(read(path), _show(path))


def load_cascade(name: str, *, at: Location | None = None, beside: Path | None = None) -> Cascade:
    """A cascade by shipped name or file."""
    path = find("cascade", name, at=at, beside=beside)
    return _parse_cascade_once(read(path), _show(path))


@lru_cache(maxsize=1)
def load_models() -> ModelLibrary:
    """The shipped model shapes."""
    return validate(ModelLibrary, load_document(_PACKAGE / "zoo" / "models.yaml"))


@lru_cache(maxsize=64)
def _parse_once(content: bytes, source: str) -> Document:
    return parse_yaml(content, source)


@lru_cache(maxsize=256)
def _parse_cascade_once(content: bytes, source: str) -> Cascade:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SpecError("not a text file (not UTF-8)", at=Location(source, line)) from None
    return parse(text, source)


def _show(path: Path) -> str:
    """A path as messages show it: relative where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
