"""Functions of TensorFlow's private `tensorflow.python.framework` modules that libraries call and nothing public does.

Names of graphs (`ops.strip_name_scope`), conversions of lists (`ops.convert_n_to_tensor`), shapes
(`tensor_shape.vector`), graph functions of TF 1 (`function.Defun`).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import penstock as tf
from penstock.engine.convert import convert_to_tensor
from penstock.engine.static_value import constant_shape
from penstock.graph.graph import current_graph
from penstock.ops.indexed_slices_ops import convert_to_tensor_or_indexed_slices
from penstock.runtime.session import BaseSession
from penstock.types.composite import CompositeTensor
from penstock.types.shapes import TensorShape, as_dimension, as_shape, unknown_shape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import EagerTensor, Tensor

__all__ = ["BaseSession", "EagerTensor", "as_dimension", "as_shape", "unknown_shape"]

DEFAULT_GRAPH_SEED = 87654321
SessionInterface = BaseSession
_EagerTensorBase = EagerTensor
_uids = itertools.count()


# ops


def uid() -> int:
    """A number that no other call has given."""
    return next(_uids)


def convert_to_tensor_or_composite(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A composite tensor as it is, anything else as a tensor."""
    return value if isinstance(value, CompositeTensor) else convert_to_tensor(value, dtype, name=name)


internal_convert_to_tensor = convert_to_tensor


def convert_n_to_tensor(
    values: Sequence[Any], dtype: Any = None, name: str | None = None, preferred_dtype: Any = None
) -> list[Tensor]:
    """A list of values as tensors."""
    return [convert_to_tensor(each, dtype, dtype_hint=preferred_dtype) for each in values]


def convert_n_to_tensor_or_indexed_slices(
    values: Sequence[Any], dtype: Any = None, name: str | None = None
) -> list[Any]:
    """As `convert_to_tensor_or_indexed_slices`, of a list."""
    return [convert_to_tensor_or_indexed_slices(each, dtype) for each in values]


def is_dense_tensor_like(value: Any) -> bool:
    """Whether something is a dense tensor or a variable."""
    return isinstance(value, Tensor) or hasattr(value, "handle")


def get_gradient_function(op: Any) -> Callable | None:
    """The gradient rule of an operation; None where it has no inputs."""
    return op.definition.gradient_rule if op.inputs else None


def default_session(session: BaseSession) -> Any:
    """A context in which a session is the default one."""
    return session.as_default()


def get_all_collection_keys() -> list:
    """The names of the graph's collections."""
    return current_graph().get_all_collection_keys()


def strip_name_scope(name: str, export_scope: str | None) -> str:
    """A name without the scope that it begins with (also behind `^` and `loc:@`)."""
    if not export_scope:
        return name
    return re.sub(rf"([\^]|loc:@|^){re.escape(export_scope)}[\/]+(.*)", r"\1\2", name, count=1)


def prepend_name_scope(name: str, import_scope: str | None) -> str:
    """A name under a scope (also behind `^` and `loc:@`)."""
    if not import_scope:
        return name
    return re.sub(r"([\^]|loc:@|^)(.*)", rf"\1{import_scope.rstrip('/')}/\2", name, count=1)


def name_from_scope_name(name: str) -> str:
    """The name of a scope without the slash at its end."""
    return name.removesuffix("/")


class NullContextmanager(contextlib.nullcontext):
    """A context that does nothing, whatever it is made of."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()


class _Unused:
    """Decorators that once said something about an op of one's own, which its definition says here."""

    def __init__(self, *op_types: str):
        self.op_types = op_types

    def __call__(self, function: Callable) -> Callable:
        return function


RegisterShape = RegisterStatistics = _Unused


# constant_op, tensor_shape, tensor_util, sparse_tensor


