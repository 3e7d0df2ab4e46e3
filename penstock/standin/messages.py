"""TensorFlow's protocol buffers that the tensorboard package lacks, at their private paths (`tensorflow.core....`)."""

from __future__ import annotations

from typing import Any

from penstock.io.tensor_bundle import messages as bundle_messages
from penstock.saving import checkpoint_state
from penstock.saving.saved_model_files import saved_model_class
from penstock.train.queue_runner import queue_runner_def

_MAKERS = {
    "QueueRunnerDef": queue_runner_def,
    "SavedModel": saved_model_class,
    "CheckpointState": checkpoint_state._state_class,
}


def __getattr__(name: str) -> Any:
    """A message class, made when it is first asked for."""
    if name in _MAKERS:
        return _MAKERS[name]()
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(bundle_messages(), name)
