"""How large an image may be: damaged headers claim sizes for which no memory should be asked."""

from __future__ import annotations

_MOST_PIXELS = 1 << 29


def checked_size(name: str, height: int, width: int, frames: int = 1) -> None:
    """Raises ValueError for an image without pixels, or with 2 ** 29 or more of them, which is TensorFlow's limit."""
    if height <= 0 or width <= 0 or height * width * frames >= _MOST_PIXELS:
        shown = f"{frames} frames of " if frames > 1 else ""
        raise ValueError(f"{name} size is invalid or too large: {shown}{width} by {height}")
