"""TF 1's batch normalization layer, with its moving averages in `GraphKeys.UPDATE_OPS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.graph.scopes import control_dependencies, name_scope
from penstock.ops.casting import cast
from penstock.ops.clipping import clip_by_value
from penstock.ops.concatenation import concat
from penstock.ops.creation import ones_like, zeros_like
from penstock.ops.grouping import smart_cond
from penstock.ops.identity import identity, stop_gradient
from penstock.ops.nn.activations import relu
from penstock.ops.nn.fused_batch_norm import fused_batch_norm
from penstock.ops.nn.normalization import batch_normalization as normalize
from penstock.ops.nn.normalization import moments
from penstock.ops.reduce_functions import reduce_mean
from penstock.ops.reshaping import reshape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.variables.creation import VariableAggregation, VariableSynchronization
from penstock.ops.variables.initializers_v1 import OnesV1, ZerosV1
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.v1.api import tf
from penstock.v1.layer import InputSpec, Layer, functional_form


@export(v1=["layers.BatchNormalization"])
class BatchNormalization(Layer):
    """Batch normalization (Ioffe and Szegedy, 2015): `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.

    While training, mean and variance are those of the batch, and operations that move `moving_mean` and
    `moving_variance` towards them join `GraphKeys.UPDATE_OPS`: run them with the training step. Otherwise the moving
    averages are used.

    Args:
      axis: the axis (or axes) that keeps statistics of its own: the channels.
      momentum: of the moving averages: `moving = moving * momentum + batch * (1 - momentum)`.
      epsilon: added to the variance.
      center, scale: whether there is a `beta`, and a `gamma`.
      beta_initializer, gamma_initializer, moving_mean_initializer, ...: see `Dense`.
      renorm: batch renormalization (Ioffe, 2017): corrects towards the moving averages while training, too.
      renorm_clipping: bounds "rmax", "rmin" and "dmax" of that correction. renorm_momentum: of its averages.
      fused: whether the fused op computes it; None: where it can (rank 4, one axis).
      virtual_batch_size: normalizes parts of the batch of that size, each by itself.
      adjustment: a function of the input's shape that returns a random scale and bias, applied while training.

    Example:
      >>> import penstock as tf
      >>> v1 = tf.compat.v1
      >>> with tf.Graph().as_default():
      ...     y = v1.layers.batch_normalization(tf.ones([8, 3]), training=True)
      ...     [v.name for v in v1.global_variables()], len(v1.get_collection(v1.GraphKeys.UPDATE_OPS))
      (['batch_normalization/gamma:0', 'batch_normalization/beta:0', 'batch_normalization/moving_mean:0', \
'batch_normalization/moving_variance:0'], 2)
    """

    def __init__(
        self,
        axis: Any = -1,
        momentum: Any = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = ZerosV1(),
        gamma_initializer: Any = OnesV1(),
        moving_mean_initializer: Any = ZerosV1(),
        moving_variance_initializer: Any = OnesV1(),
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: dict[str, Any] | None = None,
        renorm_momentum: Any = 0.99,
        fused: bool | None = None,
        trainable: bool = True,
        virtual_batch_size: int | None = None,
        adjustment: Callable | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(trainable, name, **kwargs)
        unknown = set(renorm_clipping or ()) - {"rmax", "rmin", "dmax"}
        if unknown:
            raise ValueError(f"Received invalid keys for `renorm_clipping`: {sorted(unknown)}")
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else [axis]
        self.momentum, self.epsilon, self.center, self.scale = momentum, epsilon, center, scale
        self.beta_initializer, self.gamma_initializer = beta_initializer, gamma_initializer
        self.moving_mean_initializer = moving_mean_initializer
        self.moving_variance_initializer = moving_variance_initializer
        self.beta_regularizer, self.gamma_regularizer = beta_regularizer, gamma_regularizer
        self.beta_constraint, self.gamma_constraint = beta_constraint, gamma_constraint
        self.renorm, self.renorm_clipping, self.renorm_momentum = (
            renorm,
            renorm_clipping or {},
            renorm_momentum,
        )
        self.fused, self.virtual_batch_size, self.adjustment = fused, virtual_batch_size, adjustment
        special = renorm or virtual_batch_size is not None or adjustment is not None
        if fused and special:
            raise ValueError(
                "`fused=True` is not supported with `renorm`, `virtual_batch_size` or `adjustment`."
            )
        self._may_fuse = fused is not False and not special

    # Variables.

    def build(self, input_shape: Any) -> None:
        """Makes gamma, beta and the moving averages."""
        shape = TensorShape(input_shape)
        if shape.rank is None:
            raise ValueError("Input has undefined rank.")
        self.axis = [axis + shape.rank if axis < 0 else axis for axis in self.axis]
        dims = shape.as_list()
        wrong = [axis for axis in self.axis if not 0 <= axis < shape.rank]
        if wrong:
            raise ValueError(f"Invalid axis: {wrong[0]} for an input of shape {dims}")
        unknown = [axis for axis in self.axis if dims[axis] is None]
        if unknown:
            raise ValueError(f"Input has undefined `axis` dimension. Input shape: {dims}")
        self.fused = self._may_fuse and shape.rank == 4 and self.axis in ([1], [3])
        if self.fused and self._dtype not in (dtypes.float16, dtypes.bfloat16, dtypes.float32):
            self.fused = False
        self.input_spec = InputSpec(ndim=shape.rank, axes={axis: dims[axis] for axis in self.axis})
        if len(self.axis) == 1 and self.virtual_batch_size is None:
            param_shape = [dims[self.axis[0]]]
        else:
            param_shape = [dims[axis] if axis in self.axis else 1 for axis in range(shape.rank)]
        if self.virtual_batch_size is not None:
            self.axis = [axis + 1 for axis in self.axis]  # the virtual batches are a new axis
            param_shape.insert(1, 1)
        half = self._dtype in (dtypes.float16, dtypes.bfloat16)
        self._param_dtype = dtypes.float32 if half else self._dtype or dtypes.float32
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                "gamma", param_shape, self._param_dtype, self.gamma_initializer, self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )  # fmt: skip
        if self.center:
            self.beta = self.add_weight(
                "beta", param_shape, self._param_dtype, self.beta_initializer, self.beta_regularizer,
                constraint=self.beta_constraint,
            )  # fmt: skip
        partitioner, self._scope.partitioner = self._scope.partitioner, None  # type: ignore[union-attr]
        try:
            self._build_averages(param_shape)
        finally:
            self._scope.partitioner = partitioner  # type: ignore[union-attr]
        self.built = True

    def _build_averages(self, shape: list[int]) -> None:
        def average(name: str, initializer: Any) -> Any:
            return self.add_weight(
                name, shape, self._param_dtype, initializer, trainable=False,
                synchronization=VariableSynchronization.ON_READ, aggregation=VariableAggregation.MEAN,
            )  # fmt: skip

        self.moving_mean = average("moving_mean", self.moving_mean_initializer)
        self.moving_variance = average("moving_variance", self.moving_variance_initializer)
        if self.renorm:

            def deviation(*args: Any, **kwargs: Any) -> Any:
                return tf.sqrt(self.moving_variance_initializer(*args, **kwargs))

            self.moving_stddev = average("moving_stddev", deviation)
            self.renorm_mean = average("renorm_mean", self.moving_mean_initializer)
            self.renorm_stddev = average("renorm_stddev", deviation)

    def _move(self, average: Any, value: Any, momentum: Any, training: Any) -> Any:
        """Moves an average towards a value, by nothing while not training."""
        decay = smart_cond(
            training,
            lambda: convert_to_tensor(1.0 - momentum, average.dtype),
            lambda: convert_to_tensor(0.0, average.dtype),
        )
        with name_scope("AssignMovingAvg"):
            return average.assign_sub((average.value() - cast(value, average.dtype)) * decay)

    # Normalizing.

    def call(self, inputs: Any, training: Any = False) -> Any:
        """The normalized inputs; `training` is a bool, an int, or a boolean tensor."""
        training = False if training is None else training
        if self.fused:
            return self._fused(inputs, training)
        if self.virtual_batch_size is not None:
            shape = shape_of(inputs)
            split = concat([convert_to_tensor([self.virtual_batch_size, -1]), shape[1:]], 0)
            whole = concat([convert_to_tensor([-1]), shape[1:]], 0)
            outputs = self._plain(reshape(inputs, split), training)
            outputs = reshape(outputs, whole)
            outputs.set_shape(inputs.shape)
            return outputs
        return self._plain(inputs, training)

    def _fused(self, inputs: Any, training: Any) -> Any:
        gamma = self.gamma.value() if self.gamma is not None else ones_like(self.moving_mean.value())
        beta = self.beta.value() if self.beta is not None else zeros_like(self.moving_mean.value())
        layout = "NHWC" if self.axis == [3] else "NCHW"

        def batch() -> Any:
            return fused_batch_norm(inputs, gamma, beta, epsilon=self.epsilon, data_format=layout)

        def averages() -> Any:
            mean, variance = self.moving_mean.value(), self.moving_variance.value()
            return fused_batch_norm(
                inputs, gamma, beta, mean, variance, self.epsilon, layout, is_training=False
            )

        outputs, mean, variance = smart_cond(training, batch, averages)
        if training is False or (isinstance(training, int) and not training):
            return outputs
        self.add_update(lambda: self._move(self.moving_mean, mean, self.momentum, training))
        self.add_update(lambda: self._move(self.moving_variance, variance, self.momentum, training))
        return outputs

    def _plain(self, inputs: Any, training: Any) -> Any:
        dtype = inputs.dtype.base_dtype
        x = cast(inputs, dtypes.float32) if dtype in (dtypes.float16, dtypes.bfloat16) else inputs
        rank = x.shape.rank
        reduced = [axis for axis in range(rank) if axis not in self.axis]
        virtual = self.virtual_batch_size is not None
        if virtual:
            reduced.remove(1)
        aligned = [x.shape.as_list()[axis] if axis in self.axis else 1 for axis in range(rank)]

        def broadcast(value: Any) -> Any:
            if value is None or len(value.shape) == rank or reduced == list(range(rank - 1)):
                return value
            return reshape(value, aligned)

        gamma = None if self.gamma is None else broadcast(self.gamma.value())
        beta = None if self.beta is None else broadcast(self.beta.value())
        if training is False or (isinstance(training, int) and not training):
            mean, variance = self.moving_mean.value(), self.moving_variance.value()
        else:
            if self.adjustment is not None:
                factor, bias = self.adjustment(shape_of(x))
                factor = smart_cond(training, lambda: factor, lambda: ones_like(factor))
                bias = smart_cond(training, lambda: bias, lambda: zeros_like(bias))
                gamma, beta = _composed(factor, bias, gamma, beta)
            batch_mean, batch_variance = moments(
                cast(x, self._param_dtype), reduced, keepdims=virtual or len(self.axis) > 1
            )
            mean = smart_cond(training, lambda: batch_mean, lambda: identity(self.moving_mean.value()))
            variance = smart_cond(
                training, lambda: batch_variance, lambda: identity(self.moving_variance.value())
            )
            new_mean, new_variance = mean, variance
            if virtual:
                new_mean, new_variance = (reduce_mean(each, 1, keepdims=True) for each in (mean, variance))
            if self.renorm:
                r, d, new_mean, new_variance = self._renorm(new_mean, new_variance, training)
                gamma, beta = _composed(broadcast(stop_gradient(r)), broadcast(stop_gradient(d)), gamma, beta)
            self.add_update(lambda: self._move(self.moving_mean, new_mean, self.momentum, training))
            self.add_update(lambda: self._update_variance(new_variance, training))
        mean, variance = (broadcast(cast(each, x.dtype)) for each in (mean, variance))
        gamma, beta = (None if each is None else cast(each, x.dtype) for each in (gamma, beta))
        outputs = cast(normalize(x, mean, variance, beta, gamma, self.epsilon), dtype)
        outputs.set_shape(inputs.shape)
        return outputs

    def _update_variance(self, variance: Any, training: Any) -> Any:
        if not self.renorm:
            return self._move(self.moving_variance, variance, self.momentum, training)
        moved = self._move(self.moving_stddev, tf.sqrt(variance + self.epsilon), self.momentum, training)
        deviation = convert_to_tensor(moved)
        return self.moving_variance.assign(relu(deviation * deviation - self.epsilon))

    def _renorm(self, mean: Any, variance: Any, training: Any) -> tuple[Any, Any, Any, Any]:
        """The correction `x * r + d` towards the averages, and the moments once those have been moved."""
        stddev = tf.sqrt(variance + self.epsilon)
        r = stddev / self.renorm_stddev.value()
        d = (mean - self.renorm_mean.value()) / self.renorm_stddev.value()
        with control_dependencies([r, d]):
            mean, stddev = identity(mean), identity(stddev)
        low, high, most = (self.renorm_clipping.get(each) for each in ("rmin", "rmax", "dmax"))
        if high is not None:
            r = tf.minimum(r, high)
        if low is not None:
            r = tf.maximum(r, low)
        if most is not None:
            d = clip_by_value(d, -most, most)
        r = smart_cond(training, lambda: r, lambda: ones_like(r))
        d = smart_cond(training, lambda: d, lambda: zeros_like(d))
        moved = [
            self._move(self.renorm_mean, mean, self.renorm_momentum, training),
            self._move(self.renorm_stddev, stddev, self.renorm_momentum, training),
        ]
        with control_dependencies(moved):
            return r, d, identity(mean), identity(variance)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The input's shape."""
        return TensorShape(input_shape)


def _composed(scale: Any, offset: Any, then_scale: Any, then_offset: Any) -> tuple[Any, Any]:
    """Two affine maps in one: first `x * scale + offset`, then the other; None stands for one and for zero."""
    if then_scale is not None:
        scale, offset = scale * then_scale, offset * then_scale
    return scale, offset if then_offset is None else offset + then_offset


batch_normalization = functional_form(
    "batch_normalization",
    BatchNormalization,
    "Batch normalization (Ioffe and Szegedy, 2015).",
    training="trainable",
    order=(
        "axis momentum epsilon center scale beta_initializer gamma_initializer moving_mean_initializer "
        "moving_variance_initializer beta_regularizer gamma_regularizer beta_constraint gamma_constraint trainable "
        "name renorm renorm_clipping renorm_momentum fused virtual_batch_size adjustment"
    ).split(),
)
