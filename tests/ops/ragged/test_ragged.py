"""RaggedTensor: construction, views, conversion, indexing; and the functions that take one."""

import numpy as np
import pytest

import penstock as tf

Ragged = tf.RaggedTensor
ROWS = [[1, 2], [3], [], [4, 5, 6]]
DEEP = [[[1, 2], [3]], [], [[4, 5, 6]]]


@pytest.fixture
def r():
    return tf.ragged.constant(ROWS)


@pytest.fixture
def deep():
    return tf.ragged.constant(DEEP)


@pytest.fixture
def pairs():
    """Ragged rows of vectors of two elements."""
    return tf.ragged.constant([[[1, 2], [3, 4]], [[5, 6]]], ragged_rank=1)


def listed(x):
    return x.to_list() if isinstance(x, Ragged) else x.numpy().tolist()


# Construction.


@pytest.mark.parametrize(
    ("make", "expected", "shape"),
    [
        (lambda: Ragged.from_row_splits([1, 2, 3, 4], [0, 2, 2, 4]), [[1, 2], [], [3, 4]], [3, None]),
        (lambda: Ragged.from_row_lengths([1, 2, 3, 4], [2, 0, 2]), [[1, 2], [], [3, 4]], [3, None]),
        (lambda: Ragged.from_row_starts([1, 2, 3, 4], [0, 2, 2]), [[1, 2], [], [3, 4]], [3, None]),
        (lambda: Ragged.from_row_limits([1, 2, 3, 4], [2, 2, 4]), [[1, 2], [], [3, 4]], [3, None]),
        (lambda: Ragged.from_value_rowids([1, 2, 3, 4], [0, 0, 2, 2]), [[1, 2], [], [3, 4]], [3, None]),
        (lambda: Ragged.from_value_rowids([1, 2], [0, 0], nrows=3), [[1, 2], [], []], [3, None]),
        (lambda: Ragged.from_uniform_row_length([1, 2, 3, 4], 2), [[1, 2], [3, 4]], [2, 2]),
        (lambda: Ragged.from_uniform_row_length([], 0, nrows=2), [[], []], [2, 0]),
        (
            lambda: Ragged.from_nested_row_splits([1, 2], [[0, 1, 2], [0, 0, 2]]),
            [[[]], [[1, 2]]],
            [2, None, None],
        ),
        (lambda: Ragged.from_tensor([[1, 2], [3, 4]]), [[1, 2], [3, 4]], [2, 2]),
        (lambda: Ragged.from_tensor([[1, 0], [3, 4]], padding=0), [[1], [3, 4]], [2, None]),
        (lambda: Ragged.from_tensor([[1, 2], [3, 4]], lengths=[1, 2]), [[1], [3, 4]], [2, None]),
        (lambda: Ragged.from_tensor([[[1], [2]]], ragged_rank=2), [[[1], [2]]], [1, 2, 1]),
        (
            lambda: Ragged.from_sparse(tf.SparseTensor([[0, 0], [2, 0]], [1, 3], [3, 4])),
            [[1], [], [3]],
            [3, None],
        ),
        (lambda: tf.ragged.constant(DEEP), DEEP, [3, None, None]),
        (lambda: tf.ragged.constant([[[1, 2]], []], inner_shape=(2,)), [[[1, 2]], []], [2, None, 2]),
        (lambda: tf.ragged.range([3, 0, 2]), [[0, 1, 2], [], [0, 1]], [3, None]),
        (lambda: tf.ragged.range([0, 5], [10, 0], [3, -2]), [[0, 3, 6, 9], [5, 3, 1]], [2, None]),
        (lambda: tf.ragged.stack([[1, 2], [3]]), [[1, 2], [3]], [2, None]),
        (lambda: tf.ragged.stack_dynamic_partitions([5, 6, 7], [2, 0, 2], 3), [[6], [], [5, 7]], [3, None]),
    ],
)
def test_construction(make, expected, shape):
    made = make()
    assert made.to_list() == expected
    assert made.shape.as_list() == shape


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Ragged.from_row_splits([1, 2], [0, 1]), tf.errors.InvalidArgumentError),
        (lambda: Ragged.from_row_splits([1, 2], [1, 2]), tf.errors.InvalidArgumentError),
        (lambda: Ragged.from_row_splits([1, 2], [0, 2, 1, 2]), tf.errors.InvalidArgumentError),
        (lambda: Ragged.from_row_lengths([1, 2], [-1, 3]), tf.errors.InvalidArgumentError),
        (lambda: Ragged.from_value_rowids([1, 2], [1, 0]), tf.errors.InvalidArgumentError),
        (lambda: Ragged.from_row_splits([1], [0.0, 1.0]), ValueError),
        (lambda: Ragged([1], [0]), ValueError),
        (lambda: Ragged.from_sparse(tf.SparseTensor([[0, 1]], [1], [1, 2])), tf.errors.InvalidArgumentError),
        (lambda: tf.ragged.constant([[1], 2]), ValueError),
        (lambda: tf.ragged.constant([[1]], ragged_rank=3), ValueError),
    ],
)
def test_bad_structure_is_refused(make, error):
    with pytest.raises(error):
        make()


