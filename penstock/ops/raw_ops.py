"""`tf.raw_ops`: every op of the registry as a function of its inputs and attributes, by keyword."""

from __future__ import annotations

import sys
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import REGISTRY, OpDef
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types.dtypes import DType, as_dtype


class _RawOps(ModuleType):
    """Makes the function of an op when it is first asked for."""

    def __getattr__(self, name: str) -> Callable:
        definition = REGISTRY.get(name)
        if definition is None:
            raise AttributeError(f"module 'tensorflow.raw_ops' has no attribute {name!r}")
        function = _function(definition)
        setattr(self, name, function)
        return function

    def __dir__(self) -> list[str]:
        return sorted(REGISTRY)


# Op type -> keyword in Python -> name in the registry, where TensorFlow has two.
_REDUCTION = {"axis": "reduction_indices"}
_KEYWORDS: dict[str, dict[str, str]] = {
    **dict.fromkeys(("All", "Any", "EuclideanNorm", "Max", "Mean", "Min", "Prod", "Sum"), _REDUCTION),
    "ExpandDims": {"axis": "dim"},
    "Select": {"x": "t", "y": "e"},
    "Split": {"axis": "split_dim"},
    "SplitV": {"axis": "split_dim"},
    "Squeeze": {"axis": "squeeze_dims"},
    "Where": {"condition": "input"},
}


def keyword_of(op_type: str, name: str) -> str:
    """The Python keyword of the input or attribute that the registry calls `name`."""
    return next((key for key, value in _KEYWORDS.get(op_type, {}).items() if value == name), name)


def _function(definition: OpDef) -> Callable:
    signature = definition.signature
    names = [argument.name for argument in signature.inputs]
    renamed = _KEYWORDS.get(definition.type, {})
    outputs = [argument.name for argument in signature.outputs]
    result_type = namedtuple(definition.type, outputs) if len(outputs) > 1 else None

    def raw_op(**kwargs: Any) -> Any:
        name = kwargs.pop("name", None)
        kwargs = {renamed.get(key, key): value for key, value in kwargs.items()}
        missing = [each for each in names if each not in kwargs]
        if missing:
            raise TypeError(f"{definition.type}() missing required arguments: {missing}")
        dtypes: dict[str, DType] = {}
        inputs = []
        for argument in signature.inputs:
            value = kwargs.pop(argument.name)
            if argument.kind == "single":
                inputs.append(_converted(value, argument.type, dtypes))
            else:
                inputs.append([_converted(each, argument.type, dtypes) for each in value])
        attrs = {}
        for key, value in kwargs.items():
            if key in signature.attrs:
                attrs[key] = _attr(value, signature.attrs[key])
            elif key not in _TYPE_ATTRS:
                raise TypeError(f"{definition.type}() got an unexpected keyword argument {key!r}")
        for key in signature.attrs:
            if key in dtypes and key not in attrs and key not in definition.defaults:
                attrs[key] = dtypes[key]
        if thread.graph is not None and definition.stateful and "shared_name" in signature.attrs:
            # Each session finds the resource by the name of its node.
            own = thread.graph.unique_name(name or definition.type, mark_as_used=False)
            attrs["shared_name"] = attrs.get("shared_name") or own
        results = execute(definition.type, inputs, attrs, name)
        return results if result_type is None else result_type(*_grouped(definition, results, inputs, attrs))

    raw_op.__name__ = raw_op.__qualname__ = definition.type
    raw_op.__doc__ = (
        f"The op {definition.type}: inputs {names}, attributes {list(signature.attrs)}; all by keyword."
    )
    return raw_op


def _grouped(definition: OpDef, results: Sequence[Any], inputs: Sequence[Any], attrs: dict) -> Iterator[Any]:
    """Several outputs by their names in the signature: a tensor, or a list of tensors, for each."""
    known = {**definition.defaults, **attrs}
    for argument, value in zip(definition.signature.inputs, inputs):
        if argument.kind != "single":
            known[argument.count if argument.kind == "repeat" else argument.type] = (
                len(value) if argument.kind == "repeat" else value
            )
    rest = iter(results)
    for output in definition.signature.outputs:
        if output.kind == "single":
            yield next(rest)
            continue
        length = known[output.count] if output.kind == "repeat" else len(known[output.type])
        yield [next(rest) for _ in range(length)]


_TYPE_ATTRS = {
    "T",
    "Tidx",
    "Tshape",
    "Tindices",
    "Tparams",
    "Index",
    "N",
    "Tpaddings",
    "Tperm",
    "Taxis",
    "out_idx",
}


def _converted(value: Any, kind: DType | str, dtypes: dict[str, DType]) -> Any:
    if isinstance(kind, DType):
        return convert_to_tensor(value, kind if not hasattr(value, "dtype") else None)
    known = dtypes.get(kind)
    tensor = (
        convert_to_tensor(value, None, dtype_hint=known) if known is not None else convert_to_tensor(value)
    )
    dtypes.setdefault(kind, tensor.dtype)
    return tensor


def _attr(value: Any, default: Any) -> Any:
    if isinstance(default, DType) or (isinstance(value, type) and not isinstance(value, bool)):
        return as_dtype(value)
    return value


_module = _RawOps("penstock.raw_ops", "Every op of the registry as a function.")
sys.modules["penstock.raw_ops"] = _module
export("raw_ops")(_module)
