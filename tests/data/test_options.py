import threading

import pytest

import penstock as tf
from penstock.data.options import AutotuneOptions
from penstock.data.parallel_calls import Parallelism
from penstock.data.planner import planned

AUTOTUNE = tf.data.AUTOTUNE


def options(**given):
    made = tf.data.Options()
    for name, value in given.items():
        *groups, last = name.split("__")
        group = made
        for each in groups:
            group = getattr(group, each)
        setattr(group, last, value)
    return made


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("deterministic", "x", "\"deterministic\" must be of type <class 'bool'>, got: x"),
        ("threading__private_threadpool_size", None, "must be of type <class 'int'>"),
        ("autotune__cpu_budget", 1.5, "must be of type <class 'int'>"),
        ("experimental_service__pinned", 1, "must be of type <class 'bool'>"),
        ("experimental_distribute__auto_shard_policy", 1, "AutoShardPolicy"),
    ],
)
def test_a_value_of_another_type_is_refused(name, value, message):
    with pytest.raises(TypeError, match=message):
        options(**{name: value})


def test_older_names_are_the_same_options():
    made = options(experimental_threading__private_threadpool_size=3, experimental_deterministic=False)
    assert (made.threading.private_threadpool_size, made.deterministic) == (3, False)


@pytest.mark.parametrize(
    ("workers", "given", "expected"),
    [
        (AUTOTUNE, {}, Parallelism()),
        (5, {}, Parallelism(5, threads=5)),
        (5, {"threading__private_threadpool_size": 2}, Parallelism(5, threads=2)),
        (AUTOTUNE, {"autotune__cpu_budget": 3}, Parallelism(most=3)),
        (AUTOTUNE, {"autotune__min_parallelism": 4}, Parallelism(first=4, least=4)),
        (
            AUTOTUNE,
            {"autotune__initial_parallelism": 6, "autotune__cpu_budget": 5},
            Parallelism(first=5, most=5),
        ),
    ],
)
def test_options_say_how_many_calls_there_may_be(workers, given, expected):
    assert Parallelism.of(workers, options(**given)) == expected


def test_without_tuning_there_are_as_many_calls_as_cores():
    assert Parallelism.of(AUTOTUNE, options(autotune__enabled=False)).calls >= 1


def test_options_hold_for_the_whole_pipeline():
    seen = set()

    def note(x):
        seen.add(threading.current_thread().name)
        return x

    dataset = tf.data.Dataset.range(40).map(lambda x: tf.py_function(note, [x], tf.int64), 8)
    dataset = dataset.with_options(options(threading__private_threadpool_size=1))
    assert sorted(int(x) for x in dataset) == list(range(40))
    assert len(seen) == 1


def names(dataset):
    node, found = planned(dataset), []
    while True:
        found.append(type(node).__name__)
        if not node._parents:
            return found
        node = node._parents[0]


@pytest.mark.parametrize(
    ("option", "make", "off"),
    [
        ("map_fusion", lambda d: d.map(lambda x: x + 1).map(lambda x: x * 2), ["Map", "Map", "Range"]),
        (
            "map_and_filter_fusion",
            lambda d: d.map(lambda x: x + 1).filter(lambda x: x > 2),
            ["Filter", "Map", "Range"],
        ),
        ("map_and_batch_fusion", lambda d: d.map(lambda x: x + 1).batch(2), ["Batch", "Map", "Range"]),
    ],
)
def test_an_option_turns_a_rule_off(option, make, off):
    dataset = make(tf.data.Dataset.range(6))
    without = dataset.with_options(options(**{f"experimental_optimization__{option}": False}))
    assert names(without) == off != names(dataset)
    assert [each.numpy().tolist() for each in dataset] == [each.numpy().tolist() for each in without]


def test_maps_without_state_become_parallel_where_an_option_says_so():
    asked = options(experimental_optimization__map_parallelization=True)
    dataset = tf.data.Dataset.range(6).map(lambda x: x + 1).with_options(asked)
    assert planned(dataset)._parallel == AUTOTUNE
    random = tf.data.Dataset.range(6).map(lambda x: tf.random.uniform([])).with_options(asked)
    assert planned(random)._parallel is None


def test_the_last_elements_are_computed_ahead_where_an_option_says_so():
    asked = options(experimental_optimization__inject_prefetch=True)
    assert names(tf.data.Dataset.range(6).batch(2).with_options(asked))[0] == "Prefetch"


def test_equal_options_are_equal():
    first, second = (options(autotune__cpu_budget=3) for _ in range(2))
    assert first == second != options()
    assert isinstance(first.merge(options()).autotune, AutotuneOptions)
