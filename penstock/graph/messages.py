"""Public names of TensorFlow's protocol buffers: `tf.compat.v1.GraphDef`, `MetaGraphDef`, `ConfigProto`, ...

The classes are tensorboard's; they are imported when a program first asks for one of them.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from penstock.engine.export import export_on_demand

# tensorboard's module -> its messages, by the public names of `tf.compat.v1`.
_MESSAGES = {
    "attr_value": ("AttrValue", "NameAttrList"),
    "config": ("ConfigProto", "GPUOptions", "GraphOptions", "OptimizerOptions", "RunMetadata", "RunOptions"),
    "graph": ("GraphDef",),
    "meta_graph": ("MetaGraphDef", "TensorInfo"),
    "node_def": ("NodeDef",),
    "saver": ("train.SaverDef",),
}


def message_class(module: str, name: str) -> Any:
    """A class of tensorboard's messages."""
    return getattr(importlib.import_module(f"tensorboard.compat.proto.{module}_pb2"), name)


for _module, _names in _MESSAGES.items():
    for _name in _names:
        export_on_demand(v1=[_name])(functools.partial(message_class, _module, _name.rpartition(".")[2]))
