"""TF 1's cells that are made of other cells: stacks, dropout, residual connections, devices."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.graph.scopes import device_v1, name_scope
from penstock.ops.variables.scope import variable_scope
from penstock.types import nest
from penstock.types.trackable import Trackable
from penstock.v1.api import tf
from penstock.v1.rnn_cell import LSTMStateTuple, RNNCell, check_cell, state_shape


@export(v1=["nn.rnn_cell.MultiRNNCell"])
class MultiRNNCell(RNNCell):
    """Cells on top of each other: each one's output is the next one's input.

    Args:
      cells: the cells, the lowest first.
      state_is_tuple: whether the state is a tuple of the cells' states; else they stand side by side in one tensor.

    Raises:
      ValueError: there is no cell, or a cell's state is a tuple and `state_is_tuple` is False.
    """

    def __init__(self, cells: Sequence[Any], state_is_tuple: bool = True):
        super().__init__()
        if not cells:
            raise ValueError("Must specify at least one cell for MultiRNNCell.")
        if not isinstance(cells, (list, tuple)):
            raise TypeError(f"cells must be a list or tuple, but saw: {cells}.")
        self._cells, self._state_is_tuple = list(cells), state_is_tuple
        if not state_is_tuple and any(nest.is_nested(cell.state_size) for cell in cells):
            raise ValueError(
                "Some cells return tuples of states, but the flag state_is_tuple is not set. State sizes are: "
                f"{[cell.state_size for cell in cells]}"
            )
        for number, cell in enumerate(cells):
            if isinstance(cell, Trackable):
                self._track_trackable(cell, f"cell-{number}")

    @property
    def state_size(self) -> Any:
        """The sizes of the cells' states, or their sum."""
        sizes = tuple(cell.state_size for cell in self._cells)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        """That of the top cell."""
        return self._cells[-1].output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Zeros for every cell."""
        if not self._state_is_tuple:
            return super().zero_state(batch_size, dtype)
        with name_scope("MultiRNNCellZeroState"):
            return tuple(cell.zero_state(batch_size, dtype) for cell in self._cells)

    @property
    def trainable_weights(self) -> list[Any]:
        """The cells' variables that are trained."""
        if not self.trainable:
            return []
        return [each for cell in self._cells for each in getattr(cell, "trainable_weights", ())]

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The cells' other variables."""
        others = [each for cell in self._cells for each in getattr(cell, "non_trainable_weights", ())]
        if self.trainable:
            return others
        return [each for cell in self._cells for each in getattr(cell, "trainable_weights", ())] + others

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step of every cell."""
        if self._state_is_tuple:
            if not isinstance(state, (list, tuple)) or len(state) != len(self._cells):
                raise ValueError(
                    f"Expected state to be a tuple of length {len(self._cells)}, but received: {state}"
                )
            states: Any = state
        else:
            states = tf.split(state, [cell.state_size for cell in self._cells], 1)
        new_states = []
        for number, (cell, old) in enumerate(zip(self._cells, states)):
            with variable_scope(f"cell_{number}"):
                inputs, new = cell(inputs, old)
                new_states.append(new)
        return inputs, tuple(new_states) if self._state_is_tuple else tf.concat(new_states, 1)


class CellWrapper(RNNCell):
    """A cell around another one, whose variables keep their names."""

    def __init__(self, cell: Any, **kwargs: Any):
        super().__init__(**kwargs)
        check_cell("cell", cell)
        self.cell = self._cell = cell
        if isinstance(cell, Trackable):
            self._track_trackable(cell, "cell")

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """One step; see `RNNCell.__call__`."""
        return self.call(inputs, state, scope=scope)

    wrapped_cell = property(lambda self: self.cell, doc="The cell inside.")

    @property
    def state_size(self) -> Any:
        """That of the cell inside."""
        return self.cell.state_size

    @property
    def output_size(self) -> Any:
        """That of the cell inside."""
        return self.cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """That of the cell inside."""
        with name_scope(f"{type(self).__name__}ZeroState"):
            return self.cell.zero_state(batch_size, dtype)

    @property
    def trainable_weights(self) -> list[Any]:
        """Those of the cell inside."""
        return list(self.cell.trainable_weights) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        """Those of the cell inside."""
        held = [] if self.trainable else list(self.cell.trainable_weights)
        return [*held, *self.cell.non_trainable_weights]


def _all_but_memory(substate: Any) -> Any:
    """Which parts of a state get dropout: of an LSTM's only the output, else everything."""
    if isinstance(substate, LSTMStateTuple):
        return LSTMStateTuple(c=False, h=True)
    return not isinstance(substate, tf.TensorArray)


