"""Python functions into functions whose control flow calls AutoGraph's operators (`ag__.if_stmt`, ...).

malt's converters do the rewriting. The result is compiled with the file, lines, columns and function names of the
user's code, so that tracebacks, warnings, profilers, coverage and the source lines kept by graph ops speak of it.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import threading
import weakref
from types import CodeType, FunctionType
from typing import Any

from penstock.tracing.autograph import directives
from penstock.tracing.autograph.desugar import desugar
from penstock.tracing.autograph.options import ConversionOptions
from penstock.tracing.autograph.source import function_tree

# The name under which converted code reaches the operators.
OPERATORS = "ag__"


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where a node stood in the user's file; malt hands it on to the nodes that replace it."""

    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def first_line(self) -> Origin:
        """Where code that was made for the node stands: -1 says that there is no text to underline."""
        return Origin(self.line, -1, self.line, -1)


@dataclasses.dataclass(frozen=True, slots=True)
class ProgramContext:
    """What malt's converters see as `ctx.user`."""

    options: ConversionOptions


@dataclasses.dataclass(frozen=True, slots=True)
class ConvertedCode:
    """The converted form of one code object, from which functions with any closure and defaults are made."""

    factory: CodeType  # of a function of the operators that returns the converted function
    tree: ast.stmt
    name: str

    @property
    def text(self) -> str:
        """The converted source."""
        return ast.unparse(self.tree)

    def bind(self, fn: FunctionType, operators: Any) -> FunctionType:
        """The converted function with the globals, closure and defaults of `fn`."""
        cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or ()))
        closure = tuple(cells[name] for name in self.factory.co_freevars)
        converted = FunctionType(self.factory, fn.__globals__, self.name, (), closure)(operators)
        converted.__name__ = self.name
        converted.__defaults__ = fn.__defaults__
        converted.__kwdefaults__ = fn.__kwdefaults__
        # From Python 3.14 on annotations are evaluated when asked for, and may not be valid before.
        kept = "__annotate__" if hasattr(fn, "__annotate__") else "__annotations__"
        setattr(converted, kept, getattr(fn, kept))
        return converted


_cache: weakref.WeakKeyDictionary[CodeType, dict[Any, ConvertedCode]] = weakref.WeakKeyDictionary()
_lock = threading.RLock()


def transpile(fn: FunctionType, options: ConversionOptions) -> ConvertedCode:
    """The converted code of `fn`, made once per code object and options.

    Raises:
      SourceUnavailableError: the source of `fn` cannot be read.
      NotImplementedError: `fn` has syntax that AutoGraph does not convert (a generator, ...).
    """
    # Code objects compare by content, so that the same function in two files needs the file in the key.
    key = (options, fn.__code__.co_filename)
    with _lock:
        known = _cache.setdefault(fn.__code__, {})
        if key not in known:
            known[key] = _convert(fn, options)
        return known[key]


def _convert(fn: FunctionType, options: ConversionOptions) -> ConvertedCode:
    from malt.pyct import inspect_utils, naming, transformer

    tree: Any = desugar(_without_signature_values(function_tree(fn)))
    names = {getattr(node, "name", None) for node in ast.walk(tree)}
    _note_origins(tree)
    namespace = inspect_utils.getnamespace(fn)
    namer = naming.Namer(namespace)
    name = namer.new_symbol("tf__lam" if isinstance(tree, ast.Lambda) else "tf__" + tree.name, ())
    info = transformer.EntityInfo(name, "", fn.__code__.co_filename, (), namespace)
    context = transformer.Context(info, namer, ProgramContext(options))
    tree = _rewrite(tree, context)
    if isinstance(tree, ast.Lambda):
        tree = ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], tree), tree)
    else:
        tree.name = name
    factory = _compile(tree, name, fn.__code__)
    names.discard(fn.__code__.co_name)  # that of the tree's root, which now has another
    return ConvertedCode(_renamed(factory, names, fn.__code__.co_name, fn.__code__.co_qualname), tree, name)


def _without_signature_values(tree: Any) -> Any:
    """Drops defaults, annotations and decorators, which were evaluated when the function was made."""
    nothing = ast.Constant(None)
    spec = tree.args
    spec.defaults = [nothing] * len(spec.defaults)
    spec.kw_defaults = [each and nothing for each in spec.kw_defaults]
    for argument in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg):
        if argument is not None:
            argument.annotation = None
    if isinstance(tree, ast.FunctionDef):
        tree.decorator_list, tree.returns = [], None
    return tree


