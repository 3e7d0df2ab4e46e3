"""Shapes that may be partly known: `TensorShape`, TF 1's `Dimension`, and broadcasting of partial shapes.

A `TensorShape` holds one tuple, `_dims`: an int or None for each dimension, or no tuple at all (None) when
even the rank is unknown. Shape rules and eager tensors read `_dims` directly; all else is its public face.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable, Iterator
from typing import Any

Dims = tuple[int | None, ...] | None


def _dimension_size(value: Any) -> int | None:
    """Converts one dimension (int, None, Dimension, integer scalar of any library) to an int or None."""
    if value is None:
        return None
    if type(value) is not int:
        if type(value) is Dimension:
            return value._value
        try:
            value = operator.index(value)
        except (TypeError, AttributeError):
            raise TypeError(
                "Dimension value must be integer or None or have an __index__ method, "
                f"got value '{value!r}' with type '{type(value)!r}'"
            ) from None
    if value < 0:
        raise ValueError(f"Dimension {value} must be >= 0")
    return value


def _shape_dims(value: Any) -> Dims:
    """Converts whatever a user gives for a shape to the tuple that a TensorShape holds."""
    if value is None:
        return None
    kind = type(value)
    if kind is TensorShape:
        return value._dims
    if kind is tuple or kind is list:
        return tuple(map(_dimension_size, value))
    if kind is int or kind is Dimension:
        return (_dimension_size(value),)
    if isinstance(value, TensorShape):
        return value._dims
    if isinstance(value, str):
        raise TypeError(
            f"Failed to convert {value!r} to a shape: a string is not one. A shape should either be a single "
            "dimension (e.g. 10), or an iterable of dimensions (e.g. [1, 10, None])."
        )
    if hasattr(value, "unknown_rank") and hasattr(value, "dim"):  # a TensorShapeProto
        if value.unknown_rank:
            return None
        return tuple(None if dim.size == -1 else _dimension_size(dim.size) for dim in value.dim)
    try:
        iterator = iter(value)
    except TypeError:
        return (_dimension_size(value),)
    return tuple(map(_dimension_size, iterator))


def _asked_by_penstock() -> bool:
    """Whether the method that calls this was called by Penstock's own code, which reads sizes in one way only."""
    return sys._getframe(2).f_globals.get("__name__", "").startswith("penstock.")


