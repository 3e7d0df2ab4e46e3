"""Runs Keras's tests with pytest, in processes of their own, on Penstock or on the TensorFlow of another interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from conformance.keras.outcomes import Outcome, read_junit

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

# Not part of the whole run: it builds every large model (`make keras-applications`).
LARGE = ("applications",)
# The names of its tests hold addresses, so that processes do not agree on what there is: it runs in one.
ALONE = ("wrappers",)
# What the tests use beside what Keras itself needs, as import names: name -> the package of PyPI.
# Without one of these, some tests fail or are skipped, and others do something else.
PACKAGES = {
    "grain": "grain",
    "jax": "jax",
    "orbax": "orbax-checkpoint",
    "pandas": "pandas",
    "requests": "requests",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "tensorboard": "tensorboard",
    "torch": "torch",
}
# Whose versions a record says: those of the tests, of what they are about, and of what decides on numbers and files.
_VERSIONS = ("keras", "numpy", "ml_dtypes", "h5py", "pytest", *PACKAGES.values())

_DESCRIBE = """
import importlib.metadata as metadata, importlib.util, json, platform, sys
versions = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        versions[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps([versions, importlib.util.find_spec("keras").origin]))
"""


@dataclass(frozen=True)
class Engine:
    """What runs the tests: the command before pytest's arguments, the versions it has, and where its Keras lies."""

    command: list[str]
    path: list[str]
    versions: dict[str, str]
    keras: Path

    @classmethod
    def penstock(cls) -> Engine:
        """This interpreter, with Penstock in TensorFlow's place."""
        command = [sys.executable, "-m", "penstock", "run", "-m", "pytest"]
        return cls(command, [str(ROOT)], *_describe(sys.executable))

    @classmethod
    def tensorflow(cls, python: str) -> Engine:
        """Another interpreter, which has TensorFlow."""
        versions, keras = _describe(python, "tensorflow", "tensorflow-cpu")
        if not versions.keys() & {"tensorflow", "tensorflow-cpu"}:
            raise SystemExit(f"{python} has no TensorFlow")
        return cls([python, "-m", "pytest"], [], versions, keras)

    def lacks(self) -> list[str]:
        """The import names of `PACKAGES` that are not installed."""
        return [name for name, package in PACKAGES.items() if package not in self.versions]

    def run(self, paths: list[str], jobs: str) -> dict[str, Outcome]:
        """The outcomes of the tests under `paths` of `keras/src`, or of all but the large ones."""
        alone = [each for each in paths if each.split("/")[0] in ALONE]
        together = [each for each in paths if each not in alone]
        found = {}
        if together or not paths:
            found |= self._pytest(together, jobs)
        if alone or not paths:
            found |= self._pytest(alone or [*ALONE], "0")
        return found

    def _pytest(self, paths: list[str], jobs: str) -> dict[str, Outcome]:
        source = self.keras / "src"
        missing = [each for each in paths if not (source / each).exists()]
        if missing:
            raise SystemExit(f"{source} has no {', '.join(missing)}")
        chosen = [str(source / each) for each in paths] or [
            str(source),
            *(f"--ignore={source / each}" for each in (*LARGE, *ALONE)),
        ]
        environment = os.environ | {
            "KERAS_BACKEND": "tensorflow",
            "PYTHONPATH": os.pathsep.join([str(HERE / "shims"), *self.path]),
            "JAX_PLATFORMS": "cpu",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "MPLBACKEND": "Agg",
        }
        with tempfile.TemporaryDirectory() as folder:
            junit = Path(folder, "junit.xml")
            # Keras's own settings of pytest are not in its wheel; ours are about other tests.
            command = [
                *self.command,
                *("-q", "--no-header", "--tb=short", "-c", os.devnull, "-W", "ignore"),
                *("-p", "no:cacheprovider", "-p", "conftest", f"--rootdir={self.keras.parent}"),
                *("-n", jobs, "--dist=loadfile", "--timeout=900", f"--junitxml={junit}"),
                *chosen,
            ]
            ended = subprocess.run(command, cwd=folder, env=environment | {"KERAS_HOME": folder}, check=False)
            if ended.returncode not in (0, 1):  # 1: some tests failed
                raise SystemExit(f"pytest ended with status {ended.returncode}: {' '.join(command)}")
            return read_junit(junit)


def _describe(python: str, *more: str) -> tuple[dict[str, str], Path]:
    """The versions of packages that an interpreter has, and the folder of its Keras."""
    command = [python, "-c", _DESCRIBE, *_VERSIONS, *more]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE).stdout
    versions, origin = json.loads(answer)
    return versions, Path(origin).parent
