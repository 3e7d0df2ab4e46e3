"""`tf.summary` of TensorFlow 2: what lands in the event file, eagerly, in functions and in sessions."""

from __future__ import annotations

import os

import numpy as np
import pytest

import penstock as tf
from penstock.graph.tensor_proto import array_of_proto
from penstock.io.records import read_records

v1 = tf.compat.v1


def events(folder):
    from tensorboard.compat.proto import event_pb2

    (name,) = os.listdir(folder)
    return [event_pb2.Event.FromString(each) for each in read_records(os.path.join(folder, name))]


def values(folder):
    """(step, tag, value) of all summaries in a folder."""
    return [
        (event.step, value.tag, array_of_proto(value.tensor))
        for event in events(folder)
        for value in event.summary.value
    ]


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "logs")


def test_a_file_begins_with_its_version(folder):
    with tf.summary.create_file_writer(folder).as_default():
        tf.summary.scalar("loss", 0.5, step=1)
    first, second = events(folder)
    assert first.file_version == "brain.Event:2"
    assert second.summary.value[0].metadata.plugin_data.plugin_name == "scalars"
    assert values(folder) == [(1, "loss", 0.5)]


@pytest.mark.parametrize("kind", ["scalar", "histogram", "text"])
def test_tensorboard_reads_it(folder, kind):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tf.summary.create_file_writer(folder).as_default(step=3):
        assert getattr(tf.summary, kind)("it", "some" if kind == "text" else 2.0)
    found = EventAccumulator(folder)
    found.Reload()
    (event,) = found.Tensors("it")
    assert event.step == 3


def test_a_histogram_has_equal_buckets(folder):
    with tf.summary.create_file_writer(folder).as_default(step=0):
        tf.summary.histogram("h", [1.0, 2.0, 3.0, 3.0], buckets=4)
    expected = [[1, 1.5, 1], [1.5, 2, 0], [2, 2.5, 1], [2.5, 3, 2]]
    np.testing.assert_array_equal(values(folder)[0][2], expected)


@pytest.mark.parametrize(
    ("data", "expected"),
    [([2.0, 2.0], [[2, 2, 0], [2, 2, 0], [2, 2, 2]]), (np.zeros([0]), np.zeros([3, 3]))],
    ids=["equal values", "nothing"],
)
def test_a_histogram_without_a_range(folder, data, expected):
    with tf.summary.create_file_writer(folder).as_default(step=0):
        tf.summary.histogram("h", data, buckets=3)
    np.testing.assert_array_equal(values(folder)[0][2], expected)


def test_the_scopes_are_part_of_the_tag(folder):
    with tf.summary.create_file_writer(folder).as_default(step=0), tf.name_scope("layer"):
        tf.summary.scalar("my loss", 1.0)
    assert values(folder)[0][1] == "layer/my loss"


def test_functions_write_in_program_order(folder):
    @tf.function
    def step(x, number):
        tf.summary.scalar("before", x, step=number)
        y = tf.matmul(x * tf.ones([2, 2]), tf.ones([2, 2]))
        tf.summary.scalar("after", y[0, 0], step=number)

    with tf.summary.create_file_writer(folder).as_default():
        for number in range(3):
            step(tf.constant(2.0), tf.constant(number, tf.int64))
    assert [(each[0], each[1]) for each in values(folder)] == [
        (number, tag) for number in range(3) for tag in ("before", "after")
    ]


def test_a_condition_inside_a_function(folder):
    @tf.function
    def step(number):
        with tf.summary.record_if(tf.equal(number % 2, 0)):
            return tf.summary.scalar("even", 1.0, step=number)

    with tf.summary.create_file_writer(folder).as_default():
        written = [bool(step(tf.constant(number, tf.int64))) for number in range(4)]
    assert written == [True, False, True, False]
    assert [each[0] for each in values(folder)] == [0, 2]


def test_a_condition_may_be_a_function(folder):
    with tf.summary.create_file_writer(folder).as_default(step=0):
        with tf.summary.record_if(lambda: False):
            assert not tf.summary.scalar("a", 1.0)
        assert tf.summary.should_record_summaries()


def test_nothing_is_computed_for_what_is_not_recorded(folder):
    with tf.summary.create_file_writer(folder).as_default(step=0), tf.summary.record_if(False):
        assert not tf.summary.write("tag", pytest.fail)


def test_the_step_of_a_variable_is_read_when_it_is_written(folder):
    step = tf.Variable(5, dtype=tf.int64)
    tf.summary.experimental.set_step(step)
    try:
        write = tf.function(lambda: tf.summary.scalar("x", 1.0))
        with tf.summary.create_file_writer(folder).as_default():
            write()
            step.assign(6)
            write()
    finally:
        tf.summary.experimental.set_step(None)
    assert [each[0] for each in values(folder)] == [5, 6]


def test_there_must_be_a_step(folder):
    with tf.summary.create_file_writer(folder).as_default(), pytest.raises(ValueError, match="No step set"):
        tf.summary.scalar("x", 1.0)


def test_a_step_is_one_number(folder):
    with tf.summary.create_file_writer(folder).as_default(), pytest.raises(ValueError, match="scalar"):
        tf.summary.scalar("x", 1.0, step=[1, 2])