def test_scalars_and_vectors_stay_tensors():
    assert isinstance(tf.ragged.constant([1, 2]), tf.Tensor)
    assert isinstance(tf.ragged.constant(3), tf.Tensor)


# Views.


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (lambda x: x.row_splits, [0, 2, 2, 3]),
        (lambda x: x.row_lengths(), [2, 0, 1]),
        (lambda x: x.row_starts(), [0, 2, 2]),
        (lambda x: x.row_limits(), [2, 2, 3]),
        (lambda x: x.value_rowids(), [0, 0, 2]),
        (lambda x: x.nrows(), 3),
        (lambda x: x.flat_values, [1, 2, 3, 4, 5, 6]),
        (lambda x: x.values, [[1, 2], [3], [4, 5, 6]]),
        (lambda x: x.bounding_shape(), [3, 2, 3]),
        (lambda x: x.bounding_shape(axis=1), 2),
        (lambda x: x.row_lengths(axis=2), [[2, 1], [], [3]]),
        (lambda x: x.merge_dims(0, 1), [[1, 2], [3], [4, 5, 6]]),
        (lambda x: x.merge_dims(1, 2), [[1, 2, 3], [], [4, 5, 6]]),
        (lambda x: x.merge_dims(0, 2), [1, 2, 3, 4, 5, 6]),
        (lambda x: x.with_flat_values(x.flat_values * 10), [[[10, 20], [30]], [], [[40, 50, 60]]]),
        (lambda x: x.to_tensor(), [[[1, 2, 0], [3, 0, 0]], [[0] * 3] * 2, [[4, 5, 6], [0, 0, 0]]]),
    ],
)
def test_views(deep, view, expected):
    assert listed(view(deep)) == expected


def test_uniform_dimensions_are_known(pairs):
    assert pairs.shape.as_list() == [2, None, 2]
    uniform = Ragged.from_uniform_row_length([1, 2, 3, 4], 2)
    assert int(uniform.uniform_row_length) == 2
    assert pairs.uniform_row_length is None


def test_padding_and_cutting(r, pairs):
    assert r.to_tensor(-1).numpy().tolist() == [[1, 2, -1], [3, -1, -1], [-1, -1, -1], [4, 5, 6]]
    assert r.to_tensor(shape=[None, 2]).numpy().tolist() == [[1, 2], [3, 0], [0, 0], [4, 5]]
    assert r.to_tensor(shape=[5, 4]).shape == [5, 4]
    assert pairs.to_tensor([7, 8]).numpy().tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]


