import numpy as np
import pytest

import penstock as tf
from penstock.engine import context

v1 = tf.compat.v1


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def _names():
    return [variable.name for variable in v1.global_variables()]


def _run(fetches, feed=None):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return session.run(fetches, feed)


def _sine(shape, dtype=None, partition_info=None):
    """An initializer of numbers that are all different and known."""
    dims = [int(each) for each in shape]
    return tf.constant(np.sin(np.arange(np.prod(dims))).reshape(dims), dtype or tf.float32)


LAYERS = {
    "dense": (lambda x: v1.layers.dense(x, 4), [2, 3], [2, 4], ["kernel", "bias"]),
    "dense_of_rank_3": (lambda x: v1.layers.dense(x, 4, use_bias=False), [2, 5, 3], [2, 5, 4], ["kernel"]),
    "conv1d": (lambda x: v1.layers.conv1d(x, 4, 3, dilation_rate=2), [2, 9, 3], [2, 5, 4], ["kernel", "bias"]),
    "conv2d": (lambda x: v1.layers.conv2d(x, 4, 3, (2, 1), "same"), [2, 8, 8, 3], [2, 4, 8, 4], ["kernel", "bias"]),
    "conv3d": (lambda x: v1.layers.conv3d(x, 4, 2), [1, 5, 5, 5, 3], [1, 4, 4, 4, 4], ["kernel", "bias"]),
    "conv2d_transpose": (
        lambda x: v1.layers.conv2d_transpose(x, 4, 3, 2), [2, 5, 5, 3], [2, 11, 11, 4], ["kernel", "bias"],
    ),
    "conv3d_transpose": (
        lambda x: v1.layers.conv3d_transpose(x, 2, 2, 2, "same"), [1, 2, 2, 2, 3], [1, 4, 4, 4, 2], ["kernel", "bias"],
    ),
    "separable_conv1d": (
        lambda x: v1.layers.separable_conv1d(x, 4, 3), [2, 9, 3], [2, 7, 4],
        ["depthwise_kernel", "pointwise_kernel", "bias"],
    ),
    "separable_conv2d": (
        lambda x: v1.layers.separable_conv2d(x, 4, 3, depth_multiplier=2), [2, 9, 9, 3], [2, 7, 7, 4],
        ["depthwise_kernel", "pointwise_kernel", "bias"],
    ),
    "max_pooling1d": (lambda x: v1.layers.max_pooling1d(x, 2, 2), [2, 9, 3], [2, 4, 3], []),
    "max_pooling2d": (lambda x: v1.layers.max_pooling2d(x, 2, 2, "same"), [2, 9, 9, 3], [2, 5, 5, 3], []),
    "average_pooling3d": (lambda x: v1.layers.average_pooling3d(x, 2, 2), [2, 4, 4, 4, 3], [2, 2, 2, 2, 3], []),
    "batch_normalization": (
        v1.layers.batch_normalization, [4, 3], [4, 3], ["gamma", "beta", "moving_mean", "moving_variance"],
    ),
    "flatten": (v1.layers.flatten, [2, 3, 4], [2, 12], []),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_shapes_and_names(name):
    layer, shape, expected, variables = LAYERS[name]
    x = v1.placeholder(tf.float32, [None, *shape[1:]])
    y = layer(x)
    assert y.shape.as_list()[1:] == expected[1:]
    scope = name.partition("_of_")[0]
    assert _names() == [f"{scope}/{each}:0" for each in variables]
    assert list(_run(y, {x: np.ones(shape)}).shape) == expected


def test_dense_computes_the_formula():
    x = np.array([[1.0, 2.0], [3.0, -4.0]], np.float32)
    y = v1.layers.dense(x, 3, tf.nn.relu, kernel_initializer=_sine, bias_initializer=v1.ones_initializer())
    assert y.name == "dense/Relu:0"
    kernel = np.sin(np.arange(6)).reshape(2, 3)
    np.testing.assert_allclose(_run(y), np.maximum(x @ kernel + 1, 0), rtol=1e-5, atol=1e-6)


def test_names_count_up_and_reuse_shares():
    x = tf.ones([2, 3])
    v1.layers.dense(x, 3)
    v1.layers.dense(x, 3)
    with v1.variable_scope("tower"):
        a = v1.layers.dense(x, 3, name="fc")
    with v1.variable_scope("tower", reuse=True):
        b = v1.layers.dense(x, 3, name="fc")
    assert [name for name in _names() if "kernel" in name] == [
        "dense/kernel:0",
        "dense_1/kernel:0",
        "tower/fc/kernel:0",
    ]
    a, b = _run([a, b])
    np.testing.assert_array_equal(a, b)


def test_a_second_layer_of_a_name_without_reuse_fails():
    v1.layers.dense(tf.ones([2, 3]), 3, name="fc")
    with pytest.raises(ValueError, match="already exists"):
        v1.layers.dense(tf.ones([2, 3]), 3, name="fc")


def test_class_form_shares_its_variables():
    layer = v1.layers.Dense(3)
    layer(tf.ones([2, 4]))
    layer(tf.ones([5, 4]))
    assert _names() == ["dense/kernel:0", "dense/bias:0"] == [each.name for each in layer.weights]
    assert layer.count_params() == 15 and layer.scope_name == "dense"


def test_wrong_inputs_are_refused():
    layer = v1.layers.Dense(3)
    layer(tf.ones([2, 4]))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 4"):
        layer(tf.ones([2, 5]))
    with pytest.raises(ValueError, match="expected ndim=4"):
        v1.layers.conv2d(tf.ones([2, 5]), 3, 3)
    with pytest.raises(ValueError, match="last dimension"):
        v1.layers.dense(v1.placeholder(tf.float32, [2, None]), 3)


def test_regularizers_add_losses_once():
    x = tf.ones([2, 3])
    for reuse in (None, True):
        v1.layers.dense(
            x,
            3,
            kernel_initializer=v1.ones_initializer(),
            kernel_regularizer=tf.reduce_sum,
            name="fc",
            reuse=reuse,
        )
    losses = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
    assert _run(losses) == [9.0]
    assert losses[0].name.startswith("fc/kernel/Regularizer/")


@pytest.mark.parametrize("shape", [[8, 3], [2, 4, 4, 3]], ids=["plain", "fused"])
def test_batch_normalization_follows_its_placeholder(shape):
    x, training = v1.placeholder(tf.float32, shape), v1.placeholder(tf.bool, [])
    y = v1.layers.batch_normalization(x, momentum=0.9, training=training)
    updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    moving_mean, moving_variance = v1.global_variables()[2:]
    assert len(updates) == 2 and len(v1.trainable_variables()) == 2
    value = np.random.RandomState(0).randn(*shape).astype(np.float32) * 3 + 1
    axes = tuple(range(len(shape) - 1))
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        trained, _ = session.run([y, updates], {x: value, training: True})
        mean = session.run(moving_mean)
        np.testing.assert_allclose(mean, 0.1 * value.mean(axes), rtol=1e-4)
        normalized = (value - value.mean(axes)) / np.sqrt(value.var(axes) + 1e-3)
        np.testing.assert_allclose(trained, normalized, rtol=1e-3, atol=1e-4)
        tested, _ = session.run([y, updates], {x: value, training: False})
        np.testing.assert_allclose(session.run(moving_mean), mean)
        variance = session.run(moving_variance)
        np.testing.assert_allclose(tested, (value - mean) / np.sqrt(variance + 1e-3), rtol=1e-3, atol=1e-4)


def test_batch_normalization_that_is_not_training_has_no_updates():
    v1.layers.batch_normalization(tf.ones([2, 3]))
    assert not v1.get_collection(v1.GraphKeys.UPDATE_OPS)


def test_batch_renormalization_corrects_within_its_bounds():
    value = np.random.RandomState(0).randn(16, 2).astype(np.float32) * 3 + 5
    y = v1.layers.batch_normalization(
        value, training=True, renorm=True, renorm_clipping={"rmin": 0.5, "rmax": 2.0, "dmax": 1.0}
    )
    mean, deviation = value.mean(0), np.sqrt(value.var(0) + 1e-3)
    r, d = np.clip(deviation, 0.5, 2.0), np.clip(mean, -1.0, 1.0)
    np.testing.assert_allclose(_run(y), (value - mean) / deviation * r + d, rtol=1e-3, atol=1e-4)


def test_dropout_only_while_training():
    training = v1.placeholder(tf.bool, [])
    y = v1.layers.dropout(tf.ones([1000]), 0.25, training=training)
    assert _run(y, {training: False}).tolist() == [1.0] * 1000
    dropped = _run(y, {training: True})
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1 / 0.75)}
    assert 180 < np.sum(dropped == 0) < 320


