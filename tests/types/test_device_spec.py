"""`tf.DeviceSpec`: names of devices taken apart, put together, merged and refused."""

import pytest

import penstock as tf


@pytest.mark.parametrize(
    "name, full",
    [
        ("/job:worker/replica:1/task:2/device:gpu:3", "/job:worker/replica:1/task:2/device:GPU:3"),
        ("/cpu:0", "/device:CPU:0"),
        ("/gpu:*", "/device:GPU:*"),
        ("/job:a/cpu", "/job:a/device:CPU:*"),
        ("/device:CPU:0/task:1", "/task:1/device:CPU:0"),
        ("", ""),
    ],
)
def test_names(name, full):
    spec = tf.DeviceSpec.from_string(name)
    assert spec.to_string() == full
    assert spec == tf.DeviceSpec.from_string(full)
    assert hash(spec) == hash(tf.DeviceSpec.from_string(full))


@pytest.mark.parametrize("name", ["/foo", "/job:ps/CPU:0/GPU:1", "/device:TPU", "/replica:x"])
def test_bad_names(name):
    with pytest.raises(ValueError):
        tf.DeviceSpec.from_string(name)


def test_parts():
    spec = tf.DeviceSpec(job="ps", task="3", device_type="gpu")
    assert (spec.job, spec.replica, spec.task, spec.device_type, spec.device_index) == (
        "ps",
        None,
        3,
        "GPU",
        None,
    )
    assert repr(spec) == "<DeviceSpec(job=ps, replica=None, task=3, device_type=GPU, device_index=None)>"
    assert spec.replace(task=None).to_string() == "/job:ps/device:GPU:*"
    assert (
        spec.make_merged_spec(tf.DeviceSpec(task=1, device_index=0)).to_string()
        == "/job:ps/task:1/device:GPU:0"
    )
    with pytest.raises(AttributeError):
        spec.task = 4


def test_tf1_changes_its_specs():
    spec = tf.compat.v1.DeviceSpec(job="a")
    spec.task = 3
    assert spec.to_string() == "/job:a/task:3"
    assert spec.merge_from(tf.compat.v1.DeviceSpec(task=5)) is None
    assert spec.to_string() == "/job:a/task:5"
    assert spec.parse_from_string("/job:b") is spec
    assert spec.job == "b"


def test_a_spec_places_ops():
    with tf.device(tf.DeviceSpec(device_type="CPU", device_index=0)):
        assert tf.constant(1).device.endswith("CPU:0")
