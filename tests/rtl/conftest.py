"""One simulation for all tests of units: every unit, and beside them the broken ones."""

import pytest

from einsim.rtl.harness import Harness, placed

from .mutants import mutants
from .operands import UNITS


@pytest.fixture(scope="session")
def builds(tmp_path_factory):
    """Where simulations are built: one folder, whichever process runs the test."""
    base = tmp_path_factory.getbasetemp()
    # With pytest-xdist each worker has a folder inside the run's.
    return (base.parent if base.name.startswith("popen-") else base) / "builds"


@pytest.fixture(scope="session")
def harness(builds):
    return Harness([*(placed(unit) for unit in UNITS), *mutants()], builds)
