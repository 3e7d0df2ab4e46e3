"""`replica_device_setter`: which device it names."""

from types import SimpleNamespace

import pytest

import penstock as tf

setter = tf.compat.v1.train.replica_device_setter
CLUSTER = {"ps": ["a:1", "b:2"], "worker": ["c:3"]}
OPERATIONS = [
    ("VarHandleOp", ""),
    ("VariableV2", ""),
    ("VarHandleOp", "/device:GPU:0"),
    ("Const", ""),
    ("Const", "/device:GPU:0"),
    ("Const", "/job:x/task:3"),
]


@pytest.mark.parametrize(
    ("arguments", "devices"),
    [
        (
            {"cluster": CLUSTER},
            ["/job:ps/task:0", "/job:ps/task:1", "/job:ps/task:0/device:GPU:0"]
            + ["/job:worker", "/job:worker/device:GPU:0", "/job:x/task:3"],
        ),
        (
            {"ps_tasks": 1, "merge_devices": False},
            ["/job:ps/task:0", "/job:ps/task:0", "/device:GPU:0"]
            + ["/job:worker", "/device:GPU:0", "/job:x/task:3"],
        ),
        (
            {"ps_tasks": 2, "ps_ops": ["Const"], "worker_device": None},
            ["", "", "/device:GPU:0", "/job:ps/task:0", "/job:ps/task:1/device:GPU:0", "/job:x/task:3"],
        ),
        (
            {"ps_tasks": 2, "ps_strategy": lambda operation: 1, "ps_device": "/job:params"},
            ["/job:params/task:1", "/job:params/task:1", "/job:params/task:1/device:GPU:0"]
            + ["/job:worker", "/job:worker/device:GPU:0", "/job:x/task:3"],
        ),
    ],
)
def test_devices(arguments, devices):
    chosen = setter(**arguments)
    assert [chosen(SimpleNamespace(type=kind, device=own)) for kind, own in OPERATIONS] == devices


def test_without_servers_there_is_none():
    assert setter() is None
    assert setter(cluster={"worker": ["a:1"]}) is None


@pytest.mark.parametrize("arguments", [{"cluster": 3}, {"ps_tasks": 1, "ps_strategy": 3}])
def test_refused(arguments):
    with pytest.raises(TypeError):
        setter(**arguments)
