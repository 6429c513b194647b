"""Where the files are: shipped architectures, mappings, cascades and models, and the user's own.

This is the only module below the store that reads files, or writes arrays; `files` may hold what they said.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import resources
from pathlib import Path, PurePath
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from einsim.cascade import Cascade, parse
from einsim.errors import Location, SpecError, suggest
from einsim.spec.family import Family, Published, PublishedModels
from einsim.spec.fields import Record, validate
from einsim.spec.files import Files, ask, held, home, kind_of
from einsim.spec.workload import ModelLibrary
from einsim.spec.yamlfile import MAX_BYTES, Document, parse_yaml
from einsim.spec.zoo import System
from einsim.units import shorten

_PACKAGE: Final = Path(str(resources.files("einsim")))
_MODELS: Final = ("models.yaml", "published.yaml", "config-fields.yaml")
_SUFFIX: Final = {"cascade": ".cascade"}
_FOLDER: Final = {
    "architecture": "arch", "mapping": "mappings", "experiment": "experiments",
    "cost table": "arch/costs", "scaling table": "arch/costs/scaling",
}  # fmt: skip


def folder(kind: str) -> Path:
    """The folder of the shipped files of a kind: inside the wheel, or in the checkout around the package."""
    if kind == "cascade":
        return _PACKAGE / "zoo"
    shipped = _PACKAGE / "share" / _FOLDER[kind]
    return shipped if shipped.is_dir() else _PACKAGE.parent / _FOLDER[kind]


def names(kind: str) -> list[str]:
    """The shipped names of a kind, sorted."""
    return sorted(_shipped(kind))


def _shipped(kind: str) -> dict[str, Path]:
    """Shipped name -> file. The cascades of the zoo's systems are called SYSTEM-VARIANT."""
    return ask(("shipped", kind), lambda: _listed(kind))


@lru_cache(maxsize=8)
def _listed(kind: str) -> dict[str, Path]:
    suffix = _SUFFIX.get(kind, ".yaml")
    found = {path.stem: path for path in folder(kind).glob(f"*{suffix}")}
    if kind == "cascade":
        found |= {f"{path.parent.name}-{path.stem}": path for path in folder(kind).glob(f"*/*{suffix}")}
    return found


def find(kind: str, name: str, *, at: Location | None = None, beside: Path | None = None) -> Path:
    """The file that `name` means: a path (as given, or beside another file), or a shipped name.

    Raises SpecError with the nearest shipped name where there is no such file.
    """
    place = None if beside is None else home() / beside
    return ask(("find", kind, name, place), lambda: _find(kind, name, at or Location(kind), beside))


def _find(kind: str, name: str, at: Location, beside: Path | None) -> Path:
    if not name or "\0" in name:
        raise SpecError(f"{name!r} names no {kind}", at=at, remedy=suggest("", names(kind)))
    is_path = "/" in name or PurePath(name).suffix != ""
    if not is_path:
        if name in names(kind):
            return _shipped(kind)[name]
        raise SpecError(
            f"unknown {kind} {shorten(name)!r}", at=at, remedy=f"{suggest(name, names(kind))} or give a file"
        )
    candidates = [Path(name)]
    if beside is not None:
        candidates.append(beside / name)
    if kind in _FOLDER:
        candidates.append(folder(kind).parent / name)
    kinds = list(map(kind_of, candidates))
    for candidate, found in zip(candidates, kinds, strict=True):
        if found == "file":
            return candidate
    if any(kinds):
        odd = "a folder" if "folder" in kinds else "neither a file nor a folder"
        raise SpecError(f"{name!r} is {odd}", at=at, remedy=f"name a file that holds the {kind}")
    shipped = names(kind)
    raise SpecError(
        f"there is no file {shorten(name)!r}", at=at, remedy=f"or name one of {', '.join(shipped)}" if shipped else None
    )


def read(path: Path, most: int = MAX_BYTES) -> bytes:
    """The bytes of a file; raises SpecError where it cannot be read or is absurdly large."""
    place = home() / path

    def get() -> bytes | str:
        try:
            if place.stat().st_size > most:
                return f"larger than {most} bytes"
            return place.read_bytes()
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"

    content = ask(("read", place), get)
    if isinstance(content, str):
        remedy = "is this the right file?" if content.startswith("larger") else None
        raise SpecError(content, at=Location(str(path)), remedy=remedy)
    return content


@contextmanager
def in_memory(kind: str, name: str, content: bytes) -> Iterator[None]:
    """Inside, the file of a kind that is called `name` holds `content`, whatever is on the disk."""
    place = Path(name)
    with held(Files(home(), {("find", kind, name, None): place, ("read", home() / place): content})):
        yield


