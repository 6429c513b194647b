"""A mapping that einsim makes by itself: simple, for any cascade, one Einsum after another.

Every Einsum is a kernel of its own: its operands come from the outermost memory and its result goes back there, in
blocks that fit the innermost buffer; running values go there and back slice by slice. The two longest ranks
(results' first) lie along the 2D array, or one along the lanes where the 2D array lacks an operation. Blocks start
as large as the ranks and are halved, the largest first, until they fit. Every rank counts by itself here: both
parts of a split, whole tiles; of a window, the longer rank (halos are not counted); of a gather, all ranks of its
index (nothing is shared).

Where every row of a tensor is by itself, as in norms, blocks of rows may go through all Einsums instead
(`row_blocks`): what is read again then waits in the innermost memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from einsim.cascade import (
    Access,
    Cascade,
    Einsum,
    Position,
    is_copy,
    iteration_ranks,
    iterative_rank,
    operands,
    operations,
    size_of,
    steps,
    tensor_ranks,
    walk,
)
from einsim.schedule.covering import covering
from einsim.schedule.lower import cycles_of, unit_operations
from einsim.schedule.nest import AccessPlan, Dimension, EinsumSchedule, Loop, PhaseSchedule, Schedule, Shortfall
from einsim.spec.architecture import Architecture, Array


@dataclass(frozen=True, slots=True)
class Layout:
    """Which array runs an Einsum, and the rank along each of its axes."""

    array: str
    axes: dict[str, str]


def unmappable(cascade: Cascade, machine: Architecture) -> str | None:
    """Why no array of a machine can run some Einsum of a cascade; None where each has one."""
    for einsum in cascade.einsums:
        if not is_copy(einsum) and not _able(einsum, machine):
            needed = set(operations(einsum))
            missing = min(
                (sorted(needed - set(array.operations)) for array in machine.arrays.values()), key=len, default=[]
            )
            return f"{einsum.name} needs {' and '.join(missing)}, which no array of {machine.name} can do"
    return None


def auto_schedule(
    cascade: Cascade, machine: Architecture, sizes: Mapping[str, int], *, together: bool = False
) -> Schedule:
    """The schedule of a cascade on a machine at given sizes (of every rank, see `bind_sizes`).

    `together`: all tensors wait in the innermost memory once they are there, and only inputs and outputs pass the
    outermost one (see `row_blocks`). Raises KeyError where `unmappable` has a reason. What does not fit comes back as
    shortfalls.
    """
    mapper = _Mapper(cascade, machine, sizes, together)
    einsums = tuple(mapper.einsum(einsum) for einsum in cascade.einsums if not is_copy(einsum))
    buffer = list(machine.memories)[-1]
    held = {einsum.name: mapper.bytes_held(einsum) for einsum in einsums}
    most = words_of_all(cascade, sizes) * machine.word_bytes if together else max(held.values(), default=0)
    capacity = machine.memories[buffer].capacity_bytes
    fullest = max(held, key=lambda name: held[name], default="")
    short = Shortfall(
        capacity is not None and most > capacity,
        f"{buffer}: the least blocks of {fullest}",
        most,
        capacity or 0,
        "bytes",
    )
    return Schedule(
        sizes={rank: sizes[size_of(rank)] for rank in mapper.ranks()},
        einsums=einsums,
        phases=tuple(PhaseSchedule(((einsum.array, (einsum.name,)),)) for einsum in einsums),
        spills=(),
        per_phase_memory=True,
        tiles={},
        occupancy={buffer: most},
        shortfalls=(short,) if len(machine.memories) > 1 else (),
    )


def words_of_all(cascade: Cascade, sizes: Mapping[str, int]) -> int:
    """Words of all tensors of a cascade."""
    tensors = [tensor.name for tensor in (*cascade.inputs, *cascade.assembled)]
    tensors += [einsum.tensor for einsum in cascade.einsums if not einsum.part]
    return sum(prod(sizes[size_of(rank)] for rank in tensor_ranks(cascade, name)) for name in tensors)


def row_rank(cascade: Cascade) -> str | None:
    """The rank whose elements have nothing to do with each other, so that a block of them can go through all Einsums.

    Every Einsum makes its elements one by one from the same elements of what it reads; None where there is no such
    rank, or only one Einsum.
    """
    if len(cascade.einsums) < 2 or cascade.splits or cascade.inits or cascade.assembled:
        return None
    candidates = cascade.einsums[0].output.ranks
    return next(
        (rank for rank in candidates if all(_row_by_row(cascade, each, rank) for each in cascade.einsums)), None
    )


def _row_by_row(cascade: Cascade, einsum: Einsum, rank: str) -> bool:
    """Whether an Einsum makes each element of a rank from the same element of its operands alone."""
    if einsum.when is not None or rank not in einsum.output.ranks or is_copy(einsum):
        return False
    for access in (*einsum.reads, einsum.output):
        for dimension, index in zip(tensor_ranks(cascade, access.tensor), access.indices, strict=True):
            if rank in (dimension, *index.ranks) and not index.rank == rank == dimension:
                return False
    positions = [node.index for node in walk(einsum.body) if isinstance(node, Position)]
    return not any(rank in index.ranks or size_of(rank) in index.sizes for index in positions)


def row_blocks(cascade: Cascade, machine: Architecture, sizes: Mapping[str, int]) -> list[tuple[int, dict[str, int]]]:
    """Blocks of rows that go through all Einsums of a cascade one after another while their tensors stay on chip.

    As pairs of how often a block comes and the sizes of all ranks in it; as many whole tiles of rows as fit the
    innermost memory. None where rows have to do with each other, or where so few of them fit that an array would not be
    full.
    """
    rank, memories = row_rank(cascade), list(machine.memories.values())
    if rank is None or len(memories) < 2:
        return []
    size, capacity = size_of(rank), memories[-1].capacity_bytes
    rows, tile = sizes[size], max(extent for array in machine.arrays.values() for extent in array.axes.values())
    one, two = (words_of_all(cascade, {**sizes, size: count}) * machine.word_bytes for count in (1, 2))
    most = rows if capacity is None else (capacity - one) // (two - one) + 1
    if most < min(rows, tile):
        return []
    block = rows if most >= rows else most // tile * tile
    whole, rest = divmod(rows, block)
    return [(times, {**sizes, size: each}) for times, each in ((whole, block), (1, rest)) if each]


def _able(einsum: Einsum, machine: Architecture) -> list[tuple[str, Array]]:
    """The arrays that have every operation of an Einsum, the 2D array first."""
    needed = set(operations(einsum))
    found = [(name, array) for name, array in machine.arrays.items() if needed <= set(array.operations)]
    return sorted(found, key=lambda each: not each[1].is_grid)


@dataclass(frozen=True, slots=True)
class _Mapper:
    cascade: Cascade
    machine: Architecture
    sizes: Mapping[str, int]
    together: bool = False

    def ranks(self) -> list[str]:
        """Every rank of any iteration space."""
        return list(dict.fromkeys(rank for einsum in self.cascade.einsums for rank in iteration_ranks(einsum)))

    def size(self, rank: str) -> int:
        return self.sizes[size_of(rank)]

    def einsum(self, einsum: Einsum) -> EinsumSchedule:
        """An Einsum's loops with the largest blocks that fit, its accesses and operations."""
        layout = self.layout(einsum)
        array = self.machine.arrays[layout.array]
        work = operations(einsum)
        draft = EinsumSchedule(
            name=einsum.name,
            array=layout.array,
            registers=array.registers.name,
            loops=(),
            dimensions=tuple(Dimension(rank) for rank in iteration_ranks(einsum)),
            accesses=tuple(self.accesses(einsum, array.registers.name)),
            operations=tuple(unit_operations(work, array).items()),
            charged=tuple(unit_operations(work, array).items()),
            cycles_per_point=cycles_of(work, array, pipelined=False),
        )
        buffer = self.machine.memories[list(self.machine.memories)[-1]]
        blocks = {rank: self.size(rank) for rank in iteration_ranks(einsum)}
        least = dict.fromkeys(blocks, 1) | {
            rank: min(self.size(rank), array.axes[axis]) for axis, rank in layout.axes.items()
        }
        if self.together:
            return replace(draft, loops=tuple(self.loops(einsum, layout, blocks)))
        while True:
            schedule = replace(draft, loops=tuple(self.loops(einsum, layout, blocks)))
            larger = [rank for rank in blocks if blocks[rank] > least[rank]]
            if buffer.capacity_bytes is None or self.bytes_held(schedule) <= buffer.capacity_bytes or not larger:
                return schedule
            rank = max(larger, key=lambda each: blocks[each] / least[each])
            halves = -(-blocks[rank] // (2 * least[rank]))
            blocks[rank] = max(least[rank], halves * least[rank])

    def layout(self, einsum: Einsum) -> Layout:
        """Ranks along the axes: long ones first, those of the result before those that are summed."""
        name, array = _able(einsum, self.machine)[0]
        sequential = {iterative_rank(each) for each in self.cycle(einsum)}
        free = [rank for rank in iteration_ranks(einsum) if rank not in sequential and self.size(rank) > 1]
        axes: dict[str, str] = {}
        for axis, extent in array.axes.items():
            left = [rank for rank in free if rank not in axes.values()]
            if left:
                axes[axis] = max(
                    left, key=lambda r: (min(self.size(r), extent), r in einsum.output.ranks, self.size(r))
                )
        return Layout(name, axes)

    def cycle(self, einsum: Einsum) -> tuple[Einsum, ...]:
        """The Einsums that an Einsum iterates with."""
        return next((step.einsums for step in steps(self.cascade) if step.rank and einsum in step.einsums), ())

    def loops(self, einsum: Einsum, layout: Layout, blocks: Mapping[str, int]) -> list[Loop]:
        """Loops over blocks in the outermost memory, inside them over the array's tiles; the iterative rank first."""
        array = self.machine.arrays[layout.array]
        outer, *_ = self.machine.memories
        buffer = list(self.machine.memories)[-1]
        order = sorted(
            iteration_ranks(einsum),
            key=lambda rank: (rank not in {iterative_rank(each) for each in self.cycle(einsum)},
                              rank not in einsum.output.ranks),
        )  # fmt: skip
        along = {rank: array.axes[axis] for axis, rank in layout.axes.items()}
        blocked = [rank for rank in order if blocks[rank] < self.size(rank)]
        found = [_loop(rank, blocks[rank], outer) for rank in blocked]
        found += [_loop(rank, along.get(rank, 1), buffer) for rank in order]
        found += [Loop(f"{rank}/{axis}", rank, 1, axis=axis) for axis, rank in layout.axes.items()]
        return found

    def accesses(self, einsum: Einsum, registers: str) -> list[AccessPlan]:
        outer, *_ = self.machine.memories
        buffer = list(self.machine.memories)[-1]
        plans = []
        for access in (*operands(einsum), einsum.output):
            home = buffer if self.stays(access, einsum) else outer
            levels = tuple(dict.fromkeys((home, buffer, registers)))
            ranks = tuple(map(Dimension, self.dimensions(access, einsum)))
            plans.append(AccessPlan(access.tensor, str(access), access is einsum.output, ranks, levels))
        return plans

    def stays(self, access: Access, einsum: Einsum) -> bool:
        """Whether an Einsum finds an operand in the innermost memory, or leaves its result there."""
        if not self.together:
            return False
        if access is einsum.output:
            return access.tensor not in self.cascade.outputs
        before = self.cascade.einsums[: self.cascade.einsums.index(einsum)]
        return any(access.tensor in {each.tensor, *(read.tensor for read in each.reads)} for each in before)

    def dimensions(self, access: Access, einsum: Einsum) -> list[str]:
        """The ranks that tell the elements of an operand apart."""
        space = iteration_ranks(einsum)
        found: list[str] = []
        for dimension, index in zip(tensor_ranks(self.cascade, access.tensor), access.indices, strict=True):
            ranks = covering(index, self.size(dimension), {(rank,): self.size(rank) for rank in index.ranks})
            found += [rank for rank in ranks if rank in space and rank not in found]
        return found

    def bytes_held(self, einsum: EinsumSchedule) -> int:
        """Bytes of the buffer that the blocks of an Einsum's operands and result take."""
        outer, *_ = self.machine.memories
        blocks = {loop.rank: loop.tile for loop in einsum.loops if loop.level == outer}
        words = 0
        for _, dimensions in dict.fromkeys((plan.tensor, plan.dimensions) for plan in einsum.accesses):
            words += prod(blocks.get(dimension.rank, self.size(dimension.rank)) for dimension in dimensions)
        return words * self.machine.word_bytes


def _loop(rank: str, tile: int, level: str) -> Loop:
    """A loop in time, named for its tile: loops of one name are of one tile in all Einsums."""
    return Loop(f"{rank}:{tile}", rank, tile, level)
