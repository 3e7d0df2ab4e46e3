"""Assertions about arrays and messages, for `tf.test.TestCase`. They take tensors, which are evaluated."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from absl.testing import absltest

from penstock.platform import tf_logging as logging
from penstock.types import errors
from penstock.types.dtypes import as_dtype
from penstock.types.tensors import Tensor


class ArrayAssertions(absltest.TestCase):
    """What is asserted about arrays. A subclass says how tensors are evaluated."""

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors."""
        raise TypeError(f"{type(self).__name__} does not define evaluate()")

    def _values(self, *things: Any) -> list[np.ndarray]:
        """Arrays of tensors or array-likes; tensors of a graph are evaluated in one step."""
        symbolic = [each for each in things if isinstance(each, Tensor) and not hasattr(each, "numpy")]
        known = iter(self.evaluate(symbolic) if symbolic else ())
        return [
            self._array(next(known) if isinstance(each, Tensor) and not hasattr(each, "numpy") else each)
            for each in things
        ]

    def _array(self, thing: Any) -> np.ndarray:
        if isinstance(thing, np.ndarray):
            return thing
        if hasattr(thing, "numpy") and callable(thing.numpy):
            return np.asarray(thing.numpy())
        if hasattr(thing, "handle"):
            return np.asarray(self.evaluate(thing))
        if isinstance(thing, (list, tuple)) and any(isinstance(each, Tensor) for each in thing):
            thing = [self._array(self.evaluate(each)) for each in thing]
        try:
            return np.array(thing)
        except ValueError as error:
            if "inhomogeneous" not in str(error):
                raise
            return np.array(thing, object)

    def _ragged(self, *things: Any) -> bool:
        return any(hasattr(each, "row_splits") for each in things)

    def _lists(self, thing: Any) -> Any:
        """A ragged tensor, or anything else, as nested lists."""
        if hasattr(thing, "row_splits"):
            return (
                self.evaluate(thing) if not hasattr(thing, "to_list") or hasattr(thing, "numpy") else thing
            ).to_list()
        return self._array(thing).tolist()

    # Closeness.

    def assertNear(self, f1: Any, f2: Any, err: float, msg: Any = None) -> None:
        """|f1 - f2| <= err."""
        f1, f2 = (np.squeeze(each) for each in self._values(f1, f2))
        note = f" ({msg})" if msg is not None else ""
        self.assertTrue(
            f1 == f2 or abs(f1 - f2) <= err, f"{f1} != {f2} +/- {err} (difference: {abs(f1 - f2)}){note}"
        )

    def assertArrayNear(self, farray1: Any, farray2: Any, err: float, msg: Any = None) -> None:
        """As `assertNear`, of all elements of two vectors."""
        one, other = self._values(farray1, farray2)
        self.assertEqual(len(one), len(other), msg=msg)
        for f1, f2 in zip(one, other):
            self.assertNear(float(f1), float(f2), err, msg=msg)

    def assertNDArrayNear(self, ndarray1: Any, ndarray2: Any, err: float, msg: Any = None) -> None:
        """The norm of the difference is smaller than `err`."""
        one, other = self._values(ndarray1, ndarray2)
        self.assertTrue(np.linalg.norm(one - other) < err, msg=msg)

    def assertAllClose(self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: Any = None) -> None:
        """|a - b| <= atol + rtol |b|, in all elements of arrays, or of nested lists and dictionaries of arrays."""
        self._assert_close(a, b, rtol, atol, msg or "", [])

    def _assert_close(self, a: Any, b: Any, rtol: float, atol: float, msg: str, path: list[str]) -> None:
        if self._ragged(a, b):
            self._assert_close_lists(self._lists(a), self._lists(b), rtol, atol, msg)
            return
        a, b = (each._asdict() if hasattr(each, "_asdict") else each for each in (a, b))
        place = "[" + "][".join(path) + "]" if path else ""
        if isinstance(a, Mapping) != isinstance(b, Mapping):
            raise ValueError(f"Can't compare dict to non-dict, a{place} vs b{place}. {msg}")
        if isinstance(a, Mapping):
            self.assertCountEqual(
                a.keys(),
                b.keys(),
                f"mismatched keys: a{place} has keys {a.keys()}, but b{place} has keys {b.keys()}",
            )
            for key in a:
                self._assert_close(a[key], b[key], rtol, atol, msg, [*path, str(key)])
            return
        mismatch = f"Mismatched value: a{place} is different from b{place}. {msg}"
        if not isinstance(a, (list, tuple)):
            self._assert_arrays_close(a, b, rtol, atol, mismatch)
            return
        try:
            self._assert_arrays_close(a, b, rtol, atol, mismatch)
        except (ValueError, TypeError, NotImplementedError):  # lists of things that are no one array
            if len(a) != len(b):
                raise ValueError(
                    f"Mismatched length: a{place} has {len(a)} items, but b{place} has {len(b)} items. {msg}"
                ) from None
            for index, (one, other) in enumerate(zip(a, b)):
                self._assert_close(one, other, rtol, atol, msg, [*path, str(index)])

    def _assert_close_lists(self, a: Any, b: Any, rtol: float, atol: float, msg: str) -> None:
        self.assertEqual(type(a), type(b), msg)
        if not isinstance(a, list):
            self._assert_arrays_close(a, b, rtol, atol, msg)
            return
        self.assertLen(a, len(b), msg)
        for one, other in zip(a, b):
            self._assert_close_lists(one, other, rtol, atol, msg)

    def _assert_arrays_close(self, a: Any, b: Any, rtol: float, atol: float, msg: str) -> None:
        a, b = self._values(a, b)
        contents = f" with contents {b}" if b.ndim <= 3 or b.size < 500 else ""
        self.assertEqual(
            a.shape, b.shape, f"Shape mismatch: expected {a.shape}, got {b.shape}{contents}. {msg}"
        )
        kind = a.dtype
        a, b = (each.astype(np.float32) if each.dtype.kind == "V" else each for each in (a, b))
        np.testing.assert_allclose(
            a, b, rtol, atol, equal_nan=True, err_msg=f"{msg}\ndtype = {kind}, shape = {a.shape}"
        )

    def assertAllCloseAccordingToType(
        self,
        a: Any,
        b: Any,
        rtol: float = 1e-6,
        atol: float = 1e-6,
        float_rtol: float = 1e-6,
        float_atol: float = 1e-6,
        half_rtol: float = 1e-3,
        half_atol: float = 1e-3,
        bfloat16_rtol: float = 1e-2,
        bfloat16_atol: float = 1e-2,
        msg: Any = None,
    ) -> None:
        """As `assertAllClose`, with the tolerances of the narrower dtype."""
        a, b = self._values(a, b)
        for names, relative, absolute in (
            ({"float32", "complex64"}, float_rtol, float_atol),
            ({"float16"}, half_rtol, half_atol),
            ({"bfloat16"}, bfloat16_rtol, bfloat16_atol),
        ):
            if names & {a.dtype.name, b.dtype.name}:
                rtol, atol = max(rtol, relative), max(atol, absolute)
        self.assertAllClose(a, b, rtol, atol, msg)

    def assertNotAllClose(
        self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: Any = None
    ) -> None:
        """The opposite of `assertAllClose`."""
        try:
            self.assertAllClose(a, b, rtol, atol, msg)
        except AssertionError:
            return
        raise AssertionError(f"The two values are close at all elements. {msg or ''}")

    # Equality and order.

    def assertAllEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        """All elements are equal; NaN equals NaN."""
        if self._ragged(a, b):
            self.assertEqual(self._lists(a), self._lists(b), msg)
            return
        a, b = self._values(a, b)
        contents = f" Contents: {b!r}." if b.ndim <= 3 or b.size < 500 else ""
        self.assertEqual(
            a.shape, b.shape, f"Shape mismatch: expected {a.shape}, got {b.shape}.{contents} {msg or ''}"
        )
        if a.dtype.kind != b.dtype.kind and {a.dtype.kind, b.dtype.kind} <= set("USO"):
            a, b = _as_bytes(a), _as_bytes(b)
        same = np.asarray(a == b)
        if as_dtype(a.dtype).is_floating:
            same = same | (np.isnan(a) & np.isnan(b))
        if not np.all(same):
            where = np.nonzero(np.atleast_1d(~same))
            lhs, rhs = (np.atleast_1d(each)[where] for each in (a, b))
            raise AssertionError(
                f"{msg or ''}\nArrays are not equal\nnot equal where = {where}\nnot equal lhs = {lhs!r}\n"
                f"not equal rhs = {rhs!r}"
            )

    def assertNotAllEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        """The opposite of `assertAllEqual`."""
        try:
            self.assertAllEqual(a, b)
        except AssertionError:
            return
        raise AssertionError(f"The two values are equal at all elements. {msg or ''}")

    def assertAllGreater(self, a: Any, comparison_target: Any) -> None:
        """All elements are greater."""
        a, target = self._values(a, comparison_target)
        self.assertGreater(np.min(a), target)

    def assertAllLess(self, a: Any, comparison_target: Any) -> None:
        """All elements are less."""
        a, target = self._values(a, comparison_target)
        self.assertLess(np.max(a), target)

    def assertAllGreaterEqual(self, a: Any, comparison_target: Any) -> None:
        """All elements are greater or equal."""
        a, target = self._values(a, comparison_target)
        self.assertGreaterEqual(np.min(a), target)

    def assertAllLessEqual(self, a: Any, comparison_target: Any) -> None:
        """All elements are less or equal."""
        a, target = self._values(a, comparison_target)
        self.assertLessEqual(np.max(a), target)

    def assertAllInRange(
        self,
        target: Any,
        lower_bound: Any,
        upper_bound: Any,
        open_lower_bound: bool = False,
        open_upper_bound: bool = False,
    ) -> None:
        """All elements are between two bounds, which belong to the range unless they are open."""
        (array,) = self._values(target)
        if array.dtype.kind not in "fiuV":
            raise AssertionError(
                f"The value of {target} does not have an ordered numeric type, instead it has type: {array.dtype}"
            )
        nan = np.isnan(array)
        if nan.any():
            raise AssertionError(
                f"{nan.sum()} of the {array.size} element(s) are NaN. Subscripts(s) and value(s) of the NaN element(s):\n"
                + _listed(nan, array)
            )
        low = array <= lower_bound if open_lower_bound else array < lower_bound
        high = array >= upper_bound if open_upper_bound else array > upper_bound
        outside = np.asarray(low | high)
        if outside.any():
            bounds = f"{'(' if open_lower_bound else '['}{lower_bound}, {upper_bound}{')' if open_upper_bound else ']'}"
            raise AssertionError(
                f"{outside.sum()} of the {array.size} element(s) are outside the range {bounds}. Subscript(s) and "
                f"value(s) of the offending elements:\n" + _listed(outside, array)
            )

    def assertAllInSet(self, target: Any, expected_set: Any) -> None:
        """All elements are in a set."""
        (array,) = self._values(target)
        others = np.setdiff1d(array.reshape(-1), list(expected_set))
        if others.size:
            raise AssertionError(
                f"{others.size} unique element(s) are not in the set {expected_set}: {others}"
            )

    def assertDTypeEqual(self, target: Any, expected_dtype: Any) -> None:
        """The array has a dtype."""
        (array,) = self._values(target)
        self.assertEqual(array.dtype, expected_dtype)

    def assertShapeEqual(self, input_a: Any, input_b: Any, msg: Any = None) -> None:
        """Two arrays or tensors have the same shape.

        Raises:
          TypeError: one is neither.
        """
        shapes = []
        for name, each in (("input_a", input_a), ("input_b", input_b)):
            if not isinstance(each, (np.ndarray, np.generic, Tensor)):
                raise TypeError(
                    f"{name} must be a Numpy ndarray, Numpy scalar, or a Tensor. Instead received {type(each)}"
                )
            shapes.append(list(each.shape.as_list() if isinstance(each, Tensor) else each.shape))
        self.assertEqual(shapes[0], shapes[1], msg)

    def assertDeviceEqual(self, device1: Any, device2: Any, msg: Any = None) -> None:
        """Two names of devices mean the same."""
        one, other = (str(each or "").lower().replace("/device:", "/") for each in (device1, device2))
        self.assertEqual(one, other, f"Devices {device1} and {device2} are not equal. {msg}")

    def assertDictEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        """Two dictionaries have the same keys, and equal (floating point: close) values."""
        self.assertCountEqual(list(a), list(b), msg)
        for key, value in a.items():
            (array,) = self._values(value)
            close = array.dtype.kind in "fcV"
            (self.assertAllClose if close else self.assertAllEqual)(value, b[key], msg=msg or str(key))

    # Errors, texts and messages.

    @contextlib.contextmanager
    def assertRaisesWithPredicateMatch(
        self, exception_type: type[Exception], expected_err_re_or_predicate: Any
    ) -> Iterator[None]:
        """An error is raised inside whose text a regular expression finds, or a function accepts."""
        expected = expected_err_re_or_predicate

        def fits(error: Exception) -> Any:
            text = error.message if isinstance(error, errors.OpError) else str(error)
            operation = error.op if isinstance(error, errors.OpError) else None
            if operation is not None:
                text = f"{text}\nCaused by: {operation.name}"
            logging.info("Searching within error strings: '%s' within '%s'", expected, text)
            return re.search(expected, text)

        accepts: Callable = expected if callable(expected) else fits
        try:
            yield
        except Exception as error:
            if not isinstance(error, exception_type) or not accepts(error):
                raise AssertionError(f"Exception of type {type(error)}: {error}") from error
            return
        self.fail(f"{exception_type.__name__} not raised")

    def assertRaisesOpError(self, expected_err_re_or_predicate: Any) -> Any:
        """As `assertRaisesWithPredicateMatch`, of `tf.errors.OpError`."""
        return self.assertRaisesWithPredicateMatch(errors.OpError, expected_err_re_or_predicate)

    def assertRaisesIncompatibleShapesError(
        self, exception_type: type[Exception] = errors.InvalidArgumentError
    ) -> Any:
        """An error about shapes that do not go together is raised inside."""
        return self.assertRaisesWithPredicateMatch(
            exception_type,
            r"Incompatible shapes|Dimensions must be equal|required broadcastable shapes|do not broadcast|shapes? must",
        )

    def assertStartsWith(self, actual: str, expected_start: str, msg: Any = None) -> None:
        """A text begins with another one."""
        if not actual.startswith(expected_start):
            self.fail(f"{actual!r} does not start with {expected_start!r}" + (f" : {msg!r}" if msg else ""))

    def assertProtoEquals(
        self,
        expected_message_maybe_ascii: Any,
        validate_message: Any,
        msg: Any = None,
        relative_tolerance: float | None = None,
    ) -> None:
        """A message equals another one, or the text of one."""
        from google.protobuf import text_format

        expected = expected_message_maybe_ascii
        if isinstance(expected, (str, bytes)):
            expected = text_format.Merge(expected, type(validate_message)())
        elif not isinstance(expected, type(validate_message)):
            self.fail(f"Can't compare protos of type {type(expected)} and {type(validate_message)}.")
        self.assertMultiLineEqual(
            text_format.MessageToString(expected), text_format.MessageToString(validate_message), msg
        )

    def assertProtoEqualsVersion(
        self, expected: Any, actual: Any, producer: int | None = None, min_consumer: int = 0, msg: Any = None
    ) -> None:
        """As `assertProtoEquals`, of a GraphDef whose expected text has no version."""
        producer = actual.versions.producer if producer is None else producer
        versions = f"versions {{ producer: {producer} min_consumer: {min_consumer} }};\n"
        self.assertProtoEquals(versions + expected, actual, msg)


def _as_bytes(array: np.ndarray) -> np.ndarray:
    found = np.empty(array.shape, object)
    for place, each in np.ndenumerate(array):
        found[place] = each.encode() if isinstance(each, str) else each
    return found


def _listed(mask: np.ndarray, array: np.ndarray, limit: int = 10) -> str:
    places = np.argwhere(mask)
    lines = [f"  {place} : {array[tuple(place)]}" for place in places[:limit]]
    return "\n".join([*lines, "  ..."] if len(places) > limit else lines)
