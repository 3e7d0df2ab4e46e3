"""`tf.io.parse_sequence_example` and `parse_single_sequence_example`; the values are TensorFlow's."""

from __future__ import annotations

import pytest

import penstock as tf

io, train, E = tf.io, tf.train, tf.errors
Fixed, VarLen, Ragged, Sequence = (
    io.FixedLenFeature,
    io.VarLenFeature,
    io.RaggedFeature,
    io.FixedLenSequenceFeature,
)
i64, string = tf.int64, tf.string


def feature(values):
    if values is None:
        return train.Feature()
    if values and isinstance(values[0], bytes):
        return train.Feature(bytes_list=train.BytesList(value=values))
    return train.Feature(int64_list=train.Int64List(value=values))


def sequence(context, **lists):
    steps = {key: train.FeatureList(feature=map(feature, each)) for key, each in lists.items()}
    return train.SequenceExample(
        context=train.Features(feature={key: feature(each) for key, each in context.items()}),
        feature_lists=train.FeatureLists(feature_list=steps),
    ).SerializeToString(deterministic=True)


A = sequence({"n": [7], "t": [b"x", b"y"]}, d=[[1, 2], [3, 4], [5, 6]], r=[[1], [2, 3], []], e=[])
B = sequence({"n": [8]}, d=[[9, 9]], r=[[4, 5, 6]])
C = sequence({"n": [9]})
CONTEXT = {"n": Fixed([], i64)}


def plain(value):
    if isinstance(value, tf.SparseTensor):
        return (
            value.indices.numpy().tolist(),
            value.values.numpy().tolist(),
            value.dense_shape.numpy().tolist(),
        )
    return value.to_list() if hasattr(value, "to_list") else value.numpy().tolist()


CASES = [
    ([A, B], "d", Sequence([2], i64), [[[1, 2], [3, 4], [5, 6]], [[9, 9], [0, 0], [0, 0]]]),
    ([A, C], "d", Sequence([2], i64, True), [[[1, 2], [3, 4], [5, 6]], [[0, 0], [0, 0], [0, 0]]]),
    (A, "d", Sequence([2], i64), [[1, 2], [3, 4], [5, 6]]),
    (C, "d", Sequence([2], i64, True), []),
    (
        [A, B, C],
        "r",
        VarLen(i64),
        ([[0, 0, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 0, 2]], [1, 2, 3, 4, 5, 6], [3, 3, 3]),
    ),
    (A, "r", VarLen(i64), ([[0, 0], [1, 0], [1, 1]], [1, 2, 3], [3, 2])),
    ([A, B, C], "r", Ragged(i64), [[[1], [2, 3], []], [[4, 5, 6]], []]),
    (A, "r", Ragged(i64), [[1], [2, 3], []]),
    ([sequence({"n": [1]}, r=[[1, 2], None])], "r", Ragged(i64), [[[1, 2], []]]),
    (
        [sequence({"n": [1]}, v=[[1, 2, 3], [4, 5]], ln=[[1, 2], [2]])] * 2,
        "v",
        Ragged(i64, partitions=[Ragged.RowLengths("ln")]),
        [[[[1], [2, 3]], [[4, 5]]]] * 2,
    ),
    (
        sequence({"n": [1]}, v=[[1, 2], [4, 5]]),
        "v",
        Ragged(i64, partitions=[Ragged.UniformRowLength(2)]),
        [[[1, 2]], [[4, 5]]],
    ),
]


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("serialized, key, kind, expected", CASES)
def test_feature_lists(serialized, key, kind, expected, mode):
    def parse(data):
        return io.parse_sequence_example(data, CONTEXT, {key: kind})[1][key]

    found = (parse if mode == "eager" else tf.function(parse))(tf.constant(serialized, string))
    assert plain(found) == expected
    if isinstance(serialized, bytes):
        assert plain(io.parse_single_sequence_example(serialized, CONTEXT, {key: kind})[1][key]) == expected


