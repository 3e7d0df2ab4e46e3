"""`tf.io.decode_raw`, Base64, compressed strings, TensorProto messages, edit distances, `tf.compat` text functions."""

from __future__ import annotations

import gzip
import pathlib
import zlib

import ml_dtypes
import numpy as np
import pytest

import penstock as tf
from penstock.ops.edit_distance import levenshtein

Invalid = tf.errors.InvalidArgumentError
C = tf.compat

RAW = [
    (["abcd", "efgh"], tf.uint8, {}, [[97, 98, 99, 100], [101, 102, 103, 104]]),
    (["abcd", "efgh"], tf.int16, {}, [[25185, 25699], [26213, 26727]]),
    (["abcd", "efgh"], tf.int16, {"little_endian": False}, [[24930, 25444], [25958, 26472]]),
    ("\0\0\x80?", tf.float32, {}, None),
    (["abcd", "ef"], tf.uint8, {"fixed_length": 3}, [[97, 98, 99], [101, 102, 0]]),
    (["abcd", "ef"], tf.int16, {"fixed_length": 8}, [[25185, 25699, 0, 0], [26213, 0, 0, 0]]),
    (["\x01\0"], tf.bool, {}, [[True, False]]),
]


@pytest.mark.parametrize(("strings", "dtype", "options", "expected"), RAW, ids=range(len(RAW)))
def test_decode_raw(strings, dtype, options, expected):
    if expected is None:
        strings, expected = b"\0\0\x80?", [1.0]
    found = tf.io.decode_raw(strings, dtype, **options)
    assert (found.dtype, found.numpy().tolist()) == (dtype, expected)


def test_decode_raw_of_complex_numbers_in_both_orders():
    numbers = np.array([1 + 2j, -3j], np.complex64)
    assert tf.io.decode_raw(numbers.tobytes(), tf.complex64).numpy().tolist() == numbers.tolist()
    swapped = tf.io.decode_raw(numbers.byteswap().tobytes(), tf.complex64, little_endian=False)
    assert swapped.numpy().tolist() == numbers.tolist()


def test_decode_raw_in_a_graph_keeps_the_shape():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def f(x):
        assert tf.io.decode_raw(x, tf.uint8).shape.as_list() == [None, None]
        assert tf.io.decode_raw(x, tf.int16, fixed_length=6).shape.as_list() == [None, 3]
        return tf.reduce_sum(tf.cast(tf.io.decode_raw(x, tf.uint8), tf.float32))

    assert f(tf.constant(["ab", "cd"])).numpy() == 394.0


REFUSED = [
    lambda: tf.io.decode_raw(["abcd", "ef"], tf.uint8),
    lambda: tf.io.decode_raw(["abc"], tf.int16),
    lambda: tf.io.decode_raw(["ab"], tf.int16, fixed_length=3),
    lambda: tf.io.decode_raw(["ab"], tf.string),
    lambda: tf.io.decode_base64(["a"]),
    lambda: tf.io.decode_base64(["a+/b"]),
    lambda: tf.io.decode_base64(["YQ="]),
    lambda: tf.io.decode_compressed("abc", "LZ4"),
    lambda: tf.io.parse_tensor(tf.io.serialize_tensor([1, 2]), tf.float32),
    lambda: tf.io.parse_tensor(b"\xff\xff", tf.float32),
    lambda: tf.io.parse_tensor(["a"], tf.float32),
    lambda: tf.edit_distance(tf.SparseTensor([[0]], [1], [1]), tf.SparseTensor([[0]], [1], [1])),
]


@pytest.mark.parametrize("call", REFUSED, ids=range(len(REFUSED)))
def test_refused(call):
    with pytest.raises(Invalid):
        call()


def test_base64():
    assert tf.io.encode_base64(["hello", "", b"\xff\xfe\xfb"]).numpy().tolist() == [b"aGVsbG8", b"", b"__77"]
    assert tf.io.encode_base64("a", pad=True).numpy() == b"YQ=="
    assert tf.io.decode_base64(["aGVsbG8", "aGVsbG8=", "YQ==", "__79"]).numpy().tolist() == [
        b"hello", b"hello", b"a", b"\xff\xfe\xfd",
    ]  # fmt: skip


def test_decode_compressed():
    assert tf.io.decode_compressed([zlib.compress(b"abc")], "ZLIB").numpy().tolist() == [b"abc"]
    assert tf.io.decode_compressed(gzip.compress(b"abc"), "GZIP").numpy() == b"abc"
    assert tf.io.decode_compressed("abc").numpy() == b"abc"
    with pytest.raises(tf.errors.DataLossError, match="inflate"):
        tf.io.decode_compressed("abc", "ZLIB")


# Messages.

SERIALIZED = [
    (
        tf.constant([[1, 2], [3, 4]]),
        b'\x08\x03\x12\x08\x12\x02\x08\x02\x12\x02\x08\x02"\x10' + np.array([1, 2, 3, 4], "<i4").tobytes(),
    ),
    (tf.constant(["a", "b"]), b"\x08\x07\x12\x04\x12\x02\x08\x02B\x01aB\x01b"),
    (tf.constant(1.5), b'\x08\x01\x12\x00"\x04\x00\x00\xc0?'),
    (tf.constant(True), b'\x08\n\x12\x00"\x01\x01'),
    (tf.constant([1.5], tf.bfloat16), b'\x08\x0e\x12\x04\x12\x02\x08\x01"\x02\xc0?'),
]  # fmt: skip


