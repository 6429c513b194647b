"""Results of whole models as plain records: what `einsim run --scope layer|model --json` prints."""

from __future__ import annotations

from typing import Any

from einsim.model.result import METRICS, Record, metrics, to_record
from einsim.model.whole import KernelCost, WholeRun, total
from einsim.spec.modelrun import ModelRun

TOTALS = (*METRICS, "macs", "tokens_per_s")
"""Numbers of every run, in the order of tables."""


def run_facts(run: ModelRun) -> Record:
    """What is run, as records of every time model say it."""
    return {
        "scope": str(run.scope),
        "model": run.model,
        "family": run.family,
        "layers": str(run.layers),
        "causal": str(run.causal),
        "phase": run.lengths.phase,
        "batch": run.lengths.batch,
        "new_tokens": run.lengths.new,
        "context": [list(each) for each in run.lengths.cached],
        "parameters": run.parameters,
        "active_parameters": run.active,
        "left_out": list(run.left_out),
        "skipped": list(run.skipped),
        "unused_fields": list(run.unused),
    }


def whole_record(whole: WholeRun) -> Record:
    """One run: what it is, its totals, its groups and kernels. An infeasible one has its reason and no totals."""
    run, why_not = whole.run, whole.why_not
    word = whole.machine.word_bytes
    record: Record = {
        "configuration": whole.setting.configuration,
        "architecture": whole.machine.name,
        **run_facts(run),
        "accounting": str(whole.setting.accounting),
        "weights_bytes": run.parameters * word,
        "cache_bytes": run.cache_words * word,
        "feasible": why_not is None,
        "reason": why_not,
    }
    totals = run_totals(whole) if why_not is None else dict.fromkeys(TOTALS)
    groups = [_group(whole, name) for name in whole.groups] if why_not is None else []
    parts = _parts(whole) if why_not is None else {}
    kernels = [kernel_record(cost) for cost in whole.kernels]
    return {**record, **totals, "energy_by_part_pj": parts, "groups": groups, "kernels": kernels}


def run_totals(whole: WholeRun) -> Record:
    """The numbers of `TOTALS`, of a run that fits."""
    costs = whole.kernels
    latency = sum(whole.latency_s(group) for group in whole.groups)
    machine, lengths = whole.machine, whole.run.lengths
    shares: dict[bool, float] = {}
    for name, array in machine.arrays.items():
        busy = sum(
            cost.kernel.times * float(cost.evaluation.utilisation[name]) * float(cost.evaluation.latency_s)
            for cost in costs
            if cost.evaluation is not None
        )
        shares[array.is_grid] = busy / latency if latency else 0.0
    tokens = lengths.batch * lengths.new
    return {
        "traffic_bytes": _whole(total(costs, lambda each: each.traffic_bytes)),
        "latency_s": latency,
        "compute_s": total(costs, lambda each: float(each.compute_s)),
        "memory_s": total(costs, lambda each: float(each.memory_s)),
        "energy_pj": total(costs, lambda each: float(each.energy_pj)),
        "util_2d": shares.get(True),
        "util_1d": shares.get(False),
        "area_um2": next(float(cost.evaluation.area_um2) for cost in costs if cost.evaluation is not None),
        "macs": sum(cost.kernel.times * cost.macs for cost in costs),
        "tokens_per_s": tokens / latency if latency else None,
    }


def _whole(value: Any) -> Any:
    """A count as an integer, where it is one."""
    return int(value) if value == int(value) else float(value)


def _group(whole: WholeRun, name: str) -> Record:
    costs = [cost for cost in whole.kernels if cost.kernel.group == name]
    return {
        "group": name,
        "latency_s": whole.latency_s(name),
        "energy_pj": total(costs, lambda each: float(each.energy_pj)),
        "traffic_bytes": _whole(total(costs, lambda each: each.traffic_bytes)),
    }


def _parts(whole: WholeRun) -> dict[str, float]:
    """Energy of all kernels by part of the machine."""
    parts: dict[str, float] = {}
    for cost in whole.kernels:
        for part, energy in cost.evaluation.energy_by_part_pj.items() if cost.evaluation else ():
            parts[part] = parts.get(part, 0.0) + cost.kernel.times * float(energy)
    return parts


def kernel_facts(cost: KernelCost) -> Record:
    """What a kernel is, as records of every time model say it."""
    kernel = cost.kernel
    return {
        "kernel": kernel.name,
        "group": kernel.group,
        "part": kernel.part,
        "sizes": dict(kernel.sizes),
        "instances": kernel.instances,
        "times": kernel.times,
        "mapping": cost.design.mapping.name if cost.design else None,
        "cascade": cost.design.cascade.name if cost.design else None,
        "choices": dict(cost.design.choices) if cost.design else {},
        "feasible": cost.feasible,
        "reason": cost.why_not,
    }


def kernel_record(cost: KernelCost) -> Record:
    """One kernel: numbers of one run of it, and under `result` the whole record of that run."""
    record = kernel_facts(cost)
    if cost.evaluation is None or cost.design is None:
        return {**record, **dict.fromkeys(METRICS), "macs": None, "result": None}
    own = to_record(cost.design, cost.evaluation)
    numbers = {name: own[name] for name in metrics(cost.design, cost.evaluation)}
    return {**record, **numbers, "macs": cost.macs, "result": own}
