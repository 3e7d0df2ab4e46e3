"""Public functions of two numbers: add, multiply, the divisions, powers, sums of many tensors, polynomials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import binary, matching
from penstock.ops.op_functions import binary_function
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, Tensor


@export("math.add", "add")
def add(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x + y, elementwise; strings are joined.

    Args:
      x: a tensor, or a value that converts to one.
      y: a tensor of the same dtype; the shapes broadcast.
      name: the node's name in a graph.

    Returns:
      A tensor of the broadcast shape.

    Raises:
      InvalidArgumentError: the dtypes differ, or the shapes do not broadcast.

    Example:
      >>> import penstock as tf
      >>> print(tf.add([1, 2], 10).numpy())
      [11 12]
    """
    if type(x) is not EagerTensor or type(y) is not EagerTensor:
        x, y = matching(x, y, lenient=True)
    return execute("Add" if x._dtype is dtypes.string else "AddV2", (x, y), None, name or "Add")


subtract = binary_function("Sub", "math.subtract subtract", "x - y, elementwise.", ("[5, 6], 2", "[3 4]"))
multiply = binary_function("Mul", "math.multiply multiply", "x * y, elementwise.", ("[5, 6], 2", "[10 12]"))
maximum = binary_function("Maximum", "math.maximum maximum", "The larger of x and y.", ("[1, 5], 3", "[3 5]"))
minimum = binary_function(
    "Minimum", "math.minimum minimum", "The smaller of x and y.", ("[1, 5], 3", "[1 3]")
)
pow = binary_function("Pow", "math.pow pow", "x ** y, elementwise.", ("[2, 3], 2", "[4 9]"))
floormod = binary_function(
    "FloorMod",
    "math.floormod math.mod",
    "x - floor(x / y) * y: the remainder with the sign of y, as Python's %.",
    ("[-5, 5], 3", "[1 2]"),
    v1=["math.floormod", "math.mod", "floormod", "mod"],
)
realdiv = binary_function(
    "RealDiv",
    "realdiv",
    "x / y in the dtype of x; integers are rounded toward zero.",
    ("[3.0, 4.0], 2.0", "[1.5 2. ]"),
)
truncatediv = binary_function(
    "TruncateDiv",
    "truncatediv",
    "x / y rounded toward zero, as C's integer division.",
    ("[-7, 7], 2", "[-3  3]"),
)
truncatemod = binary_function(
    "TruncateMod",
    "truncatemod",
    "The remainder of `truncatediv`, with the sign of x.",
    ("[-7, 7], 2", "[-1  1]"),
)
squared_difference = binary_function(
    "SquaredDifference",
    "math.squared_difference",
    "(x - y)(x - y)*, elementwise.",
    ("[1.0, 5.0], 3.0", "[4. 4.]"),
    v1=["math.squared_difference", "squared_difference"],
)
floordiv = binary_function(
    "FloorDiv",
    "math.floordiv",
    "floor(x / y), in the dtype of x.",
    ("[-7, 7], 2", "[-4  3]"),
    v1=["math.floordiv", "floordiv"],
    node_name="floordiv",
)

__test__ = {
    each.__name__: each
    for each in (
        subtract, multiply, maximum, minimum, pow, floormod, realdiv, truncatediv, truncatemod, squared_difference,
        floordiv,
    )
}  # fmt: skip

# The dtype in which true division of integers is done; None: as it is.
_QUOTIENT_DTYPES: dict[DType, DType | None] = {
    dtypes.uint8: dtypes.float32,
    dtypes.int8: dtypes.float32,
    dtypes.uint16: dtypes.float32,
    dtypes.int16: dtypes.float32,
    dtypes.uint32: dtypes.float64,
    dtypes.int32: dtypes.float64,
    dtypes.uint64: dtypes.float64,
    dtypes.int64: dtypes.float64,
    dtypes.bfloat16: None,
    dtypes.float16: None,
    dtypes.float32: None,
    dtypes.float64: None,
    dtypes.complex64: None,
    dtypes.complex128: None,
}


def cast(x: Tensor, dtype: DType) -> Tensor:
    """`x` in another dtype."""
    return execute("Cast", (x,), {"DstT": dtype})


