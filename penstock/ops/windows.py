"""The geometry of sliding windows: data formats, strides, dilations, paddings and output sizes.

Convolutions, pools and patches all read their attributes through `Windows`, in kernels (all sizes known) and in
shape rules (some unknown) alike; the public functions bring their arguments into attribute form with the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

CHANNELS_LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}
CHANNELS_FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}
_FORMATS = (*CHANNELS_LAST.values(), *CHANNELS_FIRST.values())


@dataclass(frozen=True, slots=True)
class Layout:
    """Which dimensions of an image batch are channels and space; the batch is always first.

    Attributes:
      data_format: TensorFlow's name, such as "NHWC". channel: the channel dimension. spatial: the spatial ones.
    """

    data_format: str
    channel: int
    spatial: tuple[int, ...]

    @property
    def rank(self) -> int:
        """The rank of the whole tensor."""
        return len(self.spatial) + 2

    def arrange(self, batch: Any, spatial: Sequence[Any], channel: Any) -> list:
        """A list with one entry for each dimension, in the order of this layout."""
        entries = [batch] * self.rank
        for dimension, each in zip(self.spatial, spatial, strict=True):
            entries[dimension] = each
        entries[self.channel] = channel
        return entries

    def take_spatial(self, entries: Sequence[Any]) -> list:
        """The entries of the spatial dimensions."""
        return [entries[dimension] for dimension in self.spatial]


def layout(data_format: Any) -> Layout:
    """The layout that a data format names.

    Raises:
      ValueError: there is no such data format.
    """
    data_format = data_format.decode() if isinstance(data_format, bytes) else data_format
    if data_format not in _FORMATS:
        raise ValueError(f"data_format must be one of {', '.join(_FORMATS)}, got {data_format!r}")
    rank = len(data_format)
    if data_format[1] == "C":
        return Layout(data_format, 1, tuple(range(2, rank)))
    return Layout(data_format, rank - 1, tuple(range(1, rank - 1)))


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows that slide over some dimensions of an array; every field has one entry for each of those dimensions.

    Attributes:
      size: how many elements a window takes (None where that is not known). strides: the steps between windows.
      dilations: the steps between the elements of a window. padding: "SAME", "VALID" or "EXPLICIT".
      explicit: (before, after) where `padding` is "EXPLICIT".
    """

    size: tuple[int | None, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: str
    explicit: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.padding not in ("SAME", "VALID", "EXPLICIT"):
            raise ValueError(f"padding must be 'SAME', 'VALID' or 'EXPLICIT', got {self.padding!r}")
        for name, values in (
            ("strides", self.strides),
            ("dilations", self.dilations),
            ("window size", self.size),
        ):
            if any(each is not None and each < 1 for each in values):
                raise ValueError(f"{name} must be positive, got {list(values)}")
        if any(each < 0 for pair in self.explicit for each in pair):
            raise ValueError(f"explicit paddings must not be negative, got {list(self.explicit)}")

    @property
    def extent(self) -> tuple[int | None, ...]:
        """From the first to the last element of a window."""
        return tuple(None if k is None else (k - 1) * d + 1 for k, d in zip(self.size, self.dilations))

    def output_sizes(self, sizes: Sequence[int | None]) -> list[int | None]:
        """How many windows fit into dimensions of the given sizes, as far as that is known.

        Raises:
          ValueError: a window is larger than the padded input.
        """
        return [self._output_size(i, size) for i, size in enumerate(sizes)]

    def _output_size(self, i: int, size: int | None) -> int | None:
        stride, extent = self.strides[i], self.extent[i]
        if size is None:
            return None
        if self.padding == "SAME":
            return -(-size // stride)
        if extent is None:
            return None
        padded = size + sum(self.explicit[i]) if self.padding == "EXPLICIT" else size
        count = int(
            (padded - extent + stride) / stride
        )  # rounded towards zero: one stride too few is still empty
        if count < 0:
            raise ValueError(
                f"the computed output size would be negative: a window of {extent} does not fit into an input of "
                f"{padded}; use padding='SAME' or a smaller window"
            )
        return count

    def pads(self, sizes: Sequence[int]) -> list[tuple[int, int]]:
        """The (before, after) padding for dimensions of known sizes."""
        if self.padding == "VALID":
            return [(0, 0)] * len(sizes)
        if self.padding == "EXPLICIT":
            return list(self.explicit)
        totals = (
            max((-(-size // stride) - 1) * stride + extent - size, 0)
            for size, extent, stride in zip(sizes, self.extent, self.strides)
        )
        return [(total // 2, total - total // 2) for total in totals]


def full_windows(attrs: dict, size: Sequence[int], form: Layout) -> Windows:
    """The windows of a pooling op, whose attributes speak of every dimension, batch and channels too."""
    return Windows(
        tuple(_each_dimension(size, form, "ksize")),
        tuple(_each_dimension(attrs["strides"], form, "strides")),
        (1,) * form.rank,
        _text(attrs["padding"]),
        tuple(_explicit(attrs, form)),
    )


def spatial_windows(attrs: dict, size: Sequence[int | None], form: Layout) -> Windows:
    """The windows of a convolution: `size` is that of the filter, and the other attributes are 1 outside space."""
    explicit = _explicit(attrs, form)
    return Windows(
        tuple(size),
        tuple(_only_spatial(attrs["strides"], form, "strides")),
        tuple(_only_spatial(attrs.get("dilations") or [1] * form.rank, form, "dilations")),
        _text(attrs["padding"]),
        tuple(form.take_spatial(explicit)) if explicit else (),
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _each_dimension(values: Sequence[int], form: Layout, name: str) -> list[int]:
    if len(values) != form.rank:
        raise ValueError(f"{name} must have {form.rank} entries, got {list(values)}")
    return [int(each) for each in values]


def _only_spatial(values: Sequence[int], form: Layout, name: str) -> list[int]:
    values = _each_dimension(values, form, name)
    if values[0] != 1 or values[form.channel] != 1:
        raise ValueError(
            f"{name} must be 1 in the batch and channel dimensions, got {values} for {form.data_format}"
        )
    return form.take_spatial(values)


def _explicit(attrs: dict, form: Layout) -> list[tuple[int, int]]:
    flat = [int(each) for each in attrs.get("explicit_paddings") or ()]
    if _text(attrs["padding"]) != "EXPLICIT":
        if flat:
            raise ValueError(
                f"explicit_paddings must be empty where padding is {attrs['padding']!r}, got {flat}"
            )
        return []
    if len(flat) != 2 * form.rank:
        raise ValueError(f"explicit_paddings must have {2 * form.rank} entries, got {flat}")
    pairs = list(zip(flat[::2], flat[1::2]))
    if any(pairs[0]) or any(pairs[form.channel]):
        raise ValueError(f"explicit_paddings must be 0 in the batch and channel dimensions, got {flat}")
    return pairs


# Arguments of public functions into attributes.


def sequence_for(value: Any, form: Layout, name: str) -> list[int]:
    """One entry for each dimension, from an int or a list with one entry, one for each spatial dimension, or all.

    Raises:
      ValueError: the list has another length.
    """
    spatial = len(form.spatial)
    if value is None:
        value = [1]
    elif not isinstance(value, (list, tuple)) and not hasattr(value, "__len__"):
        value = [value]
    value = [int(each) for each in value]
    if len(value) == form.rank:
        return value
    if len(value) == 1:
        value = value * spatial
    if len(value) == spatial:
        return form.arrange(1, value, 1)
    raise ValueError(
        f"{name} should be of length 1, {spatial} or {form.rank}. Received: {name}={value} of length {len(value)}"
    )


def padding_attrs(padding: Any, form: Layout) -> dict[str, Any]:
    """The attributes `padding` and `explicit_paddings` for "SAME", "VALID", or a list of pairs for each dimension.

    Raises:
      ValueError: the list does not have one pair for each dimension.
    """
    if isinstance(padding, (str, bytes)):
        return {"padding": _text(padding)}
    try:
        pairs = [tuple(int(each) for each in pair) for pair in padding]
    except TypeError:
        pairs = []
    if len(pairs) != form.rank or any(len(pair) != 2 for pair in pairs):
        raise ValueError(
            f"padding must be 'SAME', 'VALID', or a list of {form.rank} pairs (before, after), one for each dimension "
            f"of {form.data_format}: got {padding!r}"
        )
    return {"padding": "EXPLICIT", "explicit_paddings": [each for pair in pairs for each in pair]}


def channels_format(data_format: str | None, spatial: int) -> str:
    """The name for `spatial` spatial dimensions of a format that starts with "NC", or has its channels last."""
    first = data_format is not None and data_format.startswith("NC")
    return (CHANNELS_FIRST if first else CHANNELS_LAST)[spatial]
