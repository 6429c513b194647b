"""YAML as einsim reads it: plain data only, every value with the line it came from.

Python tags, duplicate keys, merge keys, binary files, huge files and alias bombs are refused with a
message that names the file and the line.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from einsim.errors import Location, SpecError
from einsim.units import shorten

Path = tuple[str | int, ...]
Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]

MAX_BYTES: Final = 1 << 20
MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 40
_PLAIN: Final = ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
_PLAIN_TAGS: Final = {f"tag:yaml.org,2002:{name}" for name in _PLAIN}
_EXPONENT: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+")  # YAML 1.1 wants 1.0e+11 and takes 1e11 as text
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*[_./-][A-Za-z0-9_./-]*|\d+ ?[KMGT]i?B?")  # text in any YAML
_OCTAL: Final = re.compile(r"[-+]?0[0-9_]+")


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document: its data, and where each part of it stands.

    `places` maps the path of a value (keys and indices from the root) to where it was written: a line of
    the file, a line of a file it is based on, or a `--set` option; `changed` are the paths that options
    and axes set.
    """

    source: str
    value: Value
    places: dict[Path, Location] = field(default_factory=dict, compare=False, repr=False)
    changed: tuple[Path, ...] = field(default=(), compare=False, repr=False)

    def locate(self, path: Path) -> Location:
        """Where `path` stands, or the nearest enclosing value that is in the text."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return Location(self.source)

    def blame(self, path: Path) -> Location:
        """Where to look for what is wrong at `path`: at the last change to it or below it, if there is one."""
        below = [change for change in self.changed if change[: len(path)] == path and change in self.places]
        return self.places[below[-1]] if below else self.locate(path)


@dataclass(frozen=True, slots=True)
class Identity:
    """A document as a key of a cache: the very object, which the key keeps alive."""

    document: Document

    def __hash__(self) -> int:
        return id(self.document)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.document is other.document


def parse_yaml(text: str | bytes, source: str) -> Document:
    """Reads one document; raises SpecError with file, line and remedy on anything but plain data."""
    document = _read(text, source)
    if document.value is None:
        raise SpecError("the file is empty", at=Location(source), remedy="write a YAML mapping in it")
    return document


def parse_value(text: str, at: Location) -> Value:
    """Reads the value of an option, `null` too; raises SpecError that names the option."""
    try:
        return _read(text, str(at)).value
    except SpecError as error:
        raise SpecError(error.message, at=at, remedy=error.remedy) from None


def write_value(value: Any) -> str:
    """A value on one line, so that `parse_value` reads the same again; simple words and numbers as they are."""
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, str) and "\n" in value:
        return json.dumps(value)
    if isinstance(value, int) or (isinstance(value, str) and _WORD.fullmatch(value)):
        return str(value).lower() if isinstance(value, bool) else str(value)
    shown = yaml.dump(
        value, Dumper=_Writer, default_flow_style=True, width=math.inf, allow_unicode=True, sort_keys=False
    )
    return shown.removesuffix("\n").removesuffix("\n...")


class _Writer(yaml.SafeDumper):
    """Quotes text that we would read as a number although YAML 1.1 would not."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """A string, quoted where it has to be."""
        style = '"' if _EXPONENT.fullmatch(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Writer.add_representer(str, _Writer.represent_str)


def _read(text: str | bytes, source: str) -> Document:
    content = _decode(text if isinstance(text, bytes) else text.encode(), source)
    try:
        node = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _syntax_error(error, source) from None
    except RecursionError:
        raise SpecError("nested too deeply", at=Location(source), remedy="flatten the file") from None
    reader = _Reader(source)
    value = None if node is None else reader.read(node, (), 0)
    return Document(source, value, reader.places)


def _decode(content: bytes, source: str) -> str:
    if len(content) > MAX_BYTES:
        raise SpecError(f"larger than {MAX_BYTES} bytes", at=Location(source), remedy="is this the right file?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SpecError("not a text file (not UTF-8)", at=Location(source, line)) from None
    for number, line_text in enumerate(text.splitlines(), start=1):
        if "\0" in line_text:
            raise SpecError("not a text file (it holds NUL bytes)", at=Location(source, number))
    return text


def _syntax_error(error: yaml.YAMLError, source: str) -> SpecError:
    mark = getattr(error, "problem_mark", None)
    place = Location(source, mark.line + 1, mark.column + 1) if mark else Location(source)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    if isinstance(error, yaml.composer.ComposerError) and "single document" in str(error):
        problem = "holds more than one document"
    return SpecError(f"not valid YAML: {problem}", at=place, remedy="check indentation, colons and quotes")


class _Reader:
    """Turns composed nodes into plain values, noting lines and counting what aliases expand to."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.places: dict[Path, Location] = {}
        self.count = 0

    def at(self, node: yaml.Node) -> Location:
        return Location(self.source, node.start_mark.line + 1, node.start_mark.column + 1)

    def read(self, node: yaml.Node, path: Path, depth: int) -> Value:
        self.count += 1
        if self.count > MAX_NODES:
            raise SpecError(
                f"expands to more than {MAX_NODES} values", at=self.at(node), remedy="remove the repeated aliases (*)"
            )
        if depth > MAX_DEPTH:
            raise SpecError(f"nested deeper than {MAX_DEPTH} levels", at=self.at(node), remedy="flatten the file")
        if node.tag not in _PLAIN_TAGS and node.tag != "tag:yaml.org,2002:merge":
            raise SpecError(
                f"tag {node.tag!r} is not allowed", at=self.at(node), remedy="use plain maps, lists, text and numbers"
            )
        self.places.setdefault(path, self.at(node))
        if isinstance(node, yaml.MappingNode):
            return dict(self._items(node, path, depth))
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*path, index), depth + 1) for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node)

    def _items(self, node: yaml.MappingNode, path: Path, depth: int) -> Iterator[tuple[str, Value]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key in seen:
                raise SpecError(
                    f"key {key!r} stands twice", at=self.at(key_node), remedy=f"it is already on line {seen[key]}"
                )
            seen[key] = key_node.start_mark.line + 1
            self.places[(*path, key)] = self.at(key_node)
            yield key, self.read(value_node, (*path, key), depth + 1)

    def _key(self, node: yaml.Node) -> str:
        if node.tag == "tag:yaml.org,2002:merge":
            raise SpecError("merge keys (<<) are not supported", at=self.at(node), remedy="write the keys out")
        if not isinstance(node, yaml.ScalarNode):
            raise SpecError("a key must be text", at=self.at(node))
        if node.tag not in {"tag:yaml.org,2002:str", "tag:yaml.org,2002:int"}:
            raise SpecError(f"key {node.value!r} is read as no text", at=self.at(node), remedy="put it in quotes")
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode) -> Value:
        text = str(node.value)
        if node.style is None and node.tag.endswith((":int", ":float")):
            self._plain_number(node, text)
        try:
            value = _SCALARS.construct_object(node, deep=True)
        except (ValueError, yaml.YAMLError):
            raise SpecError(
                f"{shorten(text)!r} {'has too many digits' if node.tag.endswith(':int') else 'cannot be read'}",
                at=self.at(node),
            ) from None
        if isinstance(value, str) and node.style is None and _EXPONENT.fullmatch(value):
            value = float(value)
        if isinstance(value, float) and math.isinf(value) and "inf" not in text.lower():
            raise SpecError(f"{text} is larger than any number", at=self.at(node), remedy="give a finite number")
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        return text

    def _plain_number(self, node: yaml.ScalarNode, text: str) -> None:
        """Raises SpecError for numbers that YAML 1.1 reads in a way that nobody means: 017 is 15, 1:30 is 90."""
        if ":" in text or _OCTAL.fullmatch(text):
            kind = "a sexagesimal number" if ":" in text else "an octal number"
            raise SpecError(f"{text} is {kind} in YAML", at=self.at(node),
                            remedy="write it in decimal, or in quotes if it is text")  # fmt: skip


_SCALARS: Final = yaml.SafeLoader("")
