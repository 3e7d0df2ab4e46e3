"""`contrib.tensorboard.plugins.projector`: the configuration that TensorBoard's projector reads."""

from __future__ import annotations

import penstock as tf


def test_a_configuration_is_written_beside_the_events(tmp_path):
    projector = tf.compat.v1.contrib.tensorboard.plugins.projector
    config = projector.ProjectorConfig()
    config.embeddings.add().tensor_name = "words:0"
    with tf.Graph().as_default(), tf.compat.v1.summary.FileWriter(str(tmp_path)) as writer:
        projector.visualize_embeddings(writer, config)
    assert "words:0" in (tmp_path / "projector_config.pbtxt").read_text()
