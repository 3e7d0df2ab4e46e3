"""`contrib.slim.tfexample_decoder`: from a serialized Example to the items that a program asks for by name."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.types import dtypes
from penstock.types.sparse_tensor import SparseTensor as SparseTensorType
from penstock.v1.api import tf


def _names(name: str) -> list[str]:
    homes = ("slim.tfexample_decoder", "slim.python.slim.data.tfexample_decoder")
    return [f"contrib.{home}.{name}" for home in homes]


@export(v1=_names("ItemHandler"))
class ItemHandler(abc.ABC):
    """What makes an item of the features under some keys."""

    def __init__(self, keys: Any):
        self._keys = list(keys) if isinstance(keys, (list, tuple)) else [keys]

    keys = property(lambda self: self._keys, doc="The keys of the features.")

    @abc.abstractmethod
    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """The item, from the features by key."""


@export(v1=_names("ItemHandlerCallback"))
class ItemHandlerCallback(ItemHandler):
    """An item that a function makes of the features by key."""

    def __init__(self, keys: Any, func: Callable[[dict[str, Any]], Any]):
        super().__init__(keys)
        self._func = func

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """What the function returns."""
        return self._func(keys_to_tensors)


def _dense(tensor: Any, default_value: Any) -> Any:
    return (
        tf.sparse_tensor_to_dense(tensor, default_value) if isinstance(tensor, SparseTensorType) else tensor
    )


@export(v1=_names("BoundingBox"))
class BoundingBox(ItemHandler):
    """Boxes `[count, 4]`, of four features with one coordinate each.

    Args:
      keys: the keys of the coordinates, "ymin", "xmin", "ymax", "xmax" by default. prefix: before each key.
    """

    def __init__(self, keys: Sequence[str] | None = None, prefix: str = ""):
        keys = ["ymin", "xmin", "ymax", "xmax"] if keys is None else list(keys)
        if len(keys) != 4:
            raise ValueError(f"BoundingBox expects 4 keys but got {len(keys)}")
        super().__init__([prefix + key for key in keys])

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """The boxes."""
        sides = [keys_to_tensors[key] for key in self._keys]
        return tf.stack([each.values if isinstance(each, SparseTensorType) else each for each in sides], 1)


@export(v1=_names("Tensor"))
class Tensor(ItemHandler):
    """A feature as a dense tensor.

    Args:
      tensor_key: its key. shape_keys: the keys of features that hold its shape; or shape: the shape.
      default_value: what a sparse feature has where it has nothing.
    """

    def __init__(self, tensor_key: str, shape_keys: Any = None, shape: Any = None, default_value: Any = 0):
        if shape_keys and shape is not None:
            raise ValueError("Cannot specify both shape_keys and shape parameters.")
        self._shape_keys = [shape_keys] if isinstance(shape_keys, str) else list(shape_keys or ())
        super().__init__([tensor_key, *self._shape_keys])
        self._tensor_key, self._shape, self._default = tensor_key, shape, default_value

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """The tensor, in its shape."""
        tensor = _dense(keys_to_tensors[self._tensor_key], self._default_for(keys_to_tensors))
        shape = self._shape
        if self._shape_keys:
            parts = [tf.reshape(_dense(keys_to_tensors[key], 0), [-1]) for key in self._shape_keys]
            shape = tf.cast(tf.concat(parts, 0), tf.int32)
        return tensor if shape is None else tf.reshape(tensor, shape)

    def _default_for(self, keys_to_tensors: dict[str, Any]) -> Any:
        text = keys_to_tensors[self._tensor_key].dtype == dtypes.string
        return "" if text and not isinstance(self._default, (str, bytes)) else self._default


@export(v1=_names("LookupTensor"))
class LookupTensor(Tensor):
    """A feature whose values are looked up in a table; see `Tensor`."""

    def __init__(
        self, tensor_key: str, table: Any, shape_keys: Any = None, shape: Any = None, default_value: Any = ""
    ):
        super().__init__(tensor_key, shape_keys, shape, default_value)
        self._table = table

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """What the table has for the tensor."""
        return self._table.lookup(super().tensors_to_item(keys_to_tensors))


@export(v1=_names("BackupHandler"))
class BackupHandler(ItemHandler):
    """The item of one handler, or of another where that one has no elements."""

    def __init__(self, handler: ItemHandler, backup: ItemHandler):
        super().__init__([*handler.keys, *backup.keys])
        self._handler, self._backup = handler, backup

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """The item that is there."""
        item = self._handler.tensors_to_item(keys_to_tensors)
        return tf.cond(
            tf.equal(tf.reduce_prod(tf.shape(item)), 0),
            lambda: self._backup.tensors_to_item(keys_to_tensors),
            lambda: item,
        )


@export(v1=_names("SparseTensor"))
class SparseTensor(ItemHandler):
    """A sparse tensor whose indices and values are features.

    Args:
      indices_key, values_key: their keys. shape_key: that of its shape, or shape: the shape; by default one dimension,
        up to the greatest index. densify: whether it becomes dense, with `default_value` where it has nothing.
    """

    def __init__(
        self, indices_key: str = "indices", values_key: str = "values", shape_key: str | None = None,
        shape: Any = None, densify: bool = False, default_value: Any = 0,
    ):  # fmt: skip
        super().__init__([indices_key, values_key, *([shape_key] if shape_key else [])])
        self._indices_key, self._values_key, self._shape_key = indices_key, values_key, shape_key
        self._shape, self._densifies, self._default = shape, densify, default_value

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """The tensor."""
        indices, values = (
            tf.reshape(_dense(keys_to_tensors[key], 0), [-1]) for key in (self._indices_key, self._values_key)
        )
        indices, shape = tf.cast(indices, tf.int64), self._shape
        if self._shape_key:
            shape = tf.reshape(_dense(keys_to_tensors[self._shape_key], 0), [-1])
        shape = tf.reduce_max(indices, keepdims=True) + 1 if shape is None else tf.cast(shape, tf.int64)
        places = tf.stack(tf.unravel_index(indices, shape), 1)
        made = SparseTensorType(tf.cast(places, tf.int64), values, shape)
        return tf.sparse_tensor_to_dense(made, self._default) if self._densifies else made


@export(v1=_names("Image"))
class Image(ItemHandler):
    """An image of its bytes.

    Args:
      image_key, format_key: the keys of the bytes and of their format ("jpeg", "png", "raw", ...).
      shape: of the image, needed where it is raw. channels: how many it gets. dtype: its elements' (of raw ones).
      repeated: whether there are several. dct_method: how JPEG decodes.
    """

    def __init__(
        self, image_key: str | None = None, format_key: str | None = None, shape: Any = None, channels: int = 3,
        dtype: Any = dtypes.uint8, repeated: bool = False, dct_method: str = "",
    ):  # fmt: skip
        self._image_key, self._format_key = image_key or "image/encoded", format_key or "image/format"
        super().__init__([self._image_key, self._format_key])
        self._shape, self._channels, self._dtype = shape, channels, dtype
        self._repeated, self._dct_method = repeated, dct_method

    def tensors_to_item(self, keys_to_tensors: dict[str, Any]) -> Any:
        """The image, or all of them."""
        buffers, kind = keys_to_tensors[self._image_key], keys_to_tensors[self._format_key]
        if not self._repeated:
            return self._decoded(buffers, kind)
        return tf.map_fn(lambda each: self._decoded(each, kind), _dense(buffers, ""), dtype=self._dtype)

    def _decoded(self, buffer: Any, kind: Any) -> Any:
        def raw() -> Any:
            flat = tf.decode_raw(buffer, self._dtype)
            return flat if self._shape is None else tf.reshape(flat, self._shape)

        def jpeg() -> Any:
            return tf.cast(
                tf.image.decode_jpeg(buffer, self._channels, dct_method=self._dct_method), self._dtype
            )

        def other() -> Any:
            return tf.cast(tf.image.decode_image(buffer, self._channels), self._dtype)

        def is_one_of(*names: str) -> Any:
            return tf.reduce_any([tf.equal(kind, name) for name in names])

        image = tf.case(
            [(is_one_of("raw", "RAW"), raw), (is_one_of("jpeg", "jpg", "JPEG", "JPG"), jpeg)],
            default=other,
            exclusive=True,
        )
        image.set_shape([None, None, self._channels])
        return image if self._shape is None else tf.reshape(image, self._shape)


@export(v1=[*_names("TFExampleDecoder"), "contrib.slim.TFExampleDecoder"])
class TFExampleDecoder:
    """Decodes serialized Examples.

    Args:
      keys_to_features: what `tf.parse_single_example` gets. items_to_handlers: by name what makes each item.

    Example:
      >>> import penstock as tf
      >>> decoder = tf.compat.v1.contrib.slim.tfexample_decoder
      >>> feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[3]))
      >>> example = tf.train.Example(features=tf.train.Features(feature={"class": feature}))
      >>> features = {"class": tf.io.FixedLenFeature([], tf.int64)}
      >>> found = decoder.TFExampleDecoder(features, {"label": decoder.Tensor("class")})
      >>> [item.numpy().item() for item in found.decode(example.SerializeToString())]
      [3]
    """

    def __init__(self, keys_to_features: dict[str, Any], items_to_handlers: dict[str, ItemHandler]):
        self._features, self._handlers = keys_to_features, items_to_handlers

    def list_items(self) -> list[str]:
        """The names of the items."""
        return list(self._handlers)

    def decode(self, serialized_example: Any, items: Sequence[str] | None = None) -> list[Any]:
        """Items of an Example: those named, or all, in their order."""
        found = tf.parse_single_example(tf.reshape(serialized_example, []), self._features)
        handlers = [self._handlers[item] for item in items or self._handlers]
        return [each.tensors_to_item({key: found[key] for key in each.keys}) for each in handlers]
