"""The library of native kernels is optional: without it, programs use XLA's own kernels."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from penstock.engine import native
from penstock.engine.xla import jnp

ROOT = Path(__file__).parents[2]

PROGRAM = """
import penstock as tf
from penstock.engine import native
print(native.description())
print(tf.function(tf.nn.max_pool)(tf.reshape(tf.range(4.0), (1, 2, 2, 1)), 2, 2, "VALID").numpy().item())
"""


def test_the_library_is_here_where_it_can_be_compiled():
    """Tests of kernels are skipped without the library; a build that fails must not pass for that."""
    spec = importlib.util.spec_from_file_location("build_kernels", ROOT / "native" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    try:
        build.compiler()
    except build.UnavailableError as reason:
        pytest.skip(str(reason))
    if os.environ.get("PENSTOCK_NATIVE") == "0":
        pytest.skip("PENSTOCK_NATIVE=0")
    assert native.library() is not None, f"{native.description()}; see what `python native/build.py` says"


def test_the_environment_names_another_library(tmp_path):
    environment = {**os.environ, "PENSTOCK_NATIVE": str(tmp_path / "other.so")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.splitlines() == [f"none: XLA's own kernels (no file {tmp_path / 'other.so'})", "3.0"]


def test_the_environment_turns_kernels_off():
    environment = {**os.environ, "PENSTOCK_NATIVE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.splitlines() == ["none: XLA's own kernels (PENSTOCK_NATIVE=0)", "3.0"]


def test_without_the_library_nothing_is_taken(monkeypatch, tmp_path):
    monkeypatch.delenv("PENSTOCK_NATIVE", raising=False)
    monkeypatch.setattr(native, "LIBRARY", tmp_path / "missing.so")
    monkeypatch.setattr(native, "_open", native._open.__wrapped__)  # without its cache
    monkeypatch.setattr(native, "_tried", False)
    monkeypatch.setattr(native, "_loaded", None)
    assert not native.takes(np.ones(3, np.float32))
    assert "not compiled" in native.description()


@pytest.mark.skipif(native.library() is None, reason="the native kernels could not be compiled here")
@pytest.mark.parametrize(
    "array, taken",
    [
        (np.ones((2, 3), np.float32), True),
        (np.ones((2, 0), np.float32), False),
        (np.ones((2, 3), np.float64), False),
        (np.ones((2, 3), np.int32), False),
    ],
)
def test_which_arrays_are_taken(array, taken):
    assert native.takes(array) == taken


@pytest.mark.skipif(native.library() is None, reason="the native kernels could not be compiled here")
def test_a_mixture_of_dtypes_is_not_taken():
    assert not native.takes(np.ones(3, np.float32), jnp.ones(3, jnp.bfloat16))


def test_a_library_without_a_kernel_is_named_and_not_used(monkeypatch):
    if native.library() is None:
        pytest.skip("the native kernels could not be compiled here")
    monkeypatch.setattr(native, "KERNELS", ("adam", "of_tomorrow"))
    monkeypatch.setattr(native, "_tried", False)
    monkeypatch.setattr(native, "_loaded", None)
    with pytest.warns(UserWarning, match="older sources, and has no of_tomorrow"):
        assert native.library() is None
    assert "older sources" in native.description()


def test_a_library_older_than_its_sources_is_told(monkeypatch, tmp_path):
    library, source = tmp_path / "libpenstock.so", tmp_path / "kernel.cc"
    for place, name, seconds in ((library, "LIBRARY", 100), (source, "SOURCES", 200)):
        place.touch()
        os.utime(place, (seconds, seconds))
        monkeypatch.setattr(native, name, place if name == "LIBRARY" else tmp_path)
    assert native._is_older_than_sources()
    os.utime(library, (300, 300))
    assert not native._is_older_than_sources()
