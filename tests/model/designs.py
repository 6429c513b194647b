"""Hypothesis strategies: random small designs (cascade, mapping, machine) at a few points of a sweep."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from einsim.cascade import parse
from einsim.spec.architecture import Architecture
from einsim.spec.configuration import Accounting, Design
from einsim.spec.fields import validate
from einsim.spec.mapping import Mapping
from einsim.spec.workload import Workload
from einsim.spec.yamlfile import Document

GRID, LINE = "array2d", "array1d"
REGISTERS = {GRID: "registers2d", LINE: "registers1d"}
AXES = {GRID: ("columns", "rows"), LINE: ("lanes",)}
OPERATIONS = {
    "mac": {"cycles": 1, "energy_pj": 17.5},
    "add": {"cycles": 1, "energy_pj": 8.25},
    "max": {"cycles": 2, "energy_pj": 0.5},
    "exp": {"macro": {"mac": 2, "add": 1}},
}
BASE = {"a": "A", "b": "B", "m": "M"}
PAIRS = ("{} * {}", "exp({} - {})", "max({}, {})")


@dataclass(frozen=True)
class Sweep:
    """One cascade and mapping at some points: values of sizes and of the machine's numbers."""

    text: str
    mapping: dict
    machine: dict
    points: tuple[dict[str, int], ...]

    @property
    def columns(self) -> dict[str, list[int]]:
        """The points as columns of a sweep."""
        return {name: [point[name] for point in self.points] for name in self.points[0]}

    def design(self, point: dict[str, int]) -> Design:
        """The design of one point, through the validation of real files."""
        cascade = parse(self.text)
        machine = {**self.machine, "arrays": dict(self.machine["arrays"])}
        sizes = []
        for name, value in point.items():
            array, dot, axis = name.partition(".")
            if dot:
                machine["arrays"][array] = {**machine["arrays"][array], axis: value}
            else:
                sizes.append((name, value))
        plan, parts = Document("mapping", self.mapping), Document("arch", machine)
        records = validate(Architecture, parts), validate(Mapping, plan)
        return Design(cascade, *records, Workload(tuple(sizes)), Accounting.FULL, (), plan, parts)


def machine(memories: list[str]) -> dict:
    """A machine whose memories hold everything; its arrays' sizes come with the points."""

    def memory(index: int) -> dict:
        limit = {"capacity_bytes": 1 << 40} if index else {"bandwidth_bytes_per_s": 10**9}
        return {"access_bytes": 2 << index, "read_energy_pj": 9.0, "write_energy_pj": 9.5} | limit

    def array(name: str) -> dict:
        costs = {"depth_words": 8, "read_energy_pj": 2.25, "write_energy_pj": 1.75}
        return {"registers": {"name": REGISTERS[name], **costs}, "operations": OPERATIONS}

    return {
        "name": "random", "clock_hz": 1.0e9, "word_bytes": 2,
        "memories": {name: memory(index) for index, name in enumerate(memories)},
        "arrays": {GRID: array(GRID), LINE: array(LINE)},
    }  # fmt: skip


