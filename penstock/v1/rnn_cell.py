"""TF 1's recurrent cells: `nn.rnn_cell.RNNCell` and the cells that have weights of their own.

A cell maps an input and a state to an output and the next state: one step in time. `penstock.v1.rnn` runs cells over
sequences, `penstock.v1.rnn_cell_wrappers` has the cells that are made of other cells.
"""

from __future__ import annotations

import collections
from typing import Any

from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.graph.scopes import name_scope
from penstock.ops.variables.initializers_v1 import ConstantV1, ZerosV1
from penstock.ops.variables.partitioned_variables import fixed_size_partitioner
from penstock.ops.variables.scope import get_variable_scope, variable_scope
from penstock.types import nest
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor
from penstock.v1.api import tf
from penstock.v1.layer import InputSpec, Layer, named_activation, named_initializer


@export(v1=["nn.rnn_cell.LSTMStateTuple"])
class LSTMStateTuple(collections.namedtuple("LSTMStateTuple", ("c", "h"))):
    """The state of an LSTM: `c`, the memory, and `h`, the last output."""

    __slots__ = ()

    @property
    def dtype(self) -> Any:
        """The dtype of both.

        Raises:
          TypeError: they differ.
        """
        if self.c.dtype != self.h.dtype:
            raise TypeError(f"Inconsistent internal state: {self.c.dtype} vs {self.h.dtype}")
        return self.c.dtype


def state_shape(batch_size: Any, size: Any) -> list[Any]:
    """`[batch_size, size...]`, where the size is an int or a shape."""
    sizes = TensorShape(size).as_list() if isinstance(size, (TensorShape, list, tuple)) else [size]
    return [batch_size, *(getattr(each, "value", each) for each in sizes)]


def zero_state(size: Any, batch_size: Any, dtype: Any) -> Any:
    """Zeros for every part of a state of nested sizes; `dtype` is one, or nested alike."""
    static = batch_size if isinstance(batch_size, int) else tf.get_static_value(batch_size)
    static = None if static is None else int(static)

    def zeros(each: Any, kind: Any) -> Any:
        found = tf.zeros(tf.stack(state_shape(batch_size if static is None else static, each)), kind)
        found.set_shape(state_shape(static, each))
        return found

    is_size = lambda value: isinstance(value, (int, TensorShape))  # noqa: E731
    if is_size(size):
        return zeros(size, dtype)
    sizes = nest.flatten(size)
    kinds = nest.flatten(dtype) if nest.is_nested(dtype) else [dtype] * len(sizes)
    return nest.pack_sequence_as(size, [zeros(*each) for each in zip(sizes, kinds, strict=True)])


