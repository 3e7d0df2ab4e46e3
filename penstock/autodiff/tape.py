"""`tf.GradientTape`: records the calls that depend on watched tensors and walks them backward."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator, Sequence
from typing import Any

from penstock.autodiff.backprop import backpropagate, dense, is_differentiable, zeros_like
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types import nest
from penstock.types.composite import CompositeTensor
from penstock.types.tensors import Tensor


@export("UnconnectedGradients")
class UnconnectedGradients(enum.Enum):
    """What a gradient is where the target does not depend on the source: None, or zeros."""

    NONE = "none"
    ZERO = "zero"


@export("GradientTape", "autodiff.GradientTape")
class GradientTape:
    """Records operations for automatic differentiation.

    Args:
      persistent: whether `gradient` may be called more than once.
      watch_accessed_variables: whether trainable variables that are read are watched by themselves.

    Example:
      >>> import penstock as tf
      >>> x = tf.constant(3.0)
      >>> with tf.GradientTape() as tape:
      ...     tape.watch(x)
      ...     y = x * x
      >>> tape.gradient(y, x).numpy()
      np.float32(6.0)
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True):
        self._persistent = persistent
        self._watch_variables = watch_accessed_variables
        self._recording = False
        self._clear()

    def _clear(self) -> None:
        self._calls: list[Any] = []
        self._watched: set[int] = set()
        self._kept: list[Any] = []  # keeps the ids in _watched from being reused
        self._variables: dict[int, Any] = {}

    # What the funnel calls.

    def record(self, call: Any) -> None:
        """Keeps a call if it depends on something watched."""
        watched = self._watched
        for each in call.inputs:
            if id(each) in watched:
                break
        else:
            return
        kept = False
        for each in call.outputs:
            if is_differentiable(each._dtype) and id(each) not in watched:
                watched.add(id(each))
                kept = True
        if kept:
            self._calls.append(call)

    def watches(self, tensor: Any) -> bool:
        """Whether a call that takes `tensor` would be recorded."""
        return id(tensor) in self._watched

    def variable_accessed(self, variable: Any) -> None:
        """A trainable variable is about to be read."""
        if self._watch_variables and id(variable) not in self._variables:
            self._variables[id(variable)] = variable
            self._watch_tensor(variable.handle)

    # What programs call.

    def __enter__(self) -> GradientTape:
        self._start()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._recording:
            self._stop()

    def _start(self) -> None:
        if self._recording:
            raise ValueError(
                "Tape is still recording, This can happen if you try to re-enter an already-active tape."
            )
        thread.tapes = (*thread.tapes, self)
        self._recording = True

    def _stop(self) -> None:
        thread.tapes = tuple(tape for tape in thread.tapes if tape is not self)
        self._recording = False

    def watch(self, tensor: Any) -> None:
        """Treats a tensor, variable, or nest of them, as a source of gradients."""
        for each in nest.flatten(tensor, expand_composites=True):
            if hasattr(each, "handle") and not isinstance(each, Tensor):
                self._variables[id(each)] = each
                self._watch_tensor(each.handle)
                continue
            if not isinstance(each, Tensor):
                raise ValueError(f"Passed in object {each!r} of type {type(each).__name__!r}, not tf.Tensor")
            if is_differentiable(each.dtype):
                self._watch_tensor(each)

    def _watch_tensor(self, tensor: Any) -> None:
        if id(tensor) not in self._watched:
            self._watched.add(id(tensor))
            self._kept.append(tensor)

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Records nothing inside.

        Raises:
          RuntimeError: the tape is not recording.
        """
        if not self._recording:
            raise RuntimeError("Trying to stop recording a tape which is not recording.")
        self._stop()
        try:
            yield
        finally:
            self._start()

    def reset(self) -> None:
        """Forgets everything recorded."""
        self._clear()

    def watched_variables(self) -> tuple:
        """The variables that were watched, in the order of their first use."""
        return tuple(self._variables.values())

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
    ) -> Any:
        """The gradient of the sum of `target` with respect to each of `sources`.

        Args:
          target: a tensor, variable, or nest of them.
          sources: a tensor or variable, or a nest of them.
          output_gradients: one cotangent for each target; ones by default.
          unconnected_gradients: what a source on which no target depends gets.

        Returns:
          A structure like `sources` of tensors, `IndexedSlices`, or None.

        Raises:
          RuntimeError: a non-persistent tape was used before.
          LookupError: an op on the path has no gradient.
        """
        if self._calls is None:
            raise RuntimeError(
                "A non-persistent GradientTape can only be used to compute one set of gradients (or jacobians)"
            )
        if self._recording and not self._persistent:
            self._stop()
        unconnected = UnconnectedGradients(unconnected_gradients)
        flat_targets, flat_cotangents = [], []
        targets = nest.flatten(target, expand_composites=True)
        cotangents = [None] * len(targets) if output_gradients is None else nest.flatten(output_gradients)
        for each, cotangent in zip(targets, cotangents, strict=True):
            tensor = each.handle if hasattr(each, "handle") and not isinstance(each, Tensor) else each
            if isinstance(tensor, Tensor) and is_differentiable(tensor.dtype):
                flat_targets.append(tensor)
                flat_cotangents.append(None if cotangent is None else convert_to_tensor(cotangent))
        flat_sources = nest.flatten(sources, expand_composites=True)
        tensors = [_source_tensor(each) for each in flat_sources]
        # A shard of a table that is used as one has a part of the table's gradient.
        parts = [
            (i, each._table, each._part)
            for i, each in enumerate(flat_sources)
            if getattr(each, "_table", None) is not None and not self.watches(tensors[i])
        ]
        for i, table, _ in parts:
            tensors[i] = _source_tensor(table())
        found_for = iter(
            backpropagate(
                self._calls, flat_targets, flat_cotangents, [each for each in tensors if self.watches(each)]
            )
        )
        gradients = [next(found_for) if self.watches(each) else None for each in tensors]
        for i, _, part in parts:
            gradients[i] = None if gradients[i] is None else part(gradients[i])
        if not self._persistent:
            self._calls = self._kept = None  # type: ignore[assignment]
        found = [
            zeros_like(tensor) if gradient is None and unconnected is UnconnectedGradients.ZERO else gradient
            for tensor, gradient in zip(tensors, gradients)
        ]
        return _packed(sources, found)

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """The derivative of every element of `target` with respect to every element of `sources`.

        Returns:
          A structure like `sources` of tensors with shape `target.shape + source.shape`.
        """
        flat_sources = nest.flatten(sources, expand_composites=True)
        rows = self._rows(target, flat_sources, UnconnectedGradients(unconnected_gradients))
        shape = execute("Shape", (target,), None)
        jacobians: list[Any] = []
        for row in rows:
            if row is None:
                jacobians.append(None)
                continue
            inner = execute(
                "StridedSlice", (execute("Shape", (row,), None), *_slice_from(1)), {"end_mask": 1}
            )
            full = execute("ConcatV2", ([shape, inner], convert_to_tensor(0)), None)
            jacobians.append(execute("Reshape", (row, full), None))
        return nest.pack_sequence_as(sources, jacobians, expand_composites=True)

    def _rows(self, target: Any, sources: list, unconnected: UnconnectedGradients) -> list[Any]:
        """For each source, the gradients of every element of the flattened target, stacked."""
        from penstock.ops.vectorized_map import vectorized_map

        if self._calls is None:
            raise RuntimeError(
                "A non-persistent GradientTape can only be used to compute one set of gradients (or jacobians)"
            )
        if self._recording and not self._persistent:
            self._stop()
        tensors = [_source_tensor(each) for each in sources]
        size = execute("Size", (target,), None)
        shape = execute("Shape", (target,), None)
        identity_rows = execute(
            "OneHot",
            (
                execute("Range", (convert_to_tensor(0), size, convert_to_tensor(1)), None),
                size,
                convert_to_tensor(1, target.dtype),
                convert_to_tensor(0, target.dtype),
            ),
            {"axis": -1},
        )
        connected = [gradient is not None for gradient in self._probe(target, tensors)]

        def row(cotangent: Any) -> list[Any]:
            cotangent = execute("Reshape", (cotangent, shape), None)
            found = backpropagate(self._calls, [target], [cotangent], tensors)
            return [convert_to_tensor(each) for each in found if each is not None]

        stacked = iter(vectorized_map(row, identity_rows) if any(connected) else ())
        if not self._persistent:
            self._calls = self._kept = None  # type: ignore[assignment]
        rows = []
        for is_connected, tensor in zip(connected, tensors):
            if is_connected:
                rows.append(next(stacked))
            elif unconnected is UnconnectedGradients.ZERO:
                zeros = zeros_like(tensor)
                rows.append(
                    execute(
                        "Tile",
                        (execute("ExpandDims", (zeros, convert_to_tensor(0)), None), _tiles(size, zeros)),
                        None,
                    )
                )
            else:
                rows.append(None)
        return rows

    def _probe(self, target: Any, tensors: list) -> list[Any]:
        """Which sources the target depends on, without computing anything that stays."""
        reached = {id(each) for each in tensors}
        depends: dict[int, set[int]] = {key: {key} for key in reached}
        for call in self._calls:
            roots: set[int] = set().union(*(depends.get(id(each), set()) for each in call.inputs))
            if roots:
                for each in call.outputs:
                    depends[id(each)] = roots
        roots = depends.get(id(target), set())
        return [True if id(each) in roots else None for each in tensors]

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """The jacobian of each example: `result[b, ...]` is d target[b] / d source[b].

        Args:
          target: a tensor of shape [b, y1, ...]; `target[b]` depends on `source[b]` only.
          source: a tensor of shape [b, x1, ...].

        Returns:
          A tensor of shape [b, y1, ..., x1, ...], or None where unconnected.
        """
        from penstock.ops.vectorized_map import vectorized_map

        if (
            target.shape.rank is None
            or target.shape.rank < 1
            or source.shape.rank is None
            or source.shape.rank < 1
        ):
            raise ValueError(
                f"Need first dimension of target {target.shape} and source {source.shape} to match."
            )
        if not target.shape[:1].is_compatible_with(source.shape[:1]):
            raise ValueError(
                f"Need first dimension of target {target.shape} and source {source.shape} to match."
            )
        if self._recording and not self._persistent:
            self._stop()
        if self._probe(target, [source]) == [None]:
            if not self._persistent:
                self._calls = self._kept = None  # type: ignore[assignment]
            if UnconnectedGradients(unconnected_gradients) is UnconnectedGradients.NONE:
                return None
        shape = execute("Shape", (target,), None)
        batch = execute("StridedSlice", (shape, *_slice_one(0)), {"shrink_axis_mask": 1})
        rest = execute("StridedSlice", (shape, *_slice_from(1)), {"end_mask": 1})
        size = execute("Prod", (rest, convert_to_tensor([0])), None)
        rows = execute(
            "OneHot",
            (
                execute("Range", (convert_to_tensor(0), size, convert_to_tensor(1)), None),
                size,
                convert_to_tensor(1, target.dtype),
                convert_to_tensor(0, target.dtype),
            ),
            {"axis": -1},
        )
        flat_shape = execute("Pack", ([batch, size],), {"axis": 0})

        def row(cotangent: Any) -> Any:
            every = execute("Reshape", (execute("BroadcastTo", (cotangent, flat_shape), None), shape), None)
            (found,) = backpropagate(self._calls, [target], [every], [source])
            return zeros_like(source) if found is None else convert_to_tensor(found)

        stacked = vectorized_map(row, rows)  # [y, b, x...]
        if not self._persistent:
            self._calls = self._kept = None  # type: ignore[assignment]
        rank = source.shape.rank + 1
        moved = execute("Transpose", (stacked, convert_to_tensor([1, 0, *range(2, rank)])), None)
        inner = execute("StridedSlice", (execute("Shape", (source,), None), *_slice_from(1)), {"end_mask": 1})
        return execute(
            "Reshape", (moved, execute("ConcatV2", ([shape, inner], convert_to_tensor(0)), None)), None
        )


def _source_tensor(source: Any) -> Any:
    if isinstance(source, Tensor):
        return source
    if hasattr(source, "handle"):
        return source.handle
    raise ValueError(
        f"Passed in object {source!r} of type {type(source).__name__!r}, not tf.Tensor or tf.Variable"
    )


def _packed(sources: Any, gradients: Sequence[Any]) -> Any:
    """Gradients in the structure of the sources. What of a composite has none, as row splits, is that of the source."""
    rest = iter(gradients)

    def one(source: Any) -> Any:
        parts = nest.flatten(source, expand_composites=True)
        found = [next(rest) for _ in parts]
        if not isinstance(source, CompositeTensor):
            return found[0]
        if all(each is None for each in found):
            return None
        whole = [part if each is None else dense(each) for part, each in zip(parts, found)]
        return nest.pack_sequence_as(source, whole, expand_composites=True)

    return nest.map_structure(one, sources)


def _slice_from(begin: int) -> tuple:
    return convert_to_tensor([begin]), convert_to_tensor([0]), convert_to_tensor([1])


def _slice_one(index: int) -> tuple:
    return convert_to_tensor([index]), convert_to_tensor([index + 1]), convert_to_tensor([1])


def _tiles(size: Any, zeros: Any) -> Any:
    return execute("Pack", ([size] + [convert_to_tensor(1)] * zeros.shape.rank,), {"axis": 0})
