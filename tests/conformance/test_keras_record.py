"""What becomes of the outcomes of Keras's tests: names, records, and what does not agree with TensorFlow."""

import pytest

from conformance.keras import report
from conformance.keras.__main__ import for_want_of, merged
from conformance.keras.outcomes import Outcome, read_junit
from conformance.keras.record import Record, covers

PASSED, SKIPPED = Outcome("passed"), Outcome("skipped", "GPU only")
FAILED = Outcome("failed", "ValueError: no")


def record(**outcomes):
    """`a__test_x=PASSED` is the test `test_x` of the module `a`."""
    return Record.of({name.replace("__", "::"): each for name, each in outcomes.items()})


def junit(folder, *cases):
    file = folder / "junit.xml"
    file.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    return read_junit(file)


def case(name, inside="", classname="keras.src.ops.nn_test.NNTest"):
    return f'<testcase classname="{classname}" name="{name}">{inside}</testcase>'


def test_names_are_those_of_keras(tmp_path):
    found = junit(tmp_path, case("test_a"), case("test_b", classname="keras.src.ops.nn_test"))
    assert list(found) == ["ops.nn_test::NNTest::test_a", "ops.nn_test::test_b"]


def test_names_hold_no_addresses_and_stay_apart(tmp_path):
    found = junit(tmp_path, *(case(f"test_a[&lt;f at 0x7f{i}>]") for i in range(3)))
    assert list(found) == [f"ops.nn_test::NNTest::test_a[<f>]{each}" for each in ("", "#2", "#3")]


def test_a_test_that_fails_while_it_is_torn_down_has_failed(tmp_path):
    error = '<error message="no">E   OSError: no file /opt/x/site-packages/keras/y.py at 0x7f</error>'
    (found,) = junit(tmp_path, case("test_a"), case("test_a", error)).values()
    assert found == Outcome("failed", "OSError: no file keras/y.py")


def test_a_file_that_cannot_be_imported_has_failed(tmp_path):
    error = "<error message='collection failure'>E   ModuleNotFoundError: No module named 'x'</error>"
    found = junit(tmp_path, case("keras.src.export.onnx_test", error, classname=""))
    assert found == {"export.onnx_test": Outcome("failed", "ModuleNotFoundError: No module named 'x'")}


def test_a_failure_that_is_expected_is_as_good_as_a_pass(tmp_path):
    expected = '<skipped type="pytest.xfail" message="fit is not reproducible"/>'
    skipped = '<skipped type="pytest.skip" message="GPU only">no.py:1: GPU only</skipped>'
    assert list(junit(tmp_path, case("test_a", expected), case("test_b", skipped)).values()) == [
        PASSED,
        SKIPPED,
    ]


def test_a_record_is_what_was_saved(tmp_path):
    saved = record(a__x=PASSED, a__y=FAILED, b__z=SKIPPED)
    saved.save(tmp_path / "record.json")
    assert Record.load(tmp_path / "record.json") == saved
    assert saved.modules == {"a": [1, 1, 0], "b": [0, 0, 1]}
    assert Record.load(tmp_path / "none.json") == Record()


@pytest.mark.parametrize(
    ("path", "covered"),
    [("ops", True), ("ops/nn_test.py", True), ("op", False), ("ops/nn", False), ("layers/ops", False)],
)
def test_a_path_covers_the_modules_under_it(path, covered):
    assert covers([path], "ops.nn_test") == covered


def test_what_was_run_replaces_what_was_known_of_it():
    old = record(**{"ops.a__x": FAILED, "ops.a__gone": SKIPPED, "layers.b__y": FAILED})
    new = record(**{"ops.a__x": PASSED})
    both = merged(old, new, ["ops"])
    assert both.modules == {"layers.b": [0, 1, 0], "ops.a": [1, 0, 0]}
    assert (list(both.failed), both.skipped) == (["layers.b::y"], [])


def test_a_run_of_everything_keeps_the_large_models_only():
    old = record(**{"ops.gone__x": FAILED, "applications.a__x": SKIPPED})
    both = merged(old, record(**{"ops.a__x": PASSED}), [])
    assert list(both.modules) == ["applications.a", "ops.a"]


def test_records_of_different_packages_are_not_merged():
    old, new = record(**{"ops.a__x": PASSED, "losses.b__x": PASSED}), record(**{"ops.a__x": PASSED})
    old.packages, new.packages = {"keras": "3.15.1"}, {"keras": "3.16.0"}
    with pytest.raises(SystemExit, match=r"the record is of keras 3\.15\.1"):
        merged(old, new, ["ops"])


@pytest.mark.parametrize(
    ("here", "there", "why"),
    [
        ({"a__x": FAILED}, {"a__x": PASSED}, {"a::x": "ValueError: no"}),
        ({"a__x": SKIPPED}, {"a__x": PASSED}, {"a::x": "is skipped"}),
        ({"a__x": FAILED}, {"a__x": FAILED}, {}),
        ({"a__x": PASSED}, {"a__x": SKIPPED}, {}),
        ({"a__x": PASSED}, {"a__x": PASSED, "a__y": PASSED}, {"a": "1 tests ran, and 2 on TensorFlow"}),
        ({"b__x": PASSED}, {"a__x": PASSED}, {"b": "TensorFlow has not run it"}),
    ],
)
def test_what_does_not_agree_with_tensorflow(here, there, why):
    assert report.unexpected(record(**here), record(**there), {}) == why


def test_an_exception_is_for_a_test_that_does_not_pass():
    there = record(a__x=PASSED, a__y=PASSED)
    here = record(a__x=FAILED, a__y=PASSED)
    assert report.unexpected(here, there, {"a::x": "because"}) == {}
    stale = {"a::x": "because", "a::y": "once"}
    assert report.unexpected(here, there, stale) == {"a::y": "is named in exceptions.toml, and passes"}


def test_only_tests_that_name_a_package_go_without_it():
    outcomes = {
        "a": Outcome("skipped", "Need to import torch"),
        "b": Outcome("failed", "ModuleNotFoundError: No module named 'torch.nn'"),
        "c": Outcome("failed", "AssertionError: torch differs"),
        "d": Outcome("skipped", "GPU only"),
        "e": Outcome("passed"),
    }
    assert for_want_of(["torch"], outcomes) == ["a", "b"]
    assert for_want_of([], outcomes) == []
