"""`tf.experimental.dtensor.Mesh` and `Layout`: named dimensions of devices, and how a tensor is split along them.

These only describe; `penstock.dtensor` gives tensors layouts. Keras's distribution API builds both from its own
`DeviceMesh` and `TensorLayout`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export

UNSHARDED = "unsharded"  # the dimension is whole on every device
MATCH = "match"  # the dimension keeps the sharding that it has
JOB = "/job:localhost/replica:0/task:0/device:"

export("experimental.dtensor.UNSHARDED")(UNSHARDED)
export("experimental.dtensor.MATCH")(MATCH)

MeshDims = Sequence[tuple[str, int]] | Mapping[str, int]


class MeshDimension(NamedTuple):
    """A named dimension of a mesh."""

    name: str
    size: int


@export("experimental.dtensor.Mesh")
class Mesh:
    """Devices in a grid with named dimensions.

    Args:
      dim_names: the names of the grid's dimensions.
      global_device_ids: the grid: an array of device numbers.
      local_device_ids: those of this process, in the order of `local_devices`.
      local_devices: their names.
      mesh_name: a name for the whole.
      global_devices: the names of all devices; by default those of this process.
      use_xla_spmd: kept for TensorFlow's signature; XLA partitions every program here.

    Example:
      >>> import penstock as tf
      >>> devices = [f"CPU:{i}" for i in range(4)]
      >>> mesh = tf.experimental.dtensor.create_mesh([("batch", 2), ("model", 2)], devices=devices)
      >>> mesh.dim_names, mesh.shape(), mesh.dim_size("batch")
      (['batch', 'model'], [2, 2], 2)
    """

    def __init__(
        self,
        dim_names: Sequence[str],
        global_device_ids: np.ndarray,
        local_device_ids: Sequence[int],
        local_devices: Sequence[Any],
        mesh_name: str = "",
        global_devices: Sequence[Any] | None = None,
        use_xla_spmd: bool = False,
    ):
        grid = np.asarray(global_device_ids)
        if grid.ndim != len(dim_names):
            raise ValueError(f"Mesh: {len(dim_names)} dimension names for a grid of {grid.ndim} dimensions")
        if len(set(dim_names)) != len(dim_names):
            raise ValueError(f"Mesh: dimension names must be unique, got {list(dim_names)}")
        self.dim_names = list(dim_names)
        self.name = mesh_name
        self._grid = grid
        self._local_device_ids = [int(each) for each in local_device_ids]
        self._local_devices = [full_device_name(each) for each in local_devices]
        self._global_devices = [full_device_name(each) for each in global_devices or local_devices]
        self._use_xla_spmd = use_xla_spmd

    @property
    def size(self) -> int:
        """The number of devices."""
        return self._grid.size

    @property
    def strides(self) -> list[int]:
        """How far the number of a device moves with each dimension."""
        shape = self._grid.shape
        return [math.prod(shape[i + 1 :]) for i in range(len(shape))]

    def shape(self) -> list[int]:
        """The size of each dimension."""
        return list(self._grid.shape)

    def contains_dim(self, dim_name: str) -> bool:
        """True if the mesh has a dimension of that name."""
        return dim_name in self.dim_names

    def dim_size(self, dim_name: str) -> int:
        """The size of a dimension.

        Raises:
          ValueError: there is none of that name.
        """
        if dim_name not in self.dim_names:
            available = ",".join(self.dim_names)
            raise ValueError(
                f"Dimension {dim_name} does not exist in mesh. Available dimensions: {available}"
            )
        return self._grid.shape[self.dim_names.index(dim_name)]

    def __getitem__(self, dim_name: str) -> MeshDimension:
        return MeshDimension(dim_name, self.dim_size(dim_name))

    def global_device_ids(self) -> np.ndarray:
        """The grid of device numbers."""
        return self._grid

    def local_device_ids(self) -> list[int]:
        """The numbers of this process's devices."""
        return list(self._local_device_ids)

    def local_devices(self) -> list[str]:
        """The names of this process's devices."""
        return list(self._local_devices)

    def global_devices(self) -> list[str]:
        """The names of all devices."""
        return list(self._global_devices)

    def num_local_devices(self) -> int:
        """How many devices are this process's."""
        return len(self._local_devices)

    def device_type(self) -> str:
        """The kind of its devices: "CPU", "GPU" or "TPU"."""
        return self._global_devices[0].rpartition("device:")[2].partition(":")[0]

    def min_global_device_id(self) -> int:
        """The smallest device number."""
        return int(self._grid.min())

    def is_remote(self) -> bool:
        """True where no device is this process's."""
        return not self._local_devices

    def use_xla_spmd(self) -> bool:
        """What the constructor was given."""
        return self._use_xla_spmd

    def unravel_index(self) -> dict[int, dict[str, int]]:
        """Where each device is: its number -> its place along each dimension."""
        return {
            int(device): dict(zip(self.dim_names, place, strict=True))
            for place, device in np.ndenumerate(self._grid)
        }

    def coords(self, device_idx: int) -> Any:
        """The place of a device in the grid, as a tensor."""
        return convert_to_tensor(self.device_location(device_idx), "int32")

    def device_location(self, device_id: int) -> list[int]:
        """The place of a device in the grid."""
        place = self.unravel_index()[int(device_id)]
        return [int(place[name]) for name in self.dim_names]

    def is_single_device(self) -> bool:
        """True if it is one device."""
        return self.size == 1

    def host_mesh(self) -> Mesh:
        """The same grid of CPUs: where data of this mesh comes from."""
        names = [
            each.replace(f"device:{self.device_type()}:", "device:CPU:") for each in self._global_devices
        ]
        own = [each.replace(f"device:{self.device_type()}:", "device:CPU:") for each in self._local_devices]
        return Mesh(self.dim_names, self._grid, self._local_device_ids, own, self.name, names)

    def local_device_locations(self) -> list[dict[str, int]]:
        """Where each of this process's devices is."""
        places = self.unravel_index()
        return [places[device] for device in self._local_device_ids]

    def to_string(self) -> str:
        """Everything about the mesh in one line, as TensorFlow writes it."""
        dims = ",".join(f"{name}={size}" for name, size in zip(self.dim_names, self._grid.shape, strict=True))
        grid, local = (",".join(map(str, ids)) for ids in (self._grid.flat, self._local_device_ids))
        return "|".join([self.name, dims, grid, local, ",".join(self._local_devices)])

    @classmethod
    def from_string(cls, text: str) -> Mesh:
        """The mesh that `to_string` wrote."""
        name, dims, grid, local, devices = text.split("|")[:5]
        pairs = [dim.split("=") for dim in dims.split(",") if dim]
        ids = np.array([int(each) for each in grid.split(",")]).reshape([int(size) for _, size in pairs])
        local_ids = [int(each) for each in local.split(",") if each]
        return cls(
            [each for each, _ in pairs], ids, local_ids, [each for each in devices.split(",") if each], name
        )

    def __repr__(self) -> str:
        return f"Mesh.from_string({self.to_string()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mesh) and self.to_string() == other.to_string()

    def __hash__(self) -> int:
        return hash(self.to_string())


