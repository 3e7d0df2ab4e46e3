"""`Trackable`: objects that know the objects they hold, by name. Checkpoints and SavedModels walk these names.

A dependency may be declared before the object exists: a checkpoint that is restored early leaves a callable in
`_deferred_dependencies`, which is called with the object once it is tracked under that name.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class TrackableReference(NamedTuple):
    """A named dependency."""

    name: str
    ref: Any


class _Dependencies:
    """What a Trackable holds, and what waits for it. No dict: who walks attributes, as Keras does to save, stops here."""

    __slots__ = ("deferred", "named")

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}
        self.deferred: dict[str, list[Callable[[Any], None]]] = {}


class Trackable:
    """An object with named dependencies on other trackable objects.

    Its state is made on first use, so subclasses need not call `super().__init__`.
    """

    def _maybe_initialize_trackable(self) -> None:
        if "_self_dependencies" not in self.__dict__:
            # Straight into the instance: subclasses watch attribute assignment.
            self.__dict__["_self_dependencies"] = _Dependencies()
            self.__dict__.setdefault("_self_setattr_tracking", True)
            self.__dict__.setdefault("_self_update_uid", -1)

    @property
    def _setattr_tracking(self) -> bool:
        """Whether assigning an attribute declares a dependency."""
        return getattr(self, "_self_setattr_tracking", True)

    @_setattr_tracking.setter
    def _setattr_tracking(self, value: bool) -> None:
        self.__dict__["_self_setattr_tracking"] = value

    @property
    def _update_uid(self) -> int:
        """The number of the last restore that wrote this object."""
        self._maybe_initialize_trackable()
        return self.__dict__["_self_update_uid"]

    @_update_uid.setter
    def _update_uid(self, value: int) -> None:
        self._maybe_initialize_trackable()
        self.__dict__["_self_update_uid"] = value

    @property
    def _object_identifier(self) -> str:
        """What a SavedModel calls objects of this class."""
        return "_generic_user_object"

    # Dependencies.

    def _track_trackable(self, trackable: Trackable, name: str, overwrite: bool = False) -> Trackable:
        """Declares that this object holds `trackable` under `name`.

        Raises:
          TypeError: it is no Trackable.
          ValueError: another object has that name, and `overwrite` is False.
        """
        self._maybe_initialize_trackable()
        if not isinstance(trackable, Trackable):
            raise TypeError(
                "Trackable._track_trackable() can only be used to track objects of type Trackable. "
                f"Got type {type(trackable)}."
            )
        dependencies = self.__dict__["_self_dependencies"].named
        current = dependencies.get(name)
        if current is not None and current is not trackable and not overwrite:
            raise ValueError(
                f"Called Trackable._track_trackable() with name='{name}', but a Trackable with this name is already "
                "declared as a dependency. Names must be unique (or overwrite=True)."
            )
        if current is None:
            self._handle_deferred_dependencies(name, trackable)
        dependencies[name] = trackable
        return trackable

    def _handle_deferred_dependencies(self, name: str, trackable: Trackable) -> None:
        """Restores what was waiting for an object of this name."""
        self._maybe_initialize_trackable()
        trackable._maybe_initialize_trackable()
        for restore in self.__dict__["_self_dependencies"].deferred.pop(name, ()):
            restore(trackable)

    @property
    def _deferred_dependencies(self) -> dict[str, list[Callable[[Any], None]]]:
        """Name -> what to call with the object that will be tracked under it."""
        self._maybe_initialize_trackable()
        return self.__dict__["_self_dependencies"].deferred

    @property
    def _unconditional_checkpoint_dependencies(self) -> list[TrackableReference]:
        self._maybe_initialize_trackable()
        return [TrackableReference(*entry) for entry in self.__dict__["_self_dependencies"].named.items()]

    @property
    def _unconditional_dependency_names(self) -> dict[str, Any]:
        self._maybe_initialize_trackable()
        return self.__dict__["_self_dependencies"].named

    @property
    def _checkpoint_dependencies(self) -> list[TrackableReference]:
        return self._unconditional_checkpoint_dependencies

    def _trackable_children(
        self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The objects that this one holds, by name. `save_type` is "checkpoint" or "savedmodel"."""
        self._maybe_initialize_trackable()
        return dict(self.__dict__["_self_dependencies"].named)

    def _lookup_dependency(self, name: str, cached_dependencies: dict[str, Any] | None = None) -> Any:
        """The object held under `name`, or None."""
        if cached_dependencies is not None:
            return cached_dependencies.get(name)
        self._maybe_initialize_trackable()
        return self.__dict__["_self_dependencies"].named.get(name)

    def _add_trackable_child(self, name: str, value: Any) -> None:
        """Puts an object back when a SavedModel is loaded."""
        self._track_trackable(value, name, overwrite=True)

    def _no_dependency(self, value: Any) -> Any:
        """Marks a value so that assigning it declares no dependency; here there is nothing to prevent."""
        return value

    # State. Classes that have some override the pair.

    def _serialize_to_tensors(self) -> dict[str, Any]:
        """The object's own state as named tensors; NotImplementedError where it has none."""
        raise NotImplementedError

    def _restore_from_tensors(self, restored_tensors: dict[str, Any]) -> Any:
        """Takes back what `_serialize_to_tensors` gave."""
        raise NotImplementedError

    def _gather_saveables_for_checkpoint(self) -> dict[str, Any]:
        """The object's state for the older protocol: name -> tensor, variable or saveable."""
        return {}

    def _serialize_to_proto(self, object_proto: Any = None, **kwargs: Any) -> Any:
        """A message with what a SavedModel must keep beside the tensors; None for nothing."""
        return None

    @classmethod
    def _deserialize_from_proto(cls, **kwargs: Any) -> Any:
        return cls()

    def _deserialization_dependencies(self, children: dict[str, Any]) -> dict[str, Any]:
        """The children that must exist before this object can be loaded."""
        return {}

    def _export_to_saved_model_graph(
        self, object_map: Any, tensor_map: Any, options: Any, **kwargs: Any
    ) -> list:
        """Makes this object's counterpart in the graph of a SavedModel; returns the resources it maps."""
        return []

    def _copy_trackable_to_cpu(self, object_map: dict) -> None:
        """Puts a copy of this object into `object_map`."""

    def _checkpoint_adapter(self, path: str) -> Any:
        return None

    def _add_variable_with_custom_getter(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = "float32",
        initializer: Any = None,
        getter: Callable | None = None,
        overwrite: bool = False,
        **kwargs_for_getter: Any,
    ) -> Any:
        """Makes a variable with `getter`, and tracks it under `name`."""
        self._maybe_initialize_trackable()
        if not overwrite and self._lookup_dependency(name) is not None:
            raise ValueError(
                f"A variable named '{name}' already exists in this Trackable: names must be unique."
            )
        variable = getter(name=name, shape=shape, dtype=dtype, initializer=initializer, **kwargs_for_getter)
        if isinstance(variable, Trackable):
            return self._track_trackable(variable, name, overwrite=overwrite)
        return variable


