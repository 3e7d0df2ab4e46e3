"""TypeSpecs: what fits them, what they have in common, and how they are shown, as in TensorFlow 2.21."""

import pickle

import numpy as np
import pytest

import penstock as tf
from penstock.types import dtypes, type_spec
from penstock.types.shapes import TensorShape
from penstock.types.specs import (
    BoundedTensorSpec,
    NoneTensorSpec,
    TensorSpec,
    VariableSpec,
    register_type_spec_from_value_converter,
    type_spec_from_value,
)
from penstock.types.type_spec import TypeSpec
from tests.ids import stable_id


class Two:
    """A value that a user's own spec describes."""


class TwoSpec(TypeSpec):
    def __init__(self, shape, dtype):
        self.shape, self.dtype = TensorShape(shape), dtypes.as_dtype(dtype)

    value_type = property(lambda self: Two)
    _component_specs = property(
        lambda self: [TensorSpec(self.shape, self.dtype), TensorSpec([], dtypes.int32)]
    )

    def _serialize(self):
        return self.shape, self.dtype

    def _to_components(self, value):
        return list(value)

    def _from_components(self, components):
        return tuple(components)


F, I = dtypes.float32, dtypes.int32  # noqa: E741


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (TensorSpec([1, 2]), "TensorSpec(shape=(1, 2), dtype=tf.float32, name=None)"),
        (TensorSpec(None, I, "x"), "TensorSpec(shape=<unknown>, dtype=tf.int32, name='x')"),
        (
            BoundedTensorSpec([3], F, 0, 1),
            "BoundedTensorSpec(shape=(3,), dtype=tf.float32, name=None, "
            "minimum=array(0., dtype=float32), maximum=array(1., dtype=float32))",
        ),
        (VariableSpec([1]), "VariableSpec(shape=(1,), dtype=tf.float32, trainable=True, alias_id=None)"),
        (NoneTensorSpec(), "NoneTensorSpec()"),
        (TwoSpec([1], I), "TwoSpec(TensorShape([1]), tf.int32)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_repr(spec, text):
    assert repr(spec) == text


@pytest.mark.parametrize(
    "spec",
    [
        TensorSpec([1, None], I, "k"),
        BoundedTensorSpec([3], F, 0, [1, 2, 3], "n"),
        VariableSpec([1], I, False, 3),
        NoneTensorSpec(),
        TwoSpec([None], F),
    ],
    ids=lambda spec: type(spec).__name__,
)
def test_pickling_and_serializing_keep_the_spec(spec):
    for again in (pickle.loads(pickle.dumps(spec)), type(spec)._deserialize(spec._serialize())):
        assert again == spec or isinstance(spec, BoundedTensorSpec)
        assert hash(again) == hash(spec)
        assert repr(again) == repr(spec) or isinstance(spec, BoundedTensorSpec)


def test_names_and_classes_tell_specs_apart():
    assert TensorSpec([3], name="a") != TensorSpec([3], name="b")
    assert TensorSpec([3]) != BoundedTensorSpec([3], F, 0, 1)
    assert BoundedTensorSpec([3], F, 0, 1) != BoundedTensorSpec([3], F, 0, 2)
    assert VariableSpec([1], alias_id=0) != VariableSpec([1])
    assert TwoSpec([1], F) == TwoSpec([1], "float32")
    assert TensorSpec([3]) != 5


@pytest.mark.parametrize(
    ("spec", "other", "expected"),
    [
        (TensorSpec([1, 2]), TensorSpec([None, 2]), True),
        (TensorSpec([None]), tf.constant([1.0, 2.0]), True),
        (TensorSpec([3]), tf.constant([1.0, 2.0]), False),
        (TensorSpec([None], I), tf.constant([1.0]), False),
        (TensorSpec([None]), np.zeros(2, np.float32), False),
        (TensorSpec([None]), [1.0], False),
        (TensorSpec([1]), VariableSpec([1]), True),
        (VariableSpec([1]), TensorSpec([1]), False),
        (VariableSpec([1]), VariableSpec([None]), True),
        (VariableSpec([1]), VariableSpec([1], trainable=False), False),
        (BoundedTensorSpec([3], F, 0, 1), BoundedTensorSpec([3], F, 0, 2), True),
        (NoneTensorSpec(), None, True),
        (NoneTensorSpec(), 5, False),
        (TwoSpec([1, 2], F), TwoSpec([None, 2], F), True),
        (TwoSpec([1, 2], F), TwoSpec([3, 2], F), False),
        (TwoSpec([1, 2], F), TwoSpec([1, 2], I), False),
        (TwoSpec([1, 2], F), 5, False),
    ],
    ids=stable_id,
)
def test_is_compatible_with(spec, other, expected):
    assert spec.is_compatible_with(other) is expected


@pytest.mark.parametrize(
    ("spec", "other", "expected"),
    [
        (TensorSpec([3]), TensorSpec([None]), True),
        (TensorSpec([None]), TensorSpec([3]), False),
        (TensorSpec([3], name="a"), TensorSpec([None], name="b"), False),
        (TensorSpec([3], name="a"), TensorSpec([None]), False),
        (TensorSpec([3]), TensorSpec([3], name="b"), True),
        (TensorSpec([3]), BoundedTensorSpec([3], F, 0, 1), True),
        (BoundedTensorSpec([3], F, 0, 1), BoundedTensorSpec([3], F, 0, 2), True),
        (TensorSpec([3]), 5, False),
        (VariableSpec([1]), VariableSpec([None]), True),
        (VariableSpec([1], alias_id=1), VariableSpec([1], alias_id=2), False),
        (VariableSpec([1], trainable=False), VariableSpec([1]), False),
        (TwoSpec([1], F), TwoSpec([None], F), True),
        (TwoSpec([None], F), TwoSpec([1], F), False),
    ],
    ids=stable_id,
)
def test_is_subtype_of(spec, other, expected):
    assert spec.is_subtype_of(other) is expected


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ([TensorSpec([3]), TensorSpec([4])], TensorSpec([None])),
        ([TensorSpec([3]), TensorSpec([4, 5])], TensorSpec(None)),
        ([TensorSpec([3]), TensorSpec([4], I)], None),
        ([TensorSpec([3]), TensorSpec([4], name="b")], None),
        ([TensorSpec([3], name="a"), TensorSpec([4], name="a")], TensorSpec([None], name="a")),
        ([TensorSpec([3], name="a")], TensorSpec([3], name="a")),
        ([TensorSpec([3]), 5], None),
        ([TensorSpec([4]), BoundedTensorSpec([3], F, 0, 1)], None),
        ([BoundedTensorSpec([3], F, 0, 1), BoundedTensorSpec([4], F, 0, 2)], None),
        (
            [BoundedTensorSpec([3], F, 0, 1), BoundedTensorSpec([4], F, 0, 1)],
            BoundedTensorSpec([None], F, 0, 1),
        ),
        ([VariableSpec([1]), VariableSpec([2])], VariableSpec([None])),
        ([VariableSpec([1]), VariableSpec([1], trainable=False)], None),
        ([NoneTensorSpec(), NoneTensorSpec()], NoneTensorSpec()),
        ([TwoSpec([1, 2], F), TwoSpec([3, 2], F)], TwoSpec([None, 2], F)),
        ([TwoSpec([1, 2], F), TwoSpec([1, 2], I)], None),
    ],
    ids=stable_id,
)
def test_most_specific_common_supertype(specs, expected):
    assert specs[0].most_specific_common_supertype(specs[1:]) == expected


