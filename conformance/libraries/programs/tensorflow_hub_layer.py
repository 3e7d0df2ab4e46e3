"""tensorflow_hub: a SavedModel on this machine as a function and as a layer."""

import os
import tempfile

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras


class Embed(tf.Module):
    def __init__(self):
        self.table = tf.Variable(np.arange(20, dtype="float32").reshape(10, 2))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, words):
        return tf.gather(self.table, tf.strings.to_hash_bucket_fast(words, 10))


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "module")
    tf.saved_model.save(Embed(), path)
    loaded = hub.load(path)
    words = tf.constant(["a", "b", "a"])
    found = loaded(words).numpy()
    assert (found[0] == found[2]).all()
    layer = hub.KerasLayer(path, input_shape=[], dtype=tf.string, output_shape=[2])
    model = tf_keras.Sequential([layer, tf_keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    np.testing.assert_allclose(layer(words), found)
    model.fit(tf.constant(["a", "b"]), np.array([0.0, 1.0]), verbose=0)
