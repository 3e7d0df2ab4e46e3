"""Keras 2's `DenseFeatures`: the first layer of a model over `tf.feature_column`.

The class derives from Keras's Layer, so it is made when it is first asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import penstock as tf
from penstock.feature_column.columns import (
    DenseColumn,
    FeatureTransformationCache,
    StateManager,
    normalized,
)
from penstock.feature_column.models import flat_tensor

__all__ = ["DenseFeatures"]  # noqa: F822 (made by __getattr__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _layer()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _LayerState(StateManager):
    """Weights of columns that are weights of a layer."""

    def __init__(self, layer: Any):
        super().__init__()
        self._layer = layer

    def _make(self, column: Any, name: str, shape: Any, dtype: Any, trainable: bool, initializer: Any) -> Any:
        return self._layer.add_weight(
            shape=tuple(shape),
            dtype=dtype.name,
            initializer=lambda shape, dtype=None: initializer(shape, dtype=dtype),
            trainable=trainable and self._layer.trainable,
            name=f"{column.name}_{name}".replace("/", "_"),
        ).value


@functools.cache
def _layer() -> type:
    import keras

    @keras.saving.register_keras_serializable(package="keras2")
    class DenseFeatures(keras.layers.Layer):
        """The dense columns of a batch of features, one after the other, in the order of their names.

        A model with this layer is saved by its weights, or as a SavedModel.

        Args:
          feature_columns: dense columns: numeric, bucketized, indicator or embedding columns.
          trainable: whether the weights of embeddings are trained.
          partitioner: accepted; a weight is one variable.

        Call arguments:
          features: name -> tensor or SparseTensor `[batch, ...]`.
          cols_to_output_tensors: a dictionary that gets the tensor of each column.

        Returns:
          `[batch, width]`, float32.

        Raises:
          ValueError: a column is not dense, two have one name, or a feature is missing.
        """

        def __init__(
            self,
            feature_columns: Any,
            trainable: bool = True,
            name: str | None = None,
            partitioner: Any = None,
            **kwargs: Any,
        ):
            super().__init__(name=name, trainable=trainable, autocast=False, **kwargs)
            self._columns: tuple[Any, ...] = tuple(normalized(feature_columns))
            for column in self._columns:
                if not isinstance(column, DenseColumn):
                    raise ValueError(
                        "Items of feature_columns must be a DenseColumn. You can wrap a categorical column with "
                        f"an embedding_column or indicator_column. Given: {column}"
                    )
            self._state = _LayerState(self)

        def build(self, input_shape: Any) -> None:
            for column in self._columns:
                column.create_state(self._state)
            self.built = True

        def call(self, features: Any, cols_to_output_tensors: Any = None, training: Any = None) -> Any:
            if not isinstance(features, Mapping):
                raise ValueError(f"We expected a dictionary here. Instead we got: {features}")
            cache, tensors = FeatureTransformationCache(dict(features)), []
            for column in self._columns:
                tensors.append(flat_tensor(column, cache, self._state))
                if cols_to_output_tensors is not None:
                    cols_to_output_tensors[column] = tensors[-1]
            return tf.concat(tensors, 1)

        def compute_output_shape(self, input_shape: Any) -> tuple:
            batch = next(iter(input_shape.values()))[0]
            return (batch, sum(each.variable_shape.num_elements() for each in self._columns))

        def compute_output_spec(self, features: Any, *args: Any, **kwargs: Any) -> Any:
            shapes = {name: each.shape for name, each in features.items()}
            return keras.KerasTensor(self.compute_output_shape(shapes), "float32")

    return DenseFeatures