def test_most_specific_compatible_type_raises_where_there_is_none():
    with pytest.raises(ValueError, match="No TypeSpec is compatible with both"):
        TensorSpec([3]).most_specific_compatible_type(5)


def test_from_spec_and_from_tensor():
    assert TensorSpec.from_spec(TensorSpec([1], name="y")) == TensorSpec([1], name="y")
    assert TensorSpec.from_spec(TensorSpec([1], name="y"), "z") == TensorSpec([1], name="z")
    assert TensorSpec.from_spec(BoundedTensorSpec([1], I, 0, 5)) == TensorSpec([1], I)
    assert TensorSpec.from_tensor(tf.constant([1, 2]), "q") == TensorSpec([2], I, "q")
    with pytest.raises(ValueError, match=r"`tensor` should be a tf.Tensor, but got type <class 'int'>"):
        TensorSpec.from_tensor(5)


def test_batch_and_unbatch():
    assert TensorSpec([3])._batch(5) == TensorSpec([5, 3])
    assert TensorSpec(None)._batch(5) == TensorSpec(None)
    assert TensorSpec([None, 3])._unbatch() == TensorSpec([3])
    with pytest.raises(ValueError, match="only supported for rank >= 1"):
        TensorSpec([])._unbatch()


def test_bounds_are_read_only_arrays_of_the_dtype():
    spec = BoundedTensorSpec([3], I, (0, 1, 2), 5)
    assert spec.minimum.tolist() == [0, 1, 2]
    assert spec.maximum.dtype == np.int32
    with pytest.raises(ValueError):
        spec.minimum[0] = 3


