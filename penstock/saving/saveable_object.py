"""`SaveableObject`: the older way to say what of an object a checkpoint keeps. `Saver` and custom objects use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.types.dtypes import as_dtype


class SaveSpec:
    """One tensor of a saveable.

    Args:
      tensor: the tensor, or a function that returns it (then `dtype` must be given).
      slice_spec: "" for a whole tensor; else shape and slice as in `"10 4 0,5:-"`.
      name: the tensor's name in the checkpoint.
    """

    def __init__(self, tensor: Any, slice_spec: str, name: str, dtype: Any = None, device: Any = None):
        self._tensor, self.slice_spec, self.name = tensor, slice_spec, name
        self.dtype = tensor.dtype if dtype is None and not callable(tensor) else dtype
        self.device = device

    @property
    def tensor(self) -> Any:
        """The tensor."""
        return self._tensor() if callable(self._tensor) else self._tensor


class SaveableObject:
    """What is saved and restored together.

    Args:
      op: what is saved.
      specs: a `SaveSpec` for each tensor.
      name: the name.
    """

    def __init__(self, op: Any, specs: Sequence[SaveSpec], name: str):
        self.op, self.specs, self.name = op, specs, name

    @property
    def device(self) -> Any:
        """Where the first tensor is."""
        return self.specs[0].device

    def restore(self, restored_tensors: Sequence[Any], restored_shapes: Sequence[Any] | None) -> Any:
        """Takes the values back; in a graph it returns the operation that does so."""
        raise ValueError(f"{type(self).__name__} does not say how it is restored: define restore()")


class BaseSaverBuilder:
    """Where TF 1's programs look for the two classes."""

    SaveSpec = SaveSpec
    SaveableObject = SaveableObject


class VariableSaveable(SaveableObject):
    """A variable, or a part of a partitioned one (`slice_spec`)."""

    def __init__(self, variable: Any, slice_spec: str, name: str):
        spec = SaveSpec(lambda: convert_to_tensor(variable), slice_spec, name, as_dtype(variable.dtype))
        super().__init__(variable, [spec], name)

    def restore(self, restored_tensors: Sequence[Any], restored_shapes: Sequence[Any] | None) -> Any:
        (value,) = restored_tensors
        if restored_shapes is not None:
            value = reshaped(value, restored_shapes[0])
        return self.op._restore_from_tensors({"VARIABLE_VALUE": value})


class TensorsSaveable(SaveableObject):
    """A trackable that gives and takes its own tensors.

    Args:
      trackable: has `_serialize_to_tensors` and `_restore_from_tensors`.
      prefix: the name in the checkpoint; the tensors' names follow it.
    """

    def __init__(self, trackable: Any, prefix: str):
        self._tensors = trackable._serialize_to_tensors()
        specs = [SaveSpec(tensor, "", prefix + name) for name, tensor in self._tensors.items()]
        super().__init__(trackable, specs, prefix)

    def restore(self, restored_tensors: Sequence[Any], restored_shapes: Sequence[Any] | None) -> Any:
        return self.op._restore_from_tensors(dict(zip(self._tensors, restored_tensors)))


def reshaped(value: Any, shape: Any) -> Any:
    """`value` with another shape."""
    from penstock.ops.reshaping import reshape

    return reshape(value, shape)


# A saveable, or a function that makes one of the name it gets.
SaveableFactory = Callable[..., SaveableObject]
