"""Saved results evaluated again from the commands that they carry: their fields, each with what explains it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from cyclopts import CycloptsError

from einsim.cli.app import application
from einsim.cli.common import Asked
from einsim.cli.whole import WholeOptions, evaluated
from einsim.errors import InfeasibleError, Location, SpecError
from einsim.model.closed_form import evaluate
from einsim.model.cycle.evaluation import simulate_design
from einsim.model.cycle.explain import simulation_fields, whole_simulation_fields
from einsim.model.cycle.result import simulation_record
from einsim.model.cycle.whole import simulate_whole
from einsim.model.explain import Explanation, Step
from einsim.model.result import Record, to_record
from einsim.model.whole import WholeRun
from einsim.model.wholeexplain import Fields, whole_fields
from einsim.schedule.pipeline.timing import IDEAL, Timing
from einsim.spec.modelrun import Causal, Layers, Scope
from einsim.spec.overrides import parse_override

_ABOUT: Final = ("configuration", "cascade", "architecture", "model", "seq_len", "sizes", "accounting")
_SIMULATED: Final = "simulated/"


def replayed(saved: Record, at: Location) -> tuple[Fields, Record]:
    """The fields of a saved result, and what it is of. Raises SpecError for a command that cannot be read.

    A sweep's row that the cycle model saw has the closed form's fields, `simulated/...`, and the simulated latency
    where its command simulates.
    """
    command = saved.get("command")
    if not isinstance(command, str):
        raise SpecError("carries no command", at=at, remedy="make it anew with `einsim run ... --json` or a sweep")
    if not command.startswith(("einsim run ", "einsim simulate ")):
        raise SpecError("carries no command of einsim run or simulate", at=at)
    try:
        words = shlex.split(command)
        _, bound, _ = application(words[1:]).parse_args(words[1:], exit_on_error=False, print_error=False)
    except (ValueError, CycloptsError) as error:
        raise SpecError(f"carries a command that cannot be read: {error}", at=at) from None
    options: dict[str, Any] = dict(bound.arguments)
    sets = tuple(options.pop("set_", None) or ())
    asked = Asked(**{n: v for n, v in options.items() if n in Asked.__dataclass_fields__}, sets=sets)
    simulates, is_row = words[1] == "simulate", any(name.startswith(_SIMULATED) for name in saved)
    names = ("model", "seq_len", "batch", "shape", "phase", "context", "new_tokens")
    given: dict[str, Any] = {name: options.get(name) for name in names}
    whole = WholeOptions(
        scope=Scope(options.get("scope", Scope.ATTENTION)),
        allow_skip=bool(options.get("allow_skip")),
        layers=Layers(options.get("layers", Layers.SEQUENTIAL)),
        causal=Causal(options.get("causal", Causal.COUNT)),
        **given,
    )
    again = _Again(asked, IDEAL if options.get("ideal") else Timing(), whole, options)
    if is_row:
        closed, about = again.closed_form()
        return _row_fields(closed, cache(lambda: again.simulated()[0]), simulates=simulates), about
    return again.simulated() if simulates else again.closed_form()


def closed_form(asked: Asked) -> tuple[Fields, Record]:
    """The fields of one design, by the closed form."""
    design = asked.design()
    evaluation = evaluate(design)
    record = to_record(design, evaluation)
    _refuse_infeasible(record["reason"])
    return Explanation(design, evaluation).fields(), {name: record[name] for name in (*_ABOUT, "cost_notes")}


class _Again:
    """A result by one time model or the other."""

    def __init__(self, asked: Asked, timing: Timing, options: WholeOptions, given: dict[str, Any]) -> None:
        self.asked = asked
        self.timing = timing
        self.options = options
        self.given = given
        self.is_whole = not options.plain or bool(given.get("attention"))

    def closed_form(self) -> tuple[Fields, Record]:
        if not self.is_whole:
            return closed_form(self.asked)
        whole = self._evaluated()
        _refuse_infeasible(whole.why_not)
        return whole_fields(whole), self._about(whole)

    def simulated(self) -> tuple[Fields, Record]:
        if self.is_whole:
            run = simulate_whole(self._evaluated(), self.timing)
            _refuse_infeasible(run.why_not)
            return whole_simulation_fields(run), self._about(run.whole)
        simulation = simulate_design(self.asked.design(), self.timing)
        record = simulation_record(simulation)
        _refuse_infeasible(record["reason"])
        machine = simulation.design.architecture
        notes = {"accounting": str(self.asked.accounting), "cost_notes": list(machine.pricing.notes)}
        return simulation_fields(simulation), {name: record[name] for name in _ABOUT if name in record} | notes

    def _evaluated(self) -> WholeRun:
        asked, given = self.asked, self.given
        overrides = [parse_override(text) for text in asked.sets]
        return evaluated(self.options, asked.configuration, asked.arch, overrides, asked.accounting,
                         given.get("attention"))  # fmt: skip

    def _about(self, whole: WholeRun) -> Record:
        asked = self.asked
        return {"configuration": asked.configuration, "cascade": str(self.options.scope), "model": whole.run.model,
                "architecture": whole.machine.name, "seq_len": whole.run.lengths.new, "sizes": {},
                "accounting": str(asked.accounting), "cost_notes": list(whole.machine.pricing.notes)}  # fmt: skip


def _row_fields(closed: Fields, simulated: Callable[[], Fields], *, simulates: bool) -> Fields:
    """Fields of a row that the cycle model saw; `simulated` runs it, for those that need it."""

    def cycles() -> Step:
        return simulated()["cycles"]()

    def latency() -> Step:
        return simulated()["latency_s"]()

    own = {f"{_SIMULATED}cycles": cycles, f"{_SIMULATED}latency_s": latency}
    if not simulates:
        return {**closed, **own}
    kept = {name: step for name, step in closed.items() if not name.startswith("util")}
    return {**kept, "latency_s": latency, **own}


def _refuse_infeasible(reason: str | None) -> None:
    if reason is not None:
        raise InfeasibleError(f"infeasible, so that there is nothing to explain: {reason}")