def test_bounds_default_to_those_of_the_dtype():
    spec = BoundedTensorSpec.from_spec(TensorSpec([3], dtypes.int8))
    assert (spec.minimum, spec.maximum) == (-128, 127)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (((0, 0), 5), "`minimum` (0, 0) is not compatible with shape (3,)."),
        ((0, [1, 2]), "`maximum` [1, 2] is not compatible with shape (3,)."),
        ((None, 1), "`minimum` can not be None."),
    ],
)
def test_wrong_bounds(bounds, message):
    with pytest.raises(ValueError) as raised:
        BoundedTensorSpec([3], F, *bounds)
    assert str(raised.value) == message


def test_flat_tensors_of_a_value():
    spec = TwoSpec([2], F)
    value = (tf.constant([1.0, 2.0]), tf.constant(3))
    tensors = spec._to_tensor_list(value)
    assert len(tensors) == 2
    assert spec._from_tensor_list(tensors) == value
    assert spec._flat_tensor_specs == [TensorSpec([2], F), TensorSpec([], I)]


def test_a_list_of_wrong_tensors_is_refused():
    with pytest.raises(ValueError, match="the TypeSpec expects 2 items, but the provided tensor list has 1"):
        TwoSpec([2], F)._from_tensor_list([tf.constant([1.0, 2.0])])
    with pytest.raises(ValueError, match=r"item 0 .* is incompatible with the expected TypeSpec"):
        TwoSpec([3], F)._from_tensor_list([tf.constant([1.0, 2.0]), tf.constant(1)])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, TensorSpec([], I)),
        (1.5, TensorSpec([], F)),
        (True, TensorSpec([], dtypes.bool)),
        (2**40, TensorSpec([], dtypes.int64)),
        ("abc", TensorSpec([], dtypes.string)),
        ([1], TensorSpec([1], I)),
        ([], TensorSpec([0], F)),
        (np.array([1.0]), TensorSpec([1], dtypes.float64)),
        (np.array(["a"]), TensorSpec([1], dtypes.string)),
        (None, NoneTensorSpec()),
    ],
    ids=stable_id,
)
def test_type_spec_from_value(value, expected):
    assert type_spec_from_value(value) == expected


@pytest.mark.parametrize("value", [TensorSpec([1]), object(), {"a": 1}], ids=stable_id)
def test_values_without_spec(value):
    with pytest.raises(TypeError, match=r"Could not build a TypeSpec for .* of unsupported type"):
        type_spec_from_value(value)


def test_the_spec_of_a_tensor_and_of_a_variable():
    assert type_spec_from_value(tf.constant([1, 2])) == TensorSpec([2], I)
    assert type_spec_from_value(tf.Variable([1.0])) == VariableSpec([1])


def test_other_classes_can_say_their_spec():
    class Mine:
        pass

    class MineToo(Mine):
        pass

    register_type_spec_from_value_converter(Mine, lambda value: TwoSpec([1], F))
    assert type_spec_from_value(Mine()) == TwoSpec([1], F)
    with pytest.raises(TypeError):
        type_spec_from_value(MineToo())


def test_registered_names():
    assert type_spec.lookup("tf.TensorSpec") is TensorSpec
    assert type_spec.get_name(NoneTensorSpec) == "tf.NoneTensorSpec"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: type_spec.lookup("nope"), ValueError, "No TypeSpec has been registered with name 'nope'"),
        (lambda: type_spec.lookup(5), TypeError, "Expected `name` to be a string; got 5"),
        (lambda: type_spec.get_name(int), TypeError, "Expected `cls` to be a TypeSpec; got <class 'int'>"),
        (lambda: type_spec.get_name(TwoSpec), ValueError, "has not been registered"),
        (lambda: type_spec.register("bad"), ValueError, "Registered name must have the form"),
        (lambda: type_spec.register("a.d")(int), TypeError, "Expected `cls` to be a TypeSpec"),
        (lambda: type_spec.register("tf.TensorSpec")(TwoSpec), ValueError, "Name tf.TensorSpec has already"),
        (
            lambda: type_spec.register("my.Spec")(TensorSpec),
            ValueError,
            "has already been registered with name",
        ),
    ],
)
def test_registry_errors(call, error, message):
    with pytest.raises(error, match=message.replace("(", r"\(")):
        call()
