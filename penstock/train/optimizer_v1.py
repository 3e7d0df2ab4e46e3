"""TF 1's optimizers: `compat.v1.train.Optimizer` and the rules that update variables by gradients."""

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
from penstock.types import dtypes
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.tensors import EagerTensor, SymbolicTensor


@export(v1=["train.Optimizer"])
class Optimizer:
    """The base of TF 1's optimizers.

    A subclass says how one variable is updated (`_apply_dense`) and which slots it keeps (`_create_slots`).

    Args:
      use_locking: accepted: updates are atomic.
      name: the prefix of slot variables' names.
    """

    GATE_NONE, GATE_OP, GATE_GRAPH = 0, 1, 2

    def __init__(self, use_locking: bool, name: str):
        if not name:
            raise ValueError("Must specify the optimizer name")
        self._use_locking, self._name = use_locking, name
        self._slots: dict[str, dict[int, Any]] = {}
        self._slot_variables: list[Any] = []

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

        Raises:
          ValueError: there is no gradient.
        """
        pairs = [(gradient, variable) for gradient, variable in grads_and_vars if gradient is not None]
        if not pairs:
            raise ValueError("No gradients provided for any variable.")
        graph = next((g.graph for g, _ in pairs if isinstance(g, SymbolicTensor)), thread.graph)
        with context.building(graph):
            self._prepare()
            self._create_slots([variable for _, variable in pairs])
            scope = graph.name_scope(name or self._name) if graph is not None else None
            if scope is not None:
                scope.__enter__()
            updates = [self._update(gradient, variable) for gradient, variable in pairs]
            updates += self._finish()
            if global_step is not None:
                updates.append(global_step.assign_add(convert_to_tensor(1, global_step.dtype)))
            if scope is None:
                return None
            try:
                operations = [getattr(each, "op", each) for each in updates if each is not None]
                with graph.control_dependencies(operations):
                    train = execute("NoOp", (), None, "update")
                graph.add_to_collection("train_op", train)
                return train
            finally:
                scope.__exit__(None, None, None)

    def _update(self, gradient: Any, variable: Any) -> Any:
        if isinstance(gradient, IndexedSlices):
            return self._apply_sparse(gradient, variable)
        return self._apply_dense(gradient, variable)

    # What subclasses define.

    def _prepare(self) -> None:
        """Makes tensors of the hyperparameters."""

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        """Makes the slot variables."""

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        """Updates a variable by a tensor."""
        raise TypeError(f"{type(self).__name__} does not say how to apply a gradient: define _apply_dense.")

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        """Updates a variable by slices; by default as a tensor."""
        return self._apply_dense(dense(grad), var)

    def _finish(self) -> list[Any]:
        """What is updated once for a step, after the variables."""
        return []

    # Slots.

    def get_slot(self, var: Any, name: str) -> Any:
        """The slot variable `name` of a variable; None where there is none."""
        return self._slots.get(name, {}).get(id(var))

    def get_slot_names(self) -> list[str]:
        """The names of the slots."""
        return sorted(self._slots)

    def variables(self) -> list[Any]:
        """The variables that the optimizer keeps."""
        return list(self._slot_variables)

    def _slot(self, var: Any, name: str, value: float = 0.0) -> Any:
        """The slot variable `name` of a variable, filled with `value` when it is made."""
        slots = self._slots.setdefault(name, {})
        if id(var) not in slots:
            shape, dtype = var.shape, var.dtype.base_dtype
            slots[id(var)] = self._make(
                lambda: execute(
                    "Fill",
                    (convert_to_tensor(shape.as_list(), dtypes.int32), convert_to_tensor(value, dtype)),
                    None,
                ),
                f"{var.name.split(':')[0]}/{self._name}",
                isinstance(var.handle, EagerTensor),
            )
        return slots[id(var)]

    def _scalar(self, value: float, name: str, like: Any) -> Any:
        """A scalar variable that belongs to the optimizer."""
        slots = self._slots.setdefault(f"_{name}", {})
        if not slots:
            dtype = like.dtype.base_dtype
            slots[0] = self._make(
                lambda: convert_to_tensor(value, dtype), name, isinstance(like.handle, EagerTensor)
            )
        return slots[0]

    def _make(self, initial_value: Callable, name: str, eager: bool) -> Any:
        from penstock.ops.variables import Variable

        if eager:
            with context.building(None):
                variable = Variable(initial_value, trainable=False, name=name)
        else:
            variable = Variable(initial_value, trainable=False, name=name)
        self._slot_variables.append(variable)
        return variable


def _value(hyperparameter: Any) -> Any:
    return (
        hyperparameter()
        if callable(hyperparameter) and not hasattr(hyperparameter, "dtype")
        else hyperparameter
    )


def _cast(value: Any, like: Any) -> Any:
    tensor = convert_to_tensor(value)
    return (
        tensor
        if tensor.dtype == like.dtype.base_dtype
        else execute("Cast", (tensor,), {"DstT": like.dtype.base_dtype})
    )


@export(v1=["train.GradientDescentOptimizer"])
class GradientDescentOptimizer(Optimizer):
    """Gradient descent: `w -= learning_rate * g`.

    Args:
      learning_rate: a number, tensor, or function without arguments.

    Example:
      >>> import penstock as tf
      >>> w = tf.Variable(3.0)
      >>> optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.5)
      >>> optimizer.minimize(lambda: w * w)
      >>> w.numpy()
      np.float32(0.0)
    """

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent"):
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return var.assign_sub(_cast(_value(self._learning_rate), var) * grad, read_value=False)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        rate = _cast(_value(self._learning_rate), var)
        return var.scatter_sub(IndexedSlices(grad.values * rate, grad.indices, grad.dense_shape))


@export(v1=["train.AdamOptimizer"])
class AdamOptimizer(Optimizer):
    """Adam (Kingma and Ba, 2015): steps by the ratio of running means of gradients and of their squares.

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        w -= learning_rate sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)

    Args:
      learning_rate, beta1, beta2, epsilon: numbers, tensors, or functions without arguments.

    Example:
      >>> import penstock as tf
      >>> w = tf.Variable(1.0)
      >>> tf.compat.v1.train.AdamOptimizer(0.1).minimize(lambda: w * w)
      >>> round(float(w), 3)
      0.9
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ):
        super().__init__(use_locking, name)
        self._learning_rate, self._beta1, self._beta2, self._epsilon = learning_rate, beta1, beta2, epsilon

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        first = min(var_list, key=lambda each: each.name)
        self._scalar(_value(self._beta1), "beta1_power", first)
        self._scalar(_value(self._beta2), "beta2_power", first)
        for var in var_list:
            self._slot(var, "m")
            self._slot(var, "v")

    def _powers(self) -> tuple[Any, Any]:
        return self._slots["_beta1_power"][0], self._slots["_beta2_power"][0]

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        beta1_power, beta2_power = (_cast(each, var) for each in self._powers())
        rate, beta1, beta2, epsilon = (
            _cast(_value(each), var)
            for each in (self._learning_rate, self._beta1, self._beta2, self._epsilon)
        )
        new_m = m.assign(m * beta1 + grad * (1 - beta1))
        new_v = v.assign(v * beta2 + grad * grad * (1 - beta2))
        step = rate * execute("Sqrt", (1 - beta2_power,), None) / (1 - beta1_power)
        new_m, new_v = convert_to_tensor(new_m), convert_to_tensor(new_v)
        return var.assign_sub(step * new_m / (execute("Sqrt", (new_v,), None) + epsilon), read_value=False)

    def _finish(self) -> list[Any]:
        beta1_power, beta2_power = self._powers()
        graph = thread.graph
        after = [] if graph is None else graph.get_operations()[-1:]
        with graph.control_dependencies(after) if graph is not None else context.building(None):
            return [
                beta1_power.assign(beta1_power * _cast(_value(self._beta1), beta1_power)),
                beta2_power.assign(beta2_power * _cast(_value(self._beta2), beta2_power)),
            ]
