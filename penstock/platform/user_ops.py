"""`tf.compat.v1.user_ops`: the op that TensorFlow shows how to add an op with."""

from __future__ import annotations

import numpy as np

from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import scalar
from penstock.types.tensors import Tensor

op("Fact() -> fact: string", numpy=lambda: np.array(b"0! == 1", object), shape=scalar)


@export(v1=["user_ops.my_fact"])
def my_fact() -> Tensor:
    """A fact, a string scalar.

    Example:
      >>> import penstock as tf
      >>> tf.compat.v1.user_ops.my_fact().numpy()
      b'0! == 1'
    """
    return execute("Fact", ())
