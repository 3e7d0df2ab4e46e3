"""What a conversion may do: `Feature` names the optional parts, `ConversionOptions` is one choice of them.

Options are part of the key under which converted code is cached, and appear as source text in that code.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
from collections.abc import Iterable
from typing import Any

from penstock.engine.export import export


@export("autograph.experimental.Feature")
class Feature(enum.Enum):
    """Optional parts of the AutoGraph conversion, for `tf.function(experimental_autograph_options=...)`.

    `ALL`: everything below. `ASSERT_STATEMENTS`: `assert` on a tensor checks when the graph runs.
    `BUILTIN_FUNCTIONS`: `print` of a tensor prints its value when the graph runs. `EQUALITY_OPERATORS`: `==` and `!=`
    on a tensor compare elements even where `Tensor.__eq__` compares identity. `LISTS`: lists that grow in a graph loop
    become tensor lists. `NAME_SCOPES`: ops are named after the function that made them. `AUTO_CONTROL_DEPS`: side
    effects keep program order (Penstock always does that).

    Example:
      >>> import penstock as tf
      >>> @tf.function(experimental_autograph_options=tf.autograph.experimental.Feature.ASSERT_STATEMENTS)
      ... def root(x):
      ...   assert x >= 0., "root of a negative number"
      ...   return tf.sqrt(x)
      >>> float(root(tf.constant(4.)))
      2.0
    """

    ALL = "ALL"
    AUTO_CONTROL_DEPS = "AUTO_CONTROL_DEPS"
    ASSERT_STATEMENTS = "ASSERT_STATEMENTS"
    BUILTIN_FUNCTIONS = "BUILTIN_FUNCTIONS"
    EQUALITY_OPERATORS = "EQUALITY_OPERATORS"
    LISTS = "LISTS"
    NAME_SCOPES = "NAME_SCOPES"

    @classmethod
    def all(cls) -> tuple[Feature, ...]:
        """Every member, `ALL` included."""
        return tuple(cls)

    @classmethod
    def all_but(cls, exclude: Feature | Iterable[Feature]) -> tuple[Feature, ...]:
        """Every member except `ALL` and those in `exclude`."""
        excluded = {exclude} if isinstance(exclude, Feature) else set(exclude)
        return tuple(each for each in cls if each not in excluded and each is not cls.ALL)


@dataclasses.dataclass(frozen=True)
class ConversionOptions:
    """How one function is to be converted.

    Attributes:
      recursive: whether the functions that it calls are converted too.
      user_requested: whether the user asked for this very function; then it is converted wherever it is defined.
      internal_convert_user_code: False where a non-recursive conversion stops here.
      optional_features: the features in use; a single one, or None, is accepted too.
    """

    recursive: bool = False
    user_requested: bool = False
    internal_convert_user_code: bool = True
    optional_features: Any = Feature.ALL

    def __post_init__(self) -> None:
        features = self.optional_features
        if features is None:
            features = ()
        elif isinstance(features, Feature):
            features = (features,)
        object.__setattr__(self, "optional_features", frozenset(features))

    def uses(self, feature: Any) -> bool:
        """Whether a feature is on. Asked by malt's converters, whose own `Feature` has the same names."""
        names = {each.name for each in self.optional_features}
        return "ALL" in names or feature.name in names

    def call_options(self) -> ConversionOptions:
        """The options for the functions that the converted one calls."""
        return ConversionOptions(self.recursive, False, self.recursive, self.optional_features)

    def to_ast(self) -> ast.expr:
        """The expression that makes these options in converted code."""
        if self == STANDARD_OPTIONS:
            return ast.parse("ag__.STD", mode="eval").body
        features = "".join(f"ag__.{each}, " for each in sorted(self.optional_features, key=str))
        text = (
            f"ag__.ConversionOptions(recursive={self.recursive}, user_requested={self.user_requested}, "
            f"optional_features=({features}), internal_convert_user_code={self.internal_convert_user_code})"
        )
        return ast.parse(text, mode="eval").body


STANDARD_OPTIONS = ConversionOptions(recursive=True, optional_features=None)