def divided(op_type: str, x: Any, y: Any, name: str | None) -> Tensor:
    """Calls a division op after casting integers to floats.

    Raises:
      TypeError: the dtypes differ or cannot be divided.
    """
    if type(x) is not EagerTensor or type(y) is not EagerTensor:
        x, y = matching(x, y, lenient=True)
    kind = x._dtype.base_dtype
    if kind is not y._dtype.base_dtype:
        raise TypeError(f"`x` and `y` must have the same dtype, got {x.dtype!r} != {y.dtype!r}.")
    if kind not in _QUOTIENT_DTYPES:
        accepted = ", ".join(each.name for each in _QUOTIENT_DTYPES)
        raise TypeError(f"Invalid dtype {kind.name} in a division. Expected one of {accepted}.")
    target = _QUOTIENT_DTYPES[kind]
    if target is not None:
        x, y = cast(x, target), cast(y, target)
    return execute(op_type, (x, y), None, name)


@export("math.truediv", "truediv")
def truediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y as Python 3 divides: integers are cast first, to float32 (8 and 16 bits) or float64.

    Args:
      x: a tensor of numbers.
      y: a tensor of the same dtype; the shapes broadcast.
      name: the node's name in a graph.

    Returns:
      A floating or complex tensor of the broadcast shape.

    Raises:
      TypeError: the dtypes differ, or are not numbers.

    Example:
      >>> import penstock as tf
      >>> tf.math.truediv(7, 2)
      <tf.Tensor: shape=(), dtype=float64, numpy=3.5>
    """
    return divided("RealDiv", x, y, name or "truediv")


@export("math.divide", "divide")
def divide(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y as Python divides; see `tf.math.truediv`.

    Example:
      >>> import penstock as tf
      >>> tf.divide(tf.constant([16.0, 12.0]), 4.0).numpy()
      array([4., 3.], dtype=float32)
    """
    return truediv(x, y, name)


@export("math.divide_no_nan", v1=["math.divide_no_nan", "div_no_nan"])
def divide_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y, and 0 wherever y is 0.

    Example:
      >>> import penstock as tf
      >>> tf.math.divide_no_nan([3.0, 3.0], [2.0, 0.0]).numpy()
      array([1.5, 0. ], dtype=float32)
    """
    return divided("DivNoNan", x, y, name or "div_no_nan")


@export(v1=["div"])
def div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Python 2's division: integers give the floor of the quotient, floats the quotient."""
    x, y = matching(x, y)
    integers = x.dtype.base_dtype.is_integer
    return execute("FloorDiv" if integers else "RealDiv", (x, y), None, name or "div")


@export(v1=["floor_div"])
def floor_div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """TF 1's older name of `tf.math.floordiv`."""
    return binary("FloorDiv", x, y, name)


