"""`tf.compat.v1.train.Saver`: saves and restores variables by name, and keeps the last checkpoints."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.export import EXPORTS, export
from penstock.io.filesystem import files_of
from penstock.saving import saver_eager, saver_graph
from penstock.saving.checkpoint import stored_object_graph
from penstock.saving.checkpoint_state import (
    checkpoint_exists,
    delete_checkpoint,
    delete_files,
    get_checkpoint_mtimes,
    meta_graph_path,
    write_checkpoint_state,
)
from penstock.saving.checkpoint_v1 import open_checkpoint
from penstock.saving.object_graph import OBJECT_GRAPH_KEY
from penstock.saving.saveable_object import SaveableObject
from penstock.saving.saver_variables import all_saveables, saveables_of
from penstock.types import errors

_ALTERED = (
    "Restoring from checkpoint failed. This is most likely due to {}. Please ensure that you have not altered the graph "
    "expected based on the checkpoint. Original error:\n\n{}"
)
_MISSING = "a Variable name or other graph key that is missing from the checkpoint"
_MISMATCH = "a mismatch between the current graph and the graph from the checkpoint"


@export(v1=["train.Saver"])
class Saver:
    """Saves variables to checkpoints, by their names, and restores them.

    Args:
      var_list: the variables: a list, or a dict by the names that the checkpoint shall have. By default all.
      reshape: whether a restored value of another shape is reshaped.
      sharded: whether the variables of each device go into a file of their own.
      max_to_keep: how many checkpoints are kept; None or 0 for all.
      keep_checkpoint_every_n_hours: one checkpoint is kept for good in so many hours.
      name: the scope of the nodes.
      restore_sequentially: accepted: values are restored together.
      saver_def: a SaverDef, whose nodes the graph has.
      builder: accepted; None.
      defer_build: whether the nodes are added when they are needed, or `build()` is called.
      allow_empty: whether there may be no variables.
      write_version: `SaverDef.V2`, or `SaverDef.V1` for the format of early TensorFlow 1.
      pad_step_number: whether the numbers in names have eight digits.
      save_relative_paths: whether the file `checkpoint` has paths that stay right where the directory moves.
      filename: the default path.

    Raises:
      ValueError: there are no variables, or two have the same name.
      TypeError: `var_list` has something else.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> tf1 = tf.compat.v1
      >>> with tf.Graph().as_default(), tf1.Session() as session:
      ...     v = tf1.get_variable("v", initializer=3.0)
      ...     saver = tf1.train.Saver()
      ...     session.run(v.initializer)
      ...     path = saver.save(session, os.path.join(tempfile.mkdtemp(), "model"), global_step=7, write_meta_graph=False)
      ...     session.run(v.assign(0.0))
      ...     saver.restore(session, path)
      ...     print(os.path.basename(path), session.run(v))
      np.float32(0.0)
      model-7 3.0
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: Any = None,
        builder: Any = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: int = saver_graph.V2,
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: str | None = None,
    ):
        if defer_build and var_list is not None:
            raise ValueError(
                "If `var_list` is provided then build cannot be deferred. Either set defer_build=False or "
                "var_list=None."
            )
        self._var_list, self._reshape, self._sharded = var_list, reshape, sharded
        self._max_to_keep, self._hours, self._name = max_to_keep or 0, keep_checkpoint_every_n_hours, name
        self._allow_empty, self._version, self._filename = allow_empty, write_version, filename
        self._pad_step_number, self._relative = pad_step_number, save_relative_paths
        self._next_kept = time.time() + keep_checkpoint_every_n_hours * 3600
        self._last_checkpoints: list[tuple[str, float]] = []
        self._nodes: saver_graph.SaverNodes | None = None
        self._saveables: list[SaveableObject] = []
        self._is_empty = self._is_built = False
        if saver_def is not None:
            self._take(saver_def)
        elif not defer_build:
            self.build()

    def _take(self, saver_def: Any) -> None:
        """Uses the nodes that a SaverDef names."""
        self._nodes = saver_graph.SaverNodes(
            saver_def.filename_tensor_name, saver_def.save_tensor_name, saver_def.restore_op_name
        )
        self._max_to_keep, self._sharded = saver_def.max_to_keep, saver_def.sharded
        self._hours, self._version = saver_def.keep_checkpoint_every_n_hours, saver_def.version
        self._next_kept = time.time() + self._hours * 3600
        self._is_built = True

    def build(self) -> None:
        """Adds the nodes to the current graph."""
        if self._is_built:
            return
        self._is_built = True
        var_list = all_saveables() if self._var_list is None else self._var_list
        if not var_list:
            if not self._allow_empty:
                raise ValueError("No variables to save")
            self._is_empty = True
            return
        self._saveables = saveables_of(var_list)
        graph = thread.graph or next(
            (each.op.graph for each in self._saveables if getattr(each.op, "_in_graph_mode", False)), None
        )
        if graph is None:
            return
        with context.building(graph):
            self._nodes = saver_graph.build(
                self._saveables,
                self._name,
                self._filename,
                self._sharded,
                self._reshape,
                self._version,
                graph,
            )

    def _check_built(self) -> None:
        if not self._is_built:
            raise RuntimeError("`build()` should be called before save if defer_build==True")

    # As a message.

    @property
    def saver_def(self) -> Any:
        """The SaverDef."""
        return self.as_saver_def()

    def as_saver_def(self) -> Any:
        """The names of the nodes and the settings, as a SaverDef."""
        from tensorboard.compat.proto.saver_pb2 import SaverDef

        nodes = self._nodes._asdict() if self._nodes is not None else {}
        return SaverDef(
            **nodes,
            max_to_keep=self._max_to_keep,
            sharded=self._sharded,
            keep_checkpoint_every_n_hours=self._hours,
            version=self._version,
        )

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The SaverDef; None where the nodes are not in the scope `export_scope`, whose name is left out of theirs."""
        saver_def = self.as_saver_def()
        if export_scope is None:
            return saver_def
        if self._name is None or not self._name.startswith(export_scope):
            return None
        for field in saver_graph.SaverNodes._fields:
            setattr(saver_def, field, getattr(saver_def, field).removeprefix(f"{export_scope}/"))
        return saver_def

    @staticmethod
    def from_proto(saver_def: Any, import_scope: str | None = None) -> Saver:
        """The saver that a SaverDef describes, whose nodes the current graph has."""
        copied = type(saver_def).FromString(saver_def.SerializeToString())
        if import_scope:
            for field in saver_graph.SaverNodes._fields:
                setattr(copied, field, f"{import_scope}/{getattr(copied, field)}")
        return Saver(saver_def=copied, name=import_scope)

    # The last checkpoints.

    @property
    def last_checkpoints(self) -> list[str]:
        """The paths of the checkpoints that the saver may delete later, oldest first."""
        return [path for path, _ in self._last_checkpoints]

    def set_last_checkpoints(self, last_checkpoints: Sequence[str]) -> None:
        """Sets the checkpoints that may be deleted later; their times are not known."""
        self._last_checkpoints = [(path, float("inf")) for path in last_checkpoints]

    def set_last_checkpoints_with_time(self, last_checkpoints_with_time: Sequence[tuple[str, float]]) -> None:
        """Sets the checkpoints that may be deleted later, with the times when they were written."""
        self._last_checkpoints = list(last_checkpoints_with_time)

    def recover_last_checkpoints(self, checkpoint_paths: Sequence[str]) -> None:
        """Takes up the checkpoints of an earlier run; those that do not exist are left out."""
        found = [(path, get_checkpoint_mtimes([path])) for path in checkpoint_paths]
        self._last_checkpoints = [(path, times[0]) for path, times in found if times]

    def _remember(self, path: str, suffix: str) -> list[str]:
        """Notes a new checkpoint; returns those that are too old."""
        if not self._max_to_keep:
            return []
        self._last_checkpoints = [each for each in self._last_checkpoints if each[0] != path]
        self._last_checkpoints.append((path, time.time()))
        old = []
        while len(self._last_checkpoints) > self._max_to_keep:
            oldest, written = self._last_checkpoints.pop(0)
            if written != float("inf") and written > self._next_kept:
                self._next_kept += self._hours * 3600
            else:
                old.append(oldest)
        return old

    # Saving.

    def save(
        self,
        sess: Any,
        save_path: Any,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> str | None:
        """Writes a checkpoint.

        Args:
          sess: the session that holds the values; None for eager variables.
          save_path: the path of the checkpoint.
          global_step: a number, tensor or variable that is appended: `save_path-1000`.
          latest_filename: the name of the file that lists the checkpoints; by default "checkpoint".
          meta_graph_suffix: the suffix of the file with the MetaGraph.
          write_meta_graph: whether to write the graph beside the checkpoint.
          write_state: whether to write the file that lists the checkpoints.
          strip_default_attrs, save_debug_info: how the MetaGraph is written.

        Returns:
          The path of the checkpoint; None where there are no variables.

        Raises:
          ValueError: `latest_filename` has directories, or is the name of the checkpoint.
        """
        self._check_built()
        latest = latest_filename or "checkpoint"
        target = files_of(save_path)[1]
        if os.path.split(latest)[0]:
            raise ValueError("'latest_filename' must not contain path components")
        if os.path.basename(target) == latest and not self._sharded:
            raise ValueError(f"'latest_filename' collides with 'save_path': '{latest}' and '{target}'")
        path = target if global_step is None else f"{target}-{self._step_text(sess, global_step)}"
        if self._is_empty:
            return None
        written = self._write(sess, path)
        if write_state:
            old = self._remember(written, meta_graph_suffix)
            write_checkpoint_state(
                os.path.dirname(target),
                written,
                self.last_checkpoints,
                latest,
                save_relative_paths=self._relative,
            )
            for each in old:
                delete_checkpoint(each)
                delete_files(glob.escape(meta_graph_path(each, meta_graph_suffix)))
        if write_meta_graph and self._nodes is not None:
            self._write_meta_graph(
                sess, meta_graph_path(path, meta_graph_suffix), strip_default_attrs, save_debug_info
            )
        return written

    def _step_text(self, sess: Any, global_step: Any) -> str:
        if hasattr(global_step, "graph") and not hasattr(global_step, "numpy"):
            value = sess.run(global_step)
        elif getattr(global_step, "_in_graph_mode", False):
            value = sess.run(global_step)
        else:
            value = global_step.numpy() if hasattr(global_step, "numpy") else global_step
        number = int(value)
        return f"{number:08d}" if self._pad_step_number else str(number)

    def _write(self, sess: Any, path: str) -> str:
        if self._nodes is not None:
            feed = {self._nodes.filename_tensor_name: path}
            return sess.run(self._nodes.save_tensor_name, feed).decode()
        saver_eager.write(path, self._saveables, self._version)
        return path

    def _write_meta_graph(
        self, sess: Any, path: str, strip_default_attrs: bool, save_debug_info: bool
    ) -> None:
        if "train.export_meta_graph" not in EXPORTS["v1"]:
            return
        with sess.graph.as_default():
            self.export_meta_graph(
                path, strip_default_attrs=strip_default_attrs, save_debug_info=save_debug_info
            )

    def export_meta_graph(
        self,
        filename: Any = None,
        collection_list: Sequence[str] | None = None,
        as_text: bool = False,
        export_scope: str | None = None,
        clear_devices: bool = False,
        clear_extraneous_savers: bool = False,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> Any:
        """The current graph with this saver, as a MetaGraphDef; arguments as for `tf.compat.v1.train.export_meta_graph`."""
        return EXPORTS["v1"]["train.export_meta_graph"](
            filename=filename,
            saver_def=self.saver_def,
            collection_list=collection_list,
            as_text=as_text,
            export_scope=export_scope,
            clear_devices=clear_devices,
            clear_extraneous_savers=clear_extraneous_savers,
            strip_default_attrs=strip_default_attrs,
            save_debug_info=save_debug_info,
        )

    # Restoring.

    def restore(self, sess: Any, save_path: Any) -> None:
        """Gives the variables the values of a checkpoint, written by a `Saver` or by `tf.train.Checkpoint`.

        Args:
          sess: the session that holds the values; None for eager variables.
          save_path: the path of the checkpoint.

        Raises:
          ValueError: there is no such checkpoint.
          NotFoundError: it has not all the variables.
          InvalidArgumentError: a shape or dtype does not fit.
          DataLossError: it is damaged.
        """
        if self._is_empty:
            return
        self._check_built()
        if save_path is None:
            raise ValueError("Can't load save_path when it is None.")
        path = files_of(save_path)[1]
        if not checkpoint_exists(path):
            raise ValueError(f"The passed save_path is not a valid checkpoint: {path}")
        try:
            if self._nodes is not None:
                feed = {self._nodes.filename_tensor_name: path}
                sess.run(self._nodes.restore_op_name, feed)
            else:
                saver_eager.restore(path, self._saveables, self._reshape)
        except errors.NotFoundError as error:
            if not self._restore_objects(sess, path):
                raise errors.NotFoundError(None, None, _ALTERED.format(_MISSING, error.message)) from error
        except errors.InvalidArgumentError as error:
            raise errors.InvalidArgumentError(
                None, None, _ALTERED.format(_MISMATCH, error.message)
            ) from error

    def _restore_objects(self, sess: Any, path: str) -> bool:
        """Restores from a checkpoint of objects, which knows the names of variables too; False where it is none."""
        with open_checkpoint(path) as reader:
            if OBJECT_GRAPH_KEY not in reader:
                return False
            graph = stored_object_graph(reader)
            keys = {
                attribute.full_name: attribute.checkpoint_key
                for node in graph.nodes
                for attribute in node.attributes
            }
            if self._nodes is None:
                if any(spec.name not in keys for each in self._saveables for spec in each.specs):
                    return False
                saver_eager.restore(path, self._saveables, self._reshape, keys)
                return True
            tensors = saver_graph.restored_tensors(sess.graph, self._nodes.restore_op_name)
            if any(name not in keys for name in tensors):
                return False
            feed: dict[Any, Any] = {tensor: reader.read(keys[name]) for name, tensor in tensors.items()}
        feed[self._nodes.filename_tensor_name] = path
        sess.run(self._nodes.restore_op_name, feed)
        return True
