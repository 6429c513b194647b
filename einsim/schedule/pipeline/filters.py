"""Filters on positions (`m <= p`) as linear conditions, so that tiles without any point can be left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod

from einsim.cascade import Cascade, Compare, Condition, Einsum, Index, Junction, as_index, merge_tiles, tiled_split
from einsim.schedule.pipeline.epochs import Extents


@dataclass(frozen=True, slots=True)
class Form:
    """The sum of `factors` times the coordinates of base ranks, plus a constant, is not negative."""

    factors: tuple[tuple[str, int], ...]
    constant: int


Filters = tuple[tuple[Form, ...], ...]
"""The conditions of each Einsum; a tile is empty if each of them has one that no point of the tile meets."""


def filters_of(cascade: Cascade, einsums: Iterable[Einsum], sizes: Extents) -> Filters:
    """The filters of some Einsums, as far as they are linear; none if one of them has none."""
    found = []
    for einsum in einsums:
        forms = tuple(_forms(cascade, einsum.when, sizes)) if einsum.when is not None else ()
        if not forms:
            return ()
        found.append(forms)
    return tuple(found)


def _forms(cascade: Cascade, condition: Condition, sizes: Extents) -> Iterator[Form]:
    """The linear conditions that every point that is left meets."""
    if isinstance(condition, Junction) and condition.kind == "and":
        for part in condition.parts:
            yield from _forms(cascade, part, sizes)
    if not isinstance(condition, Compare):
        return
    left, right = as_index(condition.left), as_index(condition.right)
    if left is None or right is None:
        return
    strict = int(condition.operator in {"<", ">"})
    pairs = {"<=": [(right, left)], "<": [(right, left)], ">=": [(left, right)], ">": [(left, right)],
             "==": [(left, right), (right, left)]}.get(condition.operator, [])  # fmt: skip
    for more, less in pairs:
        form = _form(cascade, more.plus(less, -1), strict, sizes)
        if form is not None:
            yield form


def _form(cascade: Cascade, index: Index, strict: int, sizes: Extents) -> Form | None:
    """A difference as a form over base ranks; the outer rank of a split counts as the start of its tile."""
    factors: dict[str, int] = {}
    constant = -strict
    for term in merge_tiles(cascade, index).terms:
        known = [sizes[name] for name in term.sizes if name in sizes]
        scale = term.factor * prod(known)
        split = tiled_split(cascade, term.rank) if term.rank is not None else None
        if len(known) < len(term.sizes) or (term.rank is None and term.atoms):
            return None
        if term.rank is None:
            constant += scale
        elif split is None:
            factors[term.rank] = factors.get(term.rank, 0) + scale
        elif term.rank == split.outer and split.size in term.sizes:
            factors[split.rank] = factors.get(split.rank, 0) + scale // sizes[split.size]
        else:
            return None
    return Form(tuple(factors.items()), constant)
