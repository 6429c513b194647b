"""Any cascade on a machine, with a mapping that einsim makes by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce

from einsim.analysis.share import share
from einsim.cascade import Cascade, ranks_of, tile_bounds
from einsim.cascade import iteration_ranks as space_of
from einsim.errors import InfeasibleError
from einsim.model.closed_form import Evaluation, costed
from einsim.model.costs import Costs
from einsim.model.counts import Counts, EinsumCount, LevelCount, count
from einsim.model.tables import as_numbers
from einsim.schedule.auto import auto_schedule, row_blocks, unmappable
from einsim.schedule.nest import EinsumSchedule, Schedule
from einsim.spec.architecture import Architecture
from einsim.spec.configuration import Accounting, Design
from einsim.spec.mapping import Mapping as MappingFile
from einsim.spec.workload import Workload
from einsim.spec.yamlfile import Document


def evaluate_auto(
    cascade: Cascade,
    machine: Architecture,
    sizes: Mapping[str, int],
    batch: int = 1,
    accounting: Accounting = Accounting.FULL,
) -> Evaluation:
    """Counts and costs of a cascade, each Einsum a kernel of its own (`einsim.schedule.auto`).

    sizes: of every rank (`bind_sizes`); batch: independent instances one after another. Filters and partial tiles
    leave a share of the points: operations, cycles and the words of whoever has the filter's ranks shrink by it.
    Raises InfeasibleError where no array can do what an Einsum needs.
    """
    reason = unmappable(cascade, machine)
    if reason is not None:
        raise InfeasibleError(reason)
    schedule = auto_schedule(cascade, machine, sizes)
    counts = _times(_shared(cascade, schedule, sizes, count(schedule, list(machine.memories), as_numbers)), batch)
    design = replace(auto_design(cascade, machine, sizes), accounting=accounting)
    return costed(Costs(design, {}), schedule, counts)


def evaluate_rows(
    cascade: Cascade,
    machine: Architecture,
    sizes: Mapping[str, int],
    batch: int = 1,
    accounting: Accounting = Accounting.FULL,
) -> Evaluation:
    """As `evaluate_auto`, but where rows are by themselves, blocks of them pass all Einsums while they stay on chip."""
    blocks = row_blocks(cascade, machine, sizes)
    if unmappable(cascade, machine) is not None or not blocks:
        return evaluate_auto(cascade, machine, sizes, batch, accounting)
    memories = list(machine.memories)
    parts = [(times, auto_schedule(cascade, machine, own, together=True)) for times, own in blocks]
    counted = [_times(count(schedule, memories, as_numbers), times * batch) for times, schedule in parts]
    design = replace(auto_design(cascade, machine, sizes), accounting=accounting)
    return costed(Costs(design, {}), parts[0][1], reduce(_added, counted))


def auto_design(
    cascade: Cascade, machine: Architecture, sizes: Mapping[str, int], document: Document | None = None
) -> Design:
    """The design that stands for a mapping made by einsim: costs and names are its machine's and cascade's.

    document: where the machine is stated.
    """
    array = next(iter(machine.arrays))
    names = [einsum.name for einsum in cascade.einsums]
    plan = MappingFile.model_validate(
        {
            "name": "auto",
            "description": "made by einsim, one Einsum after another",
            "cascade": cascade.name,
            "architecture": machine.name,
            "nests": {"kernel": {"array": array, "loops": {}}},
            "einsums": {name: {"nest": "kernel", "keep": {}} for name in names},
            "phases": [{"run": {array: names}}],
            "memory_time": "per-phase",
        }
    )
    nothing = Document("auto", {})
    workload = Workload(tuple(sizes.items()))
    return Design(cascade, machine, plan, workload, Accounting.FULL, (), nothing, document or nothing)


def _shared(cascade: Cascade, schedule: Schedule, sizes: Mapping[str, int], counts: Counts) -> Counts:
    """Counts less what filters and partial tiles leave out."""
    levels: list[LevelCount] = []
    work: dict[str, EinsumCount] = {}
    for einsum in schedule.einsums:
        part = share(cascade, cascade.einsum(einsum.name), sizes)
        own = counts.einsums[einsum.name]
        work[einsum.name] = EinsumCount(_of(own.points, part), max(1, _of(own.steps, part)), own.elements)
        ranks = _filter_ranks(cascade, einsum)
        for row in (row for row in counts.levels if row.einsum == einsum.name):
            plan = next(p for p in einsum.accesses if (p.label, p.tensor) == (row.label, row.tensor))
            follows = ranks <= {dimension.rank for dimension in plan.dimensions}
            inner = row.level == einsum.registers
            levels.append(
                replace(
                    row,
                    reads=_of(row.reads, part) if follows or inner else row.reads,
                    fills=_of(row.fills, part) if follows else row.fills,
                    updates=_of(row.updates, part) if follows or inner else row.updates,
                )
            )
    return Counts(tuple(levels), work)


def _filter_ranks(cascade: Cascade, einsum: EinsumSchedule) -> set[str]:
    """The ranks that decide which points of an Einsum there are."""
    made = cascade.einsum(einsum.name)
    bounds = {rank for bound in tile_bounds(cascade, space_of(made)) for rank in bound.index.ranks}
    return bounds | (set(ranks_of(made.when)) if made.when is not None else set())


def _added(one: Counts, other: Counts) -> Counts:
    """Counts of two schedules of the same Einsums, one after the other."""
    levels = tuple(
        replace(row, reads=row.reads + more.reads, fills=row.fills + more.fills, updates=row.updates + more.updates)
        for row, more in zip(one.levels, other.levels, strict=True)
    )
    work = {
        name: EinsumCount(
            each.points + other.einsums[name].points, each.steps + other.einsums[name].steps, each.elements
        )
        for name, each in one.einsums.items()
    }
    return Counts(levels, work)


def _of(value: int, part: float) -> int:
    """A share of a count, rounded up; a whole one exactly."""
    return value if part >= 1.0 else -int(-value * part // 1)


def _times(counts: Counts, batch: int) -> Counts:
    """Counts of several independent instances."""
    levels = tuple(
        replace(row, reads=row.reads * batch, fills=row.fills * batch, updates=row.updates * batch)
        for row in counts.levels
    )
    work = {
        name: EinsumCount(each.points * batch, each.steps * batch, each.elements)
        for name, each in counts.einsums.items()
    }
    return Counts(levels, work)
