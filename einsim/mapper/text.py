"""A plan as a mapping file: as data with tile sizes left open (for many at once), and as text with them decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from einsim.mapper.plan import Group, Home, Plan
from einsim.mapper.task import Task
from einsim.spec.configuration import Accounting, Design
from einsim.spec.fields import validate
from einsim.spec.mapping import Mapping as MappingFile
from einsim.spec.mappingfile import SOURCE, text_of
from einsim.spec.yamlfile import Document


@dataclass(frozen=True)
class Written:
    """A plan of a task as a mapping file.

    `numbers` are the sizes that it leaves open: name -> (rank or size, group) that it cuts.
    """

    task: Task
    plan: Plan
    numbers: dict[str, tuple[str, int]] = field(default_factory=dict)
    _partition: dict[str, dict[str, str]] = field(default_factory=dict)

    @cached_property
    def data(self) -> dict[str, Any]:
        """The mapping file's data; sizes are names of `numbers`."""
        task, plan = self.task, self.plan
        for size in task.unsized:
            self.numbers[self._tile(size, 0)] = (size, 0)
        nests: dict[str, dict[str, Any]] = {}
        einsums: dict[str, dict[str, Any]] = {}
        for number, group in enumerate(plan.groups):
            for name in group.einsums:
                nest = self._nest(number, group, name)
                same = next((known for known, other in nests.items() if other == nest), f"for_{name}")
                nests[same] = nest
                einsums[name] = self._einsum(number, group, name, same)
        data: dict[str, Any] = {"name": "mapped", "cascade": task.cascade_name, "architecture": task.machine_name}
        data["batch"] = list(task.batch)
        data["sizes"] = {size: self._tile(size, 0) for size in task.unsized}
        data["partition"] = {rank: self._ordered(parts) for rank, parts in self._partition.items()}
        data |= {"nests": nests, "views": list(task.views), "einsums": einsums}
        if len(plan.groups) > 1:
            data["fusion"] = [list(group.einsums) for group in plan.groups]
        data["phases"] = [phase for group in plan.groups for phase in self._phases(group)]
        if len(data["phases"]) > 1:
            data["memory_time"] = "per-phase"
        return {key: part for key, part in data.items() if part not in ({}, [])}

    def design(self, chosen: Mapping[str, int] | None = None) -> Design:
        """The design, its open sizes as choices (columns of `evaluate_many`), or `chosen` as a file has them."""
        data = self.data if chosen is None else self.decided(chosen)
        choices = tuple((name, 1) for name in self.numbers) if chosen is None else ()
        document = Document(SOURCE, data)
        mapping = validate(MappingFile, document)
        task = self.task
        return Design(task.cascade, task.machine, mapping, task.workload, Accounting.FULL, choices, document, document)

    def decided(self, chosen: Mapping[str, int]) -> dict[str, Any]:
        """The data with sizes: those of splits as numbers, those of blocks as named tiles."""
        data = dict(self.data)
        if "sizes" in data:
            data["sizes"] = {size: str(chosen[name]) for size, name in data["sizes"].items()}
        tiles = {name: chosen[name] for name, (what, _) in self.numbers.items() if what not in self.task.unsized}
        first = ("name", "cascade", "architecture", "batch", "sizes")
        head: dict[str, Any] = {key: data.pop(key) for key in first if key in data}
        if tiles:
            head["tiles"] = {name: str(size) for name, size in tiles.items()}
        return {**head, **data}

    def text(self, chosen: Mapping[str, int], about: str = "") -> str:
        """The file's text."""
        data = self.decided(chosen)
        name = data.pop("name")
        return text_of({"name": name, **({"description": about} if about else {}), **data})

    # Loops.

    def _tile(self, what: str, number: int) -> str:
        return f"{what}_tile" if what in self.task.unsized else f"{what}_tile{self._suffix(number)}"

    def _suffix(self, number: int) -> str:
        """What tells the loops of a group from others': its first Einsum, so that other groups may change."""
        return "" if len(self.plan.groups) == 1 else f"_{self.plan.groups[number].einsums[0].replace('-', '_part')}"

    def _part(self, rank: str, name: str, tile: str) -> str:
        self._partition.setdefault(rank, {})[name] = tile
        return name

    def _ordered(self, parts: dict[str, str]) -> dict[str, str]:
        """Blocks first, then tiles, single elements last."""
        kinds = ("_block", "_unit", "_by_", "_each")
        return dict(sorted(parts.items(), key=lambda each: next(n for n, kind in enumerate(kinds) if kind in each[0])))

    def _nest(self, number: int, group: Group, name: str) -> dict[str, Any]:
        task, layout = self.task, self.plan.layouts[name]
        space = task.space(name)
        outer = [self._outer(rank, number, space) for rank in group.outer if rank in space]
        inner = [self._unit(rank, number) for rank in group.units if rank in layout.order]
        for rank in layout.order:
            inner += self._own(name, rank, number)
        memories = list(task.machine.memories)
        loops: dict[str, list[str]] = {memories[0]: [*task.batch, *outer]}
        loops[memories[-1]] = [*loops.get(memories[-1], []), *inner] if len(memories) == 1 else inner
        spatial = {axis: self._part(rank, f"{rank}_each", "1") for axis, rank in layout.axes}
        return {"array": layout.array, "loops": {k: v for k, v in loops.items() if v}, "spatial": spatial}

    def _outer(self, rank: str, number: int, space: tuple[str, ...]) -> str:
        if rank in self.task.iterative:
            return rank
        tile = self._tile(rank, number)
        self.numbers[tile] = (rank, number)
        return self._part(rank, f"{rank}_block{self._suffix(number)}", tile)

    def unit(self, rank: str, number: int) -> str:
        """The tile of a rank that all Einsums of a group take in turn: the longest axis that it lies along."""
        axes = {}
        for name in self.plan.groups[number].einsums:
            layout = self.plan.layouts[name]
            if (axis := layout.axis_of(rank)) is not None:
                axes[f"{layout.array}.{axis}"] = self.task.array_of(layout.array).axes[axis]
        return max(axes, key=lambda each: axes[each], default="1")

    def _unit(self, rank: str, number: int) -> str:
        return self._part(rank, f"{rank}_unit{self._suffix(number)}", self.unit(rank, number))

    def _own(self, name: str, rank: str, number: int) -> list[str]:
        """The loops of an Einsum over a rank, inside those that its group shares."""
        layout = self.plan.layouts[name]
        axis = layout.axis_of(rank)
        shared = self.unit(rank, number) if rank in self.plan.groups[number].units else None
        if axis is None:
            return [] if shared == "1" else [rank]
        own = f"{layout.array}.{axis}"
        if shared is None:
            return [self._part(rank, f"{rank}_by_{layout.array}_{axis}", own)]
        if shared == own:
            return []
        array, _, along = shared.partition(".")
        if self.task.array_of(array).axes[along] <= self.task.array_of(layout.array).axes[axis]:
            return []
        return [self._part(rank, f"{rank}_by_{layout.array}_{axis}", own)]

    # Einsums and phases.

    def _einsum(self, number: int, group: Group, name: str, nest: str) -> dict[str, Any]:
        task, layout = self.task, self.plan.layouts[name]
        own = task.registers(layout.array)
        keep = {}
        for label, stored in task.touched[name]:
            first = first_of(task, group, stored)
            home = self.plan.homes[stored, number]
            keep[label] = list(path_of(task, home, own, is_first=name == first))
        found: dict[str, Any] = {"nest": nest, "keep": keep}
        if task.pipelined(name, layout.array):
            found["pipelined"] = True
        return found

    def _phases(self, group: Group) -> list[dict[str, Any]]:
        layouts = self.plan.layouts
        if group.overlap:
            run: dict[str, list[str]] = {}
            for name in group.einsums:
                run.setdefault(layouts[name].array, []).append(name)
            return [{"run": run}]
        runs: list[tuple[str, list[str]]] = []
        for name in group.einsums:
            if not runs or runs[-1][0] != layouts[name].array:
                runs.append((layouts[name].array, []))
            runs[-1][1].append(name)
        return [{"run": {array: names}} for array, names in runs]


def first_of(task: Task, group: Group, tensor: str) -> str:
    """The Einsum that has a tensor first in a group: its maker, or the first that reads it."""
    return tensor if tensor in group.einsums else next(n for n in task.touching[tensor] if n in group.einsums)


def path_of(task: Task, home: Home, own: str, *, is_first: bool) -> tuple[str, ...]:
    """The levels that a tensor passes through for an Einsum with registers `own`, home first."""
    if is_first:
        return (*home.levels, own)
    start = home.levels.index(home.source) if home.source in home.levels else None
    below = () if start is None else tuple(
        level for level in home.levels[start + 1 :] if level in task.machine.memories)  # fmt: skip
    return tuple(dict.fromkeys((home.source, *below, own)))
