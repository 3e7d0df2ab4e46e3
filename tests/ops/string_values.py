"""Results of string functions as plain Python values, for comparing with literals."""

from __future__ import annotations

from typing import Any

import numpy as np

import penstock as tf


def plain(value: Any) -> Any:
    """Nested lists; for a sparse tensor its indices, values and shape. NaN becomes a word, so that it equals itself."""
    if isinstance(value, tf.SparseTensor):
        return plain((value.indices, value.values, value.dense_shape))
    if isinstance(value, tf.RaggedTensor):
        return plain(value.to_list())
    if isinstance(value, tf.Tensor):
        return plain(np.asarray(value).tolist())
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return "nan" if value != value else value
