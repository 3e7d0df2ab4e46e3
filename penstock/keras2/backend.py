"""Functions of Keras 2's backend that Keras 3's own table of them lacks: phases, sessions, `K.function`, `K.gradients`.

Keras 3 keeps most of `K` (`mean`, `dot`, `switch`, ...) for `tf.keras`; what it keeps is not here. `enable` adds these to
`keras.backend`, those of `OPERATIONS` in the form that takes symbolic tensors (`symbolic`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

import penstock as tf
from penstock.engine.context import thread
from penstock.keras2.graph_calls import LearningPhase, phase_tensor
from penstock.keras2.updates import computed, is_symbolic, listed


@dataclass
class _State:
    """What programs set through the backend, for the whole process."""

    learning_phase: int | None = None  # None: never set
    session: Any = None


_state = _State()


def learning_phase() -> Any:
    """The learning phase: 1 for training, 0 for inference. `K.function` takes it for an input, a session for a feed.

    While a plain graph is built, and nobody has set the phase, it is a boolean tensor of that graph.
    """
    graph = thread.graph
    if _state.learning_phase is None and graph is not None and not graph.building_function:
        return phase_tensor()
    return LearningPhase(_state.learning_phase or 0)


def settled_phase() -> int | None:
    """What `set_learning_phase` was told; None before."""
    return _state.learning_phase


def set_learning_phase(value: int) -> None:
    """Sets the learning phase, which `in_train_phase` follows; layers follow their argument `training`.

    Raises:
      ValueError: `value` is neither 0 nor 1.
    """
    if value not in (0, 1):
        raise ValueError(f"set_learning_phase: got {value!r}, expected 0 or 1")
    _state.learning_phase = int(value)


@contextmanager
def learning_phase_scope(value: int) -> Iterator[None]:
    """Sets the learning phase within a `with` block."""
    before = _state.learning_phase
    set_learning_phase(value)
    try:
        yield
    finally:
        _state.learning_phase = before


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """`x` while training, else `alt`; either may be a function without arguments.

    Args:
      training: a bool, or a boolean tensor; None is the learning phase.
    """
    training = learning_phase() if training is None else training
    if isinstance(training, bool | int | np.bool_):
        chosen = x if training else alt
        return chosen() if callable(chosen) else chosen
    then, otherwise = (each if callable(each) else lambda value=each: value for each in (x, alt))
    return tf.cond(tf.cast(training, tf.bool), then, otherwise)


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """`alt` while training, else `x`."""
    return in_train_phase(alt, x, training)


class Function:
    """Computes tensors of a functional model from values of its inputs; what `K.function` returns.

    Args:
      inputs: a list of Keras's symbolic tensors; `K.learning_phase()` may be among them.
      outputs: a list of symbolic tensors that depend on them, or one.
      updates: what is updated after each call: pairs of a variable and its new value, results of `K.update` and its kin, and of
        `optimizer.get_updates`. Layers update themselves.
      name: not used.
    """

    def __init__(self, inputs: Any, outputs: Any, updates: Any = None, name: str | None = None):
        import keras

        self._is_tensor = [isinstance(each, keras.KerasTensor) for each in keras.tree.flatten(inputs)]
        tensors = [each for each in keras.tree.flatten(inputs) if isinstance(each, keras.KerasTensor)]
        self._as_list = isinstance(outputs, list | tuple)
        wanted = list(outputs) if self._as_list else [outputs]
        made = listed(updates)
        needed = [each.tensor for each in made if is_symbolic(each)]
        self._compute = computed(keras.Model(tensors, wanted + needed), len(wanted), made)

    def __call__(self, inputs: Any) -> Any:
        """The outputs as NumPy arrays; where the phase is an input, its value is whether to train."""
        values = inputs if isinstance(inputs, list | tuple) else [inputs]
        if len(values) != len(self._is_tensor):
            raise ValueError(f"K.function: got {len(values)} values for {len(self._is_tensor)} inputs")
        phases = [value for value, tensor in zip(values, self._is_tensor, strict=True) if not tensor]
        tensors = [tf.convert_to_tensor(each) for each, ok in zip(values, self._is_tensor, strict=True) if ok]
        training = bool(phases[0]) if phases else bool(_state.learning_phase)
        outputs = [np.asarray(each) for each in self._compute(tensors, training)]
        return outputs if self._as_list else outputs[0]


def function(
    inputs: Any, outputs: Any, updates: Any = None, name: str | None = None, **kwargs: Any
) -> Function:
    """A function of a functional model's tensors, as for looking at the outputs of a layer: see `Function`."""
    return Function(inputs, outputs, updates, name)


