"""Keras 2's `LocallyConnected1D` and `LocallyConnected2D`: convolutions with a kernel of its own at each place.

The classes derive from Keras's Layer, so they are made when they are first asked for.
"""

from __future__ import annotations

import functools
from typing import Any

import penstock as tf

__all__ = ["LocallyConnected1D", "LocallyConnected2D"]  # noqa: F822 (made by __getattr__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _layers()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _layers() -> dict[str, type]:
    import keras

    class LocallyConnected(keras.layers.Layer):
        """`activation(patch @ kernel[place] + bias[place])` for each place of the output.

        Args:
          filters: the number of outputs at each place.
          kernel_size, strides: an integer, or one for each dimension.
          padding: "valid".
          implementation: accepted.
          data_format, activation, use_bias and the others: as for a convolution.

        Raises:
          ValueError: another padding.
        """

        rank = 2

        def __init__(
            self,
            filters: int,
            kernel_size: Any,
            strides: Any = 1,
            padding: str = "valid",
            data_format: str | None = None,
            activation: Any = None,
            use_bias: bool = True,
            kernel_initializer: Any = "glorot_uniform",
            bias_initializer: Any = "zeros",
            kernel_regularizer: Any = None,
            bias_regularizer: Any = None,
            kernel_constraint: Any = None,
            bias_constraint: Any = None,
            implementation: int = 1,
            **kwargs: Any,
        ):
            super().__init__(**kwargs)
            if padding != "valid":
                raise ValueError(f"{type(self).__name__}: padding is {padding!r}, expected 'valid'")
            self.filters, self.use_bias = filters, use_bias
            self.kernel_size, self.strides = self._each(kernel_size), self._each(strides)
            self.data_format = data_format or keras.config.image_data_format()
            self.activation = keras.activations.get(activation)
            self._kernel_options = {
                "initializer": keras.initializers.get(kernel_initializer),
                "regularizer": keras.regularizers.get(kernel_regularizer),
                "constraint": keras.constraints.get(kernel_constraint),
            }
            self._bias_options = {
                "initializer": keras.initializers.get(bias_initializer),
                "regularizer": keras.regularizers.get(bias_regularizer),
                "constraint": keras.constraints.get(bias_constraint),
            }

        def _each(self, value: Any) -> tuple[int, ...]:
            return (value,) * self.rank if isinstance(value, int) else tuple(value)

        def _places(self, shape: Any) -> tuple[int, ...]:
            sizes = shape[1:-1] if self.data_format == "channels_last" else shape[2:]
            steps = zip(sizes, self.kernel_size, self.strides, strict=True)
            return tuple((size - window) // stride + 1 for size, window, stride in steps)

        def build(self, input_shape: Any) -> None:
            channels = input_shape[-1 if self.data_format == "channels_last" else 1]
            places, patch = self._places(input_shape), channels
            for size in self.kernel_size:
                patch *= size
            count = tf.TensorShape(places).num_elements()
            shape = (count, patch, self.filters)
            self.kernel = self.add_weight(shape=shape, name="kernel", **self._kernel_options)
            shape = (*places, self.filters)
            self.bias = (
                self.add_weight(shape=shape, name="bias", **self._bias_options) if self.use_bias else None
            )
            super().build(input_shape)

        def call(self, inputs: Any) -> Any:
            first = self.data_format == "channels_first"
            x = tf.transpose(inputs, [0, *range(2, self.rank + 2), 1]) if first else inputs
            places, row = (
                self._places([None, *x.shape[1:]] if not first else inputs.shape),
                [1] * (2 - self.rank),
            )
            if self.rank == 1:
                x = x[:, None]
            sizes, strides = [1, *row, *self.kernel_size, 1], [1, *row, *self.strides, 1]
            patches = tf.image.extract_patches(x, sizes, strides, [1] * 4, "VALID")
            kernel = tf.convert_to_tensor(self.kernel)
            patches = tf.reshape(patches, [-1, kernel.shape[0], kernel.shape[1]])
            outputs = tf.reshape(tf.einsum("bpi,pif->bpf", patches, kernel), [-1, *places, self.filters])
            outputs = outputs if self.bias is None else outputs + tf.convert_to_tensor(self.bias)
            if first:
                outputs = tf.transpose(outputs, [0, self.rank + 1, *range(1, self.rank + 1)])
            return self.activation(outputs)

        def compute_output_shape(self, input_shape: Any) -> tuple:
            places = self._places(input_shape)
            if self.data_format == "channels_first":
                return (input_shape[0], self.filters, *places)
            return (input_shape[0], *places, self.filters)

        def get_config(self) -> dict[str, Any]:
            config = {name: getattr(self, name) for name in ("filters", "kernel_size", "strides", "use_bias")}
            config |= {
                "data_format": self.data_format,
                "activation": keras.activations.serialize(self.activation),
            }
            for weight, options in (("kernel", self._kernel_options), ("bias", self._bias_options)):
                for kind, value in options.items():
                    config[f"{weight}_{kind}"] = keras.saving.serialize_keras_object(value)
            return {**super().get_config(), **config}

    register = keras.saving.register_keras_serializable(package="keras2")
    made = {
        name: register(type(name, (LocallyConnected,), {"rank": rank, "__doc__": LocallyConnected.__doc__}))
        for rank, name in ((1, "LocallyConnected1D"), (2, "LocallyConnected2D"))
    }
    return made
