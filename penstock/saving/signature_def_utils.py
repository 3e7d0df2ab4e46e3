"""`tf.compat.v1.saved_model.signature_def_utils` and `.utils`: SignatureDefs and TensorInfos of a graph's tensors."""

from __future__ import annotations

import os
from typing import Any

from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.graph.tensor_proto import shape_proto
from penstock.types import dtypes, nest
from penstock.types.dtypes import as_dtype
from penstock.types.tensors import SymbolicTensor

_CLASSIFY, _PREDICT, _REGRESS = (f"tensorflow/serving/{kind}" for kind in ("classify", "predict", "regress"))


@export(v1=["saved_model.build_tensor_info", "saved_model.utils.build_tensor_info"])
def build_tensor_info(tensor: Any) -> Any:
    """The TensorInfo of a tensor of a graph, of a sparse tensor, or of another composite.

    Raises:
      RuntimeError: the tensor is eager.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     x = tf.compat.v1.placeholder(tf.float32, [2], name="x")
      ...     tf.compat.v1.saved_model.build_tensor_info(x).name
      'x:0'
    """
    from tensorboard.compat.proto import meta_graph_pb2

    info = meta_graph_pb2.TensorInfo()
    if hasattr(tensor, "_as_graph_element") and tensor._as_graph_element() is not None:
        tensor = tensor._as_graph_element()
    parts = nest.flatten(tensor, expand_composites=True)
    if not all(isinstance(each, SymbolicTensor) for each in parts):
        raise RuntimeError("build_tensor_info is not supported in Eager mode.")
    info.dtype = tensor.dtype.as_datatype_enum
    info.tensor_shape.CopyFrom(shape_proto(tensor.shape))
    if isinstance(tensor, SymbolicTensor):
        info.name = tensor.name
    elif type(tensor).__name__ == "SparseTensor":
        info.coo_sparse.values_tensor_name = tensor.values.name
        info.coo_sparse.indices_tensor_name = tensor.indices.name
        info.coo_sparse.dense_shape_tensor_name = tensor.dense_shape.name
    else:
        from penstock.saving.structured_values import encode

        info.composite_tensor.type_spec.CopyFrom(encode(tensor._type_spec).type_spec_value)
        info.composite_tensor.components.extend(build_tensor_info(each) for each in parts)
    return info


@export(v1=["saved_model.get_tensor_from_tensor_info", "saved_model.utils.get_tensor_from_tensor_info"])
def get_tensor_from_tensor_info(tensor_info: Any, graph: Any = None, import_scope: str | None = None) -> Any:
    """The tensor (or composite) of a graph that a TensorInfo names.

    Raises:
      KeyError: the graph has no such tensor.
      ValueError: the TensorInfo names none.
    """
    graph = graph or current_graph()

    def named(name: str) -> Any:
        return graph.get_tensor_by_name(f"{import_scope}/{name}" if import_scope else name)

    encoding = tensor_info.WhichOneof("encoding")
    if encoding == "name":
        return named(tensor_info.name)
    if encoding == "coo_sparse":
        from penstock.types.sparse_tensor import SparseTensor

        sparse = tensor_info.coo_sparse
        names = (sparse.indices_tensor_name, sparse.values_tensor_name, sparse.dense_shape_tensor_name)
        return SparseTensor(*(named(each) for each in names))
    if encoding == "composite_tensor":
        from tensorboard.compat.proto import struct_pb2

        from penstock.saving.structured_values import decode

        spec = decode(struct_pb2.StructuredValue(type_spec_value=tensor_info.composite_tensor.type_spec))
        parts = [
            get_tensor_from_tensor_info(each, graph, import_scope)
            for each in tensor_info.composite_tensor.components
        ]
        return nest.pack_sequence_as(spec, parts, expand_composites=True)
    raise ValueError(f"Invalid TensorInfo.encoding: {encoding}")


_UTILS = "saved_model.signature_def_utils"


@export(v1=["saved_model.build_signature_def", f"{_UTILS}.build_signature_def"])
def build_signature_def(
    inputs: dict | None = None,
    outputs: dict | None = None,
    method_name: str | None = None,
    defaults: dict | None = None,
) -> Any:
    """A SignatureDef.

    Args:
      inputs, outputs: name -> TensorInfo. method_name: what servers call the kind of signature.
      defaults: name of an input -> its value where a request lacks it, as a TensorProto.
    """
    from tensorboard.compat.proto import meta_graph_pb2

    message = meta_graph_pb2.SignatureDef()
    for name, info in (inputs or {}).items():
        message.inputs[name].CopyFrom(info)
    for name, info in (outputs or {}).items():
        message.outputs[name].CopyFrom(info)
    if method_name is not None:
        message.method_name = method_name
    for name, value in (defaults or {}).items():
        message.defaults[name].CopyFrom(value)
    return message


def _infos(tensors: dict) -> dict:
    return {name: build_tensor_info(tensor) for name, tensor in tensors.items()}


