"""Structures of values, `tf.nest`: lists, tuples, dicts and the like, flattened, compared and put together.

Dicts are walked in the order of their sorted keys. With `expand_composites=True` ragged, sparse and extension
tensors are structures of their components as well. A *shallow* structure says how far to go down in another
(the functions named `..._up_to`). Everything that accepts "a structure of tensors" uses this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.types.nest_kinds import (  # noqa: F401 - the questions about one value are part of `nest`
    COMPOSITE,
    KIND_OF_CLASS,
    MAPPING,
    NAMEDTUPLE,
    Kind,
    is_attrs,
    is_mapping,
    is_namedtuple,
    is_nested,
    is_nested_or_composite,
    kind_of,
    same_namedtuples,
    sequence_like,
    sorted_keys,
    spec_of,
)

# -- flattening and packing ----------------------------------------------------------------------------------


def flatten(structure: Any, expand_composites: bool = False) -> list[Any]:
    """Returns the leaves of `structure` in order; dicts in the order of their sorted keys.

    Args:
      structure: Any nesting of containers, or a single leaf (None included).
      expand_composites: Whether ragged, sparse and extension tensors are replaced by their component tensors.

    Returns:
      A list of the leaves.

    Raises:
      TypeError: if the keys of a dict cannot be sorted.

    >>> import penstock as tf
    >>> tf.nest.flatten({"b": [1, (2, 3)], "a": 4})
    [4, 1, 2, 3]
    """
    leaves: list[Any] = []
    _flatten_into(structure, expand_composites, leaves)
    return leaves


def _flatten_into(structure: Any, expand_composites: bool, leaves: list[Any]) -> None:
    kind = KIND_OF_CLASS[type(structure)]
    if kind is None or (kind.only_expanded and not expand_composites):
        leaves.append(structure)
        return
    for child in kind.children(structure):
        _flatten_into(child, expand_composites, leaves)


def pack_sequence_as(structure: Any, flat_sequence: Sequence[Any], expand_composites: bool = False) -> Any:
    """Returns the values of `flat_sequence` in the shape of `structure`; the inverse of `flatten`.

    Raises:
      TypeError: if `flat_sequence` is no sequence.
      ValueError: if it does not have as many values as `structure` has leaves.

    >>> import penstock as tf
    >>> tf.nest.pack_sequence_as({"b": [0, 0], "a": 0}, [1, 2, 3])
    {'b': [2, 3], 'a': 1}
    """
    if not is_nested(flat_sequence) or is_mapping(flat_sequence):
        raise TypeError(
            f"Attempted to pack value:\n  {flat_sequence}\ninto a structure, but found incompatible type "
            f"`{type(flat_sequence)}` instead."
        )
    if kind_of(structure, expand_composites) is None:
        if len(flat_sequence) != 1:
            raise ValueError(
                f"The target structure is of type `{type(structure)}`\n  {structure}\nHowever the input is a "
                f"sequence ({type(flat_sequence)}) of length {len(flat_sequence)}.\n  {flat_sequence}\n"
                "nest cannot guarantee that it is safe to map one to the other."
            )
        return flat_sequence[0]
    leaves = iter(flat_sequence)
    try:
        packed = _pack(structure, leaves, expand_composites)
    except StopIteration:
        pass
    else:
        if next(leaves, _NO_MORE) is _NO_MORE:
            return packed
    raise ValueError(
        f"Could not pack sequence. Structure had {len(flatten(structure, expand_composites))} atoms, but "
        f"flat_sequence had {len(flat_sequence)} items.  Structure: {structure}, "
        f"flat_sequence: {flat_sequence}."
    )


_NO_MORE = object()


def _pack(structure: Any, leaves: Iterator[Any], expand_composites: bool) -> Any:
    kind = kind_of(structure, expand_composites)
    if kind is None:
        return next(leaves)
    children = [_pack(child, leaves, expand_composites) for child in kind.children(structure)]
    return kind.rebuild(structure, children)


# -- comparing -----------------------------------------------------------------------------------------------


def assert_same_structure(
    nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False
) -> None:
    """Raises an error unless two structures nest in the same way.

    Args:
      nest1: A structure.
      nest2: A structure.
      check_types: Whether the classes of the containers must agree too. Any two lists agree, any two dicts
        with the same keys, and any two namedtuples with the same name and fields.
      expand_composites: Whether composite tensors are structures; two of them must have compatible TypeSpecs.

    Raises:
      ValueError: if the nesting differs.
      TypeError: if `check_types`, and containers that correspond are of different classes.

    >>> import penstock as tf
    >>> tf.nest.assert_same_structure([1, (2, 3)], ["a", ("b", "c")])
    """
    try:
        _assert_same(nest1, nest2, check_types, expand_composites)
    except (ValueError, TypeError) as error:
        raise type(error)(
            "The two structures don't have the same nested structure.\n\n"
            f"First structure: {_describe(nest1)}\n\nSecond structure: {_describe(nest2)}\n\n"
            f"More specifically: {error}\n"
            f"Entire first structure:\n{_outline(nest1)}\nEntire second structure:\n{_outline(nest2)}"
        ) from None


def _describe(structure: Any) -> str:
    return f"type={type(structure).__name__} str={structure}"


class _Dot:
    def __repr__(self) -> str:
        return "."


def _outline(structure: Any) -> str:
    """The structure with a dot for each leaf."""
    return str(_map_one(lambda leaf: _Dot(), structure, False))


def _assert_same(a: Any, b: Any, check_types: bool, expand_composites: bool) -> None:
    kind_a, kind_b = kind_of(a, expand_composites), kind_of(b, expand_composites)
    if kind_a is None and kind_b is None:
        return
    if kind_a is None or kind_b is None:
        nested, leaf = (b, a) if kind_a is None else (a, b)
        raise ValueError(
            f'Substructure "{_describe(nested)}" is a sequence, while substructure "{_describe(leaf)}" is not'
        )
    if check_types and not _same_container(a, b, kind_a, kind_b):
        raise TypeError(
            f"The two structures don't have the same sequence type. First structure {_describe(a)} has type "
            f"{type(a).__name__}, while second structure {_describe(b)} has type {type(b).__name__}"
        )
    if kind_a is COMPOSITE and kind_b is COMPOSITE:
        _check_specs(a, b)
    if check_types and kind_a is MAPPING and set(a) != set(b):
        raise ValueError(
            "The two dictionaries don't have the same set of keys. First structure has keys "
            f"{list(a)}, while second structure has keys {list(b)}"
        )
    children_a, children_b = kind_a.children(a), kind_b.children(b)
    if len(children_a) != len(children_b):
        raise ValueError(
            "The two structures don't have the same number of elements. "
            f"First structure: {_describe(a)}. Second structure: {_describe(b)}"
        )
    for child_a, child_b in zip(children_a, children_b, strict=True):
        _assert_same(child_a, child_b, check_types, expand_composites)


def _same_container(a: Any, b: Any, kind_a: Kind, kind_b: Kind) -> bool:
    """Whether two containers count as the same class."""
    if type(a) is type(b):
        return True
    if kind_a is not kind_b:
        return False
    if kind_a is NAMEDTUPLE:
        return same_namedtuples(a, b)
    return kind_a is MAPPING or kind_a is COMPOSITE or (isinstance(a, list) and isinstance(b, list))


def _check_specs(a: Any, b: Any) -> None:
    spec_a, spec_b = spec_of(a), spec_of(b)
    if spec_a.most_specific_common_supertype([spec_b]) is None:
        raise ValueError(
            f"Incompatible CompositeTensor TypeSpecs: {_describe(spec_a)} vs. {_describe(spec_b)}"
        )


# -- mapping -------------------------------------------------------------------------------------------------


def map_structure(func: Callable[..., Any], *structure: Any, **kwargs: Any) -> Any:
    """Applies `func` to the leaves that correspond in one or more structures.

    Args:
      func: A function of as many arguments as there are structures.
      *structure: Structures that nest in the same way.
      **kwargs: `check_types` (default True) and `expand_composites` (default False), as in
        `assert_same_structure`.

    Returns:
      A structure like the first, of the results.

    Raises:
      TypeError: if `func` is not callable, or the classes of containers differ and `check_types` is true.
      ValueError: if the structures nest differently, none is given, or another keyword is.

    >>> import penstock as tf
    >>> tf.nest.map_structure(lambda x, y: x + y, {"a": 1, "b": [2]}, {"a": 10, "b": [20]})
    {'a': 11, 'b': [22]}
    """
    if not callable(func):
        raise TypeError(f"func must be callable, got: {func}")
    if not structure:
        raise ValueError("Must provide at least one structure")
    check_types = kwargs.pop("check_types", True)
    expand_composites = kwargs.pop("expand_composites", False)
    if kwargs:
        raise ValueError(
            "Only valid keyword arguments are `check_types` and `expand_composites`, not: "
            f"`{'`, `'.join(kwargs)}`"
        )
    first = structure[0]
    if len(structure) == 1:
        return _map_one(func, first, expand_composites)
    for other in structure[1:]:
        assert_same_structure(first, other, check_types, expand_composites)
    leaves = zip(*(flatten(each, expand_composites) for each in structure), strict=True)
    return _pack(first, iter([func(*corresponding) for corresponding in leaves]), expand_composites)


def _map_one(func: Callable[[Any], Any], structure: Any, expand_composites: bool) -> Any:
    kind = kind_of(structure, expand_composites)
    if kind is None:
        return func(structure)
    children = [_map_one(func, child, expand_composites) for child in kind.children(structure)]
    return kind.rebuild(structure, children)


def list_to_tuple(structure: Any) -> Any:
    """Returns `structure` with every list in it, at any depth, turned into a tuple."""
    kind = kind_of(structure, False)
    if kind is None:
        return structure
    children = [list_to_tuple(child) for child in kind.children(structure)]
    return tuple(children) if isinstance(structure, list) else kind.rebuild(structure, children)


def flatten_dict_items(dictionary: Any) -> dict[Any, Any]:
    """Returns a dict of the leaves of the keys to the leaves of the values, pairwise.

    Raises:
      TypeError: if `dictionary` is no mapping.
      ValueError: if a key and its value have different numbers of leaves, or two keys the same leaf.

    >>> from penstock.types import nest
    >>> nest.flatten_dict_items({(4, 5, (6, 8)): ("a", "b", ("c", "d"))})
    {4: 'a', 5: 'b', 6: 'c', 8: 'd'}
    """
    if not is_mapping(dictionary):
        raise TypeError(f"flatten_dict_items: expected a dict or another Mapping, got {type(dictionary)}.")
    flat: dict[Any, Any] = {}
    for key, value in dictionary.items():
        keys, values = flatten(key), flatten(value)
        if len(keys) != len(values):
            raise ValueError(
                f"Could not flatten dictionary. Key had {len(keys)} elements, but value had {len(values)} "
                f"elements. Key: {keys}, value: {values}."
            )
        for leaf_key, leaf in zip(keys, values, strict=True):
            if leaf_key in flat:
                raise ValueError(f"Cannot flatten dict because this key is not unique: {leaf_key}")
            flat[leaf_key] = leaf
    return flat


# -- paths ---------------------------------------------------------------------------------------------------

_Path = tuple[Any, ...]


def flatten_with_tuple_paths(structure: Any, expand_composites: bool = False) -> list[tuple[_Path, Any]]:
    """Returns `(path, leaf)` for each leaf; a path is a tuple of positions, dict keys and field names.

    >>> from penstock.types import nest
    >>> nest.flatten_with_tuple_paths({"a": [1, 2]})
    [(('a', 0), 1), (('a', 1), 2)]
    """
    return list(_yield_up_to(structure, structure, expand_composites, ()))


def flatten_with_joined_string_paths(
    structure: Any, separator: str = "/", expand_composites: bool = False
) -> list[tuple[str, Any]]:
    """Returns `(path, leaf)` for each leaf; a path is one string.

    >>> from penstock.types import nest
    >>> nest.flatten_with_joined_string_paths({"a": [1, 2]})
    [('a/0', 1), ('a/1', 2)]
    """
    pairs = _yield_up_to(structure, structure, expand_composites, ())
    return [(separator.join(map(str, path)), leaf) for path, leaf in pairs]


def yield_flat_paths(nest: Any, expand_composites: bool = False) -> Iterator[_Path]:
    """Yields the path of each leaf, as a tuple."""
    for path, _ in _yield_up_to(nest, nest, expand_composites, ()):
        yield path


def map_structure_with_tuple_paths(func: Callable[..., Any], *structure: Any, **kwargs: Any) -> Any:
    """As `map_structure`, but calls `func(path, *leaves)` with each leaf's path as a tuple."""
    return map_structure_with_tuple_paths_up_to(structure[0], func, *structure, **kwargs)


