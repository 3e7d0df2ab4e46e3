"""Where `penstock graph` finds graphs: GraphDefs, MetaGraphs and SavedModels in files, and what a script builds."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from penstock.engine.context import process, thread


class Source(NamedTuple):
    """A graph to show: its name, and the Graph or FuncGraph."""

    name: str
    graph: Any


def find(target: str, arguments: Sequence[str] = (), api: str = "auto") -> list[Source]:
    """The graphs of a file, of a SavedModel's directory, or of a script, which is run.

    Raises:
      OSError: there is no such file, or it is damaged.
    """
    path = Path(target)
    if path.is_dir() and not (path / "__main__.py").exists():
        return _of_saved_model(target)
    if not path.exists():
        raise OSError(f"there is no file {target!r}")
    if path.suffix in (".py", "") or path.is_dir():
        return _of_script(target, arguments, api)
    if path.name in ("saved_model.pb", "saved_model.pbtxt"):
        return _of_saved_model(str(path.parent))
    if path.suffix == ".meta":
        from penstock.saving.meta_graph import read_meta_graph

        return [Source(path.name, _imported(read_meta_graph(target).graph_def))]
    if path.suffix in (".keras", ".h5", ".hdf5"):
        return [_of_keras_model(path)]
    return [Source(path.name, _imported(read_graph_def(target)))]


def read_graph_def(path: str) -> Any:
    """The GraphDef of a file, binary or text.

    Raises:
      OSError: the file is damaged.
    """
    from google.protobuf import message as protobuf
    from google.protobuf import text_format
    from tensorboard.compat.proto import graph_pb2

    data = Path(path).read_bytes()
    message = graph_pb2.GraphDef()
    try:
        if path.endswith((".pbtxt", ".txt")):
            text_format.Parse(data.decode(), message)
        else:
            message.ParseFromString(data)
    except (protobuf.DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise OSError(f"{path} holds no GraphDef: {error}") from None
    return message


def _imported(message: Any) -> Any:
    import penstock as tf

    graph = tf.Graph()
    with graph.as_default():
        try:
            tf.graph_util.import_graph_def(message, name="")
        except ValueError as error:  # an op that nobody knows, an input that is not there
            raise OSError(f"the graph is not whole: {error}") from None
    return graph


def _of_saved_model(directory: str) -> list[Source]:
    from penstock.saving.saved_model_load import load

    loaded = load(directory)
    return [Source(name, function.graph) for name, function in loaded.signatures.items()]


def _of_keras_model(path: Path) -> Source:
    """What a saved model computes for a batch, as inference."""
    from penstock.standin import keras_package
    from penstock.tracing.function import function
    from penstock.types.specs import TensorSpec

    keras = keras_package()
    try:
        model = keras.models.load_model(path, compile=False)
    except (OSError, ValueError) as error:
        raise OSError(f"{path} holds no model of Keras: {error}") from None
    specs = [TensorSpec(each.shape, each.dtype, each.name) for each in model.inputs]
    traced = function(lambda inputs: model(inputs, training=False), autograph=False)
    return Source(path.name, traced.get_concrete_function(specs if len(specs) > 1 else specs[0]).graph)


def _of_script(path: str, arguments: Sequence[str], api: str) -> list[Source]:
    """Runs a program; the graphs are TF 1's default graph, if it has nodes, and what `tf.function` traced."""
    from penstock.cli import run

    program = run.Program("file", path, tuple(arguments))
    source, name = run._read(program)
    sys.argv, sys.path[0] = [path, *arguments], run._first_path(program)
    run._install(api, source, name)
    with _traces() as traces, contextlib.redirect_stdout(sys.stderr):
        try:
            run.execute(program)
        except SystemExit as stop:
            if stop.code not in (None, 0):
                raise
    found = []
    default = process.default_graph
    if default is not None and default.get_operations():
        found.append(Source(f"{os.path.basename(path)}: default graph", default))
    counts: dict[str, int] = {}
    for concrete in traces:
        counts[concrete.name] = counts.get(concrete.name, 0) + 1
        number = f" #{counts[concrete.name]}" if counts[concrete.name] > 1 else ""
        found.append(Source(f"{os.path.basename(path)}: {concrete.name}{number}", concrete.graph))
    return found


@contextlib.contextmanager
def _traces() -> Iterator[list[Any]]:
    """The concrete functions that are traced inside, in order."""
    found: list[Any] = []
    process.registry["traced"] = found.append
    try:
        yield found
    finally:
        del process.registry["traced"]
        thread.graph = None
