"""Decisions that a mapping file leaves open: what may be chosen, what was, and the file once all are made."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from pydantic import Field

from einsim.errors import Location, SpecError, suggest
from einsim.spec import library
from einsim.spec.fields import Record, validate
from einsim.spec.mapping import Choice, Mapping, Recorded
from einsim.spec.overrides import Override, merge
from einsim.spec.workload import Workload
from einsim.spec.yamlfile import Document, Identity, Path, Value, write_value
from einsim.units import INT64_MAX, parse_count

Choices = tuple[tuple[str, str | int], ...]

_SETTLED: Final = ("choices", "recorded", "published")
ABOUT: Final = ("choices", "recorded", "published", "based_on")
"""Keys of a mapping file that say how to read it: no fields of a mapping, nothing to set."""


class ChoiceTable(Record):
    """The open decisions of a mapping file and their recorded answers."""

    choices: dict[str, Choice] = Field(default_factory=dict)
    recorded: list[Recorded] = Field(default_factory=list)


@lru_cache(maxsize=256)
def table_of(key: Identity) -> ChoiceTable:
    """The choices of a document; raises SpecError where defaults or records are no possible answers."""
    document = key.document
    root = document.value if isinstance(document.value, dict) else {}
    only: Value = {name: root[name] for name in ("choices", "recorded") if name in root}
    table = validate(ChoiceTable, Document(document.source, only, document.places))
    for name, choice in table.choices.items():
        if choice.default is not None:
            check_choice(name, choice, choice.default, document.locate(("choices", name, "default")))
        for position, value in enumerate(choice.tried or ()):
            check_choice(name, choice, value, document.locate(("choices", name, "tried", position)))
    for index, entry in enumerate(table.recorded):
        _check_record(document, table, index, entry)
    return table


def _check_record(document: Document, table: ChoiceTable, index: int, entry: Recorded) -> None:
    models = {shape.name for shape in library.load_models().models}
    for position, model in enumerate(entry.models):
        if model not in models:
            at = document.locate(("recorded", index, "models", position))
            raise SpecError(f"recorded: unknown model {model!r}", at=at, remedy=suggest(model, models))
    for name, value in entry.choices.items():
        at = document.locate(("recorded", index, "choices", name))
        if name not in table.choices:
            raise SpecError(f"recorded: unknown choice {name!r}", at=at, remedy=suggest(name, table.choices))
        check_choice(name, table.choices[name], value, at)


def split_decisions(document: Document, changes: list[Override]) -> tuple[dict[str, Override], list[Override]]:
    """Overrides that decide a choice (`mapping.NAME` or `mapping.choices.NAME`), and the others."""
    names = table_of(Identity(document)).choices
    decided: dict[str, Override] = {}
    rest: list[Override] = []
    for change in changes:
        name, start = change.path[-1], change.path[0]
        if name in names and change.path in {(name,), ("choices", name)}:
            decided[name] = change
        elif start in Mapping.model_fields:
            rest.append(change)
        elif start == "choices":
            raise SpecError(f"unknown choice {name!r}", at=change.at, remedy=suggest(name, names))
        elif start in ABOUT:
            raise SpecError(f"{change.name}: {start!r} is no setting", at=change.at, remedy="set the field itself")
        else:
            raise SpecError(f"{change.name}: unknown part {start!r}", at=change.at,
                            remedy=suggest(start, {*names, *Mapping.model_fields}))  # fmt: skip
    return decided, rest


def decide(document: Document, decided: dict[str, Override], workload: Workload) -> Choices:
    """Each choice's value: the user's, else the recorded one for the model and length, else the default."""
    table = table_of(Identity(document))
    recorded: dict[str, str | int] = {}
    for entry in table.recorded:
        if workload.model in entry.models and workload.seq_len == entry.seq_len:
            recorded = entry.choices
    values: dict[str, str | int] = {}
    open_choices: list[str] = []
    for name, choice in table.choices.items():
        if name in decided:
            values[name] = check_choice(name, choice, decided[name].value, decided[name].at)
        elif name in recorded:
            values[name] = recorded[name]
        elif choice.default is not None:
            values[name] = choice.default
        else:
            open_choices.append(f"mapping.{name}={'|'.join(choice.options or ['N'])}")
    if open_choices:
        raise SpecError(
            f"this mapping leaves choices open that nothing records for {_describe(workload)}: "
            + ", ".join(open_choices),
            at=document.locate(("choices",)),
            remedy="decide each with --set, such as --set " + open_choices[0].split("|")[0],
        )
    return tuple(values.items())


def alternatives(document: Document, decided: Iterable[str], workload: Workload) -> list[dict[str, str | int]]:
    """Values that may be tried of the choices that nobody decided, the workload's record included: the sets that are
    recorded for any model, or else all combinations of what each may be. One empty set where all are decided."""
    table = table_of(Identity(document))
    done = set(decided)
    left = {name: choice for name, choice in table.choices.items() if name not in done}
    if any(workload.model in entry.models and workload.seq_len == entry.seq_len for entry in table.recorded):
        return [{}]
    if table.recorded:
        sets = [{name: value for name, value in entry.choices.items() if name in left} for entry in table.recorded]
        return [dict(each) for each in dict.fromkeys(tuple(sorted(each.items())) for each in sets)]
    values = [choice.tried or choice.options or [choice.default or 1] for choice in left.values()]
    return [dict(zip(left, each, strict=True)) for each in itertools.product(*values)]


def offered(document: Document) -> Choices:
    """Values to show where nobody chose: those recorded first, defaults, or the first options."""
    table = table_of(Identity(document))
    recorded = table.recorded[0].choices if table.recorded else {}
    return tuple(
        (name, recorded.get(name, choice.default or (choice.options[0] if choice.options else 1)))
        for name, choice in table.choices.items()
    )


def _describe(workload: Workload) -> str:
    if workload.model is None:
        return "this shape"
    return f"{workload.model} at {workload.seq_len} tokens"


def check_choice(name: str, choice: Choice, value: Value, at: Location) -> str | int:
    """The value, if the choice may have it; raises SpecError if not."""
    if choice.options is not None:
        if value not in choice.options:
            raise SpecError(
                f"{name} cannot be {write_value(value)}", at=at, remedy=f"choose {' or '.join(choice.options)}"
            )
        return str(value)
    number = as_integer(value)
    if number is None or not 0 < number <= INT64_MAX:
        raise SpecError(f"{name} must be a positive integer, not {write_value(value)}", at=at)
    return number


def as_integer(value: Value) -> int | None:
    """A count as a file or an option gives it (2048, 2K, 2e3), or None."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    try:
        return parse_count(value) if isinstance(value, (int, str)) else None
    except ValueError:
        return None


