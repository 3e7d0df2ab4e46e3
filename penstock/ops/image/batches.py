"""Images with or without a batch dimension, and their sizes; used by all public image functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.types.tensors import Tensor


def at_least_3d(image: Any, name: str = "image") -> Tensor:
    """`image` as a tensor.

    Raises:
      ValueError: its rank is known and less than 3.
    """
    image = convert_to_tensor(image)
    if image.shape.rank is not None and image.shape.rank < 3:
        raise ValueError(f"'{name}' (shape {image.shape}) must be at least three-dimensional.")
    return image


def as_batch(image: Any, function: Callable[[Tensor], Tensor], name: str = "image") -> Tensor:
    """Applies `function`, which takes and returns batches, to a batch or to one image.

    Raises:
      ValueError: the rank is not 3 or 4.
    """
    image = convert_to_tensor(image)
    rank = image.shape.rank
    if rank not in (None, 3, 4):
        raise ValueError(f"'{name}' (shape {image.shape}) must have either 3 or 4 dimensions.")
    if rank != 3:
        return function(image)
    batch = function(execute("ExpandDims", (image, convert_to_tensor(0))))
    return execute("Squeeze", (batch,), {"squeeze_dims": [0]})


def size_along(image: Tensor, axis: int) -> Any:
    """A dimension of `image`: an int where it is known, else a scalar tensor."""
    if image.shape.rank is not None and (known := image.shape.as_list()[axis]) is not None:
        return known
    return execute("Shape", (image,))[axis]


def require(condition: Any, message: str) -> None:
    """Raises ValueError where a condition on sizes is known to be false; one that is a tensor is not checked here."""
    if not isinstance(condition, Tensor) and not condition:
        raise ValueError(message)


def larger(a: Any, b: Any) -> Any:
    """The larger of two sizes, ints or tensors."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        a, b = (convert_to_tensor(each) for each in (a, b))
        return execute("Maximum", (a, b))
    return max(a, b)


def smaller(a: Any, b: Any) -> Any:
    """The smaller of two sizes, ints or tensors."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        a, b = (convert_to_tensor(each) for each in (a, b))
        return execute("Minimum", (a, b))
    return min(a, b)
