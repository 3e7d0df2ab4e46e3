"""`XlaCallModule`: a serialized StableHLO program as an op.

It is what `jax2tf` makes of a JAX function, and so what SavedModels hold that were exported from JAX or from Keras on
JAX. The program becomes part of the XLA program around it. Dimensions that it leaves open get the sizes of the arguments
first, as in TensorFlow: StableHLO's own shape refinement finds all other sizes from these.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from typing import Any

from penstock.engine.definition import op
from penstock.engine.xla import jax, jnp

# The newest calling convention of StableHLO modules that `jax.export` documents and this op follows.
NEWEST_VERSION = 10

# What `disabled_checks` may name: to compare the arguments' shapes, and the machine, with what a module was made for.
_SHAPES, _PLATFORM = "shape_assertions", "platform"

Shape = tuple[int, ...]


def _call(
    args: Sequence[Any],
    *,
    version: int,
    module: bytes,
    Tout: Any,
    platforms: Any,
    disabled_checks: Any,
    use_shardy_partitioner: bool,
    **_: Any,
) -> list[Any]:
    if version > NEWEST_VERSION:
        raise ValueError(
            f"version {version} of the calling convention: at most {NEWEST_VERSION} was expected"
        )
    args = [jnp.asarray(each) for each in args]
    static, shapes = _refined(
        module,
        tuple(each.shape for each in args),
        _SHAPES not in disabled_checks,
        bool(use_shardy_partitioner),
    )
    arguments = [(each.shape, each.dtype) for each in args]
    results = [(shape, dtype.as_numpy_dtype) for shape, dtype in zip(shapes, Tout)]
    program = _exported(static, version, arguments, results, platforms, _PLATFORM not in disabled_checks)
    return list(program.call(*args))


@functools.lru_cache(maxsize=256)
def _refined(
    module: bytes, shapes: tuple[Shape, ...], asserts: bool, shardy: bool
) -> tuple[bytes, list[Shape]]:
    """The module for arguments of these shapes, all of its sizes known, and the shapes of its results."""
    from jax.extend import mlir
    from jax.extend.mlir import ir
    from jax.extend.mlir.dialects import chlo, sdy, stablehlo

    with ir.Context() as context, ir.Location.unknown():
        for dialect in (stablehlo, chlo, sdy):
            dialect.register_dialect(context)
        context.allow_unregistered_dialects = True  # attributes of a module may come from any
        tree = stablehlo.deserialize_portable_artifact(context, module)
        main = ir.SymbolTable(tree.operation)["main"]
        if all(kind.has_static_shape for kind in (*main.type.inputs, *main.type.results)):
            return module, [tuple(kind.shape) for kind in main.type.results]
        _add_static_main(tree, main, shapes)
        code = io.BytesIO()
        tree.operation.write_bytecode(code)
        try:
            refined = mlir.refine_polymorphic_shapes(
                code.getvalue(),
                enable_shape_assertions=asserts,
                validate_static_shapes=True,
                enable_shardy=shardy,
            )
        except jax.errors.JaxRuntimeError as error:
            raise ValueError(f"arguments of shapes {[*map(list, shapes)]} do not fit the module: {error}")
        tree = ir.Module.parse(refined)
        main = ir.SymbolTable(tree.operation)["main"]
        results = [tuple(kind.shape) for kind in main.type.results]  # first: what follows rewrites the tree
        return stablehlo.serialize_portable_artifact(tree, stablehlo.get_current_version()), results


def _add_static_main(tree: Any, main: Any, shapes: tuple[Shape, ...]) -> None:
    """Puts a main function in front of a module's own one, whose arguments have these shapes."""
    from jax.extend.mlir import ir
    from jax.extend.mlir.dialects import func, stablehlo

    table = ir.SymbolTable(tree.operation)
    table.set_symbol_name(main, "main_of_open_shapes")
    main.attributes["sym_visibility"] = ir.StringAttr.get("private")
    kinds, results = main.type.inputs, main.type.results
    first = len(kinds) - len(shapes)  # the platform's number may come before the arguments
    static = [
        *kinds[:first],
        *(ir.RankedTensorType.get(shape, kind.element_type) for shape, kind in zip(shapes, kinds[first:])),
    ]
    with ir.InsertionPoint(tree.body):
        outer = func.FuncOp("main", (static, results), visibility="public")
    outer.arg_attrs = main.arg_attrs
    with ir.InsertionPoint(outer.add_entry_block()):
        inputs = [
            each if each.type == kind else stablehlo.convert(kind, each)
            for each, kind in zip(outer.arguments, kinds)
        ]
        called = func.CallOp(results, ir.FlatSymbolRefAttr.get("main_of_open_shapes"), inputs)
        func.ReturnOp(called.results)


def _exported(
    module: bytes,
    version: int,
    arguments: Sequence[Any],
    results: Sequence[Any],
    platforms: Sequence[str],
    checks_platform: bool,
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
        disabled_safety_checks=() if checks_platform else (jax.export.DisabledSafetyCheck.platform(),),
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
