import itertools

import numpy as np
import pytest

import penstock as tf

Dataset = tf.data.Dataset


def _list(dataset):
    return [
        tuple(x.tolist() for x in each) if isinstance(each, tuple) else each.tolist()
        for each in dataset.as_numpy_iterator()
    ]


def _thrice(n):
    return Dataset.from_tensors(n).repeat(3)


def _pairs(window):
    return window.batch(2)


def _choices():
    return Dataset.from_tensor_slices(np.array([1, 0, 1]))


# name, dataset, elements, cardinality
CASES = [
    ("range", lambda: Dataset.range(1, 7, 2), [1, 3, 5], 3),
    ("from_tensors", lambda: Dataset.from_tensors([1, 2]), [[1, 2]], 1),
    ("slices", lambda: Dataset.from_tensor_slices(([1, 2], [3, 4])), [(1, 3), (2, 4)], 2),
    ("map", lambda: Dataset.range(3).map(lambda x: x * 2), [0, 2, 4], 3),
    ("map pair", lambda: Dataset.from_tensor_slices(([1], [2])).map(lambda a, b: (b, a)), [(2, 1)], 1),
    ("parallel map", lambda: Dataset.range(40).map(lambda x: x + 1, num_parallel_calls=2), list(range(1, 41)), 40),
    ("autotuned map", lambda: Dataset.range(40).map(lambda x: x + 1, tf.data.AUTOTUNE), list(range(1, 41)), 40),
    ("filter", lambda: Dataset.range(5).filter(lambda x: x % 2 == 0), [0, 2, 4], -2),
    ("batch", lambda: Dataset.range(5).batch(2), [[0, 1], [2, 3], [4]], 3),
    ("batch drop", lambda: Dataset.range(5).batch(2, drop_remainder=True), [[0, 1], [2, 3]], 2),
    ("unbatch", lambda: Dataset.range(4).batch(3).unbatch(), [0, 1, 2, 3], -2),
    ("rebatch", lambda: Dataset.range(4).batch(3).rebatch(2), [[0, 1], [2, 3]], -2),
    ("padded", lambda: Dataset.range(1, 4).map(lambda n: tf.fill([n], n)).padded_batch(2), [[[1, 0], [2, 2]], [[3, 3, 3]]], 2),
    ("repeat", lambda: Dataset.range(2).repeat(2), [0, 1, 0, 1], 4),
    ("take", lambda: Dataset.range(5).take(2), [0, 1], 2),
    ("skip", lambda: Dataset.range(5).skip(3), [3, 4], 2),
    ("shard", lambda: Dataset.range(5).shard(2, 1), [1, 3], 2),
    ("concatenate", lambda: Dataset.range(2).concatenate(Dataset.range(5, 6)), [0, 1, 5], 3),
    ("zip", lambda: Dataset.zip(Dataset.range(2), Dataset.range(5, 9)), [(0, 5), (1, 6)], 2),
    ("enumerate", lambda: Dataset.range(7, 9).enumerate(), [(0, 7), (1, 8)], 2),
    ("flat_map", lambda: Dataset.range(3).flat_map(lambda n: Dataset.range(n)), [0, 0, 1], -2),
    ("interleave", lambda: Dataset.range(1, 3).interleave(_thrice, cycle_length=2), [1, 2] * 3, -2),
    ("interleave blocks", lambda: Dataset.range(1, 4).interleave(_thrice, 2, block_length=2), [1, 1, 2, 2, 1, 2, 3, 3, 3], -2),
    ("take_while", lambda: Dataset.range(9).take_while(lambda x: x < 2), [0, 1], -2),
    ("scan", lambda: Dataset.range(4).scan(np.int64(0), lambda s, x: (s + x, s + x)), [0, 1, 3, 6], 4),
    ("window", lambda: Dataset.range(5).window(2).flat_map(lambda w: w.batch(2)), [[0, 1], [2, 3], [4]], -2),
    ("window stride", lambda: Dataset.range(5).window(2, 1, 2, True).flat_map(_pairs), [[0, 2], [1, 3], [2, 4]], -2),
    ("cache", lambda: Dataset.range(3).cache(), [0, 1, 2], 3),
    ("prefetch", lambda: Dataset.range(3).prefetch(2), [0, 1, 2], 3),
    ("prefetch auto", lambda: Dataset.range(30).prefetch(tf.data.AUTOTUNE), list(range(30)), 30),
    ("choose", lambda: Dataset.choose_from_datasets([Dataset.range(9), Dataset.range(10, 19)], _choices()), [10, 0, 11], -2),
    ("apply", lambda: Dataset.range(3).apply(lambda d: d.map(lambda x: -x)), [0, -1, -2], 3),
]  # fmt: skip


