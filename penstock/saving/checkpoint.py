"""`tf.train.Checkpoint`: saves and restores the values of a graph of objects, in TensorFlow's format."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.graph.lifting import init_scope
from penstock.io.filesystem import files_of
from penstock.io.tensor_bundle import BundleReader
from penstock.ops.variables.variable import Variable
from penstock.runtime.session import default_session
from penstock.saving.checkpoint_options import CheckpointOptions, call_back
from penstock.saving.checkpoint_state import not_found, write_checkpoint_state
from penstock.saving.checkpoint_v1 import CheckpointV1Reader, open_checkpoint
from penstock.saving.load_status import (
    CheckpointLoadStatus,
    InitializationOnlyStatus,
    LoadStatus,
    NameBasedSaverStatus,
)
from penstock.saving.object_graph import OBJECT_GRAPH_KEY, ObjectGraph
from penstock.saving.object_restore import ObjectRestore
from penstock.saving.object_values import check_dtype, full_name, take_back
from penstock.saving.object_writer import BackgroundWriter, on_host, save_op, serialize, write_tensors
from penstock.saving.sharding import write_shards
from penstock.types import dtypes, errors
from penstock.types.tensors import EagerTensor
from penstock.types.trackable import AutoTrackable, Trackable


class _ObjectCheckpoint(AutoTrackable):
    """What the checkpoints of TF 1 and TF 2 share."""

    def __init__(self, root: Any = None, **kwargs: Any):
        # A weak reference, as a model has it that holds its own checkpoint, stays one.
        weakly = isinstance(root, weakref.ref)
        self._no_tracking("_root_reference", root if weakly else lambda: root)
        self._no_tracking("_save_counter", None)
        self._no_tracking("_attached", {})
        self._no_tracking("_background", None)
        self._no_tracking("_graph_reads", {})
        root = self._root
        if root is not None:
            _check_trackable(root, "root")
            if not weakly:
                kwargs["root"] = root
            root._maybe_initialize_trackable()
            self._no_tracking("_save_counter", root._lookup_dependency("save_counter"))
        for name, value in sorted(kwargs.items()):
            setattr(self, name, value)
            self._attach(name, getattr(self, name))

    @property
    def _root(self) -> Any:
        return self._root_reference()

    def _no_tracking(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def _attach(self, name: str, value: Any) -> None:
        _check_trackable(value, name)
        if self._root is None:
            return
        child = self._root._lookup_dependency(name)
        if child is not None and child is not value:
            raise ValueError(
                f"Cannot create a Checkpoint with keyword argument {name} if root.{name} already exists."
            )
        if child is None:
            self._attached[name] = value

    @property
    def _top(self) -> Any:
        """The object that is the root of what is saved."""
        return self if self._root is None else self._root

    def _object_graph(self, options: CheckpointOptions | None = None) -> ObjectGraph:
        with_slots = not (options or CheckpointOptions()).experimental_skip_slot_variables
        return ObjectGraph(self._top, self._attached, with_slots)

    # The counter.

    def _maybe_create_save_counter(self) -> None:
        if self._save_counter is not None:
            return
        with init_scope():
            counter = Variable(
                convert_to_tensor(0, dtypes.int64), trainable=False, dtype=dtypes.int64, name="save_counter"
            )
        self._no_tracking("_save_counter", counter)
        if self._root is None:
            self._track_trackable(counter, "save_counter")
        else:
            self._attached["save_counter"] = counter
            self._root._handle_deferred_dependencies("save_counter", counter)

    @property
    def save_counter(self) -> Variable:
        """How often `save` was called, an int64 variable; it is saved and restored too."""
        self._maybe_create_save_counter()
        return self._save_counter

    # Writing.

    def _write(
        self,
        file_prefix: Any,
        options: CheckpointOptions | None,
        session: Any = None,
        then: Callable[[], None] = lambda: None,
    ) -> Any:
        """Writes a checkpoint; `then` is called when its files are there."""
        options = options or CheckpointOptions()
        if thread.graph is not None and thread.graph.building_function:
            return save_op(file_prefix, serialize(self._object_graph(options)))
        prefix = files_of(file_prefix)[1]
        reads = None if thread.graph is None else self._graph_reads
        tensors = on_host(serialize(self._object_graph(options), reads), session)

        def write(tensors: Any) -> None:
            if options.experimental_sharding_callback is None:
                write_tensors(prefix, tensors)
            else:
                write_shards(prefix, tensors, options.experimental_sharding_callback)
            then()
            listener = process.registry.get("checkpoint_written")
            if listener is not None:
                listener(prefix, tensors)
            call_back(options, prefix)

        if options.enable_async and thread.graph is None:
            if self._background is None:
                self._no_tracking("_background", BackgroundWriter())
            self._background.submit(tensors, write)
        else:
            write(tensors)
        return prefix

    def sync(self) -> None:
        """Waits until checkpoints that a thread is writing are complete.

        Raises:
          what writing them raised.
        """
        if self._background is not None:
            self._background.sync()

    # Reading.

    def _read(self, save_path: Any, options: CheckpointOptions | None) -> LoadStatus:
        if save_path is None:
            return InitializationOnlyStatus(lambda: self._object_graph(options))
        self.sync()
        prefix = _variables_of_saved_model(save_path)
        try:
            reader = open_checkpoint(prefix)
        except errors.NotFoundError as error:
            raise not_found(save_path, error) from None
        with init_scope():
            if OBJECT_GRAPH_KEY not in reader:
                return self._restore_by_name(reader, options)
            restore = ObjectRestore(reader, stored_object_graph(reader), self._attached)
            restore.restore(self._top)
        return CheckpointLoadStatus(restore, lambda: self._object_graph(options))

    def _restore_by_name(
        self, reader: BundleReader | CheckpointV1Reader, options: CheckpointOptions | None
    ) -> NameBasedSaverStatus:
        matched, unmatched, operations, used = [], [], [], set()
        for thing in self._object_graph(options).objects:
            name = full_name(thing)
            if not name:
                continue
            if name not in reader:
                if thing is not self._save_counter:
                    unmatched.append(thing)
                continue
            check_dtype(thing, name, reader.dtype(name))
            value = EagerTensor(reader.read(name), reader.dtype(name))
            operation = take_back(thing, {"VARIABLE_VALUE": value})
            if operation is not None and thread.graph is not None:
                operations.append(operation)
            matched.append(thing)
            used.add(name)
        unused = [name for name in reader.names() if name not in used]
        return NameBasedSaverStatus(matched, unmatched, unused, operations)


@export("train.Checkpoint", v1=[])
class Checkpoint(_ObjectCheckpoint):
    """Saves and restores variables, models, optimizers, iterators and whatever else holds state.

    Values are found by the names of attributes, so a checkpoint fits a program whose objects are held by the same names.
    Objects that do not exist yet when a checkpoint is restored get their values when they are made.

    Args:
      root: the object whose attributes are saved; by default this object.
      **kwargs: objects to save, by name.

    Raises:
      ValueError: an argument is not trackable.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> step = tf.Variable(1)
      >>> checkpoint = tf.train.Checkpoint(step=step)
      >>> path = checkpoint.save(os.path.join(tempfile.mkdtemp(), "training"))
      >>> step.assign(5)
      <tf.Variable 'Variable:0' shape=() dtype=int32, numpy=5>
      >>> status = checkpoint.restore(path).assert_consumed()
      >>> step.numpy()
      np.int32(1)
    """

    def save(self, file_prefix: Any, options: CheckpointOptions | None = None) -> str:
        """Writes a numbered checkpoint, and notes it as the newest of its directory.

        Args:
          file_prefix: the path without the number.
          options: a `tf.train.CheckpointOptions`.

        Returns:
          The path of the checkpoint, `file_prefix-N`, as `restore` takes it.
        """
        return _save(self, file_prefix, options, None)

    def write(self, file_prefix: Any, options: CheckpointOptions | None = None) -> Any:
        """Writes a checkpoint of exactly that path, without numbering; works inside a `tf.function` too."""
        return self._write(file_prefix, options)

    def restore(self, save_path: Any, options: CheckpointOptions | None = None) -> LoadStatus:
        """Restores a checkpoint that `save` has written, or the variables of a SavedModel.

        Args:
          save_path: its path, as `save` or `tf.train.latest_checkpoint` return it; None restores nothing.
          options: a `tf.train.CheckpointOptions`.

        Returns:
          A status with `assert_consumed()`, `assert_existing_objects_matched()` and `expect_partial()`.

        Raises:
          NotFoundError: there is no such checkpoint.
          DataLossError: it is damaged.
          ValueError, InvalidArgumentError: a value does not fit its variable.
        """
        status = self._read(save_path, options)
        self._maybe_create_save_counter()
        return status

    def read(self, save_path: Any, options: CheckpointOptions | None = None) -> LoadStatus:
        """Restores a checkpoint that `write` has written; as `restore`, but leaves the counter of saves alone."""
        return self._read(save_path, options)


@export(v1=["train.Checkpoint"])
class CheckpointV1(_ObjectCheckpoint):
    """TF 1's `tf.train.Checkpoint`: in a graph, a session holds the values."""

    def __init__(self, **kwargs: Any):
        super().__init__(None, **kwargs)

    def save(self, file_prefix: Any, session: Any = None, options: CheckpointOptions | None = None) -> str:
        """Writes a numbered checkpoint, `file_prefix-N`; the values are those of `session`, or the default session."""
        return _save(self, file_prefix, options, session)

    def write(self, file_prefix: Any, session: Any = None, options: CheckpointOptions | None = None) -> Any:
        """Writes a checkpoint of exactly that path."""
        return self._write(file_prefix, options, _session(session))

    def restore(self, save_path: Any) -> LoadStatus:
        """Restores a checkpoint; in a graph, the status says how to run the assignments."""
        status = self._read(save_path, None)
        self._maybe_create_save_counter()
        return status


