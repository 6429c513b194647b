"""Config files of models: what a family reads of one, field by field, and what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from einsim.errors import Location, SpecError, suggest
from einsim.spec.expressions import expression
from einsim.spec.family import ConfigField, Family
from einsim.spec.yamlfile import Document, Path, write_value
from einsim.units import INT64_MAX, shorten

_LARGEST: Final = 10**12  # no field of any model is larger; products of a few stay far from absurd


@dataclass(frozen=True, slots=True)
class Facts:
    """What a config file says of a model: its family, every field as an integer, what was read and what was not.

    `unused` are keys that the family does not know: they are reported, never dropped in silence.
    """

    family: Family
    values: tuple[tuple[str, int], ...]
    name: str
    unused: tuple[str, ...]
    left_out: tuple[str, ...]
    at: Location


def parse_json(content: bytes, source: str) -> Document:
    """A JSON file with the lines of its top-level keys; raises SpecError where it is none, or a key stands twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise SpecError(f"field {twice!r} stands twice", at=Location(source), remedy="keep one of them")
        return made

    try:
        text = content.decode("utf-8-sig")
        value = json.loads(text, object_pairs_hook=once)
    except UnicodeDecodeError:
        raise SpecError("not a text file (not UTF-8)", at=Location(source)) from None
    except json.JSONDecodeError as error:
        raise SpecError(f"no JSON: {error.msg}", at=Location(source, error.lineno, error.colno)) from None
    except (RecursionError, ValueError) as error:
        raise SpecError(f"no JSON: {error}", at=Location(source)) from None
    if not isinstance(value, dict):
        raise SpecError("a config file must hold an object ({...})", at=Location(source, 1))
    places: dict[Path, Location] = {(): Location(source)}
    for key in value:
        found = re.search(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:", text)
        places[key,] = Location(source, text.count("\n", 0, found.start()) + 1 if found else None)
    return Document(source, value, places)


def read_facts(document: Document, families: Iterable[Family], ignored: Iterable[str], name: str) -> Facts:
    """What a config says, by the family that it names.

    Raises SpecError for a family that is unknown, a field that is missing or wrong: one message, naming the field.
    """
    config = document.value
    assert isinstance(config, dict)
    family, kind, architecture = _family(document, config, list(families))
    own = family.model_types[kind]
    values: dict[str, int] = {**family.facts, **own.facts, **own.architectures[architecture]}
    used = {"model_type", "architectures", *family.ignored, *ignored}
    for field_name, field in family.fields.items():
        if field.types is not None and kind not in field.types:
            values[field_name] = 0
            continue
        key, value = _find(config, field)
        used |= {each.partition(".")[0] for each in field.keys}
        at = _at(document, key or field.keys[0])
        values[field_name] = _value(field, key, value, values, at)
    for check in family.checks:
        if evaluate_size(check.zero, values, document.locate(()), family.name):
            key = _find(config, family.fields[check.field])[0] or family.fields[check.field].keys[0]
            raise SpecError(f"field {key!r}: {check.says}", at=_at(document, key), remedy="correct it")
    for derived, text in family.derived.items():
        values[derived] = evaluate_size(text, values, document.locate(()), f"{family.name}: {derived}")
    missing = tuple(
        what for what, text in family.left_out.items() if evaluate_size(text, values, document.locate(()), what)
    )
    unused = tuple(key for key in config if key not in used and not key.startswith("_"))
    return Facts(family, tuple(values.items()), name, unused, missing, document.locate(()))


def _family(document: Document, config: Mapping[str, Any], families: list[Family]) -> tuple[Family, str, str]:
    """The family that `model_type` names, that type, and the architecture."""
    kind, named = config.get("model_type"), config.get("architectures")
    known = {each: family for family in families for each in family.model_types}
    at = _at(document, "model_type")
    if kind is None:
        raise SpecError("field 'model_type' is missing: it names the family", at=at,
                        remedy=f"add it; known: {', '.join(sorted(known))}")  # fmt: skip
    if not isinstance(kind, str):
        raise SpecError(f"field 'model_type' must be text{_given(kind)}", at=at)
    if kind not in known:
        raise SpecError(f"field 'model_type': unknown family {shorten(kind)!r}", at=at, remedy=suggest(kind, known))
    family = known[kind]
    own = family.model_types[kind].architectures
    at = _at(document, "architectures")
    if named is None:
        return family, kind, next(iter(own))
    if not isinstance(named, list) or not named or not all(isinstance(each, str) for each in named):
        raise SpecError(f"field 'architectures' must be a list of names{_given(named)}", at=at)
    if named[0] not in own:
        raise SpecError(f"field 'architectures': unknown architecture {shorten(named[0])!r} of type {kind!r}", at=at,
                        remedy=suggest(named[0], own))  # fmt: skip
    return family, kind, named[0]


def _find(config: Mapping[str, Any], field: ConfigField) -> tuple[str | None, Any]:
    """The key that gives a field, and its value; a null counts as not there. Dots look inside objects."""
    for key in field.keys:
        value: Any = config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            return key, value
    return None, None


def _value(field: ConfigField, key: str | None, value: Any, known: Mapping[str, int], at: Location) -> int:
    """A field as an integer."""
    shown = key or field.keys[0]
    if field.kind == "absent":
        if value:
            raise SpecError(f"field {shown!r} cannot be {shorten(write_value(value))}: {field.about}", at=at,
                            remedy="such models are not read yet")  # fmt: skip
        return 0
    if key is None:
        if field.default is None:
            others = f" (or {', '.join(map(repr, field.keys[1:]))})" if field.keys[1:] else ""
            raise SpecError(f"field {shown!r}{others} is missing: {field.about}", at=at, remedy="add it")
        if field.kind == "choice":
            return field.options[field.default]
        return evaluate_size(field.default, known, at, f"the default of {shown!r}")
    if field.kind == "choice":
        if not isinstance(value, str) or value not in field.options:
            given = value if isinstance(value, str) else write_value(value)
            raise SpecError(f"field {shown!r} cannot be {shorten(given)!r}", at=at,
                            remedy=suggest(str(given), field.options))  # fmt: skip
        return field.options[value]
    if field.kind == "flag":
        if not isinstance(value, bool):
            raise SpecError(f"field {shown!r} must be true or false{_given(value)}", at=at)
        return int(value)
    if field.kind == "length":
        if not isinstance(value, (dict, list)) or not value:
            raise SpecError(f"field {shown!r} must be a list or an object that is not empty{_given(value)}", at=at)
        return len(value)
    least = 1 if field.kind == "count" else 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise SpecError(f"field {shown!r} must be an integer{_given(value)}", at=at)
    if not least <= value <= _LARGEST:
        raise SpecError(f"field {shown!r} must be between {least} and {_LARGEST}{_given(value)}", at=at)
    return value


def evaluate_size(text: str, values: Mapping[str, int], at: Location, what: str) -> int:
    """An expression of a family file as an integer; raises SpecError where it is none, or out of range."""
    value = expression(text, at).evaluate(values)
    if getattr(value, "denominator", 1) != 1:
        raise SpecError(f"{what}: {text!r} is {value}, no integer", at=at, remedy="check the fields that it is made of")
    if not 0 <= value <= INT64_MAX * INT64_MAX:
        raise SpecError(f"{what}: {text!r} is {shorten(str(value))}, which is out of range", at=at,
                        remedy="check the fields that it is made of")  # fmt: skip
    return int(value)


def _at(document: Document, key: str) -> Location:
    """Where a key of a config stands."""
    return document.places.get((key.partition(".")[0],)) or document.locate(())


def _given(value: Any) -> str:
    """What a value is, for messages."""
    if value is None or isinstance(value, (int, float, str)):
        return f", not {shorten(write_value(value))}"
    return ", not a list" if isinstance(value, list) else ", not an object" if isinstance(value, dict) else ""
