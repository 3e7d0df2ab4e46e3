"""Keras's callbacks that write files, where several processes train one model: the chief writes for all.

The other processes write to temporary folders, which they remove, because reading a model may take them all. A backup
appears as a whole, so that a process which is killed while it writes leaves the one before.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable
from typing import Any


def write_for_all_workers(keras: Any) -> None:
    """Wraps the methods of `BackupAndRestore` and `ModelCheckpoint` that write."""
    backup, checkpoint = keras.callbacks.BackupAndRestore, keras.callbacks.ModelCheckpoint
    for owner, name, wrap in (
        (backup, "_save_model", _whole_backup),
        (backup, "_load_model", _latest_backup),
        (backup, "on_train_end", _only_chief),
        (checkpoint, "_get_file_path", _own_path),
        (checkpoint, "_save_model", _without_own_path),
    ):
        method = getattr(owner, name)
        setattr(owner, name, functools.wraps(method)(wrap(method)))


def _extended(callback: Any) -> Any:
    """What the model's strategy says of this process; None where it has none."""
    return getattr(getattr(callback.model, "distribute_strategy", None), "extended", None)


def _is_chief(callback: Any) -> bool:
    extended = _extended(callback)
    return extended is None or extended.should_checkpoint


def _worker(callback: Any) -> int:
    extended = _extended(callback)
    return 0 if extended is None else extended._strategy._place[1]


def _only_chief(method: Callable) -> Callable:
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        return method(self, *arguments, **named) if _is_chief(self) else None

    return call


# BackupAndRestore: a folder with the weights and the number of the epoch.


def _whole_backup(method: Callable) -> Callable:
    def save(self: Any) -> None:
        final = os.path.normpath(self.backup_dir)
        if "://" in self.backup_dir:  # a service, which has no renaming of folders
            if _is_chief(self):
                method(self)
            return
        aside = f"{final}.workertemp_{_worker(self)}"
        shutil.rmtree(aside, ignore_errors=True)
        os.makedirs(aside)
        paths = {name: getattr(self, name) for name in _PATHS}
        try:
            if self.double_checkpoint and _is_chief(self):
                for name in ("_weights_path", "_training_metadata_path"):
                    if os.path.exists(paths[name]):
                        shutil.copy(paths[name], aside)
            self.backup_dir = aside
            for name in _PATHS:
                setattr(self, name, os.path.join(aside, os.path.basename(paths[name])))
            method(self)
        finally:
            self.backup_dir = final
            for name, path in paths.items():
                setattr(self, name, path)
        if _is_chief(self):
            _put_in_place(aside, final)
        else:
            shutil.rmtree(aside)

    return save


_PATHS = ("_weights_path", "_training_metadata_path", "_prev_weights_path", "_prev_training_metadata_path")


def _put_in_place(aside: str, final: str) -> None:
    """Replaces a folder; what was there is complete under another name until the new one is in its place."""
    before = f"{final}.before"
    shutil.rmtree(before, ignore_errors=True)
    if os.path.exists(final):
        os.rename(final, before)
    os.rename(aside, final)
    shutil.rmtree(before, ignore_errors=True)


def _latest_backup(method: Callable) -> Callable:
    def load(self: Any) -> None:
        final = os.path.normpath(self.backup_dir)
        before = f"{final}.before"
        if _is_chief(self) and not os.path.exists(final) and os.path.exists(before):
            os.rename(before, final)  # the process was killed between the two steps
        _wait_for_chief(self)
        method(self)

    return load


def _wait_for_chief(callback: Any) -> None:
    extended = _extended(callback)
    workers = None if extended is None else getattr(extended._strategy, "_workers", None)
    if workers is not None:
        workers.texts("the backup of a model", "")


# ModelCheckpoint: a file, whose name may tell epoch and metrics.


def _own_path(method: Callable) -> Callable:
    def path(self: Any, *arguments: Any, **named: Any) -> str:
        found = method(self, *arguments, **named)
        if _is_chief(self):
            return found
        folder, name = os.path.split(os.path.abspath(found))
        return os.path.join(_own_folder(self, folder), name)

    return path


def _own_folder(callback: Any, folder: str) -> str:
    return os.path.join(folder, f"workertemp_{_worker(callback)}")


def _without_own_path(method: Callable) -> Callable:
    def save(self: Any, *arguments: Any, **named: Any) -> None:
        method(self, *arguments, **named)
        if not _is_chief(self):
            folder = os.path.dirname(os.path.abspath(self.filepath))
            shutil.rmtree(_own_folder(self, folder), ignore_errors=True)

    return save
