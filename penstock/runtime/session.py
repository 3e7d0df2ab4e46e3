"""`compat.v1.Session`: runs the parts of a graph that are asked for, with values fed in and state of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.definition import REGISTRY
from penstock.engine.export import export
from penstock.graph.graph import Graph
from penstock.graph.operation import Operation
from penstock.runtime.executor import Executor
from penstock.runtime.session_feeds import feeds_of
from penstock.runtime.session_fetches import Fetch, Packer, as_numpy, fetch, fetch_key, flatten, value_of
from penstock.runtime.session_targets import resources_at
from penstock.runtime.step_times import FULL_TRACE, StepTimes
from penstock.types import dtypes, errors
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor


class _Plan:
    """What a session does for one combination of fetches and feeds."""

    __slots__ = ("executor", "tensors", "fetches", "structure", "version", "feeds")

    def __init__(
        self,
        executor: Executor,
        tensors: list,
        fetches: list[Fetch],
        structure: Any,
        version: int,
        feeds: list,
    ):
        self.executor, self.tensors, self.fetches = executor, tensors, fetches
        self.structure, self.version, self.feeds = structure, version, feeds


class BaseSession:
    """Runs graphs; `Session` and `InteractiveSession` differ in how they become the default."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None):
        self._target, self._config = target or "", config
        self._graph = graph if graph is not None else _default_graph()
        if not isinstance(self._graph, Graph):
            raise TypeError(f"Argument `graph` must be a tf.Graph, got {type(graph)}.")
        self._closed = False
        self._plans: dict[Any, _Plan] = {}
        self._lock = threading.RLock()
        # The variables, queues, tables by name: of this session alone, or of all sessions with a server's target.
        self._shared = resources_at(self._target) if self._target else None
        self.resources: dict[str, Any] = {} if self._shared is None else self._shared.open()

    @property
    def graph(self) -> Graph:
        """The graph that the session runs."""
        return self._graph

    @property
    def graph_def(self) -> Any:
        """The graph as a GraphDef message."""
        return self._graph.as_graph_def()

    @property
    def sess_str(self) -> bytes:
        """The target that the session was made with."""
        return self._target.encode()

    def run(
        self, fetches: Any, feed_dict: dict | None = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """Computes what is asked for.

        Args:
          fetches: a tensor, operation, variable, name, or a nest of them.
          feed_dict: tensor (any tensor of the graph, not only placeholders) -> value.
          options: a `RunOptions` message. With the trace level FULL_TRACE, `run_metadata` gets the time of each part of the
            step; with `output_partition_graphs` the graph.
          run_metadata: a `RunMetadata` message to be filled.

        Returns:
          A structure like `fetches` with NumPy values; None for operations.

        Raises:
          RuntimeError: the session is closed.
          FailedPreconditionError: a variable has not been initialized.
          InvalidArgumentError: a placeholder was not fed.
        """
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")
        feeds, values = feeds_of(self._graph, feed_dict) if feed_dict else ([], [])
        plan = self._plan(fetches, feeds)
        outer, outer_graph = thread.resources, thread.graph
        thread.resources, thread.graph = self.resources, None
        try:
            if options is None or run_metadata is None:
                results = plan.executor.run(values)
            else:
                results = self._run_recorded(plan, values, options, run_metadata)
        finally:
            thread.resources, thread.graph = outer, outer_graph
        found = {id(tensor): as_numpy(value) for tensor, value in zip(plan.tensors, results)}
        for tensor, value in zip(feeds, values):
            found.setdefault(id(tensor), as_numpy(value))
        made = [each.make([value_of(element, found) for element in each.elements]) for each in plan.fetches]
        return Packer(iter(made)).pack(fetches)

    def _run_recorded(self, plan: _Plan, values: list, options: Any, run_metadata: Any) -> list:
        """Runs a plan, and fills the metadata that the options ask for."""
        if options.output_partition_graphs:
            run_metadata.partition_graphs.append(self._graph.as_graph_def())
        if options.trace_level < FULL_TRACE:
            return plan.executor.run(values)
        outer, thread.step_times = thread.step_times, StepTimes()
        try:
            results = plan.executor.run(values)
            thread.step_times.fill(run_metadata)
            return results
        finally:
            thread.step_times = outer

    def _plan(self, fetches: Any, feeds: list) -> _Plan:
        try:
            key: Any = (fetch_key(fetches), tuple(id(each) for each in feeds))
        except TypeError:
            key = None
        plan = self._plans.get(key)
        if plan is not None and plan.version == self._graph.version:
            return plan
        with self._lock:
            plan = self._make_plan(fetches, feeds)
            if key is not None:
                self._plans[key] = plan
        return plan

    def _make_plan(self, fetches: Any, feeds: list) -> _Plan:
        flat = [fetch(self._graph, each) for each in flatten(fetches)]
        tensors: dict[int, Any] = {}
        operations: list[Operation] = []
        fed = {id(each) for each in feeds}
        for fetched in flat:
            for element in fetched.elements:
                if isinstance(element, SymbolicTensor):
                    if id(element) not in fed:
                        tensors[id(element)] = element
                elif isinstance(element, Operation):
                    operations.append(element)
        needed = _needed([*(each.op for each in tensors.values()), *operations], fed)
        if self._shared is not None:
            self._shared.place(needed)
        wanted = list(tensors.values())
        executor = Executor(needed, feeds, wanted)
        return _Plan(executor, wanted, flat, fetches, self._graph.version, list(feeds))

    def make_callable(
        self, fetches: Any, feed_list: Sequence[Any] | None = None, accept_options: bool = False
    ) -> Callable:
        """A function that runs `fetches` with values for `feed_list`, in order."""
        feed_list = list(feed_list or [])

        def run(*values: Any, **options: Any) -> Any:
            return self.run(fetches, dict(zip(feed_list, values)))

        return run

    def partial_run_setup(self, fetches: Any, feeds: Any = None) -> Any:
        """Prepares `partial_run`; returns a handle that collects the feeds."""
        return {}

    def partial_run(self, handle: dict, fetches: Any, feed_dict: dict | None = None) -> Any:
        """Runs with the feeds of this and of earlier calls with the same handle."""
        handle.update(feed_dict or {})
        return self.run(fetches, handle)

    def list_devices(self) -> list[Any]:
        """The devices."""
        from penstock.runtime.devices import list_logical_devices

        return list_logical_devices()

    def close(self) -> None:
        """Frees the session's state. Steps of other threads that wait at a queue fail with CancelledError."""
        if self._closed:
            return
        self._closed = True
        for each in list(self.resources.values()) if self._shared is None else self._shared.close():
            cancel = getattr(each, "cancel", None)
            if cancel is not None:
                cancel()
        self._plans.clear()
        if self._shared is None:
            self.resources.clear()

    @classmethod
    def reset(cls, target: str, containers: Any = None, config: Any = None) -> None:
        """Forgets the variables that sessions with this target share: all, or those of the containers named.

        Raises:
          NotFoundError: no server of this process has this target.
        """
        if target:
            resources_at(target).reset(containers)

    def as_default(self) -> Any:
        """A context manager that makes this the default session."""
        return _DefaultSession(self)


class _DefaultSession:
    def __init__(self, session: BaseSession):
        self._session = session

    def __enter__(self) -> BaseSession:
        thread.sessions.append(self._session)
        return self._session

    def __exit__(self, *error: Any) -> None:
        thread.sessions.pop()


@export(v1=["Session"])
class Session(BaseSession):
    """Runs the operations of a graph. As a context manager it makes its graph and itself the default.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     x = tf.compat.v1.placeholder(tf.float32)
      ...     with tf.compat.v1.Session() as session:
      ...         session.run(x * 2, {x: 21.0})
      np.float32(42.0)
    """

    def __enter__(self) -> Session:
        self._outer_graph = thread.graph
        if thread.graph is not None or self._graph is not context.default_graph():
            thread.graph = self._graph  # `with Session(graph=g)` also makes g the default graph
        thread.sessions.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        thread.sessions.pop()
        thread.graph = self._outer_graph
        self.close()


@export(v1=["InteractiveSession"])
class InteractiveSession(BaseSession):
    """A session that is the default one from its construction until `close`."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None):
        super().__init__(target, graph, config)
        thread.sessions.append(self)
        self._outer_graph = thread.graph
        if graph is not None:
            thread.graph = graph

    def close(self) -> None:
        """Ends the session and stops being the default."""
        if self in thread.sessions:
            thread.sessions.remove(self)
        thread.graph = self._outer_graph
        super().close()


def _default_graph() -> Graph:
    graph = thread.graph if thread.graph is not None else context.default_graph()
    while graph.building_function and graph.outer_graph is not None:
        graph = graph.outer_graph
    return graph


@export(v1=["get_default_session"])
def get_default_session() -> BaseSession | None:
    """The innermost default session of this thread; None where there is none."""
    return thread.sessions[-1] if thread.sessions else None


def default_session(session: BaseSession | None = None) -> BaseSession:
    """`session`, or the default one.

    Raises:
      ValueError: there is none.
    """
    found = session or get_default_session()
    if found is None:
        raise ValueError(
            "Cannot evaluate tensor using `eval()`: No default session is registered. Use `with sess.as_default()` or "
            "pass an explicit session to `eval(session=sess)`"
        )
    return found


def _eval(tensor: Any, feed_dict: dict | None = None, session: BaseSession | None = None) -> Any:
    """The value of the tensor in `session`, or in the default session."""
    if isinstance(tensor, EagerTensor):
        return tensor.numpy()
    return default_session(session).run(tensor, feed_dict)


Tensor.eval = _eval  # type: ignore[attr-defined]


def _needed(roots: list[Operation], fed: set[int]) -> list[Operation]:
    """What must run for `roots`, in program order; nothing behind a fed tensor."""
    needed: dict[int, Operation] = {}
    stack = list(roots)
    while stack:
        operation = stack.pop()
        if id(operation) in needed:
            continue
        if operation.outputs and all(id(each) in fed for each in operation.outputs):
            continue
        if operation.type == "Placeholder":
            tensor = operation.outputs[0]
            if id(tensor) not in fed:
                raise errors.InvalidArgumentError(
                    None,
                    operation,
                    f"You must feed a value for placeholder tensor {operation.name!r} with dtype {tensor.dtype.name}"
                    + ("" if tensor.shape.rank is None else f" and shape {tensor.shape}")
                    + (f" [{operation.line}]" if operation.line else ""),
                )
            continue
        needed[id(operation)] = operation
        stack.extend(each.op for each in operation.inputs if id(each) not in fed)
        stack.extend(operation.control_inputs)
    return sorted(needed.values(), key=lambda operation: operation.index)


@export(v1=["placeholder"])
def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SymbolicTensor:
    """A tensor of a graph whose value `Session.run` is fed.

    Outside a graph it is a node of the default graph, so that scripts which never turned eager mode off work.

    Args:
      dtype: its dtype.
      shape: its shape, as far as known.
      name: the node's name.
    """
    graph = _default_graph()
    with context.building(graph):
        return graph.add_call(
            REGISTRY["Placeholder"],
            (),
            {"dtype": dtypes.as_dtype(dtype), "shape": TensorShape(shape)},
            name or "Placeholder",
        )
