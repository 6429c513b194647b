"""Reading every cascade that is shipped: parsed, checked, its passes counted, beside what lark's parser alone takes."""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time

from einsim.analysis.passes import count_passes
from einsim.cascade import parse
from einsim.cascade.syntax import tree_of
from einsim.spec import library

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """Processor seconds for all cascades, the best of some rounds; `slowest` the one that takes longest to read."""

    cascades: int
    trees_s: float
    read_s: float
    passes_s: float
    slowest: str
    slowest_s: float

    @property
    def ratio(self) -> float:
        """All of it over the parser's own part."""
        return (self.read_s + self.passes_s) / self.trees_s


def measure() -> Reading:
    """Everything once before, so that the grammar is compiled."""
    texts = {name: library.find("cascade", name).read_text(encoding="utf-8") for name in library.names("cascade")}
    parse(next(iter(texts.values())))
    rounds = [_round(texts) for _ in range(ROUNDS)]
    trees, each, passes = min(rounds, key=lambda one: sum(one[1].values()))
    slowest = max(each, key=lambda name: each[name])
    return Reading(len(texts), trees, sum(each.values()), passes, slowest, each[slowest])


def _round(texts: dict[str, str]) -> tuple[float, dict[str, float], float]:
    began = process_time()
    for text in texts.values():
        tree_of(text, "text")
    trees = process_time() - began
    each: dict[str, float] = {}
    passes = 0.0
    for name, text in texts.items():
        began = process_time()
        cascade = parse(text)
        read = process_time()
        if cascade.sequences:
            count_passes(cascade)
        each[name] = read - began
        passes += process_time() - read
    return trees, each, passes
