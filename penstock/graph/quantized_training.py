"""Training with rounded values: a GraphDef in which the inputs of products and convolutions are quantized and back.

What such an input can be (negative, or within known bounds) follows from the op that makes it. Where bounds are not
known, moving averages of the smallest and greatest value are: two variables, which start at the first values that they
see, and which the graph's saver keeps. Works on the message. Jacob et al., "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", 2018.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from penstock.engine.export import export
from penstock.graph.tensor_proto import array_of_proto, tensor_proto
from penstock.graph.v1_control_flow import source_of
from penstock.types import dtypes
from penstock.types.dtypes import DType, dtype_of_array


class _Range(NamedTuple):
    """Which values a tensor can have."""

    signed: bool
    bounds: tuple[float, float] | None = None


_QUANTIZED = ("MatMul", "Conv2D")
_DECAY = 0.999
_MOST_UNKNOWN = 2  # inputs that no row below tells anything about: the model's own
_FLOAT = dtypes.float32

_ANY = _Range(signed=True)
_RANGES: dict[str, _Range] = {
    **dict.fromkeys(("Const", "Variable", "VariableV2", "ReadVariableOp"), _ANY),
    "Relu": _Range(signed=False),
    "Relu6": _Range(signed=False, bounds=(0.0, 6.0)),
    "Sigmoid": _Range(signed=False, bounds=(0.0, 1.0)),
    "Tanh": _Range(signed=True, bounds=(-1.0, 1.0)),
}
# The range of what these give is that of their first input.
_PASSING = {"Reshape", "ConcatV2", "Identity", "MaxPool", "AvgPool", "MaxPool3D", "AvgPool3D"}


@export(v1=["train.do_quantize_training_on_graphdef"])
def do_quantize_training_on_graphdef(input_graph: Any, num_bits: int) -> Any:
    """A copy of a graph that trains with the inputs of its MatMul and Conv2D nodes rounded to `2 ** num_bits` values.

    Nodes of gradients, by their names, are left as they are.

    Args:
      input_graph: a GraphDef; its variables may be of either kind.
      num_bits: 1 to 63.

    Returns:
      A GraphDef with a `QuantizeAndDequantizeV2` node between each such input and what takes it, and nodes for ranges
      that are not known. Their variables are initialized by the first run, and saved by the graph's saver.

    Raises:
      IndexError: `num_bits` is out of range.
      NotImplementedError: more than two of the inputs come from ops that tell nothing about their ranges.
      ValueError: the graph has more than one node that saves, or none that restores.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default() as graph:
      ...     x = tf.compat.v1.placeholder(tf.float32, [1, 2], name="x")
      ...     product = tf.matmul(x, [[1.0], [0.25]], name="product")
      >>> made = tf.compat.v1.train.do_quantize_training_on_graphdef(graph.as_graph_def(), 8)
      >>> [str(each) for node in made.node if node.name == "product" for each in node.input]
      ['x/QuantizeAndDequantizeV2', 'product/b/QuantizeAndDequantizeV2']
    """
    if not 1 <= num_bits <= 63:
        raise IndexError(f"num_bits should be in range [1, 63] but is: {num_bits}")
    result = type(input_graph)()
    result.CopyFrom(input_graph)
    nodes = {node.name: node for node in result.node}
    writer = _Writer(result)
    rounded: dict[str, str] = {}
    unknown = 0
    for node in list(result.node):
        if node.op not in _QUANTIZED or node.name.startswith("gradients"):
            continue
        for place, given in enumerate(node.input):
            if given.startswith("^"):
                continue
            if given not in rounded:
                source = _source(nodes, node, given)
                found = _range_of(nodes, source)
                unknown += found is None
                if unknown > _MOST_UNKNOWN:
                    raise NotImplementedError(
                        f"Found an unknown op: {source.name} with type: {source.op}; Unknown ops are considered as model "
                        f"input for now and only {_MOST_UNKNOWN} inputs are supported currently."
                    )
                rounded[given] = writer.add_rounding(given.removesuffix(":0"), found or _ANY, num_bits)
            node.input[place] = rounded[given]
    writer.save_variables()
    return result


def _range_of(nodes: dict[str, Any], source: Any) -> _Range | None:
    """The range of what a node gives; None where its op tells nothing. What other ops pass on counts as told."""
    node = source
    while node.op in _PASSING:
        node = _source(nodes, node, node.input[0])
    found = _RANGES.get(node.op)
    return _ANY if found is None and node is not source else found


def _source(nodes: dict[str, Any], node: Any, given: str) -> Any:
    if source_of(given) not in nodes:
        raise ValueError(f"Node '{node.name}': Unknown input node '{given}'")
    return nodes[source_of(given)]


class _Writer:
    """Adds nodes to a GraphDef, and remembers which variables it added."""

    def __init__(self, graph_def: Any):
        self._graph_def = graph_def
        self._variables: list[str] = []

    def _add(self, name: str, op: str, inputs: tuple[str, ...] = (), **attrs: Any) -> str:
        node = self._graph_def.node.add(name=name, op=op, input=inputs)
        for key, value in attrs.items():
            _set(node.attr[key], value)
        return name

    def _constant(self, name: str, value: Any, dtype: DType) -> str:
        return self._add(name, "Const", dtype=dtype, value=np.asarray(value, dtype.as_numpy_dtype))

    def add_rounding(self, tensor: str, found: _Range, bits: int) -> str:
        """Nodes that quantize a tensor and turn it back; the name of the last of them."""
        prefix = tensor.replace(":", "/output_")
        if found.bounds is not None:
            low = self._constant(f"{prefix}/InputMin", found.bounds[0], _FLOAT)
            high = self._constant(f"{prefix}/InputMax", found.bounds[1], _FLOAT)
        else:
            low, high = self._add_averages(tensor, prefix)
        return self._add(
            f"{prefix}/QuantizeAndDequantizeV2", "QuantizeAndDequantizeV2", (tensor, low, high), T=_FLOAT,
            signed_input=found.signed, num_bits=bits, range_given=True, round_mode="HALF_TO_EVEN",
            narrow_range=False, axis=-1,
        )  # fmt: skip

    def _add_averages(self, tensor: str, prefix: str) -> tuple[str, str]:
        decay = self._constant(f"{prefix}/Decay", _DECAY, _FLOAT)
        start = self._constant(f"{prefix}/ReductionAxes/RangeStart", 0, dtypes.int32)
        delta = self._constant(f"{prefix}/ReductionAxes/RangeDelta", 1, dtypes.int32)
        rank = self._add(f"{prefix}/ReductionAxes/InputRank", "Rank", (tensor,), T=_FLOAT)
        axes = self._add(
            f"{prefix}/ReductionAxes/ReductionAxes", "Range", (start, rank, delta), Tidx=dtypes.int32
        )
        low, high = (
            self._add(f"{prefix}/{op}", op, (tensor, axes), T=_FLOAT, Tidx=dtypes.int32, keep_dims=False)
            for op in ("Min", "Max")
        )
        return self._add_average(low, decay), self._add_average(high, decay)

    def _add_average(self, value: str, decay: str) -> str:
        """A variable that is assigned the first value, and from then on `variable -= (variable - value) * (1 - decay)`."""
        variable = self._add(
            f"{value}/Variable", "VariableV2", shape=(), dtype=_FLOAT, container="", shared_name=""
        )
        self._variables.append(variable)
        known = self._add(f"{value}/IsInitialized", "IsVariableInitialized", (variable,), dtype=_FLOAT)
        switch = self._add(f"{value}/Switch", "Switch", (value, known), T=_FLOAT)
        one = self._constant(f"{value}/EMA/OneConst", 1.0, _FLOAT)
        part = self._add(f"{value}/EMA/DecayComplement", "Sub", (one, decay), T=_FLOAT)
        difference = self._add(f"{value}/EMA/ValueDiff", "Sub", (variable, f"{switch}:1"), T=_FLOAT)
        update = self._add(f"{value}/EMA/UpdateValue", "Mul", (difference, part), T=_FLOAT)
        average = self._add(f"{value}/EMA/EMAValue", "Sub", (variable, update), T=_FLOAT)
        merged = self._add(f"{value}/Merge", "Merge", (switch, average), T=_FLOAT, N=2)
        return self._assign(f"{value}/AssignValue", variable, merged)

    def _assign(self, name: str, variable: str, value: str) -> str:
        return self._add(name, "Assign", (variable, value), T=_FLOAT, use_locking=True, validate_shape=True)

    def save_variables(self) -> None:
        """The added variables become some of those that the graph's saver saves and restores."""
        savers = [node for node in self._graph_def.node if node.op == "SaveV2"]
        if not savers or not self._variables:
            return
        if len(savers) > 1:
            raise ValueError("Input graph has multiple SaveV2 ops.")
        (save,) = savers
        nodes = {node.name: node for node in self._graph_def.node}
        scope = save.name.rpartition("/")[0]
        restore_all = nodes.get(f"{scope}/restore_all")
        if restore_all is None:
            raise ValueError("graph has SaveOp, but no restore_all NoOp")
        prefix, names, slices = save.input[:3]
        for number, variable in enumerate(self._variables):
            restore = f"{scope}/RestoreV2_{number}_qt"
            own = (
                self._add(
                    f"{restore}/tensor_names", "Const", dtype=dtypes.string, value=_strings([variable])
                ),
                self._add(f"{restore}/shape_and_slices", "Const", dtype=dtypes.string, value=_strings([""])),
            )
            self._add(restore, "RestoreV2", (prefix, *own), dtypes=[_FLOAT])
            restore_all.input.append("^" + self._assign(f"{scope}/Assign_{number}_qt", variable, restore))
        for constant, added in ((names, self._variables), (slices, [""] * len(self._variables))):
            message = nodes[source_of(constant)].attr["value"].tensor
            strings = [*array_of_proto(message).tolist(), *_strings(added)]
            message.CopyFrom(tensor_proto(_strings(strings), dtypes.string))
        controls = [each for each in save.input if each.startswith("^")]
        data = [each for each in save.input if not each.startswith("^")]
        del save.input[:]
        save.input.extend([*data, *self._variables, *controls])
        save.attr["dtypes"].list.type.extend([_FLOAT.as_datatype_enum] * len(self._variables))


def _strings(values: list[Any]) -> np.ndarray:
    return np.array([each.encode() if isinstance(each, str) else each for each in values], object)


def _set(attr: Any, value: Any) -> None:
    """Fills in an AttrValue from the kind of value that it is."""
    if isinstance(value, DType):
        attr.type = value.as_datatype_enum
    elif isinstance(value, list):
        attr.list.type.extend(each.as_datatype_enum for each in value)
    elif isinstance(value, np.ndarray):
        attr.tensor.CopyFrom(tensor_proto(value, dtype_of_array(value)))
    elif isinstance(value, tuple):
        attr.shape.SetInParent()  # a scalar's
    elif isinstance(value, bool):
        attr.b = value
    elif isinstance(value, int):
        attr.i = value
    else:
        attr.s = value.encode()
