"""`contrib.rnn`: LSTM cells that also run along the frequencies of each input: `TimeFreqLSTMCell`, `GridLSTMCell`.

An input is cut into overlapping windows of frequencies; the cell goes over them with shared weights. Sainath and Li,
"Modeling Time-Frequency Patterns with LSTM vs. Convolutional Architectures for LVCSR Tasks", 2016; Kalchbrenner et al.,
"Grid Long Short-Term Memory", 2016.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Sequence
from typing import Any

from penstock.engine.export import export
from penstock.ops.variables.initializers_v1 import ZerosV1
from penstock.ops.variables.scope import get_variable, get_variable_scope, variable_scope
from penstock.v1.api import tf
from penstock.v1.contrib.rnn_cells import sharded
from penstock.v1.rnn_cell import RNNCell


def _size_of(inputs: Any) -> int:
    size = inputs.shape.as_list()[-1]
    if size is None:
        raise ValueError("Cannot infer input_size from static shape inference.")
    return size


def _windows(inputs: Any, start: int, end: int, size: int, skip: int) -> list[Any]:
    """The windows of `size` frequencies between two of them, each `skip` after the last one."""
    return [inputs[:, at : at + size] for at in range(start, end - size + 1, skip)]


class _FrequencyCell(RNNCell):
    """What both kinds take.

    Args:
      num_units: the size of each memory. use_peepholes: whether the gates see the memory. cell_clip: bounds the memory.
      initializer: of the weights. num_unit_shards: into how many variables the weights are divided.
      forget_bias: added to the forget gates. feature_size: the frequencies of a window. frequency_skip: how far the next
        window is. reuse: whether the variables exist already.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool,
        cell_clip: float | None,
        initializer: Any,
        num_unit_shards: int,
        forget_bias: float,
        feature_size: int | None,
        frequency_skip: int | None,
        reuse: bool | None,
    ):
        super().__init__(_reuse=reuse)
        self._num_units, self._peepholes, self._clip = num_units, use_peepholes, cell_clip
        self._initializer, self._shards, self._forget_bias = initializer, num_unit_shards, forget_bias
        self._feature_size, self._skip = feature_size, frequency_skip

    def _weights(self, suffix: str, rows: int, columns: int, dtype: Any) -> tuple[Any, Any]:
        with variable_scope(get_variable_scope(), initializer=self._initializer):
            kernel = sharded(f"W{suffix}", [rows, columns], dtype, self._shards)
        return kernel, get_variable(f"B{suffix}", [columns], dtype, ZerosV1())

    def _diagonal(self, name: str, dtype: Any) -> Any:
        with variable_scope(get_variable_scope(), initializer=self._initializer):
            return get_variable(name, [self._num_units], dtype)

    def _clipped(self, memory: Any) -> Any:
        return memory if self._clip is None else tf.clip_by_value(memory, -self._clip, self._clip)


@export(v1=["contrib.rnn.TimeFreqLSTMCell"])
class TimeFreqLSTMCell(_FrequencyCell):
    """An LSTM that also gets the output of the window before; the state of all windows is one matrix.

    Args:
      num_units, use_peepholes, cell_clip, initializer, num_unit_shards, forget_bias, reuse: see `LSTMCell`.
      feature_size: the frequencies of a window. frequency_skip: how far the next window is.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_unit_shards: int = 1,
        forget_bias: float = 1.0,
        feature_size: int | None = None,
        frequency_skip: int = 1,
        reuse: bool | None = None,
    ):
        super().__init__(
            num_units, use_peepholes, cell_clip, initializer, num_unit_shards, forget_bias, feature_size,
            frequency_skip, reuse,
        )  # fmt: skip

    output_size = property(lambda self: self._num_units, doc="The size of the output for one window.")
    state_size = property(lambda self: 2 * self._num_units, doc="The size of the state of one window.")

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: `[batch, windows * num_units]`, and memories and outputs of all windows, side by side."""
        units, dtype, size = self._num_units, inputs.dtype, _size_of(inputs)
        windows = _windows(inputs, 0, size, self._feature_size or size, self._skip)
        kernel, bias = self._weights("", windows[0].shape.as_list()[1] + 2 * units, 4 * units, dtype)
        seen = [self._diagonal(f"W_{gate}_diag", dtype) for gate in "FIO"] if self._peepholes else [0.0] * 3
        before = tf.zeros([tf.shape(inputs)[0], units], dtype)
        outputs, states = [], []
        for number, window in enumerate(windows):
            memory = state[:, 2 * number * units : (2 * number + 1) * units]
            output = state[:, (2 * number + 1) * units : (2 * number + 2) * units]
            gates = tf.nn.bias_add(tf.matmul(tf.concat([window, output, before], 1), kernel), bias)
            i, j, f, o = tf.split(gates, 4, 1)
            kept = tf.sigmoid(f + self._forget_bias + seen[0] * memory) * memory
            memory = self._clipped(kept + tf.sigmoid(i + seen[1] * memory) * tf.tanh(j))
            before = tf.sigmoid(o + seen[2] * memory) * tf.tanh(memory)
            outputs.append(before)
            states += [memory, before]
        return tf.concat(outputs, 1), tf.concat(states, 1)


