"""What a memory keeps for others while some Einsums run: for other fusion groups, and for other parts of their own.

Parts of a fusion group follow each other inside the outer loops that all of them share (`common`). While one of them
runs, what an earlier one hands to a later one is alive, the state of an iteration over a common loop is, and so are
tiles that wait for the next turn of the common loops because nothing changes them before. What lives only inside of
another part does not.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from einsim.schedule.flow import Flow, Stay
from einsim.schedule.fusion import Shape, Sharing, is_barred
from einsim.schedule.nest import AccessPlan


@dataclass(slots=True)
class Meanwhile:
    """While the Einsums `names` run; `divisions` are the sharings that points of a sweep are divided into.

    `others` are the Einsums of other parts of the same fusion groups.
    """

    flow: Flow
    shape: Shape
    divisions: Sequence[Sharing]
    names: Collection[str]
    others: list[str] = field(init=False)

    def __post_init__(self) -> None:
        groups = {self.flow.groups[name] for name in self.names if name in self.flow.parts}
        self.others = [
            name for name in self.shape.loops if self.flow.groups[name] in groups and name not in self.names
        ] if groups else []  # fmt: skip

    def waits(self, name: str, access: AccessPlan, count: int) -> list[bool]:
        """Of each division, whether a tile under the first `count` loops of an Einsum of another part is kept."""
        found = []
        for each in self.divisions:
            running = [self.shape.loops[name][position] for position in each.running[name] if position < count]
            last = each.common[name] - 1
            found.append(last >= 0 and not any(access.concerns(loop) for loop in running[last:]))
        return found

    def lives(self, stay: Stay) -> list[bool]:
        """Of each division, whether the words of a stay are alive."""
        if stay.holder in self.names or stay.reader in self.names:
            return [True for _ in self.divisions]
        groups = self.flow.groups
        if groups[stay.holder] != groups[stay.reader]:
            return [True for _ in self.divisions]
        if stay.holder not in self.others:
            return [False for _ in self.divisions]
        return [self.between(each, stay) for each in self.divisions]

    def between(self, sharing: Sharing, stay: Stay) -> bool:
        """Whether the Einsums run after the holder of a stay and before its reader, or while its state is kept."""
        if stay.holder == stay.reader:
            common = [self.shape.loops[stay.holder][p] for p in sharing.running[stay.holder]]
            return any(is_barred(loop, stay.bars) for loop in common[: sharing.common[stay.holder]])
        paths = sharing.turns.paths
        at = sharing.turns.shared(stay.holder, stay.reader) + 1
        first, last = paths[stay.holder], paths[stay.reader]
        return any(
            len(path) > at and path[:at] == first[:at] and first[at] < path[at] < last[at]
            for path in (paths[name] for name in self.names)
        )
