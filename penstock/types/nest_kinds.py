"""The containers that `tf.nest` walks: the children of each kind, what paths call them, how it is rebuilt.

The kind of a value is found once for each class, by the first row of `_KINDS_IN_ORDER` that matches. A class
that none matches is a leaf. `nest` is the one caller.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from penstock.types.composite import CompositeTensor


class Kind(NamedTuple):
    """How one family of classes is walked and rebuilt."""

    matches: Callable[[type], bool]
    children: Callable[[Any], Sequence[Any]]
    keys: Callable[[Any], Sequence[Any]]  # what a path says of each child
    rebuild: Callable[[Any, list[Any]], Any]  # a structure like the first argument, holding other children
    only_expanded: bool = False  # a leaf unless composites are expanded


def sorted_keys(mapping: Any) -> list[Any]:
    """The keys in the order that nest walks them; raises TypeError if they cannot be sorted."""
    try:
        return sorted(mapping)
    except TypeError as error:
        raise TypeError(f"nest walks a dict in the order of its keys, and these have none: {error}") from None


def _rebuild_sequence(structure: Any, children: list[Any]) -> Any:
    cls = type(structure)
    if cls is list or cls is range:
        return children
    return cls(children)


def _rebuild_mapping(structure: Any, children: list[Any]) -> Any:
    by_key = dict(zip(sorted_keys(structure), children, strict=True))
    in_order = {key: by_key[key] for key in structure}
    cls = type(structure)
    if cls is dict:
        return in_order
    if not isinstance(structure, collections.abc.MutableMapping):
        return cls(in_order.items())
    empty = cls(structure.default_factory) if isinstance(structure, collections.defaultdict) else cls()
    for key, value in in_order.items():
        empty[key] = value
    return empty


def _rebuild_attrs(structure: Any, children: list[Any]) -> Any:
    names = (getattr(field, "alias", None) or field.name.lstrip("_") for field in structure.__attrs_attrs__)
    return type(structure)(**dict(zip(names, children, strict=True)))


def spec_of(structure: Any) -> Any:
    """The TypeSpec of a composite; a TypeSpec is its own."""
    return structure._type_spec if isinstance(structure, CompositeTensor) else structure


def _composite_children(structure: Any) -> Sequence[Any]:
    # One child: the structure that the components form, which is walked in its turn.
    if isinstance(structure, CompositeTensor):
        return (structure._type_spec._to_components(structure),)
    return (structure._component_specs,)


def _positions(structure: Any) -> Sequence[Any]:
    return range(len(structure))


COMPOSITE = Kind(
    matches=lambda cls: getattr(cls, "_expands_to_components", False),
    children=_composite_children,
    keys=lambda structure: (spec_of(structure).value_type.__name__,),
    rebuild=lambda structure, children: spec_of(structure)._from_components(children[0]),
    only_expanded=True,
)
NAMEDTUPLE = Kind(
    matches=lambda cls: issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple),
    children=lambda structure: structure,
    keys=lambda structure: structure._fields,
    rebuild=lambda structure, children: type(structure)(*children),
)
SEQUENCE = Kind(
    matches=lambda cls: issubclass(cls, collections.abc.Sequence) and not issubclass(cls, str | bytes),
    children=lambda structure: structure,
    keys=_positions,
    rebuild=_rebuild_sequence,
)
MAPPING = Kind(
    matches=lambda cls: issubclass(cls, collections.abc.Mapping),
    children=lambda structure: [structure[key] for key in sorted_keys(structure)],
    keys=sorted_keys,
    rebuild=_rebuild_mapping,
)
VIEW = Kind(
    matches=lambda cls: issubclass(cls, collections.abc.MappingView),
    children=list,
    keys=_positions,
    rebuild=lambda structure, children: children,
)
ATTRS = Kind(
    matches=lambda cls: hasattr(cls, "__attrs_attrs__"),
    children=lambda structure: [getattr(structure, field.name) for field in structure.__attrs_attrs__],
    keys=lambda structure: [field.name for field in structure.__attrs_attrs__],
    rebuild=_rebuild_attrs,
)
DATACLASS = Kind(
    matches=lambda cls: dataclasses.is_dataclass(cls) and hasattr(cls, "__tf_flatten__"),
    children=lambda structure: structure.__tf_flatten__()[1],
    keys=lambda structure: range(len(structure.__tf_flatten__()[1])),
    rebuild=lambda structure, children: type(structure).__tf_unflatten__(
        structure.__tf_flatten__()[0], tuple(children)
    ),
)
_KINDS_IN_ORDER = (COMPOSITE, NAMEDTUPLE, SEQUENCE, MAPPING, VIEW, ATTRS, DATACLASS)


class _KindOfClass(dict[type, Any]):
    """The kind of each class met so far, None for leaves; a class is looked at once."""

    def __missing__(self, cls: type) -> Kind | None:
        kind = next((kind for kind in _KINDS_IN_ORDER if kind.matches(cls)), None)
        self[cls] = kind
        return kind


KIND_OF_CLASS = _KindOfClass()


def kind_of(value: Any, expand_composites: bool) -> Kind | None:
    """The kind of container that `value` is, or None for a leaf."""
    kind = KIND_OF_CLASS[type(value)]
    return None if kind is not None and kind.only_expanded and not expand_composites else kind


# -- questions about one value -------------------------------------------------------------------------------


def is_nested(structure: Any) -> bool:
    """Whether `structure` is a list, tuple, dict or other container that nest walks, rather than a leaf.

    >>> import penstock as tf
    >>> tf.nest.is_nested({"a": 1}), tf.nest.is_nested("abc"), tf.nest.is_nested(tf.constant([1, 2]))
    (True, False, False)
    """
    return kind_of(structure, False) is not None


def is_nested_or_composite(structure: Any) -> bool:
    """Whether `structure` is a container, a composite tensor, or the TypeSpec of one."""
    return kind_of(structure, True) is not None


def is_mapping(value: Any) -> bool:
    """Whether `value` is a dict or another Mapping."""
    return KIND_OF_CLASS[type(value)] is MAPPING


def is_attrs(value: Any) -> bool:
    """Whether `value` is an instance of a class made by `attrs`."""
    return hasattr(type(value), "__attrs_attrs__")


def is_namedtuple(value: Any, strict: bool = False) -> bool:
    """Whether `value` is a namedtuple; with `strict`, one whose class derives from `tuple` directly."""
    return KIND_OF_CLASS[type(value)] is NAMEDTUPLE and (not strict or type(value).__base__ is tuple)


def same_namedtuples(a: Any, b: Any) -> bool:
    """Whether two namedtuples have the same class name and field names, though maybe distinct classes."""
    return type(a).__name__ == type(b).__name__ and a._fields == b._fields


def sequence_like(structure: Any, children: Any) -> Any:
    """Returns a container of the class of `structure` (and with its keys) that holds `children`."""
    return KIND_OF_CLASS[type(structure)].rebuild(structure, list(children))
