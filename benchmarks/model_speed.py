"""Points a second of the closed form: many at once, against one by one in the same run."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from einsim.errors import Location
from einsim.model.blocks import evaluate_metrics
from einsim.model.closed_form import evaluate
from einsim.spec.configuration import Design, load_design
from einsim.spec.library import load_models
from einsim.spec.overrides import Override, make_override
from einsim.spec.workload import attention, find_model

HERE = Location("benchmark")
CONFIGURATIONS = ("unfused", "cascade", "architecture", "fusemax")


@dataclass(frozen=True, slots=True)
class Speed:
    """One configuration's speeds, designs a second, and the largest relative difference of the sample.

    `processor_us`: processor time of a design, over all cores, which does not depend on what else runs.
    `axes`: "random", every column random by itself, or "grid", columns crossed.
    """

    configuration: str
    axes: str
    designs: int
    together_per_s: float
    processor_us: float
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


def crossed(designs: int, seed: int) -> dict[str, np.ndarray]:
    """Bandwidth x buffer x clock x energy of a mac x tokens, each random, about as many points as `designs`."""
    rng = np.random.default_rng(seed)
    each = max(2, round(designs ** (1 / 6)))
    tokens = rng.integers(1024, 1 << 20, max(2, designs // each**4))
    axes = [
        rng.integers(50 << 30, 2000 << 30, each), rng.integers(1 << 20, 64 << 20, each),
        rng.integers(500, 2000, each) * 1e6, rng.uniform(1, 50, each), tokens,
    ]  # fmt: skip
    fields = ("dram.bandwidth_bytes_per_s", "buffer.capacity_bytes", "clock_hz", "array2d.mac.energy_pj", "M")
    made = dict(zip(fields, np.ix_(*axes), strict=True))
    return {**made, "P": made["M"]}


AXES = {"random": columns, "grid": crossed}


def measure(configuration: str, axes: str, designs: int, sample: int = 60) -> Speed:
    """Times one configuration: the metrics of all designs, and some of them one by one."""
    design = load_design(configuration, attention(find_model(load_models(), "BERT"), 4096))
    varying = AXES[axes](designs, seed=1)
    evaluate_metrics(design, AXES[axes](2000, seed=3))  # tables that are made once
    started, busy = time.perf_counter(), time.process_time()
    together = evaluate_metrics(design, varying)
    together_s, busy_s = time.perf_counter() - started, time.process_time() - busy
    shape = together["latency_s"].shape
    total = together["latency_s"].size
    wide = {name: np.broadcast_to(column, shape).reshape(-1) for name, column in varying.items()}
    chosen = np.random.default_rng(2).choice(total, sample, replace=False)
    singles = [_single(configuration, wide, int(index)) for index in chosen]
    started = time.perf_counter()
    alone = [evaluate(single) for single in singles]
    alone_s = time.perf_counter() - started
    worst = 0.0
    for index, one in zip(chosen, alone, strict=True):
        for name in ("traffic_bytes", "latency_s", "energy_pj"):
            many = float(together[name].reshape(-1)[index])
            worst = max(worst, abs(many / float(getattr(one, name)) - 1))
    return Speed(configuration, axes, total, total / together_s, busy_s / total * 1e6, sample / alone_s, worst)


def _single(configuration: str, varying: dict[str, np.ndarray], index: int) -> Design:
    workload = attention(find_model(load_models(), "BERT"), 4096)
    changes: list[Override] = []
    for name, column in varying.items():
        path = f"{'workload' if name in 'MP' else 'arch'}.{name.replace('mac.', 'operations.mac.')}"
        changes.append(make_override(path, column[index].item(), HERE))
    return load_design(configuration, workload, overrides=changes)
