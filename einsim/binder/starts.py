"""Where a search begins: the tiles of a cascade on a machine, or those of a mapping file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from einsim.binder.assignment import able
from einsim.binder.bind import Start
from einsim.binder.residency import Rebinding
from einsim.binder.solver import Order
from einsim.binder.structure import TILES, Structure, mapping_of, structure_of, views_of, whole_sizes
from einsim.cascade import Cascade, iterative_rank, size_of, tiled_split
from einsim.errors import Location, SpecError
from einsim.schedule.environment import needed_sizes
from einsim.schedule.pipeline.timing import Timing
from einsim.spec import library
from einsim.spec.architecture import Architecture
from einsim.spec.configuration import Design, load_architecture, load_design
from einsim.spec.mappingfile import data_of
from einsim.spec.workload import Workload

IDEAL = Timing(travel=False, latency=False, memory=False, stalls=True)
"""What published closed forms assume: only operations take time, and the stalls that a mapping states.

Whether registers hold what is in flight is not asked then either.
"""


@dataclass(frozen=True, slots=True)
class Tiled:
    """A cascade in the tiles that follow from it and a machine (see `structure`).

    `cascade` and `architecture` are the names of their files. `given` are the sizes that the user states, `sizes` all
    of them.
    """

    cascade: str
    architecture: str
    structure: Structure
    given: Mapping[str, int]
    sizes: Mapping[str, int]
    order: Order
    timing: Timing
    free: bool

    @property
    def machine(self) -> Architecture:
        """The machine."""
        return self.structure.machine

    def start(self) -> Start:
        """Where the search for its binding starts."""
        structure = self.structure
        data = mapping_of(structure, self.architecture, self.cascade)
        rebinding = Rebinding(structure.cascade, self.machine, data, structure.split.outer)
        workload = Workload(tuple(self.sizes.items()), at=Location("--shape"))
        return Start(structure.cascade, self.machine, rebinding, workload, guessed(structure), self.timing, self.order,
                     self.free)  # fmt: skip


def in_tiles(
    cascade: str, architecture: str, sizes: Mapping[str, int], order: Order, *, ideal: bool = False, free: bool = True
) -> Tiled:
    """The tiles that follow from a cascade and a machine; sizes of tiled ranks may be left out."""
    found = library.load_cascade(cascade, at=Location("bind"))
    machine = load_architecture(architecture)
    if order is Order.PHASES:
        raise SpecError(
            "a cascade alone has no phases", at=Location("--order"), remedy="give a mapping: --mapping FILE"
        )
    structure = structure_of(found, machine, sizes)
    timing = IDEAL if ideal else Timing()
    return Tiled(cascade, architecture, structure, sizes, whole_sizes(structure, sizes), order, timing, free)


def from_cascade(
    cascade: str, architecture: str, sizes: Mapping[str, int], order: Order, *, ideal: bool = False, free: bool = True
) -> Start:
    """Where the search starts from a cascade and a machine alone."""
    return in_tiles(cascade, architecture, sizes, order, ideal=ideal, free=free).start()


def from_mapping(
    mapping: str, architecture: str | None, sizes: Mapping[str, int], order: Order, *, ideal: bool = False,
    free: bool = True,
) -> Start:  # fmt: skip
    """The tiles of a mapping, a shipped one or a file; sizes of the ranks that it partitions may be left out."""
    plain = load_design(mapping, Workload((), at=Location("--shape")), architecture=architecture)
    given = _with_lengths(plain, sizes)
    design = load_design(mapping, Workload(tuple(given.items()), at=Location("--shape")), architecture=architecture)
    if design.mapping.memory_time == "per-phase":
        raise SpecError(f"{design.mapping.name} runs its Einsums one after another: there is no pipeline to find",
                        at=Location("--mapping"), remedy="name a mapping that fuses them")  # fmt: skip
    arrays = {name: design.mapping.nests[plan.nest].array for name, plan in design.mapping.einsums.items()}
    data = data_of(design.mapping)
    if architecture is not None:
        data["architecture"] = architecture
    data["name"] = f"{design.mapping.name}-bound"
    rebinding = Rebinding(design.cascade, design.architecture, data, iterated_rank(design.cascade), arrays)
    free = free and order is not Order.PHASES  # phases say which array
    return Start(design.cascade, design.architecture, rebinding, design.workload, arrays, IDEAL if ideal else Timing(),
                 order, free)  # fmt: skip


def _with_lengths(design: Design, sizes: Mapping[str, int]) -> dict[str, int]:
    """Sizes with those of partitioned and split ranks, many tiles of each, where they are not given."""
    tiled = {*design.mapping.partition, *(split.rank for split in design.cascade.splits)}
    tile = max(size for array in design.architecture.arrays.values() for size in array.axes.values())
    batch = {size_of(rank) for rank in design.mapping.batch}
    found = dict(sizes)
    for name in needed_sizes(design):
        if name in batch:
            found.setdefault(name, 1)
        elif name in {size_of(rank) for rank in tiled}:
            found.setdefault(name, TILES * tile)
    return found


def iterated_rank(cascade: Cascade) -> str | None:
    """The outer rank of a split that a cascade iterates over."""
    walked = {rank for einsum in cascade.einsums if (rank := iterative_rank(einsum)) is not None}
    return next((rank for rank in walked if tiled_split(cascade, rank) is not None), None)


def guessed(structure: Structure, apart: str | None = None) -> dict[str, str]:
    """What walks the rank along the rows on the 2D array, the rest on the lanes, as far as they are able.

    What has rank `apart` is on the lanes altogether.
    """
    cascade, machine, row = structure.cascade, structure.machine, structure.split.inner
    found = {}
    for einsum in cascade.einsums:
        if einsum.name in views_of(cascade):
            continue
        options = able(einsum, machine)
        if not options:
            raise SpecError(f"no array of {machine.name} can run {einsum.name}", remedy="add its operations to one")
        ranks = {*einsum.output.ranks, *einsum.reduced}
        found[einsum.name] = options[0] if row in ranks and apart not in ranks else options[-1]
    return found
