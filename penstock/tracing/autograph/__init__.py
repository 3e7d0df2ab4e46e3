"""AutoGraph: functions whose control flow on tensors becomes control flow of the graph.

`tf.function` calls `convert` and traces the result; APIs that take functions of the user call `tf_convert`.
diastatic-malt rewrites the source (`transpiler`), and is imported when the first function is converted.
"""

from __future__ import annotations

from penstock.tracing.autograph import directives, verbosity
from penstock.tracing.autograph.conversion import (
    AutoGraphError,
    ConversionError,
    convert,
    do_not_convert,
    tf_convert,
    to_code,
    to_graph,
)
from penstock.tracing.autograph.options import ConversionOptions, Feature
from penstock.tracing.autograph.status import (
    ControlStatusCtx,
    Status,
    control_status_ctx,
    is_autograph_disabled,
)
from penstock.tracing.autograph.tracebacks import show_user_code

__all__ = [
    "AutoGraphError",
    "ControlStatusCtx",
    "ConversionError",
    "ConversionOptions",
    "Feature",
    "Status",
    "control_status_ctx",
    "convert",
    "directives",
    "do_not_convert",
    "is_autograph_disabled",
    "show_user_code",
    "tf_convert",
    "to_code",
    "to_graph",
    "verbosity",
]