def map_structure_with_paths(func: Callable[..., Any], *structure: Any, **kwargs: Any) -> Any:
    """As `map_structure`, but calls `func(path, *leaves)` with each leaf's path as a string, `"a/0"`.

    >>> from penstock.types import nest
    >>> nest.map_structure_with_paths(lambda path, x: f"{path}={x}", {"a": [1, 2]})
    {'a': ['a/0=1', 'a/1=2']}
    """

    def with_joined_path(path: _Path, *leaves: Any) -> Any:
        return func("/".join(map(str, path)), *leaves)

    return map_structure_with_tuple_paths_up_to(structure[0], with_joined_path, *structure, **kwargs)


# -- shallow structures --------------------------------------------------------------------------------------


def assert_shallow_structure(
    shallow_tree: Any, input_tree: Any, check_types: bool = True, expand_composites: bool = False
) -> None:
    """Raises an error unless `input_tree` nests as `shallow_tree` does, as far down as that goes.

    Raises:
      TypeError: if a container of the shallow tree meets a leaf, or, with `check_types`, another class of
        container.
      ValueError: if lengths or dict keys differ, or the TypeSpecs of composites are incompatible.
    """
    shallow_kind = kind_of(shallow_tree, expand_composites)
    if shallow_kind is None:
        return
    kind = kind_of(input_tree, expand_composites)
    if kind is None:
        raise TypeError(
            "If shallow structure is a sequence, input must also be a sequence. "
            f"Input has type: {type(input_tree)}."
        )
    if check_types and not _same_container(shallow_tree, input_tree, shallow_kind, kind):
        raise TypeError(
            "The two structures don't have the same sequence type. Input structure has type "
            f"{type(input_tree)}, while shallow structure has type {type(shallow_tree)}."
        )
    if shallow_kind is COMPOSITE and kind is COMPOSITE:
        _check_specs(shallow_tree, input_tree)
    shallow_children, children = shallow_kind.children(shallow_tree), kind.children(input_tree)
    if len(shallow_children) != len(children):
        raise ValueError(
            "The two structures don't have the same sequence length. Input structure has length "
            f"{len(children)}, while shallow structure has length {len(shallow_children)}."
        )
    if shallow_kind is MAPPING:
        present = set(input_tree) if kind is MAPPING else ()
        missing = [key for key in sorted_keys(shallow_tree) if key not in present]
        if missing:
            raise ValueError(
                "The shallow_tree's keys are not a subset of the input_tree's keys. The shallow_tree has the "
                f"following keys that are not in the input_tree: {missing}."
            )
    for shallow_child, child in zip(shallow_children, children, strict=True):
        assert_shallow_structure(shallow_child, child, check_types, expand_composites)


