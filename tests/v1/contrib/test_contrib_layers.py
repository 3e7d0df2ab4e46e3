import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
slim = v1.contrib.slim
layers = v1.contrib.layers


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


X = np.random.RandomState(0).randn(4, 8, 8, 3).astype(np.float32)

LAYERS = {
    "fully_connected": (lambda x: layers.fully_connected(layers.flatten(x), 5), [4, 5], ["weights", "biases"]),
    "Conv": (lambda x: layers.conv2d(x, 5, [3, 3], stride=2), [4, 4, 4, 5], ["weights", "biases"]),
    "Conv2d_transpose": (lambda x: layers.conv2d_transpose(x, 5, 2, 2), [4, 16, 16, 5], ["weights", "biases"]),
    "SeparableConv2d": (
        lambda x: layers.separable_conv2d(x, 5, 3), [4, 8, 8, 5], ["depthwise_weights", "pointwise_weights", "biases"],
    ),
    "BatchNorm": (layers.batch_norm, [4, 8, 8, 3], ["beta", "moving_mean", "moving_variance"]),
    "LayerNorm": (layers.layer_norm, [4, 8, 8, 3], ["beta", "gamma"]),
    "InstanceNorm": (layers.instance_norm, [4, 8, 8, 3], ["beta", "gamma"]),
    "GroupNorm": (lambda x: layers.group_norm(x, groups=3), [4, 8, 8, 3], ["beta", "gamma"]),
    "MaxPool2D": (lambda x: layers.max_pool2d(x, 2), [4, 4, 4, 3], []),
    "AvgPool2D": (lambda x: layers.avg_pool2d(x, [3, 3], 1, "SAME"), [4, 8, 8, 3], []),
    "Dropout": (layers.dropout, [4, 8, 8, 3], []),
    "BiasAdd": (layers.bias_add, [4, 8, 8, 3], ["biases"]),
}  # fmt: skip


@pytest.mark.parametrize("scope", LAYERS)
def test_shapes_and_names(scope):
    layer, shape, variables = LAYERS[scope]
    y = layer(tf.constant(X))
    assert y.shape.as_list() == shape
    assert _names() == [f"{scope}/{each}:0" for each in variables]
    assert v1.get_collection("model_variables") == v1.global_variables() or scope == "BiasAdd"
    assert list(_run(y).shape) == shape


def test_activation_and_initializers():
    y = layers.fully_connected(
        tf.constant([[1.0, -2.0]]),
        1,
        weights_initializer=v1.ones_initializer(),
        biases_initializer=v1.ones_initializer(),
    )
    assert _run(y).tolist() == [[0.0]]


def test_arg_scope_nests_and_is_entered_again():
    with slim.arg_scope([slim.conv2d], padding="VALID", activation_fn=None) as outer:
        with slim.arg_scope([slim.conv2d, slim.fully_connected], stride=2):
            assert slim.conv2d(X, 2, 3).shape.as_list() == [4, 3, 3, 2]
        assert slim.conv2d(X, 2, 3).shape.as_list() == [4, 6, 6, 2]
    assert slim.conv2d(X, 2, 3).shape.as_list() == [4, 8, 8, 2]
    with slim.arg_scope(outer):
        assert slim.conv2d(X, 2, 3).shape.as_list() == [4, 6, 6, 2]


def test_arg_scope_of_ones_own_function():
    @slim.add_arg_scope
    def f(a, b=1):
        return a + b

    with slim.arg_scope([f], b=10):
        assert f(1) == 11 and f(1, b=2) == 3
    assert f(1) == 2
    with pytest.raises(ValueError, match="not decorated"), slim.arg_scope([print], end=""):
        pass


def test_a_normalizer_takes_the_place_of_biases():
    training = v1.placeholder(tf.bool, [])
    slim.conv2d(
        X, 2, 3, normalizer_fn=slim.batch_norm, normalizer_params={"is_training": training}, scope="c"
    )
    assert _names() == [
        "c/weights:0",
        "c/BatchNorm/beta:0",
        "c/BatchNorm/moving_mean:0",
        "c/BatchNorm/moving_variance:0",
    ]
    assert len(v1.get_collection(v1.GraphKeys.UPDATE_OPS)) == 2


