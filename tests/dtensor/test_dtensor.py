"""Tensors with layouts, in a process that has four devices; and what a process of one device can do."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import penstock as tf

dtensor = tf.experimental.dtensor
HERE = pathlib.Path(__file__).parent


@pytest.mark.parametrize("program", sorted(each.name for each in HERE.glob("four_devices_*.py")))
def test_on_four_devices(program):
    """All tests of a file whose process splits the CPU into four devices."""
    options = ["-q", "-n0", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib"]
    command = [sys.executable, "-m", "pytest", *options, str(HERE / program)]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def mesh():
    return dtensor.create_mesh([("x", 1), ("y", 1)], devices=["CPU:0"])


def test_gradients_pass_changes_of_layout(mesh):
    rows, whole = dtensor.Layout(["x", "unsharded"], mesh), dtensor.Layout.replicated(mesh, 2)
    x = dtensor.copy_to_mesh(tf.constant([[1.0, 2.0], [3.0, 4.0]]), whole)

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = dtensor.relayout(x * x, rows)
            z = dtensor.relayout_like(y * 3.0, x)
            z = dtensor.call_with_layout(tf.sin, rows, z)
        return tape.gradient(z, x)

    np.testing.assert_allclose(gradient(x), 6 * x.numpy() * np.cos(3 * x.numpy() ** 2), rtol=1e-5)


def test_clients_and_devices():
    assert (dtensor.client_id(), dtensor.num_clients(), dtensor.jobs()) == (0, 1, [])
    assert dtensor.full_job_name() == "localhost/replica:0/task:0"
    assert dtensor.preferred_device_type() == "CPU"
    assert (
        dtensor.num_global_devices("CPU")
        == dtensor.num_local_devices("CPU")
        == len(dtensor.local_devices("CPU"))
    )
    assert dtensor.local_devices("cpu")[0].to_string() == "/job:localhost/replica:0/task:0/device:CPU:0"
    assert dtensor.device_name() == "/job:localhost/replica:0/task:0/device:CUSTOM:0"


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ValueError, lambda mesh: dtensor.local_devices("FOO")),
        (ValueError, lambda mesh: dtensor.full_job_name(3)),
        (ValueError, lambda mesh: dtensor.create_tpu_mesh(["x"], [2], "m")),
        (ValueError, lambda mesh: dtensor.shutdown_accelerator_system()),
        (ValueError, lambda mesh: dtensor.default_mesh(3).__enter__()),
        (AttributeError, lambda mesh: dtensor.copy_to_mesh(tf.ones([2]), 3)),
        (tf.errors.InvalidArgumentError, lambda mesh: dtensor.fetch_layout(tf.constant(1.0))),
        (tf.errors.InvalidArgumentError, lambda mesh: dtensor.unpack(tf.constant(1.0))),
        (tf.errors.InvalidArgumentError, lambda mesh: dtensor.pack([], dtensor.Layout(["x"], mesh))),
        (tf.errors.InvalidArgumentError, lambda mesh: dtensor.DVariable(tf.ones([2]))),
        (
            tf.errors.UnimplementedError,
            lambda mesh: dtensor.copy_to_mesh(tf.constant(["a"]), dtensor.Layout(["x"], mesh)),
        ),
        (
            ValueError,
            lambda mesh: dtensor.check_layout(
                dtensor.copy_to_mesh(tf.ones([2]), dtensor.Layout(["x"], mesh)), dtensor.Layout(["y"], mesh)
            ),
        ),
        (ValueError, lambda mesh: dtensor.name_based_save(mesh, "p", {})),
    ],
)
def test_is_refused(mesh, error, call):
    with pytest.raises(error):
        call(mesh)


def test_default_mesh(mesh):
    with dtensor.default_mesh(mesh):
        assert dtensor.get_default_mesh() == mesh
    assert dtensor.get_default_mesh() is None


def test_places_in_a_mesh():
    mesh = dtensor.create_mesh([("x", 2), ("y", 2)], devices=[f"CPU:{i}" for i in range(4)])
    assert (mesh.device_location(1), mesh.coords(1).numpy().tolist()) == ([0, 1], [0, 1])
    assert mesh.host_mesh() == mesh and not mesh.is_single_device()
    layout = dtensor.Layout(["x", "y"], mesh)
    assert layout.global_shape_from_local_shape([2, 2]) == (4, 4)
    assert layout.local_shape_from_global_shape([2, 2]) == (1, 1)
    assert layout.offset_tuple_to_global_index((1, 0)) == 2
    scalar = dtensor.Layout([], mesh)
    assert scalar.to_string().startswith("sharding_specs: mesh:")
    assert dtensor.Layout.from_string(scalar.to_string()) == scalar
