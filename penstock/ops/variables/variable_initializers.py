"""v1's lists of variables, and the ops that initialize them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.ops.graph_collections import GraphKeys, get_collection
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def _eager_variables(scope: str | None, trainable_only: bool) -> list:
    """The eager variables that are alive, while running eagerly: programs may use them in sessions."""
    if thread.graph is not None:
        return []
    found = list(process.registry.get("eager_variables", {}).values())
    pattern = re.compile(scope or "")
    return [each for each in found if (each.trainable or not trainable_only) and pattern.match(each.name)]


@export(v1=["global_variables"])
def global_variables(scope: str | None = None) -> list:
    """The variables of the graph; those of eager mode too while running eagerly. `scope` filters by name."""
    return get_collection(GraphKeys.GLOBAL_VARIABLES, scope) + _eager_variables(scope, False)


@export(v1=["trainable_variables"])
def trainable_variables(scope: str | None = None) -> list:
    """The trainable variables of the graph; those of eager mode too while running eagerly."""
    return get_collection(GraphKeys.TRAINABLE_VARIABLES, scope) + _eager_variables(scope, True)


@export(v1=["local_variables"])
def local_variables(scope: str | None = None) -> list:
    """The variables of the graph that belong to one process, such as counters of metrics."""
    return get_collection(GraphKeys.LOCAL_VARIABLES, scope)


@export(v1=["model_variables"])
def model_variables(scope: str | None = None) -> list:
    """The variables in the collection `MODEL_VARIABLES`."""
    return get_collection(GraphKeys.MODEL_VARIABLES, scope)


@export(v1=["moving_average_variables"])
def moving_average_variables(scope: str | None = None) -> list:
    """The variables in the collection `MOVING_AVERAGE_VARIABLES`."""
    return get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


@export(v1=["all_variables"])
def all_variables() -> list:
    """The older name of `global_variables`."""
    return global_variables()


def _group(operations: Iterable[Any], name: str) -> Any:
    """A NoOp that waits for operations; eager code gets one in the default graph, for `Session.run`."""
    operations = [each for each in operations if each is not None]
    graph = operations[0].graph if operations else current_graph()
    with context.building(graph), graph.control_dependencies(operations):
        return execute("NoOp", (), None, name)


@export(v1=["variables_initializer", "initializers.variables"])
def variables_initializer(var_list: Iterable[Any], name: str = "init") -> Any:
    """An operation that gives variables their initial values. Eager variables have theirs already."""
    return _group([variable.initializer for variable in var_list or ()], name)


@export(v1=["initialize_variables"])
def initialize_variables(var_list: Iterable[Any], name: str = "init") -> Any:
    """The older name of `variables_initializer`."""
    return variables_initializer(var_list, name)


@export(v1=["global_variables_initializer", "initializers.global_variables"])
def global_variables_initializer() -> Any:
    """An operation that gives all global variables their initial values.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
      ...     v = tf.Variable(2.0)
      ...     session.run(tf.compat.v1.global_variables_initializer())
      ...     session.run(v)
      np.float32(2.0)
    """
    return variables_initializer(global_variables())


@export(v1=["initialize_all_variables"])
def initialize_all_variables() -> Any:
    """The older name of `global_variables_initializer`."""
    return global_variables_initializer()


@export(v1=["local_variables_initializer", "initializers.local_variables"])
def local_variables_initializer() -> Any:
    """An operation that gives all local variables their initial values."""
    return variables_initializer(local_variables())


@export(v1=["initialize_local_variables"])
def initialize_local_variables() -> Any:
    """The older name of `local_variables_initializer`."""
    return local_variables_initializer()


@export(v1=["tables_initializer", "initializers.tables_initializer"])
def tables_initializer(name: str = "init_all_tables") -> Any:
    """An operation that fills all lookup tables."""
    return _group(get_collection(GraphKeys.TABLE_INITIALIZERS), name)


@export(v1=["initialize_all_tables"])
def initialize_all_tables(name: str = "init_all_tables") -> Any:
    """The older name of `tables_initializer`."""
    return tables_initializer(name)


@export(v1=["is_variable_initialized"])
def is_variable_initialized(variable: Any) -> Tensor:
    """Whether a variable has a value, as a boolean scalar."""
    return variable.is_initialized()


@export(v1=["report_uninitialized_variables"])
def report_uninitialized_variables(
    var_list: Any = None, name: str = "report_uninitialized_variables"
) -> Tensor:
    """The names of the variables that have no value yet, as a vector of strings.

    Args:
      var_list: the variables to look at; by default all global and local ones.
    """
    variables = list(var_list) if var_list is not None else global_variables() + local_variables()
    if not variables:
        return convert_to_tensor([], dtypes.string)
    from penstock.ops.selection import boolean_mask

    with current_graph().name_scope(name):
        names = convert_to_tensor([variable.name.rpartition(":")[0] for variable in variables])
        ready = execute("Pack", ([variable.is_initialized() for variable in variables],), {"axis": 0})
        return boolean_mask(names, execute("LogicalNot", (ready,)))


@export(v1=["assert_variables_initialized"])
def assert_variables_initialized(var_list: Any = None) -> Tensor | None:
    """A tensor that cannot be computed while a variable has no value; None where there are no variables."""
    variables = list(var_list) if var_list is not None else global_variables() + local_variables()
    if not variables:
        return None
    ranks = [execute("Rank", (variable.read_value(),)) for variable in variables]
    return execute("Pack", (ranks,), {"axis": 0})