def _save(checkpoint: Any, file_prefix: Any, options: CheckpointOptions | None, session: Any) -> str:
    if thread.graph is not None and thread.graph.building_function:
        raise NotImplementedError(
            "Calling tf.train.Checkpoint.save() from a function is not supported, as save() modifies saving metadata in "
            "ways not supported by TensorFlow Operations. Consider using tf.train.Checkpoint.write(), a lower-level API "
            "which does not update metadata."
        )
    options = options or CheckpointOptions()
    session = _session(session)
    number = next_number(checkpoint, session)
    prefix = files_of(file_prefix)[1]
    path = f"{prefix}-{number}"

    def note() -> None:
        write_checkpoint_state(os.path.dirname(prefix), path, [path], save_relative_paths=True)

    return checkpoint._write(path, options, session, then=note)


def next_number(checkpoint: Any, session: Any = None) -> int:
    """Adds one to the counter of saves, in a graph that of `session` or the default session; returns it."""
    session = _session(session)
    counter = checkpoint.save_counter
    if thread.graph is None:
        return int(counter.assign_add(1).numpy())
    operation = checkpoint.__dict__.get("_count_op")
    if operation is None:
        session.run(counter.initializer) if not session.run(counter.is_initialized()) else None
        operation = counter.assign_add(1)
        checkpoint._no_tracking("_count_op", operation)
    return int(session.run(operation))


