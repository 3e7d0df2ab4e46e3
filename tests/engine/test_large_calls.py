"""Which eager calls on large arrays go to XLA."""

import numpy as np
import pytest

import penstock as tf
from penstock.engine.definition import REGISTRY


def runs_in_xla(op_type, call):
    before = len(REGISTRY[op_type].eager_jit)
    call()
    return len(REGISTRY[op_type].eager_jit) > before


def test_a_slow_kernel_leaves_a_shape_that_comes_again_to_xla(monkeypatch):
    monkeypatch.setattr(REGISTRY["TopKV2"], "eager_jit", {})
    monkeypatch.setattr(REGISTRY["TopKV2"], "_shapes_seen", set())
    x = np.random.default_rng(0).permutation(1 << 15).astype(np.float32)

    def call():
        return tf.math.top_k(tf.constant(x), 3).indices.numpy().tolist()

    assert not runs_in_xla("TopKV2", call)
    by_numpy = call()  # the second time, by XLA
    assert REGISTRY["TopKV2"].eager_jit
    assert call() == by_numpy == np.argsort(-x)[:3].tolist()


@pytest.mark.parametrize("size", [10, 1 << 13])
def test_small_arrays_stay_with_numpy(size):
    x = tf.ones(size)
    assert not any(runs_in_xla("TopKV2", lambda: tf.math.top_k(x, 2)) for _ in range(3))


def test_a_reduction_stays_with_numpy_whatever_its_size():
    x = tf.ones(1 << 22)
    assert not any(runs_in_xla("Sum", lambda: tf.reduce_sum(x)) for _ in range(2))
    assert float(tf.reduce_sum(x)) == 1 << 22


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_distinct_integers_that_lie_close_together(dtype):
    x = np.random.default_rng(1).integers(max(np.iinfo(dtype).min, -90), 100, 300).astype(dtype)
    y, positions, counts = tf.unique_with_counts(x)
    appeared = list(dict.fromkeys(x.tolist()))
    assert y.numpy().tolist() == appeared and y.dtype == dtype
    np.testing.assert_array_equal(y.numpy()[positions.numpy()], x)
    assert counts.numpy().tolist() == [x.tolist().count(each) for each in appeared]


def test_distinct_integers_that_lie_far_apart():
    assert tf.unique([7, -(10**9), 7, 10**9]).y.numpy().tolist() == [7, -(10**9), 10**9]