@pytest.mark.parametrize(
    ("dataset", "elements", "cardinality"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_elements(dataset, elements, cardinality):
    made = dataset()
    assert _list(made) == elements
    assert _list(made) == elements  # again, from the start
    size = made.cardinality().numpy()
    assert size in (cardinality, -2)


def test_element_specs():
    dataset = Dataset.from_tensor_slices({"a": np.zeros((4, 3), np.float32), "b": [1, 2, 3, 4]}).batch(2)
    assert dataset.element_spec["a"] == tf.TensorSpec([None, 3], tf.float32)
    exact = dataset.unbatch().batch(2, drop_remainder=True)
    assert exact.element_spec["b"] == tf.TensorSpec([2], tf.int32)


def test_shuffle_is_a_permutation_that_a_seed_repeats():
    dataset = Dataset.range(100).shuffle(10, seed=3)
    first, second = _list(dataset), _list(dataset)
    assert sorted(first) == list(range(100))
    assert first != second
    fixed = Dataset.range(100).shuffle(10, seed=3, reshuffle_each_iteration=False)
    assert _list(fixed) == _list(fixed)
    assert max(abs(position - value) for position, value in enumerate(first[:10])) <= 19


def test_infinite_datasets():
    dataset = Dataset.range(2).repeat()
    assert dataset.cardinality().numpy() == tf.data.INFINITE_CARDINALITY
    assert [int(x) for x in itertools.islice(dataset, 5)] == [0, 1, 0, 1, 0]
    with pytest.raises(TypeError, match="infinite"):
        len(dataset)


def test_generators():
    def numbers(n):
        for i in range(n):
            yield i, [float(i)] * 2

    signature = (tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.float32))
    dataset = Dataset.from_generator(numbers, output_signature=signature, args=(3,))
    assert _list(dataset) == [(0, [0.0, 0.0]), (1, [1.0, 1.0]), (2, [2.0, 2.0])]
    wrong = Dataset.from_generator(
        numbers, output_signature=(signature[0], tf.TensorSpec([3], tf.float32)), args=(1,)
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="shape"):
        list(wrong)


def test_errors_reach_the_consumer():
    def fail():
        yield 1
        raise KeyError("mine")

    dataset = Dataset.from_generator(fail, output_signature=tf.TensorSpec([], tf.int32)).prefetch(2)
    with pytest.raises(tf.errors.UnknownError, match="KeyError: .mine"):
        list(dataset)


def test_different_shapes_do_not_batch():
    dataset = Dataset.range(1, 3).map(lambda n: tf.fill([n], n)).batch(2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="different shapes"):
        list(dataset)


def test_control_flow_in_maps_is_converted():
    def collatz(n):
        steps = tf.constant(0)
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        return steps

    assert _list(Dataset.range(1, 8).map(collatz)) == [0, 1, 7, 2, 5, 8, 16]


def test_maps_run_variables_and_random_ops():
    v = tf.Variable(10, dtype=tf.int64)
    assert _list(Dataset.range(2).map(lambda x: x + v)) == [10, 11]
    draws = _list(Dataset.range(5).map(lambda x: tf.random.uniform([])))
    assert len(set(draws)) == 5


def test_iterators():
    iterator = iter(Dataset.range(2))
    assert (iterator.get_next().numpy(), next(iterator).numpy()) == (0, 1)
    with pytest.raises(StopIteration):
        next(iterator)
    with pytest.raises(tf.errors.OutOfRangeError):
        iterator.get_next()


def test_iterators_inside_functions():
    @tf.function
    def total(iterator):
        return iterator.get_next() + iterator.get_next()

    iterator = iter(Dataset.range(5))
    assert [int(total(iterator)), int(total(iterator))] == [1, 5]
    with pytest.raises(tf.errors.OutOfRangeError):
        total(iterator)
    assert int(total(iter(Dataset.range(7, 9)))) == 15
    assert total.experimental_get_tracing_count() == 1


def test_optionals():
    iterator = iter(Dataset.range(1))
    first, second = iterator.get_next_as_optional(), iterator.get_next_as_optional()
    assert (bool(first.has_value()), int(first.get_value()), bool(second.has_value())) == (True, 0, False)
    with pytest.raises(tf.errors.InvalidArgumentError):
        second.get_value()


def test_reduce_and_single_element():
    assert Dataset.range(5).reduce(np.int64(0), lambda total, x: total + x).numpy() == 10
    assert Dataset.range(1).get_single_element().numpy() == 0
    with pytest.raises(tf.errors.InvalidArgumentError):
        Dataset.range(2).get_single_element()


def test_options_are_merged():
    options = tf.data.Options()
    options.deterministic = False
    dataset = Dataset.range(1).with_options(options).map(lambda x: x)
    assert dataset.options().deterministic is False
    with pytest.raises(AttributeError):
        options.no_such_option = 1


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ValueError, tf.errors.InvalidArgumentError),
        (NotImplementedError, tf.errors.UnimplementedError),
        (OSError, tf.errors.UnknownError),
    ],
)
def test_errors_of_a_generator_are_those_of_its_op(raised, expected):
    def numbers():
        yield 1
        raise raised("out of numbers")

    elements = iter(tf.data.Dataset.from_generator(numbers, output_signature=tf.TensorSpec([], tf.int32)))
    assert int(next(elements)) == 1
    with pytest.raises(expected, match=f"{raised.__name__}: out of numbers"):
        next(elements)