def test_sparse_form(r):
    sparse = r.to_sparse()
    assert sparse.indices.numpy().tolist() == [[0, 0], [0, 1], [1, 0], [3, 0], [3, 1], [3, 2]]
    assert sparse.dense_shape.numpy().tolist() == [4, 3]


def test_numpy_is_an_array_of_rows(r):
    rows = r.numpy()
    assert rows.dtype == object
    assert [row.tolist() for row in rows] == ROWS
    assert tf.ragged.constant([[1, 2], [3, 4]]).numpy().tolist() == [[1, 2], [3, 4]]


def test_text(r, deep):
    assert repr(r) == "<tf.RaggedTensor [[1, 2], [3], [], [4, 5, 6]]>"
    assert repr(deep) == "<tf.RaggedTensor [[[1, 2], [3]], [], [[4, 5, 6]]]>"
    assert repr(tf.ragged.constant([["a"], []])) == "<tf.RaggedTensor [[b'a'], []]>"


def test_refused_protocols(r):
    with pytest.raises(TypeError):
        len(r)
    with pytest.raises(TypeError):
        bool(r)
    with pytest.raises(TypeError):
        hash(r)
    assert [row.numpy().tolist() for row in r] == ROWS


# Indexing, compared with the same on nested lists.


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (0, [1, 2]),
        (-1, [4, 5, 6]),
        ((0, 1), 2),
        (slice(1, 3), ROWS[1:3]),
        (slice(None, None, 2), ROWS[::2]),
        (slice(None, None, -1), ROWS[::-1]),
        (slice(-2, None), ROWS[-2:]),
        (slice(5, 9), []),
        ((slice(None), slice(0, 1)), [row[:1] for row in ROWS]),
        ((slice(None), slice(-1, None)), [row[-1:] for row in ROWS]),
        ((slice(None), slice(None, None, 2)), [row[::2] for row in ROWS]),
        ((slice(None), slice(None, None, -1)), [row[::-1] for row in ROWS]),
        ((slice(0, 2), slice(None, -1)), [row[:-1] for row in ROWS[:2]]),
        ((3, slice(1, None)), [5, 6]),
        (tf.newaxis, [ROWS]),
        ((slice(None), tf.newaxis), [[row] for row in ROWS]),
        (Ellipsis, ROWS),
        (tf.constant(1), [3]),
    ],
)
def test_indexing(r, key, expected):
    assert listed(r[key]) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ((0, 1), [3]),
        ((slice(None), slice(0, 1)), [row[:1] for row in DEEP]),
        ((Ellipsis, slice(0, 1)), [[each[:1] for each in row] for row in DEEP]),
        ((2, 0, 1), 5),
        ((slice(None), slice(None), tf.newaxis), [[[each] for each in row] for row in DEEP]),
    ],
)
def test_indexing_of_two_ragged_dimensions(deep, key, expected):
    assert listed(deep[key]) == expected


def test_indexing_of_uniform_inner_dimensions(pairs):
    assert pairs[:, :, 0].to_list() == [[1, 3], [5]]
    assert pairs[..., 1].to_list() == [[2, 4], [6]]


def test_indices_that_no_row_has(r):
    with pytest.raises(IndexError):
        r[7]
    with pytest.raises(ValueError, match="inner ragged dimension"):
        r[:, 0]


