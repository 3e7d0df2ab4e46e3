"""`contrib.cudnn_rnn`: recurrent layers that were cuDNN's, on any device.

TensorFlow 1 kept the weights of such a layer in one buffer of cuDNN's, and saved them under the names of plain cells. Here they
are variables of these names from the start, so its checkpoints load, and those written here load into plain cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine.export import export
from penstock.ops.variables.initializers_v1 import ZerosV1
from penstock.ops.variables.scope import get_variable_scope, variable_scope
from penstock.v1.api import tf
from penstock.v1.contrib.rnn import LSTMBlockCell
from penstock.v1.layer import InputSpec, Layer
from penstock.v1.rnn_cell import LayerRNNCell, LSTMStateTuple

UNIDIRECTION, BIDIRECTION = "unidirectional", "bidirectional"
export(v1=["contrib.cudnn_rnn.CUDNN_RNN_UNIDIRECTION"])(UNIDIRECTION)
export(v1=["contrib.cudnn_rnn.CUDNN_RNN_BIDIRECTION"])(BIDIRECTION)


@export(v1=["contrib.cudnn_rnn.CudnnCompatibleLSTMCell"])
class CudnnCompatibleLSTMCell(LSTMBlockCell):
    """The cell of `CudnnLSTM`: an LSTM whose forget gate has no bias added.

    Args:
      num_units: the size of the memory. reuse: whether the variables exist already.
    """

    def __init__(self, num_units: int, reuse: bool | None = None):
        super().__init__(num_units, forget_bias=0.0, reuse=reuse, name="cudnn_compatible_lstm_cell")


@export(v1=["contrib.cudnn_rnn.CudnnCompatibleGRUCell"])
class CudnnCompatibleGRUCell(LayerRNNCell):
    """The cell of `CudnnGRU`: it resets the state after its product with the weights.

    Args:
      num_units: the size of the state. reuse: whether the variables exist already.
    """

    def __init__(self, num_units: int, reuse: bool | None = None):
        super().__init__(_reuse=reuse, name="cudnn_compatible_gru_cell")
        self.input_spec, self._num_units = InputSpec(ndim=2), num_units

    state_size: Any = property(lambda self: self._num_units, doc="`num_units`.")
    output_size = property(lambda self: self._num_units, doc="`num_units`.")

    def build(self, input_shape: Any) -> None:
        """Makes the weights of the gates and of the candidate."""
        depth, units, zeros = self._depth(input_shape), self._num_units, ZerosV1()
        self._gates = (
            self.add_weight("gates/kernel", [depth + units, 2 * units]),
            self.add_weight("gates/bias", [2 * units], initializer=zeros),
        )
        self._candidate = [
            self.add_weight(f"candidate/{part}/{name}", shape, initializer=initializer)
            for part, rows in (("input_projection", depth), ("hidden_projection", units))
            for name, shape, initializer in (("kernel", [rows, units], None), ("bias", [units], zeros))
        ]
        self.built = True

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        kernel, bias = self._gates
        gates = tf.sigmoid(tf.nn.bias_add(tf.matmul(tf.concat([inputs, state], 1), kernel), bias))
        reset, update = tf.split(gates, 2, axis=1)
        of_input, input_bias, of_state, state_bias = self._candidate
        candidate = tf.tanh(
            tf.matmul(inputs, of_input) + input_bias + reset * (tf.matmul(state, of_state) + state_bias)
        )
        new = (1.0 - update) * candidate + update * state
        return new, new


class _CudnnRNN(Layer):
    """Layers of cells over sequences with the time in front, in one direction or in both.

    Args:
      num_layers, num_units: how many layers, and the size of their states.
      input_mode: "linear_input" or "auto_select", which are the same.
      direction: "unidirectional" or "bidirectional".
      dropout: the rate of dropout between layers, while training.
      seed: of the dropout. dtype: of the variables.
      kernel_initializer, bias_initializer: Glorot's uniform numbers and zeros by default.
      name: of the layer and the scope of its variables.

    Raises:
      ValueError: the direction or the mode is another.
    """

    _cell: Callable[..., Any]

    def __init__(
        self,
        num_layers: int,
        num_units: int,
        input_mode: str = "linear_input",
        direction: str = UNIDIRECTION,
        dropout: float = 0.0,
        seed: int | None = None,
        dtype: Any = "float32",
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
    ):
        super().__init__(name=name, dtype=dtype)
        if direction not in (UNIDIRECTION, BIDIRECTION):
            raise ValueError(f"{type(self).__name__}: direction is {direction!r}, not one or both directions")
        if input_mode not in ("linear_input", "auto_select"):
            raise ValueError(f"{type(self).__name__}: input_mode {input_mode!r} is not supported")
        self.input_spec = InputSpec(ndim=3)
        self.num_layers, self.num_units, self.direction = num_layers, num_units, direction
        self.num_dirs = 2 if direction == BIDIRECTION else 1
        self._dropout, self._seed = dropout, seed
        self._initializers = {
            "kernel": kernel_initializer or tf.glorot_uniform_initializer(),
            "bias": bias_initializer or ZerosV1(),
        }
        self._cells = [type(self)._cell(num_units) for _ in range(num_layers * self.num_dirs)]

    @property
    def trainable_variables(self) -> list[Any]:
        """The variables of the cells."""
        return [each for cell in self._cells for each in cell.trainable_variables]

    trainable_weights = variables = weights = trainable_variables

    def state_shape(self, batch_size: int) -> tuple[list[int], ...]:
        """The shapes of the states: [layers * directions, batch, units] for each."""
        return tuple(
            [self.num_layers * self.num_dirs, batch_size, self.num_units] for _ in self._parts(self._cells[0])
        )

    @staticmethod
    def _parts(cell: Any) -> range:
        return range(2 if isinstance(cell.state_size, LSTMStateTuple) else 1)

    def call(
        self,
        inputs: Any,
        initial_state: Any = None,
        sequence_lengths: Any = None,
        time_major: bool = True,
        training: Any = True,
    ) -> tuple[Any, tuple]:
        """The outputs, and the last states.

        Args:
          inputs: of shape [time, batch, features], or [batch, time, features] without `time_major`.
          initial_state: `(h, c)` of an LSTM, `(h,)` of a GRU, each of `state_shape`; zeros by default.
          sequence_lengths: for each row of the batch; all of the time by default.
          training: whether there is dropout between layers.

        Returns:
          The outputs of the last layer, both directions side by side, and the last states as `initial_state` has them.
        """
        x = inputs if time_major else tf.transpose(inputs, [1, 0, 2])
        last: list[Any] = []
        with variable_scope(get_variable_scope(), custom_getter=self._initialized):
            for layer in range(self.num_layers):
                if layer and self._dropout:
                    x = tf.layers.dropout(x, self._dropout, seed=self._seed, training=training)
                outputs = []
                for index, scope in self._directions(layer):
                    state = self._first_state(initial_state, index)
                    backward = index % self.num_dirs == 1
                    given = _reversed(x, sequence_lengths) if backward else x
                    with variable_scope(scope) as entered:
                        result, end = tf.nn.dynamic_rnn(
                            self._cells[index], given, sequence_lengths, state, self._dtype, time_major=True,
                            scope=entered,
                        )  # fmt: skip
                    outputs.append(_reversed(result, sequence_lengths) if backward else result)
                    last.append((end.h, end.c) if isinstance(end, LSTMStateTuple) else (end,))
                x = tf.concat(outputs, -1) if len(outputs) > 1 else outputs[0]
        states = tuple(tf.stack(part) for part in zip(*last, strict=True))
        return x if time_major else tf.transpose(x, [1, 0, 2]), states

    def _directions(self, layer: int) -> Iterator[tuple[int, str]]:
        """The numbers of a layer's cells, and the scopes in which TensorFlow saves their variables."""
        if self.num_dirs == 1:
            yield layer, f"rnn/multi_rnn_cell/cell_{layer}"
            return
        for number, name in enumerate(("fw", "bw")):
            yield 2 * layer + number, f"stack_bidirectional_rnn/cell_{layer}/bidirectional_rnn/{name}"

    def _first_state(self, states: Any, index: int) -> Any:
        if states is None:
            return None
        parts = [each[index] for each in states]
        return parts[0] if len(parts) == 1 else LSTMStateTuple(c=parts[1], h=parts[0])

    def _initialized(self, getter: Callable, name: str, *args: Any, **kwargs: Any) -> Any:
        kwargs["initializer"] = self._initializers[name.rpartition("/")[2]]
        return getter(name, *args, **kwargs)


