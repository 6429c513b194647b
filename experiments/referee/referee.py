"""The tables and pictures of this experiment, from the results of its sweeps.

Usage: python experiments/referee/referee.py RESULTS_FOLDER [PICTURES_FOLDER]

RESULTS_FOLDER holds the results of the sweeps, each in a folder of its file's name (attention, three_pass, ...).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl

from einsim.units import show_count

HERE = Path(__file__).parent
CLOCK_HZ = 940e6
LENGTHS = {"1K": 2**10, "4K": 2**12, "16K": 2**14, "64K": 2**16, "256K": 2**18, "1M": 2**20}
NAMES = {
    ("unfused", "flat"): "unfused",
    ("flat", "flat"): "FLAT",
    ("flash", "tpu-like"): "FlashAttention, TPU-like",
    ("fsa", "fsa"): "FSA",
    ("fusemax", "fusemax"): "FuseMax",
    ("fusemax", "best"): "einsim's best machine",
}
CASE = ["model", "seq_len"]


def read(results: Path, *names: str) -> pl.DataFrame:
    """The rows of some sweeps, with the contender that each is of and whether its machine has a unit for exp."""
    rows = pl.concat([pl.read_parquet(results / name / "results.parquet") for name in names], how="diagonal_relaxed")
    if "architecture" not in rows.columns:
        return rows
    machine = pl.col("architecture").str.extract(r"([a-z-]+?)(-unit)?\.yaml$", 1)
    found = {f"{mapping} {machine}": name for (mapping, machine), name in NAMES.items()}
    contender = (pl.col("configuration") + " " + machine).replace_strict(found, default=None)
    return rows.with_columns(contender.alias("contender"), pl.col("architecture").str.contains("-unit").alias("unit"))


def contenders(results: Path) -> pl.DataFrame:
    """All rows of attention, with FuseMax's numbers of the same workload beside."""
    rows = read(results, "attention", "three_pass")
    against = rows.filter((pl.col("contender") == "FuseMax") & ~pl.col("unit")).select(
        *CASE, *(pl.col(name).alias(f"{name} of FuseMax") for name in ("latency_s", "simulated/latency_s", "energy_pj"))
    )
    return rows.join(against, on=CASE)


def mean(ratio: pl.Expr) -> pl.Expr:
    """The geometric mean."""
    return ratio.log().mean().exp()


def speed(column: str) -> pl.Expr:
    """How many times as fast as FuseMax."""
    return pl.col(f"{column} of FuseMax") / pl.col(column)


