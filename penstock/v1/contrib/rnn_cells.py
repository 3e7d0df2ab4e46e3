"""`contrib.rnn`: cells that came from papers, and cells that run over whole sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.ops.variables.initializers_v1 import ConstantV1, OnesV1, ZerosV1
from penstock.ops.variables.scope import get_variable, get_variable_scope, variable_scope
from penstock.v1.api import tf
from penstock.v1.layer import named_activation
from penstock.v1.rnn_cell import LSTMCell, LSTMStateTuple, RNNCell


class _Cell(RNNCell):
    """A cell whose state and output are `num_units` numbers."""

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units, self._activation = num_units, named_activation(activation) or tf.tanh

    state_size: Any = property(lambda self: self._num_units, doc="`num_units`.")
    output_size = property(lambda self: self._num_units, doc="`num_units`.")


class _MemoryCell(_Cell):
    """A cell with the state of an LSTM."""

    state_size = property(
        lambda self: LSTMStateTuple(self._num_units, self._num_units),
        doc="`LSTMStateTuple(num_units, num_units)`.",
    )


@export(v1=["contrib.rnn.NASCell"])
class NASCell(RNNCell):
    """The cell that a search among architectures found (Zoph and Le, 2016).

    Args:
      num_units: the size of the memory. num_proj: the size of the output, if it is projected.
      use_bias: whether biases are added. reuse: whether the variables exist already.
    """

    def __init__(
        self, num_units: int, num_proj: int | None = None, use_bias: bool = False, reuse: bool | None = None,
        **kwargs: Any,
    ):  # fmt: skip
        super().__init__(_reuse=reuse, **kwargs)
        self._num_units, self._num_proj, self._use_bias = num_units, num_proj, use_bias

    output_size = property(lambda self: self._num_proj or self._num_units, doc="The size of the output.")

    @property
    def state_size(self) -> LSTMStateTuple:
        """The sizes of memory and output."""
        return LSTMStateTuple(self._num_units, self.output_size)

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        memory, output = state
        units, dtype = self._num_units, inputs.dtype
        recurrent = tf.matmul(output, get_variable("recurrent_kernel", [self.output_size, 8 * units], dtype))
        given = tf.matmul(inputs, get_variable("kernel", [inputs.shape.as_list()[-1], 8 * units], dtype))
        if self._use_bias:
            recurrent = tf.nn.bias_add(recurrent, get_variable("bias", [8 * units], dtype, ZerosV1()))
        x, m = tf.split(given, 8, 1), tf.split(recurrent, 8, 1)
        sigmoid, tanh, relu = tf.sigmoid, tf.tanh, tf.nn.relu
        first = tanh(sigmoid(x[0] + m[0]) * relu(x[1] + m[1]))
        second = tanh(sigmoid(x[2] + m[2]) + relu(x[3] * m[3]))
        third = tanh(tanh(x[4] + m[4]) * sigmoid(x[5] + m[5]))
        fourth = sigmoid(tanh(x[6] + m[6]) + sigmoid(x[7] + m[7]))
        new_memory = tanh(first + memory) * second
        new = tanh(new_memory * tanh(third + fourth))
        if self._num_proj is not None:
            new = tf.matmul(new, get_variable("projection_weights", [units, self._num_proj], dtype))
        return new, LSTMStateTuple(new_memory, new)


def sharded(name: str, shape: list[int], dtype: Any, count: int) -> Any:
    """Weights whose rows lie in `count` variables, `name_0`, `name_1`, ..."""
    if count > shape[0]:
        raise ValueError(f"Too many shards: shape={shape}, num_shards={count}")
    rows = [shape[0] // count + (number < shape[0] % count) for number in range(count)]
    parts = [get_variable(f"{name}_{number}", [each, *shape[1:]], dtype) for number, each in enumerate(rows)]
    return parts[0] if count == 1 else tf.concat(parts, 0)


def normed(x: Any, scope: str, gain: float, shift: float) -> Any:
    """Layer normalization (Ba et al., 2016)."""
    with variable_scope(scope):
        gamma = get_variable("gamma", [x.shape.as_list()[-1]], x.dtype, ConstantV1(gain, x.dtype))
        beta = get_variable("beta", [x.shape.as_list()[-1]], x.dtype, ConstantV1(shift, x.dtype))
    mean, variance = tf.nn.moments(x, [1], keep_dims=True)
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-12)


@export(v1=["contrib.rnn.CoupledInputForgetGateLSTMCell"])
class CoupledInputForgetGateLSTMCell(_Cell):
    """An LSTM that forgets as much as it takes in (Greff et al., 2015).

    Args:
      num_units: the size of the memory. use_peepholes: whether the gates see the memory. initializer: of the weights.
      num_proj: the size of the output, if it is projected. proj_clip: bounds the projection.
      num_unit_shards, num_proj_shards: into how many variables the weights of both are divided.
      forget_bias: added to the forget gate. activation: of candidate and memory; tanh by default.
      state_is_tuple: whether the state is an `LSTMStateTuple`, or one matrix.
      layer_norm: whether gates and memory are normalized. norm_gain, norm_shift: what gain and shift begin with.
      reuse, name: of the variables.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int = 1,
        num_proj_shards: int = 1,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: bool | None = None,
        layer_norm: bool = False,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        name: str | None = None,
    ):
        super().__init__(num_units, activation, reuse, name)
        self._peepholes, self._initializer, self._forget_bias = use_peepholes, initializer, forget_bias
        self._num_proj, self._proj_clip, self._is_tuple = num_proj, proj_clip, state_is_tuple
        self._shards, self._norm = (num_unit_shards, num_proj_shards), (layer_norm, norm_gain, norm_shift)

    output_size = property(lambda self: self._num_proj or self._num_units, doc="The size of the output.")

    @property
    def state_size(self) -> Any:  # type: ignore[override]
        """The sizes of memory and output, or their sum."""
        sizes = LSTMStateTuple(self._num_units, self.output_size)
        return sizes if self._is_tuple else sum(sizes)

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        memory, output = state if self._is_tuple else tf.split(state, [self._num_units, self.output_size], 1)
        units, dtype, (norm, *gain_and_shift) = self._num_units, inputs.dtype, self._norm
        joined = tf.concat([inputs, output], 1)
        with variable_scope(get_variable_scope(), initializer=self._initializer):
            weights = sharded("W", [joined.shape.as_list()[-1], 3 * units], dtype, self._shards[0])
            biases = get_variable("B", [3 * units], dtype, ZerosV1())
            seen = (
                [get_variable(f"W_{gate}_diag", [units], dtype) for gate in "FO"] if self._peepholes else None
            )
        gates = tf.matmul(joined, weights)
        j, f, o = tf.split(gates if norm else tf.nn.bias_add(gates, biases), 3, 1)
        if norm:
            named = {"transform": j, "forget": f, "output": o}
            j, f, o = (normed(each, scope, *gain_and_shift) for scope, each in named.items())
        forget = tf.sigmoid(f + self._forget_bias + (seen[0] * memory if seen else 0.0))
        memory = forget * memory + (1.0 - forget) * self._activation(j)
        if norm:
            memory = normed(memory, "state", *gain_and_shift)
        new = tf.sigmoid(o + (seen[1] * memory if seen else 0.0)) * self._activation(memory)
        if self._num_proj is not None:
            with variable_scope(get_variable_scope(), initializer=self._initializer):
                new = tf.matmul(new, sharded("W_P", [units, self._num_proj], dtype, self._shards[1]))
            if self._proj_clip is not None:
                new = tf.clip_by_value(new, -self._proj_clip, self._proj_clip)
        return new, LSTMStateTuple(memory, new) if self._is_tuple else tf.concat([memory, new], 1)


