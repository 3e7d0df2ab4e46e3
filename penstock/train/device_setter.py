"""`tf.compat.v1.train.replica_device_setter`: variables to parameter servers, in turn, all else to the worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.train.cluster_spec import ClusterSpec
from penstock.types.device_spec import DeviceSpec

_VARIABLE_OPS = (
    "Variable",
    "VariableV2",
    "AutoReloadVariable",
    "MutableHashTable",
    "MutableHashTableV2",
    "MutableHashTableOfTensors",
    "MutableHashTableOfTensorsV2",
    "MutableDenseHashTable",
    "MutableDenseHashTableV2",
    "VarHandleOp",
    "BoostedTreesEnsembleResourceHandleOp",
    "BoostedTreesQuantileStreamResourceHandleOp",
    "BoostedTreesResourceHandleOp",
)


@export(v1=["train.replica_device_setter"])
def replica_device_setter(
    ps_tasks: int = 0,
    ps_device: str = "/job:ps",
    worker_device: str = "/job:worker",
    merge_devices: bool = True,
    cluster: Any = None,
    ps_ops: Sequence[str] | None = None,
    ps_strategy: Callable[[Any], int] | None = None,
) -> Callable[[Any], str] | None:
    """A device function, for `tf.compat.v1.device`, that names a parameter server for each variable.

    In the sessions of a cluster of `train.Server`s the variables are there; all else runs in the session's process.

    Args:
      ps_tasks: how many parameter servers there are.
      ps_device, worker_device: the device of variables, to which the number of a task is added, and that of the rest.
      merge_devices: whether a device that an operation has already is completed; otherwise it stays as it is.
      cluster: a `ClusterSpec`, or what makes one; the tasks of the job of `ps_device` are the parameter servers.
      ps_ops: the types of operations that go to parameter servers; those of variables and tables by default.
      ps_strategy: operation -> number of a parameter server; in turn by default.

    Returns:
      A function from an operation to the name of a device; None where there are no parameter servers.

    Raises:
      TypeError: `cluster` is none, or `ps_strategy` cannot be called.

    Example:
      >>> import penstock as tf
      >>> chosen = tf.compat.v1.train.replica_device_setter(ps_tasks=2)
      >>> with tf.Graph().as_default():
      ...     variables = [tf.compat.v1.get_variable(name, [2]) for name in "abc"]
      >>> [chosen(variable.op) for variable in variables]
      ['/job:ps/task:0', '/job:ps/task:1', '/job:ps/task:0']
    """
    if cluster is not None:
        job = DeviceSpec.from_string(ps_device).job
        ps_tasks = len(ClusterSpec(cluster).as_dict().get(job, ()))
    if ps_tasks == 0:
        return None
    if ps_strategy is not None and not callable(ps_strategy):
        raise TypeError(f"ps_strategy must be callable, got {ps_strategy!r}")
    types = frozenset(_VARIABLE_OPS if ps_ops is None else ps_ops)
    server, worker = DeviceSpec.from_string(ps_device), DeviceSpec.from_string(worker_device or "")
    strategy = ps_strategy or _in_turn(ps_tasks)

    def device_of(operation: Any) -> str:
        own = DeviceSpec.from_string(operation.device or "")
        if not merge_devices and own.to_string():
            return own.to_string()
        to_server = operation.type in types and server.to_string()
        if to_server and server.job and own.job in (None, server.job):
            return server.replace(task=strategy(operation)).make_merged_spec(own).to_string()
        return (server if to_server else worker).make_merged_spec(own).to_string()

    return device_of


def _in_turn(count: int) -> Callable[[Any], int]:
    """A strategy that goes round."""
    calls = 0

    def next_server(operation: Any) -> int:
        nonlocal calls
        calls += 1
        return (calls - 1) % count

    return next_server
