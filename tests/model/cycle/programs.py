"""Random small programs, made of records and not of designs, and random machines for them."""

from __future__ import annotations

from random import Random

from einsim.schedule.nest import Loop
from einsim.schedule.pipeline.epochs import Epochs
from einsim.schedule.pipeline.filters import Filters, Form
from einsim.schedule.pipeline.program import LOAD, STORE, Cause, Flag, Link, Pool, Program, Start, Strand, When
from einsim.spec.architecture import Architecture
from einsim.spec.fields import validate
from einsim.spec.yamlfile import Document

from ..designs import machine

ARRAYS = ("array2d", "array1d")
MOST_EPOCHS = 60


def random_machine(random: Random) -> Architecture:
    """Two arrays of a few elements over a buffer, perhaps with few ports, and a memory of any speed."""
    made = machine(["dram", "buffer"])
    made["memories"]["dram"]["bandwidth_bytes_per_s"] = random.choice([10**8, 10**9, 10**10])
    made["memories"]["dram"]["latency_cycles"] = random.choice([0, 0, 3, 40])
    made["memories"]["dram"]["duplex"] = random.random() < 0.3
    for ports in ("read_ports", "write_ports"):
        if random.random() < 0.5:
            made["memories"]["buffer"][ports] = random.randint(2, 3)
    made["arrays"]["array2d"] |= {"rows": random.randint(1, 3), "columns": random.randint(1, 3)}
    made["arrays"]["array1d"] |= {"lanes": random.randint(1, 3)}
    return validate(Architecture, Document("arch", made))


def random_epochs(random: Random) -> Epochs:
    """Two to four loops, some inside a tile of another, whole tiles or not."""
    while True:
        sizes = {rank: random.randint(1, 7) for rank in "abc"}
        loops: list[Loop] = []
        tiles = dict(sizes)
        for number in range(random.randint(2, 4)):
            rank = random.choice("abc")
            above = [loop for loop in loops if loop.rank == rank]
            tile = random.randint(1, max(1, min(3, tiles[rank])) if above else min(4, sizes[rank]))
            inner = bool(above) and (above[-1].inner or random.random() < 0.5)
            loops.append(Loop(f"{rank}{number}", rank, tile, "dram", inner=inner))
            tiles[rank] = tile
        epochs = Epochs(tuple(loops), sizes)
        if epochs.count <= MOST_EPOCHS:
            return epochs


def random_filters(random: Random) -> Filters:
    """Mostly none; else one or two Einsums' conditions, one or two of each."""
    if random.random() < 0.7:
        return ()
    return tuple(
        tuple(
            Form(((first, random.choice([1, -1])), (second, random.choice([1, -1]))), random.randint(-2, 4))
            for first, second in [random.sample("abc", 2) for _ in range(random.randint(1, 2))]
        )
        for _ in range(random.randint(1, 2))
    )


