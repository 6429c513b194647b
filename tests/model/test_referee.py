"""What the page of the referee says of its contenders' terms and of their papers' numbers."""

import csv
import importlib
from pathlib import Path

import pytest

from einsim.model.closed_form import evaluate
from einsim.model.cycle.evaluation import simulate_design
from einsim.model.whole import Setting, evaluate_whole
from einsim.model.wholeresult import whole_record
from einsim.spec.configuration import Accounting, load_architecture, load_design
from einsim.spec.modelrun import Lengths, Scope, plan_run
from einsim.spec.models import model_facts
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload

REFEREE = Path("experiments/referee")
EXP_OF_FSA = tuple(parse_override(f"arch.{array}.exp={{macro: {{mac: 9}}}}") for array in ("array2d", "array1d"))
TOKENS = {"256K": 2**18, "1M": 2**20}
SHAPES = [("BERT", 12, 1, 64), ("T5", 8, 3, 64), ("Llama3", 32, 2, 128)]
"""Model, heads, attentions that its stack sums, width of a head."""


def cycles(name: str, machine: str | None = None, overrides=(), **sizes: int) -> float:
    design = load_design(name, Workload(tuple(sizes.items())), architecture=machine, overrides=overrides)
    return float(evaluate(design).latency_s) * design.architecture.clock_hz


def stored(machine: str, model: str, design: str) -> tuple[float, float]:
    """Latencies of the two longest lengths."""
    with (REFEREE / "claims" / "transfusion.csv").open() as file:
        rows = [row for row in csv.DictReader(file)
                if (row["machine"], row["model"], row["design"]) == (machine, model, design)]  # fmt: skip
    latency = {row["seq_len"]: float(row["latency"]) for row in rows}
    return latency["256K"], latency["1M"]


@pytest.mark.parametrize(("machine", "file", "side"), [("edge", "transfusion-edge", 16), ("cloud", "fusemax", 256)])
@pytest.mark.parametrize(("model", "heads", "attentions", "width"), SHAPES)
def test_what_transfusion_charges_fusemax(machine, file, side, model, heads, attentions, width):
    short, long = stored(machine, model, "fusemax")
    quadratic = (long - 4 * short) / (TOKENS["1M"] ** 2 - 4 * TOKENS["256K"] ** 2)
    theirs = quadratic * side**2 * 940e6 / (64 * heads * attentions)
    tokens = 2**20
    sizes = {"B": 1, "H": 1, "E": width, "F": width, "M": tokens, "P": tokens}
    through_the_buffer = cycles(str(REFEREE / "claims" / "fusemax-through-the-buffer.yaml"), file, **sizes)
    assert theirs == pytest.approx(through_the_buffer / (tokens / side) ** 2, rel=1e-4)
    own = cycles("fusemax", file, **sizes) / (tokens / side) ** 2
    assert theirs - own == pytest.approx(side, abs=1.1)  # lanes take a score a cycle; one of theirs may hide


@pytest.mark.parametrize("side", [16, 64, 128])
def test_fsa_takes_five_n_and_ten(side):
    sizes = [parse_override(f"arch.{field}={side}") for field in ("array2d.rows", "array2d.columns", "array1d.lanes")]
    tiles = 4096
    found = cycles("fsa", None, (*EXP_OF_FSA, *sizes), B=1, H=1, E=side, F=side, M=tiles * side, P=side)
    assert found / tiles == pytest.approx(5 * side + 10, rel=1e-3)


def test_fsa_in_the_cycle_model():
    workload = Workload((("B", 1), ("H", 1), ("E", 128), ("F", 128), ("M", 4096), ("P", 4096)))
    one, other = (
        simulate_design(load_design("fsa", workload, overrides=(*EXP_OF_FSA, *map(parse_override, more)))).cycles / 1024
        for more in ((), ("mapping.timing=interleaved", "arch.buffer.capacity_bytes=512 KiB"))
    )
    assert 700 < one < 800
    assert 268 < other < 280


def test_the_divided_attention_on_the_edge_machine():
    sizes = {"B": 1, "H": 1, "E": 64, "F": 64, "M": 2**16, "P": 2**16}
    tiles = (2**16 / 16) ** 2
    assert cycles("fusemax", "transfusion-edge", **sizes) / tiles == pytest.approx(138, rel=1e-2)
    assert cycles("fusemax-divided", **sizes) / tiles == pytest.approx(77, rel=1e-2)


def test_the_machines_run_under_the_same_terms():
    machines = {path.stem: load_architecture(str(path)) for path in sorted((REFEREE / "machines").glob("*.yaml"))}
    assert len(machines) == 10
    for name, machine in machines.items():
        dram, buffer = machine.memories["dram"], machine.memories["buffer"]
        assert (machine.clock_hz, dram.bandwidth_bytes_per_s) == (940e6, 400 * 2**30), name
        assert buffer.capacity_bytes == (2**20 if "best" in name else 2**24), name
        assert machine.arrays["array2d"].axes["rows"] * machine.arrays["array2d"].axes["columns"] == (
            98304 if "best" in name else 65536
        )
        assert any("paper-45nm-own-depth" in note for note in machine.pricing.files), name
        for array in machine.arrays.values():
            exp = array.operations.get("exp")
            if exp is not None:
                assert exp.macro == (None if name.endswith("-unit") else {"mac": 6}), name
                assert exp.cycles == 1, name


