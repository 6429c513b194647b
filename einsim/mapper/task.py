"""What there is to map: a cascade on a machine at some sizes, and what follows from that before any choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

from einsim.cascade import (
    Cascade,
    Einsum,
    bind_sizes,
    is_copy,
    iteration_ranks,
    iterative_rank,
    known_ranks,
    known_sizes,
    operands,
    operations,
    size_of,
    size_parameters,
    tiled_split,
    tiled_splits,
)
from einsim.errors import InfeasibleError, Location, SpecError, suggest
from einsim.schedule.auto import unmappable
from einsim.schedule.lower import cycles_of
from einsim.schedule.views import resolve
from einsim.spec.architecture import Architecture, Array
from einsim.spec.workload import Workload


@dataclass(frozen=True)
class Task:
    """A cascade, a machine and sizes. `cascade_name` and `machine_name` are how a mapping file names them.

    Raises InfeasibleError where no array can do what an Einsum needs, SpecError where a size is missing.
    """

    cascade: Cascade
    machine: Architecture
    workload: Workload
    cascade_name: str = ""
    machine_name: str = ""

    def __post_init__(self) -> None:
        reason = unmappable(self.cascade, self.machine)
        if reason is not None:
            raise InfeasibleError(reason)
        given = {name for name, _ in self.workload.sizes}
        missing = [name for name in size_parameters(self.cascade) if name not in given and name not in self.unsized]
        if missing:
            raise SpecError(f"the workload gives no size for {', '.join(missing)}", at=self.workload.at,
                            remedy=f"add --shape {','.join(f'{name}=...' for name in missing)}")  # fmt: skip
        known = {*known_sizes(self.cascade), *map(size_of, self.batch)}
        if self.workload.model is None:
            for name in sorted(given - known):
                raise SpecError(f"nothing has a size {name!r}", at=Location("--shape"), remedy=suggest(name, known))

    # Sizes.

    @cached_property
    def batch(self) -> tuple[str, ...]:
        """Ranks that all tensors have besides the cascade's own: sequences and heads, and what a model brings else."""
        own = {*map(size_of, known_ranks(self.cascade)), *size_parameters(self.cascade)}
        extra = [name for name, _ in self.workload.sizes if name not in own]
        if self.workload.model is None:
            extra = [name for name in extra if name in {"B", "H"}]
        return tuple(name.lower() for name in extra)

    @cached_property
    def unsized(self) -> tuple[str, ...]:
        """Sizes of tiles of a split that nobody gives: for the mapping to choose."""
        given = {name for name, _ in self.workload.sizes}
        return tuple(dict.fromkeys(s.size for s in self.cascade.splits if s.size not in given))

    @cached_property
    def given(self) -> dict[str, int]:
        """Sizes of the workload."""
        return dict(self.workload.sizes)

    @property
    def instances(self) -> int:
        """Independent instances, one after another."""
        return prod(self.given[size_of(rank)] for rank in self.batch)

    def sizes(self, chosen: Mapping[str, int]) -> dict[str, int]:
        """The size of every rank, with the open ones chosen."""
        known = known_sizes(self.cascade)
        own = {name: size for name, size in self.given.items() if name in known}
        return bind_sizes(self.cascade, {**own, **chosen})

    @cached_property
    def _longest(self) -> dict[str, int]:
        """Every size at most, over all that are open: of outer parts with tiles of one element, of inner ones whole."""
        single = self.sizes(dict.fromkeys(self.unsized, 1))
        whole = {split.size: single[size_of(split.rank)] for split in self.cascade.splits if split.size in self.unsized}
        return {name: max(size, single[name]) for name, size in self.sizes(whole).items()}

    def length(self, rank: str) -> int:
        """The size of a rank at most: of parts of a split whose size is open, the whole rank's."""
        return self._longest[size_of(rank)]

    # Einsums and tensors.

    @cached_property
    def views(self) -> tuple[str, ...]:
        """Copies that move nothing."""
        copies = [e for e in self.cascade.einsums if is_copy(e) and len(operands(e)) == 1]
        return tuple(each.name for each in copies if each.name not in self.cascade.outputs)

    @cached_property
    def einsums(self) -> dict[str, Einsum]:
        """The Einsums that do something, in the order of the text."""
        return {einsum.name: einsum for einsum in self.cascade.einsums if einsum.name not in self.views}

    @cached_property
    def iterative(self) -> frozenset[str]:
        """Ranks over which the cascade iterates."""
        return frozenset(rank for each in self.einsums.values() if (rank := iterative_rank(each)) is not None)

    def space(self, name: str) -> tuple[str, ...]:
        """The ranks of an Einsum."""
        return iteration_ranks(self.einsums[name])

    def free(self, name: str) -> tuple[str, ...]:
        """The ranks of an Einsum whose elements may be visited in any order."""
        return tuple(rank for rank in self.space(name) if rank not in self.iterative)

    def spreadable(self, name: str) -> tuple[str, ...]:
        """The ranks of an Einsum that may lie along an axis: of a split, the inner part where both are there."""
        free = self.free(name)
        outer = {split.outer for split in tiled_splits(self.cascade) if split.inner in self.space(name)}
        return tuple(rank for rank in free if rank not in outer)

    def nested(self, order: tuple[str, ...]) -> bool:
        """Whether an order of loops has the inner part of each split inside the outer one."""
        pairs = [(s.outer, s.inner) for s in tiled_splits(self.cascade) if {s.outer, s.inner} <= set(order)]
        return all(order.index(outer) < order.index(inner) for outer, inner in pairs)

    def blocked(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The ranks of some Einsums that loops over blocks may walk; the inner part of a split goes with the outer."""
        ranks = list(dict.fromkeys(rank for name in names for rank in self.space(name)))
        inner = {s.inner for s in tiled_splits(self.cascade) if s.outer in ranks}
        return tuple(rank for rank in ranks if rank not in inner)

    def follows(self, rank: str) -> bool:
        """Whether a rank is the inner part of a split whose outer part each Einsum walks by itself."""
        split = tiled_split(self.cascade, rank)
        return split is not None and rank == split.inner and split.outer not in self.iterative

    @cached_property
    def touched(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        """Of each Einsum, every tensor that it touches: name in the text, and the one that is stored."""
        found: dict[str, tuple[tuple[str, ...], ...]] = {}
        for name, einsum in self.einsums.items():
            pairs = []
            for access in (*operands(einsum), einsum.output):
                pairs.append((access.tensor, resolve(self.cascade, list(self.views), access)[0]))
            found[name] = tuple(dict.fromkeys(pairs))
        return found

    @cached_property
    def touching(self) -> dict[str, tuple[str, ...]]:
        """Of each stored tensor, the Einsums that touch it, in the order of the text."""
        found: dict[str, list[str]] = {}
        for name, pairs in self.touched.items():
            for _, stored in pairs:
                if name not in found.setdefault(stored, []):
                    found[stored].append(name)
        return {tensor: tuple(names) for tensor, names in found.items()}

    def brings_all(self, tensor: str, first: str) -> bool:
        """Whether what an Einsum reads of a tensor is all that others read: at ranks alone, or just what they read."""
        seen = [(name, resolve(self.cascade, self.views, access))
                for name in self.touching[tensor] for access in operands(self.einsums[name])]  # fmt: skip
        reads = [(name, indices) for name, (stored, indices) in seen if stored == tensor]
        own = {indices for name, indices in reads if name == first}
        plain = any(indices is not None and all(i.rank is not None for i in indices) for indices in own)
        return plain or (None not in own and {indices for _, indices in reads} <= own)

    @cached_property
    def known(self) -> frozenset[str]:
        """Every size of the cascade."""
        return frozenset(known_sizes(self.cascade))

    @cached_property
    def whole(self) -> frozenset[str]:
        """Tensors all of whose elements every Einsum that touches them needs: no parts, at own ranks, no filter."""
        if any(einsum.when is not None for einsum in self.einsums.values()):
            return frozenset()
        found = set()
        for tensor, names in self.touching.items():
            if tensor in self.assembled:
                continue
            reads = [access for name in names for access in operands(self.einsums[name])]
            own = [resolve(self.cascade, list(self.views), access) for access in reads]
            seen = [indices for stored, indices in own if stored == tensor]
            if all(indices is not None and all(i.rank is not None for i in indices) for indices in seen):
                found.add(tensor)
        return frozenset(found)

    @cached_property
    def kept(self) -> frozenset[str]:
        """Stored tensors that are outputs of the cascade."""
        return frozenset(name for name in self.cascade.outputs if name in self.touching)

    @cached_property
    def assembled(self) -> frozenset[str]:
        """Tensors that several Einsums make, each a part."""
        return frozenset(tensor.name for tensor in self.cascade.assembled)

    # Arrays.

    @cached_property
    def capable(self) -> dict[str, tuple[str, ...]]:
        """The arrays that can run each Einsum, those with most elements first."""
        arrays = sorted(self.machine.arrays, key=lambda name: -self.elements(name))
        return {
            name: tuple(a for a in arrays if set(operations(einsum)) <= set(self.machine.arrays[a].operations))
            for name, einsum in self.einsums.items()
        }

    def elements(self, array: str) -> int:
        """Processing elements of an array."""
        return prod(self.machine.arrays[array].axes.values())

    def pipelined(self, name: str, array: str) -> bool:
        """Whether an Einsum's operations may overlap on an array: each has a unit of its own (see docs/mapper.md)."""
        work = operations(self.einsums[name])
        units = self.machine.arrays[array].operations
        plain = all(units[each].macro is None for each in work)
        inside = [each for each in work if units[each].area_um2 == 0]  # of another's unit: an adder of a multiplier's
        apart = not inside or (len(inside) == 1 and "mac" not in work)
        return len(set(work)) == len(work) > 1 and plain and apart

    def cycles(self, name: str, array: str) -> int:
        """Cycles of one point of an Einsum on an array."""
        pipelined = self.pipelined(name, array)
        return cycles_of(operations(self.einsums[name]), self.machine.arrays[array], pipelined=pipelined)

    def registers(self, array: str) -> str:
        """The level of an array's registers."""
        return self.machine.arrays[array].registers.name

    def array_of(self, name: str) -> Array:
        """An array by its name."""
        return self.machine.arrays[name]

    def coarse(self, name: str, rank: str) -> bool:
        """Whether an Einsum has the outer part of a split only."""
        split = tiled_split(self.cascade, rank)
        return split is not None and rank == split.outer and split.inner not in self.space(name)
