"""The compiled simulator, skipping or not, and the interpreted one: cycle for cycle what the event simulator does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from einsim.schedule.pipeline.timing import Timing

from ..compare import EXHAUSTIVE, examples
from .compare import STUCK, compared
from .programs import random_program
from .small import CONFIGURATIONS, built, random_design

BLOCK = 100
PROGRAMS = 100 if EXHAUSTIVE else 16
DESIGNS = 20 if EXHAUSTIVE else 2
TIMINGS = [Timing(), Timing(memory=False)]


@pytest.mark.parametrize("block", range(PROGRAMS))
def test_random_programs(block):
    ran = 0
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        program, machine = random_program(seed)
        found = compared(program, machine, TIMINGS[seed % 7 == 0], interpreted=seed % 10 == 0)
        ran += found is not STUCK
    assert BLOCK // 2 < ran < BLOCK


@given(st.integers(10**6, 10**9))
@examples(200)
def test_more_random_programs(seed):
    program, machine = random_program(seed)
    compared(program, machine, Timing(), interpreted=False)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("block", range(DESIGNS))
def test_random_designs(configuration, block):
    for seed in range(12 * block, 12 * (block + 1)):
        design, timing = random_design(seed, configuration)
        programs = built(design, timing)
        for program in programs.programs if programs else ():
            found = compared(program, design.architecture, timing, interpreted=seed % 6 == 0)
            assert found is not STUCK