def _yield_up_to(
    shallow: Any, structure: Any, expand_composites: bool, path: _Path
) -> Iterator[tuple[_Path, Any]]:
    """Yields `(path, what is there in structure)` for each leaf of `shallow`; the two are known to fit."""
    kind = kind_of(shallow, expand_composites)
    if kind is None:
        yield path, structure
        return
    children = KIND_OF_CLASS[type(structure)].children(structure)
    for key, shallow_child, child in zip(kind.keys(shallow), kind.children(shallow), children, strict=True):
        yield from _yield_up_to(shallow_child, child, expand_composites, (*path, key))


def flatten_with_tuple_paths_up_to(
    shallow_tree: Any, input_tree: Any, check_types: bool = True, expand_composites: bool = False
) -> list[tuple[_Path, Any]]:
    """Returns `(path, value)` for what `input_tree` has at each leaf of `shallow_tree`."""
    assert_shallow_structure(shallow_tree, input_tree, check_types, expand_composites)
    return list(_yield_up_to(shallow_tree, input_tree, expand_composites, ()))


def flatten_up_to(
    shallow_tree: Any, input_tree: Any, check_types: bool = True, expand_composites: bool = False
) -> list[Any]:
    """Returns what `input_tree` has at each leaf of `shallow_tree`: values that may be structures themselves.

    Raises:
      TypeError, ValueError: as `assert_shallow_structure`.

    >>> from penstock.types import nest
    >>> nest.flatten_up_to([0, 0], [[1, 2], 3])
    [[1, 2], 3]
    """
    assert_shallow_structure(shallow_tree, input_tree, check_types, expand_composites)
    return [value for _, value in _yield_up_to(shallow_tree, input_tree, expand_composites, ())]


