"""IndexedSlices: shape, type, conversion to a dense tensor."""

import pytest

import penstock as tf
from penstock.types import nest


@pytest.fixture
def slices():
    return tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([0, 0]), tf.constant([3, 2]))


def test_repeated_indices_add_up_in_the_dense_tensor(slices):
    assert tf.convert_to_tensor(slices).numpy().tolist() == [[4.0, 6.0], [0.0, 0.0], [0.0, 0.0]]


def test_conversion_checks_dtype_and_shape(slices):
    with pytest.raises(ValueError, match="dtype"):
        tf.convert_to_tensor(slices, tf.float64)
    with pytest.raises(ValueError, match="dense_shape"):
        tf.convert_to_tensor(tf.IndexedSlices(slices.values, slices.indices))


def test_shape_is_known_as_far_as_it_can_be(slices):
    assert slices.shape == [3, 2]
    assert tf.IndexedSlices(slices.values, slices.indices).shape.as_list() == [None, 2]


def test_negation_keeps_the_indices(slices):
    assert (-slices).values.numpy().tolist() == [[-1.0, -2.0], [-3.0, -4.0]]


def test_nest_takes_it_apart_and_together(slices):
    doubled = nest.map_structure(lambda x: x * 2, slices, expand_composites=True)
    assert doubled.values.numpy().tolist() == [[2.0, 4.0], [6.0, 8.0]]
    assert len(nest.flatten(slices, expand_composites=True)) == 3


@pytest.mark.parametrize(
    ("spec", "components"),
    [
        (tf.IndexedSlicesSpec(), 2),
        (tf.IndexedSlicesSpec([3, 2], tf.float64, tf.int32, tf.int64, [5]), 3),
    ],
)
def test_specs_describe_the_components(spec, components):
    assert len(spec._component_specs) == components
    assert spec == type(spec)(*spec._serialize())


def test_spec_of_a_value(slices):
    assert slices._type_spec == tf.IndexedSlicesSpec([3, 2], tf.float32, tf.int32, tf.int32, [2])
    assert slices._type_spec.is_compatible_with(slices)
