"""`tf.saved_model.experimental.TrackableResource`: the base of objects that own a resource, such as lookup tables."""

from __future__ import annotations

from typing import Any

from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.graph.lifting import init_scope
from penstock.types.tensors import Tensor
from penstock.types.trackable import AutoTrackable


@export("saved_model.experimental.TrackableResource")
class TrackableResource(AutoTrackable):
    """An object that owns a resource, and knows how to make it and to fill it.

    A subclass defines `_create_resource()`, which returns the resource's handle, and `_initialize()`, which fills it.

    Args:
      device: where the resource is made; the device of the caller by default.

    Example:
      >>> import penstock as tf
      >>> class Counts(tf.saved_model.experimental.TrackableResource):
      ...     def _create_resource(self):
      ...         return tf.raw_ops.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
      >>> Counts().resource_handle.dtype
      tf.resource
    """

    def __init__(self, device: str = ""):
        super().__init__()
        self._resource_device = device
        self._self_resource_handle: Tensor | None = None

    def _create_resource(self) -> Tensor:
        """The handle of a new resource."""
        raise TypeError(f"{type(self).__name__} does not define _create_resource()")

    def _initialize(self) -> Any:
        """Fills the resource."""

    @property
    def _resource_handle(self) -> Tensor | None:
        return self._self_resource_handle

    @_resource_handle.setter
    def _resource_handle(self, value: Tensor) -> None:
        self.__dict__["_self_resource_handle"] = value

    @property
    def resource_handle(self) -> Tensor:
        """The handle; the resource is made when it is first asked for, outside of functions that are being traced."""
        if self._self_resource_handle is None:
            with init_scope():
                outer, thread.device = thread.device, self._resource_device or thread.device
                try:
                    self._resource_handle = self._create_resource()
                finally:
                    thread.device = outer
        return self._self_resource_handle  # type: ignore[return-value]