# Elementwise functions.


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: x + x, [[2, 4], [6], [], [8, 10, 12]]),
        (lambda x: 10 - x, [[9, 8], [7], [], [6, 5, 4]]),
        (lambda x: x * tf.constant([[1], [2], [3], [4]]), [[1, 2], [6], [], [16, 20, 24]]),
        (lambda x: tf.constant(2) * x, [[2, 4], [6], [], [8, 10, 12]]),
        (lambda x: x / 2, [[0.5, 1.0], [1.5], [], [2.0, 2.5, 3.0]]),
        (lambda x: x // 2, [[0, 1], [1], [], [2, 2, 3]]),
        (lambda x: x % 2, [[1, 0], [1], [], [0, 1, 0]]),
        (lambda x: x**2, [[1, 4], [9], [], [16, 25, 36]]),
        (lambda x: -x, [[-1, -2], [-3], [], [-4, -5, -6]]),
        (lambda x: x > 2, [[False, False], [True], [], [True, True, True]]),
        (lambda x: ~(x > 2), [[True, True], [False], [], [False, False, False]]),
        (lambda x: (x > 1) & (x < 5), [[False, True], [True], [], [True, False, False]]),
        (lambda x: x == 3, [[False, False], [True], [], [False, False, False]]),
        (lambda x: x != tf.constant([[1], [2], [3], [4]]), [[False, True], [True], [], [False, True, True]]),
        (tf.square, [[1, 4], [9], [], [16, 25, 36]]),
        (lambda x: tf.add(1, x), [[2, 3], [4], [], [5, 6, 7]]),
        (lambda x: tf.maximum(x, 3), [[3, 3], [3], [], [4, 5, 6]]),
        (lambda x: tf.clip_by_value(x, 2, 4), [[2, 2], [3], [], [4, 4, 4]]),
        (lambda x: tf.cast(x, tf.bool), [[True, True], [True], [], [True, True, True]]),
        (tf.zeros_like, [[0, 0], [0], [], [0, 0, 0]]),
        (lambda x: tf.where(x > 2, x, -x), [[-1, -2], [3], [], [4, 5, 6]]),
        (lambda x: tf.where(x > 4), [[3, 1], [3, 2]]),
        (lambda x: tf.add_n([x, x]), [[2, 4], [6], [], [8, 10, 12]]),
        (lambda x: tf.ragged.map_flat_values(tf.add, x, 1), [[2, 3], [4], [], [5, 6, 7]]),
        (lambda x: tf.one_hot(x[:1], 3), [[[0, 1, 0], [0, 0, 1]]]),
    ],
)
def test_elementwise(r, call, expected):
    assert listed(call(r)) == expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([[1, 2], [3]], [[10], [20]], [[11, 12], [23]]),
        ([[[1, 2], [3]], [[4]]], [[[10]], [[20]]], [[[11, 12], [13]], [[24]]]),
        ([[1, 2], [3, 4]], [[10, 20], [30, 40]], [[11, 22], [33, 44]]),
    ],
)
def test_dense_operands_broadcast(a, b, expected):
    assert (tf.ragged.constant(a) + tf.constant(b)).to_list() == expected


def test_inner_uniform_dimensions_broadcast(pairs):
    assert (pairs + tf.constant([10, 20])).to_list() == [[[11, 22], [13, 24]], [[15, 26]]]
    assert (pairs + tf.constant([[[1]], [[2]]])).to_list() == [[[2, 3], [4, 5]], [[7, 8]]]


@pytest.mark.parametrize("other", [[[1], [2], [3], [4]], [[1, 2], [3]]], ids=["lengths", "rows"])
def test_ragged_operands_must_have_the_same_rows(r, other):
    with pytest.raises(tf.errors.InvalidArgumentError, match="broadcast"):
        r + tf.ragged.constant(other)


