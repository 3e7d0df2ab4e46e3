"""`make_template`: a function whose variables are made on its first call and shared by the later ones."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.ops.graph_collections import GraphKeys
from penstock.ops.variables.scope import AUTO_REUSE, EagerVariableStore, VariableScope, variable_scope
from penstock.types.trackable import Trackable


class Template(Trackable):
    """A function with a variable scope of its own. Made by `make_template`, which see."""

    def __init__(
        self, name: str, function: Callable, create_scope_now: bool, unique_name: str | None,
        custom_getter: Callable | None, arguments: dict[str, Any],
    ):  # fmt: skip
        if name is None:
            raise ValueError("name cannot be None.")
        self._name, self._function, self._arguments = name, function, arguments
        self._unique_name, self._custom_getter = unique_name, custom_getter
        self._scope: VariableScope | None = None
        self._variables_made = False
        self._store = EagerVariableStore() if thread.graph is None else None
        self.__name__, self.__doc__ = getattr(function, "__name__", name), getattr(function, "__doc__", None)
        if create_scope_now:
            with self._own_scope():
                pass

    @contextlib.contextmanager
    def _own_scope(self) -> Iterator[None]:
        if self._scope is not None:
            with variable_scope(self._scope, reuse=True if self._variables_made else AUTO_REUSE):
                yield
            return
        options: dict[str, Any] = {"custom_getter": self._custom_getter}
        chosen = (
            variable_scope(self._unique_name, **options)
            if self._unique_name
            else variable_scope(None, self._name, **options)
        )
        with chosen as self._scope:
            yield

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function in its scope."""
        if self._store is not None:
            with self._store.as_default():
                return self._call(args, kwargs)
        return self._call(args, kwargs)

    def _call(self, args: tuple, kwargs: dict) -> Any:
        with self._own_scope():
            result = self._function(*args, **{**self._arguments, **kwargs})
            # From here on the variables must exist; a first call without any may still make them.
            self._variables_made = self._variables_made or bool(self.variables)
            return result

    @property
    def name(self) -> str:
        """The name that was given."""
        return self._name

    @property
    def func(self) -> Callable:
        """The function."""
        return self._function

    @property
    def variable_scope(self) -> VariableScope | None:
        """The template's scope; None before the first call."""
        return self._scope

    @property
    def variable_scope_name(self) -> str | None:
        """The name of the scope."""
        return None if self._scope is None else self._scope.name

    def _collection(self, key: str) -> list:
        if self._scope is None:
            return []
        graph = thread.graph
        return [] if graph is None else graph.get_collection(key, self._scope.name + "/")

    @property
    def variables(self) -> list:
        """The variables that the function made."""
        if self._store is not None:
            return self._store.variables()
        return self._collection(GraphKeys.GLOBAL_VARIABLES) + self._collection(GraphKeys.LOCAL_VARIABLES)

    global_variables = weights = variables

    @property
    def trainable_variables(self) -> list:
        """The trainable ones."""
        return (
            self._store.trainable_variables()
            if self._store is not None
            else self._collection(GraphKeys.TRAINABLE_VARIABLES)
        )

    trainable_weights = trainable_variables

    @property
    def non_trainable_variables(self) -> list:
        """The others."""
        return [each for each in self.variables if not each.trainable]

    non_trainable_weights = non_trainable_variables

    @property
    def local_variables(self) -> list:
        """The local ones."""
        return self._collection(GraphKeys.LOCAL_VARIABLES)

    def _trackable_children(
        self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        children = super()._trackable_children(save_type, cache=cache, **kwargs)
        prefix = (self.variable_scope_name or "") + "/"
        return {
            **children,
            **{each.name.rpartition(":")[0].removeprefix(prefix): each for each in self.variables},
        }


@export(v1=["make_template"])
def make_template(
    name_: str,
    func_: Callable,
    create_scope_now_: bool = False,
    unique_name_: str | None = None,
    custom_getter_: Callable | None = None,
    **kwargs: Any,
) -> Template:
    """Wraps a function so that the variables it gets are the same on each call.

    Args:
      name_: the name of the variable scope, made unique.
      func_: the function; it makes variables with `tf.compat.v1.get_variable`.
      create_scope_now_: whether the scope's name is taken now, rather than on the first call.
      unique_name_: a name that is taken as it is.
      custom_getter_: as in `tf.compat.v1.variable_scope`.
      **kwargs: arguments of each call.

    Example:
      >>> import penstock as tf
      >>> def scaled(x):
      ...     return x * tf.compat.v1.get_variable("s", [], initializer=tf.ones)
      >>> scale = tf.compat.v1.make_template("scale", scaled)
      >>> [float(scale(2.0)), len(scale.variables)]
      [2.0, 1]
    """
    return Template(name_, func_, create_scope_now_, unique_name_, custom_getter_, kwargs)