def map_structure_up_to(shallow_tree: Any, func: Callable[..., Any], *inputs: Any, **kwargs: Any) -> Any:
    """Applies `func` to what the inputs have at each leaf of `shallow_tree`; returns a structure like that.

    >>> from penstock.types import nest
    >>> nest.map_structure_up_to([0, 0], len, [(1, 2), (3, 4, 5)])
    [2, 3]
    """

    def without_path(path: _Path, *values: Any) -> Any:
        return func(*values)

    return map_structure_with_tuple_paths_up_to(shallow_tree, without_path, *inputs, **kwargs)


def map_structure_with_tuple_paths_up_to(
    shallow_tree: Any,
    func: Callable[..., Any],
    *inputs: Any,
    check_types: bool = True,
    expand_composites: bool = False,
) -> Any:
    """As `map_structure_up_to`, but calls `func(path, *values)`.

    Raises:
      ValueError: if there are no inputs.
      TypeError, ValueError: as `assert_shallow_structure`, for each input.
    """
    if not inputs:
        raise ValueError("Cannot map over no sequences")
    flat = [flatten_up_to(shallow_tree, each, check_types, expand_composites) for each in inputs]
    paths = yield_flat_paths(shallow_tree, expand_composites)
    results = [func(path, *values) for path, *values in zip(paths, *flat, strict=True)]
    return _pack(shallow_tree, iter(results), expand_composites)


