"""How the totals of a whole model come about: how often each kernel runs, times what one run of it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from einsim.model.explain import Explanation, How, Step, counted, made
from einsim.model.whole import WholeRun
from einsim.spec.modelrun import Layers, PlannedKernel

_ADDED = {"energy_pj": "pJ", "traffic_bytes": "B", "compute_s": "s", "memory_s": "s", "latency_s": "s"}

Fields = dict[str, Callable[[], Step]]
"""Name -> its explanation."""


def summed(name: str, unit: str, rows: Iterable[tuple[PlannedKernel, Step]]) -> Step:
    """A number of a whole run: the sum over kernels of how often each runs, times what one run of it takes."""
    parts = [
        made(f"{kernel.name} ({kernel.group})", unit, How.PRODUCT, (counted("times", kernel.times), step))
        for kernel, step in rows
    ]
    return made(name, unit, How.SUM, parts)


def whole_fields(whole: WholeRun) -> Fields:
    """The totals of a run that fits, each with what makes its explanation; an overlapped latency has none."""
    explained = [
        (cost.kernel, Explanation(cost.design, cost.evaluation).fields())
        for cost in whole.kernels
        if cost.design is not None and cost.evaluation is not None
    ]

    def total(name: str, unit: str) -> Step:
        return summed(name, unit, [(kernel, fields[name]()) for kernel, fields in explained if name in fields])

    overlapped = whole.run.layers is Layers.OVERLAPPED
    added = {name: unit for name, unit in _ADDED.items() if all(name in fields for _, fields in explained)
             and not (overlapped and name == "latency_s")}  # fmt: skip
    parts = dict.fromkeys(name for _, fields in explained for name in fields if name.startswith("energy_pj/"))
    machine = {name: step for name, step in explained[0][1].items() if name.startswith("area_um2")}
    return {
        **{name: partial(total, name, unit) for name, unit in added.items()},
        **machine,
        **{name: partial(total, name, "pJ") for name in parts},
    }