@pytest.mark.parametrize(("tensor", "data"), SERIALIZED, ids=range(len(SERIALIZED)))
def test_serialize_and_parse(tensor, data):
    assert tf.io.serialize_tensor(tensor).numpy() == data
    np.testing.assert_array_equal(tf.io.parse_tensor(data, tensor.dtype), tensor)


ARRAYS = [
    np.array([1, 2], np.int32),
    np.array(5.0),
    np.array([1 + 2j]),
    np.array([True]),
    np.array([1.5], np.float16),
    np.array([1.5], ml_dtypes.bfloat16),
    np.array([], np.float32),
    np.array([b"a", b"b"], object),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda each: each.dtype.name)
def test_tensor_proto_and_back(array):
    found = tf.make_ndarray(tf.make_tensor_proto(array))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_fewer_values_than_the_shape_has():
    proto = tf.make_tensor_proto([1, 2], shape=[4])
    assert list(proto.int_val) == [1, 2]
    assert tf.make_ndarray(proto).tolist() == [1, 2, 2, 2]
    assert tf.make_ndarray(tf.make_tensor_proto(1.5, shape=[2, 2])).tolist() == [[1.5, 1.5], [1.5, 1.5]]
    assert tf.make_ndarray(tf.make_tensor_proto([1, 2, 3, 4], shape=[2, 2])).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: tf.make_tensor_proto([1, 2], shape=[3], verify_shape=True), TypeError),
        (lambda: tf.make_tensor_proto([1, 2, 3], shape=[2]), ValueError),
        (lambda: tf.make_tensor_proto(None), ValueError),
        (lambda: tf.function(lambda x: tf.make_tensor_proto(x))(tf.constant(1)), TypeError),
    ],
)
def test_protos_refused(call, error):
    with pytest.raises(error):
        call()


# Edit distances.


def test_edit_distance():
    said = tf.SparseTensor([[0, 0, 0], [1, 0, 0]], ["a", "b"], [2, 1, 1])
    meant = tf.SparseTensor([[0, 1, 0], [1, 0, 0], [1, 0, 1], [1, 1, 0]], ["a", "b", "c", "a"], [2, 2, 2])
    assert tf.edit_distance(said, meant).numpy().tolist() == [[np.inf, 1.0], [0.5, 1.0]]
    assert tf.edit_distance(said, meant, normalize=False).numpy().tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("a", "b", "steps"), [("", "", 0), ("", "ab", 2), ("kitten", "sitting", 3), ("flaw", "lawn", 2)]
)
def test_levenshtein(a, b, steps):
    assert levenshtein(a, b) == levenshtein(b, a) == steps


def test_edit_distance_wants_sparse_tensors():
    with pytest.raises(TypeError, match="Hypothesis must be a SparseTensor"):
        tf.edit_distance([1], [2])


# Text.


def test_text_and_bytes():
    assert [C.as_bytes("é"), C.as_bytes(b"a"), C.as_bytes(bytearray(b"a")), C.as_bytes("é", "latin1")] == [
        b"\xc3\xa9", b"a", b"a", b"\xe9",
    ]  # fmt: skip
    assert [C.as_text(b"\xc3\xa9"), C.as_str("a"), C.as_str_any(5), C.as_str_any(b"a")] == [
        "é",
        "a",
        "5",
        "a",
    ]
    assert [C.path_to_str(pathlib.Path("/a")), C.path_to_str(b"x")] == ["/a", b"x"]
    for function in (C.as_bytes, C.as_text):
        with pytest.raises(TypeError, match="Expected binary or unicode string"):
            function(1)


def test_types():
    assert isinstance(np.int64(1), C.integral_types) and not isinstance(1.5, C.integral_types)
    assert (
        isinstance(1.5, C.real_types)
        and isinstance(1j, C.complex_types)
        and isinstance("a", C.bytes_or_text_types)
    )


def test_forward_compatibility():
    assert C.forward_compatible(2019, 1, 1) and not C.forward_compatible(2999, 1, 1)
    with C.forward_compatibility_horizon(2018, 1, 1):
        assert not C.forward_compatible(2019, 1, 1)


@pytest.mark.parametrize(
    "use",
    [
        lambda data: tf.reshape(data, [1]),
        lambda data: tf.stack([data, data]),
        lambda data: tf.tile(data[tf.newaxis], [2]),
        lambda data: tf.map_fn(lambda _: data, tf.range(2), fn_output_signature=tf.string),
        lambda data: tf.cond(tf.size(data) > 0, lambda: data, lambda: ""),
    ],
)
def test_a_string_that_ends_in_zeros_stays_whole_in_a_function(use):
    x = tf.constant([1.0, 0.0])  # the last bytes of the message are zeros
    found = tf.function(lambda x: use(tf.io.serialize_tensor(x)))(x)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(use(tf.io.serialize_tensor(x))))
    assert np.asarray(found).dtype == object


ENDING_IN_ZEROS = {
    "numpy_function": lambda: tf.numpy_function(lambda: b"a\0", [], tf.string),
    "dataset": lambda: next(iter(tf.data.Dataset.from_tensor_slices([b"a\0"]))),
    "parsed": lambda: tf.io.parse_single_example(
        tf.train.Example(
            features=tf.train.Features(
                feature={"x": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"a\0"]))}
            )
        ).SerializeToString(),
        {"x": tf.io.FixedLenFeature([], tf.string)},
    )["x"],
}


@pytest.mark.parametrize("make", ENDING_IN_ZEROS.values(), ids=ENDING_IN_ZEROS.keys())
def test_strings_among_several_outputs_stay_whole_in_a_function(make):
    assert tf.function(lambda: tf.reshape(make(), [1]))().numpy().tolist() == [b"a\0"]
