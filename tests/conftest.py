"""What all tests share: no example of Hypothesis fails for being slow; and of hardware, where it is built."""

import pytest
from hypothesis import settings

settings.register_profile("einsim", deadline=None)
settings.load_profile("einsim")


@pytest.fixture(scope="session")
def builds(tmp_path_factory):
    """Where simulations are built: one folder, whichever process runs the test."""
    base = tmp_path_factory.getbasetemp()
    # With pytest-xdist each worker has a folder inside the run's.
    return (base.parent if base.name.startswith("popen-") else base) / "builds"