@export(v1=["nn.rnn_cell.RNNCell"])
class RNNCell(Layer):
    """The base of recurrent cells.

    A subclass has `state_size` and `output_size` (ints, shapes, or nested tuples of them) and computes one step in
    `call(inputs, state) -> (output, next_state)`; variables that it takes from `get_variable` there belong to it.
    """

    def __init__(self, trainable: bool = True, name: Any = None, dtype: Any = None, **kwargs: Any):
        super().__init__(trainable, name, dtype, **kwargs)
        self._own_scope: Any = None

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """One step.

        Args:
          inputs: `[batch, input_size]`, or a nest of such tensors.
          state: as `state_size` says, each `[batch, size]`.
          scope: the variable scope, or its name; by default that of the cell's class.

        Returns:
          The output and the next state.
        """
        if scope is not None:
            with variable_scope(scope, custom_getter=self._noting_getter) as scope:
                return super().__call__(inputs, state, scope=scope)
        if self._own_scope is None:
            self._own_scope = variable_scope(get_variable_scope(), custom_getter=self._noting_getter)
        with self._own_scope:
            return super().__call__(inputs, state)

    def _noting_getter(self, getter: Any, *args: Any, **kwargs: Any) -> Any:
        """Notes the variables that `call` gets as the cell's own."""
        variable = getter(*args, **kwargs)
        trainable = self.trainable and getattr(variable, "trainable", True)
        held = self._trainable_weights if trainable else self._non_trainable_weights
        if not any(each is variable for each in held):
            held.append(variable)
        return variable

    @property
    def state_size(self) -> Any:
        """The size of the state."""
        raise NotImplementedError(f"{type(self).__name__} does not define state_size.")

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        raise NotImplementedError(f"{type(self).__name__} does not define output_size.")

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """The zero state for a batch: that of `inputs`, or of the given size and dtype.

        Raises:
          ValueError: neither `inputs` nor both of `batch_size` and `dtype` are given.
        """
        if inputs is not None:
            inputs = tf.convert_to_tensor(inputs)
            batch_size = inputs.shape.as_list()[0] or tf.shape(inputs)[0]
            dtype = inputs.dtype
        if batch_size is None or dtype is None:
            raise ValueError(
                "batch_size and dtype cannot be None while constructing initial state: "
                f"batch_size={batch_size}, dtype={dtype}"
            )
        return self.zero_state(batch_size, dtype)

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Zeros for every part of the state."""
        with name_scope(f"{type(self).__name__}ZeroState"):
            return zero_state(self.state_size, batch_size, dtype)


class LayerRNNCell(RNNCell):
    """A cell that makes its variables in `build`, as layers do."""

    def __call__(self, inputs: Any, state: Any, scope: Any = None, *args: Any, **kwargs: Any) -> Any:
        """One step; see `RNNCell.__call__`."""
        return Layer.__call__(self, inputs, state, *args, scope=scope, **kwargs)

    def _depth(self, input_shape: Any) -> int:
        depth = TensorShape(input_shape).as_list()[-1]
        if depth is None:
            raise ValueError(f"Expected inputs.shape[-1] to be known, saw shape: {input_shape}")
        if self._dtype is not None and not (self._dtype.is_floating or self._dtype.is_complex):
            raise ValueError(
                f"RNN cell only supports floating point inputs, but saw dtype: {self._dtype.name}"
            )
        return depth


@export(v1=["nn.rnn_cell.BasicRNNCell"])
class BasicRNNCell(LayerRNNCell):
    """The plain recurrent cell: `output = state = activation([inputs, state] @ kernel + bias)`.

    Args:
      num_units: the size of the state.
      activation: a function or its name; tanh by default.
      reuse: whether the variables exist already. name, dtype: see `Layer`.
    """

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
        self.input_spec = InputSpec(ndim=2)
        self._num_units, self._activation = num_units, named_activation(activation) or tf.tanh

    @property
    def state_size(self) -> int:
        """`num_units`."""
        return self._num_units

    @property
    def output_size(self) -> int:
        """`num_units`."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the kernel and the bias."""
        depth = self._depth(input_shape)
        self._kernel = self.add_weight("kernel", [depth + self._num_units, self._num_units])
        self._bias = self.add_weight("bias", [self._num_units], initializer=ZerosV1())
        self.built = True

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        gate = tf.matmul(tf.concat([inputs, state], 1), self._kernel)
        output = self._activation(tf.nn.bias_add(gate, self._bias))
        return output, output


@export(v1=["nn.rnn_cell.GRUCell"])
class GRUCell(LayerRNNCell):
    """The gated recurrent unit (Cho et al., 2014).

        r, u = sigmoid([inputs, state] @ gates_kernel + gates_bias)
        c = activation([inputs, r * state] @ candidate_kernel + candidate_bias)
        output = state = u * state + (1 - u) * c

    Args:
      num_units: the size of the state.
      activation: a function or its name; tanh by default.
      kernel_initializer, bias_initializer: for both steps; the bias of the gates is 1 by default.
      reuse, name, dtype: see `BasicRNNCell`.
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: bool | None = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self.input_spec = InputSpec(ndim=2)
        self._num_units, self._activation = num_units, named_activation(activation) or tf.tanh
        self._kernel_initializer = named_initializer(kernel_initializer)
        self._bias_initializer = named_initializer(bias_initializer)

    @property
    def state_size(self) -> int:
        """`num_units`."""
        return self._num_units

    @property
    def output_size(self) -> int:
        """`num_units`."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the two kernels and biases."""
        rows, units = self._depth(input_shape) + self._num_units, self._num_units
        kernel, bias = self._kernel_initializer, self._bias_initializer
        self._gate_kernel = self.add_weight("gates/kernel", [rows, 2 * units], initializer=kernel)
        self._gate_bias = self.add_weight(
            "gates/bias",
            [2 * units],
            initializer=ConstantV1(1.0, self._dtype or "float32") if bias is None else bias,
        )
        self._candidate_kernel = self.add_weight("candidate/kernel", [rows, units], initializer=kernel)
        self._candidate_bias = self.add_weight(
            "candidate/bias", [units], initializer=ZerosV1() if bias is None else bias
        )
        self.built = True

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        gates = tf.matmul(tf.concat([inputs, state], 1), self._gate_kernel)
        r, u = tf.split(tf.sigmoid(tf.nn.bias_add(gates, self._gate_bias)), 2, 1)
        candidate = tf.matmul(tf.concat([inputs, r * state], 1), self._candidate_kernel)
        c = self._activation(tf.nn.bias_add(candidate, self._candidate_bias))
        new = u * state + (1 - u) * c
        return new, new


