"""One engine's process: `python -m oracle.interchange_side ENGINE write|read FOLDER`; ENGINE is tensorflow or penstock.

Writing makes a folder for each case, with `graph.pb` or a SavedModel in it and what it computes in `expected.jsonl`.
Reading computes the same from what lies there, and writes `found.jsonl`.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from oracle.exchange import append, read
from oracle.interchange_cases import GRAPHS, MODELS, Written, weighted_sum, write_application, write_graph


def engine(name: str) -> Any:
    """The `tf` of an engine; Keras runs on it too."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if name == "penstock":
        import penstock

        penstock.install()
    import tensorflow as tf

    return tf


def cases(tf: Any, name: str) -> Iterator[tuple[str, Callable[[Path], list[tuple[Written, str]]]]]:
    """(name, what writes it into a folder) of every case that an engine writes."""

    def graph(build: Callable[[], tuple[bytes, Written, str]]) -> Callable:
        def write(folder: Path) -> list[tuple[Written, str]]:
            data, written, initialize = build()
            (folder / "graph.pb").write_bytes(data)
            return [(written, initialize)]

        return write

    def model(build: Callable) -> Callable:
        return lambda folder: [(each, "") for each in build(tf, folder / "model")]

    for case in GRAPHS:
        yield f"graph: {case}", graph(lambda case=case: write_graph(tf, case, frozen=False))
        if case != "cond":  # it assigns a variable
            yield f"graph: {case}, frozen", graph(lambda case=case: write_graph(tf, case, frozen=True))
        if name == "tensorflow":
            yield (
                f"graph: {case}, TF 1",
                graph(lambda case=case: write_graph(tf, case, False, v1_control_flow=True)),
            )
    yield "graph: MobileNet, frozen", graph(lambda: write_application(tf))
    for case, build in MODELS.items():
        yield f"model: {case}", model(build)


def write(tf: Any, name: str, root: Path) -> None:
    """Writes all cases."""
    for number, (case, build) in enumerate(cases(tf, name)):
        folder = root / f"{number:03d}"
        folder.mkdir(parents=True)
        try:
            for written, initialize in build(folder):
                record = {"case": case, "initialize": initialize, **written._asdict()}
                append(folder / "expected.jsonl", record)
        except Exception as error:
            append(folder / "expected.jsonl", {"case": case, "error": _cause(error)})


def read_all(tf: Any, root: Path) -> None:
    """Reads all cases."""
    for folder in sorted(root.iterdir()):
        for record in read(folder / "expected.jsonl"):
            if "error" in record:
                append(folder / "found.jsonl", {})
                continue
            try:
                found = (
                    _run_graph(tf, folder, record) if not record["where"] else _run_model(tf, folder, record)
                )
                append(folder / "found.jsonl", {"results": found})
            except Exception as error:
                append(folder / "found.jsonl", {"error": _cause(error)})


def _cause(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]} ({Path(last.filename).name}:{last.lineno})"


def _run_graph(tf: Any, folder: Path, record: dict[str, Any]) -> dict[str, np.ndarray]:
    v1 = tf.compat.v1
    message = v1.GraphDef.FromString((folder / "graph.pb").read_bytes())
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        tf.graph_util.import_graph_def(message, name="")
        if record["initialize"]:
            session.run(record["initialize"])
        names = list(record["results"])
        return dict(zip(names, map(np.asarray, session.run(names, record["feeds"]))))


def _run_model(tf: Any, folder: Path, record: dict[str, Any]) -> dict[str, np.ndarray]:
    loaded = tf.saved_model.load(str(folder / "model"))
    kind, _, name = record["where"].partition(":")
    feeds = {key: tf.constant(value) for key, value in record["feeds"].items()}
    if kind == "signature":
        return {key: value.numpy() for key, value in loaded.signatures[name](**feeds).items()}
    function = getattr(loaded, name)
    (first,) = feeds.values()
    if kind == "function":
        return {"output": function(first).numpy()}
    with tf.GradientTape() as tape:
        tape.watch(first)
        result = weighted_sum(tf, tf.nest.flatten(function(first))[0])
    return {"gradient": tape.gradient(result, first).numpy()}


if __name__ == "__main__":
    tf = engine(sys.argv[1])
    tf.get_logger().setLevel("ERROR")
    if sys.argv[2] == "write":
        write(tf, sys.argv[1], Path(sys.argv[3]))
    else:
        read_all(tf, Path(sys.argv[3]))
