"""The global seed, and the two seeds that each random op draws with, by TensorFlow's rules.

A random op has a seed of its own and one from outside it. Outside is `tf.random.set_seed` (eager and functions) or the
graph's seed (v1); an op without a seed of its own takes the next of a sequence that the outer seed starts.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from penstock.engine.context import process, thread
from penstock.engine.export import export
from penstock.ops.random import stream as random_stream

_DEFAULT_GRAPH_SEED = 87654321
_MAX_INT32 = 2**31 - 1


@export("random.set_seed", v1=[])
def set_seed(seed: Any) -> None:
    """Sets the global seed: what follows draws the same random numbers in every run.

    * Neither the global seed nor an op's seed is set: the op draws other numbers in every run.
    * Only the global seed: each call of an op gets a seed of its own from a sequence that the global seed starts.
      A `tf.function` counts its random ops from zero, so that two functions draw the same numbers.
    * Only the op's seed: a default global seed is used.
    * Both: they determine the numbers together. A second eager call with the same seeds goes on where the first ended.

    The streams of all ops, also in functions that have been traced, start again. Inside `tf.Graph().as_default()` this
    sets the seed of that graph for the ops that are added later.

    Args:
      seed: an integer.

    Example:
      >>> import penstock as tf
      >>> tf.random.set_seed(1)
      >>> tf.random.uniform([2]).numpy()
      array([0.16513085, 0.9014813 ], dtype=float32)
    """
    if thread.graph is not None:
        thread.graph.seed = seed
        return
    try:
        generator = random.Random(seed)
    except TypeError:  # an array or a tensor
        seed = int(np.array(seed))
        generator = random.Random(seed)
    process.global_seed = seed
    process.registry["operation_seeds"] = generator
    random_stream.restart()


@export(v1=["random.set_random_seed", "set_random_seed"])
def set_random_seed(seed: Any) -> None:
    """Sets the seed of the current graph, or the global seed while running eagerly; see `tf.random.set_seed`.

    Args:
      seed: an integer.
    """
    set_seed(seed)


@export(v1=["random.get_seed", "get_seed"])
def get_seed(op_seed: int | None) -> tuple[int | None, int | None]:
    """The two seeds that an op uses.

    Args:
      op_seed: the op's own seed, or None.

    Returns:
      (outer seed, op seed); (None, None) where the op should draw other numbers in every run.

    Raises:
      RuntimeError: no seed is set although `tf.config.experimental.enable_op_determinism` asks for one.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     tf.compat.v1.set_random_seed(7)
      ...     tf.compat.v1.get_seed(None), tf.compat.v1.get_seed(3), tf.compat.v1.get_seed(None)
      ((7, 0), (7, 3), (7, 1))
    """
    graph = thread.graph
    outer = process.global_seed if graph is None else graph.seed
    if outer is None:
        if op_seed is None:
            if process.registry.get("op_determinism", False):
                raise RuntimeError(
                    "Random ops require a seed to be set when determinism is enabled. Please set a seed before running "
                    "the op, e.g. by calling tf.random.set_seed(1)."
                )
            return None, None
        return _DEFAULT_GRAPH_SEED, int(op_seed) % _MAX_INT32
    if op_seed is None:
        op_seed = _next_operation_seed(graph)
    seeds = int(outer) % _MAX_INT32, int(op_seed) % _MAX_INT32
    return (0, _MAX_INT32) if seeds == (0, 0) else seeds  # (0, 0) would mean: no seed


def _next_operation_seed(graph: Any) -> int:
    """The seed of an op that has none: a random one in eager mode, a running number in a graph."""
    if graph is None:
        return process.registry["operation_seeds"].randint(0, _MAX_INT32)
    graph.random_ops += 1
    return graph.random_ops - 1
