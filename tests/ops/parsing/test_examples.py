"""`tf.io.parse_example` and its siblings: every kind of feature, defaults, and errors; the values are TensorFlow's."""

from __future__ import annotations

import pytest

import penstock as tf

io, train, E = tf.io, tf.train, tf.errors
Fixed, VarLen, Sparse, Ragged, Sequence = (
    io.FixedLenFeature,
    io.VarLenFeature,
    io.SparseFeature,
    io.RaggedFeature,
    io.FixedLenSequenceFeature,
)
f32, i64, string = tf.float32, tf.int64, tf.string


def feature(values):
    if values is None:
        return train.Feature()
    if values and isinstance(values[0], bytes):
        return train.Feature(bytes_list=train.BytesList(value=values))
    if values and isinstance(values[0], float):
        return train.Feature(float_list=train.FloatList(value=values))
    return train.Feature(int64_list=train.Int64List(value=values))


def example(**features):
    found = {key: feature(values) for key, values in features.items()}
    return train.Example(features=train.Features(feature=found)).SerializeToString(deterministic=True)


A = example(f=[1.0, 2.0, 3.0], i=[7], s=[b"x"], v=[1, -2, 300])
B = example(f=[4.0, 5.0, 6.0], i=[8], s=[b"yy"], v=[5])
EMPTY = example()
NO_VALUES = example(f=None, i=[3])
R1 = example(v=[1, 2, 3, 4], len=[1, 3], spl=[0, 1, 4], ids=[0, 1, 1, 1], st=[0, 1], lim=[1, 4])
R2 = example(v=[9], len=[1], spl=[0, 1], ids=[0], st=[0], lim=[1])


def plain(value):
    """A tensor of any kind as lists."""
    if isinstance(value, tf.SparseTensor):
        return (
            value.indices.numpy().tolist(),
            value.values.numpy().tolist(),
            value.dense_shape.numpy().tolist(),
        )
    return value.to_list() if hasattr(value, "to_list") else value.numpy().tolist()


CASES = [
    ([A, B], Fixed([3], f32), "f", [[1, 2, 3], [4, 5, 6]]),
    ([A, B], Fixed((), i64), "i", [7, 8]),
    ([A, B], Fixed(3, f32), "f", [[1, 2, 3], [4, 5, 6]]),
    ([A, B], Fixed((), string), "s", [b"x", b"yy"]),
    (A, Fixed([3], f32), "f", [1, 2, 3]),
    ([A, EMPTY], Fixed([3], f32, [0.0, 1.0, 2.0]), "f", [[1, 2, 3], [0, 1, 2]]),
    ([A, NO_VALUES], Fixed([3], f32, [9.0] * 3), "f", [[1, 2, 3], [9, 9, 9]]),
    ([A, EMPTY], Fixed([1], i64, -1), "i", [[7], [-1]]),
    ([EMPTY, B], Fixed([], string, "none"), "s", [b"none", b"yy"]),
    ([A, B, EMPTY], VarLen(i64), "v", ([[0, 0], [0, 1], [0, 2], [1, 0]], [1, -2, 300, 5], [3, 3])),
    (EMPTY, VarLen(i64), "v", ([], [], [0])),
    (A, VarLen(i64), "v", ([[0], [1], [2]], [1, -2, 300], [3])),
    ([A, B], VarLen(string), "s", ([[0, 0], [1, 0]], [b"x", b"yy"], [2, 1])),
    ([A, B, EMPTY], Sequence([], i64, True), "v", [[1, -2, 300], [5, 0, 0], [0, 0, 0]]),
    ([A, B], Sequence([], i64, True, -1), "v", [[1, -2, 300], [5, -1, -1]]),
    ([A, B], Sequence([3], f32, True), "f", [[[1, 2, 3]], [[4, 5, 6]]]),
    ([EMPTY, A], Sequence([], string, True), "s", [[b""], [b"x"]]),
    (EMPTY, Sequence([], i64, True), "v", []),
    ([A, B, EMPTY], Ragged(i64), "v", [[1, -2, 300], [5], []]),
    (A, Ragged(i64), "v", [1, -2, 300]),
    ([R1, R2], Ragged(i64, "v", [Ragged.RowLengths("len")]), "q", [[[1], [2, 3, 4]], [[9]]]),
    ([R1, R2], Ragged(i64, "v", [Ragged.RowSplits("spl")]), "q", [[[1], [2, 3, 4]], [[9]]]),
    ([R1, R2], Ragged(i64, "v", [Ragged.ValueRowIds("ids")]), "q", [[[1], [2, 3, 4]], [[9]]]),
    ([R1, R2], Ragged(i64, "v", [Ragged.RowStarts("st")]), "q", [[[1], [2, 3, 4]], [[9]]]),
    ([R1, R2], Ragged(i64, "v", [Ragged.RowLimits("lim")]), "q", [[[1], [2, 3, 4]], [[9]]]),
    ([R1, EMPTY, R2], Ragged(i64, "v", [Ragged.RowLengths("len")]), "q", [[[1], [2, 3, 4]], [], [[9]]]),
    ([R1, EMPTY, R2], Ragged(i64, "v", [Ragged.RowSplits("spl")]), "q", [[[1], [2, 3, 4]], [], [[9]]]),
    ([R1, EMPTY, R2], Ragged(i64, "v", [Ragged.ValueRowIds("ids")]), "q", [[[1], [2, 3, 4]], [], [[9]]]),
    ([R1, EMPTY, R2], Ragged(i64, "v", [Ragged.RowStarts("st")]), "q", [[[1], [2, 3, 4]], [], [[9]]]),
    ([R1, EMPTY, R2], Ragged(i64, "v", [Ragged.RowLimits("lim")]), "q", [[[1], [2, 3, 4]], [], [[9]]]),
    ([R1], Ragged(i64, "v", [Ragged.UniformRowLength(2)] * 2), "q", [[[[1, 2], [3, 4]]]]),
    (R1, Ragged(i64, "v", [Ragged.RowLengths("len")]), "q", [[1], [2, 3, 4]]),
    (R1, Ragged(i64, "v", [Ragged.UniformRowLength(2)]), "q", [[1, 2], [3, 4]]),
    (
        [R1, R2],
        Ragged(i64, "v", [Ragged.RowLengths("st"), Ragged.RowLengths("len")]),
        "q",
        [[[], [[1]]], [[]]],
    ),
    (
        [example(ix=[3, 0], v=[30, 10]), example(ix=[1], v=[5]), EMPTY],
        Sparse("ix", "v", i64, 5),
        "q",
        ([[0, 0], [0, 3], [1, 1]], [10, 30, 5], [3, 5]),
    ),
    (
        [example(ix=[3, 0], v=[30, 10])],
        Sparse("ix", "v", i64, 5, already_sorted=True),
        "q",
        ([[0, 3], [0, 0]], [30, 10], [1, 5]),
    ),
    (
        [example(ix=[3, 0], iy=[1, 2], v=[30, 10])],
        Sparse(["ix", "iy"], "v", i64, [5, 4]),
        "q",
        ([[0, 0, 2], [0, 3, 1]], [10, 30], [1, 5, 4]),
    ),
    (example(ix=[3, 0], v=[30, 10]), Sparse("ix", "v", i64, 5), "q", ([[0], [3]], [10, 30], [5])),
]


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("serialized, kind, key, expected", CASES)
def test_values(serialized, kind, key, expected, mode):
    def parse(data):
        return io.parse_example(data, {key: kind})[key]

    found = (parse if mode == "eager" else tf.function(parse))(tf.constant(serialized, string))
    assert plain(found) == expected
    if isinstance(serialized, bytes):
        assert plain(io.parse_single_example(serialized, {key: kind})[key]) == expected


