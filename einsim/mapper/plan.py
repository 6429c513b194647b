"""Plans: everything that a mapping file says, but for its tile sizes, which a search sweeps in bulk."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Layout:
    """How one Einsum runs: its array, the rank along each axis of it, and the order of its own loops.

    `order` has every rank of its iteration space but iterative ones, outermost first: the dataflow. What the
    innermost loops do not touch stays in the processing elements.
    """

    array: str
    axes: tuple[tuple[str, str], ...]
    order: tuple[str, ...]

    def axis_of(self, rank: str) -> str | None:
        """The axis that a rank lies along."""
        return next((axis for axis, along in self.axes if along == rank), None)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a tensor stays in one group of Einsums.

    `levels` are those that it passes through on its way between its home (first) and the registers of the Einsum
    that touches it first (its maker, or the first reader where it comes from outside); the others take it from
    `source`, one of these levels or those registers.
    """

    levels: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Group:
    """Einsums that are fused: one order of the loops over blocks, and of those over the tiles inside that they share.

    `outer` has the ranks whose blocks are brought on chip, outermost first; `units` those of which all Einsums of
    the group take a tile in turn. With `overlap`, tiles of different Einsums run side by side on different arrays;
    without it, one Einsum after another.
    """

    einsums: tuple[str, ...]
    outer: tuple[str, ...]
    units: tuple[str, ...] = ()
    overlap: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """Groups one after another, a layout for each Einsum, a home for each tensor in each group that touches it."""

    groups: tuple[Group, ...]
    layouts: dict[str, Layout]
    homes: dict[tuple[str, int], Home]

    def with_layout(self, name: str, layout: Layout) -> Plan:
        """The plan with another layout of an Einsum."""
        return replace(self, layouts={**self.layouts, name: layout})

    def with_home(self, key: tuple[str, int], home: Home) -> Plan:
        """The plan with another home of a tensor in a group."""
        return replace(self, homes={**self.homes, key: home})

    def with_group(self, number: int, group: Group) -> Plan:
        """The plan with another order of a group."""
        return replace(self, groups=(*self.groups[:number], group, *self.groups[number + 1 :]))

    def key(self) -> tuple[object, ...]:
        """What tells plans apart."""
        return self.groups, tuple(self.layouts.items()), tuple(sorted(self.homes.items(), key=lambda each: each[0]))
