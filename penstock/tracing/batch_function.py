"""`tf.nondifferentiable_batch_function`: calls from many threads, run together as one batch."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.ops.concatenation import concat
from penstock.ops.padding import pad
from penstock.ops.python_functions import numpy_function
from penstock.tracing.function import function
from penstock.types import nest
from penstock.types.errors import InvalidArgumentError, UnavailableError
from penstock.types.tensors import Tensor


class _Call:
    """One caller's arguments, and later its results or its error."""

    def __init__(self, tensors: list[Tensor]):
        self.tensors, self.size = tensors, int(tensors[0].shape[0])
        self.done = threading.Event()
        self.results: list[np.ndarray] | None = None
        self.error: Exception | None = None


class _Batcher:
    """Collects calls; the first of a batch waits for others and runs them all."""

    def __init__(
        self, run: Callable, threads: int, largest: int, timeout: float, sizes: Sequence[int], waiting: int
    ):
        self._run, self._largest, self._timeout, self._waiting = run, largest, timeout, waiting
        self._sizes = sorted(sizes) if sizes else []
        self._threads = threading.BoundedSemaphore(threads)
        self._changed = threading.Condition()
        self._open: list[_Call] = []

    def call(self, call: _Call) -> list[np.ndarray]:
        if call.size > self._largest:
            raise InvalidArgumentError(
                None, None, f"A batch of {call.size} exceeds max_batch_size, which is {self._largest}."
            )
        with self._changed:
            if sum(each.size for each in self._open) + call.size > self._largest * self._waiting:
                raise UnavailableError(None, None, "The batching queue is full.")
            first = not self._open
            self._open.append(call)
            self._changed.notify_all()
        if first:
            self._lead()
        call.done.wait()
        if call.error is not None:
            raise call.error
        assert call.results is not None
        return call.results

    def _lead(self) -> None:
        """Waits until the batch is full or its time is up, and runs what has come; again, while calls are left over."""
        deadline = time.monotonic() + self._timeout
        while True:
            with self._changed:
                while sum(each.size for each in self._open) < self._largest:
                    left = deadline - time.monotonic()
                    if left <= 0 or not self._changed.wait(left):
                        break
                batch, size = [], 0
                while self._open and size + self._open[0].size <= self._largest:
                    batch.append(self._open.pop(0))
                    size += batch[-1].size
                more = bool(self._open)
            with self._threads:
                self._run_batch(batch, size)
            if not more:
                return
            deadline = time.monotonic()  # those left over have waited already

    def _run_batch(self, batch: list[_Call], size: int) -> None:
        try:
            inputs = [concat(list(parts), 0) for parts in zip(*(call.tensors for call in batch), strict=True)]
            full = next((allowed for allowed in self._sizes if allowed >= size), size)
            if full > size:
                inputs = [pad(x, [[0, full - size]] + [[0, 0]] * (len(x.shape) - 1)) for x in inputs]
            outputs = [np.asarray(each) for each in self._run(inputs)]
            begin = 0
            for call in batch:
                call.results = [output[begin : begin + call.size] for output in outputs]
                begin += call.size
        except Exception as error:  # every caller of the batch gets it
            for call in batch:
                call.error = error
        finally:
            for call in batch:
                call.done.set()


@export("nondifferentiable_batch_function")
def nondifferentiable_batch_function(
    num_batch_threads: int,
    max_batch_size: int,
    batch_timeout_micros: int,
    allowed_batch_sizes: Sequence[int] | None = None,
    max_enqueued_batches: int = 10,
    autograph: bool = True,
    enable_large_batch_splitting: bool = True,
) -> Callable:
    """A decorator: calls of the function from several threads are run together, as one batch.

    Args:
      num_batch_threads: how many batches may run at the same time.
      max_batch_size: the most rows of a batch.
      batch_timeout_micros: how long a batch that is not full waits for more calls.
      allowed_batch_sizes: rising sizes, up to `max_batch_size`, to which batches are padded with zeros.
      max_enqueued_batches: how many batches may wait; more raise UnavailableError.
      autograph: whether AutoGraph converts the function.
      enable_large_batch_splitting: whether a call with more rows than a batch is cut into several.

    Returns:
      The decorator of a function of tensors that returns a tensor or a list of them, all with the batch as first axis.

    Raises:
      ValueError: the allowed sizes do not rise up to `max_batch_size`.

    Example:
      >>> import penstock as tf
      >>> @tf.nondifferentiable_batch_function(1, 4, 1000)
      ... def double(x):
      ...     return 2 * x
      >>> double(tf.constant([1, 2])).numpy()
      array([2, 4], dtype=int32)
    """
    sizes = list(allowed_batch_sizes or ())
    if sizes and (sizes != sorted(set(sizes)) or sizes[-1] != max_batch_size):
        raise ValueError(f"allowed_batch_sizes must rise up to max_batch_size {max_batch_size}, got {sizes}")

    def decorate(python_function: Callable) -> Callable:
        traced = function(python_function, autograph=autograph)
        structures: list[Any] = []

        def run(inputs: list[Tensor]) -> list[Tensor]:
            result = traced(*inputs)
            structures[:] = [result]
            return nest.flatten(result)

        batcher = _Batcher(
            run, num_batch_threads, max_batch_size, batch_timeout_micros * 1e-6, sizes, max_enqueued_batches
        )

        def eagerly(*arrays: Any) -> list[np.ndarray]:
            tensors = [convert_to_tensor(each) for each in arrays]
            if tensors[0].shape.rank == 0:
                raise InvalidArgumentError(None, None, "Batched arguments need a first axis, got a scalar.")
            size, step = int(tensors[0].shape[0]), max_batch_size
            if size <= step or not enable_large_batch_splitting:
                return batcher.call(_Call(tensors))
            pieces = [
                batcher.call(_Call([each[begin : begin + step] for each in tensors]))
                for begin in range(0, size, step)
            ]
            return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

        @functools.wraps(python_function)
        def batched(*args: Any) -> Any:
            tensors = [convert_to_tensor(each) for each in args]
            if thread.graph is None:
                found: Sequence[Any] = [convert_to_tensor(each) for each in eagerly(*tensors)]
                return nest.pack_sequence_as(structures[0], found)
            concrete = traced.get_concrete_function(*tensors)
            outputs = nest.flatten(concrete.structured_outputs)
            found = numpy_function(eagerly, tensors, [each.dtype for each in outputs])
            for value, spec in zip(found, outputs, strict=True):
                value.set_shape([None, *spec.shape[1:]])
            return nest.pack_sequence_as(concrete.structured_outputs, found)

        return batched

    return decorate
