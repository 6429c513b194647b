"""What TransFusion's artifact stores for FuseMax, counted again from its loops, and what of its energy is not in ours.

Usage: python experiments/referee/artifact.py

Both of its designs of FuseMax run one Einsum after another, each on one array, tile by tile from the buffer or DRAM:
claims/transfusion-loops.yaml says what. What each reads and writes then is counted here as Timeloop counts it. Nothing
comes from what the artifact stores (claims/transfusion.csv): that is what this is compared with.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from math import prod
from pathlib import Path
from typing import NamedTuple

import yaml

from einsim.model.whole import Setting, evaluate_whole
from einsim.model.wholeresult import whole_record
from einsim.spec.configuration import Accounting
from einsim.spec.modelrun import Lengths, Scope, plan_run
from einsim.spec.models import model_facts
from einsim.spec.overrides import parse_override
from einsim.units import show_count

HERE = Path(__file__).parent
FACTS = yaml.safe_load((HERE / "claims" / "transfusion-loops.yaml").read_text())
COSTS, WORDS = FACTS["costs_pj"], FACTS["words"]
RANKS = {tensor: ranks for ranks, tensors in FACTS["tensors"].items() for tensor in tensors}
LENGTHS = {"1K": 2**10, "4K": 2**12, "16K": 2**14, "64K": 2**16, "256K": 2**18, "1M": 2**20}
DESIGNS = {"fusemax": False, "fusemax+layerfuse": True}
"""Names of the two designs, and whether parts hand activations on through the buffer."""
OURS = {"cloud": "fusemax", "edge": "transfusion-edge"}
STACKS = {"BERT": "BERT", "TrXL": "stack-TrXL", "T5": "stack-T5", "XLM": "stack-XLM", "Llama3": "stack-Llama3"}


class Loops(NamedTuple):
    """Trips of each rank: of loops around tiles of the buffer, of loops in a tile, and across an array."""

    dram: dict[str, int]
    buffer: dict[str, int]
    spatial: dict[str, int]


class Count(NamedTuple):
    """Words of a tensor that an Einsum reads and writes at a level."""

    tensor: str
    level: str
    reads: int
    writes: int


class Charge(NamedTuple):
    """The energy in pJ that an Einsum of a part is charged at a level, for a tensor (or for its operations)."""

    part: str
    einsum: str
    level: str
    tensor: str
    energy_pj: float


def divisors(number: int) -> list[int]:
    """All divisors, the largest first."""
    small = [each for each in range(1, int(number**0.5) + 1) if number % each == 0]
    return sorted({*small, *(number // each for each in small)}, reverse=True)


def spread(heads: int, width: int, places: int) -> tuple[int, int]:
    """Heads and features that lie side by side on so many places: as many as divide them, features first."""
    pairs = [
        (head, feature) for feature in divisors(width) for head in divisors(heads) if places % (head * feature) == 0
    ]
    return max(pairs, key=prod)


def size(tensor: str, extents: dict[str, int]) -> int:
    """Words of a tensor with these extents of its ranks."""
    return prod(extents.get(rank, 1) for rank in RANKS[tensor])


@dataclass(frozen=True)
class Case:
    """A design, a machine, a model and a length. `bits`: of Timeloop's counters; none: as many as it takes."""

    machine: str
    model: str
    tokens: int
    fused: bool = False
    bits: int | None = 64

    @cached_property
    def side(self) -> int:
        """Rows, and columns, of the 2D array."""
        return int(FACTS["machines"][self.machine]["side"])

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Extents of all ranks."""
        model = FACTS["models"][self.model]
        keys = {"M": self.tokens // self.side, "N": self.side, "P": self.tokens}
        return {"B": FACTS["batch"], "F": model["E"], **keys, **{rank: model[rank] for rank in "HEDS"}}

    @cached_property
    def kept(self) -> dict[str, int]:
        """Extents of the tiles that the buffer holds at a time, where an Einsum has any: as large as fit."""
        sizes, side = self.sizes, self.side
        heads, width = sizes["H"] if self.fused else 1, sizes["E"]
        row = {"B": 1, "M": 1, "D": 1, "H": heads, "E": width, "F": width, "N": side, "S": side}
        free = FACTS["machines"][self.machine]["buffer_bytes"] - 2 * side
        blocks = max(1, (free - 4 * width * heads * side) // ((2 * width + 2) * 2 * heads * side))
        tiles = [tile for tile in divisors(self.tokens // side) if tile <= blocks]
        queries = side * next((tile for tile in tiles if self._fits(row | {"P": tile * side})), 1)
        row |= {"P": queries}
        if not self.fused:
            return row
        state = 2 * heads * width
        hidden = (free - state * (1 + 2 * queries)) // ((queries + 2 * heads * width + 1) * 2 * side)
        blocks = next(tile for tile in divisors(sizes["S"] // side) if tile <= max(1, hidden))
        fitting = (tile for tile in divisors(sizes["S"]) if self._fits(row | {"S": tile * side}, "network"))
        depth = (free - state * (queries + 2 * side)) // ((queries + 3 * heads * width + 2 * side) * 2)
        deep = (tile for tile in divisors(sizes["D"]) if tile <= depth and self._fits(row | {"D": tile}, "projections"))
        return row | {"S": side * min(blocks, next(fitting, 1)), "D": next(deep, 1)}

    def _fits(self, extents: dict[str, int], *parts: str) -> bool:
        """Whether what any one Einsum reads and writes fits into the buffer."""
        room = FACTS["machines"][self.machine]["buffer_bytes"]
        return all(
            sum(size(tensor, extents) for tensor in (name, *einsum["reads"])) * WORDS["bytes"] < room
            for part in parts or FACTS["parts"]
            for name, einsum in FACTS["parts"][part]["einsums"].items()
        )

    def loops(self, part: str, name: str) -> Loops:
        """The loops of an Einsum."""
        einsum = FACTS["parts"][part]["einsums"][name]
        ranks = set("".join(RANKS[each] for each in (name, *einsum["reads"])))
        tiled, flat = self.fused or part == "attention", einsum["array"] == 1
        lanes = FACTS["machines"][self.machine]["lanes"]
        spatial = {"P": self.side}
        heads = self.kept["H"] if tiled else 1
        match part:
            case "attention" if not flat:
                spatial["N"] = self.side
            case "projections":
                heads, features = spread(heads, self.sizes["E"], self.side)
                spatial |= {"N": self.side, "H": heads, "E" if "E" in ranks else "F": features}
            case "norm" if "F" in ranks:
                heads, features = spread(heads, self.sizes["F"], lanes // self.side)
                spatial |= {"H": heads, "F": features}
            case "network" if not flat:
                spatial["S"] = self.side
            case "network" if tiled:
                spatial["S"], _ = spread(self.kept["S"], 1, lanes // self.side)
            case "network":
                spatial["P"] = lanes
        spatial = {rank: extent for rank, extent in spatial.items() if rank in ranks}
        kept = {rank: self.kept[rank] if tiled else spatial.get(rank, 1) for rank in ranks}
        return Loops(
            {rank: self.sizes[rank] // kept[rank] for rank in ranks},
            {rank: kept[rank] // spatial.get(rank, 1) for rank in ranks},
            spatial,
        )

    def charges(self) -> Iterator[Charge]:
        """What a stack of layers is charged, Einsum by Einsum."""
        machine = FACTS["machines"][self.machine]
        prices = {"dram": (COSTS["line"] / WORDS["line"],) * 2, "registers": (COSTS["word_read"], COSTS["word_write"]),
                  "buffer": (machine["read_pj"] / WORDS["row"], machine["write_pj"] / WORDS["row"])}  # fmt: skip
        for part, times in FACTS["models"][self.model]["parts"].items():
            for name in FACTS["parts"][part]["einsums"]:
                for count in self.counts(part, name):
                    read, write = prices[count.level]
                    energy = times * (count.reads * read + count.writes * write)
                    yield Charge(part, name, count.level, count.tensor, energy)
                points = prod(self.sizes[rank] for rank in self.loops(part, name).dram)
                point = sum(COSTS[each] * count for each, count in self.operations(part, name).items())
                yield Charge(part, name, "operations", name, times * points * point)

    def latency_s(self) -> float:
        """Seconds of a stack of layers: Einsums one after another, in attention the slower of those on both arrays."""
        total = 0.0
        for part, times in FACTS["models"][self.model]["parts"].items():
            alone = [[[name]] for name in FACTS["parts"][part]["einsums"]]
            for phase in FACTS["parts"][part].get("phases", alone):
                total += times * max(sum(self._seconds(part, name) for name in names) for names in phase)
        return total

    def _seconds(self, part: str, name: str) -> float:
        """Of an Einsum: the longer of its operations, a cycle each, and its words from and to DRAM."""
        loops = self.loops(part, name)
        turns = prod(self.sizes[rank] for rank in loops.dram) // prod(loops.spatial.values())
        words = sum(each.reads + each.writes for each in self.counts(part, name) if each.level == "dram")
        memory = words * WORDS["bytes"] / (FACTS["machines"][self.machine]["gib_per_s"] * 2**30)
        return float(max(turns * sum(self.operations(part, name).values()) / FACTS["clock_hz"], memory))

    def operations(self, part: str, name: str) -> dict[str, int]:
        """Operations of an Einsum at a point."""
        operations = FACTS["parts"][part]["einsums"][name]["operations"]
        if operations == "activation":
            operations = FACTS["activations"][FACTS["models"][self.model]["activation"]]
        return dict(operations)

    def counts(self, part: str, name: str) -> Iterator[Count]:
        """What an Einsum reads and writes, of all elements, or (registers) of one."""
        facts = FACTS["parts"][part]
        einsum, loops = facts["einsums"][name], self.loops(part, name)
        in_dram = {*facts["dram"], *(() if self.fused else facts["sequential"])}
        outer = [(rank, loops.dram[rank]) for rank in FACTS["dram_order"] if rank in loops.dram]
        nest = [(rank, loops.buffer[rank]) for rank in FACTS["buffer_order"] if rank in loops.buffer] + outer
        tile = {rank: loops.buffer[rank] * loops.spatial.get(rank, 1) for rank in loops.buffer}
        turns = prod(self.sizes[rank] for rank in tile) // prod(loops.spatial.values())

        def counted(tensor: str, *readings: tuple[int, int]) -> Iterator[Count]:
            for level, (reads, writes) in zip(("dram", "buffer", "registers"), readings, strict=True):
                if level != "registers" or einsum["array"] == 2:  # those of lanes go by a name that is not looked for
                    yield Count(tensor, level, reads, writes)

        for tensor in einsum["reads"]:
            fetched = size(tensor, tile) * trips(tensor, outer) if tensor in in_dram else 0
            passed = trips(tensor, nest) if tensor not in FACTS["past_buffer"] else 0
            yield from counted(tensor, (fetched, 0), (size(tensor, loops.spatial) * passed, fetched), (turns, passed))

        # What is written again was read back before: all but the first time of each word, for which 64 bits may be few.
        words, across, held = size(name, self.sizes), size(name, loops.spatial), size(name, tile)
        first = words if self.bits is None else words * held % 2**self.bits // held
        down = held * trips(name, outer) if name in in_dram else 0
        back = down - first if down else 0
        written = across * trips(name, nest) if name not in FACTS["past_buffer"] else 0
        again = written - first if written else 0
        yield from counted(
            name, (back, down), (again, written + back), (turns - first // across, turns + again // across)
        )


def trips(tensor: str, loops: list[tuple[str, int]]) -> int:
    """How often a tile of a tensor is moved: by all loops but those inside the innermost that changes it."""
    real = [(rank, count) for rank, count in loops if count > 1]
    changing = (place for place, (rank, _) in enumerate(real) if rank in RANKS[tensor])
    return prod(count for _, count in real[next(changing, len(real)) :])


def total_pj(charges: Iterable[Charge]) -> float:
    """Their sum."""
    return sum(each.energy_pj for each in charges)


def stored() -> Iterator[tuple[Case, float, float]]:
    """The rows of both designs that the artifact stores: the case, its latency in seconds and its energy in pJ."""
    with (HERE / "claims" / "transfusion.csv").open() as file:
        for row in csv.DictReader(file):
            if row["design"] in DESIGNS:
                case = Case(row["machine"], row["model"], LENGTHS[row["seq_len"]], DESIGNS[row["design"]])
                yield case, float(row["latency"]), float(row["energy"])


@cache
def ours(machine: str, model: str, tokens: int) -> dict[tuple[str, str], float]:
    """Energy in pJ of FuseMax here, one kernel after another, on the artifact's terms: by part of a layer and level."""
    costs = FACTS["machines"][machine]
    buffer = (f"arch.buffer.{each}_energy_pj={costs[f'{each}_pj']}" for each in ("read", "write"))
    changes = tuple(map(parse_override, ("arch.costs=paper-45nm", *buffer)))
    lengths = Lengths("prefill", tokens, ((FACTS["batch"], 0),))
    run = plan_run(model_facts(STACKS[model]), lengths, Scope.LAYER, configuration="fusemax")
    setting = Setting("fusemax", OURS[machine], changes, Accounting.PUBLISHED)
    found: dict[tuple[str, str], float] = defaultdict(float)
    for kernel in whole_record(evaluate_whole(run, setting))["kernels"]:
        part = {"linear": "linear", "fusemax": "attention"}.get(kernel["mapping"], "rest")
        if kernel["kernel"] == "output projection":
            part = "output"
        for level, energy in kernel["result"]["energy_by_part_pj"].items():
            found[part, "operations" if "." in level else level] += kernel["instances"] * kernel["times"] * energy
    return found


