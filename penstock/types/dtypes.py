"""Element types of tensors: `DType`, its constants (`float32`, `string`, ...), and `as_dtype`.

All that is known about a type is one row of `_ROWS`. There is exactly one `DType` object for each type, so
that `is` compares types everywhere inside the engine. Every layer above uses this file.
"""

from __future__ import annotations

import builtins
from typing import Any

import ml_dtypes
import numpy as np

_REF_OFFSET = 100  # TensorFlow's enum of a reference type is that of its base type plus 100.

# name, enum, NumPy type of the stored elements, kind, is_numeric.
# Kinds: f float, i signed, u unsigned, c complex, b bool, q quantized, s string, h handle.
# `is_numeric` follows TensorFlow, which leaves out the types narrower than a byte and the 8-bit floats.
_ROWS = (
    ("float32", 1, np.float32, "f", True),
    ("float64", 2, np.float64, "f", True),
    ("int32", 3, np.int32, "i", True),
    ("uint8", 4, np.uint8, "u", True),
    ("int16", 5, np.int16, "i", True),
    ("int8", 6, np.int8, "i", True),
    ("string", 7, np.object_, "s", False),
    ("complex64", 8, np.complex64, "c", True),
    ("int64", 9, np.int64, "i", True),
    ("bool", 10, np.bool_, "b", False),
    ("qint8", 11, np.int8, "q", True),
    ("quint8", 12, np.uint8, "q", True),
    ("qint32", 13, np.int32, "q", True),
    ("bfloat16", 14, ml_dtypes.bfloat16, "f", True),
    ("qint16", 15, np.int16, "q", True),
    ("quint16", 16, np.uint16, "q", True),
    ("uint16", 17, np.uint16, "u", True),
    ("complex128", 18, np.complex128, "c", True),
    ("float16", 19, np.float16, "f", True),
    ("resource", 20, None, "h", False),
    ("variant", 21, None, "h", False),
    ("uint32", 22, np.uint32, "u", True),
    ("uint64", 23, np.uint64, "u", True),
    ("float8_e5m2", 24, ml_dtypes.float8_e5m2, "f", False),
    ("float8_e4m3fn", 25, ml_dtypes.float8_e4m3fn, "f", False),
    ("float8_e4m3fnuz", 26, ml_dtypes.float8_e4m3fnuz, "f", False),
    ("float8_e4m3b11fnuz", 27, ml_dtypes.float8_e4m3b11fnuz, "f", False),
    ("float8_e5m2fnuz", 28, ml_dtypes.float8_e5m2fnuz, "f", False),
    ("int4", 29, ml_dtypes.int4, "i", False),
    ("uint4", 30, ml_dtypes.uint4, "u", False),
    ("int2", 31, ml_dtypes.int2, "i", False),
    ("uint2", 32, ml_dtypes.uint2, "u", False),
    ("float4_e2m1fn", 33, ml_dtypes.float4_e2m1fn, "f", False),
)

# What an image of the type holds, for `DType.limits`; the types left out have no limits.
_IMAGE_MAX = {
    "bool": True,
    "uint8": 255,
    "uint16": 65535,
    "uint32": 2**32 - 1,
    "uint64": 2**64 - 1,
    "int8": 127,
    "int16": 32767,
    "int32": 2**31 - 1,
    "int64": 2**63 - 1,
    "float32": 1,
    "float64": 1,
}

_BY_ENUM: dict[int, DType] = {}


