"""Whole models whose other kernels are mapped by files that a configuration names beside itself."""

import numpy as np
import pytest

from einsim.cascade import evaluate as compute
from einsim.errors import SpecError
from einsim.model.closed_form import evaluate
from einsim.model.cycle.evaluation import simulate_design
from einsim.model.whole import Setting, evaluate_whole
from einsim.spec.configuration import load_design, stand_ins
from einsim.spec.modelrun import Lengths, Scope, plan_run
from einsim.spec.models import model_facts
from einsim.spec.workload import Workload
from tests.cli.commands import einsim, refused

EDGE = "transfusion-edge"


def layer(configuration: str, length: int = 1024):
    run = plan_run(model_facts("BERT"), Lengths("prefill", length, ((4, 0),)), Scope.LAYER)
    return evaluate_whole(run, Setting(configuration, EDGE))


def product(**sizes: int):
    return load_design("linear-divided", Workload(tuple(sizes.items())))


def test_both_arrays_share_the_linear_layers():
    plain, divided = layer("fusemax"), layer("fusemax-divided")
    pairs = [(one, other) for one, other in zip(plain.kernels, divided.kernels, strict=True)
             if one.kernel.mapping == "linear"]  # fmt: skip
    assert len(pairs) == 6
    for one, other in pairs:
        assert other.kernel.mapping == "linear-divided"
        assert other.evaluation.latency_s == one.evaluation.latency_s / 2
        assert other.macs == one.macs


def test_a_divided_product_is_the_product():
    design = product(G=1, M=64, N=32, K=16)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(16, 64)), rng.normal(size=(16, 32))
    sizes = {"K": 16, "N": 32, "MA": 32, "MB": 32, "MG": 1}
    parts = {"A_ma": a[:, None, :32], "A_mb": a[:, None, 32:], "B": b}
    found = compute(design.cascade, parts, sizes)
    np.testing.assert_allclose(np.concatenate([found["Z_ma"][0], found["Z_mb"][0]]), a.T @ b)


@pytest.mark.parametrize("sizes", [(512, 64, 64), (1024, 96, 40), (512, 768, 768), (30, 64, 64)])
def test_the_cycle_model_runs_it(sizes):
    rows, columns, depth = sizes
    design = product(G=1, M=rows, N=columns, K=depth)
    closed, run = evaluate(design), simulate_design(design)
    assert run.feasible
    assert run.cycles >= max(closed.cycles_by_array.values())
    assert run.high_water_bytes()["buffer"] <= design.architecture.memories["buffer"].capacity_bytes


def test_one_tile_is_held_once_for_all_of_its_readers():
    design = product(G=1, M=65536, N=768, K=3072)
    assert simulate_design(design).high_water_bytes()["buffer"] <= design.architecture.memories["buffer"].capacity_bytes


@pytest.mark.parametrize(
    ("beside", "parts"),
    [
        ("{linear: linear-dvided}", ("mine.yaml:3", "linear-dvided", "linear-divided")),
        ("{lineer: linear-divided}", ("mine.yaml:3", "lineer", "linear")),
        ("[linear]", ("mine.yaml:3", "beside")),
    ],
)
def test_what_is_not_there(tmp_path, beside, parts):
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\nbased_on: fusemax\nbeside: {beside}\n")
    with pytest.raises(SpecError) as error:
        stand_ins(str(path))
    assert all(part in str(error.value) for part in parts), error.value
    refused("run", str(path), "--model", "BERT", "--scope", "layer", "--seq-len", "1K", parts=("mine.yaml:3",))


def test_a_file_beside_the_mapping(tmp_path):
    (tmp_path / "own.yaml").write_text("name: own\nbased_on: linear\n")
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nbased_on: fusemax\nbeside: {linear: ./own.yaml}\n")
    words = ("--model", "BERT", "--scope", "layer", "--seq-len", "1K", "--json")
    mine, plain = (einsim("run", name, *words).json for name in (str(path), "fusemax"))
    assert mine["latency_s"] == plain["latency_s"]
