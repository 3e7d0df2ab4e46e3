"""What the package tf_keras, which holds Keras 2 as it was, asks of `tf.__internal__`.

Most of it are functions by which Keras told TensorFlow of itself, so that neither imported the other. What nothing here
has to call is kept in `process.registry`; the walk over objects and the saveables are those of checkpoints.
"""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from penstock.engine.context import process
from penstock.engine.export import export
from penstock.feature_column.columns import StateManager
from penstock.ops.variables.variable import Variable
from penstock.runtime.devices import list_physical_devices
from penstock.saving.object_graph import ObjectGraph
from penstock.saving.object_values import attributes_of, has_values
from penstock.saving.saveable_object import SaveableObject, SaveSpec
from penstock.tracing.function import Function
from penstock.types.trackable import Trackable

export("__internal__.function.Function", v1=[])(Function)


def _registers(what: str, *names: str) -> None:
    """Public functions that keep a function of Keras's."""

    def register(*functions: Any) -> None:
        process.registry[f"legacy_keras.{what}"] = functions

    register.__doc__ = f"Keeps Keras's {what.replace('_', ' ')}."
    for name in names:
        export(f"__internal__.{name}", v1=[])(register)


_registers("call_context", "register_call_context_function")
_registers("clear_session", "register_clear_session_function")
_registers("get_session", "register_get_session_function", "tracking.register_session_provider")
_registers("load_model", "register_load_model_function")
_registers("loss_scale_wrapper", "mixed_precision.register_loss_scale_wrapper")
_registers("uses_mixed_precision", "train.set_using_mixed_precision_policy")


@export("__internal__.train.is_mixed_precision_graph_rewrite_enabled", v1=[])
def is_mixed_precision_graph_rewrite_enabled() -> bool:
    """Whether graphs are rewritten to float16 by themselves: they are not."""
    return False


@export("__internal__.execute_fn_for_device", v1=[])
def execute_fn_for_device(device_branch_fns: Mapping[str, Callable], default_fn: Callable) -> Any:
    """Calls the function for the kind of device that this process computes on.

    Args:
      device_branch_fns: "CPU", "GPU" -> function without arguments.
      default_fn: the function for other devices.
    """
    kind = next((each for each in device_branch_fns if each != "CPU" and list_physical_devices(each)), "CPU")
    return device_branch_fns.get(kind, default_fn)()


@export("__internal__.ops.is_resource_variable", v1=[])
def is_resource_variable(var: Any) -> bool:
    """Whether something is a variable whose state is a resource: all variables are."""
    return isinstance(var, Variable) or hasattr(var, "_should_act_as_resource_variable")


@export("__internal__.load_context", v1=[])
@contextlib.contextmanager
def load_context(options: Any) -> Iterator[None]:
    """The options with which the models inside are loaded, for `get_load_options`."""
    before = process.registry.get("legacy_keras.load_options")
    process.registry["legacy_keras.load_options"] = options
    try:
        yield
    finally:
        process.registry["legacy_keras.load_options"] = before


def get_load_options() -> Any:
    """The options of the `load_context` that code runs in, or None."""
    return process.registry.get("legacy_keras.load_options")


@export("__internal__.feature_column.StateManager", v1=[])
class LayerStateManager(StateManager):
    """Where Keras's layers keep the weights of feature columns; they override `create_variable`.

    Args:
      layer: the layer, whose `add_weight` makes the variables.
      trainable: whether they are trained.
    """

    def __init__(self, layer: Any, trainable: bool):
        super().__init__()
        self._layer, self._trainable = layer, trainable
        self._cols_to_vars_map: Any = collections.defaultdict(dict)  # column -> name -> variable

    def get_variable(self, feature_column: Any, name: str) -> Any:
        """The variable of a column.

        Raises:
          ValueError: there is none.
        """
        found = self._cols_to_vars_map[feature_column].get(name)
        if found is None:
            raise ValueError("Variable does not exist.")
        return found


# Objects and what checkpoints keep of them.


@export("__internal__.tracking.ObjectGraphView", v1=[])
class ObjectGraphView:
    """The objects that can be reached from a root."""

    def __init__(self, root: Any, attached_dependencies: Mapping[str, Any] | None = None):
        self.root, self._attached = root, attached_dependencies

    def breadth_first_traversal(self) -> tuple[list[Any], dict[Any, str]]:
        """The objects in the order in which they are found, and the path of each by the object's id."""
        graph = ObjectGraph(self.root, self._attached, with_slots=False)
        return graph.objects, {id(each): path for each, path in zip(graph.objects, graph.paths)}


