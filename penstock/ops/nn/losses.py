"""Public losses of `tf.nn`: cross entropies, Poisson and L2 loss, and the averages of `tf.distribute` programs."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import scalar
from penstock.ops.arguments import matching, name_scope, renamed, unary
from penstock.ops.dtype_sets import FLOATS
from penstock.ops.nn.activations import zeros_like
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.tensors import Tensor

op(
    "L2Loss(t: T) -> output: T",
    lambda xp, t: xp.sum(t * t, dtype=t.dtype) / xp.asarray(2, t.dtype),
    shape=scalar, gradient=lambda op, dy: op.inputs[0] * dy, types={"T": FLOATS},
)  # fmt: skip


@export("nn.l2_loss")
def l2_loss(t: Any, name: str | None = None) -> Tensor:
    """Half the sum of squares: `sum(t ** 2) / 2`.

    Example:
      >>> import penstock as tf
      >>> tf.nn.l2_loss([3.0, 4.0]).numpy()
      np.float32(12.5)
    """
    return unary("L2Loss", t, name)


def _cast(x: Tensor, dtype: DType) -> Tensor:
    return x if x.dtype is dtype else execute("Cast", (x,), {"DstT": dtype})


def _precise(logits: Tensor) -> Tensor:
    """Losses of half-precision logits are computed in float32."""
    return _cast(logits, dtypes.float32) if logits.dtype in (dtypes.float16, dtypes.bfloat16) else logits


def _as_rows(x: Tensor) -> Tensor:
    """All axes but the last as one."""
    classes = x.shape[-1]
    if classes is None:
        shape = execute("Shape", (x,))
        last = execute("Slice", (shape, convert_to_tensor([(x.shape.rank or 0) - 1]), convert_to_tensor([1])))
        target = execute("ConcatV2", ([convert_to_tensor([-1]), last], convert_to_tensor(0)))
    else:
        target = convert_to_tensor([-1, classes])
    return execute("Reshape", (x, target))


def _reshaped_like(rows: Tensor, x: Tensor, dropped: int) -> Tensor:
    """`rows` in the shape of `x` without its last `dropped` axes."""
    kept = (x.shape.rank or 0) - dropped
    shape = execute("Slice", (execute("Shape", (x,)), convert_to_tensor([0]), convert_to_tensor([kept])))
    result = execute("Reshape", (rows, shape))
    result.set_shape(x.shape[:kept])
    return result


@export("nn.softmax_cross_entropy_with_logits", v1=[])
def softmax_cross_entropy_with_logits(
    labels: Any, logits: Any, axis: int = -1, name: str | None = None
) -> Tensor:
    """`-sum(labels * log(softmax(logits)), axis)`, computed without overflow.

    Args:
      labels: probabilities, in the shape of `logits`; cast to its dtype.
      logits: unnormalized log-probabilities, of a floating dtype.
      axis: the axis of the classes.

    Returns:
      The losses: the shape of `logits` without `axis`. Gradients flow to `logits` and `labels`.

    Raises:
      ValueError: an argument is None.
      InvalidArgumentError: the shapes do not fit.

    Example:
      >>> import penstock as tf
      >>> tf.nn.softmax_cross_entropy_with_logits([[0.0, 1.0]], [[2.0, 2.0]]).numpy()
      array([0.6931472], dtype=float32)
    """
    _refuse_none(labels, logits)
    logits = convert_to_tensor(logits)
    precise = _precise(logits)
    labels = _cast(convert_to_tensor(labels, dtype_hint=precise.dtype), precise.dtype)
    rank = precise.shape.rank
    if rank is None and axis != -1:
        raise ValueError(f"the rank of logits must be known for axis={axis}")
    if rank is not None and axis not in (-1, rank - 1):
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} must be in [{-rank}, {rank})")
        order = [i for i in range(rank) if i != axis % rank] + [axis % rank]
        permutation = convert_to_tensor(order)
        precise = execute("Transpose", (precise, permutation))
        labels = execute("Transpose", (labels, permutation))
    if rank == 2:
        loss, _ = execute("SoftmaxCrossEntropyWithLogits", (precise, labels), None, name)
    else:
        loss, _ = execute("SoftmaxCrossEntropyWithLogits", (_as_rows(precise), _as_rows(labels)), None, name)
        loss = _reshaped_like(loss, precise, 1)
    return _cast(loss, logits.dtype)


def _refuse_none(labels: Any, logits: Any) -> None:
    if labels is None or logits is None:
        raise ValueError("Both `labels` and `logits` must be provided.")


@export(v1=["nn.softmax_cross_entropy_with_logits_v2"])
def softmax_cross_entropy_with_logits_v2(
    labels: Any, logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """TF 1's name of `tf.nn.softmax_cross_entropy_with_logits`."""
    axis = renamed(axis, dim, "axis and dim")
    return softmax_cross_entropy_with_logits(labels, logits, -1 if axis is None else axis, name)