def resolve(document: Document, choices: Choices, *, published: bool) -> Document:
    """The document with every `select` replaced by the chosen case, and what `published` changes laid on."""
    if published and isinstance(document.value, dict) and document.value.get("published"):
        if not isinstance(document.value["published"], dict):
            raise SpecError("published: must be a map (key: value)", at=document.locate(("published",)))
        document = merge(document, document, ("published",))
    root = document.value
    if isinstance(root, dict):
        root = {key: part for key, part in root.items() if key not in _SETTLED}
    places: dict[Path, Location] = {}
    value = _Selection(document, dict(choices), places).settle(root, (), ())
    changed = tuple(path for path in document.changed if path in places)
    return Document(document.source, value, places, changed)


class _Selection:
    """Replaces `select` maps by their chosen cases, and notes where each value of the result stands."""

    def __init__(self, document: Document, choices: dict[str, str | int], places: dict[Path, Location]) -> None:
        self.document = document
        self.choices = choices
        self.places = places
        self.table = table_of(Identity(document)).choices

    def settle(self, value: Any, old: Path, new: Path) -> Any:
        self.places[new] = self.document.locate(old)
        if isinstance(value, list):
            return [self.settle(part, (*old, i), (*new, i)) for i, part in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if "select" not in value:
            return {key: self.settle(part, (*old, key), (*new, key)) for key, part in value.items()}
        case = self._case(value, old)
        return self.settle(value[case], (*old, case), new)

    def _case(self, value: dict[str, Any], old: Path) -> str:
        """The chosen key of a `select` map; raises SpecError for keys that can never be chosen."""
        name = value["select"]
        at = self.document.locate((*old, "select"))
        if not isinstance(name, str) or name not in self.choices:
            shown = write_value(name)
            raise SpecError(f"select: unknown choice {shown}", at=at, remedy=suggest(shown, self.choices))
        options = self.table[name].options
        for key in value:
            if options is not None and key not in {"select", *options}:
                raise SpecError(f"select {name}: {key!r} is no option of it", at=self.document.locate((*old, key)),
                                remedy=f"the cases are {', '.join(options)}; to change one, set the field in it, such "
                                f"as mapping.{'.'.join(map(str, old))}.{options[0]}")  # fmt: skip
        case = str(self.choices[name])
        if case not in value:
            raise SpecError(f"select {name}: there is no case {case!r}", at=at, remedy=f"add a key {case}:")
        return case