def test_a_layer_of_ones_own():
    class Linear(v1.layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight("w", [int(input_shape[-1]), 2], initializer=v1.ones_initializer())
            super().build(input_shape)

        def call(self, inputs):
            return tf.matmul(inputs, self.w)

    linear = Linear(name="linear")
    assert _run(linear(tf.ones([1, 3]))).tolist() == [[3.0, 3.0]]
    assert [each.name for each in linear.trainable_variables] == ["linear/w:0"]
    with pytest.raises(TypeError, match="unexpected keyword"):
        Linear(widths=3)


def test_custom_getter_and_scope_defaults_reach_layers():
    with v1.variable_scope("s", initializer=v1.constant_initializer(2.0), regularizer=tf.reduce_sum):
        y = v1.layers.dense(tf.ones([1, 3]), 1)
    assert _run(y).tolist() == [[6.0]]
    assert len(v1.get_collection("regularization_losses")) == 2


def test_partitioned_kernels():
    with v1.variable_scope("s", partitioner=v1.fixed_size_partitioner(2)):
        y = v1.layers.dense(tf.ones([1, 4]), 3, kernel_initializer=v1.ones_initializer())
    assert _names()[:2] == ["s/dense/kernel/part_0:0", "s/dense/kernel/part_1:0"]
    assert _run(y).tolist() == [[4.0, 4.0, 4.0]]


def test_layers_run_eagerly():
    with context.building(None):
        layer = v1.layers.Dense(2, kernel_initializer=v1.ones_initializer())
        assert layer(np.ones([1, 3], np.float32)).numpy().tolist() == [[3.0, 3.0]]
        assert layer(np.ones([1, 3], np.float32)).numpy().tolist() == [[3.0, 3.0]]
        assert len(layer.variables) == 2
