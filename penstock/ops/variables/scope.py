"""v1's `variable_scope` and `get_variable`: variables found again by their names.

A graph has one store of variables and one stack of scopes. Running eagerly, `get_variable` makes a new variable each
time, as TensorFlow does, unless a template (`make_template`) or an `EagerVariableStore` keeps them.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.graph.scopes import name_scope_v1
from penstock.ops.graph_collections import GraphKeys
from penstock.ops.variables.creation import VariableAggregation, VariableSynchronization
from penstock.ops.variables.store import AUTO_REUSE, VariableStore
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype


@export(v1=["VariableScope"])
class VariableScope:
    """What `get_variable` takes where it is not told: the prefix of names, initializer, reuse, and so on.

    Attributes:
      name: the prefix. reuse: True, False or None, or `AUTO_REUSE`. The others: see `variable_scope`.
      original_name_scope: the name scope of the first entrance, with a trailing slash.
    """

    def __init__(
        self,
        reuse: Any,
        name: str = "",
        initializer: Any = None,
        regularizer: Callable | None = None,
        caching_device: Any = None,
        partitioner: Callable | None = None,
        custom_getter: Callable | None = None,
        name_scope: str = "",
        dtype: Any = dtypes.float32,
        use_resource: bool | None = None,
        constraint: Callable | None = None,
    ):
        self.name, self.initializer, self.regularizer = name, initializer, regularizer
        self.reuse = AUTO_REUSE if thread.graph is None else reuse
        self.caching_device, self.partitioner, self.custom_getter = caching_device, partitioner, custom_getter
        self.original_name_scope = self._name_scope = name_scope
        self.dtype, self.use_resource, self.constraint = dtype, use_resource, constraint

    def reuse_variables(self) -> None:
        """From now on variables must exist already."""
        self.reuse = True

    def set_initializer(self, initializer: Any) -> None:
        """Sets the default initializer."""
        self.initializer = initializer

    def set_dtype(self, dtype: Any) -> None:
        """Sets the default dtype."""
        self.dtype = dtype

    def set_use_resource(self, use_resource: bool) -> None:
        """Kept for TF 1's interface: every variable is a resource."""
        self.use_resource = use_resource

    def set_regularizer(self, regularizer: Callable | None) -> None:
        """Sets the default regularizer."""
        self.regularizer = regularizer

    def set_caching_device(self, caching_device: Any) -> None:
        """Sets the device that caches values; without effect."""
        self.caching_device = caching_device

    def set_partitioner(self, partitioner: Callable | None) -> None:
        """Sets the default partitioner."""
        self.partitioner = partitioner

    def set_custom_getter(self, custom_getter: Callable | None) -> None:
        """Sets the custom getter."""
        self.custom_getter = custom_getter

    def get_collection(self, name: Any) -> list:
        """The items of a collection whose names begin with this scope's."""
        return current_graph().get_collection(name, self.name + "/" if self.name else "")

    def trainable_variables(self) -> list:
        """The trainable variables in this scope."""
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def global_variables(self) -> list:
        """The global variables in this scope."""
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self) -> list:
        """The local variables in this scope."""
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)

    def get_variable(
        self,
        var_store: VariableStore,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Callable | None = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Callable | None = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        custom_getter: Callable | None = None,
        constraint: Callable | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
    ) -> Any:
        """The variable `name` of this scope in a store; made there if it may be."""
        if dtype is not None and initializer is not None and not callable(initializer):
            given = convert_to_tensor(initializer).dtype.base_dtype
            if given != as_dtype(dtype):
                raise ValueError(
                    f"Initializer type '{given.name}' and explicit dtype '{as_dtype(dtype).name}' don't match."
                )
        # Names of variables follow variable scopes only.
        with name_scope_v1(None):
            return var_store.get(
                self.custom_getter if custom_getter is None else custom_getter,
                name="/".join(part for part in (self.name, name) if part),
                shape=shape,
                dtype=self.dtype if dtype is None else dtype,
                initializer=self.initializer if initializer is None else initializer,
                regularizer=self.regularizer if regularizer is None else regularizer,
                reuse=self.reuse if reuse is None else reuse,
                trainable=trainable,
                collections=collections,
                caching_device=self.caching_device if caching_device is None else caching_device,
                partitioner=self.partitioner if partitioner is None else partitioner,
                validate_shape=validate_shape,
                use_resource=use_resource,
                constraint=self.constraint if constraint is None else constraint,
                synchronization=synchronization,
                aggregation=aggregation,
            )


# The current store and scope: each graph has its own, and so has each thread while it runs eagerly.


class _State:
    def __init__(self) -> None:
        self.store = VariableStore()
        self.scope = VariableScope(False)


class _EagerState(threading.local, _State):
    def __init__(self) -> None:
        _State.__init__(self)


_eager_state = _EagerState()


