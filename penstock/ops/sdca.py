"""Stochastic dual coordinate ascent: linear models with L1 and L2 regularization, without a learning rate.

The problem is `sum_i weight_i * loss(w . x_i, label_i) + l2 / 2 * |w|^2 + l1 * |w|`. Each example has a dual variable; a
step takes one example, finds the value of its dual variable that is best while all others stay, and moves the weights
by what that changed. The losses, and what is best for each, are in `ops.sdca_losses`. Shalev-Shwartz and Zhang,
"Proximal Stochastic Dual Coordinate Ascent", 2012; Ma et al., "Adding vs. Averaging", 2015 (for partitions); Csiba et
al., "Stochastic Dual Coordinate Ascent with Adaptive Probabilities", 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.arguments import name_scope
from penstock.ops.clipping import clip_by_value
from penstock.ops.grouping import group
from penstock.ops.sdca_losses import LOSSES, Loss
from penstock.ops.strings.farmhash import fingerprint128
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def shrunk(weights: np.ndarray, by: float) -> np.ndarray:
    """Weights moved towards zero by `by`, and not beyond: the step of L1."""
    return np.sign(weights) * np.maximum(np.abs(weights) - by, 0) if by else weights


class _Group:
    """One group of features: which weights an example meets, with which values, and how those weights change."""

    def __init__(self, weights: np.ndarray):
        self.weights = weights.reshape(-1).astype(np.float64)
        self.deltas = np.zeros_like(self.weights)

    def of(self, example: int) -> tuple[Any, np.ndarray]:
        """Which weights, as an index, and the values of these features."""
        raise AssertionError("a group is dense or sparse")


class _DenseGroup(_Group):
    def __init__(self, place: int, features: np.ndarray, weights: np.ndarray):
        super().__init__(weights)
        if features.ndim != 2:
            raise ValueError(f"Dense features at index {place} must be rank 2 but is rank {features.ndim}")
        if features.shape[1] > self.weights.size:
            raise ValueError(f"More dense features than we have parameters for: {features.shape[1]}")
        self._features = features.astype(np.float64)

    def of(self, example: int) -> tuple[Any, np.ndarray]:
        row = self._features[example]
        return slice(len(row)), row


class _SparseGroup(_Group):
    """Features by number. `known` says which number each of the weights belongs to."""

    def __init__(
        self,
        examples: np.ndarray,
        features: np.ndarray,
        values: np.ndarray | None,
        known: np.ndarray,
        weights: np.ndarray,
        count: int,
    ):
        super().__init__(weights)
        if examples.size != features.size or (values is not None and values.size != features.size):
            raise ValueError(
                f"Found mismatched example_indices and feature_indices [{examples}] vs [{features}]"
            )
        place_of = {number: place for place, number in enumerate(known.reshape(-1).tolist())}
        numbers = features.reshape(-1).tolist()
        unknown = next((each for each in numbers if each not in place_of), None)
        if unknown is not None:
            raise ValueError(f"Found sparse feature indices out of valid range: {unknown}")
        self._places = np.array([place_of[each] for each in numbers], np.int64)
        self._values = np.ones(len(numbers)) if values is None else values.reshape(-1).astype(np.float64)
        self._starts = np.searchsorted(examples.reshape(-1), np.arange(count + 1))

    def of(self, example: int) -> tuple[Any, np.ndarray]:
        part = slice(self._starts[example], self._starts[example + 1])
        places = self._places[part]
        if len(np.unique(places)) < len(places):
            raise ValueError("Duplicate index in sparse vector.")
        return places, self._values[part]


def _order(
    groups: list[_Group],
    norms: np.ndarray,
    duals: np.ndarray,
    labels: list[float],
    example_weights: np.ndarray,
    loss: Loss,
    l1: float,
    l2: float,
) -> list[int]:
    """As many examples as there are; those whose dual variable is far from the best one come first and more often."""
    count = len(labels)
    predictions = [
        sum(np.dot(values, shrunk(each.weights[places], l1 / l2)) for each in groups
            for places, values in [each.of(example)])
        for example in range(count)
    ]  # fmt: skip
    residues = np.abs(
        [dual + loss.derivative(wx, label) for dual, wx, label in zip(duals, predictions, labels)]
    )
    wanted = example_weights * np.sqrt(norms + l2 * loss.smoothness) * residues
    generator = np.random.default_rng()
    chances = wanted / wanted.sum() if wanted.sum() > 0 else np.full(count, 1 / max(count, 1))
    taken = np.zeros(count, int)
    order: list[int] = []
    # An example that was taken k times is taken again with a tenth of a tenth of ... (k times) its chance.
    for example, keep in zip(generator.choice(count, 2 * count, p=chances), generator.random(2 * count)):
        if len(order) < count and keep <= 0.1 ** taken[example]:
            taken[example] += 1
            order.append(int(example))
    unseen = sorted(np.flatnonzero(taken == 0).tolist(), key=lambda example: -wanted[example])
    return (order + unseen)[:count]


def _optimized(
    sparse_example_indices: Sequence[np.ndarray],
    sparse_feature_indices: Sequence[np.ndarray],
    sparse_feature_values: Sequence[np.ndarray],
    dense_features: Sequence[np.ndarray],
    example_weights: np.ndarray,
    example_labels: np.ndarray,
    sparse_indices: Sequence[np.ndarray],
    sparse_weights: Sequence[np.ndarray],
    dense_weights: Sequence[np.ndarray],
    example_state_data: np.ndarray,
    *,
    loss_type: Any,
    l1: float,
    l2: float,
    num_loss_partitions: int,
    num_inner_iterations: int,
    adaptive: bool,
) -> list[np.ndarray]:
    name = loss_type.decode() if isinstance(loss_type, bytes) else loss_type
    if name not in LOSSES:
        raise ValueError(f"Unsupported loss type: {name}")
    if not sparse_indices and not dense_features:
        raise ValueError("Requires at least one feature to train.")
    loss, count = LOSSES[name], example_weights.size
    if example_labels.size != count:
        raise ValueError(f"Expected {count} example labels but got {example_labels.size}")
    if example_state_data.shape != (count, 4):
        raise ValueError(f"Expected shape [{count},4] for example_state_data, got {example_state_data.shape}")
    values = [*sparse_feature_values, *[None] * (len(sparse_indices) - len(sparse_feature_values))]
    groups: list[_Group] = [
        *map(_SparseGroup, sparse_example_indices, sparse_feature_indices, values, sparse_indices, sparse_weights,
             [count] * len(values)),
        *map(_DenseGroup, range(len(dense_features)), dense_features, dense_weights),
    ]  # fmt: skip
    labels = [loss.label(each) for each in example_labels.reshape(-1).tolist()]
    states = example_state_data.astype(np.float64)
    weights = example_weights.reshape(-1).astype(np.float64)
    norms = np.array([
        sum(np.dot(features, features) for each in groups for _, features in [each.of(example)])
        for example in range(count)
    ])  # fmt: skip
    if adaptive:
        order = _order(groups, norms, states[:, 0], labels, weights, loss, l1, l2)
    else:
        order = np.random.default_rng().permutation(count).tolist()
    for example in order:
        dual, weight, label = states[example, 0], weights[example], labels[example]
        before = now = 0.0
        for each in groups:
            places, features = each.of(example)
            old = each.weights[places]
            before += np.dot(features, shrunk(old, l1 / l2))
            now += np.dot(features, shrunk(old + num_loss_partitions * each.deltas[places], l1 / l2))
        curvature = num_loss_partitions * weight * norms[example] / l2
        new_dual = loss.best_dual(label, dual, now, curvature)
        step = (new_dual - dual) * weight / l2
        for each in groups:
            places, features = each.of(example)
            each.deltas[places] += step * features
        states[example] = (
            new_dual,
            loss.primal(before, label) * weight,
            loss.dual(dual, label) * weight,
            weight,
        )
    inputs = [*sparse_weights, *dense_weights]
    deltas = [
        each.deltas.astype(np.float32).reshape(given.shape)
        for each, given in zip(groups, inputs, strict=True)
    ]
    return [np.minimum(states, np.finfo(np.float32).max).astype(np.float32), *deltas]


def _optimized_v1(*inputs: Any, adaptative: bool, **attrs: Any) -> list[np.ndarray]:
    return _optimized(*inputs, adaptive=adaptative, **attrs)


def _shapes(call: ShapeCall) -> list[TensorShape]:
    *_, sparse_weights, dense_weights, states = call.definition.group(call.inputs, call.attrs)
    return [states.shape, *(each.shape for each in [*sparse_weights, *dense_weights])]


_INPUTS = """
    sparse_example_indices: num_sparse_features*int64, sparse_feature_indices: num_sparse_features*int64,
    sparse_feature_values: num_sparse_features_with_values*float32, dense_features: num_dense_features*float32,
    example_weights: float32, example_labels: float32, sparse_indices: num_sparse_features*int64,
    sparse_weights: num_sparse_features*float32, dense_weights: num_dense_features*float32,
    example_state_data: float32"""
_OUTPUTS = """(
    out_example_state_data: float32, out_delta_sparse_weights: num_sparse_features*float32,
    out_delta_dense_weights: num_dense_features*float32)"""
_ATTRS = "loss_type, l1, l2, num_loss_partitions, num_inner_iterations"

op(f"SdcaOptimizer({_INPUTS}; {_ATTRS}, adaptative=False) -> {_OUTPUTS}",
   numpy=_optimized_v1, shape=_shapes, gradient=stops)  # fmt: skip
op(f"SdcaOptimizerV2({_INPUTS}; {_ATTRS}, adaptive=False) -> {_OUTPUTS}",
   numpy=_optimized, shape=_shapes, gradient=stops)  # fmt: skip


class SdcaResults(NamedTuple):
    """What `sdca_optimizer` returns.

    Attributes:
      out_example_state_data: `[examples, 4]`: dual variable, primal loss before, dual loss before, weight.
      out_delta_sparse_weights, out_delta_dense_weights: what is to be added to each group's weights.
    """

    out_example_state_data: Tensor
    out_delta_sparse_weights: list[Tensor]
    out_delta_dense_weights: list[Tensor]


@export(v1=["train.sdca_optimizer"])
def sdca_optimizer(
    sparse_example_indices: Sequence[Any],
    sparse_feature_indices: Sequence[Any],
    sparse_feature_values: Sequence[Any],
    dense_features: Sequence[Any],
    example_weights: Any,
    example_labels: Any,
    sparse_indices: Sequence[Any],
    sparse_weights: Sequence[Any],
    dense_weights: Sequence[Any],
    example_state_data: Any,
    loss_type: str,
    l1: float,
    l2: float,
    num_loss_partitions: int,
    num_inner_iterations: int,
    adaptative: bool = True,
    name: str | None = None,
) -> SdcaResults:
    """One pass of stochastic dual coordinate ascent over a batch; see the module for the problem that it solves.

    Args:
      sparse_example_indices, sparse_feature_indices: for each group of sparse features, int64 vectors of equal length,
        ordered by example: which example has which feature.
      sparse_feature_values: a float32 vector of values for each of the first groups; all ones for groups without.
      dense_features: a float32 matrix `[examples, features]` for each group of dense features.
      example_weights, example_labels: float32 vectors. Labels are 0 or 1 for the logistic and hinge losses.
      sparse_indices: for each sparse group an int64 vector, which feature each of its weights belongs to.
      sparse_weights, dense_weights: for each group its weights, a float32 vector.
      example_state_data: `[examples, 4]`, float32: the state of each example, zeros at first.
      loss_type: "logistic_loss", "squared_loss", "hinge_loss", "smooth_hinge_loss" or "poisson_loss".
      l1, l2: how strongly weights are drawn to zero; `l2` is positive.
      num_loss_partitions: how many such calls, on other examples, add their changes to the same weights.
      num_inner_iterations: nothing depends on it, as in TensorFlow: a call is one pass.
      adaptative: whether examples that are far from their optimum come more often. Otherwise each comes once. Either
        order is random, without a seed.

    Returns:
      SdcaResults: the new states, and what is to be added to the weights. The model's weights are the sums with
      `l1 / l2` shrunk off (`sdca_shrink_l1`).

    Raises:
      InvalidArgumentError: an argument has another shape, a label is not one of the loss, a feature is not among
        `sparse_indices`, or an example has a feature twice.

    Example:
      >>> import penstock as tf
      >>> train = tf.compat.v1.train
      >>> states, _, (delta,) = train.sdca_optimizer(
      ...     [], [], [], [[[1.0]]], [1.0], [4.0], [], [], [[0.0]], [[0.0] * 4], "squared_loss", 0.0, 1.0, 1, 1)
      >>> delta.numpy()  # (w - 4)^2 / 2 + w^2 / 2 is least at 2
      array([2.], dtype=float32)
    """
    int64, float32 = dtypes.int64, dtypes.float32
    kinds = (int64, int64, float32, float32, None, None, int64, float32, float32)
    lists = (
        sparse_example_indices, sparse_feature_indices, sparse_feature_values, dense_features, example_weights,
        example_labels, sparse_indices, sparse_weights, dense_weights,
    )  # fmt: skip
    inputs: list[Any] = [
        convert_to_tensor(given, float32)
        if kind is None
        else [convert_to_tensor(each, kind) for each in given]
        for given, kind in zip(lists, kinds)
    ]
    attrs = {
        "loss_type": loss_type, "l1": float(l1), "l2": float(l2), "num_loss_partitions": num_loss_partitions,
        "num_inner_iterations": num_inner_iterations, "adaptative": adaptative,
    }  # fmt: skip
    results = execute("SdcaOptimizer", [*inputs, convert_to_tensor(example_state_data, float32)], attrs, name)
    split = 1 + len(sparse_weights)
    return SdcaResults(results[0], list(results[1:split]), list(results[split:]))


@export(v1=["train.sdca_shrink_l1"])
def sdca_shrink_l1(weights: Sequence[Any], l1: float, l2: float, name: str | None = None) -> Any:
    """Moves float32 variables towards zero by `l1 / l2`, and not beyond.

    Args:
      weights: variables, of any kind.
      l1, l2: as given to `sdca_optimizer`; `l2` is positive.

    Returns:
      An operation that has done it.

    Example:
      >>> import penstock as tf
      >>> weights = tf.Variable([0.5, -2.0])
      >>> _ = tf.compat.v1.train.sdca_shrink_l1([weights], l1=1.0, l2=1.0)
      >>> weights.numpy()
      array([ 0., -1.], dtype=float32)
    """
    by = l1 / l2
    with name_scope(name, "SdcaShrinkL1"):
        return group(*(each.assign(each - clip_by_value(each, -by, by)) for each in weights))


def _prints(strings: np.ndarray) -> np.ndarray:
    if strings.ndim != 1:
        raise ValueError(f"Input must be a vector, got shape {list(strings.shape)}")
    prints = np.array([fingerprint128(each) for each in strings], np.uint64).reshape(-1, 2)
    prints[:, 0] -= np.where(
        prints[:, 0] < 2, np.uint64(2), np.uint64(0)
    )  # 0 and 1 mark free places of tables
    return prints.view(np.int64)


op(
    "SdcaFprint(input: string) -> output: int64",
    numpy=_prints,
    shape=lambda call: TensorShape([call.shape(0)[0] if call.shape(0).rank else None, 2]),
    gradient=stops,
)


@export(v1=["train.sdca_fprint"])
def sdca_fprint(input: Any, name: str | None = None) -> Tensor:
    """A hash of 128 bits for each string, by which tables know examples.

    Args:
      input: a vector of strings.

    Returns:
      `[strings, 2]`, int64; the first number is never 0 or 1.

    Raises:
      InvalidArgumentError: `input` is no vector.

    Example:
      >>> import penstock as tf
      >>> tf.compat.v1.train.sdca_fprint(["a", "b"]).shape
      TensorShape([2, 2])
    """
    return execute("SdcaFprint", (convert_to_tensor(input, dtypes.string),), None, name)
