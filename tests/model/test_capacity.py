"""What of a whole model must fit the outermost memory, where that states a capacity."""

import pytest

from tests.cli.commands import einsim

RUN = ("run", "fusemax", "--model", "Llama-3-8B", "--batch", "4", "--json")
DECODE = ("--scope", "model", "--phase", "decode", "--context", "8K")


def fits(capacity: str, *words: str) -> dict:
    return einsim(*RUN, *words, "--set", f"arch.dram.capacity_bytes={capacity}").json


def test_weights_and_cache_must_fit():
    free = einsim(*RUN, *DECODE).json
    needed = free["weights_bytes"] + free["cache_bytes"]
    enough, short = fits(str(needed), *DECODE), fits(str(needed - 1), *DECODE)
    assert enough["feasible"]
    assert enough["latency_s"] == free["latency_s"]
    assert not short["feasible"]
    assert short["reason"] == f"dram: weights and cache: needed {needed} bytes, available {needed - 1} bytes"


@pytest.mark.parametrize(
    "words", [("--scope", "layer", "--seq-len", "1K"), ("--scope", "attention", "--seq-len", "1K")]
)
def test_parts_of_a_model_do_not_say_what_it_takes(words):
    assert fits("1 MiB", *words)["latency_s"] == einsim(*RUN, *words).json["latency_s"]


def test_it_does_not_count_as_memory_on_the_chip():
    words = ("roofline", "fusemax", "--model", "BERT", "--seq-len", "16K", "--json")
    found = [einsim(*words, *more).json for more in (("--set", "arch.dram.capacity_bytes=32 GiB"), ())]
    for each in found:
        assert each.pop("command")
    assert found[0] == found[1]


def test_the_cycle_model_says_the_same():
    outcome = einsim("simulate", *RUN[1:], *DECODE, "--set", "arch.dram.capacity_bytes=1 GiB")
    assert outcome.json["reason"].startswith("dram: weights and cache: needed")