# Recurrent weights that are a vector: each unit sees its own state only (Li et al., 2018).


def _independent(prefix: str, inputs: Any, state: Any, times: int, units: int, bias: Any) -> Any:
    """`inputs @ w + state * u + b`, where the state is repeated `times` times."""
    dtype = inputs.dtype
    w = get_variable(f"{prefix}kernel_w", [inputs.shape.as_list()[-1], times * units], dtype)
    u = get_variable(
        f"{prefix}kernel_u", [1, times * units] if times > 1 or prefix else [units], dtype,
        tf.random_uniform_initializer(-1.0, 1.0),
    )  # fmt: skip
    b = get_variable(f"{prefix}bias", [times * units], dtype, bias)
    repeated = tf.tile(state, [1, times]) if times > 1 else state
    return tf.nn.bias_add(tf.matmul(inputs, w) + repeated * u, b)


@export(v1=["contrib.rnn.IndRNNCell"])
class IndRNNCell(_Cell):
    """A recurrent cell whose units see their own state only."""

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        new = self._activation(_independent("", inputs, state, 1, self._num_units, ZerosV1()))
        return new, new


@export(v1=["contrib.rnn.IndyGRUCell"])
class IndyGRUCell(_Cell):
    """A `GRUCell` whose units see their own state only."""

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        gates = _independent("gates/", inputs, state, 2, self._num_units, OnesV1())
        r, u = tf.split(tf.sigmoid(gates), 2, 1)
        candidate = _independent("candidate/", inputs, r * state, 1, self._num_units, ZerosV1())
        new = u * state + (1 - u) * self._activation(candidate)
        return new, new


@export(v1=["contrib.rnn.IndyLSTMCell"])
class IndyLSTMCell(_MemoryCell):
    """A `BasicLSTMCell` whose units see their own state only."""

    def __init__(self, num_units: int, forget_bias: float = 1.0, activation: Any = None, **kwargs: Any):
        super().__init__(num_units, activation, **kwargs)
        self._forget_bias = forget_bias

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        memory, output = state
        gates = _independent("", inputs, output, 4, self._num_units, ZerosV1())
        i, j, f, o = tf.split(gates, 4, 1)
        new_memory = memory * tf.sigmoid(f + self._forget_bias) + tf.sigmoid(i) * self._activation(j)
        new = self._activation(new_memory) * tf.sigmoid(o)
        return new, LSTMStateTuple(new_memory, new)


