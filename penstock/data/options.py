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

    _types: dict[str, type] = {}

    def __init__(self) -> None:
        for name in self._types:
            object.__setattr__(self, name, None)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._types:
            raise AttributeError(f"Cannot set the property {name} on {type(self).__name__}.")
        wanted = self._types[name]
        if not isinstance(value, wanted):
            raise TypeError(f'Property "{name}" must be of type {wanted}, got: {value} (type: {type(value)})')
        object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if value is not None)
        return f"{type(self).__name__}({given})"

    def merge(self, other: _Group) -> Any:
        """These options with those that `other` sets."""
        merged = copy.copy(self)
        for name in self._types:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, _Group) and isinstance(theirs, _Group):
                value = mine.merge(theirs)
            else:
                value = copy.deepcopy(mine if theirs is None else theirs)
            object.__setattr__(merged, name, value)
        return merged


@export("data.experimental.AutotuneOptions")
class AutotuneOptions(_Group):
    """Options of AUTOTUNE.

    Attributes:
      enabled: False gives each parallel map as many threads as there are cores, without measuring.
      cpu_budget: the most calls of a map at once.
      initial_parallelism: how many calls at once it begins with. min_parallelism: the fewest.
      ram_budget, autotune_algorithm: hints for TensorFlow's model of a pipeline; here buffers grow only where the consumer
        waits, and there is one way to find how many calls are best.
    """

    _types = {
        "enabled": bool,
        "cpu_budget": int,
        "ram_budget": int,
        "autotune_algorithm": AutotuneAlgorithm,
        "initial_parallelism": int,
        "min_parallelism": int,
    }


@export("data.experimental.DistributeOptions")
class DistributeOptions(_Group):
    """Options of distribution.

    Attributes:
      auto_shard_policy: how strategies of several workers divide the dataset.
      num_devices: set by TensorFlow's own iterators over several devices; a hint.
    """

    _types = {"auto_shard_policy": AutoShardPolicy, "num_devices": int}


@export("data.experimental.OptimizationOptions")
class OptimizationOptions(_Group):
    """Options of the planner. Its rules never change elements, so all are on unless an option is False.

    Attributes:
      apply_default_optimizations: False leaves the pipeline as it is written.
      map_fusion, map_and_filter_fusion, map_and_batch_fusion, noop_elimination, shuffle_and_repeat_fusion: False turns off the
        rules "maps as one", "map and filter as one", "map of batches", "options", and "order of indices".
      map_parallelization: True runs maps that are not parallel as AUTOTUNE would, where they have no state.
      inject_prefetch: True computes the last elements ahead where that is worth a thread.
      filter_fusion, filter_parallelization, parallel_batch, seq_interleave_prefetch, warm_start: hints for transformations
        that TensorFlow has and this planner has not.
    """

    _types = dict.fromkeys(
        (
            "apply_default_optimizations", "filter_fusion", "filter_parallelization", "inject_prefetch",
            "map_and_batch_fusion", "map_and_filter_fusion", "map_fusion", "map_parallelization", "noop_elimination",
            "parallel_batch", "seq_interleave_prefetch", "shuffle_and_repeat_fusion", "warm_start",
        ),
        bool,
    )  # fmt: skip


@export("data.ThreadingOptions", "data.experimental.ThreadingOptions")
class ThreadingOptions(_Group):
    """Options of threads.

    Attributes:
      private_threadpool_size: the most threads of each parallel map; 0 leaves that to the machine.
      max_intra_op_parallelism: a hint: what a map calls for one element runs on one thread.
    """

    _types = {"max_intra_op_parallelism": int, "private_threadpool_size": int}


@export("data.experimental.ServiceOptions")
class ServiceOptions(_Group):
    """Options of the data service.

    Attributes:
      pinned: a hint: whether batches should lie in memory that a GPU copies from fast. Here JAX decides about that.
    """

    _types = {"pinned": bool}


@export("data.Options")
class Options(_Group):
    """Options of a dataset.

    Attributes:
      autotune, experimental_distribute, experimental_optimization, experimental_service, threading: see the classes of their
        values.
      deterministic: False lets elements of parallel maps come in the order in which they are ready.
      dataset_name: for people. framework_type: for TensorFlow's statistics.
      experimental_external_state_policy, experimental_slack, experimental_symbolic_checkpoint, experimental_warm_start: hints,
        as in TensorFlow: positions of iterators are always saved by what nodes need to go on.
      experimental_deterministic, experimental_threading: older names of `deterministic` and `threading`.

    Raises:
      TypeError: a value has another type than the option.

    Example:
      >>> import penstock as tf
      >>> options = tf.data.Options()
      >>> options.deterministic = True
      >>> tf.data.Dataset.range(3).with_options(options).options().deterministic
      True
    """

    _types = {
        "autotune": AutotuneOptions,
        "dataset_name": str,
        "deterministic": bool,
        "experimental_deterministic": bool,
        "experimental_distribute": DistributeOptions,
        "experimental_external_state_policy": ExternalStatePolicy,
        "experimental_optimization": OptimizationOptions,
        "experimental_service": ServiceOptions,
        "experimental_slack": bool,
        "experimental_symbolic_checkpoint": bool,
        "experimental_threading": ThreadingOptions,
        "experimental_warm_start": bool,
        "framework_type": list,
        "threading": ThreadingOptions,
    }

    def __init__(self) -> None:
        super().__init__()
        threads = ThreadingOptions()
        for name, group in (
            ("autotune", AutotuneOptions()),
            ("experimental_distribute", DistributeOptions()),
            ("experimental_optimization", OptimizationOptions()),
            ("experimental_service", ServiceOptions()),
            ("experimental_threading", threads),
            ("threading", threads),
        ):
            object.__setattr__(self, name, group)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        for names in (
            ("threading", "experimental_threading"),
            ("deterministic", "experimental_deterministic"),
        ):
            if name in names:
                for each in names:
                    object.__setattr__(self, each, value)
