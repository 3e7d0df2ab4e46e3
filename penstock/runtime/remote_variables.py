"""Variables of TensorFlow 1's clusters: their values are in the process of one task, and sessions of all tasks use them.

A server of such a cluster answers calls, each of one operation on states (`StateService`). In the session of another task
a `RemoteVariable` stands for a state there: operations on it run where the value is, so what travels are gradients and
values, and updates of different workers are applied one after the other, as they come.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.cluster.calls import CallClient, CallServer
from penstock.cluster.messages import split_address
from penstock.engine.definition import REGISTRY
from penstock.engine.resources import HandleData, State
from penstock.types import errors
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape

_CONNECT_SECONDS = 300.0  # a task may be started later than those that need it
_CALL, _CLUSTER = "state", "cluster"


class StateService:
    """Lets sessions of other processes use the states of this one.

    Args:
      address: `host:port` where it listens. resources: by name, the states.
      cluster: the addresses of all tasks, by job.

    Raises:
      OSError: something else listens at the address.
    """

    def __init__(self, address: str, resources: dict[str, Any], cluster: dict[str, dict[int, str]]):
        self._resources, self._cluster = resources, cluster
        self._lock = threading.Lock()
        self._server = CallServer(split_address(address), {_CALL: self._call, _CLUSTER: self._describe})
        self._server.start()

    def _describe(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [np.array([json.dumps(self._cluster).encode()], object)]

    def _call(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs one operation: the first array says which, and where among its inputs the states are."""
        asked = json.loads(arrays[0][0])
        definition = REGISTRY.get(asked["op"])
        if definition is None or definition.numpy_body is None or not definition.signature.takes_resource:
            raise errors.InvalidArgumentError(None, None, f"{asked['op']} is no operation on variables")
        rest = iter(arrays[1:])
        inputs = [next(rest) if each is None else self._state(*each) for each in asked["inputs"]]
        attrs = {name: _decoded(value) for name, value in asked["attrs"].items()}
        results = definition.numpy_body(*definition.group(inputs, attrs), **attrs)
        if results is None:
            return []
        return [np.asarray(each) for each in ((results,) if definition.signature.single_output else results)]

    def _state(self, key: str, shape: list[int] | None, dtype: str) -> State:
        with self._lock:
            found = self._resources.get(key)
            if found is None:
                found = self._resources[key] = State(None, key, TensorShape(shape), as_dtype(dtype))
        if found.handle_data.dtype is not as_dtype(dtype):
            raise errors.InvalidArgumentError(
                None, None, f"variable {key}: expected dtype {found.handle_data.dtype.name}, got {dtype}"
            )
        return found


class RemoteTask:
    """Another task of a cluster, reached on the first use and after a loss.

    Args:
      address: `host:port`. seconds: how long to try to reach it; None for one attempt.
    """

    def __init__(self, address: str, seconds: float | None = _CONNECT_SECONDS):
        self.address, self._seconds = address, seconds
        self._client: CallClient | None = None
        self._lock = threading.Lock()

    def cluster(self) -> dict[str, dict[int, str]]:
        """The addresses of all tasks, by job and number."""
        (text,) = self._ask(_CLUSTER, [])
        jobs = json.loads(text[0])
        return {job: {int(index): address for index, address in tasks.items()} for job, tasks in jobs.items()}

    def call(self, op_type: str, inputs: Sequence[Any], attrs: dict[str, Any]) -> list[np.ndarray]:
        """The results of an operation on states of this task.

        Raises:
          OpError: the operation failed there. UnavailableError: the task is gone.
          InvalidArgumentError: one of the states is on another task.
        """
        definition = REGISTRY[op_type]
        flat, attrs = definition.flatten(inputs, attrs)
        for each in flat:
            place = self if not isinstance(each, (State, RemoteVariable)) else getattr(each, "task", None)
            if place is not self:
                where = "this task" if place is None else place.address
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"{op_type}: {each.name} is on {where}, expected the variables of one operation on one task, "
                    f"{self.address} (see tf.compat.v1.colocate_with)",
                )
        asked = {
            "op": op_type,
            "inputs": [each.description if isinstance(each, RemoteVariable) else None for each in flat],
            "attrs": {name: _encoded(value) for name, value in attrs.items()},
        }
        arrays = [np.asarray(each) for each in flat if not isinstance(each, RemoteVariable)]
        return self._ask(_CALL, [np.array([json.dumps(asked).encode()], object), *arrays])

    def _ask(self, name: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
        with self._lock:
            if self._client is None:
                self._client = CallClient(split_address(self.address), self._seconds)
            client = self._client
        try:
            return client.call(name, arrays).result()
        except errors.UnavailableError:
            with self._lock:
                if self._client is client:
                    self._client = None
            raise


class RemoteVariable:
    """A state in the process of another task.

    Attributes:
      task: where it is. name: its name there. handle_data: shape and dtype of its values.
    """

    def __init__(self, task: RemoteTask, name: str, shape: TensorShape, dtype: DType):
        self.task, self.name = task, name
        self.handle_data = HandleData(shape, dtype)

    @property
    def description(self) -> tuple[str, list[int | None] | None, str]:
        """What the other task needs to find it, or to make it."""
        shape, dtype = self.handle_data
        return self.name, None if shape.rank is None else shape.as_list(), dtype.name

    def read(self) -> np.ndarray:
        """The current value, fetched."""
        return self.elsewhere("ReadVariableOp", (self,), {"dtype": self.handle_data.dtype})

    def assign(self, value: Any) -> None:
        """Replaces the value; None forgets it."""
        if value is None:
            self.task.call("DestroyResourceOp", (self,), {"ignore_lookup_error": True})
        else:
            self.task.call("AssignVariableOp", (self, value), {"validate_shape": False})

    @property
    def is_initialized(self) -> bool:
        """Whether there is a value."""
        return bool(self.elsewhere("VarIsInitializedOp", (self,), {}))

    def elsewhere(self, op_type: str, inputs: tuple, attrs: dict[str, Any]) -> Any:
        """Runs an operation on this state where it is, and returns its result."""
        results = self.task.call(op_type, inputs, attrs)
        if REGISTRY[op_type].signature.single_output:
            return results[0]
        return results or None

    def __repr__(self) -> str:
        shape, dtype = self.handle_data
        return f"<state {self.name!r} on {self.task.address} shape={shape} dtype={dtype.name}>"


# Attributes of operations in JSON.


def _encoded(value: Any) -> Any:
    if isinstance(value, DType):
        return {"dtype": value.name}
    if isinstance(value, TensorShape):
        return {"shape": None if value.rank is None else value.as_list()}
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, (list, tuple)):
        return [_encoded(each) for each in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise errors.InvalidArgumentError(None, None, f"an attribute of {type(value).__name__} cannot be sent")


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "dtype": as_dtype,
    "shape": TensorShape,
    "bytes": lambda text: text.encode("latin-1"),
}


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        ((kind, inner),) = value.items()
        return _DECODERS[kind](inner)
    return [_decoded(each) for each in value] if isinstance(value, list) else value
