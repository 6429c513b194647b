"""A search's result as a record: the mapping file, what it is worth, and how good that is."""

from __future__ import annotations

from typing import Any, Final

from einsim.mapper.objective import Objective
from einsim.mapper.search import Result
from einsim.mapper.task import Task
from einsim.mapper.text import Written
from einsim.model.auto import auto_design, evaluate_auto
from einsim.model.closed_form import evaluate
from einsim.model.cycle.evaluation import Simulation, simulate_design
from einsim.model.result import reason, to_record

Record = dict[str, Any]

MOST_ISSUES: Final = 20_000_000
"""Slots that the cycle model may run one by one to look at a mapping: a second or so."""


def found_record(task: Task, objective: Objective, result: Result) -> Record:
    """The best mapping as text and everything about it, for a search that found one.

    The value is that of the text, evaluated again.
    """
    assert result.best is not None
    written = Written(task, result.best.plan)
    design = written.design(result.best.numbers)
    evaluation = evaluate(design)
    value = objective.of(evaluation)
    what = f"{result.bound:.6g}" if result.proved else f"between {result.bound:.6g} and {value:.6g}"
    about = f"Found by einsim map for the least {objective}: {value:.6g} {objective.unit}; the least there is: {what}."
    return {
        **to_record(design, evaluation),
        **_search(objective, result),
        "value": value,
        "mapping": written.text(result.best.numbers, about),
        "fallback": None,
        "cycle_model": _simulated(simulate_design(design, most=MOST_ISSUES), float(evaluation.latency_s)),
    }


def _simulated(simulation: Simulation, closed_s: float) -> Record:
    """What the cycle model says of a mapping: its latency beside the closed form's, or why it has none."""
    if not simulation.feasible:
        return {"latency_s": None, "difference": None, "reason": simulation.stuck or reason(simulation.shortfalls)}
    return {"latency_s": simulation.latency_s, "difference": simulation.latency_s / closed_s - 1.0, "reason": None}


def fallback_record(task: Task, objective: Objective, result: Result) -> Record:
    """What one Einsum after another costs (`einsim.schedule.auto`), where a search found no mapping file.

    Tiles whose size is open are as large as an axis of the machine. Raises InfeasibleError where no array can do what
    an Einsum needs.
    """
    axes = [length for array in task.machine.arrays.values() for length in array.axes.values()]
    sizes = task.sizes(dict.fromkeys(task.unsized, max(axes)))
    evaluation = evaluate_auto(task.cascade, task.machine, sizes, task.instances)
    record = to_record(auto_design(task.cascade, task.machine, sizes), evaluation)
    value = objective.of(evaluation) if record["feasible"] else None
    return {
        **record,
        **_search(objective, result),
        "proved": False,
        "lower_bound": None,
        "gap": None,
        "value": value,
        "mapping": None,
        "cycle_model": None,
        "fallback": result.refused or "nothing was found that fits in the time there was",
    }


def _search(objective: Objective, result: Result) -> Record:
    return {
        "objective": str(objective),
        "unit": objective.unit,
        "lower_bound": result.bound,
        "proved": result.proved,
        "exhausted": result.exhausted,
        "gap": result.gap,
        "designs": result.designs,
        "plans": result.plans,
        "seconds": result.seconds,
    }
