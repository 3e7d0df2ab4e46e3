"""Softmax and its cross entropy by native kernels give what NumPy gives, for rows that have no softmax too."""

import numpy as np
import pytest

import penstock as tf
from penstock.engine import native
from penstock.engine.xla import jit
from penstock.ops.nn import native_softmax

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native kernels could not be compiled here"
)

SHAPES = [(1,), (7,), (3, 1), (32, 10), (5, 4, 33), (2, 5000), (4000, 3)]


def numbers(shape, scale=1.0):
    return (np.random.default_rng(0).standard_normal(shape) * scale).astype(np.float32)


@pytest.mark.parametrize("scale", [1.0, 60.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax(shape, scale):
    x = numbers(shape, scale)
    np.testing.assert_allclose(jit(native_softmax.softmax)(x), tf.nn.softmax(x), rtol=3e-6, atol=1e-30)


@pytest.mark.parametrize("labels", [np.int32, np.int64])
@pytest.mark.parametrize("shape", [each for each in SHAPES if len(each) == 2])
def test_sparse_cross_entropy(shape, labels):
    x, y = numbers(shape, 3.0), np.random.default_rng(1).integers(0, shape[1], shape[0]).astype(labels)
    losses, gradient = jit(native_softmax.sparse_cross_entropy)(x, y)
    expected = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(features=x, labels=y)
    np.testing.assert_allclose(losses, expected.loss, rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(gradient, expected.backprop, rtol=1e-5, atol=1e-6)


def test_rows_without_a_softmax():
    inf, nan = np.inf, np.nan
    x = np.array([[-inf, 0, -inf], [inf, 0, 1], [nan, 0, 1], [-inf, -inf, -inf], [1, 1, -200]], np.float32)
    with np.errstate(invalid="ignore"):
        expected = tf.nn.softmax(x).numpy()
    np.testing.assert_allclose(jit(native_softmax.softmax)(x), expected, atol=1e-30)


def test_losses_of_classes_that_do_not_exist_are_nan():
    losses, gradient = jit(native_softmax.sparse_cross_entropy)(numbers((4, 3)), np.array([0, 3, -1, 2]))
    np.testing.assert_array_equal(np.isnan(losses), [False, True, True, False])
    np.testing.assert_array_equal(np.isnan(gradient).all(1), [False, True, True, False])