def no_automatic_dependency_tracking(method: Callable) -> Callable:
    """Decorates a method that may assign attributes without declaring dependencies."""

    @functools.wraps(method)
    def without_tracking(self: Any, *args: Any, **kwargs: Any) -> Any:
        with no_automatic_dependency_tracking_scope(self):
            return method(self, *args, **kwargs)

    return without_tracking


@contextlib.contextmanager
def no_automatic_dependency_tracking_scope(obj: Any) -> Iterator[None]:
    """Attributes assigned to `obj` inside declare no dependencies."""
    before = getattr(obj, "_self_setattr_tracking", True)
    obj.__dict__["_self_setattr_tracking"] = False
    try:
        yield
    finally:
        obj.__dict__["_self_setattr_tracking"] = before


class AutoTrackable(Trackable):
    """A Trackable whose attributes are its dependencies: `obj.name = trackable` declares one, `del obj.name` ends it.

    Lists, tuples and dicts become wrappers that track what is in them: `penstock.types.data_structures`.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            if getattr(self, name) is value:
                return
        except AttributeError:
            pass
        if getattr(self, "_self_setattr_tracking", True):
            from penstock.types.data_structures import sticky_attribute_assignment

            value = sticky_attribute_assignment(trackable=self, name=name, value=value)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._delete_tracking(name)
        super().__delattr__(name)

    def _delete_tracking(self, name: str) -> None:
        self._maybe_initialize_trackable()
        self.__dict__["_self_dependencies"].named.pop(name, None)

    def _no_dependency(self, value: Any) -> Any:
        from penstock.types.data_structures import NoDependency

        return NoDependency(value)

    def _add_trackable_child(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def _trackable_children(
        self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        children = super()._trackable_children(save_type, cache=cache, **kwargs)
        if save_type != "savedmodel":
            return children
        functions = {}
        for name in dir(self):
            if (
                (name.startswith("__") and name != "__call__")
                or name in children
                or isinstance(getattr(type(self), name, None), property)
            ):
                continue
            value = getattr(self, name, None)
            # tf.function objects and concrete functions are what a SavedModel keeps beside the objects.
            if getattr(value, "_is_saveable_function", False):
                functions[name] = value
        return {**functions, **children}
