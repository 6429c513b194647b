"""What tests of hardware share."""

import pytest


@pytest.fixture(scope="session")
def builds(tmp_path_factory):
    """Where simulations are built: one folder, whichever process runs the test."""
    base = tmp_path_factory.getbasetemp()
    # With pytest-xdist each worker has a folder inside the run's.
    return (base.parent if base.name.startswith("popen-") else base) / "builds"
