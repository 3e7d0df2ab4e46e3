"""`CompositeTensor`: the base of values made of several tensors, such as ragged and sparse tensors.

A composite knows its `TypeSpec`, and the spec knows how to take the composite apart and put it together.
`nest` and every op that accepts structures work on composites through that pair only.
"""

from __future__ import annotations

import abc
from typing import Any


class CompositeTensor(abc.ABC):
    """A value made of tensors, into which `tf.nest` flattens it if called with `expand_composites=True`.

    A subclass defines the property `_type_spec`: the TypeSpec whose `_to_components(value)` and
    `_from_components(components)` convert between the value and a structure of tensors and composites.
    """

    # `nest` reads this mark, which TypeSpecs of composites carry too.
    _expands_to_components = True

    # The tensor that it is made of, where it is made of one alone, which has the same shape in all values of a spec.
    _only_component: Any = None

    @property
    @abc.abstractmethod
    def _type_spec(self) -> Any:
        """The TypeSpec of this value."""

    def _shape_invariant_to_type_spec(self, shape: Any) -> Any:
        """The TypeSpec that a `shape_invariants` entry of `tf.while_loop` means for a value of this class."""
        raise ValueError(
            f"{type(self).__name__} takes no plain shape as a shape invariant, got {shape}; "
            f"give a TypeSpec such as {self._type_spec!r}."
        )

    def _consumers(self) -> list[Any]:
        """The operations of the graph that read one of the components of this value."""
        from penstock.types import nest

        found: list[Any] = []
        for tensor in nest.flatten(self, expand_composites=True):
            found.extend(op for op in tensor.consumers() if op not in found)
        return found


def is_composite(value: Any) -> bool:
    """Whether `value` is a CompositeTensor."""
    return isinstance(value, CompositeTensor)
