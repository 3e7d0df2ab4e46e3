"""Ops that graphs written for TensorFlow have composed: after writing and reading they compute the same."""

import numpy as np
import pytest

import penstock as tf
from penstock.tracing.freezing import function_from_graph_def


def _composed(function, *specs):
    """A function of flat tensors as another program gets it, and the op types in its graph."""
    graph = tf.function(function).get_concrete_function(*specs).graph
    message = graph.as_graph_def()
    read = function_from_graph_def(
        message, [each.name for each in graph.inputs], [each.name for each in graph.outputs]
    )
    nodes = [*message.node, *(node for each in message.library.function for node in each.node_def)]
    return read, {node.op for node in nodes}


RAGGED = {
    "a column": ([[1.0, 2.0], [], [4.0]], [[10.0], [20.0], [30.0]]),
    "a row of one": ([[1.0, 2.0], [3.0]], [[5.0]]),
    "other depth": ([[[1.0, 2.0], []], [[3.0]]], [[[2.0]], [[3.0]]]),
    "no rows": ([[], []], [[1.0], [2.0]]),
}


@pytest.mark.parametrize("case", RAGGED)
def test_ragged_tensors_broadcast(case):
    rows, dense = tf.ragged.constant(RAGGED[case][0], dtype=tf.float32), tf.constant(RAGGED[case][1])
    read, types = _composed(lambda a, b: a * b, rows._type_spec, tf.TensorSpec([None] * len(dense.shape)))
    assert "RaggedBroadcast" not in types
    expected = tf.nest.flatten(rows * dense, expand_composites=True)
    for got, want in zip(
        read(*tf.nest.flatten([rows, dense], expand_composites=True)), expected, strict=True
    ):
        np.testing.assert_array_equal(got, want)


def test_rows_that_do_not_broadcast_are_refused():
    rows = tf.ragged.constant([[1.0, 2.0], [3.0]])
    read, _ = _composed(lambda a, b: a * b, rows._type_spec, tf.TensorSpec([None, None]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="do not broadcast"):
        read(*tf.nest.flatten([rows, tf.ones([3, 1])], expand_composites=True))


@pytest.mark.parametrize("scale", [0.1, 3.0, 40.0])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64, tf.complex64])
def test_matrix_exponentials(dtype, scale):
    x = tf.cast(np.random.default_rng(0).normal(size=(2, 3, 3)) * scale / 3, dtype)
    x = x * 1j if dtype.is_complex else -x @ tf.transpose(x, [0, 2, 1]) / scale
    read, types = _composed(tf.linalg.expm, tf.TensorSpec([None, 3, 3], dtype))
    assert "MatrixExponential" not in types
    np.testing.assert_allclose(read(x)[0], tf.linalg.expm(x), rtol=2e-4, atol=2e-5)
