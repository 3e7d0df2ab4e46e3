"""tf.nest: what is a structure, in which order it is walked, and which structures agree."""

import collections
import collections.abc
import dataclasses
import types
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.types import dtypes, nest
from penstock.types.composite import CompositeTensor
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.type_spec import TypeSpec
from tests.ids import stable_id


class Point(NamedTuple):
    x: object
    y: object


OtherPoint = collections.namedtuple("OtherPoint", "x y")
SamePoint = collections.namedtuple("Point", "x y")


class ListSubclass(list):
    pass


class FrozenMapping(collections.abc.Mapping):
    def __init__(self, items):
        self.items_ = dict(items)

    def __getitem__(self, key):
        return self.items_[key]

    def __iter__(self):
        return iter(self.items_)

    def __len__(self):
        return len(self.items_)

    def __eq__(self, other):
        return isinstance(other, FrozenMapping) and self.items_ == other.items_


@dataclasses.dataclass
class Labelled:
    first: object
    second: object
    label: str = "none"

    def __tf_flatten__(self):
        return (self.label,), (self.first, self.second)

    @classmethod
    def __tf_unflatten__(cls, metadata, components):
        return cls(*components, *metadata)


class PairSpec(TypeSpec):
    """The spec of Pair: two int32 vectors."""

    def __init__(self, shape):
        self.shape = TensorShape(shape)

    value_type = property(lambda self: Pair)
    _component_specs = property(lambda self: {"a": self._part, "b": [self._part]})
    _part = property(lambda self: TensorSpec(self.shape, dtypes.int32))

    def _serialize(self):
        return (self.shape,)

    def _to_components(self, value):
        return {"a": value.a, "b": [value.b]}

    def _from_components(self, components):
        return Pair(components["a"], components["b"][0])


class Pair(CompositeTensor):
    def __init__(self, a, b):
        self.a, self.b = a, b

    @property
    def _type_spec(self):
        return PairSpec([None])

    def __eq__(self, other):
        return isinstance(other, Pair) and (self.a, self.b) == (other.a, other.b)


# structure, leaves, the structure with its leaves negated
WALKS = [
    ([1, [2, (3,)]], [1, 2, 3], [-1, [-2, (-3,)]]),
    ({"b": 1, "a": 2}, [2, 1], {"b": -1, "a": -2}),
    ({2: 1, 1: 2}, [2, 1], {2: -1, 1: -2}),
    (
        collections.OrderedDict([("b", 1), ("a", 2)]),
        [2, 1],
        collections.OrderedDict([("b", -1), ("a", -2)]),
    ),
    (collections.defaultdict(int, b=1, a=2), [2, 1], collections.defaultdict(int, b=-1, a=-2)),
    (collections.Counter(a=2), [2], collections.Counter(a=-2)),
    (FrozenMapping({"b": 1, "a": 2}), [2, 1], FrozenMapping({"b": -1, "a": -2})),
    (Point(1, (2, 3)), [1, 2, 3], Point(-1, (-2, -3))),
    (Labelled(1, [2], "x"), [1, 2], Labelled(-1, [-2], "x")),
    (ListSubclass([1, 2]), [1, 2], ListSubclass([-1, -2])),
    (collections.deque([1, 2]), [1, 2], collections.deque([-1, -2])),
    ({"b": 1, "a": 2}.values(), [1, 2], [-1, -2]),
    (range(1, 3), [1, 2], [-1, -2]),
    ([[], (), {}], [], [[], (), {}]),
    (5, [5], -5),
]


@pytest.mark.parametrize(("structure", "leaves", "negated"), WALKS, ids=stable_id)
def test_flatten_map_and_pack(structure, leaves, negated):
    assert nest.flatten(structure) == leaves
    mapped = nest.map_structure(lambda x: -x, structure)
    assert mapped == negated
    assert type(mapped) is type(negated)
    assert nest.pack_sequence_as(structure, [-leaf for leaf in leaves]) == negated


@pytest.mark.parametrize(
    "leaf", [None, "abc", b"abc", {1, 2}, np.zeros(2), TensorShape([1, 2]), Point, 3.0], ids=stable_id
)
def test_leaves(leaf):
    assert not nest.is_nested(leaf)
    assert nest.flatten(leaf)[0] is leaf


def test_a_defaultdict_keeps_its_factory():
    mapped = nest.map_structure(str, collections.defaultdict(list, a=1))
    assert mapped.default_factory is list
    assert mapped == {"a": "1"}


def test_dicts_keep_the_order_of_their_keys():
    assert list(nest.map_structure(str, {"b": 1, "a": 2})) == ["b", "a"]


def test_keys_without_order_are_refused():
    with pytest.raises(TypeError, match="'<' not supported between"):
        nest.flatten({"b": 1, 3: 2})


