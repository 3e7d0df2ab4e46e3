"""Decorators of tests that choose between graphs and eager execution, as `tensorflow.python.framework.test_util` has."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.graph.graph import Graph


@contextlib.contextmanager
def _in_graph() -> Iterator[Graph]:
    """The default graph is a new one inside, and ops build it."""
    outer = process.default_graph
    graph = process.default_graph = Graph()
    try:
        with context.building(graph):
            yield graph
    finally:
        process.default_graph = outer


def _tests_of(decorate: Callable) -> Callable:
    """A decorator of one test that also takes a class, and then applies to all of its tests."""

    @functools.wraps(decorate)
    def both(thing: Any) -> Any:
        if not inspect.isclass(thing):
            return decorate(thing)
        for name, method in list(vars(thing).items()):
            if callable(method) and name.startswith("test") and name != "test_session":
                setattr(thing, name, decorate(method))
        return thing

    return both


@_tests_of
def run_deprecated_v1(function: Callable) -> Callable:
    """Runs a test in a graph."""

    @functools.wraps(function)
    def test(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _in_graph():
            return function(self, *args, **kwargs)

    return test


deprecated_graph_mode_only = run_deprecated_v1


@_tests_of
def run_v1_only(function: Callable, reason: str | None = None) -> Callable:
    """Skips a test, unless TF 2's behaviour is off."""

    @functools.wraps(function)
    def test(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not process.graph_mode:
            self.skipTest(reason or "Test is only compatible with v1")
        return function(self, *args, **kwargs)

    return test


@_tests_of
def run_v2_only(function: Callable, reason: str | None = None) -> Callable:
    """Skips a test where TF 2's behaviour is off."""

    @functools.wraps(function)
    def test(self: Any, *args: Any, **kwargs: Any) -> Any:
        if process.graph_mode:
            self.skipTest(reason or "Test is only compatible with v2")
        return function(self, *args, **kwargs)

    return test


def run_in_graph_and_eager_modes(
    func: Callable | None = None,
    config: Any = None,
    use_gpu: bool = True,
    assert_no_eager_garbage: bool = False,
) -> Any:
    """Runs a test twice: in a graph with a session, and eagerly; `setUp` and `tearDown` come between."""

    def decorate(function: Callable) -> Callable:
        if inspect.isclass(function):
            raise ValueError("`run_in_graph_and_eager_modes` only supports test methods.")

        @functools.wraps(function)
        def test(self: Any, *args: Any, **kwargs: Any) -> None:
            with _in_graph(), self.cached_session(config=config):
                function(self, *args, **kwargs)
            self.tearDown()
            self._tempdir = None
            outer, process.graph_mode = process.graph_mode, False
            try:
                with context.building(None):
                    self.setUp()
                    function(self, *args, **kwargs)
            finally:
                process.graph_mode = outer

        return test

    return decorate if func is None else decorate(func)


def run_all_in_graph_and_eager_modes(cls: Any) -> Any:
    """Applies `run_in_graph_and_eager_modes` to all tests of a class."""
    return _tests_of(run_in_graph_and_eager_modes)(cls)


run_in_graph_and_eager_modes_test = run_in_graph_and_eager_modes


def run_functions_eagerly(run_eagerly: bool) -> Any:
    """A context in which functions run op by op, or not."""

    @contextlib.contextmanager
    def scope() -> Iterator[None]:
        outer, process.functions_run_eagerly = process.functions_run_eagerly, run_eagerly
        try:
            yield
        finally:
            process.functions_run_eagerly = outer

    return scope()


def also_run_as_tf_function(function: Callable) -> Callable:
    """Runs a test eagerly, and once more inside of a `tf.function`."""

    @functools.wraps(function)
    def test(self: Any, *args: Any, **kwargs: Any) -> None:
        import penstock as tf

        function(self, *args, **kwargs)

        def body() -> None:
            function(self, *args, **kwargs)

        tf.function(body, autograph=False)()

    return test


def run_without_tensor_float_32(description: str) -> Callable:
    """The test itself: products keep their precision unless a program asks for less."""
    return lambda function: function


def _unchanged(thing: Any = None, *args: Any, **kwargs: Any) -> Any:
    """The test itself: what the decorator would switch is always so here."""
    return thing if callable(thing) else (lambda decorated: decorated)


# Switches of TensorFlow's that have one position here.
(
    enable_control_flow_v2, with_control_flow_v2, disable_control_flow_v2, disable_xla, xla_allow_fallback,
    disable_mlir_bridge, disable_tfrt, enable_output_all_intermediates, assert_no_garbage_created,
    assert_no_new_pyobjects_executing_eagerly, assert_no_new_tensors,
) = (_unchanged,) * 11  # fmt: skip


def skip_if(condition: Any) -> Callable:
    """A decorator that skips a test where a condition, or a function that gives one, holds."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def test(self: Any, *args: Any, **kwargs: Any) -> Any:
            if condition() if callable(condition) else condition:
                return None
            return function(self, *args, **kwargs)

        return test

    return decorate


@contextlib.contextmanager
def use_gpu() -> Iterator[None]:
    """Places nothing: XLA uses the accelerator there is."""
    yield


@contextlib.contextmanager
def device(use_gpu: bool) -> Iterator[None]:
    """Ops inside run on the CPU, unless `use_gpu`."""
    outer, thread.device = thread.device, thread.device if use_gpu else "/device:CPU:0"
    try:
        yield
    finally:
        thread.device = outer


force_cpu = functools.partial(device, False)