def package_digest(without: Iterable[str]) -> str:
    """Digest of einsim's own source files, but for some folders: 32 hexadecimal digits."""
    left_out = set(without)
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*")):
        name = path.relative_to(_PACKAGE)
        if path.suffix in {".py", ".lark"} and name.parts[0] not in left_out:
            digest.update(f"{name.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def load_document(path: Path) -> Document:
    """A YAML file with the lines of its values; parsed once per content."""
    return _parse_once(read(path), show(path))


def load_cascade(
    name: str, *, at: Location | None = None, beside: Path | None = None, options: Iterable[tuple[str, str]] = ()
) -> Cascade:
    """A cascade by shipped name or file, in the form that some options choose."""
    path = find("cascade", name, at=at, beside=beside)
    return _parse_cascade_once(read(path), show(path), tuple(options))


def load_models() -> ModelLibrary:
    """The shipped model shapes."""
    return _models_once(read(_data("models.yaml")), show(_data("models.yaml")))


def models_document() -> Document:
    """The file of the shipped model shapes."""
    return load_document(_data("models.yaml"))


def model_files() -> tuple[bytes, ...]:
    """All that the shipped files say of models: equal for as long as none of them changes."""
    return ask(("models",), lambda: tuple(map(read, (*map(_data, _MODELS), *_families()))))


def _data(name: str) -> Path:
    """A shipped file of models."""
    return ask(("data", name), lambda: folder("cascade") / name)


def _families() -> list[Path]:
    """The files of the families of models."""
    return ask(("families",), lambda: sorted((folder("cascade") / "families").glob("*.yaml")))


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file; raises SpecError where it is none, or holds objects."""
    try:
        with path.open("rb") as file:  # ours, so that it is closed whatever np.load finds
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise SpecError("holds one array", at=Location(str(path)), remedy="save with np.savez(file, Q=q, ...)")
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise SpecError(f"there is no file {str(path)!r}", at=Location("--inputs")) from None
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error, MemoryError) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SpecError(f"cannot be read as .npz: {message}", at=Location(str(path)),
                        remedy="save with np.savez(file, Q=q, K=k, ...)") from None  # fmt: skip


def save_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Writes an .npz file beside its place and moves it there; raises SpecError on a disk error."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy types its keyword arguments too narrowly
        temporary.replace(path)
    except OSError as error:
        raise SpecError(f"cannot be written: {error.strerror or error}", at=Location(str(path)),
                        remedy="choose another --out") from None  # fmt: skip
    finally:
        with suppress(OSError):
            temporary.unlink()


def load_systems() -> list[System]:
    """The systems of the zoo, sorted by name."""
    return [validate(System, load_document(path)) for path in sorted(folder("cascade").glob("*/system.yaml"))]


class _Ignored(Record):
    """Fields of config files that no family needs."""

    ignored: list[str]


def load_families() -> list[Family]:
    """The families of models, sorted by name."""
    return [_family_once(read(path), show(path)) for path in _families()]


def family_document(name: str) -> Document | None:
    """The file of a family of models; None where no family has the name."""
    documents = map(load_document, _families())
    return next((each for each in documents if isinstance(each.value, dict) and each.value["name"] == name), None)


def load_ignored_fields() -> list[str]:
    """Fields of config files that change no count, whatever the family."""
    return validate(_Ignored, load_document(_data("config-fields.yaml"))).ignored


def load_onnx_rules() -> Document:
    """What nodes of ONNX graphs are."""
    return load_document(_data("onnx.yaml"))


def load_published() -> list[tuple[Published, Document]]:
    """The published models, each with its config as a document of its own."""
    path = _data("published.yaml")
    return _published_once(read(path), show(path))


@lru_cache(maxsize=4)
def _models_once(content: bytes, source: str) -> ModelLibrary:
    return validate(ModelLibrary, _parse_once(content, source))


@lru_cache(maxsize=64)
def _family_once(content: bytes, source: str) -> Family:
    return validate(Family, _parse_once(content, source))


@lru_cache(maxsize=4)
def _published_once(content: bytes, source: str) -> list[tuple[Published, Document]]:
    document = _parse_once(content, source)
    found = []
    for index, model in enumerate(validate(PublishedModels, document).models):
        start = ("models", index, "config")
        places = {path[3:]: at for path, at in document.places.items() if path[:3] == start}
        found.append((model, Document(source, dict(model.config), places)))
    return found


@lru_cache(maxsize=256)
def _parse_once(content: bytes, source: str) -> Document:
    return parse_yaml(content, source)


@lru_cache(maxsize=256)
def _parse_cascade_once(content: bytes, source: str, options: tuple[tuple[str, str], ...]) -> Cascade:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SpecError("not a text file (not UTF-8)", at=Location(source, line)) from None
    return parse(text, source, dict(options))


def show(path: Path) -> str:
    """A path as messages show it: relative where that is shorter."""
    try:
        return str(path.relative_to(home()))
    except ValueError:
        return str(path)
