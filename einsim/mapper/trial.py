"""Trials: a plan with many tile sizes at once, by the closed form, and the best of them that is legal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, isqrt, prod

import numpy as np
from numpy.typing import NDArray

from einsim.cascade import size_of
from einsim.errors import SpecError
from einsim.mapper.objective import Objective
from einsim.mapper.plan import Plan
from einsim.mapper.task import Task
from einsim.mapper.text import Written
from einsim.model.closed_form import Evaluation, evaluate, evaluate_many
from einsim.schedule.environment import environment
from einsim.schedule.liveness import Liveness
from einsim.spec.configuration import Design

Score = tuple[float, ...]
"""The objective, then energy, latency and traffic."""


@dataclass(frozen=True, slots=True)
class Found:
    """A plan with its tile sizes, and what the closed form says of it."""

    plan: Plan
    numbers: dict[str, int]
    score: Score

    @property
    def value(self) -> float:
        """The objective."""
        return self.score[0]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Tile sizes to try, for each number of a plan; `whole` if these are all that the space has."""

    axes: dict[str, NDArray[np.int64]]
    whole: bool


class Trials:
    """Evaluates plans of a task for one objective; `points` counts the designs that were evaluated."""

    def __init__(self, task: Task, objective: Objective, grid: int = 4096) -> None:
        self.task, self.objective, self.grid = task, objective, grid
        self.points = self.plans = 0
        self.refused: str | None = None
        self._sizes: dict[str, NDArray[np.int64]] = {}

    # Tile sizes.

    def sizes_of(self, what: str) -> NDArray[np.int64]:
        """All sizes of a number: for a rank of n, the tiles ceil(n / k), and these rounded up to whole arrays' axes."""
        if what not in self._sizes:
            task = self.task
            split = next((s for s in task.cascade.splits if s.size == what), None)
            rank = split.rank if split is not None else what
            ends = {s.outer: s for s in task.cascade.splits}
            length = 1 if rank in ends else task.given.get(size_of(rank), 1)
            self._sizes[what] = tiles_of(length, self.steps(split.inner if split is not None else what))
        return self._sizes[what]

    def steps(self, rank: str) -> set[int]:
        """Lengths of the axes that a rank might lie along."""
        return {n for array in self.task.machine.arrays.values() for n in array.axes.values()}

    def all_sizes(self, written: Written) -> dict[str, NDArray[np.int64]]:
        """All sizes of the open numbers of a plan."""
        found = {}
        for name, (what, _) in written.numbers.items():
            if any(what == split.outer for split in self.task.cascade.splits):
                found[name] = np.array([1, 2, 4, 8, 16, 32, 64], dtype=np.int64)
            else:
                found[name] = self.sizes_of(what)
        return found

    # Plans.

    def best(self, plan: Plan, near: Mapping[str, int] | None = None) -> tuple[Found | None, bool]:
        """The best legal tile sizes of a plan, and whether all sizes of the space were looked at.

        With `near`, only sizes next to these. None where nothing fits, or the plan is not legal.
        """
        self.plans += 1
        written = Written(self.task, plan)
        try:
            design = written.design()
        except SpecError as error:
            self.refused = self.refused or error.message
            return None, True
        every = self.all_sizes(written)
        start = None if near is None else {name: near[name] for name in every if name in near}
        if start is not None and len(start) < len(every):
            start = None
        axes = _thinned(every, self.grid) if start is None else _around(every, start, 1)
        whole = all(len(axes[name]) == len(every[name]) for name in every)
        found = self._of_grid(written, design, axes)
        while found is not None and not whole:
            better = self._of_grid(written, design, _around(every, found.numbers, 2 if len(every) < 5 else 1))
            if better is None or better.score >= found.score:
                break
            found = better
        return found, whole

    def at(self, plan: Plan, numbers: Mapping[str, int]) -> Found | None:
        """A plan at given tile sizes, if it is legal and fits; None too where it needs sizes that are not given."""
        self.plans += 1
        written = _filled(Written(self.task, plan))
        if not written.numbers.keys() <= numbers.keys():
            return None
        own = {name: numbers[name] for name in written.numbers}
        self.points += 1
        try:
            evaluation = evaluate(written.design(own))
        except SpecError:
            return None
        if not evaluation.feasible or not self.side_by_side(written, own):
            return None
        return Found(plan, own, tuple(float(each) for each in self.objective.rank(evaluation)))

    def _of_grid(self, written: Written, design: Design, axes: dict[str, NDArray[np.int64]]) -> Found | None:
        shape = [len(values) for values in axes.values()]
        self.points += prod(shape)
        columns = {
            name: values.reshape([-1 if place == number else 1 for place in range(len(shape))])
            for number, (name, values) in enumerate(axes.items())
        }
        try:
            evaluation = evaluate_many(design, columns) if columns else evaluate(design)
        except SpecError as error:
            self.refused = self.refused or error.message
            return None
        except OverflowError:
            return self._one_by_one(written, axes)
        for score, place in _ranked(evaluation, self.objective, shape):
            numbers = {name: int(values[at]) for (name, values), at in zip(axes.items(), place, strict=True)}
            if self.side_by_side(written, numbers):
                return Found(written.plan, numbers, score)
        return None

    def _one_by_one(self, written: Written, axes: dict[str, NDArray[np.int64]], most: int = 64) -> Found | None:
        """Where 64 bits might not do: fewer sizes, each with integers of any size."""
        thin = _thinned(axes, most)
        best: Found | None = None
        for place in np.ndindex(*(len(values) for values in thin.values())):
            numbers = {name: int(values[at]) for (name, values), at in zip(thin.items(), place, strict=True)}
            evaluation = evaluate(written.design(numbers))
            if evaluation.feasible and self.side_by_side(written, numbers):
                score = tuple(float(each) for each in self.objective.rank(evaluation))
                if best is None or score < best.score:
                    best = Found(written.plan, numbers, score)
        return best

    def side_by_side(self, written: Written, numbers: Mapping[str, int]) -> bool:
        """Whether Einsums that run side by side share a loop that runs more than once, so that they can take turns."""
        plan = written.plan
        for group in plan.groups:
            arrays = {plan.layouts[name].array for name in group.einsums}
            if group.overlap and len(arrays) > 1 and not self._shared(written, group.einsums, numbers):
                return False
        return True

    def _shared(self, written: Written, names: tuple[str, ...], numbers: Mapping[str, int]) -> bool:
        if any(self.task.given[size_of(rank)] > 1 for rank in self.task.batch):
            return True
        from einsim.schedule.lower import lower  # noqa: PLC0415

        design = written.design(numbers)
        schedule = lower(design)
        live = Liveness(design, {e.name: e for e in schedule.einsums}, environment(design, {}))
        turns = live.parts[0][1].turns
        return all(turns.shared(names[0], name) > 0 for name in names[1:])


