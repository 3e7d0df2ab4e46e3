"""Python functions as ops on NumPy arrays: `tf.numpy_function` and TF 1's `tf.py_func`.

A node carries the function itself (hidden attribute `_function`) and a token, under which the function is found again
where the graph was written to a GraphDef and read back in the same process. `autodiff/py_function.py` has the op
whose function works on tensors.
"""

from __future__ import annotations

import itertools
import traceback
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.wrappers import make_decorator
from penstock.types import errors, nest
from penstock.types.dtypes import DType, as_dtype, dtype_of_array
from penstock.types.shapes import TensorShape
from penstock.types.tensors import SymbolicTensor

_tokens = itertools.count()


def register(function: Any) -> bytes:
    """A new token for a function, good for as long as something else keeps the function."""
    token = b"pyfunc_%d" % next(_tokens)
    process.registry.setdefault("python_functions", weakref.WeakValueDictionary())[token] = function
    return token


def registered(token: Any) -> Any:
    """The function of a token.

    Raises:
      InvalidArgumentError: it is gone, or belongs to another process.
    """
    token = token.encode() if isinstance(token, str) else token
    found = process.registry.get("python_functions", {}).get(token)
    if found is None:
        raise errors.InvalidArgumentError(
            None,
            None,
            f"callback {token.decode()} is not found: a graph with a Python function runs only in the process that "
            "made it, while the function exists.",
        )
    return found


# Exception class -> the error that a program sees, as in TensorFlow's runtime.
_ERRORS: tuple[tuple[type[BaseException], type[errors.OpError]], ...] = (
    (StopIteration, errors.OutOfRangeError),
    (MemoryError, errors.ResourceExhaustedError),
    (NotImplementedError, errors.UnimplementedError),
    ((ValueError, TypeError), errors.InvalidArgumentError),  # type: ignore[assignment]
)


def as_op_error(error: Exception) -> errors.OpError:
    """The error for an exception that a Python function raised."""
    kind: Any = next((found for classes, found in _ERRORS if isinstance(error, classes)), errors.UnknownError)
    trace = "".join(traceback.format_exception(error))
    return kind(None, None, f"{type(error).__name__}: {error}\n{trace}")


class NumpyFunction:
    """A Python function on arrays, as the kernel of a node."""

    def __init__(self, function: Callable):
        self.function = function

    def __call__(self, values: Sequence[np.ndarray], out: Sequence[DType], token: bytes) -> list[np.ndarray]:
        """The results of a call.

        Raises:
          InvalidArgumentError: there are not as many as expected, or one has another dtype.
        """
        with context.building(None), context.tapes_stopped():
            arguments = [each if np.ndim(each) else np.asarray(each)[()] for each in values]
            try:
                result = self.function(*arguments)
            except Exception as error:
                raise as_op_error(error) from error
        results = [] if result is None else list(result) if isinstance(result, (list, tuple)) else [result]
        if len(results) != len(out):
            raise errors.InvalidArgumentError(
                None,
                None,
                f"{token.decode()} returns {len(results)} values, but expects to see {len(out)} values.",
            )
        arrays = [_as_array(each) for each in results]
        for index, (array, dtype) in enumerate(zip(arrays, out)):
            found = dtype_of_array(array)
            if found != as_dtype(dtype):
                problem = f"is {found.name}, but expects {as_dtype(dtype).name}"
                raise errors.InvalidArgumentError(
                    None, None, f"{index}-th value returned by {token.decode()} {problem}"
                )
        return arrays


