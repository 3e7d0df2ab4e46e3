"""`tf.saved_model.Asset`: a file that goes with a saved model."""

from __future__ import annotations

import os
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.graph.lifting import init_scope
from penstock.types import dtypes
from penstock.types.tensors import Tensor
from penstock.types.trackable import Trackable


@export("saved_model.Asset")
class Asset(Trackable):
    """A file that is copied into a SavedModel; functions that use `asset_path` find the copy.

    Args:
      path: the file.

    Example:
      >>> import penstock as tf
      >>> tf.saved_model.Asset("vocabulary.txt").asset_path.numpy()
      b'vocabulary.txt'
    """

    def __init__(self, path: Any):
        path = str(path) if isinstance(path, os.PathLike) else path
        with init_scope():
            self._path = convert_to_tensor(path, dtypes.string, name="asset_path")
        if not getattr(self._path, "is_symbolic_tensor", False):
            self._path.is_asset_path = True  # functions take it as an argument, not as a constant

    @property
    def asset_path(self) -> Tensor:
        """The path of the file, a string scalar: inside of a loaded model that of the copy."""
        return self._path

    def __repr__(self) -> str:
        return f"<Asset {self._path!r}>"
