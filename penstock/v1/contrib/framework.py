"""`contrib.framework`: variables of models, by kind and by name; and names that have moved out of `contrib`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.graph.scopes import device_v1
from penstock.ops.graph_collections import GraphKeys
from penstock.ops.variables.scope import get_variable
from penstock.types import nest
from penstock.v1.api import tf
from penstock.v1.contrib.arg_scope import add_arg_scope


def _names(name: str) -> list[str]:
    return [f"contrib.{each}.{name}" for each in ("framework", "slim", "framework.python.ops.variables")]


@export(v1=_names("variable"))
@add_arg_scope
def variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable | None = None,
    trainable: bool = True,
    collections: Sequence[str] | None = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Callable | None = None,
    custom_getter: Callable | None = None,
    use_resource: bool | None = None,
    **kwargs: Any,
) -> Any:
    """`tf.get_variable` in the collection `GLOBAL_VARIABLES` and those given; takes arguments from `arg_scope`."""
    held = list(collections if collections is not None else [GraphKeys.GLOBAL_VARIABLES])
    held = list(dict.fromkeys([GraphKeys.GLOBAL_VARIABLES, *held]))
    with device_v1(device or ""):
        arguments = {
            "shape": shape, "dtype": dtype, "initializer": initializer, "regularizer": regularizer,
            "trainable": trainable, "collections": held, "caching_device": caching_device, "partitioner": partitioner,
            "use_resource": use_resource,
        }  # fmt: skip
        if custom_getter is not None:
            return custom_getter(get_variable, name, **arguments)
        return get_variable(name, **arguments)


@export(v1=_names("model_variable"))
@add_arg_scope
def model_variable(
    name: str,
    shape: Any = None,
    dtype: Any = "float32",
    initializer: Any = None,
    regularizer: Callable | None = None,
    trainable: bool = True,
    collections: Sequence[str] | None = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Callable | None = None,
    custom_getter: Callable | None = None,
    use_resource: bool | None = None,
    **kwargs: Any,
) -> Any:
    """A variable that belongs to a model: `variable` in the collection `MODEL_VARIABLES` too."""
    held = [*(collections or []), GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES]
    return variable(
        name, shape, dtype, initializer, regularizer, trainable, held, caching_device, device, partitioner,
        custom_getter, use_resource,
    )  # fmt: skip


@export(v1=[*_names("local_variable"), *_names("local_variable_op")])
def local_variable(
    initial_value: Any, validate_shape: bool = True, name: str | None = None, use_resource: bool | None = None
) -> Any:
    """A variable that is not trained, in the collection `LOCAL_VARIABLES`."""
    return tf.Variable(
        initial_value,
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES],
        validate_shape=validate_shape,
        name=name,
    )


@export(v1=_names("add_model_variable"))
def add_model_variable(var: Any) -> None:
    """Adds a variable to the collection `MODEL_VARIABLES`, once."""
    held = current_graph().get_collection_ref(GraphKeys.MODEL_VARIABLES)
    if not any(each is var for each in held):
        held.append(var)


# Finding variables.


@export(v1=_names("get_variables"))
def get_variables(
    scope: Any = None, suffix: str | None = None, collection: str = GraphKeys.GLOBAL_VARIABLES
) -> list[Any]:
    """The variables of a collection whose names begin with a scope, and end with a suffix."""
    if hasattr(scope, "name"):
        scope = scope.name
    if suffix is not None:
        suffix = suffix if ":" in suffix else suffix + ":0"
        scope = (scope or "") + ".*" + suffix
    return tf.get_collection(collection, scope)


def _getter(collection: str, name: str, what: str) -> Callable:
    def getter(scope: Any = None, suffix: str | None = None) -> list[Any]:
        return get_variables(scope, suffix, collection)

    getter.__name__ = getter.__qualname__ = name
    getter.__doc__ = f"The {what} whose names begin with a scope, and end with a suffix."
    return export(v1=_names(name))(getter)


get_model_variables = _getter(GraphKeys.MODEL_VARIABLES, "get_model_variables", "variables of models")
get_local_variables = _getter(GraphKeys.LOCAL_VARIABLES, "get_local_variables", "local variables")
get_trainable_variables = _getter(
    GraphKeys.TRAINABLE_VARIABLES, "get_trainable_variables", "trainable variables"
)


@export(v1=_names("get_variables_by_name"))
def get_variables_by_name(given_name: str, scope: str | None = None) -> list[Any]:
    """The variables of a name."""
    return get_variables(scope, f"/{given_name}:|^{given_name}:")


@export(v1=_names("get_variables_by_suffix"))
def get_variables_by_suffix(suffix: str, scope: str | None = None) -> list[Any]:
    """The variables whose names end with a suffix."""
    return get_variables(scope, suffix)


@export(v1=_names("get_unique_variable"))
def get_unique_variable(var_op_name: str) -> Any:
    """The variable of a full name.

    Raises:
      ValueError: there is none, or several.
    """
    found = [each for each in get_variables(var_op_name) if each.name.rpartition(":")[0] == var_op_name]
    if len(found) == 1:
        return found[0]
    raise ValueError(f"Variable {var_op_name} {'is not unique' if found else 'does not exist'}.")


@export(v1=_names("get_variables_to_restore"))
def get_variables_to_restore(
    include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
) -> list[Any]:
    """The global variables in the scopes `include` (by default all), without those in the scopes `exclude`."""
    kept = [each for scope in (include or [None]) for each in get_variables(scope)]
    dropped = {id(each) for scope in exclude or () for each in get_variables(scope)}
    return [each for each in kept if id(each) not in dropped]


@export(v1=_names("filter_variables"))
def filter_variables(
    var_list: Sequence[Any],
    include_patterns: Sequence[str] | None = None,
    exclude_patterns: Sequence[str] | None = None,
    reg_search: bool = True,
) -> list[Any]:
    """The variables whose names match one of some patterns, and none of others.

    Args:
      reg_search: whether patterns may match inside a name; else they must match its beginning.
    """
    look = re.search if reg_search else re.match

    def matches(var: Any, patterns: Sequence[str]) -> bool:
        return any(look(pattern, var.name.rpartition(":")[0]) for pattern in patterns)

    kept = [each for each in var_list if include_patterns is None or matches(each, include_patterns)]
    return [each for each in kept if not (exclude_patterns and matches(each, exclude_patterns))]


# Giving variables values.


@export(v1=_names("assign_from_values"))
def assign_from_values(var_names_to_values: Mapping[str, Any]) -> tuple[Any, dict[Any, Any]]:
    """An operation that assigns values to variables by name, and the feed dictionary that it runs with."""
    operations, feed = [], {}
    for name, value in var_names_to_values.items():
        var = get_unique_variable(name)
        placeholder = tf.placeholder(var.dtype.base_dtype, var.shape)
        operations.append(var.assign(placeholder, read_value=False))
        feed[placeholder] = value
    return tf.group(*operations), feed


@export(v1=_names("assign_from_values_fn"))
def assign_from_values_fn(var_names_to_values: Mapping[str, Any]) -> Callable:
    """A function of a session that assigns values to variables by name."""
    operation, feed = assign_from_values(var_names_to_values)
    return lambda session: session.run(operation, feed)


def _checkpoint_names(var_list: Any) -> dict[str, Any]:
    if isinstance(var_list, Mapping):
        return dict(var_list)
    return {each.name.rpartition(":")[0]: each for each in var_list}


@export(v1=_names("assign_from_checkpoint"))
def assign_from_checkpoint(
    model_path: str, var_list: Any, ignore_missing_vars: bool = False
) -> tuple[Any, dict[Any, Any]]:
    """An operation that assigns the values of a checkpoint to variables, and its feed dictionary.

    Args:
      model_path: the checkpoint's prefix.
      var_list: variables, or a dictionary from names in the checkpoint to variables.
      ignore_missing_vars: whether variables that the checkpoint lacks are left alone.

    Raises:
      ValueError: the checkpoint lacks a variable.
    """
    reader = tf.train.NewCheckpointReader(model_path)
    operations, feed = [], {}
    for name, var in _checkpoint_names(var_list).items():
        if not reader.has_tensor(name):
            if ignore_missing_vars:
                continue
            raise ValueError(f"Checkpoint is missing variable [{name}]")
        placeholder = tf.placeholder(var.dtype.base_dtype, var.shape)
        operations.append(var.assign(placeholder, read_value=False))
        feed[placeholder] = reader.get_tensor(name).reshape(var.shape.as_list())
    return tf.group(*operations), feed


@export(v1=_names("assign_from_checkpoint_fn"))
def assign_from_checkpoint_fn(
    model_path: str, var_list: Any, ignore_missing_vars: bool = False, reshape_variables: bool = False
) -> Callable:
    """A function of a session that assigns the values of a checkpoint to variables; see `assign_from_checkpoint`."""
    operation, feed = assign_from_checkpoint(model_path, var_list, ignore_missing_vars)
    return lambda session: session.run(operation, feed)


# Names that are elsewhere now.


def _moved(name: str, target: str, *more: str) -> None:
    """Exports `contrib.framework.<name>`: the public function `target`, looked up when it is called."""

    def moved(*args: Any, **kwargs: Any) -> Any:
        function: Any = functools.reduce(getattr, target.split("."), tf)
        return function(*args, **kwargs)

    moved.__name__ = moved.__qualname__ = name
    moved.__doc__ = f"The same as `tf.compat.v1.{target}`."
    export(v1=[*_names(name), *more])(moved)


for _name in ("get_or_create_global_step", "get_global_step", "create_global_step", "assert_global_step"):
    _moved(_name, f"train.{_name}", f"contrib.training.{_name}")
for _name in ("load_checkpoint", "load_variable", "list_variables", "init_from_checkpoint"):
    _moved(_name, f"train.{_name}")
_moved("is_tensor", "is_tensor")
_moved("argsort", "argsort")
_moved("global_variable", "Variable")

for _name in (
    "flatten pack_sequence_as map_structure assert_same_structure is_nested flatten_with_joined_string_paths "
    "flatten_up_to map_structure_up_to assert_shallow_structure yield_flattened_up_to"
).split():
    _function = getattr(nest, _name, None)
    if _function is not None:
        export(v1=[f"contrib.framework.nest.{_name}"])(_function)
export(v1=["contrib.framework.nest.is_sequence"])(nest.is_nested)


@export(v1=_names("zero_initializer"))
def zero_initializer(ref: Any, use_locking: bool = True, name: str = "zero_initializer") -> Any:
    """An operation that fills a variable with zeros."""
    return ref.assign(tf.zeros(ref.shape.as_list(), ref.dtype.base_dtype), name=name)


@export(v1=_names("with_shape"))
def with_shape(expected_shape: Any, tensor: Any) -> Any:
    """The tensor, which must have a shape.

    Raises:
      ValueError: it is known to have another.
    """
    tensor = convert_to_tensor(tensor)
    return tf.ensure_shape(tensor, expected_shape)


@export(v1=_names("assert_scalar"))
def assert_scalar(tensor: Any, name: str | None = None) -> Any:
    """The tensor, which must be a scalar.

    Raises:
      ValueError: it is none.
    """
    tensor = convert_to_tensor(tensor)
    if tensor.shape.rank not in (None, 0):
        raise ValueError(f"Expected scalar shape, saw shape: {tensor.shape}.")
    return tensor


@export(v1=["contrib.framework.deprecated"])
def deprecated(date: str | None, instructions: str, warn_once: bool = True) -> Callable:
    """Decorates a deprecated function: its documentation says so."""

    def decorate(function: Callable) -> Callable:
        function.__doc__ = f"{function.__doc__ or ''}\n\nDeprecated: {instructions}"
        return function

    return decorate
