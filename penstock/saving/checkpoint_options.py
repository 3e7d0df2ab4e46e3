"""`tf.train.CheckpointOptions`: how a checkpoint is written and read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export


@export("train.CheckpointOptions")
class CheckpointOptions:
    """Options of `Checkpoint.save`, `write`, `restore` and `read`.

    Args:
      experimental_io_device: accepted: files are read and written by this process.
      experimental_enable_async_checkpoint, enable_async: whether `save` returns when the values are copied, and a thread
        writes them.
      experimental_write_callbacks: functions that are called after a checkpoint has been written, without arguments or
        with its path.
      experimental_skip_slot_variables: whether slot variables of TF 1's optimizers are left alone.
      experimental_sharding_callback: a `tf.train.experimental.ShardingCallback`: how tensors are spread over files.

    Raises:
      AssertionError: a callback takes more than one argument.
    """

    def __init__(
        self,
        experimental_io_device: str | None = None,
        experimental_enable_async_checkpoint: bool = False,
        experimental_write_callbacks: Sequence[Callable] | None = None,
        enable_async: bool = False,
        experimental_skip_slot_variables: bool = False,
        experimental_sharding_callback: Any = None,
    ):
        for callback in experimental_write_callbacks or ():
            if len(inspect.signature(callback).parameters) > 1:
                raise AssertionError("A write callback takes no argument, or the path of the checkpoint.")
        self.experimental_io_device = experimental_io_device
        self.enable_async = experimental_enable_async_checkpoint or enable_async
        self.experimental_enable_async_checkpoint = self.enable_async
        self.experimental_write_callbacks = experimental_write_callbacks
        self.experimental_skip_slot_variables = experimental_skip_slot_variables
        self.experimental_sharding_callback = experimental_sharding_callback


def call_back(options: CheckpointOptions, path: str) -> None:
    """Tells the callbacks of the options that a checkpoint has been written."""
    for callback in options.experimental_write_callbacks or ():
        callback(*([path] if inspect.signature(callback).parameters else []))
