"""Feature crosses. The hashes are those of TensorFlow 2.21."""

import pytest

import penstock as tf

A = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], ["a", "b", "c"], [2, 2])
B, IDS = tf.constant([["x"], ["y"]]), tf.constant([[1], [2]], tf.int64)
WORDS = tf.constant([["p", "q"], ["r", "s"]])
RAGGED = tf.ragged.constant([["a"], ["b", "c"]])


@pytest.mark.parametrize(
    ("inputs", "separator", "values", "shape"),
    [
        ([A, B], None, [b"a_X_x", b"b_X_x", b"c_X_y"], [2, 2]),
        ([A, IDS], "-", [b"a-1", b"b-1", b"c-2"], [2, 2]),
        ([A, WORDS], "", [b"ap", b"aq", b"bp", b"bq", b"cr", b"cs"], [2, 4]),
        ([B, WORDS], "", [b"xp", b"xq", b"yr", b"ys"], [2, 2]),
    ],
)
def test_values_are_joined(inputs, separator, values, shape):
    crossed = tf.sparse.cross(inputs, separator=separator)
    assert crossed.values.numpy().tolist() == values
    assert crossed.dense_shape.numpy().tolist() == shape


@pytest.mark.parametrize(
    ("inputs", "options", "expected"),
    [
        ([A, B], {"num_buckets": 100}, [92, 4, 60]),
        ([A, IDS], {"num_buckets": 1000, "hash_key": 7}, [477, 852, 919]),
        ([A, B], {}, [1484974617627318892, 3552177129620670004, 6571367263544129360]),
        ([A, B, WORDS], {"num_buckets": 50}, [30, 43, 34, 6, 30, 24]),
    ],
)
def test_values_are_hashed(inputs, options, expected):
    assert tf.sparse.cross_hashed(inputs, **options).values.numpy().tolist() == expected


def test_ragged_inputs():
    other = tf.ragged.constant([["d"], ["e"]])
    assert tf.ragged.cross([RAGGED, other]).to_list() == [[b"a_X_d"], [b"b_X_e", b"c_X_e"]]
    assert tf.ragged.cross([RAGGED, A]).to_list() == [[b"a_X_a", b"a_X_b"], [b"b_X_c", b"c_X_c"]]
    assert tf.ragged.cross_hashed([RAGGED, other], num_buckets=100).to_list() == [[82], [61, 41]]
    assert tf.ragged.cross_hashed([RAGGED, IDS], num_buckets=100, hash_key=5).to_list() == [[28], [74, 28]]


def test_inputs_must_be_tensors():
    with pytest.raises(TypeError):
        tf.sparse.cross([["a"], ["b"]])
