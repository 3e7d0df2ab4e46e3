"""`compat.v1.train.Optimizer`: gradients, slots, and applying. The optimizers are in the modules beside this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.autodiff.backprop import dense
from penstock.autodiff.gradients import gradients
from penstock.autodiff.tape import GradientTape
from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.lifting import init_scope
from penstock.graph.scopes import colocate_with as beside
from penstock.graph.scopes import control_dependencies, name_scope, name_scope_v1
from penstock.ops.grouping import group
from penstock.ops.variables.scope import variable_scope
from penstock.ops.variables.variable import Variable
from penstock.saving.object_restore import restore_slot
from penstock.types import dtypes
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.tensors import EagerTensor, SymbolicTensor
from penstock.types.trackable import Trackable


@export(v1=["train.Optimizer"])
class Optimizer(Trackable):
    """The base of TF 1's optimizers.

    A subclass says how one variable is updated (`_apply_dense` and `_apply_sparse`, or `_resource_apply_dense` and
    `_resource_apply_sparse`) and which slots it keeps (`_create_slots`, with `_zeros_slot`). It may make tensors of its
    hyperparameters in `_prepare`, and update what it keeps once a step in `_finish`.

    Args:
      use_locking: accepted: updates are atomic.
      name: the name of the update, and of slot variables.
    """

    GATE_NONE, GATE_OP, GATE_GRAPH = 0, 1, 2

    def __init__(self, use_locking: bool, name: str, use_own_namescope_for_non_slot_vars: bool = False):
        if not name:
            raise ValueError("Must specify the optimizer name")
        self._use_locking, self._name = use_locking, name
        self._slots: dict[str, dict[Any, Any]] = {}  # slot name -> key of a variable -> the slot variable
        self._non_slots: dict[
            tuple[str, Any], Any
        ] = {}  # (name, graph) -> a variable that belongs to no other one

    def get_name(self) -> str:
        """The optimizer's name."""
        return self._name

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Sequence[Any] | None = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Any:
        """Computes the gradients of `loss` and applies them.

        Args:
          loss: a tensor of a graph, or, when eager, a function without arguments.
          global_step: a variable that grows by one.
          var_list: the variables; by default all trainable ones that the loss depends on.

        Returns:
          In a graph the operation that does one update; None when eager.

        Raises:
          ValueError: no variable has a gradient.
        """
        pairs = self.compute_gradients(
            loss, var_list, gate_gradients, aggregation_method, grad_loss=grad_loss
        )
        if all(gradient is None for gradient, _ in pairs):
            raise ValueError(
                "No gradients provided for any variable, check your graph for ops that do not support gradients, between "
                f"variables {[variable.name for _, variable in pairs]} and loss {loss!r}."
            )
        return self.apply_gradients(pairs, global_step, name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Sequence[Any] | None = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Any]]:
        """Pairs (gradient, variable); the gradient is None where the loss does not depend on the variable."""
        if callable(loss) and not isinstance(loss, (EagerTensor, SymbolicTensor)):
            with GradientTape() as tape:
                if var_list is not None:
                    tape.watch(list(var_list))
                value = loss()
            variables = list(tape.watched_variables() if var_list is None else var_list)
            found = tape.gradient(value, variables, None if grad_loss is None else grad_loss)
            return list(zip(found, variables))
        if isinstance(loss, EagerTensor):
            raise RuntimeError(
                "`loss` passed to Optimizer.compute_gradients should be a function when eager execution is enabled."
            )
        variables = list(self._variables_of(loss) if var_list is None else var_list)
        if not variables:
            raise ValueError("No variables to optimize.")
        return list(zip(gradients(loss, variables, grad_loss), variables))

    @staticmethod
    def _variables_of(loss: SymbolicTensor) -> list[Any]:
        """The trainable variables of the graph's collection, and the eager ones that the graph reads."""
        graph = loss.graph
        found = {id(each): each for each in graph.get_collection("trainable_variables")}
        for variable in process.registry.get("eager_variables", {}).values():
            if variable.trainable and id(variable.handle) in graph._outside:
                found[id(variable)] = variable
        return list(found.values())

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Updates variables by gradients.

        Args:
          grads_and_vars: pairs (gradient, variable), as `compute_gradients` returns.
          global_step: a variable that grows by one.
          name: the name of the operation.

        Returns:
          In a graph the operation that does one update; None when eager.

        Raises:
          ValueError: there is no gradient.
        """
        given = tuple((gradient, _variable_of(each)) for gradient, each in grads_and_vars)
        if not given:
            raise ValueError("No variables provided.")
        pairs = [(_as_gradient(gradient), variable) for gradient, variable in given if gradient is not None]
        if not pairs:
            names = [variable.name for _, variable in given]
            raise ValueError(f"No gradients provided for any variable: {names}.")
        if thread.replica is not None and thread.strategies[-1][1] == "replica":
            merge = thread.strategies[-1][0]._merge_call
            return merge(self._apply_of_all_replicas, (pairs, global_step, name), {})
        graph = thread.graph  # a branch's own, where the step is conditional
        if graph is None:
            graph = next((found.graph for found, _ in pairs if isinstance(found, SymbolicTensor)), None)
        with context.building(graph):
            with init_scope():
                self._create_slots([variable for _, variable in pairs])
            with name_scope_v1(name, self._name) as scope:
                self._prepare()
                updates = []
                for gradient, variable in pairs:
                    with name_scope_v1(f"update_{variable.name.rpartition(':')[0].replace('/', '_')}"):
                        updates.append(self._update(gradient, variable))
                finished = self._finish(updates, "update")
                if graph is None:
                    if global_step is not None:
                        global_step.assign_add(convert_to_tensor(1, global_step.dtype))
                    return None
                if global_step is None:
                    train = group(finished, name=scope)
                else:
                    with graph.control_dependencies([finished]):
                        one = convert_to_tensor(1, global_step.dtype)
                        train = global_step.assign_add(one, name=scope, read_value=False)
                graph.add_to_collection("train_op", train)
                return train

    def _apply_of_all_replicas(self, strategy: Any, pairs: Any, global_step: Any, name: str | None) -> Any:
        """Updates variables by the sums of the gradients of a strategy's replicas."""
        gradients, variables = zip(*pairs)
        totals = strategy.reduce("SUM", list(gradients), axis=None)
        return self.apply_gradients(zip(totals, variables), global_step, name)

    def _update(self, gradient: Any, variable: Any) -> Any:
        """Updates one variable, and applies its constraint."""
        if isinstance(gradient, IndexedSlices):
            if variable.constraint is not None:
                raise RuntimeError("Cannot use a constraint function on a sparse variable.")
            return self._resource_apply_sparse_duplicate_indices(gradient.values, variable, gradient.indices)
        update = self._resource_apply_dense(gradient, variable)
        if variable.constraint is None:
            return update
        with control_dependencies([] if update is None else [update]):
            return variable.assign(variable.constraint(variable), read_value=False)

    # What subclasses define.

    def _prepare(self) -> None:
        """Makes tensors of the hyperparameters."""

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        """Makes the slot variables."""

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        """Updates a variable by a tensor."""
        raise TypeError(f"{type(self).__name__} does not say how to apply a gradient: define _apply_dense.")

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        """Updates a variable by slices whose indices are all different; by default as a tensor."""
        return self._resource_apply_dense(dense(grad), var)

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        """Updates a variable by a tensor; TensorFlow's name for `_apply_dense` where variables are resources."""
        return self._apply_dense(grad, handle)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        """Updates the rows `indices` of a variable, which are all different, by the rows of `grad`."""
        return self._apply_sparse(
            IndexedSlices(grad, indices, convert_to_tensor(handle.shape.as_list())), handle
        )

    def _resource_apply_sparse_duplicate_indices(self, grad: Any, handle: Any, indices: Any) -> Any:
        """As `_resource_apply_sparse` where indices may come several times; their rows are added up first."""
        if type(self)._resource_apply_sparse is not Optimizer._resource_apply_sparse or (
            type(self)._apply_sparse is not Optimizer._apply_sparse and not self._adds_up_duplicates
        ):
            grad, indices = _without_duplicates(grad, indices)
        return self._resource_apply_sparse(grad, handle, indices)

    # Whether `_apply_sparse` itself takes indices that come several times, as the ops of `ops.variables.training_ops` do.
    _adds_up_duplicates = False

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        """What one step ends with: an operation that waits for all updates."""
        return (
            group(*[each for each in update_ops if each is not None], name=name_scope)
            if thread.graph
            else None
        )

    # Slots.

    def get_slot(self, var: Any, name: str) -> Any:
        """The slot variable `name` of a variable; None where there is none."""
        return self._slots.get(name, {}).get(_key(var))

    def get_slot_names(self) -> list[str]:
        """The names of the slots."""
        return sorted(self._slots)

    def variables(self) -> list[Any]:
        """The variables that the optimizer keeps in the current graph, by name."""
        held = [each for slots in self._slots.values() for each in slots.values()]
        held += self._non_slots.values()
        graph = thread.graph
        mine = [
            each
            for each in held
            if isinstance(each.handle, EagerTensor) or each.graph is graph or graph is None
        ]
        return sorted(mine, key=lambda each: each.name)

    def _slot_dict(self, slot_name: str) -> dict[Any, Any]:
        return self._slots.setdefault(slot_name, {})

    def _get_or_make_slot(self, var: Any, val: Any, slot_name: str, op_name: str) -> Any:
        """The slot variable of a variable, made with a value where it does not exist."""
        slots = self._slot_dict(slot_name)
        if _key(var) not in slots:
            slots[_key(var)] = slot_variable(var, lambda: convert_to_tensor(val), op_name)
            restore_slot(self, var, slot_name, slots[_key(var)])
        return slots[_key(var)]

    def _get_or_make_slot_with_initializer(
        self, var: Any, initializer: Any, shape: Any, dtype: Any, slot_name: str, op_name: str
    ) -> Any:
        """The slot variable of a variable, made by an initializer where it does not exist."""
        slots = self._slot_dict(slot_name)
        if _key(var) not in slots:
            slots[_key(var)] = slot_variable(var, lambda: initializer(shape, dtype=dtype), op_name)
            restore_slot(self, var, slot_name, slots[_key(var)])
        return slots[_key(var)]

    def _zeros_slot(self, var: Any, slot_name: str, op_name: str) -> Any:
        """The slot variable of a variable, made of zeros where it does not exist."""
        return self._filled_slot(var, 0.0, slot_name, op_name)

    def _filled_slot(self, var: Any, value: Any, slot_name: str, op_name: str) -> Any:
        slots = self._slot_dict(slot_name)
        if _key(var) not in slots:
            shape, dtype = var.shape.as_list(), var.dtype.base_dtype

            def fill() -> Any:
                return execute(
                    "Fill", (convert_to_tensor(shape, dtypes.int32), convert_to_tensor(value, dtype))
                )

            slots[_key(var)] = slot_variable(var, fill, op_name)
            restore_slot(self, var, slot_name, slots[_key(var)])
        return slots[_key(var)]

    def _create_non_slot_variable(self, initial_value: Any, name: str, colocate_with: Any) -> Any:
        """A variable that belongs to the optimizer and to no variable; found again in the same graph."""
        eager = isinstance(colocate_with.handle, EagerTensor)
        key = (name, None if eager else colocate_with.graph)
        if key not in self._non_slots:
            with context.building(None) if eager else beside(colocate_with):
                made = Variable(
                    lambda: convert_to_tensor(initial_value() if callable(initial_value) else initial_value),
                    trainable=False,
                    name=name,
                )
            self._non_slots[key] = made
            if eager:
                self._track_trackable(made, name, overwrite=True)
            else:
                self._handle_deferred_dependencies(name, made)
        return self._non_slots[key]

    def _get_non_slot_variable(self, name: str, graph: Any = None) -> Any:
        """A variable that `_create_non_slot_variable` made."""
        while graph is not None and (name, graph) not in self._non_slots:
            graph = getattr(graph, "outer_graph", None)  # a branch sees the variables around it
        return self._non_slots.get((name, graph))

    def _trackable_children(
        self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        children = super()._trackable_children(save_type, cache, **kwargs)
        graph = thread.graph
        if graph is None:
            return children
        return children | {name: each for (name, home), each in self._non_slots.items() if home is graph}

    def _lookup_dependency(self, name: str, cached_dependencies: dict[str, Any] | None = None) -> Any:
        return self._trackable_children().get(name)

    def _call_if_callable(self, param: Any) -> Any:
        """A hyperparameter, or what it returns where it is a function."""
        return param() if callable(param) and not hasattr(param, "dtype") else param


def _variable_of(variable: Any) -> Any:
    """The variable itself, where a variable of Keras 3 is given: it holds one as `value`, which is a method otherwise."""
    value = getattr(variable, "value", None)
    return variable if value is None or callable(value) else value


def _key(variable: Any) -> Any:
    """What tells a variable from others: the object that stands for it, if it is a part of another one."""
    variable = _variable_of(variable)
    found = getattr(variable, "_distributed_container", None)
    container = found() if callable(found) else None
    return id(variable if container is None else container)


def _as_gradient(gradient: Any) -> Any:
    return gradient if isinstance(gradient, IndexedSlices) else convert_to_tensor(gradient)


def _without_duplicates(values: Any, indices: Any) -> tuple[Any, Any]:
    """Slices with different indices; those of equal ones are added up."""
    unique, places = execute("Unique", (indices,), {"out_idx": dtypes.int32})
    count = execute("Size", (unique,), {"out_type": dtypes.int32})
    return execute("UnsortedSegmentSum", (values, places, count)), unique


def slot_variable(primary: Any, initial_value: Callable, name: str) -> Any:
    """A variable that belongs to another one, named `<variable>/<name>`.

    Args:
      initial_value: a function without arguments.
    """
    full_name = f"{primary.name.rpartition(':')[0]}/{name}"
    if isinstance(primary.handle, EagerTensor):
        with context.building(None), name_scope(""):
            return Variable(initial_value, trainable=False, name=full_name)
    with (
        variable_scope(None, full_name, auxiliary_name_scope=False) as scope,
        name_scope(""),
        beside(primary),
    ):
        return Variable(initial_value, trainable=False, name=scope.name, dtype=None)


def hyperparameter(value: Any, like: Any) -> Any:
    """A number, tensor, or function without arguments as a tensor of the dtype of a variable."""
    if callable(value) and not hasattr(value, "dtype"):
        value = value()
    dtype = like.dtype.base_dtype
    if isinstance(value, (int, float)):
        return convert_to_tensor(value, dtype)
    tensor = convert_to_tensor(value)
    return tensor if tensor.dtype == dtype else execute("Cast", (tensor,), {"DstT": dtype})
