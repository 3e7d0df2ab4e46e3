"""`tf.io.decode_proto`, `tf.io.encode_proto`; values, bytes and classes of errors are TensorFlow's."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import penstock as tf

E = tf.errors
# Name of a field -> (number of its type, dtype, a value).
FIELDS = {
    "d": (1, tf.float64, 1.5),
    "f": (2, tf.float32, 2.5),
    "i64": (3, tf.int64, -3),
    "u64": (4, tf.uint64, 4),
    "i32": (5, tf.int32, -5),
    "fx64": (6, tf.uint64, 6),
    "fx32": (7, tf.uint32, 7),
    "b": (8, tf.bool, True),
    "s": (9, tf.string, b"\xc3\xa9"),
    "by": (12, tf.string, b"\xff"),
    "u32": (13, tf.uint32, 8),
    "sfx32": (15, tf.int32, -9),
    "sfx64": (16, tf.int64, -10),
    "si32": (17, tf.int32, -11),
    "si64": (18, tf.int64, -12),
}


def _described():
    described = descriptor_pb2.FileDescriptorSet()
    file = described.file.add(name="proto_ops_test.proto", package="t", syntax="proto2")
    file.message_type.add(name="Sub").field.add(name="q", number=1, type=5, label=1)
    message = file.message_type.add(name="M")
    for number, (name, (kind, _, _)) in enumerate(FIELDS.items(), 1):
        message.field.add(name=name, number=number, type=kind, label=1)
    message.field.add(name="repeated", number=22, type=5, label=3)
    message.field.add(name="packed", number=23, type=5, label=3).options.packed = True
    message.field.add(name="texts", number=24, type=9, label=3)
    message.field.add(name="subs", number=25, type=11, type_name=".t.Sub", label=3)
    message.field.add(name="preset", number=26, type=5, label=1, default_value="42")
    return described


DESCRIBED = _described()
SOURCE = b"bytes://" + DESCRIBED.SerializeToString()
_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(DESCRIBED.file[0])
Message = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("t.M"))
A = Message(repeated=[1, 2, 3], packed=[4, 5], texts=["a", "b"], subs=[{"q": 1}, {"q": 2}])
for _name, (_kind, _, _value) in FIELDS.items():
    setattr(A, _name, _value.decode() if _kind == 9 else _value)
A = A.SerializeToString()
B = Message(repeated=[8]).SerializeToString()


def decode(data, names, types, **options):
    return tf.io.decode_proto(data, "t.M", names, types, descriptor_source=SOURCE, **options)


def encode(sizes, values, names):
    return tf.io.encode_proto(sizes, values, names, "t.M", descriptor_source=SOURCE)


@pytest.mark.parametrize("name", FIELDS)
def test_every_type_of_field_round_trips(name):
    _, dtype, value = FIELDS[name]
    found = decode([A, B], [name], [dtype])
    assert found.sizes.numpy().tolist() == [[1], [0]]
    zero = b"" if dtype is tf.string else 0
    assert found.values[0].numpy().tolist() == [[value], [zero]]
    assert found.values[0].dtype is dtype
    again = encode(found.sizes, found.values, [name])
    assert decode(again, [name], [dtype]).values[0].numpy().tolist() == [[value], [zero]]


@pytest.mark.parametrize(
    "name, dtype, sizes, values",
    [
        ("repeated", tf.int32, [3, 1], [[1, 2, 3], [8, 0, 0]]),
        ("packed", tf.int32, [2, 0], [[4, 5], [0, 0]]),
        ("texts", tf.string, [2, 0], [[b"a", b"b"], [b"", b""]]),
        ("subs", tf.string, [2, 0], [[b"\x08\x01", b"\x08\x02"], [b"", b""]]),
        ("preset", tf.int32, [0, 0], [[42], [42]]),
        ("i32", tf.int64, [1, 0], [[-5], [0]]),
        ("f", tf.float64, [1, 0], [[2.5], [0.0]]),
    ],
)
def test_decoding(name, dtype, sizes, values):
    found = decode([A, B], [name], [dtype])
    assert found.sizes.numpy()[:, 0].tolist() == sizes
    assert found.values[0].numpy().tolist() == values


def test_shapes():
    sizes, values = decode([[A], [B]], ["repeated"], [tf.int32])
    assert sizes.shape == [2, 1, 1]
    assert values[0].shape == [2, 1, 3]
    assert decode(A, ["repeated"], [tf.int32]).values[0].numpy().tolist() == [1, 2, 3]


def test_text_format():
    found = decode(["repeated: 4 repeated: 5"], ["repeated"], [tf.int32], message_format="text")
    assert found.values[0].numpy().tolist() == [[4, 5]]


def test_encoding_is_in_the_order_of_numbers():
    values = [np.array([[1, 2]], np.int32), np.array([[9, 0]], np.int32)]
    assert encode([[2, 1]], values, ["repeated", "i32"]).numpy() == [b"\x28\x09\xb0\x01\x01\xb0\x01\x02"]
    assert encode([[2]], values[:1], ["packed"]).numpy() == [b"\xba\x01\x02\x01\x02"]


def test_in_a_graph():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def again(data):
        sizes, values = decode(data, ["repeated", "s"], [tf.int32, tf.string])
        assert sizes.shape.as_list() == [None, 2]
        return encode(sizes, values, ["repeated", "s"])

    assert again(tf.constant([B])).numpy() == [B]


def test_messages_of_this_process_and_of_a_file(tmp_path):
    data = tf.train.Int64List(value=[3]).SerializeToString()
    found = tf.io.decode_proto([data], "tensorflow.Int64List", ["value"], [tf.int64])
    assert found.values[0].numpy().tolist() == [[3]]
    path = tmp_path / "described"
    path.write_bytes(DESCRIBED.SerializeToString())
    found = tf.io.decode_proto([B], "t.M", ["repeated"], [tf.int32], str(path))
    assert found.values[0].numpy().tolist() == [[8]]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: decode([A], ["nothing"], [tf.int32]), "Unknown field: nothing"),
        (lambda: tf.io.decode_proto([A], "t.Q", ["repeated"], [tf.int32], SOURCE), "No descriptor found"),
        (lambda: tf.io.decode_proto([A], "t.M", ["repeated"], [tf.int32]), "No descriptor found"),
        (lambda: decode([A], ["repeated"], [tf.string]), "Unexpected output type"),
        (lambda: decode([A], ["u32"], [tf.int64]), "Unexpected output type"),
        (lambda: decode([A], ["repeated"], [tf.int32, tf.int32]), "same length"),
        (lambda: decode([A], ["repeated"], [tf.int32], message_format="xml"), "message_format"),
        (lambda: decode(tf.constant([], tf.string), ["repeated"], [tf.int32]), "at least one"),
        (
            lambda: tf.io.decode_proto([A], "t.M", ["repeated"], [tf.int32], b"bytes://\xff"),
            "FileDescriptorSet",
        ),
        (lambda: encode([[3]], [np.array([[1, 2]], np.int32)], ["repeated"]), "3 > 2 at message 0 field 0"),
        (lambda: encode([[1]], [np.array([[1.5]], np.float32)], ["i32"]), "Incompatible type"),
        (lambda: encode([[1]], [np.array([[1], [2]], np.int32)], ["i32"]), "sizes should be"),
        (lambda: encode([2], [np.array([1, 2], np.int32)], ["packed"]), "at least a matrix"),
    ],
)
def test_refused(call, message):
    with pytest.raises(E.InvalidArgumentError, match=message):
        call()


@pytest.mark.parametrize("data", [b"\xff\xff", A[:-1]])
def test_damaged_messages(data):
    with pytest.raises(E.DataLossError, match="message 1"):
        decode([A, data], ["repeated"], [tf.int32])
