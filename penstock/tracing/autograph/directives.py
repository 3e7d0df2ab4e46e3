"""Statements that tell the converter something and do nothing when they run."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export

UNSPECIFIED = object()


@export("autograph.experimental.set_loop_options")
def set_loop_options(
    parallel_iterations: Any = UNSPECIFIED,
    swap_memory: Any = UNSPECIFIED,
    maximum_iterations: Any = UNSPECIFIED,
    shape_invariants: Any = UNSPECIFIED,
) -> None:
    """Gives options to the `tf.while_loop` that the enclosing loop becomes.

    Must be the first statement of the loop's body. Has no effect on a loop that stays a Python loop.

    Args:
      parallel_iterations: accepted for compatibility; one program runs the whole loop.
      swap_memory: accepted for compatibility; XLA plans the memory.
      maximum_iterations: the loop stops after that many iterations.
      shape_invariants: a list of `(tensor, shape)`: the loop variable that holds `tensor` before the loop may have
        any shape that fits `shape` (`None` for dimensions that change).

    Example:
      >>> import penstock as tf
      >>> @tf.function
      ... def grow(n):
      ...   v = tf.constant([0])
      ...   for i in tf.range(n):
      ...     tf.autograph.experimental.set_loop_options(shape_invariants=[(v, tf.TensorShape([None]))])
      ...     v = tf.concat([v, [i]], 0)
      ...   return v
      >>> grow(3).numpy()
      array([0, 0, 1, 2], dtype=int32)
    """
    del parallel_iterations, swap_memory, maximum_iterations, shape_invariants
