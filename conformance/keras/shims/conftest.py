"""What Keras's repository has in its root `conftest.py`, which the wheel lacks: seven test files import it by name."""

import pytest
from keras.src.backend import backend


def pytest_configure(config):
    """Registers the markers that the tests carry."""
    config.addinivalue_line("markers", "requires_trainable_backend: needs a backend that trains")
    config.addinivalue_line("markers", "multi_device: needs several devices")


def skip_if_backend(given_backend, reason):
    """Skips a test on one backend."""
    return pytest.mark.skipif(backend() == given_backend, reason=reason)
