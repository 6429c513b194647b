"""Pareto fronts: designs of which no other is better in every objective, and how much of the space they dominate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from einsim.explore.searchfile import HIGHER
from einsim.extras import load

if TYPE_CHECKING:
    import polars as pl

Numbers = NDArray[np.float64]

CHECKPOINTS: Final = 64
"""At how many moments of a search the hypervolume is computed."""


def costs(table: pl.DataFrame, objectives: Sequence[str]) -> Numbers:
    """Designs x objectives, of which less is better; NaN where a design has no such number."""
    columns = [table[name].cast(float).to_numpy() * (-1.0 if name in HIGHER else 1.0) for name in objectives]
    return np.column_stack(columns)


def front(table: pl.DataFrame, objectives: Sequence[str]) -> pl.DataFrame:
    """The designs that keep all constraints and that no other such design dominates, by the first objective.

    Of designs that are equal in all objectives, the first stays. Raises ToolError where moocore is missing.
    """
    moocore = load("moocore", "search", "a Pareto front")
    good = table.filter(table["violation"] == 0.0)
    values = costs(good, objectives)
    whole = np.asarray(~np.isnan(values).any(axis=1))
    good, values = good.filter(whole), values[whole]
    if not len(good):
        return good
    kept = moocore.is_nondominated(values)
    best = good.filter(kept)
    return best.sort(objectives[0], "design", descending=[objectives[0] in HIGHER, False])


def hypervolume(table: pl.DataFrame, objectives: Sequence[str]) -> list[tuple[int, float]]:
    """How much of the objectives' box the front dominates after some numbers of designs, in the table's order.

    The box spans the smallest to the largest value of each objective over all designs that keep the constraints;
    positive objectives are taken as logarithms, so that a factor counts the same everywhere. 1 would be a design that
    is best in all. Zitzler and Thiele, PPSN 1998.
    """
    moocore = load("moocore", "search", "a Pareto front")
    values = costs(table, objectives)
    good = np.asarray((table["violation"] == 0.0).to_numpy() & ~np.isnan(values).any(axis=1))
    if not good.any():
        return []
    logs = [np.log(np.where(good, column, 1.0)) if (column[good] > 0).all() else column for column in values.T]
    scaled = np.column_stack(logs)
    low, high = scaled[good].min(axis=0), scaled[good].max(axis=0)
    scaled = (scaled - low) / np.where(high > low, high - low, 1.0)
    found = []
    for count in np.unique(np.linspace(1, len(table), min(CHECKPOINTS, len(table))).astype(int)):
        known = scaled[:count][good[:count]]
        value = float(moocore.hypervolume(known, ref=np.ones(len(objectives)))) if len(known) else 0.0
        found.append((int(count), value))
    return found
