"""Settings of the eager runtime, versions, and the older ways to XLA."""

import os

import pytest

import penstock as tf

config = tf.config.experimental


@pytest.fixture(autouse=True)
def restored():
    yield
    config.set_device_policy(None)
    config.set_synchronous_execution(True)


@pytest.mark.parametrize("policy", ["explicit", "warn", "silent_for_int32", "silent"])
def test_device_policies(policy):
    config.set_device_policy(policy)
    assert config.get_device_policy() == policy


def test_an_unknown_policy():
    with pytest.raises(ValueError, match="device_policy"):
        config.set_device_policy("x")


def test_asynchronous_scopes():
    assert config.get_synchronous_execution()
    with tf.experimental.async_scope():
        assert not config.get_synchronous_execution()
        total = tf.add(1, 2)
    assert config.get_synchronous_execution()
    assert total.numpy() == 3
    tf.experimental.async_clear_error()


def test_executors():
    with tf.experimental.function_executor_type("SINGLE_THREADED_EXECUTOR"):
        assert tf.function(lambda x: x + 1)(1).numpy() == 2
    with pytest.raises(ValueError), tf.experimental.function_executor_type("other"):
        pass


def test_memory_of_a_cpu():
    assert config.get_memory_usage("CPU:0") == 0
    config.reset_memory_stats("CPU:0")
    with pytest.raises(ValueError):
        config.get_memory_usage("nothing:0")


def test_versions():
    assert tf.version.VERSION == tf.__version__ == tf.compat.v1.VERSION == tf.compat.v1.__version__
    assert tf.version.GRAPH_DEF_VERSION_MIN_CONSUMER <= tf.version.GRAPH_DEF_VERSION


def test_what_native_code_is_compiled_with():
    assert os.path.exists(os.path.join(tf.sysconfig.get_include(), "xla", "ffi", "api", "ffi.h"))
    assert f"-I{tf.sysconfig.get_include()}" in tf.sysconfig.get_compile_flags()
    assert tf.sysconfig.get_link_flags() == []
    assert os.path.isdir(tf.sysconfig.get_lib())


def test_older_ways_to_xla():
    assert tf.xla.experimental.compile(lambda x: (x, x + 1), [tf.constant(2)])[1].numpy() == 3
    with tf.xla.experimental.jit_scope():
        assert tf.constant(1).numpy() == 1


def test_convolutions_under_the_names_of_ops():
    image, window = (
        tf.random.stateless_normal([1, 5, 5, 2], [1, 2]),
        tf.random.stateless_normal([3, 3, 2, 4], [3, 4]),
    )
    expected = tf.nn.conv2d(image, window, 1, "VALID")
    tf.debugging.assert_near(tf.conv(image, window, [1, 1, 1, 1], "VALID"), expected, 1e-4)
    with tf.GradientTape() as tape:
        tape.watch([image, window])
        loss = tf.reduce_sum(tf.nn.conv2d(image, window, 1, "VALID"))
    by_image, by_window = tape.gradient(loss, [image, window])
    ones = tf.ones_like(expected)
    tf.debugging.assert_near(
        tf.conv2d_backprop_input_v2(image, window, ones, [1, 1, 1, 1], "VALID"), by_image, 1e-4
    )
    tf.debugging.assert_near(
        tf.conv2d_backprop_filter_v2(image, window, ones, [1, 1, 1, 1], "VALID"), by_window, 1e-4
    )
    assert tf.check_pinned([1, 2]).numpy().tolist() == [1, 2]