@export(v1=["nn.rnn_cell.DropoutWrapper"])
class DropoutWrapper(CellWrapper):
    """Dropout on the inputs, outputs and states of a cell.

    Args:
      cell: the cell.
      input_keep_prob, output_keep_prob, state_keep_prob: probabilities to keep an element: numbers or tensors.
      variational_recurrent: whether the same elements are dropped at every step (Gal and Ghahramani, 2016); needs
        `dtype`, and `input_size` where inputs are dropped.
      input_size: the sizes of the inputs, nested as they are. dtype: the dtype of inputs, states and outputs.
      seed: the seed of all.
      dropout_state_filter_visitor: a function that says for each part of the state whether it gets dropout; by default
        all do but an LSTM's memory.

    Raises:
      ValueError: a probability is out of range, or something that `variational_recurrent` needs is missing.
    """

    def __init__(
        self,
        cell: Any,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False,
        input_size: Any = None,
        dtype: Any = None,
        seed: int | None = None,
        dropout_state_filter_visitor: Callable | None = None,
        **kwargs: Any,
    ):
        super().__init__(cell, dtype=dtype, **kwargs)
        self._keep = {"input": input_keep_prob, "state": state_keep_prob, "output": output_keep_prob}
        for which, probability in self._keep.items():
            if isinstance(probability, (int, float)) and not 0 <= probability <= 1:
                raise ValueError(f"Parameter {which}_keep_prob must be between 0 and 1: {probability}")
        self._seed, self._filter = seed, dropout_state_filter_visitor or _all_but_memory
        self._noise: dict[str, Any] | None = None
        if variational_recurrent:
            if dtype is None:
                raise ValueError("When variational_recurrent=True, dtype must be provided")
            if self._drops("input") and input_size is None:
                raise ValueError(
                    "When variational_recurrent=True and input_keep_prob < 1.0, input_size must be provided"
                )
            sizes = {"input": input_size, "state": cell.state_size, "output": cell.output_size}
            self._noise = {
                which: self._noise_of(which, size) for which, size in sizes.items() if size is not None
            }

    def _drops(self, which: str) -> bool:
        probability = self._keep[which]
        return not isinstance(probability, (int, float)) or probability < 1

    def _seed_of(self, which: str, index: int) -> int | None:
        """A seed for each place, so that they differ."""
        if self._seed is None:
            return None
        text = f"{self._seed}{which}_{index}".encode()
        return int(hashlib.md5(text).hexdigest()[:8], 16) & 0x7FFFFFFF

    def _noise_of(self, which: str, sizes: Any) -> list[Any]:
        return [
            tf.random_uniform(state_shape(1, size), dtype=self._dtype, seed=self._seed_of(which, index))
            for index, size in enumerate(nest.flatten(sizes) if nest.is_nested(sizes) else [sizes])
        ]

    def _dropout(self, which: str, values: Any, chosen: Any = None) -> Any:
        if not self._drops(which):
            return values
        keep, flat = self._keep[which], nest.flatten(values)
        flags = [True] * len(flat) if chosen is None else chosen
        dropped = []
        for index, (value, wanted) in enumerate(zip(flat, flags, strict=True)):
            if not wanted:
                dropped.append(value)
            elif self._noise is None:
                seed = self._seed_of(which, index)
                dropped.append(tf.nn.dropout(value, keep_prob=keep, seed=seed))
            else:
                mask = tf.floor(tf.convert_to_tensor(keep, value.dtype) + self._noise[which][index])
                kept = value / keep * mask
                kept.set_shape(value.shape)
                dropped.append(kept)
        return nest.pack_sequence_as(values, dropped)

    def call(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        """One step with dropout."""
        output, new_state = self.cell(self._dropout("input", inputs), state, scope=scope)
        chosen: list[Any] = []
        _visit(new_state, self._filter, chosen)
        return self._dropout("output", output), self._dropout("state", new_state, chosen)


def _visit(state: Any, wanted: Callable, found: list[bool]) -> None:
    """Appends, for each tensor of a state, whether the visitor `wanted` wants it."""
    if isinstance(state, LSTMStateTuple) or not isinstance(state, (list, tuple, dict)):
        answer = wanted(state)
        count = len(nest.flatten(state))
        found += (
            [bool(each) for each in nest.flatten(answer)]
            if nest.is_nested(answer)
            else [bool(answer)] * count
        )
        return
    for each in state.values() if isinstance(state, dict) else state:
        _visit(each, wanted, found)


@export(v1=["nn.rnn_cell.ResidualWrapper"])
class ResidualWrapper(CellWrapper):
    """Adds a cell's inputs to its outputs.

    Args:
      cell: the cell.
      residual_fn: a function of inputs and outputs, instead of the sum.
    """

    def __init__(self, cell: Any, residual_fn: Callable | None = None, **kwargs: Any):
        super().__init__(cell, **kwargs)
        self._residual_fn = residual_fn

    def call(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        """One step, with the residual connection."""
        outputs, new_state = self.cell(inputs, state, scope=scope)
        return (self._residual_fn or self._sum)(inputs, outputs), new_state

    @staticmethod
    def _sum(inputs: Any, outputs: Any) -> Any:
        nest.assert_same_structure(inputs, outputs)
        for given, made in zip(nest.flatten(inputs), nest.flatten(outputs)):
            given.shape.assert_is_compatible_with(made.shape)
        return nest.map_structure(lambda given, made: given + made, inputs, outputs)


@export(v1=["nn.rnn_cell.DeviceWrapper"])
class DeviceWrapper(CellWrapper):
    """Runs a cell on a device.

    Args:
      cell: the cell.
      device: a device's name, or a device function.
    """

    def __init__(self, cell: Any, device: Any, **kwargs: Any):
        super().__init__(cell, **kwargs)
        self._device = device

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """That of the cell inside, on the device."""
        with device_v1(self._device):
            return super().zero_state(batch_size, dtype)

    def call(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        """One step on the device."""
        with device_v1(self._device):
            return self.cell(inputs, state, scope=scope)