# Reductions.


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: tf.reduce_sum(x), 21),
        (lambda x: tf.reduce_sum(x, 0), [8, 7, 6]),
        (lambda x: tf.reduce_sum(x, 1), [3, 3, 0, 15]),
        (lambda x: tf.reduce_sum(x, [0, 1]), 21),
        (lambda x: tf.reduce_sum(x, 1, keepdims=True), [[3], [3], [0], [15]]),
        (lambda x: tf.reduce_prod(x, 1), [2, 3, 1, 120]),
        (lambda x: tf.reduce_max(x, 0), [4, 5, 6]),
        (lambda x: tf.reduce_min(x, 0), [1, 2, 6]),
        (lambda x: tf.reduce_any(x > 4, 1), [False, False, False, True]),
        (lambda x: tf.reduce_all(x > 2, 1), [False, True, True, True]),
        (lambda x: tf.reduce_mean(x[:2], 1), [1.5, 3.0]),
        (lambda x: tf.math.reduce_variance(tf.cast(x[:2], tf.float32), 1), [0.25, 0.0]),
        (lambda x: tf.size(x), 6),
        (lambda x: tf.rank(x), 2),
    ],
)
def test_reductions(r, call, expected):
    assert listed(call(r)) == expected


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (0, [[5, 7, 6], [3]]),
        (1, [[4, 2], [], [4, 5, 6]]),
        (2, [[3, 3], [], [15]]),
        ([1, 2], [6, 0, 15]),
        ([0, 2], [18, 3]),
    ],
)
def test_reductions_of_two_ragged_dimensions(deep, axis, expected):
    assert listed(tf.reduce_sum(deep, axis)) == expected


# Joining and picking.


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: tf.concat([x, x], 0), ROWS + ROWS),
        (lambda x: tf.concat([x, x], 1), [row + row for row in ROWS]),
        (lambda x: tf.concat([x, [[7], [8], [9], [10]]], 1), [[1, 2, 7], [3, 8], [9], [4, 5, 6, 10]]),
        (lambda x: tf.stack([x, x]), [ROWS, ROWS]),
        (lambda x: tf.stack([x, x], 1), [[row, row] for row in ROWS]),
        (lambda x: tf.stack([x, x], 2), [[[each, each] for each in row] for row in ROWS]),
        (lambda x: tf.expand_dims(x, 0), [ROWS]),
        (lambda x: tf.expand_dims(x, 1), [[row] for row in ROWS]),
        (lambda x: tf.expand_dims(x, -1), [[[each] for each in row] for row in ROWS]),
        (lambda x: tf.squeeze(tf.expand_dims(x, 1), 1), ROWS),
        (lambda x: tf.tile(x, [1, 2]), [row + row for row in ROWS]),
        (lambda x: tf.tile(x, [2, 1]), ROWS + ROWS),
        (lambda x: tf.reverse(x, [1]), [row[::-1] for row in ROWS]),
        (lambda x: tf.split(x, 2)[1], ROWS[2:]),
        (lambda x: tf.gather(x, [3, 0]), [ROWS[3], ROWS[0]]),
        (lambda x: tf.gather(x, tf.ragged.constant([[0], [1, 3]])), [[ROWS[0]], [ROWS[1], ROWS[3]]]),
        (lambda x: tf.gather([10, 20, 30, 40, 50, 60, 70], x), [[20, 30], [40], [], [50, 60, 70]]),
        (lambda x: tf.gather(x[:2], tf.ragged.constant([[1, 0], [0]]), batch_dims=1), [[2, 1], [3]]),
        (lambda x: tf.gather_nd(x, [[0, 1], [3, 2]]), [2, 6]),
        (lambda x: tf.ragged.boolean_mask(x, [True, False, True, True]), [[1, 2], [], [4, 5, 6]]),
        (
            lambda x: tf.ragged.boolean_mask(
                x, tf.ragged.constant([[True, False], [True], [], [False, False, True]])
            ),
            [[1], [3], [], [6]],
        ),
        (lambda x: tf.nn.embedding_lookup(tf.eye(7)[:, :1], x)[0], [[0.0], [0.0]]),
        (lambda x: tf.map_fn(tf.reduce_sum, x), [3, 3, 0, 15]),
    ],
)
def test_joining_and_picking(r, call, expected):
    assert listed(call(r)) == expected


def test_map_fn_may_return_rows(r):
    spec = tf.RaggedTensorSpec([None], tf.int32, ragged_rank=0)
    assert tf.map_fn(lambda row: row * 2, r, fn_output_signature=spec).to_list() == [
        [2, 4],
        [6],
        [],
        [8, 10, 12],
    ]


