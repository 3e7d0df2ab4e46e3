"""`WeakTensor`: a tensor whose dtype was inferred from Python numbers, and gives way to those of other tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.engine.export import export
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.extension_type import BatchableExtensionType
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor, TensorLike

_DTYPES = (dtypes.int32, dtypes.int64, dtypes.float32, dtypes.float64, dtypes.complex128)


@export("__internal__.WeakTensor", v1=[])
class WeakTensor(BatchableExtensionType, TensorLike):
    """A tensor with a weak dtype; programs meet it in the promotion modes "safe" and "all".

    It converts to its tensor wherever a tensor is wanted, and has the tensor's attributes.
    """

    __name__ = "tf.WeakTensor"
    __array_priority__ = 100  # NumPy's operators defer to ours
    tensor: Tensor

    def __validate__(self) -> None:
        if self.tensor.dtype not in _DTYPES:
            raise TypeError(
                f"{self.tensor.dtype} not allowed as a weak type. The allowed types are {_DTYPES}."
            )

    @classmethod
    def from_tensor(cls, tensor: Tensor) -> WeakTensor:
        """A tensor, with its dtype made weak."""
        return cls(tensor)

    def to_tensor(self) -> Tensor:
        """The tensor, with its dtype as it is."""
        return self.tensor

    @property
    def dtype(self) -> DType:
        """The dtype that gives way."""
        return self.tensor.dtype

    @property
    def shape(self) -> TensorShape:
        """The tensor's shape."""
        return self.tensor.shape

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Tensor:
        from penstock.engine.convert import convert_to_tensor

        return convert_to_tensor(self.tensor, dtype, name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "tensor" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.__dict__["tensor"], name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.tensor.__array__(dtype)  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[WeakTensor]:
        return (WeakTensor(each) for each in self.tensor)

    def __len__(self) -> int:
        return len(self.tensor)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        return bool(self.tensor)

    def __int__(self) -> int:
        return int(self.tensor)  # type: ignore[call-overload]

    def __float__(self) -> float:
        return float(self.tensor)  # type: ignore[arg-type]

    def __index__(self) -> int:
        return self.tensor.__index__()  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        text = repr(self.tensor)
        return f"{text[:-1]}, weak=True{text[-1]}"

    def __str__(self) -> str:
        text = str(self.tensor)
        return f"{text[:-1]}, weak=True{text[-1]}"


def as_weak(value: Any) -> Any:
    """A tensor with its dtype made weak; other values, and other dtypes, as they are."""
    return WeakTensor(value) if isinstance(value, Tensor) and value.dtype in _DTYPES else value
