"""Extension types: constructors, conversion of fields, immutability, specs and batches, as in TensorFlow 2.21."""

import copy
import inspect
import pickle
import typing
from collections.abc import Mapping
from typing import Optional, Union

import numpy as np
import pytest

import penstock as tf
from penstock.types import dtypes, nest, type_spec
from penstock.types.composite import CompositeTensor
from penstock.types.extension_anonymous import (
    AnonymousExtensionType,
    AnonymousExtensionTypeSpec,
    as_dict,
    reinterpret,
)
from penstock.types.extension_type import BatchableExtensionType, ExtensionType, ExtensionTypeBatchEncoder
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec, type_spec_from_value
from penstock.types.tensors import Tensor
from tests.ids import stable_id

I, F, B = dtypes.int32, dtypes.float32, dtypes.bool  # noqa: E741


class Masked(ExtensionType):
    values: Tensor
    mask: Tensor


class Mixed(ExtensionType):
    a: int
    b: float = 2.0
    c: str = "x"
    e: Tensor = 3.0


class Late(ExtensionType):
    a: int = 1
    b: int


class Rich(ExtensionType):
    x: typing.Tuple[int, ...]  # noqa: UP006 - both spellings must work
    y: tuple[Tensor, str] = (1.0, "a")
    z: Mapping[str, Tensor] = {}
    u: Optional[Tensor] = None  # noqa: UP045
    w: Union[int, str, Tensor] = 5  # noqa: UP007
    s: TensorShape = [1, 2]
    d: dtypes.DType = F
    n: int | None = None


class Nested(ExtensionType):
    m: Masked
    n: tuple[Masked, ...] = ()


class Tree(ExtensionType):
    children: tuple["Tree", ...]
    value: Tensor = 0


class Vector(ExtensionType):
    x: Tensor

    def __validate__(self):
        self.x.shape.assert_has_rank(1)


class Doubling(ExtensionType):
    x: Tensor
    y: int

    def __init__(self, x):
        self.x = [x, x]
        self.y = 7


class WithMask(Masked):
    extra: int = 3

    def __init__(self, values, extra):
        super().__init__(values, [True])
        self.extra = extra


class OwnSpec(ExtensionType):
    x: Tensor

    class Spec:
        def __init__(self, shape, dtype=F):
            self.x = TensorSpec(shape, dtype)

        @property
        def shape(self):
            return self.x.shape


class Vertex(BatchableExtensionType):
    position: Tensor
    k: int = 0


class Edge(BatchableExtensionType):
    start: Vertex
    weights: tuple[Tensor, ...] = ()


# -- construction ----------------------------------------------------------------------------------------------------


def test_fields_become_arguments():
    assert str(inspect.signature(Mixed)).startswith("(a: int, b: float = 2.0, c: str = 'x', e:")
    value = Mixed(1, c="y")
    assert (value.a, value.b, value.c, value.e.numpy()) == (1, 2.0, "y", 3.0)


def test_fields_without_default_after_one_with_are_keyword_only():
    assert inspect.signature(Late).parameters["b"].kind is inspect.Parameter.KEYWORD_ONLY
    assert Late(b=2).a == 1


def test_fields_of_base_classes_come_first():
    assert list(inspect.signature(WithMask.Spec).parameters) == ["values", "mask", "extra"]


def test_tensor_fields_are_converted():
    value = Masked([1, 2], mask=[True, False])
    assert isinstance(value.values, Tensor)
    assert (value.values.dtype, value.mask.dtype) == (I, B)
    assert repr(value).startswith("Masked(values=<tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 2]")


