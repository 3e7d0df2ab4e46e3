"""What scripts of TF 1 take from private modules: linear layers, products with Hessians, small tools."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import penstock as tf
from penstock.standin import script_parts
from penstock.standin.internals import module

v1 = tf.compat.v1

IMPORTS = """
from tensorflow.contrib.keras.api.keras.preprocessing import image
from tensorflow.contrib.keras import backend
from tensorflow.python.keras._impl.keras.layers import Dense
from tensorflow._api.v1.keras import layers
from tensorflow.contrib.summary import summary
from tensorflow.contrib.slim.python.slim import evaluation, learning
from tensorflow.contrib.rnn.python.ops.core_rnn_cell import _linear, BasicLSTMCell
from tensorflow.contrib.learn.python.learn.estimators import run_config
from tensorflow.contrib.data import Dataset, TextLineDataset
from tensorflow.python.estimator.model_fn import EstimatorSpec, ModeKeys
from tensorflow.python.estimator.export.export import ServingInputReceiver
from tensorflow.python.feature_column.feature_column import _DenseColumn, input_layer
from tensorflow.python.data.experimental.ops import grouping, interleave_ops
from tensorflow.python.distribute import cross_device_ops, parameter_server_strategy
from tensorflow.python.training.checkpointable import base, util
from tensorflow.python.eager.backprop import implicit_grad, val_and_grad_function
from tensorflow.python.ops.gradients import _hessian_vector_product
from tensorflow.python.util import function_utils, lazy_loader
from tensorflow.python import debug as tf_debug
from tensorflow.core.protobuf import tensorflow_server_pb2
from tensorflow.examples.tutorials.mnist import mnist
from tensorflow.models.rnn import rnn, rnn_cell, seq2seq
assert run_config.RunConfig and evaluation.evaluate_once and learning.train and summary.scalar
assert grouping.group_by_window and cross_device_ops.ReductionToOneDevice and util.Checkpoint
assert seq2seq.sequence_loss and rnn_cell.BasicLSTMCell and tf_debug.has_inf_or_nan and tensorflow_server_pb2.ServerDef
"""


def test_modules_that_scripts_import_from():
    code = "import penstock\npenstock.install('v1')\n" + IMPORTS
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_linear_layer_of_several_inputs():
    linear = module("python.ops.rnn_cell_impl")._linear
    x, y = np.ones([2, 3], np.float32), np.full([2, 1], 2, np.float32)
    with tf.Graph().as_default(), v1.Session() as session:
        with v1.variable_scope("cell", initializer=v1.ones_initializer()):
            out = linear([tf.constant(x), tf.constant(y)], 4, True, 0.5)
        session.run(v1.global_variables_initializer())
        assert session.run(out).tolist() == [[5.5] * 4] * 2
        assert [each.name for each in v1.trainable_variables()] == ["cell/kernel:0", "cell/bias:0"]
        with pytest.raises(ValueError, match="two dimensions"):
            linear(tf.zeros([3]), 4, True)


def test_a_product_with_the_hessian():
    with tf.Graph().as_default(), v1.Session() as session:
        x = tf.constant([1.0, 2.0])
        (found,) = script_parts._hessian_vector_product(x[0] ** 2 * x[1], [x], [tf.constant([1.0, 1.0])])
        np.testing.assert_allclose(session.run(found), [2 * 2 + 2, 2])


def test_slices_of_one_index_are_added():
    values, indices = script_parts._deduplicate_indexed_slices(
        tf.constant([[1.0], [2.0], [4.0]]), tf.constant([5, 3, 5])
    )
    assert indices.numpy().tolist() == [5, 3] and values.numpy().tolist() == [[5], [2]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [(("same", 2), 4), (("valid", 1), 5), (("full", 1), 9), (("valid", 1, 2), 3)],
)
def test_lengths_of_convolutions(given, expected):
    padding, stride, *dilation = given
    assert script_parts.conv_output_length(7, 3, padding, stride, *dilation) == expected


def test_formats_of_data():
    assert script_parts.convert_data_format("channels_last", 4) == "NHWC"
    assert script_parts.convert_data_format("Channels_First", 5) == "NCDHW"
    with pytest.raises(ValueError, match="Input rank not supported: 7"):
        script_parts.convert_data_format("channels_last", 7)
    assert script_parts.deconv_output_length(3, 3, "valid", 2) == 7


def test_arguments_of_functions():
    import functools

    assert script_parts.fn_args(functools.partial(lambda a, b, *args: None, b=1)) == ("a",)
    assert script_parts.has_kwargs(lambda **kwargs: None) and not script_parts.has_kwargs(lambda a: None)
    only = script_parts.keyword_args_only(lambda a: a)
    assert only(a=3) == 3
    with pytest.raises(ValueError, match="only keyword arguments"):
        only(3)


def test_a_module_is_loaded_when_it_is_used():
    names: dict = {}
    lazy = script_parts.LazyLoader("text", names, "textwrap")
    assert not names and lazy.dedent(" a") == "a" and "text" in names


def test_the_debugger_says_where_numbers_end(capsys):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [], name="x")
        y = tf.exp(tf.math.log(x, name="log"), name="exp")
        watching = script_parts.LocalCLIDebugWrapperSession(session)
        watching.add_tensor_filter("has_inf_or_nan", script_parts.has_inf_or_nan)
        assert watching.run(y, {x: 1.0}) == 1 and not capsys.readouterr().out
        watching.run(y, {x: -1.0})
    assert capsys.readouterr().out.splitlines() == [
        "has_inf_or_nan: log:0 float32[] of Log",
        "has_inf_or_nan: exp:0 float32[] of Exp",
    ]


def test_the_network_of_the_tutorial_learns():
    from penstock.standin import mnist_tutorial as mnist

    with tf.Graph().as_default(), v1.Session() as session:
        images = tf.constant(np.eye(10, 784, dtype=np.float32))
        logits = mnist.inference(images, 16, 8)
        loss = mnist.loss(logits, tf.range(10))
        step, right = mnist.training(loss, 0.5), mnist.evaluation(logits, tf.range(10))
        session.run(v1.global_variables_initializer())
        for _ in range(150):
            session.run(step)
        assert session.run(right) >= 9
