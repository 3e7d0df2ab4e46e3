"""Runs recurrent cells over sequences whose length is a dimension: `nn.dynamic_rnn` and its relatives.

The loop is one `while_loop`, which compiles to one XLA loop with its backward pass; how long each example is only
selects between old and new states.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.ops.variables.mixed import in_graph_of_arguments
from penstock.ops.variables.scope import variable_scope
from penstock.types import nest
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor
from penstock.v1.api import tf
from penstock.v1.rnn_cell import check_cell, state_dtype, state_shape


def transpose_batch_time(x: Any) -> Any:
    """Swaps the first two axes; tensors of rank below 2 stay as they are."""
    rank = x.shape.rank
    if rank is not None and rank < 2:
        return x
    if rank is None:
        order = tf.concat([[1, 0], tf.range(2, tf.rank(x))], 0)
        return tf.transpose(x, order)
    dims = x.shape.as_list()
    swapped = tf.transpose(x, [1, 0, *range(2, rank)])
    swapped.set_shape([dims[1], dims[0], *dims[2:]])
    return swapped


def batch_size_of(tensors: list[Any], axis: int = 0) -> Any:
    """The size of an axis that all have: an int where one of them knows it, else a tensor."""
    for x in tensors:
        if x.shape.rank is not None and x.shape.as_list()[axis] is not None:
            return x.shape.as_list()[axis]
    return tf.shape(tensors[0])[axis]


def copy_through(finished: Any, old: Any, new: Any) -> Any:
    """For each example of the batch: `old` where it is finished, else `new`."""

    def select(was: Any, now: Any) -> Any:
        if isinstance(was, tf.TensorArray) or was.shape.rank == 0:
            return now
        chosen = tf.where(finished, was, now)
        chosen.set_shape(now.shape)
        return chosen

    return nest.map_structure(select, old, new)


def zero_outputs(cell: Any, batch_size: Any, dtype: Any) -> Any:
    """Zeros for a cell's output."""
    sizes = cell.output_size
    if isinstance(sizes, (int, TensorShape)):
        return tf.zeros(tf.stack(state_shape(batch_size, sizes)), dtype)
    return nest.map_structure(lambda size: tf.zeros(tf.stack(state_shape(batch_size, size)), dtype), sizes)


def lengths_of(sequence_length: Any, batch_size: Any) -> Any:
    """The lengths as an int32 vector; None stays None.

    Raises:
      ValueError: they are no vector.
    """
    if sequence_length is None:
        return None
    lengths = tf.cast(tf.convert_to_tensor(sequence_length), tf.int32)
    if lengths.shape.rank not in (None, 1):
        raise ValueError(
            f"sequence_length must be a vector of length batch_size, but saw shape: {lengths.shape}"
        )
    if isinstance(batch_size, int) and lengths.shape.rank == 1 and lengths.shape.as_list()[0] is not None:
        if lengths.shape.as_list()[0] != batch_size:
            raise ValueError(
                f"sequence_length must be a vector of length batch_size {batch_size}, but saw shape: {lengths.shape}"
            )
    return tf.identity(lengths, name="sequence_length")


@export(v1=["nn.dynamic_rnn"])
@in_graph_of_arguments
def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """Runs a cell over a batch of sequences.

    Args:
      cell: an `RNNCell`.
      inputs: `[batch, time, ...]` (or `[time, batch, ...]`, see `time_major`), or a nest of such tensors.
      sequence_length: the length of each example; past it the state stays as it is, and outputs are zero.
      initial_state: the state to begin with; by default the cell's zero state.
      dtype: the dtype of states and outputs; needed where there is no initial state.
      parallel_iterations, swap_memory: without effect: XLA schedules the loop.
      time_major: whether the first axis of inputs and outputs is time.
      scope: the variable scope, "rnn" by default.

    Returns:
      The outputs at all times, and the last state.

    Raises:
      ValueError: the inputs' sizes do not fit together, or there is neither a state nor a dtype.

    Example:
      >>> import penstock as tf
      >>> v1 = tf.compat.v1
      >>> with tf.Graph().as_default():
      ...     cell = v1.nn.rnn_cell.GRUCell(4)
      ...     outputs, state = v1.nn.dynamic_rnn(cell, tf.ones([2, 5, 3]), sequence_length=[5, 2], dtype=tf.float32)
      ...     with v1.Session() as session:
      ...         session.run(v1.global_variables_initializer())
      ...         print(session.run(outputs)[1, 2:].any())
      False
    """
    check_cell("cell", cell)
    with variable_scope(scope or "rnn"):
        inputs = nest.map_structure(tf.convert_to_tensor, inputs)
        flat = nest.flatten(inputs)
        if not time_major:
            flat = [transpose_batch_time(each) for each in flat]
        _check_same_steps(flat)
        batch_size, steps = batch_size_of(flat, 1), batch_size_of(flat, 0)
        lengths = lengths_of(sequence_length, batch_size)
        state = _initial_state(cell, initial_state, flat, batch_size, dtype)
        outputs, state = _loop(
            cell, nest.pack_sequence_as(inputs, flat), state, lengths, batch_size, steps, dtype
        )
        if not time_major:
            outputs = nest.map_structure(transpose_batch_time, outputs)
        return outputs, state


