"""Networks of `contrib.slim.nets`: sizes and names are those of the published ones."""

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
slim = v1.contrib.slim
nets = slim.nets


def built(network, scope, size, **arguments):
    """The output and end points of a network, and its variables of the model."""
    with tf.Graph().as_default():
        with slim.arg_scope(scope()):
            output, end_points = network(v1.placeholder(tf.float32, [2, size, size, 3]), **arguments)
        return output, end_points, slim.get_model_variables()


@pytest.mark.parametrize(
    "module, name, size, trainable",
    [
        ("vgg", "vgg_16", 224, 138_357_544),
        ("vgg", "vgg_19", 224, 143_667_240),
        ("alexnet", "alexnet_v2", 224, 50_303_912),
        ("overfeat", "overfeat", 231, 145_704_424),
        ("resnet_v1", "resnet_v1_50", 224, 25_557_032),
        ("resnet_v1", "resnet_v1_101", 224, 44_549_160),
        ("inception", "inception_v1", 224, 6_617_624),
        ("inception", "inception_v2", 224, 11_178_336),
        ("inception", "inception_v3", 299, 27_143_152),
    ],
)
def test_sizes(module, name, size, trainable):
    found = getattr(nets, module)
    family = {"overfeat": "overfeat", "alexnet": "alexnet_v2", "vgg": "vgg", "inception": name}.get(
        module, "resnet"
    )
    network = getattr(found, name)
    output, _, variables = built(network, getattr(found, f"{family}_arg_scope"), size, num_classes=1000)
    assert network.default_image_size in (size, 224)
    assert output.shape[-1] == 1000
    assert sum(int(np.prod(each.shape)) for each in variables if each.trainable) == trainable


@pytest.mark.parametrize(
    "network, parameters",
    [("inception_v1", 5_607_184), ("inception_v2", 10_173_112), ("inception_v3", 21_802_784)],
)
def test_inception_without_logits(network, parameters):
    base = getattr(nets.inception, f"{network}_base")
    _, end_points, variables = built(base, getattr(nets.inception, f"{network}_arg_scope"), 299)
    assert sum(int(np.prod(each.shape)) for each in variables) == parameters
    last = list(end_points)[-1]
    assert last == ("Mixed_7c" if network == "inception_v3" else "Mixed_5c")


def test_names_of_variables():
    _, _, variables = built(
        nets.resnet_v2.resnet_v2_50, nets.resnet_v2.resnet_arg_scope, 33, num_classes=5, is_training=False
    )
    found = {each.op.name for each in variables}
    assert {
        "resnet_v2_50/conv1/biases",
        "resnet_v2_50/block1/unit_1/bottleneck_v2/preact/gamma",
        "resnet_v2_50/block4/unit_3/bottleneck_v2/conv2/BatchNorm/moving_mean",
        "resnet_v2_50/postnorm/beta",
        "resnet_v2_50/logits/weights",
    } <= found
    _, _, variables = built(nets.inception.inception_v3, nets.inception.inception_v3_arg_scope, 299)
    assert "InceptionV3/Mixed_5c/Branch_1/Conv_1_0c_5x5/weights" in {each.op.name for each in variables}


def test_end_points():
    _, end_points, _ = built(nets.vgg.vgg_a, nets.vgg.vgg_arg_scope, 224, num_classes=7)
    assert end_points["vgg_a/conv4/conv4_2"].shape == [2, 28, 28, 512]
    assert end_points["vgg_a/fc8"].shape == [2, 7]


def test_an_output_stride_makes_strides_dilations():
    output, _, _ = built(
        nets.resnet_v1.resnet_v1_50, nets.resnet_v1.resnet_arg_scope, 65, global_pool=False, output_stride=8
    )
    assert output.shape == [2, 9, 9, 2048]
    with pytest.raises(ValueError, match="multiple of 4"):
        built(nets.resnet_v1.resnet_v1_50, nets.resnet_v1.resnet_arg_scope, 65, output_stride=6)


def test_an_unknown_endpoint_is_refused():
    with pytest.raises(ValueError, match="Unknown final endpoint Mixed_9z"):
        built(
            nets.inception.inception_v1_base,
            nets.inception.inception_v1_arg_scope,
            64,
            final_endpoint="Mixed_9z",
        )


def test_a_small_residual_network_trains():
    rng = np.random.RandomState(0)
    labels = rng.randint(0, 2, 32)
    images = rng.randn(32, 8, 8, 3) + 3 * labels[:, None, None, None]
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(1)
        with slim.arg_scope(nets.resnet_utils.resnet_arg_scope(batch_norm_decay=0.5)):
            block = nets.resnet_v1.resnet_v1_block("block1", base_depth=2, num_units=1, stride=2)
            logits, _ = nets.resnet_v1.resnet_v1(
                tf.constant(images, tf.float32), [block], 2, include_root_block=False, scope="small"
            )
        loss = v1.losses.sparse_softmax_cross_entropy(labels, tf.squeeze(logits, [1, 2]))
        train = slim.learning.create_train_op(loss, v1.train.AdamOptimizer(0.05))
        session.run(v1.global_variables_initializer())
        losses = [session.run(train) for _ in range(15)]
    assert losses[-1] < 0.3 * losses[0]
