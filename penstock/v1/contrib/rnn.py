"""`contrib.rnn`: more recurrent cells, and functions that stack them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import EXPORTS, export
from penstock.ops.variables.initializers_v1 import OnesV1, ZerosV1
from penstock.ops.variables.scope import get_variable, get_variable_scope, variable_scope
from penstock.types import nest
from penstock.v1.api import tf
from penstock.v1.contrib.rnn_cells import normed
from penstock.v1.layer import named_activation
from penstock.v1.rnn import transpose_batch_time
from penstock.v1.rnn_cell import GRUCell, LSTMCell, LSTMStateTuple, RNNCell
from penstock.v1.rnn_cell_wrappers import CellWrapper

# The cells and functions that `tf.nn` has too.
for _name in (
    "RNNCell BasicRNNCell GRUCell BasicLSTMCell LSTMCell LSTMStateTuple MultiRNNCell DropoutWrapper ResidualWrapper "
    "DeviceWrapper"
).split():
    export(v1=[f"contrib.rnn.{_name}", f"contrib.rnn.core_rnn_cell.{_name}"])(
        EXPORTS["v1"][f"nn.rnn_cell.{_name}"]
    )
for _name in "static_rnn static_state_saving_rnn static_bidirectional_rnn".split():
    export(v1=[f"contrib.rnn.{_name}"])(EXPORTS["v1"][f"nn.{_name}"])
export(v1=["contrib.rnn.transpose_batch_time"])(transpose_batch_time)


@export(v1=["contrib.rnn.LSTMBlockCell"])
class LSTMBlockCell(LSTMCell):
    """`LSTMCell` in one op of TensorFlow's; here XLA fuses it. Its variables are those of "lstm_cell".

    Args:
      num_units: the size of the memory. forget_bias: added to the forget gate. cell_clip: bounds the memory.
      use_peephole: whether the gates see the memory. reuse, name, dtype: see `BasicLSTMCell`.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        dtype: Any = None,
        reuse: bool | None = None,
        name: str = "lstm_cell",
        **kwargs: Any,
    ):
        super().__init__(
            num_units,
            use_peephole,
            cell_clip,
            forget_bias=forget_bias,
            reuse=reuse,
            name=name,
            dtype=dtype,
            **kwargs,
        )