class Maker:
    """A cascade and its mapping under construction."""

    def __init__(self, draw):
        self.draw = draw
        self.split = not self.chance(4)
        self.batch = ["z"] if draw(st.integers(0, 3)) == 0 else []
        self.memories = ["dram", "buffer", "near"][: draw(st.integers(1, 3))]
        self.tensors: dict[str, tuple[str, ...]] = {}
        self.carried: set[str] = set()  # iterative tensors, whose first rank is m1
        self.read: set[str] = set()
        self.lines: list[str] = []
        self.inits: list[str] = []
        self.held: dict[str, set[str]] = {}
        self.views: list[str] = []
        self.seen: dict[str, str] = {}  # of each view, the tensor behind it
        self.partition: dict[str, dict[str, str]] = {}
        self.nests: dict[str, dict] = {}
        self.covers: dict[str, tuple[set[str], bool]] = {}  # of each nest, its ranks and whether it tiles m
        self.plans: dict[str, dict] = {}

    def choose(self, options):
        return self.draw(st.sampled_from(list(options)))

    def some(self, options, least=0):
        return [each for each in options if self.draw(st.booleans())] or list(options)[:least]

    def chance(self, of: int) -> bool:
        return self.draw(st.integers(0, of - 1)) == of - 1

    # The cascade.

    def inputs(self) -> list[str]:
        made = []
        for index in range(self.draw(st.integers(1, 3))):
            ranks = tuple(self.some(BASE, least=1))
            self.tensors[f"X{index}"] = ranks
            self.held[f"X{index}"] = {self.memories[0]}
            made.append(f"X{index}[{','.join(ranks)}]")
        missing = [rank for rank in BASE if all(rank not in ranks for ranks in self.tensors.values())]
        if missing:
            self.tensors["X9"] = tuple(missing)
            self.held["X9"] = {self.memories[0]}
            made.append(f"X9[{','.join(missing)}]")
        return made

    def access(self, tensor: str, tiled: bool) -> tuple[str, tuple[str, ...]]:
        """The text of an access and the ranks it brings along."""
        ranks = self.tensors[tensor]
        if tensor in self.carried:
            first = self.choose(["m1", "m1+1"]) if tiled and not self.chance(3) else "M1"
            indices = [first, *ranks[1:]]
            return f"{tensor}[{','.join(indices)}]", ranks if first != "M1" else ranks[1:]
        if not tiled:
            return f"{tensor}[{','.join(ranks)}]", ranks
        indices = ["m1*M0+m0" if rank == "m" else rank for rank in ranks]
        brought = [part for rank in ranks for part in (("m1", "m0") if rank == "m" else (rank,))]
        return f"{tensor}[{','.join(indices)}]", tuple(brought)

    def readable(self, tiled: bool) -> list[str]:
        plain = [name for name, ranks in self.tensors.items() if not {"m1", "m0"} & set(ranks)]
        return list(self.tensors) if tiled else [*plain, *self.carried]

    def einsum(self, name: str) -> None:
        tiled = self.split and not self.chance(4)
        operands, brought = [], []
        for tensor in self.draw(st.lists(st.sampled_from(self.readable(tiled)), min_size=1, max_size=2)):
            text, ranks = self.access(tensor, tiled)
            operands.append((tensor, text))
            brought += [rank for rank in ranks if rank not in brought]
        texts = [text for _, text in operands]
        body = self.choose(PAIRS).format(*texts) if len(texts) == 2 else self.choose(["{}", "exp({})"]).format(*texts)
        carries = "m1" in brought and "m0" not in brought and self.chance(2)
        others = tuple(rank for rank in brought if rank not in ("m1", "m0"))
        if carries:  # a running value over m1; nothing is reduced
            left = ("m1", *others)
            body = f"max({name}[{','.join(left)}], {body})"
            self.carried.add(name)
            self.inits.append(f"init {name}[{','.join(('0', *others))}] = 0")
            operands.append((name, ""))
        else:
            parts = self.choose([(), ("m1",), ("m1",), ("m1", "m0")]) if "m1" in brought else ()
            left = (*(part for part in parts if part in brought), *self.some(others))
        reduced = [rank for rank in brought if rank not in left]
        over = f"{self.choose(['sum', 'max'])} over {','.join(reduced)}: " if reduced else ""
        whole = left[:2] == ("m1", "m0") and self.chance(3)
        written = ("m1*M0+m0", *left[2:]) if whole else (("m1+1", *left[1:]) if carries else left)
        self.lines.append(f"{name}{'[' + ','.join(written) + ']' if written else ''} = {over}{body}")
        self.tensors[name] = ("m", *left[2:]) if whole else left
        self.read |= {tensor for tensor, _ in operands if tensor != name}
        copies = not reduced and body == texts[0]
        if copies and self.chance(2):
            self.views.append(name)
            self.seen[name] = operands[0][0]
            self.held[name] = set(self.held[operands[0][0]])
        else:
            self.plan(name, operands, set(brought), tiled, left)

    # Its mapping.

    def plan(self, name: str, operands, ranks: set[str], tiled: bool, left: tuple[str, ...]) -> None:
        nest = self.nest(ranks, tiled)
        array = self.nests[nest]["array"]
        keep = {tensor: self.path(tensor, array) for tensor in dict(operands) if tensor != name}
        own = self.path(None, array)
        self.held.setdefault(name, set()).update(own)
        plan = {"nest": nest, "keep": {**keep, name: own}}
        if self.chance(4):
            plan["accumulate"] = self.some(left)
        if self.chance(3):
            plan["pipelined"] = True
        self.plans[name] = plan

    def path(self, tensor: str | None, array: str) -> list[str]:
        """Levels from where a tensor is (anywhere for a new one) to the array's registers."""
        own = REGISTERS[array]
        order = [*self.memories, *(level for level in REGISTERS.values() if level != own), own]
        home = self.choose([level for level in order if tensor is None or level in self.held[tensor]])
        path = [home, *self.some(order[order.index(home) + 1 : -1])]
        path += [] if home == own else [own]
        if tensor is not None:
            self.held[tensor].update(path)
        return path

    def nest(self, ranks: set[str], tiled: bool) -> str:
        fitting = [name for name, (has, tiles) in self.covers.items() if ranks <= has and tiles == tiled]
        if fitting and self.chance(3):
            return self.choose(fitting)
        name = f"nest{len(self.nests)}"
        array = self.choose([GRID, LINE])
        space, inside = len(self.memories), len(self.memories) + 1
        free = list(AXES[array])
        covered = {*ranks, *(["m1", "m0"] if tiled else self.some(BASE))}
        if not tiled:
            covered -= {"m1", "m0"}
        placed: list[list[str]] = [[] for _ in range(inside + 1)]
        spatial: dict[str, str] = {}
        chains: list[list[tuple[int, str]]] = []
        walked = [*self.batch, *sorted(covered - {"m1", "m0"}), *(["m1"] if tiled else [])]
        for rank in self.draw(st.permutations(walked)):
            chains.append(self.chain(rank, tiled and rank == "m1", space if free else None, inside))
            for position, loop in chains[-1]:
                if position == space:
                    spatial[free.pop(self.draw(st.integers(0, len(free) - 1)))] = loop
        for position in range(inside + 1):
            waiting = [[loop for at, loop in chain if at == position] for chain in chains]
            waiting = [loops for loops in waiting if loops]
            while waiting and position != space:
                loops = self.choose(waiting) if len(waiting) > 1 else waiting[0]
                placed[position].append(loops.pop(0))
                waiting = [each for each in waiting if each]
        levels = [*self.memories, None, REGISTERS[array]]
        loops = {level: names for level, names in zip(levels, placed, strict=True) if level and names}
        self.nests[name] = {"array": array, "loops": loops, "spatial": spatial}
        self.covers[name] = (covered, tiled)
        return name

    def chain(self, rank: str, tiles: bool, space: int | None, inside: int) -> list[tuple[int, str]]:
        """Loops over one rank, outermost first, with where each stands; over m1 then m0 where it `tiles`."""
        outer = self.draw(st.integers(0, 2))
        inner = self.draw(st.integers(0, 2)) + 1 if tiles else 0
        length = outer + 1 + inner
        axis = self.draw(st.integers(0, length - 1)) if space is not None and not self.chance(3) else length
        steps = st.integers(0, inside - 2)
        if axis == length:  # no loop of this rank along an axis: any of them may run within an element
            steps |= st.just(inside)
        before = self.draw(st.lists(steps, min_size=axis, max_size=axis))
        places = [*sorted(before), space, *[inside] * length][:length]
        loops = [self.part(rank, tiles) for _ in range(outer)]
        loops.append(rank if self.chance(2) else self.part(rank, tiles, "1"))
        if tiles:
            loops += [self.part("m0", False) for _ in range(inner - 1)]
            loops.append("m0" if self.chance(2) else self.part("m0", False, "1"))
        return list(zip(places, loops, strict=True))

    def part(self, rank: str, tiles: bool, size: str | None = None) -> str:
        """A new part of a rank, of a random size; of m instead of m1 sometimes, in whole tiles."""
        text = size or self.size(BASE.get(rank, "M0" if rank == "m0" else "A"))
        if tiles and self.chance(3):
            rank, text = "m", f"M0 * ({text})"
        parts = self.partition.setdefault(rank, {})
        name = f"{rank}_{len(parts)}"
        parts[name] = text
        return name

    def size(self, size: str) -> str:
        number = self.choose([1, 2, 2, 3, 3, 4, 5, 6])
        others = (
            f"{GRID}.rows",
            f"{LINE}.lanes",
            f"min({size}, {number})",
            f"ceil({size} / {number})",
            "T0 + 1",
        )
        return self.choose([str(number), *others]) if self.chance(2) else str(number)

    def finish(self) -> Sweep:
        inputs = self.inputs()
        for index in range(self.draw(st.integers(1, 4))):
            self.einsum(f"T{index}")
        if not self.plans:  # nothing but views
            self.tensors = {name: ranks for name, ranks in self.tensors.items() if name.startswith("X")}
            self.lines.append(f"T9[{','.join(self.tensors['X0'])}] = exp(X0[{','.join(self.tensors['X0'])}])")
            self.plan("T9", [("X0", "")], set(self.tensors["X0"]), False, self.tensors["X0"])
            self.tensors["T9"] = self.tensors["X0"]
        outputs = [name for name in self.tensors if not name.startswith("X") and name not in self.read]
        behind = list(outputs)
        for name in behind:  # grows: what is seen through a view that is an output must go out too
            behind += [self.seen[name]] if name in self.seen else []
            if name in self.plans and self.plans[name]["keep"][name][0] != self.memories[0]:
                self.plans[name]["keep"][name].insert(0, self.memories[0])
        text = ["cascade random", f"input {', '.join(inputs)}", f"output {', '.join(outputs)}"]
        text += ["split m into m1, m0 by M0"] if self.split else []
        run: dict[str, list[str]] = {}
        for name, plan in self.plans.items():
            run.setdefault(self.nests[plan["nest"]]["array"], []).append(name)
        mapping = {
            "name": "random", "cascade": "random", "architecture": "random", "batch": self.batch,
            "tiles": {"T0": "max(1, A - 2)"}, "partition": self.partition, "nests": self.nests,
            "views": self.views, "einsums": self.plans, "phases": [{"run": run}],
            "memory_time": self.choose(["overall", "per-phase"]),
        }  # fmt: skip
        names = [*BASE.values(), *(["M0"] if self.split else []), *(["Z"] if self.batch else [])]
        most = {"A": 7, "B": 5, "M": 13, "M0": 5, "Z": 2}
        numbers = {name: st.integers(1, most[name]) for name in names}
        numbers |= {f"{GRID}.rows": st.integers(1, 4), f"{GRID}.columns": st.integers(1, 4)}
        numbers |= {f"{LINE}.lanes": st.integers(1, 4)}
        points = self.draw(st.lists(st.fixed_dictionaries(numbers), min_size=3, max_size=5))
        cascade = "\n".join([*text, *self.inits, *self.lines]) + "\n"
        return Sweep(cascade, mapping, machine(self.memories), tuple(points))


@st.composite
def sweeps(draw) -> Sweep:
    """Random designs at one to three points."""
    return Maker(draw).finish()
