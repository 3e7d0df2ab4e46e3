"""`tf.xla.experimental`: the older way to ask for XLA; whatever can be compiled is compiled without asking too."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine.export import export
from penstock.tracing.function import function


@export("xla.experimental.compile")
def compile_(computation: Callable, inputs: Any = None) -> Any:
    """Calls a function as one XLA program.

    Args:
      computation: a function of tensors.
      inputs: a list of its arguments.

    Returns:
      What it returns.

    Raises:
      TypeError: `inputs` is no list.

    Example:
      >>> import penstock as tf
      >>> tf.xla.experimental.compile(lambda x, y: x * y, [tf.constant(3.0), tf.constant(2.0)]).numpy()
      np.float32(6.0)
    """
    if inputs is not None and not isinstance(inputs, (list, tuple)):
        raise TypeError(f"inputs must be a list, got {inputs!r}")
    return function(computation, jit_compile=True)(*(inputs or ()))


@export("xla.experimental.jit_scope")
@contextlib.contextmanager
def jit_scope(
    compile_ops: bool | Callable = True, separate_compiled_gradients: bool = False
) -> Iterator[None]:
    """Asks XLA to compile the ops that are added inside, which it does in any case.

    Args:
      compile_ops: whether to compile, or a function of a node that says so.
      separate_compiled_gradients: whether gradients shall be programs of their own.
    """
    yield
