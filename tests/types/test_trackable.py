"""Object tracking: dependencies by attribute, and the wrappers that containers become."""

import collections
import copy
import json
import pickle
from typing import NamedTuple

import pytest

from penstock.types import data_structures
from penstock.types.data_structures import ListWrapper, NoDependency, _DictWrapper, wrap_or_unwrap
from penstock.types.trackable import AutoTrackable, Trackable, no_automatic_dependency_tracking


class Node(AutoTrackable):
    pass


class Pair(NamedTuple):
    x: object
    y: object


@pytest.fixture
def node():
    return Node()


def names(trackable):
    return sorted(trackable._trackable_children())


def test_attributes_are_dependencies(node):
    node.child, node.number = Node(), 3
    assert names(node) == ["child"]
    assert node._lookup_dependency("child") is node.child
    node.child = Node()
    assert node._lookup_dependency("child") is node.child
    del node.child
    assert names(node) == []


def test_a_name_is_taken_once_unless_overwritten(node):
    first, second = Node(), Node()
    node._track_trackable(first, "a")
    with pytest.raises(ValueError, match="already"):
        node._track_trackable(second, "a")
    node._track_trackable(second, "a", overwrite=True)
    assert node._lookup_dependency("a") is second
    with pytest.raises(TypeError):
        node._track_trackable(3, "b")


def test_what_waits_for_a_name_is_called_with_the_object(node):
    arrived = []
    node._deferred_dependencies["late"] = [arrived.append]
    node.late = Node()
    assert arrived == [node.late]


def test_methods_may_assign_without_tracking():
    class Holder(AutoTrackable):
        @no_automatic_dependency_tracking
        def hold(self, value):
            self.value = value

    holder = Holder()
    holder.hold([Node()])
    assert type(holder.value) is list
    assert names(holder) == []


def test_no_dependency_keeps_a_value_as_it_is(node):
    node.plain = NoDependency([1])
    assert type(node.plain) is list
    assert names(node) == []


def test_lists_track_their_elements_and_stay_shared(node):
    source = [Node()]
    node.items = source
    source.append(Node())
    node.items.append(3)
    assert isinstance(node.items, list)
    assert len(source) == len(node.items) == 3
    assert names(node.items) == ["0", "1"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda x: x.append(4), [1, 2, 3, 4]),
        (lambda x: x.extend([4, 5]), [1, 2, 3, 4, 5]),
        (lambda x: x.insert(0, 0), [0, 1, 2, 3]),
        (lambda x: x.pop(), [1, 2]),
        (lambda x: x.remove(2), [1, 3]),
        (lambda x: x.reverse(), [3, 2, 1]),
        (lambda x: x.sort(reverse=True), [3, 2, 1]),
        (lambda x: x.clear(), []),
        (lambda x: x.__setitem__(0, 9), [9, 2, 3]),
        (lambda x: x.__setitem__(slice(0, 2), [7]), [7, 3]),
        (lambda x: x.__delitem__(1), [1, 3]),
        (lambda x: x.__iadd__([4]), [1, 2, 3, 4]),
        (lambda x: x.__imul__(2), [1, 2, 3, 1, 2, 3]),
    ],
)
def test_list_wrappers_change_as_lists_do(change, expected):
    wrapper = ListWrapper([1, 2, 3])
    change(wrapper)
    assert wrapper == expected
    assert list(wrapper) == expected
    assert json.loads(json.dumps(wrapper)) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda x: x.update(b=2, c=3), {"a": 1, "b": 2, "c": 3}),
        (lambda x: x.pop("a"), {}),
        (lambda x: x.setdefault("z", 5), {"a": 1, "z": 5}),
        (lambda x: x.clear(), {}),
        (lambda x: x.popitem(), {}),
        (lambda x: x.__setitem__("a", 7), {"a": 7}),
        (lambda x: x.__ior__({"b": 2}), {"a": 1, "b": 2}),
    ],
)
def test_dict_wrappers_change_as_dicts_do(change, expected):
    wrapper = _DictWrapper({"a": 1})
    change(wrapper)
    assert wrapper == expected
    assert dict(wrapper) == {**wrapper} == expected
    assert json.loads(json.dumps(wrapper)) == expected


def test_dicts_tuples_and_namedtuples_track_their_elements(node):
    child = Node()
    node.mapping, node.row, node.pair = {"k": child}, (child, 1), Pair(child, [1])
    assert isinstance(node.mapping, dict)
    assert isinstance(node.row, tuple)
    assert isinstance(node.pair, Pair)
    assert names(node.mapping) == ["k"]
    assert names(node.row) == ["0"]
    assert names(node.pair) == ["0", "1"]
    assert type(wrap_or_unwrap((1, 2))) is tuple


def test_a_default_dict_is_not_wrapped():
    mapping = collections.defaultdict(list)
    assert wrap_or_unwrap(mapping) is mapping


@pytest.mark.parametrize("value", [[1, {"a": [2]}], {"a": [1]}, [[], {}]])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))])
def test_wrappers_are_copied_and_pickled(value, duplicate):
    wrapper = wrap_or_unwrap(copy.deepcopy(value))
    again = duplicate(wrapper)
    assert again == value
    assert type(again) is type(wrapper)


def test_wrappers_know_the_variables_inside():
    class Variable(Trackable):
        handle = None

        def __init__(self, trainable):
            self.trainable = trainable

    trained, fixed = Variable(True), Variable(False)
    nested = ListWrapper([trained, {"inner": [fixed, trained]}])
    assert nested.trainable_weights == [trained]
    assert nested.non_trainable_variables == [fixed]
    assert nested.weights == [trained, fixed]


def test_lists_and_mappings_from_arguments():
    assert data_structures.List(1, 2) == [1, 2]
    assert data_structures.Mapping(a=1) == {"a": 1}


def test_dependencies_are_no_container_among_the_attributes():
    # Keras saves what it finds in containers: a layer would be written a second time, under another name.
    holder = AutoTrackable()
    holder.layer = AutoTrackable()
    assert not [
        name for name, value in vars(holder).items() if isinstance(value, (dict, list, tuple, set)) and value
    ]
    assert holder._lookup_dependency("layer") is holder.layer
