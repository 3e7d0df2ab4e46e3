import pytest

import penstock as tf

Dataset = tf.data.Dataset


def model_of(dataset, elements):
    iterator = iter(dataset)
    for _ in range(elements):
        next(iterator)
    return tf.data.experimental.get_model_proto(iterator)


def test_nodes_have_what_they_gave_and_where_it_came_from():
    model = model_of(Dataset.range(40).filter(lambda x: x % 2 == 0).batch(5), 3)
    batch = model.nodes[model.output]
    (source,) = batch.inputs
    assert (batch.name, batch.num_elements) == ("Batch", 3)
    assert model.nodes[source].num_elements == 15
    assert batch.processing_time > 0
    assert model.id_counter == len(model.nodes) + 1


def test_what_autotune_chose_is_told():
    def wait_for_a_thread(x):
        return tf.numpy_function(lambda v: sum(range(20000)) * 0 + v, [x], tf.int64)

    dataset = Dataset.range(200).map(wait_for_a_thread, num_parallel_calls=tf.data.AUTOTUNE)
    iterator = iter(dataset)
    for _ in range(100):
        next(iterator)
    model = tf.data.experimental.get_model_proto(iterator)
    (parallelism,) = model.nodes[model.output].parameters
    assert parallelism.name == "parallelism"
    assert parallelism.value >= 1
    assert "by AUTOTUNE" in dataset.explain()


def test_numpy_iterators_have_one():
    model = tf.data.experimental.get_model_proto(Dataset.range(3).as_numpy_iterator())
    assert model.nodes[model.output].name == "Range"


def test_without_autotune_there_is_none():
    options = tf.data.Options()
    options.autotune.enabled = False
    with pytest.raises(tf.errors.NotFoundError, match="Did you disable autotune"):
        tf.data.experimental.get_model_proto(iter(Dataset.range(3).with_options(options)))


def test_anything_else_has_none():
    with pytest.raises(ValueError, match="Iterator"):
        tf.data.experimental.get_model_proto(Dataset.range(3))
