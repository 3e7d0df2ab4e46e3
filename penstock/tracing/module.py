"""`tf.Module`: a named object that finds the variables and modules in its attributes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.graph.scopes import name_scope
from penstock.ops.variables.variable import Variable
from penstock.types import nest
from penstock.types.trackable import AutoTrackable

_IDENTIFIER = re.compile(r"^[a-zA-Z_]\w*$")


@export("Module")
class Module(AutoTrackable):
    """A container of variables, other modules, and functions over them.

    Attributes may be nests (lists, dicts, ...) of variables and modules.

    Args:
      name: a Python identifier; by default the class's name in snake case.

    Raises:
      ValueError: `name` is no identifier.

    Example:
      >>> import penstock as tf
      >>> class Dense(tf.Module):
      ...     def __init__(self, inputs, outputs):
      ...         super().__init__(name="dense")
      ...         self.w = tf.Variable(tf.ones([inputs, outputs]), name="w")
      ...     def __call__(self, x):
      ...         return x @ self.w
      >>> dense = Dense(3, 2)
      >>> dense(tf.ones([1, 3])).numpy().tolist(), [v.name for v in dense.variables]
      ([[3.0, 3.0]], ['w:0'])
    """

    # Attributes that are not looked into.
    _TF_MODULE_IGNORED_PROPERTIES = frozenset(("_self_dependencies",))

    def __init__(self, name: str | None = None):
        if name is None:
            name = _snake_case(type(self).__name__)
        elif not _IDENTIFIER.match(name):
            raise ValueError(
                f"{name!r} is not a valid module name. Module names must be valid Python identifiers "
                "(e.g. a valid class name)."
            )
        self._name = name
        with name_scope(name) as scope:
            self._name_scope = name_scope(scope)

    @property
    def name(self) -> str:
        """The name as given, or made from the class's."""
        return self._name

    @property
    def name_scope(self) -> name_scope:
        """The name scope of the module, to be entered with `with`."""
        return self._name_scope

    @property
    def variables(self) -> Sequence[Variable]:
        """The variables of the module and of its submodules."""
        return tuple(self._flatten(predicate=_is_variable, expand_composites=True))

    @property
    def trainable_variables(self) -> Sequence[Variable]:
        """Those that are trainable."""
        return tuple(self._flatten(predicate=_is_trainable_variable, expand_composites=True))

    @property
    def non_trainable_variables(self) -> Sequence[Variable]:
        """Those that are not."""
        return tuple(self._flatten(predicate=_is_non_trainable_variable, expand_composites=True))

    @property
    def submodules(self) -> Sequence[Module]:
        """All modules inside this one, at any depth."""
        return tuple(self._flatten(predicate=lambda value: isinstance(value, Module)))

    def _flatten(
        self,
        recursive: bool = True,
        predicate: Callable[[Any], bool] | None = None,
        attribute_traversal_key: Callable | None = None,
        with_path: bool = False,
        expand_composites: bool = False,
    ) -> Iterator[Any]:
        """The leaves of the attributes, each once unless paths are wanted.

        The module's own come first, sorted by attribute, then those of its submodules.

        Args:
          recursive: whether to go into modules.
          predicate: which leaves are wanted; all by default.
          attribute_traversal_key: the sort key of attribute names.
          with_path: whether to give pairs of the path (a tuple of names, keys and indices) and the leaf.
          expand_composites: whether to look into composite tensors.
        """
        wanted = predicate or (lambda leaf: True)
        return _leaves(
            self, recursive, wanted, attribute_traversal_key, with_path, expand_composites, (), {id(self)}
        )

    @classmethod
    def with_name_scope(cls, method: Callable) -> Callable:
        """Decorates a method so that it runs in the module's name scope.

        Example:
          >>> import penstock as tf
          >>> class Lazy(tf.Module):
          ...     @tf.Module.with_name_scope
          ...     def __call__(self):
          ...         return tf.Variable(1.0, name="v").name
          >>> Lazy()()
          'lazy/v:0'
        """

        @functools.wraps(method)
        def inside_scope(self: Module, *args: Any, **kwargs: Any) -> Any:
            with self.name_scope:
                return method(self, *args, **kwargs)

        return inside_scope


def _is_variable(value: Any) -> bool:
    return isinstance(value, Variable) or hasattr(value, "_should_act_as_resource_variable")


def _is_trainable_variable(value: Any) -> bool:
    return _is_variable(value) and getattr(value, "trainable", False)


def _is_non_trainable_variable(value: Any) -> bool:
    return _is_variable(value) and not getattr(value, "trainable", False)


def _snake_case(name: str) -> str:
    words = re.sub(r"((?<=[a-z0-9])[A-Z]|(?!^)(?<!_)[A-Z](?=[a-z]))", r"_\1", name)
    return words.lower()


def _leaves(
    module: Module, recursive: bool, wanted: Callable, key: Callable | None, with_path: bool, expand: bool,
    path: tuple, seen: set[int],
) -> Iterator[Any]:  # fmt: skip
    inner: list[tuple[tuple, Module]] = []
    attributes = vars(module)
    for name in sorted(attributes, key=key):
        if name in module._TF_MODULE_IGNORED_PROPERTIES:
            continue
        try:
            found = nest.flatten_with_tuple_paths(attributes[name], expand_composites=expand)
        except Exception as error:
            raise ValueError(f"Error processing property {name!r} of {module!r}: {error}") from error
        for leaf_path, leaf in found:
            if not with_path:
                if id(leaf) in seen:
                    continue
                seen.add(id(leaf))
            full_path = (*path, name, *leaf_path)
            if wanted(leaf):
                yield (full_path, leaf) if with_path else leaf
            if recursive and isinstance(leaf, Module):
                inner.append((full_path, leaf))
    for inner_path, each in inner:
        yield from _leaves(each, recursive, wanted, key, with_path, expand, inner_path, seen)
