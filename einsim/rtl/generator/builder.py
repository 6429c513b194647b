"""From a mapped design to what is to be built: stores, and what every strand does in every slot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from einsim.cascade import Einsum, Negate, Number, reduced_ranks, tiled_rank
from einsim.errors import InfeasibleError, SpecError
from einsim.rtl.formats import BF16, FP32, Integer, NumberFormat
from einsim.rtl.generator.checks import cannot, check_machine, check_stores, forms_of
from einsim.rtl.generator.hardware import Duty, Hardware, Place, Source, Store, Use, settled
from einsim.rtl.generator.units import floating
from einsim.rtl.generator.work import Kind, Work, work_of
from einsim.rtl.unpacked import encode
from einsim.schedule.flow import Flow, Stay, Touch, flow_of
from einsim.schedule.nest import AccessPlan, Loop, Schedule
from einsim.schedule.pipeline.build import Assembly, assemble
from einsim.schedule.pipeline.links import brings
from einsim.schedule.pipeline.program import STORE, Program
from einsim.schedule.pipeline.routes import laid_along, reduced_along
from einsim.schedule.pipeline.strands import Body
from einsim.schedule.pipeline.timing import Timing
from einsim.schedule.pipeline.transfers import Transfer
from einsim.spec.configuration import Design


def hardware_of(
    design: Design, schedule: Schedule, *, operand: NumberFormat = BF16, accumulator: NumberFormat = FP32
) -> Hardware:
    """The hardware of a design whose sizes are nominal: big enough that every loop runs more than once.

    Raises SpecError for what the generator cannot build, InfeasibleError where the plan does not fit its machine.
    """
    made = list(assemble(design, schedule, Timing()))
    if len(made) != 1:
        names = ", ".join(each.program.name for each in made)
        raise SpecError(f"{design.mapping.name} runs as {len(made)} programs ({names})",
                        remedy="generate hardware of a mapping that fuses all of its Einsums")  # fmt: skip
    short = [each for each in made[0].shortfalls if each.where]
    if short:
        raise InfeasibleError(f"{short[0].what}: {short[0].needed} {short[0].unit}, {short[0].available} available")
    return _Builder(design, made[0], operand, accumulator).hardware()


@dataclass
class _Builder:
    design: Design
    assembly: Assembly
    operand: NumberFormat
    accumulator: NumberFormat
    flow: Flow = field(init=False)
    stores: dict[tuple[Place, str], Store] = field(default_factory=dict)
    walks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of each tensor, the ranks that strands walk over, in order."""

    def __post_init__(self) -> None:
        self.flow = flow_of(self.design)
        check_machine(self.design, self.assembly)

    @property
    def program(self) -> Program:
        return self.assembly.program

    # Names of things.

    def body(self, name: str) -> Body:
        return self.assembly.group.body(name)

    def einsum(self, name: str) -> Einsum:
        return self.design.cascade.einsum(name)

    def on_grid(self, name: str) -> bool:
        return self.design.architecture.arrays[self.body(name).einsum.array].is_grid

    @property
    def narrow(self) -> frozenset[str]:
        """Tensors kept in the operands' format: what the 2D array multiplies, and what leaves the chip."""
        multiplied = {
            self.stored(body.einsum.name, access)
            for body in self.assembly.group.bodies
            if self.on_grid(body.einsum.name) and self.work(body).kind is Kind.PRODUCT
            for access in body.einsum.accesses
            if not access.is_output
        }
        if isinstance(self.accumulator, Integer):
            if multiplied & self.made:
                raise cannot(f"products of {', '.join(sorted(multiplied & self.made))}, sums of integers")
            return frozenset()
        leaving = {a.tensor for body in self.assembly.group.bodies for a in body.einsum.accesses
                   if a.is_output and a.path[0] == self.design.architecture.outermost}  # fmt: skip
        return frozenset(name for name in multiplied | leaving if name in self.made)

    @property
    def made(self) -> set[str]:
        return {body.einsum.name for body in self.assembly.group.bodies}

    def stored(self, einsum: str, access: AccessPlan) -> str:
        return self.flow.keys[einsum, access.label, access.is_output][0]

    def work(self, body: Body) -> Work:
        work = work_of(self.einsum(body.einsum.name), self.design.architecture.arrays[body.einsum.array])
        if work.slots != body.einsum.cycles_per_point:
            raise cannot(f"{body.einsum.name} in {body.einsum.cycles_per_point} slots a point "
                               f"instead of {work.slots}")  # fmt: skip
        if work.kind is not Kind.PRODUCT:
            floating(self.accumulator, f"{work.kind.value} ({body.einsum.name})")
        return work

    # Loops.

    def inner(self, body: Body) -> list[tuple[Loop, int]]:
        """The loops in time left to a body that run more than once, with their most iterations."""
        epochs = self.program.epochs
        left = dict(epochs.kinds(body.depth)[0])
        found = []
        for loop in body.loops:
            trips = -(-left[loop.rank] // int(loop.tile))
            left[loop.rank] = min(left[loop.rank], int(loop.tile))
            if loop.axis is None and trips > 1:
                found.append((loop, trips))
        return found

    def offsets(self, body: Body, access: AccessPlan, loops: Sequence[tuple[Loop, int]]) -> tuple[int, ...]:
        """In each slot, the number of a word among those of some loops that the access concerns."""
        walk = tuple(loop.rank for loop, _ in loops if access.concerns(loop))
        tensor = self.stored(body.einsum.name, access)
        if len(walk) > 1 and self.walks.setdefault(tensor, walk) != walk:
            raise cannot(f"{access.label} of {body.einsum.name}, in another order than {tensor} is walked elsewhere")
        points = prod(trips for _, trips in loops)
        found = []
        for point in range(points):
            left, offset, stride = point, 0, 1
            for loop, trips in reversed(loops):
                left, here = divmod(left, trips)
                if access.concerns(loop):
                    offset, stride = offset + here * stride, stride * trips
            found += [offset] * int(body.einsum.cycles_per_point)
        return tuple(found)

    # Stores.

    def store(self, place: Place, name: str, tensor: str, words: int, rows: int = 1, *, whole: bool = False) -> Store:
        """A store, as large as the largest that is asked for; of sums as they are (`whole`), or of the tensor."""
        narrow = (tensor not in self.made or tensor in self.narrow) and not whole
        old = self.stores.get((place, name))
        new = Store(f"{name}_{place.value}", place, tensor, self.operand if narrow else self.accumulator,
                    max(words, old.words if old else 0), rows)  # fmt: skip
        self.stores[place, name] = new
        return new

    def room(self, source: int, reader: int, tensor: str, words: int) -> int:
        """Words that a ring needs between two strands: the steps that the program lets be under way."""
        found = [
            link.room * max(1, words // link.shares[0])
            for link in self.program.links
            if (link.source, link.reader, link.tensor) == (reader, source, tensor) and link.room is not None
        ]
        if not found:
            names = self.program.strands[source].name, self.program.strands[reader].name
            raise cannot(f"{tensor} between {names[0]} and {names[1]} without a limit")
        return max(found)

    # Duties.

    def hardware(self) -> Hardware:
        out = [strand.name for strand in self.program.strands if strand.resource == STORE]
        if len(out) != 1:
            raise cannot(f"other than one result that leaves the chip ({', '.join(out) or 'none does'})")
        duties: list[Duty] = []
        number = {strand.einsum: n for n, strand in enumerate(self.program.strands) if strand.computes}
        plans = {name: self._plan(name, number) for name in number}
        for name, n in number.items():
            duties.append(self._computing(name, n, plans))
        for n, transfer in self.assembly.moves:
            duties.append(self._moving(n, transfer, duties))
        final = {(each.place, each.name): each for each in self.stores.values()}
        every = tuple(settled(duty, final) for duty in sorted(duties, key=lambda duty: duty.number))
        made = Hardware(self.design.mapping.name, self.design, self.assembly, self.operand, self.accumulator,
                        tuple(self.stores.values()), every, self.narrow)  # fmt: skip
        check_stores(made)
        return made

    def _plan(self, name: str, number: Mapping[str, int]) -> list[tuple[AccessPlan, str, str, int | None]]:
        """Each operand of an Einsum with its place, its store's name, and the loop over which it is carried."""
        body = self.body(name)
        einsum = self.einsum(name)
        found = []
        for read in einsum.reads:
            access = next(a for a in body.einsum.accesses if a.label == str(read) and not a.is_output)
            found.append((access, *self._place(name, body, access)))
        return found

    def _place(self, name: str, body: Body, access: AccessPlan) -> tuple[str, str, int | None]:
        machine = self.design.architecture
        home, tensor = access.path[0], self.stored(name, access)
        grid = self.on_grid(name)
        if home == machine.outermost:
            laid = laid_along(body.einsum, access)
            if tensor in self.made or not grid or len(laid) != 1:
                raise cannot(f"{access.label} of {name}, from {home} along {' and '.join(sorted(laid)) or 'none'}")
            return ("west" if laid == {"rows"} else "north"), access.tensor, None
        if home in machine.memories:
            over = next((self._loop(each.over) for each in self.flow.carried
                         if (each.maker, each.reader) == (tensor, name)), None)  # fmt: skip
            if over is None and tensor == name:
                over = next((self._loop(stay.slices.over) for stay in self.flow.stays
                             if stay.holder == stay.reader == name and stay.slices), None)  # fmt: skip
            if grid or tensor not in self.made:
                raise cannot(f"{access.label} of {name}, from {home} to the 2D array")
            return "state", tensor, over
        stay = self._stay(name, access)
        if brings(stay) and not stay.touch.is_output:
            if grid:
                raise cannot(f"{access.label} of {name}, brought by {stay.holder}")
            return "brought", f"{tensor}_for_{stay.holder}", None
        if grid and home == body.einsum.registers:
            return "element", tensor, None
        return ("head" if grid else "lane"), tensor, None

    def _stay(self, name: str, access: AccessPlan) -> Stay:
        """Whose words an access finds in registers."""
        touch = self._touch(name, access.label)
        return next(
            stay for stay in self.flow.stays
            if stay.reader == name and stay.level == access.path[0] and stay.touch.stored == touch.stored
            and stay.touch.indices == touch.indices and stay.holder != name
        )  # fmt: skip

    def _touch(self, name: str, label: str) -> Touch:
        return next(t for t in self.flow.touches if (t.einsum, t.label, t.is_output) == (name, label, False))

    def _loop(self, bar: tuple[str, bool]) -> int | None:
        found = [p for p, loop in enumerate(self.program.epochs.loops) if (loop.rank, loop.inner) == bar]
        return found[-1] if found else None

    def _computing(self, name: str, n: int, plans: Mapping[str, list[tuple[AccessPlan, str, str, int | None]]]) -> Duty:
        body, strand = self.body(name), self.program.strands[n]
        work, loops = self.work(body), self.inner(body)
        fewer = len(set(strand.slots)) > 1 or body.depth < len(self.program.epochs.loops)
        counted = fewer and max(strand.units) > 1
        units = strand.units[0]
        if counted and (not loops or loops[0][1] != units):
            raise cannot(f"{name}: {strand.slots} slots in {strand.units} units")
        own = loops[1:] if counted else loops
        if varying := {loop.rank for loop in self.program.epochs.loops} & {loop.rank for loop, _ in own}:
            raise cannot(f"{name}: so many slots an epoch as a run has of {', '.join(sorted(varying))}")
        slots = prod(trips for _, trips in own) * work.slots
        sources, kept = [], []
        for position, (access, where, label, over) in enumerate(plans[name]):
            sources.append(self._source(body, n, access, where, label, over, loops, own, counted=counted))
            kept += [(position, use) for use in self._kept(name, access, plans, loops, own)]
        output = next(access for access in body.einsum.accesses if access.is_output)
        results = list(self._results(name, n, body, output, plans, loops, own, counted=counted))
        along, opens = self._folds(name, body, work, own)
        sums = next((use.store for use in results), None)
        if opens and sums is not None and sums.format != self.accumulator:
            raise cannot(f"{name}, added up in time and kept in {sums.format}")
        return Duty(n, strand, self.program.starts[n], slots, units, counted, work, tuple(sources), tuple(results),
                    tuple(kept), opens, along, self._narrows(name, results), forms_of(self.design, name))  # fmt: skip

    def _narrows(self, name: str, results: Sequence[Use]) -> bool:
        """Whether an element rounds its results; those that leave the 2D array are rounded at the foot."""
        return name in self.narrow and all(use.store.place is not Place.FOOT for use in results)

    def _source(
        self, body: Body, n: int, access: AccessPlan, where: str, label: str, over: int | None,
        loops: list[tuple[Loop, int]], own: list[tuple[Loop, int]], *, counted: bool,
    ) -> Source:  # fmt: skip
        offsets = self.offsets(body, access, own)
        words = max(offsets) + 1
        tensor = self.stored(body.einsum.name, access)
        if where == "state":
            use = self._state(body, access, tensor, loops, own, counted=counted)
            return Source(use, None if over is None else self._first(tensor), over)
        if counted:
            raise cannot(f"{access.label} of {body.einsum.name}, whose steps depend on the run's sizes")
        if where in {"west", "north"}:
            pool = next((p for p in self.program.pools if p.closer == n and p.tensor == access.tensor), None)
            if pool is None:
                raise cannot(f"{access.label} of {body.einsum.name}, which does not stay in the buffer")
            extent = self.design.architecture.arrays[body.einsum.array].axes["rows" if where == "west" else "columns"]
            # A tile's last rows may still be read when the next one comes.
            spare = max(0, -(-(extent - 1) // words) - 1)
            store = self.store(Place(where), label, tensor, words * (pool.limit + spare), words)
            load = next(t for _, t in self.assembly.moves if (t.strand.einsum, t.access.label) == (
                body.einsum.name, access.label))  # fmt: skip
            return Source(Use(store, offsets, still=load.tile.still))
        place = Place.LANE if where == "brought" else Place(where)
        maker = label.rsplit("_for_", maxsplit=1)[-1] if where == "brought" else tensor
        ring = self.room(self._number(maker), n, tensor, words)
        return Source(Use(self.store(place, label, tensor, ring), offsets, words))

    def _number(self, einsum: str) -> int:
        return next(n for n, s in enumerate(self.program.strands) if s.computes and s.einsum == einsum)

    def _state(
        self, body: Body, access: AccessPlan, tensor: str, loops: list[tuple[Loop, int]],
        own: list[tuple[Loop, int]], *, counted: bool,
    ) -> Use:  # fmt: skip
        """Words of a state: the counters of loops at its level, then the strand's own loops."""
        offsets = self.offsets(body, access, own)
        stride = max(offsets) + 1
        terms: list[tuple[int | None, int]] = []
        if counted and access.concerns(loops[0][0]):
            terms.append((None, stride))
            stride *= loops[0][1]
        for position in reversed(range(body.depth)):
            loop = self.program.epochs.loops[position]
            if loop.level != self.design.architecture.outermost and access.concerns(loop):
                terms.append((position, stride))
                stride *= self.program.epochs.trips[position]
        return Use(self.store(Place.STATE, tensor, tensor, stride), offsets, terms=tuple(terms))

    def _first(self, tensor: str) -> int:
        """The pattern of an iteration's first slice; minus infinity becomes the lowest number (docs/arithmetic.md)."""
        init = next(each for each in self.design.cascade.inits if each.output.tensor == tensor)
        match init.body:
            case Number(value):
                pass
            case Negate(Number(size)):
                value = -size
            case _:
                raise cannot(f"{init}, which is no number")
        form = floating(self.accumulator, f"what {tensor} begins with")
        return form.lowest if value == -math.inf else int(encode(form, value))

    def _kept(
        self, name: str, access: AccessPlan, plans: Mapping[str, list[tuple[AccessPlan, str, str, int | None]]],
        loops: list[tuple[Loop, int]], own: list[tuple[Loop, int]],
    ) -> Iterator[Use]:  # fmt: skip
        """Where an operand is kept that others find in registers."""
        body = self.body(name)
        label = f"{self.stored(name, access)}_for_{name}"
        touch = self._touch(name, access.label)
        for reader, plan in plans.items():
            for other, where, found, _ in plan:
                same = self._touch(reader, other.label).indices == touch.indices
                if where == "brought" and found == label and same:
                    offsets = self.offsets(body, access, own)
                    words = max(offsets) + 1
                    ring = self.room(self._number(name), self._number(reader), touch.stored, words)
                    yield Use(self.store(Place.LANE, label, touch.stored, ring), offsets, words)
                    return

    def _results(
        self, name: str, n: int, body: Body, output: AccessPlan,
        plans: Mapping[str, list[tuple[AccessPlan, str, str, int | None]]], loops: list[tuple[Loop, int]],
        own: list[tuple[Loop, int]], *, counted: bool,
    ) -> Iterator[Use]:  # fmt: skip
        machine = self.design.architecture
        offsets = self.offsets(body, output, own)
        words = max(offsets) + 1
        home = output.path[0]
        if home == machine.outermost:
            store = next(t for t, transfer in self.assembly.moves if transfer.strand.einsum == name
                         and transfer.strand.resource == STORE)  # fmt: skip
            limits = [link.room for link in self.program.links if (link.source, link.reader) == (store, n)]
            ring = max((room or 0 for room in limits), default=0)
            if not ring:
                raise cannot(f"{name}, which goes out other than straight from registers")
            if self.on_grid(name):
                yield from self._drained(name, body, words, own, ring)
            else:
                yield Use(self.store(Place.OUT, name, name, ring * words, words), offsets, words)
            return
        if home in machine.memories:
            yield self._state(body, output, name, loops, own, counted=counted)
        elif self.on_grid(name) and home == body.einsum.registers and reduced_along(body.einsum):
            raise cannot(f"{name}, folded along an axis and kept in the 2D array")
        readers = {(where, label) for plan in plans.values() for _, where, label, _ in plan if label == name}
        for where, label in sorted(readers):
            if where in {"element", "lane", "head"}:
                ring = max(
                    self.room(n, self._number(reader), name, words)
                    for reader, plan in plans.items()
                    for _, place, found, _ in plan
                    if (place, found) == (where, label)
                )
                yield Use(self.store(Place(where), label, name, ring), offsets, words)

    def _drained(
        self, name: str, body: Body, words: int, own: list[tuple[Loop, int]], ring: int
    ) -> Iterator[Use]:  # fmt: skip
        """Where a result of every element is summed, and where it goes when it is whole."""
        einsum = self.einsum(name)
        axes = {loop.axis for loop in body.einsum.spatial}
        units = self.program.strands[self._number(name)].units
        if words > 1 or max(units) > 1 or axes != {"rows", "columns"} or reduced_along(body.einsum):
            raise cannot(f"{name}, which leaves the 2D array with other than one result of every element at a time")
        if einsum.when is not None:
            raise cannot(f"{name}, which leaves the 2D array under a filter")
        slots = prod(trips for _, trips in own) * int(body.einsum.cycles_per_point)
        if einsum.reduction is not None:
            yield Use(self.store(Place.ELEMENT, f"{name}_sum", name, 1, whole=True), (0,) * slots)
        rows = self.design.architecture.arrays[body.einsum.array].axes["rows"]
        yield Use(self.store(Place.FOOT, name, name, ring * rows, rows), (0,) * slots, rows)

    def _folds(
        self, name: str, body: Body, work: Work, own: list[tuple[Loop, int]]
    ) -> tuple[str | None, tuple[bool, ...]]:
        """The axis along which results are folded, and the slots that begin a sum in time."""
        axes = reduced_along(body.einsum)
        cascade = self.design.cascade
        ranks = {tiled_rank(cascade, rank) for rank in reduced_ranks(self.einsum(name))}
        output = next(access for access in body.einsum.accesses if access.is_output)
        over = [loop for loop, _ in own if loop.rank in ranks and not output.concerns(loop)]
        around = [loop.name for loop in self.program.epochs.loops if loop.rank in ranks and not output.concerns(loop)]
        if axes and (over or axes != {"rows"} or not self.on_grid(name)):
            raise cannot(f"{name}, folded over {', '.join(sorted(ranks))} along {', '.join(sorted(axes))}")
        if around:
            raise cannot(f"{name}, folded over {', '.join(around)}: tile after tile")
        if axes or not ranks:
            return (next(iter(axes)) if axes else None), ()
        points = prod(trips for _, trips in own)
        begins = []
        for point in range(points):
            left, first = point, True
            for loop, trips in reversed(own):
                left, here = divmod(left, trips)
                first = first and (here == 0 or loop not in over)
            begins += [first] * work.slots
        return None, tuple(begins)

    def _moving(self, n: int, transfer: Transfer, duties: Sequence[Duty]) -> Duty:
        owner = next(duty for duty in duties if duty.strand.einsum == transfer.strand.einsum)
        strand = self.program.strands[n]
        if transfer.strand.resource == STORE:
            use = next(use for use in owner.results if use.store.place in {Place.OUT, Place.FOOT})
            out = Use(use.store, tuple(range(use.store.rows)), use.step)
            units = owner.units if owner.counted else 1
            return Duty(n, strand, self.program.starts[n], 1, units, owner.counted, sources=(Source(out),))
        if transfer.tile.streams:
            raise cannot(f"{strand.name} while it is used")
        position = next(i for i, read in enumerate(self.einsum(owner.strand.einsum).reads)
                        if str(read) == transfer.access.label)  # fmt: skip
        store = owner.sources[position].use.store
        return Duty(n, strand, self.program.starts[n], 1, 1, False, results=(Use(store, (0,), 1),))
