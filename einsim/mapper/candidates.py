"""Candidates: what was found, the shipped mappings of the same cascade, and einsim's simple mapping.

The answer is the best of them, so that a search never does worse than what was there before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final

from einsim.errors import EinsimError, SpecError
from einsim.mapper.objective import Objective
from einsim.mapper.search import Result
from einsim.mapper.task import Task
from einsim.mapper.text import Written
from einsim.mapper.trial import Found
from einsim.model.auto import auto_design, evaluate_auto
from einsim.model.closed_form import Evaluation, evaluate
from einsim.model.cycle.evaluation import Simulation, simulate_auto, simulate_design
from einsim.model.result import reason
from einsim.spec import library
from einsim.spec.configuration import Design, load_design
from einsim.spec.mappingfile import data_of, design_of, text_of

MOST_ISSUES: Final = 20_000_000
"""Slots that the cycle model may run one by one to look at a mapping: a second or so."""

FOUND: Final = "search"
SIMPLE: Final = "auto"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mapping that may be the answer. `name`: "search", "auto", or the shipped mapping's.

    `text` is the mapping file, if there is one. `simulation` is there where the cycle model was asked; `refused` is
    why it could not even begin.
    """

    name: str
    design: Design
    evaluation: Evaluation
    text: str | None
    simulation: Simulation | None = None
    refused: str | None = None

    @property
    def feasible(self) -> bool:
        """Whether it fits, as far as the closed form knows."""
        return bool(self.evaluation.feasible)

    def value(self, objective: Objective) -> float:
        """The closed form's value of an objective; infinite where it does not fit."""
        return float(objective.of(self.evaluation)) if self.feasible else inf

    def cycle_value(self, objective: Objective) -> float | None:
        """The value with the cycle model's latency; None where that does not run it, or was not asked."""
        if self.simulation is None or not self.simulation.feasible:
            return None
        energy_pj = float(self.evaluation.energy_pj)
        return objective.at_latency(self.value(objective), energy_pj, self.simulation.latency_s)

    @property
    def reason(self) -> str | None:
        """Why the cycle model does not run it."""
        if self.simulation is None or self.simulation.feasible:
            return self.refused
        return self.simulation.stuck or reason(self.simulation.shortfalls)

    def worth(self, objective: Objective, *, cycles: bool) -> tuple[float, float]:
        """What is compared: the cycle model's value before the closed form's, where that is asked."""
        value, run = self.value(objective), self.cycle_value(objective)
        return (inf if run is None else run, value) if cycles else (value, value)


def candidates(task: Task, objective: Objective, result: Result, *, cycles: bool) -> list[Candidate]:
    """All that may be the answer, the best first; a search's own before equals."""
    found = []
    if result.best is not None:
        best = result.ran if cycles and result.ran is not None else result.best
        written = Written(task, best.plan)
        about = _about(objective, result, best, cycles=cycles)
        found.append(_candidate(FOUND, written.design(best.numbers), written.text(best.numbers, about)))
    known = min((each.worth(objective, cycles=cycles)[0] for each in found), default=inf)
    found += shipped(task, objective, known)
    known = min((each.worth(objective, cycles=cycles)[0] for each in found), default=inf)
    found.append(simple(task, objective, known, cycles=cycles))
    return sorted(found, key=lambda each: each.worth(objective, cycles=cycles))


def _about(objective: Objective, result: Result, best: Found, *, cycles: bool) -> str:
    model = "in the cycle model" if cycles and result.ran is not None else "in the closed form"
    return (f"Found by einsim map for the least {objective}: {best.value:.6g} {objective.unit} {model}; "
            f"no mapping is below {result.bound:.6g}.")  # fmt: skip


def shipped(task: Task, objective: Objective, known: float) -> Iterator[Candidate]:
    """The shipped mappings of the same cascade that can be decided for the workload, on the task's machine.

    Those of another machine are looked at where their closed form is better than what is `known`. Mappings that divide
    ranks are of another cascade, which bounds of this one do not bound.
    """
    for name in library.names("mapping"):
        try:
            design = load_design(name, task.workload)
            if design.cascade != task.cascade:
                continue
            if design.architecture == task.machine:
                yield _candidate(name, design, library.read(library.find("mapping", name)).decode())
                continue
            data = _elsewhere(design, task)
            there = design_of(data, task.cascade, task.machine, task.workload)
            evaluation = evaluate(there)
            if evaluation.feasible and float(objective.of(evaluation)) < known:
                yield _candidate(name, there, text_of(data))
        except EinsimError:
            continue  # for other sizes or another machine, or with a choice that nobody has made


def _elsewhere(design: Design, task: Task) -> dict[str, Any]:
    """The data of a mapping file on the machine of a task, with the sizes that were chosen as tiles."""
    head = {"name": design.mapping.name, "cascade": task.cascade_name, "architecture": task.machine_name}
    data = head | data_of(design.mapping) | head
    chosen = {name: str(value) for name, value in design.choices if isinstance(value, int)}
    return data | ({"tiles": {**chosen, **data.get("tiles", {})}} if chosen else {})


def _candidate(name: str, design: Design, text: str) -> Candidate:
    evaluation = evaluate(design)
    if not evaluation.feasible:
        return Candidate(name, design, evaluation, text)
    try:
        return Candidate(name, design, evaluation, text, simulate_design(design, most=MOST_ISSUES))
    except SpecError as error:
        return Candidate(name, design, evaluation, text, refused=error.message)


def simple(task: Task, objective: Objective, known: float, *, cycles: bool) -> Candidate:
    """One Einsum after another (`einsim.schedule.auto`); tiles whose size is open are as large as an axis.

    The cycle model runs it where it might be better than what is `known`.
    """
    axes = [length for array in task.machine.arrays.values() for length in array.axes.values()]
    sizes = task.sizes(dict.fromkeys(task.unsized, max(axes)))
    evaluation = evaluate_auto(task.cascade, task.machine, sizes, task.instances)
    made = Candidate(SIMPLE, auto_design(task.cascade, task.machine, sizes), evaluation, None)
    if not cycles or not made.value(objective) < known:
        return made
    try:
        run = simulate_auto(task.cascade, task.machine, sizes, task.instances, most=MOST_ISSUES)
    except SpecError as error:
        return replace(made, refused=error.message)
    return replace(made, simulation=run)