class DType:
    """The type of the elements of a tensor, such as `tf.float32`.

    There is one object for each type. A `DType` equals anything that `tf.as_dtype` turns into it: its name,
    its enum number, and the NumPy type.

    Attributes:
      name: The type's name, `"float32"`.
      as_datatype_enum: TensorFlow's number for it, as in a GraphDef.
      base_dtype: The type itself, or for a reference type (`float32_ref`, TF 1) the type referred to.
      np_dtype: The `numpy.dtype` that stores its elements; `object` for strings, `None` for handles.
        Quantized types are stored as plain integers.
      size: Bytes in one element; 0 where elements have no fixed size.

    >>> import penstock as tf
    >>> tf.float32 == "float32", tf.float32.size, tf.float32.is_floating
    (True, 4, True)
    """

    __slots__ = (
        "__weakref__",
        "_is_ref_dtype",
        "_kind",
        "as_datatype_enum",
        "base_dtype",
        "is_bool",
        "is_complex",
        "is_floating",
        "is_integer",
        "is_numeric",
        "is_numpy_compatible",
        "is_quantized",
        "is_unsigned",
        "name",
        "np_dtype",
        "size",
    )

    name: str
    _kind: str
    _is_ref_dtype: builtins.bool
    as_datatype_enum: int
    base_dtype: DType
    np_dtype: Any  # a numpy.dtype but for handles, whose elements no op touches
    size: int
    is_floating: builtins.bool
    is_integer: builtins.bool
    is_unsigned: builtins.bool
    is_complex: builtins.bool
    is_bool: builtins.bool
    is_quantized: builtins.bool
    is_numeric: builtins.bool
    is_numpy_compatible: builtins.bool

    def __new__(cls, type_enum: int) -> DType:
        """Returns the one DType of TensorFlow's number `type_enum`; raises TypeError where there is none."""
        found = _BY_ENUM.get(int(type_enum))
        if found is None:
            raise TypeError(f"{type_enum!r} is the number of no DType; expected 1 to 33, or 101 to 133.")
        return found

    # One object per type makes the default hash right, and that one costs no Python call.
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> builtins.bool:
        if other is self:
            return True
        if other is None or type(other) is DType:
            return False
        try:
            return as_dtype(other) is self
        except TypeError:
            return False

    def __ne__(self, other: object) -> builtins.bool:
        return not self == other

    def __repr__(self) -> str:
        return "tf." + self.name

    def __str__(self) -> str:
        return f"<dtype: {self.name!r}>"

    def __int__(self) -> int:
        return self.as_datatype_enum

    def __reduce__(self) -> tuple:
        return as_dtype, (self.name,)

    def __copy__(self) -> DType:
        return self

    def __deepcopy__(self, memo: dict) -> DType:
        return self

    @property
    def as_numpy_dtype(self) -> Any:
        """The NumPy scalar type (`numpy.float32`); a structured dtype for quantized types, as in TensorFlow.

        Raises:
          KeyError: for `resource` and `variant`, whose elements NumPy cannot hold.
        """
        if self.np_dtype is None:
            raise KeyError(f"{self} has no NumPy type.")
        if self.is_quantized:
            return _QUANTIZED_NUMPY[self.base_dtype.name]
        return self.np_dtype.type

    @property
    def real_dtype(self) -> DType:
        """The type of the real and imaginary parts of a complex type; any other type is its own."""
        if not self.is_complex:
            return self
        return float32 if self.base_dtype is complex64 else float64

    @property
    def min(self) -> Any:
        """The lowest finite value. Raises TypeError for types without an order, and for quantized types."""
        return self._numeric_info("minimum").min

    @property
    def max(self) -> Any:
        """The greatest finite value. Raises TypeError for types without an order, and for quantized types."""
        return self._numeric_info("maximum").max

    def _numeric_info(self, bound: str) -> Any:
        if self.is_floating:
            return ml_dtypes.finfo(self.np_dtype)  # knows NumPy's types too
        if self.is_integer:
            return ml_dtypes.iinfo(self.np_dtype)
        if self.is_quantized:
            why = f" with quantized type {self.base_dtype}"
        elif self.np_dtype is None:
            why = ""
        else:
            why = f" with type {self.base_dtype}"
        raise TypeError(f"Cannot find {bound} value of {self}{why}.")

    @property
    def limits(self) -> tuple[Any, Any]:
        """The least and the greatest value of an image of this type, negative values left out: `(0, max)`.

        Raises:
          ValueError: if images do not come in this type.
        """
        top = _IMAGE_MAX.get(self.base_dtype.name)
        if top is None:
            raise ValueError(f"{self} does not have defined limits.")
        return 0, top

    def is_compatible_with(self, other: Any) -> builtins.bool:
        """Whether a value of type `other` can be used where this type is asked for.

        A reference type is compatible with its base type, but not the other way round.

        >>> import penstock as tf
        >>> tf.float32.is_compatible_with("float32"), tf.float32.is_compatible_with(tf.int32)
        (True, False)
        """
        other = as_dtype(other)
        return self is other or self is other.base_dtype

    def is_subtype_of(self, other: Any) -> builtins.bool:
        """Whether this is `other`: element types have no subtypes."""
        return self is other

    def most_specific_common_supertype(self, others: Any) -> DType | None:
        """This type if all of `others` are it, else None."""
        return self if all(self is other for other in others) else None