def _note_origins(tree: Any) -> None:
    from malt.pyct import anno

    node: Any
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            origin = Origin(node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
            # Of a compound statement only the head is of interest; its blocks have places of their own.
            compound = isinstance(node, ast.stmt) and hasattr(node, "body")
            anno.setanno(node, anno.Basic.ORIGIN, origin.first_line if compound else origin)


def _rewrite(tree: Any, context: Any) -> Any:
    """Runs malt's converters, in the order in which they build on each other."""
    from malt.converters import (
        asserts,
        break_statements,
        call_trees,
        conditional_expressions,
        continue_statements,
        control_flow,
        functions,
        lists,
        logical_expressions,
        return_statements,
        slices,
        variables,
    )
    from malt.core import unsupported_features_checker
    from malt.core.converter import Feature
    from malt.pyct import anno, cfg, qual_names
    from malt.pyct.static_analysis import activity, reaching_definitions

    options = context.user.options
    unsupported_features_checker.verify(tree)
    graphs = cfg.build(tree)
    tree = activity.resolve(qual_names.resolve(tree), context, None)
    tree = reaching_definitions.resolve(tree, context, graphs)
    anno.dup(tree, {anno.Static.DEFINITIONS: anno.Static.ORIG_DEFINITIONS})
    # `continue` goes before `for` is canonicalized, which adds an increment that it would have to step around.
    for converter, feature in (
        (functions.transform, None),
        (_directives_converter(), None),
        (break_statements.transform, None),
        (asserts.transform, Feature.ASSERT_STATEMENTS),
        (continue_statements.transform, None),
        (return_statements.transform, None),
        (lists.transform, Feature.LISTS),
        (slices.transform, Feature.LISTS),
        (call_trees.transform, None),
        (control_flow.transform, None),
        (conditional_expressions.transform, None),
        (logical_expressions.transform, None),
        (variables.transform, None),
    ):
        if feature is None or options.uses(feature):
            tree = converter(tree, context)
    return tree


@functools.cache
def _directives_converter() -> Any:
    """malt's converter of directives, taught that `tf.autograph.experimental.set_loop_options` is one."""
    from malt.converters import directives as malt_converter
    from malt.lang import directives as malt_directives
    from malt.pyct import anno

    class Directives(malt_converter.DirectivesTransformer):
        def _translated(self, node: ast.AST) -> ast.AST:
            value = anno.getanno(node, malt_converter.STATIC_VALUE, default=None)
            if value is directives.set_loop_options:
                anno.setanno(node, malt_converter.STATIC_VALUE, malt_directives.set_loop_options)
            return node

        def visit_Name(self, node: ast.Name) -> ast.AST:
            return self._translated(super().visit_Name(node))

        def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
            return self._translated(super().visit_Attribute(node))

    return lambda tree, context: Directives(context).visit(tree)


def _compile(tree: ast.stmt, name: str, original: CodeType) -> CodeType:
    """The code of a function of the operators that defines the converted function and returns it.

    An outer function assigns the original's free variables, so that the compiler makes cells for them.
    """
    text = "def outer():\n" + "".join(f" {each} = None\n" for each in original.co_freevars)
    text += f" def inner({OPERATORS}):\n  pass\n  return {name}\n"
    module = ast.parse(text)
    outer: Any = module.body[0]
    inner = outer.body[-1]
    inner.body[0] = tree
    line = original.co_firstlineno
    _place(module, Origin(line, -1, line, -1))
    flags = original.co_flags & _FUTURE_FLAGS
    code = compile(module, original.co_filename, "exec", flags, dont_inherit=True)
    return _nested(_nested(code, "outer"), "inner")


def _future_flags() -> int:
    import __future__

    features = (getattr(__future__, name) for name in __future__.all_feature_names)
    return functools.reduce(lambda flags, feature: flags | feature.compiler_flag, features, 0)


_FUTURE_FLAGS = _future_flags()


def _nested(code: CodeType, name: str) -> CodeType:
    return next(each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name)


def _place(node: Any, inherited: Origin) -> None:
    """Puts each node where its origin was; generated nodes stand where their parent does."""
    from malt.pyct import anno

    origin = anno.getanno(node, anno.Basic.ORIGIN, default=None)
    if origin is None:
        origin = inherited if inherited.line == inherited.end_line else inherited.first_line
    if "lineno" in node._attributes:
        node.lineno, node.col_offset = origin.line, origin.column
        node.end_lineno, node.end_col_offset = origin.end_line, origin.end_column
    for child in ast.iter_child_nodes(node):
        _place(child, origin)


def _renamed(code: CodeType, names: set[str | None], function: str, qualname: str) -> CodeType:
    """Names the functions that the conversion made (`if_body`, ...) after the user's function that they came from."""
    separator = ".<locals>." if code.co_flags & inspect.CO_NEWLOCALS else "."  # else the body of a class
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            name, path = function, qualname
            if constant.co_name in names or constant.co_name.startswith("<"):
                name, path = constant.co_name, qualname + separator + constant.co_name
            inner = _renamed(constant, names, function if name.startswith("<") else name, path)
            constant = inner.replace(co_name=name, co_qualname=path)
        constants.append(constant)
    return code.replace(co_consts=tuple(constants))
