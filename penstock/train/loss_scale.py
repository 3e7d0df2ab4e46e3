"""TF 1's loss scales, for training in float16: the loss is multiplied so that small gradients do not vanish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.casting import cast
from penstock.ops.control_flow import cond
from penstock.ops.grouping import group, no_op
from penstock.ops.reduce_functions import reduce
from penstock.ops.selection import where
from penstock.ops.variables.variable import Variable
from penstock.train.optimizer_v1 import Optimizer
from penstock.types import dtypes, nest
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.tensors import EagerTensor, SymbolicTensor
from penstock.types.trackable import Trackable


def _names(name: str) -> list[str]:
    return [
        f"{each}.{name}" for each in ("mixed_precision", "mixed_precision.experimental", "train.experimental")
    ]


@export(v1=_names("LossScale"))
class LossScale(Trackable):
    """What a loss is multiplied by: calling it gives the scale, `update(gradients)` changes it.

    A subclass returns from `update` an operation (None when eager) and whether the gradients may be applied.
    """

    def __call__(self) -> Any:
        raise TypeError(f"{type(self).__name__} does not define __call__.")

    def update(self, grads: Any) -> tuple[Any, Any]:
        """Changes the scale after a step with these gradients."""
        raise TypeError(f"{type(self).__name__} does not define update.")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LossScale:
        """A loss scale with the arguments in `config`."""
        return cls(**config)


@export(v1=_names("FixedLossScale"))
class FixedLossScale(LossScale):
    """A scale that stays.

    Args:
      loss_scale_value: a number of at least 1.

    Raises:
      ValueError: it is less than 1, or no number.

    Example:
      >>> import penstock as tf
      >>> float(tf.compat.v1.mixed_precision.FixedLossScale(128)())
      128.0
    """

    def __init__(self, loss_scale_value: float):
        if not isinstance(loss_scale_value, (int, float)):
            raise ValueError(f"loss_scale_value must be a Python int or float, got {loss_scale_value!r}")
        if loss_scale_value < 1:
            raise ValueError(f"loss_scale_value must be at least 1, got {loss_scale_value}")
        self._value = float(loss_scale_value)

    def __call__(self) -> Any:
        return convert_to_tensor(self._value)

    def update(self, grads: Any) -> tuple[Any, Any]:
        """Nothing changes; gradients are always applied."""
        return (no_op() if thread.graph is not None else None), True

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"loss_scale_value": self._value}

    def __repr__(self) -> str:
        return f"FixedLossScale({self._value})"


@export(v1=_names("DynamicLossScale"))
class DynamicLossScale(LossScale):
    """A scale that is halved when gradients are not finite, and doubled after many steps where they are.

    Args:
      initial_loss_scale: the first scale.
      increment_period: after how many good steps it is multiplied.
      multiplier: by what it is multiplied, and divided.
    """

    def __init__(
        self, initial_loss_scale: float = 2**15, increment_period: int = 2000, multiplier: float = 2.0
    ):
        self.initial_loss_scale, self.increment_period = float(initial_loss_scale), int(increment_period)
        self.multiplier = float(multiplier)
        self._scale = Variable(self.initial_loss_scale, trainable=False, name="current_loss_scale")
        self._good_steps = Variable(0, trainable=False, name="good_steps", dtype=dtypes.int64)
        self._track_trackable(self._scale, "current_loss_scale")
        self._track_trackable(self._good_steps, "good_steps")

    def __call__(self) -> Any:
        return convert_to_tensor(self._scale)

    def update(self, grads: Any) -> tuple[Any, Any]:
        """Changes the scale as the gradients are finite or not, which says whether they may be applied."""
        finite = _all_finite(nest.flatten(grads))
        scale, steps = self._scale.value(), self._good_steps.value()
        grows = execute("GreaterEqual", (steps + 1, convert_to_tensor(self.increment_period, dtypes.int64)))
        larger = scale * self.multiplier
        larger = where(execute("IsFinite", (larger,)), larger, scale)
        smaller = execute("Maximum", (scale / self.multiplier, convert_to_tensor(1.0)))
        new_scale = where(finite, where(grows, larger, scale), smaller)
        zero = convert_to_tensor(0, dtypes.int64)
        new_steps = where(finite, where(grows, zero, steps + 1), zero)
        updates = [
            self._scale.assign(new_scale, read_value=False),
            self._good_steps.assign(new_steps, read_value=False),
        ]
        return (group(*updates) if thread.graph is not None else None), finite

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            "initial_loss_scale": self.initial_loss_scale,
            "increment_period": self.increment_period,
            "multiplier": self.multiplier,
        }


def _all_finite(grads: Sequence[Any]) -> Any:
    values = [each.values if isinstance(each, IndexedSlices) else each for each in grads if each is not None]
    if not values:
        return convert_to_tensor(True)
    parts = [reduce("All", execute("IsFinite", (each,)), None, False, None) for each in values]
    return reduce("All", execute("Pack", (parts,), {"axis": 0}), None, False, None)


def _as_loss_scale(given: Any) -> LossScale:
    if given == "dynamic":
        return DynamicLossScale()
    return FixedLossScale(given) if isinstance(given, (int, float)) else given


@export(v1=_names("MixedPrecisionLossScaleOptimizer"))
class MixedPrecisionLossScaleOptimizer(Optimizer):
    """An optimizer that scales the loss, and its gradients back; steps with gradients that are not finite are skipped.

    Args:
      opt: the optimizer. loss_scale: a `LossScale`, a number, or "dynamic".
    """

    def __init__(self, opt: Optimizer, loss_scale: Any):
        if not isinstance(opt, Optimizer):
            raise ValueError(f'"opt" must be an instance of Optimizer, but got: {type(opt)}')
        super().__init__(opt._use_locking, opt._name)
        self._optimizer, self._loss_scale = opt, _as_loss_scale(loss_scale)
        self._track_trackable(opt, "base_optimizer")
        self._track_trackable(self._loss_scale, "loss_scale")

    def compute_gradients(self, loss: Any, *args: Any, **kwargs: Any) -> list[tuple[Any, Any]]:
        """The gradients of the loss, computed on the scaled loss and scaled back."""
        if callable(loss) and not isinstance(loss, (EagerTensor, SymbolicTensor)):
            scaled: Any = lambda: self._scaled(loss())  # noqa: E731
        else:
            scaled = self._scaled(loss)
        pairs = self._optimizer.compute_gradients(scaled, *args, **kwargs)
        inverse = 1 / self._loss_scale()
        return [(_times(gradient, inverse), variable) for gradient, variable in pairs]

    def _scaled(self, loss: Any) -> Any:
        loss = convert_to_tensor(loss)
        return loss * cast(self._loss_scale(), loss.dtype)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """One step, if all gradients are finite."""
        pairs = list(grads_and_vars)
        update, may_apply = self._loss_scale.update([gradient for gradient, _ in pairs])
        if may_apply is True:
            step = self._optimizer.apply_gradients(pairs, global_step, name)
        elif thread.graph is None and isinstance(may_apply, EagerTensor):
            step = self._optimizer.apply_gradients(pairs, global_step, name) if bool(may_apply) else None
        else:
            step = cond(may_apply, self._step_in_branch(pairs, global_step, name), no_op)
        if thread.graph is None and update is None:
            return None
        return group(*[each for each in (step, update) if each is not None])

    def _step_in_branch(self, pairs: list, global_step: Any, name: str | None) -> Callable:
        def step() -> Any:
            return self._optimizer.apply_gradients(pairs, global_step, name)

        return step

    def variables(self) -> list[Any]:
        """The optimizer's, and the loss scale's."""
        own = [each for each in self._loss_scale._trackable_children().values() if isinstance(each, Variable)]
        return [*self._optimizer.variables(), *own]

    def get_slot(self, var: Any, name: str) -> Any:
        """The optimizer's slot."""
        return self._optimizer.get_slot(var, name)

    def get_slot_names(self) -> list[str]:
        """The names of the optimizer's slots."""
        return self._optimizer.get_slot_names()


