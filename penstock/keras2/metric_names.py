"""`acc` and `accuracy`: Keras called the metric by the first name until version 2.3, and programs of both times are about.

Logs and histories hold what Keras 3 calls it, and answer to both. Called by `enable`.
"""

from __future__ import annotations

import functools
import re
from types import ModuleType
from typing import Any

_ACCURACY = re.compile(r"((?:.+_)?)(acc|accuracy)")


def other_name(name: Any) -> str | None:
    """`val_accuracy` for `val_acc` and the reverse; None for what is no accuracy."""
    found = _ACCURACY.fullmatch(name) if isinstance(name, str) else None
    return None if found is None else found[1] + ("accuracy" if found[2] == "acc" else "acc")


class Logs(dict):
    """Values of metrics by name; an accuracy is found by its other name too."""

    def __missing__(self, name: str) -> Any:
        other = other_name(name)
        if other is None or not dict.__contains__(self, other):
            raise KeyError(name)
        return dict.__getitem__(self, other)

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or dict.__contains__(self, other_name(name))

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a metric, by either name."""
        try:
            return self[name]
        except KeyError:
            return default


def answer_to_both_names(keras: ModuleType) -> None:
    """Has callbacks get logs, and `fit` return histories, that answer to both names.

    Args:
      keras: the Keras package, in the layout of `tf.keras`.
    """
    from keras.src.utils import python_utils

    pythonify_logs = python_utils.pythonify_logs
    history_init = keras.callbacks.History.__init__
    checkpoint, early = keras.callbacks.ModelCheckpoint, keras.callbacks.EarlyStopping
    file_path = checkpoint._get_file_path
    monitor = next(base for base in early.__mro__ if "_set_monitor_op" in vars(base))
    set_monitor_op = monitor._set_monitor_op

    @functools.wraps(pythonify_logs)
    def logs_of(logs: Any) -> Logs:
        return Logs(pythonify_logs(logs))

    @functools.wraps(history_init)
    def init(self: Any) -> None:
        history_init(self)
        self.history = Logs()

    @functools.wraps(file_path)
    def formatted(self: Any, epoch: int, batch: Any, logs: Any) -> str:
        others = {other_name(name): value for name, value in logs.items() if other_name(name)}
        return file_path(self, epoch, batch, {**others, **logs})

    @functools.wraps(set_monitor_op)
    def set_by_either_name(self: Any) -> None:
        """In the mode "auto" the direction is that of the metric of this name, of which there may be none."""
        name = self.monitor
        try:
            set_monitor_op(self)
        except ValueError:
            if other_name(name) is None:
                raise
            self.monitor = other_name(name)
            try:
                set_monitor_op(self)
            finally:
                self.monitor = name

    python_utils.pythonify_logs = logs_of
    keras.callbacks.History.__init__ = init
    checkpoint._get_file_path = formatted
    monitor._set_monitor_op = set_by_either_name
