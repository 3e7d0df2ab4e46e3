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


@pytest.mark.parametrize("keys", [[5, -3, 9], [0], [10**12, 10**12 + 2], [-(10**15), 7, 10**15]])
def test_many_keys_are_looked_up_as_few_are(keys):
    values = [0.5 + i for i in range(len(keys))]
    initializer = tf.lookup.KeyValueTensorInitializer(keys, values, tf.int64, tf.float32)
    table = tf.lookup.StaticHashTable(initializer, -1.0)
    asked = np.resize([*keys, keys[0] + 1, keys[-1] - 1, -(2**62)], (20, 30))
    known = dict(zip(keys, values))
    expected = [[known.get(key, -1.0) for key in row] for row in asked.tolist()]
    assert table.lookup(tf.constant(asked, tf.int64)).numpy().tolist() == expected


@pytest.mark.parametrize("count", [1, 3, 300, 70_000])
def test_rows_are_partitioned_in_order(count):
    places = np.random.default_rng(count).integers(0, min(count, 200), 500).astype(np.int32)
    rows = np.arange(1000).reshape(500, 2)
    parts = tf.dynamic_partition(rows, places, count)
    assert len(parts) == count
    for i in range(min(count, 200)):
        assert parts[i].numpy().tolist() == rows[places == i].tolist()


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_elements_are_gathered_by_vectors_of_indices(depth):
    generator = np.random.default_rng(depth)
    x = generator.standard_normal((4, 5, 6))
    indices = np.stack([generator.integers(0, size, (7, 2)) for size in x.shape[:depth]], -1)
    np.testing.assert_array_equal(tf.gather_nd(x, indices), x[tuple(np.moveaxis(indices, -1, 0))])
