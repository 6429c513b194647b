"""Tiles for a cascade that iterates over tiles of a sequence, from the cascade and the machine alone.

The rank that the iteration walks tile by tile lies along the rows of the 2D array, the longest rank that every
iterated Einsum keeps apart along its columns and the lanes. As many tiles of that one take turns as the buffer has
room for. This fixes what a tile is; which array does what is left to the binder.

Where lanes are more than columns a tile is as wide as the lanes, and takes several turns on the 2D array. Where the
rank along the columns is divided, each part has tiles of its own, side by side, and a group of both is an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass, replace
from typing import Any

from einsim.cascade import (
    Cascade,
    Division,
    Split,
    bind_sizes,
    divide,
    is_copy,
    iteration_ranks,
    iterative_rank,
    known_ranks,
    known_sizes,
    size_of,
    size_parameters,
    tiled_split,
    tiled_splits,
)
from einsim.errors import Location, SpecError
from einsim.spec.architecture import Architecture

TILES = 64
"""Tiles along a rank whose size nobody gives: many, so that a steady state is one."""


@dataclass(frozen=True, slots=True)
class Structure:
    """The ranks of a cascade by what they are for.

    `split` is the one whose outer rank is iterated over, `columns` the rank along the columns, or the parts that it is
    divided into (`groups` counts groups of them); `outer` ranks are walked outside of all tiles, `inner` ones inside a
    tile.
    """

    cascade: Cascade
    machine: Architecture
    split: Split
    columns: tuple[str, ...]
    outer: tuple[str, ...]
    inner: tuple[str, ...]
    groups: str | None = None

    @property
    def grid(self) -> str:
        """The machine's 2D array."""
        return next(name for name, array in self.machine.arrays.items() if array.is_grid)

    @property
    def line(self) -> str:
        """The machine's lanes."""
        return next(name for name, array in self.machine.arrays.items() if not array.is_grid)

    @property
    def turns(self) -> int:
        """Tiles of columns in one of lanes: as many as keep two words each in the 2D array's registers at one time.

        What the array makes of a tile waits there until the lanes have seen all of it; a third word is on its way.
        """
        grid, line = self.machine.arrays[self.grid], self.machine.arrays[self.line]
        return max(1, min(line.axes["lanes"] // grid.axes["columns"], grid.registers.depth_words // 3))

    @property
    def width(self) -> int:
        """Elements of the columns' rank in a tile."""
        return self.turns * self.machine.arrays[self.grid].axes["columns"]

    @property
    def tile(self) -> str:
        """The same, as an expression."""
        grid, line = self.grid, self.line
        if self.turns == 1:
            return f"{grid}.columns"
        registers = self.machine.arrays[grid].registers.name
        return f"{grid}.columns * min({line}.lanes // {grid}.columns, {registers}.depth_words // 3)"

    @property
    def summed(self) -> set[str]:
        """Inner ranks that are only summed over: innermost, so that a sum is whole before the next begins."""
        einsums = self.cascade.einsums
        return {r for e in einsums for r in e.reduced} - {r for e in einsums if not is_copy(e) for r in e.output.ranks}

    def names(self, rank: str, ends: str) -> dict[str, str]:
        """Free names of loops (and, in capitals, of tiles) made of a rank, by their endings: as shipped mappings do."""
        taken = {*known_ranks(self.cascade), *(size_of(each) for each in known_ranks(self.cascade))}
        taken |= {split.size for split in self.cascade.splits}
        mark = ""
        while any(f"{rank}{mark}{n}" in taken or f"{size_of(rank)}{mark}{n}" in taken for n in ends):
            mark += "t"
        return {n: f"{rank}{mark}{n}" for n in ends}


def structure_of(cascade: Cascade, machine: Architecture, sizes: Table[str, int]) -> Structure:
    """What is a tile; raises SpecError where a cascade has no iteration over tiles, or the machine no two arrays."""
    at = Location(f"cascade {cascade.name}")
    if len(machine.arrays) < 2 or len(machine.memories) < 2:
        raise SpecError(f"{machine.name} has not both a 2D and a 1D array behind a buffer", at=Location("--arch"),
                        remedy="name a machine with two arrays: nothing is to be bound on one")  # fmt: skip
    if parts := [einsum.name for einsum in cascade.einsums if einsum.part]:
        raise SpecError(f"{parts[0]} is a part of an assembled tensor, which mappings cannot place yet", at=at)
    walked = {rank for einsum in cascade.einsums if (rank := iterative_rank(einsum)) is not None}
    split = next((each for each in tiled_splits(cascade) if each.outer in walked), None)
    if split is None:
        raise SpecError("no Einsum iterates over tiles of a rank, so that nothing says what a tile is", at=at,
                        remedy="give a mapping with the tiles: --mapping FILE")  # fmt: skip
    views = views_of(cascade)
    mapped = [einsum for einsum in cascade.einsums if einsum.name not in views]
    inside = [set(iteration_ranks(einsum)) for einsum in mapped if split.outer in iteration_ranks(einsum)]
    common = set.intersection(*inside) - {split.outer, split.inner}
    ranks = [rank for einsum in mapped for rank in iteration_ranks(einsum)]
    ranks = [rank for rank in dict.fromkeys(ranks) if rank not in {split.outer, split.inner, split.rank}]
    along = [rank for rank in ranks if rank in common and tiled_split(cascade, rank) is None]
    if not along:
        raise SpecError("its iterated Einsums have no rank in common for the columns of an array", at=at,
                        remedy="give a mapping with the tiles: --mapping FILE")  # fmt: skip
    columns = max(along, key=lambda rank: (sizes.get(size_of(rank), 1 << 62), -ranks.index(rank)))
    batch = [name.lower() for name in sizes if name not in known_sizes(cascade)]
    outer = (*batch, *(rank for rank in ranks if rank in common and rank != columns))
    return Structure(cascade, machine, split, (columns,), outer,
                     tuple(rank for rank in ranks if rank not in outer and rank != columns))  # fmt: skip


def views_of(cascade: Cascade) -> list[str]:
    """Copies that are no results: other names for what is there."""
    return [einsum.name for einsum in cascade.einsums if is_copy(einsum) and einsum.name not in cascade.outputs]


def in_parts(structure: Structure, division: Division) -> Structure:
    """The structure of a divided cascade; raises SpecError where the rank cannot be divided."""
    cascade = divide(structure.cascade, division)
    if (division.rank,) == structure.columns:
        return replace(structure, cascade=cascade, columns=division.parts, groups=division.groups)
    inner = [new for rank in structure.inner for new in (division.parts if rank == division.rank else (rank,))]
    return replace(structure, cascade=cascade, inner=tuple(inner))


def whole_sizes(structure: Structure, sizes: Table[str, int]) -> dict[str, int]:
    """The sizes with those of the tiled ranks, where they are not given: many tiles of each."""
    machine, cascade = structure.machine, structure.cascade
    axes = machine.arrays[structure.grid].axes
    found = dict(sizes)
    for rank, tile in ((structure.split.rank, axes["rows"]), (structure.columns[0], structure.width)):
        if size_of(rank) in size_parameters(cascade):
            found.setdefault(size_of(rank), TILES * tile)
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
    batch = [rank for rank in structure.outer if rank not in known_ranks(structure.cascade)]
    first = structure.groups or structure.columns[0]
    tiles = structure.names(first, "01")
    p0, p1 = size_of(tiles["0"]), size_of(tiles["1"])
    size = size_of(first)
    count = size if structure.groups else f"ceil({size} / {p0})"
    return {
        "name": f"{structure.cascade.name}-bound",
        "description": "Tiles from the cascade and the machine alone; arrays and cycles found by einsim bind.",
        "cascade": cascade,
        "architecture": architecture,
        **({"batch": batch} if batch else {}),
        "sizes": {structure.split.size: f"{structure.grid}.rows"},
        "tiles": {p0: structure.tile, p1: {"divides": count, "fits": list(structure.machine.memories)[-1]}},
        "partition": _partition(structure, p0, p1),
        "nests": {name: nest for rank in structure.columns for name, nest in _nests(structure, rank)},
        "views": views_of(structure.cascade),
        "einsums": {},
        "phases": [],
    }  # fmt: skip


def _partition(structure: Structure, p0: str, p1: str) -> dict[str, dict[str, str]]:
    """Loops over the columns' rank, or over groups and their parts: tiles that stay in the buffer, turns in them."""
    found: dict[str, dict[str, str]] = {}
    if structure.groups is not None:
        groups = structure.names(structure.groups, "21")
        found[structure.groups] = {groups["2"]: p1, groups["1"]: "1"}
    for rank in structure.columns:
        loops = structure.names(rank, "21cl0")
        around = {loops["2"]: f"{p1} * {p0}"} if structure.groups is None else {}
        turns = {loops["c"]: f"min({p0}, {structure.grid}.columns)"} if structure.turns > 1 else {}
        found[rank] = {**around, loops["1"]: p0, loops["l"]: f"min({p0}, {structure.line}.lanes)", **turns,
                       loops["0"]: "1"}  # fmt: skip
    return found


def _nests(structure: Structure, rank: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The nests of both arrays, inside the iteration and behind it, along the columns' rank or one of its parts."""
    outermost, *_, buffer = structure.machine.memories
    loops = structure.names(rank, "21cl0")
    around, beside = [*structure.outer, loops["2"]], [loops["1"]]
    if structure.groups is not None:
        groups = structure.names(structure.groups, "21")
        around, beside = [*structure.outer, groups["2"]], [groups["1"], loops["1"]]
    kept = [each for each in structure.inner if each not in structure.summed]
    summed = [each for each in structure.inner if each in structure.summed]
    part = "" if structure.groups is None else f"_{rank}"
    for name, array in structure.machine.arrays.items():
        turns = [loops["l"]]
        if array.is_grid:
            turns = [loops["c"]] if structure.turns > 1 else []
        row = {"rows": structure.split.inner} if array.is_grid else {}
        walked = [] if array.is_grid else [structure.split.inner]
        space = {"columns" if array.is_grid else "lanes": loops["0"]}
        yield (
            f"{name}_tiles{part}",
            {
                "array": name,
                "loops": {
                    outermost: [*around, structure.split.outer],
                    buffer: [*beside, *kept, *turns, *walked, *summed],
                },
                "spatial": {**space, **row},
            },
        )
        yield (
            f"{name}_ends{part}",
            {
                "array": name,
                "loops": {outermost: around, buffer: [*beside, *turns, *structure.inner]},
                "spatial": space,
            },
        )
