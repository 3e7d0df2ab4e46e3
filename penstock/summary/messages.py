"""The messages of event files by their public names: `tf.compat.v1.Summary`, `tf.compat.v1.Event`, ...

The classes are tensorboard's; they are imported when a program first asks for one of them.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from penstock.engine.export import export_on_demand

# tensorboard's module -> message -> its public names in `tf.compat.v1`.
_MESSAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "event": {
        "Event": ("Event", "summary.Event"),
        "LogMessage": ("LogMessage",),
        "SessionLog": ("SessionLog", "summary.SessionLog"),
        "TaggedRunMetadata": ("summary.TaggedRunMetadata",),
    },
    "histogram": {"HistogramProto": ("HistogramProto",)},
    "summary": {
        "Summary": ("Summary", "summary.Summary"),
        "SummaryDescription": ("summary.SummaryDescription",),
        "SummaryMetadata": ("SummaryMetadata",),
    },
}


def _message(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"tensorboard.compat.proto.{module}_pb2"), name)


for _module, _found in _MESSAGES.items():
    for _name, _public in _found.items():
        export_on_demand(v1=_public)(functools.partial(_message, _module, _name))