def terms(case: Case) -> dict[str, float]:
    """What the artifact is charged for FuseMax less what it costs here, in pJ, term by term."""
    charged, here = list(replace(case, bits=None).charges()), ours(case.machine, case.model, case.tokens)
    more = defaultdict(float, {at: -energy for at, energy in here.items()})
    for each in charged:
        part = {"projections": "linear", "network": "linear", "norm": "rest"}.get(each.part, each.part)
        more["rest" if each.einsum == "AR" else part, each.level] += each.energy_pj
    buffer = [each for each in charged if (each.part, each.level) == ("attention", "buffer")]
    scores = total_pj(each for each in buffer if each.tensor == "QK")
    maxima = total_pj(each for each in buffer if each.tensor == each.einsum == "LM")
    found = {
        "attention: scores, to the lanes and back": scores,
        "attention: a tile's maximum so far, kept in the buffer": maxima,
        "attention: what else the arrays hand each other": more["attention", "buffer"] - scores - maxima,
        "attention: read back for want of a 65th bit": total_pj(case.charges()) - total_pj(charged),
        "linear layers: DRAM": more["linear", "dram"],
        "linear layers: the buffer": more["linear", "buffer"],
        "norms, residuals, activations": sum(energy for (part, _), energy in more.items() if part == "rest"),
        "output projections, only here": -sum(energy for (part, _), energy in here.items() if part == "output"),
        "registers of the lanes, only here": -here["attention", "registers1d"],
    }
    return {**found, "all else": total_pj(case.charges()) - sum(here.values()) - sum(found.values())}