def get_traverse_shallow_structure(
    traverse_fn: Callable[[Any], Any], structure: Any, expand_composites: bool = False
) -> Any:
    """Returns the shallow structure of bools that a predicate draws in `structure`.

    Args:
      traverse_fn: Called with `structure`, and with each part of a container that it said True for. Returns
        whether to go down into the part, or a container of bools that says so for each child.
      structure: Any structure.
      expand_composites: Whether composites are structures too.

    Raises:
      TypeError: if `traverse_fn` returns neither a bool nor a container of bools.

    >>> from penstock.types import nest
    >>> nest.get_traverse_shallow_structure(lambda s: isinstance(s, list), [1, (2, 3)])
    [False, False]
    """
    descend = traverse_fn(structure)
    kind = kind_of(structure, expand_composites)
    if kind is None:
        if not isinstance(descend, bool):
            raise TypeError(f"traverse_fn returned structure: {descend} for non-structure: {structure}")
        return descend
    children = kind.children(structure)
    if isinstance(descend, bool):
        if not descend:
            return False
        into = [True] * len(children)
    elif not is_nested(descend):
        raise TypeError(f"traverse_fn returned a non-bool scalar: {descend} for input: {structure}")
    else:
        assert_shallow_structure(descend, structure, expand_composites=expand_composites)
        into = list(KIND_OF_CLASS[type(descend)].children(descend))
    for flag in into:
        if not isinstance(flag, bool):
            raise TypeError(f"traverse_fn didn't return a depth=1 structure of bools. It returned: {descend}")
    drawn = [
        get_traverse_shallow_structure(traverse_fn, child, expand_composites) if flag else False
        for flag, child in zip(into, children, strict=True)
    ]
    return kind.rebuild(structure, drawn)
