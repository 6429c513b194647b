"""`einsim map`: what it prints, what it writes, and how it says no."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from einsim.spec import library
from tests.cli.commands import einsim, refused

ATTENTION = ("attention-3pass", "--arch", "fusemax", "--model", "BERT", "--seq-len", "1K")


@pytest.mark.parametrize("objective", ["latency", "traffic"])
def test_the_mapping_file_is_worth_its_value(objective, tmp_path):
    path = tmp_path / "best.yaml"
    outcome = einsim("map", *ATTENTION, "--objective", objective, "--time-limit", "5", "--out", str(path), "--json")
    assert outcome.code == 0
    record = outcome.json
    assert record["mapping"] == path.read_text()
    assert record["fallback"] is None
    assert record["source"] == "search"
    assert record["lower_bound"] <= record["cycle_value"] * (1 + 1e-9)
    assert record["lower_bound"] <= record["value"] * (1 + 1e-9)
    again = einsim("run", str(path), "--model", "BERT", "--seq-len", "1K", "--json").json
    assert again[{"latency": "latency_s", "traffic": "traffic_bytes"}[objective]] == record["value"]
    assert again["energy_pj"] == record["energy_pj"]


def test_people_read_the_mapping_and_the_proof():
    outcome = einsim("map", "matmul", "--arch", "fusemax", "--shape", "M=4K,N=768,K=768", "--time-limit", "5")
    assert outcome.code == 0
    assert "cascade: matmul" in outcome.out
    assert "proved" in outcome.out
    assert outcome.err == ""


def test_what_no_mapping_file_can_say_is_said():
    outcome = einsim("map", "gdelta-solve", "--arch", "fusemax", "--objective", "latency", "--json", "--sizes",
                     "E=64,F=64,M=64")  # fmt: skip
    assert outcome.code == 0, outcome.err
    record = outcome.json
    assert record["mapping"] is None
    assert "PU stands above U, which it reads" in record["fallback"]
    assert record["proved"] is False
    assert record["latency_s"] > 0


def test_windows_are_mapped():
    outcome = einsim("map", "na2d-3pass", "--arch", "fusemax", "--json", "--time-limit", "3", "--shape",
                     "E=64,F=64,U=3,V=3,Y=32,X=32")  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "cascade: na2d-3pass" in outcome.json["mapping"]


def test_the_closed_form_alone_is_a_choice():
    words = ("map", *ATTENTION, "--time-limit", "4", "--json")
    record, other = einsim(*words, "--time-model", "closed-form").json, einsim(*words).json
    assert record["time_model"] == "closed-form"
    assert record["value"] <= other["value"]
    assert other["cycle_model"]["reason"] is None
    assert other["closed_form_best"] is None or other["closed_form_best"] < other["value"]


def test_sizes_alone_search_nothing():
    record = einsim("map", "attention-3pass", "--sizes", "E=64,F=64,M=1K,P=1K", "--arch", "fusemax", "--json").json
    assert record["configuration"] == "auto"
    assert "mapping" not in record


def test_bad_input_is_refused(tmp_path):
    refused("map", "attention-3pass", "--arch", "fusemax", parts=("--model",))
    refused("map", *ATTENTION, "--time-limit", "0", parts=("--time-limit",))
    refused("map", *ATTENTION, "--cycles", parts=("--cycles",))
    refused("map", *ATTENTION, "--out", str(tmp_path / "none" / "a.yaml"), parts=("folder",))
    refused("map", "attention-3pas", *ATTENTION[1:], parts=("attention-3pass",))
    refused("map", "attention-3pass", "--arch", "fusemax", "--shape", "E=64,F=64,M=1K", parts=("P",))
    refused("map", "attention-3pass", "--arch", "fusemax", "--shape", "E=64,F=64,M=1K,P=1K,Q=3", parts=("Q",))
    refused("map", "softmax", "--arch", "matmul-small", "--shape", "M=8", parts=("needs",), code=3)


def test_ctrl_c_gives_the_best_so_far():
    words = [sys.executable, "-m", "einsim", "map", "attention-1pass", *ATTENTION[1:], "--objective", "energy",
             "--time-limit", "600", "--json"]  # fmt: skip
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    time.sleep(7)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 130
    assert "interrupted: this is the best so far" in err
    assert json.loads(out)["value"] > 0


def test_a_copy_of_a_machine_is_mapped_no_worse_than_the_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (library.folder("architecture") / "fusemax.yaml").read_text()
    (tmp_path / "copy.yaml").write_text(text)
    (tmp_path / "other.yaml").write_text(text.replace("name: fusemax", "name: other").replace("400 GiB", "399 GiB"))
    words = ("--model", "BERT", "--seq-len", "1K", "--time-limit", "0.001", "--json")
    known = einsim("map", "attention-1pass", "--arch", "fusemax", *words).json
    assert known["source"] == "fusemax"
    for name in ("./copy.yaml", str(tmp_path / "copy.yaml"), "other.yaml"):
        found = einsim("map", "attention-1pass", "--arch", name, "--out", "best.yaml", *words).json
        assert found["cycle_value"] <= known["cycle_value"] * (1.01 if name == "other.yaml" else 1)
        again = einsim("run", "best.yaml", "--model", "BERT", "--seq-len", "1K", "--json").json
        assert again["latency_s"] == found["value"]
    found = einsim("map", "attention-3pass", "--arch", "other.yaml", "--out", "best.yaml", *words).json
    assert found["source"] in {"flat", "unfused"}  # mappings of another machine, choices and all
    again = einsim("run", "best.yaml", "--model", "BERT", "--seq-len", "1K", "--json").json
    assert again["latency_s"] == found["value"]
