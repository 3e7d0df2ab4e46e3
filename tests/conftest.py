"""No test sees the variables and the default graph of another: TF 1's collections would show them, in any order of tests.

The examples of property tests are the same in each run, so that a change is judged by what it changes; `make fuzz` draws
others. So are the weights of Keras's layers, whose seeds come from Python's `random`.
"""

import os
import random
import weakref

import numpy as np
import pytest
from hypothesis import settings

from penstock.engine.context import process

settings.register_profile("same", derandomize=True)
settings.register_profile("fuzz", print_blob=True)
settings.load_profile(os.environ.get("PENSTOCK_EXAMPLES", "same"))


@pytest.fixture(autouse=True)
def same_draws():
    random.seed(0)
    np.random.seed(0)


@pytest.fixture(autouse=True)
def collections_of_its_own():
    graph, process.default_graph = process.default_graph, None
    variables = process.registry.get("eager_variables")
    process.registry["eager_variables"] = weakref.WeakValueDictionary()
    yield
    process.default_graph = graph
    if variables is not None:
        process.registry["eager_variables"] = variables
