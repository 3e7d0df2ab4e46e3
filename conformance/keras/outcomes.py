"""What became of each test of one run: read from pytest's JUnit file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

PREFIX = "keras.src."
_FOLDER = re.compile(r"/[^ ]*/site-packages/|/tmp/[^ /]*/")  # folders of the machine
_ADDRESS = re.compile(r" ?at ?0x[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one test: `passed`, `failed` or `skipped`; for the last two, the error's last line or the reason."""

    status: str
    cause: str = ""


def read_junit(path: Path) -> dict[str, Outcome]:
    """Test name (`ops.nn_test::NNOpsTest::test_relu`) -> outcome.

    Addresses are left out of names. Tests whose names differ in nothing else are numbered in the order they ran in.
    """
    found: dict[str, Outcome] = {}
    names: dict[tuple[str, str], str] = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        full = case.get("classname") or "", case.get("name") or ""
        if full not in names:
            name = test_name(*full)
            same = sum(each.partition("#")[0] == name for each in names.values()) if name in found else 0
            names[full] = f"{name}#{same + 1}" if same else name
        name, outcome = names[full], _outcome(case)
        # A test that passes and then fails in its tear-down is two cases.
        if name not in found or outcome.status == "failed":
            found[name] = outcome
    return found


def test_name(classname: str, name: str) -> str:
    """The name of a test, short and the same in every environment."""
    if not classname:  # a file that could not be imported
        return name.removeprefix(PREFIX)
    classname = classname.removeprefix(PREFIX)
    name = _ADDRESS.sub("", name)
    module, _, last = classname.rpartition(".")
    return f"{classname}::{name}" if last.endswith("_test") else f"{module}::{last}::{name}"


def module_of(name: str) -> str:
    """`layers.rnn.lstm_test` for a test of that file."""
    return name.partition("::")[0]


def _outcome(case: ElementTree.Element) -> Outcome:
    """A failure that Keras's own marks expect is as good as a pass: which of them such a test does is often luck."""
    for kind, status in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        what = case.find(kind)
        if what is not None and what.get("type") != "pytest.xfail":
            return Outcome(status, _cause(what))
    return Outcome("passed")


def _cause(what: ElementTree.Element) -> str:
    lines = [line[1:].strip() for line in (what.text or "").splitlines() if line.startswith("E  ")]
    text = next((line for line in lines if line), what.get("message") or "")
    return _ADDRESS.sub("", _FOLDER.sub("", " ".join(text.split())))[:240]
