"""`tf.py_function`: a Python function of eager tensors as an op, differentiable by the tape that runs along with it.

Run eagerly it is a plain call. In a graph it is an EagerPyFunc node, which runs on the host. Its gradient is another
such node: it asks the tape of the forward call, which is found by the arrays that the forward call gave; where these
are others by now (copies made on the way), or where its own gradient is asked for, it calls the function again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.autodiff.backprop import is_differentiable
from penstock.autodiff.tape import GradientTape, UnconnectedGradients
from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.python_functions import as_decorator, as_op_error, last_operation, register, registered
from penstock.types import dtypes, errors, nest
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor, SymbolicTensor


class _Run:
    """A forward call that a gradient may come back to."""

    def __init__(self, tape: GradientTape, inputs: list[EagerTensor], outputs: list[EagerTensor]):
        self.tape, self.inputs, self.outputs = tape, inputs, outputs


class EagerFunction:
    """A Python function on tensors, as the kernel of a node.

    Attributes:
      differentiated: whether a gradient of the node has been built, so that runs must be remembered.
    """

    def __init__(self, function: Callable):
        self.function = function
        self.differentiated = False
        self._runs: dict[
            int, tuple[weakref.ref, _Run]
        ] = {}  # id(first output array) -> (that array, its run)

    def __call__(self, values: Sequence[Any], out: Sequence[DType], token: bytes) -> list[Any]:
        """The output arrays of a call on arrays."""
        with context.building(None), context.tapes_stopped():
            inputs = [_tensor(each) for each in values]
            if not self.differentiated:
                return [_array(each) for each in self.call(inputs, out, token)]
            run = self.taped(inputs, out, token)
        arrays = [_array(each) for each in run.outputs]
        if arrays and isinstance(arrays[0], np.ndarray):
            key = id(arrays[0])
            self._runs[key] = (weakref.ref(arrays[0], lambda _: self._runs.pop(key, None)), run)
        return arrays

    def taped(self, inputs: list[EagerTensor], out: Sequence[DType], token: bytes) -> _Run:
        """A call that a tape records."""
        with GradientTape(persistent=True) as tape:
            tape.watch([each for each in inputs if _takes_gradient(each)])
            outputs = self.call(inputs, out, token)
        return _Run(tape, inputs, outputs)

    def run_of(self, array: Any) -> _Run | None:
        """The remembered call whose first output was `array`."""
        found = self._runs.get(id(array))
        return found[1] if found is not None and found[0]() is array else None

    def call(self, inputs: Sequence[Any], out: Sequence[DType], token: bytes) -> list[EagerTensor]:
        """The outputs of a call on tensors.

        Raises:
          OpError: the function raised; see `tf.py_function`.
          InvalidArgumentError: it returned fewer values than expected.
        """
        try:
            result = self.function(*inputs)
            results = [] if result is None else result if isinstance(result, (list, tuple)) else [result]
            outputs = [_converted(each, dtype) for each, dtype in zip(results, out)]
        except Exception as error:
            raise as_op_error(error) from error
        if len(outputs) != len(out):
            raise errors.InvalidArgumentError(
                None,
                None,
                f"{token.decode()} returns {len(outputs)} values, but expects to see {len(out)} values.",
            )
        return outputs


def _takes_gradient(tensor: Any) -> bool:
    return is_differentiable(tensor.dtype) and tensor.dtype.is_numpy_compatible


def _converted(value: Any, dtype: DType) -> Any:
    if hasattr(value, "handle") and not isinstance(value, EagerTensor) and hasattr(value, "assign"):
        raise RuntimeError(
            "Attempting to return a variable from an eagerly executed py_func. Only tensors and NumPy arrays can be "
            f"returned: return `.read_value()` of the variable instead: {value}"
        )
    return convert_to_tensor(value, dtype=dtype)


def _tensor(value: Any) -> EagerTensor:
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        return EagerTensor(np.asarray(value))
    return EagerTensor(value, dtypes.resource if hasattr(value, "handle_data") else dtypes.variant)


def _array(tensor: EagerTensor) -> Any:
    value = tensor.host()
    return np.asarray(value) if tensor.dtype.is_numpy_compatible else value


def _run(
    input: list, *, token: Any, Tout: Sequence[DType], is_async: bool = False, _function: Any = None
) -> list:
    token = token.encode() if isinstance(token, str) else token
    return (_function or registered(token))(input, Tout, token)


def _gradient(call: Any, *output_gradients: Any) -> list[Any]:
    forward = call.attrs.get("_function") or registered(call.attrs["token"])
    forward.differentiated = True
    out, token = list(call.attrs["Tout"]), call.attrs["token"]
    wanted = [i for i, each in enumerate(call.inputs) if _takes_gradient(each)]
    arrived = [i for i, each in enumerate(output_gradients) if each is not None]
    if not wanted or not arrived:
        return [None] * len(call.inputs)

    def backward(*values: Any) -> list[Any]:
        gradients, rest = values[: len(arrived)], values[len(arrived) :]
        outputs, inputs = rest[: len(out)], rest[len(out) :]
        run = None if function.differentiated else forward.run_of(outputs[0].host())
        if run is None:
            run = forward.taped(list(inputs), out, token)
        return run.tape.gradient(
            [run.outputs[i] for i in arrived],
            [run.inputs[i] for i in wanted],
            output_gradients=list(gradients),
            unconnected_gradients=UnconnectedGradients.ZERO,
        )

    function = EagerFunction(backward)
    tensors = [*(output_gradients[i] for i in arrived), *call.outputs, *call.inputs]
    attrs = {
        "token": register(function),
        "Tout": [call.inputs[i].dtype for i in wanted],
        "_function": function,
    }
    found: list[Any] = [None] * len(call.inputs)
    for i, gradient in zip(wanted, execute("EagerPyFunc", (tensors,), attrs)):
        gradient.set_shape(call.inputs[i].shape)
        found[i] = gradient
    return found


op(
    "EagerPyFunc(input: *Tin; token, is_async=False, Tout) -> output: *Tout",
    numpy=_run,
    shape=lambda call: [TensorShape(None)] * len(call.attrs["Tout"]),
    gradient=_gradient,
    stateful=True,
)


@export("py_function")
def py_function(
    func: Callable | None = None, inp: Any = None, Tout: Any = None, name: str | None = None
) -> Any:
    """A Python function of eager tensors as an op.

    In a graph it runs on the host each time the op does, and gradients flow through what it computes. Without `inp` this
    is a decorator, `@tf.py_function(Tout=tf.float32)`: the function takes the inputs by position.

    Args:
      func: takes one eager tensor (or composite) for each input and returns a value, or a list of values.
      inp: the inputs: tensors, composites such as `tf.RaggedTensor`, Python values.
      Tout: a dtype or TypeSpec, or a list of them, for what `func` returns; empty or None where it returns nothing.
      name: the node's name in a graph.

    Returns:
      A tensor or composite, or a list of them; shapes are those of the TypeSpecs, otherwise unknown. For an empty
      `Tout` the `Operation`; an empty list when eager.

    Raises:
      ValueError: `func` is not callable.
      OpError: `func` raised: InvalidArgumentError for ValueError and TypeError, OutOfRangeError for StopIteration,
        ResourceExhaustedError for MemoryError, UnimplementedError for NotImplementedError, else UnknownError.

    Example:
      >>> import penstock as tf
      >>> @tf.function
      ... def f(x):
      ...     with tf.GradientTape() as tape:
      ...         tape.watch(x)
      ...         y = tf.py_function(lambda x: x**3 if x > 0 else -x, [x], tf.float32)
      ...     return tape.gradient(y, x)
      >>> f(tf.constant(2.0)).numpy(), f(tf.constant(-2.0)).numpy()
      (np.float32(12.0), np.float32(-1.0))
    """
    if func is None:
        return as_decorator("py_function", py_function, Tout, name=name)
    if not callable(func):
        raise ValueError(f"Expected func to be callable. Received func={func} of type {type(func)}.")
    packed = [each if _is_composite(each) else convert_to_tensor(each) for each in inp or ()]
    inputs = nest.flatten(packed, expand_composites=True)
    many = isinstance(Tout, (list, tuple))
    specs = [_spec(each) for each in (Tout if many else [] if Tout is None else [Tout])]
    flat_specs = [each for spec in specs for each in nest.flatten(spec, expand_composites=True)]
    composite = any(_is_composite(each) for each in packed) or any(
        not isinstance(each, TensorSpec) for each in specs
    )

    def on_components(*values: Any) -> Any:
        result = func(*nest.pack_sequence_as(packed, values, expand_composites=True))
        results = [] if result is None else result if isinstance(result, (list, tuple)) else [result]
        return nest.flatten(
            [_fitted(each, spec) for each, spec in zip(results, specs)], expand_composites=True
        )

    function = EagerFunction(on_components if composite else func)
    out = [each.dtype for each in flat_specs]
    if thread.graph is None and not any(isinstance(each, SymbolicTensor) for each in inputs):
        outputs = function.call(inputs, out, b"py_function")
    else:
        attrs = {"token": register(function), "Tout": out, "_function": function}
        outputs = execute("EagerPyFunc", (inputs,), attrs, name)
        for tensor, spec in zip(outputs, flat_specs):
            tensor.set_shape(spec.shape)
        if not specs:
            return last_operation(inputs)
    results = nest.pack_sequence_as(specs, outputs, expand_composites=True)
    return results if many or not specs else results[0]


def _is_composite(value: Any) -> bool:
    return hasattr(value, "_type_spec") and getattr(type(value), "_expands_to_components", False)


def _spec(each: Any) -> Any:
    return each if hasattr(each, "_component_specs") else TensorSpec(None, as_dtype(each))


def _fitted(value: Any, spec: Any) -> Any:
    return convert_to_tensor(value, spec.dtype) if isinstance(spec, TensorSpec) else value
