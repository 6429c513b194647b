"""Trials: a plan with many tile sizes at once, by the closed form, and the best of them that is legal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from einsim.schedule.lower import lower
from einsim.spec.configuration import Design

Axes = dict[str, NDArray[np.int64]]
"""Values of each number."""

Score = tuple[float, ...]
"""The objective, then energy, latency and traffic."""

NOTHING: Score = (inf, inf)
"""Worse than whatever there is."""


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


TURNS = 40
"""Turns of all groups to make their tiles better, at most."""

TOGETHER = 6
"""Numbers that are swept together, at most."""

STEPS = {1: (1, 2, 4, 8, 16, 32), 2: (1, 2, 4, 8, 16, 32), 3: (1, 2, 8, 32), 4: (1, 8), 5: (1,), 6: (1,)}
"""How many places further the sizes stand that are tried next, for so many numbers swept together."""


MOST = 64
"""Points of a grid that are looked at for Einsums that run side by side."""


class Trials:
    """Evaluates plans of a task for one objective; `points` counts the designs that were evaluated.

    Grids have at most `grid` points; when time is `over`, the best so far of a plan will do.
    """

    def __init__(
        self, task: Task, objective: Objective, grid: int = 4096, over: Callable[[], bool] = lambda: False
    ) -> None:
        self.task, self.objective, self.grid, self.over = task, objective, grid, over
        self.points = self.plans = 0
        self.refused: str | None = None
        self._sizes: Axes = {}

    # Tile sizes.

    def sizes_of(self, what: str) -> NDArray[np.int64]:
        """All sizes of a number: for a rank of n, the tiles ceil(n / k), and these rounded up to whole arrays' axes."""
        if what not in self._sizes:
            task = self.task
            split = next((s for s in task.cascade.splits if s.size == what), None)
            rank = split.rank if split is not None else what
            length = task.length(rank)
            self._sizes[what] = tiles_of(length, self.steps)
        return self._sizes[what]

    @cached_property
    def steps(self) -> set[int]:
        """Lengths of the axes that a rank might lie along."""
        return {n for array in self.task.machine.arrays.values() for n in array.axes.values()}

    def all_sizes(self, written: Written) -> Axes:
        """All sizes of the open numbers of a plan."""
        found = {}
        for name, (what, _) in written.numbers.items():
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
        if near is None and prod(map(len, every.values())) <= self.grid:
            return self._of_grid(written, design, every), True
        known = {name: near[name] for name in every if name in near} if near is not None else {}
        now = known | {name: self.small(values) for name, values in every.items() if name not in known}
        found = self.at(plan, now)
        for turn in range(TURNS if near is None else 2):
            before = found
            for names in _parts(written):
                if self.over():
                    return found, False
                fresh = turn == 0 and not set(names) <= known.keys()
                own = {name: every[name] for name in names}
                steps = STEPS[len(names)] if turn else (1,)
                tried = _thinned(own, self.grid, self.steps) if fresh else _around(own, now, steps)
                axes = {name: tried.get(name, np.array([now[name]], dtype=np.int64)) for name in every}
                better = self._of_grid(written, design, axes)
                if better is not None and (found is None or better.score < found.score):
                    found, now = better, better.numbers
            if found is before:
                break
        return found, False

    def glance(self, plan: Plan) -> Found | None:
        """A plan at the sizes where a search of them begins; None where it is not legal, or these do not fit."""
        written = Written(self.task, plan)
        try:
            every = self.all_sizes(_filled(written))
        except SpecError:
            return None
        return self.at(plan, {name: self.small(values) for name, values in every.items()})

    def small(self, values: NDArray[np.int64]) -> int:
        """A tile that surely fills every axis, or the whole rank: where a search begins."""
        return int(values[min(int(values.searchsorted(max(self.steps))), len(values) - 1)])

    def at(self, plan: Plan, numbers: Mapping[str, int], below: Score = NOTHING) -> Found | None:
        """A plan at given tile sizes, if it is legal, fits and scores below something.

        None too where it needs sizes that are not given.
        """
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
        score = tuple(float(each) for each in self.objective.rank(evaluation))
        return Found(plan, own, score) if score < below else None

    def again(self, now: Found) -> Found | None:
        """A plan with all its tile sizes looked at anew."""
        return self.best(now.plan)[0]

    def swept(self, plan: Plan) -> list[tuple[str, ...]]:
        """Sizes of a plan that are looked at together: each tile alone, then those of splits with each of the tiles."""
        numbers = _filled(Written(self.task, plan)).numbers
        splits = tuple(name for name, (what, _) in numbers.items() if what in self.task.unsized)
        tiles = [name for name in numbers if name not in splits]
        together = [(*splits, name) for name in tiles] or [splits]
        return [*((name,) for name in tiles), *together] if splits else [(name,) for name in tiles]

    def apart(self, now: Found, names: Sequence[str]) -> Iterator[Found]:
        """A plan with other sizes of some tiles, one design of each magnitude; of equal worth small tiles first."""
        written = _filled(Written(self.task, now.plan))
        axes = {each: np.array([size], dtype=np.int64) for each, size in now.numbers.items()}
        axes |= _thinned({name: self.all_sizes(written)[name] for name in names}, self.grid, self.steps)
        found: dict[tuple[int, ...], Found] = {}
        for each in self._points(written, written.design(), axes, self.grid):
            found.setdefault(tuple(each.numbers[name].bit_length() for name in names), each)
        about = sorted(found.values(), key=lambda f: (float(f"{f.value:.3g}"), prod(f.numbers[name] for name in names)))
        return (each for each in about if self.side_by_side(written, each.numbers))

    def every(self, plan: Plan, most: int) -> Iterator[Found] | None:
        """A plan with all tile sizes that fit, the best first; None where there are more than so many."""
        written = Written(self.task, plan)
        design = written.design()
        axes = self.all_sizes(written)
        return self._ranked(written, design, axes, most) if prod(map(len, axes.values())) <= most else None

    def _of_grid(self, written: Written, design: Design, axes: Axes) -> Found | None:
        return next(self._ranked(written, design, axes), None)

    def _ranked(self, written: Written, design: Design, axes: Axes, most: int = MOST) -> Iterator[Found]:
        """The best points of a grid that are legal and fit, the best first."""
        every = self._points(written, design, axes, most)
        return (found for found in every if self.side_by_side(written, found.numbers))

    def _points(self, written: Written, design: Design, axes: Axes, most: int) -> Iterator[Found]:
        """The best points of a grid that fit, at most so many, the best first."""
        varied = [name for name, values in axes.items() if len(values) > 1]
        shape = [len(axes[name]) for name in varied] or [1]
        self.points += prod(shape)
        columns = {
            name: values.reshape([-1 if name == each else 1 for each in varied] or [1]) for name, values in axes.items()
        }
        try:
            evaluation = evaluate_many(design, columns) if columns else evaluate(design)
        except SpecError as error:
            self.refused = self.refused or error.message
            return
        except OverflowError:
            yield from self._one_by_one(written, axes)
            return
        for score, place in _ranked(evaluation, self.objective, shape, most):
            numbers = {name: int(values[0]) for name, values in axes.items()}
            numbers |= {name: int(axes[name][at]) for name, at in zip(varied, place, strict=False)}
            yield Found(written.plan, numbers, score)

    def _one_by_one(self, written: Written, axes: Axes, most: int = 64) -> list[Found]:
        """Where 64 bits might not do: fewer sizes, each with integers of any size."""
        thin = _thinned(axes, most)
        every: list[Found] = []
        for place in np.ndindex(*(len(values) for values in thin.values())):
            numbers = {name: int(values[at]) for (name, values), at in zip(thin.items(), place, strict=True)}
            if self.over():
                break
            evaluation = evaluate(written.design(numbers))
            if evaluation.feasible:
                score = tuple(float(each) for each in self.objective.rank(evaluation))
                every.append(Found(written.plan, numbers, score))
        return sorted(every, key=lambda found: found.score)

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
        design = written.design(numbers)
        schedule = lower(design)
        live = Liveness(design, {e.name: e for e in schedule.einsums}, environment(design, {}))
        turns = live.parts[0][1].turns
        return all(turns.shared(names[0], name) > 0 for name in names[1:])


