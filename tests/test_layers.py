"""Imports point downward only, and JAX, Keras and protobuf are imported on first use."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1] / "penstock"

# From the bottom; a module may import from its own layer and from those before it.
LAYERS = [
    "types",
    "engine",
    ("io", "cluster"),
    "graph",
    "ops",
    "numpy_api",
    "feature_column",
    "autodiff",
    "runtime",
    "tracing",
    "linear_operators",
    ("platform", "profiler"),
    ("data", "queues", "saving", "summary", "train"),
    "v1",
    "estimator",
    "distribute",
    "data_service",
    "dtensor",
    "parameter_server",
    ("testing", "distributions"),
    "keras2",
]
LEVEL = {
    name: level
    for level, names in enumerate(LAYERS)
    for name in ([names] if isinstance(names, str) else names)
}


def _imports(tree: ast.Module):
    """Modules that are imported when the module itself is; imports inside functions come later."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, []


def _modules():
    return sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] in LEVEL)


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path):
    own = LEVEL[path.relative_to(ROOT).parts[0]]
    for module, names in _imports(ast.parse(path.read_text())):
        parts = module.split(".")
        if parts[0] != "penstock":
            continue
        layers = [parts[1]] if len(parts) > 1 else names
        for layer in layers:
            assert LEVEL.get(layer, own) <= own, f"{path.name} imports {module}, which is above it"


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_are_imported_on_first_use(path):
    for module, _ in _imports(ast.parse(path.read_text())):
        assert module.split(".")[0] not in {"jax", "jaxlib", "keras", "tensorboard", "google", "malt"}


def test_import_loads_none_of_them():
    code = "import sys, penstock; print([m for m in ('jax', 'keras', 'malt', 'tensorboard') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent, check=True
    )
    assert done.stdout.strip() == "[]"


def test_no_private_jax():
    for path in ROOT.rglob("*.py"):
        assert "jax._src" not in path.read_text(), path