class TensorShape:
    """The shape of a tensor: fully known, known in some dimensions, known in rank only, or unknown.

    Args:
      dims: A list or tuple of dimensions, each an int or None for unknown; one int for a vector's shape; None
        for a shape of unknown rank; or a TensorShape.

    Raises:
      TypeError: if a dimension is no integer.
      ValueError: if a dimension is negative.

    >>> import penstock as tf
    >>> shape = tf.TensorShape([None, 3])
    >>> shape.rank, shape[1], shape.is_compatible_with([16, 3])
    (2, 3, True)
    >>> tf.TensorShape(None)
    TensorShape(None)
    """

    __slots__ = ("__weakref__", "_dims")

    # False after `disable_v2_tensorshape`: indexing and iterating then give the `Dimension`s of TF 1.
    _v2_behavior = True

    def __init__(self, dims: Any) -> None:
        self._dims: Dims = _shape_dims(dims)

    @property
    def rank(self) -> int | None:
        """The number of dimensions, or None if unknown."""
        return None if self._dims is None else len(self._dims)

    ndims = rank

    @property
    def dims(self) -> list[Dimension] | None:
        """The dimensions as a list of `Dimension`, or None if the rank is unknown (a TF 1 property)."""
        return None if self._dims is None else [Dimension(size) for size in self._dims]

    def as_list(self) -> list[int | None]:
        """The dimensions as a list, None for each unknown one. Raises ValueError if the rank is unknown."""
        if self._dims is None:
            raise ValueError("as_list() is not defined on an unknown TensorShape.")
        return list(self._dims)

    def num_elements(self) -> int | None:
        """The number of elements of a tensor of this shape, or None unless all dimensions are known."""
        if self._dims is None:
            return None
        count = 1
        for size in self._dims:
            if size is None:
                return None
            count *= size
        return count

    def is_fully_defined(self) -> bool:
        """Whether the rank and every dimension is known."""
        return self._dims is not None and None not in self._dims

    # -- sequence protocol -----------------------------------------------------------------------------------

    def __len__(self) -> int:
        if self._dims is None:
            raise ValueError("Cannot take the length of shape with unknown rank.")
        return len(self._dims)

    def __bool__(self) -> bool:
        return self._dims is not None

    def __iter__(self) -> Iterator:
        if self._dims is None:
            raise ValueError("Cannot iterate over a shape with unknown rank.")
        return (
            iter(self._dims)
            if TensorShape._v2_behavior or _asked_by_penstock()
            else map(Dimension, self._dims)
        )

    def __getitem__(self, key: int | slice) -> Any:
        """Returns one dimension (an int or None), or for a slice a TensorShape of those dimensions.

        A shape of unknown rank gives None for a dimension, and for a slice with a known, non-negative stop as
        many unknown dimensions as the slice has.
        """
        if isinstance(key, slice):
            return self._slice(key)
        size = None if self._dims is None else self._dims[key]
        return size if TensorShape._v2_behavior or _asked_by_penstock() else Dimension(size)

    def _slice(self, key: slice) -> TensorShape:
        if self._dims is not None:
            return from_dims(self._dims[key])
        if key.step not in (None, 1):
            raise ValueError("Steps are not yet handled")
        start = key.start or 0
        if key.stop is None or start < 0 or key.stop < 0:
            return from_dims(None)
        return unknown_shape(max(key.stop - start, 0))

    # -- equality --------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if type(other) is TensorShape:
            return self._dims == other._dims
        if type(other) is tuple:
            return self._dims == other
        try:
            return self._dims == _shape_dims(other)
        except (TypeError, ValueError):
            return NotImplemented

    def __hash__(self) -> int:
        return hash(self._dims)

    def __repr__(self) -> str:
        return f"TensorShape({None if self._dims is None else list(self)})"

    def __str__(self) -> str:
        if self._dims is None:
            return "<unknown>"
        if TensorShape._v2_behavior:
            return str(self._dims)
        sizes = ["?" if size is None else str(size) for size in self._dims]
        return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"

    def __reduce__(self) -> tuple:
        return TensorShape, (self._dims,)

    # -- combining -------------------------------------------------------------------------------------------

    def merge_with(self, other: Any) -> TensorShape:
        """Returns the shape that holds what is known in `self` and in `other`.

        Raises:
          ValueError: if the two contradict each other.

        >>> import penstock as tf
        >>> tf.TensorShape([None, 3]).merge_with([2, None])
        TensorShape([2, 3])
        """
        other = as_shape(other)
        if self._dims is None:
            return other
        if other._dims is None:
            return self
        if not self.is_compatible_with(other):
            raise ValueError(f"Shapes {self} and {other} are not compatible")
        return from_dims(tuple(b if a is None else a for a, b in zip(self._dims, other._dims, strict=True)))

    def concatenate(self, other: Any) -> TensorShape:
        """Returns the dimensions of `self` followed by those of `other`; unknown if either rank is."""
        other = as_shape(other)
        if self._dims is None or other._dims is None:
            return from_dims(None)
        return from_dims(self._dims + other._dims)

    __concat__ = concatenate
    __add__ = concatenate

    def __radd__(self, other: Any) -> TensorShape:
        return as_shape(other).concatenate(self)

    def with_rank(self, rank: int) -> TensorShape:
        """Returns this shape if its rank is `rank`, or `rank` unknown dimensions if its rank was unknown.

        Raises:
          ValueError: if the rank is known and another one.
        """
        if self._dims is None:
            return unknown_shape(rank)
        self.assert_has_rank(rank)
        return self

    def with_rank_at_least(self, rank: int) -> TensorShape:
        """Returns this shape; raises ValueError if its rank is known and less than `rank`."""
        if self._dims is not None and len(self._dims) < rank:
            raise ValueError(f"Shape {self} must have rank at least {rank}")
        return self

    def with_rank_at_most(self, rank: int) -> TensorShape:
        """Returns this shape; raises ValueError if its rank is known and greater than `rank`."""
        if self._dims is not None and len(self._dims) > rank:
            raise ValueError(f"Shape {self} must have rank at most {rank}")
        return self

    # -- relations -------------------------------------------------------------------------------------------

    def is_compatible_with(self, other: Any) -> bool:
        """Whether some fully known shape fits both: equal ranks and sizes wherever both know them."""
        other = as_shape(other)
        if self._dims is None or other._dims is None:
            return True
        if len(self._dims) != len(other._dims):
            return False
        return all(a == b or a is None or b is None for a, b in zip(self._dims, other._dims, strict=True))

    def is_subtype_of(self, other: Any) -> bool:
        """Whether every tensor of this shape is also one of the TensorShape `other`, which may know less."""
        if not isinstance(other, TensorShape):
            return False
        if other._dims is None:
            return True
        if self._dims is None or len(self._dims) != len(other._dims):
            return False
        return all(b is None or a == b for a, b in zip(self._dims, other._dims, strict=True))

    def most_specific_common_supertype(self, others: Iterable[Any]) -> TensorShape | None:
        """The shape that knows what `self` and `others` agree on; None if one of them is no TensorShape."""
        result = self
        for other in others:
            if not isinstance(other, TensorShape):
                return None
            result = result.most_specific_compatible_shape(other)
        return result

    def most_specific_compatible_shape(self, other: Any) -> TensorShape:
        """The shape that knows exactly what `self` and `other` agree on.

        >>> import penstock as tf
        >>> tf.TensorShape([1, 2]).most_specific_compatible_shape([1, 3])
        TensorShape([1, None])
        """
        other = as_shape(other)
        if self._dims == other._dims:
            return self
        if self._dims is None or other._dims is None or len(self._dims) != len(other._dims):
            return from_dims(None)
        return from_dims(tuple(a if a == b else None for a, b in zip(self._dims, other._dims, strict=True)))

    # -- assertions ------------------------------------------------------------------------------------------

    def assert_has_rank(self, rank: int | None) -> None:
        """Raises ValueError if the rank is known and not `rank`."""
        if self._dims is not None and rank is not None and len(self._dims) != rank:
            raise ValueError(f"Shape {self} must have rank {rank}")

    def assert_same_rank(self, other: Any) -> None:
        """Raises ValueError if both ranks are known and differ."""
        other = as_shape(other)
        if self._dims is not None and other._dims is not None and len(self._dims) != len(other._dims):
            raise ValueError(f"Shapes {self} and {other} must have the same rank")

    def assert_is_compatible_with(self, other: Any) -> None:
        """Raises ValueError if no tensor can have both this shape and `other`."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Shapes {self} and {other} are incompatible")

    def assert_is_fully_defined(self) -> None:
        """Raises ValueError unless the rank and every dimension is known."""
        if not self.is_fully_defined():
            raise ValueError(f"Shape {self} is not fully defined")

    def as_proto(self) -> Any:
        """Returns the TensorShapeProto of this shape, as a GraphDef holds it."""
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

        if self._dims is None:
            return TensorShapeProto(unknown_rank=True)
        sizes = (-1 if size is None else size for size in self._dims)
        return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])

    experimental_as_proto = as_proto

    @classmethod
    def experimental_type_proto(cls) -> type:
        """The protocol buffer class that `experimental_as_proto` returns."""
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

        return TensorShapeProto

    @classmethod
    def experimental_from_proto(cls, proto: Any) -> TensorShape:
        """Returns the shape that the TensorShapeProto `proto` describes."""
        return TensorShape(proto)


class Dimension:
    """One dimension of a shape, as TF 1 has it: a size, or None for unknown, with arithmetic.

    Arithmetic with an unknown dimension gives an unknown one; comparing with it gives None, which is neither
    true nor false.

    >>> import penstock as tf
    >>> d = tf.compat.v1.Dimension(3)
    >>> d + 4, d * tf.compat.v1.Dimension(None), d == 3
    (Dimension(7), Dimension(None), True)
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # equality is three-valued

    def __init__(self, value: Any) -> None:
        self._value = _dimension_size(value)

    @property
    def value(self) -> int | None:
        """The size, or None if unknown."""
        return self._value

    def __repr__(self) -> str:
        return f"Dimension({self._value})"

    def __str__(self) -> str:
        return "?" if self._value is None else str(self._value)

    def __int__(self) -> int | None:
        return self._value

    def __index__(self) -> int | None:
        return self._value

    def __reduce__(self) -> tuple:
        return Dimension, (self._value,)

    def is_compatible_with(self, other: Any) -> bool:
        """Whether the sizes are equal, or one of them is unknown."""
        size = _dimension_size(other)
        return self._value is None or size is None or self._value == size

    def assert_is_compatible_with(self, other: Any) -> None:
        """Raises ValueError if both sizes are known and differ."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Dimensions {self} and {other} are not compatible")

    def merge_with(self, other: Any) -> Dimension:
        """Returns the dimension that is known if either is; raises ValueError if both are and differ."""
        self.assert_is_compatible_with(other)
        return Dimension(other if self._value is None else self._value)

    def __truediv__(self, other: Any) -> Dimension:
        raise TypeError(
            f"unsupported operand type(s) for /: 'Dimension' and '{type(other).__name__}', "
            "please use // instead"
        )

    def __rtruediv__(self, other: Any) -> Dimension:
        raise TypeError(
            f"unsupported operand type(s) for /: '{type(other).__name__}' and 'Dimension', "
            "please use // instead"
        )


def _three_valued(compute: Any, wrap: Any, swapped: bool = False) -> Any:
    """A method of Dimension that computes; unknown if a side is, NotImplemented for what is no dimension."""

    def method(self: Dimension, other: Any) -> Any:
        try:
            size = _dimension_size(other)
        except (TypeError, ValueError):
            return NotImplemented
        if self._value is None or size is None:
            return wrap(None)
        return wrap(compute(size, self._value) if swapped else compute(self._value, size))

    return method


for _name in ("add", "sub", "mul", "floordiv", "mod"):
    setattr(Dimension, f"__{_name}__", _three_valued(getattr(operator, _name), Dimension))
    setattr(Dimension, f"__r{_name}__", _three_valued(getattr(operator, _name), Dimension, swapped=True))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Dimension, f"__{_name}__", _three_valued(getattr(operator, _name), lambda answer: answer))


def from_dims(dims: Dims) -> TensorShape:
    """A TensorShape of a tuple that is known to be right already; skips the checks of the constructor."""
    shape = object.__new__(TensorShape)
    shape._dims = dims
    return shape


def as_shape(shape: Any) -> TensorShape:
    """Converts `shape` to a TensorShape (the same object if it is one)."""
    return shape if isinstance(shape, TensorShape) else from_dims(_shape_dims(shape))


def as_dimension(value: Any) -> Dimension:
    """Converts `value` (int, None or Dimension) to a Dimension."""
    return value if isinstance(value, Dimension) else Dimension(value)


def unknown_shape(rank: int | None = None) -> TensorShape:
    """Returns a shape of `rank` unknown dimensions, or of unknown rank."""
    return from_dims(None if rank is None else (None,) * rank)


def dimension_value(dimension: Any) -> int | None:
    """The size in a Dimension; anything else as it is. Lets one program read shapes of TF 1 and of TF 2.

    >>> import penstock as tf
    >>> tf.compat.dimension_value(tf.TensorShape([2, 3])[0])
    2
    """
    return dimension.value if isinstance(dimension, Dimension) else dimension


def dimension_at_index(shape: TensorShape, index: int) -> Dimension:
    """The Dimension `shape[index]` under TF 1 and TF 2 alike; unknown if the rank is.

    >>> import penstock as tf
    >>> tf.compat.dimension_at_index(tf.TensorShape([2, None]), 0)
    Dimension(2)
    """
    return Dimension(None if shape._dims is None else shape._dims[index])


def enable_v2_tensorshape() -> None:
    """Makes indexing and iterating a TensorShape give ints and None (the default)."""
    TensorShape._v2_behavior = True


def disable_v2_tensorshape() -> None:
    """Makes indexing and iterating a TensorShape give `Dimension`s, as in TF 1 (`shape[0].value`)."""
    TensorShape._v2_behavior = False


def broadcast_dims(a: Dims, b: Dims) -> Dims:
    """`broadcast_shape` on bare tuples, for shape rules; raises ValueError if they do not broadcast."""
    if a == b:
        return a
    if a is None or b is None:
        return None
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    lead = len(longer) - len(shorter)
    tail = []
    for x, y in zip(longer[lead:], shorter, strict=True):
        if x == y or y == 1:
            tail.append(x)
        elif x == 1:
            tail.append(y)
        elif x is None:
            tail.append(y)  # y > 1, so an unknown x must be 1 or y
        elif y is None:
            tail.append(x)
        else:
            raise ValueError(
                "Incompatible shapes for broadcasting. Two shapes are compatible if for each dimension pair "
                f"they are either equal or one of them is 1. Received: {a} and {b}."
            )
    return longer[:lead] + tuple(tail)


def broadcast_shape(a: Any, b: Any) -> TensorShape:
    """Returns the shape that tensors of shapes `a` and `b` broadcast to; each may be partly known.

    Raises:
      ValueError: if no tensors of these shapes broadcast.

    >>> import penstock as tf
    >>> from penstock.types.shapes import broadcast_shape
    >>> broadcast_shape([None, 3], [2, 1])
    TensorShape([2, 3])
    """
    return from_dims(broadcast_dims(as_shape(a)._dims, as_shape(b)._dims))
