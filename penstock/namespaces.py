"""Assembles the public namespaces (`tf.*`, `tf.nn.*`, `tf.compat.v1.*`, ...) from the names that things export.

`penstock/__init__.py` takes the v2 root from here; `penstock.install` gives the same modules the name `tensorflow`.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import sys
from types import ModuleType
from typing import Any

from penstock.engine.export import EXPORTS

# Packages whose modules define public names; every module in them is imported, in this order.
_PACKAGES = ("types", "engine", "graph", "ops", "autodiff", "runtime", "tracing", "io", "data", "train", "distribute", "compat")

_modules: dict[str, ModuleType] = {}
_PREFIX = {"v2": "", "v1": "compat.v1"}


def load() -> None:
    """Imports every defining module and builds the namespaces; done once, by `import penstock`."""
    for package in _PACKAGES:
        try:
            found = importlib.import_module(f"penstock.{package}")
        except ModuleNotFoundError as error:
            if error.name != f"penstock.{package}":
                raise
            continue
        for entry in pkgutil.iter_modules(found.__path__):
            if not entry.name.startswith("_"):
                importlib.import_module(f"penstock.{package}.{entry.name}")
    for version, prefix in _PREFIX.items():
        for name, thing in EXPORTS[version].items():
            _place(f"{prefix}.{name}" if prefix else name, thing)
    for name, namespace in _modules.items():
        if name == "compat.v1" or name.startswith("compat.v1."):
            namespace.__getattr__ = functools.partial(_from_v2, name)  # type: ignore[method-assign]


def _from_v2(namespace: str, name: str) -> Any:
    """A name that `tf.compat.v1` lacks and TensorFlow 2 has (`tf.keras` among them), for programs that mix the two."""
    # These three are Keras in TensorFlow 2, and something else in TensorFlow 1.
    other = namespace == "compat.v1" and name in ("initializers", "losses", "metrics")
    v2 = None if other or name.startswith("__") else sys.modules["penstock"]
    for part in [*namespace.split(".")[2:], name]:
        v2 = getattr(v2, part, None)
    if v2 is None:
        raise AttributeError(f"module 'tensorflow.{namespace}' has no attribute {name!r}")
    return v2


def _place(name: str, thing: object) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(_module(parent), leaf, thing)


def _module(name: str) -> ModuleType:
    """The namespace `name`, made with its parents where it does not exist yet."""
    found = _modules.get(name)
    if found is None:
        full = f"penstock.{name}" if name else "penstock"
        # A public namespace that has the same name as a package of ours (tf.data, tf.io, ...) is that package's module.
        found = sys.modules.get(full)
        if found is None:
            found = ModuleType(full, f"The namespace tf.{name}.")
            found.__path__ = []
            sys.modules[full] = found
        _modules[name] = found
        if name:
            parent, _, leaf = name.rpartition(".")
            setattr(_module(parent), leaf, found)
    return found


def module(name: str) -> ModuleType | None:
    """The public namespace with a dotted name ("" for `tf` itself, "compat.v1" for v1); None where there is none."""
    return _modules.get(name)
