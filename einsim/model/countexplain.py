"""How counts come about: points and steps from sizes and tiles, words moved from what every loop brings.

The chains are the formula of docs/counting.md loop by loop, written beside the counts themselves. Where filters or
partial tiles leave a share of a count, or a tensor spills, a step says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from einsim.cascade import size_of
from einsim.model.chains import Loops, Rank, View
from einsim.model.closed_form import Evaluation
from einsim.model.counts import LevelCount, grains
from einsim.model.queries import EinsumQueries, LoopRef, Query, Sight, Structure
from einsim.model.steps import How, Step, counted, made
from einsim.model.tables import views
from einsim.schedule.nest import AccessPlan, Dimension, EinsumSchedule
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number
from einsim.spec.pricing import Origin

KINDS: Final = ("reads", "fills", "updates")
"""What is counted of an access at a level."""
_NOTHING: Final = counted("nothing", 0)


class CountChains:
    """The counts of one evaluated design. `given` are origins of sizes; all is there `instances` times over."""

    def __init__(self, design: Design, evaluation: Evaluation, given: Mapping[str, Origin], instances: int = 1) -> None:
        self.design = design
        self.evaluation = evaluation
        self.given = given
        self.instances = instances
        schedule = evaluation.schedule
        self.sizes = schedule.sizes
        self.ranks = list(schedule.sizes)
        self.structure = Structure(list(schedule.sizes))
        memories = list(design.architecture.memories)
        self.plans: dict[str, tuple[EinsumSchedule, EinsumQueries]] = {
            einsum.name: (einsum, self.structure.add(einsum, memories)) for einsum in schedule.einsums
        }
        self.nests = dict(zip(self.plans, self.structure.nests, strict=True))
        self.queries = list(self.structure.queries)
        self.along = [
            Rank(size, grain, self.structure.tiles)
            for size, grain in zip(schedule.sizes.values(), grains(schedule), strict=True)
        ]

    def size(self, rank: str) -> Step:
        """The size of a rank, with where it is given."""
        name = size_of(rank)
        if name in self.given:
            return Step(name, self.sizes[rank], "", How.GIVEN, origin=self.given[name])
        return counted(f"size of {rank}", self.sizes[rank], note="follows from the other sizes")

    def points(self, einsum: str) -> Step:
        """Points of an Einsum's iteration space: the product of its ranks."""
        words = [self._words(each) for each in self.plans[einsum][0].dimensions]
        base = _product(f"points of {einsum}", words)
        return self._all(base, self.evaluation.counts.einsums[einsum].points)

    def steps(self, einsum: str) -> Step:
        """Steps in time: on each rank, as many as the tiles that are not side by side."""
        factors = []
        for rank, own in _chains(self.nests[einsum]).items():
            number = self.along[rank].steps(own)
            factors.append(counted(f"steps over {self.ranks[rank]}", number, note=self._cut(rank, own)))
        return self._all(_product(f"steps of {einsum}", factors), self.evaluation.counts.einsums[einsum].steps)

    def elements(self, einsum: str) -> Step:
        """Processing elements that an Einsum uses."""
        query = self.queries[self.plans[einsum][1].elements]
        return _product(f"elements of {einsum}", self._distinct(query))

    def words(self, row: LevelCount, kind: str) -> Step:
        """Words read, filled or updated for one access at one level."""
        value = getattr(row, kind)
        plan, queries = self._access(row)
        if row.level not in plan.path:  # it is there because its tensor spills
            return (self._spilled(row, plan, queries, kind) if value else None) or _NOTHING
        base = self._moved(row.einsum, plan, queries, row.level, kind)
        if base.value == value:
            return base
        return self._spilled(row, plan, queries, kind) or self._all(base, value)

    # One rank

    def _words(self, dimension: Dimension) -> Step:
        size = self.size(dimension.rank)
        if not dimension.coarse:
            return size
        words = dimension.words(size.value)
        return counted(f"grains of {dimension.rank}", words, note=f"{size.value} in grains of {dimension.grain}")

    def _cut(self, rank: int, own: Loops) -> str:
        """How loops cut a rank, in words."""
        names = [self.structure.slots[loop.slot][1] for loop in own]
        parts = [f"{name} in steps of {self.structure.tiles[loop.slot]}" + ("" if loop.kind == 0 else " beside" if
                 loop.kind == 1 else " within") for name, loop in zip(names, own, strict=True)]  # fmt: skip
        return f"{size_of(self.ranks[rank])}={self.sizes[self.ranks[rank]]}: {', '.join(parts) or 'no loop'}"

    def _factor(self, rank: int, own: Loops, view: View, value: Number) -> Step:
        """What one rank brings at one depth."""
        name = self.ranks[rank]
        if view is View.FULL and value == self.sizes[name]:
            return self.size(name)
        what = {View.FULL: "words along", View.ABSENT_ONE: "turns of", View.ABSENT_ALL: "turns, by element, of"}
        return counted(f"{what.get(view, 'grains of')} {name}", value, note=self._cut(rank, own))

    # One access

    def _access(self, row: LevelCount) -> tuple[AccessPlan, tuple[int, ...]]:
        einsum, queries = self.plans[row.einsum]
        rows = zip(einsum.accesses, queries.accesses, strict=True)
        return next((p, q) for p, q in rows if (p.label, p.tensor) == (row.label, row.tensor))

    def _moved(self, einsum: str, plan: AccessPlan, queries: tuple[int, ...], level: str, kind: str) -> Step:
        """The rules of `einsim.model.counts`, as a step."""
        depth, last = plan.path.index(level), len(plan.path) - 1
        label = f"{plan.label} at {level}"
        inner = self._points_alone(einsum) if depth == last else self._visits(queries[depth + 1], by_parent=True)
        if kind == "updates":
            return inner if plan.is_output else _NOTHING
        own = self.queries[queries[depth]]
        if kind == "reads" and not plan.is_output:
            return inner
        if kind == "fills" and depth == 0:
            return _NOTHING
        whole = inner if kind == "reads" else self._visits(queries[depth], by_parent=False)
        if not plan.is_output:
            return whole
        first = _product("first of each word", self._distinct(own))
        return made(f"{kind} of {label}", "words", How.DIFFERENCE, [whole, first])

    def _points_alone(self, einsum: str) -> Step:
        return _product(f"points of {einsum}", [self._words(each) for each in self.plans[einsum][0].dimensions])

    def _visits(self, number: int, *, by_parent: bool) -> Step:
        """Words brought to a level: what each loop that changes the tile adds to the product of all ranks."""
        query = self.queries[number]
        used, seen = self._seen(query, by_parent=by_parent)
        brought = {rank: self.along[rank].brought(own, seen[rank]) for rank, own in used.items()}
        depths = dict.fromkeys(used, 0)

        def factor(rank: int) -> Step:
            return self._factor(rank, used[rank], seen[rank], brought[rank][depths[rank]])

        terms = [_product("before any loop", map(factor, used))]
        for loop in query.loops:
            if not loop.in_time:
                continue
            others = [factor(rank) for rank in used if rank != loop.rank]
            before = factor(loop.rank)
            depths[loop.rank] += 1
            after = factor(loop.rank)
            if query.relevant(loop) and after.value != before.value:
                more = after if before.value == 0 else made("more", "", How.DIFFERENCE, [after, before])
                name = f"by the loop over {self.structure.slots[loop.slot][1]}"
                terms.append(_product(name, [more, *others]))
        brings = [term for term in terms if term.value] or terms[:1]
        name = "words brought, the same to several elements once" if by_parent else "words brought"
        return brings[0] if len(brings) == 1 else made(name, "words", How.SUM, brings)

    def _seen(self, query: Query, *, by_parent: bool) -> tuple[dict[int, Loops], dict[int, View]]:
        """The loops over each rank that matters, and how the rank is seen."""
        chains = _chains(query.loops)
        used = {rank: chains.get(rank, ()) for rank, sight in enumerate(query.sights)
                if rank in chains or sight is not Sight.ABSENT}  # fmt: skip
        return used, {rank: views(query.sights[rank], query, own)[by_parent] for rank, own in used.items()}

    def _distinct(self, query: Query) -> list[Step]:
        used, seen = self._seen(query, by_parent=False)
        return [self._factor(rank, own, seen[rank], self.along[rank].distinct(own, seen[rank]))
                for rank, own in used.items()]  # fmt: skip

    # What changed afterwards

    def _spilled(self, row: LevelCount, plan: AccessPlan, queries: tuple[int, ...], kind: str) -> Step | None:
        """The proportion that stays, of an access whose tensor spills, or the one that goes past the memory."""
        schedule = self.evaluation.schedule
        for number, rule in enumerate(schedule.spills):
            if row.tensor not in rule.tensors or rule.level not in plan.path:
                continue
            at = self.design.mapping_document.locate(("spill", number, "proportion"))
            origin = Origin(at, f"proportion = {self.design.mapping.spill[number].proportion}, between 0 and 1")
            part = Step(f"proportion that leaves {rule.level}", rule.proportion, "", How.GIVEN, origin=origin)
            stays = made("what stays", "", How.DIFFERENCE, [counted("all", 1), part])
            for level, share in ((row.level, stays), (rule.level, part)):
                if level not in plan.path:
                    continue
                base = self._moved(row.einsum, plan, queries, level, kind)
                if base.value * share.value == getattr(row, kind):
                    return made(f"{kind} of {row.label}", "words", How.PRODUCT, [base, share])
        return None

    def _all(self, base: Step, value: Number) -> Step:
        """A count of all instances, of those points that filters and partial tiles leave."""
        if base.value == value:
            return base
        one = base
        if base.value * self.instances != value:
            note = "what filters and partial tiles leave, rounded up" if value % self.instances == 0 else "counted"
            one = Step(base.name, value // self.instances, base.unit, How.COUNTED, note=note, beside=(base,))
        parts = [counted("instances", self.instances), one]
        return one if self.instances == 1 else made(base.name, base.unit, How.PRODUCT, parts)


def _chains(loops: Iterable[LoopRef]) -> dict[int, Loops]:
    """The loops over each rank."""
    found: dict[int, Loops] = {}
    for loop in loops:
        found[loop.rank] = (*found.get(loop.rank, ()), loop)
    return found


def _product(name: str, factors: Iterable[Step]) -> Step:
    """The product of factors, without those that are one."""
    kept = [factor for factor in factors if factor.value != 1]
    return made(name, "", How.PRODUCT, kept) if kept else counted(name, 1)
