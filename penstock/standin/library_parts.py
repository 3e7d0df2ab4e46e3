"""Single functions of TensorFlow's private modules that libraries built on it (tf_keras, tf-agents, ...) import.

`ragged_util.assert_splits_match`, `distribute_utils.cache_variable_reads`, `input_ops.auto_shard_dataset`,
`monitoring`'s counters, `variable_utils`' conversions, and what `pywrap_tfe` says of devices.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import penstock as tf
from penstock.ops.variables.variable import Variable
from penstock.types.nest_kinds import kind_of

# ragged_util


def assert_splits_match(nested_splits_lists: Sequence[Sequence[Any]]) -> list[Any]:
    """Operations that check that several ragged tensors have the same row splits.

    Raises:
      ValueError: they have different ragged ranks.
    """
    first = nested_splits_lists[0]
    if any(len(splits) != len(first) for splits in nested_splits_lists):
        raise ValueError("Inputs must have identical ragged splits")
    return [
        tf.debugging.assert_equal(a, b, message="Inputs must have identical ragged splits")
        for splits in nested_splits_lists[1:]
        for a, b in zip(first, splits)
    ]


# distribute_utils, input_ops


@contextlib.contextmanager
def cache_variable_reads() -> Iterator[None]:
    """Where each replica reads a variable once: compiled programs do so by themselves."""
    yield


def auto_shard_dataset(
    dataset: Any, num_shards: int, index: int, num_replicas_in_sync: int | None = None
) -> Any:
    """The part of a dataset's elements that worker `index` of `num_shards` takes."""
    return dataset.shard(num_shards, index) if num_shards > 1 else dataset


# pywrap_tfe


def TF_ListPluggablePhysicalDevices() -> list[Any]:
    """The devices of TensorFlow's plug-ins: there are none, XLA has its own."""
    return []


# monitoring


class _Cell:
    """One counted or measured number."""

    def __init__(self) -> None:
        self._value: Any = 0

    def value(self) -> Any:
        """The number."""
        return self._value

    def set(self, value: Any) -> None:
        """Replaces the number."""
        self._value = value

    def increase_by(self, value: Any) -> None:
        """Adds to the number."""
        self._value += value

    add = increase_by


class Metric:
    """Numbers that a library counts about itself, one for each combination of labels; they stay in this process."""

    def __init__(self, name: str, description: str, *labels: Any):
        self.name, self.description = name, description
        self._cells: dict[tuple, _Cell] = {}

    def get_cell(self, *labels: Any) -> _Cell:
        """The number for some labels."""
        return self._cells.setdefault(labels, _Cell())


Counter = IntGauge = StringGauge = BoolGauge = Sampler = Metric


# model_utils.mode_keys


class KerasModeKeys:
    """What Keras 2 is doing with a model."""

    TRAIN, TEST, PREDICT = "train", "test", "predict"


# linear_operator, linear_operator_addition


def make_composite_tensor(cls: type, module_name: str = "tf.linalg") -> type:
    """A class of linear operators as it is: all of them are composite tensors."""
    return cls


def add_operators(operators: Sequence[Any], operator_name: str | None = None, **kwargs: Any) -> list[Any]:
    """Linear operators of fewer terms with the same sum: one, of the sum of their matrices."""
    total = tf.add_n([each.to_dense() for each in operators])
    return [tf.linalg.LinearOperatorFullMatrix(total, name=operator_name or "LinearOperatorFullMatrix")]


# rnn_cell_impl


def _like_rnncell(cell: Any) -> bool:
    """Whether something has what a recurrent cell of TF 1 has."""
    return callable(cell) and all(hasattr(cell, each) for each in ("output_size", "state_size", "zero_state"))


def _concat(prefix: Any, suffix: Any, static: bool = False) -> Any:
    """Two shapes, numbers or vectors, behind each other: a list where `static`, else a tensor."""
    shapes = [tf.TensorShape([each] if isinstance(each, int) else each) if not tf.is_tensor(each) else each
              for each in (prefix, suffix)]  # fmt: skip
    if static:
        known = [tf.TensorShape(tf.get_static_value(each)) if tf.is_tensor(each) else each for each in shapes]
        return known[0].concatenate(known[1]).as_list()
    vectors = [each if tf.is_tensor(each) else tf.constant(each.as_list(), tf.int32) for each in shapes]
    return tf.concat([tf.reshape(each, [-1]) for each in vectors], 0)


# nest


def _yield_value(structure: Any) -> Iterator[Any]:
    """What a container holds, in the order in which `nest` walks it."""
    kind = kind_of(structure, True)
    yield from kind.children(structure) if kind is not None else structure


def _yield_sorted_items(structure: Any) -> Iterator[tuple[Any, Any]]:
    """The keys and values of a container, in the order in which `nest` walks it."""
    kind = kind_of(structure, True)
    if kind is None:
        raise TypeError(f"nest: {structure!r} is no container")
    yield from zip(kind.keys(structure), kind.children(structure))


# evaluation


def _get_or_create_eval_step() -> Any:
    """The graph's local variable that counts how often an evaluation ran."""
    v1 = tf.compat.v1
    found = v1.get_collection(v1.GraphKeys.EVAL_STEP)
    if found:
        return found[0]
    return v1.get_variable(
        "eval_step", shape=[], dtype=tf.int64, initializer=v1.zeros_initializer(), trainable=False,
        collections=[v1.GraphKeys.LOCAL_VARIABLES, v1.GraphKeys.EVAL_STEP],
    )  # fmt: skip


# variable_utils


def convert_variables_to_tensors(values: Any) -> Any:
    """A structure in which each variable is replaced by its value, in composites too."""

    def value_of(each: Any) -> Any:
        if isinstance(each, Variable) or hasattr(each, "_should_act_as_resource_variable"):
            return tf.convert_to_tensor(each)
        return (
            each._convert_variables_to_tensors() if hasattr(each, "_convert_variables_to_tensors") else each
        )

    return tf.nest.map_structure(value_of, values)
