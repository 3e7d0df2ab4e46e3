"""Types of functions and of arguments: `FunctionType`, `TraceType`, and what `__tf_tracing_type__` decides."""

import pytest

import penstock as tf

types = tf.types.experimental


@pytest.mark.parametrize(
    "function, args, kwargs, text",
    [
        (
            lambda x, y=2: x + y, [tf.TensorSpec([])], {},
            "(x: TensorSpec(shape=(), dtype=tf.float32, name=None), y: Literal[2])"
            " -> TensorSpec(shape=(), dtype=tf.float32, name=None)",
        ),
        (
            lambda x, *rest, k=1: x, [tf.TensorSpec([], tf.int32), 3, 4], {"k": 5},
            "(x: TensorSpec(shape=(), dtype=tf.int32, name=None), rest_0: Literal[3], rest_1: Literal[4], /, *, "
            "k: Literal[5]) -> TensorSpec(shape=(), dtype=tf.int32, name=None)",
        ),
        (
            lambda: (tf.constant(True), [None]), [], {},
            "() -> Tuple[TensorSpec(shape=(), dtype=tf.bool, name=None), List[Literal[None]]]",
        ),
    ],
)  # fmt: skip
def test_the_type_of_a_concrete_function(function, args, kwargs, text):
    concrete = tf.function(function).get_concrete_function(*args, **kwargs)
    assert str(concrete.function_type) == text
    assert isinstance(concrete, types.Callable)
    assert not isinstance(concrete, types.AtomicFunction)


def test_a_signature_of_python():
    found = types.FunctionType.from_callable(lambda a, b=1: None)
    assert isinstance(found, types.FunctionType)
    assert list(found.parameters) == ["a", "b"]
    assert found.bind(3).arguments == {"a": 3}


class ByKind(types.TraceType):
    """Objects of one class share traces; their tensor is an input."""

    def __init__(self, thing):
        self.thing = thing

    def is_subtype_of(self, other):
        return self == other

    def most_specific_common_supertype(self, others):
        return self if all(self == each for each in others) else None

    def placeholder_value(self, placeholder_context=None):
        return self.thing

    def to_tensors(self, value):
        return [value.flavor]

    def from_tensors(self, tensors):
        return type(self.thing)(next(tensors))

    def __hash__(self):
        return hash(type(self.thing))

    def __eq__(self, other):
        return isinstance(other, ByKind) and type(self.thing) is type(other.thing)


class Fruit:
    def __init__(self, flavor):
        self.flavor = flavor

    def __tf_tracing_type__(self, context):
        return ByKind(self)


class Apple(Fruit):
    pass


def test_objects_of_equal_types_share_a_trace():
    function = tf.function(lambda fruit: fruit.flavor * 2)
    values = [
        function(Fruit(tf.constant(1.0))),
        function(Fruit(tf.constant(4.0))),
        function(Apple(tf.constant(5.0))),
    ]
    assert [float(value) for value in values] == [2, 8, 10]
    assert function.experimental_get_tracing_count() == 2


def test_protocols():
    assert isinstance(Fruit(None), types.SupportsTracingProtocol)
    assert not isinstance(3, types.SupportsTracingProtocol)
    assert isinstance(tf.TensorSpec([]), types.TraceType)
