"""What makes a mapping wrong, as opposed to too big: names, coverage, order, and data that is not there."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from operator import is_

import numpy as np

from einsim.cascade import Einsum, is_copy, known_ranks, operands, operations, tiled_splits
from einsim.errors import SpecError, suggest
from einsim.schedule.nest import EinsumSchedule, Loop
from einsim.spec.architecture import Array
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number
from einsim.spec.yamlfile import Path


def check_mapping(design: Design) -> None:
    """Names, coverage, arrays, levels and phases; raises SpecError at the line of the first thing wrong.

    Designs that differ in sizes and costs only are checked once.
    """
    _check_once(_Checked(design))


@dataclass(frozen=True, slots=True)
class _Checked:
    """A design as the key of a cache: the objects that are checked, which the key keeps alive."""

    design: Design

    def _parts(self) -> tuple[object, ...]:
        return self.design.cascade, self.design.mapping, self.design.architecture, self.design.mapping_document

    def __hash__(self) -> int:
        return hash(tuple(map(id, self._parts())))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Checked) and all(map(is_, self._parts(), other._parts()))


@lru_cache(maxsize=64)
def _check_once(checked: _Checked) -> None:
    design = checked.design
    _check_coverage(design)
    _check_partition(design)
    for name in design.mapping.nests:
        _check_nest(design, name)
    for name in design.mapping.einsums:
        _check_keep(design, name)
        _check_operations(design, name)
    _check_phases(design)
    _check_groups(design)
    _check_pipeline(design)


def _error(design: Design, path: Path, message: str, remedy: str | None = None) -> SpecError:
    return SpecError(message, at=design.mapping_document.locate(path), remedy=remedy)


def _check_coverage(design: Design) -> None:
    mapping, cascade = design.mapping, design.cascade
    made = {einsum.name: einsum for einsum in cascade.einsums}
    for section, listed in (("views", list(mapping.views)), ("einsums", list(mapping.einsums))):
        for name in listed:
            if name not in made:
                message = f"cascade {cascade.name!r} has no Einsum {name!r}"
                raise _error(design, (section, name), message, suggest(name, made))
    for name in mapping.views:
        if not is_copy(made[name]):
            raise _error(design, ("views",), f"{name} computes something and is no view", "map it under einsums:")
        if name in mapping.einsums:
            raise _error(design, ("einsums", name), f"{name} is both a view and mapped", "remove one")
    missing = [name for name in made if name not in mapping.einsums and name not in mapping.views]
    if missing:
        message = f"the mapping does not cover {', '.join(missing)}"
        raise _error(design, ("einsums",), message, "add an entry for each Einsum of the cascade")


def _check_partition(design: Design) -> None:
    known = [*known_ranks(design.cascade), *design.mapping.batch]
    parts: list[str] = []
    for rank, loops in design.mapping.partition.items():
        if rank not in known:
            raise _error(design, ("partition", rank), f"the cascade has no rank {rank!r}", suggest(rank, known))
        for name in loops:
            if name in known or name in parts:
                raise _error(design, ("partition", rank, name), f"loop name {name!r} is taken", "choose another")
            parts.append(name)


def _loop_names(design: Design) -> list[str]:
    parts = [name for loops in design.mapping.partition.values() for name in loops]
    return [*parts, *known_ranks(design.cascade), *design.mapping.batch]


def _check_nest(design: Design, name: str) -> None:
    nest = design.mapping.nests[name]
    machine = design.architecture
    if nest.array not in machine.arrays:
        message = f"nest {name}: unknown array {nest.array!r}; declared: {', '.join(machine.arrays)}"
        raise _error(design, ("nests", name, "array"), message)
    array = machine.arrays[nest.array]
    levels = [*machine.memories, array.registers.name]
    for level in nest.loops:
        if level not in levels:
            raise _error(design, ("nests", name, "loops", level), f"nest {name}: unknown level {level!r}",
                         suggest(level, levels))  # fmt: skip
    order = [levels.index(level) for level in nest.loops]
    if order != sorted(order):
        raise _error(design, ("nests", name, "loops"), f"nest {name}: levels must stand outermost first",
                     f"order them {', '.join(levels)}")  # fmt: skip
    for axis in nest.spatial:
        if axis not in array.axes:
            raise _error(design, ("nests", name, "spatial", axis), f"nest {name}: {nest.array} has no axis {axis!r}",
                         suggest(axis, array.axes))  # fmt: skip
    used: list[str] = []
    for path, loop in _named_loops(design, name):
        if loop not in _loop_names(design):
            raise _error(design, path, f"nest {name}: unknown loop {loop!r}", suggest(loop, _loop_names(design)))
        if loop in used:
            raise _error(design, path, f"nest {name}: loop {loop!r} stands twice", "remove one")
        used.append(loop)


def _named_loops(design: Design, name: str) -> Iterable[tuple[Path, str]]:
    nest = design.mapping.nests[name]
    for level, loops in nest.loops.items():
        yield from ((("nests", name, "loops", level, index), loop) for index, loop in enumerate(loops))
    yield from ((("nests", name, "spatial", axis), loop) for axis, loop in nest.spatial.items())


def _array_of(design: Design, name: str) -> Array:
    plan = design.mapping.einsums[name]
    if plan.nest not in design.mapping.nests:
        message = f"{name}: unknown nest {plan.nest!r}"
        raise _error(design, ("einsums", name, "nest"), message, suggest(plan.nest, design.mapping.nests))
    return design.architecture.arrays[design.mapping.nests[plan.nest].array]


def _check_keep(design: Design, name: str) -> None:
    plan = design.mapping.einsums[name]
    einsum = next(each for each in design.cascade.einsums if each.name == name)
    touched = [*operands(einsum), einsum.output]
    known = {access.tensor for access in touched} | {str(access) for access in touched}
    machine = design.architecture
    own = _array_of(design, name).registers.name
    order = [*machine.memories, *(level for level in machine.registers if level != own), own]
    for tensor, path in plan.keep.items():
        at: Path = ("einsums", name, "keep", tensor)
        if tensor not in known:
            raise _error(design, at, f"{name} does not touch {tensor!r}", suggest(tensor, known))
        for level in path:
            if level not in order:
                raise _error(design, at, f"{name}: unknown level {level!r}", suggest(level, order))
        if not path or path[-1] != own:
            raise _error(design, at, f"{name}: {tensor} must end in {own}", f"add {own} at the end")
        ranks = [order.index(level) for level in path]
        if ranks != sorted(set(ranks)):
            raise _error(design, at, f"{name}: {tensor}'s levels must stand outermost first", ", ".join(order))
    _check_accounts(design, name, einsum)


def _check_accounts(design: Design, name: str, einsum: Einsum) -> None:
    """What `uncharged_levels`, `uncharged_operations` and `accumulate` name is there."""
    plan = design.mapping.einsums[name]
    paths: dict[str, list[str]] = {}
    for access in (*operands(einsum), einsum.output):
        path = plan.keep.get(str(access), plan.keep.get(access.tensor, []))
        paths.setdefault(access.tensor, []).extend(path)
    for tensor, levels in plan.uncharged_levels.items():
        at: Path = ("einsums", name, "uncharged_levels", tensor)
        if tensor not in paths:
            raise _error(design, at, f"{name} does not touch {tensor!r}", suggest(tensor, paths))
        for level in levels:
            if level not in paths[tensor]:
                message = f"{name}: {tensor} does not pass through {level!r}"
                raise _error(design, at, message, suggest(level, paths[tensor]))
    for key, listed, known in (
        ("uncharged_operations", plan.uncharged_operations, operations(einsum)),
        ("accumulate", plan.accumulate, einsum.output.ranks),
    ):
        for each in listed:
            if each not in known:
                raise _error(design, ("einsums", name, key), f"{name} has no {each!r}", suggest(each, known))


def _check_operations(design: Design, name: str) -> None:
    einsum = next(each for each in design.cascade.einsums if each.name == name)
    array = _array_of(design, name)
    for operation in operations(einsum):
        if operation not in array.operations:
            where = design.mapping.nests[design.mapping.einsums[name].nest].array
            message = f"{name} needs {operation!r}, which {where} cannot do"
            raise _error(design, ("einsums", name), message, "bind it to another array or add the operation")


def _check_phases(design: Design) -> None:
    mapping = design.mapping
    placed: list[str] = []
    for index, phase in enumerate(mapping.phases):
        at: Path = ("phases", index)
        if phase.stall is not None and phase.stall.each not in mapping.einsums:
            raise _error(design, (*at, "stall", "each"), f"unknown Einsum {phase.stall.each!r}",
                         suggest(phase.stall.each, mapping.einsums))  # fmt: skip
        for array, names in phase.run.items():
            if array not in design.architecture.arrays:
                message = (
                    f"phase {index + 1}: unknown array {array!r}; declared: {', '.join(design.architecture.arrays)}"
                )
                raise _error(design, (*at, "run", array), message)
            for name in names:
                _check_placed(design, (*at, "run", array), name, array, placed)
                placed.append(name)
    missing = [name for name in mapping.einsums if name not in placed]
    if missing:
        raise _error(design, ("phases",), f"no phase runs {', '.join(missing)}", "add each to one phase")


def _check_placed(design: Design, at: Path, name: str, array: str, placed: list[str]) -> None:
    mapping = design.mapping
    if name not in mapping.einsums:
        raise _error(design, at, f"binding of {name}: unknown Einsum", suggest(name, mapping.einsums))
    bound = mapping.nests[mapping.einsums[name].nest].array
    if bound != array:
        raise _error(design, at, f"binding of {name}: its nest runs on {bound}, not on {array}")
    if name in placed:
        raise _error(design, at, f"{name} runs in two phases", "remove one")


def _check_groups(design: Design) -> None:
    mapping, machine = design.mapping, design.architecture
    if mapping.fusion is not None:
        for index, group in enumerate(mapping.parted):
            for name in itertools.chain(*group):
                if name not in mapping.einsums:
                    raise _error(design, ("fusion", index), f"unknown Einsum {name!r}", suggest(name, mapping.einsums))
        if mapping.memory_time == "per-phase" and any(len(group) > 1 for group in mapping.parted):
            raise _error(design, ("memory_time",), "parts of a fusion group and phases as kernels are two orders",
                         "leave out memory_time:, or write groups without parts")  # fmt: skip
        together = [name for group in mapping.parted for part in group for name in part]
        wrong = [name for name in mapping.einsums if together.count(name) != 1]
        if wrong:
            raise _error(design, ("fusion",), f"{', '.join(wrong)} must be in exactly one fusion group")
    for index, rule in enumerate(mapping.spill):
        if rule.level not in list(machine.memories)[1:]:
            raise _error(design, ("spill", index, "level"), f"{rule.level!r} is no on-chip memory",
                         suggest(rule.level, list(machine.memories)[1:]))  # fmt: skip
        made = [*(tensor.name for tensor in design.cascade.inputs), *design.cascade.made]
        for name in rule.tensors:
            if name not in made:
                raise _error(design, ("spill", index, "tensors"), f"unknown tensor {name!r}", suggest(name, made))


def _check_pipeline(design: Design) -> None:
    """A pipeline is of Einsums that there are, each in one, and of no mapping whose phases follow one another."""
    planned: list[str] = []
    for index, pipeline in enumerate(design.mapping.pipeline):
        for name in pipeline.cycles:
            at: Path = ("pipeline", index, "cycles", name)
            if name not in design.mapping.einsums:
                raise _error(design, at, f"pipeline: unknown Einsum {name!r}", suggest(name, design.mapping.einsums))
            if name in planned:
                raise _error(design, at, f"{name} is in two pipelines", "remove one")
            planned.append(name)
    if planned and (design.mapping.timing == "phases" or design.mapping.memory_time == "per-phase"):
        key = "timing" if design.mapping.timing == "phases" else "memory_time"
        raise _error(design, (key,), "a pipeline and phases that follow one another are two orders",
                     f"leave out pipeline:, or {key}:")  # fmt: skip


def check_loops(design: Design, einsums: tuple[EinsumSchedule, ...], env: dict[str, Number]) -> None:
    """Every rank of every Einsum is walked down to single elements, in nested order, along at most one axis."""
    whole: _Whole = {}
    for einsum in einsums:
        nest = design.mapping.einsums[einsum.name].nest
        for dimension in einsum.dimensions:
            chain = [loop for loop in einsum.loops if loop.rank == dimension.rank]
            at: Path = ("nests", nest)
            if not chain or np.any(chain[-1].tile != (dimension.grain if dimension.coarse else 1)):
                raise _error(design, at, f"{einsum.name}: its nest does not walk rank {dimension.rank!r} to its end",
                             "add a loop whose tile is one element, innermost")  # fmt: skip
            _check_chain(design, at, einsum, chain)
            _check_grains(design, at, einsum, chain, env, whole)


def _check_chain(design: Design, at: Path, einsum: EinsumSchedule, chain: list[Loop]) -> None:
    if sum(loop.axis is not None for loop in chain) > 1:
        raise _error(design, at, f"{einsum.name}: rank {chain[0].rank!r} lies along two axes of the array",
                     "lay one loop of each rank along an axis")  # fmt: skip
    split = next((s for s in tiled_splits(design.cascade) if s.rank == chain[0].rank), None)
    inner = [loop.inner for loop in chain]
    if inner != sorted(inner) or (split is not None and inner[0]):
        outer, part = (split.outer, split.inner) if split else ("", "")
        raise _error(design, at, f"{einsum.name}: the loops over {part!r} must stand inside those over {outer!r}")


_Whole = dict[tuple[int, ...], bool]
"""Whether tiles (by identity) take whole grains, the last of them one."""


def _check_grains(
    design: Design, at: Path, einsum: EinsumSchedule, chain: list[Loop], env: dict[str, Number], whole: _Whole
) -> None:
    """Where tiles of a split rank matter, the loops outside take whole tiles, the last of them one by one."""
    rank = chain[0].rank
    split = next((s for s in tiled_splits(design.cascade) if s.rank == rank), None)
    seen = [*einsum.dimensions, *(dimension for access in einsum.accesses for dimension in access.dimensions)]
    coarse = any(dimension.coarse for dimension in seen if dimension.rank == rank)
    if split is None or not (coarse or any(loop.inner for loop in chain)):
        return
    grain = env[split.size]
    tiles = [loop.tile for loop in chain if not loop.inner]
    key = (id(grain), *map(id, tiles))
    if key not in whole:
        whole[key] = not (any(np.any(tile % grain != 0) for tile in tiles) or np.any(tiles[-1] != grain))
    if not whole[key]:
        message = f"{einsum.name}: the loops over {rank!r} cut through its tiles of {split.size}"
        raise _error(design, at, message, f"walk {split.outer!r} to its end, then {split.inner!r}")
