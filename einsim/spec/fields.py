"""What the validated files share: the pydantic base, field types with units, and error translation."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from einsim.errors import SpecError
from einsim.spec.yamlfile import Document, Path, write_value
from einsim.units import INT64_MAX, parse_bytes, parse_count, shorten


class Record(BaseModel):
    """A frozen record of a file; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)


def _count(value: Any) -> Any:
    return parse_count(value) if isinstance(value, str) else _whole(value)


def _bytes(value: Any) -> Any:
    return parse_bytes(value) if isinstance(value, (str, float)) else value


def _whole(value: Any) -> Any:
    """A whole number written with an exponent (1e3) is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no number")  # noqa: TRY004 - a wrong value in a file
    return value


Count = Annotated[int, BeforeValidator(_count), Field(strict=True, gt=0, le=INT64_MAX)]
"""A positive integer; `16K` is 16384."""
Delay = Annotated[int, BeforeValidator(_count), Field(strict=True, ge=0, le=1_000_000_000)]
"""Cycles that something takes, or none; a second of a GHz clock at most."""
Bytes = Annotated[int, BeforeValidator(_bytes), Field(strict=True, gt=0, le=INT64_MAX)]
"""A positive number of bytes; `16 MiB` is 16777216."""
Energy = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1e15)]
"""Energy of one action, pJ; a kilojoule at most, so that no sum of them overflows."""
Area = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1e18)]
"""Area of one instance, um^2; a square kilometre at most."""
Power = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1e15)]
"""Leakage of one instance, mW."""
Frequency = Annotated[float, BeforeValidator(_number), Field(ge=1, le=1e15)]
"""Hz."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_+-]*$")]
"""A name: a letter, then letters, digits, `_`, `-` or `+`."""

R = TypeVar("R", bound=Record)


def validate(kind: type[R], document: Document, *, more: Iterable[str] = ()) -> R:
    """Builds a record from a document; the first thing wrong becomes one SpecError with its line.

    `more` are keys that a file of this kind may have besides the record's.
    """
    if not isinstance(document.value, dict):
        raise SpecError(
            "the file must hold a mapping (key: value lines)", at=document.locate(()), remedy="see docs/files.md"
        )
    try:
        return kind.model_validate(document.value)
    except ValidationError as error:
        raise _spec_error(kind, document, error, more) from None


def _spec_error(kind: type[Record], document: Document, error: ValidationError, more_keys: Iterable[str]) -> SpecError:
    problems = [(_place(document, problem), problem) for problem in error.errors()]
    # A misspelt key explains the key that is missing, not the other way round; where a value may be of two
    # kinds, the kind that it nearly is has the deeper problem.
    path, first = min(problems, key=lambda each: (each[1]["type"] != "extra_forbidden", -len(each[0])))
    same = [problem for place, problem in problems if place == path]
    name = ".".join(str(part) for part in path)
    others = len({place for place, _ in problems} - {path[:end] for end in range(len(path) + 1)})
    more = f" (and {others} more)" if others else ""
    remedy: str | None = None
    match first["type"]:
        case "extra_forbidden":
            message, remedy = f"unknown key {name!r}", _nearest_key(kind, path, more_keys)
        case "missing":
            message, remedy = f"key {name!r} is missing", "add it"
        case "value_error" | "assertion_error":
            reason = str(first["ctx"]["error"]).replace(PLACE, name)
            message = f"{name}: {reason}" if name else reason
        case _:
            wanted = " or ".join(dict.fromkeys(_wanted(problem) for problem in same))
            message = f"{name} must be {wanted}{_given(first['input'])}"
    return SpecError(message + more, at=document.blame(path), remedy=remedy)


PLACE: Final = "<here>"
"""Stands for the dotted path of a record in the messages of its validators."""

_KINDS: Final = {
    "int": "an integer", "float": "a number", "string": "text", "bool": "true or false", "dict": "a map (key: value)",
    "model": "a map (key: value)", "list": "a list", "finite": "a finite number",
}  # fmt: skip


def _wanted(problem: Any) -> str:
    """What a value should have been, in words."""
    bounds = problem.get("ctx", {})
    match problem["type"]:
        case "greater_than":
            return f"greater than {bounds['gt']}"
        case "greater_than_equal":
            return f"at least {bounds['ge']:g}"
        case "less_than_equal":
            limit = bounds["le"]
            return "at most 2^63 - 1" if limit == INT64_MAX else f"at most {limit:g}"
        case "too_short" | "string_too_short":
            return "no empty one"
        case "string_pattern_mismatch":
            return "a name (a letter, then letters, digits, _, - or +)"
        case "enum" | "literal_error":
            return f"one of {bounds['expected']}"
    return _KINDS.get(problem["type"].partition("_")[0], "something else")


def _given(value: Any) -> str:
    if value is None or isinstance(value, (int, float, str)):
        return f", not {shorten(write_value(value))}"
    return ", not a list" if isinstance(value, list) else ", not a map" if isinstance(value, dict) else ""


def _place(document: Document, problem: Any) -> Path:
    """The path of a problem in the document, without the names of types that pydantic puts between."""
    path: list[str | int] = []
    value: Any = document.value
    for part in problem["loc"]:
        if (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            path.append(part)
            value = value[part]
    if problem["type"] in {"missing", "extra_forbidden"} and (not path or path[-1] != problem["loc"][-1]):
        path.append(problem["loc"][-1])
    return tuple(path)


def _nearest_key(kind: type[Record], path: Path, more: Iterable[str]) -> str:
    """The nearest key to the last part of `path`, looked up in the record that it was meant for."""
    record: type[Record] | None = kind
    for part in path[:-1]:
        record = _record_below(record, part)
    if record is None:
        return "remove it"
    own = (field.alias or name for name, field in record.model_fields.items())
    known = [*own, *(more if len(path) == 1 else ())]
    near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def _record_below(record: type[Record] | None, part: str | int) -> type[Record] | None:
    if record is None or not isinstance(part, str) or part not in record.model_fields:
        return record if isinstance(part, (int, str)) and record is not None else None
    return _first_record(record.model_fields[part].annotation)


def _first_record(annotation: Any) -> type[Record] | None:
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _first_record(argument)
        if found is not None:
            return found
    return None
