"""How the totals of a whole model come about: how often each kernel runs, times what one run of it takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from einsim.model.explain import Explanation, How, Step, counted, made
from einsim.model.whole import WholeRun
from einsim.spec.modelrun import Layers

_ADDED = {"energy_pj": "pJ", "traffic_bytes": "bytes", "compute_s": "s", "memory_s": "s", "latency_s": "s"}


def whole_fields(whole: WholeRun) -> dict[str, Callable[[], Step]]:
    """The totals of a run that fits, each with what makes its explanation; an overlapped latency has none."""
    explained = [
        (cost.kernel, Explanation(cost.design, cost.evaluation).fields())
        for cost in whole.kernels
        if cost.design is not None and cost.evaluation is not None
    ]

    def total(name: str) -> Step:
        parts = [
            made(f"{kernel.name} ({kernel.group})", _ADDED[name], How.PRODUCT, (
                counted("times", kernel.times), fields[name]()))
            for kernel, fields in explained
        ]  # fmt: skip
        return made(name, _ADDED[name], How.SUM, parts)

    names = [name for name in _ADDED if all(name in fields for _, fields in explained)]
    if whole.run.layers is Layers.OVERLAPPED:
        names = [name for name in names if name != "latency_s"]
    return {name: partial(total, name) for name in names}