def _session(session: Any) -> Any:
    if thread.graph is None:
        return None
    return default_session(session)


def _check_trackable(value: Any, name: str) -> None:
    if not isinstance(value, Trackable):
        raise ValueError(
            f"`Checkpoint` was expecting {name} to be a trackable object (an object derived from `Trackable`), got "
            f"{value}. If you believe this object should be trackable (i.e. it is part of the TensorFlow Python API and "
            "manages state), please open an issue."
        )


def stored_object_graph(reader: BundleReader | CheckpointV1Reader) -> Any:
    """What a checkpoint says of its objects, a TrackableObjectGraph.

    Raises:
      DataLossError: that is damaged.
    """
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.trackable_object_graph_pb2 import TrackableObjectGraph

    try:
        graph = TrackableObjectGraph.FromString(reader.read(OBJECT_GRAPH_KEY)[()])
    except DecodeError as error:
        raise errors.DataLossError(
            None, None, f"The checkpoint {reader.prefix} is damaged: tensor {OBJECT_GRAPH_KEY!r}: {error}"
        ) from None
    count = len(graph.nodes)
    for node in graph.nodes:
        numbers = [child.node_id for child in node.children]
        numbers += [slot.slot_variable_node_id for slot in node.slot_variables]
        numbers += [slot.original_variable_node_id for slot in node.slot_variables]
        if not count or any(not 0 <= number < count for number in numbers):
            raise errors.DataLossError(
                None,
                None,
                f"The checkpoint {reader.prefix} is damaged: its objects refer to one that is missing",
            )
    return graph


def _variables_of_saved_model(save_path: Any) -> str:
    """The prefix of the checkpoint in a SavedModel; any other path as it is."""
    files, path = files_of(save_path)
    names = ("saved_model.pb", "saved_model.pbtxt")
    if files.isdir(path) and any(files.exists(os.path.join(path, name)) for name in names):
        return os.path.join(path, "variables", "variables")
    return path
