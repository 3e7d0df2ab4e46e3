"""`tf.distribute.experimental.rpc`: functions of one process that others call by name."""

from __future__ import annotations

import concurrent.futures
import inspect
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.cluster.calls import CallClient, CallServer
from penstock.cluster.messages import split_address
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.saving import structured_values
from penstock.tracing.concrete_function import ConcreteFunction
from penstock.types import errors, nest
from penstock.types.specs import TensorSpec
from penstock.types.tensors import Tensor

_METHODS = ""  # the name under which a server tells what it has


@export("distribute.experimental.rpc.Server", v1=[])
class Server:
    """Lets other processes call functions of this one; made by `Server.create`.

    Messages go over TCP, and hold arrays and text, never code. There is no encryption and no check of who calls, so the
    address should be one of a network that is trusted.

    Example:
      >>> import socket
      >>> import penstock as tf
      >>> with socket.create_server(("localhost", 0)) as free:
      ...     address = f"localhost:{free.getsockname()[1]}"
      >>> rpc = tf.distribute.experimental.rpc
      >>> server = rpc.Server.create("grpc", address)
      >>> scalar = tf.TensorSpec([], tf.int32)
      >>> server.register("add", tf.function(lambda a, b: a + b, input_signature=[scalar, scalar]))
      >>> server.start()
      >>> rpc.Client.create("grpc", address).add_blocking(tf.constant(2), tf.constant(3)).numpy()
      np.int32(5)
    """

    def __init__(self, address: str):
        if thread.graph is not None:
            raise NotImplementedError("Please create the server outside tf.function.")
        self._described: dict[str, tuple[bytes, bytes]] = {}  # by name: the specs of arguments and results
        self._functions: dict[str, Callable] = {_METHODS: self._describe}
        self._calls = CallServer(split_address(address), self._functions)
        weakref.finalize(self, self._calls.close)

    @staticmethod
    def create(rpc_layer: str, address: str) -> Server:
        """A server that is going to listen at an address.

        Args:
          rpc_layer: "grpc", TensorFlow's only one; what is spoken is a protocol of this library's own.
          address: `host:port`.

        Raises:
          ValueError: another layer is asked for, or the address is none.
        """
        _check_layer(rpc_layer)
        return Server(address)

    def register(self, method_name: str, func: Any) -> None:
        """Gives a function a name for clients.

        Args:
          method_name: the name. func: a `tf.function` with an input signature, or a ConcreteFunction.

        Raises:
          ValueError: the function is neither, or has no signature. InvalidArgumentError: the name is taken.
        """
        if not isinstance(func, ConcreteFunction):
            if not hasattr(func, "get_concrete_function"):
                raise ValueError("Only TF functions are supported with Register method")
            if func.input_signature is None and inspect.signature(func.python_function).parameters:
                raise ValueError("Input signature not specified for the function.")
            func = func.get_concrete_function()
        if method_name in self._functions:
            raise errors.InvalidArgumentError(None, None, f"{method_name} is already registered.")
        inputs = func.structured_input_signature[0]
        outputs = nest.map_structure(_spec_of, func.structured_outputs)
        self._described[method_name] = (
            structured_values.encode(inputs).SerializeToString(),
            structured_values.encode(outputs).SerializeToString(),
        )
        self._functions[method_name] = _on_arrays(func, inputs)

    def start(self) -> None:
        """Begins to answer calls, until the server is deleted.

        Raises:
          OSError: something else listens at the address.
        """
        self._calls.start()

    def _describe(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        rows = [(name.encode(), *specs) for name, specs in self._described.items()]
        return [np.array(rows, object).reshape(len(rows), 3)]


def _check_layer(rpc_layer: str) -> None:
    if rpc_layer != "grpc":
        raise ValueError("Only GRPC backend is supported at the moment.")


def _spec_of(value: Any) -> Any:
    return TensorSpec(value.shape, value.dtype) if isinstance(value, Tensor) else value


def _on_arrays(function: ConcreteFunction, inputs: Any) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
    """The function from flat arrays to flat arrays."""
    specs = nest.flatten(inputs)

    def call(arrays: list[np.ndarray]) -> list[np.ndarray]:
        if len(arrays) != len(specs):
            raise errors.InvalidArgumentError(
                None, None, f"{function.name} takes {len(specs)} tensors, got {len(arrays)}"
            )
        for number, (spec, array) in enumerate(zip(specs, arrays)):
            given = convert_to_tensor(array)
            if not spec.is_compatible_with(given):
                raise errors.InvalidArgumentError(
                    None, None, f"{function.name}: argument {number} is {_spec_of(given)}, expected {spec}"
                )
        tensors = [convert_to_tensor(each) for each in arrays]
        results = nest.flatten(function(*nest.pack_sequence_as(inputs, tensors)))
        return [np.asarray(each) for each in results if each is not None]

    return call


@export("distribute.experimental.rpc.Client", v1=[])
class Client:
    """Calls the functions of a `Server`; made by `Client.create`.

    For each method that the server has registered by then, the client has `method(*args)`, which returns a
    `StatusOrResult` at once, and `method_blocking(*args)`, which returns the result or raises the error.
    """

    def __init__(self, address: str, name: str = "", timeout_in_ms: int = 0):
        if thread.graph is not None:
            raise NotImplementedError("Client creation is supported only in eager mode.")
        self._seconds = timeout_in_ms / 1000 or None
        self._calls = CallClient(split_address(address), self._seconds)
        weakref.finalize(self, self._calls.close)
        (rows,) = StatusOrResult(self._calls.call(_METHODS, []), self._seconds)._arrays()
        for method, inputs, outputs in rows:
            self._add_method(method.decode(), *map(_decoded, (inputs, outputs)))

    @staticmethod
    def create(rpc_layer: str, address: str, name: str = "", timeout_in_ms: int = 0) -> Client:
        """A client of the server at an address, which has to be there.

        Args:
          rpc_layer: "grpc". address: `host:port`.
          name: kept for TensorFlow's signature, where clients of one name share a connection.
          timeout_in_ms: how long to wait for the server, and by default for each call; 0 for no limit to calls, and one
            attempt to reach the server.

        Raises:
          ValueError: another layer is asked for, or the address is none.
          DeadlineExceededError: the server does not answer in time. UnavailableError: nobody listens there.
        """
        _check_layer(rpc_layer)
        return Client(address, name, timeout_in_ms)

    def call(
        self,
        method_name: str,
        args: Sequence[Any] | None = None,
        output_specs: Any = None,
        timeout_in_ms: int = 0,
    ) -> StatusOrResult:
        """Calls a method of the server, without waiting for it.

        Args:
          method_name: its name. args: tensors, or a structure of them.
          output_specs: the structure of the result; without it the value is None.
          timeout_in_ms: how long the call may take; 0 for the client's limit.
        """
        arrays = [np.asarray(convert_to_tensor(each)) for each in nest.flatten(list(args or []))]
        future = self._calls.call(method_name, arrays)
        return StatusOrResult(future, timeout_in_ms / 1000 or self._seconds, output_specs)

    def _add_method(self, name: str, input_specs: Any, output_specs: Any) -> None:
        def method(*args: Any, timeout_in_ms: int = 0) -> StatusOrResult:
            if input_specs:
                nest.assert_same_structure(args, input_specs)
            return self.call(name, args, output_specs, timeout_in_ms)

        def blocking(*args: Any, timeout_in_ms: int = 0) -> Any:
            return method(*args, timeout_in_ms=timeout_in_ms).get_value()

        method.__doc__ = blocking.__doc__ = f"Calls {name} on the server."
        setattr(self, name, method)
        setattr(self, f"{name}_blocking", blocking)


def _decoded(message: bytes) -> Any:
    from tensorboard.compat.proto import struct_pb2

    return structured_values.decode(struct_pb2.StructuredValue.FromString(message))


class StatusOrResult:
    """What a call comes to. Each method waits until it is known."""

    def __init__(self, future: concurrent.futures.Future, seconds: float | None, output_specs: Any = None):
        self._future, self._seconds, self._output_specs = future, seconds, output_specs

    def _arrays(self) -> list[np.ndarray]:
        try:
            return self._future.result(self._seconds)
        except concurrent.futures.TimeoutError:
            raise errors.DeadlineExceededError(None, None, f"no answer within {self._seconds:g} s") from None

    def is_ok(self) -> Tensor:
        """Whether the call has succeeded: a bool scalar."""
        return convert_to_tensor(int(self.get_error()[0]) == 0)

    def get_error(self) -> tuple[Tensor, Tensor]:
        """The code of the error (int64, 0 where there is none) and its message."""
        try:
            self._arrays()
        except errors.OpError as error:
            return convert_to_tensor(error.error_code, "int64"), convert_to_tensor(error.message)
        return convert_to_tensor(0, "int64"), convert_to_tensor("")

    def get_value(self) -> Any:
        """The result, in the structure of the output specs; None where there are none.

        Raises:
          OpError: the error of the call.
        """
        results = iter(self._arrays())
        return nest.map_structure(
            lambda spec: None if spec is None else convert_to_tensor(next(results)), self._output_specs
        )
