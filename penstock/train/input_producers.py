"""TF 1's input producers: queues of file names, numbers or slices, which threads of the session keep filled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import penstock as tf
from penstock.engine import context
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.ops.graph_collections import GraphKeys
from penstock.train.queue_runner import QueueRunner, add_queue_runner
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@contextlib.contextmanager
def pipeline_scope(name: str | None, default: str) -> Iterator[str]:
    """A scope in the graph that is being built, or in the default graph where that is none."""
    with context.building(current_graph()), tf.compat.v1.name_scope(name, default) as scope:
        yield scope


@export("io.match_filenames_once", v1=["train.match_filenames_once", "io.match_filenames_once"])
def match_filenames_once(pattern: Any, name: str | None = None) -> Any:
    """A local variable with the names of the files that match a pattern when it is initialized.

    Args:
      pattern: a file pattern, or a vector of them.
      name: the name of the variable.
    """
    with pipeline_scope(name, "matching_filenames") as scope:
        return tf.compat.v1.Variable(
            tf.io.matching_files(pattern),
            name=scope,
            trainable=False,
            validate_shape=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
        )


@export(v1=["train.limit_epochs"])
def limit_epochs(tensor: Any, num_epochs: int | None = None, name: str | None = None) -> Any:
    """A tensor that can be evaluated `num_epochs` times; then it raises OutOfRangeError.

    It counts in a local variable, so `tf.compat.v1.local_variables_initializer()` has to run before.

    Raises:
      ValueError: `num_epochs` is not positive.
    """
    if num_epochs is None:
        return tensor
    if num_epochs <= 0:
        raise ValueError(f"num_epochs must be > 0 not {num_epochs}.")
    with pipeline_scope(name, "limit_epochs"):
        epochs = tf.compat.v1.Variable(
            convert_to_tensor(0, dtypes.int64),
            name="epochs",
            trainable=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
        )
        with tf.control_dependencies([tf.compat.v1.count_up_to(epochs, num_epochs)]):
            return tf.identity(tensor, name="limit_epochs")


@export(v1=["train.input_producer"])
def input_producer(
    input_tensor: Any,
    element_shape: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    summary_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> Any:
    """A queue with the rows of a tensor, again and again.

    Args:
      input_tensor: its rows are the elements.
      element_shape: the shape of a row, where the tensor does not tell.
      num_epochs: how often each row comes; without it there is no end.
      shuffle, seed: whether the rows of each epoch are shuffled.
      capacity: how many elements the queue holds.
      shared_name: the name of the queue.
      summary_name: a summary with this name tells how full the queue is.
      name: the scope of the nodes.
      cancel_op: closes the queue.

    Returns:
      A `FIFOQueue`; `tf.compat.v1.train.start_queue_runners` starts to fill it.

    Raises:
      ValueError: the shape of a row is not known.
    """
    with pipeline_scope(name, "input_producer"):
        rows = convert_to_tensor(input_tensor, name="input_tensor")
        shape = rows.shape[1:].merge_with(TensorShape(element_shape))
        if not shape.is_fully_defined():
            raise ValueError(
                "Either `input_tensor` must have a fully defined shape or `element_shape` must be specified"
            )
        if shuffle:
            rows = tf.random.shuffle(rows, seed=seed)
        rows = limit_epochs(rows, num_epochs)
        queue = tf.queue.FIFOQueue(capacity, [rows.dtype.base_dtype], [shape], shared_name=shared_name)
        add_queue_runner(QueueRunner(queue, [queue.enqueue_many([rows])], cancel_op=cancel_op))
        if summary_name is not None:
            tf.compat.v1.summary.scalar(summary_name, tf.cast(queue.size(), tf.float32) / capacity)
        return queue


@export(v1=["train.string_input_producer"])
def string_input_producer(
    string_tensor: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> Any:
    """A queue of strings, usually the names of files for a reader.

    Args:
      string_tensor: a vector of strings.
      The others as for `input_producer`.

    Raises:
      ValueError: there are no strings.
      InvalidArgumentError (when run): there are no strings.
    """
    problem = "string_input_producer requires a non-null input tensor"
    if (
        not isinstance(string_tensor, Tensor)
        and not hasattr(string_tensor, "handle")
        and not len(string_tensor)
    ):
        raise ValueError(problem)
    with pipeline_scope(name, "input_producer"):
        strings = convert_to_tensor(string_tensor, dtypes.string)
        with tf.control_dependencies([tf.compat.v1.Assert(tf.size(strings) > 0, [problem])]):
            strings = tf.identity(strings)
        return input_producer(
            strings,
            [],
            num_epochs,
            shuffle,
            seed,
            capacity,
            shared_name,
            f"fraction_of_{capacity}_full",
            cancel_op=cancel_op,
        )


@export(v1=["train.range_input_producer"])
def range_input_producer(
    limit: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """A queue of the integers from 0 to `limit - 1`. The other arguments are those of `input_producer`."""
    with pipeline_scope(name, "input_producer"):
        summary_name = f"fraction_of_{capacity}_full"
        return input_producer(
            tf.range(limit), [], num_epochs, shuffle, seed, capacity, shared_name, summary_name
        )


@export(v1=["train.slice_input_producer"])
def slice_input_producer(
    tensor_list: Sequence[Any],
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> list[Any]:
    """One row of each tensor, the same of all of them; another one each time.

    Args:
      tensor_list: tensors with equally many rows.
      The others as for `input_producer`.

    Returns:
      A list of tensors.

    Raises:
      ValueError: there are no tensors.
    """
    with pipeline_scope(name, "input_producer"):
        tensors = [convert_to_tensor(each) for each in tensor_list]
        if not tensors:
            raise ValueError("Expected at least one tensor in slice_input_producer().")
        queue = range_input_producer(
            tf.shape(tensors[0])[0], num_epochs, shuffle, seed, capacity, shared_name
        )
        index = queue.dequeue()
        return [tf.gather(each, index) for each in tensors]
