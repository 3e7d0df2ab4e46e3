"""Buffers of batches are aligned; what programs write into is copied into XLA's own memory, with its numbers and dtype."""

import numpy as np
import pytest

import penstock as tf
from penstock.engine import aligned
from penstock.engine.xla import jax, jit, jnp, wide_types


@pytest.mark.parametrize("offset", [0, 16])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_arrays_in_own_memory_may_be_written(monkeypatch, dtype, large, offset):
    monkeypatch.setattr(aligned, "_WORTH_COMPILING", 0 if large else 1 << 24)
    buffer = aligned.empty((4096,), np.uint8)
    array = buffer[offset : offset + 800].view(dtype)
    array[:] = np.arange(array.size)
    expected = array.copy()
    copied = np.asarray(aligned.in_own_memory(array))
    np.testing.assert_array_equal(copied, expected)
    assert copied.dtype == dtype
    again = aligned.in_own_memory(array)
    assert np.asarray(jit(lambda x: x + 1, donate_argnums=0)(again))[1] == 2
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, bool])
@pytest.mark.parametrize("shape", [(0,), (5, 7), (1 << 13, 1 << 11)])
def test_zeros_become_arrays_that_programs_write(dtype, shape):
    zeros = aligned.zeros(shape, dtype)
    assert zeros.shape == shape and zeros.dtype == dtype and not zeros.any()
    own = aligned.in_own_memory(zeros)
    assert own.shape == shape and own.dtype == dtype
    assert not np.asarray(jit(lambda x: ~(x == 0), donate_argnums=0)(own)).any()
    assert not zeros.any() and zeros.flags.writeable == (zeros.nbytes < 1 << 24)
    if zeros.size and zeros.flags.writeable:
        zeros.reshape(-1)[-1] = 1
        assert np.asarray(aligned.in_own_memory(zeros)).sum() == 1
        zeros.reshape(-1)[-1] = 0
    first = aligned.first_value(zeros)
    assert isinstance(first, jax.Array) == (zeros.nbytes >= 1 << 24)
    assert first.shape == shape and first.dtype == dtype and not np.asarray(first).any()


def test_other_mapped_memory_is_no_zeros(tmp_path):
    mapped = np.memmap(tmp_path / "numbers", np.float32, "w+", shape=(1 << 22,))
    mapped[:] = 3
    assert aligned.first_value(mapped) is mapped
    assert (np.asarray(aligned.in_own_memory(mapped)) == 3).all()
    assert (tf.Variable(mapped).numpy() == 3).all()


@pytest.mark.parametrize("shape", [(1 << 40, 1 << 40), (1 << 45,)])
def test_zeros_without_end_are_refused_as_numpy_does(shape):
    with pytest.raises((MemoryError, ValueError)) as refused:
        np.zeros(shape, np.float32)
    with pytest.raises(type(refused.value)):
        aligned.zeros(shape, np.float32)


def test_an_array_behind_a_view_is_taken_where_nobody_else_has_it():
    def view_of(array):
        return np.asarray(array)

    with wide_types():
        view, shared = view_of(jnp.arange(9.0)), jnp.arange(9.0)
    assert aligned.array_behind(view_of(shared)) is None  # `shared` is another user
    assert aligned.array_behind(view[1:]) is None and aligned.array_behind(np.arange(9.0)) is None
    own = aligned.array_behind(view)
    assert aligned.array_behind(view) is None  # now this test has it
    place = own.unsafe_buffer_pointer()
    other = jit(lambda x: x + 1, donate_argnums=0)(own)  # while there is a view, its numbers stay
    assert other.unsafe_buffer_pointer() != place
    np.testing.assert_array_equal(view, np.arange(9.0))
    view = view_of(other)
    del other
    own = aligned.array_behind(view)
    place = own.unsafe_buffer_pointer()
    del view
    assert jit(lambda x: x + 1, donate_argnums=0)(own).unsafe_buffer_pointer() == place


def test_variables_of_one_tensor_keep_their_numbers():
    tensor = tf.function(lambda x: x * 2)(tf.ones([200, 200]))
    first, second = tf.Variable(tensor), tf.Variable(tensor)
    double = tf.function(lambda variable: variable.assign(variable * 2))
    double(first)
    assert (tensor.numpy() == 2).all() and (second.numpy() == 2).all()
    del tensor
    double(second), double(first), double(second)
    assert (first.numpy() == 8).all() and (second.numpy() == 8).all()


def test_negative_zeros_stay_negative():
    array = np.full(1 << 22, -0.0, np.float32)
    assert np.signbit(np.asarray(aligned.in_own_memory(array))).all()


@pytest.mark.parametrize("offset", [0, 16])
@pytest.mark.parametrize(
    ("dtype", "result"), [(np.float32, np.float32), (np.float64, np.float32), (np.int32, np.bool_)]
)
def test_large_constants_are_aligned_copies(dtype, result, offset):
    buffer = aligned.empty((1 << 18,), np.uint8)
    array = buffer[offset : offset + (1 << 17)].view(dtype).reshape(4, -1).T
    array[:] = np.arange(array.size).reshape(array.shape) % 251
    value = tf.constant(array, tf.as_dtype(result)).host()
    np.testing.assert_array_equal(value, array.astype(result))
    assert value.dtype == result
    assert value.ctypes.data % aligned.ALIGNMENT == 0
    assert not np.shares_memory(value, array)
