"""`tf.compat.v1.ConditionalAccumulator`: sums gradients of several threads until there are enough to be taken."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

import penstock as tf
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import no_outputs, scalar, unknown
from penstock.ops.strings.kernels import text_attr
from penstock.queues.queue_ops import shared
from penstock.queues.queues import make_resource
from penstock.types import dtypes, errors
from penstock.types.dtypes import DType, as_dtype
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


class AccumulatorState:
    """A sum of gradients.

    Attributes:
      count: how many gradients it holds. step: gradients of earlier steps are dropped.
    """

    handle_data = None

    def __init__(self, name: str, dtype: Any, shape: Any, reduction_type: Any):
        self.name, self.dtype, self.shape = name, as_dtype(dtype), TensorShape(shape)
        self._reduction = text_attr(reduction_type)
        if self._reduction not in ("MEAN", "SUM"):
            raise ValueError(f"reduction_type is {self._reduction!r}, expected MEAN or SUM")
        self.count, self.step = 0, 0
        self._sum: Any = None
        self._waiting = 0
        self._cancelled = False
        self._changed = threading.Condition()

    def apply(self, local_step: int, gradient: Any) -> None:
        """Adds a gradient, unless it is of an earlier step."""
        self._check(gradient)
        with self._changed:
            if local_step < self.step:
                return
            self._add(gradient)
            self.count += 1
            self._changed.notify_all()

    def take(self, required: int) -> Any:
        """The average (or sum) of all gradients, once there are `required` of them; the next ones belong to the next step.

        Raises:
          CancelledError: the session is closed.
        """
        if required <= 0:
            raise ValueError(f"Argument num_required must be positive, got {required}")
        with self._changed:
            while self.count < required:
                if self._cancelled:
                    raise errors.CancelledError(
                        None, None, f"TakeGrad operation on {self.name!r} was cancelled"
                    )
                self._changed.wait()
            result = self._result()
            self.count, self._sum = 0, None
            self.step += 1
            return result

    def set_step(self, step: int) -> None:
        """Sets the step; it does not go back."""
        with self._changed:
            self.step = max(self.step, step)

    def cancel(self) -> None:
        """Makes every step that waits fail, since its session is closed."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    # What dense and sparse sums differ in.

    def _check(self, gradient: Any) -> None:
        if not self.shape.is_compatible_with(gradient.shape):
            raise ValueError(f"Shape mismatch: expected {self.shape.as_list()}, got {list(gradient.shape)}")

    def _add(self, gradient: Any) -> None:
        self._sum = np.array(gradient) if self._sum is None else self._sum + gradient

    def _result(self) -> Any:
        if self._reduction == "SUM":
            return self._sum
        return (self._sum / np.asarray(self.count, self._sum.dtype)).astype(self._sum.dtype)

    def __repr__(self) -> str:
        return f"<accumulator {self.name!r} of {self.count} gradients>"


class SparseAccumulatorState(AccumulatorState):
    """A sum of gradients that have rows for some indices only; each row is averaged for itself."""

    def _check(self, gradient: Any) -> None:
        indices, values, shape = gradient
        if indices.ndim != 1 or values.ndim < 1 or len(indices) != len(values):
            raise ValueError(
                f"expected as many rows as indices, got indices {list(indices.shape)} and values {list(values.shape)}"
            )
        given = TensorShape([None, *values.shape[1:]]) if shape is None else TensorShape(shape)
        if not self.shape.is_compatible_with(given):
            raise ValueError(f"Shape mismatch: expected {self.shape.as_list()}, got {given.as_list()}")

    def _add(self, gradient: Any) -> None:
        indices, values, shape = gradient
        rows, self._dense_shape = self._sum or {}, shape
        for index, value in zip(indices.tolist(), values):
            total, count = rows.get(index, (0, 0))
            rows[index] = (total + value, count + 1)
        self._sum = rows

    def _result(self) -> Any:
        rows, dtype = sorted(self._sum.items()), self.dtype.as_numpy_dtype
        indices = np.array([index for index, _ in rows], np.int64)
        averaged = self._reduction == "MEAN"
        values = np.stack([total / count if averaged else total for _, (total, count) in rows]).astype(dtype)
        known = self.shape.as_list() if self.shape.is_fully_defined() else [-1, *values.shape[1:]]
        return indices, values, np.array(known if self._dense_shape is None else self._dense_shape, np.int64)


def _state(handle: Any) -> AccumulatorState:
    return handle.item() if isinstance(handle, np.ndarray) else handle


