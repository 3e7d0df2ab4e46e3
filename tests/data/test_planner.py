import gc
import weakref

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import penstock as tf
from penstock.data.planned_nodes import BatchedMap, BatchedRows, Indices
from penstock.data.planner import planned
from tests.data.pipelines import PIPELINES, plain, seeded

Dataset = tf.data.Dataset
TABLE = np.arange(60, dtype=np.float32).reshape(20, 3)


def unplanned(dataset):
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    return dataset.with_options(options)


def outcome(dataset, most=200):
    """The elements, and the errors that came between them."""
    found, iterator = [], iter(dataset)
    for _ in range(most):
        try:
            parts = [part.numpy() for part in tf.nest.flatten(next(iterator))]
            found.append([(str(part.dtype), repr(part.tolist())) for part in parts])
        except StopIteration:
            break
        except tf.errors.OpError as error:
            found.append(type(error).__name__)
    return found


def floats(x, y):
    return tf.cast(x, tf.float32) / 255.0 - tf.constant([1.0, 2.0, 3.0]), y


def shapes(x, y):
    return tf.transpose(tf.reshape(x, [3, 1]))[0, ::-1], tf.one_hot(y, 4)


def comparisons(x, y):
    return tf.where(x > 5.0, x, tf.reduce_max(x)), tf.stack([y, y * 2, y // 3])


def with_failures(x, y):
    return tf.debugging.check_numerics(1.0 / (x - 24.0), "x"), y


def divided(x, y):
    return x, 7 // tf.cast(y - 9, tf.int32)


def texts(x, y):
    return tf.strings.as_string(y), x


def reduced(x, y):
    return tf.reduce_mean(x) * tf.ones([3]), y


def random_maps(x, y):
    return x + tf.random.uniform([3], seed=3), y


MAPS = (floats, shapes, comparisons, with_failures, divided, texts, reduced, random_maps)
STEPS = st.one_of(
    st.tuples(st.just("shuffle"), st.integers(1, 30), st.integers(0, 5)),
    st.tuples(st.just("take"), st.integers(0, 25)),
    st.tuples(st.just("skip"), st.integers(0, 10)),
    st.tuples(st.just("repeat"), st.integers(0, 3)),
    st.tuples(st.just("shard"), st.integers(1, 3), st.just(0)),
    st.tuples(st.just("prefetch"), st.integers(0, 2)),
    st.tuples(st.just("cache")),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(STEPS, max_size=3),
    st.lists(st.tuples(st.sampled_from(MAPS), st.sampled_from([None, tf.data.AUTOTUNE])), max_size=2),
    st.booleans(),
    st.tuples(st.integers(1, 7), st.booleans()),
    st.lists(STEPS, max_size=2),
)
def test_planned_and_unplanned_pipelines_give_the_same(before, maps, filtered, batch, after):
    def make():
        tf.random.set_seed(3)
        dataset = Dataset.from_tensor_slices((TABLE, np.arange(20)))
        for name, *arguments in before:
            dataset = getattr(dataset, name)(*arguments)
        for function, parallel in maps:
            dataset = dataset.map(function, parallel)
        if filtered:
            dataset = dataset.filter(lambda x, y: tf.size(x) + tf.size(y) != 2)
        dataset = dataset.batch(*batch)
        for name, *arguments in after:
            dataset = getattr(dataset, name)(*arguments)
        return dataset

    try:
        fast, slow = make(), unplanned(make())
    except (TypeError, ValueError, tf.errors.OpError):
        assume(False)  # a map that does not take what the one before it gives
    for _ in range(2):  # the second iteration is shuffled in another order
        assert outcome(fast) == outcome(slow)


@pytest.mark.parametrize("first", [divided, with_failures], ids=lambda each: each.__name__)
@pytest.mark.parametrize("size", [2, 3, 5, 12])
def test_two_errors_of_one_batch_come_in_their_order(first, size):
    second = with_failures if first is divided else divided

    def make():
        rows = Dataset.from_tensor_slices((TABLE, np.arange(20))).skip(20 % size)
        return rows.map(first).map(second, tf.data.AUTOTUNE).batch(size)

    assert outcome(make()) == outcome(unplanned(make()))


@pytest.mark.parametrize("name", PIPELINES)
def test_planned_pipelines_give_what_unplanned_ones_give(name):
    assert plain(seeded(PIPELINES[name])) == plain(unplanned(seeded(PIPELINES[name])))


def test_tables_in_memory_are_gathered_batch_by_batch():
    plan = planned(Dataset.from_tensor_slices(TABLE).shuffle(5).repeat(2).batch(4))
    assert isinstance(plan, BatchedRows)
    chain = []
    while plan._parents:
        plan = plan._parents[0]
        chain.append(type(plan).__name__)
    assert chain == ["Repeat", "Shuffle", "Indices"]
    assert isinstance(plan, Indices)


@pytest.mark.parametrize("function", MAPS, ids=lambda each: each.__name__)
def test_which_functions_run_on_whole_batches(function):
    plan = planned(Dataset.from_tensor_slices((TABLE, np.arange(20))).map(function).batch(4))
    assert isinstance(plan, BatchedMap) == (function not in (reduced, random_maps))


def test_neighbouring_maps_and_filters_are_one_call():
    plan = planned(Dataset.range(9).map(lambda x: x + 1).map(lambda x: x * 2).filter(lambda x: x > 4))
    assert [type(plan).__name__, type(plan._parents[0]).__name__] == ["MapAndFilter", "Range"]
    assert plain(Dataset.range(4).map(lambda x: x + 1).map(lambda x: x * 2).filter(lambda x: x > 4)) == [
        [6],
        [8],
    ]


def _examples(*numbers):
    def example(n):
        features = {"n": tf.train.Feature(int64_list=tf.train.Int64List(value=[n, n + 1]))}
        return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()

    return [example(n) for n in numbers]


def test_examples_are_parsed_batch_by_batch():
    def parse(message):
        return tf.io.parse_single_example(message, {"n": tf.io.FixedLenFeature([2], tf.int64)})["n"]

    dataset = Dataset.from_tensor_slices(_examples(*range(5))).map(parse).batch(2)
    assert isinstance(planned(dataset), BatchedMap)
    assert plain(dataset) == [[[[0, 1], [1, 2]]], [[[2, 3], [3, 4]]], [[[4, 5]]]]
    damaged = _examples(0, 1) + [b"no example"] + _examples(3, 4)
    dataset = Dataset.from_tensor_slices(damaged).map(parse).batch(2)
    assert outcome(dataset) == outcome(unplanned(dataset))


def test_captured_variables_are_read_for_each_batch():
    scale = tf.Variable(1.0)
    iterator = iter(Dataset.from_tensor_slices(TABLE).map(lambda x: x * scale).batch(1))
    first = next(iterator).numpy()
    scale.assign(10.0)
    assert (first[0].tolist(), next(iterator).numpy()[0].tolist()) == ([0, 1, 2], [30, 40, 50])


def test_batches_lie_aligned():
    for batch in Dataset.from_tensor_slices(TABLE).shuffle(9).batch(3):
        assert batch._np.ctypes.data % 64 == 0
    for batch in Dataset.range(9).map(lambda x: tf.fill([3], x)).batch(2):
        assert batch._np.ctypes.data % 64 == 0


def test_explain_shows_the_plan_and_then_the_times(capsys):
    dataset = Dataset.from_tensor_slices(TABLE).shuffle(9).map(lambda x: x + 1).batch(5).prefetch(1)
    before = dataset.explain()
    assert before.split() == [
        "Prefetch(buffer_size=1)", "BatchedMap(<lambda>", "of", "whole", "batches)", "BatchedRows(batch_size=5)",
        "Shuffle(buffer_size=9)", "Indices(20", "rows)",
    ]  # fmt: skip
    list(dataset)
    after = dataset.explain()
    assert "The consumer got 4 elements and waited" in after
    assert capsys.readouterr().out == f"{before}\n{after}\n"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dataset.from_tensors(TABLE).prefetch(1),
        lambda: Dataset.from_tensor_slices(TABLE).shuffle(9).batch(5).repeat(2).prefetch(1),
        lambda: Dataset.from_tensor_slices(TABLE).map(lambda x: x + 1).batch(5).prefetch(1),
    ],
)
def test_a_dataset_goes_with_its_last_user(make):
    """Not when the garbage collector comes: until then its arrays would be in memory, and those of all that followed."""
    dataset = make()
    assert len(list(dataset)) > 0 and "The consumer got" in dataset.explain()
    gone = weakref.ref(dataset)
    gc.collect()
    gc.disable()
    try:
        del dataset
        assert gone() is None
    finally:
        gc.enable()
