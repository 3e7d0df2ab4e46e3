"""Names of `contrib` for what stands elsewhere now: losses and metrics with predictions first, datasets, tables, CNNs."""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from collections.abc import Callable
from typing import Any

from penstock.engine.export import EXPORTS, export, export_on_demand
from penstock.queues.staging import StagingArea
from penstock.v1.api import tf
from penstock.v1.contrib.arg_scope import add_arg_scope

# Losses: `contrib.losses` has predictions before labels.


def _predictions_first(function: Callable) -> Callable:
    """A function whose first two arguments, labels and predictions, are given in the other order."""
    labels, predictions, *rest = inspect.signature(function).parameters.values()
    signature = inspect.Signature([predictions.replace(), labels.replace(), *rest])

    def swapped(*args: Any, **kwargs: Any) -> Any:
        return function(**signature.bind(*args, **kwargs).arguments)

    swapped.__name__ = swapped.__qualname__ = function.__name__
    swapped.__signature__ = signature  # type: ignore[attr-defined]
    swapped.__doc__ = f"`tf.compat.v1.losses.{function.__name__}`, with predictions first."
    return swapped


def _loss_names(name: str) -> list[str]:
    return [f"contrib.losses.{name}", f"contrib.slim.losses.{name}"]


for _name in (
    "absolute_difference cosine_distance hinge_loss log_loss mean_pairwise_squared_error mean_squared_error "
    "sigmoid_cross_entropy softmax_cross_entropy sparse_softmax_cross_entropy"
).split():
    export(v1=_loss_names(_name))(add_arg_scope(_predictions_first(EXPORTS["v1"][f"losses.{_name}"])))
for _name in "add_loss compute_weighted_loss get_losses get_regularization_losses get_total_loss".split():
    export(v1=_loss_names(_name))(EXPORTS["v1"][f"losses.{_name}"])


# Metrics: `streaming_accuracy(predictions, labels)` is `tf.metrics.accuracy(labels, predictions)`.

_STREAMING = (
    "accuracy auc false_negatives false_negatives_at_thresholds false_positives false_positives_at_thresholds "
    "mean_absolute_error mean_cosine_distance mean_iou mean_relative_error mean_squared_error precision "
    "precision_at_thresholds recall recall_at_thresholds root_mean_squared_error sensitivity_at_specificity "
    "specificity_at_sensitivity true_negatives true_negatives_at_thresholds true_positives true_positives_at_thresholds"
).split()


def _metric_names(name: str) -> list[str]:
    return [f"contrib.metrics.{name}", f"contrib.slim.metrics.{name}"]


for _name in _STREAMING:
    export(v1=_metric_names(f"streaming_{_name}"))(_predictions_first(EXPORTS["v1"][f"metrics.{_name}"]))
for _name, _given in {
    "average_precision_at_k": "sparse_average_precision_at_k",
    "precision_at_k": "sparse_precision_at_k",
    "recall_at_k": "sparse_recall_at_k",
}.items():
    export(v1=_metric_names(f"streaming_{_given}"))(_predictions_first(EXPORTS["v1"][f"metrics.{_name}"]))
for _name in ("mean", "mean_tensor", "percentage_below"):
    export(v1=_metric_names(f"streaming_{_name.replace('percentage_below', 'percentage_less')}"))(
        EXPORTS["v1"][f"metrics.{_name}"]
    )
export_on_demand(v1=_metric_names("confusion_matrix"))(lambda: tf.confusion_matrix)


@export(v1=_metric_names("accuracy"))
def accuracy(predictions: Any, labels: Any, weights: Any = None, name: str | None = None) -> Any:
    """The (weighted) part of predictions that equal labels, of one batch."""
    right = tf.cast(tf.equal(predictions, labels), tf.float32)
    if weights is None:
        return tf.reduce_mean(right, name=name)
    weights = tf.cast(weights, tf.float32) * tf.ones_like(right)
    return tf.div_no_nan(tf.reduce_sum(right * weights), tf.reduce_sum(weights), name=name)


@export(v1=_metric_names("aggregate_metrics"))
def aggregate_metrics(*value_update_tuples: tuple[Any, Any]) -> tuple[list[Any], list[Any]]:
    """Metrics, each a pair of value and update, as a list of values and one of updates.

    Raises:
      ValueError: there are none.
    """
    if not value_update_tuples:
        raise ValueError("Expected at least one value_tensor/update_op pair")
    values, updates = zip(*value_update_tuples)
    return list(values), list(updates)


