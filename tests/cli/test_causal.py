"""Causal attention by mapping files: queries that walk the keys have their size; what is counted dense is said."""

from pathlib import Path

import pytest

from tests.cli.commands import einsim
from tests.model.cycle.test_filters import CASCADE

BERT = ["--model", "BERT", "--seq-len", "1K"]
CAUSAL = ["--set", "mapping.cascade=attn_causal-3pass"]


@pytest.mark.parametrize("configuration", ["unfused", "flat"])
def test_a_rank_like_another_has_its_size(configuration):
    causal, whole = (einsim("run", configuration, *BERT, *more, "--json").json for more in (CAUSAL, []))
    assert causal["counted_dense"] == ["QK", "GM", "SN", "SD", "A", "AV"]
    assert whole["counted_dense"] == []
    for name in ("latency_s", "traffic_bytes", "util_2d"):
        assert causal[name] == whole[name]  # whole iteration spaces, whatever is left out


def test_queries_that_walk_the_keys_are_simulated_as_queries_of_their_own(tmp_path: Path):
    alike = tmp_path / "alike.cascade"
    alike.write_text(CASCADE.read_text().replace("sequence m\n", "rank p like m\nsequence m\n", 1))
    one, two = (einsim("simulate", "fusemax", *BERT, "--set", f"mapping.cascade={path}", "--json").json
                for path in (CASCADE, alike))  # fmt: skip
    differ = {"sizes", "command"}
    assert {name: value for name, value in one.items() if name not in differ} == {
        name: value for name, value in two.items() if name not in differ}  # fmt: skip


def test_what_is_counted_dense_is_said():
    text = einsim("run", "unfused", *BERT, *CAUSAL).out
    assert "points that `when` leaves out are counted" in text
    assert "QK, GM, SN, SD, A, AV" in text
    assert "counted dense" not in einsim("run", "unfused", *BERT).out
    assert "it counts points that `when` leaves out" in einsim("simulate", "unfused", *BERT, *CAUSAL).out
    assert "leaves out" not in einsim("simulate", "unfused", *BERT).out


def test_a_size_that_follows_from_others_is_computed(tmp_path: Path):
    derived = tmp_path / "derived.cascade"
    derived.write_text(CASCADE.read_text().replace("sequence m\n", "rank p = M+1\nsequence m\n", 1))
    one = einsim("run", "fusemax", *BERT, "--set", f"mapping.cascade={derived}", "--json").json
    same = ["--shape", "B=64,H=12,E=64,F=64,M=1K,P=1025", "--set", f"mapping.cascade={CASCADE}"]
    other = einsim("run", "fusemax", *same, "--json").json
    assert one["energy_pj"] == other["energy_pj"]
    assert one["latency_s"] == other["latency_s"]


def test_a_size_that_leaves_nothing_is_refused(tmp_path: Path):
    derived = tmp_path / "derived.cascade"
    derived.write_text(CASCADE.read_text().replace("sequence m\n", "rank p = M-M\nsequence m\n", 1))
    outcome = einsim("run", "fusemax", *BERT, "--set", f"mapping.cascade={derived}")
    assert outcome.code == 2
    assert "not positive" in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
