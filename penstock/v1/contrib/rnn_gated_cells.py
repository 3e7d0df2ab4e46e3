"""`contrib.rnn`: cells whose gates differ from those of an LSTM: phased, in groups, or between input and output too."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.ops.variables.initializers_v1 import ConstantV1, ZerosV1
from penstock.ops.variables.scope import get_variable, get_variable_scope, variable_scope
from penstock.v1.api import tf
from penstock.v1.contrib.rnn import linear
from penstock.v1.rnn_cell import LSTMStateTuple, RNNCell


@export(v1=["contrib.rnn.PhasedLSTMCell"])
class PhasedLSTMCell(RNNCell):
    """An LSTM each of whose units is open for a part of its own period only (Neil et al., 2016).

    Its inputs are pairs: the time, `[batch, 1]`, and the features, `[batch, size]`.

    Args:
      num_units: the size of the memory. use_peepholes: whether the gates see the memory.
      leak: how much a closed unit still changes. ratio_on: the part of a period in which a unit is open.
      trainable_ratio_on: whether that part is trained.
      period_init_min, period_init_max: periods begin as `exp(uniform(log(min), log(max)))`.
      reuse: whether the variables exist already.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        leak: Any = 0.001,
        ratio_on: Any = 0.1,
        trainable_ratio_on: bool = True,
        period_init_min: float = 1.0,
        period_init_max: float = 1000.0,
        reuse: bool | None = None,
    ):
        super().__init__(_reuse=reuse)
        self._num_units, self._peepholes, self._leak = num_units, use_peepholes, leak
        self._ratio_on, self._trains_ratio = ratio_on, trainable_ratio_on
        self._periods = period_init_min, period_init_max

    output_size = property(lambda self: self._num_units, doc="`num_units`.")

    @property
    def state_size(self) -> LSTMStateTuple:
        """`LSTMStateTuple(num_units, num_units)`."""
        return LSTMStateTuple(self._num_units, self._num_units)

    def _first_periods(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return tf.exp(tf.random_uniform(shape, *map(math.log, self._periods), dtype))

    def _openness(self, time: Any, dtype: Any) -> Any:
        """How open each unit is at a time: up and down while it is on, and slightly open else."""
        shape = [self._num_units]
        period = get_variable("period", shape, dtype, self._first_periods)

        def first_phases(shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
            return tf.random_uniform(shape, 0.0, period.initial_value)  # anywhere within the first period

        phase = get_variable("phase", shape, dtype, first_phases)
        on = get_variable("ratio_on", shape, dtype, ConstantV1(self._ratio_on), trainable=self._trains_ratio)
        shifted, turn = time - tf.cast(phase, time.dtype), tf.cast(period, time.dtype)
        remainder = tf.stop_gradient(tf.mod(shifted, turn) - shifted) + shifted
        part = tf.cast(remainder / turn, dtype)
        up = 2 * part / on
        opened = tf.where(part < tf.broadcast_to(on, tf.shape(part)), 2 - up, self._leak * part)
        return tf.where(part < 0.5 * tf.broadcast_to(on, tf.shape(part)), up, opened)

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        memory, output = state
        time, x = inputs
        with variable_scope("mask_gates"):
            seen = [x, output, memory] if self._peepholes else [x, output]
            i, f = tf.split(tf.sigmoid(linear(seen, 2 * self._num_units, True)), 2, 1)
        with variable_scope("new_input"):
            candidate = tf.tanh(linear([x, output], self._num_units, True))
        new_memory = memory * f + i * candidate
        with variable_scope("output_gate"):
            seen = [x, output, new_memory] if self._peepholes else [x, output]
            new_output = tf.tanh(new_memory) * tf.sigmoid(linear(seen, self._num_units, True))
        k = self._openness(time, x.dtype)
        new_memory = k * new_memory + (1 - k) * memory
        new_output = k * new_output + (1 - k) * output
        return new_output, LSTMStateTuple(new_memory, new_output)


@export(v1=["contrib.rnn.IntersectionRNNCell"])
class IntersectionRNNCell(RNNCell):
    """A cell with one gate between old and new state and one between input and output (Collins et al., 2017).

    Args:
      num_units: the size of state and output. num_in_proj: `num_units` where inputs of another size are to be projected.
      initializer: of the weights. forget_bias: added to both gates. y_activation: of the output; relu by default.
      reuse: whether the variables exist already.

    Raises:
      ValueError: (when it is called) the input has another size, and there is no projection.
    """

    def __init__(
        self,
        num_units: int,
        num_in_proj: int | None = None,
        initializer: Any = None,
        forget_bias: float = 1.0,
        y_activation: Callable | None = None,
        reuse: bool | None = None,
    ):
        super().__init__(_reuse=reuse)
        self._num_units, self._num_in_proj, self._initializer = num_units, num_in_proj, initializer
        self._forget_bias, self._y_activation = forget_bias, y_activation or tf.nn.relu

    state_size = property(lambda self: self._num_units, doc="`num_units`.")
    output_size = property(lambda self: self._num_units, doc="`num_units`.")

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        with variable_scope(get_variable_scope(), initializer=self._initializer):
            if inputs.shape.as_list()[-1] != self._num_units:
                if not self._num_in_proj:
                    raise ValueError(
                        f"The inputs have size {inputs.shape.as_list()[-1]}, and num_units is {self._num_units}: they must "
                        "be equal, or num_in_proj must be given."
                    )
                with variable_scope("in_projection"):
                    inputs = linear([inputs], self._num_in_proj, True)
            made = linear([inputs, state], 4 * self._num_units, True)
        keep_state, new_state, keep_input, new_output = tf.split(made, 4, 1)
        keep_state, keep_input = (tf.sigmoid(each + self._forget_bias) for each in (keep_state, keep_input))
        new_state = keep_state * state + (1.0 - keep_state) * tf.tanh(new_state)
        return keep_input * inputs + (1.0 - keep_input) * self._y_activation(new_output), new_state


@export(v1=["contrib.rnn.GLSTMCell"])
class GLSTMCell(RNNCell):
    """An LSTM in groups: each computes its part of the gates from its part of input and output (Kuchaiev, 2017).

    Args:
      num_units: the size of the memory; that of the input too (of the output, where it is projected).
      initializer: of the weights. num_proj: the size of the output, if it is projected.
      number_of_groups: how many groups. forget_bias: added to the forget gate. activation: tanh by default.
      reuse: whether the variables exist already.

    Raises:
      ValueError: a size cannot be divided into the groups.
    """

    def __init__(
        self,
        num_units: int,
        initializer: Any = None,
        num_proj: int | None = None,
        number_of_groups: int = 1,
        forget_bias: float = 1.0,
        activation: Callable | None = None,
        reuse: bool | None = None,
    ):
        super().__init__(_reuse=reuse)
        for name, size in (("num_units", num_units), ("num_proj", num_proj or 0)):
            if size % number_of_groups:
                raise ValueError(f"{name} must be divisible by number_of_groups")
        self._num_units, self._num_proj, self._groups = num_units, num_proj, number_of_groups
        self._initializer, self._forget_bias = initializer, forget_bias
        self._activation = activation or tf.tanh

    output_size = property(lambda self: self._num_proj or self._num_units, doc="The size of the output.")

    @property
    def state_size(self) -> LSTMStateTuple:
        """The sizes of memory and output."""
        return LSTMStateTuple(self._num_units, self.output_size)

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        memory, output = state
        with variable_scope(get_variable_scope(), initializer=self._initializer):
            made = []
            for number, parts in enumerate(
                zip(tf.split(inputs, self._groups, 1), tf.split(output, self._groups, 1))
            ):
                with variable_scope(f"group{number}"):
                    gates = linear(parts, 4 * self._num_units // self._groups, False)
                made.append(tf.split(gates, 4, 1))
            i, j, f, o = (
                tf.concat(parts, 1) + get_variable(f"bias_{gate}", [self._num_units], inputs.dtype, ZerosV1())
                for gate, *parts in zip("ijfo", *made)
            )
            memory = tf.sigmoid(f + self._forget_bias) * memory + tf.sigmoid(i) * tf.tanh(j)
            output = tf.sigmoid(o) * self._activation(memory)
            if self._num_proj is not None:
                with variable_scope("projection"):
                    output = linear([output], self._num_proj, False)
        return output, LSTMStateTuple(memory, output)
