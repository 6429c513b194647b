"""`python -m benchmarks`: every figure of speed, measured here and now, as ratios within the run."""

from __future__ import annotations

import os

from rich.console import Console

from benchmarks import cluster_speed, cycle_speed, reading, store_speed, sweep_speed, whole_models
from benchmarks.main_job import PUBLISHED_S, run
from benchmarks.model_speed import AXES, CONFIGURATIONS, measure
from einsim.report.tables import table

DESIGNS = 1_000_000


def main() -> None:
    """Measures and prints."""
    console = Console(width=120)
    jobs = [run("cold: all caches empty", cold=True), run("warm", cold=False)]
    rows = [
        (job.label, f"{job.seconds:.2f}", f"{job.peak_mib:.0f}", f"{PUBLISHED_S / job.seconds:,.0f}x") for job in jobs
    ]
    console.print(table("Published attention evaluation, figures included (the artifact says nine hours for all of it)",
                        ("start", "seconds", "peak MiB", "less than nine hours"), rows))  # fmt: skip
    read = reading.measure()
    console.print()
    console.print(
        table(
            "Every shipped cascade parsed, checked and its passes counted, beside lark's parse trees alone",
            ("cascades", "trees, s", "parsed and checked, s", "passes, s", "ratio", "slowest", "s"),
            [(str(read.cascades), f"{read.trees_s:.2f}", f"{read.read_s:.2f}", f"{read.passes_s:.2f}",
              f"{read.ratio:.1f}x", read.slowest, f"{read.slowest_s:.3f}")],
        )
    )  # fmt: skip
    speeds = [measure(name, axes, DESIGNS) for axes in AXES for name in CONFIGURATIONS]
    lines = [
        (
            s.axes,
            s.configuration,
            f"{s.designs:,}",
            f"{s.together_per_s:,.0f}",
            f"{s.processor_us:.2f}",
            f"{s.alone_per_s:,.0f}",
            f"{s.ratio:,.0f}x",
            f"{s.worst_difference:.1e}",
        )
        for s in speeds
    ]
    columns = (
        "axes",
        "configuration",
        "designs",
        "designs/s together",
        "processor us each",
        "one by one",
        "ratio",
        "largest difference",
    )
    console.print()
    console.print(
        table(
            f"Closed form, machines and lengths: every design random, or axes crossed; {os.cpu_count()} cores",
            columns,
            lines,
        )
    )
    sweep = sweep_speed.run(DESIGNS)
    console.print()
    console.print(
        table(
            "`einsim sweep` of five axes from start to end: table as Parquet and CSV, figures and all",
            ("points", "seconds", "us a point", "of which evaluation, s", "peak MiB"),
            [(f"{sweep.points:,}", f"{sweep.seconds:.1f}", f"{sweep.microseconds:.1f}",
              f"{sweep.evaluation_s:.1f}", f"{sweep.peak_mib:,.0f}")],
        )
    )  # fmt: skip
    kept = store_speed.measure(DESIGNS)
    console.print()
    console.print(
        table(
            "The same sweep with a result store: seconds without, with an empty one, with a full one",
            ("points", "without", "empty", "full", "us a point kept", "bytes a point"),
            [(f"{kept.points:,}", f"{kept.without_s:.1f}", f"{kept.filling_s:.1f}", f"{kept.reading_s:.1f}",
              f"{kept.overhead_us:.1f}", f"{kept.disk_bytes / kept.points:.0f}")],
        )
    )  # fmt: skip
    scaling = [cluster_speed.measure("cycle", 40, workers) for workers in (0, 1, 2)]
    console.print()
    console.print(
        table(
            "Cycle model on a Dask cluster of one-thread workers, all on this machine",
            ("workers", "points", "seconds"),
            [
                (str(each.workers or "none, in this process"), str(each.points), f"{each.seconds:.1f}")
                for each in scaling
            ],
        )
    )
    cycle = cycle_speed.measure()
    console.print()
    console.print(
        table(
            "Cycle model, FuseMax, one core: every issue simulated; BERT at 1M tokens, exact, code loaded",
            ("issues/s", "event simulator", "ratio", "1M tokens, s", "cycles", "closed form, s"),
            [(f"{cycle.compiled_per_s:,.0f}", f"{cycle.events_per_s:,.0f}", f"{cycle.ratio:,.0f}x",
              f"{cycle.long_s:.2f}", f"{cycle.long_cycles:,}", f"{cycle.closed_s:.3f}")],
        )
    )  # fmt: skip
    runs = [
        (
            each.run,
            each.configuration,
            each.machine,
            f"{each.closed_s:.2f}",
            f"{each.cycles_s:.2f}",
            f"{each.latency_s:,.4g}",
        )
        for each in whole_models.measure()
    ]
    console.print()
    console.print(
        table("Llama 3 70B, all layers, files and code loaded",
              ("run", "configuration", "machine", "closed form, s", "cycle model, s", "latency, s"), runs, left=3)
    )  # fmt: skip


if __name__ == "__main__":
    main()
