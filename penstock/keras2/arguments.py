"""Arguments of Keras 2 that Keras 3 refuses: `Adam(lr=..., decay=...)`, `LSTM(batch_input_shape=...)`, `fit(workers=...)`.

`OLD_ARGUMENTS` says which constructors and methods take which of them; each is wrapped once, by `enable`, and a call
without an old argument reaches Keras as it was written.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

Arguments = dict[str, Any]

OPTIMIZERS = ("Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "Nadam", "RMSprop", "SGD")

# Arguments without a meaning for Keras 3, in the methods that took them: they chose queues, threads, and executors.
DROPPED: dict[str, tuple[str, ...]] = {
    "compile": ("experimental_run_tf_function", "options", "sample_weight_mode", "target_tensors"),
    "evaluate": ("max_queue_size", "use_multiprocessing", "workers"),
    "fit": ("max_queue_size", "use_multiprocessing", "workers"),
    "predict": ("max_queue_size", "use_multiprocessing", "workers"),
}
# Arguments that Keras 3's layers lack, with the value that means nothing: saved models of Keras 2 name them.
NEUTRAL: dict[str, dict[str, Any]] = {
    "Conv2DTranspose": {"groups": 1},
    "Conv3DTranspose": {"groups": 1},
    "DepthwiseConv1D": {"groups": 1},
    "DepthwiseConv2D": {"groups": 1},
    "GRU": {"time_major": False},
    "LSTM": {"time_major": False},
    "RNN": {"time_major": False},
    "SeparableConv1D": {"groups": 1},
    "SeparableConv2D": {"groups": 1},
    "SimpleRNN": {"time_major": False},
}
TENSORBOARD = (
    "batch_size",
    "embeddings_data",
    "embeddings_layer_names",
    "write_grads",
)


def accept_old_arguments(keras: ModuleType) -> None:
    """Wraps the constructors and methods of Keras that Keras 2 programs call with other arguments.

    Args:
      keras: the Keras package, in the layout of `tf.keras`.
    """
    for name in OPTIMIZERS:
        wrap(getattr(keras.optimizers, name), "__init__", _optimizer_arguments)
        _accept_decay(getattr(keras.optimizers, name))
    _decay_learning_rates(keras.optimizers.Optimizer)
    for name, dropped in DROPPED.items():
        wrap(keras.Model, name, functools.partial(_method_arguments, dropped=dropped))
    for name, neutral in NEUTRAL.items():
        wrap(getattr(keras.layers, name), "__init__", functools.partial(_without_neutral, neutral=neutral))
    wrap(keras.layers.BatchNormalization, "__init__", _batch_normalization_arguments)
    wrap(keras.layers.Embedding, "__init__", _embedding_arguments)
    wrap(keras.callbacks.TensorBoard, "__init__", functools.partial(_without, dropped=TENSORBOARD))
    wrap(keras.callbacks.ReduceLROnPlateau, "__init__", _plateau_arguments)
    _accept_scheduled_tensors(keras.callbacks.LearningRateScheduler)
    _accept_leading_name(keras.layers.Layer)
    _accept_positions(keras.layers.Layer)
    _accept_metrics_in_third_place(keras.Model)
    _accept_batch_input_shape(keras)


def wrap(owner: type, name: str, translate: Callable[[Arguments], Arguments]) -> None:
    """Replaces a method by one that has its keyword arguments translated first.

    It is replaced in the class that defines it, since Keras compares methods to find what a program has overridden.
    """
    owner = next(base for base in owner.__mro__ if name in vars(base))
    method = getattr(owner, name)

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self, *args, **translate(kwargs))

    # Keras reads signatures of constructors without following `__wrapped__`.
    call.__signature__ = inspect.signature(method)  # type: ignore[attr-defined]
    setattr(owner, name, call)


def _optimizer_arguments(arguments: Arguments) -> Arguments:
    """`lr` is `learning_rate`; an `epsilon` of None is the default."""
    if "lr" in arguments:
        arguments["learning_rate"] = arguments.pop("lr")
    if arguments.get("epsilon", 0) is None:
        del arguments["epsilon"]
    arguments.pop("schedule_decay", None)  # Nadam's, fixed at its default in Keras 3
    if isinstance(arguments.get("learning_rate"), int):
        arguments["learning_rate"] = float(arguments["learning_rate"])
    return arguments


def _accept_decay(optimizer: Any) -> None:
    """`SGD(decay=...)`: kept beside the learning rate, which callbacks and programs may go on to set."""
    init = optimizer.__init__

    @functools.wraps(init)
    def call(self: Any, *args: Any, **kwargs: Any) -> None:
        decay = kwargs.pop("decay", None)
        init(self, *args, **kwargs)
        if decay:
            self.decay = float(decay)

    call.__signature__ = inspect.signature(init)  # type: ignore[attr-defined]
    optimizer.__init__ = call


def _decay_learning_rates(optimizer: Any) -> None:
    """Has each step of an optimizer with a `decay` divide its learning rate by `1 + decay * iterations`."""
    owner = next(base for base in optimizer.__mro__ if "_backend_update_step" in vars(base))
    update, get_config = owner._backend_update_step, optimizer.get_config

    @functools.wraps(update)
    def decayed(self: Any, grads: Any, variables: Any, learning_rate: Any) -> None:
        if getattr(self, "decay", None):
            from keras import ops

            learning_rate = learning_rate / (1.0 + self.decay * ops.cast(self.iterations, "float32"))
        update(self, grads, variables, learning_rate)

    @functools.wraps(get_config)
    def with_decay(self: Any) -> Arguments:
        decay = getattr(self, "decay", None)
        return {**get_config(self), "decay": decay} if decay else get_config(self)

    owner._backend_update_step = decayed
    next(base for base in optimizer.__mro__ if "get_config" in vars(base)).get_config = with_decay


def _method_arguments(arguments: Arguments, dropped: tuple[str, ...]) -> Arguments:
    if "nb_epoch" in arguments:
        arguments["epochs"] = arguments.pop("nb_epoch")
    return _without(arguments, dropped)


def _without(arguments: Arguments, dropped: tuple[str, ...]) -> Arguments:
    return {name: value for name, value in arguments.items() if name not in dropped}


def _without_neutral(arguments: Arguments, neutral: Arguments) -> Arguments:
    return {name: value for name, value in arguments.items() if name not in neutral or value != neutral[name]}


def _batch_normalization_arguments(arguments: Arguments) -> Arguments:
    """Keras 2 had a list of axes, of which there was one."""
    axis = arguments.get("axis")
    if isinstance(axis, list | tuple) and len(axis) == 1:
        arguments["axis"] = axis[0]
    return arguments


def _plateau_arguments(arguments: Arguments) -> Arguments:
    if "epsilon" in arguments:
        arguments["min_delta"] = arguments.pop("epsilon")
    return arguments


def _accept_scheduled_tensors(callback: Any) -> None:
    """A schedule of LearningRateScheduler may give a tensor: `lr * tf.math.exp(-0.1)`."""
    update = callback._update_optimizer_lr

    @functools.wraps(update)
    def call(self: Any, optimizer: Any, epoch: int) -> Any:
        schedule = self.schedule

        @functools.wraps(schedule)
        def numbers(*args: Any) -> Any:
            rate = schedule(*args)
            return float(rate) if hasattr(rate, "numpy") else rate

        self.schedule = numbers
        try:
            return update(self, optimizer, epoch)
        finally:
            self.schedule = schedule

    callback._update_optimizer_lr = call


def _is_keras(caller: FrameType) -> bool:
    """Whether a call comes from Keras itself, or from its own tests, which mean Keras 3 and hold what it refuses."""
    return str(caller.f_globals.get("__name__", "")).startswith("keras.src.")


def _accept_leading_name(layer: Any) -> None:
    """Keras 2's `add_weight("kernel", shape)`, where Keras 3 has the shape come first and the name as a keyword.

    `add_variable` was another name of it.
    """
    add_weight, add_variable = layer.add_weight, layer.add_variable

    @functools.wraps(add_weight)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], str) and not _is_keras(sys._getframe(1)):
            kwargs.update(zip(("name", "shape", "dtype", "initializer"), args, strict=False))
            args = ()
        return add_weight(self, *args, **kwargs)

    @functools.wraps(add_variable)
    def call_variable(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], str) or "initializer" not in kwargs and len(args) < 2:
            return self.add_weight(*args, **kwargs)
        return add_variable(self, *args, **kwargs)

    layer.add_weight, layer.add_variable = call, call_variable


def _accept_positions(layer: Any) -> None:
    """Keras 2's `model(x, True, mask)`, where Keras 3 has all but tensors come as keywords."""
    layer_call = layer.__call__

    @functools.wraps(layer_call)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        first = next(
            (i for i, each in enumerate(args) if i and isinstance(each, bool | int | float | str)), None
        )
        if first is not None and not _is_keras(sys._getframe(1)):
            names = _positional_names(self.call)
            if len(names) >= len(args):
                kwargs.update(zip(names[first:], args[first:], strict=False))
                args = args[:first]
        return layer_call(self, *args, **kwargs)

    layer.__call__ = call


