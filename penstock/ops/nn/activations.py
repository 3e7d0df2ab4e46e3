"""Activation ops with gradient ops of their own: relu and its kin; and `gelu`, `silu`, `crelu`, composed of others.

Softplus, softsign, sigmoid and tanh are elementwise math; softmax is in `nn.softmax`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import merged, unchanged
from penstock.ops.arguments import matching, name_scope, unary
from penstock.ops.dtype_sets import FLOATS, REAL
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.tensors import Tensor

# Klambauer et al., "Self-Normalizing Neural Networks": the fixed point at mean 0 and variance 1.
_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_ALPHA = 1.6732632423543772848170429916717


def zeros_like(x: Tensor) -> Tensor:
    """Zeros with the shape and dtype of `x`."""
    return execute("ZerosLike", (x,))


def _select_gradient(xp: Any, condition: Any, dy: Any, otherwise: Any = None) -> Any:
    return xp.where(condition, dy, xp.zeros((), dy.dtype) if otherwise is None else otherwise)


def _piecewise_gradient(op_type: str, features_of: Callable[[Any], Tensor]) -> Callable:
    """For activations whose derivative is constant between kinks."""
    return lambda op, dy: execute(op_type, (dy, features_of(op)), _alpha(op))


def _piecewise_second_gradient(op_type: str) -> Callable:
    return lambda op, ddx: [execute(op_type, (ddx, op.inputs[1]), _alpha(op)), zeros_like(op.inputs[1])]


def _alpha(op: Any) -> dict[str, Any]:
    return {"alpha": op.attrs["alpha"]} if "alpha" in op.attrs else {}


def _output(op: Any) -> Tensor:
    return op.outputs[0]


def _input(op: Any) -> Tensor:
    return op.inputs[0]


def _leaky(xp: Any, x: Any, alpha: float) -> Any:
    return xp.where(x > 0, x, x * xp.asarray(alpha, x.dtype))


def _leaky_gradient(xp: Any, dy: Any, x: Any, alpha: float) -> Any:
    return xp.where(x > 0, dy, dy * xp.asarray(alpha, dy.dtype))


def _elu(xp: Any, x: Any) -> Any:
    return xp.where(x < 0, xp.expm1(xp.minimum(x, xp.zeros((), x.dtype))), x)


def _selu(xp: Any, x: Any) -> Any:
    scale, slope = xp.asarray(_SELU_SCALE, x.dtype), xp.asarray(_SELU_SCALE * _SELU_ALPHA, x.dtype)
    return xp.where(x < 0, slope * xp.expm1(xp.minimum(x, xp.zeros((), x.dtype))), scale * x)


def _selu_gradient(xp: Any, dy: Any, y: Any) -> Any:
    scale, slope = xp.asarray(_SELU_SCALE, y.dtype), xp.asarray(_SELU_SCALE * _SELU_ALPHA, y.dtype)
    return xp.where(y < 0, dy * (y + slope), dy * scale)


def _exponential_second_gradient(op_type: str) -> Callable:
    """For gradient ops of elu and selu: linear in dy, and in the (negative) output."""

    def rule(op: Any, ddx: Tensor) -> list[Tensor]:
        dy, y = op.inputs
        zeros = zeros_like(y)
        negative = execute("Less", (y, zeros))
        return [execute(op_type, (ddx, y)), execute("SelectV2", (negative, ddx * dy, zeros))]

    return rule


# signature, kernel, gradient rule, dtypes.
_TABLE = (
    (
        "Relu(features: T) -> activations: T",
        lambda xp, x: xp.maximum(x, xp.zeros((), x.dtype)),
        _piecewise_gradient("ReluGrad", _output),
        REAL | {dtypes.qint8},
    ),
    (
        "ReluGrad(gradients: T, features: T) -> backprops: T",
        lambda xp, dy, y: _select_gradient(xp, y > 0, dy),
        _piecewise_second_gradient("ReluGrad"),
        REAL,
    ),
    (
        "Relu6(features: T) -> activations: T",
        lambda xp, x: xp.minimum(xp.maximum(x, xp.zeros((), x.dtype)), xp.asarray(6, x.dtype)),
        _piecewise_gradient("Relu6Grad", _output),
        REAL,
    ),
    (
        "Relu6Grad(gradients: T, features: T) -> backprops: T",
        lambda xp, dy, y: _select_gradient(xp, (y > 0) & (y < 6), dy),
        _piecewise_second_gradient("Relu6Grad"),
        REAL,
    ),
    (
        "LeakyRelu(features: T; alpha=0.2) -> activations: T",
        _leaky,
        _piecewise_gradient("LeakyReluGrad", _input),
        FLOATS,
    ),
    (
        "LeakyReluGrad(gradients: T, features: T; alpha=0.2) -> backprops: T",
        _leaky_gradient,
        _piecewise_second_gradient("LeakyReluGrad"),
        FLOATS,
    ),
    (
        "Elu(features: T) -> activations: T",
        _elu,
        lambda op, dy: execute("EluGrad", (dy, op.outputs[0])),
        FLOATS,
    ),
    (
        "EluGrad(gradients: T, outputs: T) -> backprops: T",
        lambda xp, dy, y: xp.where(y < 0, dy * (y + xp.ones((), y.dtype)), dy),
        _exponential_second_gradient("EluGrad"),
        FLOATS,
    ),
    (
        "Selu(features: T) -> activations: T",
        _selu,
        lambda op, dy: execute("SeluGrad", (dy, op.outputs[0])),
        FLOATS,
    ),
    (
        "SeluGrad(gradients: T, outputs: T) -> backprops: T",
        _selu_gradient,
        _exponential_second_gradient("SeluGrad"),
        FLOATS,
    ),
)

_SLOW_IN_NUMPY = ("LeakyRelu", "Elu", "Selu")  # several passes over the numbers

for _signature, _kernel, _rule, _types in _TABLE:
    _shape = merged if "gradients" in _signature else unchanged
    _large = 1 << 16 if _signature.startswith(_SLOW_IN_NUMPY) else None
    op(_signature, _kernel, shape=_shape, gradient=_rule, types={"T": _types}, large=_large)


@export("nn.relu")
def relu(features: Any, name: str | None = None) -> Tensor:
    """Rectified linear: `max(features, 0)`.

    Args:
      features: a tensor of a real dtype, of any shape.

    Returns:
      A tensor of the same dtype and shape.

    Example:
      >>> import penstock as tf
      >>> tf.nn.relu([-2.0, 0.0, 3.0]).numpy()
      array([0., 0., 3.], dtype=float32)
    """
    return unary("Relu", features, name)


@export("nn.relu6")
def relu6(features: Any, name: str | None = None) -> Tensor:
    """Rectified linear with a ceiling: `min(max(features, 0), 6)`.

    Example:
      >>> import penstock as tf
      >>> tf.nn.relu6([-2.0, 3.0, 9.0]).numpy()
      array([0., 3., 6.], dtype=float32)
    """
    return unary("Relu6", features, name or "Relu6")


@export("nn.leaky_relu")
def leaky_relu(features: Any, alpha: float = 0.2, name: str | None = None) -> Tensor:
    """Rectified linear that leaks: `features` where positive, else `alpha * features`.

    Args:
      features: a tensor of a floating dtype; integers become float32.
      alpha: the slope at negative values, a number or a scalar tensor.

    Example:
      >>> import penstock as tf
      >>> tf.nn.leaky_relu([-2.0, 3.0], alpha=0.5).numpy()
      array([-1.,  3.], dtype=float32)
    """
    features = convert_to_tensor(features)
    if features.dtype.is_integer:
        features = execute("Cast", (features,), {"DstT": dtypes.float32})
    if isinstance(alpha, Tensor) or hasattr(alpha, "__tf_tensor__"):
        alpha = convert_to_tensor(alpha)
        zeros = zeros_like(features)
        negative = execute("Mul", (execute("Minimum", (features, zeros)), alpha))
        return execute("AddV2", (execute("Maximum", (features, zeros)), negative), None, name)
    return execute("LeakyRelu", (features,), {"alpha": float(alpha)}, name or "LeakyRelu")


@export("nn.elu")
def elu(features: Any, name: str | None = None) -> Tensor:
    """Exponential linear: `features` where not negative, else `exp(features) - 1`.

    Example:
      >>> import penstock as tf
      >>> tf.nn.elu([-100.0, 3.0]).numpy()
      array([-1.,  3.], dtype=float32)
    """
    return unary("Elu", features, name)


@export("nn.selu")
def selu(features: Any, name: str | None = None) -> Tensor:
    """Scaled exponential linear: `1.0507 * (features if features >= 0 else 1.6733 * (exp(features) - 1))`.

    With weights of variance 1 / fan_in it keeps mean 0 and variance 1 (Klambauer et al., 2017).

    Example:
      >>> import penstock as tf
      >>> tf.nn.selu([0.0, 1.0]).numpy()
      array([0.      , 1.050701], dtype=float32)
    """
    return unary("Selu", features, name)


@export("nn.crelu", v1=[])
def crelu(features: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """The positive and the negative parts side by side: `relu(concat([x, -x], axis))`, twice as deep as `features`.

    Example:
      >>> import penstock as tf
      >>> tf.nn.crelu([-2.0, 3.0]).numpy()
      array([0., 3., 2., 0.], dtype=float32)
    """
    features = convert_to_tensor(features)
    both = execute("ConcatV2", ([features, execute("Neg", (features,))], convert_to_tensor(axis)))
    return relu(both, name)


@export(v1=["nn.crelu"])
def crelu_v1(features: Any, name: str | None = None, axis: int = -1) -> Tensor:
    """TF 1's `nn.crelu`: as `tf.nn.crelu`, with the arguments in another order."""
    return crelu(features, axis, name)


