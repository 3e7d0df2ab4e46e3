"""The messages of `tf.train.Example` and `tf.train.SequenceExample`, made when one of them is first asked for."""

from __future__ import annotations

import functools
from types import SimpleNamespace

from penstock.engine.export import export_on_demand
from penstock.io.proto_schema import message_classes

_SCHEMA = """
message BytesList { repeated bytes value = 1; }
message FloatList { repeated float value = 1; }
message Int64List { repeated int64 value = 1; }
message Feature {
  oneof kind {
    BytesList bytes_list = 1;
    FloatList float_list = 2;
    Int64List int64_list = 3;
  }
}
message Features { map<string, Feature> feature = 1; }
message FeatureList { repeated Feature feature = 1; }
message FeatureLists { map<string, FeatureList> feature_list = 1; }
message Example { Features features = 1; }
message SequenceExample {
  Features context = 1;
  FeatureLists feature_lists = 2;
}
"""
NAMES = (
    "BytesList", "FloatList", "Int64List", "Feature", "Features", "FeatureList", "FeatureLists", "Example",
    "SequenceExample",
)  # fmt: skip


def messages() -> SimpleNamespace:
    """The classes, as attributes.

    Example:
      >>> from penstock.io.example_messages import messages
      >>> messages().Int64List(value=[1, 2]).value
      [1, 2]
    """
    return message_classes("example", _SCHEMA)


for _name in NAMES:
    export_on_demand(f"train.{_name}")(functools.partial(lambda name: getattr(messages(), name), _name))