def test_every_kind_of_field():
    value = Rich([1, 2], z={"k": 2}, w="s", s=None, d="int32")
    assert value.x == (1, 2)
    assert isinstance(value.y[0], Tensor)
    assert value.y[1] == "a"
    assert value.z["k"].numpy() == 2
    assert (value.u, value.w, value.s, value.d, value.n) == (None, "s", TensorShape(None), I, None)
    assert Rich((1,), w=2.5).w.dtype is F
    assert Rich((1,), u=3).u.numpy() == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Mixed("a"), "a: expected 'int', got 'str'"),
        (lambda: Mixed(1.5), "a: expected 'int', got 'float'"),
        (lambda: Mixed(np.int64(3)), "a: expected 'int', got 'int64'"),
        (lambda: Mixed(1, b=5), "b: expected 'float', got 'int'"),
        (lambda: Mixed(), "missing a required argument: 'a'"),
        (lambda: Mixed(1, 2.0, "a", 3, 4), "too many positional arguments"),
        (lambda: Mixed(1, zz=3), "got an unexpected keyword argument 'zz'"),
        (lambda: Masked([1], object()), "mask: expected a Tensor, got 'object'"),
        (lambda: Masked([1], TensorSpec([1])), "mask: expected a Tensor, got 'TensorSpec'"),
        (lambda: Rich((1, "a")), "x[1]: expected 'int', got 'str'"),
        (lambda: Rich((1,), y=(1, 2)), "y[1]: expected 'str', got 'int'"),
        (lambda: Rich((1,), z={1: 2}), "z[<key>]: expected 'str', got 'int'"),
        (lambda: Rich((1,), z=5), "z: expected mapping, got 'int'"),
        (lambda: Rich((1,), s="a"), "s: expected 'tf.TensorShape', got 'str'"),
        (lambda: Rich((1,), d="foo"), "d: expected 'tf.DType', got 'str'"),
        (lambda: Nested(5), "m: expected 'Masked', got 'int'"),
        (lambda: Tree((3,)), "children[0]: expected 'Tree', got 'int'"),
    ],
)
def test_values_that_do_not_fit(call, message):
    with pytest.raises(TypeError) as raised:
        call()
    assert str(raised.value) == message


def test_a_class_may_hold_itself():
    assert Tree((Tree(()),)).children[0].children == ()


def test_validate_is_called():
    Vector([1, 2])
    with pytest.raises(ValueError, match="must have rank 1"):
        Vector(3)


def test_a_constructor_of_its_own():
    value = Doubling(3)
    assert (value.x.numpy().tolist(), value.y) == ([3, 3], 7)
    assert list(inspect.signature(Doubling).parameters) == ["x"]


def test_a_constructor_may_call_the_generated_one():
    value = WithMask([5], 4)
    assert (value.values.numpy().tolist(), value.mask.numpy().tolist(), value.extra) == ([5], [True], 4)


def test_a_constructor_must_set_every_field():
    class Forgetful(ExtensionType):
        x: Tensor
        y: int

        def __init__(self, x):
            self.x = x

    with pytest.raises(ValueError, match=r"Missing required fields: {'y'}"):
        Forgetful(3)


def test_the_base_class_has_no_instances():
    with pytest.raises(AssertionError, match="abstract base class"):
        ExtensionType()


def test_instances_cannot_be_changed():
    value = Masked([1], [True])
    for change in (
        lambda: setattr(value, "values", 3),
        lambda: setattr(value, "other", 3),
        lambda: delattr(value, "mask"),
    ):
        with pytest.raises(AttributeError, match="outside the custom constructor of ExtensionType"):
            change()
    with pytest.raises(TypeError):
        hash(value)


# -- class definitions -----------------------------------------------------------------------------------------------


OLD_SPELLINGS = [typing.List[int], typing.Tuple, typing.Dict[str, int], typing.Mapping]  # noqa: UP006


@pytest.mark.parametrize(
    "annotation",
    [
        list,
        tuple,
        dict,
        type,
        np.ndarray,
        typing.Any,
        typing.Callable,
        typing.Literal["a"],
        typing.ClassVar[int],
    ]
    + [TensorSpec, TensorSpec([None]), *OLD_SPELLINGS],
    ids=stable_id,
)
def test_annotations_that_are_refused(annotation):
    with pytest.raises(TypeError, match="In field 'x': Unsupported type annotation"):
        type(ExtensionType)(
            "Bad", (ExtensionType,), {"__annotations__": {"x": annotation}, "__module__": __name__}
        )


