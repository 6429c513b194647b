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


STACKS = {"BERT": "BERT", "stack-T5": "T5", "stack-Llama3": "Llama3"}
"""Models here, and what TransFusion's artifact calls them."""
MODELS = ("BERT", "stack-TrXL", "stack-T5", "stack-XLM", "stack-Llama3", "Llama-3-8B")
MACHINES = {"edge": "transfusion-edge", "cloud": "fusemax"}
STORED = ("fusemax", "fusemax+layerfuse", "transfusion")
PLAIN = "fusemax, sequential"


def stored() -> pl.DataFrame:
    """What TransFusion's artifact stores, by our names of models and lengths in tokens."""
    rows = pl.read_csv(HERE / "claims" / "transfusion.csv")
    ours = {theirs: name for name, theirs in STACKS.items()}
    return rows.with_columns(
        pl.col("model").replace_strict(ours), pl.col("seq_len").replace_strict(LENGTHS, return_dtype=pl.Int64)
    ).rename({"latency": "latency_s", "energy": "energy_pj"})


def layers(results: Path, name: str = "layers") -> pl.DataFrame:
    """The rows of a sweep of layers, with the machine and the design that each is of."""
    rows = pl.read_parquet(results / name / "results.parquet")
    machine = pl.col("architecture").replace_strict({file: name for name, file in MACHINES.items()})
    return rows.with_columns(machine.alias("machine"), design=pl.col("configuration") + ", " + pl.col("layers"))


