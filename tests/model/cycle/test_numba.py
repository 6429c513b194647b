"""A second compiler: the kernels as numba compiles them do what our own machine code does."""

import inspect
from types import ModuleType, SimpleNamespace

import numba
import pytest

from einsim.errors import InfeasibleError
from einsim.model.cycle import simulate as runner
from einsim.model.cycle.events import facts
from einsim.model.cycle.simulate import ENTRIES, KERNELS, simulate
from einsim.schedule.pipeline.timing import Timing

from .programs import random_program

SEEDS = range(40)


@pytest.fixture(scope="module")
def kernels():
    """The entries, with every function of every module a dispatcher of numba's."""
    known = {}
    for module in KERNELS:
        copy = ModuleType(module.__name__)
        exec(compile(inspect.getsource(module), module.__file__, "exec"), copy.__dict__)
        for name, function in list(vars(copy).items()):
            if inspect.isfunction(function):
                own = function.__module__ == module.__name__ or function.__code__.co_filename == module.__file__
                known[name] = numba.njit(function) if own else known[name]
                setattr(copy, name, known[name])
    return SimpleNamespace(**{name: known[name] for name in ENTRIES})


def ran(program, machine, *, skip):
    try:
        found = simulate(program, machine, Timing(), skip=skip, log=2000)
    except InfeasibleError as error:
        return str(error)
    return facts(found), found.log.tolist()


@pytest.mark.parametrize("skip", [True, False])
def test_two_compilers_agree(kernels, monkeypatch, skip):
    monkeypatch.setenv("NUMBA_OPT", "0")  # compiling takes longest
    cases = [random_program(seed) for seed in SEEDS]
    ours = [ran(program, machine, skip=skip) for program, machine in cases]
    monkeypatch.setattr(runner, "native", lambda *_: kernels)
    theirs = [ran(program, machine, skip=skip) for program, machine in cases]
    assert ours == theirs
    assert sum(not isinstance(each, str) for each in ours) > len(SEEDS) // 2
