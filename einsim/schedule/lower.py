"""Lowering: from a design to the schedule that the models count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial, reduce
from operator import gt
from typing import Final

from einsim.cascade import (
    Access,
    Einsum,
    Index,
    alike,
    iteration_ranks,
    known_ranks,
    operands,
    operations,
    size_of,
    tensor_ranks,
    tiled_rank,
    tiled_split,
)
from einsim.errors import Location, SpecError, suggest
from einsim.schedule.covering import covering
from einsim.schedule.environment import Columns, environment, positive
from einsim.schedule.legality import check_loops, check_mapping
from einsim.schedule.liveness import Liveness
from einsim.schedule.nest import (
    AccessPlan,
    Dimension,
    EinsumSchedule,
    Loop,
    PhaseSchedule,
    Schedule,
    Shortfall,
    SpillRule,
)
from einsim.schedule.residency import check_homes, check_residencies
from einsim.schedule.tiles import check_capacity, fit_tile, occupancy
from einsim.spec.alike import Alike
from einsim.spec.architecture import Array
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number, ceil_div, expression, is_formula, maximum, minimum, product, symbol
from einsim.spec.mapping import Fitted


def lower(design: Design, columns: Columns | None = None) -> Schedule:
    """The schedule of a design, or with `columns` of many designs at once.

    Raises SpecError where the mapping does not fit the cascade or the machine's parts; a design that
    does not fit the machine's *sizes* comes back with shortfalls.
    """
    check_mapping(design)
    check_homes(design)
    computed = Alike()
    env = {name: computed.one_of(value) for name, value in environment(design, columns or {}).items()}
    lowering = _Lowering(design, env, computed)
    lowering.make_tiles()
    einsums = tuple(lowering.einsum(einsum) for einsum in lowering.mapped_einsums())
    check_loops(design, einsums, env)
    live = Liveness(design, {einsum.name: einsum for einsum in einsums}, env, computed)
    check_residencies(live)
    levels = occupancy(live)
    return Schedule(
        sizes={rank: env[size_of(rank)] for rank in lowering.base_ranks()},
        einsums=einsums,
        phases=tuple(lowering.phases()),
        spills=tuple(lowering.spills()),
        per_phase_memory=design.mapping.memory_time == "per-phase",
        tiles={name: env[name] for name in design.mapping.tiles},
        occupancy=levels,
        shortfalls=(
            *lowering.shortfalls,
            *_axis_shortfalls(einsums, env, live),
            *check_capacity(design, levels, env),
            *live.shortfalls(),
        ),
    )


NOWHERE: Final = Location("")

LoopKey = tuple[str, str | None, str | None]
"""A loop's name, level and axis."""


def nests_of(design: Design) -> tuple[EinsumSchedule, ...]:
    """The loop nests alone, of a mapping that need not be legal: what each Einsum would take where it is."""
    lowering = _Lowering(design, environment(design, {}))
    lowering.make_tiles()
    return tuple(lowering.einsum(einsum) for einsum in lowering.mapped_einsums())


