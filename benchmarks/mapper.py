"""`python -m benchmarks.mapper`: how soon mappings are as good as published ones; the search against enumeration."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import product
from math import inf

from rich.console import Console

from einsim.cascade import parse
from einsim.mapper.objective import Objective
from einsim.mapper.search import Progress, search
from einsim.mapper.space import Space
from einsim.mapper.task import Task
from einsim.mapper.trial import Trials
from einsim.model.closed_form import evaluate
from einsim.report.tables import table
from einsim.spec.configuration import load_architecture, load_design
from einsim.spec.library import load_cascade, load_models
from einsim.spec.workload import Workload, attention, find_model

DESIGNS = (
    ("attention-1pass", "fusemax", "fusemax"), ("attention-3pass", "flat", "flat"),
    ("attention-3pass", "flat", "unfused"), ("attention-1pass", "flat", "cascade"),
)  # fmt: skip
LENGTHS = (1024, 16384)
SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Reached:
    """One search: CPU seconds until it is as good as a published mapping, the values, and what is proved."""

    cascade: str
    architecture: str
    configuration: str
    seq_len: int
    objective: Objective
    published: float
    reached_s: float
    value: float
    bound: float
    proved: bool


def attend(cascade: str, architecture: str, configuration: str, seq_len: int, objective: Objective) -> Reached:
    """Searches a mapping of BERT's attention beside a published one."""
    workload = attention(find_model(load_models(), "BERT"), seq_len)
    task = Task(load_cascade(cascade), load_architecture(architecture), workload, cascade, architecture)
    published = float(objective.of(evaluate(load_design(configuration, workload))))
    reached: list[float] = []
    started = time.process_time()

    def report(progress: Progress) -> None:
        if progress.value <= published and not reached:
            reached.append(time.process_time() - started)

    result = search(task, objective, SECONDS, report)
    value = inf if result.best is None else result.best.value
    soon = reached[0] if reached else inf
    return Reached(cascade, architecture, configuration, seq_len, objective, published, soon, value, result.bound,
                   result.proved)  # fmt: skip


def enumerated() -> tuple[int, float, float, bool]:
    """A small product: plans, seconds to enumerate all of them and to search, and whether both found the same."""
    machine = load_architecture("fusemax-small")
    lanes = machine.arrays["array1d"].model_copy(update={"lanes": 2})
    buffer = machine.memories["buffer"].model_copy(update={"capacity_bytes": 16})
    small = machine.model_copy(
        update={"arrays": {"array1d": lanes}, "memories": {**machine.memories, "buffer": buffer}}
    )
    cascade = parse("cascade product\ninput A[k,m], B[k,n]\noutput Z\nZ[m,n] = A[k,m] * B[k,n]")
    task = Task(cascade, small, Workload((("M", 4), ("N", 3), ("K", 3))), "product", "small")
    started = time.process_time()
    trials = Trials(task, Objective.TRAFFIC)
    values = [found.value for plan in Space(task).every() if (found := trials.best(plan)[0]) is not None]
    middle = time.process_time()
    result = search(task, Objective.TRAFFIC, 600)
    assert result.best is not None
    same = result.best.value == min(values)
    return trials.plans, middle - started, time.process_time() - middle, same


def main() -> None:
    """Measures and prints."""
    console = Console(width=140)
    rows = []
    for names, seq_len, objective in product(DESIGNS, LENGTHS, Objective):
        each = attend(*names, seq_len, objective)
        proof = "yes" if each.proved else f"{1 - each.bound / each.value:.1%}"
        rows.append((each.cascade, each.architecture, f"{each.seq_len:,}", str(each.objective), each.configuration,
                     f"{each.published:.5g}", f"{each.reached_s:.1f}", f"{each.value:.5g}",
                     f"{each.published / each.value:.3f}x", proof))  # fmt: skip
    columns = ("cascade", "machine", "tokens", "objective", "published", "its value", "reached, CPU s", "found",
               "better by", "proved (or gap)")  # fmt: skip
    console.print(table(f"Mappings of BERT's attention, {SECONDS:g} s each", columns, rows, left=5))
    plans, every_s, search_s, same = enumerated()
    console.print()
    console.print(table("A small product, least traffic: all plans without bounds, and the search",
                        ("plans", "all, CPU s", "search, CPU s", "ratio", "same value"),
                        [(f"{plans:,}", f"{every_s:.1f}", f"{search_s:.2f}", f"{every_s / search_s:,.0f}x",
                          str(same))]))  # fmt: skip


if __name__ == "__main__":
    main()
