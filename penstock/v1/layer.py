"""`Layer` of TF 1's `tf.layers`, and the machinery by which a layer class has a functional form.

A layer's variables come from `get_variable` in a scope of its own, so they have TF 1's names (`dense/kernel:0`) and are
shared by `reuse`. Recurrent cells are layers too.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import EXPORTS, export
from penstock.graph.graph import current_graph
from penstock.graph.scopes import name_scope
from penstock.ops.casting import cast
from penstock.ops.graph_collections import GraphKeys
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.variables.creation import VariableAggregation, VariableSynchronization
from penstock.ops.variables.mixed import in_graph_of_arguments
from penstock.ops.variables.partitioned_variables import PartitionedVariable
from penstock.ops.variables.scope import VariableScope, get_variable, variable_scope
from penstock.types import dtypes, nest
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor
from penstock.types.trackable import Trackable


@export(v1=["layers.InputSpec"])
class InputSpec:
    """What a layer accepts as input.

    Args:
      dtype: the dtype; None for any.
      shape: the shape, with None for dimensions that may be anything.
      ndim, max_ndim, min_ndim: the rank, and its bounds.
      axes: a dictionary from axis to the size that it must have.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
    ):
        self.dtype = None if dtype is None else as_dtype(dtype).name
        self.shape = None if shape is None else tuple(TensorShape(shape).as_list())
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}

    def __repr__(self) -> str:
        parts = (f"{name}={value}" for name, value in vars(self).items() if value)
        return f"InputSpec({', '.join(parts)})"

    def check(self, x: Any, layer: str) -> None:
        """Raises ValueError where a tensor is not what the layer accepts."""
        shape, rank = x.shape, x.shape.rank
        if rank is None:
            if self.ndim is not None or self.min_ndim is not None:
                raise ValueError(
                    f"Input 0 of layer {layer} is incompatible with the layer: its rank is undefined, but the layer "
                    "requires a defined rank."
                )
            return
        expected = [
            (self.ndim is not None and rank != self.ndim, f"expected ndim={self.ndim}"),
            (self.max_ndim is not None and rank > (self.max_ndim or 0), f"expected max_ndim={self.max_ndim}"),
            (self.min_ndim is not None and rank < (self.min_ndim or 0), f"expected min_ndim={self.min_ndim}"),
        ]
        for wrong, what in expected:
            if wrong:
                raise ValueError(
                    f"Input 0 of layer {layer} is incompatible with the layer: {what}, found ndim={rank}. "
                    f"Full shape received: {shape.as_list()}"
                )
        sizes = shape.as_list()
        for axis, size in [*self.axes.items(), *enumerate(self.shape or ())]:
            if size is not None and sizes[axis] not in (size, None):
                raise ValueError(
                    f"Input 0 of layer {layer} is incompatible with the layer: expected axis {axis} of input shape to "
                    f"have value {size} but received input with shape {sizes}"
                )