def test_boolean_masks_of_dense_tensors_make_rows():
    kept = tf.ragged.boolean_mask([[1, 2, 3], [4, 5, 6]], [[True, False, True], [False, False, True]])
    assert kept.to_list() == [[1, 3], [6]]


def test_softmax_is_over_each_row():
    probabilities = tf.nn.softmax(tf.ragged.constant([[1.0, 1.0], [5.0]])).to_list()
    assert probabilities == [[0.5, 0.5], [1.0]]


def test_matmul_of_batches_of_different_sizes():
    matrices = tf.ragged.constant([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], ragged_rank=1)
    assert tf.matmul(matrices, tf.ones([2, 2, 1])).to_list() == [[[3.0]], [[7.0], [11.0]]]


def test_matmul_refuses_matrices_that_do_not_fit():
    rows = tf.ragged.constant([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]], ragged_rank=1)
    others = tf.ragged.constant([[[1.0, 3.0]], [[5.0, 6.0], [7.0, 8.0]]], ragged_rank=1)
    assert tf.matmul(rows, others, transpose_b=True).to_list() == [[[7.0], [15.0]], [[61.0, 83.0]]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="inner sizes"):
        tf.matmul(rows, others[..., :1], transpose_a=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="innermost dimension"):
        tf.matmul(tf.ragged.constant([[1.0], [2.0, 3.0]]), tf.ones([2, 2]))


def test_reshape():
    ragged = tf.ragged.constant([[1, 2], [], [3, 4, 5, 6]])
    assert tf.reshape(ragged, [3, -1]).numpy().tolist() == [[1, 2], [3, 4], [5, 6]]
    shape = tf.shape(tf.ragged.constant([[0], [0] * 5]))
    expected = [[1], [2, 3, 4, 5, 6]]
    assert tf.reshape(ragged, shape).to_list() == tf.reshape(tf.range(1, 7), shape).to_list() == expected


def test_what_takes_the_shape_of_a_ragged_tensor():
    shape = tf.shape(tf.ragged.constant([[0], [0] * 5]))
    assert tf.zeros(shape, tf.int32).to_list() == tf.fill(shape, 0).to_list() == [[0], [0] * 5]
    assert tf.broadcast_to([[1], [2]], shape).to_list() == [[1], [2] * 5]
    assert tf.broadcast_dynamic_shape(shape, [2, 1]) == shape


def test_the_shape_is_indexed_by_uniform_dimensions(r, pairs):
    assert int(tf.shape(r)[0]) == 4
    assert int(tf.shape(pairs)[2]) == 2
    assert repr(tf.shape(r)) == "<DynamicRaggedShape lengths=[4, (2, 1, 0, 3)] num_row_partitions=1>"
    with pytest.raises(ValueError, match="not uniform"):
        tf.shape(r)[1]


# Specs, functions, gradients, sessions.


def test_specs(r, pairs):
    assert r._type_spec == tf.RaggedTensorSpec([4, None], tf.int32, 1)
    assert pairs._type_spec == tf.RaggedTensorSpec([2, None, 2], tf.int32, 1)
    assert tf.RaggedTensorSpec([None, None], tf.int32).is_compatible_with(r)
    assert tf.RaggedTensorSpec([2, None])._batch(3) == tf.RaggedTensorSpec([3, 2, None])
    assert tf.RaggedTensorSpec([2, None, None])._unbatch().ragged_rank == 1
    with pytest.raises(ValueError, match="ragged_rank"):
        tf.RaggedTensorSpec(None)
    with pytest.raises(ValueError, match="less than"):
        tf.RaggedTensorSpec([2, 3], ragged_rank=2)