def test_attrs_classes():
    class Fields:
        """What `attrs` makes of `b = attr.ib()` and `_a = attr.ib()`, which the constructor calls `a`."""

        __attrs_attrs__ = (
            types.SimpleNamespace(name="b", alias="b"),
            types.SimpleNamespace(name="_a", alias="a"),
        )

        def __init__(self, b, a):
            self.b, self._a = b, a

    assert nest.is_attrs(Fields(1, 2))
    assert nest.flatten(Fields(1, [2, 3])) == [1, 2, 3]
    assert nest.flatten_with_joined_string_paths(Fields(1, 2)) == [("b", 1), ("_a", 2)]
    packed = nest.pack_sequence_as(Fields(0, 0), [4, 5])
    assert (packed.b, packed._a) == (4, 5)


@pytest.mark.parametrize(
    ("structure", "flat", "error"),
    [
        (1, [1, 2], ValueError),
        ([1], [1, 2], ValueError),
        ([1, 2], [5], ValueError),
        ([1], 5, TypeError),
        ([1, [2]], np.array([3, 4]), TypeError),
    ],
    ids=stable_id,
)
def test_pack_sequence_as_refuses(structure, flat, error):
    with pytest.raises(error):
        nest.pack_sequence_as(structure, flat)


def test_the_message_of_a_wrong_count():
    with pytest.raises(ValueError) as raised:
        nest.pack_sequence_as([1], [1, 2])
    assert str(raised.value) == (
        "Could not pack sequence. Structure had 1 atoms, but flat_sequence had 2 items.  "
        "Structure: [1], flat_sequence: [1, 2]."
    )


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("a", 1),
        ({"a": 1}, collections.OrderedDict(a=1)),
        ({"a": 1, "b": 2}, FrozenMapping({"b": 1, "a": 2})),
        ([1, ListSubclass([2])], [1, [2]]),
        (Point(1, 2), SamePoint(3, 4)),
        (Labelled(1, 2, "p"), Labelled(1, 2, "q")),
    ],
    ids=stable_id,
)
def test_structures_that_agree(a, b):
    nest.assert_same_structure(a, b)


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [
        ([1], [1, 2], ValueError),
        ([1], 1, ValueError),
        (None, [1], ValueError),
        ({"a": 1}, {"b": 1}, ValueError),
        ([[1], 2], [2, [1]], ValueError),
        ([1], (1,), TypeError),
        (Point(1, 2), OtherPoint(1, 2), TypeError),
        (Point(1, 2), (1, 2), TypeError),
        (ListSubclass([1]), (1,), TypeError),
        ({"a": 1}.values(), [1], TypeError),
        (Labelled(1, 2), [1, 2], TypeError),
    ],
    ids=stable_id,
)
def test_structures_that_differ(a, b, error):
    with pytest.raises(error, match="The two structures don't have the same nested structure"):
        nest.assert_same_structure(a, b)


@pytest.mark.parametrize(
    ("a", "b"), [([1], (1,)), ({"a": 1}, {"b": 1}), (Labelled(1, 2), [1, 2])], ids=stable_id
)
def test_classes_and_keys_do_not_matter_without_check_types(a, b):
    nest.assert_same_structure(a, b, check_types=False)


def test_the_message_shows_outlines():
    with pytest.raises(ValueError, match=r"Entire first structure:\n\[\., \[\., \.\]\]") as raised:
        nest.assert_same_structure([1, [2, 3]], [1, [2]])
    assert "Entire second structure:\n[., [.]]" in str(raised.value)


def test_map_structure_of_several_structures():
    assert nest.map_structure(lambda x, y: x + y, {"a": 1, "b": [2]}, {"b": [20], "a": 10}) == {
        "a": 11,
        "b": [22],
    }
    assert nest.map_structure(lambda x, y: x + y, [1, 2], (3, 4), check_types=False) == [4, 6]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nest.map_structure(3, 1), TypeError, "func must be callable, got: 3"),
        (lambda: nest.map_structure(len), ValueError, "Must provide at least one structure"),
        (
            lambda: nest.map_structure(str, 1, foo=2),
            ValueError,
            "Only valid keyword arguments are `check_types` and `expand_composites`, not: `foo`",
        ),
        (lambda: nest.map_structure_up_to([0], str), ValueError, "Cannot map over no sequences"),
    ],
)
def test_wrong_calls(call, error, message):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


def test_composites_are_leaves_unless_expanded():
    pair = Pair(1, 2)
    assert nest.flatten([pair, 3]) == [pair, 3]
    assert nest.flatten([pair, 3], expand_composites=True) == [1, 2, 3]
    assert nest.map_structure(lambda x: -x, [pair], expand_composites=True) == [Pair(-1, -2)]
    assert nest.pack_sequence_as([pair, 0], [7, 8, 9], expand_composites=True) == [Pair(7, 8), 9]


