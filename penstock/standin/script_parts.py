"""What scripts of TF 1 import from private modules and has no public name: linear layers of cells, small tools.

Each function does what the one of its name did; who gets which is in `standin.private_paths`.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

import penstock
from penstock.engine.wrappers import unwrap
from penstock.types import nest
from penstock.v1.contrib.rnn import Linear
from penstock.v1.layers_convolution import sizes

tf = penstock.compat.v1

# Recurrent cells.

_WEIGHTS_VARIABLE_NAME = "kernel"
_BIAS_VARIABLE_NAME = "bias"


_Linear = Linear


def _linear(
    args: Any, output_size: int, bias: bool, bias_initializer: Any = None, kernel_initializer: Any = None
) -> Any:
    """A `Linear` of its arguments; the first releases had a number for `bias_initializer`."""
    if isinstance(bias_initializer, (int, float)):
        bias_initializer = tf.constant_initializer(bias_initializer)
    return _Linear(args, output_size, bias, bias_initializer, kernel_initializer)(args)


def _best_effort_input_batch_size(flat_input: Any) -> Any:
    """The batch size of time-major inputs: a number where it is known, else a tensor."""
    for each in flat_input:
        if each.shape.rank is not None and each.shape.rank > 1 and each.shape.as_list()[1] is not None:
            return each.shape.as_list()[1]
    return tf.shape(flat_input[0])[1]


# Gradients.


def _hessian_vector_product(ys: Any, xs: list[Any], v: list[Any]) -> list[Any]:
    """The Hessian of `ys` by `xs`, times `v`, without the matrix.

    Raises:
      ValueError: there are not as many of `v` as of `xs`.
    """
    if len(v) != len(xs):
        raise ValueError("xs and v must have the same length.")
    slopes = tf.gradients(ys, xs)
    products = [slope * tf.stop_gradient(each) for slope, each in zip(slopes, v) if slope is not None]
    return tf.gradients(products, xs)


def _deduplicate_indexed_slices(values: Any, indices: Any) -> tuple[Any, Any]:
    """The sums of values with equal indices, and each index once."""
    unique, places = tf.unique(indices)
    return tf.unsorted_segment_sum(values, places, tf.shape(unique)[0]), unique


# Layers' arguments.


def normalize_tuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """An int, or a sequence of `n` ints, as a tuple."""
    return sizes(value, n, name)


def normalize_data_format(value: str) -> str:
    """One of "channels_first" and "channels_last", in small letters."""
    if value.lower() not in ("channels_first", "channels_last"):
        raise ValueError(
            f"The `data_format` argument must be one of 'channels_first', 'channels_last'. Received: {value}"
        )
    return value.lower()


def convert_data_format(data_format: str, ndim: int) -> str:
    """The letters of a data format: "channels_last" of 4 dimensions is "NHWC"."""
    space = {3: "W", 4: "HW", 5: "DHW"}.get(ndim)
    if space is None:
        raise ValueError(f"Input rank not supported: {ndim}")
    return f"NC{space}" if normalize_data_format(data_format) == "channels_first" else f"N{space}C"


def conv_output_length(
    input_length: int | None, filter_size: int, padding: str, stride: int, dilation: int = 1
) -> int | None:
    """The length of what a convolution gives, for "same", "valid" or "full" padding."""
    if input_length is None:
        return None
    reach = filter_size + (filter_size - 1) * (dilation - 1)
    lengths = {"same": input_length, "valid": input_length - reach + 1, "full": input_length + reach - 1}
    return (lengths[padding] + stride - 1) // stride


def deconv_output_length(input_length: int | None, filter_size: int, padding: str, stride: int) -> int | None:
    """The length of what a transposed convolution gives."""
    if input_length is None:
        return None
    more = {"same": 0, "valid": max(filter_size - stride, 0), "full": -(stride + filter_size - 2)}
    return input_length * stride + more[padding]


# Functions and modules.


def fn_args(fn: Callable) -> tuple[str, ...]:
    """The names of a function's arguments, but for those that are bound (`self`, a partial's)."""
    parameters = inspect.signature(unwrap(fn)[1] if hasattr(fn, "_tf_decorator") else fn).parameters.values()
    given = set(fn.keywords) if isinstance(fn, functools.partial) else set()
    return tuple(
        each.name for each in parameters
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD) and each.name not in given
    )  # fmt: skip


def has_kwargs(fn: Callable) -> bool:
    """Whether a function takes any keyword argument."""
    return any(each.kind is each.VAR_KEYWORD for each in inspect.signature(fn).parameters.values())


def get_func_name(func: Callable) -> str:
    """The name of a function, or of what it is."""
    return getattr(func, "__name__", None) or getattr(
        getattr(func, "func", None), "__name__", type(func).__name__
    )


def keyword_args_only(func: Callable) -> Callable:
    """A function that refuses positional arguments."""

    @functools.wraps(func)
    def keywords(*args: Any, **kwargs: Any) -> Any:
        if args:
            raise ValueError(f"The function {get_func_name(func)} accepts only keyword arguments; got {args}")
        return func(**kwargs)

    return keywords


def should_use_result(
    fn: Callable | None = None, warn_in_eager: bool = False, error_in_function: bool = False
) -> Any:
    """The function: nothing here complains where a result is not used."""
    return (lambda each: each) if fn is None else fn


class LazyLoader(ModuleType):
    """A module that is imported when a name of it is first asked for.

    Args:
      local_name: the name under which `parent_module_globals` has it. name: the module.
    """

    def __init__(
        self, local_name: str, parent_module_globals: dict[str, Any], name: str, warning: str | None = None
    ):
        super().__init__(name)
        self._local_name, self._globals, self._warning = local_name, parent_module_globals, warning

    def __getattr__(self, item: str) -> Any:
        module = importlib.import_module(self.__name__)
        self._globals[self._local_name] = module
        if self._warning:
            tf.logging.warning(self._warning)
        self.__dict__.update(module.__dict__)
        return getattr(module, item)


# Debugging.


def has_inf_or_nan(datum: Any, tensor: Any) -> bool:
    """Whether a tensor's value holds infinities or what is no number: a filter of TensorFlow's debugger."""
    array = np.asarray(tensor)
    return array.dtype.kind in "fc" and bool(array.size) and not np.isfinite(array).all()


class LocalCLIDebugWrapperSession:
    """A session that, where filters were added, says after each run which tensors they hold for.

    TensorFlow's debugger stops there and waits for commands at the terminal. This one prints, and goes on.

    Args:
      sess: the session. ui_type, dump_root: of TensorFlow's terminal; nothing depends on them.
    """

    def __init__(self, sess: Any, ui_type: str = "curses", dump_root: str | None = None):
        self._session, self._filters = sess, {}  # type: ignore[var-annotated]
        self.ui_type, self.dump_root = ui_type, dump_root

    def add_tensor_filter(self, filter_name: str, tensor_filter: Callable[[Any, Any], bool]) -> None:
        """Adds a filter: (the tensor, its value) -> whether it is to be reported."""
        self._filters[filter_name] = tensor_filter

    def run(self, fetches: Any, feed_dict: Any = None, **kwargs: Any) -> Any:
        """Runs, together with all floating-point tensors of the graph that the fetches need."""
        if not self._filters:
            return self._session.run(fetches, feed_dict, **kwargs)
        watched = _floats_behind(self._session.graph, fetches)
        results, values = self._session.run((fetches, watched), feed_dict, **kwargs)
        for tensor, value in zip(watched, values):
            for name, holds in self._filters.items():
                if holds(tensor, value):
                    print(f"{name}: {tensor.name} {value.dtype}{list(value.shape)} of {tensor.op.type}")
        return results

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def __enter__(self) -> LocalCLIDebugWrapperSession:
        self._session.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._session.__exit__(*error)


def _floats_behind(graph: Any, fetches: Any) -> list[Any]:
    """The floating-point tensors that fetches depend on, in the order of the program."""
    named = [
        graph.as_graph_element(each, allow_tensor=True, allow_operation=True)
        for each in nest.flatten(fetches)
    ]
    open_ = [getattr(each, "op", each) for each in named]
    needed: set[Any] = set()
    while open_:
        operation = open_.pop()
        if operation not in needed:
            needed.add(operation)
            open_ += [each.op for each in operation.inputs] + list(operation.control_inputs)
    return [
        output for operation in graph.get_operations() if operation in needed
        for output in operation.outputs if output.dtype.is_floating and operation.type != "Placeholder"
    ]  # fmt: skip
