"""The table of TensorFlow's private paths names things that exist."""

from __future__ import annotations

import importlib
from operator import attrgetter

import pytest

import penstock
from penstock.cli.names import resolves
from penstock.standin import internals, python_tools

ROOTS = {"tf": penstock, "v1": penstock.compat.v1}

# What Keras 3.15 imports from private paths.
KERAS_IMPORTS = [
    "compiler.tf2xla.python.xla.dynamic_update_slice",
    "core.util.event_pb2.Event",
    "python.data.experimental.ops.distribute.compute_batch_size",
    "python.eager.context.async_wait",
    "python.eager.context.context",
    "python.framework.config.disable_op_determinism",
    "python.framework.config.enable_op_determinism",
    "python.framework.config.is_op_determinism_enabled",
    "python.framework.tensor_util.is_tf_type",
    "python.framework.type_spec_registry.get_name",
    "python.framework.type_spec_registry.lookup",
    "python.ops.linalg.sparse.sparse_csr_matrix_ops.csr_sparse_matrix_to_sparse_tensor",
    "python.ops.linalg.sparse.sparse_csr_matrix_ops.sparse_matrix_sparse_mat_mul",
    "python.ops.linalg.sparse.sparse_csr_matrix_ops.sparse_tensor_to_csr_sparse_matrix",
    "python.ops.math_ops.is_nan",
    "python.trackable.data_structures.ListWrapper",
    "python.trackable.data_structures._DictWrapper",
]


@pytest.mark.parametrize("name", KERAS_IMPORTS)
def test_what_keras_imports_is_there(name):
    path, _, leaf = name.rpartition(".")
    assert getattr(internals.module(path), leaf) is not None


def test_every_row_says_where_to_look():
    for path, sources in internals.MODULES.items():
        roots = ("python", "core", "compiler", "examples", "contrib", "tools", "models", "tensorboard")
        assert path.split(".")[0] in roots, path
        assert sources.split(), path


@pytest.mark.parametrize("path", sorted(internals.MODULES))
def test_every_source_of_a_row_exists(path):
    for source in internals.MODULES[path].split():
        root, _, name = source.partition(".")
        if root in ROOTS:
            assert not name or resolves(ROOTS[root], name), source
        else:
            importlib.import_module(source)


def test_a_renamed_name_is_the_public_object():
    for name, public in internals.NAMES.items():
        path, _, leaf = name.rpartition(".")
        version, _, rest = public.partition(".")
        if version == "penstock":  # what has no public name
            home, _, own = public.rpartition(".")
            assert getattr(internals.module(path), leaf) is getattr(importlib.import_module(home), own), name
        else:
            assert getattr(internals.module(path), leaf) is attrgetter(rest)(ROOTS[version]), name


def test_a_package_of_private_modules_has_no_names_of_its_own():
    with pytest.raises(AttributeError, match="no 'Session'"):
        internals.module("python.client").Session


def test_an_unknown_path_is_no_module():
    assert internals.module("python.nowhere") is None
    assert internals.module("core.framework.nothing_pb2") is None


def test_the_home_of_a_class_leads_back_to_it():
    for public, (name, home) in internals.CLASS_HOMES.items():
        assert getattr(internals.module(home), name) is attrgetter(public)(penstock), public


def test_functions_show_tensorflows_arguments():
    found = python_tools.getfullargspec(penstock.reduce_prod)
    assert found.args == ["input_tensor", "axis", "keepdims", "name"]
    assert not found.kwonlyargs and not found.annotations


@pytest.mark.parametrize("value", [3, "x", penstock.int32, None])
def test_the_static_value_of_what_is_no_tensor_is_itself(value):
    assert penstock.get_static_value(value) is value
