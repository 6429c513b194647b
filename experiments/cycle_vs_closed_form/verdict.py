"""The table and the picture of this experiment, from the results of `utilisation.yaml`.

Usage: python experiments/cycle_vs_closed_form/verdict.py RESULTS_FOLDER [PICTURE.svg]
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl

from einsim.units import show_count

CAUSES = ["fill", "end", "travel", "operand", "latency", "phase", "full", "memory", "port"]
"""Causes of stalls, those of the pipeline's ends first."""


def table(frame: pl.DataFrame) -> str:
    """Markdown: utilisation of the 2D array by the closed form and in the simulation, and cycles more, by length."""
    lines = [
        "| configuration | model | " + " | ".join(_lengths(frame)) + " |",
        "|---|---|" + "---|" * len(_lengths(frame)),
    ]
    for (configuration, model), part in frame.group_by("configuration", "model", maintain_order=True):
        cells = []
        for row in part.iter_rows(named=True):
            more = (row["simulated/latency_s"] / row["latency_s"] - 1) * 100
            cells.append(f"{row['util_2d']:.1%} → {row['simulated/util_2d']:.1%} ({more:+.2f} %)")
        lines.append(f"| {configuration} | {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _lengths(frame: pl.DataFrame) -> list[str]:
    return [show_count(value) for value in frame["seq_len"].unique(maintain_order=True)]


def picture(frame: pl.DataFrame, model: str) -> plt.Figure:
    """Where every cycle of the 2D array goes, by configuration and length; marks are the closed form's utilisation."""
    own = frame.filter(pl.col("model") == model)
    names = own["configuration"].unique(maintain_order=True).to_list()
    figure, axes = plt.subplots(1, len(names), figsize=(11, 3.6), sharey=True, layout="constrained")
    colours = plt.get_cmap("tab10").colors
    for axis, name in zip(axes, names, strict=True):
        part = own.filter(pl.col("configuration") == name)
        places = range(len(part))
        stalls = {
            cause: part[f"stalls/array2d/{cause}"].fill_null(0).to_numpy()
            for cause in CAUSES
            if f"stalls/array2d/{cause}" in part.columns
        }
        busy = 1 - sum(stalls.values())
        axis.bar(places, busy, color="0.25", label="issues")
        base = busy
        for number, (cause, share) in enumerate(stalls.items()):
            axis.bar(places, share, bottom=base, color=colours[number], label=cause)
            base = base + share
        axis.plot(places, part["util_2d"], "w_", markersize=16, markeredgewidth=4)
        axis.plot(places, part["util_2d"], "_", color="C3", markersize=16, markeredgewidth=2, label="closed form, used")
        axis.plot(places, part["simulated/util_2d"], "wo", markeredgecolor="k", markersize=4, label="simulated, used")
        axis.set_xticks(list(places), _lengths(part), rotation=90)
        axis.set_title(name)
    axes[0].set_ylabel(f"cycles of the 2D array ({model})")
    axes[0].set_ylim(0, 1)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    return figure


def main() -> None:
    """Prints the table and writes the picture."""
    frame = pl.read_parquet(Path(sys.argv[1]) / "results.parquet")
    print(table(frame))
    if len(sys.argv) > 2:
        picture(frame, "BERT").savefig(sys.argv[2])


if __name__ == "__main__":
    main()
