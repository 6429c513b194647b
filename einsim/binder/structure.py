"""Tiles for a cascade that iterates over tiles of a sequence, from the cascade and the machine alone.

The rank that the iteration walks tile by tile lies along the rows of the 2D array, the longest rank that every
iterated Einsum keeps apart along its columns and the lanes. As many tiles of that one take turns as the buffer has
room for. This fixes what a tile is; which array does what is left to the binder.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from dataclasses import dataclass
from typing import Any

from einsim.cascade import (
    Cascade,
    Split,
    bind_sizes,
    is_copy,
    iteration_ranks,
    iterative_rank,
    known_ranks,
    known_sizes,
    size_of,
    size_parameters,
    split_of,
)
from einsim.errors import Location, SpecError
from einsim.spec.architecture import Architecture

TILES = 64
"""Tiles along a rank whose size nobody gives: many, so that a steady state is one."""


@dataclass(frozen=True, slots=True)
class Structure:
    """The ranks of a cascade by what they are for.

    `split` is the one whose outer rank is iterated over, `columns` the rank along the columns; `outer` ranks are
    walked outside of all tiles, `inner` ones inside a tile.
    """

    cascade: Cascade
    machine: Architecture
    split: Split
    columns: str
    outer: tuple[str, ...]
    inner: tuple[str, ...]

    @property
    def grid(self) -> str:
        """The machine's 2D array."""
        return next(name for name, array in self.machine.arrays.items() if array.is_grid)

    def tile_names(self) -> tuple[str, str, dict[str, str]]:
        """Names of the two tiles, and of the loops over the columns' rank by what they are: as shipped mappings do."""
        taken = {*known_ranks(self.cascade), *(size_of(rank) for rank in known_ranks(self.cascade))}
        taken |= {split.size for split in self.cascade.splits}
        mark = ""
        while any(f"{self.columns}{mark}{n}" in taken or f"{size_of(self.columns)}{mark}{n}" in taken for n in "012l"):
            mark += "t"
        loops = {n: f"{self.columns}{mark}{n}" for n in "21l0"}
        return f"{size_of(self.columns)}{mark}0", f"{size_of(self.columns)}{mark}1", loops


def structure_of(cascade: Cascade, machine: Architecture, sizes: Table[str, int]) -> Structure:
    """What is a tile; raises SpecError where a cascade has no iteration over tiles, or the machine no two arrays."""
    at = Location(f"cascade {cascade.name}")
    if len(machine.arrays) < 2 or len(machine.memories) < 2:
        raise SpecError(f"{machine.name} has not both a 2D and a 1D array behind a buffer", at=Location("--arch"),
                        remedy="name a machine with two arrays: nothing is to be bound on one")  # fmt: skip
    if parts := [einsum.name for einsum in cascade.einsums if einsum.part]:
        raise SpecError(f"{parts[0]} is a part of an assembled tensor, which mappings cannot place yet", at=at)
    walked = {rank for einsum in cascade.einsums if (rank := iterative_rank(einsum)) is not None}
    split = next((each for each in cascade.splits if each.outer in walked), None)
    if split is None:
        raise SpecError("no Einsum iterates over tiles of a rank, so that nothing says what a tile is", at=at,
                        remedy="give a mapping with the tiles: --mapping FILE")  # fmt: skip
    views = views_of(cascade)
    mapped = [einsum for einsum in cascade.einsums if einsum.name not in views]
    inside = [set(iteration_ranks(einsum)) for einsum in mapped if split.outer in iteration_ranks(einsum)]
    common = set.intersection(*inside) - {split.outer, split.inner}
    ranks = [rank for einsum in mapped for rank in iteration_ranks(einsum)]
    ranks = [rank for rank in dict.fromkeys(ranks) if rank not in {split.outer, split.inner, split.rank}]
    along = [rank for rank in ranks if rank in common and split_of(cascade, rank) is None]
    if not along:
        raise SpecError("its iterated Einsums have no rank in common for the columns of an array", at=at,
                        remedy="give a mapping with the tiles: --mapping FILE")  # fmt: skip
    columns = max(along, key=lambda rank: (sizes.get(size_of(rank), 1 << 62), -ranks.index(rank)))
    batch = [name.lower() for name in sizes if name not in known_sizes(cascade)]
    outer = (*batch, *(rank for rank in ranks if rank in common and rank != columns))
    return Structure(cascade, machine, split, columns, outer,
                     tuple(rank for rank in ranks if rank not in outer and rank != columns))  # fmt: skip


