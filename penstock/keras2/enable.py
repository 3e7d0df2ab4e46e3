"""Gives Keras 3 the names of Keras 2: modules, functions and methods that it lacks. Called once, by `import_hook`."""

from __future__ import annotations

import functools
import importlib
import sys
from types import FunctionType, ModuleType

from penstock.keras2.arguments import accept_old_arguments
from penstock.keras2.backend import NOT_OPERATIONS, OPERATIONS, take_keras_tensors
from penstock.keras2.model_methods import METHODS, SEQUENTIAL_METHODS
from penstock.keras2.modules import ADDED_NAMES, BACKEND, KERAS, MODULES, RENAMED, OldModule, source
from penstock.keras2.saving import save_as_keras_2_did

# Keras has two layouts, its own and that of `tf.keras`; both get the names.
ROOTS = (KERAS, "keras")


def enable() -> None:
    """Adds to the loaded Keras what Keras 2 had and Keras 3 lacks; a second call finds nothing lacking."""
    _share_saving()
    for old, new in RENAMED.items():
        _add_name(old, new)
    _take_keras_tensors(source("backend"))
    for root in ROOTS:
        for path, sources in ADDED_NAMES.items():
            _add_names(_module(root, path), sources.split())
        for path in sorted(MODULES):
            _add_module(root, path)
    keras = source(".")
    if not hasattr(keras.Model, "fit_generator"):
        _add_methods(keras)
        accept_old_arguments(keras)
        save_as_keras_2_did(keras, importlib.import_module("keras"))


def _share_saving() -> None:
    """`keras.saving`, which the layout of `tf.keras` lacks."""
    own = importlib.import_module("keras.saving")
    sys.modules.setdefault(f"{KERAS}.saving", own)
    if not hasattr(source("."), "saving"):
        source(".").saving = own  # type: ignore[attr-defined]


def _module(root: str, path: str) -> ModuleType:
    return importlib.import_module(f"{root}.{path}")


def _add_name(old: str, new: str) -> None:
    """Adds a renamed object to both layouts; what the name of Keras 3 is comes from the layout of `tf.keras`."""
    package, _, name = old.rpartition(".")
    new_package, _, new_name = new.rpartition(".")
    found = getattr(source(new_package), new_name)
    for root in ROOTS:
        module = _module(root, package)
        if not hasattr(module, name):
            setattr(module, name, found)


def _add_names(module: ModuleType, sources: list[str]) -> None:
    for each in map(source, sources):
        for name in getattr(each, "__all__", vars(each)):
            if not name.startswith("_") and not hasattr(module, name):
                setattr(module, name, getattr(each, name))


def _take_keras_tensors(backend: ModuleType) -> None:
    """Lets the backend's functions compute with symbolic tensors, which Keras 3 has them refuse."""
    for module, names in ((backend, set(vars(backend)) - NOT_OPERATIONS), (source(BACKEND), OPERATIONS)):
        for name in names:
            function = getattr(module, name)
            if isinstance(function, FunctionType) and not hasattr(function, "__wrapped__"):
                setattr(module, name, take_keras_tensors(function))


def _add_methods(keras: ModuleType) -> None:
    for method in METHODS:
        setattr(keras.Model, method.__name__, method)
    for method in SEQUENTIAL_METHODS:
        setattr(keras.Sequential, method.__name__, method)
    # What an input layer takes is what it gives; Keras 3 has it take nothing.
    keras.layers.InputLayer.input = property(lambda self: self.output)
    # The variable that holds the rate, or the schedule's value for this step.
    keras.optimizers.Optimizer.lr = property(
        lambda self: self.learning_rate, lambda self, value: setattr(self, "learning_rate", value)
    )


def _add_module(root: str, path: str) -> None:
    """Puts a module at an old path; where Keras 3 has a module there, that one stays."""
    fullname = f"{root}.{path}"
    package, _, name = fullname.rpartition(".")
    parent = importlib.import_module(package)
    existing = getattr(parent, name, None)
    if not isinstance(existing, ModuleType):
        module = _module_for(path)
        if existing is None:
            setattr(parent, name, module)
        sys.modules[fullname] = module
    else:
        sys.modules.setdefault(fullname, existing)


@functools.cache  # an old module is one object in both layouts
def _module_for(path: str) -> ModuleType:
    return source(path) if MODULES[path] == path else OldModule(f"keras.{path}", MODULES[path])
