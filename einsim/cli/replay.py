"""Saved results made again from the commands that they carry: their numbers, each with what explains it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final

from cyclopts import CycloptsError

from einsim.cli.app import application
from einsim.cli.common import PLAIN, DesignOptions
from einsim.cli.whole import ALONE, WholeOptions, sole_design
from einsim.errors import InfeasibleError, Location, SpecError
from einsim.explore import tables
from einsim.model.closed_form import evaluate
from einsim.model.cycle.evaluation import Simulation, simulate_design
from einsim.model.cycle.explain import simulation_fields, whole_simulation_fields
from einsim.model.cycle.result import cycle_metrics, simulation_record
from einsim.model.cycle.whole import simulate_whole, whole_metrics
from einsim.model.explain import Explanation
from einsim.model.result import METRICS, Record, to_record
from einsim.model.steps import Explain, Fields, How, Step, counted, found, made, named
from einsim.model.whole import WholeRun
from einsim.model.wholeexplain import whole_fields
from einsim.model.wholeresult import run_totals
from einsim.schedule.pipeline.timing import IDEAL, Timing
from einsim.spec.pricing import Origin

_ABOUT: Final = ("configuration", "cascade", "architecture", "model", "seq_len", "sizes", "accounting")
RATIOS: Final = {"speedup": ("latency_s", "s"), "energy_ratio": ("energy_pj", "pJ")}
"""Numbers of a row beside those of its baseline."""
_SIMULATED: Final = "simulated/"
_AGAIN: Final = "make it anew with this version of einsim, with --json or in a sweep"
_ASIDE: Final = frozenset({"--help", "-h", "--version"})


@dataclass(frozen=True, slots=True)
class Traced:
    """The numbers of a result, by their paths in it, and what it is of; `totals` are those that tell a change."""

    fields: Fields
    about: Record
    totals: Record = field(default_factory=dict)


def replayed(saved: Record, at: Location) -> Traced:
    """A saved result made again. Raises SpecError for a command that cannot be read.

    A sweep's row has names of its own (`energy_pj/buffer`, `simulated/cycles`), and of those that both time models
    have the numbers of the one that its command names.
    """
    words = command_words(saved, at, ("run", "simulate"))
    again = _Again.of(words, at)
    simulates = words[1] == "simulate"
    if "index" in saved or "code" in saved:
        return _row(saved, again, at, simulates=simulates)
    return again.simulated() if simulates else again.closed_form()


def command_words(saved: Record, at: Location, known: tuple[str, ...]) -> list[str]:
    """The command that a result carries, word by word. Raises SpecError where there is none of a `known` one."""
    command = saved.get("command")
    if not isinstance(command, str):
        raise SpecError("carries no command", at=at, remedy=_AGAIN)
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SpecError(f"carries a command that cannot be read: {error}", at=at) from None
    if len(words) < 2 or words[0] != "einsim" or words[1] not in known:
        raise SpecError(f"carries no command of einsim {' or '.join(known)}", at=at)
    return words


def having(saved: Any, at: Location, **kinds: type | tuple[type, ...]) -> Record:
    """A record with what its command writes there; raises SpecError for one that has something else, or nothing."""
    for name, kind in kinds.items():
        if not isinstance(saved, dict) or not isinstance(saved.get(name), kind):
            raise SpecError(f"has no {name} as einsim writes it", at=at, remedy=_AGAIN)
    found: Record = saved
    return found


def arguments(words: list[str], at: Location) -> dict[str, Any]:
    """What the words of a command mean, by the names of its parameters."""
    if not _ASIDE.isdisjoint(words):
        raise SpecError("carries a command that has no result", at=at, remedy=_AGAIN)
    try:
        _, bound, _ = application(words[1:]).parse_args(words[1:], exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise SpecError(f"carries a command that cannot be read: {error}", at=at, remedy=_AGAIN) from None
    return dict(bound.arguments)


def closed_form(configuration: str, options: DesignOptions) -> Traced:
    """The numbers of one design, by the closed form."""
    design = options.load(configuration)
    return _alone(Explanation(design, evaluate(design)))


def _alone(own: Explanation) -> Traced:
    record = to_record(own.design, own.evaluation)
    _refuse_infeasible(record["reason"])
    about = {name: record[name] for name in (*_ABOUT, "cost_notes")}
    return Traced(own.fields(), about, {name: record[name] for name in METRICS})


@dataclass(frozen=True)
class _Again:
    """A result by one time model or the other."""

    configuration: str
    design: DesignOptions
    whole: WholeOptions
    timing: Timing

    @staticmethod
    def of(words: list[str], at: Location) -> _Again:
        """What a command of einsim run or simulate asks for."""
        given = arguments(words, at)
        timing = IDEAL if given.get("ideal") else Timing()
        return _Again(given["configuration"], given.get("design", PLAIN), given.get("whole", ALONE), timing)

    @property
    def is_whole(self) -> bool:
        """Whether more than one design may be run."""
        return not self.whole.plain(self.design)

    def closed_form(self, *, as_row: bool = False) -> Traced:
        """By the closed form; `as_row` keeps the totals of a run that is one design."""
        if not self.is_whole:
            return closed_form(self.configuration, self.design)
        whole = self._evaluated()
        _refuse_infeasible(whole.why_not)
        alone = sole_design(whole) if self.whole.scope == "attention" and not as_row else None
        if alone is not None:
            return _alone(Explanation(*alone))
        return Traced(whole_fields(whole), self._about(whole), run_totals(whole))

    def simulated(self) -> Traced:
        """By the cycle model."""
        if self.is_whole:
            run = simulate_whole(self._evaluated(), self.timing)
            _refuse_infeasible(run.why_not)
            return Traced(whole_simulation_fields(run), self._about(run.whole), whole_metrics(run))
        simulation = simulate_design(self.design.load(self.configuration), self.timing)
        return Traced(simulation_fields(simulation), self._about_simulation(simulation), cycle_metrics(simulation))

    def _evaluated(self) -> WholeRun:
        return self.whole.evaluated(self.configuration, self.design)

    def _about_simulation(self, simulation: Simulation) -> Record:
        record = simulation_record(simulation)
        _refuse_infeasible(record["reason"])
        machine = simulation.design.architecture
        notes = {"accounting": str(self.design.accounting), "cost_notes": list(machine.pricing.notes)}
        return {name: record[name] for name in _ABOUT if name in record} | notes

    def _about(self, whole: WholeRun) -> Record:
        return {"configuration": self.configuration, "cascade": self.whole.scope, "model": whole.run.model,
                "architecture": whole.machine.name, "seq_len": whole.run.lengths.new, "sizes": {},
                "accounting": str(self.design.accounting), "cost_notes": list(whole.machine.pricing.notes)}  # fmt: skip


def _row(saved: Record, again: _Again, at: Location, *, simulates: bool) -> Traced:
    """The numbers of a sweep's row, or a store's; the cycle model runs for those that need it."""
    closed = again.closed_form(as_row=True)
    simulated = cache(lambda: again.simulated().fields)
    own: dict[str, Explain] = {}
    inputs = list(saved)[: list(saved).index("feasible")] if "feasible" in saved else []
    for name, value in saved.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        if name in inputs:
            own[name] = partial(_coordinate, name, value, at)
        elif name.startswith(_SIMULATED):
            own[name] = partial(_of, simulated, name.removeprefix(_SIMULATED))
        elif name.startswith("stalls/"):
            own[name] = partial(_share, simulated, name)
        elif simulates and name in {"latency_s", "util_2d", "util_1d"}:
            own[name] = partial(_of, simulated, name)
        elif name in RATIOS:
            own[name] = partial(_ratio, name, saved, own, at)
        elif long_name(name) in closed.fields:
            own[name] = closed.fields[long_name(name)]
    parts = {name: inner for name, inner in closed.fields.inner.items() if name == "area_um2"}  # rows have the sum
    changed_by_cycles = {"latency_s", "util_2d", "util_1d"} if simulates else set()
    totals = {name: total for name, total in closed.totals.items() if name not in changed_by_cycles}
    return Traced(Fields(own, parts), closed.about, totals)


def _ratio(name: str, saved: Record, own: dict[str, Explain], at: Location) -> Step:
    """A number beside that of the row that the sweep names its baseline."""
    field, unit = RATIOS[name]
    path, word = tables.file_and_row(at.source)
    known = tables.baseline_row(path, saved["index"]) if word else None
    mine = own[field]()
    if known is None:
        return found(name, saved[name], "", "over the sweep's baseline, which its folder does not say any more", mine)
    base, row = known
    theirs = found(f"{field} of the baseline", row[field], unit, f"explained at {path}#{base}")
    return made(name, "", How.QUOTIENT, [theirs, mine] if name == "speedup" else [mine, theirs])


def long_name(name: str) -> str:
    """The path in a result of what a row calls by a shorter name."""
    head, _, part = name.partition("/")
    long = {"energy_pj": "energy_by_part_pj", "cycles": "cycles_by_array"}.get(head)
    return f"{long}/{part}" if part and long else name


def _of(fields: Callable[[], Fields], name: str) -> Step:
    return fields()[name]()


def _share(fields: Callable[[], Fields], name: str) -> Step:
    """Of all cycles, those in which an array waits for one reason."""
    return named(made(name, "", How.QUOTIENT, [_of(fields, name), _of(fields, "cycles")]), name)


def _coordinate(name: str, value: Any, at: Location) -> Step:
    """A number that a sweep gives a row."""
    if name == "index":
        return counted(name, value, note="the row's number in its table")
    return Step(name, value, "", How.GIVEN, origin=Origin(at, "the row's coordinate; its command says the same"))


def _refuse_infeasible(reason: str | None) -> None:
    if reason is not None:
        raise InfeasibleError(f"infeasible, so that there is nothing to explain: {reason}")
