"""`tf.distribute.experimental.PreemptionCheckpointHandler`: a checkpoint before the process is taken away."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine.context import process
from penstock.engine.export import export
from penstock.ops.variables.variable import Variable
from penstock.saving.checkpoint_manager import CheckpointManager
from penstock.types import dtypes, errors

_COUNTER = "checkpointed_runs"  # the attribute under which the number of runs is in the checkpoint
_RESTART = 42  # the exit status, as TensorFlow's: to be started again
_POLL_SECONDS = 1.0

# What a worker says of itself before each run.
_GOES_ON, _WARNED, _TIME_IS_UP = "", "warned", "time is up"


@export("distribute.experimental.TerminationConfig", v1=[])
class TerminationConfig:
    """How a program learns that its process will be taken away, and what it does then.

    Args:
      termination_watcher_fn: called about every second on a thread; True says that it will be. By default SIGTERM does.
      exit_fn: called when the checkpoint is written; by default `sys.exit(42)`.
      grace_period: how many seconds the process has after the warning. It then trains on until they are nearly over and
        writes another checkpoint; by default it ends at once.
      save_fn: writes the checkpoint instead of the manager, with the arguments of `save_checkpoint_if_preempted`.
    """

    def __init__(
        self,
        termination_watcher_fn: Callable[[], bool] | None = None,
        exit_fn: Callable[[], Any] | None = None,
        grace_period: float | None = None,
        save_fn: Callable[..., Any] | None = None,
    ):
        self.termination_watcher_fn, self.exit_fn = termination_watcher_fn, exit_fn
        self.grace_period, self.save_fn = grace_period, save_fn


@export("distribute.experimental.PreemptionCheckpointHandler", v1=[])
class PreemptionCheckpointHandler:
    """Runs steps, and when a process of the cluster is about to be taken away, has all save a checkpoint and end.

    When it is made, it restores the latest checkpoint. All workers end after the same step, the chief having written the
    checkpoint; workers meet once for each run to see whether one of them was warned.

    Args:
      cluster_resolver: `strategy.cluster_resolver`, or None for a process that works alone.
      checkpoint_or_checkpoint_manager: a `tf.train.Checkpoint` or `tf.train.CheckpointManager`. With a manager each worker
        writes where its manager says; with a checkpoint the others write beside `checkpoint_dir`, in `workertemp_<n>`.
      checkpoint_dir: where checkpoints are, for a `tf.train.Checkpoint`.
      termination_config: a `TerminationConfig`.

    Raises:
      InvalidArgumentError: a checkpoint without `checkpoint_dir`.
      NotImplementedError: the cluster has parameter servers, which recover in their own way.

    Example:
      >>> import tempfile
      >>> import penstock as tf
      >>> step = tf.Variable(0)
      >>> handler = tf.distribute.experimental.PreemptionCheckpointHandler(
      ...     None, tf.train.Checkpoint(step=step), tempfile.mkdtemp()
      ... )
      >>> for _ in range(3):
      ...     result = handler.run(lambda: step.assign_add(1))
      >>> handler.total_run_calls
      3
    """

    def __init__(
        self,
        cluster_resolver: Any,
        checkpoint_or_checkpoint_manager: Any,
        checkpoint_dir: str | None = None,
        termination_config: TerminationConfig | None = None,
    ):
        config = TerminationConfig() if termination_config is None else termination_config
        given = checkpoint_or_checkpoint_manager
        if not isinstance(given, CheckpointManager) and not checkpoint_dir:
            raise errors.InvalidArgumentError(
                None, None, "When a checkpoint is passed, a checkpoint_dir must be passed as well."
            )
        jobs = [] if cluster_resolver is None else cluster_resolver.cluster_spec().jobs
        if "ps" in jobs:
            raise NotImplementedError(
                "PreemptionCheckpointHandler does not support usage with "
                "tf.distribute.experimental.ParameterServerStrategy: the checkpoint of the coordinator restores its servers."
            )
        self._workers = process.workers if jobs else None
        self._exit = config.exit_fn or (lambda: sys.exit(_RESTART))
        self._grace, self._save_fn = config.grace_period or 0.0, config.save_fn
        reading, self._writing = self._managers(given, checkpoint_dir)
        checkpoint = self._writing._checkpoint
        self._saved_runs = getattr(checkpoint, _COUNTER, None)
        if self._saved_runs is None:
            self._saved_runs = Variable(0, trainable=False, name=_COUNTER, dtype=dtypes.int64)
            setattr(checkpoint, _COUNTER, self._saved_runs)
        reading.restore_or_initialize()
        self._runs = int(self._saved_runs.numpy())
        self._warned = threading.Event()
        self._ends_at: float | None = None  # of the process that was warned
        self._counting_down = False
        self._slowest = 0.0  # the longest run, and the last checkpoint, in seconds
        self._writing_took = 0.0
        if config.termination_watcher_fn is not None:
            watch = threading.Thread(target=self._poll, args=(config.termination_watcher_fn,), daemon=True)
            watch.start()
        else:
            signal.signal(signal.SIGTERM, lambda number, frame: self._warned.set())

    def _managers(
        self, given: Any, checkpoint_dir: str | None
    ) -> tuple[CheckpointManager, CheckpointManager]:
        """Where checkpoints are read, and where this process writes them."""
        if isinstance(given, CheckpointManager):
            return given, given
        assert checkpoint_dir is not None
        reading = CheckpointManager(given, checkpoint_dir, max_to_keep=1)
        if self._workers is None or self._workers.index == 0:
            return reading, reading
        parent, name = os.path.split(os.path.abspath(checkpoint_dir))
        own = os.path.join(parent, f"workertemp_{self._workers.index}", name)
        return reading, CheckpointManager(given, own, max_to_keep=1)

    def _poll(self, warned: Callable[[], bool]) -> None:
        while not self._warned.is_set():
            if warned():
                self._warned.set()
                return
            time.sleep(_POLL_SECONDS)

    @property
    def total_run_calls(self) -> int:
        """How many runs there were, those before the restart included."""
        return self._runs

    def run(self, distributed_train_function: Callable, *args: Any, **kwargs: Any) -> Any:
        """Calls a function that trains a step; before it, saves and ends where a process was warned.

        Args:
          distributed_train_function: called with the other arguments.

        Returns:
          What it returns.
        """
        self._save_if_warned()
        begun = time.monotonic()
        result = distributed_train_function(*args, **kwargs)
        self._runs += 1
        self._slowest = max(self._slowest, time.monotonic() - begun)
        return result

    def save_checkpoint_if_preempted(self, *args: Any, **kwargs: Any) -> None:
        """Saves and ends where a process was warned: for loops that call their steps themselves, once for each step.

        Args:
          *args, **kwargs: of `CheckpointManager.save`, or of `save_fn`.
        """
        self._save_if_warned(*args, **kwargs)
        self._runs += 1

    @contextlib.contextmanager
    def watch_preemption_scope(self) -> Iterator[None]:
        """Code inside is watched; what that means is said by `run` and `save_checkpoint_if_preempted`, here too."""
        yield

    def _save_if_warned(self, *args: Any, **kwargs: Any) -> None:
        says = self._state()
        everybody = [says] if self._workers is None else self._workers.texts("a run", says)
        if _TIME_IS_UP in everybody or (_WARNED in everybody and not self._counting_down):
            self._save(*args, **kwargs)
            if _TIME_IS_UP in everybody or not self._grace:
                self._exit()
            self._counting_down = True

    def _state(self) -> str:
        if not self._warned.is_set():
            return _GOES_ON
        now = time.monotonic()
        if self._ends_at is None:
            self._ends_at = now + self._grace
        # Another run, and twice a checkpoint for safety, must fit into what is left.
        needed = self._slowest + 2 * self._writing_took
        return _TIME_IS_UP if self._counting_down and now + needed > self._ends_at else _WARNED

    def _save(self, *args: Any, **kwargs: Any) -> None:
        begun = time.monotonic()
        self._saved_runs.assign(self._runs)
        save = self._writing.save if self._save_fn is None else self._save_fn
        save(*args, **kwargs)
        if self._workers is not None:
            self._workers.texts("a checkpoint", "")  # nobody ends before the chief has written
        self._writing_took = time.monotonic() - begun
