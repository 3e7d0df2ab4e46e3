"""Public functions and operators while weak dtypes are on: they promote their arguments, and pass weakness on.

`install` puts wrappers into the namespaces and onto the classes of tensors; nothing is wrapped before.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import EXPORTS
from penstock.numpy_api.weak_promotion import promoted_kind
from penstock.numpy_api.weak_tensor import WeakTensor, as_weak
from penstock.ops.casting import cast
from penstock.ops.dispatch import BINARY, UNARY
from penstock.types import nest
from penstock.types.dtypes import DType
from penstock.types.tensors import Tensor

# Functions of one tensor beside the elementwise ones; the result is weak where the argument is.
_UNARY = """
    math.reduce_euclidean_norm math.reduce_logsumexp math.reduce_max math.reduce_mean math.reduce_min math.reduce_prod
    math.reduce_std math.reduce_sum math.reduce_variance linalg.trace reshape expand_dims identity linalg.diag
    linalg.diag_part linalg.matrix_transpose squeeze stop_gradient transpose
""".split()
_NUMPY_UNARY = """
    abs absolute amax amin angle arange arccos arcsin arcsinh arctan arctanh around array asanyarray asarray
    ascontiguousarray average bitwise_not cbrt ceil conj conjugate copy cos cosh cumprod cumsum deg2rad diag diagflat
    diagonal diff empty_like exp exp2 expand_dims expm1 fabs fix flatten flip fliplr flipud floor full_like imag log
    log10 log1p log2 max mean min moveaxis nanmean negative ones_like positive prod rad2deg ravel real reciprocal repeat
    reshape rot90 round sin sinc sinh sort sqrt square squeeze std sum swapaxes tan tanh trace transpose triu vander var
    zeros_like
""".split()
_COMPARISONS = frozenset(
    "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor".split()
)
_OTHER_BINARY = ["linalg.matmul"]
_STRONG = _COMPARISONS | {"maximum", "minimum"}  # TensorFlow gives these results strong dtypes
_NOT_WRAPPED = frozenset(("cast", "saturate_cast", "dtypes.complex", "nn.relu"))


def _as(value: Any, dtype: DType) -> Tensor:
    if isinstance(value, WeakTensor):
        value = value.tensor
    if isinstance(value, Tensor) or hasattr(value, "__tf_tensor__"):
        return cast(value, dtype)
    return convert_to_tensor(value, dtype)


def _weakened(result: Any, weak: bool) -> Any:
    return nest.map_structure(as_weak, result) if weak else result


def unary(function: Callable) -> Callable:
    """The function, whose first argument decides whether the result is weak."""
    signature = inspect.signature(function)
    first = next(iter(signature.parameters))

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs).arguments
        value = bound.get(first)
        if isinstance(value, Tensor) or bound.get("dtype") is not None:
            return function(*args, **kwargs)
        try:
            dtype, weak = promoted_kind(value)
        except NotImplementedError:
            return function(*args, **kwargs)
        if signature.parameters[first].kind != inspect.Parameter.VAR_POSITIONAL and args:
            return _weakened(function(_as(value, dtype), *args[1:], **kwargs), weak)
        return _weakened(function(**{**kwargs, first: _as(value, dtype)}), weak)

    return call


def arange(function: Callable) -> Callable:
    """`arange` of Python numbers is weak; they stay numbers."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        weak = kwargs.get("dtype") is None and len(args) < 4 and promoted_kind(*args).weak
        return _weakened(function(*args, **kwargs), weak)

    return call


def binary(function: Callable, strong: bool = False) -> Callable:
    """The function, whose first two arguments are promoted together."""
    first, second = list(inspect.signature(function).parameters)[:2]

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        named = dict(zip((first, second), args))
        named |= {name: kwargs.pop(name) for name in (first, second) if name in kwargs}
        x, y = named[first], named[second]
        if x is None or y is None:
            return function(x, y, *args[2:], **kwargs)
        try:
            dtype, weak = promoted_kind(x, y)
        except NotImplementedError:
            return function(x, y, *args[2:], **kwargs)
        result = function(_as(x, dtype), _as(y, dtype), *args[2:], **kwargs)
        return result if strong else _weakened(result, weak)

    return call


def constant(function: Callable) -> Callable:
    """`tf.constant` of Python numbers is weak, where no dtype is given."""

    @functools.wraps(function)
    def call(value: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, WeakTensor):
            value = value.tensor if dtype is None else cast(value.tensor, dtype)
        if dtype is not None:
            return function(value, dtype, *args, **kwargs)
        try:
            found = promoted_kind(value)
        except NotImplementedError:
            return function(value, dtype, *args, **kwargs)
        return _weakened(function(value, found.dtype, *args, **kwargs), found.weak)

    return call


def wrappers() -> Iterator[tuple[str, Callable, Callable]]:
    """Public names, the functions there, and what stands for them while weak dtypes are on."""
    rows: list[tuple[str, Callable]] = [("constant", constant)]
    rows += [(name, unary) for name in (*UNARY, *_UNARY) if name not in _NOT_WRAPPED]
    rows += [(f"experimental.numpy.{name}", arange if name == "arange" else unary) for name in _NUMPY_UNARY]
    for name in (*BINARY, *_OTHER_BINARY):
        if name not in _NOT_WRAPPED:
            strong = name.rpartition(".")[2] in _STRONG
            rows.append((name, functools.partial(binary, strong=strong)))
    for name, wrap in rows:
        function = EXPORTS["v2"].get(name)
        if function is not None:
            yield name, function, wrap(function)


def install(keep: Callable[[Any, str, Any], None]) -> None:
    """Puts the wrappers wherever their functions are public; `keep(place, name, thing)` sets and remembers."""
    stands_for = {id(function): wrapper for _, function, wrapper in wrappers()}
    for name, thing in EXPORTS["v2"].items():
        wrapper = stands_for.get(id(thing))
        parent, _, leaf = name.rpartition(".")
        module = sys.modules.get(f"penstock.{parent}".rstrip("."))
        if wrapper is not None and module is not None and getattr(module, leaf, None) is thing:
            keep(module, leaf, wrapper)


def of_weak(method: Callable, weak: WeakTensor, *args: Any, **kwargs: Any) -> Any:
    """A method of tensors, called on a weak one: the result is weak too, unless a dtype is asked for."""
    result = method(weak.tensor, *args, **kwargs)
    return result if method is cast or "dtype" in kwargs else as_weak(result)
