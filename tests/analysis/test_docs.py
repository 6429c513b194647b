"""The cascades of docs/passes.md and docs/zoo.md are what the text says."""

import re
from pathlib import Path

import numpy as np
import pytest

from einsim.analysis.passes import count_passes
from einsim.analysis.witness import witnesses
from einsim.cascade import evaluate, parse
from einsim.spec import library

DOCS = Path(__file__).parents[2] / "docs"
TEXTS = {
    cascade.name: cascade
    for name in ("passes", "zoo")
    for text in re.findall(r"```\n(cascade .*?)```", (DOCS / f"{name}.md").read_text(), flags=re.DOTALL)
    for cascade in [parse(text)]
}


@pytest.mark.parametrize(("name", "number"), [("spread", 2), ("spread-1pass", 1), ("tempattn-3pass", 3)])
def test_passes(name, number):
    assert count_passes(TEXTS[name])[0].number == number


def test_the_two_spreads_are_equal():
    rng = np.random.default_rng(3)
    inputs = {"W": rng.random(9), "X": rng.normal(size=9)}
    two, one = (evaluate(TEXTS[name], inputs, {})["Z"] for name in ("spread", "spread-1pass"))
    np.testing.assert_allclose(one, two, rtol=1e-12)


@pytest.mark.parametrize(("name", "rank"), [("attention-3pass", None), ("attention-1pass", "m0")])
def test_quoted_witnesses(name, rank):
    cascade = library.load_cascade(name)
    (passes,) = count_passes(cascade, rank)
    text = (DOCS / "passes.md").read_text()
    for witness in witnesses(cascade, passes):
        assert f"  {witness}\n" in text


def test_systems_named_exist():
    named = set(re.findall(r"`([a-z0-9_]+)`", (DOCS / "zoo.md").read_text().split("## What resists")[1]))
    known = {system.name for system in library.load_systems()}
    assert named - {"density", "floor", "derive"} <= known
