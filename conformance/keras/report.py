"""`docs/keras-conformance.md`: what Keras's tests get on Penstock, beside TensorFlow."""

from __future__ import annotations

import re
from importlib.util import find_spec

from conformance.keras.outcomes import Outcome, count, folder_of

_HEAD = """# Keras's own tests on Penstock

Written by `make keras`; do not edit. Keras {keras}, unmodified, on Penstock {penstock} with `KERAS_BACKEND=tensorflow`,
beside TensorFlow {tensorflow} with the same packages ({machine}). {minutes:.0f} minutes.

* {agree} of the {total} tests that pass on TensorFlow pass on Penstock.
* {named} fail here and pass there, and are named with their reason in `conformance/keras/exceptions.toml`.
* {unexpected} fail here and pass there, and should not.
* {better} pass here and fail or are skipped there.
* {skipped} are skipped here and not there.
"""


_LACKS = re.compile(r"ModuleNotFoundError: No module named '(\w+)")


def lacking(outcome: Outcome) -> str | None:
    """The package that a test needs and that is not installed; Penstock's own lacks do not count."""
    found = _LACKS.match(outcome.cause)
    name = found and found[1]
    return (
        name if name and name not in ("tensorflow", "keras", "penstock") and find_spec(name) is None else None
    )


def unexpected(
    outcomes: dict[str, Outcome], baseline: dict, exceptions: dict[str, str]
) -> dict[str, Outcome]:
    """The tests that pass on TensorFlow, do not pass here, and are not among the exceptions."""
    elsewhere = {*baseline["failed"], *baseline["skipped"]}
    return {
        name: each
        for name, each in sorted(outcomes.items())
        if each.status != "passed" and name not in elsewhere and name not in exceptions and not lacking(each)
    }


def write(outcomes: dict[str, Outcome], baseline: dict, exceptions: dict[str, str], facts: dict) -> str:
    """The page, as Markdown."""
    elsewhere = {*baseline["failed"], *baseline["skipped"]}
    there = [name for name in outcomes if name not in elsewhere]
    bad = unexpected(outcomes, baseline, exceptions)
    named = {name: each for name, each in outcomes.items() if name in exceptions and each.status != "passed"}
    lines = [
        _HEAD.format(
            agree=sum(outcomes[name].status == "passed" for name in there),
            total=len(there),
            named=len(named),
            unexpected=len(bad),
            better=sum(outcomes[name].status == "passed" for name in elsewhere if name in outcomes),
            skipped=sum(outcomes[name].status == "skipped" for name in there),
            **facts,
        )
    ]
    lines += [
        "| folder | passed | failed | skipped | TensorFlow: passed | failed | skipped |",
        "| --- |" + " ---: |" * 6,
    ]
    here = count(outcomes)
    nothing = {"passed": 0, "failed": 0, "skipped": 0}
    for folder in sorted(here):
        lines.append(_row(folder, here[folder], baseline["folders"].get(folder, nothing)))
    folders = {folder_of(name) for name in outcomes}
    lines.append(
        _row(
            "**all**",
            _sum(here.values()),
            _sum(row for each, row in baseline["folders"].items() if each in folders),
        )
    )
    if bad:
        lines += ["", "## Fail here, pass on TensorFlow", ""]
        lines += [f"* `{name}`: {each.cause or each.status}" for name, each in bad.items()]
    if named:
        lines += ["", "## Exceptions", ""]
        lines += [f"* `{name}`: {exceptions[name]}" for name in sorted(named)]
    both = sorted(name for name, each in outcomes.items() if each.status == "failed" and name in elsewhere)
    if both:
        lines += ["", "## Do not pass on either", ""]
        lines += [f"* `{name}`: {outcomes[name].cause}" for name in both]
    return "\n".join(lines) + "\n"


def _row(folder: str, here: dict, there: dict) -> str:
    cells = [here[each] for each in ("passed", "failed", "skipped")] + [
        there[each] for each in ("passed", "failed", "skipped")
    ]
    return f"| {folder} | " + " | ".join(str(each) for each in cells) + " |"


def _sum(rows) -> dict[str, int]:
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for row in rows:
        for status in total:
            total[status] += row[status]
    return total
