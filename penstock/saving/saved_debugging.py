"""What a SavedModel may have for debugging: the user's lines that made its nodes; and taking out nodes that debug."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

_STATEMENTS = {"Assert", "Print", "PrintV2"}  # run for their effect: nothing remains of them
_CHECKS = {"CheckNumerics", "CheckNumericsV2"}  # pass their input on


def write_debug_info(directory: str, graphs: Mapping[str, Any]) -> None:
    """Writes `debug/saved_model_debug_info.pb`: `node@function` -> file and line.

    Args:
      graphs: name of a function of the library -> its graph.
    """
    from tensorboard.compat.proto import graph_debug_info_pb2

    message = graph_debug_info_pb2.GraphDebugInfo()
    files: dict[str, int] = {}
    for name, graph in graphs.items():
        for operation in graph.get_operations():
            line = operation.line
            if line is None:
                continue
            trace = message.traces[f"{operation.name}@{name}"]
            index = files.setdefault(line.filename, len(files))
            trace.file_line_cols.add(file_index=index, line=line.line, func=line.function)
    message.files.extend(files)
    os.makedirs(os.path.join(directory, "debug"), exist_ok=True)
    with open(os.path.join(directory, "debug", "saved_model_debug_info.pb"), "wb") as file:
        file.write(message.SerializeToString(deterministic=True))


def strip_debugging(functions: Iterable[Any]) -> None:
    """Takes assertions, printing and checks of numbers out of FunctionDefs; the nodes' names stay."""
    for function in functions:
        arguments = {each.name for each in function.signature.input_arg}
        for node in function.node_def:
            if node.op in _STATEMENTS:
                sources = [each.lstrip("^").partition(":")[0] for each in node.input]
                del node.input[:]
                node.input.extend(f"^{each}" for each in dict.fromkeys(sources) if each not in arguments)
                node.op = "NoOp"
                node.attr.clear()
            elif node.op in _CHECKS:
                kind = node.attr["T"].type
                node.op = "Identity"
                node.attr.clear()
                node.attr["T"].type = kind