def _declare(
    name: str, enum: int, scalar: Any, kind: str, numeric: builtins.bool, base: DType | None
) -> DType:
    """Builds one DType and enters it in the table by number."""
    dtype = object.__new__(DType)
    dtype.name = name
    dtype.as_datatype_enum = enum
    dtype._kind = kind
    dtype._is_ref_dtype = base is not None
    dtype.base_dtype = base or dtype
    dtype.np_dtype = None if scalar is None else np.dtype(scalar)
    dtype.size = 0 if dtype.np_dtype is None or kind == "s" else dtype.np_dtype.itemsize
    dtype.is_floating = kind == "f"
    dtype.is_integer = kind in "iu"
    dtype.is_unsigned = kind == "u"
    dtype.is_complex = kind == "c"
    dtype.is_bool = kind == "b"
    dtype.is_quantized = kind == "q"
    dtype.is_numeric = numeric
    dtype.is_numpy_compatible = kind != "h"
    _BY_ENUM[enum] = dtype
    return dtype


for _name, _enum, _scalar, _kind, _numeric in _ROWS:
    _base = _declare(_name, _enum, _scalar, _kind, _numeric, None)
    _declare(_name + "_ref", _enum + _REF_OFFSET, _scalar, _kind, _numeric, _base)

# The constants are spelled out, so that a reader (and a type checker) finds each where it is used.
float32, float32_ref = DType(1), DType(101)
float64, float64_ref = DType(2), DType(102)
int32, int32_ref = DType(3), DType(103)
uint8, uint8_ref = DType(4), DType(104)
int16, int16_ref = DType(5), DType(105)
int8, int8_ref = DType(6), DType(106)
string, string_ref = DType(7), DType(107)
complex64, complex64_ref = DType(8), DType(108)
int64, int64_ref = DType(9), DType(109)
bool, bool_ref = DType(10), DType(110)
qint8, qint8_ref = DType(11), DType(111)
quint8, quint8_ref = DType(12), DType(112)
qint32, qint32_ref = DType(13), DType(113)
bfloat16, bfloat16_ref = DType(14), DType(114)
qint16, qint16_ref = DType(15), DType(115)
quint16, quint16_ref = DType(16), DType(116)
uint16, uint16_ref = DType(17), DType(117)
complex128, complex128_ref = DType(18), DType(118)
float16, float16_ref = DType(19), DType(119)
resource, resource_ref = DType(20), DType(120)
variant, variant_ref = DType(21), DType(121)
uint32, uint32_ref = DType(22), DType(122)
uint64, uint64_ref = DType(23), DType(123)
float8_e5m2, float8_e5m2_ref = DType(24), DType(124)
float8_e4m3fn, float8_e4m3fn_ref = DType(25), DType(125)
float8_e4m3fnuz, float8_e4m3fnuz_ref = DType(26), DType(126)
float8_e4m3b11fnuz, float8_e4m3b11fnuz_ref = DType(27), DType(127)
float8_e5m2fnuz, float8_e5m2fnuz_ref = DType(28), DType(128)
int4, int4_ref = DType(29), DType(129)
uint4, uint4_ref = DType(30), DType(130)
int2, int2_ref = DType(31), DType(131)
uint2, uint2_ref = DType(32), DType(132)
float4_e2m1fn, float4_e2m1fn_ref = DType(33), DType(133)
half, half_ref = float16, float16_ref
double, double_ref = float64, float64_ref