def _filled(written: Written) -> Written:
    """A written plan whose numbers are known (they are found while its data is made)."""
    _ = written.data
    return written


def tiles_of(length: int, steps: set[int]) -> NDArray[np.int64]:
    """ceil(n / k) for every k, and the same rounded up to multiples of some steps; at most n, in order."""
    root = isqrt(length)
    tiles = {-(-length // k) for k in range(1, root + 1)} | set(range(1, root + 1))
    for step in steps:
        tiles |= {-(-tile // step) * step for tile in tiles}
    return np.array(sorted({min(tile, length) for tile in tiles}), dtype=np.int64)


def _thinned(every: Mapping[str, NDArray[np.int64]], most: int) -> dict[str, NDArray[np.int64]]:
    """Fewer values of each number, evenly over their order, so that a grid of them has at most so many points."""
    if prod(len(values) for values in every.values()) <= most:
        return dict(every)
    keep = max(2, int(most ** (1 / max(1, len(every)))))
    return {name: _even(values, keep) for name, values in every.items()}


def _even(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Some of ordered values, about evenly spaced on a logarithmic scale, both ends among them."""
    if len(values) <= count:
        return values
    wanted = np.geomspace(values[0], values[-1], count)
    return np.unique(values[np.minimum(values.searchsorted(wanted), len(values) - 1)])


def _around(
    every: Mapping[str, NDArray[np.int64]], numbers: Mapping[str, int], width: int
) -> dict[str, NDArray[np.int64]]:
    """The values next to some numbers."""
    found = {}
    for name, values in every.items():
        at = int(values.searchsorted(numbers[name]))
        found[name] = values[max(0, at - width) : at + width + 1]
    return found


def _ranked(
    evaluation: Evaluation, objective: Objective, shape: list[int]
) -> Iterator[tuple[Score, tuple[int, ...]]]:
    """Feasible points, best first: score and place on the grid; those of equal score once."""
    columns = [np.broadcast_to(np.asarray(each, dtype=np.float64), shape).ravel() for each in objective.rank(evaluation)]
    fits = np.broadcast_to(np.asarray(evaluation.feasible, dtype=bool), shape).ravel()
    if not fits.any():
        return
    first = np.where(fits, columns[0], inf)
    seen = 0
    order = np.lexsort(tuple(columns[:0:-1]) + (first,))
    for at in order:
        if not fits[at] or seen >= 64:
            return
        seen += 1
        yield tuple(float(column[at]) for column in columns), tuple(int(i) for i in np.unravel_index(at, shape))
