"""GIF and WebP, which may hold several frames; Pillow decodes them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from penstock.io.image_size import checked_size


def decode_gif(data: bytes) -> np.ndarray:
    """The frames of a GIF as they are shown, uint8 [frames, height, width, 3].

    Raises:
      ValueError: the data is damaged.
    """
    from PIL import GifImagePlugin

    return _frames(GifImagePlugin.GifImageFile, data, "GIF", "RGB")


def decode_webp(data: bytes, channels: int = 0) -> np.ndarray:
    """The frames of a WebP, uint8 [frames, height, width, 3 or 4].

    Args:
      data: the WebP.
      channels: 3 or 4, or 0 for those of the image.

    Raises:
      ValueError: the data is damaged, or the image has another number of channels.
    """
    from PIL import WebPImagePlugin

    if channels not in (0, 3, 4):
        raise ValueError(f"WebP only supports 3 or 4 channels, got {channels}")
    frames = _frames(WebPImagePlugin.WebPImageFile, data, "WebP", None)
    if channels not in (0, frames.shape[-1]):
        raise ValueError(
            f"Number of channels requested does not match input: {channels} and {frames.shape[-1]}"
        )
    return frames


def _frames(plugin: Any, data: bytes, name: str, mode: str | None) -> np.ndarray:
    try:
        image = plugin(io.BytesIO(data))
        frames, count = [], getattr(image, "n_frames", 1)
        checked_size(name, image.height, image.width, count)
        for index in range(count):
            image.seek(index)
            frames.append(np.array(image.convert(mode) if mode else image))
        return np.stack(frames)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever damaged data leads them to
        raise ValueError(f"Invalid {name} data (size {len(data)}): {error}") from None