def scope_state() -> _State:
    """The current store and scope."""
    graph = thread.graph
    if graph is None:
        return _eager_state
    held = graph.get_collection_ref(("__variable_scopes",))
    if not held:
        held.append(_State())
    return held[0]


@export(v1=["get_variable_scope"])
def get_variable_scope() -> VariableScope:
    """The current variable scope."""
    return scope_state().scope


def default_variable_store() -> VariableStore:
    """The store that `get_variable` looks into."""
    return scope_state().store


@export(v1=["get_variable"])
def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable | None = None,
    trainable: bool | None = None,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: Callable | None = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Callable | None = None,
    constraint: Callable | None = None,
    synchronization: VariableSynchronization = VariableSynchronization.AUTO,
    aggregation: VariableAggregation = VariableAggregation.NONE,
) -> Any:
    """The variable with a name in the current variable scope; made where it does not exist.

    Args:
      name: its name, to which the scope's is prefixed.
      shape, dtype: those of a new variable, checked against one that exists. float32 by default.
      initializer: a value, or a function of shape and dtype; by default the scope's, else Glorot uniform (floating
        point) or zeros.
      regularizer: a function of the variable whose result joins `GraphKeys.REGULARIZATION_LOSSES`.
      trainable, collections, validate_shape, constraint, synchronization, aggregation: as for `tf.compat.v1.Variable`.
      partitioner: a function of shape and dtype that says into how many parts each axis is cut.
      custom_getter: `f(getter, name, **arguments)`, called instead of making the variable.

    Raises:
      ValueError: the variable exists and the scope does not reuse, or the other way round, or shapes or dtypes differ.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     with tf.compat.v1.variable_scope("layer"):
      ...         w = tf.compat.v1.get_variable("w", [2, 3])
      ...     with tf.compat.v1.variable_scope("layer", reuse=True):
      ...         again = tf.compat.v1.get_variable("w", [2, 3])
      >>> w is again, w.name
      (True, 'layer/w:0')
    """
    return get_variable_scope().get_variable(
        default_variable_store(), name, shape=shape, dtype=dtype, initializer=initializer, regularizer=regularizer,
        trainable=trainable, collections=collections, caching_device=caching_device, partitioner=partitioner,
        validate_shape=validate_shape, use_resource=use_resource, custom_getter=custom_getter, constraint=constraint,
        synchronization=synchronization, aggregation=aggregation,
    )  # fmt: skip


@export(v1=["get_local_variable"])
def get_local_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable | None = None,
    trainable: bool = False,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: Callable | None = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Callable | None = None,
    constraint: Callable | None = None,
    synchronization: VariableSynchronization = VariableSynchronization.AUTO,
    aggregation: VariableAggregation = VariableAggregation.NONE,
) -> Any:
    """As `get_variable`, for a variable of one process: in `LOCAL_VARIABLES`, and not trainable."""
    local = [*(collections or []), GraphKeys.LOCAL_VARIABLES]
    return get_variable(
        name, shape, dtype, initializer, regularizer, False, local, caching_device, partitioner, validate_shape,
        use_resource, custom_getter, constraint, synchronization, aggregation,
    )  # fmt: skip


@contextlib.contextmanager
def _entered(
    scope_or_name: Any, reuse: Any, overrides: dict[str, Any], old_name_scope: str | None
) -> Iterator[Any]:
    """Makes a variable scope current: a given one under its own name, or a new one inside the current."""
    state = scope_state()
    outer, opened = state.scope, dict(state.store.opened)
    if isinstance(scope_or_name, VariableScope):
        base, full_name = scope_or_name, scope_or_name.name
        inner_reuse = reuse or base.reuse
        name_scope_of = old_name_scope if old_name_scope is not None else base._name_scope
    else:
        base = outer
        full_name = f"{outer.name}/{scope_or_name}" if outer.name else scope_or_name
        inner_reuse = reuse or outer.reuse
        name_scope_of = old_name_scope if old_name_scope is not None else scope_or_name
    scope = VariableScope(
        inner_reuse, full_name, base.initializer, base.regularizer, base.caching_device, base.partitioner,
        base.custom_getter, name_scope_of, base.dtype, base.use_resource, base.constraint,
    )  # fmt: skip
    for attribute, value in overrides.items():
        if value is None:
            continue
        if attribute == "custom_getter" and base.custom_getter is not None:
            value = _chained(value, base.custom_getter)
        setattr(scope, attribute, value)
    state.store.open_scope(full_name)
    state.scope = scope
    try:
        yield scope
    finally:
        state.store.close_subscopes(full_name)
        if isinstance(scope_or_name, VariableScope):
            state.store.opened = opened
        state.scope = outer


def _chained(custom_getter: Callable, outer_getter: Callable) -> Callable:
    def getter(getter: Callable, *args: Any, **kwargs: Any) -> Any:
        return custom_getter(functools.partial(outer_getter, getter), *args, **kwargs)

    return getter