def _filled(written: Written) -> Written:
    """A written plan whose numbers are known (they are found while its data is made)."""
    _ = written.data
    return written


def _parts(written: Written) -> list[list[str]]:
    """The open numbers group by group, those of splits with the first; few together."""
    by_group: dict[int, list[str]] = {}
    for name, (_, number) in written.numbers.items():
        by_group.setdefault(number, []).append(name)
    return [names[at : at + TOGETHER] for names in by_group.values() for at in range(0, len(names), TOGETHER)]


def tiles_of(length: int, steps: set[int]) -> NDArray[np.int64]:
    """ceil(n / k) for every k, and the same rounded up to multiples of some steps; at most n, in order."""
    root = isqrt(length)
    tiles = {-(-length // k) for k in range(1, root + 1)} | set(range(1, root + 1))
    for step in steps:
        tiles |= {-(-tile // step) * step for tile in tiles}
    return np.array(sorted({min(tile, length) for tile in tiles}), dtype=np.int64)


def _thinned(every: Mapping[str, NDArray[np.int64]], most: int, steps: Iterable[int] = ()) -> Axes:
    """Fewer values of each number, so that a grid of them has at most so many points; all where they are few.

    First those that fill axes: whole, and `steps` times powers of two; then evenly over their order.
    """
    if prod(len(values) for values in every.values()) <= most:
        return dict(every)
    found = {name: _handy(values, steps) for name, values in every.items()}
    while prod(len(values) for values in found.values()) > most:
        name = max(found, key=lambda each: len(found[each]))
        found[name] = _even(found[name], max(2, len(found[name]) * 3 // 4))
    return found


def _handy(values: NDArray[np.int64], steps: Iterable[int], few: int = 8) -> NDArray[np.int64]:
    """The ends, multiples of steps by powers of two, and of what is below them powers of eight."""
    if len(values) <= few:
        return values
    longest = int(values[-1])
    least = min((step for step in steps if step > 1), default=longest)
    wanted = {1, longest} | {8**power for power in range(1, 8) if 8**power < least}
    wanted |= {step << power for step in steps for power in range(longest.bit_length()) if step << power < longest}
    return np.unique(values[np.minimum(values.searchsorted(sorted(wanted)), len(values) - 1)])


def _even(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Some of ordered values, evenly over their order, both ends among them."""
    places = np.unique(np.linspace(0, len(values) - 1, count).round().astype(int))
    return np.asarray(values[places])


def _around(every: Mapping[str, NDArray[np.int64]], numbers: Mapping[str, int], steps: Iterable[int]) -> Axes:
    """The values some places from those of some numbers, on both sides."""
    found = {}
    for name, values in every.items():
        at = int(values.searchsorted(numbers[name]))
        places = {at, *(at + step for step in steps), *(at - step for step in steps)}
        found[name] = values[[place for place in sorted(places) if 0 <= place < len(values)]]
    return found


def _ranked(
    evaluation: Evaluation, objective: Objective, shape: list[int], most: int
) -> Iterator[tuple[Score, tuple[int, ...]]]:
    """Feasible points, at most so many, best first: score and place on the grid."""
    columns = [
        np.broadcast_to(np.asarray(each, dtype=np.float64), shape).ravel() for each in objective.rank(evaluation)
    ]
    fits = np.broadcast_to(np.asarray(evaluation.feasible, dtype=bool), shape).ravel()
    if not fits.any():
        return
    first = np.where(fits, columns[0], inf)
    for at in np.lexsort((*columns[:0:-1], first))[:most]:
        if not fits[at]:
            return
        yield tuple(float(column[at]) for column in columns), tuple(int(i) for i in np.unravel_index(at, shape))
