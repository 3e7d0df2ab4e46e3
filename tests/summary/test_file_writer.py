"""TF 1's summaries: the messages that nodes give, and the files that `FileWriter` writes."""

from __future__ import annotations

import os

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1


def message(make):
    """The `Summary` that a node gives in a session."""
    with tf.Graph().as_default(), v1.Session() as session:
        return v1.Summary.FromString(session.run(make()))


def events(folder):
    return [
        event
        for name in sorted(os.listdir(folder))
        for event in v1.train.summary_iterator(os.path.join(folder, name))
    ]


def test_a_scalar_is_tagged_with_the_name_of_its_node():
    def make():
        with tf.name_scope("outer"):
            return v1.summary.scalar("a b!c", tf.constant(3.0))

    (value,) = message(make).value
    assert (value.tag, value.simple_value) == ("outer/a_b_c", 3.0)


def test_a_family_stands_first_in_the_tag():
    def make():
        with tf.name_scope("outer"):
            node = v1.summary.scalar("x", 1.0, family="fam")
            assert node.name == "outer/fam/x:0"
            return node

    assert message(make).value[0].tag == "fam/outer/fam/x"


def test_a_histogram_has_tensorflows_buckets():
    found = message(lambda: v1.summary.histogram("h", [1.0, 2.0, -3.0, 0.0, 5e-13, 1e30])).value[0].histo
    assert (found.min, found.num) == (-3.0, 6)
    assert sum(found.bucket) == 6
    # Runs of empty buckets are one; the numbers are TensorFlow's.
    np.testing.assert_allclose(
        found.bucket_limit[:6],
        [-3.1665833053880363, -2.8787120958073054, 0, 1e-12, 0.917246389039776, 1.0089710279437536],
    )
    assert list(found.bucket[:6]) == [0, 1, 0, 2, 0, 1]


