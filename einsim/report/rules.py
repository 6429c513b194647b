"""How the numbers of each command's results come about where a search, a solver, a tool or given data decide them."""

from __future__ import annotations

from typing import Any, Final

from einsim.model.steps import How, Step, counted, made
from einsim.report.recorded import Recorded, Rule, as_counted, as_found, as_given

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


# Passes, and cascades that need fewer (`einsim passes`, `einsim derive`)


def _passes(of: Recorded, path: list[str], value: Any) -> Step:
    """One, and one more for every Einsum that has to wait for a whole sequence of what is read again."""
    waits = [counted("one more", 1, note=reason) for reason in of.at(*path[:-1], "witness")]
    first = counted("the first", 1, note="everything is read once")
    return of.or_found(made("passes", "", How.SUM, [first, *waits]), value, "the longest chain of waits")


_PASS: Final = as_counted("", "a pass over the sequence; the witness says what each waits for")
PASSES: Final[dict[str, Rule]] = {
    "passes": _passes,
    "streams/*/passes": _passes,
    "streams/*/einsums/*/pass": _PASS,
    **{f"{where}{what}": _PASS for where in ("", "streams/*/")
       for what in ("footprint/*/made_in", "footprint/*/read_in/*", "inputs_read_again/*/*")},
}  # fmt: skip
"""Of `einsim passes --json`."""

_DRAWS: Final = "from the original, on random tensors, large and small"
DERIVED: Final[dict[str, Rule]] = {
    "passes_before": as_counted("", "of the cascade as it is written (einsim passes says why)"),
    "passes_after": as_counted("", "of the cascade that was found (einsim passes says why)"),
    "looked_at": as_found("", "cascades that the search looked at"),
    "alternatives/*/passes": as_counted("", "of this cascade (einsim passes says why)"),
    "alternatives/*/operations_at_typical_sizes": as_counted("", "`operations` at typical sizes"),
    "alternatives/*/held_at_typical_sizes": as_counted("words", "that stay alive from pass to pass, at typical sizes"),
    **{f"{where}compared/{what}": as_found("", about) for where in ("", "alternatives/*/")
       for what, about in (("draws", "random draws"), ("largest_relative_difference", _DRAWS))},
}  # fmt: skip
"""Of `einsim derive --json`."""


# Hardware beside its model (`einsim rtl test`)


def _all_runs(unit: str) -> Rule:
    """A rule for what runs add up to."""

    def rule(of: Recorded, path: list[str], value: Any) -> Step:
        rows = [of.step(f"seed {run['seed']}", run[path[-1]], unit, "of one run") for run in of.at("runs")]
        return of.or_found(made(path[-1], unit, How.SUM, rows), value, "of all runs")

    return rule


def _mean_of_runs(of: Recorded, path: list[str], value: Any) -> Step:
    rows = [of.step(f"seed {run['seed']}", run[path[-1]], "", "busy slots of one run over its cycles, by the hardware")
            for run in of.at("runs")]  # fmt: skip
    both = [made("sum", "", How.SUM, rows), counted("runs", len(rows))]
    return of.or_found(made(path[-1], "", How.QUOTIENT, both), value, "the mean of all runs")


_COMPARED: Final = {
    "bits_compared": ("bits", "of results, the hardware's beside the golden arithmetic's"),
    "bit_mismatches": ("bits", "that differ from the golden arithmetic's"),
    "cycles_rtl": ("cycles", "that the hardware takes in the simulator"),
    "cycles_model": ("cycles", "that the cycle model foretells"),
    "events_compared": ("events", "issues on every resource, with their cycles"),
    "event_mismatches": ("events", "in another cycle than foretold"),
}
TESTED: Final[dict[str, Rule]] = {
    "rows": as_given("--set arch", "rows of the array, by the design's files and options"),
    "columns": as_given("--set arch", "columns of the array, by the design's files and options"),
    "sizes/*": as_given("--shape", "sizes of the ranks"),
    "runs/*/seed": as_given("--seed", "of random inputs and back-pressure"),
    "runs/*/sizes/*": as_given("--shape", "sizes of the ranks"),
    **{name: _all_runs(unit) for name, (unit, _) in _COMPARED.items()},
    **{f"runs/*/{name}": as_found(unit, about) for name, (unit, about) in _COMPARED.items()},
    **dict.fromkeys(("util_2d", "util_1d"), _mean_of_runs),
    **{f"runs/*/{name}": as_found("", "busy slots over cycles, by the hardware") for name in ("util_2d", "util_1d")},
}
"""Of `einsim rtl test --json`."""
