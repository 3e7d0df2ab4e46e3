"""`tf.train.CheckpointManager`: numbered checkpoints in a directory, of which the newest are kept."""

from __future__ import annotations

import collections
import os
import time
from collections.abc import Callable
from typing import Any

from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.io.filesystem import files_of
from penstock.runtime.session import default_session
from penstock.saving.checkpoint import next_number
from penstock.saving.checkpoint_options import CheckpointOptions
from penstock.saving.checkpoint_state import (
    delete_checkpoint,
    get_checkpoint_mtimes,
    get_checkpoint_state,
    write_checkpoint_state,
)


@export("train.CheckpointManager")
class CheckpointManager:
    """Saves numbered checkpoints in a directory, and deletes old ones.

    Args:
      checkpoint: the `tf.train.Checkpoint`.
      directory: where they go.
      max_to_keep: how many are kept; None for all.
      keep_checkpoint_every_n_hours: one checkpoint is kept for good in so many hours.
      checkpoint_name: what their names begin with.
      step_counter: a variable with the number of steps; needed for `checkpoint_interval`.
      checkpoint_interval: `save` does nothing until so many steps after the last checkpoint.
      init_fn: called by `restore_or_initialize` where there is no checkpoint.
      last_checkpoint_step: the step of the last checkpoint, where the program begins again.

    Raises:
      ValueError: `max_to_keep` is not positive, or `checkpoint_interval` is given without `step_counter`.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> checkpoint = tf.train.Checkpoint(v=tf.Variable(1.0))
      >>> manager = tf.train.CheckpointManager(checkpoint, tempfile.mkdtemp(), max_to_keep=2)
      >>> for _ in range(3):
      ...     path = manager.save()
      >>> [os.path.basename(each) for each in manager.checkpoints]
      ['ckpt-2', 'ckpt-3']
    """

    def __init__(
        self,
        checkpoint: Any,
        directory: Any,
        max_to_keep: int | None,
        keep_checkpoint_every_n_hours: float | None = None,
        checkpoint_name: str = "ckpt",
        step_counter: Any = None,
        checkpoint_interval: int | None = None,
        init_fn: Callable[[], Any] | None = None,
        last_checkpoint_step: int | None = None,
    ):
        if max_to_keep is not None and max_to_keep <= 0:
            raise ValueError(f"Expected a positive integer or `None` for `max_to_keep`, got {max_to_keep}.")
        if checkpoint_interval is not None and step_counter is None:
            raise ValueError("`step_counter` should be passed if `checkpoint_interval` is not None.")
        self._checkpoint, self._directory = checkpoint, files_of(directory)[1]
        self._max_to_keep, self._hours = max_to_keep, keep_checkpoint_every_n_hours
        self._prefix = os.path.join(self._directory, checkpoint_name)
        self._step_counter, self._checkpoint_interval = step_counter, checkpoint_interval
        self._init_fn, self._last_step = init_fn, last_checkpoint_step
        # Path -> when it was written; oldest first. Those that are kept for good are in neither.
        self._maybe_delete: collections.OrderedDict[str, float] = collections.OrderedDict()
        self._latest: str | None = None
        self._recover()

    def _recover(self) -> None:
        """Takes up what the directory's file says of an earlier run."""
        state = get_checkpoint_state(self._directory)
        now = time.time()
        if state is None:
            self._last_preserved = now
            return
        paths, times = list(state.all_model_checkpoint_paths), list(state.all_model_checkpoint_timestamps)
        self._latest = state.model_checkpoint_path
        self._last_preserved = state.last_preserved_timestamp or now
        if len(times) != len(paths):
            times = [(get_checkpoint_mtimes([path]) or [now])[0] for path in paths]
        # What was written before the last one that is kept for good is kept too.
        self._maybe_delete.update(
            (path, written) for path, written in zip(paths, times) if written > self._last_preserved
        )

    @property
    def directory(self) -> str:
        """Where the checkpoints go."""
        return self._directory

    @property
    def checkpoint(self) -> Any:
        """The checkpoint that is saved."""
        return self._checkpoint

    @property
    def checkpoint_interval(self) -> int | None:
        """The least number of steps between two checkpoints."""
        return self._checkpoint_interval

    @property
    def latest_checkpoint(self) -> str | None:
        """The path of the newest checkpoint; None where there is none."""
        return self._latest

    @property
    def checkpoints(self) -> list[str]:
        """The paths of the checkpoints that the manager may delete later, oldest first."""
        return list(self._maybe_delete)

    def save(
        self,
        checkpoint_number: Any = None,
        check_interval: bool = True,
        options: CheckpointOptions | None = None,
    ) -> str | None:
        """Writes a checkpoint, and deletes those that are too old.

        Args:
          checkpoint_number: its number; by default the counter of the checkpoint, plus one.
          check_interval: False writes one even where `checkpoint_interval` has not passed.
          options: a `tf.train.CheckpointOptions`.

        Returns:
          The path, or None where nothing was written.
        """
        if self._checkpoint_interval is not None:
            step = int(_number(self._step_counter))
            passed = self._last_step is None or step - self._last_step >= self._checkpoint_interval
            if check_interval and not passed:
                return None
            self._last_step = step
        given = checkpoint_number is not None
        number = int(_number(checkpoint_number)) if given else next_number(self._checkpoint)
        path = f"{self._prefix}-{number}"
        session = None if thread.graph is None else default_session(None)
        self._checkpoint._write(path, options, session, then=lambda: self._written(path))
        return path

    def _written(self, path: str) -> None:
        """Notes a checkpoint, whose files are there now, and deletes those that are too old."""
        self._maybe_delete.pop(path, None)
        self._maybe_delete[path] = time.time()
        self._latest = path
        old = self._too_old()
        # The file forgets a checkpoint before it is deleted, so that it never names one that is gone.
        self._write_state()
        for each in old:
            delete_checkpoint(each)

    def _too_old(self) -> list[str]:
        """Takes the checkpoints that are too many out of the list; returns those that nothing keeps."""
        found = []
        while self._max_to_keep is not None and len(self._maybe_delete) > self._max_to_keep:
            path, written = self._maybe_delete.popitem(last=False)
            if self._hours and written - self._last_preserved >= self._hours * 3600:
                self._last_preserved = written
            else:
                found.append(path)
        return found

    def _write_state(self) -> None:
        write_checkpoint_state(
            self._directory,
            self._latest,
            list(self._maybe_delete),
            all_model_checkpoint_timestamps=list(self._maybe_delete.values()),
            last_preserved_timestamp=self._last_preserved,
            save_relative_paths=True,
        )

    def restore_or_initialize(self) -> str | None:
        """Restores the newest checkpoint; where there is none, calls `init_fn`.

        Returns:
          The path of the checkpoint; None where there was none.

        Raises:
          NotFoundError: the directory's file names a checkpoint that is not there.
          DataLossError: it is damaged.
        """
        if self._latest is not None:
            self._checkpoint.restore(self._latest)
            if self._checkpoint_interval is not None:
                self._last_step = int(_number(self._step_counter))
            return self._latest
        if self._init_fn is not None:
            self._init_fn()
        return None

    def sync(self) -> None:
        """Waits until checkpoints that a thread is writing are complete."""
        self._checkpoint.sync()


def _number(value: Any) -> Any:
    """A number, or the value of a variable or tensor."""
    if thread.graph is not None and hasattr(value, "graph"):
        return default_session(None).run(value)
    return value.numpy() if hasattr(value, "numpy") else value