@export(v1=["saved_model.predict_signature_def", f"{_UTILS}.predict_signature_def"])
def predict_signature_def(inputs: dict, outputs: dict) -> Any:
    """The SignatureDef of a prediction: any named inputs and outputs.

    Raises:
      ValueError: there are none.
    """
    if not inputs:
        raise ValueError("Prediction `inputs` cannot be None or empty.")
    if not outputs:
        raise ValueError("Prediction `outputs` cannot be None or empty.")
    return build_signature_def(_infos(inputs), _infos(outputs), _PREDICT)


@export(v1=["saved_model.regression_signature_def", f"{_UTILS}.regression_signature_def"])
def regression_signature_def(examples: Any, predictions: Any) -> Any:
    """The SignatureDef of a regression: serialized examples to float32 predictions.

    Raises:
      ValueError: a dtype is another one.
    """
    for what, tensor, kind in (
        ("examples", examples, dtypes.string),
        ("predictions", predictions, dtypes.float32),
    ):
        if tensor is None:
            raise ValueError(f"Regression `{what}` cannot be None.")
        _check(f"Regression {what}", tensor, kind)
    inputs, outputs = {"inputs": examples}, {"outputs": predictions}
    return build_signature_def(_infos(inputs), _infos(outputs), _REGRESS)


@export(v1=["saved_model.classification_signature_def", f"{_UTILS}.classification_signature_def"])
def classification_signature_def(examples: Any, classes: Any, scores: Any) -> Any:
    """The SignatureDef of a classification: serialized examples to classes (strings), scores (float32), or both.

    Raises:
      ValueError: there is neither, or a dtype is another one.
    """
    if examples is None:
        raise ValueError("Classification `examples` cannot be None.")
    if classes is None and scores is None:
        raise ValueError("Classification `classes` and `scores` cannot both be None.")
    _check("Classification examples", examples, dtypes.string)
    outputs = {}
    if classes is not None:
        _check("Classification classes", classes, dtypes.string)
        outputs["classes"] = classes
    if scores is not None:
        _check("Classification scores", scores, dtypes.float32)
        outputs["scores"] = scores
    return build_signature_def(_infos({"inputs": examples}), _infos(outputs), _CLASSIFY)


def _check(what: str, tensor: Any, kind: Any) -> None:
    if tensor.dtype != kind:
        raise ValueError(
            f"{what} tensors must be of type {kind.name}. Found tensor with type {tensor.dtype.name}."
        )


@export(v1=["saved_model.is_valid_signature", f"{_UTILS}.is_valid_signature"])
def is_valid_signature(signature_def: Any) -> bool:
    """Whether a server can serve a SignatureDef as the kind that it says it is."""
    if signature_def is None:
        return False
    inputs, outputs = signature_def.inputs, signature_def.outputs
    if signature_def.method_name == _PREDICT:
        return bool(inputs) and bool(outputs)
    if set(inputs) != {"inputs"} or as_dtype(inputs["inputs"].dtype) != dtypes.string:
        return False
    if signature_def.method_name == _REGRESS:
        return set(outputs) == {"outputs"} and as_dtype(outputs["outputs"].dtype) == dtypes.float32
    if signature_def.method_name == _CLASSIFY:
        kinds = {"classes": dtypes.string, "scores": dtypes.float32}
        return bool(outputs) and all(
            name in kinds and as_dtype(info.dtype) == kinds[name] for name, info in outputs.items()
        )
    return False


@export(v1=[f"{_UTILS}.MethodNameUpdater"])
class MethodNameUpdater:
    """Changes the method names of signatures of a SavedModel that is written already.

    Args:
      export_dir: the directory of the SavedModel.

    Raises:
      OSError: there is none.
    """

    def __init__(self, export_dir: str):
        from penstock.saving.saved_model_files import read_saved_model

        self._directory = export_dir
        self._saved_model = read_saved_model(export_dir)

    def replace_method_name(self, signature_key: str, method_name: str, tags: Any = None) -> None:
        """Sets the method name of a signature, in the MetaGraph with the given tags, or in all.

        Raises:
          ValueError: there is no such signature, or a name is empty.
        """
        if not signature_key:
            raise ValueError("`signature_key` must be defined.")
        if not method_name:
            raise ValueError("`method_name` must be defined.")
        wanted = None if tags is None else {tags} if isinstance(tags, str) else set(tags)
        found = False
        for meta in self._saved_model.meta_graphs:
            if wanted is None or set(meta.meta_info_def.tags) == wanted:
                if signature_key not in meta.signature_def:
                    raise ValueError(
                        f"MetaGraphDef associated with tags {tags} does not have a signature_def with key: "
                        f"'{signature_key}'."
                    )
                found = True
                meta.signature_def[signature_key].method_name = method_name
        if not found:
            raise ValueError(f"MetaGraphDef associated with tags {tags} could not be found in SavedModel.")

    def save(self, new_export_dir: str | None = None) -> None:
        """Writes the message, over the old one or to another directory (the other files are not copied)."""
        from penstock.saving.meta_graph import write_message
        from penstock.saving.saved_model_files import MODEL_FILE, TEXT_FILE

        as_text = not os.path.exists(os.path.join(self._directory, MODEL_FILE))
        target = os.path.join(new_export_dir or self._directory, TEXT_FILE if as_text else MODEL_FILE)
        write_message(self._saved_model, target, as_text)