def test_the_spec_of_a_composite_expands_to_the_specs_of_its_components():
    part = TensorSpec([4], dtypes.int32)
    assert nest.flatten(PairSpec([4]), expand_composites=True) == [part, part]
    assert nest.flatten(part, expand_composites=True) == [part]
    nest.assert_same_structure(Pair(1, 2), PairSpec([4]), expand_composites=True)


def test_paths_through_a_composite_name_its_class():
    assert list(nest.yield_flat_paths([Pair(1, 2)], expand_composites=True)) == [
        (0, "Pair", "a"),
        (0, "Pair", "b", 0),
    ]


PATHS_STRUCTURE = {"b": 1, "a": [2, (3, Point(4, 5))]}


def test_paths():
    assert nest.flatten_with_tuple_paths(PATHS_STRUCTURE) == [
        (("a", 0), 2),
        (("a", 1, 0), 3),
        (("a", 1, 1, "x"), 4),
        (("a", 1, 1, "y"), 5),
        (("b",), 1),
    ]
    assert nest.flatten_with_joined_string_paths(PATHS_STRUCTURE)[2] == ("a/1/1/x", 4)
    assert nest.flatten_with_joined_string_paths(5) == [("", 5)]


def test_map_structure_with_paths():
    mapped = nest.map_structure_with_paths(lambda path, x, y: (path, x, y), {"a": [1]}, {"a": [2]})
    assert mapped == {"a": [("a/0", 1, 2)]}
    mapped = nest.map_structure_with_tuple_paths(lambda path, x: (path, x), {"a": [1]})
    assert mapped == {"a": [(("a", 0), 1)]}


@pytest.mark.parametrize(
    ("shallow", "structure", "expected"),
    [
        ([0, 0], [[1, 2], 3], [[1, 2], 3]),
        (0, [1, 2], [[1, 2]]),
        ({"a": 0}, {"a": [1]}, [[1]]),
        (Point(0, 0), SamePoint([1], 2), [[1], 2]),
        ([0, {"a": 0}], [[1, 2], {"a": (3,)}], [[1, 2], (3,)]),
    ],
    ids=stable_id,
)
def test_flatten_up_to(shallow, structure, expected):
    assert nest.flatten_up_to(shallow, structure) == expected


@pytest.mark.parametrize(
    ("shallow", "structure", "error", "message"),
    [
        ([0, 0], [1], ValueError, "Input structure has length 1, while shallow structure has length 2"),
        ([0, 0], 5, TypeError, "If shallow structure is a sequence, input must also be a sequence"),
        ([0, 0], (1, 2), TypeError, "The two structures don't have the same sequence type"),
        ({"a": 0}, {"b": 1}, ValueError, r"following keys that are not in the input_tree: \['a'\]"),
    ],
    ids=stable_id,
)
def test_shallow_structures_that_do_not_fit(shallow, structure, error, message):
    with pytest.raises(error, match=message):
        nest.flatten_up_to(shallow, structure)


def test_map_structure_up_to():
    assert nest.map_structure_up_to([0, 0], lambda x, y: (x, y), [1, [2]], [3, 4]) == [(1, 3), ([2], 4)]


def test_list_to_tuple():
    assert nest.list_to_tuple([1, [2, {"a": [3]}], Point([1], 2)]) == (1, (2, {"a": (3,)}), Point((1,), 2))


def test_get_traverse_shallow_structure():
    draw = nest.get_traverse_shallow_structure
    assert draw(lambda s: isinstance(s, list | tuple), [1, (2, 3), {"a": 1}]) == [
        False,
        (False, False),
        False,
    ]
    assert draw(lambda s: [True, False] if isinstance(s, list) else True, [(1, 2), (3, 4)]) == [
        (True, True),
        False,
    ]
    with pytest.raises(TypeError, match="non-bool scalar"):
        draw(lambda s: 5, [1])


def test_flatten_dict_items():
    assert nest.flatten_dict_items({"a": 1, ("b", "c"): (2, 3)}) == {"a": 1, "b": 2, "c": 3}
    with pytest.raises(ValueError, match="not unique: a"):
        nest.flatten_dict_items({("a", "a"): (1, 2)})


structures = st.recursive(
    st.integers(),
    lambda part: (
        st.lists(part, max_size=3)
        | st.tuples(part, part)
        | st.dictionaries(st.text(max_size=2), part, max_size=3)
    ),
    max_leaves=12,
)


@given(structures)
def test_packing_what_was_flattened_gives_the_structure_back(structure):
    assert nest.pack_sequence_as(structure, nest.flatten(structure)) == structure
    nest.assert_same_structure(structure, nest.map_structure(str, structure))
