"""Penstock runs TensorFlow programs on a small engine that compiles to XLA: `import penstock as tf`."""

from __future__ import annotations

from typing import Any

from penstock import namespaces as _namespaces
from penstock import release as _release
from penstock.engine import garbage as _garbage
from penstock.engine import memory as _memory
from penstock.standin import KERAS_SHORTCUTS as _KERAS_SHORTCUTS
from penstock.standin import install as install
from penstock.standin import keras_package as _keras_package

__version__ = _release.TENSORFLOW_VERSION  # what programs compare with the version they need

_memory.share_one_heap()  # before anything starts a thread
with _garbage.importing():
    _namespaces.load()


def __getattr__(name: str) -> Any:
    """Keras, which is loaded when it is first asked for, and names that TensorFlow 1 had."""
    if name == "keras" or name in _KERAS_SHORTCUTS:
        keras = _keras_package()
        return keras if name == "keras" else getattr(keras, name)
    return _namespaces.missing("", name)


def __dir__() -> list[str]:
    return sorted([*_namespaces.directory(""), "keras", *_KERAS_SHORTCUTS, "install"])