def _as_array(value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "USO":
        return array
    if array is not value:
        array = np.asarray(value, object)  # of strings: an array of a fixed width has cut zeros at their ends
    strings = np.empty(array.shape, object)
    for place, each in np.ndenumerate(array):
        strings[place] = each.encode("utf-8") if isinstance(each, str) else bytes(each)
    return strings


def _run(input: list, *, token: Any, Tout: Sequence[DType], _function: Any = None) -> list[np.ndarray]:
    token = token.encode() if isinstance(token, str) else token
    return (_function or registered(token))(input, Tout, token)


for _type, _stateful in (("PyFunc", True), ("PyFuncStateless", False)):
    op(
        f"{_type}(input: *Tin; token, Tout) -> output: *Tout",
        numpy=_run,
        shape=lambda call: [TensorShape(None)] * len(call.attrs["Tout"]),
        gradient=stops,
        stateful=_stateful,
    )


def as_decorator(public_name: str, call: Callable, Tout: Any, **options: Any) -> Callable:
    """The decorator that `tf.numpy_function` and `tf.py_function` are without a function.

    Raises:
      TypeError: `Tout` is missing.
    """
    if Tout is None:
        raise TypeError(
            f"Missing required argument: 'Tout'. As a decorator, tf.{public_name} takes it by name: "
            f"@tf.{public_name}(Tout=tf.float32)"
        )

    def decorate(func: Callable) -> Callable:
        def with_inputs(*inputs: Any) -> Any:
            return call(func, inputs, Tout, **options)

        return make_decorator(func, with_inputs, public_name)

    return decorate


@export("numpy_function")
def numpy_function(
    func: Callable | None = None,
    inp: Any = None,
    Tout: Any = None,
    stateful: bool = True,
    name: str | None = None,
) -> Any:
    """A Python function of NumPy arrays as an op.

    In a graph it runs on the host each time the op does. It is not differentiable; `tf.py_function` is.

    Without `inp` this is a decorator, `@tf.numpy_function(Tout=tf.float32)`: the function takes the inputs by position.

    Args:
      func: takes one array (a NumPy scalar, or bytes, for a scalar) for each input and returns an array, or a list.
      inp: the input tensors.
      Tout: the dtype of the result, or a list of dtypes. In a graph the results must have them.
      stateful: False where calls with the same inputs give the same results, and may be left out.
      name: the node's name in a graph.

    Returns:
      A tensor, or a list of tensors, of unknown shape; for an empty `Tout` the `Operation`, or None when eager.

    Raises:
      ValueError: `func` is not callable.
      InvalidArgumentError: in a graph, the results do not have the dtypes `Tout`, or `func` raises ValueError or
        TypeError; other exceptions become other classes of `tf.errors`. Run eagerly, they pass unchanged.

    Example:
      >>> import numpy as np
      >>> import penstock as tf
      >>> @tf.function
      ... def f(x):
      ...     return tf.numpy_function(np.cumsum, [x], tf.float32)
      >>> f(tf.constant([1.0, 2.0])).numpy()
      array([1., 3.], dtype=float32)
    """
    if func is None:
        return as_decorator("numpy_function", numpy_function, Tout, stateful=stateful, name=name)
    inp = list(inp or ())
    if thread.graph is None and not any(isinstance(each, SymbolicTensor) for each in nest.flatten(inp)):
        found = nest.flatten(func(*map(np.array, inp)))
        results = [None if each is None else convert_to_tensor(each) for each in found]
        return results[0] if len(results) == 1 else results
    if not callable(func):
        raise ValueError(f"Expected func to be callable. Received func={func} of type {type(func)}.")
    function = NumpyFunction(func)
    single = not isinstance(Tout, (list, tuple))
    out = [as_dtype(each) for each in ([Tout] if single else Tout)]
    attrs = {"token": register(function), "Tout": out, "_function": function}
    tensors = [convert_to_tensor(each) for each in inp]
    results = execute("PyFunc" if stateful else "PyFuncStateless", (tensors,), attrs, name)
    if not out:
        return last_operation(tensors)
    return results[0] if single else results


def last_operation(tensors: Sequence[Any]) -> Any:
    """The operation that has just been added for inputs `tensors`."""
    graph = thread.graph or next(each.graph for each in tensors if isinstance(each, SymbolicTensor))
    return graph.get_operations()[-1]


@export(v1=["py_func"])
def py_func(func: Callable, inp: Any, Tout: Any, stateful: bool = True, name: str | None = None) -> Any:
    """TF 1's `numpy_function`; see `tf.numpy_function`."""
    return numpy_function(func, inp, Tout, stateful, name)
