"""Element types: names, numbers, NumPy types and limits as TensorFlow 2.21 has them."""

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest

from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype, dtype_of_array
from tests.ids import stable_id

# name, enum, NumPy scalar type, size; from tf.dtypes in TensorFlow 2.21.
FACTS = [
    ("float32", 1, np.float32, 4),
    ("float64", 2, np.float64, 8),
    ("int32", 3, np.int32, 4),
    ("uint8", 4, np.uint8, 1),
    ("int16", 5, np.int16, 2),
    ("int8", 6, np.int8, 1),
    ("string", 7, np.object_, 0),
    ("complex64", 8, np.complex64, 8),
    ("int64", 9, np.int64, 8),
    ("bool", 10, np.bool_, 1),
    ("bfloat16", 14, ml_dtypes.bfloat16, 2),
    ("uint16", 17, np.uint16, 2),
    ("complex128", 18, np.complex128, 16),
    ("float16", 19, np.float16, 2),
    ("uint32", 22, np.uint32, 4),
    ("uint64", 23, np.uint64, 8),
    ("float8_e5m2", 24, ml_dtypes.float8_e5m2, 1),
    ("float8_e4m3fn", 25, ml_dtypes.float8_e4m3fn, 1),
    ("float8_e4m3fnuz", 26, ml_dtypes.float8_e4m3fnuz, 1),
    ("float8_e4m3b11fnuz", 27, ml_dtypes.float8_e4m3b11fnuz, 1),
    ("float8_e5m2fnuz", 28, ml_dtypes.float8_e5m2fnuz, 1),
    ("int4", 29, ml_dtypes.int4, 1),
    ("uint4", 30, ml_dtypes.uint4, 1),
    ("int2", 31, ml_dtypes.int2, 1),
    ("uint2", 32, ml_dtypes.uint2, 1),
    ("float4_e2m1fn", 33, ml_dtypes.float4_e2m1fn, 1),
]
ALL = [dtypes.DType(n) for n in range(1, 34)]


@pytest.mark.parametrize(("name", "enum", "scalar", "size"), FACTS, ids=[row[0] for row in FACTS])
def test_facts_of_a_type(name, enum, scalar, size):
    dtype = getattr(dtypes, name)
    assert (dtype.name, dtype.as_datatype_enum, dtype.size) == (name, enum, size)
    assert dtype.as_numpy_dtype is scalar
    assert dtype.np_dtype == np.dtype(scalar)
    assert repr(dtype) == f"tf.{name}"
    assert str(dtype) == f"<dtype: {name!r}>"


@pytest.mark.parametrize(("name", "enum", "scalar", "size"), FACTS, ids=[row[0] for row in FACTS])
def test_as_dtype_accepts_every_way_to_say_a_type(name, enum, scalar, size):
    dtype = getattr(dtypes, name)
    for way in (dtype, name, enum, scalar, np.dtype(scalar)):
        assert as_dtype(way) is dtype
        assert dtype == way


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float, dtypes.float32),
        (bool, dtypes.bool),
        (object, dtypes.string),
        (np.str_, dtypes.string),
        (np.bytes_, dtypes.string),
        (np.dtype("S3"), dtypes.string),
        (np.dtype("U3"), dtypes.string),
        (np.dtype(">f4"), dtypes.float32),
        (np.longlong, dtypes.int64),
        ("half", dtypes.float16),
        ("double", dtypes.float64),
        ("float", dtypes.float32),
        ("float32_ref", dtypes.float32_ref),
        (101, dtypes.float32_ref),
        (np.array([1]), dtypes.int64),
        (np.dtype([("qint8", "i1")]), dtypes.qint8),
    ],
    ids=stable_id,
)
def test_as_dtype_of_other_spellings(value, expected):
    assert as_dtype(value) is expected


@pytest.mark.parametrize(
    "value",
    [int, str, bytes, complex, "int", "foo", "str", "DT_FLOAT", None, [1], 57, np.dtype("M8[s]"), type],
    ids=stable_id,
)
def test_as_dtype_refuses_what_tensorflow_refuses(value):
    with pytest.raises(
        TypeError, match=r"Cannot convert the argument `type_value`: .* to a TensorFlow DType"
    ):
        as_dtype(value)


def test_there_is_one_object_per_type():
    assert DType(1) is dtypes.float32
    assert pickle.loads(pickle.dumps(dtypes.bfloat16)) is dtypes.bfloat16
    assert copy.deepcopy(dtypes.int4) is dtypes.int4


def test_an_unknown_number_is_refused():
    with pytest.raises(TypeError, match="57"):
        DType(57)


