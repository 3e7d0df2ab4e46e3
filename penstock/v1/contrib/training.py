"""`contrib.training.HParams` and `contrib.slim.learning`: hyperparameters, and a training loop."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.ops.graph_collections import GraphKeys
from penstock.v1.api import tf


@export(v1=["contrib.training.HParams"])
class HParams:
    """A set of named hyperparameters, each an attribute of a type that stays.

    Example:
      >>> import penstock as tf
      >>> hparams = tf.compat.v1.contrib.training.HParams(rate=0.1, layers=[64, 32])
      >>> _ = hparams.parse("rate=0.2,layers=[16]")
      >>> hparams.rate, hparams.layers
      (0.2, [16])
    """

    def __init__(self, hparam_def: Any = None, model_structure: Any = None, **kwargs: Any):
        self._types: dict[str, tuple[type, bool]] = {}
        self._model_structure = model_structure
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """Adds a hyperparameter.

        Raises:
          ValueError: the name is taken, or the value an empty list.
        """
        if getattr(self, name, None) is not None:
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        if isinstance(value, (list, tuple)):
            if not value:
                raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
            self._types[name] = (type(value[0]), True)
        else:
            self._types[name] = (type(value), False)
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Sets a hyperparameter, to a value of its type."""
        kind, is_list = self._types[name]
        if isinstance(value, (list, tuple)) != is_list:
            raise ValueError(
                f"Must {'' if is_list else 'not '}pass a list for {'multi' if is_list else 'single'}-valued parameter: {name}"
            )
        setattr(
            self, name, [_cast(name, kind, each) for each in value] if is_list else _cast(name, kind, value)
        )

    def del_hparam(self, name: str) -> None:
        """Removes a hyperparameter."""
        if name in self._types:
            delattr(self, name)
            del self._types[name]

    def parse(self, values: str) -> HParams:
        """Sets hyperparameters from text as `"rate=0.1,layers=[1,2],name=x"`.

        Raises:
          ValueError: the text is not understood, or a name unknown.
        """
        for match in _fields(values):
            name, index, value = match["name"], match["index"], match["value"].strip()
            if name not in self._types:
                raise ValueError(f"Unknown hyperparameter: {name}")
            kind, is_list = self._types[name]
            if index is not None:
                held = list(getattr(self, name))
                held[int(index)] = _parsed(name, kind, value)
                setattr(self, name, held)
            elif value.startswith("["):
                items = [each.strip() for each in value[1:-1].split(",") if each.strip()]
                self.set_hparam(name, [_parsed(name, kind, each) for each in items])
            else:
                parsed = _parsed(name, kind, value)
                self.set_hparam(name, [parsed] if is_list else parsed)
        return self

    def override_from_dict(self, values_dict: dict[str, Any]) -> HParams:
        """Sets hyperparameters from a dictionary."""
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    set_from_map = override_from_dict

    def parse_json(self, values_json: str) -> HParams:
        """Sets hyperparameters from a JSON object."""
        return self.override_from_dict(json.loads(values_json))

    def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
        """The hyperparameters as a JSON object; functions are left out."""
        plain = {name: value for name, value in self.values().items() if not callable(value)}
        return json.dumps(plain, indent=indent, separators=separators, sort_keys=sort_keys)

    def values(self) -> dict[str, Any]:
        """From names to values."""
        return {name: getattr(self, name) for name in self._types}

    def get(self, key: str, default: Any = None) -> Any:
        """A value, or the default where there is no such hyperparameter."""
        return getattr(self, key) if key in self._types else default

    def get_model_structure(self) -> Any:
        """The model structure given to the constructor."""
        return self._model_structure

    def set_model_structure(self, model_structure: Any) -> None:
        """Keeps a model structure."""
        self._model_structure = model_structure

    def __contains__(self, key: str) -> bool:
        return key in self._types

    def __str__(self) -> str:
        return str(sorted(self.values().items()))

    def __repr__(self) -> str:
        return f"HParams({', '.join(f'{name}={value!r}' for name, value in self.values().items())})"


_FIELD = re.compile(
    r"\s*(?P<name>[a-zA-Z]\w*)\s*(\[\s*(?P<index>\d+)\s*\])?\s*=\s*(?P<value>\[[^\]]*\]|[^,\[]*)\s*(,|$)"
)


def _fields(text: str) -> list[Any]:
    found, position = [], 0
    while position < len(text):
        match = _FIELD.match(text, position)
        if match is None:
            raise ValueError(f"Malformed hyperparameter value: {text[position:]}")
        found.append(match)
        position = match.end()
    return found


