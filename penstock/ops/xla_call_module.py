"""`XlaCallModule`: a serialized StableHLO program as an op.

It is what `jax2tf` makes of a JAX function, and so what SavedModels hold that were exported from JAX or from Keras on
JAX. The program becomes part of the XLA program around it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from penstock.engine.definition import op
from penstock.engine.xla import jax, jnp

# The newest calling convention of StableHLO modules that `jax.export` documents and this op follows.
NEWEST_VERSION = 10

_ARGUMENT = re.compile(r"%arg\d+: tensor<([^>]*)>")


@functools.lru_cache(maxsize=256)
def _dynamic_dims(module: bytes) -> list[list[bool]]:
    """For each argument of the module's main function, which of its dimensions are only known when it is called."""
    text = _exported(module, NEWEST_VERSION, (), (), ()).mlir_module()
    main = text[text.index("@main(") :]
    signature = main[: main.index("{\n")]
    return [["?" in dim for dim in kind.split("x")[:-1]] for kind in _ARGUMENT.findall(signature)]


def _call(
    args: Sequence[Any], *, version: int, module: bytes, Sout: Any, Tout: Any, platforms: Any, **_: Any
) -> list[Any]:
    if version > NEWEST_VERSION:
        raise ValueError(
            f"version {version} of the calling convention: at most {NEWEST_VERSION} was expected"
        )
    args = [jnp.asarray(each) for each in args]
    dynamic = _dynamic_dims(module)
    dynamic = dynamic[len(dynamic) - len(args) :]  # the platform's number may come first
    sizes = {n for arg, dims in zip(args, dynamic) for n, varies in zip(arg.shape, dims) if varies}
    if len(sizes) > 1:
        raise ValueError(
            f"the dimensions of the arguments that the module leaves open have the sizes {sorted(sizes)}: one was expected"
        )
    # A dimension that the module leaves open needs a symbol, so that XLA refines it.
    (symbol,) = jax.export.symbolic_shape("n") if sizes else (None,)
    arguments = [
        (tuple(symbol if varies else n for n, varies in zip(arg.shape, dims)), arg.dtype)
        for arg, dims in zip(args, dynamic)
    ]
    results = [
        (tuple(symbol if n is None else n for n in shape.as_list()), dtype.as_numpy_dtype)
        for shape, dtype in zip(Sout, Tout)
    ]
    return list(_exported(module, version, arguments, results, platforms).call(*args))


def _exported(
    module: bytes, version: int, arguments: Sequence[Any], results: Sequence[Any], platforms: Sequence[str]
) -> Any:
    """The module as `jax.export` describes one, for arguments and results of these shapes and dtypes."""
    avals = [
        tuple(jax.core.ShapedArray(shape, dtype) for shape, dtype in each) for each in (arguments, results)
    ]
    names = tuple(each.lower() for each in platforms) or (jax.default_backend(),)
    return jax.export.Exported(
        fun_name="XlaCallModule",
        in_tree=jax.tree_util.tree_structure(((0,) * len(arguments), {})),
        in_avals=avals[0],
        out_tree=jax.tree_util.tree_structure([0] * len(results)),
        out_avals=avals[1],
        _has_named_shardings=False,
        _in_named_shardings=(),
        _out_named_shardings=(),
        in_shardings_hlo=(None,) * len(arguments),
        out_shardings_hlo=(None,) * len(results),
        nr_devices=1,
        platforms=tuple("cuda" if each == "gpu" else each for each in names),
        ordered_effects=(),
        unordered_effects=(),
        disabled_safety_checks=(),
        mlir_module_serialized=module,
        calling_convention_version=version,
        module_kept_var_idx=tuple(range(len(arguments))),
        uses_global_constants=True,
        _get_vjp=None,
    )


op(
    "XlaCallModule(args: *Tin; version, module, Sout, Tout, dim_args_spec=(), platforms=(), function_list=(), "
    "has_token_input_output=False, disabled_checks=(), use_shardy_partitioner=False) -> output: *Tout",
    xla=_call,
    shape=lambda call: list(call.attrs["Sout"]),
)
