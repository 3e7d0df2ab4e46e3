"""Public names of object tracking: `Trackable`, `AutoTrackable` and the wrappers of containers."""

from __future__ import annotations

from penstock.engine.export import export
from penstock.types import data_structures, trackable

_NAMES = {
    "Trackable": trackable.Trackable,
    "AutoTrackable": trackable.AutoTrackable,
    "TrackableReference": trackable.TrackableReference,
    "no_automatic_dependency_tracking": trackable.no_automatic_dependency_tracking,
    "no_automatic_dependency_tracking_scope": trackable.no_automatic_dependency_tracking_scope,
    "sticky_attribute_assignment": data_structures.sticky_attribute_assignment,
    "wrap": data_structures.wrap_or_unwrap,
    "wrap_or_unwrap": data_structures.wrap_or_unwrap,
    "NoDependency": data_structures.NoDependency,
    "TrackableDataStructure": data_structures.TrackableDataStructure,
    "List": data_structures.List,
    "Mapping": data_structures.Mapping,
    "ListWrapper": data_structures.ListWrapper,
    "_DictWrapper": data_structures._DictWrapper,
    "_TupleWrapper": data_structures._TupleWrapper,
}
for _name, _thing in _NAMES.items():
    export(f"__internal__.tracking.{_name}", v1=[])(_thing)
