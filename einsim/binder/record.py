"""Bindings as plain records: what `einsim bind --json` prints."""

from __future__ import annotations

from typing import Any

from einsim.binder.assignment import moves
from einsim.binder.bind import Bound
from einsim.binder.graph import kept


def bound_record(found: Bound) -> dict[str, Any]:
    """One binding with its bounds."""
    start, pipelined, plan = found.start, found.pipelined, found.pipelined.plan
    assert plan is not None
    words: dict[str, int] = {level: 0 for level, _ in pipelined.graph.registers}
    for (level, _), amount in kept(pipelined.graph, plan.at, plan.interval).items():
        words[level] += amount
    return {
        "cascade": start.cascade.name,
        "architecture": start.machine.name,
        "sizes": dict(start.workload.sizes),
        "order": str(start.order),
        "initiation_interval": plan.interval,
        "resource_bound": found.bounds.resource,
        "recurrence_bound": found.bounds.recurrence,
        "lower_bound": found.least,
        "proved": found.proved,
        "heuristic_interval": found.heuristic,
        "simulated_interval": None if found.measured is None else float(found.measured),
        "split_bound": float(found.split) if start.free else None,
        "free": start.free,
        "assignment": dict(found.assignment),
        "moved": list(moves(start.assignment, found.assignment)),
        "slots": found.choices.loads(found.assignment),
        "slots_by_array": {name: dict(each) for name, each in found.choices.slots.items()},
        "cycles": {name: [int(each) for each in at] for name, at in zip(pipelined.graph.names, plan.at, strict=True)},
        "register_words": words,
        "fewest_words": pipelined.fewest,
        "tried": found.tried,
        "refused": [{"moved": list(each.moved), "why": each.why} for each in found.refused],
        "binding": found.text,
    }