_QUANTIZED_NUMPY = {
    dtype.name: np.dtype([(dtype.name, dtype.np_dtype)]) for dtype in (qint8, quint8, qint16, quint16, qint32)
}

QUANTIZED_DTYPES = frozenset(dtype for dtype in _BY_ENUM.values() if dtype.is_quantized)
TF_VALUE_DTYPES = frozenset(
    dtype for dtype in _BY_ENUM.values() if dtype.is_numpy_compatible and not dtype._is_ref_dtype
)

# The type of an array's elements, by the array's `numpy.dtype`; eager code looks here on every call.
NP_TO_DTYPE: dict[np.dtype, DType] = {
    (_QUANTIZED_NUMPY[dtype.name] if dtype.is_quantized else dtype.np_dtype): dtype
    for dtype in sorted(TF_VALUE_DTYPES, key=int)
}

# Everything hashable that names a type, besides a DType itself.
_FROM_NAME: dict[str, DType] = {dtype.name: dtype for dtype in _BY_ENUM.values()} | {
    "half": half,
    "half_ref": half_ref,
    "double": double,
    "double_ref": double_ref,
    "float": float32,
    "float_ref": float32_ref,
}
_FROM_NUMPY_SCALAR: dict[type, DType] = {
    np_dtype.type: dtype for np_dtype, dtype in NP_TO_DTYPE.items() if not dtype.is_quantized
} | {np.str_: string, np.bytes_: string}
_FROM_PYTHON: dict[type, DType] = {float: float32, builtins.bool: bool, object: string}
_LOOKUP: dict[Any, DType] = {**_FROM_NAME, **_FROM_NUMPY_SCALAR, **_FROM_PYTHON, **_BY_ENUM, **NP_TO_DTYPE}


def as_dtype(type_value: Any) -> DType:
    """Converts `type_value` to a `DType`.

    Args:
      type_value: A DType, its name (`"float32"`, `"half"`), its enum number, a NumPy type or dtype, one of
        Python's `float`, `bool` and `object` (strings), or an object with a `dtype`. Python's `int` is
        refused, as TensorFlow does, because it could mean int32 or int64.

    Returns:
      The DType.

    Raises:
      TypeError: if `type_value` names no type.

    >>> import penstock as tf
    >>> tf.as_dtype("half"), tf.as_dtype(float), tf.as_dtype(1)
    (tf.float16, tf.float32, tf.float32)
    """
    if type(type_value) is DType:
        return type_value
    try:
        found = _LOOKUP.get(type_value)
    except TypeError:  # unhashable, for instance an array
        found = None
    if found is None:
        found = _from_numpy(type_value)
    if found is None:
        raise TypeError(f"Cannot convert the argument `type_value`: {type_value!r} to a TensorFlow DType.")
    return found


def _from_numpy(value: Any) -> DType | None:
    """The type of a NumPy type that is not canonical (`'S3'`, `'>f4'`, `longlong`), or of what has a `dtype`."""
    if isinstance(value, type) and issubclass(value, np.generic):
        value = np.dtype(value)
    if isinstance(value, np.dtype):
        return string if value.kind in "SU" else NP_TO_DTYPE.get(value.newbyteorder("="))
    inner = None if isinstance(value, type) else getattr(value, "dtype", None)
    if type(inner) is DType:
        return inner
    return None if inner is None or inner is value else _LOOKUP.get(inner) or _from_numpy(inner)


def dtype_of_array(array: np.ndarray) -> DType:
    """The DType of the elements of a NumPy array (or of anything whose `dtype` is a `numpy.dtype`).

    Raises:
      TypeError: if TensorFlow has no such type (dates, records).
    """
    found = NP_TO_DTYPE.get(array.dtype)
    return found if found is not None else as_dtype(array.dtype)
