"""Fused layers in miniature: counts against the walk, sweeps against single designs, residencies against the walk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einsim.errors import Location, SpecError
from einsim.model.closed_form import evaluate, evaluate_many
from einsim.model.cycle.evaluation import simulate_design
from einsim.model.whole import Setting, evaluate_whole
from einsim.model.wholeresult import whole_record
from einsim.spec.configuration import load_design
from einsim.spec.modelrun import Layers, Lengths, Scope, plan_run
from einsim.spec.models import model_facts
from einsim.spec.overrides import make_override, parse_override
from einsim.spec.workload import Workload

from ..schedule.oracle import check_against_the_walk
from .compare import differences, disagreements, examples

MAPPINGS = ("layer-encoder", "layer-decoder")
BOTH = {"weights": st.sampled_from(["rows", "tiles", "streamed"]), "hidden_tiles": st.integers(1, 3)}
FORMS = {
    "layer-encoder": {"norms": ["behind", "before", "root"], "network": ["gelu", "relu", "silu", "gated_gelu"]},
    "layer-decoder": {"heads": ["turned", "normed"], "results": ["plain", "normed"], "network": ["silu", "gelu"]},
}


def choices_of(mapping: str):
    """The choices of a mapping: what einsim tries, and the forms of its layer."""
    return st.fixed_dictionaries(BOTH | {name: st.sampled_from(values) for name, values in FORMS[mapping].items()})


@st.composite
def miniatures(draw, mapping: str):
    """Sizes and machine fields by their sweep names. Heads may be wider than the array."""
    head = draw(st.integers(1, 4)) if mapping == "layer-encoder" else 2 * draw(st.integers(1, 2))  # halves are turned
    numbers = {"B": st.integers(1, 2), "M": st.integers(1, 7), "D": st.integers(1, 4), "U": st.integers(1, 5)}
    numbers |= {"N": st.just(head * draw(st.integers(1, 2))), "E": st.just(head)}
    numbers |= {"R": st.integers(1, 2)} if mapping == "layer-decoder" else {}
    numbers |= {"array2d.rows": st.integers(2, 3), "array2d.columns": st.integers(1, 3)}
    numbers |= {"array1d.lanes": st.integers(1, 3), "buffer.capacity_bytes": st.integers(60, 600)}
    return draw(st.fixed_dictionaries(numbers))


def shrunk(mapping: str, point: dict[str, int], choices: dict[str, object]):
    at = Location("test")
    overrides = [make_override(f"arch.{name}", value, at) for name, value in point.items() if "." in name]
    overrides += [make_override(f"mapping.{name}", value, at) for name, value in choices.items()]
    sizes = Workload(tuple((name, value) for name, value in point.items() if "." not in name))
    return load_design(mapping, sizes, overrides=overrides)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_counts_equal_the_walk(mapping):
    @examples(20)
    @given(miniatures(mapping), choices_of(mapping))
    def check(point, choices):
        assert differences(shrunk(mapping, point, choices)) == []

    check()


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_sweep_equals_each_design_alone(mapping):
    @examples(6)
    @given(st.lists(miniatures(mapping), min_size=1, max_size=5), choices_of(mapping))
    def check(points, choices):
        base = shrunk(mapping, points[0], choices)
        many = evaluate_many(base, {name: np.array([point[name] for point in points]) for name in points[0]})
        for index, point in enumerate(points):
            alone = evaluate(shrunk(mapping, point, choices))
            assert disagreements(alone, many, index, len(points)) == []

    check()


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_the_buffer_holds_what_is_alive(mapping):
    @examples(10)
    @given(miniatures(mapping), choices_of(mapping))
    def check(point, choices):
        check_against_the_walk(shrunk(mapping, point, choices))

    check()


def layer(model, layers, *changes, scope=Scope.LAYER):
    run = plan_run(model_facts(model), Lengths("prefill", 4096, ((4, 0),)), scope, layers, "fusemax")
    return whole_record(evaluate_whole(run, Setting("fusemax", overrides=tuple(map(parse_override, changes)))))


@pytest.mark.parametrize(
    "model", ["BERT", "XLM", "T5", "stack-T5", "stack-Llama3", "Llama-3-8B", "Qwen3-8B", "Gemma-2-9B"]
)
def test_a_fused_layer_does_the_same_products(model):
    """Products of matrices are those of its kernels; its arrays are busy, and its traffic is counted word by word."""
    apart, fused = (layer(model, layers) for layers in (Layers.SEQUENTIAL, Layers.FUSED))
    assert fused["macs"] == apart["macs"]
    alone = {"attention to the encoder", "residual 3", "norm 3"}  # of stacks, whose decoders attend once more
    assert {kernel["kernel"] for kernel in fused["kernels"]} - alone == {"fused layer"}
    assert fused["latency_s"] < apart["latency_s"]
    assert fused["compute_s"] >= fused["macs"] / 65536 / 940e6


def test_traffic_of_a_fused_encoder_is_its_inputs_its_result_and_what_blocks_fetch_again():
    record = layer("BERT", Layers.FUSED, "mapping.weights=tiles")
    (kernel,) = record["kernels"]
    tiles, d, u, tokens, batch = kernel["result"]["tiles"], 768, 3072, 4096, 4
    block, made = (tiles[name] * tiles["P0"] for name in ("P1", "K1"))
    x = batch * tokens * d
    blocks, makings = batch * (tokens // block), batch * (tokens // made)
    keys_and_values = 2 * x + 2 * blocks * tokens * d
    weights = makings * 2 * d * d + blocks * (2 * d * d + 2 * d * u)
    assert record["traffic_bytes"] == 2 * (2 * x + x + keys_and_values + weights + 4 * d + 2)


def test_the_rest_of_a_model_runs_as_ever():
    apart, fused = (layer("BERT", layers, scope=Scope.MODEL) for layers in (Layers.SEQUENTIAL, Layers.FUSED))
    others = [[k for k in record["kernels"] if k["group"] != "layer"] for record in (apart, fused)]
    assert others[0] == others[1]
    assert next(k["times"] for k in fused["kernels"] if k["group"] == "layer") == 12


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        ("DeepSeek-V3", {}, "family deepseek has no fused form of fusemax in a prefill; there is: none yet"),
        ("BERT", {"configuration": "flat"}, "has no fused form of flat in a prefill; there is: fusemax"),
        ("Llama-3-8B", {"lengths": Lengths("decode", 1, ((4, 1024),))}, "no fused form of fusemax in a decode"),
        ("Llama-3-8B", {"lengths": Lengths("prefill", 64, ((4, 64),))}, "needs an empty cache"),
        ("Mixtral-8x7B", {}, "needs one network a layer"),
        ("Gemma-2-9B", {"lengths": Lengths("prefill", 8192, ((4, 0),))}, "needs prompts no longer than its window"),
        ("BERT", {"scope": Scope.LINEAR}, "of scope linear there is nothing to fuse"),
    ],
)
def test_what_has_no_fused_form_is_refused(model, options, reason):
    plain = {"scope": Scope.LAYER, "lengths": Lengths("prefill", 1024, ((4, 0),)), "configuration": "fusemax"}
    with pytest.raises(SpecError, match=reason):
        plan_run(model_facts(model), layers=Layers.FUSED, **plain | options)


def test_a_fused_layer_brings_its_own_attention():
    run = plan_run(model_facts("BERT"), Lengths("prefill", 64, ((1, 0),)), Scope.LAYER, Layers.FUSED, "fusemax")
    with pytest.raises(SpecError, match="brings its own attention"):
        evaluate_whole(run, Setting("fusemax", attention="attn_causal-3pass"))


def test_choices_of_a_fused_layer_can_be_made():
    for weights in ("rows", "tiles", "streamed"):
        record = layer("BERT", Layers.FUSED, f"mapping.weights={weights}")
        assert record["kernels"][0]["choices"]["weights"] == weights


@pytest.mark.parametrize("weights", ["rows", "tiles", "streamed"])
def test_the_cycle_model_runs_every_point_of_every_block(weights):
    """Also where the last block is a partial one; what waits from block to block is loaded again."""
    sizes = Workload((("B", 2), ("M", 1300), ("N", 768), ("D", 768), ("E", 64), ("U", 3072)))
    changes = [parse_override(f"mapping.weights={weights}"), parse_override("arch.buffer.capacity_bytes=12 MiB")]
    found = simulate_design(load_design("layer-encoder", sizes, overrides=changes))
    assert found.feasible, found.stuck
    points = sum(run.program.times * run.points(n) for run in found.runs for n in range(len(run.program.strands)))
    counts = found.closed_form.counts.einsums.values()
    assert points == sum(int(each.points) for each in counts)
    assert found.cycles >= 0.99 * found.cycles_closed_form
    assert found.traffic_bytes >= found.closed_form.traffic_bytes


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("T5", {"norms": "root", "network": "relu"}),
        ("TrXL", {"norms": "behind", "network": "relu"}),
        ("stack-T5", {"norms": "behind", "network": "relu"}),
        ("stack-Llama3", {"norms": "behind", "network": "silu"}),
        ("XLM", {"norms": "behind", "network": "gelu"}),
        ("ViT-L", {"norms": "before", "network": "gelu"}),
        ("GPT-2", {"norms": "before", "network": "gelu"}),
        ("Qwen3-8B", {"heads": "normed", "results": "plain", "network": "silu"}),
        ("Gemma-2-9B", {"heads": "turned", "results": "normed", "network": "gelu"}),
    ],
)
def test_a_model_says_which_form_its_layers_have(model, form):
    """As many norms and activations as its kernels have, one after another, and the same products."""
    lengths = Lengths("prefill", 197 if model == "ViT-L" else 256, ((1, 0),))
    facts = model_facts(model)
    run = plan_run(facts, lengths, Scope.LAYER, Layers.FUSED, "fusemax")
    whole = evaluate_whole(run, Setting("fusemax"))
    cost = next(each for each in whole.kernels if each.kernel.name == "fused layer")
    choices = dict(cost.design.choices)
    assert {name: choices[name] for name in form} == form
    apart = evaluate_whole(plan_run(facts, lengths, Scope.LAYER), Setting("fusemax"))
    group = cost.kernel.group
    roots, points = (
        {kind: sum(int(own.evaluation.counts.einsums[e.name].points) for own in each.kernels
                   if own.kernel.group == group
                   for e in own.design.cascade.einsums if kind in str(e) and e.name in own.evaluation.counts.einsums)
         for kind in ("rsqrt(", "gelu(", "relu(", "silu(")}
        for each in (whole, apart)
    )  # fmt: skip
    assert roots == points


def test_forms_of_layers_run_in_the_cycle_model():
    for mapping, form in (("layer-encoder", "norms=before"), ("layer-encoder", "norms=root"),
                          ("layer-decoder", "heads=normed"), ("layer-decoder", "results=normed")):  # fmt: skip
        shape = {"B": 1, "M": 512, "N": 256, "D": 512, "E": 64, "U": 1024} | ({"R": 2} if "decoder" in mapping else {})
        changes = [parse_override(f"mapping.{form}"), parse_override("arch.buffer.capacity_bytes=8 MiB")]
        found = simulate_design(load_design(mapping, Workload(tuple(shape.items())), overrides=changes))
        assert found.feasible, (form, found.stuck)
        assert found.cycles >= 0.99 * found.cycles_closed_form
        assert found.traffic_bytes >= found.closed_form.traffic_bytes
