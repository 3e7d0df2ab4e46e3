"""Each test leaves the process without servers, as it found it."""

import pytest

from penstock.engine.context import process


@pytest.fixture(autouse=True)
def without_servers():
    yield
    process.run_placed = None
    for name in ("parameter_servers", "checkpoint_written"):
        process.registry.pop(name, None)