@export("nn.gelu", v1=[])
def gelu(features: Any, approximate: bool = False, name: str | None = None) -> Tensor:
    """Gaussian error linear: `x * P(X <= x)` for a standard normal `X`.

    Args:
      features: a tensor of a floating dtype.
      approximate: with `tanh` in place of the error function:
        `0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3)))`.

    Raises:
      ValueError: the dtype is not floating.

    Example:
      >>> import penstock as tf
      >>> tf.nn.gelu([-3.0, 0.0, 1.0]).numpy().round(4)
      array([-0.004 ,  0.    ,  0.8413], dtype=float32)
    """
    x = convert_to_tensor(features)
    if not x.dtype.is_floating:
        raise ValueError(
            f"`features.dtype` must be a floating point tensor. Received: features.dtype={x.dtype}"
        )
    if approximate:
        inner = _constant(0.7978845608028654, x.dtype) * (x + _constant(0.044715, x.dtype) * (x * x * x))
        cumulative = execute("Tanh", (inner,))
    else:
        cumulative = execute("Erf", (x * _constant(0.7071067811865476, x.dtype),))
    half = _constant(0.5, x.dtype) * x
    return execute("Mul", (half, _constant(1.0, x.dtype) + cumulative), None, name or "Gelu")


def _constant(value: float, dtype: DType) -> Tensor:
    return convert_to_tensor(value, dtype)


