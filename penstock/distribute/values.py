"""Values that differ between the replicas of a distributed program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.export import export
from penstock.types import nest
from penstock.types.composite import CompositeTensor
from penstock.types.specs import type_spec_from_value
from penstock.types.type_spec import TypeSpec


@export("distribute.DistributedValues")
class DistributedValues:
    """What `strategy.run` takes apart and returns: one value for each replica."""

    @property
    def values(self) -> tuple:
        """The value of each replica."""
        raise AttributeError("a kind of DistributedValues says what its values are")


def _lines(kind: str, values: Sequence[Any]) -> str:
    """How a distributed value is written: a line for each replica."""
    return f"{kind}:{{\n" + ",\n".join(f"  {i}: {each!r}" for i, each in enumerate(values)) + "\n}"


@export("types.experimental.distributed.PerReplica")
class PerReplica(DistributedValues, CompositeTensor):
    """A tensor or composite for each replica.

    Example:
      >>> import penstock as tf
      >>> strategy = tf.distribute.MirroredStrategy(["CPU:0"])
      >>> strategy.experimental_local_results(strategy.run(lambda: tf.constant(1.0)))[0].numpy()
      np.float32(1.0)
    """

    def __init__(self, values: Sequence[Any]):
        self._values = tuple(values)

    @property
    def values(self) -> tuple:
        """The value of each replica."""
        return self._values

    @property
    def _type_spec(self) -> PerReplicaSpec:
        return PerReplicaSpec(*(type_spec_from_value(each) for each in self._values))

    def __repr__(self) -> str:
        return _lines("PerReplica", self._values)


@export("types.experimental.distributed.Mirrored")
class Mirrored(DistributedValues):
    """A value that all replicas have: a mirrored variable, or what a reduction left on several devices."""


class MirroredValue(Mirrored):
    """One tensor that all replicas have. It behaves as the tensor."""

    def __init__(self, value: Any, count: int):
        self._value, self._count = value, count

    @property
    def values(self) -> tuple:
        """The value of each replica."""
        return (self._value,) * self._count

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._value, name)

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        from penstock.engine.convert import convert_to_tensor

        return convert_to_tensor(self._value, dtype)

    def __repr__(self) -> str:
        return _lines("Mirrored", self.values)


def _operator(name: str) -> Any:
    return lambda self, *others, **named: getattr(self._value, name)(*others, **named)


for _name in (
    "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv", "mod", "rmod",
    "pow", "rpow", "matmul", "rmatmul", "neg", "abs", "invert", "and", "or", "xor", "lt", "le", "gt", "ge",
    "getitem", "float", "int", "bool", "array",
):  # fmt: skip
    setattr(MirroredValue, f"__{_name}__", _operator(f"__{_name}__"))


class PerReplicaSpec(TypeSpec):
    """The specs of a `PerReplica`."""

    __slots__ = ("_specs",)

    def __init__(self, *specs: Any):
        self._specs = specs

    @property
    def value_type(self) -> type:
        return PerReplica

    def _serialize(self) -> tuple:
        return self._specs

    @property
    def _component_specs(self) -> tuple:
        return self._specs

    def _to_components(self, value: PerReplica) -> tuple:
        return value.values

    def _from_components(self, components: Any) -> PerReplica:
        return PerReplica(components)


def select(replica: int, structure: Any) -> Any:
    """What one replica sees of a structure that may hold distributed values."""
    return nest.map_structure(
        lambda each: each.values[replica] if isinstance(each, (PerReplica, MirroredValue)) else each,
        structure,
    )


def is_distributed(value: Any) -> bool:
    """Whether a value has parts for the replicas: a `PerReplica`, `Mirrored`, or a distributed variable."""
    return isinstance(value, DistributedValues)


def regroup(structures: Sequence[Any]) -> Any:
    """The results of all replicas as one structure: a `PerReplica` wherever they are not the same object."""

    def join(*values: Any) -> Any:
        first = values[0]
        if isinstance(first, DistributedValues) or all(each is first for each in values):
            return first
        return PerReplica(values)

    return nest.map_structure(join, *structures)