@export(v1=["nn.rnn_cell.BasicLSTMCell"])
class BasicLSTMCell(LayerRNNCell):
    """The long short-term memory cell (Zaremba et al., 2014), without peepholes, clipping or projection.

        i, j, f, o = [inputs, h] @ kernel + bias
        c = c * sigmoid(f + forget_bias) + sigmoid(i) * activation(j)
        output = h = activation(c) * sigmoid(o)

    Args:
      num_units: the size of the memory and the output.
      forget_bias: added to the forget gate.
      state_is_tuple: whether the state is an `LSTMStateTuple`; else c and h stand side by side in one tensor.
      activation, reuse, name, dtype: see `BasicRNNCell`.

    Example:
      >>> import penstock as tf
      >>> v1 = tf.compat.v1
      >>> with tf.Graph().as_default():
      ...     cell = v1.nn.rnn_cell.BasicLSTMCell(4)
      ...     outputs, state = v1.nn.dynamic_rnn(cell, tf.ones([2, 5, 3]), dtype=tf.float32)
      >>> outputs.shape.as_list(), state.c.shape.as_list(), [v.name for v in cell.variables]
      ([2, 5, 4], [2, 4], ['rnn/basic_lstm_cell/kernel:0', 'rnn/basic_lstm_cell/bias:0'])
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self.input_spec = InputSpec(ndim=2)
        self._num_units, self._forget_bias = num_units, forget_bias
        self._state_is_tuple, self._activation = state_is_tuple, named_activation(activation) or tf.tanh

    @property
    def state_size(self) -> Any:
        """`LSTMStateTuple(num_units, num_units)`, or `2 * num_units`."""
        units = self._num_units
        return LSTMStateTuple(units, units) if self._state_is_tuple else 2 * units

    @property
    def output_size(self) -> int:
        """`num_units`."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the kernel and the bias."""
        rows = self._depth(input_shape) + self._num_units
        self._kernel = self.add_weight("kernel", [rows, 4 * self._num_units])
        self._bias = self.add_weight("bias", [4 * self._num_units], initializer=ZerosV1())
        self.built = True

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        c, h = state if self._state_is_tuple else tf.split(state, 2, 1)
        gates = tf.nn.bias_add(tf.matmul(tf.concat([inputs, h], 1), self._kernel), self._bias)
        i, j, f, o = tf.split(gates, 4, 1)
        new_c = c * tf.sigmoid(f + self._forget_bias) + tf.sigmoid(i) * self._activation(j)
        new_h = self._activation(new_c) * tf.sigmoid(o)
        return new_h, LSTMStateTuple(new_c, new_h) if self._state_is_tuple else tf.concat([new_c, new_h], 1)


