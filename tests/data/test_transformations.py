import numpy as np
import pytest

import penstock as tf
from tests.data.pipelines import plain

Dataset = tf.data.Dataset
experimental = tf.data.experimental


def filled(n):
    return tf.fill([n], n)


def counting_reducer():
    return experimental.Reducer(
        lambda key: (key, 0), lambda state, x: (state[0], state[1] + 1), lambda key, count: (key, count)
    )


# name: dataset, elements (each the flat list of its parts), cardinality
CASES = {
    "counter": (lambda: Dataset.counter(2, 3).take(3), [[2], [5], [8]], 3),
    "unique": (lambda: Dataset.from_tensor_slices(["a", "b", "a"]).unique(), [[b"a"], [b"b"]], -2),
    "rebatch": (lambda: Dataset.range(10).batch(3).rebatch(4), [[[0, 1, 2, 3]], [[4, 5, 6, 7]], [[8, 9]]], -2),
    "rebatch, sizes in turn": (
        lambda: Dataset.range(6).batch(5).rebatch([1, 2]), [[[0]], [[1, 2]], [[3]], [[4, 5]]], -2
    ),
    "rebatch, no remainder": (
        lambda: Dataset.range(10).batch(3).rebatch(4, drop_remainder=True), [[[0, 1, 2, 3]], [[4, 5, 6, 7]]], -2
    ),
    "ragged_batch": (
        lambda: Dataset.range(3).map(filled).ragged_batch(2), [[[1], [0, 0, 1]], [[2, 2], [0, 2]]], 2
    ),
    "sparse_batch": (
        lambda: Dataset.range(3).map(filled).sparse_batch(2, [4]),
        [[[[1, 0]], [1], [2, 4]], [[[0, 0], [0, 1]], [2, 2], [1, 4]]], 2,
    ),
    "group_by_window": (
        lambda: Dataset.range(10).group_by_window(lambda x: x % 3, lambda key, rows: rows.batch(3), 3),
        [[[0, 3, 6]], [[1, 4, 7]], [[2, 5, 8]], [[9]]], -2,
    ),
    "group_by_window, sizes by key": (
        lambda: Dataset.range(6).group_by_window(
            lambda x: x % 2, lambda key, rows: rows.batch(9), window_size_func=lambda key: key + 1
        ), [[[0]], [[2]], [[1, 3]], [[4]], [[5]]], -2,
    ),
    "bucket_by_sequence_length": (
        lambda: Dataset.range(6).map(filled).bucket_by_sequence_length(tf.size, [2, 4], [2, 2, 2]),
        [[[[0], [1]]], [[[2, 2, 0], [3, 3, 3]]], [[[4, 4, 4, 4, 0], [5, 5, 5, 5, 5]]]], -2,
    ),
    "bucket_by_sequence_length to the boundary": (
        lambda: Dataset.range(1, 4).map(filled).bucket_by_sequence_length(
            tf.size, [3, 6], [2, 2, 2], pad_to_bucket_boundary=True
        ), [[[[1, 0], [2, 2]]], [[[3, 3, 3, 0, 0]]]], -2,
    ),
    "group_by_reducer": (
        lambda: Dataset.range(6).apply(experimental.group_by_reducer(lambda x: x % 2, counting_reducer())),
        [[0, 3], [1, 3]], -2,
    ),
    "pad_to_cardinality": (
        lambda: Dataset.from_tensor_slices({"a": [1, 2]}).apply(experimental.pad_to_cardinality(3)),
        [[1, True], [2, True], [0, False]], 3,
    ),
    "from_list": (lambda: experimental.from_list([(1, "a"), (2, "b")]), [[1, b"a"], [2, b"b"]], 2),
    "map_and_batch": (lambda: Dataset.range(3).apply(experimental.map_and_batch(lambda x: -x, 2)), [[[0, -1]], [[-2]]], 2),
    "shuffle_and_repeat": (lambda: Dataset.range(1).apply(experimental.shuffle_and_repeat(3, 2)), [[0], [0]], 2),
    "parallel_interleave": (
        lambda: Dataset.range(1, 3).apply(experimental.parallel_interleave(lambda n: Dataset.range(n), 2)),
        [[0], [0], [1]], -2,
    ),
    "nested datasets": (
        lambda: Dataset.range(2, 4).map(lambda n: Dataset.range(n)).flat_map(lambda rows: rows.batch(5)),
        [[[0, 1]], [[0, 1, 2]]], -2,
    ),
    "window of pairs": (
        lambda: Dataset.zip((Dataset.range(4), Dataset.range(4, 8))).window(2).flat_map(
            lambda a, b: Dataset.zip((a, b)).batch(2)
        ),
        [[[0, 1], [4, 5]], [[2, 3], [6, 7]]], -2,
    ),
    "reduce in a map": (
        lambda: Dataset.range(4).window(2).map(lambda rows: rows.reduce(np.int64(0), lambda s, x: s + x)), [[1], [5]], 2
    ),
    "batches of ragged rows": (
        lambda: Dataset.from_tensor_slices(tf.ragged.constant([[1], [2, 3], []])).batch(2),
        [[[1, 2, 3], [0, 1, 3]], [[], [0, 0]]], 2,
    ),
    "lists inside results are tensors": (
        lambda: Dataset.range(2).map(lambda x: {"a": (x, {"b": [x, x]})}), [[0, [0, 0]], [1, [1, 1]]], 2
    ),
    "sparse slices": (
        lambda: Dataset.from_tensor_slices(tf.sparse.from_dense([[1, 0], [0, 2]])),
        [[[[0]], [1], [2]], [[[1]], [2], [2]]], 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_elements_and_cardinality(name):
    make, elements, cardinality = CASES[name]
    dataset = make()
    assert plain(dataset) == elements
    assert plain(dataset) == elements  # again, from the start
    assert int(dataset.cardinality()) == cardinality


SPECS = [
    (lambda: Dataset.range(3).map(filled).ragged_batch(2), tf.RaggedTensorSpec([None, None], tf.int64, 1)),
    (lambda: Dataset.range(3).ragged_batch(2), tf.TensorSpec([None], tf.int64)),
    (lambda: Dataset.range(3).map(filled).sparse_batch(2, [4]), tf.SparseTensorSpec([None, 4], tf.int64)),
    (lambda: Dataset.range(9).batch(3).rebatch(4), tf.TensorSpec([None], tf.int64)),
    (lambda: Dataset.range(9).batch(3).rebatch(4, True), tf.TensorSpec([4], tf.int64)),
    (lambda: Dataset.range(9).window(3), tf.data.DatasetSpec(tf.TensorSpec([], tf.int64))),
    (lambda: Dataset.range(2).map(lambda x: [x, x]), (tf.TensorSpec([], tf.int64),) * 2),
    (lambda: Dataset.range(2).repeat().batch(2), tf.TensorSpec([2], tf.int64)),
    (lambda: Dataset.range(2).rejection_resample(lambda x: tf.cast(x, tf.int32), [0.5, 0.5]),
     (tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.int64))),
]  # fmt: skip


@pytest.mark.parametrize(("make", "spec"), SPECS)
def test_element_specs(make, spec):
    assert make().element_spec == spec


ERRORS = {
    "batch of none": (lambda: Dataset.range(3).batch(0), tf.errors.InvalidArgumentError),
    "batch of a fraction": (lambda: Dataset.range(3).batch(2.5), TypeError),
    "shuffle of none": (lambda: Dataset.range(3).shuffle(0), tf.errors.InvalidArgumentError),
    "shard too far": (lambda: Dataset.range(3).shard(2, 5), tf.errors.InvalidArgumentError),
    "padding too small": (
        lambda: list(Dataset.range(3).map(filled).padded_batch(3, [1])), tf.errors.DataLossError
    ),
    "no such dataset to choose": (
        lambda: list(Dataset.choose_from_datasets([Dataset.range(3)], Dataset.range(5, 6))),
        tf.errors.InvalidArgumentError,
    ),
    "two window sizes": (
        lambda: Dataset.range(3).group_by_window(lambda x: x, lambda k, d: d.batch(2), 3, lambda k: k), ValueError
    ),
    "scalars do not unbatch": (lambda: Dataset.range(3).unbatch(), ValueError),
    "different structures": (lambda: Dataset.range(3).concatenate(Dataset.from_tensors("a")), TypeError),
    "state of another type": (lambda: Dataset.range(3).reduce(0, lambda state, x: "a"), TypeError),
    "too many elements": (
        lambda: list(Dataset.range(3).apply(experimental.assert_cardinality(2))), tf.errors.FailedPreconditionError
    ),
    "too few elements": (
        lambda: list(Dataset.range(3).apply(experimental.assert_cardinality(4))), tf.errors.FailedPreconditionError
    ),
    "index out of range": (lambda: experimental.at(Dataset.range(3), 3), tf.errors.OutOfRangeError),
    "empty list": (lambda: experimental.from_list([]), ValueError),
    "arrays of nested datasets": (lambda: Dataset.range(3).window(2).as_numpy_iterator(), TypeError),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, expected = ERRORS[name]
    with pytest.raises(expected):
        call()


def test_rejection_resampling_reaches_the_target():
    data = Dataset.range(4000).map(lambda x: x % 10)
    kept = data.rejection_resample(lambda x: tf.cast(x > 7, tf.int32), [0.5, 0.5], [0.8, 0.2], seed=1)
    classes = [int(each) for each, _ in kept]
    assert 0.4 < np.mean(classes) < 0.6


def test_datasets_are_arguments_and_results_of_functions():
    @tf.function
    def doubled(dataset):
        return dataset.map(lambda x: x * 2)

    assert plain(doubled(Dataset.range(3))) == [[0], [2], [4]]

    @tf.function
    def total(dataset, scale):
        result = tf.constant(0, tf.int64)
        for x in dataset.map(lambda x: x * scale):
            result += x
        return result

    assert int(total(Dataset.range(4), tf.constant(3, tf.int64))) == 18


def test_functions_of_datasets_are_traced_once():
    traced = []

    def rows(n):
        traced.append(n)
        return Dataset.range(n).map(lambda x: x + n)

    assert len(plain(Dataset.range(5).flat_map(rows))) == 10
    assert len(traced) == 1


def test_symbolic_sizes_inside_functions():
    @tf.function
    def batches(count, size):
        return (
            Dataset.range(count)
            .batch(size)
            .reduce(np.int64(0), lambda total, batch: total + tf.reduce_max(batch))
        )

    assert int(batches(tf.constant(5, tf.int64), tf.constant(2, tf.int64))) == 1 + 3 + 4


def test_variants():
    dataset = Dataset.range(3)
    variant = experimental.to_variant(dataset)
    assert plain(experimental.from_variant(variant, dataset.element_spec)) == [[0], [1], [2]]


def test_fingerprints():
    def make(step):
        return Dataset.range(5).map(lambda x: x + step).batch(2)

    assert int(make(1).fingerprint()) == int(make(1).fingerprint()) != int(make(2).fingerprint())
    shuffled = [Dataset.range(3).shuffle(2), Dataset.range(3).shuffle(2), Dataset.range(3).shuffle(2, seed=1)]
    assert len({int(each.fingerprint()) for each in shuffled}) == 1


def test_tables():
    table = experimental.index_table_from_dataset(Dataset.from_tensor_slices(["a", "b", "c"]), vocab_size=2)
    assert table.lookup(tf.constant(["b", "c"])).numpy().tolist() == [1, -1]
    buckets = experimental.index_table_from_dataset(Dataset.from_tensor_slices(["a"]), num_oov_buckets=1)
    assert buckets.lookup(tf.constant(["a", "z"])).numpy().tolist() == [0, 1]


def test_a_synchronous_map_has_no_parallel_calls():
    assert plain(Dataset.range(2).map(lambda x: x + 1, synchronous=True)) == [[1], [2]]
    with pytest.raises(ValueError, match="`synchronous` is not supported with `num_parallel_calls`"):
        Dataset.range(2).map(lambda x: x + 1, num_parallel_calls=2, synchronous=True)


def test_ragged_batches_of_composites_are_those_of_batch():
    rows = tf.ragged.constant([[[1], [2, 3]], [[4], []], [[5]]])
    dataset = Dataset.from_tensor_slices((rows, tf.sparse.from_dense([[0, 1], [2, 0], [3, 4]]), [1, 2, 3]))
    dataset = dataset.map(lambda ragged, sparse, n: (ragged, sparse, tf.fill([n], n))).ragged_batch(2)
    first, second = dataset
    assert first[0].to_list() == [[[1], [2, 3]], [[4], []]] and second[0].to_list() == [[[5]]]
    assert tf.sparse.to_dense(first[1]).numpy().tolist() == [[0, 1], [2, 0]]
    assert first[2].to_list() == [[1], [2, 2]] and second[2].to_list() == [[3, 3, 3]]
    assert dataset.element_spec[0] == tf.RaggedTensorSpec([None, None, None], tf.int32, 2)


def sparse_rows(*shapes):
    def rows():
        for number, shape in enumerate(shapes, 1):
            yield tf.sparse.from_dense(tf.fill(shape, number))

    return Dataset.from_generator(rows, output_signature=tf.SparseTensorSpec(None, tf.int32))


def test_a_batch_of_sparse_tensors_is_as_large_as_the_largest_of_them():
    first, second = sparse_rows([1, 2], [2, 1], [0, 3]).batch(2)
    assert tf.sparse.to_dense(first).numpy().tolist() == [[[1, 1], [0, 0]], [[2, 0], [2, 0]]]
    assert second.dense_shape.numpy().tolist() == [1, 0, 3] and second.values.shape == [0]


def test_sparse_tensors_of_different_ranks_make_no_batch():
    with pytest.raises(tf.errors.InvalidArgumentError, match="different ranks: .1, 2."):
        list(sparse_rows([1, 2], [3]).batch(2))
