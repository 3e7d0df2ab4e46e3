"""TF 1's dense, dropout and flatten layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.ops.casting import cast
from penstock.ops.grouping import smart_cond
from penstock.ops.identity import identity
from penstock.ops.linalg.einsum import tensordot
from penstock.ops.linalg.matmul import matmul
from penstock.ops.nn.bias import bias_add
from penstock.ops.nn.dropout import dropout as nn_dropout
from penstock.ops.reshaping import reshape, transpose
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.sparse.reductions import sparse_dense_matmul
from penstock.ops.variables.initializers_v1 import ZerosV1
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.v1.layer import InputSpec, Layer, functional_form, named_activation


@export(v1=["layers.Dense"])
class Dense(Layer):
    """A densely connected layer: `activation(inputs @ kernel + bias)`.

    Inputs of rank above 2 are multiplied over their last axis.

    Args:
      units: the size of the last axis of the output.
      activation: a function of the output, or its name; None for none.
      use_bias: whether a bias is added.
      kernel_initializer, bias_initializer: initializers; None: that of the variable scope, else Glorot uniform.
      kernel_regularizer, bias_regularizer, activity_regularizer: functions whose value joins the regularization losses.
      kernel_constraint, bias_constraint: functions that optimizers apply to the variables.
      trainable, name: see `Layer`.

    Raises:
      ValueError: the size of the last axis of the inputs is unknown.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     layer = tf.compat.v1.layers.Dense(4, activation=tf.nn.relu)
      ...     y = layer(tf.ones([2, 3]))
      >>> y.shape.as_list(), [v.name for v in layer.weights]
      ([2, 4], ['dense/kernel:0', 'dense/bias:0'])
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZerosV1(),
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(trainable, name, activity_regularizer=activity_regularizer, **kwargs)
        self.units, self.activation, self.use_bias = int(units), named_activation(activation), use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        """Makes the kernel and the bias."""
        size = TensorShape(input_shape).as_list()[-1]
        if size is None:
            raise ValueError(
                "The last dimension of the inputs to a Dense layer should be defined. Found None. "
                f"Full input shape received: {input_shape}"
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})
        self.kernel = self.add_weight(
            "kernel",
            [size, self.units],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = (
            self.add_weight(
                "bias",
                [self.units],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
            if self.use_bias
            else None
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The product, with bias and activation."""
        if isinstance(inputs, SparseTensor):
            outputs = sparse_dense_matmul(inputs, self.kernel)
        else:
            inputs = cast(inputs, self._dtype)
            rank = inputs.shape.rank
            outputs = (
                matmul(inputs, self.kernel)
                if rank == 2
                else tensordot(inputs, self.kernel, [[rank - 1], [0]])
            )
            outputs.set_shape([*inputs.shape.as_list()[:-1], self.units])
        if self.bias is not None:
            outputs = bias_add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The input's shape, with `units` as its last dimension."""
        return TensorShape([*TensorShape(input_shape).as_list()[:-1], self.units])


@export(v1=["layers.Dropout"])
class Dropout(Layer):
    """Sets a random part of the inputs to zero while training, and scales the rest so that the sum keeps its mean.

    Args:
      rate: the part that is dropped, in `[0, 1]`.
      noise_shape: the shape of the mask, where elements are to be dropped together; None entries are the input's.
      seed: a seed of the op.
    """

    def __init__(
        self,
        rate: Any = 0.5,
        noise_shape: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        if isinstance(rate, (int, float)) and not 0 <= rate <= 1:
            raise ValueError(f"Invalid value {rate} received for `rate`, expected a value between 0 and 1.")
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def _mask_shape(self, inputs: Any) -> Any:
        if self.noise_shape is None or not isinstance(self.noise_shape, (list, tuple)):
            return self.noise_shape
        sizes = shape_of(inputs)
        return convert_to_tensor(
            [sizes[axis] if size is None else size for axis, size in enumerate(self.noise_shape)],
            dtypes.int32,
        )

    def call(self, inputs: Any, training: Any = False) -> Any:
        """The inputs, with dropout where `training` is true."""
        return smart_cond(
            False if training is None else training,
            lambda: nn_dropout(inputs, self.rate, self._mask_shape(inputs), self.seed),
            lambda: identity(inputs),
        )

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The input's shape."""
        return TensorShape(input_shape)


@export(v1=["layers.Flatten"])
class Flatten(Layer):
    """Makes each example of the batch a vector.

    Args:
      data_format: "channels_last", or "channels_first", whose channels are moved to the end first.
    """

    def __init__(self, data_format: str | None = None, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.data_format = (data_format or "channels_last").lower()
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        """The batch as a matrix."""
        shape = inputs.shape
        rank = shape.rank
        if self.data_format == "channels_first" and rank is not None and rank > 2:
            inputs = transpose(inputs, [0, *range(2, rank), 1])
        if shape.is_fully_defined() or (rank and None not in shape.as_list()[1:]):
            rest = int(np.prod(shape.as_list()[1:], dtype=np.int64))
            return reshape(inputs, [-1 if shape.as_list()[0] is None else shape.as_list()[0], rest])
        outputs = reshape(inputs, [shape_of(inputs)[0], -1])
        outputs.set_shape(self.compute_output_shape(shape))
        return outputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """`[batch, the product of the rest]`."""
        sizes = TensorShape(input_shape).as_list()
        rest = None if None in sizes[1:] else int(np.prod(sizes[1:], dtype=np.int64))
        return TensorShape([sizes[0], rest])


dense = functional_form(
    "dense", Dense, "Multiplies by a matrix of weights, adds a bias, and applies an activation."
)
dropout = functional_form(
    "dropout", Dropout, "Drops a random part of the inputs while training.", training="name", shared=False
)
flatten = functional_form(
    "flatten",
    Flatten,
    "Makes each example of the batch a vector.",
    shared=False,
    order=["name", "data_format"],
)
