"""Every cascade of the library runs in the cycle model, with the mapping that einsim makes by itself."""

import pytest

from einsim.cascade import bind_sizes, size_parameters
from einsim.model.cycle.evaluation import simulate_auto
from einsim.spec import library
from einsim.spec.configuration import load_architecture

SIZE = 48
LESS = {"cmai-best": {"N": 16}, "cmai-direct": {"N": 16}}
"""Sizes of cascades that do not take all sizes alike."""


@pytest.mark.parametrize("name", library.names("cascade"))
def test_the_library_runs(name):
    cascade = library.load_cascade(name)
    sizes = bind_sizes(cascade, dict.fromkeys(size_parameters(cascade), SIZE) | LESS.get(name, {}))
    found = simulate_auto(cascade, load_architecture("fusemax"), sizes)
    assert found.feasible, found.stuck or found.shortfalls
    assert found.cycles >= 1
    for run in found.runs:
        for array, busy in run.busy.items():
            assert busy + sum(run.stalls[array].values()) == run.cycles
