"""Debugging switches: `tf.debugging.enable_check_numerics`, `set_log_device_placement`, traceback filtering.

The two that watch every op are observers: they stand among the tapes of a thread, to which the funnel offers calls.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.engine.execute import execute, where
from penstock.engine.export import export
from penstock.ops.dtype_sets import FLOATS
from penstock.types import errors
from penstock.types.tensors import EagerTensor


class _Observer:
    """Sees every call of a thread; it looks like a tape that watches nothing. Subclasses define `see`."""

    see: Callable[[Any, Any], None]  # nothing that it calls is seen

    def record(self, call: Any) -> None:
        """Called by the funnel and by graphs."""
        definition = getattr(call, "definition", None)
        if definition is None:
            return
        thread.tapes, outer = (), thread.tapes
        try:
            self.see(call, definition)
        finally:
            thread.tapes = outer

    def watches(self, tensor: Any) -> bool:
        """A tape's method: no gradient is asked for."""
        return False

    def variable_accessed(self, variable: Any) -> None:
        """A tape's method."""


def _install(kind: type[_Observer]) -> None:
    if not any(isinstance(each, kind) for each in thread.tapes):
        thread.tapes = (*thread.tapes, kind())


def _remove(kind: type[_Observer]) -> None:
    thread.tapes = tuple(each for each in thread.tapes if not isinstance(each, kind))


# Their outputs are inputs, states, or undefined by intent.
_UNCHECKED = frozenset(
    "Placeholder PlaceholderWithDefault Const ReadVariableOp Empty CheckNumerics CheckNumericsV2".split()
)
_FIRST_OUTPUT_ONLY = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"}


class _NumericsObserver(_Observer):
    """Raises at the first op that gives NaN or infinity; in a graph, adds an op that will."""

    def see(self, call: Any, definition: Any) -> None:
        if definition.view or definition.type in _UNCHECKED:
            return
        outputs = call.outputs[:1] if definition.type in _FIRST_OUTPUT_ONLY else call.outputs
        for index, output in enumerate(outputs):
            if output.dtype not in FLOATS:
                continue
            eager = isinstance(output, EagerTensor)
            message = (
                f"!!! Detected Infinity or NaN in output {index} of {'eagerly-executing' if eager else 'graph'} op "
                f'"{definition.type}" (# of outputs: {len(call.outputs)}) !!!'
            )
            if not eager:
                with context.building(output.graph):
                    execute("CheckNumericsV2", (output,), {"message": message})
            elif not np.isfinite(output.host()).all():
                shown = ", ".join(f"{each.dtype.name}{each.shape}" for each in call.inputs)
                facts = f"dtype: {output.dtype.name}, shape: {output.shape}, inputs: {shown}"
                raise errors.InvalidArgumentError(None, None, f"{message}\n  {facts}{where()}")


@export("debugging.enable_check_numerics")
def enable_check_numerics(stack_height_limit: int = 30, path_length_limit: int = 50) -> None:
    """Makes every op of this thread raise InvalidArgumentError where it gives NaN or infinity.

    Functions traced from now on check too. Ops that only move data are left out.

    Args:
      stack_height_limit, path_length_limit: accepted; messages name the one line of the program that matters.

    Example:
      >>> import penstock as tf
      >>> tf.debugging.enable_check_numerics()
      >>> try:
      ...     tf.math.log(-1.0)
      ... except tf.errors.InvalidArgumentError as error:
      ...     print(error.message.splitlines()[0])
      !!! Detected Infinity or NaN in output 0 of eagerly-executing op "Log" (# of outputs: 1) !!!
      >>> tf.debugging.disable_check_numerics()
    """
    _install(_NumericsObserver)


@export("debugging.disable_check_numerics")
def disable_check_numerics() -> None:
    """Takes `tf.debugging.enable_check_numerics` back, for this thread."""
    _remove(_NumericsObserver)


class _PlacementObserver(_Observer):
    """Says on stderr on which device each op ran."""

    def see(self, call: Any, definition: Any) -> None:
        for output in call.outputs[:1]:
            if isinstance(output, EagerTensor):
                print(f"Executing op {definition.type} in device {output.device}", file=sys.stderr)
            else:
                print(f"{call.name}: ({definition.type}): {call.device or 'placed by XLA'}", file=sys.stderr)


@export("debugging.set_log_device_placement")
def set_log_device_placement(enabled: bool) -> None:
    """Turns messages on stderr, on which device each op of this thread runs, on or off."""
    process.registry["log_device_placement"] = bool(enabled)
    (_install if enabled else _remove)(_PlacementObserver)


@export("debugging.get_log_device_placement")
def get_log_device_placement() -> bool:
    """Whether the placement of ops is logged."""
    return process.registry.get("log_device_placement", False)


@export("debugging.enable_traceback_filtering")
def enable_traceback_filtering() -> None:
    """Says that tracebacks need no frames of this package (the default)."""
    process.registry["traceback_filtering"] = True


@export("debugging.disable_traceback_filtering")
def disable_traceback_filtering() -> None:
    """Says that tracebacks shall keep every frame; they always do here, and Keras asks this setting for its own."""
    process.registry["traceback_filtering"] = False


@export("debugging.is_traceback_filtering_enabled")
def is_traceback_filtering_enabled() -> bool:
    """Whether frames of this package may be left out of tracebacks."""
    return process.registry.get("traceback_filtering", True)


@export("debugging.experimental.enable_dump_debug_info")
def enable_dump_debug_info(
    dump_root: str,
    tensor_debug_mode: str = "NO_TENSOR",
    circular_buffer_size: int = 1000,
    op_regex: str | None = None,
    tensor_dtypes: Any = None,
) -> Any:
    """Refuses: the dump files of TensorBoard's Debugger V2 are not written.

    Raises:
      UnimplementedError: always. `tf.debugging.enable_check_numerics()` finds the op that first gives NaN.
    """
    raise errors.UnimplementedError(
        None,
        None,
        "tf.debugging.experimental.enable_dump_debug_info: dumps for TensorBoard's Debugger V2 are not written here; "
        "tf.debugging.enable_check_numerics() finds the op that first gives NaN or infinity.",
    )


@export("debugging.experimental.disable_dump_debug_info")
def disable_dump_debug_info() -> None:
    """Does nothing, since dumping cannot be on."""


@export("get_logger")
def get_logger() -> logging.Logger:
    """The logger named "tensorflow", which writes to stderr, warnings and worse unless its level is set.

    Example:
      >>> import penstock as tf
      >>> tf.get_logger().setLevel("ERROR")
    """
    logger = logging.getLogger("tensorflow")
    with process.lock:
        if not process.registry.get("logger_configured"):
            process.registry["logger_configured"] = True
            if logger.level == logging.NOTSET:
                logger.setLevel(logging.INFO if hasattr(sys, "ps1") else logging.WARNING)
            if not logger.handlers and not logging.getLogger().handlers:
                handler = logging.StreamHandler()
                handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
                logger.addHandler(handler)
    return logger
