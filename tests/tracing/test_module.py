"""tf.Module: names, and the variables and modules in its attributes."""

import pytest

import penstock as tf


class Dense(tf.Module):
    def __init__(self, size, name=None):
        super().__init__(name)
        self.w = tf.Variable(tf.ones([size]), name="w")
        self.b = tf.Variable(0.0, trainable=False, name="b")


class Network(tf.Module):
    def __init__(self):
        super().__init__()
        layers = []
        self.layers = layers
        for size in (1, 2):
            layers.append(Dense(size))
        self.table = {"z": Dense(3), "a": [tf.Variable(3.0, name="loose")]}
        self.again = self.table["z"]

    @tf.Module.with_name_scope
    def make(self):
        return tf.Variable(1.0, name="made")


@pytest.fixture
def network():
    return Network()


def test_variables_come_sorted_by_attribute_own_ones_first(network):
    assert [v.name for v in network.variables] == ["loose:0", "b:0", "w:0", "b:0", "w:0", "b:0", "w:0"]
    assert [v.name for v in network.trainable_variables] == ["loose:0", "w:0", "w:0", "w:0"]
    assert [v.name for v in network.non_trainable_variables] == ["b:0"] * 3


def test_submodules_are_found_once(network):
    assert len(network.submodules) == 3
    assert network.submodules[0] is network.again


def test_paths_lead_to_the_leaves(network):
    paths = [
        path for path, _ in network._flatten(with_path=True, predicate=lambda x: isinstance(x, tf.Variable))
    ]
    assert paths[:3] == [("table", "a", 0), ("again", "b"), ("again", "w")]
    assert ("layers", 1, "w") in paths


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        ("ABC", "abc"),
        ("FooBar", "foo_bar"),
        ("HTTPServer", "http_server"),
        ("Conv2D", "conv2_d"),
        ("A_B", "a_b"),
    ],
)
def test_default_names_are_snake_case(class_name, expected):
    assert type(class_name, (tf.Module,), {})().name == expected


def test_names_must_be_identifiers():
    with pytest.raises(ValueError, match="valid module name"):
        tf.Module("a b")


def test_methods_run_in_the_name_scope(network):
    assert network.make().name == "network/made:0"
    assert network.name_scope.name == "network/"


def test_attributes_are_dependencies(network):
    assert sorted(network._trackable_children()) == ["again", "layers", "table"]