def attention_table(rows: pl.DataFrame) -> str:
    """Markdown: every contender against FuseMax, geometric means over models and lengths."""
    lines = ["| contender | exponential | area, mm² | energy | closed form | cycle model | runs | 2D array busy |",
             "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for name in NAMES.values():
        for unit in (False, True):
            own = rows.filter((pl.col("contender") == name) & (pl.col("unit") == unit))
            runs = own.filter(pl.col("simulated/latency_s").is_not_null())
            found = own.select(
                mean(pl.col("energy_pj") / pl.col("energy_pj of FuseMax")), mean(speed("latency_s"))
            ).row(0)
            cycle = runs.select(mean(speed("simulated/latency_s")), pl.col("simulated/util_2d").mean()).row(0)
            lines.append(
                f"| {name} | {'1 cycle' if unit else '6 macs'} | {own['area_um2'][0] / 1e6:.0f} | {found[0]:.2f} | "
                f"{found[1]:.3f}x | {cycle[0]:.3f}x | {len(runs)} of {len(own)} | {cycle[1]:.1%} |"
            )
    return "\n".join(lines)


def lengths_table(rows: pl.DataFrame) -> str:
    """Markdown: the cycle model's speed against FuseMax by length, geometric means over models; six macs."""
    own = rows.filter(~pl.col("unit"))
    lengths = own["seq_len"].unique().sort().to_list()
    lines = [
        "| contender | " + " | ".join(show_count(each) for each in lengths) + " |",
        "|---|" + "---|" * len(lengths),
    ]
    for name in NAMES.values():
        cells = []
        for length in lengths:
            part = own.filter((pl.col("contender") == name) & (pl.col("seq_len") == length))
            value = part.select(mean(speed("simulated/latency_s"))).item()
            cells.append("-" if value is None or part["simulated/latency_s"].null_count() else f"{value:.3f}x")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def per_tile(latency: Sequence[float], lengths: Sequence[int], side: int, heads: int, attentions: int) -> float:
    """Cycles of a tile of `side` x `side` scores that a latency of a N^2 + b N seconds stands for (batch 64).

    Of the two longest lengths, the second four times the first: what is linear in the length drops out.
    """
    square = (latency[1] - 4 * latency[0]) / (lengths[1] ** 2 - 4 * lengths[0] ** 2)
    return square * side**2 * CLOCK_HZ / (64 * heads * attentions)


SHAPES = {"BERT": (12, 1, 64), "T5": (8, 3, 64), "Llama3": (32, 2, 128)}
"""Heads, attentions in the stack that the artifact sums, and width of a head."""


def claims_table() -> str:
    """Markdown: cycles a tile that TransFusion's artifact charges, by a fit to its latencies."""
    rows = pl.read_csv(HERE / "claims" / "transfusion.csv")
    designs = ["unfused", "flat", "fusemax", "fusemax+layerfuse", "transfusion"]
    lines = ["| machine | E = F | model | " + " | ".join(designs) + " |", "|---|---|---|" + "---|" * len(designs)]
    for machine, side in (("edge", 16), ("cloud", 256)):
        for model, (heads, attentions, width) in SHAPES.items():
            cells = []
            for design in designs:
                own = rows.filter(
                    (pl.col("machine") == machine) & (pl.col("model") == model) & (pl.col("design") == design)
                )
                latency = dict(zip(own["seq_len"], own["latency"], strict=True))
                cycles = per_tile((latency["256K"], latency["1M"]), (2**18, 2**20), side, heads, attentions)
                cells.append(f"{cycles:,.1f}")
            lines.append(f"| {machine} | {width} | {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def layers_table(results: Path, model: str) -> str:
    """Markdown: a layer in seconds, closed form and cycle model; of BERT also as TransFusion's artifact stores it."""
    theirs = pl.read_csv(HERE / "claims" / "transfusion.csv").filter(model=model)
    ours = pl.read_parquet(results / "layers" / "results.parquet").filter(model=model)
    lines = ["| machine | design | " + " | ".join(LENGTHS) + " |", "|---|---|" + "---|" * len(LENGTHS)]
    for machine, file in (("edge", "transfusion-edge"), ("cloud", "fusemax")):
        for design in ("fusemax", "fusemax+layerfuse", "transfusion") if len(theirs) else ():
            own = theirs.filter(machine=machine, design=design)
            latency = dict(zip(own["seq_len"], own["latency"], strict=True))
            lines.append(
                f"| {machine} | stored: {design} | " + " | ".join(f"{latency[each]:.4g}" for each in LENGTHS) + " |"
            )
        here = ours.filter(architecture=file)
        for (mapping, layers), part in here.group_by("configuration", "layers", maintain_order=True):
            both = part.sort("seq_len").select("latency_s", "simulated/latency_s").iter_rows()
            cells = ["-" if closed is None else f"{closed:.4g} → {cycles:.4g}" for closed, cycles in both]
            lines.append(f"| {machine} | {mapping}, {layers} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def decode_table(results: Path) -> str:
    """Markdown: a token of 64 sequences, ms by tokens in the cache, closed form and cycle model."""
    rows = read(results, "decode").select(
        "contender", "context", "latency_s", "memory_s", "simulated/latency_s", "energy_pj"
    )
    flat = read(results, "decode_flat").with_columns(pl.lit("FLAT").alias("contender")).select(rows.columns)
    rows = pl.concat([flat, rows])
    contexts = rows["context"].unique().sort().to_list()
    lines = ["| contender | bound by | " + " | ".join(map(show_count, contexts)) + " | energy at the last |",
             "|---|---|" + "---|" * len(contexts) + "---|"]  # fmt: skip
    for (name,), part in rows.group_by("contender", maintain_order=True):
        bound = "memory" if (part["latency_s"] == part["memory_s"]).all() else "compute"
        cells = [f"{one * 1e3:.4g} → {other * 1e3:.4g}"
                 for one, other in zip(part["latency_s"], part["simulated/latency_s"], strict=True)]  # fmt: skip
        lines.append(f"| {name} | {bound} | " + " | ".join(cells) + f" | {part['energy_pj'][-1] / 1e12:.3g} J |")
    return "\n".join(lines)


def ladder_table(results: Path, rows: pl.DataFrame) -> str:
    """Markdown: how many times as long FLAT takes as FuseMax, from its published terms to the common ones."""
    fusemax = rows.filter((pl.col("contender") == "FuseMax") & ~pl.col("unit")).select(*CASE, of="latency_s")
    flat = pl.read_parquet(results / "flat_ladder" / "results.parquet").join(fusemax, on=CASE)
    ratio = pl.col("latency_s") / pl.col("of")
    found = flat.group_by("architecture", maintain_order=True).agg(ratio.mean().alias("arithmetic"), mean(ratio))
    lines = ["| FLAT's machine | arithmetic mean | geometric mean |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {one:.2f}x | {other:.2f}x |" for name, one, other in found.iter_rows())])


def attention_picture(rows: pl.DataFrame) -> plt.Figure:
    """Speed against FuseMax by contender: what the closed form says, and what the cycle model leaves of it."""
    figure, axis = plt.subplots(figsize=(8, 3.8), layout="constrained")
    names = list(NAMES.values())
    for number, (unit, colour) in enumerate(((False, "C0"), (True, "C1"))):
        for place, name in enumerate(names):
            own = rows.filter((pl.col("contender") == name) & (pl.col("unit") == unit))
            at = place + (number - 0.5) * 0.4
            closed, cycle = own.select(mean(speed("latency_s")), mean(speed("simulated/latency_s"))).row(0)
            axis.barh(at, closed, 0.36, color=colour, alpha=0.3)
            if cycle is not None:
                axis.barh(at, cycle, 0.36, color=colour)
            axis.text(
                max(closed, cycle or 0) * 1.05, at, f"{cycle:.2f}" if cycle is not None else "", va="center", size=8
            )
    for colour, label in (("C0", "exponential: 6 multiply-accumulates"), ("C1", "exponential: a unit, 1 cycle")):
        axis.barh(0, 0, color=colour, label=label)
    axis.barh(0, 0, color="0.5", alpha=0.3, label="closed form, beyond the cycle model")
    axis.axvline(1, color="0.3", linewidth=0.8)
    axis.set(yticks=range(len(names)), yticklabels=names, xscale="log", xlabel="speed against FuseMax (cycle model)")
    axis.set_xlim(0.03, 4)
    axis.invert_yaxis()
    axis.legend(frameon=False, fontsize=8, loc="upper right")
    return figure


def layers_picture(results: Path) -> plt.Figure:
    """Speed against one kernel after another: what TransFusion's artifact stores, and what is found here."""
    theirs = pl.read_csv(HERE / "claims" / "transfusion.csv").filter(model="BERT")
    ours = pl.read_parquet(results / "layers" / "results.parquet").filter(model="BERT")
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for axis, machine, file in zip(axes, ("edge", "cloud"), ("transfusion-edge", "fusemax"), strict=True):
        here = ours.filter(architecture=file)
        base = here.filter(configuration="fusemax", layers="sequential").sort("seq_len")["latency_s"].to_numpy()
        for design, colour in (("fusemax", "C0"), ("fusemax+layerfuse", "C1"), ("transfusion", "C2")):
            own = dict(theirs.filter(machine=machine, design=design).select("seq_len", "latency").iter_rows())
            speeds = [base[n] / own[each] for n, each in enumerate(LENGTHS)]
            axis.plot(list(LENGTHS), speeds, "o--", color=colour, label=f"stored: {design}")
        for (mapping, layers), part in here.group_by("configuration", "layers", maintain_order=True):
            colour = "C2" if mapping != "fusemax" else "C1" if layers == "fused" else "C0"
            axis.plot(list(LENGTHS), base / part.sort("seq_len")["latency_s"].to_numpy(), "s-", color=colour,
                      label=f"here: {mapping}, {layers}")  # fmt: skip
        axis.set(title=f"{machine} machine, a layer of BERT", xlabel="tokens")
        axis.set_ylim(0, 2.1)
    axes[0].set_ylabel("speed against FuseMax here,\none kernel after another")
    axes[0].legend(frameon=False, fontsize=7, ncols=2, loc="lower right")
    return figure


def main() -> None:
    """Prints the tables and writes the pictures."""
    results = Path(sys.argv[1])
    rows = contenders(results)
    for title, text in (
        ("Attention", attention_table(rows)),
        ("By length", lengths_table(rows)),
        ("FLAT, assumption by assumption", ladder_table(results, rows)),
        ("TransFusion's cycles a tile", claims_table()),
        ("A layer of BERT, s", layers_table(results, "BERT")),
        ("A layer of Llama-3-8B, s", layers_table(results, "Llama-3-8B")),
        ("A token of Llama-3-8B, ms", decode_table(results)),
    ):
        print(f"## {title}\n\n{text}\n")
    if len(sys.argv) > 2:
        attention_picture(rows).savefig(Path(sys.argv[2]) / "attention.svg")
        layers_picture(results).savefig(Path(sys.argv[2]) / "layers.svg")


if __name__ == "__main__":
    main()