def _makes(op_type: str, kind: type[AccumulatorState], handle: str = "string") -> None:
    def make(*, dtype: Any, shape: Any, container: Any, shared_name: Any, reduction_type: Any) -> Any:
        return shared(
            "accumulator", container, shared_name, lambda name: kind(name, dtype, shape, reduction_type)
        )

    op(
        f"{op_type}(; dtype, shape, container='', shared_name='', reduction_type='MEAN') -> handle: {handle}",
        numpy=make,
        shape=scalar,
        gradient=lambda call, dy: [],
        stateful=True,
    )


_makes("ConditionalAccumulator", AccumulatorState)
_makes("ResourceConditionalAccumulator", AccumulatorState, "resource")
_makes("SparseConditionalAccumulator", SparseAccumulatorState)


def _apply_sparse(
    handle: Any, step: Any, indices: Any, values: Any, shape: Any, *, has_known_shape: bool
) -> None:
    _state(handle).apply(int(step), (indices, values, np.asarray(shape) if has_known_shape else None))


# Prefix of the op types, type of the handle.
for _prefix, _handle in (("", "string"), ("Resource", "resource")):
    _OPS: tuple[tuple[str, Callable, Callable], ...] = (
        (
            f"{_prefix}AccumulatorNumAccumulated(handle: {_handle}) -> num_accumulated: int32",
            lambda handle: np.int32(_state(handle).count),
            scalar,
        ),
        (
            f"{_prefix}AccumulatorSetGlobalStep(handle: {_handle}, new_global_step: int64) -> ()",
            lambda handle, step: _state(handle).set_step(int(step)),
            no_outputs,
        ),
        (
            f"{_prefix}AccumulatorApplyGradient(handle: {_handle}, local_step: int64, gradient: dtype) -> ()",
            lambda handle, step, gradient: _state(handle).apply(int(step), gradient),
            no_outputs,
        ),
        (
            f"{_prefix}AccumulatorTakeGradient(handle: {_handle}, num_required: int32; dtype) -> average: dtype",
            lambda handle, required, *, dtype: _state(handle).take(int(required)),
            unknown,
        ),
    )
    for _signature, _kernel, _shape in _OPS:
        op(
            _signature,
            numpy=_kernel,
            shape=_shape,
            gradient=lambda call, *dys: [None] * len(call.inputs),
            stateful=True,
        )
op(
    "SparseAccumulatorApplyGradient(handle: string, local_step: int64, gradient_indices: int64, gradient_values: dtype, "
    "gradient_shape: int64; has_known_shape) -> ()",
    numpy=_apply_sparse,
    shape=no_outputs,
    stateful=True,
)
op(
    "SparseAccumulatorTakeGradient(handle: string, num_required: int32; dtype) -> (indices: int64, values: dtype, "
    "shape: int64)",
    numpy=lambda handle, required, *, dtype: _state(handle).take(int(required)),
    shape=lambda call: [TensorShape([None]), TensorShape(None), TensorShape([None])],
    gradient=lambda call, *dys: [None] * 2,
    stateful=True,
)


@export(v1=["ConditionalAccumulatorBase"])
class ConditionalAccumulatorBase:
    """The base of accumulators.

    Args:
      dtype, shape: those of the gradients; None for a shape that is not known.
      accumulator_ref: the handle.
    """

    def __init__(self, dtype: Any, shape: Any, accumulator_ref: Tensor):
        self._dtype, self._shape = as_dtype(dtype), TensorShape(shape)
        self._accumulator_ref = accumulator_ref
        graph_op = None if hasattr(accumulator_ref, "numpy") else accumulator_ref.op
        self._name = "accumulator" if graph_op is None else graph_op.name.rpartition("/")[2]

    @property
    def accumulator_ref(self) -> Tensor:
        """The handle."""
        return self._accumulator_ref

    @property
    def name(self) -> str:
        """The name of the node."""
        return self._name

    @property
    def dtype(self) -> DType:
        """The dtype of the gradients."""
        return self._dtype

    def num_accumulated(self, name: str | None = None) -> Tensor:
        """How many gradients it holds, an int32 scalar."""
        name = name or f"{self._name}_NumAccumulated"
        return execute("AccumulatorNumAccumulated", (self._accumulator_ref,), None, name)

    def set_global_step(self, new_global_step: Any, name: str | None = None) -> Any:
        """Drops gradients of earlier steps from now on."""
        step = convert_to_tensor(new_global_step, dtypes.int64)
        return execute("AccumulatorSetGlobalStep", (self._accumulator_ref, step), None, name)


