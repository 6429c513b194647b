"""Parts of fusion groups in the cycle model: sections that run block by block."""

from collections import Counter

import pytest

from einsim.model.closed_form import evaluate
from einsim.model.cycle.evaluation import simulate_design
from einsim.model.cycle.explain import simulation_fields
from einsim.model.cycle.whole import simulate_whole
from einsim.model.whole import Setting, designs, evaluate_whole
from einsim.schedule.pipeline.build import build
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.configuration import load_design
from einsim.spec.modelrun import Layers, Lengths, Scope, plan_run
from einsim.spec.models import model_facts
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload

SMALL = ("arch.array2d.rows=16", "arch.array2d.columns=16", "arch.array1d.lanes=16", "mapping.weights=tiles")


def layer(tokens: int, batch: int = 2, *more: str):
    sizes = {"B": batch, "M": tokens, "N": 64, "D": 64, "E": 16, "U": 128}
    overrides = [parse_override(text) for text in (*SMALL, *more)]
    return load_design("layer-encoder", Workload(tuple(sizes.items())), overrides=overrides)


@pytest.mark.parametrize(
    ("tokens", "capacity"), [(64, "1 MiB"), (100, "1 MiB"), (200, "24 KiB"), (208, "20 KiB"), (30, "24 KiB")]
)
def test_every_point_is_run_once(tokens, capacity):
    design = layer(tokens, 3, f"arch.buffer.capacity_bytes={capacity}")
    closed, run = evaluate(design), simulate_design(design)
    assert run.feasible, (run.stuck, run.shortfalls)
    points: Counter[str] = Counter()
    for each in run.runs:
        for number, strand in enumerate(each.program.strands):
            if strand.resource in design.architecture.arrays:
                points[strand.einsum] += each.program.times * each.points(number)
    assert points == {each.name: closed.counts.einsums[each.name].points for each in closed.schedule.einsums}
    assert run.cycles >= run.cycles_closed_form


def test_a_last_block_may_be_partial():
    design = layer(200, 1, "arch.buffer.capacity_bytes=24 KiB")
    programs = build(design, evaluate(design).schedule, Timing()).programs
    by_name: dict[str, list[int]] = {}
    for program in programs:
        by_name.setdefault(program.name, []).append(program.times)
    assert by_name.pop("K..V") == [1]
    assert len(by_name) == 7
    assert {tuple(times) for times in by_name.values()} == {tuple(by_name["Q"])}
    assert len(by_name["Q"]) == 2
    assert by_name["Q"][1] == 1


def test_what_stays_from_block_to_block_is_loaded_for_each():
    design = layer(64)
    closed, run = evaluate(design), simulate_design(design)
    constants = 4 * 64 + 2  # scale, shift and epsilon of two norms
    assert run.traffic_bytes == closed.traffic_bytes + constants * design.architecture.word_bytes


def test_cycles_are_explained_block_by_block():
    run = simulate_design(layer(64))
    step = simulation_fields(run)["cycles"]()
    assert step.value == run.cycles


def test_of_equal_designs_the_one_of_fewest_cycles():
    plan = plan_run(model_facts("BERT"), Lengths("prefill", 1024, ((4, 0),)), Scope.LAYER, Layers.FUSED, "fusemax")
    setting = Setting("fusemax")
    whole = evaluate_whole(plan, setting)
    (cost,) = whole.kernels
    assert len(cost.alike) > 1
    assert cost.alike[0] is cost.design
    every = [simulate_design(each) for each in designs(cost.kernel, plan, setting, "fusemax")]
    least = min(each.cycles for each in every if each.feasible)
    ((_, found),) = simulate_whole(whole, Timing()).kernels
    assert found.cycles == least


@pytest.mark.parametrize("length", [1024, 16384])
def test_blocks_that_stand_for_others_leave_nothing_out(length):
    """A causal layer: the first block sees few keys, the last one all; one program cannot stand for both."""
    plan = plan_run(
        model_facts("Llama-3-8B"), Lengths("prefill", length, ((1, 0),)), Scope.LAYER, Layers.FUSED, "fusemax"
    )
    ((_, found),) = simulate_whole(evaluate_whole(plan, Setting("fusemax")), Timing()).kernels
    assert found.cycles >= found.cycles_closed_form
