"""GraphDefs made smaller for inference: what stands between given inputs and outputs, without the nodes of training.

`tensorflow.python.tools.strip_unused_lib` and `.optimize_for_inference_lib` resolve to this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.runtime.graph_util import extract_sub_graph, remove_training_nodes
from penstock.types.dtypes import as_dtype


def strip_unused(
    input_graph_def: Any,
    input_node_names: Sequence[str],
    output_node_names: Sequence[str],
    placeholder_type_enum: int | Sequence[int],
) -> Any:
    """The part of a graph between some nodes; each of the inputs becomes a placeholder.

    Args:
      placeholder_type_enum: the dtype of the placeholders as messages have it, or one for each.

    Returns:
      A new GraphDef.

    Raises:
      KeyError: an input is not in the graph.
      AssertionError: an output is not in the graph.
    """
    several = isinstance(placeholder_type_enum, list | tuple)
    kinds = placeholder_type_enum if several else [placeholder_type_enum] * len(input_node_names)  # type: ignore[list-item]
    wanted = dict(zip(input_node_names, kinds, strict=True))  # type: ignore[arg-type]
    names = {node.name for node in input_graph_def.node}
    for name in wanted:
        if name not in names:
            raise KeyError(f"The following input nodes were not found: {{'{name}'}}")
    cut = type(input_graph_def)()
    cut.CopyFrom(input_graph_def)
    for node in cut.node:
        if node.name in wanted:
            shapes = (
                [node.attr["shape"]] if "shape" in node.attr else list(node.attr["_output_shapes"].list.shape)
            )
            shape = type(shapes[0])() if shapes else None
            if shape is not None:
                shape.CopyFrom(shapes[0])
            name = node.name
            node.Clear()
            node.name, node.op = name, "Placeholder"
            node.attr["dtype"].type = as_dtype(wanted[name]).as_datatype_enum
            if shape is not None and hasattr(shape, "shape"):
                node.attr["shape"].CopyFrom(shape)
            elif shape is not None:
                node.attr["shape"].shape.CopyFrom(shape)
    return extract_sub_graph(cut, output_node_names)


def optimize_for_inference(
    input_graph_def: Any,
    input_node_names: Sequence[str],
    output_node_names: Sequence[str],
    placeholder_type_enum: int | Sequence[int],
    toco_compatible: bool = False,
    placeholder_to_const_names: Sequence[str] | None = None,
) -> Any:
    """`strip_unused` without the nodes of training (`Identity`, `CheckNumerics`); the graph computes the same.

    Batch normalizations stay nodes of their own: XLA fuses them when the graph is compiled.

    Args:
      input_graph_def, input_node_names, output_node_names, placeholder_type_enum: as in `strip_unused`.
      toco_compatible: nothing is made here that other tools would not read.
      placeholder_to_const_names: `name=value` for placeholders of booleans that become constants.

    Raises:
      ValueError: one of `placeholder_to_const_names` is not `name=True` or `name=False`.
    """
    del toco_compatible
    graph_def = type(input_graph_def)()
    graph_def.CopyFrom(input_graph_def)
    _fix_placeholders(graph_def, placeholder_to_const_names or ())
    part = strip_unused(graph_def, input_node_names, output_node_names, placeholder_type_enum)
    return remove_training_nodes(part, output_node_names)


def _fix_placeholders(graph_def: Any, assignments: Sequence[str]) -> None:
    values = {}
    for each in assignments:
        name, _, value = each.partition("=")
        if value.lower() not in ("true", "false"):
            raise ValueError(f"placeholder_to_const_names: {each!r} is not name=True or name=False")
        values[name] = value.lower() == "true"
    for node in graph_def.node:
        if node.name in values:
            name = node.name
            node.Clear()
            node.name, node.op = name, "Const"
            node.attr["dtype"].type = as_dtype("bool").as_datatype_enum
            node.attr["value"].tensor.dtype = as_dtype("bool").as_datatype_enum
            node.attr["value"].tensor.tensor_shape.SetInParent()
            node.attr["value"].tensor.bool_val.append(values[name])