@export("math.multiply_no_nan")
def multiply_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x * y, and 0 wherever y is 0, even if x is infinite or NaN.

    Example:
      >>> import penstock as tf
      >>> tf.math.multiply_no_nan([2.0, float("inf")], [3.0, 0.0]).numpy()
      array([6., 0.], dtype=float32)
    """
    return binary("MulNoNan", x, y, name or "multiply_no_nan")


@export("math.reciprocal_no_nan")
def reciprocal_no_nan(x: Any, name: str | None = None) -> Tensor:
    """1 / x, and 0 wherever x is 0.

    Raises:
      TypeError: x is not floating or complex.

    Example:
      >>> import penstock as tf
      >>> tf.math.reciprocal_no_nan([2.0, 0.0]).numpy()
      array([0.5, 0. ], dtype=float32)
    """
    x = convert_to_tensor(x)
    return execute(
        "DivNoNan", (convert_to_tensor(1, x.dtype.base_dtype), x), None, name or "reciprocal_no_nan"
    )


@export("math.scalar_mul", "scalar_mul")
def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    """A scalar times a tensor or `IndexedSlices`.

    Raises:
      ValueError: `scalar` is not a 0-D value.

    Example:
      >>> import penstock as tf
      >>> tf.scalar_mul(2, tf.constant([1.0, 2.0])).numpy()
      array([2., 4.], dtype=float32)
    """
    is_slices = isinstance(x, IndexedSlices)
    values = x.values if is_slices else convert_to_tensor(x)
    scalar = convert_to_tensor(scalar, values.dtype.base_dtype, name="scalar")
    rank = scalar.shape.rank
    if rank is not None and rank != 0:
        raise ValueError(f"The input scalar must be a 0-D value. Received shape {scalar.shape}.")
    product = execute("Mul", (scalar, values), None, name)
    return IndexedSlices(product, x.indices, x.dense_shape) if is_slices else product


@export("math.add_n", "add_n")
def add_n(inputs: Sequence[Any], name: str | None = None) -> Tensor:
    """The sum of a list of tensors of one shape and dtype; `IndexedSlices` in it become dense.

    Raises:
      ValueError: the list is empty.
      InvalidArgumentError: shapes or dtypes differ.

    Example:
      >>> import penstock as tf
      >>> tf.add_n([[1, 2], [10, 20], [100, 200]]).numpy()
      array([111, 222], dtype=int32)
    """
    tensors = [convert_to_tensor(each) for each in inputs]
    if not tensors:
        raise ValueError(
            "Inputs must be an iterable of at least one Tensor/IndexedSlices with the same dtype and shape."
        )
    if len(tensors) == 1:
        return execute("Identity", (tensors[0],), None, name) if name else tensors[0]
    return execute("AddN", (tensors,), None, name)


@export("math.accumulate_n", v1=["math.accumulate_n", "accumulate_n"])
def accumulate_n(
    inputs: Sequence[Any], shape: Any = None, tensor_dtype: Any = None, name: str | None = None
) -> Tensor:
    """The sum of a list of tensors of one shape and dtype.

    Args:
      inputs: the tensors.
      shape: the expected shape, where it is not known from the inputs.
      tensor_dtype: the expected dtype.
      name: the node's name in a graph.

    Raises:
      ValueError: the list is empty, or shapes or dtypes differ.

    Example:
      >>> import penstock as tf
      >>> tf.math.accumulate_n([[1, 2], [3, 4]]).numpy()
      array([4, 6], dtype=int32)
    """
    message = "inputs must be a list of at least one Tensor with the same dtype and shape"
    if not inputs or not isinstance(inputs, (list, tuple)):
        raise ValueError(message)
    tensors = [convert_to_tensor(each) for each in inputs]
    if any(each.dtype.base_dtype != tensors[0].dtype.base_dtype for each in tensors):
        raise ValueError(message)
    expected = TensorShape(shape)
    for each in tensors:
        expected = expected.merge_with(each.shape)
    if tensor_dtype is not None and dtypes.as_dtype(tensor_dtype) != tensors[0].dtype.base_dtype:
        raise TypeError(f"tensor_dtype is {tensor_dtype}, but input is of type {tensors[0].dtype}")
    if len(tensors) == 1:
        return tensors[0]
    if thread.graph is None:
        return add_n(tensors, name)
    return execute("AccumulateNV2", (tensors,), {"shape": expected}, name)


@export("math.polyval")
def polyval(coeffs: Sequence[Any], x: Any, name: str | None = None) -> Tensor:
    """The polynomial p(x) = coeffs[0] x^(n-1) + ... + coeffs[n-1], by Horner's rule.

    Args:
      coeffs: a list of coefficient tensors, the highest power's first.
      x: where to evaluate it.
      name: the node's name in a graph.

    Raises:
      ValueError: `coeffs` is not a list.

    Example:
      >>> import penstock as tf
      >>> tf.math.polyval([2.0, 0.0, 1.0], 3.0).numpy()
      np.float32(19.0)
    """
    if not isinstance(coeffs, list):
        raise ValueError(f"Argument coeffs must be list type. Received type {type(coeffs)}.")
    x = convert_to_tensor(x, name="x")
    if not coeffs:
        return execute("ZerosLike", (x,), None, name)
    total = convert_to_tensor(coeffs[0])
    for coefficient in coeffs[1:]:
        total = execute("AddV2", (convert_to_tensor(coefficient), execute("Mul", (total, x))))
    return total
