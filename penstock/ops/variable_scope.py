"""v1's `variable_scope` and `get_variable`: variables found again by their names.

A graph has one store of variables and one stack of scopes. Running eagerly, `get_variable` makes a new variable each
time, as TensorFlow does, unless a template (`make_template`) or an `EagerVariableStore` keeps them.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine import source_line
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import EXPORTS, export
from penstock.graph.graph import current_graph
from penstock.graph.scopes import name_scope, name_scope_v1
from penstock.ops.graph_collections import GraphKeys, add_to_collection
from penstock.ops.partitioned_variables import PartitionedVariable, make_partitioned
from penstock.ops.variable_creation import VariableAggregation, VariableSynchronization
from penstock.ops.variable_v1 import VariableV1
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape


class _ReuseMode(enum.Enum):
    AUTO_REUSE = 1


AUTO_REUSE = _ReuseMode.AUTO_REUSE
export(v1=["AUTO_REUSE"])(AUTO_REUSE)


class VariableStore:
    """Variables by full name, and how often each scope has been opened."""

    def __init__(self, keeps_eager_variables: bool = False):
        self.variables: dict[str, Any] = {}
        self.partitioned: dict[str, PartitionedVariable] = {}
        self.opened: dict[str, int] = {}  # full scope name -> count, for unique default names
        self.keeps_eager_variables = keeps_eager_variables
        self.made_at: dict[str, Any] = {}

    def get(self, getter: Callable | None, **arguments: Any) -> Any:
        """The variable with the given name, through a custom getter where there is one."""
        if getter is None:
            return self._get(**arguments)
        if "constraint" not in _parameters(getter) and arguments["constraint"] is None:
            arguments.pop("constraint")
        return getter(getter=self._get, **arguments)

    def _get(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        initializer: Any = None,
        regularizer: Callable | None = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Callable | None = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        constraint: Callable | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
    ) -> Any:
        options = {
            "trainable": trainable, "collections": collections, "caching_device": caching_device,
            "validate_shape": validate_shape, "use_resource": use_resource, "constraint": constraint,
            "synchronization": synchronization, "aggregation": aggregation,
        }  # fmt: skip
        single = functools.partial(self._get_single, regularizer=regularizer, reuse=reuse, options=options)
        is_scalar = shape is not None and TensorShape(shape).rank == 0
        if partitioner is not None and not is_scalar and thread.graph is not None:
            return self._get_partitioned(name, shape, dtype, initializer, partitioner, reuse, single)
        if f"{name}/part_0" in self.variables and reuse:
            raise ValueError(
                f"No partitioner was provided, but a partitioned version of the variable was found: {name}/part_0. "
                "Perhaps a variable of the same name was already created with partitioning?"
            )
        return single(name, shape, dtype, initializer)

    def _get_partitioned(
        self, name: str, shape: Any, dtype: Any, initializer: Any, partitioner: Callable, reuse: Any, single: Callable
    ) -> PartitionedVariable:
        known = self.partitioned.get(name)
        if known is not None:
            if not reuse:
                raise ValueError(
                    f"Partitioned variable with name {name} already exists. Did you mean to set reuse=True or "
                    "reuse=tf.AUTO_REUSE in VarScope?"
                )
            return known
        if reuse is True:
            raise _missing(f"PartitionedVariable {name}")
        initializer = initializer if initializer is not None else _default_initializer(name, as_dtype(dtype))
        found = make_partitioned(name, TensorShape(shape), as_dtype(dtype), initializer, partitioner, single)
        self.partitioned[name] = found
        return found

    def _get_single(
        self, name: str, shape: Any, dtype: Any, initializer: Any, regularizer: Any, reuse: Any, options: dict[str, Any]
    ) -> Any:
        is_value = initializer is not None and not callable(initializer)
        if shape is not None and is_value:
            raise ValueError("If initializer is a constant, do not specify shape.")
        dtype, shape = as_dtype(dtype), TensorShape(shape)
        found = self.variables.get(name)
        if found is not None:
            self._check_shared(found, name, shape, dtype, reuse)
            return found
        if reuse is True and (thread.graph is not None or self.keeps_eager_variables):
            raise _missing(f"Variable {name}")
        if initializer is None:
            if shape.rank is None:
                raise ValueError(
                    f"Variable {name} did not get an initializer, so its `shape` argument must be specified."
                )
            initializer = _default_initializer(name, dtype)
        if is_value:
            value, variable_dtype = initializer, None
        else:
            value, variable_dtype = _initial_value(initializer, shape, dtype)
        variable = VariableV1(initial_value=value, name=name, dtype=variable_dtype, **options)
        if thread.graph is not None or self.keeps_eager_variables:
            self.variables[name] = variable
            self.made_at[name] = source_line.caller()
        if regularizer is not None:
            _add_regularization_loss(variable, name, regularizer)
        return variable

    def _check_shared(self, found: Any, name: str, shape: TensorShape, dtype: DType, reuse: Any) -> None:
        if not reuse:
            raise ValueError(
                f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in "
                f"VarScope? Originally defined at: {self.made_at.get(name)}"
            )
        if not shape.is_compatible_with(found.shape):
            raise ValueError(
                f"Trying to share variable {name}, but specified shape {shape} and found shape {found.shape}."
            )
        if not dtype.is_compatible_with(found.dtype):
            raise ValueError(
                f"Trying to share variable {name}, but specified dtype {dtype.name} and found dtype {found.dtype.name}."
            )

    # How often scopes have been opened.

    def open_scope(self, name: str) -> None:
        """Counts that a scope is entered."""
        self.opened[name] = self.opened.get(name, 0) + 1

    def close_subscopes(self, name: str) -> None:
        """Forgets the scopes inside `name`, so that entering it again gives the same names."""
        for each in self.opened:
            if not name or each.startswith(name + "/"):
                self.opened[each] = 0

    def unique_scope(self, prefix: str) -> str:
        """`prefix`, with `_1`, `_2`, ... where a scope of that name has been opened in the current one."""
        current = _state().scope.name
        full = f"{current}/{prefix}" if current else prefix
        if not self.opened.get(full):
            return prefix
        index = 1
        while self.opened.get(f"{full}_{index}"):
            index += 1
        return f"{prefix}_{index}"


def _missing(what: str) -> ValueError:
    return ValueError(
        f"{what} does not exist, or was not created with tf.get_variable(). Did you mean to set reuse=tf.AUTO_REUSE in "
        "VarScope?"
    )


def _parameters(function: Callable) -> set[str]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return set()
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return {*parameters, "constraint"}
    return set(parameters)


def _default_initializer(name: str, dtype: DType) -> Any:
    """Glorot uniform for floating point, zeros for integers and truth values."""
    if dtype.is_floating:
        return EXPORTS["v1"]["glorot_uniform_initializer"]()
    if dtype.is_integer or dtype.is_unsigned or dtype.is_bool or dtype is dtypes.string:
        return EXPORTS["v1"]["zeros_initializer"]()
    raise ValueError(f"An initializer for variable {name} of {dtype!r} is required")


def _initial_value(initializer: Any, shape: TensorShape, dtype: DType) -> tuple[Callable, DType | None]:
    """A function without arguments for the initial value, and the dtype that the variable must get."""
    if inspect.isclass(initializer):
        initializer = initializer()
    if shape.is_fully_defined():
        arguments: dict[str, Any] = {"dtype": dtype}
        if "partition_info" in _parameters(getattr(initializer, "__call__", initializer)) and not inspect.isfunction(
            initializer
        ):
            arguments["partition_info"] = None
        return functools.partial(initializer, shape.as_list(), **arguments), dtype.base_dtype
    required = [
        each
        for each in inspect.signature(initializer).parameters.values()
        if each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    if required:
        raise ValueError(
            "The initializer passed is not valid. It should be a callable with no arguments and the shape should not be "
            "provided or an instance of `tf.keras.initializers.*' and `shape` should be fully defined."
        )
    return initializer, None


def _add_regularization_loss(variable: Any, name: str, regularizer: Callable) -> None:
    with name_scope(f"{name}/Regularizer/"):
        loss = regularizer(variable)
    if loss is not None and thread.graph is not None:
        add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)


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


def _state() -> _State:
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
    return _state().scope


def default_variable_store() -> VariableStore:
    """The store that `get_variable` looks into."""
    return _state().store


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
def _entered(scope_or_name: Any, reuse: Any, overrides: dict[str, Any], old_name_scope: str | None) -> Iterator[Any]:
    """Makes a variable scope current: a given one under its own name, or a new one inside the current."""
    state = _state()
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
        self._graph = next((each.graph for each in values or () if getattr(each, "is_symbolic_tensor", False)), None)

    def __enter__(self) -> VariableScope:
        stack = contextlib.ExitStack()
        if self._graph is not None and thread.graph is None:
            stack.enter_context(self._graph.as_default())
        self._stack = stack
        chosen = self._name_or_scope
        if chosen is None:
            if self._reuse:
                raise ValueError("reuse=True cannot be used without a name_or_scope")
            chosen = default_variable_store().unique_scope(self._default_name)  # type: ignore[arg-type]
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
    return None


class EagerVariableStore:
    """Keeps the variables that `get_variable` makes while running eagerly, so that they are found again.

    Use as `with store.as_default(): ...`.
    """

    def __init__(self) -> None:
        self._store = VariableStore(keeps_eager_variables=True)

    @contextlib.contextmanager
    def as_default(self) -> Iterator[None]:
        """`get_variable` looks into this store inside."""
        state = _state()
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
