"""No test sees the variables and the default graph of another: TF 1's collections would show them, in any order of tests."""

import weakref

import pytest

from penstock.engine.context import process


@pytest.fixture(autouse=True)
def collections_of_its_own():
    graph, process.default_graph = process.default_graph, None
    variables = process.registry.get("eager_variables")
    process.registry["eager_variables"] = weakref.WeakValueDictionary()
    yield
    process.default_graph = graph
    if variables is not None:
        process.registry["eager_variables"] = variables