def test_context():
    kinds = {"n": VarLen(i64), "t": Ragged(string), "u": Fixed([2], string, ["q", "w"])}
    context, lists, lengths = io.parse_sequence_example([A, B, C], kinds)
    assert plain(context["n"]) == ([[0, 0], [1, 0], [2, 0]], [7, 8, 9], [3, 1])
    assert plain(context["t"]) == [[b"x", b"y"], [], []]
    assert plain(context["u"]) == [[b"q", b"w"]] * 3
    assert lists == lengths == {}


def test_lengths():
    kinds = {"d": Sequence([2], i64, True)}
    assert plain(io.parse_sequence_example([A, B, C], CONTEXT, kinds)[2]["d"]) == [3, 1, 0]
    assert plain(io.parse_sequence_example(A, CONTEXT, kinds)[2]["d"]) == 3


def test_shapes_in_a_graph():
    found = {}

    @tf.function(input_signature=[tf.TensorSpec([None], string)])
    def parse(data):
        context, lists, lengths = io.parse_sequence_example(
            data, {"n": Fixed([3], i64)}, {"d": Sequence([2], i64), "r": VarLen(i64), "z": Ragged(i64)}
        )
        shapes = {key: each.shape.as_list() for key, each in (context | lists).items()}
        found.update(shapes, length=lengths["d"].shape.as_list())
        return 0

    parse.get_concrete_function()
    assert found == {
        "n": [None, 3], "d": [None, None, 2], "r": [None] * 3, "z": [None] * 3, "length": [None]
    }  # fmt: skip


DATA_ERRORS = [
    ([A, C], {"d": Sequence([2], i64)}, "Name: two, Feature list 'd' is required but could not be found"),
    ([A, B], {"d": Sequence([3], i64)}, "Key: d, Index: 0.*step 0.*Values size: 2"),
    ([A, B], {"r": Sequence([1], i64)}, "Key: r, Index: 0.*step 1"),
    ([A, B], {"d": Sequence([2], tf.float32)}, "Data types don't match"),
    ([B, A], {"r": VarLen(string)}, "Expected type: string, Actual type: int64"),
    ([A, b"garbage"], {"r": VarLen(i64)}, "Name: two, Index: 1. Could not parse sequence example"),
    ([A, B[:-2]], {"r": VarLen(i64)}, "Index: 1"),
]


@pytest.mark.parametrize("serialized, kinds, message", DATA_ERRORS)
def test_examples_that_do_not_fit(serialized, kinds, message):
    with pytest.raises(E.InvalidArgumentError, match=message):
        io.parse_sequence_example(serialized, CONTEXT, kinds, example_names=["one", "two"])


@pytest.mark.parametrize(
    "context, lists, message",
    [
        (None, None, "at least one"),
        ({"z": io.SparseFeature("a", "b", i64, 9)}, None, "Unsupported SparseFeature"),
        ({"z": Sequence([], i64, True)}, None, "Unsupported FixedLenSequenceFeature"),
        (None, {"z": Fixed([2], i64)}, "Unsupported FixedLenFeature"),
        (None, {"z": Sequence([2], i64, True, -1)}, "must be None"),
    ],
)
def test_features_that_do_not_make_sense(context, lists, message):
    with pytest.raises(ValueError, match=message):
        io.parse_sequence_example([A], context, lists)


def test_single_takes_a_scalar():
    with pytest.raises(ValueError, match="must be a scalar"):
        io.parse_single_sequence_example([A], CONTEXT)


def test_op_of_older_graphs():
    found = tf.raw_ops.ParseSingleSequenceExample(
        serialized=A, feature_list_dense_missing_assumed_empty=[], context_sparse_keys=[],
        context_dense_keys=["n"], feature_list_sparse_keys=["r"], feature_list_dense_keys=["d"],
        context_dense_defaults=[tf.constant([], i64)], debug_name="", context_dense_shapes=[[]],
        feature_list_dense_types=[i64], feature_list_sparse_types=[i64], feature_list_dense_shapes=[[2]],
    )  # fmt: skip
    assert found.context_dense_values[0].numpy() == 7
    assert found.feature_list_dense_values[0].numpy().tolist() == [[1, 2], [3, 4], [5, 6]]
