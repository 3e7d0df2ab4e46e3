"""The file `checkpoint` of a directory: which checkpoints there are, and which is the newest."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.io.filesystem import files_of, open_to_read, os_errors, replacing
from penstock.io.proto_schema import message_classes
from penstock.io.tensor_bundle import index_path
from penstock.io.tensor_bundle_writer import to_disk
from penstock.types import errors

_SCHEMA = """
message CheckpointState {
  string model_checkpoint_path = 1;
  repeated string all_model_checkpoint_paths = 2;
  repeated double all_model_checkpoint_timestamps = 3;
  double last_preserved_timestamp = 4;
}
"""
_POLL_SECONDS = 1.0


def _state_class() -> Any:
    return message_classes("checkpoint_state", _SCHEMA).CheckpointState


def __getattr__(name: str) -> Any:
    """The class CheckpointState, for programs that import it from here; it is made when it is asked for."""
    if name == "CheckpointState":
        return _state_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _state_path(directory: Any, latest_filename: str | None) -> str:
    return os.path.join(files_of(directory)[1], latest_filename or "checkpoint")


@export(v1=["train.generate_checkpoint_state_proto"])
def generate_checkpoint_state_proto(
    save_dir: Any,
    model_checkpoint_path: Any,
    all_model_checkpoint_paths: Sequence[Any] | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> Any:
    """What the file `checkpoint` says, as a CheckpointState message; paths become relative to `save_dir` where they can.

    Raises:
      ValueError: the numbers of paths and timestamps differ.
    """
    directory, newest = files_of(save_dir)[1], files_of(model_checkpoint_path)[1]
    paths = [files_of(each)[1] for each in all_model_checkpoint_paths or ()]
    times = list(all_model_checkpoint_timestamps or ())
    if times and len(times) != len(paths):
        raise ValueError(
            "Checkpoint timestamps, if provided, must match checkpoint paths (got paths "
            f"{paths} and timestamps {times})"
        )
    if not paths or paths[-1] != newest:
        paths.append(newest)
        if times:
            times.append(time.time())
    if not os.path.isabs(directory):
        newest, paths = _relative(newest, directory), [_relative(each, directory) for each in paths]
    return _state_class()(
        model_checkpoint_path=newest,
        all_model_checkpoint_paths=paths,
        all_model_checkpoint_timestamps=times,
        last_preserved_timestamp=last_preserved_timestamp,
    )


def _relative(path: str, directory: str) -> str:
    return path if os.path.isabs(path) else os.path.relpath(path, directory)


@export(v1=["train.update_checkpoint_state"])
def update_checkpoint_state(
    save_dir: Any,
    model_checkpoint_path: Any,
    all_model_checkpoint_paths: Sequence[Any] | None = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """Writes the file `checkpoint` of a directory.

    Args:
      save_dir: the directory.
      model_checkpoint_path: the newest checkpoint.
      all_model_checkpoint_paths: all of them, oldest first.
      latest_filename: the name of the file, if not "checkpoint".
      all_model_checkpoint_timestamps: when each was written, in seconds since 1970.
      last_preserved_timestamp: when the last one was written that is kept for good.
    """
    write_checkpoint_state(
        save_dir, model_checkpoint_path, all_model_checkpoint_paths, latest_filename,
        all_model_checkpoint_timestamps, last_preserved_timestamp,
    )  # fmt: skip


@export("__internal__.train.update_checkpoint_state", v1=[])
def write_checkpoint_state(
    save_dir: Any,
    model_checkpoint_path: Any,
    all_model_checkpoint_paths: Sequence[Any] | None = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
    save_relative_paths: bool = False,
) -> None:
    """As `update_checkpoint_state`; `save_relative_paths` writes paths that stay right where the directory moves.

    Raises:
      RuntimeError: the path of a checkpoint is that of the file itself.
    """
    from google.protobuf import text_format

    file = _state_path(save_dir, latest_filename)
    newest, paths = model_checkpoint_path, list(all_model_checkpoint_paths or ())
    times, last = all_model_checkpoint_timestamps, last_preserved_timestamp
    if save_relative_paths:
        directory = files_of(save_dir)[1] or "."
        newest = os.path.relpath(files_of(newest)[1], directory)
        paths = [os.path.relpath(files_of(each)[1], directory) for each in paths] or [newest]
        state = _state_class()(
            model_checkpoint_path=newest,
            all_model_checkpoint_paths=paths,
            all_model_checkpoint_timestamps=times,
            last_preserved_timestamp=last,
        )
    else:
        state = generate_checkpoint_state_proto(save_dir, newest, paths, times, last)
    if os.path.join(files_of(save_dir)[1], state.model_checkpoint_path) == file:
        raise RuntimeError(
            f"Save path '{model_checkpoint_path}' conflicts with path used for checkpoint state. Please use a "
            "different save path."
        )
    files_of(file)[0].makedirs(os.path.dirname(file) or ".")
    with replacing(file) as stream:
        stream.write(text_format.MessageToString(state).encode())
        to_disk(stream)


@export("train.get_checkpoint_state")
def get_checkpoint_state(checkpoint_dir: Any, latest_filename: str | None = None) -> Any:
    """What the file `checkpoint` of a directory says.

    Returns:
      A message with `model_checkpoint_path`, `all_model_checkpoint_paths`, `all_model_checkpoint_timestamps` and
      `last_preserved_timestamp`; None where there is no such file, or it cannot be read.
    """
    from google.protobuf import text_format

    file = _state_path(checkpoint_dir, latest_filename)
    try:
        with open_to_read(file) as stream:
            state = text_format.Parse(stream.read().decode("utf-8"), _state_class()())
    except (OSError, UnicodeDecodeError, text_format.ParseError):
        return None
    if not state.model_checkpoint_path:
        return None
    directory = files_of(checkpoint_dir)[1]
    state.model_checkpoint_path = os.path.join(directory, state.model_checkpoint_path)
    for index, path in enumerate(state.all_model_checkpoint_paths):
        state.all_model_checkpoint_paths[index] = os.path.join(directory, path)
    return state


@export("train.latest_checkpoint")
def latest_checkpoint(checkpoint_dir: Any, latest_filename: str | None = None) -> str | None:
    """The path of the newest checkpoint of a directory, as `restore` takes it; None where there is none.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> directory = tempfile.mkdtemp()
      >>> path = tf.train.Checkpoint(v=tf.Variable(1.0)).save(os.path.join(directory, "model"))
      >>> tf.train.latest_checkpoint(directory) == path
      True
    """
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None or not checkpoint_exists(state.model_checkpoint_path):
        return None
    return state.model_checkpoint_path


@export(v1=["train.checkpoint_exists"])
def checkpoint_exists(checkpoint_prefix: Any) -> bool:
    """Whether there is a checkpoint with a prefix, in either format; the prefix may be a pattern."""
    return bool(_files_of(checkpoint_prefix))


def _files_of(prefix: Any) -> list[str]:
    """The files that say that a checkpoint exists."""
    files, prefix = files_of(prefix)
    found = [path for path in (index_path(prefix), prefix) if files.exists(path) and not files.isdir(path)]
    return found or [
        path for path in files.glob(index_path(prefix)) + files.glob(prefix) if not files.isdir(path)
    ]


@export(v1=["train.get_checkpoint_mtimes"])
def get_checkpoint_mtimes(checkpoint_prefixes: Sequence[Any]) -> list[float]:
    """When each of the checkpoints was written, in seconds since 1970; those that do not exist are left out."""
    found = (_files_of(prefix) for prefix in checkpoint_prefixes)
    return [files_of(paths[0])[0].stat(paths[0])[1] / 1e9 for paths in found if paths]


@export(v1=["train.remove_checkpoint"])
def remove_checkpoint(
    checkpoint_prefix: Any, checkpoint_format_version: int = 2, meta_graph_suffix: str = "meta"
) -> None:
    """Deletes the files of a checkpoint and its MetaGraph."""
    prefix = files_of(checkpoint_prefix)[1]
    delete_files(glob.escape(meta_graph_path(prefix, meta_graph_suffix)))
    delete_checkpoint(prefix)


def meta_graph_path(prefix: str, suffix: str = "meta") -> str:
    """The file of the MetaGraph beside a checkpoint; all shards of a sharded one have the same."""
    basename = prefix.split("-?????-of-")[0]
    return f"{basename}.{suffix}"


def delete_checkpoint(prefix: str) -> None:
    """Deletes the files of a checkpoint, of either format; the index first, so that no half of one seems to be there."""
    delete_files(glob.escape(index_path(prefix)))
    delete_files(f"{glob.escape(prefix)}.data-?????-of-?????")
    delete_files(prefix)  # the first format; of a sharded one the prefix is a pattern


def delete_files(pattern: str) -> None:
    """Deletes the files that match, where there are any."""
    files, pattern = files_of(pattern)
    for path in files.glob(pattern):
        with os_errors(path):
            files.remove(path)


@export("train.checkpoints_iterator")
def checkpoints_iterator(
    checkpoint_dir: Any,
    min_interval_secs: float = 0,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Iterator[str]:
    """Gives each new checkpoint of a directory as it appears.

    Args:
      checkpoint_dir: the directory.
      min_interval_secs: the least time between two of them, in seconds.
      timeout: how long to wait for a new one, in seconds; for ever by default.
      timeout_fn: called after that time; the iteration ends where it returns True, or where there is none.
    """
    path: str | None = None
    while True:
        new = _wait_for_new_checkpoint(checkpoint_dir, path, timeout)
        if new is None:
            if timeout_fn is None or timeout_fn():
                return
            continue
        start, path = time.time(), new
        yield new
        time.sleep(max(0.0, start + min_interval_secs - time.time()))


def _wait_for_new_checkpoint(directory: Any, last: str | None, timeout: float | None) -> str | None:
    stop = None if timeout is None else time.time() + timeout
    while True:
        path = latest_checkpoint(directory)
        if path is not None and path != last:
            return path
        if stop is not None and time.time() + _POLL_SECONDS > stop:
            return None
        time.sleep(_POLL_SECONDS)


def not_found(prefix: Any, error: errors.NotFoundError) -> errors.NotFoundError:
    """The error for a checkpoint that does not exist, with what to do about it."""
    return errors.NotFoundError(
        None,
        None,
        f"Error when restoring from checkpoint or SavedModel at {prefix}: {error.message}\nPlease double-check that the "
        "path is correct. You may be missing the checkpoint suffix (e.g. the '-1' in 'path/to/ckpt-1').",
    )