def placeholder(
    shape: Any = None,
    ndim: int | None = None,
    dtype: Any = None,
    sparse: bool = False,
    name: str | None = None,
) -> Any:
    """A symbolic tensor of Keras, as `Input` makes it; `shape` has the dimension of the batch.

    Raises:
      ValueError: neither `shape` nor `ndim` is given.
    """
    import keras

    if shape is None and ndim is None:
        raise ValueError("K.placeholder: expected shape or ndim")
    shape = (None,) * ndim if shape is None else tuple(shape)  # type: ignore[operator]
    return keras.Input(batch_shape=shape, dtype=dtype, sparse=sparse, name=name)


def ndim(x: Any) -> int:
    """The number of dimensions of a tensor, a symbolic one or a variable."""
    return len(x.shape)


def is_placeholder(x: Any) -> bool:
    """Whether `x` is an input of a model."""
    operation = getattr(getattr(x, "_keras_history", None), "operation", None)
    return type(operation).__name__ == "InputLayer"


def identity(x: Any, name: str | None = None) -> Any:
    """A tensor with the values of `x`."""
    return tf.identity(x, name)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """`log(sum(exp(x)))` over `axis`, without overflow."""
    return tf.reduce_logsumexp(x, axis, keepdims)


def print_tensor(x: Any, message: str = "", summarize: int = 3) -> Any:
    """`x`, which is printed with the message when it is computed."""
    tf.print(message, x, summarize=summarize)
    return x


def random_binomial(shape: Any, p: float = 0.0, dtype: Any = None, seed: int | None = None) -> Any:
    """Ones with probability `p`, else zeros."""
    import keras

    dtype = tf.as_dtype(dtype or keras.config.floatx())
    return tf.where(tf.random.uniform(shape, seed=seed) <= p, tf.ones(shape, dtype), tf.zeros(shape, dtype))


def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Any, epsilon: float = 1e-3
) -> tuple:
    """`x` normalized by its own mean and variance over `reduction_axes`, the mean and the variance."""
    axes = list(reduction_axes)
    mean, variance = tf.nn.moments(x, axes)
    shape = [1 if axis in axes else x.shape[axis] for axis in range(len(x.shape))]
    parts = [None if each is None else tf.reshape(each, shape) for each in (mean, variance, beta, gamma)]
    return tf.nn.batch_normalization(x, *parts, epsilon), mean, variance


def get_session(op_input_list: Any = ()) -> Any:
    """The session of the default graph, made when first asked for; it also runs eager values."""
    default = tf.compat.v1.get_default_session()
    if default is not None:
        return default
    if _state.session is None:
        _state.session = tf.compat.v1.Session()
    return _state.session


def set_session(session: Any) -> None:
    """Makes `get_session` return this session. Its configuration of devices has no effect on Keras 3."""
    _state.session = session


def manual_variable_initialization(value: bool) -> None:
    """Accepted: Keras 3 initializes variables where they are made."""


def reset_uids() -> None:
    """Starts the numbers in the names of layers anew."""
    import keras

    keras.utils.clear_session()


def image_dim_ordering() -> str:
    """Keras 1's name of `image_data_format`: "tf" for channels last, "th" for channels first."""
    import keras

    return "tf" if keras.config.image_data_format() == "channels_last" else "th"


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Sets the data format by its name of Keras 1, "tf" or "th"."""
    import keras

    keras.config.set_image_data_format({"tf": "channels_last", "th": "channels_first"}[dim_ordering])


# Names that `enable` adds to `keras.backend`; the operations among them take symbolic tensors.
__all__ = [
    "function", "get_session", "identity", "image_dim_ordering", "in_test_phase", "in_train_phase", "is_placeholder",
    "learning_phase", "learning_phase_scope", "logsumexp", "manual_variable_initialization",
    "ndim", "normalize_batch_in_training", "placeholder", "print_tensor", "random_binomial", "reset_uids",
    "set_image_dim_ordering", "set_learning_phase", "set_session",
]  # fmt: skip
OPERATIONS = frozenset({"identity", "logsumexp", "normalize_batch_in_training", "print_tensor"})
