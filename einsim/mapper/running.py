"""Trials in the cycle model: what the closed form finds promising is run, slot by slot, and judged by that.

The closed form asks of registers tensor by tensor whether they hold it, and takes buffers to have ports enough. What is
in flight at one time, and what it waits for, only the cycle model knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from math import inf
from typing import Final

from einsim.errors import SpecError
from einsim.mapper.plan import Plan
from einsim.mapper.text import Written
from einsim.mapper.trial import NOTHING, Found, Score, Trials
from einsim.model.cycle.evaluation import Simulation, simulate_design

MOST_ISSUES: Final = 2_000_000
"""Slots that are simulated one by one to look at a mapping, at most: some tenths of a second."""

EACH: Final = 4
"""Sizes of one tile that are run, of all that the closed form likes."""

ALL: Final = 1024
"""Designs of a plan up to which each is run where the space is walked whole."""


@dataclass
class Running:
    """Trials of a task whose scores are the cycle model's; what does not run is the worse, the more it lacks.

    The closed form chooses what to run: it is hardly ever above the cycle model.
    """

    closed: Trials
    _known: dict[object, Score] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """Designs that were run."""
        return len(self._known)

    def run(self, found: Found) -> Found:
        """A design of the closed form with the cycle model's score."""
        key = (found.plan.key(), tuple(found.numbers.items()))
        if key not in self._known:
            self._known[key] = self._score(found)
        return replace(found, score=self._known[key])

    def _score(self, found: Found) -> Score:
        design = Written(self.closed.task, found.plan).design(found.numbers)
        try:
            simulation = simulate_design(design, most=MOST_ISSUES)
        except SpecError:
            return NOTHING
        if not simulation.feasible:
            return inf, _lacking(simulation)
        _, energy_pj, _, traffic = found.score
        latency_s = simulation.latency_s
        value = self.closed.objective.at_latency(found.value, energy_pj, latency_s)
        return value, energy_pj, latency_s, traffic

    def at(self, plan: Plan, numbers: Mapping[str, int], below: Score = NOTHING) -> Found | None:
        """A plan at given tile sizes; None where its closed form is not below a score, or it is not legal."""
        found = self.closed.at(plan, numbers, below)
        return None if found is None else self.run(found)

    def best(self, plan: Plan, near: Mapping[str, int] | None = None) -> tuple[Found | None, bool]:
        """The best tile sizes of a plan, and whether all of them were run; else the closed form chooses."""
        try:
            every = self.closed.every(plan, ALL) if near is None else None
        except SpecError:
            return None, True
        if every is not None:
            return min(map(self.run, every), key=lambda found: found.score, default=None), True
        found, _ = self.closed.best(plan, near)
        return None if found is None else self.run(found), False

    def again(self, now: Found) -> Found:
        """A plan with its tiles made better one by one."""
        best = now
        for names in self.closed.swept(now.plan):
            promising = self.closed.apart(best, names)
            for found in islice((found for found in promising if found.score < best.score), EACH):
                if self.closed.over():
                    return best
                best = min(best, self.run(found), key=lambda each: each.score)
        return best


def _lacking(simulation: Simulation) -> float:
    """By how much a design does not fit; where it only waits for itself, by most."""
    if simulation.stuck is not None:
        return inf
    short = [each for each in simulation.shortfalls if each.where]
    return sum(float(each.needed) / max(1.0, float(each.available)) - 1.0 for each in short)
