"""The cycle model's totals are the closed form's, to the unit."""

from collections import Counter

import pytest

from einsim.model.closed_form import Evaluation, evaluate
from einsim.model.cycle.simulate import Run, simulate

from ..compare import EXHAUSTIVE
from .small import CONFIGURATIONS, built, random_design

SEEDS = 1000 if EXHAUSTIVE else 40
# Partial sums that leave and come back within an epoch are not read back by the cycle model; FLAT keeps its own here.
WHOLE_SUMS = {"flat": ("mapping.AV_stationarity=output", "mapping.QK_stationarity=output")}


def runs_of(seed: int, configuration: str):
    """A design without prefetch, its evaluation and its runs."""
    changes = ("arch.memories.buffer.prefetch_tiles=0", *WHOLE_SUMS.get(configuration, ()))
    design, timing = random_design(seed, configuration, *changes)
    programs = built(design, timing)
    return design, evaluate(design), [simulate(each, design.architecture, timing) for each in programs.programs]


def sums(runs: list[Run]) -> tuple[Counter, Counter, object]:
    """Points and slots of every Einsum, and words to and from the outermost memory."""
    points, slots, words = Counter(), Counter(), 0
    for run in runs:
        for number, strand in enumerate(run.program.strands):
            if strand.computes:
                points[strand.einsum] += run.points(number)
                slots[strand.einsum] += run.slots(number)
            else:
                words += run.moved(number)
    return points, slots, words


def is_direct(evaluation: Evaluation) -> bool:
    """Whether registers take operands from the outermost memory.

    Elements that a partial tile leaves out then keep the words that they have, and the closed form does not fetch
    those again; the cycle model fetches tiles as a whole.
    """
    operands = [each for einsum in evaluation.schedule.einsums for each in einsum.accesses if not each.is_output]
    return bool(evaluation.schedule.spills) or any(len(each.path) == 2 and each.path[0] == "dram" for each in operands)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_totals_are_the_closed_forms(configuration):
    compared = 0
    for seed in range(SEEDS):
        design, evaluation, runs = runs_of(seed, configuration)
        if runs:
            points, slots, words = sums(runs)
            assert points == {name: work.points for name, work in evaluation.counts.einsums.items()}
            assert slots == evaluation.cycles
            moved = words * design.architecture.word_bytes
            assert moved == evaluation.traffic_bytes or (is_direct(evaluation) and moved > evaluation.traffic_bytes)
            assert sum(run.issued for run in runs) >= sum(slots.values())
            compared += 1
    assert compared > SEEDS // 2
