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
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload
from tests.cli.commands import einsim, refused

from .compare import differences

EDGE = "transfusion-edge"


def layer(configuration: str, length: int = 1024):
    run = plan_run(model_facts("BERT"), Lengths("prefill", length, ((4, 0),)), Scope.LAYER)
    return evaluate_whole(run, Setting(configuration, EDGE))


def product(*changes: str, **sizes: int):
    return load_design("linear-divided", Workload(tuple(sizes.items())), overrides=tuple(map(parse_override, changes)))


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


SMALL = (
    "arch.array1d.lanes=4",
    "arch.array2d.rows=2",
    "arch.array2d.columns=2",
    "arch.array1d.registers.depth_words=4",
)


@pytest.mark.parametrize("resident", ["weights", "outputs"])
@pytest.mark.parametrize("rows", [2, 5, 8, 9, 13, 17, 24])
def test_counts_of_a_divided_product_equal_the_walk(rows, resident):
    design = product(*SMALL, f"mapping.resident={resident}", "mapping.piece=3", G=2, M=rows, N=6, K=7)
    assert differences(design) == []


@pytest.mark.parametrize("rows", [2, 3, 8, 9, 13, 17, 23, 1000])
def test_groups_are_even_and_waste_less_than_an_element_each(rows):
    """Every row is in a group, no part is larger than the lanes, and as few groups as can be have them all."""
    lanes = 4
    space = evaluate(product(*SMALL, G=1, M=rows, N=2, K=3)).schedule.sizes
    assert max(space["ma"], space["mb"]) <= lanes
    assert space["mg"] == -(-rows // (2 * lanes))
    assert 0 <= space["mg"] * (space["ma"] + space["mb"]) - rows < space["mg"]


def test_rows_that_are_too_long_for_the_buffer_come_in_pieces():
    """Llama's down projection: the array and the lanes are as busy, and traffic is what the blocks say."""
    sizes = {"G": 1, "M": 2**16, "K": 14336, "N": 4096}
    assert not evaluate(product(**sizes)).feasible
    design = product("mapping.resident=outputs", **sizes)
    found, run = evaluate(design), simulate_design(design)
    tokens, depth, width = sizes["M"], sizes["K"], sizes["N"]
    assert found.cycles_by_array["array2d"] == tokens * depth * width / 512
    blocks, groups = width // (found.schedule.tiles["T"] * 16), tokens // 512
    words = blocks * tokens * depth + groups * depth * width + tokens * width
    assert found.traffic_bytes == run.traffic_bytes == 2 * words
    assert run.feasible
    assert run.cycles < 1.01 * run.cycles_closed_form


def test_a_part_that_would_be_empty_is_refused():
    message = refused("run", "fusemax-divided", "--shape", "B=1,H=1,E=64,F=64,M=64,P=1")
    assert "fusemax-divided.yaml:19" in message
    assert "part 'pb' of rank 'p' is empty where P is 1; give P enough elements" in message


def test_parts_with_room_for_more_than_an_element_a_group_are_refused():
    sizes = Workload((("B", 1), ("H", 1), ("E", 8), ("F", 8), ("M", 64), ("P", 600)))
    parts = [parse_override(f"mapping.divide.p.into.{part}=256") for part in ("pa", "pb")]
    with pytest.raises(SpecError, match=r"'p' has 600 elements, which its parts of 512 .* do not make up in groups"):
        evaluate(load_design("fusemax-divided", sizes, overrides=parts))


@pytest.mark.parametrize("queries", [300, 600, 777, 1000, 2049])
def test_any_number_of_queries_is_divided(queries):
    sizes = Workload((("B", 1), ("H", 1), ("E", 64), ("F", 64), ("M", 512), ("P", queries)))
    found = simulate_design(load_design("fusemax-divided", sizes))
    groups = -(-queries // 512)
    assert found.feasible
    assert found.cycles_closed_form == pytest.approx(groups * 32 * 2470, rel=1e-2)
    assert found.cycles_closed_form <= found.cycles < 1.05 * found.cycles_closed_form


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
