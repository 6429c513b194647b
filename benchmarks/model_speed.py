"""Points a second of the closed form: many at once, against one by one in the same run."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from einsim.errors import Location
from einsim.model.closed_form import evaluate, evaluate_many
from einsim.spec.configuration import Design, load_design
from einsim.spec.library import load_models
from einsim.spec.overrides import Override, make_override
from einsim.spec.workload import attention, find_model

HERE = Location("benchmark")
CONFIGURATIONS = ("unfused", "cascade", "architecture", "fusemax")


@dataclass(frozen=True, slots=True)
class Speed:
    """One configuration's speeds, designs a second, and the largest relative difference of the sample."""

    configuration: str
    designs: int
    together_per_s: float
    alone_per_s: float
    worst_difference: float

    @property
    def ratio(self) -> float:
        """How many times faster together is."""
        return self.together_per_s / self.alone_per_s


def columns(designs: int, seed: int) -> dict[str, np.ndarray]:
    """Random machines and lengths: array side, buffer, bandwidth, tokens, many of them ragged."""
    rng = np.random.default_rng(seed)
    side = rng.choice([16, 32, 48, 64, 100, 128, 256, 512], designs)
    tokens = rng.integers(1024, 1 << 20, designs)
    tokens[::2] = 1 << rng.integers(10, 21, len(tokens[::2]))
    return {
        "array2d.rows": side,
        "array2d.columns": side,
        "array1d.lanes": side,
        "buffer.capacity_bytes": rng.integers(1 << 20, 64 << 20, designs),
        "dram.bandwidth_bytes_per_s": rng.integers(50 << 30, 2000 << 30, designs),
        "M": tokens,
        "P": tokens,
    }


def measure(configuration: str, designs: int, sample: int = 60) -> Speed:
    """Times one configuration; the compiled kernels are loaded beforehand."""
    design = load_design(configuration, attention(find_model(load_models(), "BERT"), 4096))
    varying = columns(designs, seed=1)
    evaluate_many(design, {name: values[:2000] for name, values in varying.items()})
    started = time.perf_counter()
    together = evaluate_many(design, varying)
    together_s = time.perf_counter() - started
    chosen = np.random.default_rng(2).choice(designs, sample, replace=False)
    singles = [_single(configuration, varying, int(index)) for index in chosen]
    started = time.perf_counter()
    alone = [evaluate(single) for single in singles]
    alone_s = time.perf_counter() - started
    worst = 0.0
    for index, one in zip(chosen, alone, strict=True):
        for name in ("traffic_bytes", "latency_s", "energy_pj"):
            many = float(np.broadcast_to(getattr(together, name), designs)[index])
            worst = max(worst, abs(many / float(getattr(one, name)) - 1))
    return Speed(configuration, designs, designs / together_s, sample / alone_s, worst)


def _single(configuration: str, varying: dict[str, np.ndarray], index: int) -> Design:
    values = {name: int(column[index]) for name, column in varying.items()}
    workload = attention(find_model(load_models(), "BERT"), 4096)
    changes: list[Override] = [
        make_override(f"{'workload' if name in 'MP' else 'arch'}.{name}", value, HERE) for name, value in values.items()
    ]
    return load_design(configuration, workload, overrides=changes)
