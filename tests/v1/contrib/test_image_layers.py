"""`contrib.layers` of images: positions of features, images as sequences; summaries of layers."""

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
layers = v1.contrib.layers


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_spatial_softmax_finds_a_peak(data_format):
    features = np.zeros([1, 3, 5, 2], np.float32)
    features[0, 0, 4, 0] = features[0, 1, 2, 1] = 100.0
    if data_format == "NCHW":
        features = features.transpose(0, 3, 1, 2)
    with tf.Graph().as_default(), v1.Session() as session:
        found = layers.spatial_softmax(features, data_format=data_format)
        assert [each.op.name for each in v1.trainable_variables()] == ["spatial_softmax/temperature"]
        session.run(v1.global_variables_initializer())
        np.testing.assert_allclose(session.run(found), [[-1, 1, 0, 0]], atol=1e-6)


def test_images_are_sequences_of_columns():
    images = tf.reshape(tf.range(2 * 3 * 4), [2, 3, 4, 1])
    sequence = layers.images_to_sequence(images)
    assert sequence.shape == [4, 6, 1]
    assert sequence[:, 0, 0].numpy().tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(layers.sequence_to_images(sequence, height=3), images)


def test_summaries_of_activations():
    with tf.Graph().as_default():
        v1.add_to_collection("activations", tf.nn.relu(tf.ones([2]), name="r"))
        names = [each.op.name for each in layers.summarize_activations()]
        assert names == ["r_activation"]
        assert layers.summarize_tensor(tf.constant(1.0, name="c")).op.type == "ScalarSummary"
        found = v1.get_collection(v1.GraphKeys.SUMMARIES)
        assert [each.op.type for each in found] == ["ScalarSummary", "HistogramSummary", "ScalarSummary"]
