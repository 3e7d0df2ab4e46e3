"""Which eager calls on large arrays go to XLA."""

import numpy as np
import pytest
from scipy import special

import penstock as tf
from penstock.engine.definition import REGISTRY


def runs_in_xla(op_type, call):
    before = len(REGISTRY[op_type].eager_jit)
    call()
    return len(REGISTRY[op_type].eager_jit) > before


def test_a_slow_kernel_leaves_a_shape_that_comes_again_to_xla(monkeypatch):
    monkeypatch.setattr(REGISTRY["Erf"], "eager_jit", {})
    monkeypatch.setattr(REGISTRY["Erf"], "_shapes_seen", set())
    x = np.linspace(-3, 3, 1 << 17, dtype=np.float32)

    def call():
        return tf.math.erf(tf.constant(x)).numpy()

    assert not runs_in_xla("Erf", call)
    by_numpy = special.erf(x)
    assert runs_in_xla("Erf", call)
    np.testing.assert_allclose(call(), by_numpy, atol=1e-6)


@pytest.mark.parametrize("size", [10, 1 << 13])
def test_small_arrays_stay_with_numpy(size):
    x = tf.ones(size)
    assert not any(runs_in_xla("Erf", lambda: tf.math.erf(x)) for _ in range(3))


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


@pytest.mark.parametrize("dtype", ["float32", "int32", "bfloat16", "float64"])
@pytest.mark.parametrize("k", [1, 3, 12])
def test_the_first_of_equal_elements_are_the_top_ones(dtype, k):
    rows = np.random.default_rng(k).integers(0, 6, (7, 100)).astype(np.float32)
    if dtype != "int32":
        rows[0, 50:] = np.nan
        rows[1, ::2] = -np.inf
    x = tf.cast(rows, dtype)
    key = np.where(np.isnan(rows), -np.inf, rows)
    expected = np.argsort(-key, -1, kind="stable")[:, :k]
    assert tf.math.top_k(x, k).indices.numpy().tolist() == expected.tolist()
    assert tf.math.top_k(x[2], k).indices.numpy().tolist() == expected[2].tolist()
