"""What programs import from `tensorflow.python.util.deprecation`: Penstock warns of no deprecated names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Nothing inside warns of a deprecated name, as nothing outside does."""
    yield