@dataclass(slots=True)
class _Lowering:
    """The state of one lowering: the names known so far, and what did not fit."""

    design: Design
    env: dict[str, Number]
    computed: Alike = field(default_factory=Alike)
    shortfalls: tuple[Shortfall, ...] = ()
    drafts: dict[str, EinsumSchedule] = field(default_factory=dict)
    known_loops: dict[LoopKey, Loop] = field(default_factory=dict)
    known_nests: dict[tuple[object, ...], tuple[Loop, ...]] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)
    trying: str = ""  # the tile that is being fitted, and by identity its sizes so far with the loops of each
    tried: dict[int, tuple[Number, dict[LoopKey, Loop]]] = field(default_factory=dict)

    def mapped_einsums(self) -> list[Einsum]:
        views = self.design.mapping.views
        return [einsum for einsum in self.design.cascade.einsums if einsum.name not in views]

    def base_ranks(self) -> list[str]:
        cascade = self.design.cascade
        own = [rank for rank in known_ranks(cascade) if tiled_split(cascade, rank) is None]
        return [*self.design.mapping.batch, *own]

    def make_tiles(self) -> None:
        """Evaluates the named tiles in order; fitted ones against the memory that they must fit."""
        document = self.design.mapping_document
        self.pending = set(self.design.mapping.tiles)
        for name, tile in self.design.mapping.tiles.items():
            at = document.locate(("tiles", name))
            if name in self.env:
                raise SpecError(f"tile {name}: {name} is a size, a choice or a machine field already", at=at,
                                remedy="give the tile a name of its own")  # fmt: skip
            if not isinstance(tile, Fitted):
                self.set_tile(name, expression(tile, at).evaluate(self.env))
                continue
            if is_formula(self.env["word_bytes"]):
                self.set_tile(name, symbol(name))
                continue
            wanted = tile.among or [einsum.name for einsum in self.mapped_einsums()]
            unknown = set(wanted) - {einsum.name for einsum in self.mapped_einsums()}
            if unknown:
                raise SpecError(f"tile {name}: no Einsum {min(unknown)!r} is mapped", at=at)

            def trial(value: Number, name: str = name, wanted: list[str] = wanted) -> Liveness:
                self.set_tile(name, value)
                einsums = {e.name: self.einsum(e) for e in self.mapped_einsums() if e.name in wanted}
                return Liveness(self.design, einsums, self.env, self.computed)

            fitted, shortfall = fit_tile(self.design, name, tile, trial, self.env)
            self.set_tile(name, fitted)
            self.shortfalls = (*self.shortfalls, shortfall)

    def set_tile(self, name: str, value: Number) -> None:
        """Gives a tile its size: loops made with another go, those made with the same one come back."""
        self.pending.discard(name)
        self.known_nests.clear()
        value = self.computed.one_of(value)
        if self.trying != name:
            self.trying, self.tried = name, {}
        texts = {loop: text for parts in self.design.mapping.partition.values() for loop, text in parts.items()}
        mine = [key for key in self.known_loops
                if key[0] in texts and name in expression(texts[key[0]], NOWHERE).names]  # fmt: skip
        gone = {key: self.known_loops.pop(key) for key in mine}
        if name in self.env:
            self.tried[id(self.env[name])] = self.env[name], gone
        self.env[name] = value
        if id(value) in self.tried:
            self.known_loops |= self.tried[id(value)][1]

    def einsum(self, einsum: Einsum) -> EinsumSchedule:
        """One Einsum's nest, accesses and operations; only the nest depends on tiles."""
        if einsum.name not in self.drafts:
            self.drafts[einsum.name] = self.draft(einsum)
        draft = self.drafts[einsum.name]
        nest = self.design.mapping.einsums[einsum.name].nest
        key = (nest, *((dimension.rank, dimension.coarse) for dimension in draft.dimensions))
        if key not in self.known_nests:
            self.known_nests[key] = tuple(self.loops(nest, draft.dimensions))
        return replace(draft, loops=self.known_nests[key])

    def draft(self, einsum: Einsum) -> EinsumSchedule:
        """An Einsum without its loops."""
        plan = self.design.mapping.einsums[einsum.name]
        array_name = self.design.mapping.nests[plan.nest].array
        array = self.design.architecture.arrays[array_name]
        work = operations(einsum)
        charged = [name for name in work if name not in plan.uncharged_operations]
        return EinsumSchedule(
            name=einsum.name,
            array=array_name,
            registers=array.registers.name,
            loops=(),
            dimensions=self.dimensions(iteration_ranks(einsum)),
            accesses=tuple(self.accesses(einsum)),
            operations=tuple(unit_operations(work, array).items()),
            charged=tuple(unit_operations(charged, array).items()),
            cycles_per_point=cycles_of(work, array, pipelined=plan.pipelined),
        )

    def dimensions(self, ranks: Iterable[str]) -> tuple[Dimension, ...]:
        """Batch ranks, then the base ranks of `ranks` in order, coarse where only a split's outer rank is there."""
        present = list(ranks)
        found = {rank: Dimension(rank) for rank in self.design.mapping.batch}
        for rank in present:
            split = tiled_split(self.design.cascade, rank)
            if split is None:
                found[rank] = Dimension(rank)
            elif split.inner not in present:
                found[split.rank] = Dimension(split.rank, self.env[split.size], coarse=True)
            else:
                found[split.rank] = Dimension(split.rank)
        return tuple(found.values())

    def loops(self, nest_name: str, dimensions: tuple[Dimension, ...]) -> Iterable[Loop]:
        nest = self.design.mapping.nests[nest_name]
        ranks = {dimension.rank: dimension for dimension in dimensions}
        registers = self.design.architecture.arrays[nest.array].registers.name
        shared = [(name, level, None) for level, names in nest.loops.items() if level != registers for name in names]
        space = [(name, None, axis) for axis, name in nest.spatial.items()]
        within = [(name, registers, None) for name in nest.loops.get(registers, ())]
        for name, level, axis in [*shared, *space, *within]:
            key = (name, level, axis)
            if key not in self.known_loops:
                self.known_loops[key] = self.loop(name, level, axis)
            loop = self.known_loops[key]
            if loop.rank in ranks and not (loop.inner and ranks[loop.rank].coarse):
                yield loop

    def loop(self, name: str, level: str | None, axis: str | None) -> Loop:
        """A loop by its name: a rank itself, or a part of a partitioned rank."""
        for rank, parts in self.design.mapping.partition.items():
            if name in parts:
                at = self.design.mapping_document.locate(("partition", rank, name))
                text = expression(parts[name], at)
                if early := text.names & self.pending if self.pending else None:
                    raise SpecError(f"loop {name!r} needs tile {min(early)!r} before it has a size", at=at, remedy=(
                        f"put {min(early)!r} above the tile that is fitted, or name under its `among` only Einsums "
                        "without that loop"))  # fmt: skip
                tile = self.computed.one_of(positive(text.evaluate(self.env), parts[name], at))
                return self.over(rank, name, tile, level, axis)
        return self.over(name, name, 1, level, axis)

    def over(self, rank: str, name: str, tile: Number, level: str | None, axis: str | None) -> Loop:
        split = tiled_split(self.design.cascade, rank) if rank not in self.design.mapping.batch else None
        if split is None:
            return Loop(name, rank, tile, level, axis)
        if rank == split.outer:
            return Loop(name, split.rank, self.computed.same(product, tile, self.env[split.size]), level, axis)
        return Loop(name, split.rank, tile, level, axis, inner=True)

    def accesses(self, einsum: Einsum) -> Iterable[AccessPlan]:
        plan = self.design.mapping.einsums[einsum.name]
        for access in operands(einsum):
            yield self.access(einsum.name, access, is_output=False)
        made = self.access(einsum.name, einsum.output, is_output=True)
        summed = {tiled_rank(self.design.cascade, rank) for rank in plan.accumulate}
        kept = tuple(dimension for dimension in made.dimensions if dimension.rank not in summed)
        yield replace(made, dimensions=kept)

    def access(self, name: str, access: Access, *, is_output: bool) -> AccessPlan:
        plan = self.design.mapping.einsums[name]
        document = self.design.mapping_document
        label = _label(access)
        path = plan.keep.get(label, plan.keep.get(access.tensor))
        if path is None:
            raise SpecError(
                f"{name}: nothing says where {access.tensor!r} is kept",
                at=document.locate(("einsums", name, "keep")),
                remedy=f"add {access.tensor}: [level, ...] to keep",
            )
        ranks: list[str] = []
        for rank, index in zip(tensor_ranks(self.design.cascade, access.tensor), access.indices, strict=True):
            ranks.extend(self.walking(rank, index))
        free = frozenset(plan.uncharged_levels.get(access.tensor, ()))
        dimensions = self.dimensions(ranks)
        return AccessPlan(access.tensor, label, is_output, dimensions, tuple(path), free, stored=dimensions)

    def walking(self, dimension: str, index: Index) -> Iterable[str]:
        """The ranks along which the elements of a dimension change."""
        bases = {tiled_rank(self.design.cascade, rank) for rank in index.ranks}
        if len(bases) < 2 and not index.gathers:
            return index.ranks
        extents: dict[tuple[str, ...], Number] = {}
        left = list(index.ranks)
        for split in self.design.cascade.splits:  # both parts, or ranks like them, walk the whole rank
            pair = tuple(next((r for r in left if self.like(r, part)), "") for part in (split.outer, split.inner))
            if all(pair):
                extents[pair] = self.env[size_of(split.rank)]
                left = [rank for rank in left if rank not in pair]
        extents |= {(rank,): self.env[size_of(rank)] for rank in left}
        return covering(index, self.env[size_of(dimension)], extents)

    def like(self, rank: str, part: str) -> bool:
        return alike(self.design.cascade, rank) == alike(self.design.cascade, part)

    def phases(self) -> Iterable[PhaseSchedule]:
        document = self.design.mapping_document
        for index, phase in enumerate(self.design.mapping.phases):
            run = tuple((array, tuple(names)) for array, names in phase.run.items())
            if phase.stall is None:
                yield PhaseSchedule(run)
                continue
            at = document.locate(("phases", index, "stall", "cycles"))
            cycles = positive(expression(phase.stall.cycles, at).evaluate(self.env), phase.stall.cycles, at)
            yield PhaseSchedule(run, cycles, phase.stall.each)

    def spills(self) -> Iterable[SpillRule]:
        document = self.design.mapping_document
        for index, rule in enumerate(self.design.mapping.spill):
            at = document.locate(("spill", index, "proportion"))
            value = expression(rule.proportion, at).evaluate(self.env)
            yield SpillRule(rule.level, frozenset(rule.tensors), minimum(1, maximum(0, value)))