@export(v1=["nn.softmax_cross_entropy_with_logits"])
def softmax_cross_entropy_with_logits_v1(
    labels: Any = None, logits: Any = None, dim: int = -1, name: str | None = None, axis: int | None = None
) -> Tensor:
    """TF 1's `nn.softmax_cross_entropy_with_logits`: no gradient flows to `labels`."""
    _refuse_none(labels, logits)
    labels = execute("StopGradient", (convert_to_tensor(labels),))
    return softmax_cross_entropy_with_logits(labels, logits, dim if axis is None else axis, name)


@export("nn.sparse_softmax_cross_entropy_with_logits", v1=[])
def sparse_softmax_cross_entropy_with_logits(labels: Any, logits: Any, name: str | None = None) -> Tensor:
    """The softmax cross entropy for classes given by their index: `-log(softmax(logits)[labels])`.

    Args:
      labels: class indices in [0, classes), int32 or int64, in the shape of `logits` without its last axis.
      logits: `[..., classes]`, unnormalized log-probabilities of a floating dtype.

    Returns:
      The losses, in the shape of `labels`.

    Raises:
      ValueError: the ranks or known sizes do not fit.
      InvalidArgumentError: a label is out of range (on accelerators its loss is NaN instead).

    Example:
      >>> import penstock as tf
      >>> tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[1], logits=[[2.0, 2.0]]).numpy()
      array([0.6931472], dtype=float32)
    """
    _refuse_none(labels, logits)
    labels, logits = convert_to_tensor(labels), convert_to_tensor(logits)
    if labels.dtype.is_integer and labels.dtype not in (dtypes.int32, dtypes.int64):
        labels = _cast(labels, dtypes.int64)
    precise = _precise(logits)
    if logits.shape.rank == 0:
        raise ValueError(f"`logits` cannot be a scalar. Received logits={logits}")
    if logits.shape.rank is not None and labels.shape.rank not in (None, logits.shape.rank - 1):
        raise ValueError(
            "`labels.shape.rank` must equal `logits.shape.rank - 1`. "
            f"Received: labels.shape={labels.shape} of rank {labels.shape.rank} "
            f"and logits.shape={logits.shape} of rank {logits.shape.rank}"
        )
    if logits.shape.rank is not None and not labels.shape.is_compatible_with(logits.shape[:-1]):
        raise ValueError(
            "`labels.shape` must equal `logits.shape` except for the last dimension. "
            f"Received: labels.shape={labels.shape} and logits.shape={logits.shape}"
        )
    if logits.shape.rank == 2:
        loss, _ = execute("SparseSoftmaxCrossEntropyWithLogits", (precise, labels), None, name)
    else:
        flat = execute("Reshape", (labels, convert_to_tensor([-1])))
        loss, _ = execute("SparseSoftmaxCrossEntropyWithLogits", (_as_rows(precise), flat), None, name)
        loss = _reshaped_like(loss, labels, 0)
    return _cast(loss, logits.dtype)


