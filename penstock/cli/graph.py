"""`penstock graph FILE`: the nodes of graphs, what the rewrite rules make of them, and pictures.

FILE is a GraphDef (.pb, .pbtxt), a MetaGraph (.meta), the directory of a SavedModel, or a script, which is run: shown are
its default graph and the functions that it traced.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock.cli.graph_sources import Source, find

EPILOG = """\
-o says where the graphs go, and in which form: .svg a picture, .pb or .pbtxt a GraphDef, .txt the list; a directory
(ending in /) gets an event file, which `tensorboard --logdir DIRECTORY` shows on its graph page. With several graphs
the files are numbered; --optimize writes the graph as it is afterwards."""


def main(arguments: list[str]) -> int:
    """Prints, or writes; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="penstock graph",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", help="a GraphDef, a MetaGraph, a SavedModel or a script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script gets")
    parser.add_argument("--optimize", action="store_true", help="show the graph before and after rewriting")
    parser.add_argument(
        "--api", choices=("auto", "v1", "v2"), default="auto", help="what `tensorflow` means in it"
    )
    parser.add_argument(
        "-o", "--output", help="write .svg, .pb, .pbtxt, .txt, or an event file into DIRECTORY/"
    )
    options = parser.parse_args(_options_first(arguments))
    try:
        sources = find(options.file, options.arguments, options.api)
    except OSError as error:
        print(f"penstock graph: {error}", file=sys.stderr)
        return 1
    if not sources:
        print(f"penstock graph: {options.file} builds no graph and traces no function", file=sys.stderr)
        return 1
    texts = []
    for number, source in enumerate(sources):
        graph, text = source.graph, listing(source.name, source.graph)
        if options.optimize:
            graph, text = optimized(source)
        texts.append(text)
        if options.output and not options.output.endswith(".txt"):
            path = _numbered(options.output, number, len(sources))
            write(graph, source.name, path)
            print(f"{source.name}: {path}")
    if options.output is None:
        print("\n\n".join(texts))
    elif options.output.endswith(".txt"):
        Path(options.output).write_text("\n\n".join(texts) + "\n", "utf-8")
    return 0


def _options_first(arguments: Sequence[str]) -> list[str]:
    """Our options may follow FILE, where argparse would take them for the script's; `--` ends them."""
    own: list[str] = []
    rest = list(arguments)
    files: list[str] = []
    while rest:
        each = rest.pop(0)
        if each == "--":
            break
        if each in ("-o", "--output", "--api"):
            own += [each, *rest[:1]]
            del rest[:1]
        elif each.startswith("-") and not files:
            own.append(each)
        elif each in ("--optimize", "-h", "--help") or each.startswith(("--output=", "--api=")):
            own.append(each)
        else:
            files.append(each)
    return [*own, *files, *rest]


# The list.


def listing(name: str, graph: Any) -> str:
    """A line for each node, and the same for the graphs that nodes hold."""
    from penstock.graph.program_order import nested_graphs

    operations = graph.get_operations()
    lines = [f"{name}: {len(operations)} nodes"]
    width = max((len(each.name) for each in operations), default=0)
    for operation in operations:
        lines.append(f"  {operation.name:{width}}  {_line(operation)}")
    for operation in operations:
        for inner in nested_graphs(operation):
            lines += ["", listing(f"{name} / {operation.name} / {inner.name}", inner)]
    return "\n".join(lines)


def _line(operation: Any) -> str:
    from penstock.cli.graph_picture import _shape

    outputs = ", ".join(f"{each.dtype.name}{_shape(each)}" for each in operation.outputs)
    inputs = ", ".join(
        [_source(each) for each in operation.inputs] + [f"^{each.name}" for each in operation.control_inputs]
    )
    return f"{operation.type}({inputs})" + (f" -> {outputs}" if outputs else "")


def _source(tensor: Any) -> str:
    return tensor.op.name if tensor.value_index == 0 else tensor.name


# Rewriting.


def optimized(source: Source) -> tuple[Any, str]:
    """The rewritten graph, and what happened: both lists, the rules that fired, and why they exist."""
    from penstock.graph.rewrites import RULES, rewrite
    from penstock.runtime.compiler_ir import compiled_summary

    report = rewrite(as_function(source.graph))
    reasons = {rule.name: rule.reason for rule in RULES}
    reasons |= {
        "common-subexpressions": "operations of the same type, inputs and attributes compute the same",
        "dead-code": "nothing depends on it",
    }
    lines = [listing(f"{source.name}, before", report.before), ""]
    if not report.fired:
        lines.append("no rule fired")
    for name, count in sorted(report.fired.items(), key=lambda row: (-row[1], row[0])):
        lines.append(f"  {count:4d} x {name}: {reasons.get(name, '')}")
    summary = compiled_summary(report.after)
    if summary is not None:
        lines.append(f"  {summary}")
    lines += ["", listing(f"{source.name}, after", report.after)]
    return report.after, "\n".join(lines)


def as_function(graph: Any) -> Any:
    """A FuncGraph of a graph: placeholders are its inputs, and what nothing uses its outputs."""
    if graph.building_function:
        return graph
    from penstock.tracing.freezing import function_from_graph_def

    operations = graph.get_operations()
    used = {id(each) for operation in operations for each in operation.inputs}
    inputs = [each.outputs[0].name for each in operations if each.type == "Placeholder"]
    outputs = [
        tensor.name
        for operation in operations
        for tensor in operation.outputs
        if id(tensor) not in used and operation.type != "Placeholder"
    ]
    return function_from_graph_def(graph.as_graph_def(), inputs, outputs).graph


# Files.


def _numbered(path: str, number: int, count: int) -> str:
    if count == 1 or path.endswith("/"):
        return path if not path.endswith("/") or count == 1 else f"{path}{number}/"
    stem = Path(path)
    return str(stem.with_name(f"{stem.stem}-{number}{stem.suffix}"))


def write(graph: Any, title: str, path: str) -> None:
    """Writes a graph in the form that the end of a path names.

    Raises:
      SystemExit: there is no such form.
    """
    if path.endswith("/"):
        from penstock.summary.event_file import EventFile

        events = EventFile(path)
        events.add_message(graph_def=graph.as_graph_def(add_shapes=True).SerializeToString())
        events.close()
    elif path.endswith(".svg"):
        from penstock.cli.graph_picture import svg

        Path(path).write_text(svg(graph, title), "utf-8")
    elif path.endswith((".pb", ".pbtxt")):
        from penstock.runtime.graph_util import write_graph

        target = Path(path).absolute()
        write_graph(graph, str(target.parent), target.name, as_text=path.endswith(".pbtxt"))
    else:
        raise SystemExit(
            f"penstock graph: -o {path}: expected .svg, .pb, .pbtxt, .txt or a directory ending in /"
        )