@pytest.mark.parametrize("name", ["self", "Spec", "_type_spec"])
def test_reserved_names(name):
    with pytest.raises(ValueError, match=f"Field '{name}' is reserved"):
        type(ExtensionType)("Bad", (ExtensionType,), {"__annotations__": {name: int}, "__module__": __name__})


def test_a_value_without_annotation_is_refused():
    with pytest.raises(ValueError, match="Field y is missing a type annotation"):

        class Bad(ExtensionType):
            x: int
            y = 5


def test_a_default_must_fit():
    with pytest.raises(TypeError, match="default value for b: expected 'float', got 'int'"):

        class Bad(ExtensionType):
            b: float = 2


def test_string_annotations_are_looked_up_where_the_class_is_defined():
    local_tensor = Tensor  # only this function knows the name

    class Quoted(ExtensionType):
        x: "local_tensor"
        size: "int" = 3

    assert Quoted([1]).x.shape == [1]


def test_a_name_that_is_defined_nowhere():
    class Lost(ExtensionType):
        x: "Nowhere"  # noqa: F821

    with pytest.raises(NameError, match="In the annotations of Lost: name 'Nowhere' is not defined"):
        Lost(1)


# -- equality, copies ------------------------------------------------------------------------------------------------


def test_equality_is_a_tensor_where_tensors_decide():
    assert bool(Masked([1, 2], [True, False]) == Masked([1, 2], [True, False]))
    assert not bool(Masked([1, 2], [True, False]) == Masked([1, 3], [True, False]))
    assert isinstance(Mixed(1) == Mixed(1), Tensor)
    assert bool(Masked([1], [True]) != Masked([2], [True]))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Mixed(1), Mixed(2)),
        (Mixed(1, e=[1, 2]), Mixed(1, e=[1.0, 2.0])),
        (Masked([1, 2], [True, False]), Masked([1, 2, 3], [True, False])),
        (Masked([1], [True]), 5),
    ],
    ids=["other data", "other dtype", "other shape", "other class"],
)
def test_inequality_is_plain_where_specs_differ(a, b):
    assert (a == b) is False


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_copies(duplicate):
    value = Mixed(1, e=[2.0])
    again = duplicate(value)
    assert (again.a, again.e.numpy().tolist()) == (1, [2.0])


# -- specs -----------------------------------------------------------------------------------------------------------


def test_the_spec_of_a_value():
    spec = type_spec_from_value(Mixed(1))
    assert repr(spec) == "Mixed.Spec(a=1, b=2.0, c='x', e=TensorSpec(shape=(), dtype=tf.float32, name=None))"
    assert spec == Mixed(1, e=7.0)._type_spec
    assert spec.value_type is Mixed
    assert repr(Rich((1,))._type_spec).startswith(
        "Rich.Spec(x=(1,), y=(TensorSpec(shape=(), dtype=tf.float32, "
    )


def test_specs_are_constructed_from_specs():
    spec = Masked.Spec(TensorSpec([None], I), TensorSpec([None], B))
    assert spec.is_compatible_with(Masked([1], [True]))
    assert not spec.is_compatible_with(Masked([1.0], [True]))
    assert spec.values == TensorSpec([None], I)
    with pytest.raises(TypeError, match="mask: expected a TensorSpec, got 'int'"):
        Masked.Spec(TensorSpec([None]), 5)
    with pytest.raises(TypeError, match="m: expected a TypeSpec for 'Masked', got 'TensorSpec'"):
        Nested.Spec(TensorSpec([]), ())
    with pytest.raises(AttributeError, match="outside the custom constructor of ExtensionTypeSpec"):
        spec.values = 3


