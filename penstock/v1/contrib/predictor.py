"""`contrib.predictor`: a function from arrays to arrays, made of a SavedModel in a session of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.engine.export import export
from penstock.v1.api import tf

DEFAULT_SIGNATURE = "serving_default"


class Predictor:
    """Computes named outputs from named inputs; what `from_saved_model` returns.

    Attributes:
      graph, session: where the model was loaded.
      feed_tensors, fetch_tensors: name -> tensor.
    """

    def __init__(self, session: Any, feed_tensors: Mapping[str, Any], fetch_tensors: Mapping[str, Any]):
        self._session, self._feeds, self._fetches = session, dict(feed_tensors), dict(fetch_tensors)

    graph = property(lambda self: self._session.graph)
    session = property(lambda self: self._session)
    feed_tensors = property(lambda self: self._feeds)
    fetch_tensors = property(lambda self: self._fetches)

    def __repr__(self) -> str:
        return f"SavedModelPredictor with feed tensors {self._feeds} and fetch_tensors {self._fetches}"

    def __call__(self, input_dict: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs by name.

        Args:
          input_dict: arrays by name.

        Raises:
          ValueError: a name is none of an input.
        """
        unexpected = sorted(set(input_dict) - set(self._feeds))
        if unexpected:
            raise ValueError(
                f"Got unexpected keys in input_dict: {unexpected}, expected: {sorted(self._feeds)}"
            )
        return self._session.run(
            self._fetches, {self._feeds[name]: value for name, value in input_dict.items()}
        )


@export(v1=["contrib.predictor.from_saved_model"])
def from_saved_model(
    export_dir: str,
    signature_def_key: str | None = None,
    signature_def: Any = None,
    input_names: Mapping[str, str] | None = None,
    output_names: Mapping[str, str] | None = None,
    tags: Any = None,
    graph: Any = None,
    config: Any = None,
) -> Predictor:
    """A predictor made of a SavedModel.

    Args:
      export_dir: its directory.
      signature_def_key: the signature's name; "serving_default" by default.
      signature_def: a SignatureDef instead.
      input_names, output_names: names of tensors by name, instead of a signature.
      tags: tags of the graph, as text with commas or as a set; "serve" by default.
      graph: the graph to load it into; a new one by default.
      config: of the session.

    Raises:
      ValueError: there is no such signature, or more than one of signatures and names are given.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> tf1, folder = tf.compat.v1, os.path.join(tempfile.mkdtemp(), "model")
      >>> with tf.Graph().as_default(), tf1.Session() as session:
      ...     x = tf1.placeholder(tf.float32, [None])
      ...     tf1.saved_model.simple_save(session, folder, {"x": x}, {"y": 2.0 * x})
      >>> tf1.contrib.predictor.from_saved_model(folder)({"x": [3.0]})["y"].tolist()
      [6.0]
    """
    named = input_names is not None or output_names is not None
    if sum((signature_def_key is not None, signature_def is not None, named)) > 1:
        raise ValueError(
            "You may specify at most one of signature_def_key, signature_def, or input_names and output_names."
        )
    if named and (input_names is None or output_names is None):
        raise ValueError("input_names and output_names must both be specified, or neither.")
    graph = graph if graph is not None else tf.Graph()
    with graph.as_default():
        session = tf.Session(graph=graph, config=config)
        wanted = {"serve"} if not tags else set(tags.split(",")) if isinstance(tags, str) else set(tags)
        signatures = tf.saved_model.loader.load(session, list(wanted), export_dir).signature_def
        if not named:
            signature = (
                signature_def if signature_def is not None else _signature(signatures, signature_def_key)
            )
            input_names = {name: info.name for name, info in signature.inputs.items()}
            output_names = {name: info.name for name, info in signature.outputs.items()}
        assert input_names is not None
        assert output_names is not None
        feeds = {name: graph.get_tensor_by_name(tensor) for name, tensor in input_names.items()}
        fetches = {name: graph.get_tensor_by_name(tensor) for name, tensor in output_names.items()}
    return Predictor(session, feeds, fetches)


def _signature(signatures: Mapping[str, Any], key: str | None) -> Any:
    key = key or DEFAULT_SIGNATURE
    if key not in signatures:
        raise ValueError(f"Got signature_def_key {key!r}; possible values are {sorted(signatures)}")
    return signatures[key]
