"""`Model.fit` and `evaluate` under a `ParameterServerStrategy`, which Keras 3 left behind: steps are scheduled on workers.

The logs of a step that callbacks see are those of the latest step that has finished somewhere; those of an epoch are
read from the metrics' variables when all its steps have.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from penstock.keras2.dataset_creator import DatasetCreator
from penstock.parameter_server.coordinator import ClusterCoordinator
from penstock.parameter_server.input import ServerDataset, ServerIterator
from penstock.parameter_server.strategy import ParameterServerStrategyV2


def train_on_servers(keras: Any) -> None:
    """Makes `Model`'s methods schedule their steps where the model's strategy is a `ParameterServerStrategy`."""
    model = keras.Model
    if hasattr(model.fit, "_schedules"):
        return
    for name in ("fit", "evaluate"):
        method = _with_worker_data(getattr(model, name), "steps_per_epoch" if name == "fit" else "steps")
        method._schedules = True  # type: ignore[attr-defined]
        setattr(model, name, method)
    for kind in ("train", "test"):
        name = f"make_{kind}_function"
        setattr(model, name, _scheduling(getattr(model, name), kind))


def _strategy(model: Any) -> ParameterServerStrategyV2 | None:
    found = getattr(model, "_distribute_strategy", None)
    return found if isinstance(found, ParameterServerStrategyV2) else None


def _with_worker_data(method: Callable, steps_name: str) -> Callable:
    """`fit` or `evaluate` that takes a `DatasetCreator`, and asks for a number of steps."""

    @functools.wraps(method)
    def call(self: Any, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        strategy = _strategy(self)
        if strategy is None:
            if isinstance(x, DatasetCreator):
                x = self.distribute_strategy.distribute_datasets_from_function(x)
            return method(self, x, *args, **kwargs)
        if kwargs.get(steps_name) is None and not kwargs.get("_use_cached_eval_dataset"):
            raise ValueError(
                f"When using a `tf.distribute.ParameterServerStrategy`, `{steps_name}` must be given as a keyword: each "
                "worker has its own copy of the data, so the data does not say when an epoch ends."
            )
        workers = strategy._cluster.workers
        if isinstance(x, DatasetCreator):
            x = ServerDataset(x, workers)
        if isinstance(kwargs.get("validation_data"), DatasetCreator):
            kwargs["validation_data"] = ServerDataset(kwargs["validation_data"], workers)
        return method(self, x, *args, **kwargs)

    return call


def _scheduling(make: Callable, kind: str) -> Callable:
    """`make_train_function` or `make_test_function` that makes a function which schedules the step."""

    @functools.wraps(make)
    def make_function(self: Any, force: bool = False) -> Any:
        strategy = _strategy(self)
        if strategy is None:
            return make(self, force)
        known = getattr(self, f"{kind}_function")
        if known is None or force:
            known = _Steps(self, strategy, getattr(self, f"{kind}_step"))
            setattr(self, f"{kind}_function", known)
        return known

    return make_function


class _Steps:
    """Schedules steps of a model, and says the logs of the latest that has finished."""

    def __init__(self, model: Any, strategy: ParameterServerStrategyV2, step: Callable):
        from penstock.tracing.autograph import do_not_convert
        from penstock.tracing.function import function

        count = model.steps_per_execution
        self._coordinator = ClusterCoordinator(strategy)

        def steps(iterator: Any) -> Any:
            for _ in range(count):
                logs = strategy.run(step, args=(next(iterator),))
            return logs

        self._function = function(do_not_convert(steps))
        self._logs: Any = None
        self._scheduled: list[Any] = []

    def __call__(self, iterator: ServerIterator) -> Any:
        per_worker = iterator.on_workers(self._coordinator)
        self._scheduled.append(self._coordinator.schedule(self._function, args=(per_worker,)))
        if self._logs is None:
            self._logs = self._scheduled[0].get()  # what names the logs have
        while self._scheduled and self._scheduled[0].is_ready:
            self._logs = self._scheduled.pop(0).get()
        return self._logs
