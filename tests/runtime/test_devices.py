import subprocess
import sys

import pytest

import penstock as tf
from penstock.runtime.placement import parse_device


@pytest.mark.parametrize(
    ("name", "expected"),
    [("/GPU:0", ("GPU", 0)), ("cpu", ("CPU", 0)), ("/device:CPU:3", ("CPU", 3)),
     ("/job:localhost/replica:0/task:0/device:GPU:1", ("GPU", 1)), ("/tpu:*", ("TPU", 0))],
)  # fmt: skip
def test_device_names(name, expected):
    assert parse_device(name) == expected


def test_bad_device_names():
    with pytest.raises(ValueError, match="Unknown attribute"):
        parse_device("/toaster:0")


def test_there_is_a_cpu():
    assert tf.config.list_physical_devices("CPU")[0].device_type == "CPU"
    assert tf.constant(1).device.endswith("CPU:0")


def test_logical_devices():
    code = """
import penstock as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
print(len(tf.config.list_logical_devices("CPU")))
import jax
tf.nn.conv2d(tf.ones((1, 3, 3, 1)), tf.ones((2, 2, 1, 1)), 1, "VALID")
print(len(jax.devices("cpu")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["3", "3"], done.stderr


def test_placement_on_logical_devices():
    code = """
import penstock as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
with tf.device("/CPU:1"):
    x = tf.constant([1.0, 2.0])
    y = x * 2.0
    z = tf.function(lambda x: tf.exp(x) * tf.ones([200, 2]))(x)
print(x.device[-5:], y.device[-5:], z.device[-5:], (x + 1.0).numpy().tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split(" ", 3)[:3] == ["CPU:1", "CPU:1", "CPU:1"], done.stderr + done.stdout
    assert done.stdout.endswith("[2.0, 3.0]\n")


def test_missing_devices():
    with tf.device("/GPU:7"):
        assert (tf.constant(1.0) + 1.0).numpy() == 2.0
    tf.config.set_soft_device_placement(False)
    try:
        with tf.device("/GPU:7"), pytest.raises(tf.errors.InvalidArgumentError, match="GPU:7"):
            tf.constant(1.0) + 1.0
    finally:
        tf.config.set_soft_device_placement(True)
