"""Where tensors and variables live, as TensorFlow's programs can tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import penstock as tf

PLACEMENTS: list[Callable[[], None]] = []


def placement(function: Callable[[], None]) -> Callable[[], None]:
    """Adds a check to the list."""
    PLACEMENTS.append(function)
    return function


def kind_of(tensor: Any) -> str:
    """The type of device that holds a tensor or a variable."""
    return tf.DeviceSpec.from_string(tensor.device).device_type


def accelerator() -> str:
    """The type of accelerator that programs run on."""
    return "TPU" if tf.config.list_logical_devices("TPU") else "GPU"


@placement
def devices_are_listed() -> None:
    """Physical and logical devices, the CPU among them."""
    assert tf.config.list_physical_devices("CPU") and tf.config.list_physical_devices(accelerator())
    assert tf.config.list_logical_devices(accelerator())[0].name == f"/device:{accelerator()}:0"
    if accelerator() == "GPU":
        assert tf.test.is_gpu_available() and tf.test.gpu_device_name() == "/device:GPU:0"


@placement
def floats_live_on_the_accelerator() -> None:
    """Constants, results of ops and functions, variables; what TensorFlow keeps on the host is there."""
    x = tf.constant([1.0, 2.0])
    variable = tf.Variable(tf.ones(300))
    doubled = tf.function(lambda x: tf.exp(x) * tf.ones([300]))(variable)
    large = tf.ones([300, 300]) @ tf.ones([300, 300])
    for each in (x, x + 1.0, variable, doubled, large):
        assert kind_of(each) == accelerator(), each.device
    for each in (tf.constant(1), tf.constant("text")):
        assert kind_of(each) == "CPU", each.device


@placement
def a_device_can_be_asked_for() -> None:
    """`tf.device`, for eager ops and for functions; `cpu()` and `gpu()`."""
    step = tf.function(lambda x: tf.exp(x) * tf.ones([300]))
    with tf.device("/CPU:0"):
        host = tf.constant([1.0]) * 2.0
        assert kind_of(host) == kind_of(step(host)) == "CPU"
    with tf.device(f"/{accelerator()}:0"):
        there = tf.constant([1.0]) * 2.0
        assert kind_of(there) == kind_of(step(there)) == accelerator()
    assert kind_of(there.cpu()) == "CPU" and (host + there).numpy() == 4.0
    if accelerator() == "GPU":
        assert kind_of(host.gpu()) == "GPU" and host.gpu().numpy() == 2.0
    assert kind_of(tf.identity(step(host))) == accelerator()


@placement
def a_missing_device_is_an_error_when_asked() -> None:
    """With soft placement another one is taken."""
    with tf.device("/GPU:77"):
        assert (tf.constant(1.0) + 1.0).numpy() == 2.0
    tf.config.set_soft_device_placement(False)
    try:
        with tf.device("/GPU:77"):
            tf.constant(1.0) + 1.0
    except tf.errors.InvalidArgumentError as error:
        assert "GPU:77" in error.message
    else:
        raise AssertionError("no error")
    finally:
        tf.config.set_soft_device_placement(True)


@placement
def memory_is_shared_through_dlpack() -> None:
    """Both ways, from either kind of memory."""
    for tensor in (tf.ones([300, 300]) @ tf.ones([300, 300]), tf.ones([3])):
        again = tf.experimental.dlpack.from_dlpack(tf.experimental.dlpack.to_dlpack(tensor))
        np.testing.assert_array_equal(again.numpy(), tensor.numpy())


@placement
def a_hidden_accelerator_is_not_used() -> None:
    """`tf.config.set_visible_devices`."""
    gpus = tf.config.list_physical_devices(accelerator())
    kind = accelerator()
    tf.config.set_visible_devices([], kind)
    try:
        result = tf.function(lambda x: tf.exp(x) * tf.ones([300]))(tf.constant([1.0]))
        assert kind_of(result) == kind_of(tf.constant([1.0])) == "CPU"
        assert not tf.config.list_logical_devices(kind)
    finally:
        tf.config.set_visible_devices(gpus, kind)
    assert kind_of(tf.constant([1.0])) == kind
