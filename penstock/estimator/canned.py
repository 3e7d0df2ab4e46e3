"""Ready-made estimators over feature columns: linear models, deep networks, and both together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.estimator.estimator import Estimator
from penstock.estimator.heads import Head, RegressionHead, classification_head
from penstock.estimator.specs import ModeKeys
from penstock.ops.nn.activations import relu
from penstock.v1.api import tf

_OPTIMIZERS = {
    "Adagrad": "AdagradOptimizer",
    "Adam": "AdamOptimizer",
    "Ftrl": "FtrlOptimizer",
    "RMSProp": "RMSPropOptimizer",
    "SGD": "GradientDescentOptimizer",
}


def make_optimizer(given: Any, learning_rate: float) -> Any:
    """An optimizer from its name, a function that makes it, or itself."""
    if isinstance(given, str):
        if given not in _OPTIMIZERS:
            raise ValueError(
                f"Unsupported optimizer name: {given}. Supported names are: {tuple(_OPTIMIZERS)}"
            )
        return getattr(tf.train, _OPTIMIZERS[given])(learning_rate)
    made = given() if callable(given) else given
    if not hasattr(made, "compute_gradients"):
        raise ValueError(f"The given object is not an Optimizer of tf.compat.v1.train: {made!r}")
    return made


class _Linear:
    """A weighted sum of the columns, in the scope "linear"."""

    scope = "linear"

    def __init__(self, columns: Sequence[Any], optimizer: Any, combiner: str, partitioner: Any, most: float):
        self._columns, self._optimizer, self._combiner = list(columns), optimizer, combiner
        self._partitioner, self._rate = partitioner, min(most, 1 / math.sqrt(max(len(self._columns), 1)))

    def logits(self, features: Any, units: int, mode: str) -> Any:
        """`[batch, units]`."""
        with tf.variable_scope(self.scope, partitioner=self._partitioner):
            return tf.feature_column.linear_model(features, self._columns, units, self._combiner)

    def optimizer(self) -> Any:
        """What trains it."""
        return make_optimizer(self._optimizer, self._rate)


class _Deep:
    """Dense layers on the columns, in the scope "dnn"."""

    scope = "dnn"

    def __init__(
        self, columns: Sequence[Any], hidden_units: Sequence[int], optimizer: Any, activation: Any, dropout: float | None,
        batch_norm: bool, partitioner: Any, rate: float,
    ):  # fmt: skip
        self._columns, self._hidden = list(columns), list(hidden_units)
        self._optimizer, self._activation, self._dropout = optimizer, activation, dropout
        self._batch_norm, self._partitioner, self._rate = batch_norm, partitioner, rate

    def logits(self, features: Any, units: int, mode: str) -> Any:
        """`[batch, units]`."""
        training = mode == ModeKeys.TRAIN
        with tf.variable_scope(self.scope):
            with tf.variable_scope("input_from_feature_columns", partitioner=self._partitioner):
                net = tf.feature_column.input_layer(features, self._columns)
            for number, size in enumerate(self._hidden):
                with tf.variable_scope(f"hiddenlayer_{number}") as scope:
                    net = tf.layers.dense(net, size, self._activation, name=scope)
                    if self._dropout is not None and training:
                        net = tf.layers.dropout(net, self._dropout, training=True)
                    if self._batch_norm:
                        net = tf.layers.batch_normalization(
                            net, momentum=0.999, training=training, name=f"batchnorm_{number}"
                        )
            with tf.variable_scope("logits") as scope:
                return tf.layers.dense(net, units, name=scope)

    def optimizer(self) -> Any:
        """What trains it."""
        return make_optimizer(self._optimizer, self._rate)


class _Canned(Estimator):
    """A head on the sum of the logits of parts, each of which is trained by an optimizer of its own."""

    reduction = "weighted_sum"

    def _build(
        self, head: Head, parts: Sequence[Any], model_dir: str | None, config: Any, warm_start_from: Any
    ) -> None:
        def train(loss: Any) -> Any:
            updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
            steps = [
                part.optimizer().minimize(
                    loss, var_list=tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, f"{part.scope}/")
                )
                for part in parts
            ]
            with tf.control_dependencies([*steps, *updates]):
                return tf.assign_add(tf.train.get_global_step(), 1).op

        def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
            if not isinstance(features, dict):
                raise ValueError(
                    f"features should be a dictionary of `Tensor`s. Given type: {type(features)}"
                )
            logits = [part.logits(features, head.logits_dimension, mode) for part in parts]
            return head.spec(
                features, labels, mode, logits[0] if len(logits) == 1 else tf.add_n(logits), train
            )

        Estimator.__init__(self, model_fn, model_dir, config, warm_start_from=warm_start_from)


def _of_both_eras(cls: type) -> type:
    """The class for TensorFlow 1, which sums the losses of a batch, and one for TensorFlow 2, which takes their mean."""
    name = cls.__name__
    export(v1=[f"estimator.{name}"])(cls)
    later = type(
        name,
        (cls,),
        {"reduction": "weighted_sum_over_batch_size", "__doc__": cls.__doc__, "__module__": cls.__module__},
    )
    export(f"estimator.{name}", v1=[])(later)
    return cls


@_of_both_eras
class LinearClassifier(_Canned):
    """Classes by a linear model.

    Args:
      feature_columns: the columns.
      n_classes: how many classes; labels are numbers below it, or names in `label_vocabulary`.
      optimizer: an optimizer of `tf.compat.v1.train`, its name, or a function that makes it; by default Ftrl.
      partitioner: of the weights. sparse_combiner: how several categories of an Example combine.
      model_dir, config, warm_start_from: see `Estimator`.
      weight_column: a numeric column, or the name of the feature, with the weights of examples.
      loss_reduction: see `tf.compat.v1.losses.Reduction`; by default the sum in TensorFlow 1, the mean in TensorFlow 2.

    Raises:
      ValueError: there are less than two classes.
    """

    def __init__(
        self, feature_columns: Sequence[Any], model_dir: str | None = None, n_classes: int = 2, weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None, optimizer: Any = "Ftrl", config: Any = None, partitioner: Any = None,
        warm_start_from: Any = None, loss_reduction: str | None = None, sparse_combiner: str = "sum",
    ):  # fmt: skip
        head = classification_head(
            n_classes, weight_column, label_vocabulary, loss_reduction or self.reduction
        )
        part = _Linear(feature_columns, optimizer, sparse_combiner, partitioner, 0.2)
        self._build(head, [part], model_dir, config, warm_start_from)


@_of_both_eras
class LinearRegressor(_Canned):
    """Numbers by a linear model.

    Args:
      label_dimension: how many numbers an example has.
      feature_columns, optimizer, ...: see `LinearClassifier`.
    """

    def __init__(
        self, feature_columns: Sequence[Any], model_dir: str | None = None, label_dimension: int = 1, weight_column: Any = None,
        optimizer: Any = "Ftrl", config: Any = None, partitioner: Any = None, warm_start_from: Any = None,
        loss_reduction: str | None = None, sparse_combiner: str = "sum",
    ):  # fmt: skip
        head = RegressionHead(label_dimension, weight_column, loss_reduction or self.reduction)
        part = _Linear(feature_columns, optimizer, sparse_combiner, partitioner, 0.2)
        self._build(head, [part], model_dir, config, warm_start_from)


@_of_both_eras
class DNNClassifier(_Canned):
    """Classes by a network of dense layers.

    Args:
      hidden_units: the sizes of the hidden layers.
      feature_columns: dense columns.
      optimizer: see `LinearClassifier`; by default Adagrad.
      activation_fn: of the hidden layers. dropout: the part of their outputs that is dropped in training.
      input_layer_partitioner: of the variables of columns. batch_norm: whether hidden layers are normalized.
      n_classes, label_vocabulary, ...: see `LinearClassifier`.

    Example:
      >>> import numpy as np
      >>> import penstock as tf
      >>> x = np.linspace(-1, 1, 64, dtype=np.float32)
      >>> data = lambda epochs: tf.estimator.inputs.numpy_input_fn({"x": x}, (x > 0).astype(int), 64, epochs, shuffle=False)
      >>> columns = [tf.feature_column.numeric_column("x")]
      >>> config = tf.estimator.RunConfig(tf_random_seed=1)
      >>> model = tf.estimator.DNNClassifier([8], columns, optimizer="Adam", config=config).train(data(None), steps=60)
      >>> bool(model.evaluate(data(1))["accuracy"] > 0.9)
      True
    """

    def __init__(
        self, hidden_units: Sequence[int], feature_columns: Sequence[Any], model_dir: str | None = None, n_classes: int = 2,
        weight_column: Any = None, label_vocabulary: Sequence[str] | None = None, optimizer: Any = "Adagrad",
        activation_fn: Callable = relu, dropout: float | None = None, input_layer_partitioner: Any = None, config: Any = None,
        warm_start_from: Any = None, loss_reduction: str | None = None, batch_norm: bool = False,
    ):  # fmt: skip
        head = classification_head(
            n_classes, weight_column, label_vocabulary, loss_reduction or self.reduction
        )
        part = _Deep(
            feature_columns,
            hidden_units,
            optimizer,
            activation_fn,
            dropout,
            batch_norm,
            input_layer_partitioner,
            0.05,
        )
        self._build(head, [part], model_dir, config, warm_start_from)


@_of_both_eras
class DNNRegressor(_Canned):
    """Numbers by a network of dense layers.

    Args:
      label_dimension: how many numbers an example has.
      hidden_units, feature_columns, ...: see `DNNClassifier`.
    """

    def __init__(
        self, hidden_units: Sequence[int], feature_columns: Sequence[Any], model_dir: str | None = None,
        label_dimension: int = 1, weight_column: Any = None, optimizer: Any = "Adagrad", activation_fn: Callable = relu,
        dropout: float | None = None, input_layer_partitioner: Any = None, config: Any = None, warm_start_from: Any = None,
        loss_reduction: str | None = None, batch_norm: bool = False,
    ):  # fmt: skip
        head = RegressionHead(label_dimension, weight_column, loss_reduction or self.reduction)
        part = _Deep(
            feature_columns,
            hidden_units,
            optimizer,
            activation_fn,
            dropout,
            batch_norm,
            input_layer_partitioner,
            0.05,
        )
        self._build(head, [part], model_dir, config, warm_start_from)


def _parts(
    linear_columns: Any, linear_optimizer: Any, sparse_combiner: str, deep_columns: Any, deep_optimizer: Any,
    hidden_units: Any, activation: Any, dropout: Any, batch_norm: bool, partitioner: Any,
) -> list[Any]:  # fmt: skip
    if not (linear_columns or deep_columns):
        raise ValueError("Either linear_feature_columns or dnn_feature_columns must be defined.")
    if deep_columns and not hidden_units:
        raise ValueError("dnn_hidden_units must be defined when dnn_feature_columns is specified.")
    parts: list[Any] = []
    if deep_columns:
        parts.append(
            _Deep(
                deep_columns,
                hidden_units,
                deep_optimizer,
                activation,
                dropout,
                batch_norm,
                partitioner,
                0.001,
            )
        )
    if linear_columns:
        parts.append(_Linear(linear_columns, linear_optimizer, sparse_combiner, partitioner, 0.005))
    return parts


@_of_both_eras
class DNNLinearCombinedClassifier(_Canned):
    """Classes by a linear model and a network together ("wide and deep": Cheng et al., 2016).

    Args:
      linear_feature_columns, linear_optimizer, linear_sparse_combiner: see `LinearClassifier`.
      dnn_feature_columns, dnn_optimizer, dnn_hidden_units, dnn_activation_fn, dnn_dropout: see `DNNClassifier`.
      n_classes, label_vocabulary, ...: see `LinearClassifier`.

    Raises:
      ValueError: there are no columns, or no hidden units for those of the network.
    """

    def __init__(
        self, model_dir: str | None = None, linear_feature_columns: Sequence[Any] | None = None, linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Sequence[Any] | None = None, dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None, dnn_activation_fn: Callable = relu, dnn_dropout: float | None = None,
        n_classes: int = 2, weight_column: Any = None, label_vocabulary: Sequence[str] | None = None,
        input_layer_partitioner: Any = None, config: Any = None, warm_start_from: Any = None,
        loss_reduction: str | None = None, batch_norm: bool = False, linear_sparse_combiner: str = "sum",
    ):  # fmt: skip
        head = classification_head(
            n_classes, weight_column, label_vocabulary, loss_reduction or self.reduction
        )
        parts = _parts(
            linear_feature_columns, linear_optimizer, linear_sparse_combiner, dnn_feature_columns, dnn_optimizer,
            dnn_hidden_units, dnn_activation_fn, dnn_dropout, batch_norm, input_layer_partitioner,
        )  # fmt: skip
        self._build(head, parts, model_dir, config, warm_start_from)


@_of_both_eras
class DNNLinearCombinedRegressor(_Canned):
    """Numbers by a linear model and a network together; see `DNNLinearCombinedClassifier`.

    Args:
      label_dimension: how many numbers an example has.
    """

    def __init__(
        self, model_dir: str | None = None, linear_feature_columns: Sequence[Any] | None = None, linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Sequence[Any] | None = None, dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None, dnn_activation_fn: Callable = relu, dnn_dropout: float | None = None,
        label_dimension: int = 1, weight_column: Any = None, input_layer_partitioner: Any = None, config: Any = None,
        warm_start_from: Any = None, loss_reduction: str | None = None, batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ):  # fmt: skip
        head = RegressionHead(label_dimension, weight_column, loss_reduction or self.reduction)
        parts = _parts(
            linear_feature_columns, linear_optimizer, linear_sparse_combiner, dnn_feature_columns, dnn_optimizer,
            dnn_hidden_units, dnn_activation_fn, dnn_dropout, batch_norm, input_layer_partitioner,
        )  # fmt: skip
        self._build(head, parts, model_dir, config, warm_start_from)