def test_updates_of_batch_norm_may_run_with_the_layer():
    y = slim.batch_norm(tf.constant(X), decay=0.5, updates_collections=None)
    assert not v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(y)
        moving_mean = session.run(v1.global_variables()[1])
    np.testing.assert_allclose(moving_mean, 0.5 * X.mean((0, 1, 2)), rtol=1e-3, atol=1e-5)


def test_layer_norm_normalizes_each_example():
    y = _run(layers.layer_norm(tf.constant(X)))
    np.testing.assert_allclose(y.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((1, 2, 3)), 1, rtol=1e-4)


def test_repeat_stack_and_collections():
    y = slim.repeat(tf.constant(X), 2, slim.conv2d, 2, [3, 3], scope="conv")
    slim.stack(slim.flatten(y), slim.fully_connected, [4, 2], scope="fc", outputs_collections="ends")
    assert [name for name in _names() if "weights" in name] == [
        "conv/conv_1/weights:0", "conv/conv_2/weights:0", "fc/fc_1/weights:0", "fc/fc_2/weights:0",
    ]  # fmt: skip
    assert list(slim.utils.convert_collection_to_dict("ends")) == ["fc/fc_1", "fc/fc_2"]
    assert [each.name for each in slim.get_variables("fc")][:1] == ["fc/fc_1/weights:0"]
    assert len(slim.get_model_variables()) == 8
    assert [each.name for each in slim.get_variables_to_restore(exclude=["fc"])][-1] == "conv/conv_2/biases:0"


def test_regularizers():
    w = tf.constant([[3.0, -4.0]])
    found = _run(
        [layers.l1_regularizer(0.5)(w), layers.l2_regularizer(0.5)(w), layers.l1_l2_regularizer(1.0, 2.0)(w)]
    )
    assert found == [3.5, 6.25, 32.0]
    assert layers.l2_regularizer(0.0)(w) is None
    with pytest.raises(ValueError, match="less than 0"):
        layers.l2_regularizer(-1.0)
    with pytest.raises(ValueError, match="integer"):
        layers.l1_regularizer(1)


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("mode, n", [("FAN_IN", 300), ("FAN_OUT", 100), ("FAN_AVG", 200)])
def test_variance_scaling(mode, n, uniform):
    values = _run(layers.variance_scaling_initializer(2.0, mode, uniform, seed=1)([300, 100]))
    assert np.var(values) == pytest.approx(2.0 / n, rel=0.05)


def test_embed_sequence():
    ids = tf.constant([[1, 2], [2, 0]])
    a = layers.embed_sequence(ids, vocab_size=3, embed_dim=4, scope="e")
    b = layers.embed_sequence(ids, scope="e", reuse=True)
    assert _names() == ["e/embeddings:0"]
    a, b = _run([a, b])
    assert a.shape == (2, 2, 4) and (a == b).all() and (a[0, 1] == a[1, 0]).all()


def test_small_layers():
    labels, unit, most = _run(
        [
            layers.one_hot_encoding([0, 2], 3),
            layers.unit_norm(tf.constant([[3.0, 4.0]]), 1),
            layers.maxout(tf.constant([[1.0, 2.0, 4.0, 3.0]]), 2),
        ]
    )
    assert labels.tolist() == [[1, 0, 0], [0, 0, 1]]
    np.testing.assert_allclose(unit, [[0.6, 0.8]], rtol=1e-5)
    assert most.tolist() == [[2.0, 4.0]]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "Momentum", v1.train.AdagradOptimizer])
def test_optimize_loss(optimizer):
    w = v1.get_variable("w", initializer=[1.0, 2.0])
    step = v1.train.get_or_create_global_step()
    train = layers.optimize_loss(tf.reduce_sum(w * w), step, 0.1, optimizer, clip_gradients=1.0)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        losses = [session.run(train) for _ in range(3)]
        assert losses == sorted(losses, reverse=True) and losses[0] > losses[-1]
        assert session.run(step) == 3


def test_assigning_values_by_name():
    v1.get_variable("w", initializer=[1.0])
    operation, feed = slim.assign_from_values({"w": [5.0]})
    with v1.Session() as session:
        session.run(operation, feed)
        assert session.run(slim.get_unique_variable("w")).tolist() == [5.0]
    with pytest.raises(ValueError, match="does not exist"):
        slim.get_unique_variable("x")