@pytest.mark.parametrize(
    "other", [None, "foo", 2, dtypes.float64, dtypes.float32_ref, np.float64, [1], object()], ids=stable_id
)
def test_inequality_with_what_means_another_type_or_none(other):
    assert dtypes.float32 != other
    assert not dtypes.float32 == other  # noqa: SIM201 - both operators are tested


def test_a_reference_type_is_compatible_one_way():
    assert dtypes.float32.is_compatible_with(dtypes.float32_ref)
    assert not dtypes.float32_ref.is_compatible_with(dtypes.float32)
    assert dtypes.float32_ref.base_dtype is dtypes.float32
    assert dtypes.float32_ref.as_datatype_enum == 101


@pytest.mark.parametrize(
    ("flag", "names"),
    [
        (
            "is_floating",
            "float32 float64 bfloat16 float16 float8_e5m2 float8_e4m3fn float8_e4m3fnuz float8_e4m3b11fnuz "
            "float8_e5m2fnuz float4_e2m1fn",
        ),
        ("is_integer", "int32 uint8 int16 int8 int64 uint16 uint32 uint64 int4 uint4 int2 uint2"),
        ("is_unsigned", "uint8 uint16 uint32 uint64 uint4 uint2"),
        ("is_complex", "complex64 complex128"),
        ("is_bool", "bool"),
        ("is_quantized", "qint8 quint8 qint32 qint16 quint16"),
    ],
)
def test_kinds(flag, names):
    assert {dtype.name for dtype in ALL if getattr(dtype, flag)} == set(names.split())


def test_narrow_types_are_not_numeric():
    not_numeric = {dtype.name for dtype in ALL if not dtype.is_numeric}
    assert not_numeric == {
        *("string", "bool", "resource", "variant", "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz"),
        *("float8_e4m3b11fnuz", "float8_e5m2fnuz", "int4", "uint4", "int2", "uint2", "float4_e2m1fn"),
    }


def test_handles_have_no_numpy_type():
    assert not dtypes.resource.is_numpy_compatible
    with pytest.raises(KeyError):
        _ = dtypes.variant.as_numpy_dtype


def test_quantized_types_show_a_structured_dtype_and_store_integers():
    assert dtypes.qint16.as_numpy_dtype == np.dtype([("qint16", "<i2")])
    assert dtypes.qint16.np_dtype == np.int16
    assert dtypes.qint16 in dtypes.QUANTIZED_DTYPES


@pytest.mark.parametrize(
    ("name", "lowest", "greatest"),
    [
        ("float32", -3.4028235e38, 3.4028235e38),
        ("float16", -65504, 65504),
        ("bfloat16", -3.3895314e38, 3.3895314e38),
        ("float8_e4m3fn", -448, 448),
        ("float4_e2m1fn", -6, 6),
        ("int4", -8, 7),
        ("uint2", 0, 3),
        ("int64", -(2**63), 2**63 - 1),
        ("uint64", 0, 2**64 - 1),
    ],
)
def test_min_and_max(name, lowest, greatest):
    dtype = getattr(dtypes, name)
    assert float(dtype.min) == pytest.approx(float(lowest), rel=1e-6)
    assert float(dtype.max) == pytest.approx(float(greatest), rel=1e-6)


@pytest.mark.parametrize("name", ["bool", "string", "complex64", "qint8", "resource"])
def test_types_without_order_have_no_min(name):
    with pytest.raises(TypeError, match="Cannot find minimum value of"):
        _ = getattr(dtypes, name).min


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("uint8", (0, 255)),
        ("int8", (0, 127)),
        ("float32", (0, 1)),
        ("bool", (0, True)),
        ("uint16", (0, 65535)),
    ],
)
def test_limits(name, limits):
    assert getattr(dtypes, name).limits == limits


def test_float16_images_have_no_limits():
    with pytest.raises(ValueError, match="does not have defined limits"):
        _ = dtypes.float16.limits


def test_real_dtype():
    assert dtypes.complex64.real_dtype is dtypes.float32
    assert dtypes.complex128_ref.real_dtype is dtypes.float64
    assert dtypes.int32.real_dtype is dtypes.int32


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros(2, np.float32), dtypes.float32),
        (np.zeros(2, ml_dtypes.int4), dtypes.int4),
        (np.array([b"a"], object), dtypes.string),
        (np.array(["a", "bc"]), dtypes.string),
        (np.zeros(2, ">i4"), dtypes.int32),
    ],
    ids=["float32", "int4", "object", "unicode", "big endian"],
)
def test_dtype_of_array(array, expected):
    assert dtype_of_array(array) is expected


def test_supertypes_are_the_type_itself():
    assert dtypes.int32.most_specific_common_supertype([dtypes.int32]) is dtypes.int32
    assert dtypes.int32.most_specific_common_supertype([dtypes.int64]) is None
    assert dtypes.int32.is_subtype_of(dtypes.int32)
