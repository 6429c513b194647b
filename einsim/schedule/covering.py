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
    """The fewest ranks of an index, longest first, that cover the `needed` elements of a dimension; all of a gather's.

    Of equally long ones the last. A window so counts as its longer rank (halos are not counted), and a gather reads at
    each point of its ranks. Where sizes are arrays the ranks are those of all points. Raises SpecError where these
    differ, and of formulas.
    """
    if index.gathers or not index.ranks:
        return list(index.ranks)
    sizes = [needed, *extents.values()]
    if any(map(is_formula, sizes)):
        raise SpecError(f"index {index} mixes ranks; formulas cannot tell which of them is longer", at=index.at)
    points = np.broadcast_arrays(*(np.asarray(each, dtype=np.int64) for each in sizes))
    found = {_longest(tuple(map(int, point))) for point in np.unique([p.ravel() for p in points], axis=1).T}
    if len(found) > 1:
        raise SpecError(f"index {index} mixes ranks, and which of them is longer varies", at=index.at,
                        remedy="evaluate these sizes one by one")  # fmt: skip
    groups = list(extents)
    return [rank for place in found.pop() for rank in groups[place]]


def _longest(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The places of the longest extents that together have as many elements as are needed, which come first."""
    needed, *own = sizes
    covered, found = 1, []
    for place in sorted(range(len(own)), key=lambda each: (own[each], each), reverse=True):
        if covered >= needed:
            break
        found.append(place)
        covered *= own[place]
    return tuple(found)