@pytest.mark.parametrize(
    "source", [tf.data.Dataset.range(0), tf.data.Dataset.range(2).repeat()], ids=["empty", "infinite"]
)
def test_a_filtered_dataset_has_no_known_size(source):
    assert source.filter(lambda x: True).cardinality() == tf.data.UNKNOWN_CARDINALITY


def test_reduce_inside_a_function():
    dataset = Dataset.from_tensor_slices(([1, 2, 3], [10, 20, 30]))

    @tf.function
    def total(scale):
        return dataset.reduce(tf.constant(0), lambda state, element: state + element[0] * element[1] * scale)

    assert [int(total(tf.constant(k))) for k in (1, 2)] == [140, 280]
    assert dataset.reduce(0, lambda state, element: state + element[0]).numpy() == 6


@pytest.mark.parametrize(("least", "thread"), [(0.0, "tf_data_ahead"), (1e9, "MainThread")])
def test_prefetch_computes_ahead_where_both_sides_are_slow(monkeypatch, least, thread):
    import threading

    from penstock.data import buffering

    monkeypatch.setattr(buffering, "_WORTH_A_THREAD", least)
    names = []

    def rows():
        for i in range(20):
            names.append(threading.current_thread().name)
            yield i

    dataset = Dataset.from_generator(rows, output_signature=tf.TensorSpec([], tf.int32)).prefetch(2)
    assert len(list(dataset)) == 20
    assert names[-1] == thread


def test_debug_mode_calls_functions_as_python(monkeypatch):
    from penstock.engine.context import process

    monkeypatch.setattr(process, "registry", {**process.registry, "data_debug_mode": False})
    tf.data.experimental.enable_debug_mode()
    values = []

    def double(x):
        if tf.executing_eagerly():
            values.append(int(x))
        return x * 2

    assert _list(Dataset.range(3).map(double).batch(2)) == [[0, 2], [4]]
    assert values == [0, 1, 2]


def test_a_parallel_map_with_random_numbers_runs_what_does_not_use_them():
    def function(x):
        first, second = tf.random.uniform([2]), tf.random.uniform([2])
        return tf.cast(x, tf.float32) + tf.cond(tf.equal(x % 2, 0), lambda: first, lambda: second)

    dataset = tf.data.Dataset.range(4).map(function, num_parallel_calls=2)
    assert [int(each[0]) for each in dataset] == [0, 1, 2, 3]
