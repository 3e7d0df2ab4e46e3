"""`tf.test.TestCase`: a test case that knows tensors, sessions and graphs."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from absl.testing import absltest

from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.graph.graph import Graph
from penstock.ops.random.seed import set_random_seed
from penstock.runtime.session import BaseSession, Session, get_default_session
from penstock.testing._assertions import ArrayAssertions
from penstock.types import nest

_SEED = 87654321  # TensorFlow's default seed of a graph


class TestCase(ArrayAssertions):
    """A test case whose tests begin with an empty default graph and the same seeds.

    Example:
      >>> import penstock as tf
      >>> class SquareTest(tf.test.TestCase):
      ...     def test_square(self):
      ...         self.assertAllEqual(tf.square([2, 3]), [4, 9])
      >>> import unittest
      >>> unittest.TextTestRunner(open(os.devnull, "w")).run(SquareTest("test_square")).wasSuccessful()
      True
    """

    def __init__(self, methodName: str = "runTest"):
        super().__init__(methodName)
        self._threads: list[CheckedThread] = []
        self._tempdir: str | None = None
        self._cached_session: Session | None = None
        self._set_default_seed = True

    def setUp(self) -> None:
        """Empties the default graph and sets the seeds."""
        super().setUp()
        self._clear_cached_session()
        random.seed(_SEED)
        np.random.seed(_SEED)
        thread.graph = process.default_graph = None
        if process.graph_mode:
            thread.graph = context.default_graph()
        if self._set_default_seed:
            set_random_seed(_SEED)
        thread.summary = None
        if self.id().endswith(".test_session"):
            self.skipTest("Not a test.")

    def tearDown(self) -> None:
        """Looks whether all threads have ended, and closes the session."""
        for each in self._threads:
            each.check_termination()
        self._clear_cached_session()
        super().tearDown()

    def _clear_cached_session(self) -> None:
        if self._cached_session is not None:
            self._cached_session.close()
            self._cached_session = None

    def get_temp_dir(self) -> str:
        """A directory of this test."""
        if self._tempdir is None:
            parent = absltest.TEST_TMPDIR.value if absltest.TEST_TMPDIR.present else None
            self._tempdir = tempfile.mkdtemp(dir=parent if parent and os.path.isdir(parent) else None)
        return self._tempdir

    @contextlib.contextmanager
    def captureWritesToStream(self, stream: Any) -> Iterator[Any]:
        """What is written to a stream of the operating system inside; `.contents()` of what this gives is the text."""
        stream.flush()
        number = stream.fileno()
        handle, path = tempfile.mkstemp(dir=self.get_temp_dir())
        original = os.dup(number)
        os.dup2(handle, number)
        try:
            yield CapturedWrites(path)
        finally:
            stream.flush()
            os.close(handle)
            os.dup2(original, number)
            os.close(original)

    # Evaluating.

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors, in a nest: eagerly, or in the default (or the cached) session."""
        if thread.graph is None:
            return nest.map_structure(self._eager_value, tensors)
        session = get_default_session()
        if session is not None:
            return session.run(tensors)
        with self.cached_session() as session:
            return session.run(tensors)

    def _eager_value(self, thing: Any) -> Any:
        if thing is None:
            return None
        if callable(thing) and not hasattr(thing, "numpy"):
            return self.evaluate(thing())
        if hasattr(thing, "graph") and not hasattr(thing, "numpy"):
            session = get_default_session()
            if session is not None:
                return session.run(thing)
            with self._session_on(thing.graph) as session:
                return session.run(thing)
        if hasattr(thing, "_type_spec") and hasattr(type(thing), "_from_session_values"):
            parts = nest.flatten(thing, expand_composites=True)
            return thing._from_session_values([each.numpy() for each in parts])
        if hasattr(thing, "numpy"):
            return thing.numpy()
        raise ValueError(f"Unsupported type {type(thing).__name__!r}.")

    @contextlib.contextmanager
    def _session_on(self, graph: Graph, config: Any = None) -> Iterator[Session]:
        with graph.as_default(), Session(graph=graph, config=config) as session:
            yield session

    @contextlib.contextmanager
    def session(
        self, graph: Graph | None = None, config: Any = None, use_gpu: bool = True, force_gpu: bool = False
    ) -> Iterator[Any]:
        """A new session on a graph (by default the current one), which is the default session inside.

        Eagerly there is none, and what this gives only evaluates eager values.
        """
        if thread.graph is None and graph is None:
            yield EagerSession(self)
            return
        with self._session_on(thread.graph if graph is None else graph, config) as session:
            yield session

    @contextlib.contextmanager
    def cached_session(
        self, graph: Graph | None = None, config: Any = None, use_gpu: bool = True, force_gpu: bool = False
    ) -> Iterator[Any]:
        """As `session`; all calls in one test give the same session."""
        if thread.graph is None and graph is None:
            yield EagerSession(self)
            return
        if self._cached_session is None:
            self._cached_session = Session(graph=graph, config=config)
        session = self._cached_session
        if graph is not None and session.graph is not graph:
            raise ValueError(
                "The graph used to get the cached session is different than the one that was used first."
            )
        with session.graph.as_default(), session.as_default():
            yield session

    def test_session(
        self,
        graph: Graph | None = None,
        config: Any = None,
        use_gpu: bool = True,
        force_gpu: bool = False,
    ) -> Any:
        """The older name of `cached_session` (of `session`, where a graph is given)."""
        if self.id().endswith(".test_session"):
            self.skipTest('The name "test_session" is reserved for creating sessions within tests.')
        make = self.cached_session if graph is None else self.session
        return make(graph, config, use_gpu, force_gpu)

    test_session.__test__ = False  # type: ignore[attr-defined]

    def checkedThread(
        self, target: Callable, args: tuple | None = None, kwargs: dict | None = None
    ) -> CheckedThread:
        """A thread whose errors fail the test, and which has to be joined."""
        found = CheckedThread(self, target, args or (), kwargs or {})
        self._threads.append(found)
        return found


