"""Checks for NaN and infinity: `tf.debugging.check_numerics` and its relatives.

In a graph the ops pass their input on, and it is looked at on the host after the compiled piece (see `assertions`).
`tf.debugging.enable_check_numerics` makes every op of a kind that can produce such values check its outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import Check, op
from penstock.engine.execute import execute, where
from penstock.engine.export import export
from penstock.engine.shape_rules import unchanged
from penstock.graph.graph import current_graph
from penstock.ops.arguments import renamed
from penstock.ops.dtype_sets import FLOATS
from penstock.types import errors
from penstock.types.tensors import Tensor


def _problems(tensor: Any, signed: bool) -> list[str]:
    """What is wrong with the values, in TensorFlow's words; everything that may be where they are not known."""
    if tensor is None:
        return ["-Inf", "+Inf", "NaN"] if signed else ["Inf", "NaN"]
    infinite = np.isinf(tensor)
    found = []
    if signed:
        signs = (("-Inf", tensor < 0), ("+Inf", tensor > 0))
        found += [name for name, sign in signs if (infinite & sign).any()]
    elif infinite.any():
        found.append("Inf")
    return [*found, "NaN"] if np.isnan(tensor).any() else found


def _define(op_type: str, signed: bool) -> None:
    def fails(xp: Any, tensor: Any, *, message: str) -> Any:
        return xp.logical_not(xp.isfinite(tensor).all())

    def error(tensor: Any, *, message: str) -> errors.OpError:
        with np.errstate(all="ignore"):
            problems = _problems(None if tensor is None else np.asarray(tensor), signed)
        last = "or" if tensor is None else "and"
        listed = f" {last} ".join([", ".join(problems[:-1]), problems[-1]] if problems[1:] else problems)
        return errors.InvalidArgumentError(None, None, f"{message} : Tensor had {listed} values{where()}")

    def check(tensor: Any, *, message: str) -> Any:
        if fails(np, tensor, message=message):
            raise error(tensor, message=message)
        return tensor

    def gradient(call: Any, dy: Tensor) -> Tensor:
        text = f"Not a number (NaN) or infinity (Inf) values detected in gradient. {call.attrs['message']}"
        return execute(op_type, (dy,), {"message": text})

    op(
        f"{op_type}(tensor: T; message) -> output: T",
        numpy=check,
        xla=lambda tensor, *, message: tensor,
        check=Check(fails, error),
        shape=unchanged,
        gradient=gradient,
        stateful=True,
        types={"T": FLOATS},
    )


_define("CheckNumerics", signed=False)
_define("CheckNumericsV2", signed=True)


@export("debugging.check_numerics", v1=["debugging.check_numerics", "check_numerics"])
def check_numerics(tensor: Any, message: str, name: str | None = None) -> Tensor:
    """Passes a tensor on if all its values are finite.

    Args:
      tensor: a floating tensor.
      message: how the error begins.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: a value is NaN or infinite. A graph raises it when it runs.

    Example:
      >>> import penstock as tf
      >>> tf.debugging.check_numerics(tf.constant([1.0, 2.0]), "the loss").numpy()
      array([1., 2.], dtype=float32)
    """
    return execute("CheckNumerics", (convert_to_tensor(tensor),), {"message": message}, name)


@export("debugging.assert_all_finite", v1=[])
def assert_all_finite(x: Any, message: str, name: str | None = None) -> Tensor:
    """Passes a tensor on if all its values are finite; see `tf.debugging.check_numerics`.

    Raises:
      InvalidArgumentError: a value is NaN or infinite.
    """
    return check_numerics(x, message, name or "VerifyFinite")


@export(v1=["debugging.assert_all_finite", "verify_tensor_all_finite"])
def verify_tensor_all_finite(
    t: Any = None, msg: str | None = None, name: str | None = None, x: Any = None, message: str | None = None
) -> Tensor:
    """TF 1's `assert_all_finite`; `t` and `x`, and `msg` and `message`, are two names of one argument each."""
    return assert_all_finite(renamed(x, t, "x and t"), renamed(message, msg, "message and msg"), name)


@export(v1=["add_check_numerics_ops"])
def add_check_numerics_ops() -> Any:
    """One operation that checks every floating tensor of the default graph.

    Raises:
      RuntimeError: eager execution is on.
    """
    if thread.graph is None:
        raise RuntimeError(
            "add_check_numerics_ops() is not compatible with eager execution. To check for Inf's and NaN's under eager "
            "execution, call tf.debugging.enable_check_numerics() once before executing the checked operations."
        )
    graph = current_graph()
    checks: list[Any] = []
    for operation in graph.get_operations():
        for output in operation.outputs:
            if output.dtype in FLOATS:
                with graph.control_dependencies(checks[-1:]):
                    checks.append(check_numerics(output, f"{output.name}").op)
    with graph.control_dependencies(checks[-1:]):
        return execute("NoOp", (), None, "check_numerics")
