"""Families of models and config files: parameters against the well-known totals, and what is refused."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsim.errors import SpecError
from einsim.spec import library
from einsim.spec.modelconfig import parse_json, read_facts
from einsim.spec.modelrun import Scope, parse_contexts, plan_run
from einsim.spec.models import batch_lengths, fixed_length, model_facts
from tests.spec import configs


def facts_of(config, name="model"):
    document = parse_json(json.dumps(config, indent=2).encode(), "config.json")
    return read_facts(document, library.load_families(), library.load_ignored_fields(), name)


def run_of(facts, scope=Scope.MODEL, **lengths):
    if fixed_length(facts) is None and not lengths:
        lengths = {"seq_len": 1024}
    options = {"phase": None, "seq_len": None, "batch": 1, "context": None, "new_tokens": None, **lengths}
    return plan_run(facts, batch_lengths(**options, fixed=fixed_length(facts)), scope)


@pytest.mark.parametrize(("config", "total", "off"), configs.KNOWN, ids=lambda each: str(each)[:40])
def test_parameters_of_config_files(config, total, off):
    run = run_of(facts_of(config))
    assert abs(run.parameters - total) <= off
    assert run.unused == ()


@pytest.mark.parametrize("name", [model.name for model, _ in library.load_published()])
def test_parameters_of_published_models(name):
    run = run_of(model_facts(name))
    if name in configs.PUBLISHED:
        total, off = configs.PUBLISHED[name]
        assert run.parameters / 1e9 == pytest.approx(total, abs=off)
    own = next(model for model, _ in library.load_published() if model.name == name)
    assert own.parameters in {None, run.parameters}
    if name in configs.ACTIVE:
        total, off = configs.ACTIVE[name]
        assert run.active / 1e9 == pytest.approx(total, abs=off)
    else:
        assert run.active == run.parameters


def test_the_cache_is_as_long_as_the_sequences():
    run = run_of(model_facts("Llama-3-70B"), phase="decode", batch=512, context="8K", new_tokens=2)
    assert run.cache_words == 512 * (8192 + 2) * 80 * 2 * 8 * 128
    latent = run_of(model_facts("DeepSeek-V3"), phase="decode", batch=3, context="100")
    assert latent.cache_words == 3 * 101 * 61 * (512 + 64)  # "576 numbers a token and layer"


def kernels(run):
    return {(each.group, each.name): each for each in run.kernels}


def test_heads_that_share_keys_are_queries_side_by_side():
    found = kernels(run_of(model_facts("Llama-3-8B"), seq_len=1000, batch=3))["layer", "attention"]
    assert dict(found.sizes) == {"B": 3, "H": 8, "E": 128, "F": 128, "M": 1000, "P": 4000}
    assert found.times == 32


def test_a_window_bounds_what_blocks_of_queries_see():
    found = kernels(run_of(model_facts("Gemma-2-9B"), seq_len=10_000, batch=2))
    own = found["layer with a window", "attention"]
    assert dict(own.sizes) == {"B": 2 * 3, "H": 8, "E": 256, "F": 256, "M": 8191, "P": 2 * 4096}
    assert (own.times, found["layer", "attention"].times) == (21, 21)
    for context, keys in (("100", 101), ("4095", 4096), ("64K", 4096)):
        run = run_of(model_facts("Mistral-7B"), phase="decode", batch=2, context=context)
        assert dict(kernels(run)["layer with a window", "attention"].sizes)["M"] == keys


def test_a_decode_makes_tokens_one_after_another():
    run = run_of(model_facts("Llama-3-8B"), phase="decode", batch=None, context="300x4K,212x32K", new_tokens=3)
    attention = [dict(each.sizes) for each in run.kernels if each.part == "attention"]
    assert [(each["B"], each["M"]) for each in attention] == [
        (count, length + step) for step in (1, 2, 3) for count, length in ((300, 4096), (212, 32768))
    ]
    linear = kernels(run)["layer", "query projection"]
    assert (dict(linear.sizes)["M"], linear.times) == (512, 32 * 3)


def test_experts_are_as_many_as_the_tokens_meet():
    few = kernels(run_of(model_facts("DeepSeek-V3"), phase="decode", batch=3, context="1K"))
    assert dict(few["layer with experts", "experts' down projection"].sizes) == {"G": 24, "M": 1, "K": 2048, "N": 7168}
    many = kernels(run_of(model_facts("Mixtral-8x7B"), seq_len=4096))
    assert dict(many["layer", "experts' down projection"].sizes) == {"G": 8, "M": 1024, "K": 14336, "N": 4096}


def test_an_encoder_and_decoder():
    text = kernels(run_of(model_facts("T5"), seq_len=512, batch=2))
    assert {group for group, _ in text} == {"embedding", "encoder layer", "encoder's end", "decoder's view of the text"}
    run = run_of(model_facts("T5"), phase="decode", batch=2, context="512", new_tokens=3)
    assert [dict(k.sizes)["M"] for k in run.kernels if k.name == "attention"] == [1, 2, 3]
    (cross,) = (k for k in run.kernels if k.name == "attention to the text")
    assert (dict(cross.sizes)["M"], cross.times) == (512, 18)
    with pytest.raises(SpecError, match="BERT has no kernels of scope model in phase decode"):
        run_of(model_facts("BERT"), phase="decode", context="512")


def test_scopes_are_parts_of_one_layer():
    linear = run_of(model_facts("BERT"), Scope.LINEAR)
    assert [(dict(k.sizes)["K"], dict(k.sizes)["N"], k.times) for k in linear.kernels] == [
        *[(768, 768, 1)] * 4, (768, 3072, 1), (3072, 768, 1)
    ]  # fmt: skip
    assert [k.name for k in run_of(model_facts("BERT"), Scope.ATTENTION).kernels] == ["attention"]
    both = run_of(model_facts("BERT"), Scope.PRODUCTS).kernels
    assert {k.name for k in both} == {k.name for k in linear.kernels} | {"attention"}
    layer, model = (run_of(model_facts("BERT"), scope).kernels for scope in (Scope.LAYER, Scope.MODEL))
    assert {k.name for k in layer} <= {k.name for k in model}
    assert all(k.times == 1 for k in layer)


def refused(config, *parts):
    with pytest.raises(SpecError) as error:
        run_of(facts_of(config))
    message = str(error.value)
    assert message.startswith("config.json")
    assert "\n" not in message
    for part in parts:
        assert part in message, message


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"model_type": None}, ("field 'model_type' is missing", "llama")),
        ({"model_type": "lama"}, ("field 'model_type': unknown family 'lama'", "did you mean 'llama'?")),
        ({"model_type": 7}, ("field 'model_type' must be text, not 7",)),
        ({"architectures": ["LlamaForQuestions"]}, ("field 'architectures'", "did you mean 'LlamaForCausalLM'?")),
        ({"architectures": ["MistralForCausalLM"]}, ("unknown architecture 'MistralForCausalLM' of type 'llama'",)),
        ({"architectures": "LlamaForCausalLM"}, ("'architectures' must be a list of names",)),
        ({"architectures": []}, ("'architectures' must be a list of names",)),
        ({"hidden_size": None}, ("field 'hidden_size' is missing: width of the model", "add it")),
        ({"hidden_size": "4096"}, ("config.json:10: field 'hidden_size' must be an integer, not",)),
        ({"hidden_size": 4096.5}, ("field 'hidden_size' must be an integer, not 4096.5",)),
        ({"hidden_size": True}, ("field 'hidden_size' must be an integer, not true",)),
        ({"hidden_size": [4096]}, ("field 'hidden_size' must be an integer, not a list",)),
        ({"hidden_size": 0}, ("field 'hidden_size' must be between 1 and",)),
        ({"hidden_size": -1}, ("field 'hidden_size' must be between 1 and",)),
        ({"hidden_size": 10**30}, ("field 'hidden_size' must be between 1 and",)),
        ({"hidden_size": 4097}, ("the default of 'head_dim'", "no integer")),
        ({"num_key_value_heads": 5}, ("field 'num_key_value_heads': it must divide the heads of queries",)),
        ({"hidden_act": "sine"}, ("field 'hidden_act' cannot be 'sine'", "silu")),
        ({"tie_word_embeddings": "no"}, ("field 'tie_word_embeddings' must be true or false",)),
    ],
)
def test_what_is_wrong_with_a_config_is_one_message_that_names_the_field(changes, parts):
    config = {key: value for key, value in {**configs.LLAMA_3_8B, **changes}.items() if value is not None}
    refused(config, *parts)


def test_experts_that_cannot_be():
    refused({**configs.MIXTRAL, "num_experts_per_tok": 9}, "field 'num_experts_per_tok'", "more experts")
    missing = {key: value for key, value in configs.MIXTRAL.items() if key != "num_local_experts"}
    refused(missing, "field 'num_local_experts' (or 'num_experts') is missing")
    own = {**configs.MIXTRAL, "model_type": "qwen3_moe", "architectures": ["Qwen3MoeForCausalLM"]}
    refused({**own, "moe_intermediate_size": 768, "mlp_only_layers": [0]}, "field 'mlp_only_layers' cannot be [0]")
    refused({**own, "moe_intermediate_size": 768, "decoder_sparse_step": 2}, "field 'decoder_sparse_step'")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"{", "no JSON"),
        (b"", "no JSON"),
        (b"[1, 2]", "must hold an object"),
        (b'{"a": 1, "a": 2}', "field 'a' stands twice"),
        (b"\xff\xfe", "not a text file"),
        (b"[" * 100_000, "no JSON"),
        (b'{"model_type": "llama", "x": 1' + b"0" * 5000 + b"}", "no JSON"),
    ],
)
def test_files_that_are_no_configs(content, part):
    with pytest.raises(SpecError, match=part):
        parse_json(content, "config.json")


def test_fields_that_nobody_reads_are_listed():
    run = run_of(facts_of({**configs.LLAMA_3_8B, "num_experts": 8, "my_own": {"a": 1}, "_comment": "hm"}))
    assert run.unused == ("num_experts", "my_own")


@pytest.mark.parametrize("config", [each[0] for each in configs.KNOWN], ids=lambda each: each["model_type"])
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_change_of_a_field_gives_a_run_or_one_message(config, data):
    changed = copy.deepcopy(config)
    values = st.none() | st.booleans() | st.integers(-2, 10**13) | st.floats() | st.text(max_size=5) | st.lists(
        st.integers(), max_size=2
    )  # fmt: skip
    for key in data.draw(st.lists(st.sampled_from(sorted(config)), min_size=1, max_size=3, unique=True)):
        changed[key] = data.draw(values)
    try:
        run = run_of(facts_of(changed))
    except SpecError as error:
        message = str(error)
    else:
        message = ""
        assert run.parameters > 0
        assert all(size > 0 for kernel in run.kernels for _, size in kernel.sizes)
    assert "\n" not in message


@given(
    layers=st.integers(1, 50), heads=st.integers(1, 16), shared=st.integers(1, 8), width=st.integers(1, 64),
    ffn=st.integers(1, 500), words=st.integers(1, 1000), tied=st.booleans(), biased=st.booleans(),
)  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_parameters_of_any_llama(layers, heads, shared, width, ffn, words, tied, biased):
    """Tensor by tensor, as PyTorch would make them."""
    d, kv = heads * shared * width, heads * width
    run = run_of(facts_of({
        "model_type": "llama", "hidden_size": d, "num_hidden_layers": layers, "num_attention_heads": heads * shared,
        "num_key_value_heads": heads, "intermediate_size": ffn, "vocab_size": words, "tie_word_embeddings": tied,
        "attention_bias": biased,
    }))  # fmt: skip
    tensors = [(words, d), (d,)] + ([] if tied else [(words, d)])
    for _ in range(layers):
        tensors += [(d, d), (d, kv), (d, kv), (d, d), (d, ffn), (d, ffn), (ffn, d), (d,), (d,)]
        tensors += [(d,), (kv,), (kv,), (d,)] if biased else []
    assert run.parameters == sum(shape[0] * (shape[1] if len(shape) > 1 else 1) for shape in tensors)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"seq_len": None}, "no sequence length"),
        ({"phase": "decode"}, "a decode needs the length of its cache"),
        ({"phase": "decode", "seq_len": 5, "context": "5"}, "the same tokens in a decode"),
        ({"seq_len": 5, "new_tokens": 6}, "the same tokens in a prefill"),
        ({"context": "0"}, "0 tokens"),
        ({"context": "many", "seq_len": 5}, "'many' is no length"),
        ({"context": "4K,8K", "seq_len": 5}, "the number of sequences of each"),
        ({"context": "0x4K", "seq_len": 5}, "out of range"),
        ({"context": "3x4K,2x8K", "seq_len": 5, "batch": 4}, "a batch of 4 is not the 5 sequences"),
        ({"context": "3x4K,2x8K"}, "several lengths is several runs"),
        ({"context": "-5", "seq_len": 5}, "-5"),
    ],
)
def test_lengths_that_say_too_little_or_too_much(options, part):
    asked = {"phase": None, "seq_len": None, "batch": None, "context": None, "new_tokens": None, **options}
    with pytest.raises(SpecError, match=part):
        batch_lengths(**asked)


def test_lengths():
    def lengths(**options):
        asked = {"phase": None, "seq_len": None, "batch": None, "context": None, "new_tokens": None, **options}
        found = batch_lengths(**asked)
        return found.phase, found.new, found.cached

    assert lengths(seq_len=5) == ("prefill", 5, ((64, 0),))
    assert lengths(context="128K", batch=1) == ("prefill", 131072, ((1, 0),))
    assert lengths(context="128K", new_tokens=7, batch=2) == ("prefill", 7, ((2, 131072),))
    assert lengths(phase="decode", context="8K") == ("decode", 1, ((64, 8192),))
    assert lengths(phase="decode", seq_len=8, new_tokens=3, batch=2) == ("decode", 3, ((2, 8),))
    assert parse_contexts("3x1K, 2x2K", None, 64, None) == ((3, 1024), (2, 2048))


def test_models_with_a_length_of_their_own():
    facts = model_facts("ViT-L")
    assert fixed_length(facts) == 14 * 14 + 1
    with pytest.raises(SpecError, match="always has 197 tokens"):
        run_of(facts, seq_len=1024)
    assert dict(kernels(run_of(facts))["layer", "attention"].sizes)["P"] == 197
