"""What public functions of tensors do with ragged and sparse arguments: one row for each.

`install` is called once, when all public names are known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import EXPORTS, export
from penstock.ops import dispatch
from penstock.ops.casting import cast
from penstock.ops.ragged import joining as ragged_joining
from penstock.ops.ragged import products as ragged_products
from penstock.ops.ragged import reductions as ragged_reductions
from penstock.ops.ragged import selection as ragged_selection
from penstock.ops.ragged.broadcast import broadcast_flat, elementwise
from penstock.ops.ragged.dynamic_shape import DynamicRaggedShape
from penstock.ops.ragged.structure import map_flat_values
from penstock.ops.ragged.tensor import RaggedTensor, from_ragged_value, is_ragged
from penstock.ops.ragged.value import RaggedTensorValue
from penstock.types import dtypes
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor


def _holds_ragged(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_ragged(each) for each in value)
    return is_ragged(value)


def _any_ragged(bound: dict) -> bool:
    return any(_holds_ragged(each) for each in bound.values())


def _any_sparse(bound: dict) -> bool:
    return any(isinstance(each, SparseTensor) for each in bound.values())


def _ragged(value: Any) -> Any:
    return from_ragged_value(value) if isinstance(value, RaggedTensorValue) else value


# Elementwise functions.


def _unary(api: dispatch.Api) -> Callable:
    return lambda *args, **kwargs: map_flat_values(api.function, *args, **kwargs)


def _binary(api: dispatch.Api) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = dict(api.signature.bind(*args, **kwargs).arguments)
        first, second = list(api.signature.parameters)[:2]
        pair = (bound.pop(first), bound.pop(second))
        return elementwise(lambda x, y: api.function(**{first: x, second: y}, **bound), *pair)

    return call


def _sparse_unary(api: dispatch.Api) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = dict(api.signature.bind(*args, **kwargs).arguments)
        name = next(iter(api.signature.parameters))
        sparse = bound.pop(name)
        result = sparse.with_values(api.function(sparse.values, **bound))
        result.set_shape(sparse.shape)
        return result

    return call


# TensorFlow's own list: what zero stays zero under, and is defined for sparse tensors.
_SPARSE_UNARY = """
    cast identity math.abs math.conj math.erf math.negative math.sign math.sqrt math.square math.tanh