class Maker:
    """A program under construction."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.machine = random_machine(random)
        self.epochs = random_epochs(random)
        self.interval = random.randint(4, 24)
        self.strands: list[Strand] = []
        self.starts: list[Start] = []

    def numbers(self, kinds: int, low: int, high: int) -> tuple[int, ...]:
        """A number for the whole tile, and no larger ones for others."""
        whole = self.random.randint(low, high)
        return tuple([whole] + [self.random.randint(low, whole) for _ in range(kinds - 1)])

    def tile(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Loops over which a tile of some ranks stays, and those for which it comes back."""
        ranks = [rank for rank in "abc" if self.random.random() < 0.5]
        idle = [p for p, loop in enumerate(self.epochs.loops) if loop.rank not in ranks]
        last = max((p for p in range(len(self.epochs.loops)) if p not in idle), default=-1)
        kept = {loop.rank for loop in self.epochs.loops if self.random.random() < 0.3}
        still = tuple(p for p in idle if p > last or self.epochs.loops[p].rank in kept)
        return still, tuple(p for p in idle if p not in still)

    def array_strand(self, number: int) -> Strand:
        random, whole = self.random, len(self.epochs.loops)
        depth = whole if random.random() < 0.75 else random.randint(0, whole)
        when = Flag() if depth == whole else Flag(random.choice([When.FIRST, When.LAST]), depth)
        kinds = len(self.epochs.kinds(depth))
        slots = self.numbers(kinds, 0 if random.random() < 0.1 else 1, random.choice([1, 4, 9]))
        units = tuple(max(1, min(n, random.choice([1, 2, 3, n]))) for n in slots)
        return Strand(f"E{number}", f"E{number}", random.choice(ARRAYS), depth, slots, units,
                      tuple(random.randint(0, 5) for _ in slots), (), when, random.choice([1, 1, 1, 2, 4]),
                      random.choice([1, 1, 3, 6]), *(random.choice([0, 0, 0, 1, 2]) for _ in range(2)))  # fmt: skip

    def transfer(self, number: int) -> Strand:
        random, whole = self.random, len(self.epochs.loops)
        resource = random.choice([LOAD, LOAD, STORE])
        kinds = len(self.epochs.kinds(whole))
        units = self.numbers(kinds, 1, random.choice([1, 1, 3]))
        when = Flag()
        if random.random() < 0.8:
            still, again = self.tile()
            kind = When.LEAVES if resource == STORE else random.choice([When.ARRIVES, When.ARRIVES, When.RETURNS])
            when = Flag(kind, 0, still, again)
        return Strand(f"{resource}{number}", "E0", resource, whole, units, units, (0,) * kinds,
                      tuple(random.randint(0, 12) for _ in units), when)  # fmt: skip

    def start(self, strand: Strand) -> Start:
        random = self.random
        in_units = not strand.computes or random.random() < 0.25
        first = random.randint(0, 2 * self.interval)
        number = max(1, *(strand.units if in_units else strand.slots))
        if random.random() < 0.2:
            return Start((first,), (random.randint(0, max(0, self.interval - 1)), number), in_units)
        inside = sorted(first + random.randrange(self.interval) for _ in range(number))
        return Start(tuple(inside), in_units=in_units, places=self.places(strand.units if in_units else strand.slots))

    def places(self, counts: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        """Where partial tiles have their slots or units among the whole tile's: the first, and some of the others."""
        if self.random.random() < 0.6:
            return ()
        others = (self.random.sample(range(1, max(counts)), each - 1) if each else [] for each in counts[1:])
        return ((), *((0, *sorted(each)) for each in others))

    def link(self, source: int, reader: int, **more) -> Link:
        random = self.random
        most = max(1, min(max(self.strands[source].units), max(self.strands[reader].units)))
        steps = random.choice([1, most, random.randint(1, most)])
        shares = tuple(max(1, min(steps, n)) for n in self.strands[reader].units)
        transfer = not self.strands[source].computes
        delay = random.choice([0, 0, 2] if transfer else [1, 1, 2, 7, 30])
        cause = random.choice([Cause.OPERAND, Cause.MEMORY, Cause.PHASE, Cause.FULL])
        return Link(source, reader, shares, delay, random.randint(0, delay), cause, **more)

    def links(self) -> list[Link]:
        """Values to later strands, values of iterations before to any, and room for earlier strands."""
        random, found = self.random, []
        count = len(self.strands)
        for _ in range(random.randint(0, 2 * count)):
            one, other = random.randrange(count), random.randrange(count)
            low, high = min(one, other), max(one, other)
            choice = random.random()
            if choice < 0.5 and low < high:
                found.append(self.link(low, high, back=random.choice([0, 0, 0, 1])))
            elif choice < 0.65:
                found.append(self.link(one, other, over=random.randrange(len(self.epochs.loops))))
            elif choice < 0.8:
                found.append(self.link(high, low, room=random.randint(1, 6)))
            elif choice < 0.9:
                found.append(self.link(one, other, back=random.randint(1, 3)))
            elif choice < 0.93:
                found.append(self.link(one, other, back=random.choice([-1, 0])))
        return found

    def pools(self, links: list[Link]) -> list[Pool]:
        """Pools between strands of which one needs the other."""
        random, found = self.random, []
        pairs = [each for each in links if each.room is None and each.over is None and each.back == 0
                 and each.source < each.reader]  # fmt: skip
        for link in random.sample(pairs, min(len(pairs), random.randint(0, 3))):
            opener, closer = self.strands[link.source], self.strands[link.reader]
            words = self.numbers(len(opener.slots), 1, 9)
            still = opener.when.still
            closes = Flag(When.LEAVES, 0, still) if closer.when == Flag() and still else Flag()
            limit = random.randint(1, 4)
            found.append(Pool("T", "buffer", link.source, Flag() if random.random() < 0.5 else opener.when, link.reader,
                              closes, 1, limit, words))  # fmt: skip
        return found

    def make(self) -> Program:
        random = self.random
        self.strands = [self.array_strand(n) for n in range(random.randint(1, 6))]
        self.strands += [self.transfer(n) for n in range(random.randint(1, 4))]
        random.shuffle(self.strands)
        self.starts = [self.start(strand) for strand in self.strands]
        by_plan = sorted(range(len(self.strands)), key=lambda n: self.starts[n].at[0])
        self.strands = [self.strands[n] for n in by_plan]
        self.starts = [self.starts[n] for n in by_plan]
        links = self.links()
        return Program(
            name="random", epochs=self.epochs, strands=tuple(self.strands), links=tuple(links),
            pools=tuple(self.pools(links)), fixed={"buffer": random.randint(0, 5)}, interval=self.interval,
            starts=tuple(self.starts), held=(), resources=(*ARRAYS, LOAD, STORE), filters=random_filters(random),
            registers={}, resource_bound=1, recurrence_bound=1,
        )  # fmt: skip


def random_program(seed: int) -> tuple[Program, Architecture]:
    """A program and a machine for it."""
    maker = Maker(seed)
    return maker.make(), maker.machine
