"""Gives Keras 3 the names of Keras 2: modules, functions and methods that it lacks. Called once, by `import_hook`."""

from __future__ import annotations

import functools
import importlib
import sys
from types import FunctionType, ModuleType

from penstock.keras2.arguments import OPTIMIZERS, accept_old_arguments
from penstock.keras2.attributes import (
    INPUT_LAYER_ATTRIBUTES,
    ITERATOR_ATTRIBUTES,
    LAYER_ATTRIBUTES,
    METRIC_ATTRIBUTES,
    OPTIMIZER_ATTRIBUTES,
    SEQUENTIAL_ATTRIBUTES,
)
from penstock.keras2.backend import OPERATIONS, settled_phase
from penstock.keras2.graph_calls import call_in_graphs, count_names_by_graph
from penstock.keras2.graph_tensors import run_in_sessions
from penstock.keras2.metric_names import answer_to_both_names
from penstock.keras2.metric_targets import cast_targets
from penstock.keras2.model_methods import METHODS, SEQUENTIAL_METHODS
from penstock.keras2.modules import ADDED_NAMES, BACKEND, KERAS, MODULES, RENAMED, OldModule, source
from penstock.keras2.saving import save_as_keras_2_did
from penstock.keras2.server_training import train_on_servers
from penstock.keras2.symbolic import (
    NOT_OPERATIONS,
    ON_VARIABLES,
    add_symbolic_losses,
    take_keras_tensors,
    take_keras_variables,
    take_symbolic_gradients,
)
from penstock.keras2.tensor_functions import take_tensorflow_functions
from penstock.keras2.tf_optimizers import take_tensorflow_optimizers
from penstock.keras2.updates import use_updates
from penstock.keras2.worker_callbacks import write_for_all_workers

# Keras has two layouts, its own and that of `tf.keras`; both get the names.
ROOTS = (KERAS, "keras")


def enable() -> None:
    """Adds to the loaded Keras what Keras 2 had and Keras 3 lacks; a second call finds nothing lacking."""
    _share_saving()
    for old, new in RENAMED.items():
        _add_name(old, new)
    for name in OPTIMIZERS:  # Keras 3 keeps names of `optimizers.legacy` that do nothing but raise
        for root in ROOTS:
            setattr(_module(root, "optimizers.legacy"), name, getattr(source("optimizers"), name))
    _take_keras_tensors(source("backend"))
    for root in ROOTS:
        for path, sources in ADDED_NAMES.items():
            _add_names(_module(root, path), sources.split())
        for path in sorted(MODULES):
            _add_module(root, path)
    keras = source(".")
    if not hasattr(keras.Model, "fit_generator"):
        _add_methods(keras)
        call_in_graphs(keras, settled_phase)
        accept_old_arguments(keras)  # looks at who calls a layer, so nothing may stand before it
        cast_targets(keras)
        count_names_by_graph()
        take_tensorflow_optimizers(keras)
        run_in_sessions(keras)
        use_updates(keras, [_module(root, "backend") for root in ROOTS])
        take_tensorflow_functions(keras)
        answer_to_both_names(keras)
        add_symbolic_losses(keras)
        save_as_keras_2_did(keras, importlib.import_module("keras"))
        write_for_all_workers(keras)
    train_on_servers(keras)


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
    for name in ON_VARIABLES:
        if not hasattr(getattr(backend, name), "__wrapped__"):
            setattr(backend, name, take_keras_variables(getattr(backend, name)))
    if not hasattr(backend.gradients, "__wrapped__"):
        backend.gradients = take_symbolic_gradients(backend.gradients)  # type: ignore[attr-defined]
    # That of Keras 3 (up to 3.15) asks a tuple for its rank.
    backend.ndim = source(BACKEND).ndim  # type: ignore[attr-defined]


def _add_methods(keras: ModuleType) -> None:
    for owner, attributes in (
        (keras.Model, METHODS),
        (keras.Sequential, {**SEQUENTIAL_METHODS, **SEQUENTIAL_ATTRIBUTES}),
        (keras.preprocessing.image.Iterator, ITERATOR_ATTRIBUTES),
        (keras.layers.Layer, LAYER_ATTRIBUTES),
        (keras.layers.InputLayer, INPUT_LAYER_ATTRIBUTES),
        (keras.metrics.Metric, METRIC_ATTRIBUTES),
        (keras.optimizers.Optimizer, OPTIMIZER_ATTRIBUTES),
    ):
        for name, value in attributes.items():
            setattr(owner, name, value)


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