def test_many_features_at_once_and_their_order():
    kinds = {"v": VarLen(i64), "f": Fixed([3], f32), "s": Ragged(string), "i": Fixed((), i64)}
    parsed = io.parse_example([A, B], kinds)
    assert list(parsed) == ["v", "f", "i", "s"]
    assert parsed["s"].row_splits.dtype is tf.int32
    assert io.parse_example([A], {"v": Ragged(i64, row_splits_dtype=i64)})["v"].row_splits.dtype is i64


def test_one_name_may_serve_two_features():
    parsed = io.parse_example(
        [example(ix=[3, 0], v=[30, 10])], {"v": VarLen(i64), "q": Sparse("ix", "v", i64, 5)}
    )
    assert plain(parsed["v"])[1] == [30, 10]
    assert plain(parsed["q"])[1] == [10, 30]


def test_an_empty_batch():
    parsed = io.parse_example(
        tf.constant([], string), {"v": VarLen(i64), "f": Fixed([3], f32), "r": Ragged(i64)}
    )
    assert plain(parsed["v"]) == ([], [], [0, 0])
    assert parsed["f"].shape == [0, 3]
    assert parsed["r"].to_list() == []


@pytest.mark.parametrize("batch", [None, 4])
def test_shapes_in_a_graph(batch):
    kinds = {
        "f": Fixed([3], f32), "q": Sequence([2], i64, True), "v": VarLen(i64), "z": Sparse("ix", "w", f32, 9),
        "r": Ragged(i64, value_key="u", partitions=[Ragged.RowLengths("n")]),
    }  # fmt: skip
    shapes = {}

    @tf.function(input_signature=[tf.TensorSpec([batch], string)])
    def parse(data):
        shapes.update({key: each.shape.as_list() for key, each in io.parse_example(data, kinds).items()})
        return 0

    parse.get_concrete_function()
    assert shapes["f"] == [batch, 3]
    assert shapes["q"] == [batch, None, 2]
    assert shapes["z"][1] == 9
    assert len(shapes["v"]) == 2
    assert len(shapes["r"]) == 3