@export(v1=["contrib.rnn.GRUBlockCell", "contrib.rnn.GRUBlockCellV2"])
class GRUBlockCell(GRUCell):
    """`GRUCell` in one op of TensorFlow's; here XLA fuses it."""

    def __init__(
        self, num_units: int | None = None, cell_size: int | None = None, reuse: bool | None = None,
        name: str = "gru_cell", dtype: Any = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(num_units or cell_size, reuse=reuse, name=name, dtype=dtype, **kwargs)


@export(v1=["contrib.rnn.LayerNormBasicLSTMCell"])
class LayerNormBasicLSTMCell(RNNCell):
    """An LSTM cell with layer normalization (Ba et al., 2016) and dropout of the candidate (Semeniuta et al., 2016).

    Args:
      num_units: the size of the memory. forget_bias: added to the forget gate.
      activation: of the candidate and the memory.
      layer_norm: whether gates and memory are normalized. norm_gain, norm_shift: what gain and shift begin with.
      dropout_keep_prob, dropout_prob_seed: of the candidate. reuse: whether the variables exist already.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: Any = None,
        activation: Callable | None = None,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: bool | None = None,
    ):
        super().__init__(_reuse=reuse)
        self._num_units, self._forget_bias, self._activation = num_units, forget_bias, activation or tf.tanh
        self._layer_norm, self._gain, self._shift = layer_norm, norm_gain, norm_shift
        self._keep, self._seed = dropout_keep_prob, dropout_prob_seed

    @property
    def state_size(self) -> LSTMStateTuple:
        """`LSTMStateTuple(num_units, num_units)`."""
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> int:
        """`num_units`."""
        return self._num_units

    def _norm(self, x: Any, scope: str) -> Any:
        return normed(x, scope, self._gain, self._shift)

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        c, h = state
        joined = tf.concat([inputs, h], 1)
        kernel = get_variable("kernel", [joined.shape.as_list()[-1], 4 * self._num_units], joined.dtype)
        gates = tf.matmul(joined, kernel)
        if not self._layer_norm:
            gates = tf.nn.bias_add(
                gates, get_variable("bias", [4 * self._num_units], joined.dtype, ZerosV1())
            )
        i, j, f, o = tf.split(gates, 4, 1)
        if self._layer_norm:
            i, j, f, o = (
                self._norm(each, name)
                for each, name in ((i, "input"), (j, "transform"), (f, "forget"), (o, "output"))
            )
        g = self._activation(j)
        if not isinstance(self._keep, float) or self._keep < 1:
            g = tf.nn.dropout(g, self._keep, seed=self._seed)
        new_c = c * tf.sigmoid(f + self._forget_bias) + tf.sigmoid(i) * g
        if self._layer_norm:
            new_c = self._norm(new_c, "state")
        new_h = self._activation(new_c) * tf.sigmoid(o)
        return new_h, LSTMStateTuple(new_c, new_h)


class Linear:
    """`concat(inputs) @ kernel + bias`, with variables of the scope that is current when it is made.

    Args:
      args: `[batch, size]`, or a nest of such tensors. output_size: of the result. build_bias: whether there is a bias.
      bias_initializer, kernel_initializer: of the variables; a bias begins with zeros.

    Raises:
      ValueError: an argument is no matrix with a known number of columns, or there is none.
    """

    def __init__(
        self, args: Any, output_size: int, build_bias: bool, bias_initializer: Any = None,
        kernel_initializer: Any = None,
    ):  # fmt: skip
        given = [tf.convert_to_tensor(each) for each in nest.flatten(args)]
        if not given:
            raise ValueError("`args` must be specified")
        size, dtype = sum(map(_columns, given)), given[0].dtype
        self._kernel = get_variable("kernel", [size, output_size], dtype, kernel_initializer)
        initializer = ZerosV1() if bias_initializer is None else bias_initializer
        self._bias = get_variable("bias", [output_size], dtype, initializer) if build_bias else None

    def __call__(self, args: Any) -> Any:
        """The layer of inputs."""
        given = nest.flatten(args)
        product = tf.matmul(given[0] if len(given) == 1 else tf.concat(given, 1), self._kernel)
        return product if self._bias is None else tf.nn.bias_add(product, self._bias)


def _columns(tensor: Any) -> int:
    if tensor.shape.rank != 2 or tensor.shape.as_list()[1] is None:
        raise ValueError(f"linear expects arguments of two dimensions, the second one known: {tensor.shape}")
    return tensor.shape.as_list()[1]


def linear(inputs: Any, size: int, use_bias: bool, bias: Any = None) -> Any:
    """A `Linear` of its inputs, used once."""
    return Linear(inputs, size, use_bias, bias)(inputs)


@export(v1=["contrib.rnn.UGRNNCell"])
class UGRNNCell(RNNCell):
    """The update-gate recurrent cell (Collins et al., 2017): one gate between the old state and a candidate."""

    def __init__(
        self, num_units: int, initializer: Any = None, forget_bias: float = 1.0, activation: Callable | None = None,
        reuse: bool | None = None,
    ):  # fmt: skip
        super().__init__(_reuse=reuse)
        self._num_units, self._initializer, self._forget_bias = num_units, initializer, forget_bias
        self._activation = activation or tf.tanh

    state_size = property(lambda self: self._num_units, doc="`num_units`.")
    output_size = property(lambda self: self._num_units, doc="`num_units`.")

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        with variable_scope(get_variable_scope(), initializer=self._initializer):
            g, c = tf.split(linear([inputs, state], 2 * self._num_units, True), 2, 1)
        g = tf.sigmoid(g + self._forget_bias)
        new = g * state + (1.0 - g) * self._activation(c)
        return new, new


@export(v1=["contrib.rnn.ConvLSTMCell"])
class ConvLSTMCell(RNNCell):
    """An LSTM whose products are convolutions (Shi et al., 2015).

    Args:
      conv_ndims: how many space dimensions there are.
      input_shape: the shape of an input, without the batch: space and channels.
      output_channels: the channels of the memory. kernel_shape: the size of the kernel.
      use_bias, forget_bias, initializers, name: as for an LSTM. skip_connection: whether outputs have the inputs beside.
    """

    def __init__(
        self,
        conv_ndims: int,
        input_shape: Sequence[int],
        output_channels: int,
        kernel_shape: Sequence[int],
        use_bias: bool = True,
        skip_connection: bool = False,
        forget_bias: float = 1.0,
        initializers: Any = None,
        name: str = "conv_lstm_cell",
    ):
        super().__init__(name=name)
        if conv_ndims != len(input_shape) - 1:
            raise ValueError(f"Invalid input_shape {input_shape} for conv_ndims={conv_ndims}.")
        self._ndims, self._input_shape, self._channels = conv_ndims, list(input_shape), output_channels
        self._kernel_shape, self._use_bias, self._skip = list(kernel_shape), use_bias, skip_connection
        self._forget_bias, self._initializers = forget_bias, initializers

    @property
    def output_size(self) -> Any:
        """The shape of an output."""
        channels = self._channels + (self._input_shape[-1] if self._skip else 0)
        return tf.TensorShape([*self._input_shape[:-1], channels])

    @property
    def state_size(self) -> Any:
        """The shapes of memory and output."""
        shape = tf.TensorShape([*self._input_shape[:-1], self._channels])
        return LSTMStateTuple(shape, shape)

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        c, h = state
        joined = tf.concat([inputs, h], -1)
        shape = [*self._kernel_shape, joined.shape.as_list()[-1], 4 * self._channels]
        gates = tf.nn.convolution(
            joined, get_variable("kernel", shape, joined.dtype, self._initializers), "SAME"
        )
        if self._use_bias:
            gates = gates + get_variable("biases", [4 * self._channels], joined.dtype, ZerosV1())
        i, j, f, o = tf.split(gates, 4, -1)
        new_c = tf.sigmoid(f + self._forget_bias) * c + tf.sigmoid(i) * tf.tanh(j)
        output = tf.tanh(new_c) * tf.sigmoid(o)
        visible = tf.concat([output, inputs], -1) if self._skip else output
        return visible, LSTMStateTuple(new_c, output)


def _conv_lstm(dims: int) -> type:
    class Cell(ConvLSTMCell):
        def __init__(self, name: str = f"conv_{dims}d_lstm_cell", **kwargs: Any):
            super().__init__(conv_ndims=dims, name=name, **kwargs)

    Cell.__name__ = Cell.__qualname__ = f"Conv{dims}DLSTMCell"
    Cell.__doc__ = f"`ConvLSTMCell` over {dims} space dimension{'s' if dims > 1 else ''}."
    return export(v1=[f"contrib.rnn.{Cell.__name__}"])(Cell)


Conv1DLSTMCell, Conv2DLSTMCell, Conv3DLSTMCell = map(_conv_lstm, (1, 2, 3))


# Wrappers.


@export(v1=["contrib.rnn.AttentionCellWrapper"])
class AttentionCellWrapper(RNNCell):
    """A cell that attends to its own last states (Rocktaeschel et al., 2016).

    Args:
      cell: the cell. attn_length: how many of its states it looks back to.
      attn_size, attn_vec_size: the sizes of attended and attention vectors; by default the output's size.
      input_size: the size of inputs mixed with attention. state_is_tuple: whether the state is a tuple.

    Raises:
      ValueError: `attn_length` is not positive, or the cell's state is a tuple and `state_is_tuple` is False.
    """

    def __init__(
        self,
        cell: Any,
        attn_length: int,
        attn_size: int | None = None,
        attn_vec_size: int | None = None,
        input_size: int | None = None,
        state_is_tuple: bool = True,
        reuse: bool | None = None,
    ):
        super().__init__(_reuse=reuse)
        if nest.is_nested(cell.state_size) and not state_is_tuple:
            raise ValueError("Cell returns tuple of states, but the flag state_is_tuple is not set.")
        if attn_length <= 0:
            raise ValueError(f"attn_length should be greater than zero, got {attn_length}")
        self._cell, self._length, self._state_is_tuple = cell, attn_length, state_is_tuple
        self._size = attn_size or cell.output_size
        self._vec_size, self._input_size = attn_vec_size or self._size, input_size

    @property
    def state_size(self) -> Any:
        """The cell's state, the attention, and the last states."""
        sizes = (self._cell.state_size, self._size, self._size * self._length)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> int:
        """The size of attended vectors."""
        return self._size

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        if self._state_is_tuple:
            inner, attention, history = state
        else:
            sizes = [self._cell.state_size, self._size, self._size * self._length]
            inner, attention, history = tf.split(state, sizes, 1)
        history = tf.reshape(history, [-1, self._length, self._size])
        size = self._input_size or inputs.shape.as_list()[1]
        with variable_scope("input_projection"):
            mixed = linear([inputs, attention], size, True)
        cell_output, new_inner = self._cell(mixed, inner)
        flat = tf.concat(nest.flatten(new_inner), 1) if self._state_is_tuple else new_inner
        new_attention, rest = self._attend(flat, history)
        with variable_scope("attn_output_projection"):
            output = linear([cell_output, new_attention], self._size, True)
        history = tf.concat([rest, tf.expand_dims(output, 1)], 1)
        history = tf.reshape(history, [-1, self._size * self._length])
        new_state = (new_inner, new_attention, history)
        return output, new_state if self._state_is_tuple else tf.concat(list(new_state), 1)

    def _attend(self, query: Any, history: Any) -> tuple[Any, Any]:
        with variable_scope("attention"):
            kernel = get_variable("attn_w", [1, 1, self._size, self._vec_size], query.dtype)
            v = get_variable("attn_v", [self._vec_size], query.dtype)
            hidden = tf.reshape(history, [-1, self._length, 1, self._size])
            features = tf.nn.conv2d(hidden, kernel, [1, 1, 1, 1], "SAME")
            y = tf.reshape(linear([query], self._vec_size, True), [-1, 1, 1, self._vec_size])
            weights = tf.nn.softmax(tf.reduce_sum(v * tf.tanh(features + y), [2, 3]))
            attended = tf.reduce_sum(tf.reshape(weights, [-1, self._length, 1, 1]) * hidden, [1, 2])
            return tf.reshape(attended, [-1, self._size]), history[:, 1:]


@export(v1=["contrib.rnn.InputProjectionWrapper"])
class InputProjectionWrapper(RNNCell):
    """Projects the inputs of a cell to another size."""

    def __init__(
        self,
        cell: Any,
        num_proj: int,
        activation: Any = None,
        input_size: Any = None,
        reuse: bool | None = None,
    ):
        super().__init__(_reuse=reuse)
        self._cell, self._num_proj, self._activation = cell, num_proj, named_activation(activation)

    state_size = property(lambda self: self._cell.state_size, doc="That of the cell.")
    output_size = property(lambda self: self._cell.output_size, doc="That of the cell.")

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        projected = linear([inputs], self._num_proj, True)
        return self._cell(self._activation(projected) if self._activation else projected, state)


@export(v1=["contrib.rnn.OutputProjectionWrapper"])
class OutputProjectionWrapper(RNNCell):
    """Projects the outputs of a cell to another size."""

    def __init__(self, cell: Any, output_size: int, activation: Any = None, reuse: bool | None = None):
        super().__init__(_reuse=reuse)
        self._cell, self._output_size, self._activation = cell, output_size, named_activation(activation)

    state_size = property(lambda self: self._cell.state_size, doc="That of the cell.")
    output_size = property(lambda self: self._output_size, doc="The size of the projection.")

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        output, new_state = self._cell(inputs, state)
        projected = linear([output], self._output_size, True)
        return self._activation(projected) if self._activation else projected, new_state


@export(v1=["contrib.rnn.EmbeddingWrapper"])
class EmbeddingWrapper(RNNCell):
    """Maps integer inputs of a cell to trained vectors."""

    def __init__(
        self,
        cell: Any,
        embedding_classes: int,
        embedding_size: int,
        initializer: Any = None,
        reuse: bool | None = None,
    ):
        super().__init__(_reuse=reuse)
        self._cell, self._classes, self._size, self._initializer = (
            cell,
            embedding_classes,
            embedding_size,
            initializer,
        )

    state_size = property(lambda self: self._cell.state_size, doc="That of the cell.")
    output_size = property(lambda self: self._cell.output_size, doc="That of the cell.")

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        limit = 3.0**0.5  # so that the embedded inputs have variance one
        initializer = self._initializer or tf.random_uniform_initializer(-limit, limit)
        dtype = nest.flatten(state)[0].dtype
        vectors = get_variable("embedding", [self._classes, self._size], dtype, initializer)
        return self._cell(tf.nn.embedding_lookup(vectors, tf.reshape(inputs, [-1])), state)


@export(v1=["contrib.rnn.HighwayWrapper"])
class HighwayWrapper(CellWrapper):
    """Mixes a cell's inputs into its outputs through a trained gate (Srivastava et al., 2015)."""

    def __init__(self, cell: Any, couple_carry_transform_gates: bool = True, carry_bias_init: float = 1.0):
        super().__init__(cell)
        self._coupled, self._bias = couple_carry_transform_gates, carry_bias_init

    def _gate(self, inputs: Any, name: str, bias: float) -> Any:
        size = inputs.shape.as_list()[-1]
        weight = get_variable(f"{name}_w", [size, size], inputs.dtype)
        shift = get_variable(f"{name}_b", [size], inputs.dtype, OnesV1())
        return tf.sigmoid(tf.nn.xw_plus_b(inputs, weight, shift * bias))

    def call(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        """One step."""
        outputs, new_state = self.cell(inputs, state, scope=scope)
        carry = self._gate(inputs, "carry", self._bias)
        transform = 1 - carry if self._coupled else self._gate(inputs, "transform", -self._bias)
        return inputs * carry + outputs * transform, new_state


# Stacks of bidirectional layers.


@export(v1=["contrib.rnn.stack_bidirectional_dynamic_rnn"])
def stack_bidirectional_dynamic_rnn(
    cells_fw: Sequence[Any],
    cells_bw: Sequence[Any],
    inputs: Any,
    initial_states_fw: Sequence[Any] | None = None,
    initial_states_bw: Sequence[Any] | None = None,
    dtype: Any = None,
    sequence_length: Any = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: Any = None,
    swap_memory: bool = False,
) -> tuple[Any, tuple, tuple]:
    """Bidirectional layers on top of each other: the outputs of both directions, side by side, are the next one's inputs.

    Returns:
      The outputs of the top layer, and the last states of all layers in both directions.

    Raises:
      ValueError: there are no cells, or not as many backward as forward.
    """
    if not cells_fw or len(cells_fw) != len(cells_bw):
        raise ValueError("Forward and Backward cells must have the same depth, and at least one cell.")
    states_fw, states_bw = [], []
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for index, (forward, backward) in enumerate(zip(cells_fw, cells_bw)):
            with variable_scope(f"cell_{index}"):
                outputs, (state_fw, state_bw) = tf.nn.bidirectional_dynamic_rnn(
                    forward, backward, inputs, sequence_length,
                    initial_states_fw[index] if initial_states_fw else None,
                    initial_states_bw[index] if initial_states_bw else None, dtype, time_major=time_major,
                )  # fmt: skip
                inputs = tf.concat(outputs, 2)
            states_fw.append(state_fw)
            states_bw.append(state_bw)
    return inputs, tuple(states_fw), tuple(states_bw)


@export(v1=["contrib.rnn.stack_bidirectional_rnn"])
def stack_bidirectional_rnn(
    cells_fw: Sequence[Any],
    cells_bw: Sequence[Any],
    inputs: Sequence[Any],
    initial_states_fw: Sequence[Any] | None = None,
    initial_states_bw: Sequence[Any] | None = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[Any, tuple, tuple]:
    """As `stack_bidirectional_dynamic_rnn`, over a list of inputs."""
    if not cells_fw or len(cells_fw) != len(cells_bw):
        raise ValueError("Forward and Backward cells must have the same depth, and at least one cell.")
    states_fw, states_bw, layer = [], [], list(inputs)
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for index, (forward, backward) in enumerate(zip(cells_fw, cells_bw)):
            with variable_scope(f"cell_{index}"):
                layer, state_fw, state_bw = tf.nn.static_bidirectional_rnn(
                    forward, backward, layer, initial_states_fw[index] if initial_states_fw else None,
                    initial_states_bw[index] if initial_states_bw else None, dtype, sequence_length,
                )  # fmt: skip
            states_fw.append(state_fw)
            states_bw.append(state_bw)
    return layer, tuple(states_fw), tuple(states_bw)
