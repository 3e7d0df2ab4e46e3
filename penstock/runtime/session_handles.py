"""Values that stay in a session between its steps: `get_session_handle`, `get_session_tensor`, `delete_session_tensor`."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import no_outputs, scalar, unknown
from penstock.ops.strings.kernels import as_array
from penstock.runtime.session import placeholder
from penstock.types import dtypes, errors
from penstock.types.dtypes import as_dtype, dtype_of_array

_numbers = itertools.count()
_KEY = "session_tensor/"


class TensorHandle:
    """A value that stays in a session; what a session gives for a tensor of `get_session_handle`.

    It may be fed in place of its value.

    Attributes:
      handle: its name, which is fed to the placeholders of `get_session_tensor` and `delete_session_tensor`.
    """

    handle_data = None

    def __init__(self, resources: dict[str, Any], value: np.ndarray):
        self.handle = f"GetSessionHandle;{next(_numbers)};/job:localhost/replica:0/task:0/device:CPU:0"
        self._resources = resources
        resources[_KEY + self.handle] = value

    def eval(self) -> Any:
        """The value."""
        return _stored(self._resources, self.handle)

    def delete(self) -> None:
        """Drops the value."""
        self._resources.pop(_KEY + self.handle, None)

    def get_raw_handle(self) -> str:
        """Its name."""
        return self.handle

    def __str__(self) -> str:
        return self.handle


def _stored(resources: dict[str, Any] | None, handle: str) -> Any:
    found = (resources or {}).get(_KEY + handle)
    if found is None:
        raise errors.InvalidArgumentError(
            None, None, f"The tensor with handle '{handle}' is not in the session store."
        )
    return found


def _keep(value: Any) -> TensorHandle:
    resources = thread.resources
    return TensorHandle({} if resources is None else resources, as_array(value))


def _text(handle: Any) -> str:
    return as_array(handle).item().decode()


def _find(handle: Any, *, dtype: Any) -> Any:
    value = _stored(thread.resources, _text(handle))
    if dtype_of_array(value) != as_dtype(dtype):
        raise ValueError(
            f"the tensor with handle '{_text(handle)}' has dtype {value.dtype}, expected {as_dtype(dtype).name}"
        )
    return value


def _drop(handle: Any) -> None:
    if thread.resources is not None:
        thread.resources.pop(_KEY + _text(handle), None)


op("GetSessionHandleV2(value: T) -> handle: resource", numpy=_keep, shape=scalar, stateful=True)
op("GetSessionTensor(handle: string; dtype) -> value: dtype", numpy=_find, shape=unknown, stateful=True)
op("DeleteSessionTensor(handle: string) -> ()", numpy=_drop, shape=no_outputs, stateful=True)


@export(v1=["get_session_handle"])
def get_session_handle(data: Any, name: str | None = None) -> Any:
    """A tensor whose value, when a session gives it, is a `TensorHandle`: `data` stays in the session.

    Args:
      data: a tensor.
      name: the name of the node.

    Example:
      >>> import penstock as tf
      >>> v1 = tf.compat.v1
      >>> with tf.Graph().as_default(), v1.Session() as session:
      ...     handle = session.run(v1.get_session_handle(tf.constant(3.0) * 2.0))
      ...     place, value = v1.get_session_tensor(handle.handle, tf.float32)
      ...     session.run(value + 1.0, {place: handle.handle})
      np.float32(7.0)
    """
    return execute("GetSessionHandleV2", (convert_to_tensor(data),), None, name)


@export(v1=["get_session_tensor"])
def get_session_tensor(handle: Any, dtype: Any, name: str | None = None) -> tuple[Any, Any]:
    """A placeholder for the name of a handle, and the tensor with its value.

    Args:
      handle: accepted: the name is fed.
      dtype: the dtype of the value.
      name: the name of the node.
    """
    place = placeholder(dtypes.string, [])
    return place, execute("GetSessionTensor", (place,), {"dtype": as_dtype(dtype)}, name)


@export(v1=["delete_session_tensor"])
def delete_session_tensor(handle: Any, name: str | None = None) -> tuple[Any, Any]:
    """A placeholder for the name of a handle, and the operation that drops its value."""
    place = placeholder(dtypes.string, [])
    return place, execute("DeleteSessionTensor", (place,), None, name)