def test_an_empty_histogram_has_one_bucket():
    found = message(lambda: v1.summary.histogram("h", tf.zeros([0]))).value[0].histo
    assert (found.num, list(found.bucket)) == (0, [0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_histogram_refuses_what_is_not_finite(bad):
    with pytest.raises(tf.errors.InvalidArgumentError, match="in summary histogram for: h"):
        message(lambda: v1.summary.histogram("h", [1.0, bad]))


def test_text_and_tensors_carry_metadata():
    (text,) = message(lambda: v1.summary.text("t", tf.constant("hi"))).value
    assert text.metadata.plugin_data.plugin_name == "text"
    (tensor,) = message(lambda: v1.summary.tensor_summary("n", [1, 2], display_name="N")).value
    assert (tensor.tag, tensor.metadata.display_name) == ("n", "N")


def test_text_is_made_of_strings():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="dtype string"):
        v1.summary.text("t", tf.constant(1.0))


def test_merge_all_finds_the_summaries_of_the_graph():
    def make():
        v1.summary.scalar("x", 1.0)
        v1.summary.scalar("y", 2.0)
        v1.summary.scalar("z", 3.0, collections=["elsewhere"])
        return v1.summary.merge_all()

    assert [each.tag for each in message(make).value] == ["x", "y"]


def test_merge_all_of_nothing_is_none():
    with tf.Graph().as_default():
        assert v1.summary.merge_all() is None


def test_a_tag_may_be_merged_once():
    def make():
        summary = v1.summary.scalar("x", 1.0)
        return v1.summary.merge([summary, summary])

    with pytest.raises(tf.errors.InvalidArgumentError, match="Duplicate tag x"):
        message(make)


def test_a_file_holds_graph_and_summaries(tmp_path):
    with tf.Graph().as_default() as graph, v1.Session() as session:
        summary = v1.summary.scalar("x", 1.0)
        with v1.summary.FileWriter(str(tmp_path), graph) as writer:
            writer.add_summary(session.run(summary), 5)
            writer.add_session_log(v1.SessionLog(status=v1.SessionLog.START), 6)
            writer.add_run_metadata(v1.RunMetadata(), "run", 7)
    assert [(each.step, each.WhichOneof("what")) for each in events(tmp_path)] == [
        (0, "file_version"),
        (0, "graph_def"),
        (0, "meta_graph_def"),
        (5, "summary"),
        (6, "session_log"),
        (7, "tagged_run_metadata"),
    ]


def test_a_run_tag_is_used_once(tmp_path):
    with v1.summary.FileWriter(str(tmp_path)) as writer:
        writer.add_run_metadata(v1.RunMetadata(), "run")
        with pytest.raises(ValueError, match="already used"):
            writer.add_run_metadata(v1.RunMetadata(), "run")


def test_metadata_are_written_with_the_first_summary_of_a_tag(tmp_path):
    data = message(lambda: v1.summary.text("t", tf.constant("hi"))).SerializeToString()
    with v1.summary.FileWriter(str(tmp_path)) as writer:
        writer.add_summary(data, 0)
        writer.add_summary(data, 1)
    first, second = events(tmp_path)[1:]
    assert first.summary.value[0].HasField("metadata")
    assert not second.summary.value[0].HasField("metadata")


def test_a_closed_writer_writes_again_after_reopen(tmp_path):
    writer = v1.summary.FileWriter(str(tmp_path))
    writer.add_summary(v1.Summary(), 0)
    writer.close()
    with pytest.warns(UserWarning, match="closed FileWriter"):
        writer.add_summary(v1.Summary(), 1)
    writer.reopen()
    writer.add_summary(v1.Summary(), 2)
    writer.close()
    assert [each.step for each in events(tmp_path) if each.HasField("summary")] == [0, 2]


def test_the_cache_has_one_writer_for_a_directory(tmp_path):
    cache = v1.summary.FileWriterCache
    try:
        assert cache.get(str(tmp_path)) is cache.get(str(tmp_path))
    finally:
        cache.clear()


def test_a_graph_is_a_graph(tmp_path):
    with v1.summary.FileWriter(str(tmp_path)) as writer, pytest.raises(TypeError, match="graph"):
        writer.add_graph("graph")


def test_eager_calls_write_to_the_default_writer(tmp_path):
    with tf.summary.create_file_writer(str(tmp_path)).as_default(step=2):
        v1.summary.scalar("x", 3.0, family="fam")
    (event,) = events(tmp_path)[1:]
    assert (event.step, event.summary.value[0].tag) == (2, "fam/x")


def test_eager_calls_without_a_writer_give_the_message():
    found = v1.Summary.FromString(v1.summary.scalar("x", 3.0).numpy())
    assert found.value[0].simple_value == 3.0


# Pictures: expected bytes are TensorFlow's.
PICTURES = [
    ([[[[1.0], [np.nan]], [[-0.5], [0.25]]]], tf.float32, [[[[255], [255]], [[64], [159]]]]),
    ([[[[1.0], [3.0]], [[0.5], [0.25]]]], tf.float32, [[[[85], [255]], [[42], [21]]]]),
    ([[[[0.0], [0.0]]]], tf.float32, [[[[0], [0]]]]),
    ([[[[0.0], [-7.0]], [[3.0], [0.0]]]], tf.float16, [[[[128], [1]], [[182], [128]]]]),
    ([[[[1.0, 2, np.inf, 4], [-7, 1, 1, 1]]]], tf.float64, [[[[255, 0, 0, 255], [1, 146, 146, 146]]]]),
    ([[[[1], [255]]]], tf.uint8, [[[[1], [255]]]]),
]


@pytest.mark.parametrize(("pixels", "dtype", "expected"), PICTURES)
def test_pictures_are_scaled_one_by_one(pixels, dtype, expected):
    found = message(lambda: v1.summary.image("i", tf.constant(pixels, dtype)))
    decoded = [tf.io.decode_png(each.image.encoded_image_string).numpy() for each in found.value]
    np.testing.assert_array_equal(decoded, expected)


def test_pictures_are_numbered_unless_there_is_one():
    two = tf.zeros([2, 1, 1, 1])
    tags = [each.tag for each in message(lambda: v1.summary.image("i", two, max_outputs=3)).value]
    assert tags == ["i/image/0", "i/image/1"]
    assert [each.tag for each in message(lambda: v1.summary.image("i", two, max_outputs=1)).value] == [
        "i/image"
    ]


def test_pictures_have_one_three_or_four_channels():
    with pytest.raises(tf.errors.InvalidArgumentError, match="last dim 1, 3, or 4"):
        message(lambda: v1.summary.image("i", tf.zeros([1, 1, 1, 2])))


def test_sounds():
    (value,) = message(lambda: v1.summary.audio("a", [[0.5, -1.0]], 8000)).value
    assert (value.tag, value.audio.length_frames, value.audio.sample_rate) == ("a/audio/0", 2, 8000)
    assert value.audio.encoded_audio_string.endswith(b"data\x04\x00\x00\x00\x00@\x00\x80")


def test_functions_write_to_the_default_writer(tmp_path):
    @tf.function
    def train(x):
        v1.summary.scalar("x", x * 2.0)
        return x

    with tf.summary.create_file_writer(str(tmp_path)).as_default(step=2):
        train(tf.constant(3.0))
    (event,) = events(tmp_path)[1:]
    assert event.summary.value[0].tag == "x"
