"""Every cascade of the zoo has the values of its system's reference, and every system its facts in order."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from einsim.cascade import evaluate, known_sizes, parse, size_parameters
from einsim.spec import library
from tests.zoo.references import CASES

DRAWS = 4
SYSTEMS = {system.name: system for system in library.load_systems()}
VARIANTS = [(key, variant) for key, system in SYSTEMS.items() for variant in system.variants]


def cascade_of(key, variant):
    return library.load_cascade(SYSTEMS[key].cascade_name(variant))


def made_by(cascade, sizes, inputs):
    taken = {tensor.name: inputs[tensor.name] for tensor in cascade.inputs}
    return evaluate(cascade, taken, {name: size for name, size in sizes.items() if name in size_parameters(cascade)})


def test_every_system_has_a_reference():
    assert set(SYSTEMS) == set(CASES)
    assert len(SYSTEMS) == 72


@pytest.mark.parametrize(("key", "variant"), VARIANTS)
def test_a_variant_has_the_values_of_the_reference(key, variant):
    cascade, case, seen = cascade_of(key, variant), CASES[key], set()
    for seed in range(DRAWS):
        sizes, inputs = case.draw(np.random.default_rng([seed, 2024]))
        seen.add((*sizes.values(), *(array.shape for array in inputs.values())))
        expected, found = case.outputs(sizes, inputs), made_by(cascade, sizes, inputs)
        for name in cascade.outputs:
            what = f"{name}, draw {seed}, sizes {sizes}"
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-9, err_msg=what)
    assert len(seen) > 1, "the draws should differ in size"


@pytest.mark.parametrize(("key", "variant"), VARIANTS)
def test_a_variant_prints_what_it_reads(key, variant):
    cascade = cascade_of(key, variant)
    assert cascade.name == f"{key}-{variant}"
    assert parse(str(cascade)) == cascade


# The inputs that make the scores large.
LARGE = {
    **dict.fromkeys(("attn", "attn_causal", "decode", "gqa", "swa_sink", "alibi", "rope", "aki_mma", "moda"), ("Q",)),
    **dict.fromkeys(("bam", "rcmha", "gated", "eemllm", "dara", "segscale", "moa", "grid", "icl"), ("Q",)),
    **dict.fromkeys(("maxvit_block", "maxvit_grid", "msaconv", "na2d", "na1d_dil", "contmix", "vitgaze"), ("Q",)),
    **dict.fromkeys(("block_gelu", "block_swiglu", "croc", "tap"), ("WQ",)),
    "mla": ("QN", "QR"),
    "softmax": ("X",),
    "moe": ("WR",),
    "moh": ("Q", "WG", "W0", "W1"),
    "acmil": ("WW",),
    "msdeform": ("LG",),
    "sparsifiner": ("Q", "CQ"),
    "echomimic": ("Q",),
    "danet_pam": ("B",),
    "davit_channel": ("K",),
    "crosslmm": ("QT", "WQ"),
    "uniavgen": ("QV", "QA"),
}
OVERFLOWS = {("attn", "naive1"), ("attn", "naive2")}
"""The variants that are meant to overflow then."""


@pytest.mark.parametrize(("key", "variant"), [pair for pair in VARIANTS if pair[0] in LARGE])
def test_large_scores(key, variant):
    """The true maximum is subtracted: scores of some thousands neither overflow nor vanish."""
    cascade, case = cascade_of(key, variant), CASES[key]
    for seed in range(DRAWS):
        sizes, inputs = case.draw(np.random.default_rng([seed, 2025]))
        inputs |= {name: 1000 * inputs[name] for name in LARGE[key]}
        expected, found = case.outputs(sizes, inputs), made_by(cascade, sizes, inputs)
        if (key, variant) in OVERFLOWS:
            assert not all(np.isfinite(found[name]).all() for name in cascade.outputs)
            continue
        for name in cascade.outputs:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("key", SYSTEMS)
def test_facts(key):
    system = SYSTEMS[key]
    files = {path.stem for path in (library.folder("cascade") / key).glob("*.cascade")}
    assert sorted(system.variants) == sorted(files)
    for text in (system.title, system.description, system.source):
        assert text.strip()
    assert system.sizes
    known = set().union(*(known_sizes(cascade_of(key, variant)) for variant in system.variants))
    for published in system.sizes:  # of the cascade's own ranks, or of those around it: batch, heads, groups, model
        assert set(published.sizes) <= known | set("BHGD"), published.name


def test_the_surveyed_rows_that_compute_something_are_there():
    """57 of the survey's 88 rows define or change a computation; each belongs to a system, or to several."""
    surveyed = {row for system in SYSTEMS.values() for row in system.seed}
    nothing = {7, 8, 10, 19, 20, 21, 23, 26, 28, 29, 30, 31, 36, 37, 46, 53, 54, 56, 59, 61, 67, 68, 72, 75, 77, 79}
    nothing |= {80, 83, 86, 87, 88}
    assert surveyed == set(range(1, 89)) - nothing


# --- a second set of references of the same systems, where the environment names one -------------------------

OTHER = os.environ.get("EINSIM_ZOO_REFERENCES", "")
RENAMED = {
    "moe": {"KT": "J"}, "medusa": {"W": "WG", "B": "BG"}, "vtc_cls": {"J": "I"}, "grid": {"ST": "R"},
    "paro": {"BS": "P0"},
}  # fmt: skip
RESHAPED = {"contmix": {"WP": (3, 3, -1)}, "aggattn": {"BL": (3, 3), "LT": (-1, 3, 3), "LB": (3, 3)}}
ADDED = {"msaconv": {"DIL": 1}}


def renamed(key, named):
    return {RENAMED.get(key, {}).get(name, name): value for name, value in named.items()}


if OTHER:

    @pytest.mark.parametrize("key", CASES)
    def test_the_reference_agrees_with_the_second_one(key):
        """The other file's CASES[key](rng) gives sizes, inputs and outputs; it spells some things otherwise."""
        spec = importlib.util.spec_from_file_location("other_references", Path(OTHER))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for seed in range(DRAWS):
            sizes, inputs, expected = module.CASES[key](np.random.default_rng(seed))
            numbers, tensors = renamed(key, sizes) | ADDED.get(key, {}), renamed(key, inputs)
            tensors |= {name: np.array(value) for name, value in numbers.items() if isinstance(value, float)}
            for name, shape in RESHAPED.get(key, {}).items():
                tensors[name] = tensors[name].reshape(shape)
            found = CASES[key].outputs(numbers, tensors)
            for name, value in expected.items():
                np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-9, err_msg=name)
