"""Meshes and layouts of `tf.experimental.dtensor` describe what TensorFlow's do."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

dtensor = tf.experimental.dtensor


@pytest.fixture
def mesh():
    return dtensor.create_mesh([("x", 2), ("y", 2)], devices=[f"CPU:{i}" for i in range(4)])


def test_a_mesh_knows_its_dimensions(mesh):
    assert (mesh.dim_names, mesh.shape(), mesh.size, mesh.strides) == (["x", "y"], [2, 2], 4, [2, 1])
    assert mesh["x"] == ("x", 2)
    assert mesh.contains_dim("y") and not mesh.contains_dim("z")


def test_a_mesh_knows_its_devices(mesh):
    np.testing.assert_array_equal(mesh.global_device_ids(), [[0, 1], [2, 3]])
    assert mesh.local_devices()[3] == "/job:localhost/replica:0/task:0/device:CPU:3"
    assert mesh.unravel_index()[2] == {"x": 1, "y": 0}
    assert mesh.device_type() == "CPU"


def test_a_mesh_is_written_as_tensorflow_writes_it(mesh):
    devices = ",".join(f"/job:localhost/replica:0/task:0/device:CPU:{i}" for i in range(4))
    assert mesh.to_string() == f"|x=2,y=2|0,1,2,3|0,1,2,3|{devices}"
    assert dtensor.Mesh.from_string(mesh.to_string()) == mesh


@pytest.mark.parametrize(
    "name", ["cpu:1", "CPU:1", "/device:CPU:1", "/job:localhost/replica:0/task:0/device:CPU:1"]
)
def test_devices_may_be_named_in_short(name):
    assert dtensor.create_mesh({"x": 1}, devices=[name]).local_devices() == [
        "/job:localhost/replica:0/task:0/device:CPU:1"
    ]


def test_a_mesh_takes_all_devices_unless_told():
    assert dtensor.create_mesh(device_type="CPU").dim_names == ["x"]


def test_the_number_of_devices_must_fit():
    with pytest.raises(
        ValueError, match=r"length of devices \(1\) must be equal to total size of the mesh of shape \[2\]"
    ):
        dtensor.create_mesh([("x", 2)], devices=["CPU:0"])
    with pytest.raises(ValueError, match=r"4 per client \* 1 clients = 4.*shape \(3,\)"):
        dtensor.create_distributed_mesh([("x", 3)], local_devices=[f"CPU:{i}" for i in range(4)])


def test_an_unknown_dimension_is_an_error(mesh):
    with pytest.raises(ValueError, match="Dimension q does not exist in mesh"):
        mesh.dim_size("q")


def test_a_layout_knows_its_shards(mesh):
    layout = dtensor.Layout(["x", dtensor.UNSHARDED], mesh)
    assert (layout.rank, layout.num_shards(0), layout.num_shards(1)) == (2, 2, 1)
    assert layout.offset_to_shard() == [(0, 0), (0, 0), (1, 0), (1, 0)]
    assert layout.is_batch_parallel() and not layout.is_fully_replicated()


def test_the_usual_layouts_have_constructors(mesh):
    assert dtensor.Layout.replicated(mesh, 2).sharding_specs == ["unsharded", "unsharded"]
    assert dtensor.Layout.batch_sharded(mesh, "x", 2).sharding_specs == ["x", "unsharded"]
    assert dtensor.Layout.inner_sharded(mesh, "x", 2).sharding_specs == ["unsharded", "x"]
    assert dtensor.Layout(["x", "y"], mesh).delete([0]).sharding_specs == ["y"]


def test_a_layout_is_written_as_tensorflow_writes_it(mesh):
    layout = dtensor.Layout(["x", dtensor.UNSHARDED], mesh)
    assert layout.to_string() == f"sharding_specs:x,unsharded, mesh:{mesh.to_string()}"
    assert dtensor.Layout.from_string(layout.to_string()) == layout


@pytest.mark.parametrize(("specs", "message"), [(["z"], "valid mesh dimension"), (["x", "x"], "repeated")])
def test_a_layout_names_each_mesh_dimension_once(mesh, specs, message):
    with pytest.raises(ValueError, match=message):
        dtensor.Layout(specs, mesh)
