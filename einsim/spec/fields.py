"""What the validated files share: the pydantic base, field types with units, and error translation."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from einsim.errors import SpecError
from einsim.spec.yamlfile import Document, Path
from einsim.units import INT64_MAX, parse_bytes, parse_count


class Record(BaseModel):
    """A frozen record of a file; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)


def _count(value: Any) -> Any:
    return parse_count(value) if isinstance(value, str) else value


def _bytes(value: Any) -> Any:
    return parse_bytes(value) if isinstance(value, (str, float)) else value


Count = Annotated[int, BeforeValidator(_count), Field(strict=True, gt=0, le=INT64_MAX)]
"""A positive integer; `16K` is 16384."""
Bytes = Annotated[int, BeforeValidator(_bytes), Field(strict=True, gt=0, le=INT64_MAX)]
"""A positive number of bytes; `16 MiB` is 16777216."""
Energy = Annotated[float, Field(ge=0)]
"""Energy of one action, pJ."""
Area = Annotated[float, Field(ge=0)]
"""Area of one instance, um^2."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_+-]*$")]
"""A name: a letter, then letters, digits, `_`, `-` or `+`."""

R = TypeVar("R", bound=Record)


def validate(kind: type[R], document: Document) -> R:
    """Builds a record from a document; the first thing wrong becomes one SpecError with its line."""
    if not isinstance(document.value, dict):
        raise SpecError(
            "the file must hold a mapping (key: value lines)", at=document.locate(()), remedy="see docs/files.md"
        )
    try:
        return kind.model_validate(document.value)
    except ValidationError as error:
        raise _spec_error(kind, document, error) from None


def _spec_error(kind: type[Record], document: Document, error: ValidationError) -> SpecError:
    problems = error.errors()
    # A misspelt key explains the key that is missing, not the other way round.
    first = min(problems, key=lambda problem: problem["type"] != "extra_forbidden")
    path: Path = tuple(part for part in first["loc"] if part != "[key]")
    name = ".".join(str(part) for part in path)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    remedy: str | None = None
    match first["type"]:
        case "extra_forbidden":
            message, remedy = f"unknown key {name!r}", _nearest_key(kind, path)
        case "missing":
            message, remedy = f"key {name!r} is missing", "add it"
        case "value_error" | "assertion_error":
            message = f"{name}: {first['ctx']['error']}" if name else str(first["ctx"]["error"])
        case _:
            given = first["input"]
            shown = f", got {given!r}" if isinstance(given, (int, float, str, bool)) or given is None else ""
            message = f"{name}: {first['msg'].lower()}{shown}"
    return SpecError(message + more, at=document.locate(path), remedy=remedy)


def _nearest_key(kind: type[Record], path: Path) -> str:
    """The nearest key to the last part of `path`, looked up in the record that it was meant for."""
    record: type[Record] | None = kind
    for part in path[:-1]:
        record = _record_below(record, part)
    if record is None:
        return "remove it"
    known = [field.alias or name for name, field in record.model_fields.items()]
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
