"""All process-wide and per-thread state of the engine: the only home of mutable globals.

The funnel (`engine.execute`), graphs, tapes, sessions and `tf.config` read and set it; nothing here knows any of
them, so graphs and tapes are held as plain objects.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

LARGE = 1 << 22  # elements: several threads and fused passes make up for an XLA call
LARGE_FOR_ACCELERATORS = 1 << 14  # elements: NumPy is done with them before an accelerator has begun


class _Process:
    """What is true for the whole process."""

    def __init__(self) -> None:
        self.graph_mode = False  # compat.v1.disable_eager_execution() was called
        self.v2_behavior = True  # False: compat.v1.disable_v2_behavior() was called
        self.default_graph: Any = None  # the v1 default graph, made on first use
        self.make_graph: Any = None  # set by penstock.graph: builds an empty Graph
        self.functions_run_eagerly = False
        self.graph_observer: Any = (
            None  # called with the graph of each function that runs (tf.summary.trace_on)
        )
        self.numpy_prefers_float32 = False  # experimental_enable_numpy_behavior: Python floats are float32
        self.accelerator = False  # data lives on a GPU or TPU: eager ops on it run there
        # Arrays of so many elements are worth an XLA call, and on an accelerator the way there. Smaller ones are NumPy's.
        self.large = LARGE
        # The JAX device that programs run on, where `tf.config.set_visible_devices` hides JAX's own default one.
        self.home: Any = None
        # Set by penstock.runtime.devices: the JAX device that a `tf.device` name asks for, None for the default one.
        self.device_of: Any = None
        # JAX meshes over which tensors with layouts are spread -> their penstock.distribute.layout.Mesh.
        self.meshes: dict[Any, Any] = {}
        # cluster.workers.Workers, while programs of this process are shared with those of other machines.
        self.workers: Any = None
        # Set by penstock.parameter_server: runs a FuncGraph on values, some of which are states on servers; None where none is.
        self.run_placed: Any = None
        self.global_seed: int | None = None
        self.lock = threading.RLock()
        # Held while a program that reads or assigns states is started, and while eager code reads or assigns one: a
        # program writes into the buffers of the states that it assigns.
        self.state_lock = threading.RLock()
        # Places where other layers keep what must be found again: name -> object (random streams, tables, ...).
        self.registry: dict[str, Any] = {}


process = _Process()


class _Thread(threading.local):
    """What is true for one thread; a new thread starts eager, or in the default graph in v1 graph mode."""

    def __init__(self) -> None:
        self.graph: Any = default_graph() if process.graph_mode else None
        self.tapes: tuple = ()  # every tape that may record, innermost last
        # While a copied operation's own gradient runs: id(tensor of the original graph) -> its copy.
        self.translations: list[dict[int, Any]] = []
        self.device: str = ""
        # JAX's name of the platform that is lowered for, where that is another one than JAX's own.
        self.platform: str | None = None
        self.device_functions: tuple = ()  # of tf.compat.v1.device, innermost last
        self.mesh: Any = None  # the sharding that results of eager ops get (dtensor.run_on); None: none
        self.default_mesh: Any = None  # dtensor.default_mesh
        self.name_scope: str = ""  # eager name scope; graphs keep their own
        self.sessions: list = []  # v1 default-session stack
        self.strategies: list = []  # tf.distribute scope stack
        self.replica: Any = None  # ops.collectives.Replica: which copy of a distributed program runs here
        self.shard: int | None = None  # number of the shard of sharded variables that an update is traced for
        self.resources: dict[str, Any] | None = None  # name -> State of the session that runs; None: eager
        self.random_states: dict[str, Any] | None = (
            None  # where the dataset iterator that runs keeps random streams
        )
        self.variable_creators: tuple = ()  # tf.variable_creator_scope stack, innermost last
        self.summary: Any = None  # penstock.summary.writers.SummaryState
        self.step_times: Any = None  # penstock.runtime.step_times.StepTimes of the session's step that runs
        self.held_calls: Any = None  # penstock.runtime.held_calls.HeldCalls of the loop that runs on the host
        self.autograph: tuple = ()  # stack of tracing.autograph.status.ControlStatusCtx
        self.autograph_activation: Any = None  # tracing.autograph.operators.returns.Activation


def default_graph() -> Any:
    """The process's v1 default graph (made on first use)."""
    if process.default_graph is None:
        with process.lock:
            if process.default_graph is None:
                process.default_graph = process.make_graph()
    return process.default_graph


thread = _Thread()


def executing_eagerly() -> bool:
    """True where an op runs at once instead of becoming a node of a graph."""
    return thread.graph is None


@contextlib.contextmanager
def building(graph: Any) -> Iterator[Any]:
    """Ops called inside become nodes of `graph` (or run at once where `graph` is None)."""
    outer = thread.graph
    thread.graph = graph
    try:
        yield graph
    finally:
        thread.graph = outer


@contextlib.contextmanager
def lowering_for(platform: str) -> Iterator[None]:
    """Programs that are lowered inside are for a platform, which this machine need not have."""
    outer = thread.platform
    thread.platform = platform
    try:
        yield
    finally:
        thread.platform = outer


@contextlib.contextmanager
def tapes_stopped() -> Iterator[None]:
    """No tape records inside."""
    outer = thread.tapes
    thread.tapes = ()
    try:
        yield
    finally:
        thread.tapes = outer
