"""How the numbers of results come about that a search, a solver, a tool or given data decide.

Such results are not made again: what was found is a leaf, with the command that finds it; what follows from it by
arithmetic has its chain. Every kind of result has its rules, by the paths of its numbers (`*`: any word).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from einsim.errors import Location, SpecError
from einsim.model.result import Record
from einsim.model.steps import Explain, Fields, How, Step, counted, found, made, same
from einsim.spec.pricing import Origin

Rule = Callable[["Recorded", list[str], Any], Step]
"""Explains the number at a path."""


class Recorded:
    """A record with the command that made it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.command = str(record["command"])

    def fields(self, rules: dict[str, Rule]) -> Fields:
        """Every number that a rule is about."""
        own: dict[str, Explain] = {}
        split = [(pattern.split("/"), rule) for pattern, rule in rules.items()]
        for path, value in numbers(self.record):
            rule = next((rule for pattern, rule in split if _matches(pattern, path)), None)
            if rule is not None:
                own["/".join(path)] = partial(rule, self, path, value)
        return Fields(own)

    def at(self, *path: str | int) -> Any:
        """What the record has at a path; raises SpecError where it has nothing there."""
        here: Any = self.record
        try:
            for step in path:
                here = here[int(step) if isinstance(here, list) else step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise SpecError(f"the result has no {'/'.join(map(str, path))}", at=Location("explain"),
                            remedy="another version of einsim made it: make it anew") from None  # fmt: skip
        return here

    def step(self, name: str, value: Any, unit: str, what: str, *beside: Step) -> Step:
        """A number that the command found."""
        return found(name, value, unit, f"{what}; {self.command}", *beside)

    def or_found(self, step: Step, value: Any, what: str) -> Step:
        """A chain where it gives the value; else what was found, beside it."""
        return step if same(step.value, value) else self.step(step.name, value, step.unit, what, step)


def numbers(record: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[list[str], Any]]:
    """Every number of a record, nested, with its path."""
    if isinstance(record, bool):
        return
    if isinstance(record, (int, float)):
        yield list(path), record
    elif isinstance(record, (dict, list)):
        items: Iterable[tuple[Any, Any]] = record.items() if isinstance(record, dict) else enumerate(record)
        for key, value in items:
            yield from numbers(value, (*path, str(key)))


def _matches(pattern: list[str], path: list[str]) -> bool:
    return len(pattern) == len(path) and all(a in {"*", b} for a, b in zip(pattern, path, strict=True))


def as_found(unit: str, what: str) -> Rule:
    """A rule for what was found."""
    return lambda of, path, value: of.step("/".join(path), value, unit, what)


def as_given(option: str, what: str) -> Rule:
    """A rule for what an option gives."""

    def rule(_: Recorded, path: list[str], value: Any) -> Step:
        return Step(path[-1], value, "", How.GIVEN, origin=Origin(Location(option), what))

    return rule


def as_counted(unit: str, note: str) -> Rule:
    """A rule for a plain count."""
    return lambda _, path, value: counted("/".join(path), value, unit, note)


# Bindings (`einsim bind`)


def _slots(of: Recorded, path: list[str], value: Any) -> Step:
    """Slots of an array: those of the Einsums that it runs."""
    array = path[-1]
    rows = [counted(name, of.at("slots_by_array", name, array), "slots", f"of a tile on {array}")
            for name, where in of.at("assignment").items() if where == array]  # fmt: skip
    return of.or_found(made(f"slots of {array}", "slots", How.SUM, rows), value, "as the solver counts them")


def _bounds(of: Recorded) -> list[Step]:
    what = {"resource_bound": "the least load of the busiest array", "recurrence_bound": "the longest circle of tiles"}
    return [of.step(name, of.at(name), "cycles", about) for name, about in what.items()]


def _lower(of: Recorded, path: list[str], value: Any) -> Step:
    """The larger of the bounds; the solver may have proved more."""
    return of.or_found(made(path[-1], "cycles", How.GREATEST, _bounds(of)), value, "what the solver has proved")


def _interval(of: Recorded, path: list[str], value: Any) -> Step:
    least = _lower(of, ["lower_bound"], of.at("lower_bound"))
    return of.step(path[-1], value, "cycles", "cycles from tile to tile, by the solver's pipeline", least)


def _gain(of: Recorded, _: list[str], value: Any) -> Step:
    both = [of.step(name, of.at("divided", name), "cycles", "for the work of a tile")
            for name in ("undivided_cycles_per_tile", "cycles_per_tile")]  # fmt: skip
    return of.or_found(made("gain", "", How.QUOTIENT, both), value, "by the solver")


BINDING: Final[dict[str, Rule]] = {
    "sizes/*": as_given("--shape", "sizes; of ranks that are tiled, many tiles where none is given"),
    "initiation_interval": _interval,
    "planned_interval": _interval,
    "lower_bound": _lower,
    "resource_bound": lambda of, _path, _value: _bounds(of)[0],
    "recurrence_bound": lambda of, _path, _value: _bounds(of)[1],
    "heuristic_interval": as_found("cycles", "by modulo scheduling from the binding at the start"),
    "simulated_interval": as_found("cycles", "between tiles in the cycle model, with this binding"),
    "split_bound": as_found("cycles", "where Einsums could be split at will (linear programme)"),
    "slots/*": _slots,
    "slots_by_array/*/*": as_counted("slots", "points of a tile over the array's elements, times cycles a point"),
    "cycles/*/*": as_found("cycle", "in which the slot is planned"),
    "register_words/*": as_found("words", "the most in a register file at one time, by the plan"),
    "tried": as_found("", "assignments that the solver looked at"),
    "divided/gain": _gain,
    "divided/cuts/*/into/*": as_found("elements", "of the part, by the cut with the least bound"),
    "divided/cuts/*/tiles": as_found("tiles", "of the undivided cascade, in an epoch"),
    "divided/cuts/*/resource_bound": as_found("cycles", "the least load of the busiest array with this cut"),
    "divided/into/*": as_found("elements", "of the part, by the cut that is the fastest"),
    "divided/*": as_found("", "by the solver, of the cuts that were compared"),
}
"""Of `einsim bind --json`."""


# Synthesised hardware (`einsim rtl area`)

_TOOL: Final = "by synthesis with Yosys"


def _total(of: Recorded, path: list[str], value: Any) -> Step:
    part = of.at(*path[:-1])
    parts = [counted("instances", part["instances"]), of.step("area of one", part["own_area_um2"], "um^2", _TOOL)]
    return of.or_found(made(part["part"], "um^2", How.PRODUCT, parts), value, _TOOL)


def _area(of: Recorded, _: list[str], value: Any) -> Step:
    rows = [_total(of, ["parts", str(place), "total_um2"], part["total_um2"])
            for place, part in enumerate(of.at("parts")) if part["total_um2"]]  # fmt: skip
    return of.or_found(made("area_um2", "um^2", How.SUM, rows), value, _TOOL)


def _share(of: Recorded, path: list[str], value: Any) -> Step:
    if not of.at("area_um2"):
        return counted("share", value, note="of no area")
    parts = [
        _total(of, [*path[:-1], "total_um2"], of.at(*path[:-1], "total_um2")),
        _area(of, [], of.at("area_um2")),
    ]
    return made("share", "", How.QUOTIENT, parts)


def _flip_flops(of: Recorded, _: list[str], value: Any) -> Step:
    rows = [
        made(part["part"], "", How.PRODUCT, [counted("instances", part["instances"]),
                                             of.step("flip-flops of one", part["flip_flops"], "", _TOOL)])
        for part in of.at("parts") if part["flip_flops"]
    ]  # fmt: skip
    return of.or_found(made("flip_flops", "", How.SUM, rows), value, _TOOL)


def _slack(of: Recorded, path: list[str], _: Any) -> Step:
    names = {"clock_ns": as_given("--clock", "the clock's period"), "critical_ns": as_found("ns", "by static timing")}
    parts = [rule(of, [*path[:-1], name], of.at(*path[:-1], name)) for name, rule in names.items()]
    return made("slack_ns", "ns", How.DIFFERENCE, parts)


HARDWARE: Final[dict[str, Rule]] = {
    "area_um2": _area,
    "flip_flops": _flip_flops,
    "rows": as_given("--rows", "rows of the array, the design's own where none are given"),
    "columns": as_given("--columns", "columns of the array, the design's own where none are given"),
    "parts/*/total_um2": _total,
    "parts/*/share": _share,
    "parts/*/own_area_um2": as_found("um^2", f"cells of one instance, without what is in it, {_TOOL}"),
    "parts/*/instances": as_counted("", "in the generated hardware, at these rows and columns"),
    "parts/*/flip_flops": as_found("", f"of one instance, {_TOOL}"),
    "parts/*/cells/*": as_found("cells", f"of one instance, {_TOOL}"),
    "blocks/*/instances": as_counted("", "in an array of these rows and columns"),
    "blocks/*/area_um2": as_found("um^2", f"of one with all that is in it, {_TOOL}"),
    "blocks/*/flip_flops": as_found("", f"of one with all that is in it, {_TOOL}"),
    "timing/*/clock_ns": as_given("--clock", "the clock's period"),
    "timing/*/critical_ns": as_found("ns", "the longest path, by static timing"),
    "timing/*/slack_ns": _slack,
    "timing/clock_ns": as_given("--clock", "the clock's period"),
    "timing/critical_ns": as_found("ns", "the longest path, by static timing"),
    "timing/slack_ns": _slack,
    "overrides/arrays/*/registers/area_um2": as_found("um^2", f"of an element or lane without its units, {_TOOL}"),
    "overrides/arrays/*/operations/*/area_um2": as_found("um^2", f"of the unit, 0 where another one's has it, {_TOOL}"),
}
"""Of `einsim rtl area --json`."""


# Tensors (`einsim evaluate`)

TENSORS: Final[dict[str, Rule]] = {
    "tensors/*/shape/*": as_counted("", "elements along a rank: of the arrays that are given, and --sizes"),
    "tensors/*/least": as_found("", "the least finite element, in double precision"),
    "tensors/*/greatest": as_found("", "the greatest finite element, in double precision"),
}
"""Of `einsim evaluate --json`."""


# Bounds (`einsim bound`)


def _compulsory(of: Recorded, path: list[str], value: Any) -> Step:
    word, batch = of.at("word_bytes"), of.at("batch")
    words = counted(
        "words", value // (word * batch), "words", "every input that is surely read once, every output once"
    )
    parts = [words, _given(of, "batch"), _given(of, "word_bytes")]
    return made("compulsory_bytes", "B", How.PRODUCT, parts)


def _given(of: Recorded, name: str) -> Step:
    return as_given(f"--{name.replace('_', '-')}", "an option, or its default")(of, [name], of.at(name))


def _curve(of: Recorded, path: list[str], value: Any) -> Step:
    """What is moved once, and what passes bring again."""
    compulsory = of.at(*path[:-2], "compulsory_bytes")
    buffer = of.at("capacities_bytes")[int(path[-1])]
    again = f"what passes move again with a buffer of {buffer:,} bytes, by minimum cuts (docs/passes.md)"
    parts = [_compulsory(of, [*path[:-2], "compulsory_bytes"], compulsory),
             of.step("again", value - compulsory, "B", again)]  # fmt: skip
    return made("traffic_bytes", "B", How.SUM, parts)


CURVES: Final[dict[str, Rule]] = {
    "word_bytes": lambda of, _path, _value: _given(of, "word_bytes"),
    "batch": lambda of, _path, _value: _given(of, "batch"),
    "capacities_bytes/*": as_counted("B", "a point of every curve: powers of two from 1 KiB to 1 GiB"),
    "cascades/*/passes": as_counted("", "over the sequence (einsim passes says why)"),
    "cascades/*/sizes/*": as_given("--sizes", "sizes of the ranks"),
    "cascades/*/compulsory_bytes": _compulsory,
    "cascades/*/traffic_bytes/*": _curve,
}
"""Of `einsim bound --json`."""


# Searches for a mapping (`einsim map`), beside the mapping's own numbers

_BOUND: Final = "no mapping has less, by the search's bounds (docs/mapper.md)"


def _gap(value: str) -> Rule:
    """How much less than a value the bound is."""

    def rule(of: Recorded, path: list[str], _: Any) -> Step:
        least = of.step("lower_bound", of.at("lower_bound"), of.at("unit"), _BOUND)
        known = of.step(value, of.record[value], of.at("unit"), "of the mapping")
        part = made("the bound's part of the value", "", How.QUOTIENT, [least, known])
        rest = made("what is left", "", How.DIFFERENCE, [counted("all", 1.0), part])
        return made(path[-1], "", How.GREATEST, [counted("none", 0.0), rest])

    return rule


def _compared(of: Recorded, path: list[str], value: Any) -> Step:
    model = "the cycle model" if path[-1] == "cycle_value" else "the closed form"
    what = f"{of.record['objective']} of {of.at(*path[:-1], 'name')} by {model}"
    return of.step(path[-1], value, of.at("unit"), what)


SEARCH: Final[dict[str, Rule]] = {
    "lower_bound": as_found("", _BOUND),
    "gap": _gap("value"),
    "cycle_gap": _gap("cycle_value"),
    "closed_form_best": as_found("", "the least of any mapping that was looked at, by the closed form"),
    "candidates/*/value": _compared,
    "candidates/*/cycle_value": _compared,
    "designs": as_found("", "designs that the search evaluated"),
    "plans": as_found("", "plans that the search made"),
    "runs": as_found("", "designs that the search ran in the cycle model"),
    "seconds": as_found("s", "that the search took"),
}
"""Of `einsim map --json`."""
