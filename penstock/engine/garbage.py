"""Python's search for cyclic garbage, while much is imported.

Importing Penstock, Keras and JAX makes hundreds of thousands of objects, nearly all of which stay. Python would go
through those that are there again and again while they become more, and once more in the middle of the first training
step: a quarter of the time until then. Whoever imports much does it under `importing`.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

# Python and NumPy bring 30,000 objects. A program that has more made something, or imported much else, before.
_FEW_OBJECTS = 50_000


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Looks for no garbage inside, and never again among the objects that are there at the end.

    Where the program had made much before, all is looked through later as always: its own cycles must be found. A
    program that has turned the search off keeps it so.

    Example:
      >>> with importing():
      ...     gc.isenabled()
      False
    """
    if not gc.isenabled():
        yield
        return
    few = len(gc.get_objects()) < _FEW_OBJECTS
    gc.disable()
    try:
        yield
    finally:
        if few:
            gc.freeze()
        gc.enable()