def views_of(cascade: Cascade) -> list[str]:
    """Copies that are no results: other names for what is there."""
    return [einsum.name for einsum in cascade.einsums if is_copy(einsum) and einsum.name not in cascade.outputs]


def whole_sizes(structure: Structure, sizes: Table[str, int]) -> dict[str, int]:
    """The sizes with those of the tiled ranks, where they are not given: many tiles of each."""
    machine, cascade = structure.machine, structure.cascade
    axes = machine.arrays[structure.grid].axes
    found = dict(sizes)
    for rank, axis in ((structure.split.rank, "rows"), (structure.columns, "columns")):
        if size_of(rank) in size_parameters(cascade):
            found.setdefault(size_of(rank), TILES * axes[axis])
    missing = [name for name in size_parameters(cascade) if name not in found and name != structure.split.size]
    if missing:
        raise SpecError(f"no size for {', '.join(missing)}", at=Location("--shape"),
                        remedy=f"add {','.join(f'{name}=...' for name in missing)}")  # fmt: skip
    bind_sizes(cascade, {**{k: v for k, v in found.items() if k in size_parameters(cascade)},
                         structure.split.size: axes["rows"]})  # fmt: skip
    return found


def mapping_of(structure: Structure, architecture: str, cascade: str) -> dict[str, Any]:
    """A mapping file's data with the tiles of a structure: every Einsum's nest, and nothing about residency.

    `architecture` and `cascade` are the names by which the file refers to them.
    """
    machine = structure.machine
    p0, p1, loops = structure.tile_names()
    outermost, *_, buffer = machine.memories
    names = list(dict.fromkeys([outermost, buffer]))
    around = [*structure.outer, loops["2"]]
    nests: dict[str, Any] = {}
    for name, array in machine.arrays.items():
        turns = [] if array.is_grid else [loops["l"]]
        row = {"rows": structure.split.inner} if array.is_grid else {}
        first = [] if array.is_grid else [structure.split.inner]
        space = {"columns" if array.is_grid else "lanes": loops["0"]}
        nests[f"{name}_tiles"] = {
            "array": name,
            "loops": {names[0]: [*around, structure.split.outer],
                      names[-1]: [loops["1"], *structure.inner, *turns, *first]},
            "spatial": {**space, **row},
        }  # fmt: skip
        nests[f"{name}_ends"] = {
            "array": name,
            "loops": {names[0]: around, names[-1]: [loops["1"], *turns, *structure.inner]},
            "spatial": space,
        }
    batch = [rank for rank in structure.outer if rank not in known_ranks(structure.cascade)]
    size = size_of(structure.columns)
    line = next(name for name, array in machine.arrays.items() if not array.is_grid)
    return {
        "name": f"{structure.cascade.name}-bound",
        "description": "Tiles from the cascade and the machine alone; arrays and cycles found by einsim bind.",
        "cascade": cascade,
        "architecture": architecture,
        **({"batch": batch} if batch else {}),
        "sizes": {structure.split.size: f"{structure.grid}.rows"},
        "tiles": {p0: f"{structure.grid}.columns", p1: {"divides": f"ceil({size} / {p0})", "fits": buffer}},
        "partition": {structure.columns: {loops["2"]: f"{p1} * {p0}", loops["1"]: p0,
                                          loops["l"]: f"min({p0}, {line}.lanes)", loops["0"]: "1"}},
        "nests": nests,
        "views": views_of(structure.cascade),
        "einsums": {},
        "phases": [],
    }  # fmt: skip