class EagerSession(BaseSession):
    """Stands for a session while running eagerly: gives the values of eager tensors."""

    def __init__(self, test: TestCase):
        super().__init__(graph=context.default_graph())
        self._test = test

    def run(
        self, fetches: Any, feed_dict: dict | None = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """The values of eager tensors, or of those of the default graph.

        Raises:
          RuntimeError: something is fed to an eager tensor.
        """
        if feed_dict:
            raise RuntimeError(
                "feed_dict is not supported when eager execution is enabled (in this case, sess.run(t) is short for "
                "t.numpy()"
            )
        return self._test.evaluate(fetches)


class CapturedWrites:
    """What was written to a stream."""

    def __init__(self, path: str):
        self._path = path

    def contents(self) -> str:
        """The text."""
        with open(self._path) as file:
            return file.read()


class CheckedThread:
    """A thread of a test."""

    def __init__(self, test: TestCase, target: Callable, args: tuple, kwargs: dict):
        self._test, self._target, self._args, self._kwargs = test, target, args, kwargs
        self._thread = threading.Thread(target=self._run)
        self._error: Exception | None = None
        self._joined = False

    def _run(self) -> None:
        try:
            self._target(*self._args, **self._kwargs)
        except Exception as error:
            self._error = error

    def start(self) -> None:
        """Starts it."""
        self._thread.start()

    def join(self) -> None:
        """Waits for its end; an error in it fails the test."""
        self._joined = True
        self._thread.join()
        if self._error is not None:
            self._test.fail(f"Error in checkedThread: {self._error}")

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    def check_termination(self) -> None:
        """Fails the test where the thread was not joined."""
        if not self._joined:
            self._test.fail("A checked thread was not joined.")
        if self.is_alive():
            raise RuntimeError(
                "Thread was not joined with main thread, and is still running when the test finished."
            )
