"""Bindings as plain records: what `einsim bind --json` prints."""

from __future__ import annotations

from typing import Any

from einsim.binder.assignment import moves
from einsim.binder.bind import Bound
from einsim.binder.divide import Cut, Divided, foremost, pace
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
        "initiation_interval": found.interval,
        "planned_interval": plan.interval,
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


def divided_record(found: Divided) -> dict[str, Any]:
    """The binding that is the faster, as `bound_record`, and under `divided` what cutting a rank gained.

    `rank`, `into` and `tiles` (of the undivided cascade, in an epoch) are null where no cut is faster. Cycles are those
    for the work of one tile of the undivided cascade; none of the cuts that were compared takes fewer than
    `lower_bound`. Of `cuts` each rank has the one with the least resource bound.
    """
    cut = found.cut
    least = [{**_cut_record(e.cut), "resource_bound": float(e.least)} for e in foremost(found.promises)]
    return {
        **bound_record(found.best),
        "divided": {
            **(_cut_record(cut) if cut is not None else {"rank": None, "into": None, "tiles": None}),
            "cycles_per_tile": float(pace(found.best, cut)),
            "undivided_cycles_per_tile": float(pace(found.whole)),
            "undivided_interval": found.whole.interval,
            "undivided_bound": found.whole.least,
            "split_bound": float(found.whole.split),
            "lower_bound": float(found.least),
            "proved": found.proved,
            "gain": float(found.gain),
            "cuts": least,
            "compared": len(found.promises),
            "bound": found.tried,
        },
    }


def _cut_record(cut: Cut) -> dict[str, Any]:
    into = dict(zip(cut.division.parts, cut.into, strict=True))
    return {"rank": cut.division.rank, "into": into, "tiles": cut.tiles}
