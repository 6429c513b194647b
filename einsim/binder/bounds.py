"""Least intervals that no placement of a tile graph can be below."""

from __future__ import annotations

from dataclasses import dataclass

from einsim.binder.graph import TileGraph
from einsim.schedule.pipeline.bounds import recurrence_bound, resource_bound


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least intervals: `resource` by the busiest array (or port), `recurrence` by values that go round in circles."""

    resource: int
    recurrence: int

    @property
    def least(self) -> int:
        """The larger of them."""
        return max(self.resource, self.recurrence)


def bounds_of(graph: TileGraph) -> Bounds:
    """The bounds of a tile graph: slots of the busiest array, rows over the ports of the busiest port, circles."""
    rows = [-(-sum(job.slots * each for job, each in zip(graph.jobs, ports.rows, strict=True)) // ports.limit)
            for ports in graph.ports]  # fmt: skip
    return Bounds(max(resource_bound(graph.jobs), *rows, 1), recurrence_bound(graph.jobs, graph.needs))
