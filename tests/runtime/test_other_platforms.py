"""Programs for platforms that this machine need not have: lowered for them, and run as beside them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import penstock as tf

ROOT = Path(__file__).parents[2]


def _trained(step):
    """A step of training: the loss, and the update of what it was computed with."""

    def train(*arguments):
        with tf.GradientTape() as tape:
            loss = step(*arguments)
        for variable, gradient in zip(
            tape.watched_variables(), tape.gradient(loss, tape.watched_variables())
        ):
            variable.assign_sub(0.1 * tf.convert_to_tensor(gradient))
        return loss

    return train


_KERNEL, _RECURRENT = tf.Variable(tf.ones([4, 64])), tf.Variable(tf.ones([16, 64]))
_FILTERS, _TABLE, _SCALE = (
    tf.Variable(tf.ones([3, 3, 32, 32])),
    tf.Variable(tf.ones([50, 8])),
    tf.Variable(tf.ones(32)),
)


@_trained
def _network(images):
    x = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(images, _FILTERS, 1, "SAME")), 2, 2, "SAME")
    x, _, _ = tf.compat.v1.nn.fused_batch_norm(x, _SCALE, tf.zeros(32), is_training=True)
    return tf.reduce_mean(tf.nn.softmax(tf.nn.dropout(tf.reshape(x, [-1, 32]), 0.5) @ tf.ones([32, 32])))


@_trained
def _lstm(sequence):
    def cell(i, h, c):
        i_, f, g, o = tf.split(sequence[i] @ _KERNEL + h @ _RECURRENT, 4, -1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i_) * tf.tanh(g)
        return i + 1, tf.sigmoid(o) * tf.tanh(c), c

    return tf.reduce_sum(
        tf.while_loop(lambda i, h, c: i < 5, cell, (0, tf.zeros([3, 16]), tf.zeros([3, 16])))[1]
    )


@_trained
def _attention(x):
    scores = tf.nn.softmax(tf.matmul(x * _SCALE, x, transpose_b=True))
    mean, variance = tf.nn.moments(scores @ x, -1, keepdims=True)
    return tf.reduce_sum(tf.nn.gelu(tf.nn.batch_normalization(x, mean, variance, None, None, 1e-5)))


@_trained
def _embedding(ids):
    return tf.reduce_sum(tf.nn.embedding_lookup(_TABLE, ids) ** 2)


def _decompositions(a):
    return (
        tf.linalg.svd(a)[0],
        tf.linalg.cholesky(a),
        tf.linalg.qr(a)[0],
        tf.linalg.eigh(a)[0],
        tf.linalg.inv(a),
    )


def _signals(images):
    return (
        tf.signal.fft(tf.cast(images, tf.complex64)),
        tf.image.resize(images, [9, 9]),
        tf.random.normal([500]),
    )


PROGRAMS = {
    "network": (_network, [(8, 16, 16, 32)]),
    "lstm": (_lstm, [(5, 3, 4)]),
    "attention": (_attention, [(2, 64, 32)]),
    "embedding": (_embedding, [np.array([3, 5, 3])]),
    "decompositions": (_decompositions, [(5, 5)]),
    "signals": (_signals, [(2, 16, 16, 3)]),
}


@pytest.mark.parametrize("platform", ["CUDA", "TPU"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_for_an_accelerator_calls_nothing_of_the_host(name, platform):
    function, arguments = PROGRAMS[name]
    values = [
        tf.constant(each if isinstance(each, np.ndarray) else np.ones(each, np.float32)) for each in arguments
    ]
    text = tf.function(function).experimental_get_compiler_ir(*values)(
        stage="stablehlo", platform_name=platform
    )
    called = set(re.findall(r"custom_call @([\w.$]+)", text))
    assert not {
        each for each in called if each.startswith(("penstock", "lapack", "xla_ffi_python_cpu", "blas"))
    }


def test_the_program_for_this_machine_stays_as_it_was():
    compiled = tf.function(lambda x: x @ x)
    x = tf.ones([300, 300])
    here = compiled.experimental_get_compiler_ir(x)(stage="stablehlo")
    compiled.experimental_get_compiler_ir(x)(stage="stablehlo", platform_name="CUDA")
    assert compiled.experimental_get_compiler_ir(x)(stage="stablehlo") == here
    assert compiled.experimental_get_compiler_ir(x)(stage="stablehlo", device_name="/CPU:0") == here


def test_only_a_platform_that_is_here_optimizes():
    ir = tf.function(lambda x: tf.exp(x) * tf.ones([300])).experimental_get_compiler_ir(tf.constant(1.0))
    with pytest.raises(ValueError, match="Unknown platform"):
        ir(platform_name="/device:TOASTER:0")
    with pytest.raises(ValueError, match="optimizes for"):
        ir(stage="optimized_hlo", platform_name="TPU")


def test_programs_beside_an_accelerator():
    """Some of what `make gpu` checks beside a real one."""
    programs = ["perceptron", "embeddings", "host_between", "random_numbers", "states"]
    done = subprocess.run(
        [sys.executable, "-m", "accelerator", "--pretend", *programs],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