def test_a_spec_with_a_constructor_of_its_own():
    assert OwnSpec.Spec([3]).shape == [3]
    assert OwnSpec([1.0])._type_spec == OwnSpec.Spec([1])
    assert OwnSpec([1.0])._type_spec.shape == [1]


@pytest.mark.parametrize(
    "value", [Mixed(1), Nested(Masked([1], [True])), Rich((1,), z={"k": [1.0]})], ids=stable_id
)
def test_serializing_and_pickling_a_spec(value):
    spec = value._type_spec
    assert type(spec)._deserialize(spec._serialize()) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_the_common_supertype_of_specs():
    a, b = Masked([1], [True])._type_spec, Masked([1, 2], [True, False])._type_spec
    assert a.most_specific_common_supertype([b]) == Masked.Spec(TensorSpec([None], I), TensorSpec([None], B))
    assert Mixed(1)._type_spec.most_specific_common_supertype([Mixed(2)._type_spec]) is None


def test_nest_flattens_to_tensors_and_back():
    value = Rich((1,), z={"k": 2})
    assert nest.flatten(value) == [value]
    tensors = nest.flatten(value, expand_composites=True)
    assert [tensor.numpy() for tensor in tensors] == [1.0, 2]
    packed = nest.pack_sequence_as(value, tensors, expand_composites=True)
    assert (packed.x, packed.z["k"] is tensors[1]) == ((1,), True)


def test_a_registered_name():
    class Named(ExtensionType):
        x: Tensor
        __name__ = "tests.Named"

    assert type_spec.lookup("tests.Named.Spec") is Named.Spec


# -- batches ---------------------------------------------------------------------------------------------------------


def test_batch_and_unbatch():
    spec = Edge(Vertex([[1]]), ([2.0],))._type_spec
    assert spec._batch(3) == Edge.Spec(Vertex.Spec(TensorSpec([3, 1, 1], I), 0), (TensorSpec([3, 1], F),))
    assert spec._batch(3)._unbatch() == spec


def test_a_value_as_flat_tensors():
    value = Edge(Vertex([[1]]), ([2.0],))
    spec = value._type_spec
    tensors = spec._to_batched_tensor_list(value)
    assert [tensor.shape.rank for tensor in tensors] == [2, 1]
    assert spec._flat_tensor_specs == [TensorSpec([1, 1], I), TensorSpec([1], F)]
    assert bool(spec._from_tensor_list(tensors) == value)


def test_an_encoder_of_its_own():
    class Encoder(ExtensionTypeBatchEncoder):
        def encoding_specs(self, spec):
            return [TensorSpec(None, I)]

    class Encoded(BatchableExtensionType):
        x: Tensor
        y: Tensor
        __batch_encoder__ = Encoder()

    assert Encoded(1, 2)._type_spec._flat_tensor_specs == [TensorSpec(None, I)]


# -- without a class -------------------------------------------------------------------------------------------------


def test_anonymous_extension_types():
    value = AnonymousExtensionType(values=tf.constant([1]), k=3, m={"a": (1, 2)})
    assert value.k == 3
    assert value._type_spec == AnonymousExtensionTypeSpec(values=TensorSpec([1], I), k=3, m={"a": (1, 2)})
    assert nest.flatten(value, expand_composites=True) == [value.values]
    assert isinstance(value, CompositeTensor)
    with pytest.raises(ValueError, match="Cannot convert anonymous fields from an unsupported `value`"):
        AnonymousExtensionType(values=[1])
    with pytest.raises(AttributeError):
        value.k = 4


def test_reinterpret():
    anonymous = reinterpret(Masked([1], [True]), AnonymousExtensionType)
    assert as_dict(anonymous).keys() == {"values", "mask"}
    assert bool(reinterpret(anonymous, Masked) == Masked([1], [True]))
    with pytest.raises(ValueError, match="Missing required fields"):
        reinterpret(AnonymousExtensionType(a=1), Masked)


def test_as_dict_is_shallow():
    inner = Masked([1], [True])
    assert as_dict(Nested(inner))["m"] is inner