@lru_cache(maxsize=4096)
def _label(access: Access) -> str:
    """The text of an access, as `keep` may name it."""
    return str(access)


def unit_operations(names: Iterable[str], array: Array) -> Counter[str]:
    """Plain operations with macro-operations taken apart."""
    counts: Counter[str] = Counter()
    for name in names:
        operation = array.operations.get(name)
        if operation is None:
            raise SpecError(f"the array has no operation {name!r}", remedy=suggest(name, array.operations))
        for part, times in (operation.macro or {name: 1}).items():
            counts[part] += times
    return counts


def cycles_of(names: Iterable[str], array: Array, *, pipelined: bool) -> int:
    """Cycles of one point: its operations one after another, or its slowest when they are pipelined."""
    each = [
        sum(array.operations[part].cycles * times for part, times in unit_operations([name], array).items())
        for name in names
    ]
    return max(each, default=1) if pipelined else max(1, sum(each))


def _axis_shortfalls(
    einsums: tuple[EinsumSchedule, ...], env: dict[str, Number], live: Liveness
) -> Iterable[Shortfall]:
    """Loops laid along an axis that is too short for them."""
    seen: set[tuple[str, str]] = set()
    for einsum in einsums:
        for loop in einsum.spatial:
            axis = f"{einsum.array}.{loop.axis}"
            if (axis, loop.name) in seen:
                continue
            seen.add((axis, loop.name))
            available, needed = env[axis], spatial_extent(einsum, loop, live)
            what = f"loop {loop.name} over the {loop.axis} of {einsum.array}"
            yield Shortfall(live.same(gt, needed, available), what, needed, available, "")


def spatial_extent(einsum: EinsumSchedule, loop: Loop, live: Liveness) -> Number:
    """Processing elements that a spatial loop occupies when its tile is whole."""
    above = [each.tile for each in einsum.temporal if each.rank == loop.rank and each.level != einsum.registers]
    whole = reduce(partial(live.same, minimum), above, live.env[size_of(loop.rank)])
    return live.same(ceil_div, whole, loop.tile)