def _parsed(name: str, kind: type, text: str) -> Any:
    if kind is bool:
        if text.lower() in ("true", "1"):
            return True
        if text.lower() in ("false", "0"):
            return False
        raise ValueError(f"Could not parse hparam {name!r}: {text!r} is no truth value")
    try:
        return text if kind in (str, type(None)) else kind(text)
    except ValueError:
        raise ValueError(f"Could not parse hparam {name!r} of type {kind.__name__!r} from {text!r}") from None


def _cast(name: str, kind: type, value: Any) -> Any:
    if (
        kind is type(None)
        or value is None
        or isinstance(value, kind)
        and not (isinstance(value, bool) and kind is int)
    ):
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"Could not cast hparam {name!r} of type {kind.__name__!r} from value {value!r}")


# Training.


@export(v1=["contrib.training.create_train_op", "contrib.slim.learning.create_train_op"])
def create_train_op(
    total_loss: Any,
    optimizer: Any,
    global_step: Any = "unset",
    update_ops: Sequence[Any] | None = None,
    variables_to_train: Sequence[Any] | None = None,
    clip_gradient_norm: float = 0,
    summarize_gradients: bool = False,
    gate_gradients: int = 1,
    aggregation_method: int | None = None,
    colocate_gradients_with_ops: bool = False,
    gradient_multipliers: dict[Any, float] | None = None,
    check_numerics: bool = True,
    transform_grads_fn: Callable | None = None,
) -> Any:
    """An operation that does one step of training and returns the loss.

    Args:
      total_loss: a scalar. optimizer: an optimizer of TF 1.
      global_step: the step; by default the graph's own, None for none.
      update_ops: what runs before; by default the collection `UPDATE_OPS`.
      variables_to_train: by default all that are trainable.
      clip_gradient_norm: a bound of each gradient's norm.
      gradient_multipliers: factors of gradients, by variable or its name.
      check_numerics: whether a loss that is not finite is an error.
      transform_grads_fn: a function of the pairs (gradient, variable).
    """
    from penstock.v1.contrib.embeddings import _scaled

    if isinstance(global_step, str):  # not given: None means that there is none
        global_step = tf.train.get_or_create_global_step()
    updates = list(tf.get_collection(GraphKeys.UPDATE_OPS) if update_ops is None else update_ops)
    if updates:
        with tf.control_dependencies(updates):
            total_loss = tf.identity(total_loss)
    pairs = optimizer.compute_gradients(
        total_loss, None if variables_to_train is None else list(variables_to_train)
    )
    if transform_grads_fn is not None:
        pairs = transform_grads_fn(pairs)
    if gradient_multipliers:
        pairs = [_scaled(gradient, variable, gradient_multipliers) for gradient, variable in pairs]
    if clip_gradient_norm > 0:
        pairs = clip_gradient_norms(pairs, clip_gradient_norm)
    update = optimizer.apply_gradients(pairs, global_step=global_step)
    if check_numerics:
        total_loss = tf.check_numerics(total_loss, "LossTensor is inf or nan")
    with tf.control_dependencies([update]):
        train_op = tf.identity(total_loss, name="train_op")
    tf.add_to_collection(GraphKeys.TRAIN_OP, train_op)
    return train_op


@export(v1=["contrib.training.clip_gradient_norms", "contrib.slim.learning.clip_gradient_norms"])
def clip_gradient_norms(
    gradients_to_variables: Sequence[tuple[Any, Any]], max_norm: float
) -> list[tuple[Any, Any]]:
    """Pairs (gradient, variable) with each gradient's norm bounded."""
    return [
        (None if gradient is None else tf.clip_by_norm(tf.convert_to_tensor(gradient), max_norm), variable)
        for gradient, variable in gradients_to_variables
    ]


@export(v1=["contrib.training.train"])
def train(
    train_op: Any,
    logdir: str | None,
    master: str = "",
    is_chief: bool = True,
    scaffold: Any = None,
    hooks: Sequence[Any] | None = None,
    chief_only_hooks: Sequence[Any] | None = None,
    save_checkpoint_secs: int | None = 600,
    save_summaries_steps: int | None = 100,
    config: Any = None,
    max_wait_secs: int = 7200,
    run_metadata: Any = None,
) -> Any:
    """Runs a training operation until a hook says stop, in a `MonitoredTrainingSession`; returns its last value.

    Raises:
      ValueError: without a `logdir` there is a request to save.
    """
    if logdir is None and is_chief:
        save_checkpoint_secs = save_summaries_steps = None
    with tf.train.MonitoredTrainingSession(
        master=master, is_chief=is_chief, checkpoint_dir=logdir, scaffold=scaffold, hooks=hooks,
        chief_only_hooks=chief_only_hooks, save_checkpoint_secs=save_checkpoint_secs,
        save_summaries_steps=save_summaries_steps, config=config,
    ) as session:  # fmt: skip
        value = None
        while not session.should_stop():
            value = session.run(train_op)
    return value
