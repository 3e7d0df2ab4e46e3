"""Variables that are cut into parts along one axis, and the partitioners that say how."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import EXPORTS, export
from penstock.ops.operators import install_operators
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


class SaveSliceInfo(NamedTuple):
    """Which part of a whole a variable is, for checkpoints.

    Attributes:
      full_name, full_shape: those of the whole.
      var_offset: where the part begins, for each axis. var_shape: its shape.
    """

    full_name: str
    full_shape: Sequence[int]
    var_offset: Sequence[int]
    var_shape: Sequence[int]

    @property
    def spec(self) -> str:
        """Shape and slice as text: `"10 4 0,5:0,4"`."""
        whole = " ".join(str(size) for size in self.full_shape)
        return (
            f"{whole} {':'.join(f'{start},{size}' for start, size in zip(self.var_offset, self.var_shape))}"
        )


class PartitionedVariable:
    """Variables that together stand for one tensor, cut along one axis.

    Converts to a tensor by concatenation, and iterates over its parts.
    """

    __array_priority__ = 100

    def __init__(
        self, name: str, shape: Any, dtype: Any, variable_list: Sequence[Any], partitions: Sequence[int]
    ):
        self.name, self._shape, self.dtype = name, TensorShape(shape), as_dtype(dtype)
        self._variable_list, self._partitions = list(variable_list), list(partitions)

    @property
    def shape(self) -> TensorShape:
        """The shape of the whole."""
        return self._shape

    def get_shape(self) -> TensorShape:
        """The shape of the whole."""
        return self._shape

    @property
    def graph_is_eager_like(self) -> bool:
        """Whether `==` compares elements."""
        return self._variable_list[0].graph_is_eager_like

    def _axes(self) -> list[int]:
        return [axis for axis, parts in enumerate(self._partitions) if parts > 1]

    def _get_partitions(self) -> list[int]:
        return self._partitions

    def _get_variable_list(self) -> list[Any]:
        return self._variable_list

    def as_tensor(self) -> Tensor:
        """The whole as a tensor."""
        parts = [convert_to_tensor(each) for each in self._variable_list]
        if len(parts) == 1:
            return parts[0]
        axes = self._axes()
        if len(axes) > 1:
            raise NotImplementedError(f"Cannot concatenate along more than one dimension: {axes}")
        return execute("ConcatV2", (parts, convert_to_tensor(axes[0] if axes else 0)), None, "concat")

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Tensor:
        return convert_to_tensor(self.as_tensor(), dtype)

    def _apply(self, method: str, value: Any, use_locking: bool, name: str | None, read_value: bool) -> Any:
        if isinstance(value, (list, tuple, PartitionedVariable)) and len(value) == len(self._variable_list):
            parts: Any = list(value)  # type: ignore[arg-type]
        else:
            axis = (self._axes() or [0])[0]
            sizes = [variable.shape[axis] for variable in self._variable_list]
            whole = convert_to_tensor(value, self.dtype)
            parts = execute("SplitV", (whole, convert_to_tensor(sizes, dtypes.int64), convert_to_tensor(axis)), {
                "num_split": len(sizes)
            })  # fmt: skip
        pairs = zip(self._variable_list, parts, strict=True)
        return [getattr(each, method)(part, use_locking, name, read_value) for each, part in pairs]

    def assign(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> list:
        """Sets every part from a tensor for the whole, or from a list of parts."""
        return self._apply("assign", value, use_locking, name, read_value)

    def assign_add(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> list:
        """Adds to every part."""
        return self._apply("assign_add", value, use_locking, name, read_value)

    def assign_sub(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> list:
        """Subtracts from every part."""
        return self._apply("assign_sub", value, use_locking, name, read_value)

    def __len__(self) -> int:
        return len(self._variable_list)

    def __repr__(self) -> str:
        return f"<PartitionedVariable {self.name!r} shape={self._shape} dtype={self.dtype.name} parts={len(self)}>"


install_operators(PartitionedVariable)
PartitionedVariable.__iter__ = lambda self: iter(self._variable_list)  # over the parts, not the rows


def make_partitioned(
    name: str, shape: TensorShape, dtype: DType, initializer: Any, partitioner: Callable, single: Callable
) -> PartitionedVariable:
    """Makes the parts of a variable.

    Args:
      initializer: a value for the whole, or a function of shape and dtype, called for each part.
      partitioner: a function of shape and dtype that returns the number of parts along each axis.
      single: `single(name, shape, dtype, initializer)` makes one variable.

    Raises:
      ValueError: the partitioner's answer does not fit the shape, or it cuts several axes.
    """
    whole = None
    if not callable(initializer):
        whole = convert_to_tensor(initializer, dtype)
        shape = whole.shape
    if not shape.is_fully_defined():
        raise ValueError(
            f"Shape of a new partitioned variable ({name}) must be fully defined, but instead was {shape}."
        )
    partitions = list(partitioner(shape=shape, dtype=dtype))
    if len(partitions) != shape.rank:
        raise ValueError(
            f"Partitioner returned a partition list that does not match the variable's rank: {partitions} vs. {shape}"
        )
    if any(each < 1 for each in partitions):
        raise ValueError(f"Partitioner returned zero partitions for some axes: {partitions}")
    cut = [axis for axis, each in enumerate(partitions) if each > 1]
    if len(cut) > 1:
        raise ValueError(
            f"Can only slice a variable along one dimension: {shape}, partitioning: {partitions}"
        )
    axis = cut[0] if cut else 0
    count, dims = partitions[axis] if partitions else 1, shape.as_list()
    base, extra = divmod(dims[axis], count)
    parts, offset = [], 0
    for index in range(count):
        size = base + (index < extra)
        part_shape = [*dims[:axis], size, *dims[axis + 1 :]]
        begin = [offset if each == axis else 0 for each in range(len(dims))]
        if whole is not None:
            value = execute("Slice", (whole, convert_to_tensor(begin), convert_to_tensor(part_shape)))
            parts.append(single(f"{name}/part_{index}", None, dtype, value))
        else:
            parts.append(single(f"{name}/part_{index}", part_shape, dtype, initializer))
        parts[-1]._save_slice_info = SaveSliceInfo(name, dims, begin, part_shape)
        offset += size
    return PartitionedVariable(name, shape, dtype, parts, partitions)


@export(v1=["fixed_size_partitioner"])
def fixed_size_partitioner(num_shards: int, axis: int = 0) -> Callable:
    """A partitioner that cuts `axis` into `num_shards` parts."""

    def partitioner(shape: Any, **unused: Any) -> list[int]:
        partitions = [1] * TensorShape(shape).rank
        partitions[axis] = min(num_shards, TensorShape(shape).as_list()[axis])
        return partitions

    return partitioner


def _bytes(shape: TensorShape, dtype: DType, bytes_per_string_element: int) -> int:
    element = bytes_per_string_element if dtype is dtypes.string else dtype.size
    return element * shape.num_elements()


@export(v1=["variable_axis_size_partitioner"])
def variable_axis_size_partitioner(
    max_shard_bytes: int, axis: int = 0, bytes_per_string_element: int = 16, max_shards: int | None = None
) -> Callable:
    """A partitioner that cuts `axis` so that no part is larger than `max_shard_bytes`.

    Raises:
      ValueError: a size is not positive.
    """
    if max_shard_bytes < 1 or bytes_per_string_element < 1:
        raise ValueError(
            "Both max_shard_bytes and bytes_per_string_element should be positive. Currently they are "
            f"{max_shard_bytes} and {bytes_per_string_element} respectively"
        )
    if max_shards is not None and max_shards < 1:
        raise ValueError("max_shards must be positive.")

    def partitioner(shape: Any, dtype: Any) -> list[int]:
        shape, dtype = TensorShape(shape), as_dtype(dtype)
        partitions = [1] * shape.rank
        length = shape.as_list()[axis]
        slice_bytes = _bytes(shape, dtype, bytes_per_string_element) / length
        per_shard = max(1, math.floor(max_shard_bytes / slice_bytes))
        shards = math.ceil(length / per_shard)
        partitions[axis] = shards if max_shards is None else min(max_shards, shards)
        return partitions

    return partitioner


@export(v1=["min_max_variable_partitioner"])
def min_max_variable_partitioner(
    max_partitions: int = 1,
    axis: int = 0,
    min_slice_size: int = 256 << 10,
    bytes_per_string_element: int = 16,
) -> Callable:
    """A partitioner that cuts `axis` into at most `max_partitions` parts of at least `min_slice_size` bytes."""

    def partitioner(shape: Any, dtype: Any) -> list[int]:
        shape, dtype = TensorShape(shape), as_dtype(dtype)
        partitions = [1] * shape.rank
        wanted = math.ceil(_bytes(shape, dtype, bytes_per_string_element) / min_slice_size)
        partitions[axis] = max(1, min(shape.as_list()[axis], max_partitions, wanted))
        return partitions

    return partitioner


@export(v1=["create_partitioned_variables"])
def create_partitioned_variables(
    shape: Any,
    slicing: Sequence[int],
    initializer: Any,
    dtype: Any = dtypes.float32,
    trainable: bool = True,
    collections: Any = None,
    name: str | None = None,
    reuse: Any = None,
) -> list[Any]:
    """The parts of a new variable that is cut into `slicing[axis]` parts along each axis."""
    with EXPORTS["v1"]["variable_scope"](name, "PartitionedVariable", reuse=reuse):
        whole = EXPORTS["v1"]["get_variable"](
            "", shape if callable(initializer) else None, dtype, initializer, trainable=trainable,
            collections=collections, partitioner=lambda **unused: slicing,
        )  # fmt: skip
    return list(whole) if isinstance(whole, PartitionedVariable) else [whole]