def _check_same_steps(flat: list[Any]) -> None:
    known = [each.shape.as_list()[:2] for each in flat if each.shape.rank is not None]
    if any(len(dims) < 2 for dims in known):
        raise ValueError("Inputs to dynamic_rnn must have at least two dimensions: batch and time.")
    for axis, what in ((0, "Time steps"), (1, "Batch sizes")):
        sizes = {dims[axis] for dims in known} - {None}
        if len(sizes) > 1:
            raise ValueError(f"{what} are not the same for all the elements in the input in a batch: {sizes}")


def _initial_state(cell: Any, given: Any, flat: list[Any], batch_size: Any, dtype: Any) -> Any:
    if given is not None:
        return nest.map_structure(
            lambda each: each if isinstance(each, tf.TensorArray) else tf.convert_to_tensor(each), given
        )
    if dtype is None:
        raise ValueError("If there is no initial_state, you must give a dtype.")
    if getattr(cell, "get_initial_state", None) is not None:
        return cell.get_initial_state(inputs=None, batch_size=batch_size, dtype=dtype)
    return cell.zero_state(batch_size, dtype)


def _loop(
    cell: Any, inputs: Any, state: Any, lengths: Any, batch_size: Any, steps: Any, dtype: Any
) -> tuple[Any, Any]:
    """The loop over time-major inputs: outputs at all times and the last state."""
    kind = state_dtype(dtype, state)
    zeros = zero_outputs(cell, batch_size, kind)
    static_batch = batch_size if isinstance(batch_size, int) else None
    arrays = [
        tf.TensorArray(each.dtype, size=steps, element_shape=each.shape[1:]).unstack(each)
        for each in nest.flatten(inputs)
    ]
    sizes = [each.shape.as_list()[1:] for each in nest.flatten(zeros)]
    outputs = tuple(tf.TensorArray(kind, size=steps, element_shape=[static_batch, *size]) for size in sizes)
    shapes = [each.shape if isinstance(each, Tensor) else None for each in nest.flatten(state)]

    def step(time: Any, outputs: tuple, state: Any) -> tuple:
        now = [array.read(time) for array in arrays]
        for element, whole in zip(now, nest.flatten(inputs)):
            element.set_shape(whole.shape[1:])
        output, new_state = cell(nest.pack_sequence_as(inputs, now), state)
        nest.assert_same_structure(state, new_state)
        if lengths is not None:
            finished = time >= lengths
            output = copy_through(finished, zeros, output)
            new_state = copy_through(finished, state, new_state)
        for each, shape in zip(nest.flatten(new_state), shapes):
            if isinstance(each, Tensor):
                each.set_shape(shape)
        written = tuple(array.write(time, each) for array, each in zip(outputs, nest.flatten(output)))
        return time + 1, written, new_state

    _, outputs, state = tf.while_loop(
        lambda time, *_: time < steps,
        step,
        (tf.constant(0, name="time"), outputs, state),
        maximum_iterations=steps,
    )
    stacked = [array.stack() for array in outputs]
    for each, size in zip(stacked, sizes):
        each.set_shape([steps if isinstance(steps, int) else None, static_batch, *size])
    return nest.pack_sequence_as(zeros, stacked), state