def whole_layer(configuration: str, machine: str, model: str, tokens: int, *changes: str, published: bool = False):
    run = plan_run(model_facts(model), Lengths("prefill", tokens, ((64, 0),)), Scope.LAYER, configuration=configuration)
    accounting = Accounting.PUBLISHED if published else Accounting.FULL
    overrides = tuple(map(parse_override, changes))
    return whole_record(evaluate_whole(run, Setting(configuration, machine, overrides, accounting)))


@pytest.mark.parametrize(
    ("model", "theirs", "products"),
    [("BERT", "BERT", 11 * 768**2), ("stack-T5", "T5", 22 * 512**2), ("stack-Llama3", "Llama3", 11 * 4096**2)],
)
def test_stacks_have_the_products_that_the_artifact_runs(model, theirs, products):
    """What is linear in the length of its fused layers on the edge machine is a multiplication an element and cycle."""
    short, long = stored("edge", theirs, "fusemax+layerfuse")
    quadratic = (long - 4 * short) / (TOKENS["1M"] ** 2 - 4 * TOKENS["256K"] ** 2)
    linear = (short - quadratic * TOKENS["256K"] ** 2) / TOKENS["256K"]
    assert linear * 940e6 * 256 / 64 == pytest.approx(products, rel=0.01)
    facts = model_facts(model)
    run = plan_run(facts, Lengths("prefill", 1, ((1, 0),)), Scope.LAYER)
    weights = sum(dict(k.sizes)["K"] * dict(k.sizes)["N"] for k in run.kernels if k.mapping == "linear")
    outputs = sum(dict(k.sizes)["K"] * dict(k.sizes)["N"] for k in run.kernels if k.name == "output projection")
    assert weights - outputs == products


@pytest.fixture
def artifact(monkeypatch):
    """The script that counts what TransFusion's artifact stores for FuseMax."""
    monkeypatch.syspath_prepend(REFEREE)
    return importlib.import_module("artifact")


def test_all_that_the_artifact_stores_for_fusemax(artifact):
    rows = list(artifact.stored())
    assert len(rows) == 2 * 2 * 3 * 6  # with and without fused layers
    for case, latency, energy in rows:
        assert case.latency_s() == pytest.approx(latency, rel=1e-12), case
        assert artifact.total_pj(case.charges()) == pytest.approx(energy, rel=1e-12), case


@pytest.mark.parametrize("machine", ["edge", "cloud"])
def test_the_engine_counts_attention_as_the_artifact_does(artifact, machine):
    """The mapping that sends scores through the buffer, in einsim's own model: one layer of BERT at 1K, batch 64."""
    found = {"dram": 0.0, "buffer": 0.0}
    for each in artifact.Case(machine, "BERT", 1024).charges():
        if each.part == "attention" and each.level in found:
            found[each.level] += each.energy_pj
    costs = artifact.FACTS["machines"][machine]
    changes = [parse_override(f"arch.buffer.{each}_energy_pj={costs[f'{each}_pj']}") for each in ("read", "write")]
    workload = Workload((("B", 64), ("H", 12), ("E", 64), ("F", 64), ("M", 1024), ("P", 1024)))
    mapping = str(REFEREE / "claims" / "fusemax-through-the-buffer.yaml")
    design = load_design(mapping, workload, architecture=artifact.OURS[machine], overrides=changes)
    energy = evaluate(design).energy_by_part_pj
    assert {level: float(energy[level]) for level in found} == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize(
    ("machine", "model", "ratio"),
    [("edge", "BERT", 0.843), ("edge", "T5", 0.843), ("edge", "Llama3", 0.859),
     ("cloud", "BERT", 0.865), ("cloud", "T5", 0.865), ("cloud", "Llama3", 0.917)],
)  # fmt: skip
def test_what_the_artifact_charges_for_fusemax_and_einsim_does_not(artifact, machine, model, ratio):
    case = artifact.Case(machine, model, 2**20)
    stored, terms = artifact.total_pj(case.charges()), artifact.terms(case)
    assert 1 - sum(terms.values()) / stored == pytest.approx(ratio, abs=5e-4)
    assert abs(terms["all else"]) < 3e-4 * stored
    costs, facts = artifact.FACTS["machines"][machine], artifact.FACTS["models"][model]
    rows = 64 * facts["H"] * facts["parts"]["attention"] * 2**40 / 256  # of 256 scores
    assert terms["attention: scores, to the lanes and back"] == pytest.approx(
        rows * (2 * costs["read_pj"] + costs["write_pj"]), rel=1e-12
    )
    assert terms["attention: read back for want of a 65th bit"] > 0.015 * stored
    assert artifact.terms(artifact.Case(machine, model, 2**10))["attention: read back for want of a 65th bit"] == 0


@pytest.mark.parametrize("model", ["BERT", "stack-T5", "stack-Llama3", "Llama-3-8B"])
def test_dividing_whole_layers_nearly_halves_their_time(model):
    plain, divided = (whole_layer(each, "transfusion-edge", model, 2**16)["latency_s"]
                      for each in ("fusemax", "fusemax-divided"))  # fmt: skip
    assert 1.79 < plain / divided < 1.84