@export("experimental.dtensor.Layout")
class Layout:
    """How a tensor is split over a mesh: for each of its dimensions, a dimension of the mesh or `UNSHARDED`.

    Raises:
      ValueError: a name is none of the mesh's, or is used twice.

    Example:
      >>> import penstock as tf
      >>> dtensor = tf.experimental.dtensor
      >>> mesh = dtensor.create_mesh([("batch", 2)], devices=["CPU:0", "CPU:1"])
      >>> layout = dtensor.Layout(["batch", dtensor.UNSHARDED], mesh)
      >>> layout.rank, layout.num_shards(0), layout.is_fully_replicated()
      (2, 2, False)
    """

    def __init__(self, sharding_specs: Sequence[str], mesh: Mesh):
        used = [spec for spec in sharding_specs if spec not in (UNSHARDED, MATCH)]
        for spec in used:
            if not mesh.contains_dim(spec):
                raise ValueError(
                    f"{spec}: A dimension sharding must either be a valid mesh dimension or UNSHARDED."
                )
            if used.count(spec) > 1:
                raise ValueError(
                    f"Mesh dimension {spec} was repeated in sharding specification {list(sharding_specs)}. "
                    "Mesh dimensions must be unique in a layout."
                )
        self.sharding_specs = list(sharding_specs)
        self.mesh = mesh

    @classmethod
    def replicated(cls, mesh: Mesh, rank: int) -> Layout:
        """The whole tensor on every device."""
        return cls([UNSHARDED] * rank, mesh)

    @classmethod
    def batch_sharded(cls, mesh: Mesh, batch_dim: str, rank: int, axis: int = 0) -> Layout:
        """Split along one axis, the first by default."""
        specs = [UNSHARDED] * rank
        specs[axis] = batch_dim
        return cls(specs, mesh)

    @classmethod
    def inner_sharded(cls, mesh: Mesh, inner_dim: str, rank: int) -> Layout:
        """Split along the last axis."""
        return cls.batch_sharded(mesh, inner_dim, rank, axis=-1)

    @property
    def rank(self) -> int:
        """The tensor's number of dimensions."""
        return len(self.sharding_specs)

    @property
    def shape(self) -> list[int]:
        """The number of devices along each dimension of the mesh."""
        return self.mesh.shape()

    def num_shards(self, idx: int) -> int:
        """Into how many parts dimension `idx` is split."""
        spec = self.sharding_specs[idx]
        return 1 if spec in (UNSHARDED, MATCH) else self.mesh.dim_size(spec)

    def is_fully_replicated(self) -> bool:
        """True if no dimension is split."""
        return all(self.num_shards(i) == 1 for i in range(self.rank))

    def is_batch_parallel(self) -> bool:
        """True if no dimension but the first is split."""
        return all(self.num_shards(i) == 1 for i in range(1, self.rank))

    def offset_to_shard(self) -> list[tuple[int, ...]]:
        """For each device, in the order of their numbers, which part of each dimension it holds."""
        places = self.mesh.unravel_index()
        return [
            tuple(0 if spec == UNSHARDED else place[spec] for spec in self.sharding_specs)
            for _, place in sorted(places.items())
        ]

    def offset_tuple_to_global_index(self, offset_tuple: Sequence[int]) -> int:
        """The number of a part, from its place along each dimension."""
        index = 0
        for axis, place in enumerate(offset_tuple):
            index = index * self.num_shards(axis) + place
        return index

    def global_shape_from_local_shape(self, local_shape: Any) -> tuple[int, ...]:
        """The shape of a tensor whose parts have a shape."""
        return tuple(size * self.num_shards(axis) for axis, size in enumerate(local_shape))

    def local_shape_from_global_shape(self, global_shape: Any) -> tuple[int, ...]:
        """The shape of the parts of a tensor of a shape."""
        return tuple(size // self.num_shards(axis) for axis, size in enumerate(global_shape))

    def is_single_device(self) -> bool:
        """True if the mesh is one device."""
        return self.mesh.is_single_device()

    @classmethod
    def from_single_device_mesh(cls, mesh: Mesh) -> Layout:
        """The layout of a scalar on a mesh of one device.

        Raises:
          ValueError: the mesh has more than one.
        """
        if not mesh.is_single_device():
            raise ValueError(f"Layout.from_single_device_mesh: expected a mesh of one device, got {mesh!r}")
        return cls([], mesh)

    def delete(self, dims: Sequence[int]) -> Layout:
        """The layout of a tensor that lacks these dimensions."""
        return Layout([spec for i, spec in enumerate(self.sharding_specs) if i not in dims], self.mesh)

    def to_string(self) -> str:
        """Everything about the layout in one line, as TensorFlow writes it."""
        specs = ",".join(self.sharding_specs) + "," if self.sharding_specs else ""
        return f"sharding_specs:{specs} mesh:{self.mesh.to_string()}"

    @classmethod
    def from_string(cls, text: str) -> Layout:
        """The layout that `to_string` wrote."""
        specs, _, mesh = text.removeprefix("sharding_specs:").partition(" mesh:")
        return cls([spec for spec in specs.split(",") if spec], Mesh.from_string(mesh))

    def __repr__(self) -> str:
        return f"Layout.from_string({self.to_string()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.to_string() == other.to_string()

    def __hash__(self) -> int:
        return hash(self.to_string())


def full_device_name(device: Any) -> str:
    """`CPU:0` (or a DeviceSpec) as `/job:localhost/replica:0/task:0/device:CPU:0`."""
    name = device if isinstance(device, str) else device.to_string()
    if name.startswith("/job"):
        return name
    kind, _, number = name.rpartition("device:")[2].lstrip("/").partition(":")
    if kind.upper() not in ("CPU", "GPU", "TPU"):
        raise ValueError(
            f"Unknown attribute {kind!r} is encountered while parsing the device spec: {name!r}."
        )
    return f"{JOB}{kind.upper()}:{number or 0}"


def available_devices(device_type: str | None) -> list[str]:
    """This process's devices of one type; without a type, those of the best that it has."""
    from penstock.engine.xla import jax

    kinds = {"cpu": "CPU", "tpu": "TPU"}
    wanted = device_type.upper() if device_type else kinds.get(jax.default_backend(), "GPU")
    devices = jax.local_devices(backend="cpu") if wanted == "CPU" else jax.local_devices()
    return [
        f"{wanted}:{i}" for i, device in enumerate(devices) if kinds.get(device.platform, "GPU") == wanted
    ]


@export("experimental.dtensor.create_mesh")
def create_mesh(
    mesh_dims: MeshDims | None = None,
    mesh_name: str = "",
    devices: Sequence[Any] | None = None,
    device_type: str | None = None,
    use_xla_spmd: bool = False,
) -> Mesh:
    """A mesh over devices of this process.

    Args:
      mesh_dims: (name, size) of each dimension; by default one dimension "x" over all devices.
      mesh_name: a name for the whole.
      devices: the devices' names, as many as the mesh is large; by default all.
      device_type: "CPU", "GPU" or "TPU", where no devices are given.
      use_xla_spmd: kept for TensorFlow's signature.

    Raises:
      ValueError: the number of devices is not the size of the mesh.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.dtensor.create_mesh({"x": 1}, devices=["CPU:0"]).local_devices()
      ['/job:localhost/replica:0/task:0/device:CPU:0']
    """
    devices = list(devices) if devices is not None else available_devices(device_type)
    dims = dict(mesh_dims) if mesh_dims is not None else {"x": len(devices)}
    shape = list(dims.values())
    if len(devices) != math.prod(shape):
        raise ValueError(
            f"length of devices ({len(devices)}) must be equal to total size of the mesh of shape {shape}"
        )
    ids = np.arange(len(devices))
    return Mesh(list(dims), ids.reshape(shape), ids.tolist(), devices, mesh_name, use_xla_spmd=use_xla_spmd)


@export("experimental.dtensor.create_distributed_mesh")
def create_distributed_mesh(
    mesh_dims: MeshDims,
    mesh_name: str = "",
    local_devices: Sequence[Any] | None = None,
    device_type: str | None = None,
    use_xla_spmd: bool = False,
) -> Mesh:
    """A mesh over the devices of all processes; each gives equally many.

    Args:
      mesh_dims: (name, size) of each dimension.
      mesh_name: a name for the whole.
      local_devices: this process's devices; by default all.
      device_type: "CPU", "GPU" or "TPU", where no devices are given.
      use_xla_spmd: kept for TensorFlow's signature.

    Raises:
      ValueError: the number of devices is not the size of the mesh.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.dtensor.create_distributed_mesh([("x", 1)], local_devices=["cpu:0"]).size
      1
    """
    from penstock.engine.xla import jax

    devices = list(local_devices) if local_devices is not None else available_devices(device_type)
    processes, process = jax.process_count(), jax.process_index()
    dims = dict(mesh_dims)
    shape = tuple(dims.values())
    total = len(devices) * processes
    if total != math.prod(shape):
        raise ValueError(
            f"Global number of devices ({len(devices)} per client * {processes} clients = {total}) must be equal to "
            f"total size of the mesh of shape {shape}"
        )
    ids = np.arange(total)
    own = ids[process * len(devices) : (process + 1) * len(devices)].tolist()
    return Mesh(list(dims), ids.reshape(shape), own, devices, mesh_name, use_xla_spmd=use_xla_spmd)
