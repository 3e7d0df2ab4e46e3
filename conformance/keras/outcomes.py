"""The outcome of every test of a run: read from pytest's JUnit file, kept as JSON, counted by folder."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

PREFIX = "keras.src."
_FOLDER = re.compile(r"/[^ ]*/site-packages/|/tmp/[^ /]*/")  # folders of the machine
_ADDRESS = re.compile(r" ?at ?0x[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one test: `passed`, `failed` or `skipped`; for a failure the last line of the error."""

    status: str
    cause: str = ""


def read_junit(path: Path) -> dict[str, Outcome]:
    """Test name (`ops.nn_test::NNOpsTest::test_relu`) -> outcome."""
    found = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = test_name(case.get("classname") or "", case.get("name") or "")
        problem = case.find("failure")
        if problem is None:
            problem = case.find("error")
        if problem is not None:
            found[name] = Outcome("failed", _cause(problem))
        elif case.find("skipped") is not None:
            found.setdefault(name, Outcome("skipped"))
        else:
            found.setdefault(name, Outcome("passed"))
    return found


def test_name(classname: str, name: str) -> str:
    """The name of a test, short and the same in every environment."""
    if not classname:  # a file that could not be imported
        return name.removeprefix(PREFIX)
    name = _ADDRESS.sub("", name)
    module, _, last = classname.removeprefix(PREFIX).rpartition(".")
    return (
        f"{classname.removeprefix(PREFIX)}::{name}" if last.endswith("_test") else f"{module}::{last}::{name}"
    )


def folder_of(name: str) -> str:
    """`layers/rnn` for a test of `layers.rnn.lstm_test`."""
    return "/".join(name.partition("::")[0].split(".")[:-1]) or "."


def count(outcomes: dict[str, Outcome]) -> dict[str, dict[str, int]]:
    """Folder -> status -> number of tests."""
    table: dict[str, dict[str, int]] = {}
    for name, outcome in outcomes.items():
        row = table.setdefault(folder_of(name), {"passed": 0, "failed": 0, "skipped": 0})
        row[outcome.status] += 1
    return table


def save(outcomes: dict[str, Outcome], path: Path) -> None:
    """Writes counts by folder, and the tests that did not pass."""
    content = {
        "folders": count(outcomes),
        "failed": {name: each.cause for name, each in sorted(outcomes.items()) if each.status == "failed"},
        "skipped": sorted(name for name, each in outcomes.items() if each.status == "skipped"),
    }
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(aside, path)


def _cause(problem: ElementTree.Element) -> str:
    lines = [line[1:].strip() for line in (problem.text or "").splitlines() if line.startswith("E  ")]
    text = next((line for line in lines if line), problem.get("message") or "")
    return _FOLDER.sub("", " ".join(text.split()))[:240]
