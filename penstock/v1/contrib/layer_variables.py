"""How the layers of `contrib.layers` keep variables and outputs: names, collections, normalizers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.v1.api import tf
from penstock.v1.contrib.framework import model_variable


def names(*found: str) -> list[str]:
    """The public names of a layer: in `contrib.layers` and `contrib.slim`."""
    return [
        f"contrib.{each}.{name}"
        for name in found
        for each in ("layers", "slim", "layers.python.layers", "layers.python.layers.layers")
    ]


def renaming_getter(rename: dict[str, str] | None = None) -> Callable:
    """A custom getter that makes variables of the model, under other last names: `kernel` becomes `weights`."""

    def getter(getter: Callable, name: str, *args: Any, **kwargs: Any) -> Any:
        head, slash, last = name.rpartition("/")
        kwargs.pop("rename", None)
        wanted = head + slash + (rename or {}).get(last, last)
        kwargs.pop("caching_device", None)
        held = kwargs.pop("collections", None)
        kwargs = {key: value for key, value in kwargs.items() if key in _TAKEN}
        return model_variable(wanted, collections=held, custom_getter=_through(getter), **kwargs)

    return getter


_TAKEN = {
    "shape", "dtype", "initializer", "regularizer", "trainable", "partitioner", "use_resource",
}  # fmt: skip


def _through(getter: Callable) -> Callable:
    """Calls the store's own getter with a full name, instead of `get_variable` in the current scope."""

    def custom(_: Callable, name: str, **kwargs: Any) -> Any:
        scope = tf.get_variable_scope()
        kwargs["reuse"] = scope.reuse
        return getter(name, **kwargs)

    return custom


def collections_of(variables_collections: Any, kind: str) -> Sequence[str] | None:
    """The collections for one kind of variables, where they may be given as a dictionary from kinds."""
    return (
        variables_collections.get(kind) if isinstance(variables_collections, dict) else variables_collections
    )


def collect_variable(variable: Any, variables_collections: Any, kind: str) -> None:
    """Adds a variable to the collections of its kind, once."""
    for name in collections_of(variables_collections, kind) or ():
        held = current_graph().get_collection_ref(name)
        if not any(each is variable for each in held):
            held.append(variable)


@export(
    v1=[
        "contrib.layers.collect_named_outputs",
        "contrib.layers.utils.collect_named_outputs",
        "contrib.slim.utils.collect_named_outputs",
        "contrib.layers.python.layers.utils.collect_named_outputs",
    ]
)
def collect_named_outputs(collections: Any, alias: str, outputs: Any) -> Any:
    """Adds a tensor to collections under an alias that `convert_collection_to_dict` knows it by; returns the tensor."""
    if collections:
        outputs.alias = alias
        if not hasattr(outputs, "aliases"):
            outputs.aliases = []
        outputs.aliases.append(alias)
        tf.add_to_collections([collections] if isinstance(collections, str) else list(collections), outputs)
    return outputs


@export(
    v1=[
        "contrib.layers.convert_collection_to_dict",
        "contrib.layers.utils.convert_collection_to_dict",
        "contrib.slim.utils.convert_collection_to_dict",
        "contrib.layers.python.layers.utils.convert_collection_to_dict",
    ]
)
def convert_collection_to_dict(collection: str, clear_collection: bool = False) -> dict[str, Any]:
    """From aliases to the tensors of a collection, as layers put them there with `outputs_collections`."""
    found = {
        alias: value
        for value in tf.get_collection(collection)
        for alias in getattr(value, "aliases", [value.name])
    }
    if clear_collection:
        tf.get_collection_ref(collection).clear()
    return found


def finished(
    outputs: Any,
    scope: Any,
    normalizer_fn: Callable | None,
    normalizer_params: dict[str, Any] | None,
    activation_fn: Callable | None,
    outputs_collections: Any,
) -> Any:
    """Normalizes, activates, and collects the output of a layer."""
    if normalizer_fn is not None:
        outputs = normalizer_fn(outputs, **(normalizer_params or {}))
    if activation_fn is not None:
        outputs = activation_fn(outputs)
    return collect_named_outputs(outputs_collections, scope.name, outputs)


layer_getter = functools.partial(renaming_getter, {"bias": "biases", "kernel": "weights"})