@export(v1=["layers.Layer"])
class Layer(Trackable):
    """The base of TF 1's layers: a function with variables that are made when it is first called.

    A subclass makes its variables in `build(input_shape)` by `add_weight`, and computes in `call(inputs, ...)`.

    Args:
      trainable: whether its variables are trained.
      name: its name, and the variable scope of its variables; by default the class's name in snake case, made unique.
      dtype: the dtype of its variables; by default that of the first input.

    Example:
      >>> import penstock as tf
      >>> class Scale(tf.compat.v1.layers.Layer):
      ...     def build(self, input_shape):
      ...         self.factor = self.add_weight("factor", [], initializer=tf.compat.v1.ones_initializer())
      ...         self.built = True
      ...     def call(self, inputs):
      ...         return inputs * self.factor
      >>> with tf.Graph().as_default():
      ...     scale = Scale()
      ...     y = scale(tf.constant([1.0, 2.0]))
      >>> [v.name for v in scale.variables]
      ['scale/factor:0']
    """

    def __init__(self, trainable: bool = True, name: Any = None, dtype: Any = None, **kwargs: Any):
        scope, self._reuse = kwargs.pop("_scope", None), kwargs.pop("_reuse", None)
        self.activity_regularizer = kwargs.pop("activity_regularizer", None)
        for ignored in ("autocast", "dynamic", "input_shape", "batch_input_shape"):
            kwargs.pop(ignored, None)
        if kwargs:
            raise TypeError(f"{type(self).__name__}: unexpected keyword argument {next(iter(kwargs))!r}")
        snake = _snake_case(type(self).__name__)
        if isinstance(name, VariableScope):
            self._base_name, name = name.name, None
        else:
            self._base_name = name or snake
        self._name = name or _unique_name(snake)
        self.trainable, self._dtype = trainable, None if dtype is None else as_dtype(dtype).base_dtype
        self.built, self.input_spec = False, None
        self._trainable_weights: list[Any] = []
        self._non_trainable_weights: list[Any] = []
        self._updates: list[Any] = []
        self._losses: list[Any] = []
        self._scope: VariableScope | None = None
        if scope:
            with variable_scope(scope) as captured:
                self._scope = captured

    # What a subclass defines.

    def build(self, input_shape: Any) -> None:
        """Makes the variables; called before the first `call`."""
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """What the layer computes."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the output for an input shape, found by calling the layer in a scratch graph."""
        from penstock.graph.func_graph import FuncGraph
        from penstock.ops.placeholders import placeholder

        with FuncGraph(f"{self._name}_shape").as_default():
            return self(placeholder(self._dtype or dtypes.float32, TensorShape(input_shape))).shape

    # Calling.

    @in_graph_of_arguments
    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        self._set_scope(kwargs.pop("scope", None))
        inputs = nest.map_structure(_as_tensor, inputs)
        reuse = True if self.built else self._reuse
        updates_before = len(self._updates)
        with variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as scope:
            if "scope" in inspect.signature(self.call).parameters:
                kwargs["scope"] = scope
            with name_scope(_reentered(scope.original_name_scope)):
                self._check_inputs(inputs)
                if not self.built:
                    self._build(inputs)
                outputs = self.call(inputs, *args, **kwargs)
                if self.activity_regularizer is not None:
                    self._regularize_activity(outputs)
        if thread.graph is not None and self.trainable:
            for update in self._updates[updates_before:]:
                _add_once(GraphKeys.UPDATE_OPS, update)
        return outputs

    def apply(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer."""
        return self(inputs, *args, **kwargs)

    def _check_inputs(self, inputs: Any) -> None:
        specs: Sequence[Any] = (
            self.input_spec if isinstance(self.input_spec, (list, tuple)) else [self.input_spec]
        )
        for spec, x in zip(specs, nest.flatten(inputs)):
            if spec is not None and isinstance(x, Tensor):
                spec.check(x, self._name)

    def _build(self, inputs: Any) -> None:
        flat = nest.flatten(inputs)
        if self._dtype is None and flat and hasattr(flat[0], "dtype"):
            self._dtype = as_dtype(flat[0].dtype).base_dtype
        shapes = [x.shape if hasattr(x, "shape") else x for x in flat]
        self.build(shapes[0] if len(shapes) == 1 else nest.pack_sequence_as(inputs, shapes))
        self.built = True

    def _regularize_activity(self, outputs: Any) -> None:
        """Adds the activity regularizer's losses, for each example of the batch."""
        for output in nest.flatten(outputs):
            with name_scope("ActivityRegularizer"):
                self.add_loss(
                    self.activity_regularizer(output) / cast(shape_of(output)[0], output.dtype)  # type: ignore[misc]
                )

    # Variables.

    def _set_scope(self, scope: Any = None) -> None:
        """Settles the variable scope, at the first use."""
        if self._scope is not None:
            return
        if self._reuse:
            entered = variable_scope(scope if scope is not None else self._base_name)
        else:
            entered = variable_scope(scope, default_name=self._base_name)
        with entered as captured:
            self._scope = captured

    def add_weight(
        self,
        name: str,
        shape: Any = (),
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Callable | None = None,
        trainable: bool | None = None,
        constraint: Callable | None = None,
        use_resource: bool | None = None,
        synchronization: VariableSynchronization = VariableSynchronization.AUTO,
        aggregation: VariableAggregation = VariableAggregation.NONE,
        partitioner: Callable | None = None,
        **kwargs: Any,
    ) -> Any:
        """A variable of the layer, from `get_variable` in the layer's scope.

        Args:
          name, shape, dtype, initializer, constraint, partitioner: as for `tf.compat.v1.get_variable`; the dtype is by
            default the layer's.
          regularizer: a function of the variable whose value joins `losses` and `GraphKeys.REGULARIZATION_LOSSES`, where
            the variable is new.
          trainable: whether it is trained, if the layer is; by default True, except for variables that are
            synchronized on reading.

        Raises:
          ValueError: a variable that is synchronized on reading is to be trained.
        """
        on_read = synchronization == VariableSynchronization.ON_READ
        if on_read and trainable:
            raise ValueError(
                "Synchronization value can be set to VariableSynchronization.ON_READ only for non-trainable variables. "
                "You have specified trainable=True and synchronization=VariableSynchronization.ON_READ."
            )
        trainable = (not on_read if trainable is None else bool(trainable)) and self.trainable
        dtype = as_dtype(dtype or self._dtype or dtypes.float32)
        self._set_scope()
        with variable_scope(
            self._scope, reuse=self.built or self._reuse, auxiliary_name_scope=False
        ) as scope:
            before = _number_of_variables()
            with name_scope(_reentered(scope.original_name_scope)):
                variable = get_variable(
                    name, shape, dtype, named_initializer(initializer, dtype), trainable=trainable,
                    constraint=constraint, partitioner=partitioner, use_resource=use_resource,
                    synchronization=synchronization, aggregation=aggregation,
                )  # fmt: skip
                is_new = thread.graph is None or _number_of_variables() > before
                if regularizer is not None and is_new:
                    self._regularize_weight(name, variable, regularizer)
        trained = trainable and getattr(variable, "trainable", True)
        (self._trainable_weights if trained else self._non_trainable_weights).append(variable)
        if isinstance(variable, Trackable):
            self._track_trackable(variable, name, overwrite=True)
        return variable

    add_variable = add_weight

    def _regularize_weight(self, name: str, variable: Any, regularizer: Callable) -> None:
        for each in variable if isinstance(variable, PartitionedVariable) else [variable]:

            def loss(each: Any = each) -> Any:
                with name_scope(f"{name}/Regularizer"):
                    return regularizer(each)

            self.add_loss(loss)

    @property
    def trainable_weights(self) -> list[Any]:
        """The variables that are trained; none where the layer is not trainable."""
        return list(self._trainable_weights) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The other variables."""
        held = [] if self.trainable else self._trainable_weights
        return [*held, *self._non_trainable_weights]

    @property
    def weights(self) -> list[Any]:
        """All variables, those that are trained first."""
        return [*self.trainable_weights, *self.non_trainable_weights]

    variables = property(lambda self: self.weights, doc="All variables; the same as `weights`.")
    trainable_variables = property(lambda self: self.trainable_weights, doc="Same as `trainable_weights`.")
    non_trainable_variables = property(
        lambda self: self.non_trainable_weights, doc="Same as `non_trainable_weights`."
    )

    def count_params(self) -> int:
        """The number of elements of all variables.

        Raises:
          ValueError: the layer is not built.
        """
        if not self.built:
            raise ValueError(f"You tried to call `count_params` on {self._name}, but the layer isn't built.")
        return sum(variable.shape.num_elements() for variable in self.weights)

    # Losses and updates.

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Adds losses (tensors, or functions without arguments) that depend on the layer's variables or inputs."""
        for loss in nest.flatten(losses):
            if callable(loss) and not isinstance(loss, Tensor) and thread.graph is not None:
                loss = loss()
            if loss is None:
                continue
            self._losses.append(loss)
            if thread.graph is not None:
                _add_once(GraphKeys.REGULARIZATION_LOSSES, loss)

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Adds operations that training must run besides: they join `GraphKeys.UPDATE_OPS`."""
        for update in updates if isinstance(updates, (list, tuple)) else [updates]:
            if callable(update) and not isinstance(update, Tensor):
                update = update()
            if thread.graph is not None:
                self._updates.append(getattr(update, "op", update))

    @property
    def losses(self) -> list[Any]:
        """The losses; running eagerly, those of variables are computed when asked for."""
        return [each() if callable(each) and not isinstance(each, Tensor) else each for each in self._losses]

    @property
    def updates(self) -> list[Any]:
        """The update operations; none where the layer is not trainable."""
        return list(self._updates) if self.trainable else []

    def get_updates_for(self, inputs: Any) -> list[Any]:
        """The update operations: all of them, since each belongs to a call."""
        return self.updates

    def get_losses_for(self, inputs: Any) -> list[Any]:
        """The losses."""
        return self.losses

    # What it is.

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    @property
    def dtype(self) -> DType | None:
        """The dtype of the variables; None before the first call where it was not given."""
        return self._dtype

    @property
    def scope_name(self) -> str:
        """The full name of the variable scope.

        Raises:
          ValueError: the layer has not been called yet.
        """
        if self._scope is None:
            raise ValueError(
                f'No name available for layer scope because the layer "{self._name}" has not been used yet. The scope '
                "name is determined the first time the layer instance is called."
            )
        return self._scope.name

    @property
    def graph(self) -> Any:
        """The graph that is being built."""
        return current_graph()

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor that every layer has."""
        return {
            "name": self._name,
            "trainable": self.trainable,
            "dtype": None if self._dtype is None else self._dtype.name,
        }

    def __deepcopy__(self, memo: dict) -> Layer:
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        for name, value in vars(self).items():
            shared = name in ("_scope", "_self_dependencies") or isinstance(value, (Tensor, VariableScope))
            new.__dict__[name] = copy.copy(value) if shared else copy.deepcopy(value, memo)
        return new


def _as_tensor(value: Any) -> Any:
    """NumPy arrays and Python numbers as tensors; everything else as it is."""
    is_plain = type(value).__module__ == "numpy" or isinstance(value, (bool, int, float))
    return convert_to_tensor(value) if is_plain else value


def _reentered(scope: str) -> str:
    """A name scope's name so that entering it gives that very scope; the root where it is empty."""
    return scope if not scope or scope.endswith("/") else scope + "/"


def _number_of_variables() -> int:
    return 0 if thread.graph is None else len(thread.graph.get_collection_ref(GraphKeys.GLOBAL_VARIABLES))


def _add_once(collection: str, item: Any) -> None:
    held = current_graph().get_collection_ref(collection)
    if not any(each is item for each in held):
        held.append(item)


def _snake_case(name: str) -> str:
    spaced = re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    found = re.sub("([a-z])([A-Z])", r"\1_\2", spaced).lower()
    return f"private{found}" if found.startswith("_") else found


def _unique_name(base: str) -> str:
    """`base`, `base_1`, ...: counted for each graph."""
    if thread.graph is None:
        counts = process.registry.setdefault("v1_layer_names", {})
    else:
        held = thread.graph.get_collection_ref(("__layer_names",))
        if not held:
            held.append({})
        counts = held[0]
    counts[base] = counts.get(base, 0) + 1
    return base if counts[base] == 1 else f"{base}_{counts[base] - 1}"


# Arguments that may be given by name.


def named_activation(activation: Any) -> Callable | None:
    """An activation function: a callable, a name as "relu", or None for none.

    Raises:
      ValueError: there is no such activation.
    """
    if activation is None or callable(activation):
        return activation
    if activation == "linear":
        return None
    found = EXPORTS["v1"].get(f"nn.{activation}", EXPORTS["v1"].get(activation))
    if not callable(found):
        raise ValueError(f"Unknown activation function: {activation!r}")
    return found


def named_initializer(initializer: Any, dtype: Any = None) -> Any:
    """An initializer: as it is, or made from a name as "glorot_uniform".

    Raises:
      ValueError: there is no such initializer.
    """
    if not isinstance(initializer, str):
        return initializer
    found = EXPORTS["v1"].get(f"initializers.{initializer}")
    if found is None:
        raise ValueError(f"Unknown initializer: {initializer!r}")
    return found()


# Functional forms.


def functional_form(
    name: str,
    layer: type[Layer],
    summary: str,
    training: str | None = None,
    shared: bool = True,
    order: Sequence[str] | None = None,
) -> Callable:
    """The function that makes a layer and calls it once, exported as `layers.<name>`.

    Args:
      name: the function's name.
      layer: the class, whose constructor's arguments become the function's.
      summary: the first line of its documentation.
      training: where `call` takes a `training` argument: the parameter that it stands before.
      shared: whether the function takes `reuse` (the layer has variables).
      order: the parameters' names in order, where they are not those of the class.
    """
    accepted = [
        each
        for each in inspect.signature(layer).parameters.values()
        if each.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("inputs", plain)]
    if order is not None:
        by_name = {each.name: each for each in accepted}
        accepted = [by_name.get(each, inspect.Parameter(each, plain, default=None)) for each in order]
    for each in accepted:
        if each.name == training:
            parameters.append(inspect.Parameter("training", plain, default=False))
        parameters.append(each)
        if each.name == "name" and shared:
            parameters.append(inspect.Parameter("reuse", plain, default=None))
    signature = inspect.Signature(parameters)

    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"layers.{name}: {error}") from None
        arguments = dict(bound.arguments)
        inputs, reuse = arguments.pop("inputs"), arguments.pop("reuse", None)
        call = {"training": arguments.pop("training", False)} if training else {}
        made = layer(**arguments, _reuse=reuse, _scope=arguments.get("name"))
        return made(inputs, **call)

    function.__name__ = function.__qualname__ = name
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__doc__ = (
        f"{summary}\n\nMakes a `{layer.__name__}` layer, which see for the arguments, and calls it."
        + ("\n`reuse` takes the variables of an earlier layer of the same `name`." if shared else "")
    )
    return export(v1=[f"layers.{name}"])(function)
