"""Functions on their way to workers: traced once on the coordinator, sent to each worker once, then called by a key."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from penstock.engine.context import process
from penstock.engine.resources import State
from penstock.graph.function_bytes import function_to_bytes
from penstock.graph.pickling import to_bytes
from penstock.parameter_server.placement import place
from penstock.parameter_server.server_calls import programs
from penstock.parameter_server.worker_task import OfWorker, WorkerFunction
from penstock.runtime.executor import to_tensor
from penstock.types import dtypes
from penstock.types.tensors import EagerTensor

_numbers = itertools.count()


class ShippedFunction:
    """One concrete function in the form in which workers get it.

    Attributes:
      key: names it on the workers. message: what is sent.
    """

    def __init__(self, concrete: Any):
        self._concrete = concrete
        captured = [plain(each) for each in concrete.captured_inputs]
        for each in captured:
            if isinstance(each, State):
                raise ValueError(
                    f"the scheduled function {concrete.name!r} uses the variable {each.name!r}, which was not made under the "
                    "ParameterServerStrategy: make it inside `strategy.scope()`"
                )
            if isinstance(each, OfWorker):
                raise ValueError(
                    f"the scheduled function {concrete.name!r} uses a per-worker value from outside: pass it as an argument"
                )
        count = len(concrete.graph.inputs) - len(captured)
        placed = place(concrete.graph, [None] * count + captured)
        calls = [each for each in placed.graph.get_operations() if each.type == "ServerCalls"]
        needed = {digest for each in calls for digest in each.attrs["programs"]}
        arguments = placed.arguments([None] * count + captured)[count:]
        self.key = f"{process.registry['program']}/{next(_numbers)}/{concrete.name}"
        self.message = WorkerFunction(
            function_to_bytes(placed.graph), to_bytes(arguments), {each: programs()[each] for each in needed}
        )

    def pack(self, arrays: Sequence[Any]) -> Any:
        """What the function returned, of the arrays that came back."""
        outputs = self._concrete.graph.outputs
        return self._concrete._pack([to_tensor(value, each.dtype) for value, each in zip(arrays, outputs)])


def plain(tensor: EagerTensor) -> Any:
    """What is sent for a tensor: an array, or the object that a resource holds."""
    return tensor.host() if tensor.dtype in (dtypes.resource, dtypes.variant) else tensor.numpy()
