"""A shape rule agrees with what the op returns, and keeps every dimension that can be known."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.engine import context
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall, abstract_evaluation
from penstock.graph.func_graph import FuncGraph
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor
from tests.ops.case_calls import attrs_of, definition_of, regroup, run
from tests.ops.op_cases import all_cases

CASES = [case for case in all_cases() if case.raises is None]


def inferred(case, hide):
    """The output tensors of the call in a graph; `hide(position, array)` gives the shape that a placeholder shows,
    or "constant" for an input whose value is known."""
    graph = FuncGraph("shapes")
    with context.building(graph):
        inputs = []
        for position, array in enumerate(case.flat):
            shape = hide(position, array)
            inputs.append(
                tf.constant(array) if isinstance(shape, str) else graph.add_input(array.dtype, shape, "x")
            )
        result = execute(case.op, regroup(case, inputs), attrs_of(case))
    return [result] if isinstance(result, Tensor) else list(result or []), inputs


def is_small_integer(array):
    return array.dtype.kind in "iub" and array.size <= 64


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_known_shapes_give_the_known_shape(case):
    """Shapes known, and small integers (axes, sizes) known: the output's shape is the one that comes out."""
    actual = [TensorShape(np.shape(output.host())) for output in run(case)]
    outputs, _ = inferred(case, lambda i, array: "constant" if is_small_integer(array) else array.shape)
    for output, shape in zip(outputs, actual, strict=True):
        if case.dynamic:
            assert output.shape.is_compatible_with(shape)
        else:
            assert output.shape.as_list() == shape.as_list()


def hidings(case):
    """Ways to hide dimensions: each alone, all of them, the ranks; with the small integers constant or not."""
    for keep_integers in (True, False):

        def shape_of(array, dims, keep_integers=keep_integers):
            return "constant" if keep_integers and is_small_integer(array) else dims

        for hidden, chosen in enumerate(case.flat):
            for axis in range(chosen.ndim):
                yield lambda i, array, hidden=hidden, axis=axis, shape_of=shape_of: shape_of(
                    array, [None if (i, k) == (hidden, axis) else size for k, size in enumerate(array.shape)]
                )
        yield lambda i, array, shape_of=shape_of: shape_of(array, [None] * array.ndim)
        yield lambda i, array, shape_of=shape_of: shape_of(array, None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_hidden_dimensions(case):
    """With dimensions hidden, the rule never contradicts the output, and knows what abstract evaluation can know."""
    definition = definition_of(case)
    actual = [TensorShape(np.shape(output.host())) for output in run(case)]
    attrs = definition.complete(attrs_of(case))
    for hide in hidings(case):
        outputs, inputs = inferred(case, hide)
        _, recorded = definition.flatten(regroup(case, inputs), attrs)
        knowable = abstract_evaluation(ShapeCall(definition, inputs, recorded))
        for output, shape, at_least in zip(outputs, actual, knowable, strict=True):
            assert output.shape.is_compatible_with(shape), f"{output.shape} for inputs {inputs}"
            if at_least.rank is not None and not case.dynamic:
                assert output.shape.merge_with(at_least).as_list() == output.shape.as_list(), inputs