@export(v1=["nn.rnn_cell.LSTMCell"])
class LSTMCell(LayerRNNCell):
    """The long short-term memory cell with optional peepholes, clipping and projection (Sak et al., 2014).

    Args:
      num_units: the size of the memory.
      use_peepholes: whether the gates see the memory, through diagonal weights.
      cell_clip: bounds the memory to `[-cell_clip, cell_clip]`.
      initializer: for the weights and the projection.
      num_proj: the size of the output, which is then a projection. proj_clip: its bounds.
      num_unit_shards, num_proj_shards: into how many variables the weights are cut.
      forget_bias, state_is_tuple, activation, reuse, name, dtype: see `BasicLSTMCell`.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int | None = None,
        num_proj_shards: int | None = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self.input_spec = InputSpec(ndim=2)
        self._num_units, self._use_peepholes, self._cell_clip = num_units, use_peepholes, cell_clip
        self._initializer, self._num_proj, self._proj_clip = (
            named_initializer(initializer),
            num_proj,
            proj_clip,
        )
        self._num_unit_shards, self._num_proj_shards = num_unit_shards, num_proj_shards
        self._forget_bias, self._state_is_tuple = forget_bias, state_is_tuple
        self._activation = named_activation(activation) or tf.tanh

    @property
    def state_size(self) -> Any:
        """`LSTMStateTuple(num_units, output_size)`, or their sum."""
        sizes = LSTMStateTuple(self._num_units, self.output_size)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> int:
        """`num_proj`, or else `num_units`."""
        return self._num_proj or self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the kernel, the bias, and what peepholes and projection need."""

        def sharded(count: int | None) -> Any:
            return None if count is None else fixed_size_partitioner(count)

        units, initializer = self._num_units, self._initializer
        self._kernel = self.add_weight(
            "kernel",
            [self._depth(input_shape) + self.output_size, 4 * units],
            initializer=initializer,
            partitioner=sharded(self._num_unit_shards),
        )
        self._bias = self.add_weight("bias", [4 * units], initializer=ZerosV1())
        if self._use_peepholes:
            self._w_f, self._w_i, self._w_o = (
                self.add_weight(f"w_{gate}_diag", [units], initializer=initializer) for gate in "fio"
            )
        if self._num_proj is not None:
            self._projection = self.add_weight(
                "projection/kernel",
                [units, self._num_proj],
                initializer=initializer,
                partitioner=sharded(self._num_proj_shards),
            )
        self.built = True

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        c, h = state if self._state_is_tuple else tf.split(state, [self._num_units, self.output_size], 1)
        gates = tf.nn.bias_add(tf.matmul(tf.concat([inputs, h], 1), self._kernel), self._bias)
        i, j, f, o = tf.split(gates, 4, 1)
        f = f + self._forget_bias
        if self._use_peepholes:
            f, i = f + self._w_f * c, i + self._w_i * c
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * self._activation(j)
        if self._cell_clip is not None:
            c = tf.clip_by_value(c, -self._cell_clip, self._cell_clip)
        if self._use_peepholes:
            o = o + self._w_o * c
        h = tf.sigmoid(o) * self._activation(c)
        if self._num_proj is not None:
            h = tf.matmul(h, self._projection)
            if self._proj_clip is not None:
                h = tf.clip_by_value(h, -self._proj_clip, self._proj_clip)
        return h, LSTMStateTuple(c, h) if self._state_is_tuple else tf.concat([c, h], 1)


def check_cell(argument: str, cell: Any) -> None:
    """Raises TypeError where `cell` is not like an RNNCell."""
    lacking = [each for each in ("output_size", "state_size") if not hasattr(cell, each)]
    if lacking or not callable(cell):
        raise TypeError(
            f"The argument {argument!r} ({cell!r}) is not an RNNCell: it lacks {lacking or '__call__'}."
        )


def state_dtype(explicit: Any, state: Any) -> Any:
    """The dtype of a state: the given one, or that of all its parts.

    Raises:
      ValueError: it has no parts, or they differ.
    """
    if explicit is not None:
        return as_dtype(explicit)
    kinds = {each.dtype for each in nest.flatten(state) if isinstance(each, Tensor)}
    if len(kinds) != 1:
        raise ValueError(
            "State has tensors of different inferred_dtypes. Unable to infer a single representative dtype."
            if kinds
            else "Unable to infer dtype from empty state."
        )
    return kinds.pop()


def is_building_a_graph() -> bool:
    """Whether ops make nodes now."""
    return thread.graph is not None
