"""Runs recurrent cells over lists of inputs, one set of nodes for each step: `nn.static_rnn` and its relatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.export import export
from penstock.ops.variables.mixed import in_graph_of_arguments
from penstock.ops.variables.scope import variable_scope
from penstock.types import nest
from penstock.v1.api import tf
from penstock.v1.rnn import batch_size_of, copy_through, lengths_of, zero_outputs
from penstock.v1.rnn_cell import check_cell, is_building_a_graph, state_dtype


@export(v1=["nn.static_rnn"])
@in_graph_of_arguments
def static_rnn(
    cell: Any,
    inputs: Sequence[Any],
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Runs a cell over a list of inputs.

    Args:
      cell: an `RNNCell`.
      inputs: a list with the input of each step, `[batch, size]` or a nest of such tensors.
      initial_state, dtype, sequence_length, scope: see `dynamic_rnn`.

    Returns:
      A list of the outputs, and the last state.

    Raises:
      TypeError: `inputs` is no sequence. ValueError: it is empty, or there is neither a state nor a dtype.
    """
    check_cell("cell", cell)
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(f"Argument `inputs` must be a sequence. Received: {inputs}")
    if not inputs:
        raise ValueError("Argument `inputs` must not be empty.")
    with variable_scope(scope or "rnn") as entered:
        inputs = [nest.map_structure(tf.convert_to_tensor, each) for each in inputs]
        batch_size = batch_size_of(nest.flatten(inputs))
        if initial_state is not None:
            state = initial_state
        elif dtype is None:
            raise ValueError("If no initial_state is provided, argument `dtype` must be specified")
        elif getattr(cell, "get_initial_state", None) is not None:
            state = cell.get_initial_state(inputs=None, batch_size=batch_size, dtype=dtype)
        else:
            state = cell.zero_state(batch_size, dtype)
        lengths = lengths_of(sequence_length, batch_size)
        if lengths is not None:
            zeros = zero_outputs(cell, batch_size, state_dtype(dtype, state))
        outputs = []
        for time, each in enumerate(inputs):
            if time and is_building_a_graph():
                entered.reuse_variables()
            output, new_state = cell(each, state)
            if lengths is not None:
                finished = time >= lengths
                output = copy_through(finished, zeros, output)
                new_state = copy_through(finished, state, new_state)
            outputs.append(output)
            state = new_state
        return outputs, state


@export(v1=["nn.static_state_saving_rnn"])
@in_graph_of_arguments
def static_state_saving_rnn(
    cell: Any,
    inputs: Sequence[Any],
    state_saver: Any,
    state_name: Any,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """`static_rnn` that takes its first state from a saver and gives it the last.

    Args:
      cell, inputs, sequence_length, scope: see `static_rnn`.
      state_saver: has `state(name)` and `save_state(name, value)`.
      state_name: the state's name, or names nested as the state is.

    Returns:
      A list of the outputs, the last of which waits until the state is saved, and the last state.

    Raises:
      ValueError: the names are not nested as the state is.
    """
    state_size = cell.state_size
    is_nested = nest.is_nested(state_size)
    if is_nested != nest.is_nested(state_name):
        raise ValueError(
            f"state_name should be the same type as cell.state_size. state_name: {state_name!r}, "
            f"cell.state_size: {state_size!r}"
        )
    names = nest.flatten(state_name) if is_nested else [state_name]
    if is_nested and len(names) != len(nest.flatten(state_size)):
        raise ValueError(f"Number of state names {len(names)} differs from number of states {state_size!r}")
    held = [state_saver.state(name) for name in names]
    initial_state = nest.pack_sequence_as(state_size, held) if is_nested else held[0]
    outputs, state = static_rnn(cell, inputs, initial_state, None, sequence_length, scope)
    flat = nest.flatten(state)
    saving = [state_saver.save_state(name, each) for name, each in zip(names, flat)]
    with tf.control_dependencies(saving):
        last = nest.map_structure(tf.identity, outputs[-1])
        flat = [tf.identity(each) for each in flat]
    return [*outputs[:-1], last], nest.pack_sequence_as(state_size, flat) if is_nested else flat[0]


@export(v1=["nn.static_bidirectional_rnn"])
@in_graph_of_arguments
def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Sequence[Any],
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any, Any]:
    """Runs one cell forward and another backward over a list of inputs.

    Args:
      cell_fw, cell_bw: the cells. initial_state_fw, initial_state_bw: their first states.
      inputs, dtype, sequence_length: see `static_rnn`.
      scope: the variable scope, "bidirectional_rnn" by default, with "fw" and "bw" inside.

    Returns:
      A list of the outputs of both, side by side, and the two last states.
    """
    check_cell("cell_fw", cell_fw)
    check_cell("cell_bw", cell_bw)
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise (ValueError if isinstance(inputs, (list, tuple)) else TypeError)(
            "inputs must be a list that is not empty"
        )
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as inner:
            forward, state_fw = static_rnn(cell_fw, inputs, initial_state_fw, dtype, sequence_length, inner)
        with variable_scope("bw") as inner:
            turned = _reversed(inputs, sequence_length)
            backward, state_bw = static_rnn(cell_bw, turned, initial_state_bw, dtype, sequence_length, inner)
        backward = _reversed(backward, sequence_length)
    pairs = zip((nest.flatten(each) for each in forward), (nest.flatten(each) for each in backward))
    outputs = [
        nest.pack_sequence_as(forward[0], [tf.concat([fw, bw], 1) for fw, bw in zip(*pair)]) for pair in pairs
    ]
    return outputs, state_fw, state_bw


def _reversed(sequence: Sequence[Any], lengths: Any) -> list[Any]:
    """A list of steps in reverse; each example only up to its length."""
    if lengths is None:
        return list(reversed(sequence))
    columns = []
    for steps in zip(*(nest.flatten(each) for each in sequence)):
        turned = tf.reverse_sequence(tf.stack(steps), lengths, seq_axis=0, batch_axis=1)
        columns.append(tf.unstack(turned, len(sequence)))
    return [nest.pack_sequence_as(sequence[0], list(row)) for row in zip(*columns)]
