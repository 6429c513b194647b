"""Which ranks of an index tell the elements of a dimension apart: of windows and gathers, fewer or more than one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from einsim.cascade import Index
from einsim.errors import SpecError
from einsim.spec.expressions import Number, is_formula

Extents = Mapping[tuple[str, ...], Number]
"""Ranks of an index that go together (both parts of a split), or one alone -> the elements that they walk."""


def covering(index: Index, needed: Number, extents: Extents) -> list[str]:
    """The fewest ranks of an index, the longest, that cover the `needed` elements of a dimension; all of a gather's.

    Of equally long ones the last. A window so counts as its longer rank (halos are not counted), and a gather reads at
    each point of its ranks. Where sizes are arrays the ranks are those of all points; a rank of one element more or
    less makes no difference. Raises SpecError where they differ by others, and of formulas.
    """
    if index.gathers or not index.ranks:
        return list(index.ranks)
    sizes = [needed, *extents.values()]
    if any(map(is_formula, sizes)):
        raise SpecError(f"index {index} mixes ranks; formulas cannot tell which of them is longer", at=index.at)
    columns = np.broadcast_arrays(*(np.asarray(each, dtype=np.int64) for each in sizes))
    points = [tuple(map(int, point)) for point in np.unique([each.ravel() for each in columns], axis=1).T]
    chosen = {point: _longest(point) for point in points}
    every = set[int]().union(*chosen.values())
    if any(own[place] > 1 for (_, *own), places in chosen.items() for place in every - places):
        raise SpecError(f"index {index} mixes ranks, and which of them is longer varies", at=index.at,
                        remedy="evaluate these sizes one by one")  # fmt: skip
    return [rank for place, ranks in enumerate(extents) if place in every for rank in ranks]


def _longest(sizes: tuple[int, ...]) -> set[int]:
    """The places of the longest extents that together have as many elements as are needed, which come first."""
    needed, *own = sizes
    covered, found = 1, set[int]()
    for place in sorted(range(len(own)), key=lambda each: (own[each], each), reverse=True):
        if covered >= needed:
            break
        found.add(place)
        covered *= own[place]
    return found