@export(v1=["variable_scope"])
class variable_scope:  # noqa: N801
    """Prefixes the names of variables that `get_variable` makes or finds inside, and sets defaults for them.

    Args:
      name_or_scope: the scope's name, or a `VariableScope` to enter again.
      default_name: where `name_or_scope` is None: a name that is made unique.
      values: tensors whose graph is used.
      initializer, regularizer, caching_device, partitioner, custom_getter, dtype, use_resource, constraint: defaults
        for the variables inside.
      reuse: True: variables must exist; `AUTO_REUSE`: they are made where they do not; None: as the outer scope.
      auxiliary_name_scope: whether to enter a name scope of the same name too.

    Raises:
      ValueError: `reuse` is given without a name.
    """

    def __init__(
        self,
        name_or_scope: Any,
        default_name: str | None = None,
        values: Any = None,
        initializer: Any = None,
        regularizer: Callable | None = None,
        caching_device: Any = None,
        partitioner: Callable | None = None,
        custom_getter: Callable | None = None,
        reuse: Any = None,
        dtype: Any = None,
        use_resource: bool | None = None,
        constraint: Callable | None = None,
        auxiliary_name_scope: bool = True,
    ):
        if default_name is None and name_or_scope is None:
            raise TypeError("If default_name is None then name_or_scope is required")
        if reuse is False:
            reuse = None  # False inherits, as None does
        if not (reuse is True or reuse is AUTO_REUSE or reuse is None):
            raise ValueError(f"The reuse parameter must be True or False or None. Got {reuse!r}.")
        if name_or_scope is not None and not isinstance(name_or_scope, (str, VariableScope)):
            raise TypeError("VariableScope: name_or_scope must be a string or VariableScope.")
        self._name_or_scope, self._default_name, self._reuse = name_or_scope, default_name, reuse
        self._auxiliary = auxiliary_name_scope
        self._overrides = {
            "initializer": initializer, "regularizer": regularizer, "caching_device": caching_device,
            "partitioner": partitioner, "custom_getter": custom_getter, "dtype": dtype, "use_resource": use_resource,
            "constraint": constraint,
        }  # fmt: skip
        self._graph = next(
            (each.graph for each in values or () if getattr(each, "is_symbolic_tensor", False)), None
        )

    def __enter__(self) -> VariableScope:
        stack = contextlib.ExitStack()
        if self._graph is not None and thread.graph is None:
            stack.enter_context(self._graph.as_default())
        self._stack = stack
        chosen = self._name_or_scope
        if chosen is None:
            if self._reuse:
                raise ValueError("reuse=True cannot be used without a name_or_scope")
            chosen = default_variable_store().unique_scope(self._default_name, scope_state().scope.name)  # type: ignore[arg-type]
        label = chosen.name.rpartition("/")[2] if isinstance(chosen, VariableScope) else chosen
        original = None
        if self._auxiliary and label:
            original = stack.enter_context(name_scope_v1(label))
        elif not self._auxiliary:
            original = thread.graph.get_name_scope() if thread.graph is not None else thread.name_scope
            original = original.rstrip("/") + "/" if original else ""
        kept = chosen.original_name_scope if isinstance(chosen, VariableScope) else original
        return stack.enter_context(_entered(chosen, self._reuse, self._overrides, kept))

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)


@export(v1=["variable_op_scope"])
def variable_op_scope(
    values: Any,
    name_or_scope: Any,
    default_name: str | None = None,
    initializer: Any = None,
    regularizer: Callable | None = None,
    caching_device: Any = None,
    partitioner: Callable | None = None,
    custom_getter: Callable | None = None,
    reuse: Any = None,
    dtype: Any = None,
    use_resource: bool | None = None,
    constraint: Callable | None = None,
) -> variable_scope:
    """The older form of `variable_scope`."""
    return variable_scope(
        name_or_scope, default_name, values, initializer, regularizer, caching_device, partitioner, custom_getter,
        reuse, dtype, use_resource, constraint,
    )  # fmt: skip


@export(v1=["no_regularizer"])
def no_regularizer(_: Any) -> None:
    """A regularizer that adds nothing: for a scope inside one that regularizes."""
    return


class EagerVariableStore:
    """Keeps the variables that `get_variable` makes while running eagerly, so that they are found again.

    Use as `with store.as_default(): ...`.
    """

    def __init__(self) -> None:
        self._store = VariableStore(keeps_eager_variables=True)

    @contextlib.contextmanager
    def as_default(self) -> Iterator[None]:
        """`get_variable` looks into this store inside."""
        state = scope_state()
        outer, state.store = state.store, self._store
        try:
            yield
        finally:
            state.store = outer

    def variables(self) -> list:
        """The variables, by name."""
        return sorted(self._store.variables.values(), key=lambda variable: variable.name)

    def trainable_variables(self) -> list:
        """The trainable ones."""
        return [each for each in self.variables() if each.trainable]

    def non_trainable_variables(self) -> list:
        """The others."""
        return [each for each in self.variables() if not each.trainable]
