"""YAML as einsim reads it: plain data only, every value with the line it came from.

Python tags, duplicate keys, merge keys, binary files, huge files and alias bombs are refused with a
message that names the file and the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

from einsim.errors import Location, SpecError

Path = tuple[str | int, ...]
Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]

MAX_BYTES: Final = 1 << 20
MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 40
_PLAIN: Final = ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
_PLAIN_TAGS: Final = {f"tag:yaml.org,2002:{name}" for name in _PLAIN}


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document: its data, and where each part of it stands.

    `places` maps the path of a value (keys and indices from the root) to where it was written: a line of
    the file, a line of a file it is based on, or a `--set` option.
    """

    source: str
    value: Value
    places: dict[Path, Location] = field(default_factory=dict, compare=False, repr=False)

    def locate(self, path: Path) -> Location:
        """Where `path` stands, or the nearest enclosing value that is in the text."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return Location(self.source)


def parse_yaml(text: str | bytes, source: str) -> Document:
    """Reads one document; raises SpecError with file, line and remedy on anything but plain data."""
    content = _decode(text if isinstance(text, bytes) else text.encode(), source)
    try:
        node = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _syntax_error(error, source) from None
    except RecursionError:
        raise SpecError("nested too deeply", at=Location(source), remedy="flatten the file") from None
    reader = _Reader(source)
    value = None if node is None else reader.read(node, (), 0)
    if value is None:
        raise SpecError("the file is empty", at=Location(source), remedy="write a YAML mapping in it")
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

    def _scalar(self, node: yaml.Node) -> Value:
        try:
            value = _SCALARS.construct_object(node, deep=True)
        except (ValueError, yaml.YAMLError):
            raise SpecError(f"{node.value!r} is no {node.tag.rpartition(':')[2]}", at=self.at(node)) from None
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        return str(node.value)


_SCALARS: Final = yaml.SafeLoader("")
