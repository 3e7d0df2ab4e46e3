"""`tf.config.experimental.enable_op_determinism`: the same results in every run.

XLA's CPU programs are deterministic as they are. On a GPU, atomics and algorithm selection are not, and XLA has a flag
that avoids them. Random ops ask `is_op_determinism_enabled` before they draw a seed of their own.
"""

from __future__ import annotations

import os
import warnings

from penstock.engine import xla
from penstock.engine.context import process
from penstock.engine.export import export

XLA_FLAG = "--xla_gpu_deterministic_ops=true"


@export("config.experimental.enable_op_determinism")
def enable_op_determinism() -> None:
    """Makes every op give the same result in every run, on the same machine with the same program.

    To be called before the first op on a GPU, since XLA reads its settings when it starts.

    Example:
      >>> import penstock as tf
      >>> tf.random.set_seed(1)  # doctest: +SKIP
      >>> tf.config.experimental.enable_op_determinism()  # doctest: +SKIP
    """
    process.registry["op_determinism"] = True
    flags = os.environ.get("XLA_FLAGS", "")
    if XLA_FLAG in flags:
        return
    if xla.is_loaded() and any(device.platform != "cpu" for device in xla.jax.devices()):
        warnings.warn(
            f"enable_op_determinism: XLA is already running on {xla.jax.default_backend()!r}, so its own ops keep "
            f"their settings; call this earlier, or set XLA_FLAGS={XLA_FLAG}",
            stacklevel=2,
        )
    os.environ["XLA_FLAGS"] = f"{flags} {XLA_FLAG}".strip()


def disable_op_determinism() -> None:
    """Takes `enable_op_determinism` back for ops that follow; a running XLA keeps its settings."""
    process.registry["op_determinism"] = False
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "").replace(XLA_FLAG, "").strip()


def is_op_determinism_enabled() -> bool:
    """True after `enable_op_determinism`."""
    return process.registry.get("op_determinism", False)