@export(v1=["nn.sparse_softmax_cross_entropy_with_logits"])
def sparse_softmax_cross_entropy_with_logits_v1(
    labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """TF 1's `nn.sparse_softmax_cross_entropy_with_logits`: as the TF 2 function."""
    return sparse_softmax_cross_entropy_with_logits(labels, logits, name)


@export("nn.sigmoid_cross_entropy_with_logits")
def sigmoid_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """The cross entropy of independent classes, of each element: `max(x, 0) - x * z + log(1 + exp(-abs(x)))`.

    Args:
      labels: `z`, in [0, 1], in the dtype and shape of `logits`.
      logits: `x`, of a floating dtype.

    Returns:
      The losses, in the shape of `logits`.

    Raises:
      ValueError: the shapes differ, or an argument is None.

    Example:
      >>> import penstock as tf
      >>> tf.nn.sigmoid_cross_entropy_with_logits([1.0], [0.0]).numpy()
      array([0.6931472], dtype=float32)
    """
    _refuse_none(labels, logits)
    with name_scope(name, "logistic_loss") as name:
        logits = convert_to_tensor(logits)
        labels = convert_to_tensor(labels, dtype_hint=logits.dtype)
        _require_same_shape("labels", labels, logits)
        zeros = zeros_like(logits)
        # The conditions are chosen so that the gradient at 0 is right too: maximum and abs have kinks there.
        positive = execute("GreaterEqual", (logits, zeros))
        larger = execute("SelectV2", (positive, logits, zeros))
        negative_abs = execute("SelectV2", (positive, execute("Neg", (logits,)), logits))
        correction = execute("Log1p", (execute("Exp", (negative_abs,)),))
        return execute("AddV2", (larger - logits * labels, correction), None, name)


def _require_same_shape(name: str, x: Tensor, logits: Tensor) -> None:
    if not x.shape.is_compatible_with(logits.shape):
        raise ValueError(
            f"`logits` and `{name}` must have the same shape, received ({logits.shape} vs {x.shape})."
        )


@export("nn.weighted_cross_entropy_with_logits", v1=[])
def weighted_cross_entropy_with_logits(
    labels: Any, logits: Any, pos_weight: Any, name: str | None = None
) -> Tensor:
    """The sigmoid cross entropy with the positive part multiplied by `pos_weight`.

        labels * -log(sigmoid(logits)) * pos_weight + (1 - labels) * -log(1 - sigmoid(logits))

    Args:
      labels: in [0, 1], in the dtype and shape of `logits`.
      logits: of a floating dtype.
      pos_weight: larger than 1 for fewer false negatives, smaller for fewer false positives; broadcasts.

    Returns:
      The losses, in the shape of `logits`.

    Raises:
      ValueError: the shapes differ.

    Example:
      >>> import penstock as tf
      >>> tf.nn.weighted_cross_entropy_with_logits([1.0], [0.0], pos_weight=2.0).numpy()
      array([1.3862944], dtype=float32)
    """
    logits, labels = matching(logits, labels)
    _require_same_shape("labels", labels, logits)
    one = convert_to_tensor(1, logits.dtype)
    weight = one + (convert_to_tensor(pos_weight, logits.dtype) - one) * labels
    decay = execute("Log1p", (execute("Exp", (-execute("Abs", (logits,)),)),)) + execute("Relu", (-logits,))
    return execute("AddV2", ((one - labels) * logits, weight * decay), None, name)


@export(v1=["nn.weighted_cross_entropy_with_logits"])
def weighted_cross_entropy_with_logits_v1(
    labels: Any = None,
    logits: Any = None,
    pos_weight: Any = None,
    name: str | None = None,
    targets: Any = None,
) -> Tensor:
    """TF 1's form: the labels are named `labels` or `targets`."""
    return weighted_cross_entropy_with_logits(
        renamed(labels, targets, "labels and targets"), logits, pos_weight, name
    )


@export("nn.log_poisson_loss")
def log_poisson_loss(
    targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None
) -> Tensor:
    """The negative log-likelihood of counts under a Poisson distribution, without the constant term.

        exp(log_input) - log_input * targets  [+ targets * log(targets) - targets + log(2 * pi * targets) / 2]

    Args:
      targets: counts, in the dtype and shape of `log_input`.
      log_input: the logarithm of the expected counts.
      compute_full_loss: adds Stirling's approximation of `log(targets!)` (0 for targets up to 1).

    Raises:
      ValueError: the shapes differ.

    Example:
      >>> import penstock as tf
      >>> tf.nn.log_poisson_loss([2.0], [0.0]).numpy()
      array([1.], dtype=float32)
    """
    log_input, targets = matching(log_input, targets)
    if not targets.shape.is_compatible_with(log_input.shape):
        raise ValueError(
            "`log_input` and `targets` must have the same shape, received "
            f"({log_input.shape} vs {targets.shape})."
        )
    loss = execute("Sub", (execute("Exp", (log_input,)), log_input * targets), None, name)
    if not compute_full_loss:
        return loss
    dtype = targets.dtype
    zeros, ones = zeros_like(targets), execute("OnesLike", (targets,))
    half, two_pi = convert_to_tensor(0.5, dtype), convert_to_tensor(6.283185307179586, dtype)
    few = execute(
        "LogicalAnd", (execute("GreaterEqual", (targets, zeros)), execute("LessEqual", (targets, ones)))
    )
    log = execute("Log", (targets,))
    stirling = targets * log - targets + half * execute("Log", (two_pi * targets,))
    return loss + execute("SelectV2", (few, zeros, stirling))


@export("nn.compute_average_loss")
def compute_average_loss(
    per_example_loss: Any, sample_weight: Any = None, global_batch_size: Any = None
) -> Tensor:
    """The sum of per-example losses over the global batch size, so that summing over replicas gives the mean.

    Args:
      per_example_loss: a tensor of losses.
      sample_weight: a weight for each example (broadcast over the other axes).
      global_batch_size: by default the number of examples here times the number of replicas.

    Returns:
      A scalar of the dtype of `per_example_loss`.

    Raises:
      ValueError: `global_batch_size` is not a scalar integer.

    Example:
      >>> import penstock as tf
      >>> tf.nn.compute_average_loss([1.0, 3.0], global_batch_size=4).numpy()
      np.float32(1.0)
    """
    loss = convert_to_tensor(per_example_loss)
    dtype = loss.dtype
    if sample_weight is not None:
        weight = _cast(convert_to_tensor(sample_weight, dtype_hint=dtype), dtype)
        while weight.shape.rank is not None and 0 < weight.shape.rank < (loss.shape.rank or 0):
            weight = execute("ExpandDims", (weight, convert_to_tensor(-1)))
        loss = loss * weight
    if global_batch_size is None:
        examples = execute("Shape", (loss,))[0] if loss.shape.rank else convert_to_tensor(1)
        global_batch_size = examples * convert_to_tensor(_replicas())
    global_batch_size = convert_to_tensor(global_batch_size)
    if global_batch_size.shape.rank not in (None, 0) or not global_batch_size.dtype.is_integer:
        raise ValueError(f"global_batch_size must be a scalar integer, got {global_batch_size}")
    total = execute("Sum", (loss, _all_axes(loss)))
    return total / _cast(global_batch_size, dtype)


def _all_axes(x: Tensor) -> Tensor:
    if x.shape.rank is not None:
        return convert_to_tensor(list(range(x.shape.rank)), dtypes.int32)
    zero, one = convert_to_tensor(0), convert_to_tensor(1)
    return execute("Range", (zero, execute("Rank", (x,)), one))


def _replicas() -> int:
    from penstock.engine.context import thread

    return thread.strategies[-1][0].num_replicas_in_sync if thread.strategies else 1


@export("nn.scale_regularization_loss")
def scale_regularization_loss(regularization_loss: Any) -> Tensor:
    """The sum of a regularization loss over the number of replicas, each of which adds it.

    Example:
      >>> import penstock as tf
      >>> tf.nn.scale_regularization_loss([1.0, 2.0]).numpy()
      np.float32(3.0)
    """
    loss = convert_to_tensor(regularization_loss)
    total = execute("Sum", (loss, _all_axes(loss)))
    return total / convert_to_tensor(_replicas(), loss.dtype)
