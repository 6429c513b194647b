"""Generated hardware with one thing changed: what co-simulation has to find out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from einsim.cosim.compare import compare, run_once, stimulus
from einsim.cosim.subject import Subject
from einsim.errors import EinsimError, ToolError
from einsim.rtl.generator.simulation import Simulation
from einsim.rtl.generator.top import Generated
from einsim.rtl.verilog import Module, closure

CHANGES = (
    (r"(?<= at = 32'd)\d+", lambda match: str(int(match[0]) + 9)),
    (r"'d(\d+)", lambda match: f"'d{int(match[1]) + 1}"),
    (r"'d([1-9]\d*)", lambda match: f"'d{int(match[1]) - 1}"),
    (r"&&", lambda _: "||"),
    (r"\|\|", lambda _: "&&"),
    (r" == ", lambda _: " != "),
    (r" != ", lambda _: " == "),
    (r" \+ ", lambda _: " - "),
    (r" - ", lambda _: " + "),
    (r" < ", lambda _: " <= "),
    (r" <= (?=[^;]*\?)", lambda _: " < "),
    (r" >= ", lambda _: " > "),
    (r"\.CLOCKS\((\d+)\)", lambda match: f".CLOCKS({int(match[1]) + 1})"),
    (r"(?<=if \()!", lambda _: ""),
    (r"'h([0-9a-f]+)", lambda match: f"'h{int(match[1], 16) ^ 4:x}"),
)
"""What is looked for, and what stands there in a mutant; the first is a slot that is planned later."""

SCHEDULE = 0

SPARED = re.compile(
    r"unused|default|reset|genvar|//.*(source|Loop|at a time)|_busy|cycles|s_axi|prepare|_last|_issues|_strand =|"
    r"_slot =|load_done|store_done|module |function|input|output|logic|localparam logic \[\d+:0\] OP_|"
    r"most|whole_\d+|jump|rest|again_|need_|steps_|lag_|mark_|base_|_sum|_less|instance_begins"
)
"""Lines in which a change need not matter: what nobody reads in a run, what is cut off, names; waits that the order of
issues keeps anyway; sums of pointers into rings whose size is a power of two."""

NOTHING = re.compile(r"\d+'d0\b(?=.*\};)|(?<=\{)1'd0|at = 32'd\d+")
"""What a change of one does not matter in: fields of words that an operation does not use; planned cycles."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """Where, the line as it was, and the line as it is."""

    module: str
    before: str
    after: str
    generated: Generated

    def __str__(self) -> str:
        return f"{self.module}: {self.before.strip()}  ->  {self.after.strip()}"


def sites(generated: Generated) -> Iterator[tuple[int, int, int, int]]:
    """Module, line, change and occurrence of everything that may be changed."""
    for m, module in enumerate(generated.modules):
        generators = module.name.startswith(generated.name) or module.name.endswith("_operands")
        if module is generated.top or not generators:  # units have mutants of their own, beside all patterns
            continue
        for n, line in enumerate(module.text.splitlines()):
            if SPARED.search(line):
                continue
            spared = [match.span() for match in NOTHING.finditer(line)]
            for c, (pattern, _) in enumerate(CHANGES):
                for k, match in enumerate(re.finditer(pattern, line)):
                    if c == SCHEDULE or not any(start <= match.start() < end for start, end in spared):
                        yield m, n, c, k


def mutate(generated: Generated, random: Random, kinds: str = "") -> Mutant:
    """A design with one thing changed, every module as likely as another; of those only whose name matches `kinds`."""
    every = [site for site in sites(generated) if re.search(kinds, generated.modules[site[0]].name)]
    m = random.choice(sorted({site[0] for site in every}))
    _, n, c, k = random.choice([site for site in every if site[0] == m])
    module = generated.modules[m]
    lines = module.text.splitlines()
    pattern, change = CHANGES[c]
    match = list(re.finditer(pattern, lines[n]))[k]
    after = lines[n][: match.start()] + change(match) + lines[n][match.end() :]
    text = "\n".join([*lines[:n], after, *lines[n + 1 :]])
    top = _with(generated.top, module.name, text)
    return Mutant(module.name, lines[n], after, replace(generated, modules=closure([top])))


def _with(part: Module, name: str, text: str) -> Module:
    uses = tuple(_with(used, name, text) for used in part.uses)
    return Module(part.name, part.about, part.parameters, text if part.name == name else part.text, uses)


LENGTHS = ((13, 9), (4, 2), (9, 23), (16, 16))
"""Of keys and queries: partial tiles, a single one, rings that wrap, every remainder."""


def found_out(subject: Subject, mutant: Mutant, folder: Path) -> bool | None:
    """Whether co-simulation finds a mutant out; None where it does not even build."""
    try:
        simulation = Simulation(mutant.generated, folder)
    except ToolError:
        return None
    for seed, (keys, queries) in enumerate(LENGTHS):
        other = replace(subject, sizes={**subject.sizes, "m": keys, "p": queries})
        given = stimulus(other, seed, pressure=seed % 2 > 0)
        try:
            found = compare(other, run_once(other, simulation, given), given, seed)
        except (EinsimError, ValueError, IndexError, KeyError):  # it stops, moves too much, or issues nonsense
            return True
        if not found.equal:
            return True
    return False
