"""A search's result as a record: the mapping file, what it is worth in both models, and how good that is."""

from __future__ import annotations

from math import isfinite
from typing import Any

from einsim.mapper.candidates import FOUND, SIMPLE, Candidate, candidates
from einsim.mapper.objective import Objective
from einsim.mapper.search import Result, meets
from einsim.mapper.task import Task
from einsim.model.result import to_record

Record = dict[str, Any]


def map_record(task: Task, objective: Objective, result: Result, *, cycles: bool) -> Record:
    """The best of what a search found, the shipped mappings and the simple one, and everything about it.

    With `cycles`, the best that the cycle model runs, if it runs any; else the best by the closed form. All values are
    those of files' texts, evaluated again. Raises InfeasibleError where no array can do what an Einsum needs.
    """
    every = candidates(task, objective, result, cycles=cycles)
    best = every[0]
    return {
        **to_record(best.design, best.evaluation),
        "objective": str(objective),
        "unit": objective.unit,
        "time_model": "cycle" if cycles else "closed-form",
        **_proof(task, objective, result, best),
        "mapping": best.text,
        "source": best.name,
        "fallback": _fallback(result) if best.name == SIMPLE else None,
        "cycle_model": _simulated(best),
        "closed_form_best": _closed(objective, result, best),
        "candidates": [_compared(objective, each) for each in every],
        "designs": result.designs,
        "plans": result.plans,
        "runs": result.runs,
        "seconds": result.seconds,
    }


def _proof(task: Task, objective: Objective, result: Result, best: Candidate) -> Record:
    """The values of both models beside the bound, which is none of einsim's simple mapping.

    Filters leave points out in the cycle model, which the bound counts.
    """
    value, run = best.value(objective), best.cycle_value(objective)
    bounded = best.name != SIMPLE
    least = result.bound if bounded else None
    whole = bounded and all(einsum.when is None for einsum in task.einsums.values())
    own = best.name == FOUND and result.best is not None
    closed_all = own and result.exhausted and result.best is not None and meets(value, result.best.value)
    return {
        "value": value if isfinite(value) else None,
        "lower_bound": least,
        "proved": bounded and isfinite(value) and (closed_all or meets(value, result.bound)),
        "exhausted": result.exhausted,
        "gap": _gap(value, least),
        "cycle_value": run,
        "cycle_proved": run is not None and ((own and result.ran_all) or (whole and meets(run, result.bound))),
        "cycle_gap": _gap(run, least if whole else None),
    }


def _gap(value: float | None, least: float | None) -> float | None:
    """How much less than a value the bound is, relatively."""
    if value is None or least is None or not isfinite(value) or value == 0:
        return None
    return max(0.0, 1.0 - least / value)


def _simulated(best: Candidate) -> Record | None:
    """What the cycle model says of a mapping: its latency beside the closed form's, or why it has none."""
    if best.simulation is None or not best.simulation.feasible:
        return None if best.reason is None else {"latency_s": None, "difference": None, "reason": best.reason}
    latency_s = best.simulation.latency_s
    return {"latency_s": latency_s, "difference": latency_s / float(best.evaluation.latency_s) - 1.0, "reason": None}


def _closed(objective: Objective, result: Result, best: Candidate) -> float | None:
    """The least that the closed form gave of any mapping that was looked at, where that is not the answer."""
    if result.best is None or result.best.value >= best.value(objective):
        return None
    return result.best.value


def _compared(objective: Objective, each: Candidate) -> Record:
    value = each.value(objective)
    return {
        "name": each.name,
        "value": value if isfinite(value) else None,
        "cycle_value": each.cycle_value(objective),
        "reason": each.reason,
    }


def _fallback(result: Result) -> str:
    """Why the simple mapping is the answer."""
    if result.best is not None:
        return "nothing was found that is better in the time there was"
    return result.refused or "nothing was found that fits in the time there was"
