"""One simulation for all tests of units: every unit, and beside them the broken ones."""

import pytest

from einsim.rtl.harness import Harness, placed

from .mutants import mutants
from .operands import UNITS


@pytest.fixture(scope="session")
def harness(builds):
    return Harness([*(placed(unit) for unit in UNITS), *mutants()], builds)
