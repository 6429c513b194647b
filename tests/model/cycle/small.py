"""Random small designs of the five configurations, with partial tiles, in time on machines of any speed."""

from __future__ import annotations

from random import Random

from einsim.errors import SpecError
from einsim.schedule.lower import lower
from einsim.schedule.pipeline.build import Built, build
from einsim.schedule.pipeline.timing import IDEAL, Timing
from einsim.spec.configuration import Design, load_design
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload

CONFIGURATIONS = ("fusemax", "architecture", "cascade", "unfused", "flat")
TIMINGS = (Timing(), Timing(), IDEAL, Timing(stalls=True), Timing(latency=False), Timing(travel=False))
FLAT = {
    **dict.fromkeys(("Q_loc", "K_loc", "QK_loc", "A_loc", "V_loc", "AV_loc"), ("onchip", "offchip")),
    **dict.fromkeys(("QK_stationarity", "AV_stationarity"), ("input", "weight", "output")),
    "fusion_granularity": ("head", "row"),
    "P1": ("1", "2", "4", "6"),
}


def design_of(configuration: str, sizes: dict[str, int], changes: list[str]) -> Design:
    """A configuration at some sizes, changed."""
    overrides = [parse_override(change) for change in changes]
    return load_design(configuration, Workload(tuple(sizes.items())), overrides=overrides)


def random_changes(random: Random, configuration: str) -> list[str]:
    """A small machine with latencies, as lines of `--set`."""
    changes = [f"arch.array2d.{axis}={random.randint(1, 4)}" for axis in ("rows", "columns")]
    changes.append(f"arch.array1d.lanes={random.randint(1, 4)}")
    if configuration == "flat":
        changes += [f"mapping.{name}={random.choice(options)}" for name, options in FLAT.items()]
        if random.random() < 0.3:
            changes.append(f"arch.memories.buffer.capacity_bytes={random.randint(40, 600)}")
            changes += [f"arch.memories.buffer.{cost}=1" for cost in ("read_energy_pj", "write_energy_pj", "area_um2")]
    perhaps = [
        f"arch.memories.dram.latency_cycles={random.randint(0, 30)}",
        f"arch.memories.dram.bandwidth_bytes_per_s={random.choice([1, 5, 20])} GiB",
        "arch.memories.dram.duplex=true",
        f"arch.memories.buffer.latency_cycles={random.randint(0, 6)}",
        f"arch.memories.buffer.prefetch_tiles={random.randint(0, 2)}",
        f"arch.array2d.operations.mac.latency={random.randint(1, 6)}",
    ]
    return changes + [change for change in perhaps if random.random() < 0.5]


def random_design(seed: int, configuration: str | None = None, *more: str) -> tuple[Design, Timing]:
    """A design and what of its timing counts."""
    random = Random(seed)
    configuration = configuration or random.choice(CONFIGURATIONS)
    sizes = {"B": random.choice([1, 1, 2]), "H": random.choice([1, 2]), "E": random.randint(1, 5),
             "F": random.randint(1, 5), "M": random.randint(1, 12), "P": random.randint(1, 12)}  # fmt: skip
    changes = [*random_changes(random, configuration), *more]
    return design_of(configuration, sizes, changes), random.choice(TIMINGS)


def built(design: Design, timing: Timing) -> Built | None:
    """A design's programs; None where its phases cannot be kept."""
    try:
        return build(design, lower(design), timing)
    except SpecError:
        return None
