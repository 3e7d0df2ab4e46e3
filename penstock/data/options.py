"""`tf.data.Options` and the enumerations they use."""

from __future__ import annotations

import copy
import enum
from typing import Any

from penstock.engine.export import export


@export("data.experimental.AutoShardPolicy")
class AutoShardPolicy(enum.IntEnum):
    """How a dataset is divided among workers."""

    OFF = -1
    AUTO = 0
    FILE = 1
    DATA = 2
    HINT = 3


@export("data.experimental.ExternalStatePolicy")
class ExternalStatePolicy(enum.Enum):
    """What to do with state outside a pipeline when it is copied."""

    WARN = 0
    IGNORE = 1
    FAIL = 2


@export("data.experimental.AutotuneAlgorithm")
class AutotuneAlgorithm(enum.Enum):
    """How AUTOTUNE looks for its settings; here there is one way, whichever is asked for."""

    DEFAULT = 0
    HILL_CLIMB = 1
    GRADIENT_DESCENT = 2
    MAX_PARALLELISM = 3
    STAGE_BASED = 4


class _Group:
    """A set of named options, each None until it is set."""

    _names: tuple[str, ...] = ()

    def __init__(self) -> None:
        for name in self._names:
            object.__setattr__(self, name, None)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._names:
            raise AttributeError(f"Cannot set the property {name} on {type(self).__name__}.")
        object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if value is not None)
        return f"{type(self).__name__}({given})"

    def merge(self, other: _Group) -> Any:
        """These options with those that `other` sets."""
        merged = copy.deepcopy(self)
        for name in self._names:
            mine, theirs = getattr(merged, name), getattr(other, name)
            if isinstance(theirs, _Group) and mine is not None:
                object.__setattr__(merged, name, mine.merge(theirs))
            elif theirs is not None:
                object.__setattr__(merged, name, copy.deepcopy(theirs))
        return merged


@export("data.experimental.AutotuneOptions")
class AutotuneOptions(_Group):
    """Options of AUTOTUNE."""

    _names = (
        "enabled",
        "cpu_budget",
        "ram_budget",
        "autotune_algorithm",
        "initial_parallelism",
        "min_parallelism",
    )


@export("data.experimental.DistributeOptions")
class DistributeOptions(_Group):
    """Options of distribution."""

    _names = ("auto_shard_policy", "num_devices")


@export("data.experimental.OptimizationOptions")
class OptimizationOptions(_Group):
    """Options of the planner."""

    _names = (
        "apply_default_optimizations", "filter_fusion", "filter_parallelization", "inject_prefetch",
        "map_and_batch_fusion", "map_and_filter_fusion", "map_fusion", "map_parallelization", "noop_elimination",
        "parallel_batch", "seq_interleave_prefetch", "shuffle_and_repeat_fusion", "warm_start",
    )  # fmt: skip


@export("data.ThreadingOptions", "data.experimental.ThreadingOptions")
class ThreadingOptions(_Group):
    """Options of threads."""

    _names = ("max_intra_op_parallelism", "private_threadpool_size")


@export("data.Options")
class Options(_Group):
    """Options of a dataset.

    Example:
      >>> import penstock as tf
      >>> options = tf.data.Options()
      >>> options.deterministic = True
      >>> tf.data.Dataset.range(3).with_options(options).options().deterministic
      True
    """

    _names = (
        "autotune", "dataset_name", "deterministic", "experimental_deterministic", "experimental_distribute",
        "experimental_external_state_policy", "experimental_optimization", "experimental_slack",
        "experimental_symbolic_checkpoint", "experimental_threading", "experimental_warm_start", "framework_type",
        "threading",
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        for name, group in (
            ("autotune", AutotuneOptions),
            ("experimental_distribute", DistributeOptions),
            ("experimental_optimization", OptimizationOptions),
            ("experimental_threading", ThreadingOptions),
            ("threading", ThreadingOptions),
        ):
            object.__setattr__(self, name, group())