@export(v1=["contrib.rnn.GridLSTMCell"])
class GridLSTMCell(_FrequencyCell):
    """Two LSTMs over each window: one along time, whose state is the cell's, and one along the frequencies.

    Args:
      num_units, use_peepholes, cell_clip, initializer, num_unit_shards, forget_bias, reuse: see `LSTMCell`.
      share_time_frequency_weights: whether both LSTMs have the same weights.
      feature_size: the frequencies of a window. frequency_skip: how far the next window is.
      num_frequency_blocks: how many windows there are in each block of frequencies; blocks have weights of their own.
      start_freqindex_list, end_freqindex_list: where blocks begin and end; without them one block is the whole input.
      couple_input_forget_gates: whether the forget gate is one minus the input gate.
      state_is_tuple: whether the state is a named tuple, or one matrix.

    Raises:
      ValueError: `num_frequency_blocks` is missing, or (when it is called) does not fit the inputs.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        share_time_frequency_weights: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_unit_shards: int = 1,
        forget_bias: float = 1.0,
        feature_size: int | None = None,
        frequency_skip: int | None = None,
        num_frequency_blocks: Sequence[int] | None = None,
        start_freqindex_list: Sequence[int] | None = None,
        end_freqindex_list: Sequence[int] | None = None,
        couple_input_forget_gates: bool = False,
        state_is_tuple: bool = True,
        reuse: bool | None = None,
    ):
        super().__init__(
            num_units, use_peepholes, cell_clip, initializer, num_unit_shards, forget_bias, feature_size,
            frequency_skip, reuse,
        )  # fmt: skip
        if num_frequency_blocks is None:
            raise ValueError("Must specify num_frequency_blocks")
        self._shares, self._couples = share_time_frequency_weights, couple_input_forget_gates
        self._counts, self._starts = list(num_frequency_blocks), start_freqindex_list
        self._ends, self._is_tuple = end_freqindex_list, state_is_tuple
        self._state_type = self._make_state_type("GridLSTMStateTuple", ["state"]) if state_is_tuple else None

    def _make_state_type(self, name: str, prefixes: Sequence[str]) -> type:
        fields = [
            f"{prefix}_f{window:02d}_b{block:02d}_{part}"
            for prefix in prefixes
            for block, count in enumerate(self._counts)
            for window in range(count)
            for part in "cm"
        ]
        return collections.namedtuple(name, fields)  # type: ignore[misc]

    state_tuple_type = property(lambda self: self._state_type, doc="The named tuple of the state, or None.")
    output_size = property(
        lambda self: 2 * self._num_units * sum(self._counts), doc="The size of the outputs of all windows."
    )

    @property
    def state_size(self) -> Any:
        """The sizes of memories and outputs of all windows."""
        if self._state_type is None:
            return self.output_size
        return self._state_type(*[self._num_units] * len(self._state_type._fields))  # type: ignore[attr-defined]

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: for each window the outputs along time and along frequency, and the new state."""
        parts = list(state) if self._is_tuple else tf.split(state, 2 * sum(self._counts), 1)
        outputs, states = self._blocks(self._cut(inputs), parts)
        made = self._state_type(*states) if self._state_type is not None else tf.concat(states, 1)
        return tf.concat(outputs, 1), made

    def _cut(self, inputs: Any, offset: int = 0) -> list[list[Any]]:
        """The windows of each block. With an offset they begin later, and there are zeros past the last frequency."""
        size = _size_of(inputs)
        if offset:
            inputs = tf.pad(inputs, [[0, 0], [max(-offset, 0), max(offset, 0)]])
        starts, ends = self._starts or [0], self._ends or [size]
        if not len(starts) == len(ends) == len(self._counts):
            raise ValueError(
                f"num_frequency_blocks {self._counts}, start_freqindex_list {starts} and end_freqindex_list {ends} must "
                "be of one length"
            )
        blocks = []
        for start, end, count in zip(starts, ends, self._counts):
            shift = max(offset, 0)
            windows = _windows(
                inputs, start + shift, end + shift, self._feature_size or size, self._skip or 1
            )
            if len(windows) != count:
                raise ValueError(
                    f"Invalid num_frequency_blocks, requires {len(windows)} but gets {count}, please check the input size "
                    "and filter config are correct."
                )
            blocks.append(windows)
        return blocks

    def _blocks(self, blocks: list[list[Any]], state: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        outputs, states, parts = [], [], iter(state)
        for number, windows in enumerate(blocks):
            own = list(itertools.islice(parts, 2 * len(windows)))
            block_outputs, block_states = self._over_windows(windows, number, own)
            outputs += block_outputs
            states += block_states
        return outputs, states

    def _over_windows(self, windows: list[Any], block: int, state: list[Any]) -> tuple[list[Any], list[Any]]:
        """One block. `state` has memory and output of each window, along time."""
        units, dtype = self._num_units, windows[0].dtype
        rows, columns = windows[0].shape.as_list()[1] + 2 * units, (3 if self._couples else 4) * units
        kinds = "f" if self._shares else "ft"
        weights = [self._weights(f"_{kind}_{block}", rows, columns, dtype) for kind in kinds]
        gates = "IO" if self._couples else "FIO"
        seen: list[dict[str, list[Any]]] = [
            {gate: [self._diagonal(f"W_{gate}_diag_freq{kind}_{block}".replace("freq", axis), dtype) for kind in "ft"]
             for gate in gates}
            for axis in ("freq", "time")[: len(kinds)]
        ] if self._peepholes else [{}] * len(kinds)  # fmt: skip
        output_f = memory_f = tf.zeros([tf.shape(windows[0])[0], units], dtype)
        outputs, states = [], []
        for window, memory_t, output_t in zip(windows, state[::2], state[1::2], strict=True):
            joined = tf.concat([window, output_t, output_f], 1)
            made = [tf.nn.bias_add(tf.matmul(joined, kernel), bias) for kernel, bias in weights]
            (gates_f, seen_f), (gates_t, seen_t) = (made[0], seen[0]), (made[-1], seen[-1])
            memories = memory_f, memory_t
            memory_f, open_f = self._remember(gates_f, seen_f, memories, memory_f)
            memory_t, open_t = self._remember(gates_t, seen_t, memories, memory_t)
            memories = memory_f, memory_t
            output_f = tf.sigmoid(open_f + self._sight(seen_f, "O", memories)) * tf.tanh(memory_f)
            output_t = tf.sigmoid(open_t + self._sight(seen_t, "O", memories)) * tf.tanh(memory_t)
            outputs += [output_t, output_f]
            states += [memory_t, output_t]
        return outputs, states

    def _remember(self, gates: Any, seen: dict, memories: tuple, own: Any) -> tuple[Any, Any]:
        """The new memory of one of both LSTMs, and its output gate as it is so far."""
        split = tf.split(gates, 3 if self._couples else 4, 1)
        taken = tf.sigmoid(split[0] + self._sight(seen, "I", memories))
        if self._couples:
            kept = 1.0 - taken
        else:
            kept = tf.sigmoid(split[2] + self._forget_bias + self._sight(seen, "F", memories))
        return self._clipped(kept * own + taken * tf.tanh(split[1])), split[-1]

    @staticmethod
    def _sight(seen: dict, gate: str, memories: tuple) -> Any:
        return sum(weight * memory for weight, memory in zip(seen[gate], memories)) if seen else 0.0


@export(v1=["contrib.rnn.BidirectionalGridLSTMCell"])
class BidirectionalGridLSTMCell(GridLSTMCell):
    """A `GridLSTMCell` upward through the frequencies, and one with other weights downward.

    Args:
      backward_slice_offset: how much later the windows of the downward one begin; the others: see `GridLSTMCell`.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        share_time_frequency_weights: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_unit_shards: int = 1,
        forget_bias: float = 1.0,
        feature_size: int | None = None,
        frequency_skip: int | None = None,
        num_frequency_blocks: Sequence[int] | None = None,
        start_freqindex_list: Sequence[int] | None = None,
        end_freqindex_list: Sequence[int] | None = None,
        couple_input_forget_gates: bool = False,
        backward_slice_offset: int = 0,
        reuse: bool | None = None,
    ):
        super().__init__(
            num_units, use_peepholes, share_time_frequency_weights, cell_clip, initializer, num_unit_shards,
            forget_bias, feature_size, frequency_skip, num_frequency_blocks, start_freqindex_list, end_freqindex_list,
            couple_input_forget_gates, True, reuse,
        )  # fmt: skip
        self._offset = int(backward_slice_offset)
        prefixes = ["fwd_state", "bwd_state"]
        self._state_type = self._make_state_type("BidirectionalGridLSTMStateTuple", prefixes)

    output_size = property(
        lambda self: 4 * self._num_units * sum(self._counts), doc="The size of the outputs of both."
    )

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step of both."""
        half = len(state) // 2
        with variable_scope("fwd"):
            up_outputs, up_states = self._blocks(self._cut(inputs), state[:half])
        with variable_scope("bwd"):
            turned = [windows[::-1] for windows in self._cut(inputs, self._offset)]
            down_outputs, down_states = self._blocks(turned, state[half:])
        return tf.concat(up_outputs + down_outputs, 1), self._state_type(*up_states, *down_states)  # type: ignore[misc]