@export("__internal__.tracking.DelegatingTrackableMixin", v1=[])
class DelegatingTrackableMixin(Trackable):
    """For a class that wraps another trackable, and whose checkpoints look like those of what it wraps."""

    def __init__(self, trackable_obj: Any):
        self._trackable = trackable_obj

    def _delegate(name: str) -> Any:  # type: ignore[misc]  # noqa: N805 - makes the methods below
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            return getattr(self._trackable, name)(*args, **kwargs)

        call.__name__ = name
        return call

    _maybe_initialize_trackable = _delegate("_maybe_initialize_trackable")
    _trackable_children = _delegate("_trackable_children")
    _lookup_dependency = _delegate("_lookup_dependency")
    _handle_deferred_dependencies = _delegate("_handle_deferred_dependencies")
    _track_trackable = _delegate("_track_trackable")
    _serialize_to_tensors = _delegate("_serialize_to_tensors")
    _restore_from_tensors = _delegate("_restore_from_tensors")

    @property
    def _object_identifier(self) -> str:
        return self._trackable._object_identifier

    @property
    def _deferred_dependencies(self) -> Any:
        return self._trackable._deferred_dependencies


class _SaveableOfTensors(SaveableObject):
    """The tensors that a checkpoint keeps of one object, taken and given back together."""

    def __init__(self, trackable: Any, name: str):
        tensors = trackable._serialize_to_tensors()
        specs = [SaveSpec(tensor, "", f"{name}-{key}") for key, tensor in tensors.items()]
        super().__init__(trackable, specs, name)
        self._trackable, self._keys = trackable, list(tensors)

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
        """Gives the object its tensors."""
        return self._trackable._restore_from_tensors(dict(zip(self._keys, restored_tensors, strict=True)))


@export("__internal__.tracking.saveable_objects_from_trackable", v1=[])
def saveable_objects_from_trackable(obj: Any) -> dict[str, Callable[..., SaveableObject]]:
    """Name -> what makes the saveable, of what a checkpoint keeps of an object itself; empty where that is nothing."""
    if not has_values(obj):
        return {}
    if hasattr(obj, "_gather_saveables_for_checkpoint") and not attributes_of(obj, ""):
        return dict(obj._gather_saveables_for_checkpoint())
    return {"TRACKABLE": lambda name="": _SaveableOfTensors(obj, name)}


@export("__internal__.tracking.streaming_restore", v1=[])
def streaming_restore(status: Any, session: Any = None) -> None:
    """Runs, or has run, what restores a checkpoint."""
    status.initialize_or_restore(session)


@export("__internal__.tracking.CheckpointInitialValueCallable", v1=[])
class CheckpointInitialValueCallable:
    """Marks an initial value that a checkpoint gives. Here a variable is restored right after it was made instead,
    so none is ever passed to an optimizer.
    """


class VersionedTypeRegistration(NamedTuple):
    """How one version of a type is made from a SavedModel."""

    object_factory: Callable[[Any], Any]
    version: int
    min_producer_version: int
    min_consumer_version: int | None = None
    bad_consumers: tuple[int, ...] = ()
    setter: Callable = setattr


export("__internal__.saved_model.load.VersionedTypeRegistration", v1=[])(VersionedTypeRegistration)


def _revived() -> dict[str, tuple[Callable[[Any], bool], list[VersionedTypeRegistration]]]:
    return process.registry.setdefault("legacy_keras.revived_types", {})


@export("__internal__.saved_model.load.register_revived_type", v1=[])
def register_revived_type(
    identifier: str, predicate: Callable[[Any], bool], versions: list[VersionedTypeRegistration]
) -> None:
    """Says that objects for which `predicate` holds are written to SavedModels as `identifier`.

    Raises:
      AssertionError: the identifier is known already.
    """
    if identifier in _revived():
        raise AssertionError(f"Duplicate registrations for type '{identifier}'")
    _revived()[identifier] = (predicate, list(versions))


@export("__internal__.saved_model.load.registered_identifiers", v1=[])
def registered_identifiers() -> list[str]:
    """The identifiers of `register_revived_type`."""
    return list(_revived())
