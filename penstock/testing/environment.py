"""What a test may ask of its surroundings: kinds of builds, directories; and comparing graphs."""

from __future__ import annotations

import inspect
import os
import tempfile
from collections.abc import Callable
from typing import Any

from penstock.engine.export import export


@export("test.is_built_with_rocm")
def is_built_with_rocm() -> bool:
    """Whether this runs on AMD's GPUs: no."""
    return False


@export("test.is_built_with_xla")
def is_built_with_xla() -> bool:
    """Whether functions are compiled by XLA: yes."""
    return True


@export("test.is_cpu_target_available")
def is_cpu_target_available(target: str) -> bool:
    """Whether code for a kind of CPU ("x86", "arm", ...) runs here."""
    import platform

    machine = platform.machine().lower()
    kinds = {"x86_64": "x86", "amd64": "x86", "aarch64": "aarch64", "arm64": "aarch64"}
    return kinds.get(machine, machine) == {"arm": "aarch64"}.get(target.lower(), target.lower())


@export("test.with_eager_op_as_function")
def with_eager_op_as_function(cls: Any = None, only_as_function: bool = False) -> Any:
    """The class itself: eager ops run in one way here."""
    return cls if cls is not None else (lambda decorated: decorated)


@export("test.disable_with_predicate")
def disable_with_predicate(pred: Callable[[], Any], skip_message: str) -> Callable:
    """A decorator that skips a test where a function says so.

    Args:
      pred: takes nothing; where it returns something true the test is skipped.
      skip_message: why.
    """

    def decorate(function: Callable) -> Callable:
        def test(self: Any, *args: Any, **kwargs: Any) -> Any:
            if pred():
                self.skipTest(skip_message)
            return function(self, *args, **kwargs)

        test.__name__, test.__doc__ = function.__name__, function.__doc__
        return test

    return decorate


@export(v1=["test.get_temp_dir"])
def get_temp_dir() -> str:
    """A directory for temporary files of tests."""
    folder = os.environ.get("TEST_TMPDIR") or os.path.join(tempfile.gettempdir(), "penstock-tests")
    os.makedirs(folder, exist_ok=True)
    return folder


@export(v1=["test.test_src_dir_path"])
def test_src_dir_path(relative_path: str) -> str:
    """The path of a file given relative to the directory of the calling file."""
    caller = inspect.currentframe()
    file = caller.f_back.f_code.co_filename if caller is not None and caller.f_back is not None else ""
    return os.path.join(
        os.environ.get("TEST_SRCDIR") or os.path.dirname(os.path.abspath(file)), relative_path
    )


test_src_dir_path.__test__ = False  # type: ignore[attr-defined]


@export("test.assert_equal_graph_def", v1=[])
def assert_equal_graph_def(expected: Any, actual: Any) -> None:
    """Checks that two GraphDefs have the same nodes and functions, in any order.

    Raises:
      TypeError: one is no GraphDef.
      AssertionError: they differ; the message names the first difference.
    """
    for name, each in (("actual", actual), ("expected", expected)):
        if type(each).__name__ != "GraphDef":
            raise TypeError(f"Expected tf.GraphDef for {name}, got {type(each).__name__}")
    kinds: tuple[tuple[str, Any, Callable], ...] = (
        ("node", lambda graph: graph.node, lambda each: each.name),
        ("function", lambda graph: graph.library.function, lambda each: each.signature.name),
    )
    for kind, items, key in kinds:
        wanted, found = ({key(each): each for each in items(graph)} for graph in (expected, actual))
        for name in wanted:
            if name not in found:
                raise AssertionError(f"Did not find expected {kind} '{name}'")
        for name, each in found.items():
            if name not in wanted:
                raise AssertionError(f"Found unexpected {kind} '{name}'")
            if each != wanted[name]:
                raise AssertionError(
                    f"The {kind} '{name}' differs.\nExpected:\n{wanted[name]}\nActual:\n{each}"
                )


@export(v1=["test.assert_equal_graph_def"])
def assert_equal_graph_def_v1(
    actual: Any, expected: Any, checkpoint_v2: bool = False, hash_table_shared_name: bool = False
) -> None:
    """TF 1's `assert_equal_graph_def`, with the arguments the other way round."""
    assert_equal_graph_def(expected, actual)
