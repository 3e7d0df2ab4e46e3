"""The installed-package record of the TensorFlow that Penstock stands in for: its name and version."""

from __future__ import annotations

from importlib.metadata import Distribution
from typing import Any

from penstock.release import TENSORFLOW_VERSION

NAMES = ("tensorflow", "tensorflow-cpu", "tensorflow_cpu")


class TensorFlowDistribution(Distribution):
    """What `importlib.metadata` knows of `tensorflow` while Penstock is installed."""

    def read_text(self, filename: str) -> str | None:
        if filename == "METADATA":
            return f"Metadata-Version: 2.1\nName: tensorflow\nVersion: {TENSORFLOW_VERSION}\n"
        return None

    def locate_file(self, path: Any) -> Any:
        raise FileNotFoundError(f"tensorflow is Penstock in this process; there is no file {path}")