def _reversed(x: Any, lengths: Any) -> Any:
    return (
        tf.reverse(x, [0]) if lengths is None else tf.reverse_sequence(x, lengths, seq_axis=0, batch_axis=1)
    )


@export(v1=["contrib.cudnn_rnn.CudnnLSTM"])
class CudnnLSTM(_CudnnRNN):
    """Layers of LSTMs over sequences with the time in front, in one direction or in both.

    Args:
      num_layers, num_units, input_mode, direction, dropout, seed, dtype, kernel_initializer, bias_initializer, name:
        how many layers and the size of their states; "linear_input"; "unidirectional" or "bidirectional"; the rate of
        dropout between layers and its seed; of the variables; of the layer.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     lstm = tf.compat.v1.contrib.cudnn_rnn.CudnnLSTM(2, 8, direction="bidirectional")
      ...     outputs, (h, c) = lstm(tf.zeros([5, 3, 4]))
      >>> outputs.shape, h.shape
      (TensorShape([5, 3, 16]), TensorShape([4, 3, 8]))
    """

    _cell = CudnnCompatibleLSTMCell


@export(v1=["contrib.cudnn_rnn.CudnnGRU"])
class CudnnGRU(_CudnnRNN):
    """Layers of GRUs, which reset the state after its product; arguments as those of `CudnnLSTM`."""

    _cell = CudnnCompatibleGRUCell