@export(v1=["nn.bidirectional_dynamic_rnn"])
@in_graph_of_arguments
def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Runs one cell forward and another backward over the same sequences.

    Args:
      cell_fw, cell_bw: the cells. initial_state_fw, initial_state_bw: their first states.
      inputs, sequence_length, dtype, time_major, ...: see `dynamic_rnn`; each example is reversed up to its length.
      scope: the variable scope, "bidirectional_rnn" by default, with "fw" and "bw" inside.

    Returns:
      `(outputs_fw, outputs_bw)` and `(state_fw, state_bw)`; the outputs of both are in the order of time.
    """
    check_cell("cell_fw", cell_fw)
    check_cell("cell_bw", cell_bw)
    axis = 0 if time_major else 1

    def reversed_in_time(x: Any) -> Any:
        if sequence_length is None:
            return tf.reverse(x, [axis])
        return tf.reverse_sequence(x, sequence_length, seq_axis=axis, batch_axis=1 - axis)

    inputs = nest.map_structure(tf.convert_to_tensor, inputs)
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as inner:
            outputs_fw, state_fw = dynamic_rnn(
                cell_fw, inputs, sequence_length, initial_state_fw, dtype, time_major=time_major, scope=inner
            )
        with variable_scope("bw") as inner:
            backward = nest.map_structure(reversed_in_time, inputs)
            outputs_bw, state_bw = dynamic_rnn(
                cell_bw,
                backward,
                sequence_length,
                initial_state_bw,
                dtype,
                time_major=time_major,
                scope=inner,
            )
        return (outputs_fw, nest.map_structure(reversed_in_time, outputs_bw)), (state_fw, state_bw)


@export(v1=["nn.raw_rnn"])
@in_graph_of_arguments
def raw_rnn(
    cell: Any,
    loop_fn: Callable,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """Runs a cell in a loop whose inputs and end a function decides, as a decoder needs it.

    Args:
      cell: an `RNNCell`.
      loop_fn: `loop_fn(time, cell_output, cell_state, loop_state)` returns `(finished, next_input, next_state,
        emit_output, next_loop_state)`: which examples are done, and what comes next. At time 0 output, state and loop
        state are None, `next_state` is the first state, and `emit_output` (or, where it is None, the cell's output)
        says what is emitted.
      scope: the variable scope, "rnn" by default.

    Returns:
      TensorArrays of what was emitted, the last state, and the last loop state.

    Raises:
      TypeError: `loop_fn` is not callable, or `cell` is no cell.
    """
    check_cell("cell", cell)
    if not callable(loop_fn):
        raise TypeError(f"loop_fn must be a callable, got {loop_fn!r}")
    with variable_scope(scope or "rnn"):
        time = tf.constant(0)
        finished, next_input, state, emit, loop_state = loop_fn(time, None, None, None)
        state = nest.map_structure(tf.convert_to_tensor, state)
        nest.assert_same_structure(state, cell.state_size)
        batch_size = batch_size_of(nest.flatten(next_input))
        if emit is None:
            zeros = zero_outputs(cell, batch_size, nest.flatten(state)[0].dtype)
        else:
            # An example of what is emitted says its shape without the batch.
            zeros = nest.map_structure(
                lambda each: tf.zeros(
                    tf.concat([tf.reshape(batch_size, [1]), tf.cast(tf.shape(each), tf.int32)], 0), each.dtype
                ),
                emit,
            )
        static_batch = batch_size if isinstance(batch_size, int) else None
        emitted = nest.map_structure(
            lambda each: tf.TensorArray(
                each.dtype, size=0, dynamic_size=True, element_shape=[static_batch, *each.shape.as_list()[1:]]
            ),
            zeros,
        )
        has_loop_state = loop_state is not None

        def step(
            time: Any, finished: Any, inputs: Any, emitted: Any, state: Any, loop_state: Any
        ) -> tuple[Any, ...]:
            output, new_state = cell(inputs, state)
            next_finished, next_input, next_state, emit, next_loop_state = loop_fn(
                time + 1, output, new_state, loop_state if has_loop_state else None
            )
            nest.assert_same_structure(state, next_state)
            emit = copy_through(finished, zeros, emit)
            next_state = copy_through(finished, state, next_state)
            emitted = nest.map_structure(lambda array, each: array.write(time, each), emitted, emit)
            return (
                time + 1,
                tf.logical_or(finished, next_finished),
                next_input,
                emitted,
                next_state,
                loop_state if next_loop_state is None else next_loop_state,
            )

        loop_vars = (
            time,
            finished,
            next_input,
            emitted,
            state,
            loop_state if has_loop_state else tf.constant(0),
        )
        _, _, _, emitted, state, loop_state = tf.while_loop(
            lambda time, finished, *_: tf.logical_not(tf.reduce_all(finished)), step, loop_vars
        )
        return emitted, state, loop_state if has_loop_state else None
