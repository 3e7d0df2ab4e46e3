"""`tf.compat.v1.profiler.profile`: the parameters and float operations of a graph, by name scope or by op type."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import penstock as tf
from penstock.engine.export import export, export_on_demand
from penstock.graph.graph import Graph, current_graph
from penstock.io.proto_schema import message_classes
from penstock.profiler.float_operations import float_operations
from penstock.types import errors

_COUNTS = """
  int64 parameters = 4;
  int64 float_ops = 13;
  int64 exec_micros = 2;
  int64 total_exec_micros = 6;
  int64 total_parameters = 8;
  int64 total_float_ops = 14;
"""
_SCHEMA = f"""
message GraphNodeProto {{
  string name = 1;
  {_COUNTS}
  repeated GraphNodeProto children = 12;
  int64 total_definition_count = 23;
}}
message MultiGraphNodeProto {{
  string name = 1;
  int64 exec_micros = 2;
  int64 parameters = 4;
  int64 float_ops = 5;
  int64 total_exec_micros = 6;
  int64 total_parameters = 8;
  int64 total_float_ops = 9;
  repeated GraphNodeProto graph_nodes = 10;
  repeated MultiGraphNodeProto children = 11;
}}
"""
TRAINABLE = "_trainable_variables"


def _messages() -> Any:
    return message_classes("tfprof_output", _SCHEMA)


@export_on_demand(v1=["profiler.GraphNodeProto"])
def graph_node_class() -> Any:
    """The message that a profile by name scope gives."""
    return _messages().GraphNodeProto


@export_on_demand(v1=["profiler.MultiGraphNodeProto"])
def multi_graph_node_class() -> Any:
    """The message that a profile by op type gives."""
    return _messages().MultiGraphNodeProto


@export_on_demand(v1=["profiler.OpLogProto"])
def op_log_class() -> Any:
    """The message with what a program knows of its nodes."""
    from tensorboard.compat.proto import tfprof_log_pb2

    return tfprof_log_pb2.OpLogProto


_DEFAULTS: dict[str, Any] = {
    "max_depth": 100,
    "min_bytes": 0,
    "min_micros": 0,
    "min_params": 0,
    "min_float_ops": 0,
    "min_occurrence": 0,
    "order_by": "name",
    "account_type_regexes": [".*"],
    "start_name_regexes": [".*"],
    "trim_name_regexes": [],
    "show_name_regexes": [".*"],
    "hide_name_regexes": [],
    "account_displayed_op_only": False,
    "select": ["micros"],
    "step": -1,
    "output": "stdout",
}


@export(v1=["profiler.ProfileOptionBuilder"])
class ProfileOptionBuilder:
    """Makes the options of `profile`.

    Args:
      options: where to begin, another dictionary of options.

    Example:
      >>> import penstock as tf
      >>> builder = tf.compat.v1.profiler.ProfileOptionBuilder
      >>> builder(builder.float_operation()).with_empty_output().build()["output"]
      'none'
    """

    def __init__(self, options: dict | None = None):
        self._options = copy.deepcopy(_DEFAULTS if options is None else options)

    @staticmethod
    def _preset(**settings: Any) -> dict[str, Any]:
        return {**copy.deepcopy(_DEFAULTS), "max_depth": 10000, "account_displayed_op_only": True, **settings}

    @staticmethod
    def trainable_variables_parameter() -> dict[str, Any]:
        """Options that count the parameters of trainable variables."""
        return ProfileOptionBuilder._preset(account_type_regexes=[TRAINABLE], select=["params"])

    @staticmethod
    def float_operation() -> dict[str, Any]:
        """Options that count float operations."""
        return ProfileOptionBuilder._preset(min_float_ops=1, order_by="float_ops", select=["float_ops"])

    @staticmethod
    def time_and_memory(min_micros: int = 1, min_bytes: int = 1, **more: int) -> dict[str, Any]:
        """Options that add up the time of nodes, from the run metadata. Memory is not known here."""
        return ProfileOptionBuilder._preset(min_micros=min_micros, order_by="micros", select=["micros"])

    def build(self) -> dict[str, Any]:
        """The options."""
        return copy.deepcopy(self._options)

    def _with(self, **settings: Any) -> ProfileOptionBuilder:
        self._options.update((key, value) for key, value in settings.items() if value is not None)
        return self

    def with_max_depth(self, max_depth: int) -> ProfileOptionBuilder:
        """How deep the report goes."""
        return self._with(max_depth=max_depth)

    def with_min_execution_time(
        self, min_micros: int = 0, min_accelerator_micros: int = 0, min_cpu_micros: int = 0
    ) -> ProfileOptionBuilder:
        """Shows nodes that take so many microseconds."""
        return self._with(min_micros=max(min_micros, min_accelerator_micros, min_cpu_micros))

    def with_min_parameters(self, min_params: int) -> ProfileOptionBuilder:
        """Shows nodes with so many parameters."""
        return self._with(min_params=min_params)

    def with_min_float_operations(self, min_float_ops: int) -> ProfileOptionBuilder:
        """Shows nodes with so many float operations."""
        return self._with(min_float_ops=min_float_ops)

    def with_min_occurrence(self, min_occurrence: int) -> ProfileOptionBuilder:
        """Shows op types of which there are so many nodes."""
        return self._with(min_occurrence=min_occurrence)

    def with_accounted_types(self, account_type_regexes: Iterable[str]) -> ProfileOptionBuilder:
        """Counts nodes whose op type matches."""
        return self._with(account_type_regexes=list(account_type_regexes))

    def with_node_names(
        self,
        start_name_regexes: Iterable[str] | None = None,
        show_name_regexes: Iterable[str] | None = None,
        hide_name_regexes: Iterable[str] | None = None,
        trim_name_regexes: Iterable[str] | None = None,
    ) -> ProfileOptionBuilder:
        """Begins at, shows, hides, or leaves out (with all that is below) nodes whose names match."""
        return self._with(
            start_name_regexes=start_name_regexes,
            show_name_regexes=show_name_regexes,
            hide_name_regexes=hide_name_regexes,
            trim_name_regexes=trim_name_regexes,
        )

    def account_displayed_op_only(self, is_true: bool) -> ProfileOptionBuilder:
        """Whether sums count only what is shown."""
        return self._with(account_displayed_op_only=is_true)

    def with_empty_output(self) -> ProfileOptionBuilder:
        """Prints nothing."""
        return self._with(output="none")

    def with_stdout_output(self) -> ProfileOptionBuilder:
        """Prints the report."""
        return self._with(output="stdout")

    def with_file_output(self, outfile: str) -> ProfileOptionBuilder:
        """Writes the report to a file."""
        return self._with(output=f"file:outfile={outfile}")

    def order_by(self, attribute: str) -> ProfileOptionBuilder:
        """Sorts by "name", "float_ops", "params", "micros" or "occurrence"."""
        return self._with(order_by=attribute)

    def select(self, attributes: Iterable[str]) -> ProfileOptionBuilder:
        """What is shown: "params", "float_ops", "micros", "occurrence"."""
        return self._with(select=list(attributes))

    def with_step(self, step: int) -> ProfileOptionBuilder:
        """Looks at one step of a `Profiler`; -1 for the average of all."""
        return self._with(step=step)


@dataclass
class _Node:
    """A node of the report, and what is counted in it: of itself (`own`) and with all below (`total`)."""

    name: str
    op_type: str = ""
    own: dict[str, int] = field(default_factory=lambda: {"params": 0, "float_ops": 0, "micros": 0})
    children: dict[str, _Node] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)
    accounted: bool = False


def _matches(patterns: Iterable[str], text: str) -> bool:
    return any(re.fullmatch(each, text) for each in patterns)


def _micros(run_meta: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for device in run_meta.step_stats.dev_stats if run_meta is not None else ():
        for node in device.node_stats:
            spent = node.op_end_rel_micros - node.op_start_rel_micros
            found[node.node_name] = found.get(node.node_name, 0) + spent
    return found


def _nodes(graph: Graph, run_meta: Any, options: dict) -> list[_Node]:
    """The nodes of a graph that are counted."""
    trainable = {id(each.handle.op) for each in graph.get_collection("trainable_variables")}
    spent = _micros(run_meta)
    found = []
    for operation in graph.get_operations():
        kinds = [operation.type, *([TRAINABLE] if id(operation) in trainable else [])]
        node = _Node(operation.name, operation.type)
        node.accounted = any(_matches(options["account_type_regexes"], kind) for kind in kinds)
        if node.accounted:
            handle = operation.outputs[0].handle_data if operation.type == "VarHandleOp" else None
            node.own["params"] = (handle.shape.num_elements() or 0) if handle is not None else 0
            node.own["float_ops"] = float_operations(operation)
            node.own["micros"] = spent.get(operation.name, 0)
        found.append(node)
    return found


_LEAST = {"params": "min_params", "float_ops": "min_float_ops", "micros": "min_micros"}


def _shown(node: _Node, options: dict, depth: int) -> bool:
    return (
        node.accounted
        and depth <= options["max_depth"]
        and all(node.total[what] >= options[key] for what, key in _LEAST.items())
        and any(node.total[what] for what in options["select"] if what in _LEAST)
        and _matches(options["show_name_regexes"], node.name)
        and not _matches(options["hide_name_regexes"], node.name)
    )


def _sum_up(node: _Node) -> None:
    for each in node.children.values():
        _sum_up(each)
    node.total = {
        what: own + sum(each.total[what] for each in node.children.values()) for what, own in node.own.items()
    }


def _visible(node: _Node, options: dict, depth: int = 1) -> list[_Node]:
    """The node with those below it that are shown; those below one that is not shown take its place."""
    if _matches(options["trim_name_regexes"], node.name):
        return []
    shown = _shown(node, options, depth)
    below = [
        found
        for each in node.children.values()
        for found in _visible(each, options, depth + 1 if shown else depth)
    ]
    if not shown:
        return below
    return [
        _Node(
            node.name,
            node.op_type,
            node.own,
            {each.name: each for each in _sorted(below, options)},
            node.total,
        )
    ]


def _sorted(nodes: list[_Node], options: dict) -> list[_Node]:
    key = options["order_by"]
    if key not in _LEAST:
        return sorted(nodes, key=lambda each: each.name)
    return sorted(nodes, key=lambda each: -each.total[key])


def _by_scope(nodes: list[_Node], options: dict) -> _Node:
    root = _Node("_TFProfRoot")
    for node in nodes:
        place, path = root, ""
        for part in node.name.split("/"):
            path = f"{path}/{part}" if path else part
            place = place.children.setdefault(path, _Node(path))
        place.op_type, place.own, place.accounted = node.op_type, node.own, node.accounted
    _sum_up(root)
    below = [found for each in root.children.values() for found in _visible(each, options)]
    starts = [each for each in below if _matches(options["start_name_regexes"], each.name)]
    root.children = {each.name: each for each in _sorted(starts, options)}
    return root


def _by_type(nodes: list[_Node], options: dict) -> _Node:
    root = _Node("_TFProfRoot")
    occurrences: dict[str, int] = {}
    for node in nodes:
        if not node.accounted:
            continue
        kind = root.children.setdefault(node.op_type, _Node(node.op_type, node.op_type, accounted=True))
        occurrences[node.op_type] = occurrences.get(node.op_type, 0) + 1
        for what, count in node.own.items():
            kind.own[what] += count
    _sum_up(root)
    often = [each for each in root.children.values() if occurrences[each.name] >= options["min_occurrence"]]
    shown = [each for each in often if _shown(each, options, 1)]
    root.children = {each.name: each for each in _sorted(shown, options)}
    return root


def _number(count: int) -> str:
    for limit, unit in ((10**3, ""), (10**6, "k"), (10**9, "m"), (math.inf, "b")):
        if count < limit:
            return str(count) if not unit else f"{count / {'k': 1e3, 'm': 1e6, 'b': 1e9}[unit]:.2f}{unit}"
    return str(count)


_UNITS = {"params": " params", "float_ops": " flops", "micros": "us"}


def _report(root: _Node, options: dict) -> str:
    selected = [each for each in options["select"] if each in _UNITS]
    lines = ["==================Model Analysis Report======================", ""]
    lines.append("node name | " + " | ".join(f"# {each}" for each in selected))

    def add(node: _Node, depth: int) -> None:
        counts = ", ".join(
            f"{'--' if depth == 0 else _number(node.own[what])}/{_number(node.total[what])}{_UNITS[what]}"
            for what in selected
        )
        lines.append(f"{'  ' * depth}{node.name} ({counts})")
        for each in node.children.values():
            add(each, depth + 1)

    add(root, 0)
    return "\n".join([*lines, "", "======================End of Report=========================="])


def _message(node: _Node, kind: Any) -> Any:
    message = kind(
        name=node.name,
        parameters=node.own["params"],
        float_ops=node.own["float_ops"],
        exec_micros=node.own["micros"],
        total_parameters=node.total["params"],
        total_float_ops=node.total["float_ops"],
        total_exec_micros=node.total["micros"],
    )
    message.children.extend(_message(each, kind) for each in node.children.values())
    return message


@export(v1=["profiler.profile"])
def profile(
    graph: Graph | None = None,
    run_meta: Any = None,
    op_log: Any = None,
    cmd: str = "scope",
    options: dict | None = None,
) -> Any:
    """Counts the parameters and float operations of a graph (and the time of its nodes, from the run metadata).

    Args:
      graph: the graph, by default the current one. Nodes whose shapes are not known count as nothing.
      run_meta: a `RunMetadata` message of a step.
      op_log: accepted.
      cmd: "scope": by name scopes; "op": by op types.
      options: what is counted and shown; see `ProfileOptionBuilder`.

    Returns:
      A `GraphNodeProto` message ("scope"), or a `MultiGraphNodeProto` ("op"): its `total_float_ops`, `total_parameters`,
      and `children`.

    Raises:
      UnimplementedError: another `cmd`.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default() as graph:
      ...     _ = tf.matmul(tf.ones([2, 3]), tf.ones([3, 4]))
      >>> builder = tf.compat.v1.profiler.ProfileOptionBuilder
      >>> options = builder(builder.float_operation()).with_empty_output().build()
      >>> tf.compat.v1.profiler.profile(graph, options=options).total_float_ops
      48
    """
    if cmd not in ("scope", "op"):
        raise errors.UnimplementedError(
            None,
            None,
            f"tf.compat.v1.profiler.profile: cmd is {cmd!r}; profiles are made by 'scope' or by 'op' here",
        )
    graph = current_graph() if graph is None else graph
    settings = {**_DEFAULTS, **(options or {})}
    nodes = _nodes(graph, run_meta, settings)
    root = _by_scope(nodes, settings) if cmd == "scope" else _by_type(nodes, settings)
    output = settings["output"]
    if output == "stdout":
        print(_report(root, settings))
    elif output.startswith("file:outfile="):
        with tf.io.gfile.GFile(output.partition("=")[2], "w") as file:
            file.write(_report(root, settings))
    return _message(root, _messages().GraphNodeProto if cmd == "scope" else _messages().MultiGraphNodeProto)


@export(v1=["profiler.Profiler"])
class Profiler:
    """Profiles of several steps.

    Args:
      graph: the graph, by default the current one.
      op_log: accepted.
    """

    def __init__(self, graph: Graph | None = None, op_log: Any = None):
        self._graph = current_graph() if graph is None else graph
        self._steps: dict[int, Any] = {}

    def add_step(self, step: int, run_meta: Any) -> None:
        """Adds the metadata of a step."""
        self._steps[step] = run_meta

    def _profile(self, cmd: str, options: dict) -> Any:
        last = max(self._steps, default=None)  # type: ignore[type-var]
        wanted = options.get("step", -1)
        return profile(self._graph, self._steps.get(last if wanted < 0 else wanted), None, cmd, options)

    def profile_name_scope(self, options: dict) -> Any:
        """By name scopes."""
        return self._profile("scope", options)

    def profile_operations(self, options: dict) -> Any:
        """By op types."""
        return self._profile("op", options)


@export(v1=["profiler.write_op_log"])
def write_op_log(
    graph: Graph, log_dir: str, op_log: Any = None, run_meta: Any = None, add_trace: bool = True
) -> None:
    """Writes what is known of a graph's nodes (float operations, trainable variables) to `tfprof_log` in a directory."""
    message = op_log_class()()
    if op_log is not None:
        message.CopyFrom(op_log)
    trainable = {id(each.handle.op) for each in graph.get_collection("trainable_variables")}
    for operation in graph.get_operations():
        count = float_operations(operation)
        if count or id(operation) in trainable:
            entry = message.log_entries.add(name=operation.name, float_ops=count)
            entry.types.extend([TRAINABLE] if id(operation) in trainable else [])
    tf.io.gfile.makedirs(log_dir)
    with tf.io.gfile.GFile(f"{log_dir}/tfprof_log", "wb") as file:
        file.write(message.SerializeToString())
