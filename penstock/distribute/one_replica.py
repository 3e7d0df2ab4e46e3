"""Strategies of `tf.distribute` for other machines, where there is this one to use: one replica.

Programs written for several devices run unchanged on one. More than one device is refused with a clear error.
"""

from __future__ import annotations

from typing import Any

from penstock.distribute.strategy import Strategy
from penstock.engine.export import export


class _SeveralDevices(ValueError):
    """A strategy was asked for more devices than one replica can use."""


def _first_device() -> str:
    from penstock.runtime.devices import list_logical_devices

    for kind in ("GPU", "CPU"):
        found = list_logical_devices(kind)
        if found:
            return found[0].name
    return "/device:CPU:0"


@export("distribute.MultiWorkerMirroredStrategy", "distribute.experimental.MultiWorkerMirroredStrategy")
class MultiWorkerMirroredStrategy(Strategy):
    """Copies of a model on several machines. Without a cluster in `TF_CONFIG`: one replica.

    Raises:
      ValueError: `TF_CONFIG` describes a cluster of more than one worker.
    """

    def __init__(self, cluster_resolver: Any = None, communication_options: Any = None):
        import json
        import os

        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        workers = sum(len(tasks) for tasks in cluster.values())
        if workers > 1:
            raise _SeveralDevices(
                f"MultiWorkerMirroredStrategy: TF_CONFIG describes {workers} tasks, and one is supported."
            )
        super().__init__(_first_device())
