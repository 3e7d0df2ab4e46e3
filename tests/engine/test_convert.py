import numpy as np
import pytest

import penstock as tf


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (1, tf.int32, ()),
        (1.5, tf.float32, ()),
        (True, tf.bool, ()),
        (1j, tf.complex128, ()),
        ("a", tf.string, ()),
        (2**40, tf.int64, ()),
        ([1, 2.5], tf.float32, (2,)),
        ([[1], [2]], tf.int32, (2, 1)),
        (np.float64(1), tf.float64, ()),
        (np.array([1, 2]), tf.int64, (2,)),
        ([np.float64(1), np.float64(2)], tf.float64, (2,)),
        ([], tf.float32, (0,)),
        (["a", b"b"], tf.string, (2,)),
        (range(3), tf.int32, (3,)),
    ],
)
def test_natural_dtypes(value, dtype, shape):
    tensor = tf.constant(value)
    assert tensor.dtype == dtype
    assert tensor.shape == shape


@pytest.mark.parametrize(("value", "dtype"), [(1.5, tf.int32), ("a", tf.float32), (1, tf.bool)])
def test_refused_dtypes(value, dtype):
    with pytest.raises(TypeError):
        tf.convert_to_tensor(value, dtype)


@pytest.mark.parametrize("value", [[[1], [1, 2]], [1, None], None])
def test_refused_values(value):
    with pytest.raises(ValueError):
        tf.convert_to_tensor(value)


def test_a_tensor_of_another_dtype_is_refused():
    with pytest.raises(ValueError, match="requested dtype int32"):
        tf.convert_to_tensor(tf.constant(1.0), tf.int32)


def test_arrays_are_copied():
    array = np.zeros(3)
    tensor = tf.constant(array)
    array[0] = 1
    assert tensor.numpy()[0] == 0


def test_numpy_gives_a_copy():
    tensor = tf.constant([1, 2])
    tensor.numpy()[0] = 5
    assert tensor.numpy()[0] == 1


def test_lists_with_tensors_are_packed():
    assert tf.convert_to_tensor([tf.constant(1.0), 2.0]).numpy().tolist() == [1.0, 2.0]


def test_registered_conversions():
    class Celsius:
        def __init__(self, degrees):
            self.degrees = degrees

    tf.register_tensor_conversion_function(
        Celsius, lambda value, dtype=None, name=None, as_ref=False: tf.constant(value.degrees, dtype)
    )
    assert tf.add(Celsius(20.0), 1.0).numpy() == 21.0


def test_an_explicit_dtype_casts_the_tensors_in_a_list():
    packed = tf.convert_to_tensor((tf.constant(3), 4, [tf.constant(5.7)][0]), tf.int64)
    assert packed.dtype == tf.int64
    np.testing.assert_array_equal(packed, [3, 4, 5])


def test_tensors_of_two_dtypes_in_a_list_are_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="float"):
        tf.convert_to_tensor([tf.constant(3), tf.constant(4.0)])


def test_dlpack_both_ways():
    array = np.arange(4, dtype=np.float32)
    tensor = tf.constant(array)
    np.testing.assert_array_equal(np.from_dlpack(tensor), array)


class _Column:
    """Strings as NumPy sees those of pandas."""

    def __array__(self, dtype=None, copy=None):
        return np.array(["a", "b"], object)


def test_a_column_of_strings_is_a_tensor_of_strings():
    assert tf.constant(_Column()).numpy().tolist() == [b"a", b"b"]
    with pytest.raises(TypeError, match="float32"):
        tf.constant(_Column(), tf.float32)