def constant_v1(
    value: Any, dtype: Any = None, shape: Any = None, name: str = "Const", verify_shape: bool = False
) -> Tensor:
    """TF 1's `tf.constant`."""
    return tf.compat.v1.constant(value, dtype, shape, name, verify_shape)


def scalar() -> TensorShape:
    """The shape of a scalar."""
    return TensorShape([])


def vector(length: Any) -> TensorShape:
    """The shape of a vector."""
    return TensorShape([length])


def matrix(rows: Any, cols: Any) -> TensorShape:
    """The shape of a matrix."""
    return TensorShape([rows, cols])


def constant_value_as_shape(tensor: Any) -> TensorShape:
    """The shape that an integer vector stands for, as far as it is known."""
    return constant_shape(convert_to_tensor(tensor))


def shape_tensor(shape: Any) -> Tensor:
    """A shape as an integer vector."""
    if isinstance(shape, Tensor):
        return shape
    dims = list(TensorShape(shape).as_list()) if isinstance(shape, TensorShape) else shape
    return convert_to_tensor(dims, tf.int32 if not len(dims) else None)


def is_sparse(x: Any) -> bool:
    """Whether something is a sparse tensor, or the value of one."""
    return isinstance(x, (SparseTensor, tf.compat.v1.SparseTensorValue))


# function


class Defun:
    """TF 1's decorator of graph functions: the function is traced and compiled as a `tf.function`.

    Args:
      *input_types: the dtypes of the arguments; without them each combination is traced.
      func_name: the name of the function.
      python_grad_func: its gradient, `(op, *output_gradients)` -> the gradients of the arguments.
      **kwargs: accepted.
    """

    def __init__(self, *input_types: Any, **kwargs: Any):
        self._types = input_types
        self._name = kwargs.pop("func_name", None)
        self._gradient = kwargs.pop("python_grad_func", None)

    def __call__(self, function: Callable) -> Callable:
        specs = [tf.TensorSpec(None, tf.as_dtype(each)) for each in self._types]
        count = len(inspect.signature(function).parameters)
        if specs and count != len(specs):
            raise ValueError(f"The function has {count} arguments, and {len(specs)} input types are given")
        if self._gradient is not None:
            function = _with_gradient(function, self._gradient)
        traced = tf.function(function, input_signature=specs or None, autograph=False)
        traced.func_name = self._name or function.__name__  # type: ignore[attr-defined]
        return traced


class _Call:
    """What a gradient of `Defun` looks at: the tensors that went in and came out."""

    def __init__(self, inputs: Sequence[Tensor], outputs: Iterable[Tensor]):
        self.inputs, self.outputs = list(inputs), list(outputs)


def _with_gradient(function: Callable, gradient: Callable) -> Callable:
    @tf.custom_gradient
    def wrapped(*inputs: Tensor) -> tuple:
        result = function(*inputs)
        outputs = result if isinstance(result, (list, tuple)) else [result]
        return result, lambda *dys: gradient(_Call(inputs, outputs), *dys)

    wrapped.__name__ = function.__name__
    wrapped.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return wrapped


# test_util


def IsMklEnabled() -> bool:
    """Whether TensorFlow was built with MKL: no."""
    return False


def GpuSupportsHalfMatMulAndConv() -> bool:
    """Whether the GPU multiplies float16: all that XLA knows do."""
    return True


def disable_cudnn_autotune(function: Callable) -> Callable:
    """A decorator for tests that need cuDNN to choose the same way twice; XLA's choices are in `tf.config` here."""
    return function


enable_control_flow_v2 = with_eager_op_as_function = disable_cudnn_autotune


def run_without_tensor_float_32(description: str) -> Callable:
    """A decorator for tests whose numbers need all digits of float32."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            before = tf.config.experimental.tensor_float_32_execution_enabled()
            tf.config.experimental.enable_tensor_float_32_execution(False)
            try:
                return function(*args, **kwargs)
            finally:
                tf.config.experimental.enable_tensor_float_32_execution(before)

        return call

    return decorate
