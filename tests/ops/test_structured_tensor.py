"""Tests for `tf.experimental.StructuredTensor`, whose values were taken from the oracle."""

import pytest

import penstock as tf

StructuredTensor = tf.experimental.StructuredTensor


def people():
    return StructuredTensor.from_pyval([{"x": 1, "y": ["a", "b"]}, {"x": 2, "y": ["c"]}])


def nested():
    return StructuredTensor.from_pyval([{"docs": [{"t": [1, 2]}, {"t": [3]}]}, {"docs": []}])


def grid():
    return StructuredTensor.from_pyval([[{"x": 1}], [{"x": 2}, {"x": 3}]])


def test_from_pyval():
    made = people()
    assert (made.shape, made.rank, made.field_names()) == ((2,), 1, ("x", "y"))
    assert int(made.nrows()) == 2
    assert made.field_value("y").to_list() == [[b"a", b"b"], [b"c"]]
    assert made.to_pyval() == [{"x": 1, "y": [b"a", b"b"]}, {"x": 2, "y": [b"c"]}]
    ragged = grid()
    assert ragged.shape.as_list() == [2, None]
    assert ragged.row_partitions[0].row_splits().numpy().tolist() == [0, 1, 3]
    assert ragged.to_pyval() == [[{"x": 1}], [{"x": 2}, {"x": 3}]]
    assert StructuredTensor.from_pyval(3).shape == ()


@pytest.mark.parametrize(
    ("value", "error"), [([{"a": 1}, {"b": 2}], KeyError), ([{"a": 1}, {"a": "x"}], ValueError)]
)
def test_from_pyval_wants_like_records(value, error):
    with pytest.raises(error):
        StructuredTensor.from_pyval(value)


def test_from_fields_checks_the_outer_shape():
    made = StructuredTensor.from_fields({"x": [1, 2], "y": tf.ragged.constant([[1], [2, 3]])}, shape=[2])
    assert made.to_pyval() == [{"x": 1, "y": [1]}, {"x": 2, "y": [2, 3]}]
    with pytest.raises(ValueError, match="Error in shape of y"):
        StructuredTensor.from_fields({"x": [1, 2], "y": [1, 2, 3]}, shape=[None])
    with pytest.raises(ValueError):
        StructuredTensor.from_fields({"x": [1, 2]}, shape=[3])
    assert StructuredTensor.from_fields({}, shape=[None], nrows=3).to_pyval() == [{}, {}, {}]


def test_indices():
    made = people()
    assert made[-1].to_pyval() == {"x": 2, "y": [b"c"]}
    assert made[:1].to_pyval() == [{"x": 1, "y": [b"a", b"b"]}]
    assert made[0, "y"].numpy().tolist() == [b"a", b"b"]
    assert made[:, "x"].numpy().tolist() == [1, 2]
    assert grid()[1, 1:].to_pyval() == [{"x": 3}]
    with pytest.raises(TypeError):
        made["x"]


def test_with_updates():
    changed = people().with_updates({"z": [5, 6], "x": lambda x: x * 10, "y": None})
    assert changed.to_pyval() == [{"x": 10, "z": 5}, {"x": 20, "z": 6}]
    deeper = nested().with_updates({("docs", "t"): lambda t: t + 1})
    assert deeper.to_pyval() == [{"docs": [{"t": [2, 3]}, {"t": [4]}]}, {"docs": []}]
    with pytest.raises(ValueError):
        people().with_updates({"z": [5, 6, 7]})
    with pytest.raises(ValueError):
        people().with_updates({("nope", "z"): [5]})


def test_outer_dimensions():
    assert grid().merge_dims(0, 1).to_pyval() == [{"x": 1}, {"x": 2}, {"x": 3}]
    grouped = people().partition_outer_dimension(tf.experimental.RowPartition.from_row_splits([0, 2]))
    assert grouped[:, :, "x"].to_list() == [[1, 2]]
    promoted = nested().promote(("docs", "t"), "t")
    assert promoted.field_value("t").to_list() == [[1, 2, 3], []]
    assert grid().with_shape_dtype(tf.int32).row_partitions[0].dtype == tf.int32


def test_in_functions_and_nests():
    assert len(tf.nest.flatten(people(), expand_composites=True)) == 4
    merged = tf.function(lambda value: value.merge_dims(0, 1))(grid())
    assert merged.to_pyval() == [{"x": 1}, {"x": 2}, {"x": 3}]


def test_in_datasets():
    rows = list(tf.data.Dataset.from_tensor_slices(nested()))
    assert [row.to_pyval() for row in rows] == [{"docs": [{"t": [1, 2]}, {"t": [3]}]}, {"docs": []}]
    batch = next(iter(tf.data.Dataset.from_tensors(StructuredTensor.from_pyval({"c": 3.0})).batch(2)))
    assert batch.to_pyval() == [{"c": 3.0}]
