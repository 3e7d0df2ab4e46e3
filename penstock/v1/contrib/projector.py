"""`contrib.tensorboard.plugins.projector`: what TensorBoard ships for its embedding projector."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from penstock.engine.export import export_on_demand


def _of_tensorboard(name: str) -> Any:
    return getattr(importlib.import_module("tensorboard.plugins.projector"), name)


for _name in ("EmbeddingInfo", "ProjectorConfig", "SpriteMetadata", "visualize_embeddings"):
    export_on_demand(v1=[f"contrib.tensorboard.plugins.projector.{_name}"])(
        functools.partial(_of_tensorboard, _name)
    )
