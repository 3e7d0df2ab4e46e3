"""`train.SyncReplicasOptimizer`: steps by the mean of several gradients.

Sums of the gradients are variables beside the ones that they belong to, and so is a count. In a cluster all workers add
to the same sums; the one that comes last takes the step, and the others wait until the global step grows.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from penstock.autodiff.backprop import dense
from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import no_outputs
from penstock.graph.scopes import control_dependencies
from penstock.ops.control_flow import cond
from penstock.ops.creation import zeros
from penstock.ops.grouping import group, no_op
from penstock.train.optimizer_v1 import Optimizer, slot_variable
from penstock.train.session_run_hook import SessionRunHook
from penstock.types import dtypes
from penstock.types.tensors import SymbolicTensor


@export(v1=["train.SyncReplicasOptimizer"])
class SyncReplicasOptimizer(Optimizer):
    """Collects the gradients of several workers, and takes one step by their mean.

    In one process each call of the training operation counts as one worker's: every `replicas_to_aggregate` calls
    the variables move once, and the global step grows by one. Where the variables are in another process (see
    `train.Server`), a call ends when the step is taken to which it contributed, so all workers must be there.

    Args:
      opt: the optimizer. replicas_to_aggregate: of how many gradients the mean is taken; in a cluster of processes it is
        the number of workers.
      total_num_replicas: how many workers there are; by default as many.
      variable_averages, variables_to_average: an `ExponentialMovingAverage` that moves after each step, and of what.
    """

    def __init__(
        self,
        opt: Optimizer,
        replicas_to_aggregate: int,
        total_num_replicas: int | None = None,
        variable_averages: Any = None,
        variables_to_average: Any = None,
        use_locking: bool = False,
        name: str = "sync_replicas",
    ):
        super().__init__(use_locking, name)
        self._optimizer, self._wanted = opt, replicas_to_aggregate
        self._total = replicas_to_aggregate if total_num_replicas is None else total_num_replicas
        self._averages, self._averaged = variable_averages, variables_to_average
        self._applied = False

    def compute_gradients(self, *args: Any, **kwargs: Any) -> list[tuple[Any, Any]]:
        """The optimizer's."""
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Collects gradients, and takes a step where there are enough.

        Raises:
          ValueError: there are no gradients, or there is no global step.
        """
        pairs = [(dense(gradient), var) for gradient, var in grads_and_vars if gradient is not None]
        if not pairs:
            raise ValueError("Must supply at least one variable")
        if global_step is None:
            raise ValueError("Global step is required to check staleness")
        self._applied = True
        graph = next((each.graph for each, _ in pairs if isinstance(each, SymbolicTensor)), thread.graph)
        with context.building(graph if thread.graph is None else thread.graph):
            sums = [self._zeros_slot(var, "gradient_sum", f"{self._name}_sum") for _, var in pairs]
            arrivals = slot_variable(pairs[0][1], lambda: zeros([], dtypes.int64), f"{self._name}_count")
            self._non_slots["count", None] = arrivals
            before = convert_to_tensor(global_step.read_value())
            with control_dependencies([before]):
                added = [
                    total.assign_add(gradient, read_value=False) for total, (gradient, _) in zip(sums, pairs)
                ]
            with control_dependencies([each for each in added if each is not None]):
                # One operation, so that no two are the last.
                arrived = arrivals.count_up_to(dtypes.int64.max) + 1

            def step() -> Any:
                means = [(total.value() / float(self._wanted), var) for total, (_, var) in zip(sums, pairs)]
                # The global step grows last: then others add their next gradients.
                with control_dependencies([mean for mean, _ in means]):
                    cleared = [total.assign(total.value() * 0, read_value=False) for total in sums]
                with control_dependencies([each for each in cleared if each is not None]):
                    done = [self._optimizer.apply_gradients(means, global_step, name)]
                if self._averages is not None:
                    with control_dependencies([each for each in done if each is not None]):
                        done.append(self._averages.apply(self._averaged))
                return group(*[each for each in done if each is not None])

            taken = cond(arrived % self._wanted < 1, step, no_op)
            with control_dependencies([each for each in [taken] if each is not None]):
                attrs = {"replicas_to_aggregate": self._wanted, "total_num_replicas": self._total}
                return execute("SyncReplicasWait", (global_step.handle, before), attrs)

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's slot."""
        return self._optimizer.get_slot(*args, **kwargs)

    def get_slot_names(self, *args: Any, **kwargs: Any) -> list[str]:
        """The names of the optimizer's slots."""
        return self._optimizer.get_slot_names(*args, **kwargs)

    def variables(self) -> list[Any]:
        """The optimizer's."""
        return self._optimizer.variables()

    def get_init_tokens_op(self, num_tokens: int = -1) -> Any:
        """An operation to run first in other implementations; here nothing has to be done.

        Raises:
          ValueError: gradients have not been applied yet.
        """
        if not self._applied:
            raise ValueError("get_init_tokens_op() should be called after apply_gradients().")
        return no_op(name="no_init_tokens")

    def make_session_run_hook(self, is_chief: bool, num_tokens: int = -1) -> SessionRunHook:
        """The hook that sessions of other implementations need; here it does nothing."""
        return SessionRunHook()


_POLL_SECONDS = 0.002


def _wait(handle: Any, before: Any, *, replicas_to_aggregate: int, total_num_replicas: int) -> None:
    """Returns when the global step has grown; at once where no other process can make it grow."""
    if handle.elsewhere is None:
        return
    if replicas_to_aggregate != total_num_replicas:
        raise ValueError(
            f"replicas_to_aggregate is {replicas_to_aggregate}, expected the number of workers, {total_num_replicas}, where "
            "workers are processes"
        )
    while np.asarray(handle.read()) <= before:
        time.sleep(_POLL_SECONDS)


op(
    "SyncReplicasWait(global_step: resource, before: T; replicas_to_aggregate, total_num_replicas) -> ()",
    numpy=_wait,
    shape=no_outputs,
    stateful=True,
)