@export("nn.silu", "nn.swish")
def silu(features: Any, beta: Any = 1.0) -> Tensor:
    """`features * sigmoid(beta * features)`, also called swish.

    Args:
      features: a tensor of a floating dtype.
      beta: a number or a tensor that broadcasts.

    Example:
      >>> import penstock as tf
      >>> tf.nn.silu([0.0, 1.0]).numpy()
      array([0.       , 0.7310586], dtype=float32)
    """
    x = convert_to_tensor(features)
    if isinstance(beta, (int, float)) and beta == 1:
        return x * execute("Sigmoid", (x,))
    beta = convert_to_tensor(beta)
    if beta.dtype != x.dtype:
        beta = execute("Cast", (beta,), {"DstT": x.dtype})
    return x * execute("Sigmoid", (beta * x,))


@export(v1=["nn.relu_layer"])
def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """`relu(matmul(x, weights) + biases)`."""
    x, weights, biases = matching(x, weights, biases)
    return relu(execute("BiasAdd", (execute("MatMul", (x, weights)), biases)), name)


@export(v1=["nn.xw_plus_b"])
def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """`matmul(x, weights) + biases`."""
    with name_scope(name, "xw_plus_b") as name:
        x, weights, biases = matching(x, weights, biases)
        return execute("BiasAdd", (execute("MatMul", (x, weights)), biases), None, name)
