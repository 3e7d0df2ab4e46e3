"""Penstock runs TensorFlow programs on a small engine that compiles to XLA: `import penstock as tf`."""

from __future__ import annotations

from typing import Any

__version__ = "2.21.0"  # the TensorFlow release whose interface this is

from penstock import namespaces as _namespaces

_namespaces.load()


def __getattr__(name: str) -> Any:
    if name == "keras":
        from penstock.keras import public_keras

        return public_keras()
    raise AttributeError(f"module 'penstock' (TensorFlow 2.21's interface) has no attribute {name!r}")