def test_functions_take_and_return_ragged_tensors():
    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.float32)])
    def f(x):
        return x * 2.0, tf.reduce_sum(x, 1), x.to_tensor(), tf.concat([x, x], 1)

    for rows in ([[1.0, 2.0], [3.0]], [[1.0], [], [2.0, 3.0]]):
        doubled, sums, padded, joined = f(tf.ragged.constant(rows))
        assert doubled.to_list() == [[2 * each for each in row] for row in rows]
        assert sums.numpy().tolist() == [sum(row) for row in rows]
        assert padded.shape == [len(rows), 2]
        assert joined.to_list() == [row + row for row in rows]


LENGTHS = [2, 0, 2]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: tf.reduce_sum(x, 1), [6.0, 6.0, 14.0, 14.0]),
        (lambda x: tf.reduce_max(x, 0), [0.0, 0.0, 6.0, 8.0]),
        (lambda x: x.to_tensor(shape=[None, 3]), [2.0, 4.0, 6.0, 8.0]),
        (lambda x: (x * tf.constant([[1.0], [2.0], [3.0]])).flat_values, [2.0, 4.0, 54.0, 72.0]),
        (lambda x: x[:, 1:].flat_values, [0.0, 4.0, 0.0, 8.0]),
        (lambda x: tf.concat([x, x], 1).flat_values, [4.0, 8.0, 12.0, 16.0]),
    ],
)
def test_gradients_of_a_sum_of_squares(function, expected):
    values = tf.constant([1.0, 2.0, 3.0, 4.0])
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = tf.reduce_sum(function(Ragged.from_row_lengths(values, LENGTHS)) ** 2)
    assert tf.convert_to_tensor(tape.gradient(loss, values)).numpy().tolist() == expected


def test_the_padding_value_has_a_gradient():
    values, padding = tf.constant([1.0, 2.0]), tf.constant(7.0)
    with tf.GradientTape() as tape:
        tape.watch(padding)
        loss = tf.reduce_sum(Ragged.from_row_lengths(values, [2, 0]).to_tensor(padding) ** 2)
    assert tape.gradient(loss, padding).numpy() == 28.0


def test_sessions_feed_and_fetch_ragged_tensors():
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        fed = v1.ragged.placeholder(tf.float32, 1)
        doubled = fed * 2.0
        value = v1.ragged.constant_value([[1.0, 2.0], [3.0]], dtype="float32")
        result = session.run(doubled, {fed: value})
    assert isinstance(result, v1.ragged.RaggedTensorValue)
    assert result.to_list() == [[2.0, 4.0], [6.0]]


# Row partitions.


@pytest.mark.parametrize(
    ("make", "splits"),
    [
        (lambda p: p.from_row_splits([0, 2, 5]), [0, 2, 5]),
        (lambda p: p.from_row_lengths([2, 3]), [0, 2, 5]),
        (lambda p: p.from_value_rowids([0, 0, 1, 1, 1]), [0, 2, 5]),
        (lambda p: p.from_row_starts([0, 2], 5), [0, 2, 5]),
        (lambda p: p.from_row_limits([2, 5]), [0, 2, 5]),
        (lambda p: p.from_uniform_row_length(2, 4), [0, 2, 4]),
    ],
)
def test_row_partitions(make, splits):
    partition = make(tf.experimental.RowPartition)
    assert partition.row_splits().numpy().tolist() == splits
    assert partition.row_lengths().numpy().tolist() == np.diff(splits).tolist()
    assert int(partition.nrows()) == 2
    assert int(partition.nvals()) == splits[-1]
    assert partition.offsets_in_rows().numpy().tolist() == [i for n in np.diff(splits) for i in range(n)]


def test_segment_ids():
    assert tf.ragged.row_splits_to_segment_ids([0, 2, 2, 5]).numpy().tolist() == [0, 0, 2, 2, 2]
    assert tf.ragged.segment_ids_to_row_splits([0, 0, 2, 2, 2]).numpy().tolist() == [0, 2, 2, 5]