def _times(gradient: Any, factor: Any) -> Any:
    if gradient is None:
        return None
    if isinstance(gradient, IndexedSlices):
        values = gradient.values * cast(factor, gradient.values.dtype)
        return IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return gradient * cast(factor, gradient.dtype)


@export(
    v1=[
        "mixed_precision.enable_mixed_precision_graph_rewrite",
        "train.experimental.enable_mixed_precision_graph_rewrite",
    ]
)
def enable_mixed_precision_graph_rewrite(opt: Any, loss_scale: Any = "dynamic") -> Any:
    """An optimizer with a loss scale. Which ops run in lower precision is left to XLA and the device.

    Args:
      opt: an optimizer of TF 1. loss_scale: see `MixedPrecisionLossScaleOptimizer`.

    Raises:
      ValueError: `opt` is no optimizer, or has a loss scale already.
    """
    if isinstance(opt, MixedPrecisionLossScaleOptimizer):
        raise ValueError(
            '"opt" must not already be an instance of a MixedPrecisionLossScaleOptimizer.'
            " `enable_mixed_precision_graph_rewrite` will automatically wrap the optimizer with one."
        )
    return MixedPrecisionLossScaleOptimizer(opt, loss_scale)


@export(
    v1=[
        "mixed_precision.disable_mixed_precision_graph_rewrite",
        "train.experimental.disable_mixed_precision_graph_rewrite",
    ]
)
def disable_mixed_precision_graph_rewrite() -> None:
    """Kept for programs that call it: graphs are not rewritten to lower precision."""