@export(v1=["contrib.rnn.SRUCell"])
class SRUCell(_Cell):
    """The simple recurrent unit (Lei et al., 2017), whose products do not wait for the last step."""

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        units, dtype = self._num_units, inputs.dtype
        kernel = get_variable("kernel", [inputs.shape.as_list()[-1], 4 * units], dtype)
        bias = get_variable("bias", [2 * units], dtype, ZerosV1())
        candidate, f, r, through = tf.split(tf.matmul(inputs, kernel), 4, 1)
        f, r = tf.split(tf.sigmoid(tf.nn.bias_add(tf.concat([f, r], 1), bias)), 2, 1)
        new = f * state + (1.0 - f) * candidate
        return r * self._activation(new) + (1.0 - r) * through, new


# Cells over whole sequences, with the time first.


@export(v1=["contrib.rnn.FusedRNNCell"])
class FusedRNNCell:
    """What is called once for a whole sequence, `[time, batch, size]` or a list of `[batch, size]`.

    `cell(inputs, initial_state=None, dtype=None, sequence_length=None, scope=None)` gives the outputs and the last state.
    """

    def __call__(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:  # fmt: skip
        """Runs over a sequence."""
        raise TypeError(
            f"{type(self).__name__} does not say how it runs over a sequence: __call__ is missing"
        )


@export(v1=["contrib.rnn.FusedRNNCellAdaptor"])
class FusedRNNCellAdaptor(FusedRNNCell):
    """Runs an `RNNCell` over a sequence.

    Args:
      cell: the cell. use_dynamic_rnn: in a loop, instead of unrolled.
    """

    def __init__(self, cell: Any, use_dynamic_rnn: bool = False):
        self._cell, self._in_loop = cell, use_dynamic_rnn

    def __call__(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:  # fmt: skip
        """Runs over a sequence."""
        as_list = isinstance(inputs, (list, tuple))
        if self._in_loop:
            outputs, state = tf.nn.dynamic_rnn(
                self._cell, tf.stack(inputs) if as_list else inputs, sequence_length, initial_state, dtype,
                time_major=True, scope=scope,
            )  # fmt: skip
            return (tf.unstack(outputs) if as_list else outputs), state
        steps = list(inputs) if as_list else tf.unstack(inputs)
        outputs, state = tf.nn.static_rnn(self._cell, steps, initial_state, dtype, sequence_length, scope)
        return (outputs if as_list else tf.stack(outputs)), state


@export(v1=["contrib.rnn.TimeReversedFusedRNN"])
class TimeReversedFusedRNN(FusedRNNCell):
    """Runs another fused cell from the end of each sequence to its beginning."""

    def __init__(self, cell: FusedRNNCell):
        self._cell = cell

    def __call__(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:  # fmt: skip
        """Runs over a sequence."""

        def reverse(sequence: Any) -> Any:
            stacked = tf.stack(sequence) if isinstance(sequence, (list, tuple)) else sequence
            if sequence_length is None:
                turned = tf.reverse(stacked, [0])
            else:
                turned = tf.reverse_sequence(stacked, sequence_length, seq_axis=0, batch_axis=1)
            return tf.unstack(turned) if isinstance(sequence, (list, tuple)) else turned

        outputs, state = self._cell(reverse(inputs), initial_state, dtype, sequence_length, scope)
        return reverse(outputs), state


@export(v1=["contrib.rnn.LSTMBlockFusedCell"])
class LSTMBlockFusedCell(FusedRNNCell):
    """An LSTM over a whole sequence; it is compiled as one loop, with a native kernel where there is one.

    Args:
      num_units: the size of the memory. forget_bias: added to the forget gate. cell_clip: bounds the memory.
      use_peephole: whether the gates see the memory. reuse, dtype, name: of the variables.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: bool | None = None,
        dtype: Any = None,
        name: str = "lstm_fused_cell",
    ):
        self._cell = LSTMCell(
            num_units, use_peephole, cell_clip, forget_bias=forget_bias, reuse=reuse, dtype=dtype, name=name
        )

    num_units = property(lambda self: self._cell.output_size, doc="The size of the memory.")

    def __call__(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:  # fmt: skip
        """Runs over a sequence."""
        run: Callable = FusedRNNCellAdaptor(self._cell, use_dynamic_rnn=True)
        if initial_state is None and dtype is None:
            dtype = (inputs[0] if isinstance(inputs, (list, tuple)) else inputs).dtype
        elif initial_state is not None:
            initial_state = LSTMStateTuple(*initial_state)
        return run(inputs, initial_state, dtype, sequence_length, scope or get_variable_scope())