@export(v1=_metric_names("aggregate_metric_map"))
def aggregate_metric_map(
    names_to_tuples: dict[str, tuple[Any, Any]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics by name, each a pair of value and update, as a dictionary of values and one of updates."""
    values = {name: value for name, (value, _) in names_to_tuples.items()}
    return values, {name: update for name, (_, update) in names_to_tuples.items()}


# Others, by name.

_MOVED: dict[str, str] = {
    "contrib.autograph": "autograph: set_verbosity to_code to_graph trace",
    "contrib.data": "data.experimental: AUTOTUNE bucket_by_sequence_length choose_from_datasets Counter "
    "CsvDataset dense_to_ragged_batch dense_to_sparse_batch enumerate_dataset get_single_element group_by_reducer "
    "group_by_window ignore_errors make_batched_features_dataset make_csv_dataset make_saveable_from_iterator map_and_batch "
    "Optional parallel_interleave prefetch_to_device RandomDataset rejection_resample sample_from_datasets scan "
    "shuffle_and_repeat SqlDataset TFRecordWriter unbatch unique",
    "contrib.distribute": "distribute: MirroredStrategy OneDeviceStrategy",
    "contrib.distributions": "distributions: Bernoulli Beta Categorical Dirichlet DirichletMultinomial Distribution "
    "Exponential Gamma kl_divergence Laplace Multinomial Normal RegisterKL StudentT Uniform",
    "contrib.framework": ": CriticalSection sort",
    "contrib.image": "image: image_gradients",
    "contrib.layers": "nn: safe_embedding_lookup_sparse",
    "contrib.lookup": "lookup: KeyValueTensorInitializer TextFileInitializer StaticHashTable StaticVocabularyTable",
    "contrib.nn": "nn: sampled_softmax_loss nce_loss",
    "contrib.signal": "signal: frame hamming_window hann_window inverse_stft inverse_stft_window_fn "
    "linear_to_mel_weight_matrix mfccs_from_log_mel_spectrograms overlap_and_add stft",
    "contrib.util": ": get_static_value make_tensor_proto make_ndarray",
}
_FORMER_NAMES = {"get_static_value": "constant_value"}

# The same, where a namespace had parts of several: namespace, home, names; `name=former` where it had another one.
_MORE: list[tuple[str, str, str]] = [
    ("contrib.checkpoint", "train", "CheckpointManager Checkpoint"),
    ("contrib.compiler.jit", "xla.experimental", "jit_scope=experimental_jit_scope"),
    ("contrib.compiler.xla", "xla.experimental", "compile"),
    ("contrib.data", "data", "Dataset Iterator TFRecordDataset TextLineDataset FixedLengthRecordDataset get_output_types "
     "get_output_shapes get_output_classes"),
    ("contrib.distribute", "distribute.experimental", "MultiWorkerMirroredStrategy=CollectiveAllReduceStrategy "
     "ParameterServerStrategy CentralStorageStrategy"),
    ("contrib.distribute", "distribute", "get_replica_context get_strategy has_strategy in_cross_replica_context "
     "Strategy=DistributionStrategy"),
    ("contrib.feature_column", "feature_column", "sequence_numeric_column sequence_categorical_column_with_identity "
     "sequence_categorical_column_with_hash_bucket sequence_categorical_column_with_vocabulary_list "
     "sequence_categorical_column_with_vocabulary_file"),
    ("contrib.framework", "", "convert_to_tensor_or_sparse_tensor TensorSpec broadcast_to"),
    ("contrib.framework", "debugging", "assert_same_float_dtype is_strictly_increasing is_non_decreasing is_numeric_tensor"),
    ("contrib.hooks", "train", "ProfilerHook"),
    ("contrib.metrics", "sets", "set_difference set_intersection set_size set_union"),
    ("contrib.optimizer_v2", "train", "AdadeltaOptimizer AdagradOptimizer AdamOptimizer GradientDescentOptimizer "
     "MomentumOptimizer RMSPropOptimizer"),
    ("contrib.stateless", "random", "stateless_uniform=stateless_random_uniform stateless_normal=stateless_random_normal "
     "stateless_truncated_normal stateless_categorical=stateless_multinomial"),
]  # fmt: skip


def _public(path: str) -> Any:
    """What `tf.compat.v1` has under a name, also where it has it from TensorFlow 2."""
    return operator.attrgetter(f"compat.v1.{path}")(sys.modules["penstock"])


def _export_moved(rows: dict[str, str]) -> None:
    for namespace, row in rows.items():
        home, _, names = row.partition(":")
        for name in names.split():
            path = ".".join(filter(None, [home.strip(), name]))
            made = functools.partial(_public, path)
            export_on_demand(v1=[f"{namespace}.{_FORMER_NAMES.get(name, name)}"])(made)


_export_moved(_MOVED)
for _namespace, _home, _row in _MORE:
    for _pair in _row.split():
        _name, _, _former = _pair.partition("=")
        export_on_demand(v1=[f"{_namespace}.{_former or _name}"])(
            functools.partial(_public, f"{_home}.{_name}".lstrip("."))
        )


export(v1=["contrib.staging.StagingArea"])(StagingArea)


@export(v1=["contrib.data.batch_and_drop_remainder"])
def batch_and_drop_remainder(batch_size: Any) -> Callable:
    """A transformation of a dataset into batches that are all of one size; see `Dataset.batch`."""
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)
