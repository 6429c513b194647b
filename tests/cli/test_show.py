from pathlib import Path

import pytest

from einsim.cascade import parse
from einsim.spec import library
from tests.cli.commands import einsim, refused


def test_lists_what_ships():
    outcome = einsim("show")
    for name in ("attention-1pass", "fusemax", "unfused", "BERT"):
        assert name in outcome.out
    assert einsim("show", "--json").json["mapping"] == sorted(path.stem for path in Path("mappings").glob("*.yaml"))


@pytest.mark.parametrize("kind", ["cascade", "architecture", "mapping", "cost table", "scaling table"])
def test_everything_shipped_can_be_shown(kind):
    for name in library.names(kind):
        outcome = einsim("show", name, "--kind", kind.replace(" ", "-"))
        assert outcome.code == 0, outcome.err
        assert name in outcome.out
        assert einsim("show", name, "--kind", kind.replace(" ", "-"), "--json").json[kind]["name"] == name


def test_a_cascade_in_several_forms_shows_its_options():
    assert "option norms: behind here, or before, root" in einsim("show", "layer-encoder").out
    options = [
        einsim("show", name, "--json").json["cascade"]["options"] for name in ("layer-encoder", "attention-1pass")
    ]
    assert options[0]["network"] == ["gelu", "relu", "silu", "gated_gelu"]
    assert options[1] == {}


def test_a_shown_cascade_parses_again():
    text = einsim("show", "attention-1pass", "--json").json["cascade"]["text"]
    assert str(parse(text)) == text


def test_a_name_of_two_kinds_shows_both():
    outcome = einsim("show", "fusemax")
    assert "architecture fusemax" in outcome.out
    assert "mapping fusemax" in outcome.out


def test_files():
    outcome = einsim("show", "mappings/flat.yaml", "--model", "BERT", "--seq-len", "256K")
    assert "weight" in outcome.out
    assert "architecture flat" in einsim("show", "arch/flat.yaml").out
    assert "iteration space" in einsim("show", str(library.folder("cascade") / "softmax.cascade")).out


def test_formulas():
    record = einsim("show", "fusemax", "--symbolic", "--model", "BERT", "--seq-len", "256K", "--json").json
    assert record["einsums"]["BQK"]["operations"] == "B*E*H*M*P"
    assert "P1" in record["traffic_bytes"]
    assert "latency_s = " in einsim("show", "fusemax", "--symbolic", "--model", "BERT", "--seq-len", "256K").out


def test_refused():
    refused("show", "fusmax", parts=("did you mean 'fusemax'",))
    refused("show", "fusemax", "--kind", "cascade", parts=("unknown cascade",))
    refused("show", "fusemax", "--shape", "B=1", parts=("--symbolic",))
    refused("show", "missing.cascade", parts=("there is no file",))
    refused("show", "fusemax", "--symbolic", parts=("--model",))


def test_a_system_of_the_zoo_is_explained():
    outcome = einsim("show", "attn")
    assert outcome.code == 0
    for words in ("Softmax attention", "attn-3pass  (as written)", "attn-fusemax  (best)", "QK M, SN M", "BERT 1K"):
        assert words in outcome.out
    record = einsim("show", "attn", "--json").json["system"]
    assert {each["name"]: each["passes"] for each in record["variants"]}["fusemax"] == 1
    refused("show", "atn", "--kind", "system", parts=("did you mean 'attn'",))


def test_everything_shipped_is_listed():
    outcome = einsim("show")
    assert "attention-1pass" in outcome.out
    assert "attn_causal, " in outcome.out
    assert "attn_causal-3pass" not in outcome.out
    assert "attn_causal-3pass" in einsim("show", "--json").json["cascade"]