ARGUMENT_ERRORS = [
    ({"f": Fixed(None, f32)}, "Missing shape for feature f"),
    ({"f": Fixed([None], f32)}, "First dimension of shape for feature f unknown"),
    ({"f": Fixed([3, None], f32)}, "All dimensions of shape for feature f need to be known"),
    ({"f": Fixed([3], None)}, "Missing type for feature f"),
    ({"f": VarLen(None)}, "Missing type for feature f"),
    ({"f": 3}, "Unsupported int 3 for key 'f'"),
    ({"f": Sequence([3], f32)}, "requires allow_missing to be True"),
    ({}, "features"),
    (None, "features"),
    ({"q": Sparse(None, "v", i64, 5)}, "Missing index_key"),
    ({"q": Sparse("ix", None, i64, 5)}, "Missing value_key"),
    ({"q": Sparse("ix", "v", i64, -5)}, "must not be negative"),
    ({"q": Sparse(["ix", "iy"], "v", i64, [5])}, "2 index keys and 1 sizes"),
    ({"v": VarLen(i64), "q": Ragged(i64, value_key="v")}, "Ragged and sparse keys must not intersect"),
    ({"v": Fixed([2], i64), "q": Sparse("ix", "v", i64, 5)}, "Dense and sparse keys must not intersect"),
    ({"v": VarLen(f32), "q": Sparse("ix", "v", i64, 5)}, "Conflicting type"),
    ({"q": Ragged(i64, "v"), "w": Ragged(i64, "v", row_splits_dtype=i64)}, "Conflicting partition type"),
]


@pytest.mark.parametrize("kinds, message", ARGUMENT_ERRORS)
def test_features_that_do_not_make_sense(kinds, message):
    with pytest.raises(ValueError, match=message):
        io.parse_example([example(ix=[3, 0], v=[30, 10])], kinds)


@pytest.mark.parametrize(
    "arguments, error",
    [
        ((None,), TypeError),
        ((i64, None, 3), TypeError),
        ((i64, None, [3]), TypeError),
        ((i64, None, (), tf.int16), ValueError),
    ],
)
def test_ragged_features_that_do_not_make_sense(arguments, error):
    with pytest.raises(error):
        Ragged(*arguments)


DATA_ERRORS = [
    (
        [A, example(f=[1.0, 2.0])],
        {"f": Fixed([3], f32)},
        r"Key: f, Index: 1\..*Values size: 2 but output shape: \[3\]",
    ),
    ([A, EMPTY], {"f": Fixed([3], f32)}, "Name: two, Feature: f .data type: float. is required"),
    ([A, NO_VALUES], {"f": Fixed([3], f32)}, "is required but could not be found"),
    ([A, B], {"f": Fixed([3], i64)}, "Expected type: int64, Actual type: float"),
    ([A, B], {"f": VarLen(i64)}, "Key: f, Index: 0.*Data types don't match"),
    ([A, B], {"f": Ragged(i64)}, "Data types don't match"),
    ([A, B], {"f": Fixed([3], tf.int32)}, "not in the list of allowed values"),
    ([A, B], {"f": VarLen(tf.int32)}, "not in the list of allowed values"),
    ([A, B[:-3]], {"f": VarLen(f32)}, "Name: two, Index: 1.*Could not parse example input"),
    ([A, B], {"f": Sequence([2], f32, True)}, "not a multiple of stride length. Saw 3"),
    ([A, B], {"f": Fixed([3], f32, [0.0, 1.0])}, "default value of feature f"),
]


@pytest.mark.parametrize("serialized, kinds, message", DATA_ERRORS)
def test_examples_that_do_not_fit(serialized, kinds, message):
    with pytest.raises(E.InvalidArgumentError, match=message):
        io.parse_example(serialized, kinds, example_names=["one", "two"])


def test_shapes_of_serialized():
    with pytest.raises(E.InvalidArgumentError, match="scalar or a vector"):
        io.parse_example([[A]], {"f": VarLen(f32)})
    with pytest.raises(ValueError, match="Input serialized must be a scalar"):
        io.parse_single_example([A], {"f": VarLen(f32)})
    with pytest.raises(E.InvalidArgumentError, match="names have the same shape"):
        io.parse_example([A], {"f": VarLen(f32)}, example_names=["a", "b"])


def test_v1_order_of_arguments():
    old = tf.compat.v1
    assert plain(old.parse_example([A], {"i": Fixed([], i64)}, "name", ["n"])["i"]) == [7]
    assert plain(old.parse_single_example(A, {"i": Fixed([], i64)}, name="n")["i"]) == 7


def test_ops_of_older_graphs():
    attrs = {"sparse_types": [i64], "dense_shapes": [[3]]}
    found = tf.raw_ops.ParseExample(
        serialized=[A, B],
        names=[],
        sparse_keys=["v"],
        dense_keys=["f"],
        dense_defaults=[tf.zeros([0])],
        **attrs,
    )
    assert found.dense_values[0].numpy().tolist() == [[1, 2, 3], [4, 5, 6]]
    found = tf.raw_ops.ParseSingleExample(
        serialized=A,
        dense_defaults=[tf.zeros([0])],
        num_sparse=1,
        sparse_keys=["v"],
        dense_keys=["f"],
        **attrs,
    )
    assert found.sparse_values[0].numpy().tolist() == [1, -2, 300]