def test_without_a_writer_nothing_is_written():
    assert not tf.summary.scalar("x", 1.0, step=0)
    assert not tf.summary.should_record_summaries()
    with tf.summary.create_noop_writer().as_default():
        assert not tf.summary.scalar("x", 1.0, step=0)


def test_a_closed_writer_is_not_used_again(folder):
    writer = tf.summary.create_file_writer(folder)
    writer.close()
    writer.close()
    writer.flush()
    with pytest.raises(RuntimeError, match="already closed"):
        writer.as_default()


def test_raw_messages(folder):
    from tensorboard.compat.proto import summary_pb2

    message = summary_pb2.Summary()
    message.value.add(tag="raw", simple_value=2.0)
    with tf.summary.create_file_writer(folder).as_default(step=4):
        tf.summary.experimental.write_raw_pb(message.SerializeToString())
    assert [(each.step, each.summary.value[0].simple_value) for each in events(folder)[1:]] == [(4, 2.0)]


def test_what_was_flushed_survives_the_program(folder):
    writer = tf.summary.create_file_writer(folder, max_queue=100)
    with writer.as_default():
        tf.summary.scalar("x", 1.0, step=0)
        assert values(folder) == []
        tf.summary.flush()
        assert len(values(folder)) == 1


def test_a_full_queue_is_written(folder):
    writer = tf.summary.create_file_writer(folder, max_queue=2)
    with writer.as_default():
        for step in range(3):
            tf.summary.scalar("x", 1.0, step=step)
        assert len(values(folder)) == 3


def test_sessions_write_after_the_initializer(folder):
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.placeholder(tf.int64, [])
        writer = tf.summary.create_file_writer(folder)
        with writer.as_default(step=step):
            tf.summary.scalar("x", tf.constant(3.0) * 2.0)
        with pytest.raises(tf.errors.NotFoundError):
            session.run(v1.summary.all_v2_summary_ops(), {step: 0})
        session.run(writer.init())
        session.run(v1.summary.all_v2_summary_ops(), {step: 7})
        session.run(writer.close())
    assert values(folder) == [(7, "x", 6.0)]


def test_initialize_writes_the_graph_too(folder):
    with tf.Graph().as_default() as graph, v1.Session() as session:
        with tf.summary.create_file_writer(folder).as_default():
            v1.summary.initialize(graph, session)
            session.run(tf.summary.flush())
    assert [each.WhichOneof("what") for each in events(folder)] == ["file_version", "graph_def"]


def test_a_graph_of_a_function(folder):
    square = tf.function(lambda x: x * x).get_concrete_function(tf.TensorSpec([], tf.float32))
    with tf.summary.create_file_writer(folder).as_default():
        assert tf.summary.graph(square.graph)
    message = v1.GraphDef.FromString(events(folder)[1].graph_def)
    assert "Mul" in [node.op for node in message.node]


def test_traces_hold_the_graphs_that_ran(folder):
    from tensorboard.compat.proto import config_pb2

    square = tf.function(lambda x: x * x)
    tf.summary.trace_on(graph=True)
    square(tf.constant(3.0))
    with tf.summary.create_file_writer(folder).as_default():
        tf.summary.trace_export("square", step=0)
    (event,) = events(folder)[1:]
    value = event.summary.value[0]
    assert value.metadata.plugin_data.plugin_name == "graph_run_metadata_graph"
    run = config_pb2.RunMetadata.FromString(array_of_proto(value.tensor).item())
    assert "Mul" in [node.op for node in run.function_graphs[0].pre_optimization_graph.node]


def test_export_needs_a_trace():
    with pytest.raises(ValueError, match="trace_on"):
        tf.summary.trace_export("x", step=0)


def test_a_directory_is_needed():
    with pytest.raises(ValueError, match="logdir"):
        tf.summary.create_file_writer(None)


def test_pictures_are_png_files_behind_their_size(folder):
    pictures = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3, 1)
    with tf.summary.create_file_writer(folder).as_default(step=0):
        tf.summary.image("i", pictures, max_outputs=2)
    width, height, *files = values(folder)[0][2]
    assert (width, height) == (b"3", b"2")
    np.testing.assert_array_equal([tf.io.decode_png(each) for each in files], pictures[:2])


def test_sounds_are_wav_files_with_labels(folder):
    sounds = np.linspace(-1, 1, 20, dtype=np.float32).reshape(2, 10, 1)
    with tf.summary.create_file_writer(folder).as_default(step=0):
        tf.summary.audio("a", sounds, sample_rate=8000)
    found = values(folder)[0][2]
    assert found.shape == (2, 2) and set(found[:, 1]) == {b""}
    sound, rate = tf.audio.decode_wav(found[0, 0])
    assert rate == 8000
    np.testing.assert_allclose(sound, sounds[0], atol=1e-4)


def test_sounds_have_one_encoding(folder):
    with pytest.raises(ValueError, match="Unknown encoding"):
        tf.summary.audio("a", np.zeros([1, 1, 1]), 8000, step=0, encoding="mp3")


def test_one_of_several_replicas_writes(folder):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    if strategy.num_replicas_in_sync != 2:
        pytest.skip("there is one device")

    @tf.function
    def step(x):
        return strategy.run(lambda x: tf.summary.scalar("x", tf.reduce_sum(x), step=1), args=(x,))

    with tf.summary.create_file_writer(folder).as_default():
        step(tf.constant([1.0, 2.0]))
    assert [each[:2] for each in values(folder)] == [(1, "x")]
