"""The search in the cycle model: what it finds runs; equal to enumeration on tiny machines, better than published."""

from math import inf

import pytest

from einsim.errors import SpecError
from einsim.mapper.bounds import Bounds
from einsim.mapper.candidates import candidates
from einsim.mapper.objective import Objective
from einsim.mapper.record import map_record
from einsim.mapper.search import search
from einsim.mapper.space import Space
from einsim.mapper.text import Written
from einsim.mapper.trial import Trials
from einsim.model.cycle.evaluation import simulate_design
from einsim.schedule.lower import lower
from einsim.schedule.pipeline.build import build
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.configuration import load_design

from ..model.compare import differences
from ..model.cycle.compare import STUCK, compared
from .tasks import bert, given_sizes, task

TINY = [("dot", {"K": 5}, {}), ("chain", {"M": 4}, {}), ("normed", {"M": 3}, {"capacity": 10})]


def enumerated(tiny):
    """The least latency in the cycle model over all plans at all tile sizes, without bounds."""
    trials = Trials(tiny, Objective.LATENCY)
    least = inf
    for plan in Space(tiny).every():
        try:
            designs = list(trials.every(plan, 10_000))
        except SpecError:
            continue
        for found in designs:
            try:
                run = simulate_design(Written(tiny, plan).design(found.numbers))
            except SpecError:
                continue
            least = min(least, run.latency_s if run.feasible else inf)
    return least


@pytest.mark.parametrize(("name", "sizes", "parts"), TINY, ids=[each[0] for each in TINY])
def test_a_search_in_cycles_equals_enumeration(name, sizes, parts):
    tiny = task(name, sizes, **parts)
    result = search(tiny, Objective.LATENCY, 600, cycles=True)
    assert result.ran_all
    assert result.ran.value == enumerated(tiny)
    assert result.bound <= result.ran.value


@pytest.mark.parametrize("seq_len", [1024, 16384])
def test_published_mappings_are_reached_in_both_models(seq_len):
    attention = bert("attention-1pass", "fusemax", seq_len)
    known = simulate_design(load_design("fusemax", attention.workload))

    def report(progress):
        if progress.cycles and progress.value <= known.latency_s:
            raise KeyboardInterrupt

    result = search(attention, Objective.LATENCY, 200, report, cycles=True)
    record = map_record(attention, Objective.LATENCY, result, cycles=True)
    assert record["cycle_value"] <= known.latency_s
    assert record["value"] <= float(known.closed_form.latency_s)
    assert record["lower_bound"] <= record["value"] <= record["cycle_value"]
    assert record["cycle_model"]["reason"] is None
    assert record["source"] == "search"


APART = [
    "agent-1pass",
    "decode-append",
    "gla-chunked",
    "grid-3pass",
    "grid-online",
    "maxvit_grid-online",
    "ssd-chunked",
]


@pytest.mark.parametrize("name", APART)
def test_parts_that_are_ranks_of_their_own_or_tensors_made_in_parts_are_mapped(name):
    sizes = {size: 5 + number % 3 for number, size in enumerate(given_sizes(name))}
    small = task(name, sizes, lanes=3, grid=(2, 3), capacity=2000)
    result = search(small, Objective.LATENCY, 3, cycles=True)
    best, *_ = candidates(small, Objective.LATENCY, result, cycles=True)
    assert result.bound * (1 - 1e-9) <= best.value(Objective.LATENCY)
    design = Written(small, result.ran.plan).design(result.ran.numbers)
    assert differences(design) == []
    for program in build(design, lower(design), Timing()).programs:
        assert compared(program, small.machine, Timing(), interpreted=False) is not STUCK


def test_turns_hide_the_recurrence_of_the_one_pass_cascade():
    attention = bert("attention-1pass", "flat", 1024)
    known = simulate_design(load_design("cascade", attention.workload))
    bound = Bounds(attention, {size: Trials(attention, Objective.LATENCY).sizes_of(size) for size in attention.unsized})

    def report(progress):
        if progress.cycles and progress.value <= 1.1 * bound.of(Objective.LATENCY):
            raise KeyboardInterrupt

    result = search(attention, Objective.LATENCY, 200, report, cycles=True)
    assert result.ran.value <= 1.1 * result.bound
    assert result.ran.value <= known.latency_s / 2


def test_no_search_is_worse_than_what_is_shipped():
    attention = bert("attention-1pass", "fusemax", 1024)
    result = search(attention, Objective.LATENCY, 1e-6, cycles=True)
    every = candidates(attention, Objective.LATENCY, result, cycles=True)
    assert {"fusemax", "auto"} <= {each.name for each in every}
    best = every[0]
    assert best.cycle_value(Objective.LATENCY) == min(
        value for each in every if (value := each.cycle_value(Objective.LATENCY)) is not None
    )
    assert best.text is None or "cascade: attention-1pass" in best.text