def layers_table(results: Path, model: str) -> str:
    """Markdown: a layer in seconds, closed form and cycle model, beside what TransFusion's artifact stores."""
    theirs, ours = stored().filter(model=model), layers(results).filter(model=model)
    lines = ["| machine | design | " + " | ".join(LENGTHS) + " |", "|---|---|" + "---|" * len(LENGTHS)]
    for machine in MACHINES:
        for design in STORED if len(theirs) else ():
            own = theirs.filter(machine=machine, design=design).sort("seq_len")["latency_s"]
            lines.append(f"| {machine} | stored: {design} | " + " | ".join(f"{each:.4g}" for each in own) + " |")
        for (design,), part in ours.filter(machine=machine).group_by("design", maintain_order=True):
            both = part.sort("seq_len").select("latency_s", "simulated/latency_s").iter_rows()
            cells = ["-" if closed is None else f"{closed:.4g} → {cycles:.4g}" for closed, cycles in both]
            lines.append(f"| {machine} | {design} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def over(rows: pl.DataFrame, base: pl.DataFrame, column: str, *, faster: bool) -> pl.DataFrame:
    """Rows with `ratio`: how many times as fast as the base of the same case, or how much of its energy."""
    keys = ["machine", "model", "seq_len"]
    both = rows.join(base.select(*keys, of=column), on=keys)
    ratio = pl.col("of") / pl.col(column) if faster else pl.col(column) / pl.col("of")
    return both.with_columns(ratio=ratio)


def by_model(rows: pl.DataFrame, names: Sequence[str], style: str) -> list[str]:
    """Cells: the geometric mean over lengths of each model's ratio."""
    found = [rows.filter(model=name) for name in names]
    return [format(each.select(mean(pl.col("ratio"))).item(), style) + "x" if len(each) else "-" for each in found]


def speeds_table(results: Path) -> str:
    """Markdown: speed of whole layers, geometric means over lengths; ours by closed form and cycle model."""
    theirs, ours = stored(), layers(results)
    base, plain = theirs.filter(design="fusemax"), ours.filter(design=PLAIN)
    lines = ["| machine | design | against | " + " | ".join(MODELS) + " |", "|---|---|---|" + "---|" * len(MODELS)]
    for machine in MACHINES:
        for design in STORED[1:]:
            own = theirs.filter(machine=machine, design=design)
            for name, against in (("its FuseMax", base), ("FuseMax as it is", plain)):
                cells = by_model(over(own, against, "latency_s", faster=True), MODELS, ".2f")
                lines.append(f"| {machine} | stored: {design} | {name} | " + " | ".join(cells) + " |")
        for (design,), part in ours.filter(machine=machine).group_by("design", maintain_order=True):
            if design != PLAIN:
                both = [by_model(over(part, plain, column, faster=True), MODELS, ".2f")
                        for column in ("latency_s", "simulated/latency_s")]  # fmt: skip
                cells = [f"{closed} → {cycles}" for closed, cycles in zip(*both, strict=True)]
                lines.append(f"| {machine} | {design} | FuseMax as it is | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def rungs(results: Path) -> dict[str, pl.DataFrame]:
    """Our layers of the artifact's models by what is charged, from the artifact's terms to those of this page."""
    ours = layers(results).filter(pl.col("model").is_in(list(STACKS)))
    return {
        "the artifact's terms: registers of one element": layers(results, "energy"),
        "registers of every element, as published": layers(results, "energy_full"),
        "register files at their own depth: the rules of this page": ours,
    }


def energy_table(results: Path) -> str:
    """Markdown: energy of FuseMax's layers here over what the artifact stores, geometric means over lengths."""
    base = stored().filter(design="fusemax")
    names = [(machine, model) for machine in MACHINES for model in STACKS]
    lines = ["| what is charged | " + " | ".join(f"{machine}, {STACKS[model]}" for machine, model in names) + " |",
             "|---|" + "---|" * len(names)]  # fmt: skip
    for title, rows in rungs(results).items():
        own = over(rows.filter(design=PLAIN), base, "energy_pj", faster=False)
        cells = [by_model(own.filter(machine=machine), [model], ".3f")[0] for machine, model in names]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def saving_table(results: Path) -> str:
    """Markdown: energy against FuseMax one kernel after another on the same terms, means over the artifact's models."""
    lines = ["| machine | design | " + " | ".join(LENGTHS) + " |", "|---|---|" + "---|" * len(LENGTHS)]
    theirs, levels = stored(), rungs(results)
    first, *_, last = levels.values()
    for machine in MACHINES:
        cases = [(f"stored: {design}{title}", theirs.filter(design=design), base)
                 for title, base in (("", theirs.filter(design="fusemax")),
                                     (", over FuseMax here on the artifact's terms", first.filter(design=PLAIN)))
                 for design in STORED[1:]]  # fmt: skip
        for title, rows in (("the artifact's terms", first), ("the rules of this page", last)):
            cases += [(f"{design}; {title}", part, rows.filter(design=PLAIN))
                      for (design,), part in rows.filter(machine=machine).group_by("design", maintain_order=True)
                      if design != PLAIN]  # fmt: skip
        for title, part, against in cases:
            found = over(part.filter(machine=machine), against, "energy_pj", faster=False)
            cells = [mean_of(found.filter(seq_len=length)) for length in LENGTHS.values()]
            lines.append(f"| {machine} | {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mean_of(rows: pl.DataFrame) -> str:
    """The geometric mean of the ratio, as text."""
    return f"{rows.select(mean(pl.col('ratio'))).item():.3f}x"


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
                max(closed, cycle or 0) * 1.05,
                at,
                f"{cycle:.2f}" if cycle is not None else "",
                va="center",
                size=8,
                bbox={"color": "white", "pad": 1},
            )
    for colour, label in (("C0", "exponential: 6 multiply-accumulates"), ("C1", "exponential: a unit, 1 cycle")):
        axis.barh(0, 0, color=colour, label=label)
    axis.barh(0, 0, color="0.5", alpha=0.3, label="closed form, beyond the cycle model")
    axis.axvline(1, color="0.3", linewidth=0.8, zorder=0.5)
    axis.set(yticks=range(len(names)), yticklabels=names, xscale="log", xlabel="speed against FuseMax (cycle model)")
    axis.set_xlim(0.03, 4)
    axis.invert_yaxis()
    figure.legend(frameon=False, fontsize=8, ncols=3, loc="outside lower center")
    return figure


def layers_picture(results: Path) -> plt.Figure:
    """Speed against one kernel after another: what TransFusion's artifact stores, and what is found here."""
    theirs, ours = stored(), layers(results)
    figure, axes = plt.subplots(2, 3, figsize=(10, 6), sharex=True, sharey=True, layout="constrained")
    for row, machine in zip(axes, MACHINES, strict=True):
        for axis, model in zip(row, STACKS, strict=True):
            here = ours.filter(machine=machine, model=model)
            base = here.filter(design=PLAIN).sort("seq_len")["latency_s"].to_numpy()
            for number, design in enumerate(STORED):
                own = theirs.filter(machine=machine, model=model, design=design).sort("seq_len")["latency_s"]
                axis.plot(list(LENGTHS), base / own.to_numpy(), "o--", color=f"C{number}", label=f"stored: {design}")
            for (design,), part in here.group_by("design", maintain_order=True):
                colour = "C2" if "divided" in design else "C1" if "fused" in design else "C0"
                own = part.sort("seq_len")["simulated/latency_s"].to_numpy()
                axis.plot(list(LENGTHS), base / own, "s-", color=colour, label=f"here, cycle by cycle: {design}")
            axis.set_title(f"{machine}, {STACKS[model]}")
            axis.set_ylim(0, 2.2)
        row[0].set_ylabel("speed against FuseMax here,\none kernel after another")
    for axis in axes[-1]:
        axis.set_xlabel("tokens")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, ncols=3, loc="outside lower center")
    return figure


def energy_picture(results: Path) -> plt.Figure:
    """Energy of layers against FuseMax one kernel after another, on the artifact's terms and on ours."""
    theirs, levels = stored(), rungs(results)
    first, *_, last = levels.values()
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
    for axis, machine in zip(axes, MACHINES, strict=True):
        cases = [(f"stored: {design}", "o--", f"C{number + 1}", theirs.filter(design=design), theirs, "fusemax")
                 for number, design in enumerate(STORED[1:])]  # fmt: skip
        for title, line, rows in (("its terms", "s:", first), ("rules of this page", "s-", last)):
            for (design,), part in rows.filter(pl.col("design") != PLAIN).group_by("design", maintain_order=True):
                colour = "C2" if "divided" in design else "C1"
                cases.append((f"here: {design}; {title}", line, colour, part, rows, PLAIN))
        for title, line, colour, part, rows, base in cases:
            found = over(part.filter(machine=machine), rows.filter(design=base), "energy_pj", faster=False)
            if len(found):
                means = found.group_by("seq_len").agg(mean(pl.col("ratio"))).sort("seq_len")["ratio"]
                axis.plot(list(LENGTHS), means, line, color=colour, label=title)
        axis.axhline(1, color="0.3", linewidth=0.8)
        axis.set(title=f"{machine} machine, three models", xlabel="tokens", ylim=(0.6, 1.4))
    axes[0].set_ylabel("energy against FuseMax,\none kernel after another")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, ncols=3, loc="outside lower center")
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
        *((f"A layer of {model}, s", layers_table(results, model)) for model in MODELS),
        ("Whole layers", speeds_table(results)),
        ("Energy of FuseMax's layers", energy_table(results)),
        ("Energy of the others", saving_table(results)),
        ("A token of Llama-3-8B, ms", decode_table(results)),
    ):
        print(f"## {title}\n\n{text}\n")
    if len(sys.argv) > 2:
        attention_picture(rows).savefig(Path(sys.argv[2]) / "attention.svg")
        layers_picture(results).savefig(Path(sys.argv[2]) / "layers.svg")
        energy_picture(results).savefig(Path(sys.argv[2]) / "energy.svg")


if __name__ == "__main__":
    main()
