"""`python -m benchmarks.mapper`: how soon mappings are as good as published ones; the search against enumeration."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import product
from math import inf

from rich.console import Console
from rich.table import Table

from einsim.cascade import parse
from einsim.mapper.objective import Objective
from einsim.mapper.record import map_record
from einsim.mapper.search import Progress, search
from einsim.mapper.space import Space
from einsim.mapper.task import Task
from einsim.mapper.trial import Trials
from einsim.model.closed_form import evaluate
from einsim.model.cycle.evaluation import simulate_design
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
    task = task_of(cascade, architecture, seq_len)
    published = float(objective.of(evaluate(load_design(configuration, task.workload))))
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


@dataclass(frozen=True, slots=True)
class Ran:
    """One search in the cycle model: values of both models, published and found, the bound, and CPU seconds."""

    cascade: str
    architecture: str
    configuration: str
    seq_len: int
    published: tuple[float, float]
    reached_s: float
    found: tuple[float, float]
    bound: float


def run(cascade: str, architecture: str, configuration: str, seq_len: int) -> Ran:
    """Searches the mapping of BERT's attention with the least latency that the cycle model runs."""
    task = task_of(cascade, architecture, seq_len)
    known = simulate_design(load_design(configuration, task.workload))
    published = float(known.closed_form.latency_s), known.latency_s
    reached: list[float] = []
    started = time.process_time()

    def report(progress: Progress) -> None:
        if progress.cycles and progress.value <= published[1] and not reached:
            reached.append(time.process_time() - started)

    result = search(task, Objective.LATENCY, SECONDS, report, cycles=True)
    record = map_record(task, Objective.LATENCY, result, cycles=True)
    found = float(record["value"]), inf if record["cycle_value"] is None else float(record["cycle_value"])
    soon = reached[0] if reached else inf
    return Ran(cascade, architecture, configuration, seq_len, published, soon, found, result.bound)


def task_of(cascade: str, architecture: str, seq_len: int) -> Task:
    """BERT's attention on a shipped machine."""
    workload = attention(find_model(load_models(), "BERT"), seq_len)
    return Task(load_cascade(cascade), load_architecture(architecture), workload, cascade, architecture)


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


def _in_cycles() -> Table:
    """The searches in the cycle model."""
    rows = []
    for names, seq_len in product(DESIGNS, LENGTHS):
        each = run(*names, seq_len)
        rows.append((each.cascade, each.architecture, f"{each.seq_len:,}", each.configuration,
                     *(f"{value * 1e3:.5g}" for value in each.published), f"{each.reached_s:.1f}",
                     *(f"{value * 1e3:.5g}" for value in each.found), f"{each.bound * 1e3:.5g}",
                     f"{1 - each.bound / each.found[1]:.2%}"))  # fmt: skip
    columns = ("cascade", "machine", "tokens", "published", "closed form, ms", "cycles, ms", "reached, CPU s",
               "found, closed form, ms", "cycles, ms", "bound, ms", "gap")  # fmt: skip
    return table(f"Least latency that the cycle model runs, {SECONDS:g} s each", columns, rows, left=4)


def main() -> None:
    """Measures and prints."""
    console = Console(width=160)
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
    console.print()
    console.print(_in_cycles())
    plans, every_s, search_s, same = enumerated()
    console.print()
    console.print(table("A small product, least traffic: all plans without bounds, and the search",
                        ("plans", "all, CPU s", "search, CPU s", "ratio", "same value"),
                        [(f"{plans:,}", f"{every_s:.1f}", f"{search_s:.2f}", f"{every_s / search_s:,.0f}x",
                          str(same))]))  # fmt: skip


if __name__ == "__main__":
    main()
