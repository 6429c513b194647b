"""The obvious walk of fused Einsums: every loop in turn, and at every moment the words that are still needed.

Takes only the order of the turns from einsim. That order must read nothing before it is complete, and what is
alive on the way, counted element by element, is what a level has to hold. Only for shapes of a few elements.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import product

from hypothesis import assume

from einsim.cascade import iteration_ranks, operands, split_of
from einsim.errors import SpecError
from einsim.schedule.environment import environment
from einsim.schedule.liveness import Liveness
from einsim.schedule.lower import _Lowering, lower
from einsim.schedule.tiles import groups

from ..model.walk import elements, pieces

Place = tuple[int, ...]

REFUSED = ("where its rank", "takes", "outside of the loops", "fusion group share")
"""What random mappings may do that no mapping may."""


class Walk:
    """One lowered design, walked; `peaks` are the most words of each tensor alive at each level (and in one
    processing element, where the Einsum that brings them to its own registers says in which)."""

    def __init__(self, live) -> None:
        self.live, self.design, self.cascade = live, live.design, live.design.cascade
        self.sizes = {name: int(value) for name, value in live.env.items() if isinstance(value, int)}
        self.paths = live.parts[0][1].turns.paths
        self.running = {name: self.loops_that_repeat(einsum) for name, einsum in live.einsums.items()}
        self.clock = 0
        self.ran: list[str] = [""]
        self.writes: dict[tuple[str, Place], list[int]] = defaultdict(list)
        self.sources: dict[tuple[str, str, Place], list[tuple[int, object]]] = defaultdict(list)
        self.uses: list[tuple[int, str, str, str, Place]] = []
        self.wanted = self.contributions()
        whole = {rank: (0, self.sizes[rank.upper()]) for e in live.einsums.values() for rank in ranks_of(e)}
        self.run(list(live.einsums), 0, {name: dict(whole) for name in live.einsums})

    def loops_that_repeat(self, einsum) -> list:
        found, extents = [], {}
        for loop in einsum.temporal:
            if loop.level != einsum.registers:
                extent = extents.get(loop.rank, self.sizes[loop.rank.upper()])
                if extent > loop.tile:
                    found.append(loop)
                extents[loop.rank] = min(extent, loop.tile)
        return found

    # The order.

    def run(self, names: list[str], depth: int, spans: dict[str, dict]) -> None:
        turns: dict[int, list[str]] = defaultdict(list)
        for name in names:
            turns[self.paths[name][depth]].append(name)
        for _, members in sorted(turns.items()):
            if depth == 0:
                self.run(members, 1, spans)
                continue
            loops = [self.running[name][depth - 1 : depth] for name in members]
            if not loops[0]:
                assert len(members) == 1
                self.execute(members[0], spans[members[0]])
                continue
            (loop,) = loops[0]
            assert {(other.name, other.level) for (other,) in loops} == {(loop.name, loop.level)}
            assert len({spans[name][loop.rank] for name in members}) == 1
            for piece in pieces(spans[members[0]][loop.rank], loop.tile):
                self.run(members, depth + 1, {name: spans[name] | {loop.rank: piece} for name in members})

    def execute(self, name: str, spans: dict) -> None:
        """One Einsum between shared loops: all its operands at once, then all its results."""
        self.clock += 1
        self.ran.append(name)
        einsum, plan = self.cascade.einsum(name), self.live.einsums[name]
        spatial = list(plan.spatial)
        for at, own in elements(spatial, spans).items():
            for point in self.points(einsum, own):
                for access in operands(einsum):
                    self.touch(plan, str(access), False, self.element(access, point), at)
                self.touch(plan, str(einsum.output), True, self.element(einsum.output, point), at)

    def touch(self, plan, label: str, is_output: bool, where: tuple[str, Place], at) -> None:
        path = next(a.path for a in plan.accesses if (a.label, a.is_output) == (label, is_output))
        if is_output:
            self.writes[where].append(self.clock)
        else:
            self.check_complete(plan.name, label, where)
            self.uses.append((self.clock, path[0], plan.name, *where))
        for level in path:
            if is_output or level != path[0]:
                self.sources[level, *where].append((self.clock, at if level == plan.registers else None))

    def check_complete(self, reader: str, label: str, where: tuple[str, Place]) -> None:
        if where in self.wanted and where[0] != reader:
            done = len(self.writes[where])
            assert done == self.wanted[where], f"{reader} reads {label} {where} after {done} of {self.wanted[where]}"

    # Points and elements.

    def contributions(self) -> dict[tuple[str, Place], int]:
        """How many points add to every element that an Einsum makes."""
        counts: dict[tuple[str, Place], int] = defaultdict(int)
        for name, plan in self.live.einsums.items():
            whole = {rank: (0, self.sizes[rank.upper()]) for rank in ranks_of(plan)}
            for point in self.points(self.cascade.einsum(name), whole):
                counts[self.element(self.cascade.einsum(name).output, point)] += 1
        return counts

    def points(self, einsum, spans: dict):
        """Every point of the iteration space in some spans of base ranks, by the value of every rank."""
        own = set(iteration_ranks(einsum))
        axes = []
        for rank in [*self.design.mapping.batch, *dict.fromkeys(self.base(r) for r in iteration_ranks(einsum))]:
            split = next((s for s in self.cascade.splits if s.rank == rank), None)
            start, stop = spans[rank]
            if split is None:
                axes.append([{rank: i} for i in range(start, stop)])
                continue
            grain = self.sizes[split.size]
            if split.outer in own and split.inner not in own:
                axes.append([{split.outer: i} for i in range(start // grain, -(-stop // grain))])
            else:
                axes.append([{rank: i, split.outer: i // grain, split.inner: i % grain} for i in range(start, stop)])
        for parts in product(*axes):
            yield {rank: value for part in parts for rank, value in part.items()}

    def base(self, rank: str) -> str:
        split = split_of(self.cascade, rank)
        return rank if split is None else split.rank

    def element(self, access, point: dict[str, int]) -> tuple[str, Place]:
        """The tensor and the place where an access is at a point, views seen through by trying all of theirs."""
        batch = tuple(point[rank] for rank in self.design.mapping.batch)
        place = tuple(index.value(point, self.sizes) for index in access.indices)
        tensor = access.tensor
        while tensor in self.design.mapping.views:
            view = self.cascade.einsum(tensor)
            whole = {rank: (0, self.sizes[rank.upper()]) for rank in map(self.base, iteration_ranks(view))}
            whole |= dict.fromkeys(self.design.mapping.batch, (0, 1))
            found = (
                tuple(index.value(p, self.sizes) for index in operands(view)[0].indices)
                for p in self.points(view, whole)
                if tuple(index.value(p, self.sizes) for index in view.output.indices) == place
            )
            tensor, place = operands(view)[0].tensor, next(found)
        return tensor, (*batch, *place)

    # What lives.

    def slice_of(self, tensor: str) -> int | None:
        """The position of an iteration's slice among an element's coordinates."""
        made = {einsum.name: einsum for einsum in self.cascade.einsums}
        if tensor not in made:
            return None
        shifts = [index.shift is not None and index.shift[1] == 1 for index in made[tensor].output.indices]
        return len(self.design.mapping.batch) + shifts.index(True) if True in shifts else None

    def intervals(self):
        """(level, tensor, place, processing element, from, to) of everything that must be kept."""
        homes = {
            access.tensor: access.path[0]
            for plan in self.live.einsums.values()
            for access in plan.accesses
            if access.is_output
        }
        for (tensor, place), times in self.writes.items():  # partial results, and results from their first word on
            holder = self.sources[homes[tensor], tensor, place][0][1]
            yield homes[tensor], tensor, place, holder, times[0], times[-1]
        for time, level, _, tensor, place in self.uses:
            known = [source for source in self.sources[level, tensor, place] if source[0] <= time]
            if not known:  # words of the outermost memory, or the first slice of an iteration
                assert level == self.design.architecture.outermost or place[self.slice_of(tensor)] == 0
                continue
            start, holder = known[0] if homes.get(tensor) == level else known[-1]
            yield level, tensor, place, holder, start, time

    def peaks(self) -> tuple[dict[tuple[str, str, str], int], dict[tuple[str, str], int]]:
        """The most words alive by (level, tensor, Einsum that runs), and in one processing element, if it is known."""
        alive: dict[tuple, set] = defaultdict(set)
        for level, tensor, place, holder, start, end in self.intervals():
            for time in range(start, end + 1):
                alive[level, tensor, time, None].add(place)
                if holder is not None:
                    alive[level, tensor, time, holder].add(place)
        most: dict[tuple[str, str, str], int] = defaultdict(int)
        single: dict[tuple[str, str], int] = defaultdict(int)
        for (level, tensor, time, holder), places in alive.items():
            words = self.words(tensor, places)
            if holder is None:
                most[level, tensor, self.ran[time]] = max(most[level, tensor, self.ran[time]], words)
            else:
                single[level, tensor] = max(single[level, tensor], words)
        return most, single

    def words(self, tensor: str, places: set[Place]) -> int:
        """Words of some places; the slice that an iteration makes takes the room of the one before."""
        position = self.slice_of(tensor)
        if position is None:
            return len(places)
        slices = Counter((*place[:position], *place[position + 1 :]) for place in places)
        return sum(max(1, count - 1) for count in slices.values())


def ranks_of(plan) -> list[str]:
    return [dimension.rank for dimension in plan.dimensions]


def liveness(design) -> Liveness:
    lowering = _Lowering(design, environment(design, {}))
    lowering.make_tiles()
    einsums = {einsum.name: lowering.einsum(einsum) for einsum in lowering.mapped_einsums()}
    return Liveness(design, einsums, lowering.env)


def check_against_the_walk(design, *, equal: bool = False) -> None:
    """No level holds less than what is alive there in the walk; or just that."""
    try:
        lower(design)
    except SpecError as error:
        assume(not any(part in str(error) for part in REFUSED))
        raise
    live = liveness(design)
    together, apart = Walk(live).peaks()
    needed = {
        (stay.level, stay.touch.stored): 1 for stay in live.stays if stay.level not in design.architecture.memories
    }
    for stay, shortfall in zip([s for s in live.stays if (s.level, s.touch.stored) in needed], live.shortfalls(),
                               strict=True):  # fmt: skip
        key = (stay.level, stay.touch.stored)
        needed[key] = max(needed[key], shortfall.needed)
    for names, level in product(groups(live), list(design.architecture.memories)[1:]):
        held = live.held(level, names)
        for tensor in {tensor for _, tensor, _ in together}:
            words = max(together.get((level, tensor, name), 0) for name in names)
            found = sum(n for (stored, _), n in held.items() if stored == tensor)
            assert words == found if equal and words else words <= found, (level, tensor, names, words, found)
    for key, words in apart.items():
        if key[0] not in design.architecture.memories:
            found = needed.get(key, 1)
            assert words == found if equal else words <= found, (key, words, found)