@export(v1=["ConditionalAccumulator"])
class ConditionalAccumulator(ConditionalAccumulatorBase):
    """Sums gradients; they can be taken once there are enough of them.

    Args:
      dtype, shape: those of the gradients.
      shared_name: sessions find it under this name.
      name: the name of the node.
      reduction_type: "MEAN" or "SUM".

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
      ...     accumulator = tf.compat.v1.ConditionalAccumulator(tf.float32, [2])
      ...     for gradient in ([1.0, 2.0], [3.0, 4.0]):
      ...         session.run(accumulator.apply_grad(gradient))
      ...     session.run(accumulator.take_grad(2))
      array([2., 3.], dtype=float32)
    """

    def __init__(
        self,
        dtype: Any,
        shape: Any = None,
        shared_name: str | None = None,
        name: str = "conditional_accumulator",
        reduction_type: str = "MEAN",
    ):
        attrs = {"dtype": as_dtype(dtype), "shape": TensorShape(shape), "reduction_type": reduction_type}
        super().__init__(dtype, shape, make_resource("ConditionalAccumulator", attrs, name, shared_name))

    def apply_grad(self, grad: Any, local_step: Any = 0, name: str | None = None) -> Any:
        """Adds a gradient, unless `local_step` is earlier than the accumulator's step.

        Raises:
          InvalidArgumentError (when run): it has another shape.
        """
        grad = convert_to_tensor(grad, self._dtype)
        grad.shape.assert_is_compatible_with(self._shape)
        step = convert_to_tensor(local_step, dtypes.int64)
        return execute("AccumulatorApplyGradient", (self._accumulator_ref, step, grad), None, name)

    def take_grad(self, num_required: Any, name: str | None = None) -> Tensor:
        """The average of all gradients; waits until there are `num_required` of them."""
        required = convert_to_tensor(num_required, dtypes.int32)
        attrs = {"dtype": self._dtype}
        out = execute("AccumulatorTakeGradient", (self._accumulator_ref, required), attrs, name)
        if not hasattr(out, "numpy"):
            out.set_shape(self._shape)
        return out


@export(v1=["SparseConditionalAccumulator", "sparse.SparseConditionalAccumulator"])
class SparseConditionalAccumulator(ConditionalAccumulatorBase):
    """Sums gradients that have rows for some indices only.

    Args: as for `ConditionalAccumulator`.
    """

    def __init__(
        self,
        dtype: Any,
        shape: Any = None,
        shared_name: str | None = None,
        name: str = "sparse_conditional_accumulator",
        reduction_type: str = "MEAN",
    ):
        attrs = {"dtype": as_dtype(dtype), "shape": TensorShape(shape), "reduction_type": reduction_type}
        handle = make_resource("SparseConditionalAccumulator", attrs, name, shared_name)
        super().__init__(dtype, shape, handle)

    def apply_indexed_slices_grad(
        self, grad: IndexedSlices, local_step: Any = 0, name: str | None = None
    ) -> Any:
        """As `apply_grad`, of `IndexedSlices`."""
        return self.apply_grad(grad.indices, grad.values, grad.dense_shape, local_step, name)

    def apply_grad(
        self,
        grad_indices: Any,
        grad_values: Any,
        grad_shape: Any = None,
        local_step: Any = 0,
        name: str | None = None,
    ) -> Any:
        """Adds a gradient.

        Args:
          grad_indices: the indices of the rows, a vector.
          grad_values: the rows.
          grad_shape: the shape of the whole, where it is known.
          local_step: it is dropped where this is earlier than the accumulator's step.
          name: the name of the node.

        Raises:
          InvalidArgumentError (when run): the shapes do not go together.
        """
        inputs = (
            self._accumulator_ref,
            convert_to_tensor(local_step, dtypes.int64),
            tf.cast(grad_indices, tf.int64),
            convert_to_tensor(grad_values, self._dtype),
            tf.cast(tf.zeros([0]) if grad_shape is None else grad_shape, tf.int64),
        )
        attrs = {"has_known_shape": grad_shape is not None}
        return execute("SparseAccumulatorApplyGradient", inputs, attrs, name)

    def take_grad(self, num_required: Any, name: str | None = None) -> list[Tensor]:
        """Indices, values and shape of the average; waits until there are `num_required` gradients."""
        required = convert_to_tensor(num_required, dtypes.int32)
        attrs = {"dtype": self._dtype}
        return execute("SparseAccumulatorTakeGradient", (self._accumulator_ref, required), attrs, name)

    def take_indexed_slices_grad(self, num_required: Any, name: str | None = None) -> IndexedSlices:
        """As `take_grad`, as `IndexedSlices`."""
        indices, values, shape = self.take_grad(num_required, name)
        return IndexedSlices(values, indices, shape)
