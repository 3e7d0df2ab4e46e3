"""`tf.estimator.export`: what a served model takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from penstock.engine.export import export
from penstock.v1.api import tf

DEFAULT = "serving_default"


@export("estimator.export.ServingInputReceiver")
class ServingInputReceiver(NamedTuple):
    """What a served model takes.

    Args:
      features: what the model function gets.
      receiver_tensors: a tensor that is fed, or several by name.
      receiver_tensors_alternatives: other sets of such tensors, by name.
    """

    features: Any
    receiver_tensors: Any
    receiver_tensors_alternatives: dict[str, Any] | None = None


export("estimator.export.TensorServingInputReceiver")(ServingInputReceiver)


class _Output:
    """One output of a served model, that becomes a signature."""

    def signature(self, inputs: dict[str, Any]) -> Any:
        """The SignatureDef, for these tensors that are fed."""
        raise TypeError(f"{type(self).__name__} is no output of its own: PredictOutput and its like are")


@export("estimator.export.ExportOutput")
class ExportOutput(_Output):
    """What all outputs of served models are."""


@export("estimator.export.PredictOutput")
class PredictOutput(ExportOutput):
    """Any tensors by name.

    Args:
      outputs: a tensor, or a dictionary of them.
    """

    def __init__(self, outputs: Any):
        self.outputs = outputs if isinstance(outputs, dict) else {"output": outputs}

    def signature(self, inputs: dict[str, Any]) -> Any:
        """The SignatureDef of `predict`."""
        return tf.saved_model.predict_signature_def(inputs, self.outputs)


@export("estimator.export.ClassificationOutput")
class ClassificationOutput(ExportOutput):
    """Scores of classes.

    Args:
      scores: float scores `[batch, classes]`. classes: their names, strings `[batch, classes]`. One of both may be None.

    Raises:
      ValueError: there is neither.
    """

    def __init__(self, scores: Any = None, classes: Any = None):
        if scores is None and classes is None:
            raise ValueError("At least one of scores and classes must be set.")
        self.scores, self.classes = scores, classes

    def signature(self, inputs: dict[str, Any]) -> Any:
        """The SignatureDef of `classify`; that of `predict` where what is fed are no serialized Examples."""
        (examples, *more) = inputs.values()
        if more or examples.dtype != tf.string:
            outputs = {"scores": self.scores, "classes": self.classes}
            return tf.saved_model.predict_signature_def(
                inputs, {name: each for name, each in outputs.items() if each is not None}
            )
        return tf.saved_model.classification_signature_def(examples, self.classes, self.scores)


@export("estimator.export.RegressionOutput")
class RegressionOutput(ExportOutput):
    """One float tensor of values."""

    def __init__(self, value: Any):
        self.value = value

    def signature(self, inputs: dict[str, Any]) -> Any:
        """The SignatureDef of `regress`; that of `predict` where what is fed are no serialized Examples."""
        (examples, *more) = inputs.values()
        if more or examples.dtype != tf.string:
            return tf.saved_model.predict_signature_def(inputs, {"outputs": self.value})
        return tf.saved_model.regression_signature_def(examples, self.value)


def signatures(receiver: ServingInputReceiver, outputs: dict[str, ExportOutput]) -> dict[str, Any]:
    """The SignatureDefs by name: one for each output, and "serving_default" for the only one.

    Raises:
      ValueError: there are several outputs and none is called "serving_default".
    """
    fed = receiver.receiver_tensors
    inputs = fed if isinstance(fed, dict) else {"input": fed}
    if len(outputs) > 1 and DEFAULT not in outputs:
        raise ValueError(
            f"Multiple export_outputs were provided, but none of them is specified as the default. Do this by naming one of "
            f"them with tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY ({DEFAULT!r})."
        )
    found = {name: output.signature(inputs) for name, output in outputs.items()}
    found.setdefault(DEFAULT, next(iter(found.values())))
    for alternative, tensors in (receiver.receiver_tensors_alternatives or {}).items():
        named = tensors if isinstance(tensors, dict) else {"input": tensors}
        for name, output in outputs.items():
            found[f"{alternative}:{name}"] = output.signature(named)
    return found


@export("estimator.export.build_raw_serving_input_receiver_fn")
def build_raw_serving_input_receiver_fn(
    features: dict[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """A receiver of the features themselves.

    Args:
      features: tensors by name, whose dtypes and shapes, but for the size of the batch, are those of what is fed.
      default_batch_size: the size of a batch, where it is fixed.
    """

    def receive() -> ServingInputReceiver:
        fed = {
            name: tf.placeholder(each.dtype, [default_batch_size, *each.shape.as_list()[1:]], name)
            for name, each in features.items()
        }
        return ServingInputReceiver(fed, fed)

    return receive


@export("estimator.export.build_parsing_serving_input_receiver_fn")
def build_parsing_serving_input_receiver_fn(
    feature_spec: dict[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """A receiver of serialized `tf.train.Example`s.

    Args:
      feature_spec: as for `tf.io.parse_example`.
      default_batch_size: the size of a batch, where it is fixed.
    """

    def receive() -> ServingInputReceiver:
        examples = tf.placeholder(tf.string, [default_batch_size], "input_example_tensor")
        return ServingInputReceiver(tf.io.parse_example(examples, feature_spec), {"examples": examples})

    return receive
