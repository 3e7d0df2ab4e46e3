"""`tf.estimator.RunConfig`: where and how often an estimator saves, and what its sessions are like."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.train.cluster_spec import ClusterSpec

_DEFAULT: Any = object()


@export("estimator.RunConfig")
class RunConfig:
    """The settings of an estimator. It trains in one process.

    Args:
      model_dir: where checkpoints and summaries go.
      tf_random_seed: the seed of the graph.
      save_summary_steps: how often summaries are written; None: never.
      save_checkpoints_steps, save_checkpoints_secs: how often a checkpoint is saved: one of them, by default every 600 seconds.
      session_config: the ConfigProto of the sessions.
      keep_checkpoint_max: how many checkpoints are kept; None or 0 for all.
      keep_checkpoint_every_n_hours: one checkpoint is kept for good in so many hours.
      log_step_count_steps: how often the loss and the speed are logged; None: never.
      train_distribute, eval_distribute, experimental_distribute: None.
      device_fn: a function from an operation to its device.
      protocol, experimental_max_worker_delay_secs: of clusters.
      session_creation_timeout_secs: how long a session may take to be ready.
      checkpoint_save_graph_def: whether the graph is saved with the checkpoints.

    Raises:
      ValueError: two settings exclude each other, or `TF_CONFIG` describes a cluster.

    Example:
      >>> import penstock as tf
      >>> tf.estimator.RunConfig("models", save_checkpoints_steps=10).replace(tf_random_seed=1).save_checkpoints_steps
      10
    """

    def __init__(
        self,
        model_dir: str | None = None,
        tf_random_seed: int | None = None,
        save_summary_steps: int | None = 100,
        save_checkpoints_steps: Any = _DEFAULT,
        save_checkpoints_secs: Any = _DEFAULT,
        session_config: Any = None,
        keep_checkpoint_max: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000,
        log_step_count_steps: int | None = 100,
        train_distribute: Any = None,
        device_fn: Callable | None = None,
        protocol: str | None = None,
        eval_distribute: Any = None,
        experimental_distribute: Any = None,
        experimental_max_worker_delay_secs: int | None = None,
        session_creation_timeout_secs: float = 7200,
        checkpoint_save_graph_def: bool = True,
    ):
        if save_checkpoints_steps is _DEFAULT and save_checkpoints_secs is _DEFAULT:
            save_checkpoints_steps, save_checkpoints_secs = None, 600
        elif save_checkpoints_secs is _DEFAULT:
            save_checkpoints_secs = None
        elif save_checkpoints_steps is _DEFAULT:
            save_checkpoints_steps = None
        elif save_checkpoints_steps is not None and save_checkpoints_secs is not None:
            raise ValueError(
                "`save_checkpoints_steps` and `save_checkpoints_secs` cannot be both set to non-None values"
            )
        if train_distribute or eval_distribute or experimental_distribute:
            raise ValueError(
                "RunConfig: an estimator trains in one process without a strategy; tf.distribute strategies work with "
                "Keras and with loops of a program's own"
            )
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        if sum(map(len, cluster.values())) > 1:
            raise ValueError(
                f"RunConfig: TF_CONFIG describes a cluster, {cluster}, and an estimator trains in one process"
            )
        self._settings = {name: value for name, value in locals().items() if name not in ("self", "cluster")}

    def __getattr__(self, name: str) -> Any:
        settings = self.__dict__.get("_settings", {})
        if name in settings:
            return settings[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def replace(self, **kwargs: Any) -> RunConfig:
        """The same settings but for those given."""
        unknown = sorted(set(kwargs) - set(self._settings))
        if unknown:
            raise ValueError(
                f"Replacing {unknown[0]} is not supported. Allowed properties are {sorted(self._settings)}."
            )
        settings = {**self._settings, **kwargs}
        if settings["save_checkpoints_steps"] is not None and "save_checkpoints_steps" in kwargs:
            settings.setdefault("save_checkpoints_secs", None)
            if "save_checkpoints_secs" not in kwargs:
                settings["save_checkpoints_secs"] = None
        elif settings["save_checkpoints_secs"] is not None and "save_checkpoints_secs" in kwargs:
            if "save_checkpoints_steps" not in kwargs:
                settings["save_checkpoints_steps"] = None
        return type(self)(**settings)

    # The one task of the one process.

    cluster_spec = property(lambda self: ClusterSpec({}))
    task_type = property(lambda self: "worker")
    task_id = property(lambda self: 0)
    global_id_in_cluster = property(lambda self: 0)
    is_chief = property(lambda self: True)
    master = property(lambda self: "")
    evaluation_master = property(lambda self: "")
    num_worker_replicas = property(lambda self: 1)
    num_ps_replicas = property(lambda self: 0)
    service = property(lambda self: None)
