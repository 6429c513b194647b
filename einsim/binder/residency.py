"""Where tensors pass for an assignment: nests, levels and phases of a mapping file in which Einsums change arrays.

Between the arrays values go through the lanes' registers, one word of a column at a time; what lies along both axes of
the 2D array (a tile of scores) goes through the innermost buffer instead. State of an iteration stays in the buffer
from tile to tile. What a mapping says about memories is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from einsim.binder.assignment import Assignment
from einsim.cascade import (
    Access,
    Cascade,
    Einsum,
    iteration_ranks,
    iterative_rank,
    operands,
    tiled_split,
)
from einsim.spec.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Rebinding:
    """A mapping file's data to bind anew.

    `iterated`: the rank over whose iterations tiles follow each other; `start`: the file's own assignment.
    """

    cascade: Cascade
    machine: Architecture
    data: dict[str, Any]
    iterated: str | None
    start: Assignment = field(default_factory=dict)

    def bound(self, assignment: Assignment) -> dict[str, Any]:
        """The file's data with every Einsum on its array."""
        data = {**self.data, "nests": dict(self.data["nests"])}
        plans: dict[str, Any] = {}
        for einsum in self.mapped:
            before = self.data["einsums"].get(einsum.name, {})
            nest = self.nest(einsum, assignment[einsum.name], data["nests"])
            plans[einsum.name] = {**before, "nest": nest, "keep": self.keep(einsum, assignment)}
        used = {plan["nest"] for plan in plans.values()}
        data["nests"] = {name: nest for name, nest in data["nests"].items() if name in used}
        data["einsums"] = plans
        data["phases"] = self.phases(assignment)
        if "assumed" in data:
            data["assumed"] = {t: levels for t, levels in data["assumed"].items() if not self.moved(t, assignment)}
        return data

    def moved(self, tensor: str, assignment: Assignment) -> bool:
        """Whether the maker or a reader of a tensor runs elsewhere than in the file."""
        maker = self.maker(tensor)
        users = [e.name for e in self.mapped if e is maker or self.reads(e, tensor)]
        return any(self.start.get(name) != assignment[name] for name in users)

    @property
    def mapped(self) -> list[Einsum]:
        """Einsums that are no views."""
        return [einsum for einsum in self.cascade.einsums if einsum.name not in self.data["views"]]

    def phases(self, assignment: Assignment) -> list[Any]:
        """The mapping's own phases where no Einsum moves; else all of them beside each other."""
        own = {name: array for phase in self.data["phases"] for array, names in phase.get("run", {}).items()
               for name in names}  # fmt: skip
        if own == dict(assignment):
            return list(self.data["phases"])
        arrays = [array for array in self.machine.arrays if array in assignment.values()]
        return [{"run": {array: [e.name for e in self.mapped if assignment[e.name] == array] for array in arrays}}]

    # Loops.

    def nest(self, einsum: Einsum, array: str, nests: dict[str, Any]) -> str:
        """The nest of an Einsum on an array: its own, one that others run in there, or its own laid on that array."""
        before = self.data["einsums"].get(einsum.name)
        if before is None:
            kind = f"{array}_{'tiles' if self.iterated in iteration_ranks(einsum) else 'ends'}"
            parts = [f"{kind}_{rank}" for rank in iteration_ranks(einsum)]
            return next(name for name in (*parts, *nests) if name in nests and name.startswith(kind))
        own = nests[before["nest"]]
        if own["array"] == array:
            return str(before["nest"])
        outermost = self.machine.outermost
        ranks = {*iteration_ranks(einsum)}
        for name, nest in nests.items():
            around = nest["loops"].get(outermost) == own["loops"].get(outermost)
            if nest["array"] == array and around and ranks <= self.walked(nest):
                return name
        name = f"{before['nest']}_{array}"
        nests.setdefault(name, self.laid_on(array, own))
        return name

    def walked(self, nest: dict[str, Any]) -> set[str]:
        """Ranks that a nest walks."""
        loops = [*(loop for names in nest["loops"].values() for loop in names), *nest.get("spatial", {}).values()]
        found = set()
        for loop in loops:
            rank = next((rank for rank, parts in self.data.get("partition", {}).items() if loop in parts), loop)
            split = tiled_split(self.cascade, rank) if rank not in self.data.get("batch", ()) else None
            found |= {rank, split.rank} if split is not None else {rank}
        return found

    def laid_on(self, array: str, nest: dict[str, Any]) -> dict[str, Any]:
        """A nest on the other array: columns become lanes (or lanes columns), rows a loop innermost."""
        grid = self.machine.arrays[array].is_grid
        space = nest.get("spatial", {})
        along = space.get("columns", space.get("lanes"))
        loops = {level: list(names) for level, names in nest["loops"].items()}
        if not grid and "rows" in space:
            loops[list(loops)[-1]].append(space["rows"])
        return {"array": array, "loops": loops, "spatial": {"columns" if grid else "lanes": along} if along else {}}

    # Levels.

    def keep(self, einsum: Einsum, assignment: Assignment) -> dict[str, list[str]]:
        """The levels of every access, by tensor where all accesses of it take one way, else by access."""
        paths = [(access, self.path(einsum, access, assignment)) for access in (*operands(einsum), einsum.output)]
        found: dict[str, list[str]] = {}
        for access, path in paths:
            alike = all(other == path for each, other in paths if each.tensor == access.tensor)
            found[access.tensor if alike else str(access)] = path
        return found

    def path(self, einsum: Einsum, access: Access, assignment: Assignment) -> list[str]:
        """The levels that an access passes through, from its home to the array's registers."""
        plan = self.data["einsums"].get(einsum.name)
        if plan is not None and not self.moved(access.tensor, assignment):
            return list(plan["keep"].get(str(access), plan["keep"].get(access.tensor, ())))
        own = self.registers(assignment[einsum.name])
        memories = self.memories(einsum, access, assignment)
        maker = self.maker(access.tensor)
        if maker is None or (memories and access is not einsum.output):
            return [*memories, own]
        between = self.registers(self.line)
        if access is einsum.output:
            leaves = assignment[einsum.name] != self.line and any(
                assignment[reader.name] == self.line for reader in self.readers(einsum.name)
            )
            return [*memories, *([between] if leaves and not self.crosses(einsum, assignment) else []), own]
        if assignment[maker.name] == assignment[einsum.name]:
            return [own]
        return list(dict.fromkeys([between, own]))

    def memories(self, einsum: Einsum, access: Access, assignment: Assignment) -> list[str]:
        """Memories that an access passes through."""
        buffer, outermost = list(self.machine.memories)[-1], self.machine.outermost
        is_output, maker = access is einsum.output, self.maker(access.tensor)
        stated = self.stated(einsum, access)
        if stated is not None:
            tile = maker is not None and self.crosses(maker, assignment)
            return [*stated, *([buffer] if tile and not stated else [])]
        if maker is None:
            first = next(
                e for e in self.mapped if self.inside(e) == self.inside(einsum) and self.reads(e, access.tensor)
            )
            return [outermost, buffer] if first is einsum else [buffer]
        if is_output and einsum.name in self.cascade.outputs:
            return [outermost]
        state = iterative_rank(maker) is not None
        if is_output:
            apart = any(self.inside(reader) != self.inside(einsum) for reader in self.readers(einsum.name))
            return [buffer] if state or apart or self.crosses(einsum, assignment) else []
        if self.inside(einsum) != self.inside(maker):
            return [buffer]
        if state and not self.current(access, maker):
            shared = maker is not einsum and assignment[maker.name] == assignment[einsum.name]
            return [] if shared and self.reads(maker, maker.name) else [buffer]
        return [buffer] if self.crosses(maker, assignment) else []

    def stated(self, einsum: Einsum, access: Access) -> list[str] | None:
        """Memories that the mapping file names for an access; None where it has no such Einsum."""
        plan = self.data["einsums"].get(einsum.name)
        if plan is None:
            return None
        path = plan["keep"].get(str(access), plan["keep"].get(access.tensor, ()))
        return [level for level in path if level in self.machine.memories]

    def crosses(self, maker: Einsum, assignment: Assignment) -> bool:
        """Whether what an Einsum makes lies along both axes of the 2D array on one side, and is read on the other."""
        inner = {split.inner for split in self.cascade.splits if split.outer == self.iterated}
        others = {assignment[reader.name] for reader in self.readers(maker.name)} - {assignment[maker.name]}
        return bool(inner & {*maker.output.ranks}) and bool(others)

    def current(self, access: Access, maker: Einsum) -> bool:
        """Whether an access of an iteration's state takes the slice that this iteration makes."""
        along = next(n for n, index in enumerate(maker.output.indices) if index.shift and index.shift[1] == 1)
        shift = access.indices[along].shift
        return shift is not None and shift[1] == 1

    def inside(self, einsum: Einsum) -> bool:
        """Whether an Einsum is inside the iteration."""
        return self.iterated in iteration_ranks(einsum)

    @property
    def line(self) -> str:
        """The machine's lanes."""
        return next(name for name, array in self.machine.arrays.items() if not array.is_grid)

    def registers(self, array: str) -> str:
        """The register level of an array."""
        return self.machine.arrays[array].registers.name

    def maker(self, tensor: str) -> Einsum | None:
        """The Einsum that makes what a tensor shows; None for inputs."""
        by_name = {einsum.name: einsum for einsum in self.cascade.einsums}
        while tensor in self.data["views"]:
            tensor = operands(by_name[tensor])[0].tensor
        return by_name.get(tensor)

    def readers(self, tensor: str) -> Sequence[Einsum]:
        """Einsums that read what an Einsum makes, itself left out."""
        return [each for each in self.mapped if each.name != tensor and self.reads(each, tensor)]

    def reads(self, einsum: Einsum, tensor: str) -> bool:
        """Whether an Einsum reads a tensor, or what another one shows of it."""
        made = self.maker(tensor)
        return any(access.tensor == tensor or (made is not None and self.maker(access.tensor) is made)
                   for access in operands(einsum))  # fmt: skip