def _positional_names(function: Callable) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [each.name for each in inspect.signature(function).parameters.values() if each.kind in kinds]


def _accept_metrics_in_third_place(model: Any) -> None:
    """Keras 2's `compile("adam", "mse", ["accuracy"])`, where Keras 3 has the weights of losses."""
    owner = next(base for base in model.__mro__ if "compile" in vars(base))
    compile_ = owner.compile

    @functools.wraps(compile_)
    def call(self: Any, *args: Any, **kwargs: Any) -> None:
        third = args[2] if len(args) > 2 else None
        if isinstance(third, list | tuple) and any(isinstance(each, str) or callable(each) for each in third):
            names = ("optimizer", "loss", "metrics", "loss_weights")
            kwargs.update(zip(names, args, strict=False))
            args = ()
        compile_(self, *args, **kwargs)

    call.__signature__ = inspect.signature(compile_)  # type: ignore[attr-defined]
    owner.compile = call


def _embedding_arguments(arguments: Arguments) -> Arguments:
    """`input_length` is the shape of the input: a model that begins with the layer is built at once."""
    length = arguments.pop("input_length", None)
    if length is not None and not {"input_shape", "batch_input_shape"} & arguments.keys():
        lengths = tuple(length) if isinstance(length, list | tuple) else (length,)
        arguments["batch_input_shape"] = (None, *lengths)
    return arguments


def _accept_batch_input_shape(keras: ModuleType) -> None:
    """Gives layers `batch_input_shape`, which a Sequential model makes its input layer of."""
    layer_init, add = keras.layers.Layer.__init__, keras.Sequential.add

    @functools.wraps(layer_init)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        batch_shape = kwargs.pop("batch_input_shape", None)
        layer_init(self, *args, **kwargs)
        if batch_shape is not None:
            self._batch_input_shape = tuple(batch_shape)

    @functools.wraps(add)
    def add_with_input(self: Any, layer: Any, *args: Any, **kwargs: Any) -> None:
        batch_shape = getattr(layer, "_batch_input_shape", None)
        if batch_shape is not None and not self.layers:
            add(self, keras.layers.InputLayer(batch_shape=batch_shape), *args, **kwargs)
        add(self, layer, *args, **kwargs)

    init.__signature__ = inspect.signature(layer_init)  # type: ignore[attr-defined]
    keras.layers.Layer.__init__ = init
    keras.Sequential.add = add_with_input