def show(share: float) -> str:
    """A share in percent; nothing where it rounds to zero."""
    return f"{share:.1%}" if abs(share) >= 0.0005 else ""


def terms_table() -> str:
    """Markdown: the terms, of the energy that the artifact stores, for its shortest and its longest length."""
    cases = [
        Case(machine, model, LENGTHS[length])
        for machine in OURS
        for model in ("BERT", "Llama3")
        for length in ("1K", "1M")
    ]
    columns = []
    for case in cases:
        whole = total_pj(case.charges())
        parts = {name: energy / whole for name, energy in terms(case).items()}
        columns.append({"here, of what is stored": 1 - sum(parts.values()), **parts})
    heads = [f"{case.machine}, {case.model}, {show_count(case.tokens)}" for case in cases]
    lines = ["| of the stored energy | " + " | ".join(heads) + " |", "|---|" + "---|" * len(cases)]
    lines += [f"| {name} | " + " | ".join(f"{show(each[name])}" for each in columns) + " |" for name in columns[0]]
    return "\n".join(lines)


def others_table() -> str:
    """Markdown: seconds and joules of the models of which no rows are at hand."""
    models = sorted(set(STACKS) - {case.model for case, _, _ in stored()})
    lines = ["| machine | model | design | " + " | ".join(LENGTHS) + " |", "|---|---|---|" + "---|" * len(LENGTHS)]
    for machine in OURS:
        for model in models:
            for design, fused in DESIGNS.items():
                cases = (Case(machine, model, tokens, fused) for tokens in LENGTHS.values())
                cells = (f"{case.latency_s():.5g} s, {total_pj(case.charges()) / 1e12:.5g} J" for case in cases)
                lines.append(f"| {machine} | {model} | {design} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Prints how far the count is from what is stored, the terms, and what is counted beyond."""
    off = [
        max(abs(case.latency_s() / latency - 1), abs(total_pj(case.charges()) / energy - 1))
        for case, latency, energy in stored()
    ]
    print(f"{len(off)} rows counted, at most {max(off):.1e} off what is stored\n\n{terms_table()}\n\n{others_table()}")


if __name__ == "__main__":
    main()