""".split()

_V1_UNARY = "to_float to_double to_int32 to_int64 to_bfloat16 to_complex64 to_complex128".split()
_V1_BINARY = "div floor_div".split()


# Other functions of ragged tensors: each takes the bound arguments.


def _keepdims(bound: dict) -> bool:
    return bool(bound.get("keepdims") or bound.get("keep_dims"))


def _axis(bound: dict) -> Any:
    return next(
        (bound[name] for name in ("axis", "reduction_indices", "dim") if bound.get(name) is not None), None
    )


def _reduction(function: Callable) -> Callable:
    return lambda bound: function(_ragged(bound["input_tensor"]), _axis(bound), _keepdims(bound))


def _reduce(kind: str) -> Callable:
    return _reduction(lambda value, axis, keepdims: ragged_reductions.reduce(kind, value, axis, keepdims))


def _truth(kind: str) -> Callable:
    return _reduction(lambda value, axis, keepdims: ragged_reductions.truth(kind, value, axis, keepdims))


def _size(bound: dict) -> Tensor:
    value = _ragged(bound["input"])
    return execute(
        "Size", (value.flat_values,), {"out_type": dtypes.as_dtype(bound.get("out_type") or dtypes.int32)}
    )


def _rank(bound: dict) -> Tensor:
    value = _ragged(bound["input"])
    return execute("Rank", (value.flat_values,)) + value.ragged_rank


def _shape(bound: dict) -> DynamicRaggedShape:
    return DynamicRaggedShape.from_tensor(_ragged(bound["input"]), bound.get("out_type") or dtypes.int32)


def _one_hot(bound: dict) -> Any:
    indices = _ragged(bound["indices"])
    axis = bound.get("axis")
    if isinstance(axis, int) and axis >= 0:
        if axis <= indices.ragged_rank:
            raise ValueError("axis must be greater than indices.ragged_rank.")
        axis -= indices.ragged_rank
    rest = {name: value for name, value in bound.items() if name not in ("indices", "axis")}
    return indices.with_flat_values(EXPORTS["v2"]["one_hot"](indices.flat_values, axis=axis, **rest))


def _softmax(bound: dict) -> RaggedTensor:
    logits = _ragged(bound["logits"])
    axis = bound.get("axis", bound.get("dim"))
    axis = -1 if axis is None else axis
    rank = ragged_joining.counted_axis(axis, logits.shape.rank)
    if rank > logits.ragged_rank:
        return logits.with_flat_values(
            EXPORTS["v2"]["nn.softmax"](logits.flat_values, rank - logits.ragged_rank)
        )
    largest = ragged_reductions.reduce("max", logits, axis, True)
    powers = elementwise(lambda x, y: execute("Exp", (x - y,)), logits, largest)
    total = ragged_reductions.reduce("sum", powers, axis, True)
    return elementwise(lambda x, y: x / y, powers, total)


def _add_n(bound: dict) -> Any:
    flats, pack = broadcast_flat([_ragged(each) for each in bound["inputs"]])
    return pack(execute("AddN", ([convert_to_tensor(each) for each in flats],)))


def _matmul(bound: dict) -> Any:
    options = {name: value for name, value in bound.items() if name not in ("a", "b", "name") and value}
    return ragged_products.matmul(_ragged(bound["a"]), _ragged(bound["b"]), **options)


def _reshape(bound: dict) -> Any:
    return ragged_products.reshape(_ragged(bound["tensor"]), bound["shape"])


def _any_ragged_shape(bound: dict) -> bool:
    return any(isinstance(each, DynamicRaggedShape) for each in bound.values())


def _ragged_or_ragged_shape(bound: dict) -> bool:
    return _any_ragged(bound) or _any_ragged_shape(bound)


def _filled(bound: dict) -> Any:
    return ragged_products.filled(bound["dims"], bound["value"])


def _constant(value: int) -> Callable[[dict], Any]:
    return lambda bound: ragged_products.filled(
        bound["shape"], convert_to_tensor(value, bound.get("dtype", dtypes.float32))
    )


def _broadcast_to(bound: dict) -> Any:
    flats, pack = broadcast_flat([bound["input"], ragged_products.filled(bound["shape"], 0)])
    return pack(execute("BroadcastTo", (convert_to_tensor(flats[0]), execute("Shape", (flats[1],)))))


def _broadcast_shape(bound: dict) -> DynamicRaggedShape:
    shapes = [
        each if isinstance(each, DynamicRaggedShape) else DynamicRaggedShape((), each)
        for each in (bound["shape_x"], bound["shape_y"])
    ]
    flats, pack = broadcast_flat([ragged_products.filled(each, 0) for each in shapes])
    return DynamicRaggedShape.from_tensor(pack(execute("AddN", ([*flats],))))


# Public name -> function of the bound arguments, called where one of them is the shape of a ragged tensor.
_RAGGED_SHAPES: dict[str, Callable[[dict], Any]] = {
    "zeros": _constant(0),
    "ones": _constant(1),
    "fill": _filled,
    "broadcast_to": _broadcast_to,
    "broadcast_dynamic_shape": _broadcast_shape,
}


def _unsorted_segment(kind: str) -> Callable:
    def call(bound: dict) -> Any:
        data, ids = _ragged(bound["data"]), _ragged(bound["segment_ids"])
        if isinstance(ids, RaggedTensor):
            data, ids = data.flat_values, ids.flat_values
        count = convert_to_tensor(bound["num_segments"])
        ids = convert_to_tensor(ids)
        if kind != "mean":
            return ragged_reductions.aggregate(kind, data, ids, cast(count, ids.dtype))
        total = ragged_reductions.aggregate("sum", data, ids, cast(count, ids.dtype))
        ones = (
            data.with_flat_values(execute("OnesLike", (data.flat_values,)))
            if isinstance(data, RaggedTensor)
            else execute("OnesLike", (data,))
        )
        number = ragged_reductions.aggregate("sum", ones, ids, cast(count, ids.dtype))
        return (
            elementwise(lambda x, y: x / y, total, number)
            if isinstance(total, RaggedTensor)
            else total / number
        )

    return call


def _join_strings(bound: dict) -> RaggedTensor:
    flats, pack = broadcast_flat([_ragged(each) for each in bound["inputs"]])
    return pack(EXPORTS["v2"]["strings.join"](flats, separator=bound.get("separator", "")))


def _embedding(bound: dict) -> RaggedTensor:
    ids = _ragged(bound["ids"])
    rest = {name: value for name, value in bound.items() if name != "ids"}
    return ids.with_flat_values(EXPORTS["v2"]["nn.embedding_lookup"](ids=ids.flat_values, **rest))


def _unstack(bound: dict) -> list:
    value, axis = _ragged(bound["value"]), bound.get("axis", 0)
    if ragged_joining.counted_axis(axis, value.shape.rank) != 0:
        raise ValueError("Only axis=0 is supported when unstacking ragged tensors")
    return list(value)


def _gather(bound: dict) -> Any:
    names = ("params", "indices", "axis", "batch_dims")
    return ragged_selection.gather(**{name: bound[name] for name in names if name in bound})


# Public name -> function of the bound arguments, called where one of them is ragged.
_RAGGED: dict[str, Callable[[dict], Any]] = {
    "math.reduce_sum": _reduce("sum"),
    "math.reduce_prod": _reduce("prod"),
    "math.reduce_max": _reduce("max"),
    "math.reduce_min": _reduce("min"),
    "math.reduce_mean": _reduction(ragged_reductions.mean),
    "math.reduce_variance": _reduction(ragged_reductions.variance),
    "math.reduce_std": _reduction(ragged_reductions.std),
    "math.reduce_any": _truth("sum"),
    "math.reduce_all": _truth("prod"),
    "math.add_n": _add_n,
    "concat": lambda bound: ragged_joining.concat(bound["values"], bound["axis"]),
    "stack": lambda bound: ragged_joining.stack(bound["values"], bound.get("axis", 0)),
    "unstack": _unstack,
    "expand_dims": lambda bound: ragged_joining.expand_dims(_ragged(bound["input"]), _axis(bound)),
    "squeeze": lambda bound: ragged_joining.squeeze(
        _ragged(bound["input"]), bound.get("axis", bound.get("squeeze_dims"))
    ),
    "tile": lambda bound: ragged_joining.tile(_ragged(bound["input"]), bound["multiples"]),
    "reverse": lambda bound: ragged_joining.reverse(_ragged(bound["tensor"]), bound["axis"]),
    "split": lambda bound: ragged_joining.split(
        _ragged(bound["value"]), bound["num_or_size_splits"], bound.get("axis", 0), bound.get("num")
    ),
    "gather": _gather,
    "gather_nd": lambda bound: ragged_selection.gather_nd(
        bound["params"], bound["indices"], bound.get("batch_dims", 0)
    ),
    "boolean_mask": lambda bound: ragged_selection.boolean_mask(bound["tensor"], bound["mask"]),
    "where": lambda bound: ragged_selection.where(bound["condition"], bound.get("x"), bound.get("y")),
    "size": _size,
    "rank": _rank,
    "shape": _shape,
    "one_hot": _one_hot,
    "nn.softmax": _softmax,
    "nn.embedding_lookup": _embedding,
    "linalg.matmul": _matmul,
    "strings.join": _join_strings,
    **{
        f"math.unsorted_segment_{kind}": _unsorted_segment(kind)
        for kind in ("sum", "prod", "max", "min", "mean")
    },
}

export("ragged.stack")(ragged_joining.stack)
export("ragged.boolean_mask")(ragged_selection.boolean_mask)


def _with_bound(function: Callable[[dict], Any]) -> Callable[[dispatch.Api], Callable]:
    def handler(api: dispatch.Api) -> Callable:
        return lambda *args, **kwargs: function(dict(api.signature.bind(*args, **kwargs).arguments))

    return handler


def install() -> None:
    """Makes the functions of the tables dispatchable."""
    for name in (*dispatch.UNARY, *_V1_UNARY):
        dispatch.handle(name, _any_ragged, _unary, "unary")
    for name in (*dispatch.BINARY, *_V1_BINARY):
        dispatch.handle(name, _any_ragged, _binary, "binary")
    for name in dispatch.BINARY_ASSERTS:
        for function in dispatch.public(name):
            dispatch.dispatchable(function, "binary_assert")
    for name in _SPARSE_UNARY:
        dispatch.handle(name, _any_sparse, _sparse_unary, "unary")
    for name, function in _RAGGED.items():
        dispatch.handle(name, _any_ragged, _with_bound(function))
    dispatch.handle("reshape", _ragged_or_ragged_shape, _with_bound(_reshape))
    for name, function in _RAGGED_SHAPES.items():
        dispatch.handle(name, _any_ragged_shape, _with_bound(function))
    dispatch.place_replacements()
