"""TensorShape and Dimension: values and messages as TensorFlow 2.21 has them."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as tf
from penstock.types import shapes
from penstock.types.shapes import Dimension, TensorShape, as_shape, broadcast_shape, unknown_shape
from tests.ids import stable_id

partial_dims = st.none() | st.lists(st.none() | st.integers(0, 4), max_size=4)


@pytest.mark.parametrize(
    ("dims", "expected"),
    [
        (None, "TensorShape(None)"),
        (3, "TensorShape([3])"),
        ([], "TensorShape([])"),
        ([None, 3], "TensorShape([None, 3])"),
        (range(3), "TensorShape([0, 1, 2])"),
        ([np.int64(3)], "TensorShape([3])"),
        (np.array([1, 2]), "TensorShape([1, 2])"),
        ([Dimension(3)], "TensorShape([3])"),
        (Dimension(3), "TensorShape([3])"),
        (TensorShape([1]), "TensorShape([1])"),
        (iter([1, 2]), "TensorShape([1, 2])"),
        (np.int64(3), "TensorShape([3])"),
    ],
    ids=stable_id,
)
def test_construction(dims, expected):
    assert repr(TensorShape(dims)) == expected


@pytest.mark.parametrize("dims", ["3", ["a"], [2.5], [[1]], 3.0, [np.nan]], ids=stable_id)
def test_what_is_no_integer_is_refused(dims):
    with pytest.raises(TypeError):
        TensorShape(dims)


def test_negative_dimensions_are_refused():
    with pytest.raises(ValueError, match="Dimension -1 must be >= 0"):
        TensorShape([-1, 2])


@pytest.mark.parametrize(
    ("dims", "text"),
    [(None, "<unknown>"), ([1, None], "(1, None)"), ([3], "(3,)"), ([], "()")],
    ids=stable_id,
)
def test_str(dims, text):
    assert str(TensorShape(dims)) == text


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda: TensorShape(None).rank, None),
        (lambda: TensorShape([1, None]).ndims, 2),
        (lambda: TensorShape([1, None]).as_list(), [1, None]),
        (lambda: TensorShape([2, 3]).num_elements(), 6),
        (lambda: TensorShape([]).num_elements(), 1),
        (lambda: TensorShape([0, None]).num_elements(), None),
        (lambda: TensorShape(None).num_elements(), None),
        (lambda: TensorShape([1, None]).is_fully_defined(), False),
        (lambda: TensorShape([]).is_fully_defined(), True),
        (lambda: bool(TensorShape(None)), False),
        (lambda: bool(TensorShape([])), True),
        (lambda: len(TensorShape([1, 2])), 2),
        (lambda: list(TensorShape([1, None])), [1, None]),
        (lambda: TensorShape([1, 2])[-1], 2),
        (lambda: TensorShape(None)[0], None),
        (lambda: TensorShape([1, 2, 3])[1:], TensorShape([2, 3])),
        (lambda: TensorShape([1, 2, 3])[::2], TensorShape([1, 3])),
        (lambda: TensorShape(None)[1:], TensorShape(None)),
        (lambda: TensorShape(None)[1:3], TensorShape([None, None])),
        (lambda: TensorShape(None)[2:1], TensorShape([])),
        (lambda: TensorShape(None)[-2:], TensorShape(None)),
        (lambda: TensorShape(None)[:-1], TensorShape(None)),
        (lambda: TensorShape([1, None]).merge_with([None, 2]), TensorShape([1, 2])),
        (lambda: TensorShape(None).merge_with([2]), TensorShape([2])),
        (lambda: TensorShape([1]) + [2], TensorShape([1, 2])),
        (lambda: [1] + TensorShape([2]), TensorShape([1, 2])),
        (lambda: TensorShape([1]).concatenate(5), TensorShape([1, 5])),
        (lambda: TensorShape([1]).concatenate(None), TensorShape(None)),
        (lambda: TensorShape(None).with_rank(2), TensorShape([None, None])),
        (lambda: TensorShape([1]).is_compatible_with([None]), True),
        (lambda: TensorShape([1]).is_compatible_with([1, 1]), False),
        (lambda: TensorShape([1, 2]).most_specific_compatible_shape([1, 3]), TensorShape([1, None])),
        (lambda: TensorShape([1, 2]).most_specific_compatible_shape([1]), TensorShape(None)),
        (lambda: TensorShape([1, 2]).most_specific_common_supertype([]), TensorShape([1, 2])),
        (lambda: TensorShape([1, 2]).most_specific_common_supertype([5]), None),
        (lambda: unknown_shape(), TensorShape(None)),
        (lambda: unknown_shape(2), TensorShape([None, None])),
        (lambda: as_shape([1]), TensorShape([1])),
        (lambda: shapes.dimension_value(Dimension(3)), 3),
        (lambda: shapes.dimension_value(3), 3),
    ],
)
def test_value(expression, expected):
    got = expression()
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TensorShape(None).as_list(), "as_list() is not defined on an unknown TensorShape."),
        (lambda: len(TensorShape(None)), "Cannot take the length of shape with unknown rank."),
        (lambda: list(TensorShape(None)), "Cannot iterate over a shape with unknown rank."),
        (lambda: TensorShape(None)[::2], "Steps are not yet handled"),
        (lambda: TensorShape([1, None]).merge_with([2]), "Shapes (1, None) and (2,) are not compatible"),
        (lambda: TensorShape([1, 2]).with_rank(3), "Shape (1, 2) must have rank 3"),
        (lambda: TensorShape([1, 2]).with_rank_at_least(3), "Shape (1, 2) must have rank at least 3"),
        (lambda: TensorShape([1, 2]).with_rank_at_most(1), "Shape (1, 2) must have rank at most 1"),
        (lambda: TensorShape([None]).assert_is_fully_defined(), "Shape (None,) is not fully defined"),
        (lambda: TensorShape([1]).assert_has_rank(2), "Shape (1,) must have rank 2"),
        (lambda: TensorShape([1]).assert_same_rank([1, 2]), "Shapes (1,) and (1, 2) must have the same rank"),
        (lambda: TensorShape([1]).assert_is_compatible_with([2]), "Shapes (1,) and [2] are incompatible"),
        (lambda: Dimension(3).merge_with(4), "Dimensions 3 and 4 are not compatible"),
    ],
)
def test_error(call, message):
    with pytest.raises(ValueError) as raised:
        call()
    assert str(raised.value) == message


def test_assertions_pass_on_unknown_rank():
    TensorShape(None).assert_has_rank(2)
    TensorShape(None).assert_same_rank([1, 2])
    TensorShape(None).with_rank_at_most(1)


def test_index_out_of_range():
    with pytest.raises(IndexError):
        _ = TensorShape([1, 2])[5]


@pytest.mark.parametrize(
    "other", [[1, None], (1, None), TensorShape([1, None]), (Dimension(1), None)], ids=stable_id
)
def test_equality_with_what_makes_a_shape(other):
    assert TensorShape([1, None]) == other


@pytest.mark.parametrize("other", [None, "12", [1], object(), 1], ids=stable_id)
def test_inequality(other):
    assert TensorShape([1, 2]) != other


def test_unknown_equals_none():
    assert TensorShape(None) == None  # noqa: E711 - the operator is tested


def test_hash_is_that_of_the_tuple():
    assert hash(TensorShape([1, 2])) == hash((1, 2))


@pytest.mark.parametrize(
    ("narrow", "wide", "expected"),
    [
        ([1, None], [None, None], True),
        ([1, None], None, True),
        (None, [None], False),
        (None, None, True),
        ([1], [2], False),
        ([None], [1], False),
    ],
)
def test_is_subtype_of(narrow, wide, expected):
    assert TensorShape(narrow).is_subtype_of(TensorShape(wide)) is expected


def test_a_list_is_no_supertype():
    assert not TensorShape([1, 2]).is_subtype_of([1, 2])


def test_protobuf_and_pickle_keep_the_shape():
    for dims in (None, [], [None, 3]):
        shape = TensorShape(dims)
        assert TensorShape(shape.as_proto()) == shape
        assert pickle.loads(pickle.dumps(shape)) == shape


def test_tf1_behaviour_gives_dimensions():
    shapes.disable_v2_tensorshape()
    try:
        shape = TensorShape([2, None])
        assert shape[0].value == 2
        assert [dim.value for dim in shape] == [2, None]
        assert TensorShape(None)[0].value is None
    finally:
        shapes.enable_v2_tensorshape()


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 3], [2, 1], [2, 3]),
        ([None], [3], [3]),
        ([None], [1], [None]),
        ([None], [None], [None]),
        (None, [1], None),
        ([None, 1], [5], [None, 5]),
        ([], [2, 3], [2, 3]),
        ([0], [1], [0]),
    ],
)
def test_broadcast_shape(a, b, expected):
    assert broadcast_shape(a, b) == TensorShape(expected)
    assert broadcast_shape(b, a) == TensorShape(expected)


def test_broadcast_shape_of_shapes_that_do_not_fit():
    with pytest.raises(
        ValueError, match=r"Incompatible shapes for broadcasting.*Received: \(2,\) and \(1, 3\)"
    ):
        broadcast_shape([2], [1, 3])


@given(st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 3), max_size=4))
def test_broadcast_shape_agrees_with_numpy(a, b):
    try:
        expected = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ValueError):
            broadcast_shape(a, b)
    else:
        assert broadcast_shape(a, b) == expected


@given(partial_dims, partial_dims)
def test_the_common_shape_is_a_supertype_of_both(a, b):
    a, b = TensorShape(a), TensorShape(b)
    common = a.most_specific_common_supertype([b])
    assert a.is_subtype_of(common)
    assert b.is_subtype_of(common)


@given(partial_dims, partial_dims)
def test_merging_compatible_shapes_gives_a_subtype_of_both(a, b):
    a, b = TensorShape(a), TensorShape(b)
    if a.is_compatible_with(b):
        merged = a.merge_with(b)
        assert merged.is_subtype_of(a)
        assert merged.is_subtype_of(b)
    else:
        with pytest.raises(ValueError):
            a.merge_with(b)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda: Dimension(3) + 4, "Dimension(7)"),
        (lambda: 4 + Dimension(3), "Dimension(7)"),
        (lambda: 5 - Dimension(3), "Dimension(2)"),
        (lambda: Dimension(3) + None, "Dimension(None)"),
        (lambda: Dimension(7) // Dimension(2), "Dimension(3)"),
        (lambda: Dimension(7) % 4, "Dimension(3)"),
        (lambda: Dimension(3) * Dimension(None), "Dimension(None)"),
        (lambda: Dimension(3) < Dimension(4), "True"),
        (lambda: Dimension(3) < Dimension(None), "None"),
        (lambda: Dimension(3) == Dimension(None), "None"),
        (lambda: Dimension(None) == None, "None"),  # noqa: E711 - the operator is tested
        (lambda: Dimension(3) == 3, "True"),
        (lambda: Dimension(3) == "a", "False"),
        (lambda: Dimension(3).merge_with(None), "Dimension(3)"),
        (lambda: range(Dimension(3)), "range(0, 3)"),
        (lambda: str(Dimension(None)), "'?'"),
    ],
)
def test_dimension(expression, expected):
    assert repr(expression()) == expected


@pytest.mark.parametrize("divide", [lambda: Dimension(7) / 2, lambda: 7 / Dimension(2)])
def test_dimensions_are_not_divided_to_floats(divide):
    with pytest.raises(TypeError, match="please use // instead"):
        divide()


def test_dimensions_are_unhashable():
    with pytest.raises(TypeError):
        hash(Dimension(3))


def test_penstocks_own_code_reads_sizes_as_numbers_under_tf1_too():
    shapes.disable_v2_tensorshape()
    try:
        with tf.Graph().as_default():
            x = tf.compat.v1.placeholder(tf.float32, [None, 3])
            assert isinstance(x.shape[0], tf.compat.v1.Dimension)
            assert [type(each) for each in x.shape] == [tf.compat.v1.Dimension] * 2
            assert tf.reshape(x, tf.stack([tf.shape(x)[0], 3])).shape.as_list() == [None, 3]
            assert tf.reshape(x, tf.compat.v1.placeholder(tf.int32, [None])).shape.rank is None
    finally:
        shapes.enable_v2_tensorshape()
