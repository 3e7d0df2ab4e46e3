"""TF 1's pooling layers: the maximum or mean of windows, in one to three dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.ops.nn.pool import avg_pool, max_pool
from penstock.types.shapes import TensorShape
from penstock.v1.layer import InputSpec, Layer, functional_form
from penstock.v1.layers_convolution import channels_first, sizes

_CHANNELS_LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}
_CHANNELS_FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}


class Pooling(Layer):
    """Pools windows of the input.

    Args:
      pool_size, strides: the size of windows and the distance between them: an int, or one for each space dimension.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: see `Layer`.
    """

    rank = 0
    _pool: Callable

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.pool_size = sizes(pool_size, self.rank, "pool_size")
        self.strides = sizes(pool_size if strides is None else strides, self.rank, "strides")
        if padding.lower() not in ("valid", "same"):
            raise ValueError(f"The `padding` argument must be one of 'valid', 'same'. Received: {padding}")
        self.padding, self.data_format = padding.lower(), data_format
        self._channels_first = channels_first(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        """The pooled input."""
        layout = (_CHANNELS_FIRST if self._channels_first else _CHANNELS_LAST)[self.rank]
        return self._pool(inputs, list(self.pool_size), list(self.strides), self.padding.upper(), layout)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The output's shape."""
        dims = TensorShape(input_shape).as_list()
        first = 2 if self._channels_first else 1
        for axis, (window, stride) in enumerate(zip(self.pool_size, self.strides), first):
            if dims[axis] is not None:
                reached = dims[axis] - (window - 1 if self.padding == "valid" else 0)
                dims[axis] = -(-reached // stride)
        return TensorShape(dims)


def _pooling(kind: str, rank: int, pool: Callable, what: str) -> type[Pooling]:
    """A pooling class and its functional form."""
    name, function = f"{kind}Pooling{rank}D", f"{kind.lower()}_pooling{rank}d"
    summary = f"The {what} of windows over {rank} dimension{'s' if rank > 1 else ''}."
    doc = (Pooling.__doc__ or "").replace("Pools windows of the input.", summary)
    layer = type(
        name, (Pooling,), {"rank": rank, "_pool": staticmethod(pool), "__doc__": doc, "__module__": __name__}
    )
    export(v1=[f"layers.{name}"])(layer)
    functional_form(function, layer, summary, shared=False)
    return layer


MaxPooling1D, MaxPooling2D, MaxPooling3D = (_pooling("Max", rank, max_pool, "maximum") for rank in (1, 2, 3))
AveragePooling1D, AveragePooling2D, AveragePooling3D = (
    _pooling("Average", rank, avg_pool, "mean") for rank in (1, 2, 3)
)
